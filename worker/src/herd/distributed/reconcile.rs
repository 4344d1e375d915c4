//! From what is wanted to what is done: whatever is this worker's and should run is started, whatever runs and should not is stopped.
//!
//! Called after every event, for what it can have changed; where nothing differs it does nothing. What is missing is not remembered as steps
//! but found again each time.

use std::collections::BTreeSet;
use std::sync::Arc;

use engine::task::TaskId;

use super::super::event::{Action, Outcome, Refusal, Token};
use super::super::state::State;
use super::event::{ClusterAction, Subject};
use super::machine::{Cluster, reply};
use super::work::{Generation, Instance, Run, Task, TaskRun, props};
use crate::config::{RestartPolicy, TargetState};
use crate::store::config_log::WantedTasks;

impl Cluster {
    pub(super) fn reconcile(&mut self, now_ms: u64, out: &mut Vec<ClusterAction>) {
        let connectors: BTreeSet<Arc<str>> =
            self.own_connectors.iter().chain(self.instances.keys()).cloned().collect();
        for connector in connectors {
            self.reconcile_instance(&connector, now_ms, out);
        }
        for id in self.unwell_tasks() {
            self.reconcile_task(&id, now_ms, out);
        }
    }

    /// The tasks, of those that run here or should, for which there is something to do. After most events that is none of hundreds, so both are
    /// walked side by side, and what is wanted of a connector is looked up once for all of its tasks.
    pub(super) fn unwell_tasks(&self) -> Vec<TaskId> {
        let mut unwell = Vec::new();
        let (mut own, mut known) = (self.own_tasks.iter().peekable(), self.tasks.iter().peekable());
        let mut last: Option<(&Arc<str>, WantedTasks<'_>)> = None;
        loop {
            let id = match (own.peek(), known.peek()) {
                (Some(own), Some((known, _))) => std::cmp::min(*own, *known),
                (Some(own), None) => *own,
                (None, Some((known, _))) => *known,
                (None, None) => return unwell,
            };
            let is_own = own.next_if_eq(&id).is_some();
            let task = known.next_if(|(known, _)| *known == id).map(|(_, task)| task);
            let wanted = match last {
                Some((connector, wanted)) if *connector == id.connector => wanted,
                _ => self.snapshot.wanted_tasks(&id.connector),
            };
            last = Some((&id.connector, wanted));
            if !is_well(is_own && wanted.includes(id.task), wanted.target, task) {
                unwell.push(id.clone());
            }
        }
    }

    pub(super) fn reconcile_instance(&mut self, name: &Arc<str>, now_ms: u64, out: &mut Vec<ClusterAction>) {
        let snapshot = Arc::clone(&self.snapshot);
        let is_own = self.own_connectors.contains(name);
        let Some(config) = snapshot.config(name).filter(|_| is_own) else {
            return self.let_go_of_instance(name, out);
        };
        let target = snapshot.target_state(name).unwrap_or_default();
        let instance =
            self.instances.entry(Arc::clone(name)).or_insert_with(|| Instance::new(Arc::clone(config)));
        if target != TargetState::Started {
            if let Some(epoch) = instance.epoch() {
                out.push(ClusterAction::Herd(Action::StopInstance { epoch }));
                instance.run = Run::Not;
            }
            let waiters = std::mem::take(&mut instance.waiters);
            if std::mem::take(&mut instance.restarts) {
                instance.run = Run::Not;
                instance.shown = None;
            }
            instance.generation = Generation::Done;
            instance.config = Arc::clone(config);
            // As in Java, a failed instance shows its failure until it is restarted.
            let state = if target == TargetState::Paused { State::Paused } else { State::Stopped };
            let has_failed = instance.run == Run::Failed && target == TargetState::Paused;
            if !has_failed && instance.shown != Some(state) {
                instance.run = Run::Not;
                self.show_instance(name, state, None, out);
            }
            answer_all(waiters, &Ok(Outcome::Done), out);
            return;
        }
        if std::mem::take(&mut instance.restarts) {
            if let Some(epoch) = instance.epoch() {
                out.push(ClusterAction::Herd(Action::StopInstance { epoch }));
            }
            instance.run = Run::Not;
        }
        match instance.run {
            Run::Not => self.start_instance(name, now_ms, out),
            Run::Running(epoch) => {
                if let Generation::Due(due_ms) = instance.generation
                    && due_ms <= now_ms
                    && self.is_settled()
                    && !self.is_busy(name)
                {
                    self.ask_for_tasks(name, epoch, out);
                }
            }
            Run::Starting(_) | Run::Failed => {}
        }
    }

    /// Stops an instance that is no longer this worker's and says so.
    fn let_go_of_instance(&mut self, name: &Arc<str>, out: &mut Vec<ClusterAction>) {
        let Some(instance) = self.instances.remove(name) else { return };
        if let Some(epoch) = instance.epoch() {
            out.push(ClusterAction::Herd(Action::StopInstance { epoch }));
        }
        self.generation_attempts.remove(name);
        let gone = Refusal::Failed(format!("Failed to start connector: {name}"));
        answer_all(instance.waiters, &Err(gone), out);
        out.push(ClusterAction::Status {
            subject: Subject::Connector(Arc::clone(name)),
            state: State::Unassigned,
            trace: None,
            version: None,
            generation: self.generation(),
            safely: true,
        });
    }

    fn start_instance(&mut self, name: &Arc<str>, now_ms: u64, out: &mut Vec<ClusterAction>) {
        let Some(config) = self.snapshot.config(name).cloned() else { return };
        let epoch = self.epoch();
        let plugin = self.plugin(&config);
        let Some(instance) = self.instances.get_mut(name) else { return };
        instance.policy = RestartPolicy::of(&props(&config));
        instance.config = Arc::clone(&config);
        instance.trace = None;
        instance.generation = Generation::Done;
        instance.given.clear();
        match plugin {
            Ok(plugin) => {
                instance.run = Run::Starting(epoch);
                out.push(ClusterAction::Herd(Action::StartInstance {
                    connector: Arc::clone(name),
                    epoch,
                    plugin,
                    config: props(&config),
                }));
            }
            Err(message) => {
                let trace = format!("org.apache.kafka.connect.errors.ConnectException: {message}\n");
                self.instance_failed(name, trace, now_ms, out);
            }
        }
    }

    pub(super) fn instance_failed(
        &mut self,
        name: &Arc<str>,
        trace: String,
        now_ms: u64,
        out: &mut Vec<ClusterAction>,
    ) {
        let chance = self.chance();
        let Some(instance) = self.instances.get_mut(name) else { return };
        if let Some(epoch) = instance.epoch() {
            out.push(ClusterAction::Herd(Action::StopInstance { epoch }));
        }
        instance.run = Run::Failed;
        instance.generation = Generation::Done;
        let policy = instance.policy;
        instance.retry.fails(&policy, &trace, now_ms, chance);
        let waiters = std::mem::take(&mut instance.waiters);
        let failure = Refusal::Failed(format!("Failed to start connector: {name}"));
        answer_all(waiters, &Err(failure), out);
        self.show_instance(name, State::Failed, Some(trace), out);
    }

    pub(super) fn reconcile_task(&mut self, id: &TaskId, now_ms: u64, out: &mut Vec<ClusterAction>) {
        let snapshot = Arc::clone(&self.snapshot);
        let wanted_tasks = snapshot.wanted_tasks(&id.connector);
        let target = wanted_tasks.target;
        let wanted = wanted_tasks.configs(id.task).filter(|_| self.own_tasks.contains(id));
        let stop_timeout_ms = self.setup.stop_timeout_ms;
        let generation = self.generation();
        let Some((config, task_config)) = wanted else {
            let Some(task) = self.tasks.get_mut(id) else { return };
            if task.run.is_some() {
                stop(task, now_ms + stop_timeout_ms, out);
            } else if let Some(gone) = self.tasks.remove(id) {
                let refusal = Refusal::Failed(format!("Failed to start task: {id}"));
                answer_all(gone.waiters, &Err(refusal), out);
            }
            return;
        };
        let task = self.tasks.entry(id.clone()).or_insert_with(Task::new);
        if task.restarts {
            if task.run.is_some() {
                stop(task, now_ms + stop_timeout_ms, out);
                return;
            }
            task.restarts = false;
            task.has_failed = false;
            if std::mem::take(&mut task.shows_restart) {
                task.shown = Some(State::Restarting);
                task.trace = None;
                out.push(ClusterAction::Status {
                    subject: Subject::Task(id.clone()),
                    state: State::Restarting,
                    trace: None,
                    version: None,
                    generation,
                    safely: false,
                });
            }
        }
        let pauses = target == TargetState::Paused;
        match &mut task.run {
            // It was stopped, and is wanted again: once it has ended it comes anew.
            Some(TaskRun { stops_by_ms: Some(_), .. }) => {}
            Some(run) if run.is_paused != pauses => {
                run.is_paused = pauses;
                let epoch = run.epoch;
                out.push(ClusterAction::Herd(if pauses {
                    Action::PauseTask { epoch }
                } else {
                    Action::ResumeTask { epoch }
                }));
            }
            Some(_) => {}
            None if task.has_failed => {}
            None => {
                let epoch = self.next_epoch;
                self.next_epoch += 1;
                let config = props(config);
                task.policy = RestartPolicy::of(&config);
                task.run = Some(TaskRun {
                    epoch,
                    generation: snapshot.task_config_generation(&id.connector),
                    is_paused: pauses,
                    stops_by_ms: None,
                });
                task.trace = None;
                task.is_unbuilt = false;
                let waiters = std::mem::take(&mut task.waiters);
                out.push(ClusterAction::Herd(Action::StartTask {
                    id: id.clone(),
                    epoch,
                    config,
                    props: props(task_config),
                    starts_paused: pauses,
                }));
                answer_all(waiters, &Ok(Outcome::Done), out);
            }
        }
    }

    /// Says what an instance does.
    pub(super) fn show_instance(
        &mut self,
        name: &Arc<str>,
        state: State,
        trace: Option<String>,
        out: &mut Vec<ClusterAction>,
    ) {
        let generation = self.generation();
        let version = self.plugin_of(name).map(|plugin| plugin.version);
        let Some(instance) = self.instances.get_mut(name) else { return };
        instance.shown = Some(state);
        instance.trace.clone_from(&trace);
        let subject = Subject::Connector(Arc::clone(name));
        let safely = state == State::Failed;
        out.push(ClusterAction::Status { subject, state, trace, version, generation, safely });
    }
}

/// Whether [`Cluster::reconcile_task`] has nothing to do for a task.
fn is_well(is_wanted: bool, target: TargetState, task: Option<&Task>) -> bool {
    match task {
        None => !is_wanted,
        Some(task) => match task.run {
            Some(TaskRun { stops_by_ms: Some(_), .. }) => true,
            _ if !is_wanted || task.restarts => false,
            Some(run) => run.is_paused == (target == TargetState::Paused),
            None => task.has_failed,
        },
    }
}

/// Asks a task to stop, once.
fn stop(task: &mut Task, by_ms: u64, out: &mut Vec<ClusterAction>) {
    if let Some(run) = &mut task.run
        && run.stops_by_ms.is_none()
    {
        run.stops_by_ms = Some(by_ms);
        out.push(ClusterAction::Herd(Action::StopTask { epoch: run.epoch }));
    }
}

/// Gives everyone the same answer.
pub(super) fn answer_all(
    waiters: Vec<Token>,
    result: &Result<Outcome, Refusal>,
    out: &mut Vec<ClusterAction>,
) {
    for token in waiters {
        reply(token, result.clone(), out);
    }
}
