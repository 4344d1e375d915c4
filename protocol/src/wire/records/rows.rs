//! Records by the run: appends rows of columns to a batch in one loop, with what can be known before it kept out of it.
//!
//! Nearly every record is small, so that none of its lengths and deltas takes more than three bytes as a varint. Such a record is put
//! together in two or three machine words, each stored whole and then cut to its length; all others go the general way, with the same
//! bytes as result.

use std::mem::MaybeUninit;
use std::ops::Range;
use std::ptr;

use crate::wire::error::Result;

use super::record::Header;
use super::varint::{self, Short, short, zigzag_i32, zigzag_i64};
use super::writer::{BatchBuilder, measured, nullable_length, write_headers};

/// Records in columns. Everything is borrowed: appending copies it into its batch.
pub trait Rows {
    /// Milliseconds since the epoch.
    fn timestamp_ms(&self, row: usize) -> i64;

    /// Whether any row has a key. `true` costs a look at each.
    fn has_keys(&self) -> bool;

    /// The key; `None` is null, which is not the same as empty.
    fn key(&self, row: usize) -> Option<&[u8]>;

    /// The value; `None` is null (a tombstone).
    fn value(&self, row: usize) -> Option<&[u8]>;

    /// Headers in order; keys may repeat.
    fn headers(&self, row: usize) -> impl Iterator<Item = Header<'_>> + Clone;

    /// Whether any row has a header. `true` costs a look at each.
    fn has_headers(&self) -> bool;
}

/// Why [`BatchBuilder::append_rows`] appended no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// All rows are in the batch.
    Done,
    /// The next one would take the batch over its target, or over the limit that was given.
    Full,
    /// The next one is larger than those that go unseen.
    Large,
}

/// How far [`BatchBuilder::append_rows`] may go.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of the batch, as far as that is below its target.
    pub batch_bytes: usize,
    /// Bytes of key, value and headers of each row but the first.
    pub payload_bytes: usize,
}

/// Up to so many bytes of payload, and so many records before it, no length or delta of a record is above what a [`Short`] holds.
const SMALL_MAX: usize = varint::SHORT_MAX as usize / 2 - 64;
/// What writing a word takes, whatever its length.
const WORD_BYTES: usize = 8;

impl BatchBuilder {
    /// Appends rows from the beginning of `left` on, and takes them out of it. An empty batch takes any row.
    ///
    /// # Errors
    /// As [`BatchBuilder::append`], for the first row in `left`.
    #[inline]
    pub fn append_rows<R: Rows>(
        &mut self,
        rows: &R,
        left: &mut Range<usize>,
        limits: Limits,
    ) -> Result<Stop> {
        let first = left.start;
        while left.start < left.end {
            if self.append_small_rows(rows, left, limits) {
                continue;
            }
            let row = left.start;
            let (timestamp_ms, key, value) = (rows.timestamp_ms(row), rows.key(row), rows.value(row));
            let headers = rows.headers(row);
            let (header_count, headers_bytes) = measured(headers.clone());
            let payload_bytes = payload(key, value) + headers_bytes;
            if payload_bytes > limits.payload_bytes && row != first {
                return Ok(Stop::Large);
            }
            let growth = self.growth_by(timestamp_ms, key, value, header_count, payload_bytes);
            if !self.is_empty() && self.estimated_bytes() + growth > limits.batch_bytes {
                return Ok(Stop::Full);
            }
            let begun = self.begin_record(timestamp_ms, key, value, header_count, headers_bytes)?;
            let Some(out) = begun else { return Ok(Stop::Full) };
            write_headers(out, headers);
            left.start += 1;
        }
        Ok(Stop::Done)
    }

    /// By how many bytes the batch grows with a row, should it take it.
    pub fn growth<R: Rows>(&self, rows: &R, row: usize) -> usize {
        let (key, value) = (rows.key(row), rows.value(row));
        let (header_count, headers_bytes) = measured(rows.headers(row));
        let payload_bytes = payload(key, value) + headers_bytes;
        self.growth_by(rows.timestamp_ms(row), key, value, header_count, payload_bytes)
    }

    /// Appends rows while they are small, without headers, not the first of the batch, and there is ample room. Whether there was one.
    #[inline(always)]
    fn append_small_rows<R: Rows>(&mut self, rows: &R, left: &mut Range<usize>, limits: Limits) -> bool {
        if rows.has_headers() {
            return false;
        }
        let Some(buffer) = &mut self.buffer else { return false };
        let out: &mut Vec<u8> = buffer;
        let before = out.len();
        let batch_bytes_left = limits.batch_bytes.min(self.target_bytes).saturating_sub(before);
        let room = out.spare_capacity_mut();
        // Words may reach beyond the record.
        let end_max = batch_bytes_left.min(room.len().saturating_sub(WORD_BYTES));
        let payload_bytes_max = limits.payload_bytes.min(SMALL_MAX);
        let (first, base_timestamp) = (left.start, self.base_timestamp);
        let mut max_timestamp = self.max_timestamp;
        let mut count = self.record_count;
        let end = left.end.min(first + SMALL_MAX.saturating_sub(count as usize));
        let mut at = 0;
        for row in first..end {
            let (timestamp_ms, key, value) = (rows.timestamp_ms(row), rows.key(row), rows.value(row));
            let payload_bytes = payload(key, value);
            let timestamp_delta = zigzag_i64(timestamp_ms.wrapping_sub(base_timestamp));
            if payload_bytes > payload_bytes_max || timestamp_delta > u64::from(varint::SHORT_MAX) {
                break;
            }
            let timestamp_delta = short(timestamp_delta as u32);
            let offset_delta = short(zigzag_i32(count));
            let key_length = short(zigzag_i32(nullable_length(key)));
            let value_length = short(zigzag_i32(nullable_length(value)));
            let lengths =
                timestamp_delta.length + offset_delta.length + key_length.length + value_length.length;
            // One byte of attributes, and one that says that there are no headers.
            let body_bytes = lengths + payload_bytes + 2;
            let length = short(zigzag_i32(body_bytes as i32));
            if at + length.length + body_bytes > end_max {
                break;
            }
            let attributes = Short { bytes: 0, length: 1 };
            at = put(room, at, length.then(attributes).then(timestamp_delta));
            match key {
                None => at = put(room, at, offset_delta.then(key_length).then(value_length)),
                Some(key) => {
                    at = put(room, at, offset_delta.then(key_length));
                    at = copy(room, at, key);
                    at = put(room, at, value_length);
                }
            }
            at = copy(room, at, value.unwrap_or_default());
            room[at].write(0);
            at += 1;
            max_timestamp = max_timestamp.max(timestamp_ms);
            count += 1;
        }
        // SAFETY: `put`, `copy` and the zero behind them have written all bytes up to `at`, within the spare capacity.
        unsafe { out.set_len(before + at) };
        left.start += (count - self.record_count) as usize;
        self.record_count = count;
        self.max_timestamp = max_timestamp;
        left.start > first
    }
}

/// Writes a word, of which only its length counts; gives where that ends.
#[inline(always)]
fn put(room: &mut [MaybeUninit<u8>], at: usize, word: Short) -> usize {
    copy(room, at, &word.bytes.to_le_bytes());
    at + word.length
}

/// `write_copy_of_slice`, of which not all is inlined.
#[inline(always)]
fn copy(room: &mut [MaybeUninit<u8>], at: usize, bytes: &[u8]) -> usize {
    let to = &mut room[at..][..bytes.len()];
    // SAFETY: `to` is as long as `bytes`, and being borrowed mutably it is other memory.
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), to.as_mut_ptr().cast(), bytes.len()) };
    at + bytes.len()
}

#[inline(always)]
fn payload(key: Option<&[u8]>, value: Option<&[u8]>) -> usize {
    key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len)
}
