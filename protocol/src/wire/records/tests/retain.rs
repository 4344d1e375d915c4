//! Batches without some of their records.

use super::*;
use crate::wire::records::header::patch_append_time;
use crate::wire::records::{TimestampType, emptied, patch_base_offset, retain};

const STAMP: ProducerStamp =
    ProducerStamp { producer_id: 7, producer_epoch: 2, base_sequence: 40, is_transactional: true };

fn records(count: i64) -> Vec<OwnedRecord> {
    let record = |offset: i64| OwnedRecord {
        headers: vec![(b"h".to_vec(), None), (b"h".to_vec(), Some(vec![1]))],
        ..value_record(offset, 1_000 + offset % 3, format!("value-{offset}").as_bytes())
    };
    (0..count).map(record).collect()
}

fn stored(codec: Codec, count: i64, append_time: Option<i64>) -> RecordBatch {
    let mut bytes = write(&records(count), codec, STAMP).to_vec();
    assert!(patch_base_offset(&mut bytes, 100));
    if let Some(time_ms) = append_time {
        assert!(patch_append_time(&mut bytes, time_ms));
    }
    one_batch(bytes.into())
}

fn retained(batch: &RecordBatch, horizon_ms: Option<i64>, keep: impl Fn(i32) -> bool) -> RecordBatch {
    let pool = BufferPool::default();
    let payload = batch.payload(&mut Decompressor::new(pool.clone(), 1 << 20)).unwrap();
    let mut compressor = Compressor::new(batch.codec().unwrap(), None, pool).unwrap();
    let bytes =
        retain(batch, &payload, horizon_ms, &mut compressor, |record| keep(record.offset_delta)).unwrap();
    let batch = one_batch(bytes);
    batch.check_crc().unwrap();
    batch
}

#[test]
fn what_is_kept_keeps_everything() {
    for codec in Codec::ALL {
        let batch = stored(codec, 10, None);
        let kept = retained(&batch, None, |delta| delta % 4 == 2);
        let expected: Vec<_> = read(&batch).unwrap().into_iter().filter(|r| r.offset % 4 == 2).collect();
        assert_eq!(expected.iter().map(|record| record.offset).collect::<Vec<_>>(), [102, 106]);
        assert_eq!(read(&kept).unwrap(), expected);
        let (old, new) = (batch.header(), kept.header());
        assert_eq!((new.base_offset, new.last_offset(), new.record_count), (100, 109, 2));
        assert_eq!((new.producer_id, new.producer_epoch, new.base_sequence), (7, 2, 40));
        assert_eq!((new.attributes, new.max_timestamp), (old.attributes, 1_002));
        assert!(new.has_gaps() && new.delete_horizon_ms().is_none());
        assert!(kept.bytes().len() < batch.bytes().len());
    }
}

#[test]
fn a_horizon_is_set_once_and_leaves_the_timestamps() {
    for codec in Codec::ALL {
        let batch = stored(codec, 5, None);
        let marked = retained(&batch, Some(9_000_000), |_| true);
        assert_eq!(marked.header().delete_horizon_ms(), Some(9_000_000));
        assert_eq!(read(&marked).unwrap(), read(&batch).unwrap());
        let again = retained(&marked, Some(1), |delta| delta > 2);
        assert_eq!(again.header().delete_horizon_ms(), Some(9_000_000));
        assert_eq!(read(&again).unwrap(), read(&batch).unwrap()[3..]);
    }
}

#[test]
fn the_brokers_time_stays_that_of_the_batch() {
    let kept = retained(&stored(Codec::Lz4, 5, Some(777)), None, |delta| delta == 3);
    assert_eq!(
        (kept.header().timestamp_type(), kept.header().max_timestamp),
        (TimestampType::LogAppend, 777)
    );
    assert_eq!(read(&kept).unwrap()[0].timestamp, 777);
}

#[test]
fn an_emptied_batch_is_its_header() {
    let batch = stored(Codec::Zstd, 5, None);
    let empty = one_batch(emptied(batch.header()).unwrap());
    empty.check_crc().unwrap();
    let (old, new) = (batch.header(), empty.header());
    assert_eq!((empty.codec().unwrap(), new.record_count, new.next_offset()), (Codec::None, 0, 105));
    assert_eq!((new.base_sequence, new.producer_epoch, new.max_timestamp), (40, 2, old.max_timestamp));
    assert!(new.is_transactional() && read(&empty).unwrap().is_empty());
}

#[test]
fn nothing_left_is_no_batch() {
    let batch = stored(Codec::None, 2, None);
    let payload = batch.payload(&mut Decompressor::default()).unwrap();
    let mut compressor = Compressor::new(Codec::None, None, BufferPool::default()).unwrap();
    retain(&batch, &payload, Some(1), &mut compressor, |_| false).unwrap_err();
    let mut other = Compressor::new(Codec::Lz4, None, BufferPool::default()).unwrap();
    retain(&batch, &payload, None, &mut other, |_| true).unwrap_err();
}
