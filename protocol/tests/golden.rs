//! Record batches that Kafka's own Java client wrote (`golden/GoldenBatches.java`, kafka-clients 4.3.0) are read as what
//! they are, and what we write without compression is the same to the byte.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::path::Path;

use bytes::Bytes;
use protocol::wire::records::{
    BatchBuilder, BufferPool, Codec, Compressor, ControlType, Decompressor, Header, ProducerStamp,
    RecordBatch, RecordSet, TimestampType, patch_base_offset, patch_leader_epoch,
};

const BASE_OFFSET: i64 = 1000;
const BASE_TIMESTAMP: i64 = 1_700_000_000_000;
const RECORD_COUNT: i64 = 200;
const STAMP: ProducerStamp =
    ProducerStamp { producer_id: 4711, producer_epoch: 5, base_sequence: 42, is_transactional: false };

fn golden(name: &str) -> Bytes {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name).with_extension("bin");
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).into()
}

fn batches(bytes: Bytes) -> Vec<RecordBatch> {
    let mut set = RecordSet::new(bytes);
    let batches: Vec<_> = set.by_ref().map(Result::unwrap).collect();
    assert_eq!(set.incomplete_batch_bytes(), None);
    for batch in &batches {
        batch.check_crc().unwrap();
    }
    batches
}

fn only_batch(name: &str) -> RecordBatch {
    let mut batches = batches(golden(name));
    assert_eq!(batches.len(), 1);
    batches.remove(0)
}

fn key(index: i64) -> Option<Vec<u8>> {
    (index % 3 != 0).then(|| format!("key {index}").into_bytes())
}

fn value(index: i64) -> Option<Vec<u8>> {
    (index % 7 != 0).then(|| format!("value {index} ").repeat(index as usize % 100).into_bytes())
}

fn headers(index: i64) -> &'static [Header<'static>] {
    const HEADERS: &[Header<'static>] = &[
        Header { key: b"h", value: Some(b"1") },
        Header { key: b"h", value: None },
        Header { key: "ü".as_bytes(), value: Some(b"") },
    ];
    if index % 5 == 0 { HEADERS } else { &[] }
}

/// Checks that the batches together hold all records that `GoldenBatches#fill` appended.
fn check_filled(name: &str, batches: &[RecordBatch], magic: i8) {
    let mut decompressor = Decompressor::default();
    let mut index = 0;
    for batch in batches {
        let payload = batch.payload(&mut decompressor).unwrap();
        for record in batch.records(&payload) {
            let record = record.unwrap();
            let offset = batch.header().base_offset + i64::from(record.offset_delta);
            assert_eq!(offset, BASE_OFFSET + index, "{name}");
            let timestamp = if magic == 0 { -1 } else { BASE_TIMESTAMP + index * 10 };
            assert_eq!(record.timestamp, timestamp, "{name}");
            assert_eq!(record.key, key(index).as_deref(), "{name} {index}");
            assert_eq!(record.value, value(index).as_deref(), "{name} {index}");
            let headers_read: Vec<_> = record.headers.iter().map(Result::unwrap).collect();
            assert_eq!(headers_read, if magic == 2 { headers(index) } else { &[] }, "{name} {index}");
            index += 1;
        }
    }
    assert_eq!(index, RECORD_COUNT, "{name}");
    assert_eq!(batches.last().map(|batch| batch.header().next_offset()), Some(BASE_OFFSET + RECORD_COUNT));
}

/// The bytes that we write for the same records.
fn ours(codec: Codec) -> Bytes {
    let pool = BufferPool::default();
    let mut builder = BatchBuilder::new(pool.clone(), 1 << 20);
    for index in 0..RECORD_COUNT {
        let timestamp = BASE_TIMESTAMP + index * 10;
        let (key, value) = (key(index), value(index));
        assert!(builder.append(timestamp, key.as_deref(), value.as_deref(), headers(index)).unwrap());
    }
    let mut compressor = Compressor::new(codec, None, pool).unwrap();
    let mut bytes = builder.finish(STAMP, &mut compressor).unwrap().to_vec();
    assert!(patch_base_offset(&mut bytes, BASE_OFFSET));
    assert!(patch_leader_epoch(&mut bytes, 9));
    bytes.into()
}

#[test]
fn reads_v2_of_every_codec() {
    for codec in Codec::ALL {
        let name = format!("v2_{codec}");
        let batch = only_batch(&name);
        let header = batch.header();
        assert_eq!(batch.codec().unwrap(), codec);
        assert_eq!((header.base_offset, header.leader_epoch, header.record_count), (BASE_OFFSET, 9, 200));
        assert_eq!((header.producer_id, header.producer_epoch, header.base_sequence), (4711, 5, 42));
        assert_eq!(header.max_timestamp, BASE_TIMESTAMP + 1990);
        assert!(batch.can_pass_through());
        check_filled(&name, &[batch], 2);
    }
}

#[test]
fn reads_v0_and_v1_of_every_codec() {
    for magic in [0, 1] {
        for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4] {
            let name = format!("v{magic}_{codec}");
            check_filled(&name, &batches(golden(&name)), magic);
        }
    }
}

#[test]
fn writes_the_bytes_that_java_writes() {
    assert_eq!(ours(Codec::None), golden("v2_none"));
}

#[test]
fn frames_compressed_records_as_java_does() {
    const BATCH_HEADER: usize = 61;
    for (codec, frame_header_bytes) in [(Codec::Snappy, 16), (Codec::Lz4, 7)] {
        let (ours, java) = (ours(codec), golden(&format!("v2_{codec}")));
        let frame_header = BATCH_HEADER..BATCH_HEADER + frame_header_bytes;
        assert_eq!(ours[frame_header.clone()], java[frame_header], "{codec}");
    }
}

#[test]
fn reads_log_append_time() {
    let batch = only_batch("v2_log_append_time");
    assert_eq!(batch.header().timestamp_type(), TimestampType::LogAppend);
    let payload = batch.payload(&mut Decompressor::default()).unwrap();
    let record = batch.records(&payload).next().unwrap().unwrap();
    assert_eq!((record.timestamp, record.value), (1_700_000_000_999, Some(&b"late"[..])));
}

#[test]
fn reads_control_records() {
    let batch = only_batch("v2_commit_marker");
    assert!(batch.header().is_control() && batch.header().is_transactional());
    assert_eq!(batch.header().next_offset(), 78);
    let payload = batch.payload(&mut Decompressor::default()).unwrap();
    let record = batch.records(&payload).next().unwrap().unwrap();
    assert_eq!(ControlType::from_key(record.key.unwrap()), Some(ControlType::Commit));
}

#[test]
fn advances_past_a_batch_that_compaction_emptied() {
    let batch = only_batch("v2_compacted_to_nothing");
    assert_eq!((batch.header().base_offset, batch.header().next_offset()), (100, 110));
    let payload = batch.payload(&mut Decompressor::default()).unwrap();
    assert!(batch.records(&payload).next().is_none());
}
