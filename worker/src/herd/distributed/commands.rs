//! Requests: who may serve them, when, and what they come to (contract 1.5, 1.6, 1.9).

use std::collections::BTreeSet;
use std::sync::Arc;

use api::Props;
use engine::task::TaskId;

use super::super::event::{Action, Command, CommandKind, Refusal, Token};
use super::super::local::{OffsetRequest, still_running};
use super::super::state::State;
use super::super::view::View as _;
use super::event::{ClusterAction, ConfigWrite};
use super::machine::{Cluster, reply};
use super::writes::{OffsetChange, Then};
use crate::config::{RawConfig, TargetState};
use crate::store::config_log::RestartRequest;

/// Requests that may wait.
const WAITING_MAX: usize = 10_000;

/// How long a change of offsets may take: a little less than its request waits.
const OFFSETS_WAIT_MS: u64 = 85_000;

impl Cluster {
    pub(super) fn command(&mut self, token: Token, command: Command, out: &mut Vec<ClusterAction>) {
        if self.is_stopping {
            return reply(token, Err(Refusal::ShuttingDown), out);
        }
        if self.waiting.len() >= WAITING_MAX {
            let message = "Too many requests wait for the group to settle; try again later";
            return reply(token, Err(Refusal::Busy(message.to_owned())), out);
        }
        let is_refused = self.membership.awaits_reconfiguration && is_refused_meanwhile(&command.kind);
        if is_refused && !self.setup.queues_during_rebalance {
            return reply(token, Err(Refusal::Rebalancing), out);
        }
        self.waiting.push_back((token, command));
    }

    /// Serves whatever can be by now, in order for each connector.
    pub(super) fn serve(&mut self, out: &mut Vec<ClusterAction>) {
        let is_settled = self.is_settled();
        let mut held: BTreeSet<Arc<str>> = BTreeSet::new();
        for (token, command) in std::mem::take(&mut self.waiting) {
            let Command { connector, kind } = command;
            // A task that is being started waits for it: not for the group, nor for what else happens to the connector.
            let waits_for_nothing = matches!(kind, CommandKind::Fence);
            let needs_no_group = matches!(kind, CommandKind::Pause | CommandKind::Resume);
            let is_held = held.contains(&connector) || self.is_busy(&connector);
            if !waits_for_nothing && (is_held || !(is_settled || needs_no_group)) {
                held.insert(Arc::clone(&connector));
                self.waiting.push_back((token, Command { connector, kind }));
                continue;
            }
            if let Err(refusal) = self.serve_one(token, &connector, kind, out) {
                reply(token, Err(refusal), out);
            }
        }
    }

    /// Begins a request; the answer follows once it is done.
    fn serve_one(
        &mut self,
        token: Token,
        name: &Arc<str>,
        kind: CommandKind,
        out: &mut Vec<ClusterAction>,
    ) -> Result<(), Refusal> {
        let exists = self.snapshot.contains(name);
        let check = |message: String| if exists { Ok(()) } else { Err(Refusal::NotFound(message)) };
        let token_of = Some(token);
        match kind {
            CommandKind::Create { config, initial, .. } => {
                self.check_leader()?;
                if exists {
                    return Err(Refusal::AlreadyExists(format!("Connector {name} already exists")));
                }
                let initial = (initial != TargetState::Started).then_some(initial);
                let record = ConfigWrite::Connector(Arc::clone(name), raw(config), initial);
                self.write(token_of, name, vec![record], Then::Created, out);
            }
            CommandKind::Configure { config, base, .. } => {
                self.check_leader()?;
                if let Some(base) = base {
                    check(format!("Connector {name} not found"))?;
                    if self.latest_config(name).as_ref() != Some(&base) {
                        return Err(Refusal::Outdated(format!(
                            "The configuration of connector {name} was changed by another request meanwhile; try again"
                        )));
                    }
                }
                let record = ConfigWrite::Connector(Arc::clone(name), raw(config), None);
                let then = if exists { Then::Updated } else { Then::Created };
                self.write(token_of, name, vec![record], then, out);
            }
            CommandKind::Delete => {
                self.check_leader()?;
                check(format!("Connector {name} not found"))?;
                self.write(token_of, name, vec![ConfigWrite::Removed(Arc::clone(name))], Then::Done, out);
            }
            CommandKind::Pause | CommandKind::Resume => {
                check(format!("Unknown connector {name}"))?;
                let target = match kind {
                    CommandKind::Pause => TargetState::Paused,
                    _ => TargetState::Started,
                };
                let record = ConfigWrite::Target(Arc::clone(name), target);
                self.write(token_of, name, vec![record], Then::Done, out);
            }
            CommandKind::Stop => {
                self.check_leader()?;
                check(format!("Unknown connector {name}"))?;
                let records = vec![
                    ConfigWrite::Tasks(Arc::clone(name), Vec::new()),
                    ConfigWrite::Target(Arc::clone(name), TargetState::Stopped),
                ];
                self.write(token_of, name, records, Then::Done, out);
            }
            CommandKind::RestartInstance => {
                check(format!("Unknown connector: {name}"))?;
                let Some(instance) =
                    self.instances.get_mut(name).filter(|_| self.own_connectors.contains(name))
                else {
                    return Err(self.elsewhere(|owners| owners.connector(name).cloned()));
                };
                instance.restarts = true;
                instance.retry = super::super::retry::Retry::default();
                instance.waiters.push(token);
            }
            CommandKind::RestartTask { task } => {
                check(format!("Unknown connector: {name}"))?;
                let id = TaskId { connector: Arc::clone(name), task };
                if self.snapshot.task_config(name, task).is_none()
                    || !self.snapshot.tasks(name).contains(&task)
                {
                    return Err(Refusal::NotFound(format!("Unknown task: {id}")));
                }
                let Some(own) = self.tasks.get_mut(&id).filter(|_| self.own_tasks.contains(&id)) else {
                    return Err(self.elsewhere(|owners| owners.task(&id).cloned()));
                };
                own.restarts = true;
                own.retry = super::super::retry::Retry::default();
                own.waiters.push(token);
            }
            CommandKind::Restart { include_tasks, only_failed } => {
                self.check_leader()?;
                check(format!("Unknown connector: {name}"))?;
                let planned = self.restart_plan(name, include_tasks, only_failed);
                let planned = planned
                    .ok_or_else(|| Refusal::NotFound(format!("Status for connector {name} not found")))?;
                let request = RestartRequest { connector: Arc::clone(name), only_failed, include_tasks };
                let record = ConfigWrite::Restart(request);
                self.write(token_of, name, vec![record], Then::Restarting(planned), out);
            }
            CommandKind::Offsets(request) => {
                self.check_leader()?;
                self.write(token_of, name, vec![ConfigWrite::ReadToEnd], Then::ChangeOffsets(request), out);
            }
            CommandKind::Fence => self.fence(token, name)?,
            CommandKind::SetTasks(tasks) => {
                self.check_leader()?;
                check(format!("Connector {name} not found"))?;
                if !tasks.is_empty() && self.snapshot.target_state(name) == Some(TargetState::Stopped) {
                    return Err(Refusal::BadRequest(format!(
                        "Cannot submit non-empty set of task configs for stopped connector {name}"
                    )));
                }
                self.write(
                    token_of,
                    name,
                    vec![ConfigWrite::Tasks(Arc::clone(name), tasks)],
                    Then::Done,
                    out,
                );
            }
        }
        Ok(())
    }

    pub(in super::super) fn check_leader(&self) -> Result<(), Refusal> {
        if self.is_leader() { Ok(()) } else { Err(Refusal::Elsewhere { url: self.leader_url() }) }
    }

    /// Something runs on another worker: the leader knows where, the others know the leader.
    fn elsewhere(&self, owner: impl Fn(&crate::group::Owners) -> Option<Arc<str>>) -> Refusal {
        let url = match &self.membership.assigned {
            Some(assigned) if assigned.is_leader => assigned.owners.as_deref().and_then(owner),
            _ => self.leader_url(),
        };
        Refusal::Elsewhere { url }
    }

    /// What a restart will come to, from what the status topic says (`RestartPlan`).
    fn restart_plan(
        &self,
        name: &str,
        include_tasks: bool,
        only_failed: bool,
    ) -> Option<super::super::view::ConnectorStateInfo> {
        let mut planned = self.status(name)?;
        let restarts = |state: State| !only_failed || state == State::Failed;
        if restarts(planned.connector.state) {
            planned.connector.state = State::Restarting;
            planned.connector.restart = None;
        }
        for task in &mut planned.tasks {
            if include_tasks && restarts(task.state.state) {
                task.state.state = State::Restarting;
                task.state.restart = None;
            }
        }
        Some(planned)
    }

    /// The configurations have been read again: checks and begins.
    pub(super) fn change_offsets(
        &mut self,
        token: Token,
        name: &Arc<str>,
        request: OffsetRequest,
        now_ms: u64,
        out: &mut Vec<ClusterAction>,
    ) {
        let verb = request.verb();
        let Some(config) = self.snapshot.config(name).cloned() else {
            return reply(token, Err(Refusal::NotFound(format!("Connector {name} not found"))), out);
        };
        if self.snapshot.target_state(name) != Some(TargetState::Stopped)
            || self.snapshot.task_count(name) != 0
        {
            let message = format!(
                "Connectors must be in the STOPPED state before their offsets can be modified. This can be done for the \
                 specified connector by issuing a 'PUT' request to the '/connectors/{name}/stop' endpoint"
            );
            return reply(token, Err(Refusal::BadRequest(message)), out);
        }
        let plugin = match self.plugin(&config) {
            Ok(plugin) => plugin,
            Err(message) => return reply(token, Err(Refusal::Failed(message)), out),
        };
        let runs = |id: &TaskId| id.connector == *name;
        if self.zombies.values().any(runs)
            || self.tasks.iter().any(|(id, task)| runs(id) && task.run.is_some())
        {
            let message = still_running(verb, name, plugin.is_source());
            return reply(token, Err(Refusal::Failed(message)), out);
        }
        if self.fence_for_offsets(token, name, plugin.is_source(), &request) {
            return;
        }
        let epoch = self.epoch();
        let change = OffsetChange {
            token,
            connector: Arc::clone(name),
            verb,
            is_source: plugin.is_source(),
            deadline_ms: now_ms + OFFSETS_WAIT_MS,
        };
        self.offset_changes.insert(epoch, change);
        out.push(ClusterAction::Herd(Action::ChangeOffsets {
            connector: Arc::clone(name),
            epoch,
            plugin,
            config: super::work::props(&config),
            request,
        }));
    }
}

/// Java answers 409 to these while it waits for a rebalance that the config topic calls for.
fn is_refused_meanwhile(kind: &CommandKind) -> bool {
    matches!(
        kind,
        CommandKind::RestartInstance
            | CommandKind::Restart { .. }
            | CommandKind::RestartTask { .. }
            | CommandKind::Offsets(_)
    )
}

fn raw(config: Props) -> RawConfig {
    config.into_iter().map(|(key, value)| (key, Some(value))).collect()
}
