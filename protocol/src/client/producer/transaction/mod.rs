//! The transactions of a producer (KIP-98, KIP-360, KIP-447, KIP-890): begin, partitions, offsets, commit, abort, fencing.
//!
//! ```text
//!  init ─► begin ─► appends, send_offsets ─► commit | abort ─► begin ...
//!                          │ something failed
//!                          ▼
//!                    abort, and go on;  or fatal (fenced, not permitted): close
//! ```
//!
//! `state` is the state machine, without I/O. The send task performs what it says (`perform`) with the requests of `requests`, so
//! that a caller who goes away stops nothing halfway. `shared` joins callers and send task.
//!
//! Where the cluster finalised `transaction.version` 2 (KIP-890), a produce or offset commit adds its partition by itself and each
//! transaction ends with a new epoch, so that nothing late can slip into the next one. Elsewhere partitions are added before their
//! first batch, those that wait together in one request, while others are being written.

mod error;

mod group;

mod perform;

mod requests;

mod shared;

mod state;

pub use error::TransactionError;
pub use group::ConsumerGroupMetadata;
pub(super) use shared::Transaction;
pub(super) use state::{Call, Event};

#[cfg(test)]
mod tests;
