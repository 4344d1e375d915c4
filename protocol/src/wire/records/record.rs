//! Single records, borrowed from a decompressed payload: an iterator without allocation, every length checked.

use crate::wire::error::{Error, Result};

use super::header::{BatchHeader, TimestampType};
use super::varint;

/// One record. Borrows from the payload that it was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordRef<'a> {
    /// Offset relative to the batch's base offset.
    pub offset_delta: i32,
    /// Absolute, in ms. The batch's max timestamp where the broker set the time.
    pub timestamp: i64,
    /// The key; `None` is null, which is not the same as empty.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is null (a tombstone), which is not the same as empty.
    pub value: Option<&'a [u8]>,
    /// The headers, not yet read.
    pub headers: Headers<'a>,
}

/// One header. Keys need not be unique, nor UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// The key's bytes.
    pub key: &'a [u8],
    /// The value; `None` is null.
    pub value: Option<&'a [u8]>,
}

/// Iterates over the records of one batch. Ends after the first error.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    rest: &'a [u8],
    remaining: u32,
    /// Payloads converted from v0/v1 do not know their count and end with their bytes.
    ends_with_bytes: bool,
    base_timestamp: i64,
    /// Set if all records have the same timestamp.
    log_append_time: Option<i64>,
    base_offset: i64,
}

impl<'a> Records<'a> {
    pub(crate) fn new(header: &BatchHeader, payload: &'a [u8], ends_with_bytes: bool) -> Self {
        Records {
            rest: payload,
            remaining: if ends_with_bytes { u32::MAX } else { header.record_count.max(0) as u32 },
            ends_with_bytes,
            base_timestamp: header.base_timestamp,
            log_append_time: match header.timestamp_type() {
                TimestampType::Create => None,
                TimestampType::LogAppend => Some(header.max_timestamp),
            },
            base_offset: header.base_offset,
        }
    }

    /// The first record of `rest`, and what follows it; `None` if the bytes are not a record.
    #[inline(always)]
    fn parse(&self) -> Option<(RecordRef<'a>, &'a [u8])> {
        let (length, rest) = varint::read_i32(self.rest)?;
        let (body, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        let (_unused_attributes, body) = body.split_first()?;
        let (timestamp_delta, body) = varint::read_i64(body)?;
        let (offset_delta, body) = varint::read_i32(body)?;
        let (key, body) = read_nullable(body)?;
        let (value, body) = read_nullable(body)?;
        let (header_count, body) = varint::read_i32(body)?;
        let header_count = usize::try_from(header_count).ok()?;
        // A header takes two bytes at least; no header may leave no bytes.
        if header_count > body.len() / 2 || (header_count == 0 && !body.is_empty()) {
            return None;
        }
        let timestamp = match self.log_append_time {
            None => self.base_timestamp.wrapping_add(timestamp_delta),
            Some(time) => time,
        };
        let headers = Headers { bytes: body, count: header_count as u32 };
        Some((RecordRef { offset_delta, timestamp, key, value, headers }, rest))
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<RecordRef<'a>>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.remaining == 0 && self.rest.is_empty() {
            return None;
        }
        if self.remaining > 0
            && let Some((record, rest)) = self.parse()
        {
            self.remaining -= 1;
            self.rest = rest;
            return Some(Ok(record));
        }
        let rest = std::mem::take(&mut self.rest);
        let missing = std::mem::take(&mut self.remaining);
        if rest.is_empty() && self.ends_with_bytes {
            return None;
        }
        Some(Err(wrong_end(self.base_offset, rest.len(), missing)))
    }
}

/// Why the iteration ends by an error. Takes values and not the iterator, which can then live in registers.
#[cold]
fn wrong_end(base_offset: i64, bytes_left: usize, missing: u32) -> Error {
    let detail = if missing == 0 {
        format!("{bytes_left} bytes follow the last record of the batch at offset {base_offset}")
    } else if bytes_left == 0 {
        format!("the batch at offset {base_offset} lacks {missing} records of its count")
    } else {
        format!(
            "a length is wrong in a record of the batch at offset {base_offset}, {bytes_left} bytes before its end"
        )
    };
    Error::malformed("read record", detail)
}

/// The headers of one record, as they stand in it: order and duplicates are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Headers<'a> {
    bytes: &'a [u8],
    count: u32,
}

impl<'a> Headers<'a> {
    /// How many headers the record says it has; at most half as many as there are bytes.
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The headers in wire format, without their count: to copy them to another record unread.
    pub fn raw(&self) -> &'a [u8] {
        self.bytes
    }

    /// Reads the headers one by one.
    pub fn iter(&self) -> HeadersIter<'a> {
        HeadersIter { rest: self.bytes, remaining: self.count }
    }
}

impl<'a> IntoIterator for Headers<'a> {
    type Item = Result<Header<'a>>;
    type IntoIter = HeadersIter<'a>;

    fn into_iter(self) -> HeadersIter<'a> {
        self.iter()
    }
}

impl<'a> IntoIterator for &Headers<'a> {
    type Item = Result<Header<'a>>;
    type IntoIter = HeadersIter<'a>;

    fn into_iter(self) -> HeadersIter<'a> {
        self.iter()
    }
}

/// Iterates over headers. Ends after the first error.
#[derive(Debug, Clone)]
pub struct HeadersIter<'a> {
    rest: &'a [u8],
    remaining: u32,
}

impl<'a> HeadersIter<'a> {
    fn parse(&self) -> Option<(Header<'a>, &'a [u8])> {
        let (length, rest) = varint::read_i32(self.rest)?;
        let (key, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        let (value, rest) = read_nullable(rest)?;
        Some((Header { key, value }, rest))
    }

    #[cold]
    fn fail(&mut self, detail: &'static str) -> Option<Result<Header<'a>>> {
        self.rest = &[];
        self.remaining = 0;
        Some(Err(Error::malformed("read record header", detail)))
    }
}

impl<'a> Iterator for HeadersIter<'a> {
    type Item = Result<Header<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.remaining == 0 {
            if self.rest.is_empty() {
                return None;
            }
            return self.fail("bytes follow the last header of a record");
        }
        match self.parse() {
            Some((header, rest)) => {
                self.remaining -= 1;
                self.rest = rest;
                Some(Ok(header))
            }
            None => self.fail("a length is wrong in a header of a record"),
        }
    }
}

/// Whether a transaction's control record commits or aborts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlType {
    /// The transaction was aborted.
    Abort,
    /// The transaction was committed.
    Commit,
}

impl ControlType {
    /// Reads the key of the record in a control batch. `None` for kinds that a client skips, such as leader changes.
    pub fn from_key(key: &[u8]) -> Option<ControlType> {
        match key {
            [_, _, 0, 0, ..] => Some(ControlType::Abort),
            [_, _, 0, 1, ..] => Some(ControlType::Commit),
            _ => None,
        }
    }
}

/// Bytes after a length, where a negative length is null, and what follows. `None` means that the length is wrong.
#[inline(always)]
fn read_nullable(bytes: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    let (length, bytes) = varint::read_i32(bytes)?;
    match usize::try_from(length) {
        Err(_negative) => Some((None, bytes)),
        Ok(length) => {
            let (value, rest) = bytes.split_at_checked(length)?;
            Some((Some(value), rest))
        }
    }
}
