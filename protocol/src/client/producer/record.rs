//! What goes into a producer and what comes out: records, completions, and why a record was not taken.

use std::fmt;

use super::TopicHandle;
use crate::Error;
use crate::wire::records::{Header, Rows};

/// A record to append. Everything is borrowed: appending copies it into its batch.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProduceRecord<'a> {
    /// Milliseconds since the epoch.
    pub timestamp_ms: i64,
    /// The key; None is null, which is not the same as empty.
    pub key: Option<&'a [u8]>,
    /// The value; None is null (a tombstone).
    pub value: Option<&'a [u8]>,
    /// Headers in order; keys may repeat.
    pub headers: &'a [Header<'a>],
}

/// As rows it is one.
impl Rows for ProduceRecord<'_> {
    #[inline]
    fn timestamp_ms(&self, _row: usize) -> i64 {
        self.timestamp_ms
    }

    #[inline]
    fn has_keys(&self) -> bool {
        self.key.is_some()
    }

    #[inline]
    fn key(&self, _row: usize) -> Option<&[u8]> {
        self.key
    }

    #[inline]
    fn value(&self, _row: usize) -> Option<&[u8]> {
        self.value
    }

    #[inline]
    fn headers(&self, _row: usize) -> impl Iterator<Item = Header<'_>> + Clone {
        self.headers.iter().copied()
    }

    #[inline]
    fn has_headers(&self) -> bool {
        !self.headers.is_empty()
    }
}

/// The most bytes that a record takes uncompressed and alone in a batch, as Java's
/// `AbstractRecords#estimateSizeInBytesUpperBound` has it: what `max.request.size` limits.
pub(super) fn size_upper_bound<R: Rows>(rows: &R, row: usize) -> usize {
    const BATCH_OVERHEAD: usize = 61;
    const RECORD_OVERHEAD_MAX: usize = 21;
    let (header_count, headers) = rows
        .headers(row)
        .fold((0, 0), |(count, bytes), h| (count + 1, bytes + sized(h.key.len()) + nullable(h.value)));
    BATCH_OVERHEAD
        + RECORD_OVERHEAD_MAX
        + nullable(rows.key(row))
        + nullable(rows.value(row))
        + varint(header_count)
        + headers
}

fn nullable(bytes: Option<&[u8]>) -> usize {
    bytes.map_or(1, |bytes| sized(bytes.len()))
}

fn sized(length: usize) -> usize {
    varint(length) + length
}

/// Bytes of a zigzag varint of a length.
fn varint(value: usize) -> usize {
    let bits = usize::BITS - (value << 1).leading_zeros();
    bits.div_ceil(7).max(1) as usize
}

/// Why a record was not appended. Nothing of it was kept.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum AppendError {
    /// `buffer.memory` is used up, or so many batches of the partition that was asked for wait that each request under way has a
    /// successor: await [`Producer::ready`](super::Producer::ready) and append again.
    Full,
    /// The record is larger than a limit; it can never be sent.
    TooLarge {
        /// Its size, as Java counts it.
        size: usize,
        /// The limit.
        max: usize,
        /// The setting that holds the limit.
        setting: &'static str,
    },
    /// The topic has no such partition.
    NoSuchPartition {
        /// The one asked for.
        partition: i32,
        /// How many there are.
        count: usize,
    },
    /// The producer was closed.
    Closed,
    /// The producer is transactional and no transaction takes records: none was begun, or it failed and has to be aborted.
    NoTransaction,
    /// The record cannot be encoded, or the batch that it closed cannot be compressed.
    Encode(Error),
}

impl fmt::Display for AppendError {
    /// Java's words, because connectors and their users search for them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the buffer memory of the producer is used up"),
            Self::TooLarge { size, max, setting: setting @ "buffer.memory" } => write!(
                f,
                "The message is {size} bytes when serialized which is larger than the total memory buffer you have \
                 configured with the {setting} configuration ({max})."
            ),
            Self::TooLarge { size, max, setting } => write!(
                f,
                "The message is {size} bytes when serialized which is larger than {max}, which is the value of the \
                 {setting} configuration."
            ),
            Self::NoSuchPartition { partition, count } => write!(
                f,
                "Invalid partition given with record: {partition} is not in the range [0...{count})."
            ),
            Self::Closed => f.write_str("Cannot perform operation after producer has been closed"),
            Self::NoTransaction => f.write_str("no transaction is open that takes records: begin one"),
            Self::Encode(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for AppendError {}

/// What became of consecutive records of one batch that were appended under the same token.
#[derive(Debug, Clone)]
pub struct Completion {
    /// The caller's cookie.
    pub token: u64,
    /// How many records of that token this is about.
    pub record_count: u32,
    /// The partition that they were appended to.
    pub partition: i32,
    /// Where they are, or why they are not.
    pub result: Result<Ack, Error>,
}

/// Where records were written.
#[derive(Debug, Clone)]
pub struct Ack {
    /// The topic.
    pub topic: TopicHandle,
    /// The partition.
    pub partition: i32,
    /// The offset of the first of them, the others follow; None where the broker does not say (`acks=0`, or a duplicate).
    pub base_offset: Option<i64>,
    /// The broker's time, where the topic has `message.timestamp.type=LogAppendTime`.
    pub log_append_time_ms: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_is_what_java_estimates() {
        // DefaultRecordBatch.estimateBatchSizeUpperBound: 61 + 21 + varint(-1) + varint(100) + 100 + varint(0).
        let value = [0; 100];
        let record = ProduceRecord { value: Some(&value), ..Default::default() };
        assert_eq!(size_upper_bound(&record, 0), 61 + 21 + 1 + 2 + 100 + 1);
        let headers = [Header { key: b"ab", value: None }, Header { key: b"ab", value: Some(b"c") }];
        let record = ProduceRecord { key: Some(b""), headers: &headers, ..record };
        assert_eq!(size_upper_bound(&record, 0), 61 + 21 + 1 + 2 + 100 + 1 + (3 + 1) + (3 + 2));
    }

    #[test]
    fn words_are_those_of_java() {
        let error = AppendError::TooLarge { size: 1_500_000, max: 1_048_576, setting: "max.request.size" };
        assert_eq!(
            error.to_string(),
            "The message is 1500000 bytes when serialized which is larger than 1048576, which is the value of the \
             max.request.size configuration."
        );
    }
}
