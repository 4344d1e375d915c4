//! Workers without anything around them: machines, one config topic and a group made up here.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use api::plugin::{AlterOffsets, ConnectorPlugin, CreateTask};
use api::{Error, Props};
use engine::task::{TaskId, TaskState};
use protocol::client::group::LostReason;

use super::super::super::event::{
    Action, Command, CommandKind, Epoch, Event, GenerateError, Outcome, Refusal, Token,
};
use super::super::super::state::State;
use super::super::*;
use super::producers::Producers;

use crate::config::{Plugins, TargetState};
use crate::group::{Assigned, ConnectProtocol, MemberEvent, RevokedBy};
use crate::store::LogRecord;
use crate::store::config_log::{ConfigLog, SessionKey, records};
use crate::store::status_log::{StoredStatus, VisitSaid};

pub(super) const STOP_TIMEOUT_MS: u64 = 5_000;
pub(super) const CLASS: &str = "test.TestSinkConnector";

pub(super) const PLUGIN: ConnectorPlugin = ConnectorPlugin {
    class: CLASS,
    start: |_| Err(Error::fatal("never started")),
    create_task: CreateTask::Sink(|_| Err(Error::fatal("never created"))),
    task_class: "test.TestSinkTask",
    version: "1.0",
    config_def: api::ConfigDef::default,
    alter_offsets: AlterOffsets::Sink(|_, _| Ok(true)),
    exactly_once_support: |_| None,
    can_define_transaction_boundaries: |_| false,
};

pub(super) const SOURCE: ConnectorPlugin = ConnectorPlugin {
    class: "test.TestSourceConnector",
    create_task: CreateTask::Source(|_| Err(Error::fatal("never created"))),
    task_class: "test.TestSourceTask",
    alter_offsets: AlterOffsets::Source(|_, _| Ok(true)),
    ..PLUGIN
};

#[derive(Default)]
pub(super) struct Topic(pub(super) RefCell<BTreeMap<Subject, StoredStatus>>);

impl Statuses for Topic {
    fn connector(&self, connector: &str) -> Option<StoredStatus> {
        self.0.borrow().get(&Subject::Connector(connector.into())).cloned()
    }

    fn task(&self, connector: &str, task: u32) -> Option<StoredStatus> {
        self.0.borrow().get(&Subject::Task(TaskId { connector: connector.into(), task })).cloned()
    }

    fn tasks(&self, connector: &str) -> Vec<(u32, StoredStatus)> {
        let all = self.0.borrow();
        let tasks = all.iter().filter_map(|(subject, status)| match subject {
            Subject::Task(id) if &*id.connector == connector => Some((id.task, status.clone())),
            _ => None,
        });
        tasks.collect()
    }

    fn each(&self, visit: &mut VisitSaid<'_>) {
        let mut all: BTreeMap<Arc<str>, BTreeSet<u32>> = BTreeMap::new();
        for subject in self.0.borrow().keys() {
            match subject {
                Subject::Connector(name) => {
                    all.entry(Arc::clone(name)).or_default();
                }
                Subject::Task(id) => {
                    all.entry(Arc::clone(&id.connector)).or_default().insert(id.task);
                }
            }
        }
        for (name, tasks) in &all {
            visit(name, &mut tasks.iter().copied());
        }
    }
}

pub(super) struct Worker {
    pub(super) cluster: Cluster,
    pub(super) log: ConfigLog,
    pub(super) read: usize,
    pub(super) instances: BTreeMap<Epoch, Arc<str>>,
    pub(super) tasks: BTreeMap<Epoch, (TaskId, bool)>,
    pub(super) starts: BTreeMap<TaskId, u32>,
    pub(super) connectors: BTreeSet<Arc<str>>,
    pub(super) assigned: BTreeSet<TaskId>,
    pub(super) inbox: VecDeque<ClusterEvent>,
    /// What the group took and the worker has not acknowledged.
    pub(super) revoked: Option<(BTreeSet<Arc<str>>, BTreeSet<TaskId>)>,
    pub(super) wants_rebalance: bool,
    pub(super) has_ended: bool,
    /// The system gives it no time, and the group has gone on without it.
    pub(super) is_frozen: bool,
    /// It was, and has not given up yet what it had.
    pub(super) is_lost: bool,
    pub(super) resolved: i32,
}

/// Workers with a topic and a group.
pub(super) struct World {
    pub(super) workers: Vec<Worker>,
    pub(super) topic: Vec<LogRecord>,
    pub(super) statuses: Rc<Topic>,
    pub(super) now_ms: u64,
    pub(super) generation: i32,
    /// Members that the running rebalance still waits for.
    pub(super) joining: bool,
    pub(super) next_token: Token,
    pub(super) replies: BTreeMap<Token, Result<Outcome, Refusal>>,
    /// How connectors and tasks behave.
    pub(super) task_count: usize,
    pub(super) fails_start: bool,
    pub(super) fails_generate: bool,
    /// The leader does not believe signatures.
    pub(super) forbids_publishing: bool,
    /// What is handed in to the leader is on its way, until a test says what becomes of it.
    pub(super) on_the_way: Option<Vec<(usize, Arc<str>, Epoch)>>,
    pub(super) ignores_stop: bool,
    pub(super) fails_writes: bool,
    /// With exactly-once support, whose first writes take several steps.
    pub(super) is_exactly_once: bool,
    pub(super) producers: Producers,
    /// Where new work goes.
    pub(super) turn: usize,
}

pub(super) fn setup(worker: usize) -> ClusterSetup {
    ClusterSetup {
        worker_id: format!("w{worker}:8083").into(),
        stop_timeout_ms: STOP_TIMEOUT_MS,
        max_delay_ms: 300_000,
        unsync_backoff_ms: 300_000,
        key_ttl_ms: 3_600_000,
        key_algorithm: "HmacSHA256".into(),
        key_length: 1,
        queues_during_rebalance: false,
        is_exactly_once: true,
        unix_ms_at_zero: 1_700_000_000_000,
        seed: 7,
    }
}

pub(super) fn url(worker: usize) -> Arc<str> {
    format!("http://w{worker}:8083/").into()
}

pub(super) fn config(value: &str) -> Props {
    config_of(CLASS, value)
}

pub(super) fn config_of(class: &str, value: &str) -> Props {
    [("connector.class", class), ("name", "c"), ("k", value)]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into_iter()
        .collect()
}

impl World {
    pub(super) fn new(workers: usize) -> World {
        let statuses = Rc::new(Topic::default());
        let plugins =
            Rc::new(Plugins::new(crate::Registry { connectors: vec![PLUGIN, SOURCE], ..crate::built_in() }));
        let workers = (0..workers).map(|number| {
            let log = ConfigLog::new();
            let statuses: Rc<dyn Statuses> = Rc::<Topic>::clone(&statuses);
            Worker {
                cluster: Cluster::new(setup(number), Rc::clone(&plugins), statuses, log.snapshot()),
                log,
                read: 0,
                instances: BTreeMap::new(),
                tasks: BTreeMap::new(),
                starts: BTreeMap::new(),
                connectors: BTreeSet::new(),
                assigned: BTreeSet::new(),
                inbox: VecDeque::new(),
                revoked: None,
                wants_rebalance: true,
                has_ended: false,
                is_frozen: false,
                is_lost: false,
                resolved: -1,
            }
        });
        World {
            workers: workers.collect(),
            topic: Vec::new(),
            statuses,
            now_ms: 0,
            generation: 0,
            joining: false,
            next_token: 0,
            replies: BTreeMap::new(),
            task_count: 2,
            fails_start: false,
            fails_generate: false,
            forbids_publishing: false,
            on_the_way: None,
            ignores_stop: false,
            fails_writes: false,
            is_exactly_once: false,
            producers: Producers::default(),
            turn: 0,
        }
    }

    pub(super) fn send(&mut self, worker: usize, name: &str, kind: CommandKind) -> Token {
        self.next_token += 1;
        let command = Command { connector: name.into(), kind };
        let event = Event::Command { token: self.next_token, command };
        self.step(worker, ClusterEvent::Herd(event));
        self.next_token
    }

    pub(super) fn step(&mut self, number: usize, event: ClusterEvent) {
        let worker = &mut self.workers[number];
        let actions = worker.cluster.step(event, worker.log.snapshot(), self.now_ms);
        leaves_alone_what_is_well(&mut worker.cluster, self.now_ms);
        for action in actions {
            self.perform(number, action);
        }
    }

    pub(super) fn perform(&mut self, number: usize, action: ClusterAction) {
        let worker = &mut self.workers[number];
        match action {
            ClusterAction::Herd(action) => self.perform_here(number, action),
            ClusterAction::Write { id, records } => {
                let result = if self.fails_writes {
                    Err(WriteFailure { message: "no broker".to_owned(), is_privilege_lost: false })
                } else {
                    for record in &records {
                        self.append(record);
                    }
                    Ok(())
                };
                // It has read back what it wrote when it is told.
                self.read(number, usize::MAX);
                self.workers[number].inbox.push_back(ClusterEvent::Written { id, result });
            }
            ClusterAction::Status { subject, state, trace, version, generation, .. } => {
                let worker_id = Arc::clone(&setup(number).worker_id);
                let status =
                    StoredStatus { state, trace, worker_id, generation, version: version.map(Arc::from) };
                self.statuses.0.borrow_mut().insert(subject, status);
            }
            ClusterAction::ForgetStatus { subject, .. } => {
                self.statuses.0.borrow_mut().remove(&subject);
            }
            ClusterAction::FlushStatuses => worker.inbox.push_back(ClusterEvent::StatusesFlushed),
            ClusterAction::AcknowledgeRevoked => {
                let (connectors, tasks) =
                    worker.revoked.take().expect("only what was revoked is acknowledged");
                worker.is_lost = false;
                for id in &tasks {
                    let runs = worker.tasks.values().any(|(task, is_abandoned)| task == id && !is_abandoned);
                    assert!(!runs, "{id} runs on after its revocation was acknowledged");
                    worker.assigned.remove(id);
                }
                for name in &connectors {
                    assert!(!worker.instances.values().any(|c| c == name), "{name} runs on");
                    worker.connectors.remove(name);
                }
            }
            ClusterAction::Resolved { generation } => worker.resolved = generation,
            ClusterAction::Rejoin(_) | ClusterAction::Join => worker.wants_rebalance = true,
            ClusterAction::Publish { connector, epoch, tasks, leader_url } => {
                assert_eq!(leader_url, url(0));
                if let Some(on_the_way) = &mut self.on_the_way {
                    on_the_way.push((number, connector, epoch));
                    return;
                }
                if self.forbids_publishing {
                    let message = "Internal request contained invalid signature.".to_owned();
                    let result = Err(PublishFailure { message, is_forbidden: true });
                    worker.inbox.push_back(ClusterEvent::Published { connector, epoch, result });
                    return;
                }
                let token = self.send(0, &connector, CommandKind::SetTasks(tasks));
                // The answer goes back with what happens next.
                self.publishing(number, connector, epoch, token);
            }
            ClusterAction::Refresh => {
                self.read(number, usize::MAX);
                self.workers[number].inbox.push_back(ClusterEvent::Refreshed(Ok(())));
            }
            ClusterAction::FenceProducers { connector, round, task_count, .. } => {
                self.begin_round(number, connector, round, task_count);
            }
            ClusterAction::AbandonFencing { round } => self.abandon_round(number, round),
            ClusterAction::ClaimPrivileges | ClusterAction::SetLoggerLevel { .. } => {}
            ClusterAction::Leave(_) | ClusterAction::RevokeAll => panic!("nothing is ever too slow here"),
        }
    }

    pub(super) fn publishing(&mut self, number: usize, connector: Arc<str>, epoch: Epoch, token: Token) {
        // In this world the leader's answer is awaited at once: let it settle what it has.
        for _ in 0..50 {
            if let Some(result) = self.replies.remove(&token) {
                let failed =
                    |refusal: Refusal| PublishFailure { message: refusal.to_string(), is_forbidden: false };
                let result = result.map(|_| ()).map_err(failed);
                self.workers[number].inbox.push_back(ClusterEvent::Published { connector, epoch, result });
                return;
            }
            let Some(event) = self.workers[0].inbox.pop_front() else { break };
            self.step(0, event);
        }
        let result = Err(PublishFailure { message: "Request timed out".to_owned(), is_forbidden: false });
        self.workers[number].inbox.push_back(ClusterEvent::Published { connector, epoch, result });
    }

    pub(super) fn append(&mut self, record: &ConfigWrite) {
        match record {
            ConfigWrite::Connector(name, config, initial) => {
                self.topic.extend(initial.map(|state| records::target_state(name, state)));
                self.topic.push(records::connector(name, config));
            }
            ConfigWrite::Removed(name) => self.topic.extend(records::connector_removal(name)),
            ConfigWrite::Tasks(name, tasks) => {
                let configs =
                    tasks.iter().enumerate().map(|(task, config)| records::task(name, task, config));
                self.topic.extend(configs);
                self.topic.push(records::commit(name, tasks.len()));
            }
            ConfigWrite::Target(name, state) => self.topic.push(records::target_state(name, *state)),
            ConfigWrite::TaskCount(name, count) => self.topic.push(records::task_count(name, *count as i32)),
            ConfigWrite::Restart(request) => self.topic.push(records::restart(request)),
            ConfigWrite::NewSessionKey => self.topic.push(records::session_key(&SessionKey {
                key: vec![1].into(),
                algorithm: "HmacSHA256".into(),
                created_ms: 1_700_000_000_000 + self.now_ms as i64,
            })),
            ConfigWrite::ReadToEnd => {}
        }
    }

    /// A worker reads so many records.
    pub(super) fn read(&mut self, number: usize, count: usize) {
        let worker = &mut self.workers[number];
        for record in self.topic.iter().skip(worker.read).take(count) {
            let event = worker.log.apply(worker.read as i64, Some(&record.key), record.value.as_deref());
            worker.read += 1;
            worker.inbox.extend(event.map(ClusterEvent::Config));
        }
    }

    pub(super) fn perform_here(&mut self, number: usize, action: Action) {
        let (fails_start, fails_generate, ignores_stop) =
            (self.fails_start, self.fails_generate, self.ignores_stop);
        let worker = &mut self.workers[number];
        let event = match action {
            Action::StartInstance { connector, epoch, .. } => {
                assert!(!worker.instances.values().any(|name| *name == connector), "{connector} runs twice");
                worker.instances.insert(epoch, Arc::clone(&connector));
                let result = if fails_start { Err("java.lang.Exception: no\n".to_owned()) } else { Ok(()) };
                Event::InstanceStarted { connector, epoch, result }
            }
            Action::StopInstance { epoch } => {
                worker.instances.remove(&epoch);
                return;
            }
            Action::GenerateTasks { connector, epoch, config } => {
                let result = if fails_generate {
                    Err(GenerateError {
                        message: "no".to_owned(),
                        trace: "java.lang.Exception: no\n".to_owned(),
                    })
                } else {
                    Ok(vec![Props::from_iter([("k".to_owned(), config["k"].clone())]); self.task_count])
                };
                Event::TasksGenerated { connector, epoch, result }
            }
            Action::StartTask { id, epoch, starts_paused, .. } => {
                *worker.starts.entry(id.clone()).or_default() += 1;
                worker.tasks.insert(epoch, (id.clone(), false));
                if self.is_exactly_once && !starts_paused {
                    return self.begin_start(number, id, epoch);
                }
                let state = if starts_paused { TaskState::Paused } else { TaskState::Running };
                Event::TaskReported { id, epoch, state }
            }
            Action::StopTask { epoch } => {
                if ignores_stop {
                    return;
                }
                let Some((id, _)) = worker.tasks.remove(&epoch) else { return };
                let reported = Event::TaskReported { id: id.clone(), epoch, state: TaskState::Stopped };
                worker.inbox.push_back(ClusterEvent::Herd(reported));
                self.end_producer(number, epoch);
                self.workers[number].inbox.push_back(ClusterEvent::Herd(Event::TaskEnded { id, epoch }));
                return self.check_single();
            }
            Action::AbandonTask { epoch, .. } => {
                if let Some((_, is_abandoned)) = worker.tasks.get_mut(&epoch) {
                    *is_abandoned = true;
                }
                return;
            }
            Action::PauseTask { epoch } | Action::ResumeTask { epoch } => {
                let is_pause = matches!(action, Action::PauseTask { .. });
                let Some((id, _)) = worker.tasks.get(&epoch).cloned() else { return };
                let writes = |world: &World| {
                    let mut live = world.producers.live.values();
                    live.any(|live| (live.worker, live.epoch) == (number, epoch))
                };
                if self.is_exactly_once && !is_pause && !writes(self) {
                    return self.begin_start(number, id, epoch);
                }
                let state = if is_pause { TaskState::Paused } else { TaskState::Running };
                Event::TaskReported { id, epoch, state }
            }
            Action::ChangeOffsets { connector, epoch, .. } => {
                Event::OffsetsChanged { connector, epoch, result: Ok(true) }
            }
            Action::AbandonOffsets { .. } => return,
            Action::Reply { token, result } => {
                assert!(self.replies.insert(token, result).is_none(), "two answers");
                return;
            }
            Action::Ended => {
                worker.has_ended = true;
                return;
            }
        };
        self.workers[number].inbox.push_back(ClusterEvent::Herd(event));
        self.check_single();
    }

    /// I11: no task runs twice, on workers that are in the group.
    pub(super) fn check_single(&self) {
        let mut seen = BTreeSet::new();
        let awake = self.workers.iter().filter(|worker| !worker.is_frozen && !worker.is_lost);
        let tasks = awake.flat_map(|worker| worker.tasks.values());
        for (id, _) in tasks.filter(|(_, is_abandoned)| !is_abandoned) {
            assert!(seen.insert(id), "{id} runs twice");
        }
    }

    /// The group's part: one step of a rebalance where one is wanted. `shuffles`: work moves.
    pub(super) fn group(&mut self, shuffles: bool) {
        let members: Vec<usize> = (0..self.workers.len()).filter(|n| self.is_member(*n)).collect();
        if self.joining {
            if members.iter().all(|n| self.workers[*n].revoked.is_none()) {
                self.assign(&members);
            }
            return;
        }
        if !members.iter().any(|n| self.workers[*n].wants_rebalance) {
            return;
        }
        self.joining = true;
        let target = self.target(&members, shuffles);
        for &number in &members {
            self.workers[number].wants_rebalance = false;
            self.step(number, ClusterEvent::Member(MemberEvent::Rebalancing { reason: "test" }));
            let worker = &mut self.workers[number];
            let moved = |id: &&TaskId| target.1.get(*id) != Some(&number);
            let tasks: BTreeSet<TaskId> = worker.assigned.iter().filter(moved).cloned().collect();
            let gone = |name: &&Arc<str>| target.0.get(*name) != Some(&number);
            let connectors: BTreeSet<Arc<str>> = worker.connectors.iter().filter(gone).cloned().collect();
            if !tasks.is_empty() || !connectors.is_empty() {
                let event = MemberEvent::Revoked {
                    cause: RevokedBy::Leader,
                    connectors: connectors.iter().cloned().collect(),
                    tasks: tasks.iter().cloned().collect(),
                };
                worker.revoked = Some((connectors, tasks));
                self.step(number, ClusterEvent::Member(event));
            }
        }
    }

    /// Who should run what.
    pub(super) fn target(
        &mut self,
        members: &[usize],
        shuffles: bool,
    ) -> (BTreeMap<Arc<str>, usize>, BTreeMap<TaskId, usize>) {
        let newest = members.iter().map(|n| self.workers[*n].log.snapshot()).max_by_key(|s| s.offset());
        let Some(snapshot) = newest else { return Default::default() };
        let (mut connectors, mut tasks) = (BTreeMap::new(), BTreeMap::new());
        for name in snapshot.connectors() {
            let owner = members.iter().copied().find(|n| self.workers[*n].connectors.contains(name));
            connectors.insert(Arc::clone(name), self.owner(owner, members, shuffles));
            for task in snapshot.tasks(name) {
                let id = TaskId { connector: Arc::clone(name), task };
                let owner = members.iter().copied().find(|n| self.workers[*n].assigned.contains(&id));
                let owner = self.owner(owner, members, shuffles);
                tasks.insert(id, owner);
            }
        }
        (connectors, tasks)
    }

    pub(super) fn owner(&mut self, owner: Option<usize>, members: &[usize], shuffles: bool) -> usize {
        self.turn += 1;
        match owner {
            Some(owner) if !shuffles || !self.turn.is_multiple_of(3) => owner,
            _ => members[self.turn % members.len()],
        }
    }

    pub(super) fn assign(&mut self, members: &[usize]) {
        self.joining = false;
        self.generation += 1;
        let target = self.target(members, false);
        let offset = members.iter().map(|n| self.workers[*n].log.snapshot().offset()).max().unwrap_or(-1);
        for (name, owner) in target.0 {
            self.workers[owner].connectors.insert(name);
        }
        for (id, owner) in target.1 {
            self.workers[owner].assigned.insert(id);
        }
        for &number in members {
            let worker = &self.workers[number];
            let assigned = Assigned {
                generation: self.generation,
                member_id: format!("m{number}").into(),
                leader: "m0".into(),
                leader_url: url(0),
                is_leader: number == 0,
                protocol: ConnectProtocol::Sessioned,
                config_offset: offset,
                is_failed: false,
                connectors: worker.connectors.iter().cloned().collect(),
                tasks: worker.assigned.iter().cloned().collect(),
                revoked_any: false,
                delay_ms: 0,
                owners: None,
            };
            self.step(number, ClusterEvent::Member(MemberEvent::Assigned(assigned)));
        }
    }

    fn is_member(&self, number: usize) -> bool {
        let worker = &self.workers[number];
        !worker.has_ended && !worker.is_frozen && !worker.is_lost
    }

    /// A worker gets no time any more, and the group goes on without it.
    pub(super) fn freeze(&mut self, number: usize) {
        if self.is_member(number) && self.workers[number].revoked.is_none() && !self.joining {
            self.workers[number].is_frozen = true;
            self.workers[0].wants_rebalance = true;
        }
    }

    /// It wakes, and learns that it has lost everything; what it does until then it does as if nothing had happened.
    pub(super) fn thaw(&mut self, number: usize) {
        let worker = &mut self.workers[number];
        if !std::mem::replace(&mut worker.is_frozen, false) {
            return;
        }
        worker.is_lost = true;
        let event = MemberEvent::Revoked {
            cause: RevokedBy::Lost(LostReason::SessionExpired),
            connectors: worker.connectors.iter().cloned().collect(),
            tasks: worker.assigned.iter().cloned().collect(),
        };
        worker.revoked = Some((worker.connectors.clone(), worker.assigned.clone()));
        worker.wants_rebalance = true;
        worker.inbox.push_back(ClusterEvent::Member(event));
    }

    pub(super) fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
        for number in 0..self.workers.len() {
            let is_due =
                self.workers[number].cluster.deadline_ms().is_some_and(|due_ms| due_ms <= self.now_ms);
            if is_due && !self.workers[number].is_frozen {
                self.step(number, ClusterEvent::Herd(Event::Tick));
            }
        }
    }

    /// One thing happens that is due; false if nothing is.
    pub(super) fn advance(&mut self, pick: usize) -> bool {
        // What happens around workers may come before what they know of it.
        if pick % 2 == 1 && (self.go_on_starting(pick / 2) || self.end_round(pick / 2)) {
            return true;
        }
        let count = self.workers.len();
        for offset in 0..count {
            let number = (pick + offset) % count;
            if self.workers[number].is_frozen {
                continue;
            }
            if let Some(event) = self.workers[number].inbox.pop_front() {
                self.step(number, event);
                return true;
            }
            if self.workers[number].read < self.topic.len() {
                self.read(number, 1);
                return true;
            }
        }
        if self.go_on_starting(pick) || self.end_round(pick) {
            return true;
        }
        let before = (self.joining, self.generation);
        self.group(false);
        before != (self.joining, self.generation)
    }

    /// Until nothing is to be done any more.
    pub(super) fn settle(&mut self) {
        for round in 0..100_000 {
            if self.advance(round) {
                continue;
            }
            let due = self.workers.iter().filter_map(|worker| worker.cluster.deadline_ms()).min();
            match due {
                // Keys are made anew for ever.
                Some(due_ms) if due_ms <= self.now_ms + 120_000 => {
                    self.pass(due_ms.saturating_sub(self.now_ms));
                }
                _ => return,
            }
        }
        panic!("it never settles");
    }

    pub(super) fn running(&self) -> BTreeSet<TaskId> {
        let tasks = self.workers.iter().flat_map(|worker| worker.tasks.values());
        tasks.filter(|(_, is_abandoned)| !is_abandoned).map(|(id, _)| id.clone()).collect()
    }

    pub(super) fn state(&self, name: &str) -> Option<State> {
        self.statuses.connector(name).map(|status| status.state)
    }
}

pub(super) fn create(value: &str) -> CommandKind {
    CommandKind::Create { plugin: PLUGIN, config: config(value), initial: TargetState::Started }
}

pub(super) fn configure(value: &str) -> CommandKind {
    CommandKind::Configure { plugin: PLUGIN, config: config(value), base: None }
}

/// The tasks that a look at all of them passes over are those for which there is nothing to do.
fn leaves_alone_what_is_well(cluster: &mut Cluster, now_ms: u64) {
    let unwell: BTreeSet<TaskId> = cluster.unwell_tasks().into_iter().collect();
    let all: BTreeSet<TaskId> = cluster.own_tasks.iter().chain(cluster.tasks.keys()).cloned().collect();
    for id in all.difference(&unwell) {
        let mut out = Vec::new();
        cluster.reconcile_task(id, now_ms, &mut out);
        assert!(out.is_empty(), "{id} was passed over, but {out:?} is to be done");
    }
}
