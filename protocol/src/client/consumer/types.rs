//! What a poll returns.

use std::sync::Arc;

use crate::client::TopicPartition;
use crate::wire::records::RecordSet;

/// What a poll brought.
#[derive(Debug)]
pub enum Polled {
    /// Data, at least one entry. Entries of one partition are in the order of their offsets.
    Records(Vec<Fetched>),
    /// The assignment changes.
    Rebalance(Rebalance),
    /// A partition goes on elsewhere than where it stopped, by itself: records are gone, or come again.
    Reset(PositionReset),
    /// Nothing in the time given.
    Idle,
}

/// Why a position no longer fits its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetCause {
    /// The log begins behind the position, because records expired or were deleted, or ends before it.
    OutOfRange,
    /// A new leader lacks records that were read: the log was truncated (KIP-320).
    LogTruncated,
    /// The topic was deleted and another one of the same name created. All of that one is read, whatever `auto.offset.reset` says: it
    /// was written after everything that was read so far.
    TopicRecreated,
}

/// A position that had to be reset, as `auto.offset.reset` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PositionReset {
    /// Which partition.
    pub partition: TopicPartition,
    /// Why.
    pub cause: ResetCause,
    /// The offset that would have been next. Of another log where the topic was recreated.
    pub before: i64,
    /// The offset that is next.
    pub after: i64,
    /// The leader epoch to commit with `after`; -1 where not known.
    pub leader_epoch: i32,
}

/// A change of the assignment of a subscribed consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rebalance {
    /// These partitions are about to move: no more data of them comes. They still are the member's, and commits count, until the next
    /// poll, which gives them up. All that the member has under an eager assignor; those that leave under a cooperative one, while the
    /// others flow on.
    Revoked(Vec<TopicPartition>),
    /// These partitions are the member's now, beside those that it kept, with positions from the committed offsets or
    /// `auto.offset.reset`.
    Assigned(Vec<TopicPartition>),
    /// These partitions belong to others already: drop their data and commit nothing.
    Lost(Vec<TopicPartition>),
}

/// A transaction that was aborted, within the fetched range (only with `read_committed`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Whose.
    pub producer_id: i64,
    /// Where it began.
    pub first_offset: i64,
}

/// The batches of one partition from one response.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition's number.
    pub partition: i32,
    /// The position that was asked for. The first batch may begin before it: drop the rows below.
    pub first_wanted_offset: i64,
    /// Where the partition's next data begins: the consumer's position once this is taken.
    pub next_offset: i64,
    /// The leader epoch of the last batch, to be committed with `next_offset`; -1 where not known.
    pub leader_epoch: i32,
    /// Whole batches, at least one; a slice of the response buffer, which lives as long as this.
    pub records: RecordSet,
    /// Bytes in `records`.
    pub bytes: usize,
    /// How many records at or after `first_wanted_offset` the batch headers speak of, control batches left out: a figure to count with,
    /// not one to trust for an allocation.
    pub record_count: u64,
    /// The first offset that is not replicated yet.
    pub high_watermark: i64,
    /// The first offset that there is; -1 where the broker did not say.
    pub log_start_offset: i64,
    /// The first offset of an open transaction, or the high watermark; -1 where the broker did not say.
    pub last_stable_offset: i64,
    /// With `read_committed`: the batches of these transactions in `records` are to be dropped by the reader.
    pub aborted_transactions: Vec<AbortedTransaction>,
}
