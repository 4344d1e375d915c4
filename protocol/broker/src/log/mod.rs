//! The log of one partition: record batches as they were received, only base offset and leader epoch patched, until
//! compaction takes records out of them.
//!
//! ```text
//!   records of a produce request ──batch──► checked header ──producers──► in sequence? ──┐
//!                                                                                         ▼
//!   fetch ◄── slices of chunks ◄── part (index by offset) over chunks (bytes, in order) ◄── append ── partition_log
//!                                    ▲
//!                 rewritten parts ◄──┴── compaction, step by step
//! ```
//!
//! Nothing here knows of requests, topics or clients, and nothing decodes records except the search for a timestamp and
//! compaction.

mod batch;
mod chunks;
mod cleaned_transactions;
mod compaction;
mod part;
mod partition_log;
mod producers;
mod segment;
mod transactions;

#[cfg(test)]
mod tests;

pub(crate) use batch::{Marker, ReceivedBatch};
pub(crate) use compaction::{Compaction, CompactionSettings};
pub(crate) use partition_log::{Log, TimestampHit};
pub(crate) use producers::{KnownProducer, Producers, Sequenced};
pub(crate) use segment::SegmentLimits;
pub(crate) use transactions::AbortedTransaction;
