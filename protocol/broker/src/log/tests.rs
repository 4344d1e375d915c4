//! Logs of real batches: what is refused, where offsets lie, what trimming and searching find.

use bytes::{Bytes, BytesMut};
use protocol::ErrorCode;
use protocol::wire::records::{
    BatchBuilder, BufferPool, Codec, Compressor, Decompressor, ProducerStamp, RecordSet,
};

use super::{Log, ReceivedBatch, TimestampHit};
use crate::memory::MemoryBudget;

/// A batch with a record per timestamp, of about 100 bytes each.
fn batch(codec: Codec, timestamps: &[i64]) -> Bytes {
    stamped(codec, timestamps, ProducerStamp::NONE)
}

fn stamped(codec: Codec, timestamps: &[i64], stamp: ProducerStamp) -> Bytes {
    let pool = BufferPool::default();
    let mut builder = BatchBuilder::new(pool.clone(), 1 << 20);
    for timestamp in timestamps {
        assert!(builder.append(*timestamp, Some(b"key"), Some(&[7; 80]), &[]).unwrap());
    }
    builder.finish(stamp, &mut Compressor::new(codec, None, pool).unwrap()).unwrap()
}

fn log() -> Log {
    Log::new(MemoryBudget::new(64 << 20))
}

fn append(log: &mut Log, records: Bytes) -> i64 {
    log.append(&ReceivedBatch::check(Some(records)).unwrap(), 0, None).unwrap()
}

fn read(log: &mut Log, offset: i64, bytes_max: usize) -> Vec<(i64, i64)> {
    let mut out = Vec::new();
    let (bytes, _) = log.read(offset, i64::MAX, bytes_max, true, &mut out);
    let joined = Bytes::from(out.concat());
    assert_eq!(joined.len(), bytes);
    let batches = RecordSet::new(joined).map(Result::unwrap);
    batches
        .map(|batch| {
            batch.check_crc().unwrap();
            (batch.header().base_offset, batch.header().last_offset())
        })
        .collect()
}

fn refused(records: &[u8]) -> ErrorCode {
    ReceivedBatch::check(Some(Bytes::copy_from_slice(records))).unwrap_err().code
}

fn decompressor() -> Decompressor {
    Decompressor::new(BufferPool::default(), 1 << 20)
}

#[test]
fn bad_batches_are_refused() {
    let good = batch(Codec::None, &[1, 2]);
    ReceivedBatch::check(Some(good.clone())).unwrap();
    assert_eq!(refused(b""), ErrorCode::INVALID_RECORD);
    assert_eq!(refused(&good[..good.len() - 1]), ErrorCode::CORRUPT_MESSAGE);
    assert_eq!(refused(&[&good[..], &good[..]].concat()), ErrorCode::INVALID_RECORD);
    let with = |at: usize, byte: u8| {
        let mut bad = BytesMut::from(&good[..]);
        bad[at] = byte;
        bad
    };
    assert_eq!(refused(&with(16, 1)), ErrorCode::INVALID_RECORD, "format 1");
    assert_eq!(refused(&with(good.len() - 1, 8)), ErrorCode::CORRUPT_MESSAGE, "CRC");
    assert_eq!(refused(&with(26, 9)), ErrorCode::CORRUPT_MESSAGE, "last offset delta, caught by the CRC");
    for length in [0, 11, 12, 40, 60] {
        assert!(refused(&good[..length]).is_error());
    }
    let nobodys = ProducerStamp { is_transactional: true, ..ProducerStamp::NONE };
    assert_eq!(refused(&stamped(Codec::None, &[1], nobodys)), ErrorCode::INVALID_RECORD);
    let no_sequence = ProducerStamp { producer_id: 1, producer_epoch: 0, ..ProducerStamp::NONE };
    assert_eq!(refused(&stamped(Codec::None, &[1], no_sequence)), ErrorCode::INVALID_RECORD);
}

#[test]
fn reads_start_at_the_batch_that_holds_the_offset() {
    let mut log = log();
    for codec in Codec::ALL {
        append(&mut log, batch(codec, &[1, 2, 3]));
    }
    let all: Vec<_> = (0..5).map(|i| (i * 3, i * 3 + 2)).collect();
    assert_eq!(read(&mut log, 0, usize::MAX), all);
    assert_eq!(read(&mut log, 4, usize::MAX), all[1..]);
    assert_eq!(read(&mut log, 5, 1), all[1..2], "at least one");
    assert_eq!(read(&mut log, 15, usize::MAX), []);
    let mut out = Vec::new();
    assert_eq!(log.read(0, i64::MAX, 10, false, &mut out), (0, 0), "nothing fits");
    // Limits cut between batches.
    let first = log.read(0, i64::MAX, 1, true, &mut out).0;
    let second = log.read(3, i64::MAX, 1, true, &mut out).0;
    assert_eq!(read(&mut log, 0, first + second), all[..2]);
    assert_eq!(read(&mut log, 0, first + second - 1), all[..1]);
}

#[test]
fn trimming_keeps_the_batch_that_holds_the_start() {
    let mut log = log();
    let budget = MemoryBudget::new(1 << 20);
    let mut small = Log::new(budget.clone());
    for _ in 0..4 {
        append(&mut log, batch(Codec::None, &[1, 2, 3]));
        append(&mut small, batch(Codec::None, &[1, 2, 3]));
    }
    log.trim_to_offset(4);
    assert_eq!((log.start_offset(), log.end_offset()), (4, 12));
    assert_eq!(read(&mut log, 4, usize::MAX)[0], (3, 5));
    log.trim_to_offset(2);
    assert_eq!(log.start_offset(), 4, "never backwards");
    let batch_bytes = log.size_bytes() / 3;
    log.trim_to_size(batch_bytes * 2);
    assert_eq!((log.start_offset(), log.size_bytes()), (6, batch_bytes * 2));
    log.trim_to_size(1);
    assert_eq!((log.start_offset(), log.size_bytes()), (9, batch_bytes), "the newest batch stays");
    log.trim_to_offset(12);
    assert_eq!((log.start_offset(), log.size_bytes()), (12, 0));
    append(&mut log, batch(Codec::None, &[1]));
    assert_eq!(read(&mut log, 12, usize::MAX), [(12, 12)]);
    small.trim_to_offset(12);
    assert_eq!(budget.used(), 0, "all memory is given back");
}

#[test]
fn records_are_found_by_time() {
    for codec in Codec::ALL {
        let mut log = log();
        append(&mut log, batch(codec, &[10, 20, 30]));
        append(&mut log, batch(codec, &[5, 40, 40]));
        let mut decompressor = decompressor();
        let mut find = |time| log.find_timestamp(time, &mut decompressor).map(|hit| hit.offset);
        assert_eq!(
            [find(0), find(11), find(30), find(31), find(41)],
            [Some(0), Some(1), Some(2), Some(4), None]
        );
        let max = log.find_max_timestamp(&mut decompressor);
        assert_eq!(max, Some(TimestampHit { offset: 4, timestamp_ms: 40 }), "the first of the latest");
        log.trim_to_offset(2);
        assert_eq!(log.find_timestamp(0, &mut decompressor).map(|hit| hit.offset), Some(2));
    }
}

#[test]
fn append_time_replaces_timestamps_and_keeps_the_checksum_right() {
    let mut log = log();
    let received = ReceivedBatch::check(Some(batch(Codec::Lz4, &[1, 2]))).unwrap();
    log.append(&received, 3, Some(777)).unwrap();
    let mut out = Vec::new();
    log.read(0, i64::MAX, usize::MAX, true, &mut out);
    let stored = RecordSet::new(out.remove(0)).next().unwrap().unwrap();
    stored.check_crc().unwrap();
    assert_eq!(stored.header().leader_epoch, 3);
    let payload = stored.payload(&mut decompressor()).unwrap();
    assert!(stored.records(&payload).all(|record| record.unwrap().timestamp == 777));
    assert_eq!(
        log.find_timestamp(700, &mut decompressor()),
        Some(TimestampHit { offset: 0, timestamp_ms: 777 })
    );
}

#[test]
fn epochs_end_where_the_next_one_begins() {
    let mut log = log();
    for epoch in [1, 1, 4] {
        log.append(&ReceivedBatch::check(Some(batch(Codec::None, &[1, 2]))).unwrap(), epoch, None).unwrap();
    }
    assert_eq!(log.end_of_epoch(0, 5), Some((0, 0)));
    assert_eq!(log.end_of_epoch(1, 5), Some((1, 4)));
    assert_eq!(log.end_of_epoch(2, 5), Some((1, 4)));
    assert_eq!(log.end_of_epoch(4, 5), Some((4, 6)));
    assert_eq!(log.end_of_epoch(5, 5), Some((5, 6)));
    assert_eq!(log.end_of_epoch(6, 5), None);
    // Two elections since anything was written.
    assert_eq!(log.end_of_epoch(5, 6), Some((4, 6)));
    assert_eq!(log.end_of_epoch(4, 6), Some((4, 6)));
    log.trim_to_offset(5);
    assert_eq!(log.end_of_epoch(1, 5), Some((1, 5)), "all of it is trimmed");
}
