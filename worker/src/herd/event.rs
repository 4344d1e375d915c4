//! What goes into the state machine and what comes out of it.

use std::collections::HashMap;
use std::sync::Arc;

use api::Props;
use api::plugin::ConnectorPlugin;
use engine::task::{TaskId, TaskState};

use super::local::OffsetRequest;
use super::view::{ConnectorInfo, ConnectorStateInfo};
use crate::config::{RawConfig, TargetState};

/// Who waits for the answer to a command.
pub type Token = u64;

/// One start of a connector instance or task; later starts have greater numbers, so late news of a former one is recognised.
pub type Epoch = u64;

/// A request to change something.
#[derive(Debug)]
pub struct Command {
    /// Which connector.
    pub connector: Arc<str>,
    /// What to do with it.
    pub kind: CommandKind,
}

/// What to do with a connector. Configurations have been validated.
pub enum CommandKind {
    /// Create it; it must not exist.
    Create {
        /// Its registry line.
        plugin: ConnectorPlugin,
        /// Its configuration.
        config: Props,
        /// What to start it as.
        initial: TargetState,
    },
    /// Replace its configuration, or create it.
    Configure {
        /// Its registry line.
        plugin: ConnectorPlugin,
        /// Its configuration.
        config: Props,
        /// The configuration that this one was made from; if that is no longer the latest, nothing is done.
        base: Option<Props>,
    },
    /// Stop and forget it.
    Delete,
    /// Keep its tasks but move nothing.
    Pause,
    /// Go on, or start after a stop.
    Resume,
    /// End its tasks.
    Stop,
    /// Restart the instance alone and wait for it.
    RestartInstance,
    /// Restart the instance, and its tasks if asked to; the answer is the plan.
    Restart {
        /// Tasks as well.
        include_tasks: bool,
        /// Only what is FAILED.
        only_failed: bool,
    },
    /// Change its offsets; it must be stopped.
    Offsets(OffsetRequest),
    /// Replace its tasks: what another worker, which has its instance, found them to be. Within a cluster only.
    SetTasks(Vec<RawConfig>),
    /// Shut out the producers of former tasks of an exactly-once source, so that the present ones may write. Within a cluster only.
    Fence,
    /// Restart one task.
    RestartTask {
        /// Its number.
        task: u32,
    },
}

/// Something happened.
#[expect(clippy::large_enum_variant, reason = "they are passed on, not kept")]
pub enum Event {
    /// Someone asks for a change.
    Command {
        /// Who; the reply carries it.
        token: Token,
        /// For what.
        command: Command,
    },
    /// A connector instance has started, or has not.
    InstanceStarted {
        /// Which connector.
        connector: Arc<str>,
        /// Which start.
        epoch: Epoch,
        /// A trace where it failed.
        result: Result<(), String>,
    },
    /// A connector says that it would split its work otherwise now.
    ReconfigurationRequested {
        /// Which connector.
        connector: Arc<str>,
        /// Which instance.
        epoch: Epoch,
    },
    /// A connector has split its work.
    TasksGenerated {
        /// Which connector.
        connector: Arc<str>,
        /// Of which instance.
        epoch: Epoch,
        /// Task configurations as the connector gave them, or why there are none.
        result: Result<Vec<Props>, GenerateError>,
    },
    /// A change of offsets has ended.
    OffsetsChanged {
        /// Of which connector.
        connector: Arc<str>,
        /// Which change.
        epoch: Epoch,
        /// Whether the connector knows all its offsets to be changed.
        result: Result<bool, Refusal>,
    },
    /// A task reports its state.
    TaskReported {
        /// Which task.
        id: TaskId,
        /// Which start of it.
        epoch: Epoch,
        /// The state.
        state: TaskState,
    },
    /// A task has ended.
    TaskEnded {
        /// Which task.
        id: TaskId,
        /// Which start of it.
        epoch: Epoch,
    },
    /// The watchdog has looked at all tasks.
    TasksWatched {
        /// Those that run without moving, and why it is held so.
        stuck: HashMap<TaskId, Arc<str>>,
    },
    /// The core that a task runs on hangs in another task.
    TaskDisplaced {
        /// Which task.
        id: TaskId,
        /// Which start of it.
        epoch: Epoch,
    },
    /// Time has passed.
    Tick,
    /// Every connector of the command line has been created.
    Ready,
    /// Stop everything.
    Shutdown,
}

/// Why a connector made no tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenerateError {
    /// One line, for the answer to the request.
    pub message: String,
    /// For the status.
    pub trace: String,
}

/// Something to do.
pub enum Action {
    /// Start a connector instance; answer with [`Event::InstanceStarted`].
    StartInstance {
        /// Which connector.
        connector: Arc<str>,
        /// Which start.
        epoch: Epoch,
        /// Its registry line.
        plugin: ConnectorPlugin,
        /// Its configuration.
        config: Props,
    },
    /// Stop an instance, also one that is still starting.
    StopInstance {
        /// Which start.
        epoch: Epoch,
    },
    /// Have an instance split its work; answer with [`Event::TasksGenerated`].
    GenerateTasks {
        /// Which connector.
        connector: Arc<str>,
        /// Which start.
        epoch: Epoch,
        /// Its configuration.
        config: Props,
    },
    /// Change the offsets of a connector that has no tasks; answer with [`Event::OffsetsChanged`].
    ChangeOffsets {
        /// Which connector.
        connector: Arc<str>,
        /// Which change.
        epoch: Epoch,
        /// Its registry line.
        plugin: ConnectorPlugin,
        /// Its configuration.
        config: Props,
        /// What to change.
        request: OffsetRequest,
    },
    /// Go no further with a change of offsets: nobody waits for it any more.
    AbandonOffsets {
        /// Which change.
        epoch: Epoch,
    },
    /// Start a task; answer with [`Event::TaskReported`] and at last [`Event::TaskEnded`].
    StartTask {
        /// Which task.
        id: TaskId,
        /// Which start of it.
        epoch: Epoch,
        /// Its connector's configuration.
        config: Props,
        /// Its own configuration.
        props: Props,
        /// In target state PAUSED.
        starts_paused: bool,
    },
    /// Pause a task.
    PauseTask {
        /// Which start of it.
        epoch: Epoch,
    },
    /// Resume a task.
    ResumeTask {
        /// Which start of it.
        epoch: Epoch,
    },
    /// Ask a task to stop.
    StopTask {
        /// Which start of it.
        epoch: Epoch,
    },
    /// Give a task up: it has not stopped in time, or its core hangs in another task. It is a zombie from now on.
    AbandonTask {
        /// Which task.
        id: TaskId,
        /// Which start of it.
        epoch: Epoch,
    },
    /// Answer a command.
    Reply {
        /// To whom.
        token: Token,
        /// The answer.
        result: Result<Outcome, Refusal>,
    },
    /// Everything has stopped after [`Event::Shutdown`].
    Ended,
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The connector is new.
    Created(ConnectorInfo),
    /// The connector existed.
    Updated(ConnectorInfo),
    /// Done.
    Done,
    /// What will be restarted.
    Restarting(ConnectorStateInfo),
    /// Offsets have been changed; what to tell whoever asked.
    OffsetsChanged(String),
}

/// Why a command was not carried out. Texts are Java's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// It is there already.
    #[error("{0}")]
    AlreadyExists(String),
    /// It can't be asked for as things are.
    #[error("{0}")]
    BadRequest(String),
    /// What it was made from has changed meanwhile.
    #[error("{0}")]
    Outdated(String),
    /// Too much waits already.
    #[error("{0}")]
    Busy(String),
    /// It was tried and failed.
    #[error("{0}")]
    Failed(String),
    /// The config topic calls for a rebalance that has not ended yet.
    #[error(
        "Cannot complete request momentarily due to stale configuration (typically caused by a concurrent config change)"
    )]
    Rebalancing,
    /// Another worker of the cluster has to do it.
    #[error("Another worker has to do that")]
    Elsewhere {
        /// Its REST; none while nobody is known to be the one.
        url: Option<Arc<str>>,
    },
    /// The worker ends.
    #[error("Worker is shutting down")]
    ShuttingDown,
}
