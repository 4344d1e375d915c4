//! The state machine: what the group, the config topic and requests say is kept; [`reconcile`](super::reconcile) brings about what follows.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use engine::task::TaskId;

use super::super::event::{Action, Command, Epoch, Event, Outcome, Refusal, Token};
use super::super::retry::chance;
use super::event::{ClusterAction, ClusterEvent, Subject, WriteId};
use super::fencing::Fencing;
use super::membership::Membership;
use super::scope::Scope;
use super::work::{Generation, Instance, Task};
use super::writes::{OffsetChange, Write};
use crate::config::Plugins;
use crate::store::config_log::{RestartRequest, Snapshot};
use crate::store::status_log::{StoredStatus, VisitSaid};

/// What a machine is made with.
#[derive(Debug, Clone)]
pub struct ClusterSetup {
    /// `host:port`, as status answers show it.
    pub worker_id: Arc<str>,
    /// Tasks that stop together get so long in all.
    pub stop_timeout_ms: u64,
    /// `scheduled.rebalance.max.delay.ms`.
    pub max_delay_ms: u64,
    /// `worker.unsync.backoff.ms`.
    pub unsync_backoff_ms: u64,
    /// `inter.worker.key.ttl.ms`; 0: keys last for ever.
    pub key_ttl_ms: u64,
    /// `inter.worker.key.generation.algorithm`.
    pub key_algorithm: Arc<str>,
    /// Bytes of a key, from `inter.worker.key.size`.
    pub key_length: usize,
    /// `aqueduct.rest.queue.during.rebalance`: changes wait for a rebalance instead of being refused.
    pub queues_during_rebalance: bool,
    /// `exactly.once.source.support=enabled`.
    pub is_exactly_once: bool,
    /// The time of day at which the clock of [`Cluster::step`] is zero.
    pub unix_ms_at_zero: i64,
    /// For what is left to chance.
    pub seed: u64,
}

/// What the status topic says.
pub trait Statuses {
    /// Of a connector instance.
    fn connector(&self, connector: &str) -> Option<StoredStatus>;

    /// Of a task.
    fn task(&self, connector: &str, task: u32) -> Option<StoredStatus>;

    /// Of all tasks of a connector, by number.
    fn tasks(&self, connector: &str) -> Vec<(u32, StoredStatus)>;

    /// Visits each connector of which, or of one of whose tasks, it says anything, with the numbers of these tasks.
    fn each(&self, visit: &mut VisitSaid<'_>);
}

/// Failures in a row.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    pub(super) count: u32,
    /// When the first one was.
    pub(super) since_ms: u64,
}

/// A worker of a cluster.
pub struct Cluster {
    pub(super) setup: ClusterSetup,
    pub(super) plugins: Rc<Plugins>,
    pub(super) statuses: Rc<dyn Statuses>,
    pub(super) snapshot: Arc<Snapshot>,
    /// Connectors that an event has spoken of: a further one is a change, not an addition.
    pub(super) known: BTreeSet<Arc<str>>,
    pub(super) membership: Membership,
    /// What this worker is to run: assigned, and started once everybody knows the same configurations.
    pub(super) own_connectors: BTreeSet<Arc<str>>,
    pub(super) own_tasks: BTreeSet<TaskId>,
    pub(super) instances: BTreeMap<Arc<str>, Instance>,
    pub(super) tasks: BTreeMap<TaskId, Task>,
    pub(super) zombies: BTreeMap<Epoch, TaskId>,
    /// Requests that wait for a rebalance to end, or for an earlier one of their connector.
    pub(super) waiting: VecDeque<(Token, Command)>,
    pub(super) writes: BTreeMap<WriteId, Write>,
    pub(super) offset_changes: BTreeMap<Epoch, OffsetChange>,
    /// Who waits for former tasks to be shut out, by connector.
    pub(super) fencings: BTreeMap<Arc<str>, Fencing>,
    /// Changes of offsets for which that is done.
    pub(super) fenced_changes: BTreeSet<Token>,
    /// Restarts that the config topic asks for, until the group is settled.
    pub(super) restarts: BTreeMap<Arc<str>, RestartRequest>,
    /// What the status topic did not say, or should not have said, when it was looked at last.
    pub(super) doubted: BTreeSet<Subject>,
    pub(super) key_write_due_ms: u64,
    pub(super) claim_due_ms: Option<u64>,
    /// Failures of task generation in a row, by connector.
    pub(super) generation_attempts: BTreeMap<Arc<str>, Attempts>,
    pub(super) next_epoch: Epoch,
    pub(super) next_write: WriteId,
    pub(super) seed: u64,
    pub(super) is_ready: bool,
    pub(super) is_stopping: bool,
    has_ended: bool,
}

impl Cluster {
    /// A worker that is in no group yet. `snapshot` is what the config topic said when it was read to its end.
    pub fn new(
        setup: ClusterSetup,
        plugins: Rc<Plugins>,
        statuses: Rc<dyn Statuses>,
        snapshot: Arc<Snapshot>,
    ) -> Cluster {
        Cluster {
            known: snapshot.connectors().cloned().collect(),
            seed: setup.seed,
            setup,
            plugins,
            statuses,
            snapshot,
            membership: Membership::default(),
            own_connectors: BTreeSet::new(),
            own_tasks: BTreeSet::new(),
            instances: BTreeMap::new(),
            tasks: BTreeMap::new(),
            zombies: BTreeMap::new(),
            waiting: VecDeque::new(),
            writes: BTreeMap::new(),
            offset_changes: BTreeMap::new(),
            fencings: BTreeMap::new(),
            fenced_changes: BTreeSet::new(),
            restarts: BTreeMap::new(),
            doubted: BTreeSet::new(),
            key_write_due_ms: 0,
            claim_due_ms: None,
            generation_attempts: BTreeMap::new(),
            next_epoch: 1,
            next_write: 1,
            is_ready: false,
            is_stopping: false,
            has_ended: false,
        }
    }

    /// Takes in what happened, together with what the config topic says by now, and says what to do about it, in order.
    pub fn step(&mut self, event: ClusterEvent, snapshot: Arc<Snapshot>, now_ms: u64) -> Vec<ClusterAction> {
        let mut out = Vec::new();
        self.snapshot = snapshot;
        let (scope, stood) = (Scope::of(&event), self.standing());
        match event {
            ClusterEvent::Herd(event) => self.herd_event(event, now_ms, &mut out),
            ClusterEvent::Config(event) => self.config_event(event, now_ms, &mut out),
            ClusterEvent::Member(event) => self.member_event(event, &mut out),
            ClusterEvent::Abandoned(token) => {
                self.waiting.retain(|(waiting, _)| *waiting != token);
                self.forget_fencing(token);
            }
            ClusterEvent::StatusesDue => {
                self.look_at_statuses(&mut out);
                self.finish_stops(&mut out);
            }
            ClusterEvent::StatusesFlushed => self.statuses_flushed(&mut out),
            ClusterEvent::Refreshed(result) => self.refreshed(result, now_ms, &mut out),
            ClusterEvent::Written { id, result } => self.written(id, result, now_ms, &mut out),
            ClusterEvent::ProducersFenced { connector, round, result } => {
                self.producers_fenced(&connector, round, result, &mut out);
            }
            ClusterEvent::Published { connector, epoch, result } => {
                self.published(&connector, epoch, result, now_ms);
            }
        }
        self.advance_membership(now_ms, &mut out);
        self.apply_restarts();
        self.serve(&mut out);
        self.advance_fencing(&mut out);
        let scope = if self.standing().opens_since(&stood) { Scope::All } else { scope };
        self.reconcile_scope(&scope, now_ms, &mut out);
        self.advance_revocation(&mut out);
        self.lead(now_ms, &mut out);
        if self.is_stopping && !self.has_ended && !self.is_working() {
            self.has_ended = true;
            out.push(ClusterAction::Herd(Action::Ended));
        }
        out
    }

    /// When to send the next [`Event::Tick`], if at all.
    pub fn deadline_ms(&self) -> Option<u64> {
        let stops = self.tasks.values().filter_map(|task| task.run?.stops_by_ms);
        let is_settled = self.is_settled();
        let generations = self.instances.iter().filter_map(|(name, instance)| match instance.generation {
            Generation::Due(due_ms) if is_settled && !self.is_busy(name) => Some(due_ms),
            _ => None,
        });
        let tries = self.instances.values().filter_map(|instance| instance.retry.due_ms);
        let task_tries = self.tasks.values().filter_map(|task| task.retry.due_ms);
        let offsets = self.offset_changes.values().map(|change| change.deadline_ms);
        let all = stops.chain(generations).chain(tries).chain(task_tries).chain(offsets);
        // A worker that stops catches up with nobody.
        let membership = [self.membership.lag.until_ms, self.membership.retry_due_ms].into_iter().flatten();
        all.chain(membership.filter(|_| !self.is_stopping))
            .chain(self.claim_due_ms)
            .chain(self.key_due_ms())
            .min()
    }

    fn herd_event(&mut self, event: Event, now_ms: u64, out: &mut Vec<ClusterAction>) {
        match event {
            Event::Command { token, command } => self.command(token, command, out),
            Event::InstanceStarted { connector, epoch, result } => {
                self.instance_started(&connector, epoch, result, now_ms, out);
            }
            Event::ReconfigurationRequested { connector, epoch } => {
                self.reconfiguration_requested(&connector, epoch, now_ms);
            }
            Event::TasksGenerated { connector, epoch, result } => {
                self.tasks_generated(&connector, epoch, result, now_ms, out);
            }
            Event::OffsetsChanged { epoch, result, .. } => self.offsets_changed(epoch, result, out),
            Event::TaskReported { id, epoch, state } => self.task_reported(&id, epoch, state, now_ms, out),
            Event::TaskEnded { id, epoch } => self.task_ended(&id, epoch, now_ms, out),
            Event::TasksWatched { stuck } => {
                for (id, task) in &mut self.tasks {
                    task.stuck = stuck.get(id).filter(|_| task.run.is_some()).cloned();
                }
            }
            Event::TaskDisplaced { id, epoch } => self.task_displaced(&id, epoch, out),
            Event::Tick => self.tick(now_ms, out),
            // A worker of a cluster is ready by itself.
            Event::Ready => {}
            Event::Shutdown => self.shutdown(out),
        }
    }

    /// Something of this worker has not ended yet.
    fn is_working(&self) -> bool {
        self.tasks.values().any(|task| task.run.is_some())
            || self.instances.values().any(|instance| instance.epoch().is_some())
    }

    fn shutdown(&mut self, out: &mut Vec<ClusterAction>) {
        if std::mem::replace(&mut self.is_stopping, true) {
            return;
        }
        self.own_connectors.clear();
        self.own_tasks.clear();
        let waiting = std::mem::take(&mut self.waiting);
        let changes = std::mem::take(&mut self.offset_changes);
        let mut tokens: Vec<Token> = waiting.into_iter().map(|(token, _)| token).collect();
        tokens.extend(self.end_fencing(out));
        for (epoch, change) in changes {
            out.push(ClusterAction::Herd(Action::AbandonOffsets { epoch }));
            tokens.push(change.token);
        }
        tokens.extend(self.writes.values_mut().filter_map(|write| write.token.take()));
        tokens.extend(self.instances.values_mut().flat_map(|instance| instance.waiters.drain(..)));
        tokens.extend(self.tasks.values_mut().flat_map(|task| task.waiters.drain(..)));
        for token in tokens {
            reply(token, Err(Refusal::ShuttingDown), out);
        }
    }

    pub(super) fn epoch(&mut self) -> Epoch {
        let epoch = self.next_epoch;
        self.next_epoch += 1;
        epoch
    }

    /// A number that spreads what happens at one time.
    pub(super) fn chance(&mut self) -> u64 {
        chance(&mut self.seed)
    }
}

impl fmt::Debug for Cluster {
    /// Without configurations: there are secrets among their values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("worker_id", &self.setup.worker_id)
            .field("own_connectors", &self.own_connectors)
            .field("own_tasks", &self.own_tasks)
            .field("waiting", &self.waiting.len())
            .finish_non_exhaustive()
    }
}

/// Answers a request.
pub(super) fn reply(token: Token, result: Result<Outcome, Refusal>, out: &mut Vec<ClusterAction>) {
    out.push(ClusterAction::Herd(Action::Reply { token, result }));
}
