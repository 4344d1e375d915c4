//! The machine of a worker in a cluster: what the group, the config topic and requests want of it, against what runs here.
//!
//! ```text
//!  group ── MemberEvent ──┐                      ┌── start, stop, pause ──▶ connector threads, engine tasks
//!  config topic ── event ─┼─▶ [ Cluster::step ] ─┼── records, statuses ──▶ config and status topics
//!  REST ──── Command ─────┘    desired ⇄ actual  └── rejoin, acknowledge ─▶ group
//! ```
//!
//! [`Cluster`] keeps no list of steps to do. Each event changes what is wanted (assignment, configurations, target states, restarts) or what
//! is known to run; `reconcile` then compares the two, as far as the event can have changed them (`scope`). So nothing is forgotten when events overtake each other, and a task that a
//! rebalance does not move is not touched by it.

mod event;

mod machine;

mod membership;

mod config_events;

mod commands;

mod writes;

mod reconcile;

mod scope;

mod running;

mod leading;

mod fencing;

mod starting;

mod statuses;

mod work;

mod view;

mod shell;

pub use event::{ClusterAction, ClusterEvent, ConfigWrite, PublishFailure, Subject, WriteFailure, WriteId};
pub use fencing::NotToWrite;
pub use machine::{Cluster, ClusterSetup, Statuses};
pub(crate) use shell::ClusterShell;
pub use shell::Stores;
pub(super) use starting::TaskOffsets;

#[cfg(test)]
mod membership_tests;
#[cfg(test)]
mod tests;
