//! The state machine: commands become steps, events end waits.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;

use engine::task::{TaskId, TaskState};
use indexmap::IndexMap;

use super::super::event::{
    Action, Command, CommandKind, Epoch, Event, GenerateError, Outcome, Refusal, Token,
};
use super::super::local::offsets_changed;
use super::super::retry::Retry;
use super::super::state::{State, Status};
use super::super::view::View as _;
use super::connector::{Connector, ReplyKind, Step, Tasks, Waiting};
use crate::config::TargetState;

/// How long a connector that hangs in `start` or in splitting its work may keep others waiting (Java: 5 s as well).
pub(super) const INSTANCE_WAIT_MS: u64 = 5_000;

/// How long a change of offsets may take: a little less than its request waits.
pub(super) const OFFSETS_WAIT_MS: u64 = 85_000;

/// Steps that may wait for one connector: some commands are answered before their turn comes, so that a client could queue them for ever.
const STEPS_MAX: usize = 1_000;

/// All connectors of a worker.
#[derive(Debug)]
pub struct Herd {
    pub(super) worker_id: Arc<str>,
    pub(super) stop_timeout_ms: u64,
    pub(super) connectors: IndexMap<Arc<str>, Connector>,
    pub(super) zombies: BTreeMap<Epoch, TaskId>,
    pub(super) is_ready: bool,
    pub(super) next_epoch: Epoch,
    /// Spreads restarts.
    pub(super) seed: u64,
    /// The time of day at which the clock of [`Herd::step`] was zero.
    pub(super) unix_ms_at_zero: i64,
    pub(super) is_stopping: bool,
    has_ended: bool,
}

impl Herd {
    /// An empty herd. Tasks that stop together get `stop_timeout_ms` in all.
    pub fn new(worker_id: Arc<str>, stop_timeout_ms: u64) -> Herd {
        Herd {
            worker_id,
            stop_timeout_ms,
            connectors: IndexMap::new(),
            zombies: BTreeMap::new(),
            is_ready: false,
            next_epoch: 1,
            seed: 0,
            unix_ms_at_zero: 0,
            is_stopping: false,
            has_ended: false,
        }
    }

    /// The same with the time of day at which its clock is zero, and a seed for what is left to chance.
    #[must_use]
    pub fn with_clock(mut self, unix_ms_at_zero: i64, seed: u64) -> Herd {
        self.unix_ms_at_zero = unix_ms_at_zero;
        self.seed = seed;
        self
    }

    /// Takes in what happened and says what to do about it, in order.
    pub fn step(&mut self, event: Event, now_ms: u64) -> Vec<Action> {
        let mut out = Vec::new();
        match event {
            Event::Command { token, command } => self.command(token, command, now_ms, &mut out),
            Event::InstanceStarted { connector, epoch, result } => {
                self.instance_started(&connector, epoch, result, now_ms, &mut out);
            }
            Event::ReconfigurationRequested { connector, epoch } => {
                self.reconfiguration_requested(&connector, epoch);
            }
            Event::TasksGenerated { connector, epoch, result } => {
                self.tasks_generated(&connector, epoch, result, now_ms)
            }
            Event::OffsetsChanged { connector, epoch, result } => {
                self.offsets_changed(&connector, epoch, result, &mut out);
            }
            Event::TaskReported { id, epoch, state } => self.task_reported(&id, epoch, state, now_ms),
            Event::TaskEnded { id, epoch } => self.task_ended(&id, epoch, now_ms),
            Event::TasksWatched { stuck } => self.tasks_watched(&stuck),
            Event::TaskDisplaced { id, epoch } => self.task_displaced(&id, epoch, &mut out),
            Event::Tick => self.tick(now_ms, &mut out),
            Event::Ready => self.is_ready = true,
            Event::Shutdown => self.shutdown(&mut out),
        }
        self.advance_all(now_ms, &mut out);
        if self.is_stopping && !self.has_ended && self.connectors.values().all(Connector::is_idle) {
            self.has_ended = true;
            out.push(Action::Ended);
        }
        out
    }

    /// When to send the next [`Event::Tick`], if at all.
    pub fn deadline_ms(&self) -> Option<u64> {
        let due = |connector: &Connector| {
            let waited_for = connector.waiting.as_ref().and_then(Waiting::deadline_ms);
            waited_for.into_iter().chain(connector.restart_due_ms()).min()
        };
        self.connectors.values().filter_map(due).min()
    }

    fn command(&mut self, token: Token, command: Command, now_ms: u64, out: &mut Vec<Action>) {
        let Command { connector: name, kind } = command;
        match self.plan(&name, token, kind) {
            Ok((steps, reply)) => {
                let connector = &mut self.connectors[&name];
                // Whoever hangs in there has had its chance once somebody else wants the connector.
                if let Some(Waiting::Start { deadline_ms, .. } | Waiting::Generate { deadline_ms, .. }) =
                    &mut connector.waiting
                {
                    deadline_ms.get_or_insert(now_ms + INSTANCE_WAIT_MS);
                }
                connector.steps.extend(steps);
                out.extend(reply.map(|outcome| Action::Reply { token, result: Ok(outcome) }));
            }
            Err(refusal) => out.push(Action::Reply { token, result: Err(refusal) }),
        }
    }

    /// The steps that a command takes, and its answer where that is not the last step.
    fn plan(
        &mut self,
        name: &Arc<str>,
        token: Token,
        kind: CommandKind,
    ) -> Result<(Vec<Step>, Option<Outcome>), Refusal> {
        if self.is_stopping {
            return Err(Refusal::ShuttingDown);
        }
        if self.connectors.get(name).is_some_and(|connector| connector.steps.len() >= STEPS_MAX) {
            return Err(Refusal::Busy(format!(
                "Too many requests wait for connector {name}; try again later"
            )));
        }
        let start = |reply| vec![Step::StartInstance, Step::Generate, Step::Reply(token, reply)];
        let steps = match kind {
            CommandKind::Create { plugin, config, initial } => {
                if self.connectors.contains_key(name) {
                    return Err(Refusal::AlreadyExists(format!("Connector {name} already exists")));
                }
                self.connectors.insert(Arc::clone(name), Connector::new(plugin, config, initial));
                start(ReplyKind::Created)
            }
            CommandKind::Configure { plugin, config, base } => match self.connectors.get(name) {
                Some(connector) if connector.is_leaving => {
                    return Err(not_found(format!("Connector {name} not found")));
                }
                None if base.is_some() => return Err(not_found(format!("Connector {name} not found"))),
                Some(connector) if base.as_ref().is_some_and(|base| base != connector.latest_config()) => {
                    return Err(Refusal::Outdated(format!(
                        "The configuration of connector {name} was changed by another request meanwhile; try again"
                    )));
                }
                Some(_) => {
                    let mut steps = vec![Step::StopInstance, Step::Configure(plugin, config)];
                    steps.extend(start(ReplyKind::Updated));
                    steps
                }
                None => {
                    self.connectors
                        .insert(Arc::clone(name), Connector::new(plugin, config, TargetState::Started));
                    start(ReplyKind::Created)
                }
            },
            CommandKind::Delete => {
                let connector = self.present(name, || format!("Connector {name} not found"))?;
                connector.is_leaving = true;
                connector.call_off_restarts();
                // The tasks there are when the step comes, not those there are now.
                vec![
                    Step::StopTasks(Tasks::All),
                    Step::StopInstance,
                    Step::Remove,
                    Step::Reply(token, ReplyKind::Done),
                ]
            }
            CommandKind::Pause => {
                self.present(name, || format!("Unknown connector {name}"))?.call_off_restarts();
                return Ok((vec![Step::Pause], Some(Outcome::Done)));
            }
            CommandKind::Resume => {
                self.present(name, || format!("Unknown connector {name}"))?;
                return Ok((vec![Step::Resume], Some(Outcome::Done)));
            }
            CommandKind::Stop => {
                // Java's standalone worker answers 500 here.
                if self.connectors.get(name).is_none_or(|connector| connector.is_leaving) {
                    return Err(Refusal::Failed(format!("No connector `{name}` configured")));
                }
                self.connectors[name].call_off_restarts();
                let done = Step::Reply(token, ReplyKind::Done);
                vec![Step::StopTasks(Tasks::All), Step::StopInstance, Step::Stopped, done]
            }
            CommandKind::RestartInstance => {
                self.present(name, || format!("Connector {name} not found"))?.retry = Retry::default();
                let mut steps = vec![Step::StopInstance];
                steps.extend(start(ReplyKind::Done));
                steps
            }
            CommandKind::Restart { include_tasks, only_failed } => {
                return self.plan_restart(name, include_tasks, only_failed);
            }
            CommandKind::Offsets(request) => {
                self.present(name, || format!("Connector {name} not found"))?;
                vec![Step::ChangeOffsets(token, request)]
            }
            CommandKind::SetTasks(_) => {
                return Err(Refusal::Failed(
                    "Kafka Connect in standalone mode does not support externally setting task configurations."
                        .to_owned(),
                ));
            }
            CommandKind::Fence => {
                return Err(Refusal::Failed(
                    "Kafka Connect in standalone mode does not support exactly-once source connectors."
                        .to_owned(),
                ));
            }
            CommandKind::RestartTask { task } => {
                let connector = self.present(name, || format!("Connector {name} not found"))?;
                if connector.tasks.len() <= task as usize {
                    return Err(not_found(format!("Task {name}-{task} not found")));
                }
                connector.tasks[task as usize].retry = Retry::default();
                let done = Step::Reply(token, ReplyKind::Done);
                vec![Step::StopTasks(Tasks::Numbers(vec![task])), Step::StartTasks(vec![task]), done]
            }
        };
        Ok((steps, None))
    }

    fn plan_restart(
        &mut self,
        name: &Arc<str>,
        include_tasks: bool,
        only_failed: bool,
    ) -> Result<(Vec<Step>, Option<Outcome>), Refusal> {
        let connector = &*self.present(name, || format!("Unknown connector: {name}"))?;
        let restarts = |status: &Option<Status>| {
            !only_failed || status.as_ref().is_some_and(|status| status.state == State::Failed)
        };
        let instance = restarts(&connector.status);
        let tasks: Vec<u32> = connector
            .tasks
            .iter()
            .zip(0..)
            .filter(|(task, _)| include_tasks && restarts(&task.status))
            .map(|(_, number)| number)
            .collect();
        let mut planned =
            self.status(name).ok_or_else(|| not_found(format!("Status for connector {name} not found")))?;
        if instance {
            planned.connector.state = State::Restarting;
            planned.connector.restart = None;
        }
        for task in planned.tasks.iter_mut().filter(|task| tasks.contains(&task.id)) {
            task.state.state = State::Restarting;
            task.state.restart = None;
        }
        let connector = &mut self.connectors[name];
        if instance {
            connector.retry = Retry::default();
        }
        for number in &tasks {
            connector.tasks[*number as usize].retry = Retry::default();
        }
        let mut steps = Vec::new();
        if instance {
            steps.push(Step::StopInstance);
        }
        steps.push(Step::StopTasks(Tasks::Numbers(tasks.clone())));
        steps.push(Step::MarkRestarting { instance, tasks: tasks.clone() });
        if instance {
            steps.push(Step::StartInstance);
        }
        steps.push(Step::StartTasks(tasks));
        if instance {
            steps.push(Step::Generate);
        }
        steps.push(Step::ForgetFailure);
        Ok((steps, Some(Outcome::Restarting(planned))))
    }

    fn present(&mut self, name: &str, message: impl Fn() -> String) -> Result<&mut Connector, Refusal> {
        self.connectors
            .get_mut(name)
            .filter(|connector| !connector.is_leaving)
            .ok_or_else(|| not_found(message()))
    }

    fn instance_started(
        &mut self,
        name: &str,
        epoch: Epoch,
        result: Result<(), String>,
        now_ms: u64,
        out: &mut Vec<Action>,
    ) {
        let chance = self.chance();
        let awaited = |connector: &&mut Connector| matches!(connector.waiting, Some(Waiting::Start { epoch: awaited, .. }) if awaited == epoch);
        let Some(connector) = self.connectors.get_mut(name).filter(awaited) else {
            // It came too late; nobody wants it any more.
            out.push(Action::StopInstance { epoch });
            return;
        };
        connector.waiting = None;
        match result {
            Ok(()) => {
                connector.instance = Some(epoch);
                connector.status = Some(Status::of(State::Running));
                connector.retry.runs(now_ms);
            }
            Err(trace) => {
                connector.instance_failed(trace, now_ms, chance);
                connector.failure = Some(format!("Failed to transition connector {name} to state STARTED"));
            }
        }
    }

    /// Has a connector asked for its tasks again, once what is planned for it is done.
    fn reconfiguration_requested(&mut self, name: &str, epoch: Epoch) {
        let Some(connector) = self.connectors.get_mut(name) else { return };
        let is_planned = connector.steps.iter().any(|step| matches!(step, Step::Generate));
        if connector.instance == Some(epoch) && !is_planned {
            connector.steps.extend([Step::Generate, Step::ForgetFailure]);
        }
    }

    fn tasks_generated(
        &mut self,
        name: &str,
        epoch: Epoch,
        result: Result<Vec<api::Props>, GenerateError>,
        now_ms: u64,
    ) {
        let chance = self.chance();
        let awaited = |connector: &&mut Connector| matches!(connector.waiting, Some(Waiting::Generate { epoch: awaited, .. }) if awaited == epoch);
        let Some(connector) = self.connectors.get_mut(name).filter(awaited) else { return };
        connector.waiting = None;
        match result {
            Ok(generated) => {
                let tasks: Vec<_> = generated.into_iter().map(|props| connector.complete(props)).collect();
                let is_same = connector.applied.as_ref() == Some(&connector.config)
                    && tasks.iter().eq(connector.tasks.iter().map(|task| &task.props));
                if !is_same {
                    let numbers = (0..tasks.len() as u32).collect();
                    for step in
                        [Step::StartTasks(numbers), Step::ReplaceTasks(tasks), Step::StopTasks(Tasks::All)]
                    {
                        connector.steps.push_front(step);
                    }
                }
            }
            Err(GenerateError { message, trace }) => {
                connector.instance_failed(trace, now_ms, chance);
                connector.failure = Some(message);
            }
        }
    }

    fn offsets_changed(
        &mut self,
        name: &str,
        epoch: Epoch,
        result: Result<bool, Refusal>,
        out: &mut Vec<Action>,
    ) {
        let Some(connector) = self.connectors.get_mut(name) else { return };
        let Some(Waiting::Offsets { token, verb, .. }) = connector.waiting.take_if(
            |waiting| matches!(waiting, Waiting::Offsets { epoch: awaited, .. } if *awaited == epoch),
        ) else {
            return;
        };
        let result = result.map(|knows_all| Outcome::OffsetsChanged(offsets_changed(verb, knows_all)));
        out.push(Action::Reply { token, result });
    }

    fn task_reported(&mut self, id: &TaskId, epoch: Epoch, state: TaskState, now_ms: u64) {
        let Some(connector) = self.connectors.get_mut(&id.connector) else { return };
        let Some(task) = connector.tasks.get_mut(id.task as usize) else { return };
        if task.running != Some(epoch) {
            return;
        }
        if state == TaskState::Running {
            task.retry.runs(now_ms);
        }
        task.status = Some(match state {
            TaskState::Running => Status::of(State::Running),
            TaskState::Paused => Status::of(State::Paused),
            TaskState::Failed { trace, is_built } => {
                Status { has_version: is_built, ..Status::failed(trace) }
            }
            TaskState::Stopped => Status::of(State::Unassigned),
        });
    }

    fn tasks_watched(&mut self, stuck: &HashMap<TaskId, Arc<str>>) {
        for (name, connector) in &mut self.connectors {
            for (task, number) in connector.tasks.iter_mut().zip(0..) {
                if let Some(status) = &mut task.status {
                    let id = TaskId { connector: Arc::clone(name), task: number };
                    status.stuck = stuck.get(&id).filter(|_| status.state == State::Running).cloned();
                }
            }
        }
    }

    fn task_ended(&mut self, id: &TaskId, epoch: Epoch, now_ms: u64) {
        self.zombies.remove(&epoch);
        let chance = self.chance();
        let Some(connector) = self.connectors.get_mut(&id.connector) else { return };
        let mut was_awaited = false;
        if let Some(Waiting::Ended { epochs, .. }) = &mut connector.waiting {
            was_awaited = epochs.remove(&epoch);
            if epochs.is_empty() {
                connector.waiting = None;
            }
        }
        let Some(task) = connector.tasks.get_mut(id.task as usize).filter(|task| task.running == Some(epoch))
        else {
            return;
        };
        task.running = None;
        let has_reported = task
            .status
            .as_ref()
            .is_some_and(|status| matches!(status.state, State::Failed | State::Unassigned));
        if !has_reported {
            task.status = Some(if was_awaited {
                Status::of(State::Unassigned)
            } else {
                Status::failed(
                    "java.lang.IllegalStateException: the task ended without being asked to\n".to_owned(),
                )
            });
        }
        if !was_awaited {
            connector.task_failed(id.task, now_ms, chance);
        }
    }

    fn tick(&mut self, now_ms: u64, out: &mut Vec<Action>) {
        self.restart_due(now_ms);
        let chance = self.chance();
        for (name, connector) in &mut self.connectors {
            let is_due = |waiting: &mut Waiting| {
                waiting.deadline_ms().is_some_and(|deadline_ms| deadline_ms <= now_ms)
            };
            let Some(waiting) = connector.waiting.take_if(is_due) else { continue };
            match waiting {
                Waiting::Start { epoch, .. } | Waiting::Generate { epoch, .. } => {
                    connector.instance = None;
                    connector.instance_given_up(name, now_ms, chance);
                    out.push(Action::StopInstance { epoch });
                }
                Waiting::Offsets { epoch, token, verb, .. } => {
                    let kind = if connector.plugin.is_source() { "source" } else { "sink" };
                    let failure =
                        format!("Timed out while trying to {verb} the offsets of {kind} connector {name}");
                    out.push(Action::AbandonOffsets { epoch });
                    out.push(Action::Reply { token, result: Err(Refusal::Failed(failure)) });
                }
                Waiting::Ended { epochs, .. } => {
                    for (task, number) in connector.tasks.iter_mut().zip(0..) {
                        let Some(epoch) = task.running.take_if(|epoch| epochs.contains(epoch)) else {
                            continue;
                        };
                        let id = TaskId { connector: Arc::clone(name), task: number };
                        task.status = Some(Status::of(State::Unassigned));
                        self.zombies.insert(epoch, id.clone());
                        out.push(Action::AbandonTask { id, epoch });
                    }
                }
            }
        }
    }

    fn shutdown(&mut self, out: &mut Vec<Action>) {
        if std::mem::replace(&mut self.is_stopping, true) {
            return;
        }
        for connector in self.connectors.values_mut() {
            connector.call_off_restarts();
            for step in connector.steps.drain(..) {
                if let Step::Reply(token, _) | Step::ChangeOffsets(token, _) = step {
                    out.push(Action::Reply { token, result: Err(Refusal::ShuttingDown) });
                }
            }
            match connector.waiting.take() {
                Some(Waiting::Start { epoch, .. } | Waiting::Generate { epoch, .. }) => {
                    connector.instance = None;
                    out.push(Action::StopInstance { epoch });
                }
                Some(Waiting::Offsets { epoch, token, .. }) => {
                    out.push(Action::AbandonOffsets { epoch });
                    out.push(Action::Reply { token, result: Err(Refusal::ShuttingDown) });
                }
                // Asked again below: everything ends within one common time.
                Some(Waiting::Ended { .. }) | None => {}
            }
            connector.steps.extend([Step::StopTasks(Tasks::All), Step::StopInstance]);
        }
    }
}

fn not_found(message: String) -> Refusal {
    Refusal::NotFound(message)
}
