//! The log of one partition: record batches as they were received, only base offset and leader epoch patched.
//!
//! ```text
//!   records of a produce request ──batch──► checked header ──producers──► in sequence? ──┐
//!                                                                                         ▼
//!   fetch ◄── slices of chunks ◄── chunks (bytes, in order) ◄── append ── partition_log (index by offset)
//! ```
//!
//! Nothing here knows of requests, topics or clients, and nothing decodes records except the search for a timestamp.

mod batch;
mod chunks;
mod partition_log;
mod producers;
mod transactions;

#[cfg(test)]
mod tests;

pub(crate) use batch::{Marker, ReceivedBatch};
pub(crate) use partition_log::{Log, TimestampHit};
pub(crate) use producers::{KnownProducer, Producers, Sequenced};
pub(crate) use transactions::AbortedTransaction;
