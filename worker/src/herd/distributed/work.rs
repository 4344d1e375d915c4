//! What runs here: connector instances and tasks, each beside what is wanted of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::Props;
use api::plugin::ConnectorPlugin;
use engine::task::TaskId;

use super::super::event::{Epoch, Token};
use super::super::retry::Retry;
use super::super::state::State;
use crate::config::{RawConfig, RestartPolicy};

/// A connector instance of this worker.
pub(super) struct Instance {
    /// The configuration that it runs with, or failed with.
    pub(super) config: Arc<RawConfig>,
    pub(super) run: Run,
    /// The state last written to the status topic.
    pub(super) shown: Option<State>,
    pub(super) trace: Option<String>,
    /// Stop it and start it anew.
    pub(super) restarts: bool,
    /// Who waits for it to start.
    pub(super) waiters: Vec<Token>,
    pub(super) generation: Generation,
    /// The tasks that it has split its work into last.
    pub(super) given: Vec<RawConfig>,
    /// What it is being asked, or was just asked, is out of date: once that is done it is asked again.
    pub(super) is_outdated: bool,
    pub(super) policy: RestartPolicy,
    pub(super) retry: Retry,
}

/// How far an instance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Run {
    /// It does not run.
    Not,
    /// It was told to start.
    Starting(Epoch),
    /// It runs.
    Running(Epoch),
    /// It has failed, and is left alone until somebody wants it restarted.
    Failed,
}

/// How far a connector is with splitting its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Generation {
    /// Its tasks are what they should be.
    Done,
    /// It is to be asked, not before this time.
    Due(u64),
    /// It is being asked.
    Asked,
    /// Its tasks are being written, here or by the leader.
    Publishing,
}

/// A task of this worker.
pub(super) struct Task {
    /// The start that has not ended yet.
    pub(super) run: Option<TaskRun>,
    pub(super) shown: Option<State>,
    pub(super) trace: Option<String>,
    /// It could not even be put together.
    pub(super) is_unbuilt: bool,
    /// It has failed, and is left alone until somebody wants it restarted.
    pub(super) has_failed: bool,
    pub(super) restarts: bool,
    /// The restart was asked for: it shows.
    pub(super) shows_restart: bool,
    pub(super) waiters: Vec<Token>,
    pub(super) stuck: Option<Arc<str>>,
    pub(super) policy: RestartPolicy,
    pub(super) retry: Retry,
}

/// One start of a task.
#[derive(Debug, Clone, Copy)]
pub(super) struct TaskRun {
    pub(super) epoch: Epoch,
    /// Of the tasks' configurations that it was started with.
    pub(super) generation: Option<i32>,
    pub(super) is_paused: bool,
    /// It was told to stop, and is given up at this time.
    pub(super) stops_by_ms: Option<u64>,
}

impl Instance {
    pub(super) fn new(config: Arc<RawConfig>) -> Instance {
        Instance {
            policy: RestartPolicy::of(&props(&config)),
            config,
            run: Run::Not,
            shown: None,
            trace: None,
            restarts: false,
            waiters: Vec::new(),
            generation: Generation::Done,
            given: Vec::new(),
            is_outdated: false,
            retry: Retry::default(),
        }
    }

    /// It is to be asked for its tasks, once more where it is being asked already or its answer is being written.
    pub(super) fn ask_again(&mut self, now_ms: u64) {
        match self.generation {
            Generation::Asked | Generation::Publishing => self.is_outdated = true,
            Generation::Done | Generation::Due(_) => self.generation = Generation::Due(now_ms),
        }
    }

    pub(super) fn epoch(&self) -> Option<Epoch> {
        match self.run {
            Run::Starting(epoch) | Run::Running(epoch) => Some(epoch),
            Run::Not | Run::Failed => None,
        }
    }
}

impl Task {
    pub(super) fn new() -> Task {
        Task {
            run: None,
            shown: None,
            trace: None,
            is_unbuilt: false,
            has_failed: false,
            restarts: false,
            shows_restart: false,
            waiters: Vec::new(),
            stuck: None,
            policy: RestartPolicy::OFF,
            retry: Retry::default(),
        }
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.run.is_some_and(|run| run.stops_by_ms.is_some())
    }
}

/// A configuration without its nulls.
pub(super) fn props(raw: &RawConfig) -> Props {
    raw.iter().filter_map(|(key, value)| Some((key.clone(), value.clone()?))).collect()
}

/// The complete configuration of a task: what the connector gave, the task's class, and the connector's topics.
pub(super) fn complete_task(plugin: &ConnectorPlugin, config: &RawConfig, given: Props) -> RawConfig {
    let mut task: RawConfig = given.into_iter().map(|(key, value)| (key, Some(value))).collect();
    task.insert("task.class".to_owned(), Some(plugin.task_class.to_owned()));
    for key in ["topics", "topics.regex"] {
        if let Some(Some(value)) = config.get(key) {
            task.insert(key.to_owned(), Some(value.clone()));
        }
    }
    task
}

/// Which task a start belongs to.
pub(super) fn task_of<'a>(
    tasks: &'a mut BTreeMap<TaskId, Task>,
    id: &TaskId,
    epoch: Epoch,
) -> Option<&'a mut Task> {
    tasks.get_mut(id).filter(|task| task.run.is_some_and(|run| run.epoch == epoch))
}
