//! Control batches: the one record that a transaction coordinator writes into a partition where a transaction ends.

use bytes::Bytes;

use super::header::{
    self, ATTRIBUTES_AT, BatchHeader, HEADER_BYTES, LOG_OVERHEAD_BYTES, MAGIC_V2, NO_SEQUENCE,
};
use super::record::ControlType;
use super::{Codec, crc, varint};

/// Version of key and value of the marker's record (`EndTransactionMarker`).
const MARKER_VERSION: i16 = 0;

/// The marker that ends a transaction of this producer, base offset 0, leader epoch unknown.
pub fn end_transaction_marker(
    control: ControlType,
    producer_id: i64,
    producer_epoch: i16,
    coordinator_epoch: i32,
    timestamp_ms: i64,
) -> Bytes {
    let kind: i16 = match control {
        ControlType::Abort => 0,
        ControlType::Commit => 1,
    };
    let key = [MARKER_VERSION.to_be_bytes(), kind.to_be_bytes()].concat();
    let value = [&MARKER_VERSION.to_be_bytes()[..], &coordinator_epoch.to_be_bytes()].concat();
    // Attributes, timestamp delta and offset delta of the only record are 0.
    let mut record = vec![0; 3];
    for field in [&key, &value] {
        varint::write_i32(&mut record, field.len() as i32);
        record.extend_from_slice(field);
    }
    varint::write_i32(&mut record, 0);

    let mut batch = vec![0; HEADER_BYTES];
    varint::write_i32(&mut batch, record.len() as i32);
    batch.extend_from_slice(&record);
    let header = BatchHeader {
        base_offset: 0,
        batch_length: (batch.len() - LOG_OVERHEAD_BYTES) as i32,
        leader_epoch: -1,
        magic: MAGIC_V2,
        crc: 0,
        attributes: header::attributes(Codec::None, true) | header::CONTROL_BIT,
        last_offset_delta: 0,
        base_timestamp: timestamp_ms,
        max_timestamp: timestamp_ms,
        producer_id,
        producer_epoch,
        base_sequence: NO_SEQUENCE,
        record_count: 1,
    };
    batch[..HEADER_BYTES].copy_from_slice(&header.to_bytes());
    let crc = crc::crc32c(&batch[ATTRIBUTES_AT..]);
    batch[header::CRC_AT..ATTRIBUTES_AT].copy_from_slice(&crc.to_be_bytes());
    batch.into()
}

#[cfg(test)]
mod tests {
    use super::super::{BufferPool, Decompressor, RecordSet};
    use super::*;

    #[test]
    fn a_marker_reads_back_as_what_it_says() {
        for control in [ControlType::Abort, ControlType::Commit] {
            let batch =
                RecordSet::new(end_transaction_marker(control, 7, 3, 5, 1234)).next().unwrap().unwrap();
            batch.check_crc().unwrap();
            let header = batch.header();
            assert!(header.is_control() && header.is_transactional() && !header.has_gaps());
            assert_eq!((header.producer_id, header.producer_epoch, header.max_timestamp), (7, 3, 1234));
            let payload = batch.payload(&mut Decompressor::new(BufferPool::default(), 1024)).unwrap();
            let records: Vec<_> = batch.records(&payload).map(Result::unwrap).collect();
            assert_eq!(records.len(), 1);
            assert_eq!(ControlType::from_key(records[0].key.unwrap()), Some(control));
            assert_eq!(records[0].value.unwrap(), [0, 0, 0, 0, 0, 5]);
        }
    }
}
