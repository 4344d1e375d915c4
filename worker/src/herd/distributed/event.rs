//! What goes into the machine and what comes out of it, beyond what a standalone worker has.

use std::sync::Arc;

use api::Props;
use engine::task::TaskId;

use super::super::event::{Action, Epoch, Event, Token};
use super::super::state::State;
use crate::config::{RawConfig, TargetState};
use crate::group::MemberEvent;
use crate::store::config_log::{ConfigEvent, RestartRequest};

/// One request to write, so that its outcome is recognised.
pub type WriteId = u64;

/// Something happened.
#[derive(Debug)]
pub enum ClusterEvent {
    /// What every worker knows: requests, and news of what runs here.
    Herd(Event),
    /// The config topic said something.
    Config(ConfigEvent),
    /// The group did.
    Member(MemberEvent),
    /// Whoever sent a request has given up. What has not begun is not carried out behind its back.
    Abandoned(Token),
    /// What was revoked is stopped and said so in the status topic.
    StatusesFlushed,
    /// It is time to see whether the status topic still says what is.
    StatusesDue,
    /// The config topic was read to its end, or not in time.
    Refreshed(Result<(), String>),
    /// Records were written, and read back.
    Written {
        /// Which.
        id: WriteId,
        /// Whether all of them were.
        result: Result<(), WriteFailure>,
    },
    /// The producers of a source's former tasks were shut out, or not all of them.
    ProducersFenced {
        /// Whose.
        connector: Arc<str>,
        /// For which round.
        round: Epoch,
        /// Why not.
        result: Result<(), String>,
    },
    /// The leader has been given a connector's tasks, or has not.
    Published {
        /// Whose.
        connector: Arc<str>,
        /// Of which start.
        epoch: Epoch,
        /// Why not.
        result: Result<(), PublishFailure>,
    },
}

/// Why the leader was not given a connector's tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishFailure {
    /// For the log.
    pub message: String,
    /// It did not believe the signature: one of the two may not have read the newest key yet.
    pub is_forbidden: bool,
}

/// Why records could not be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteFailure {
    /// For whoever asked.
    pub message: String,
    /// Another worker has taken over: it must be asked for again before the next attempt.
    pub is_privilege_lost: bool,
}

/// One thing for the config topic.
#[derive(Clone, PartialEq)]
pub enum ConfigWrite {
    /// A connector's configuration, after the state that it is to begin in.
    Connector(Arc<str>, RawConfig, Option<TargetState>),
    /// A connector is no more.
    Removed(Arc<str>),
    /// All of a connector's tasks.
    Tasks(Arc<str>, Vec<RawConfig>),
    /// The state that a connector is asked to be in.
    Target(Arc<str>, TargetState),
    /// Of a source's tasks only so many may write: all others have been fenced.
    TaskCount(Arc<str>, u32),
    /// Restart it, wherever it runs.
    Restart(RestartRequest),
    /// A new key for requests between workers.
    NewSessionKey,
    /// Nothing: only read what others have written.
    ReadToEnd,
}

/// What a status is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A connector instance.
    Connector(Arc<str>),
    /// A task.
    Task(TaskId),
}

/// Something to do.
pub enum ClusterAction {
    /// What every worker does.
    Herd(Action),
    /// Write these, one after the other; answer with [`ClusterEvent::Written`].
    Write {
        /// Which request to write.
        id: WriteId,
        /// What.
        records: Vec<ConfigWrite>,
    },
    /// Say in the status topic what something does.
    Status {
        /// What.
        subject: Subject,
        /// Its state.
        state: State,
        /// Why it failed.
        trace: Option<String>,
        /// Of its class, where it was put together.
        version: Option<&'static str>,
        /// The group's generation.
        generation: i32,
        /// Only if no newer owner has said anything since.
        safely: bool,
    },
    /// Take away what the status topic says of somebody who is no more, a connector's topics with it.
    ForgetStatus {
        /// Who.
        subject: Subject,
        /// The group's generation.
        generation: i32,
    },
    /// Tell the group when the status topic has everything; answer with [`ClusterEvent::StatusesFlushed`].
    FlushStatuses,
    /// What the group took has been given up.
    AcknowledgeRevoked,
    /// The work of the last assignment has been started.
    Resolved {
        /// Of which generation.
        generation: i32,
    },
    /// Ask the group for a rebalance.
    Rejoin(&'static str),
    /// Leave the group for now.
    Leave(&'static str),
    /// Come back.
    Join,
    /// Give up everything that this worker holds.
    RevokeAll,
    /// Read the config topic to its end; answer with [`ClusterEvent::Refreshed`].
    Refresh,
    /// This worker leads: nobody else may write as the leader.
    ClaimPrivileges,
    /// Give the leader a connector's tasks; answer with [`ClusterEvent::Published`].
    Publish {
        /// Whose.
        connector: Arc<str>,
        /// Of which start.
        epoch: Epoch,
        /// Where the leader is.
        leader_url: Arc<str>,
        /// The tasks.
        tasks: Vec<RawConfig>,
    },
    /// Shut out the producers of a source's former tasks; answer with [`ClusterEvent::ProducersFenced`].
    FenceProducers {
        /// Whose.
        connector: Arc<str>,
        /// For which round.
        round: Epoch,
        /// Its configuration.
        config: Props,
        /// How many tasks there were.
        task_count: u32,
    },
    /// Give up shutting out producers, as far as it has not happened; there is no answer.
    AbandonFencing {
        /// Of which round.
        round: Epoch,
    },
    /// A logger's level was set for all workers.
    SetLoggerLevel {
        /// The logger.
        namespace: Arc<str>,
        /// The level.
        level: Arc<str>,
    },
}

impl std::fmt::Debug for ConfigWrite {
    /// Without configurations: there are secrets among their values.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ConfigWrite::Connector(name, _, initial) => write!(f, "Connector({name}, {initial:?})"),
            ConfigWrite::Removed(name) => write!(f, "Removed({name})"),
            ConfigWrite::Tasks(name, tasks) => write!(f, "Tasks({name}, {})", tasks.len()),
            ConfigWrite::Target(name, state) => write!(f, "Target({name}, {state:?})"),
            ConfigWrite::TaskCount(name, count) => write!(f, "TaskCount({name}, {count})"),
            ConfigWrite::Restart(request) => write!(f, "Restart({request})"),
            ConfigWrite::NewSessionKey => f.write_str("NewSessionKey"),
            ConfigWrite::ReadToEnd => f.write_str("ReadToEnd"),
        }
    }
}

impl std::fmt::Debug for ClusterAction {
    /// Without configurations: there are secrets among their values.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ClusterAction::Herd(action) => action.fmt(f),
            ClusterAction::Write { id, records } => {
                f.debug_struct("Write").field("id", id).field("records", records).finish()
            }
            ClusterAction::Status { subject, state, .. } => write!(f, "Status({subject:?}, {state:?})"),
            ClusterAction::ForgetStatus { subject, .. } => write!(f, "ForgetStatus({subject:?})"),
            ClusterAction::FlushStatuses => f.write_str("FlushStatuses"),
            ClusterAction::AcknowledgeRevoked => f.write_str("AcknowledgeRevoked"),
            ClusterAction::Resolved { generation } => write!(f, "Resolved({generation})"),
            ClusterAction::Rejoin(reason) => write!(f, "Rejoin({reason})"),
            ClusterAction::Leave(reason) => write!(f, "Leave({reason})"),
            ClusterAction::Join => f.write_str("Join"),
            ClusterAction::RevokeAll => f.write_str("RevokeAll"),
            ClusterAction::Refresh => f.write_str("Refresh"),
            ClusterAction::ClaimPrivileges => f.write_str("ClaimPrivileges"),
            ClusterAction::Publish { connector, tasks, .. } => {
                write!(f, "Publish({connector}, {})", tasks.len())
            }
            ClusterAction::FenceProducers { connector, task_count, .. } => {
                write!(f, "FenceProducers({connector}, {task_count})")
            }
            ClusterAction::AbandonFencing { round } => write!(f, "AbandonFencing({round})"),
            ClusterAction::SetLoggerLevel { namespace, level } => {
                write!(f, "SetLoggerLevel({namespace}, {level})")
            }
        }
    }
}
