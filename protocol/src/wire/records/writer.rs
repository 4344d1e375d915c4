//! Builds v2 batches. Records are written in their final form as they come; finishing a batch writes its header in
//! front of them (not compressed: no copy at all) or packs them behind it.

use crate::wire::error::{Error, Result};

use super::codec::Codec;
use super::compression::Compressor;
use super::header::{
    self, ATTRIBUTES_AT, BatchHeader, HEADER_BYTES, LOG_OVERHEAD_BYTES, MAGIC_V2, ProducerStamp,
};
use super::pool::{BufferPool, PooledBuffer};
use super::record::{Header, Headers};
use super::{crc, varint};

use bytes::Bytes;

/// Collects the records of one batch, again and again: buffers and settings stay after [`BatchBuilder::finish`].
#[derive(Debug)]
pub struct BatchBuilder {
    pool: BufferPool,
    pub(super) target_bytes: usize,
    /// Starts with room for the header. `None` while the batch is empty.
    pub(super) buffer: Option<PooledBuffer>,
    pub(super) record_count: i32,
    pub(super) base_timestamp: i64,
    pub(super) max_timestamp: i64,
    /// Of the last batch, before compression: what the next one will probably need.
    last_bytes: usize,
}

impl BatchBuilder {
    /// A builder of batches of about `target_bytes`, counted before compression, header included. Memory comes from
    /// `pool` when the first record comes.
    pub fn new(pool: BufferPool, target_bytes: usize) -> Self {
        let target_bytes = target_bytes.min(BATCH_BYTES_MAX);
        BatchBuilder {
            pool,
            target_bytes,
            buffer: None,
            record_count: 0,
            base_timestamp: 0,
            max_timestamp: 0,
            last_bytes: 0,
        }
    }

    /// Appends a record, unless the batch holds one already and this one would take it over the target: then it
    /// returns `false`, and the caller finishes the batch and appends the record again. A single record may be larger
    /// than the target.
    ///
    /// # Errors
    /// `TooLarge` if the record could not be part of any batch.
    #[inline]
    pub fn append(
        &mut self,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[Header<'_>],
    ) -> Result<bool> {
        let (header_count, headers_bytes) = measured(headers.iter().copied());
        let Some(out) = self.begin_record(timestamp_ms, key, value, header_count, headers_bytes)? else {
            return Ok(false);
        };
        write_headers(out, headers.iter().copied());
        Ok(true)
    }

    /// As [`BatchBuilder::append`], with the headers of a record that was read, copied as they are.
    ///
    /// # Errors
    /// As [`BatchBuilder::append`].
    #[inline]
    pub fn append_with_raw_headers(
        &mut self,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: Headers<'_>,
    ) -> Result<bool> {
        let raw = headers.raw();
        let Some(out) = self.begin_record(timestamp_ms, key, value, headers.len(), raw.len())? else {
            return Ok(false);
        };
        out.extend_from_slice(raw);
        Ok(true)
    }

    /// Bytes of the batch so far, before compression, header included; 0 if empty.
    pub fn estimated_bytes(&self) -> usize {
        self.buffer.as_ref().map_or(0, |buffer| buffer.len())
    }

    /// Records in the batch so far.
    pub fn record_count(&self) -> usize {
        self.record_count as usize
    }

    /// Whether there is nothing to finish.
    pub fn is_empty(&self) -> bool {
        self.record_count == 0
    }

    /// The whole batch, base offset 0, leader epoch unknown, CRC set; the builder is then empty and ready for the next.
    /// The bytes are those of a pooled buffer, which returns to the pool with their last clone.
    ///
    /// # Errors
    /// `Internal` if there is no record or the codec fails; the records are lost then.
    pub fn finish(&mut self, stamp: ProducerStamp, compressor: &mut Compressor) -> Result<Bytes> {
        const DOING: &str = "finish record batch";
        let Some(buffer) = self.buffer.take() else {
            return Err(Error::internal(DOING, "the batch is empty"));
        };
        let record_count = std::mem::take(&mut self.record_count);
        self.last_bytes = buffer.len();
        let codec = compressor.codec();
        let mut batch = match codec {
            Codec::None => buffer,
            _ => compressor.compress(&buffer[HEADER_BYTES..], HEADER_BYTES)?,
        };
        let Ok(batch_length) = i32::try_from(batch.len() - LOG_OVERHEAD_BYTES) else {
            return Err(Error::too_large(
                DOING,
                batch.len(),
                BATCH_BYTES_MAX,
                "batch length of the protocol",
            ));
        };
        let header = BatchHeader {
            base_offset: 0,
            batch_length,
            leader_epoch: -1,
            magic: MAGIC_V2,
            crc: 0,
            attributes: header::attributes(codec, stamp.is_transactional),
            last_offset_delta: record_count - 1,
            base_timestamp: self.base_timestamp,
            max_timestamp: self.max_timestamp,
            producer_id: stamp.producer_id,
            producer_epoch: stamp.producer_epoch,
            base_sequence: stamp.base_sequence,
            record_count,
        };
        batch[..HEADER_BYTES].copy_from_slice(&header.to_bytes());
        let crc = crc::crc32c(&batch[ATTRIBUTES_AT..]);
        batch[header::CRC_AT..ATTRIBUTES_AT].copy_from_slice(&crc.to_be_bytes());
        Ok(batch.freeze())
    }

    /// By how many bytes the batch grows with a record, should it take it.
    #[inline]
    pub(super) fn growth_by(
        &self,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        header_count: usize,
        payload_bytes: usize,
    ) -> usize {
        if self.is_empty() {
            let body_bytes = body_bytes(0, 0, key, value, header_count, payload_bytes);
            return HEADER_BYTES + varint::size_i32(body_bytes as i32) + body_bytes;
        }
        let timestamp_delta = timestamp_ms.wrapping_sub(self.base_timestamp);
        let body_bytes =
            body_bytes(timestamp_delta, self.record_count, key, value, header_count, payload_bytes);
        varint::size_i32(body_bytes as i32) + body_bytes
    }

    /// Writes a record up to and including its header count. `None` if it has to wait for the next batch.
    #[inline(always)]
    pub(super) fn begin_record(
        &mut self,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        header_count: usize,
        headers_bytes: usize,
    ) -> Result<Option<&mut Vec<u8>>> {
        // Any part that does not fit into an `i32` makes the sum too large, so the casts below hold.
        let payload_bytes = key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len) + headers_bytes;
        if payload_bytes > BATCH_BYTES_MAX - HEADER_BYTES - RECORD_OVERHEAD_BYTES_MAX {
            return Err(Error::too_large(
                "append record",
                payload_bytes,
                BATCH_BYTES_MAX,
                "record size of the protocol",
            ));
        }
        let is_first = self.record_count == 0;
        let base_timestamp = if is_first { timestamp_ms } else { self.base_timestamp };
        let timestamp_delta = timestamp_ms.wrapping_sub(base_timestamp);
        let body_bytes =
            body_bytes(timestamp_delta, self.record_count, key, value, header_count, payload_bytes);
        let record_bytes = varint::size_i32(body_bytes as i32) + body_bytes;
        let buffer = match &mut self.buffer {
            Some(buffer) => {
                if buffer.len() + record_bytes > self.target_bytes || self.record_count == i32::MAX {
                    return Ok(None);
                }
                buffer
            }
            none => {
                // A quarter more than the last time: idle partitions must not each hold a whole target.
                let guess =
                    (self.last_bytes + self.last_bytes / 4).max(BUFFER_BYTES_MIN).min(self.target_bytes);
                let mut buffer = self.pool.get(guess.max(HEADER_BYTES + record_bytes));
                buffer.resize(HEADER_BYTES, 0);
                none.insert(buffer)
            }
        };
        let out: &mut Vec<u8> = buffer;
        out.reserve(record_bytes);
        varint::write_i32(out, body_bytes as i32);
        out.push(0);
        varint::write_i64(out, timestamp_delta);
        varint::write_i32(out, self.record_count);
        write_nullable(out, key);
        write_nullable(out, value);
        varint::write_i32(out, header_count as i32);
        self.base_timestamp = base_timestamp;
        self.max_timestamp = if is_first { timestamp_ms } else { self.max_timestamp.max(timestamp_ms) };
        self.record_count += 1;
        Ok(Some(out))
    }
}

/// A batch and its records cannot be larger than the lengths that say so.
const BATCH_BYTES_MAX: usize = i32::MAX as usize;
/// What a builder starts with.
const BUFFER_BYTES_MIN: usize = 16 * 1024;
/// More than the lengths, deltas and counts of a record take.
const RECORD_OVERHEAD_BYTES_MAX: usize = 64;

/// Bytes of a record behind its length.
#[inline(always)]
fn body_bytes(
    timestamp_delta: i64,
    offset_delta: i32,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    header_count: usize,
    payload_bytes: usize,
) -> usize {
    1 + varint::size_i64(timestamp_delta)
        + varint::size_i32(offset_delta)
        + varint::size_i32(nullable_length(key))
        + varint::size_i32(nullable_length(value))
        + varint::size_i32(header_count as i32)
        + payload_bytes
}

#[inline(always)]
fn write_nullable(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    varint::write_i32(out, nullable_length(bytes));
    out.extend_from_slice(bytes.unwrap_or_default());
}

#[inline(always)]
pub(super) fn nullable_length(bytes: Option<&[u8]>) -> i32 {
    bytes.map_or(-1, |bytes| bytes.len() as i32)
}

/// How many headers, and their bytes.
pub(super) fn measured<'a>(headers: impl Iterator<Item = Header<'a>>) -> (usize, usize) {
    headers.fold((0, 0), |(count, bytes), header| {
        (count + 1, bytes + sized(header.key) + nullable_sized(header.value))
    })
}

pub(super) fn write_headers<'a>(out: &mut Vec<u8>, headers: impl Iterator<Item = Header<'a>>) {
    for header in headers {
        varint::write_i32(out, header.key.len() as i32);
        out.extend_from_slice(header.key);
        write_nullable(out, header.value);
    }
}

fn sized(bytes: &[u8]) -> usize {
    varint::size_i32(bytes.len() as i32) + bytes.len()
}

fn nullable_sized(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, sized)
}
