//! Transactions as the coordinator sees them: pure state machines, one per transactional id.
//!
//! ```text
//!           add                  end                       markers written
//!   Empty ───────► Ongoing ─────────────► PrepareCommit ─────────────────► CompleteCommit ──┐
//!     ▲               │  end, timeout, or PrepareAbort  ─────────────────► CompleteAbort  ──┤ add: Ongoing
//!     │ init          │  a successor's init                                                 │
//!     └───────────────┴─────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Time comes in as a value. What is to be done outside comes out as an [`Ending`]: write markers to these partitions and
//! groups, then say so. The behaviour is that of Kafka's `TransactionCoordinator` with `transaction.version` 2 (KIP-890).

mod coordinator;
mod machine;

#[cfg(test)]
mod tests;

pub(crate) use coordinator::{Coordinator, Limits};
pub(crate) use machine::{Ending, Identity, Participant, State, Transaction};
