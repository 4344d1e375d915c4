//! A stored batch without some of its records, as compaction leaves it: offsets, producer and the span of the batch stay.
//!
//! Kafka's `MemoryRecords#filterTo`: a rewritten batch keeps its codec, a batch that lost all records can be kept as a header.

use bytes::Bytes;

use crate::wire::error::{Error, Result};

use super::compression::Compressor;
use super::header::{
    ATTRIBUTES_AT, BatchHeader, CRC_AT, HEADER_BYTES, LOG_OVERHEAD_BYTES, NO_TIMESTAMP, TimestampType,
    emptied_attributes, retained_attributes,
};
use super::reader::RecordBatch;
use super::record::RecordRef;
use super::{Codec, crc, varint};

const DOING: &str = "rewrite record batch";

/// The records of a v2 batch that `keep` wants, under the same offsets. `payload` is the batch's
/// [`RecordBatch::payload`]; `compressor` has the batch's codec. With `delete_horizon_ms` the batch says from when on its tombstones
/// may go (KIP-534); where it says so already, that stays.
///
/// # Errors
/// `Malformed` if the records cannot be read; `Internal` if none is left, or the compressor is for another codec.
pub fn retain(
    batch: &RecordBatch,
    payload: &[u8],
    delete_horizon_ms: Option<i64>,
    compressor: &mut Compressor,
    mut keep: impl FnMut(&RecordRef<'_>) -> bool,
) -> Result<Bytes> {
    let old = batch.header();
    if compressor.codec() != old.codec()? {
        return Err(Error::internal(DOING, "the compressor is for another codec"));
    }
    let horizon_ms = old.delete_horizon_ms().or(delete_horizon_ms);
    let mut out = vec![0; HEADER_BYTES];
    let mut base_timestamp = horizon_ms;
    let mut max_timestamp = NO_TIMESTAMP;
    let mut record_count = 0;
    for record in batch.records(payload) {
        let record = record?;
        if keep(&record) {
            let base = *base_timestamp.get_or_insert(record.timestamp);
            write(&mut out, &record, record.timestamp.wrapping_sub(base));
            max_timestamp = max_timestamp.max(record.timestamp);
            record_count += 1;
        }
    }
    let Some(base_timestamp) = base_timestamp.filter(|_| record_count > 0) else {
        return Err(Error::internal(DOING, "no record is left"));
    };
    let header = BatchHeader {
        attributes: retained_attributes(old.attributes, horizon_ms.is_some()),
        base_timestamp,
        max_timestamp: match old.timestamp_type() {
            TimestampType::Create => max_timestamp,
            TimestampType::LogAppend => old.max_timestamp,
        },
        record_count,
        ..*old
    };
    if compressor.codec() == Codec::None {
        seal(header, &mut out)?;
        return Ok(out.into());
    }
    let mut packed = compressor.compress(&out[HEADER_BYTES..], HEADER_BYTES)?;
    seal(header, &mut packed)?;
    // A copy, because the buffer is as large as the worst case of the codec, and what is stored stays long.
    Ok(Bytes::copy_from_slice(&packed))
}

/// What is left of a batch whose records are all gone: its offsets, its time and its producer's sequence.
///
/// # Errors
/// None that a header which was read could cause.
pub fn emptied(old: &BatchHeader) -> Result<Bytes> {
    let header = BatchHeader {
        attributes: emptied_attributes(old.attributes),
        base_timestamp: NO_TIMESTAMP,
        record_count: 0,
        ..*old
    };
    let mut out = vec![0; HEADER_BYTES];
    seal(header, &mut out)?;
    Ok(out.into())
}

/// Writes the header with length and CRC in front of the records.
fn seal(mut header: BatchHeader, batch: &mut [u8]) -> Result<()> {
    let length = batch.len() - LOG_OVERHEAD_BYTES;
    header.batch_length = i32::try_from(length).map_err(|_too_large| {
        Error::too_large(DOING, length, i32::MAX as usize, "batch length of the protocol")
    })?;
    batch[..HEADER_BYTES].copy_from_slice(&header.to_bytes());
    let crc = crc::crc32c(&batch[ATTRIBUTES_AT..]);
    batch[CRC_AT..ATTRIBUTES_AT].copy_from_slice(&crc.to_be_bytes());
    Ok(())
}

/// Lengths and counts were read as `i32`, so the casts hold.
fn write(out: &mut Vec<u8>, record: &RecordRef<'_>, timestamp_delta: i64) {
    let part_bytes = |part: Option<&[u8]>| match part {
        Some(bytes) => varint::size_i32(bytes.len() as i32) + bytes.len(),
        None => varint::size_i32(-1),
    };
    let header_count = record.headers.len() as i32;
    let body_bytes = 1
        + varint::size_i64(timestamp_delta)
        + varint::size_i32(record.offset_delta)
        + part_bytes(record.key)
        + part_bytes(record.value)
        + varint::size_i32(header_count)
        + record.headers.raw().len();
    varint::write_i32(out, body_bytes as i32);
    out.push(0);
    varint::write_i64(out, timestamp_delta);
    varint::write_i32(out, record.offset_delta);
    for part in [record.key, record.value] {
        varint::write_i32(out, part.map_or(-1, |bytes| bytes.len() as i32));
        out.extend_from_slice(part.unwrap_or_default());
    }
    varint::write_i32(out, header_count);
    out.extend_from_slice(record.headers.raw());
}
