//! Membership of one group of any protocol type: a pure state machine, and a thin actor that performs what it asks for.
//!
//! ```text
//!  data thread                       │ control thread (Env::control)
//!                                    │
//!  Group ──commands──────────────────┼──► actor ──events──► Membership (pure) ──actions──┐
//!    ▲                               │      ▲                                            │
//!    └──GroupEvent (rare)────────────┼──────┴── replies ◄── requests to the coordinator ◄┘
//!                                    │                      (a Cluster, so connections, of its own)
//!                                    │      GroupProtocol: computes the assignment when we lead
//! ```
//!
//! No data work can delay a heartbeat: the actor shares neither thread nor connection with it. Metadata and assignments are opaque
//! bytes here; [`GroupProtocol`] gives them a meaning. [`ConsumerGroupProtocol`] is the `consumer` protocol type with Java's assignors;
//! Kafka Connect's own protocol type goes the same way.

pub mod assignor;

pub mod membership;

mod subscription;

mod protocol;

mod requests;

mod offsets;

mod actor;

mod handle;

mod metrics;

pub use handle::{Group, GroupConfig, LeaveSwitch, PollGuard};
pub use membership::{
    AssignmentRound, GroupEvent, GroupMember, LostReason, MemberIdentity, ProtocolMetadata,
};
pub use protocol::{ConsumerGroupProtocol, GroupProtocol};
pub use subscription::{Assignment, Subscription};

pub(crate) use metrics::definitions;
pub(crate) use subscription::by_topic;
