//! News of what runs here: instances that started or failed, tasks that report and end, and how a connector's work is split.

use std::sync::Arc;

use api::Props;
use api::plugin::ConnectorPlugin;
use engine::task::{TaskId, TaskState};

use super::super::event::{Action, Epoch, GenerateError, Outcome};
use super::super::state::State;
use super::event::{ClusterAction, ConfigWrite, PublishFailure, Subject};
use super::machine::Cluster;
use super::reconcile::answer_all;
use super::work::{Generation, Run, complete_task, props, task_of};
use super::writes::Then;
use crate::config::{RawConfig, TargetState};

/// First and longest wait before a connector is asked for its tasks again (`DistributedHerder`).
const RECONFIGURE_BACKOFF_MS: u64 = 250;
const RECONFIGURE_BACKOFF_MAX_MS: u64 = 60_000;

/// For so long a signature that is not believed may be that of a key which one of the two has not read yet
/// (`DistributedHerder#isPossibleExpiredKeyException`).
const KEY_PATIENCE_MS: u64 = 60_000;

impl Cluster {
    /// The registry line that a configuration names.
    pub(super) fn plugin(&self, config: &RawConfig) -> Result<ConnectorPlugin, String> {
        let class = config.get("connector.class").and_then(Option::as_deref);
        let class = class.ok_or_else(|| "the configuration contains no connector type".to_owned())?;
        self.plugins.connector(class).map_err(|unknown| unknown.to_string())
    }

    pub(super) fn instance_started(
        &mut self,
        name: &Arc<str>,
        epoch: Epoch,
        result: Result<(), String>,
        now_ms: u64,
        out: &mut Vec<ClusterAction>,
    ) {
        let Some(instance) =
            self.instances.get_mut(name).filter(|instance| instance.run == Run::Starting(epoch))
        else {
            // It came too late; nobody wants it any more.
            out.push(ClusterAction::Herd(Action::StopInstance { epoch }));
            return;
        };
        match result {
            Ok(()) => {
                instance.run = Run::Running(epoch);
                instance.generation = Generation::Due(now_ms);
                instance.retry.runs(now_ms);
                let waiters = std::mem::take(&mut instance.waiters);
                self.generation_attempts.remove(name);
                self.show_instance(name, State::Running, None, out);
                answer_all(waiters, &Ok(Outcome::Done), out);
            }
            Err(trace) => self.instance_failed(name, trace, now_ms, out),
        }
    }

    /// A connector would split its work otherwise. An answer that is under way may be from before.
    pub(super) fn reconfiguration_requested(&mut self, name: &Arc<str>, epoch: Epoch, now_ms: u64) {
        let Some(instance) = self.instances.get_mut(name).filter(|it| it.run == Run::Running(epoch)) else {
            return;
        };
        instance.ask_again(now_ms);
    }

    /// Has a connector split its work.
    pub(super) fn ask_for_tasks(&mut self, name: &Arc<str>, epoch: Epoch, out: &mut Vec<ClusterAction>) {
        let Some(instance) = self.instances.get_mut(name) else { return };
        instance.generation = Generation::Asked;
        instance.is_outdated = false;
        let config = props(&instance.config);
        out.push(ClusterAction::Herd(Action::GenerateTasks { connector: Arc::clone(name), epoch, config }));
    }

    pub(super) fn tasks_generated(
        &mut self,
        name: &Arc<str>,
        epoch: Epoch,
        result: Result<Vec<Props>, GenerateError>,
        now_ms: u64,
        out: &mut Vec<ClusterAction>,
    ) {
        let Some(instance) = self.instances.get_mut(name).filter(|instance| {
            instance.run == Run::Running(epoch) && instance.generation == Generation::Asked
        }) else {
            return;
        };
        if std::mem::take(&mut instance.is_outdated) {
            instance.generation = Generation::Due(now_ms);
            return;
        }
        let config = Arc::clone(&instance.config);
        let given = match result {
            Ok(given) => given,
            Err(GenerateError { trace, .. }) if trace.lines().any(is_too_many_tasks) => {
                return self.instance_failed(name, trace, now_ms, out);
            }
            Err(GenerateError { message, .. }) => {
                tracing::error!(connector = &**name, error = %message, "Failed to reconfigure connector's tasks, retrying after backoff.");
                return self.generate_later(name, now_ms);
            }
        };
        let Ok(plugin) = self.plugin(&config) else { return };
        let tasks: Vec<RawConfig> =
            given.into_iter().map(|given| complete_task(&plugin, &config, given)).collect();
        let is_started = self.snapshot.target_state(name) == Some(TargetState::Started);
        let is_same = self.snapshot.has_tasks(name, &tasks)
            && self.snapshot.applied_config(name).is_none_or(|applied| *applied == config);
        let can_publish = self.is_settled() && !self.is_busy(name);
        let leader_url = self.leader_url();
        let is_leader = self.is_leader();
        let Some(instance) = self.instances.get_mut(name) else { return };
        instance.given.clone_from(&tasks);
        if is_same || !is_started {
            instance.generation = Generation::Done;
            self.generation_attempts.remove(name);
            return;
        }
        if !can_publish {
            // Whoever leads next is given them, once nothing else is being written for the connector.
            instance.generation = Generation::Due(now_ms);
            return;
        }
        if is_leader {
            instance.generation = Generation::Publishing;
            let records = vec![ConfigWrite::Tasks(Arc::clone(name), tasks)];
            self.write(None, name, records, Then::Published(epoch), out);
        } else if let Some(leader_url) = leader_url {
            instance.generation = Generation::Publishing;
            out.push(ClusterAction::Publish { connector: Arc::clone(name), epoch, leader_url, tasks });
        } else {
            self.generate_later(name, now_ms);
        }
    }

    /// The outcome of what an instance published. That of a former start says nothing of what this one has handed in since.
    pub(super) fn published(
        &mut self,
        name: &Arc<str>,
        epoch: Epoch,
        result: Result<(), PublishFailure>,
        now_ms: u64,
    ) {
        let Some(instance) = self.instances.get_mut(name).filter(|instance| {
            instance.run == Run::Running(epoch) && instance.generation == Generation::Publishing
        }) else {
            return;
        };
        match result {
            Ok(()) => {
                let is_outdated = std::mem::take(&mut instance.is_outdated);
                instance.generation = if is_outdated { Generation::Due(now_ms) } else { Generation::Done };
                self.generation_attempts.remove(name);
            }
            Err(PublishFailure { message: error, is_forbidden }) => {
                self.generate_later(name, now_ms);
                let failing = self.generation_attempts.get(name).map_or(now_ms, |attempts| attempts.since_ms);
                if is_forbidden && now_ms <= failing + KEY_PATIENCE_MS {
                    tracing::debug!(
                        connector = &**name,
                        error,
                        "the leader did not believe the signature, perhaps of an old key; trying again"
                    );
                } else {
                    tracing::error!(
                        connector = &**name,
                        error,
                        "Request to leader to reconfigure connector tasks failed"
                    );
                }
            }
        }
    }

    /// A connector's tasks are in the config topic. What a former instance, here or elsewhere, had handed in may come behind what the one that
    /// runs has, when its leader was slow or cut off; then this one says it again.
    pub(super) fn tasks_updated(&mut self, name: &Arc<str>, now_ms: u64) {
        let snapshot = Arc::clone(&self.snapshot);
        let Some(instance) = self.instances.get_mut(name) else { return };
        let Run::Running(_) = instance.run else { return };
        // There are none of a connector that is being stopped.
        if !snapshot.tasks(name).is_empty() && !snapshot.has_tasks(name, &instance.given) {
            instance.ask_again(now_ms);
        }
    }

    fn generate_later(&mut self, name: &Arc<str>, now_ms: u64) {
        let attempts = self.generation_attempts.entry(Arc::clone(name)).or_default();
        if attempts.count == 0 {
            attempts.since_ms = now_ms;
        }
        let wait =
            RECONFIGURE_BACKOFF_MS.saturating_mul(1_u64.checked_shl(attempts.count).unwrap_or(u64::MAX));
        attempts.count = attempts.count.saturating_add(1);
        if let Some(instance) = self.instances.get_mut(name) {
            instance.generation = Generation::Due(now_ms + wait.min(RECONFIGURE_BACKOFF_MAX_MS));
        }
    }

    pub(super) fn task_reported(
        &mut self,
        id: &TaskId,
        epoch: Epoch,
        state: TaskState,
        now_ms: u64,
        out: &mut Vec<ClusterAction>,
    ) {
        let generation = self.generation();
        let chance = self.chance();
        let Some(task) = task_of(&mut self.tasks, id, epoch) else { return };
        let (state, trace, safely) = match state {
            TaskState::Running => {
                task.retry.runs(now_ms);
                (State::Running, None, false)
            }
            TaskState::Paused => (State::Paused, None, false),
            TaskState::Stopped => (State::Unassigned, None, true),
            TaskState::Failed { trace, is_built } => {
                task.has_failed = true;
                task.is_unbuilt = !is_built;
                let policy = task.policy;
                task.retry.fails(&policy, &trace, now_ms, chance);
                (State::Failed, Some(trace), true)
            }
        };
        task.shown = Some(state);
        task.trace.clone_from(&trace);
        let version = self.version_of(id).filter(|_| state != State::Unassigned);
        let subject = Subject::Task(id.clone());
        out.push(ClusterAction::Status { subject, state, trace, version, generation, safely });
    }

    /// What the status of a task that runs, or did, says of its version: as in Java none where it failed before it was put together.
    pub(super) fn version_of(&self, id: &TaskId) -> Option<&'static str> {
        let task = self.tasks.get(id).filter(|task| !task.is_unbuilt);
        task.and_then(|_is_built| self.plugin_of(&id.connector)).map(|plugin| plugin.version)
    }

    pub(super) fn task_ended(
        &mut self,
        id: &TaskId,
        epoch: Epoch,
        now_ms: u64,
        out: &mut Vec<ClusterAction>,
    ) {
        self.zombies.remove(&epoch);
        let Some(task) = task_of(&mut self.tasks, id, epoch) else { return };
        let was_stopped = task.is_stopping();
        let has_reported = task.shown == Some(State::Failed) || task.shown == Some(State::Unassigned);
        if !has_reported {
            let state = if was_stopped {
                TaskState::Stopped
            } else {
                let trace =
                    "java.lang.IllegalStateException: the task ended without being asked to\n".to_owned();
                TaskState::Failed { trace, is_built: true }
            };
            self.task_reported(id, epoch, state, now_ms, out);
        }
        let Some(task) = task_of(&mut self.tasks, id, epoch) else { return };
        // One that ended by itself, though not by failing, is not started over and over.
        task.has_failed = !was_stopped;
        task.run = None;
    }

    /// Its core hangs in another task: it is given up and started elsewhere.
    pub(super) fn task_displaced(&mut self, id: &TaskId, epoch: Epoch, out: &mut Vec<ClusterAction>) {
        let Some(task) = task_of(&mut self.tasks, id, epoch) else { return };
        if task.is_stopping() || task.has_failed {
            return;
        }
        task.run = None;
        self.zombies.insert(epoch, id.clone());
        out.push(ClusterAction::Herd(Action::AbandonTask { id: id.clone(), epoch }));
    }

    pub(super) fn tick(&mut self, now_ms: u64, out: &mut Vec<ClusterAction>) {
        let generation = self.generation();
        let is_due = |due: Option<u64>| due.is_some_and(|due_ms| due_ms <= now_ms);
        for (id, task) in &mut self.tasks {
            if let Some(run) = task.run
                && is_due(run.stops_by_ms)
            {
                task.run = None;
                self.zombies.insert(run.epoch, id.clone());
                out.push(ClusterAction::Herd(Action::AbandonTask { id: id.clone(), epoch: run.epoch }));
                task.shown = Some(State::Unassigned);
                out.push(ClusterAction::Status {
                    subject: Subject::Task(id.clone()),
                    state: State::Unassigned,
                    trace: None,
                    version: None,
                    generation,
                    safely: true,
                });
            }
            if is_due(task.retry.due_ms) {
                task.retry.begins();
                task.restarts = task.has_failed;
            }
        }
        for instance in self.instances.values_mut() {
            if is_due(instance.retry.due_ms) {
                instance.retry.begins();
                instance.restarts = instance.run == Run::Failed;
            }
        }
        self.offsets_overdue(now_ms, out);
        if is_due(self.claim_due_ms) {
            self.claim_due_ms = None;
            if self.is_leader() {
                out.push(ClusterAction::ClaimPrivileges);
            }
        }
    }
}

fn is_too_many_tasks(line: &str) -> bool {
    line.starts_with("org.apache.kafka.connect.runtime.TooManyTasksException")
}
