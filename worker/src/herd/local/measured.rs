//! What there is to measure of the herd: its connectors, and the tasks whose metrics Java would show now.
//!
//! A task has metrics from its start until it is stopped; one that has FAILED keeps them until then, or until it is started again.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use engine::metrics::{TaskMetrics, Windowed};
use engine::rt::{HangWatch, clock};
use engine::task::{TaskHandle, TaskId, TaskState};
use protocol::metrics::MetricsConfig;

use super::super::event::Epoch;
use super::super::state::State;
use super::super::view::View;

/// What does not change while a task runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct TaskFacts {
    pub(crate) key_converter: &'static str,
    pub(crate) value_converter: &'static str,
    pub(crate) header_converter: &'static str,
}

/// A task with metrics.
#[derive(Debug, Clone)]
pub(crate) struct MeasuredTask {
    pub(crate) id: TaskId,
    pub(crate) metrics: Arc<TaskMetrics>,
    pub(crate) facts: Rc<TaskFacts>,
    pub(crate) is_stuck: bool,
    pub(crate) core: HangWatch,
    epoch: Epoch,
    has_started: bool,
    has_ended: bool,
}

/// How often something has started, and how often not. As in Java an attempt counts once it is known what came of it, and only the
/// first outcome of a start does.
#[derive(Debug, Default)]
pub(crate) struct Startups {
    pub(crate) succeeded: u64,
    pub(crate) failed: u64,
    /// 1 and 0 for them.
    pub(crate) outcomes: Windowed,
}

impl Startups {
    fn count(&mut self, has_succeeded: bool) {
        if has_succeeded {
            self.succeeded += 1;
        } else {
            self.failed += 1;
        }
        self.outcomes.record(f64::from(u8::from(has_succeeded)), clock::now());
    }
}

/// Kept by the shell.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    tasks: HashMap<TaskId, MeasuredTask>,
    pub(crate) connector_startups: Startups,
    pub(crate) task_startups: Startups,
}

impl Measured {
    pub(super) fn new(windows: MetricsConfig) -> Measured {
        let startups = || Startups { succeeded: 0, failed: 0, outcomes: Windowed::new(windows) };
        Measured { tasks: HashMap::new(), connector_startups: startups(), task_startups: startups() }
    }

    pub(super) fn instance_started(&mut self, is_running: bool) {
        self.connector_startups.count(is_running);
    }

    pub(super) fn task_begun(&mut self, id: &TaskId, epoch: Epoch, handle: &TaskHandle, facts: TaskFacts) {
        let task = MeasuredTask {
            id: id.clone(),
            metrics: handle.metrics(),
            core: handle.hang_watch(),
            facts: Rc::new(facts),
            is_stuck: false,
            epoch,
            has_started: false,
            has_ended: false,
        };
        self.tasks.insert(id.clone(), task);
    }

    /// The task could not even be made.
    pub(super) fn task_not_begun(&mut self) {
        self.task_startups.count(false);
    }

    pub(super) fn task_reported(&mut self, id: &TaskId, epoch: Epoch, state: &TaskState) {
        let Some(task) = self.tasks.get_mut(id).filter(|task| task.epoch == epoch) else { return };
        let is_first = !task.has_started;
        match state {
            TaskState::Running if is_first => {
                task.has_started = true;
                self.task_startups.count(true);
            }
            TaskState::Failed { .. } if is_first => {
                task.has_started = true;
                self.task_startups.count(false);
            }
            _ => {}
        }
    }

    pub(super) fn task_ended(&mut self, id: &TaskId, epoch: Epoch) {
        if let Some(task) = self.tasks.get_mut(id).filter(|task| task.epoch == epoch) {
            task.has_ended = true;
        }
    }

    /// The tasks to show, by id, with their states.
    pub(in super::super) fn shown(&mut self, herd: &dyn View) -> Vec<(MeasuredTask, State)> {
        let mut shown = Vec::with_capacity(self.tasks.len());
        self.tasks.retain(|id, task| {
            let state = herd.task_state(id);
            let is_shown = state.is_some() && (!task.has_ended || state == Some(State::Failed));
            if let Some(state) = state
                && is_shown
            {
                shown.push((MeasuredTask { is_stuck: herd.is_stuck(id), ..task.clone() }, state));
            }
            is_shown
        });
        shown.sort_by(|(left, _), (right, _)| left.id.cmp(&right.id));
        shown
    }
}
