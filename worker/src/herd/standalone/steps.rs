//! Carrying out a connector's steps, one after the other, until one has to wait.

use std::collections::BTreeSet;
use std::sync::Arc;

use engine::task::TaskId;

use super::super::event::{Action, Epoch, Outcome, Refusal, Token};
use super::super::local::{OffsetRequest, still_running};
use super::super::retry::Retry;
use super::super::state::{State, Status};
use super::super::view::View as _;
use super::connector::{Connector, ReplyKind, Step, Task, Tasks, Waiting};
use super::machine::{Herd, OFFSETS_WAIT_MS};
use crate::config::{RestartPolicy, TargetState};

/// What a step needs beside its connector.
struct Context<'a> {
    name: &'a Arc<str>,
    /// Spreads what happens together.
    chance: u64,
    /// A task was given up that may still be doing something.
    has_zombies: bool,
    now_ms: u64,
    stop_timeout_ms: u64,
    next_epoch: &'a mut Epoch,
    out: &'a mut Vec<Action>,
}

/// What comes after a step.
enum After {
    Go,
    Wait(Waiting),
    Remove,
    Reply(Token, ReplyKind),
    Refuse(Token, Refusal),
}

impl Herd {
    /// Carries out every step that need not wait.
    pub(super) fn advance_all(&mut self, now_ms: u64, out: &mut Vec<Action>) {
        let mut index = 0;
        while index < self.connectors.len() {
            // A connector that was removed has been replaced at this place by the next one.
            if self.advance(index, now_ms, out) {
                index += 1;
            }
        }
    }

    /// False if the connector is gone.
    fn advance(&mut self, index: usize, now_ms: u64, out: &mut Vec<Action>) -> bool {
        loop {
            let chance = self.chance();
            let Some((name, connector)) = self.connectors.get_index_mut(index) else { return true };
            if connector.waiting.is_some() {
                return true;
            }
            let Some(step) = connector.steps.pop_front() else { return true };
            let name = Arc::clone(name);
            let mut context = Context {
                name: &name,
                chance,
                has_zombies: self.zombies.values().any(|zombie| zombie.connector == name),
                now_ms,
                stop_timeout_ms: self.stop_timeout_ms,
                next_epoch: &mut self.next_epoch,
                out,
            };
            match connector.carry_out(step, &mut context) {
                After::Go => {}
                After::Wait(waiting) => {
                    connector.waiting = Some(waiting);
                    connector.waiting_since_ms = now_ms;
                }
                After::Refuse(token, refusal) => out.push(Action::Reply { token, result: Err(refusal) }),
                After::Remove => {
                    let removed = self.connectors.shift_remove_index(index).map(|(_, connector)| connector);
                    for step in removed.into_iter().flat_map(|connector| connector.steps) {
                        // Nothing is planned for a connector that leaves, so this is the answer to the deletion.
                        if let Step::Reply(token, _) = step {
                            out.push(Action::Reply { token, result: Ok(Outcome::Done) });
                        }
                    }
                    return false;
                }
                After::Reply(token, kind) => {
                    let result = match connector.failure.take() {
                        Some(failure) => Err(Refusal::Failed(failure)),
                        None => Ok(self.outcome(&name, kind)),
                    };
                    out.push(Action::Reply { token, result });
                }
            }
        }
    }

    fn outcome(&self, name: &str, kind: ReplyKind) -> Outcome {
        match (kind, self.info(name)) {
            (ReplyKind::Created, Some(info)) => Outcome::Created(info),
            (ReplyKind::Updated, Some(info)) => Outcome::Updated(info),
            (ReplyKind::Done, _) | (_, None) => Outcome::Done,
        }
    }
}

impl Connector {
    fn carry_out(&mut self, step: Step, context: &mut Context<'_>) -> After {
        match step {
            Step::Configure(plugin, config) => {
                self.policy = RestartPolicy::of(&config);
                self.retry = Retry::default();
                self.plugin = plugin;
                self.config = config;
                After::Go
            }
            Step::StopInstance => {
                self.stop_instance(context);
                // Java shows UNASSIGNED while a connector is being reconfigured or after the worker let go of it.
                if matches!(&self.status, Some(status) if status.state != State::Stopped) {
                    self.status = Some(Status::of(State::Unassigned));
                }
                After::Go
            }
            Step::StartInstance => self.start_instance(context),
            Step::Generate => self.generate(context),
            Step::ReplaceTasks(tasks) => {
                self.applied = Some(self.config.clone());
                let new = |props| Task { props, status: None, running: None, retry: Retry::default() };
                self.tasks = tasks.into_iter().map(new).collect();
                After::Go
            }
            Step::StopTasks(tasks) => self.stop_tasks(tasks, context),
            Step::StartTasks(tasks) => {
                self.start_tasks(tasks, context);
                After::Go
            }
            Step::Pause => {
                self.pause(context);
                After::Go
            }
            Step::Resume => self.resume(context),
            Step::Stopped => {
                self.target = TargetState::Stopped;
                self.status = Some(Status::of(State::Stopped));
                self.tasks.clear();
                self.applied = None;
                After::Go
            }
            Step::Retry { instance, tasks } => {
                self.retry(instance, tasks);
                After::Go
            }
            Step::ChangeOffsets(token, request) => self.change_offsets(token, request, context),
            Step::MarkRestarting { instance, tasks } => {
                if instance {
                    self.status = Some(Status::of(State::Restarting));
                }
                for number in tasks {
                    if let Some(task) = self.tasks.get_mut(number as usize) {
                        task.status = Some(Status::of(State::Restarting));
                    }
                }
                After::Go
            }
            Step::ForgetFailure => {
                self.failure = None;
                After::Go
            }
            Step::Remove => After::Remove,
            Step::Reply(token, kind) => After::Reply(token, kind),
        }
    }

    fn stop_instance(&mut self, context: &mut Context<'_>) {
        if let Some(epoch) = self.instance.take() {
            context.out.push(Action::StopInstance { epoch });
        }
    }

    fn start_instance(&mut self, context: &mut Context<'_>) -> After {
        self.failure = None;
        match self.target {
            TargetState::Started => {}
            TargetState::Paused => {
                self.status = Some(Status::of(State::Paused));
                return After::Go;
            }
            TargetState::Stopped => {
                self.status = Some(Status::of(State::Stopped));
                return After::Go;
            }
        }
        self.stop_instance(context);
        let epoch = context.epoch();
        context.out.push(Action::StartInstance {
            connector: Arc::clone(context.name),
            epoch,
            plugin: self.plugin,
            config: self.config.clone(),
        });
        After::Wait(Waiting::Start { epoch, deadline_ms: self.patience(context) })
    }

    fn generate(&mut self, context: &mut Context<'_>) -> After {
        let Some(epoch) = self.instance.filter(|_| self.target == TargetState::Started) else {
            return After::Go;
        };
        context.out.push(Action::GenerateTasks {
            connector: Arc::clone(context.name),
            epoch,
            config: self.config.clone(),
        });
        After::Wait(Waiting::Generate { epoch, deadline_ms: self.patience(context) })
    }

    /// A limit for the instance if more than the rest of one operation waits behind it.
    fn patience(&self, context: &Context<'_>) -> Option<u64> {
        let replies = self.steps.iter().filter(|step| matches!(step, Step::Reply(..))).count();
        (replies > 1).then_some(context.now_ms + super::machine::INSTANCE_WAIT_MS)
    }

    fn stop_tasks(&mut self, tasks: Tasks, context: &mut Context<'_>) -> After {
        let numbers = match tasks {
            Tasks::All => self.task_numbers(),
            Tasks::Numbers(numbers) => numbers,
        };
        let running = numbers.into_iter().filter_map(|number| self.tasks.get(number as usize)?.running);
        let epochs: BTreeSet<_> = running.collect();
        context.out.extend(epochs.iter().map(|&epoch| Action::StopTask { epoch }));
        if epochs.is_empty() {
            return After::Go;
        }
        After::Wait(Waiting::Ended { epochs, deadline_ms: context.now_ms + context.stop_timeout_ms })
    }

    fn start_tasks(&mut self, numbers: Vec<u32>, context: &mut Context<'_>) {
        for number in numbers {
            let Some(task) = self.tasks.get_mut(number as usize).filter(|task| task.running.is_none()) else {
                continue;
            };
            let epoch = context.epoch();
            task.running = Some(epoch);
            // What the former run came to is over: a client that waits for a failure must not see the old one.
            if task.status.is_some() {
                task.status = Some(Status::of(State::Restarting));
            }
            context.out.push(Action::StartTask {
                id: TaskId { connector: Arc::clone(context.name), task: number },
                epoch,
                config: self.config.clone(),
                props: task.props.clone(),
                starts_paused: self.target != TargetState::Started,
            });
        }
    }

    fn change_offsets(&mut self, token: Token, request: OffsetRequest, context: &mut Context<'_>) -> After {
        let (name, verb) = (context.name, request.verb());
        if self.target != TargetState::Stopped || !self.tasks.is_empty() {
            return After::Refuse(
                token,
                Refusal::BadRequest(format!(
                    "Connectors must be in the STOPPED state before their offsets can be modified. This can be done for the \
                     specified connector by issuing a 'PUT' request to the '/connectors/{name}/stop' endpoint"
                )),
            );
        }
        if context.has_zombies {
            let message = still_running(verb, name, self.plugin.is_source());
            return After::Refuse(token, Refusal::Failed(message));
        }
        let epoch = context.epoch();
        context.out.push(Action::ChangeOffsets {
            connector: Arc::clone(name),
            epoch,
            plugin: self.plugin,
            config: self.config.clone(),
            request,
        });
        let deadline_ms = context.now_ms + OFFSETS_WAIT_MS;
        After::Wait(Waiting::Offsets { epoch, token, verb, deadline_ms })
    }

    fn pause(&mut self, context: &mut Context<'_>) {
        self.target = TargetState::Paused;
        self.stop_instance(context);
        // As in Java, a failed instance shows its failure until it is restarted.
        if !self.is_failed() {
            self.status = Some(Status::of(State::Paused));
        }
        let running = self.tasks.iter().filter_map(|task| task.running);
        context.out.extend(running.map(|epoch| Action::PauseTask { epoch }));
    }

    fn resume(&mut self, context: &mut Context<'_>) -> After {
        self.target = TargetState::Started;
        self.restart_what_failed(context.now_ms, context.chance);
        let running = self.tasks.iter().filter_map(|task| task.running);
        context.out.extend(running.map(|epoch| Action::ResumeTask { epoch }));
        if self.is_failed() || self.instance.is_some() {
            return After::Go;
        }
        self.steps.push_front(Step::ForgetFailure);
        self.steps.push_front(Step::Generate);
        self.start_instance(context)
    }
}

impl Context<'_> {
    fn epoch(&mut self) -> Epoch {
        let epoch = *self.next_epoch;
        *self.next_epoch += 1;
        epoch
    }
}
