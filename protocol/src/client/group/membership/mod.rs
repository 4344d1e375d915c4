//! The pure core of group membership: `step(state, event, now) → (state, actions)`. No I/O, no clock, no Kafka Connect.
//!
//! ```text
//!            Join                reply             reply (follower), or Computed (leader)
//!  Outside ────────► Joining ─────────► Assigning ─────────► Syncing ─────────► Stable
//!     ▲                 ▲  ▲                │ any error         │ any error        │ rebalance announced,
//!     │                 │  └────────────────┴───────────────────┘                  │ or a rejoin requested
//!     │                 │                                                          ▼
//!     │                 └──────────────────── Join (what was held is given up) ── Preparing
//!     └── Lost / Failed / Left, from any state
//! ```
//!
//! Metadata and assignments are opaque bytes, so the same core carries the `consumer` and the `connect` protocol type.
//!
//! Invariants, each of them tested:
//! - A reply to a request that the core no longer waits for changes nothing (every request carries a token).
//! - Heartbeats carry the generation of the last join and are sent in `Assigning`, `Syncing`, `Stable` and `Preparing` only: while a
//!   join is pending the coordinator needs none.
//! - Whoever held an assignment is told [`GroupEvent::RebalanceNeeded`] or [`GroupEvent::Lost`] before the next `Assigned`, and the
//!   core does not rejoin after either before [`Event::Join`] says that everything was given up.
//! - A cooperative member keeps what it held while it joins, and is told `Lost` as soon as the coordinator no longer knows it.
//! - Any sequence of retriable failures that is followed by successes ends in `Stable`.

mod event;
mod state;
#[cfg(test)]
mod tests;

pub use event::{
    Action, AssignmentRound, Event, GroupEvent, GroupMember, JoinOutcome, JoinReply, LostReason,
    MemberIdentity, ProtocolMetadata, Token,
};
pub use state::{Membership, MembershipConfig};
