//! The idempotent, batching, transactional producer.
//!
//! ```text
//!  append(rows, token) ──► open batch of its partition ─► sealed (compressed once) ─► partition queue ─┐
//!                                                                                                      ▼
//!  completions ◄── (token, count, offset | error) per batch ◄── answers ◄── one request per leader ◄── send task
//! ```
//!
//! * A record costs one copy into its batch: no allocation, no future, no lock. Records are appended by the run; what is tracked of them
//!   is a run-length count of the caller's tokens.
//! * A batch is sent when it is full, when it has lingered, when the caller says that it is idle ([`Producer::flush_hint`]), or when
//!   the buffer memory is used up. While a partition may send nothing, its open batch goes on filling.
//! * A batch that was read from Kafka can be [appended whole](Producer::append_batch): it goes out as it came, with another header.
//! * One request carries one batch for every partition of a leader that has one; up to five requests per connection are in flight.
//! * Order per partition and exactly-once over retries are the business of `queue`, which explains why they hold.
//! * Transactions are the business of `transaction`: a state machine that the send task performs.
//!
//! A producer lives on one thread, inside a `LocalSet`.

mod config;

mod record;

mod partitioner;

mod topic;

mod finished;

mod queue;

mod request;

mod accumulator;

mod append;

mod passing;

mod split;

mod sender;

mod answers;

mod handle;

mod metrics;

mod transaction;

mod transactional;

pub(crate) use config::DELIVERY_RULE;
pub use config::{Acks, ProducerConfig};
pub(crate) use metrics::definitions;

pub use handle::Producer;
pub use partitioner::{murmur2, partition_for_key};
pub use record::{Ack, AppendError, Completion, ProduceRecord};
pub use topic::TopicHandle;
pub use transaction::{ConsumerGroupMetadata, TransactionError};

/// The version of `Produce` that adds its partitions to the transaction by itself (KIP-890).
const IMPLICIT_ADD_VERSION: i16 = 12;

#[cfg(test)]
mod tests;
