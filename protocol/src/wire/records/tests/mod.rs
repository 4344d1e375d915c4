//! Tests of the record layer as a whole: what is written is read again, hostile bytes do no harm, and the traps that
//! `kafka-protocol`'s own record layer falls into.

mod hostile;

mod legacy;

mod retain;

mod round_trip;

mod rows;

mod traps;

use bytes::Bytes;

use super::{
    BatchBuilder, BufferPool, Codec, Compressor, Decompressor, Header, ProducerStamp, RecordBatch, RecordSet,
};

/// A record that owns its bytes, for comparing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OwnedRecord {
    pub(super) offset: i64,
    pub(super) timestamp: i64,
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

pub(super) fn value_record(offset: i64, timestamp: i64, value: &[u8]) -> OwnedRecord {
    OwnedRecord { offset, timestamp, key: None, value: Some(value.to_vec()), headers: Vec::new() }
}

/// Writes all records into one batch. Offsets are given by the batch.
pub(super) fn write(records: &[OwnedRecord], codec: Codec, stamp: ProducerStamp) -> Bytes {
    let pool = BufferPool::default();
    let mut builder = BatchBuilder::new(pool.clone(), 1 << 30);
    for record in records {
        let headers: Vec<_> =
            record.headers.iter().map(|(key, value)| Header { key, value: value.as_deref() }).collect();
        let added = builder
            .append(record.timestamp, record.key.as_deref(), record.value.as_deref(), &headers)
            .unwrap();
        assert!(added);
    }
    builder.finish(stamp, &mut Compressor::new(codec, None, pool).unwrap()).unwrap()
}

/// The only batch in `bytes`.
pub(super) fn one_batch(bytes: Bytes) -> RecordBatch {
    let mut set = RecordSet::new(bytes);
    let batch = set.next().expect("one batch").unwrap();
    assert!(set.next().is_none());
    assert_eq!(set.incomplete_batch_bytes(), None);
    batch
}

pub(super) fn read(batch: &RecordBatch) -> crate::wire::error::Result<Vec<OwnedRecord>> {
    let payload = batch.payload(&mut Decompressor::default())?;
    batch
        .records(&payload)
        .map(|record| {
            let record = record?;
            let headers = record
                .headers
                .iter()
                .map(|header| header.map(|header| (header.key.to_vec(), header.value.map(<[u8]>::to_vec))))
                .collect::<Result<_, _>>()?;
            Ok(OwnedRecord {
                offset: batch.header().base_offset + i64::from(record.offset_delta),
                timestamp: record.timestamp,
                key: record.key.map(<[u8]>::to_vec),
                value: record.value.map(<[u8]>::to_vec),
                headers,
            })
        })
        .collect()
}
