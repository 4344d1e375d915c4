//! Membership of a worker in its Connect group: who leads, who runs what, and since when.
//!
//! ```text
//!   herder ──commands──▶ Member ──▶ Session (pure) ──▶ protocol::client::group::Group ──▶ coordinator
//!     ▲                    │                               │ control thread
//!     └──── MemberEvent ◀──┘                               └─▶ Leader: reads subscriptions, runs the assignors (pure)
//! ```
//!
//! [`Session`] knows what this worker has been given and what it still owes the group; [`assignor`] computes what everybody is given
//! while this worker leads. Neither has a clock, a thread or a socket. What connectors and tasks are, and when they run, is the herder's.

pub mod assignor;

pub mod protocol;

mod session;
mod unheard;

mod leader;

mod member;

mod owners;

mod metrics;

pub use self::protocol::ConnectProtocol;
pub use assignor::{ConfigSnapshots, Configured};
pub use member::{Member, MemberConfig};
pub use metrics::{GROUPS as METRIC_GROUPS, MembershipMetrics, RebalanceSample, RebalanceStats};
pub use owners::{MemberWork, Owners};
pub use session::{Action, Assigned, Claim, Event, MemberEvent, RevokedBy, Session};

#[cfg(test)]
mod tests;
