//! Groups: members that share work under a leader's assignment (any protocol type: consumers, Connect workers), and
//! the offsets that they commit.
//!
//! ```text
//!   api/join_group.rs, sync_group.rs, ... ──► coordinator ──event, now──► classic (pure state machine)
//!                                               │    ▲                       │
//!                              one timer task ──┘    └── (waiter, outcome) ◄─┘
//! ```
//!
//! The state machine knows neither sockets nor timers: it says when it wants to be asked again, and answers held-back
//! requests through numbered waiters. The rules are those of Kafka's `GroupMetadataManager` for classic groups.

mod classic;
mod coordinator;
mod member;
mod offsets;
mod rebalance;

pub(crate) use classic::{Group, GroupState, SyncEvent};
pub(crate) use coordinator::{Coordinator, Limits};
pub(crate) use member::{
    JoinEvent, JoinFailure, Joined, JoinedMember, Member, Outcome, Replies, Synced, WaiterId,
};
pub(crate) use offsets::{CommittedOffset, GroupOffsets};

#[cfg(test)]
mod tests;
