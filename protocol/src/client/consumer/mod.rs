//! The consumer: whole record batches, fetched ahead under a byte budget, with or without a group.
//!
//! ```text
//!            poll ◄── ready (whole batches, slices of the response buffer) ◄─┐
//!  user ───► seek, pause, assign ──► Partitions (pure) ──plan──► broker loop ┴─► Fetch (session, KIP-227) ─► broker 1
//!            commit, subscribe ──► Group (its own thread)        broker loop ──► Fetch                    ─► broker 2
//!                                                                supervisor  ──► metadata
//!                                                                resolver    ──► committed offsets
//! ```
//!
//! Per fetch and per batch work only: nothing here looks at a record. A broker loop sends the next fetch as soon as the last
//! response is sorted into `ready`, before anybody takes it; a partition whose untaken data exceeds its share of the budget is left
//! out until it is taken. All consumers that share a [`PrefetchBudget`] keep to that, too. One slow, leaderless or failing partition
//! holds up no other.
//!
//! Positions: a position knows the leader epoch of the record before it and the id of its topic. After an election the new leader is
//! asked whether its log still has it (KIP-320), and a recreated topic is noticed by its id, in metadata and in every fetch. A position
//! that no longer fits is reset in the open ([`Polled::Reset`]), never silently.
//!
//! Transactions: with [`IsolationLevel::ReadCommitted`] the broker ends the data at the last stable offset and names the aborted
//! transactions, which [`Fetched`] carries. Control batches and aborted batches are handed out as they are:
//! [`Fetched::committed_batches`] leaves them out, and [`AbortedBatches`] says for each whether to.

mod config;

mod budget;

mod types;

mod session;

mod partitions;

mod plan;

mod response;

mod resets;

mod offset_requests;

mod shared;

mod broker_loop;

mod background;

mod membership;

mod handle;

mod metrics;

mod committed;

pub use crate::client::admin::IsolationLevel;
pub use budget::PrefetchBudget;
pub use committed::AbortedBatches;
pub use config::{ConsumerConfig, OffsetReset};
pub use handle::Consumer;
pub(crate) use metrics::definitions;
pub use types::{AbortedTransaction, Fetched, Polled, PositionReset, Rebalance, ResetCause};
