//! One connector within the state machine.

use std::collections::{BTreeSet, VecDeque};

use api::Props;
use api::plugin::ConnectorPlugin;

use super::super::event::{Epoch, Token};
use super::super::local::OffsetRequest;
use super::super::retry::Retry;
use super::super::state::{State, Status};
use crate::config::{RestartPolicy, TargetState, java_copy_order};

/// A connector: what it should be, what it is, and what is still to be done about the difference.
pub(super) struct Connector {
    pub(super) plugin: ConnectorPlugin,
    pub(super) config: Props,
    pub(super) target: TargetState,
    pub(super) status: Option<Status>,
    /// The instance that runs.
    pub(super) instance: Option<Epoch>,
    pub(super) tasks: Vec<Task>,
    /// The configuration that the tasks were made from: tasks restart when it changes, even if their own does not.
    pub(super) applied: Option<Props>,
    /// Work in the order asked for; one thing at a time.
    pub(super) steps: VecDeque<Step>,
    pub(super) waiting: Option<Waiting>,
    /// Since when.
    pub(super) waiting_since_ms: u64,
    /// Why the operation at hand failed, for its reply.
    pub(super) failure: Option<String>,
    pub(super) is_leaving: bool,
    /// Whether it is restarted when it has failed.
    pub(super) policy: RestartPolicy,
    /// Restarts of the instance.
    pub(super) retry: Retry,
}

/// A task of a connector; its number is its place.
pub(super) struct Task {
    pub(super) props: Props,
    pub(super) status: Option<Status>,
    /// The start that has not ended yet.
    pub(super) running: Option<Epoch>,
    /// Its restarts.
    pub(super) retry: Retry,
}

/// One thing to do for a connector.
pub(super) enum Step {
    Configure(ConnectorPlugin, Props),
    StopInstance,
    /// Starts the instance where the target state is STARTED; else only says which state it is in.
    StartInstance,
    /// Has the instance split its work, and replaces the tasks if that changed anything.
    Generate,
    ReplaceTasks(Vec<Props>),
    StopTasks(Tasks),
    StartTasks(Vec<u32>),
    Pause,
    Resume,
    /// What remains of a stop once tasks and instance are gone.
    Stopped,
    /// Restarts what has failed, unless somebody has done so meanwhile.
    Retry {
        instance: bool,
        tasks: Vec<u32>,
    },
    /// Changes offsets and answers.
    ChangeOffsets(Token, OffsetRequest),
    MarkRestarting {
        instance: bool,
        tasks: Vec<u32>,
    },
    /// Ends an operation that answered before it began: its failure is in the status and belongs to no later answer.
    ForgetFailure,
    Remove,
    Reply(Token, ReplyKind),
}

/// Which tasks a step is about.
#[derive(Debug)]
pub(super) enum Tasks {
    /// All that there are when the step's turn comes.
    All,
    /// These, as far as they exist then.
    Numbers(Vec<u32>),
}

/// Which answer a command gets when it succeeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReplyKind {
    Created,
    Updated,
    Done,
}

/// What a connector waits for before its next step.
#[derive(Debug)]
pub(super) enum Waiting {
    /// An instance to start; bounded once somebody else waits for the connector.
    Start { epoch: Epoch, deadline_ms: Option<u64> },
    /// An instance to split its work; bounded likewise.
    Generate { epoch: Epoch, deadline_ms: Option<u64> },
    /// Offsets to be changed.
    Offsets { epoch: Epoch, token: Token, verb: &'static str, deadline_ms: u64 },
    /// Tasks to end.
    Ended { epochs: BTreeSet<Epoch>, deadline_ms: u64 },
}

impl Waiting {
    /// What the worker does meanwhile, to stand in "The worker is currently …".
    pub(super) fn stage(&self, connector: &str) -> String {
        match self {
            Waiting::Start { .. } => format!("starting connector {connector}"),
            Waiting::Generate { .. } => format!("generating task configurations of connector {connector}"),
            Waiting::Offsets { .. } => format!("changing offsets of connector {connector}"),
            Waiting::Ended { .. } => format!("stopping tasks of connector {connector}"),
        }
    }

    pub(super) fn deadline_ms(&self) -> Option<u64> {
        match self {
            Waiting::Start { deadline_ms, .. } | Waiting::Generate { deadline_ms, .. } => *deadline_ms,
            Waiting::Offsets { deadline_ms, .. } | Waiting::Ended { deadline_ms, .. } => Some(*deadline_ms),
        }
    }
}

impl Connector {
    pub(super) fn new(plugin: ConnectorPlugin, config: Props, target: TargetState) -> Connector {
        Connector {
            policy: RestartPolicy::of(&config),
            retry: Retry::default(),
            plugin,
            config,
            target,
            status: None,
            instance: None,
            tasks: Vec::new(),
            applied: None,
            steps: VecDeque::new(),
            waiting: None,
            waiting_since_ms: 0,
            failure: None,
            is_leaving: false,
        }
    }

    /// The configuration that it has once everything asked for is done.
    pub(super) fn latest_config(&self) -> &Props {
        let pending = self.steps.iter().rev().find_map(|step| match step {
            Step::Configure(_, config) => Some(config),
            _ => None,
        });
        pending.unwrap_or(&self.config)
    }

    pub(super) fn task_numbers(&self) -> Vec<u32> {
        (0..self.tasks.len() as u32).collect()
    }

    /// Nothing is left to do and nothing awaited.
    pub(super) fn is_idle(&self) -> bool {
        self.steps.is_empty() && self.waiting.is_none()
    }

    pub(super) fn is_failed(&self) -> bool {
        matches!(&self.status, Some(Status { state: State::Failed, .. }))
    }

    /// The complete configuration of a task: what the connector gave, the task's class, and the connector's topics.
    pub(super) fn complete(&self, mut props: Props) -> Props {
        props.insert("task.class".to_owned(), self.plugin.task_class.to_owned());
        for key in ["topics", "topics.regex"] {
            if let Some(value) = self.config.get(key) {
                props.insert(key.to_owned(), value.clone());
            }
        }
        let count = props.len();
        java_copy_order(props, count)
    }
}
