//! What goes into the session and what comes out of it.

use std::sync::Arc;

use engine::task::TaskId;
use protocol::client::group::{GroupEvent, LostReason};

use crate::group::owners::Owners;
use crate::group::protocol::{Assignment, ConnectProtocol};

/// Why work has to be stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevokedBy {
    /// The leader moves it to others.
    Leader,
    /// The group follows the eager protocol, and a rebalance has begun.
    EagerRebalance,
    /// The group goes on without this worker.
    Lost(LostReason),
    /// The membership failed: [`MemberEvent::Failed`] says how.
    Failed,
    /// The herder asked for it, as it cannot keep up with the configuration.
    OutOfSync,
}

/// What a worker has from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assigned {
    /// The generation, as statuses carry it.
    pub generation: i32,
    /// Who this worker is in the group.
    pub member_id: Arc<str>,
    /// The leader's member id.
    pub leader: Arc<str>,
    /// Where the leader's REST is.
    pub leader_url: Arc<str>,
    /// Whether this worker leads.
    pub is_leader: bool,
    /// What the group has agreed on.
    pub protocol: ConnectProtocol,
    /// Work must not start with any other config offset than this.
    pub config_offset: i64,
    /// The leader could not assign (`CONFIG_MISMATCH`).
    pub is_failed: bool,
    /// All connectors of this worker.
    pub connectors: Vec<Arc<str>>,
    /// All tasks of this worker.
    pub tasks: Vec<TaskId>,
    /// Something was revoked, so that another round follows once this one is resolved.
    pub revoked_any: bool,
    /// After which time the member joins again by itself, in ms; 0 for never.
    pub delay_ms: u64,
    /// Where everything runs; only a leader knows.
    pub owners: Option<Arc<Owners>>,
}

/// What the herder is told.
#[derive(Debug)]
pub enum MemberEvent {
    /// A rebalance has begun. Under the cooperative protocols everything goes on.
    Rebalancing {
        /// For the log.
        reason: &'static str,
    },
    /// These have to be stopped, and that acknowledged, before anything else comes of it.
    Revoked {
        /// Why.
        cause: RevokedBy,
        /// Connectors to stop.
        connectors: Vec<Arc<str>>,
        /// Tasks to stop.
        tasks: Vec<TaskId>,
    },
    /// The worker has this work from now on.
    Assigned(Assigned),
    /// The membership does not work; it is tried again.
    Failed(protocol::Error),
}

/// What happened.
#[derive(Debug)]
pub enum Event {
    /// The herder wants to be in the group.
    Join,
    /// The group has something to say.
    Group(GroupEvent),
    /// The herder has stopped what the oldest open [`MemberEvent::Revoked`] named.
    RevokedDone,
    /// The herder has started the work of this generation.
    Resolved {
        /// From [`Assigned`].
        generation: i32,
    },
    /// Something the assignment depends on has changed.
    Rejoin(&'static str),
    /// The herder leaves for now, with what it has.
    StepOut(&'static str),
    /// The herder gives everything up of its own accord.
    RevokeAll,
    /// Time has passed.
    Tick,
}

/// What to do.
#[derive(Debug)]
pub enum Action {
    /// Join the group, claiming this.
    Join(Claim),
    /// Ask the group for a rebalance.
    RequestRejoin(&'static str),
    /// Leave for now.
    StepOut(&'static str),
    /// Tell the herder.
    Report(MemberEvent),
}

/// What a join says that the worker has.
pub type Claim = Option<Assignment>;
