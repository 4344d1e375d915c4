//! What this worker has been given, and what it owes the group: `step(event, now) → actions`. No I/O, no clock.
//!
//! ```text
//!  Out ───Join──▶ Joining ──Assigned──▶ Holding ──RebalanceNeeded──▶ Joining        (cooperative: nothing is given up)
//!                    ▲                     │
//!                    │   ┌── Revoked ◀─────┤ eager rebalance, lost membership, revocations in an assignment
//!                    └───┴── acknowledged: join, or take the assignment over
//! ```
//!
//! The behaviour is that of `WorkerCoordinator#onJoinPrepare` and `#onJoinComplete` with what `DistributedHerder` does around them, but for
//! one thing: a worker that was taken for dead stops its work before it joins again. Java's goes on, which is how two workers come to run
//! one task. It still claims what it had, as Java's does, so that the leader can leave it there: but not for longer than leaders wait.
//!
//! Invariants:
//! - No assignment that revokes is reported before what it revokes was stopped, and nothing is joined before what was lost was.
//! - What is claimed in a join was this worker's and has been neither revoked nor, as far as can be known, given to others.

mod event;

mod state;

pub use event::{Action, Assigned, Claim, Event, MemberEvent, RevokedBy};
pub use state::Session;

#[cfg(test)]
mod tests;
