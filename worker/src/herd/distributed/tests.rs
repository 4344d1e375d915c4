//! Machines alone: several workers, one topic and a group made up here, driven by chance.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use api::plugin::{AlterOffsets, ConnectorPlugin, CreateTask};
use api::{Error, Props};
use engine::task::{TaskId, TaskState};
use indexmap::IndexMap;
use proptest::prelude::*;

use super::super::event::{
    Action, Command, CommandKind, Epoch, Event, GenerateError, Outcome, Refusal, Token,
};
use super::super::state::State;
use super::super::view::View as _;
use super::work::complete_task;
use super::*;
use crate::config::{Plugins, TargetState};
use crate::group::{Assigned, ConnectProtocol, MemberEvent, RevokedBy};
use crate::store::LogRecord;
use crate::store::config_log::{ConfigLog, SessionKey, records};
use crate::store::status_log::StoredStatus;

const STOP_TIMEOUT_MS: u64 = 5_000;
const CLASS: &str = "test.TestSinkConnector";

const PLUGIN: ConnectorPlugin = ConnectorPlugin {
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

#[derive(Default)]
struct Topic(RefCell<BTreeMap<Subject, StoredStatus>>);

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
}

struct Worker {
    cluster: Cluster,
    log: ConfigLog,
    read: usize,
    instances: BTreeMap<Epoch, Arc<str>>,
    tasks: BTreeMap<Epoch, (TaskId, bool)>,
    starts: BTreeMap<TaskId, u32>,
    connectors: BTreeSet<Arc<str>>,
    assigned: BTreeSet<TaskId>,
    inbox: VecDeque<ClusterEvent>,
    /// What the group took and the worker has not acknowledged.
    revoked: Option<(BTreeSet<Arc<str>>, BTreeSet<TaskId>)>,
    wants_rebalance: bool,
    has_ended: bool,
    resolved: i32,
}

/// Workers with a topic and a group.
struct World {
    workers: Vec<Worker>,
    topic: Vec<LogRecord>,
    statuses: Rc<Topic>,
    now_ms: u64,
    generation: i32,
    /// Members that the running rebalance still waits for.
    joining: bool,
    next_token: Token,
    replies: BTreeMap<Token, Result<Outcome, Refusal>>,
    /// How connectors and tasks behave.
    task_count: usize,
    fails_start: bool,
    fails_generate: bool,
    ignores_stop: bool,
    fails_writes: bool,
    /// Where new work goes.
    turn: usize,
}

fn setup(worker: usize) -> ClusterSetup {
    ClusterSetup {
        worker_id: format!("w{worker}:8083").into(),
        stop_timeout_ms: STOP_TIMEOUT_MS,
        max_delay_ms: 300_000,
        unsync_backoff_ms: 300_000,
        key_ttl_ms: 3_600_000,
        key_algorithm: "HmacSHA256".into(),
        key_length: 1,
        queues_during_rebalance: false,
        unix_ms_at_zero: 1_700_000_000_000,
        seed: 7,
    }
}

fn url(worker: usize) -> Arc<str> {
    format!("http://w{worker}:8083/").into()
}

fn config(value: &str) -> Props {
    [("connector.class", CLASS), ("name", "c"), ("k", value)]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into_iter()
        .collect()
}

impl World {
    fn new(workers: usize) -> World {
        let statuses = Rc::new(Topic::default());
        let plugins =
            Rc::new(Plugins::new(crate::Registry { connectors: vec![PLUGIN], ..crate::built_in() }));
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
            ignores_stop: false,
            fails_writes: false,
            turn: 0,
        }
    }

    fn send(&mut self, worker: usize, name: &str, kind: CommandKind) -> Token {
        self.next_token += 1;
        let command = Command { connector: name.into(), kind };
        let event = Event::Command { token: self.next_token, command };
        self.step(worker, ClusterEvent::Herd(event));
        self.next_token
    }

    fn step(&mut self, number: usize, event: ClusterEvent) {
        let worker = &mut self.workers[number];
        let actions = worker.cluster.step(event, worker.log.snapshot(), self.now_ms);
        for action in actions {
            self.perform(number, action);
        }
    }

    fn perform(&mut self, number: usize, action: ClusterAction) {
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
            ClusterAction::FlushStatuses => worker.inbox.push_back(ClusterEvent::StatusesFlushed),
            ClusterAction::AcknowledgeRevoked => {
                let (connectors, tasks) =
                    worker.revoked.take().expect("only what was revoked is acknowledged");
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
            ClusterAction::Publish { connector, tasks, leader_url } => {
                assert_eq!(leader_url, url(0));
                let token = self.send(0, &connector, CommandKind::SetTasks(tasks));
                // The answer goes back with what happens next.
                self.publishing(number, connector, token);
            }
            ClusterAction::Refresh => {
                self.read(number, usize::MAX);
                self.workers[number].inbox.push_back(ClusterEvent::Refreshed(Ok(())));
            }
            ClusterAction::BeginToLead { .. }
            | ClusterAction::ClaimPrivileges
            | ClusterAction::SetLoggerLevel { .. } => {}
            ClusterAction::Leave(_) | ClusterAction::RevokeAll => panic!("nothing is ever too slow here"),
        }
    }

    fn publishing(&mut self, number: usize, connector: Arc<str>, token: Token) {
        // In this world the leader's answer is awaited at once: let it settle what it has.
        for _ in 0..50 {
            if let Some(result) = self.replies.remove(&token) {
                let result = result.map(|_| ()).map_err(|refusal| refusal.to_string());
                self.workers[number].inbox.push_back(ClusterEvent::Published { connector, result });
                return;
            }
            let Some(event) = self.workers[0].inbox.pop_front() else { break };
            self.step(0, event);
        }
        let result = Err("Request timed out".to_owned());
        self.workers[number].inbox.push_back(ClusterEvent::Published { connector, result });
    }

    fn append(&mut self, record: &ConfigWrite) {
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
    fn read(&mut self, number: usize, count: usize) {
        let worker = &mut self.workers[number];
        for record in self.topic.iter().skip(worker.read).take(count) {
            let event = worker.log.apply(worker.read as i64, Some(&record.key), record.value.as_deref());
            worker.read += 1;
            worker.inbox.extend(event.map(ClusterEvent::Config));
        }
    }

    fn perform_here(&mut self, number: usize, action: Action) {
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
                Event::TaskEnded { id, epoch }
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
        worker.inbox.push_back(ClusterEvent::Herd(event));
        self.check_single();
    }

    /// I11: no task runs twice.
    fn check_single(&self) {
        let mut seen = BTreeSet::new();
        let tasks = self.workers.iter().flat_map(|worker| worker.tasks.values());
        for (id, _) in tasks.filter(|(_, is_abandoned)| !is_abandoned) {
            assert!(seen.insert(id), "{id} runs twice");
        }
    }

    /// The group's part: one step of a rebalance where one is wanted. `shuffles`: work moves.
    fn group(&mut self, shuffles: bool) {
        let members: Vec<usize> = (0..self.workers.len()).filter(|n| !self.workers[*n].has_ended).collect();
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
    fn target(
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

    fn owner(&mut self, owner: Option<usize>, members: &[usize], shuffles: bool) -> usize {
        self.turn += 1;
        match owner {
            Some(owner) if !shuffles || !self.turn.is_multiple_of(3) => owner,
            _ => members[self.turn % members.len()],
        }
    }

    fn assign(&mut self, members: &[usize]) {
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

    fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
        for number in 0..self.workers.len() {
            if self.workers[number].cluster.deadline_ms().is_some_and(|due_ms| due_ms <= self.now_ms) {
                self.step(number, ClusterEvent::Herd(Event::Tick));
            }
        }
    }

    /// One thing happens that is due; false if nothing is.
    fn advance(&mut self, pick: usize) -> bool {
        let count = self.workers.len();
        for offset in 0..count {
            let number = (pick + offset) % count;
            if let Some(event) = self.workers[number].inbox.pop_front() {
                self.step(number, event);
                return true;
            }
            if self.workers[number].read < self.topic.len() {
                self.read(number, 1);
                return true;
            }
        }
        let before = (self.joining, self.generation);
        self.group(false);
        before != (self.joining, self.generation)
    }

    /// Until nothing is to be done any more.
    fn settle(&mut self) {
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

    fn running(&self) -> BTreeSet<TaskId> {
        let tasks = self.workers.iter().flat_map(|worker| worker.tasks.values());
        tasks.filter(|(_, is_abandoned)| !is_abandoned).map(|(id, _)| id.clone()).collect()
    }

    fn state(&self, name: &str) -> Option<State> {
        self.statuses.connector(name).map(|status| status.state)
    }
}

fn create(value: &str) -> CommandKind {
    CommandKind::Create { plugin: PLUGIN, config: config(value), initial: TargetState::Started }
}

fn configure(value: &str) -> CommandKind {
    CommandKind::Configure { plugin: PLUGIN, config: config(value), base: None }
}

#[test]
fn a_created_connector_and_its_tasks_run_somewhere_each_once() {
    let mut world = World::new(3);
    world.settle();
    let created = world.send(0, "c", create("1"));
    world.settle();
    let Some(Ok(Outcome::Created(info))) = world.replies.get(&created) else { panic!("{:?}", world.replies) };
    assert!(info.tasks.is_empty(), "as in Java the answer shows the tasks there were before");
    assert_eq!(world.running().len(), 2);
    assert_eq!(world.state("c"), Some(State::Running));
    assert_eq!(world.workers[1].cluster.info("c").unwrap().tasks.len(), 2);
}

#[test]
fn only_the_leader_creates_and_everybody_knows_where_it_is() {
    let mut world = World::new(2);
    world.settle();
    let refused = world.send(1, "c", create("1"));
    assert_eq!(world.replies[&refused], Err(Refusal::Elsewhere { url: Some(url(0)) }));
}

#[test]
fn a_rebalance_restarts_nothing_that_does_not_move() {
    let mut world = World::new(3);
    world.settle();
    for name in ["a", "b", "c"] {
        world.send(0, name, create("1"));
    }
    world.settle();
    let before: Vec<_> = world.workers.iter().map(|worker| worker.starts.clone()).collect();
    world.send(0, "d", create("1"));
    world.settle();
    assert_eq!(world.running().len(), 8);
    for (worker, before) in world.workers.iter().zip(before) {
        for (id, starts) in before {
            assert_eq!(worker.starts[&id], starts, "{id}");
        }
    }
}

#[test]
fn a_new_configuration_restarts_the_instance_and_all_of_its_tasks_once() {
    let mut world = World::new(2);
    world.settle();
    world.send(0, "c", create("1"));
    world.settle();
    world.send(0, "c", configure("2"));
    world.settle();
    let starts: u32 = world.workers.iter().flat_map(|worker| worker.starts.values()).sum();
    assert_eq!((world.running().len(), starts), (2, 4));
}

#[test]
fn pause_keeps_tasks_and_stop_ends_them() {
    let mut world = World::new(2);
    world.settle();
    world.send(0, "c", create("1"));
    world.settle();
    let paused = world.send(1, "c", CommandKind::Pause);
    world.settle();
    assert_eq!(world.replies[&paused], Ok(Outcome::Done));
    assert_eq!((world.state("c"), world.running().len()), (Some(State::Paused), 2));
    world.send(0, "c", CommandKind::Stop);
    world.settle();
    assert_eq!((world.state("c"), world.running().len()), (Some(State::Stopped), 0));
    let reset = world.send(0, "c", CommandKind::Offsets(super::super::OffsetRequest::Reset));
    world.settle();
    assert!(matches!(world.replies[&reset], Ok(Outcome::OffsetsChanged(_))));
    world.send(1, "c", CommandKind::Resume);
    world.settle();
    assert_eq!((world.state("c"), world.running().len()), (Some(State::Running), 2));
}

#[test]
fn offsets_of_what_is_not_stopped_are_left_alone() {
    let mut world = World::new(1);
    world.settle();
    world.send(0, "c", create("1"));
    world.settle();
    let reset = world.send(0, "c", CommandKind::Offsets(super::super::OffsetRequest::Reset));
    world.settle();
    assert!(
        matches!(&world.replies[&reset], Err(Refusal::BadRequest(message)) if message.contains("STOPPED"))
    );
}

#[test]
fn tasks_that_do_not_stop_hold_a_revocation_up_only_until_their_time_is_over() {
    let mut world = World::new(1);
    world.settle();
    world.send(0, "c", create("1"));
    world.settle();
    world.ignores_stop = true;
    world.send(0, "c", CommandKind::Delete);
    world.settle();
    assert!(world.now_ms >= STOP_TIMEOUT_MS && world.running().is_empty());
    assert!(world.workers[0].cluster.names().is_empty());
}

#[test]
fn while_a_rebalance_is_due_restarts_are_refused_and_creations_wait() {
    let mut world = World::new(1);
    world.settle();
    world.send(0, "c", create("1"));
    // The record is there and the group has not met yet.
    while world.workers[0].cluster.is_settled() {
        let event = world.workers[0].inbox.pop_front().expect("there is a record to read");
        world.step(0, event);
    }
    let refused = world.send(0, "c", CommandKind::RestartInstance);
    assert_eq!(world.replies[&refused], Err(Refusal::Rebalancing));
    let waits = world.send(0, "d", create("1"));
    assert!(!world.replies.contains_key(&waits));
    world.settle();
    assert!(matches!(world.replies[&waits], Ok(Outcome::Created(_))));
}

#[test]
fn a_request_whose_sender_has_given_up_is_not_carried_out_later() {
    let mut world = World::new(1);
    let waits = world.send(0, "c", create("1"));
    world.step(0, ClusterEvent::Abandoned(waits));
    world.settle();
    assert!(world.topic.iter().all(|record| !record.key.starts_with(b"connector-")));
}

#[test]
fn a_configuration_is_not_printed() {
    let record =
        ConfigWrite::Connector("c".into(), complete_task(&PLUGIN, &IndexMap::new(), config("canary")), None);
    let shown = format!("{:?}", ClusterAction::Write { id: 1, records: vec![record] });
    assert!(shown.contains("Connector(c") && !shown.contains("canary"), "{shown}");
}

#[test]
fn a_connector_that_fails_to_start_is_failed_and_a_restart_brings_it_back() {
    let mut world = World::new(1);
    world.settle();
    world.fails_start = true;
    let created = world.send(0, "c", create("1"));
    world.settle();
    assert!(matches!(world.replies[&created], Ok(Outcome::Created(_))), "as in Java the creation stands");
    assert_eq!(world.state("c"), Some(State::Failed));
    let restarted = world.send(0, "c", CommandKind::RestartInstance);
    world.settle();
    assert_eq!(world.replies[&restarted], Err(Refusal::Failed("Failed to start connector: c".to_owned())));
    world.fails_start = false;
    let restarted = world.send(0, "c", CommandKind::Restart { include_tasks: true, only_failed: true });
    world.settle();
    assert!(matches!(world.replies[&restarted], Ok(Outcome::Restarting(_))));
    assert_eq!((world.state("c"), world.running().len()), (Some(State::Running), 2));
}

#[test]
fn a_failed_task_stays_failed_until_it_is_restarted() {
    let mut world = World::new(1);
    world.settle();
    world.send(0, "c", create("1"));
    world.settle();
    let (epoch, (id, _)) = world.workers[0].tasks.pop_first().unwrap();
    let state = TaskState::Failed { trace: "java.lang.Exception: x\n".to_owned(), is_built: true };
    world.step(0, ClusterEvent::Herd(Event::TaskReported { id: id.clone(), epoch, state }));
    world.step(0, ClusterEvent::Herd(Event::TaskEnded { id: id.clone(), epoch }));
    world.settle();
    assert_eq!(world.running().len(), 1);
    assert_eq!(world.statuses.task("c", id.task).unwrap().state, State::Failed);
    let shown = world.workers[0].cluster.task_status("c", id.task).unwrap();
    assert_eq!(shown.state.version.as_deref(), Some("1.0"));
    // What another worker says of its own plug-in counts, whatever is here.
    let other = StoredStatus { version: Some("2.0".into()), ..world.statuses.task("c", id.task).unwrap() };
    world.statuses.0.borrow_mut().insert(Subject::Task(id.clone()), other);
    let shown = world.workers[0].cluster.task_status("c", id.task).unwrap();
    assert_eq!(shown.state.version.as_deref(), Some("2.0"));
    let restarted = world.send(0, "c", CommandKind::RestartTask { task: id.task });
    world.settle();
    assert_eq!((world.replies[&restarted].clone(), world.running().len()), (Ok(Outcome::Done), 2));
}

#[test]
fn a_connector_that_makes_no_tasks_is_asked_again_and_again() {
    let mut world = World::new(1);
    world.settle();
    world.fails_generate = true;
    world.send(0, "c", create("1"));
    for _ in 0..10 {
        while world.advance(0) {}
        let due_ms = world.workers[0].cluster.deadline_ms().unwrap();
        world.pass(due_ms.saturating_sub(world.now_ms));
    }
    assert!(world.running().is_empty() && world.now_ms >= 60_000);
    world.fails_generate = false;
    world.settle();
    assert_eq!(world.running().len(), 2);
}

#[derive(Debug, Clone)]
enum Step {
    Command(usize, usize, u8),
    Behave {
        fails_start: bool,
        fails_generate: bool,
        ignores_stop: bool,
        fails_writes: bool,
        task_count: usize,
    },
    FailTask(usize),
    Rebalance,
    Advance(usize, usize),
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let chance = prop::bool::weighted(0.2);
    let step = prop_oneof![
        4 => (0..3_usize, 0..3_usize, 0..13_u8).prop_map(|(worker, name, kind)| Step::Command(worker, name, kind)),
        1 => (chance, chance, chance, chance, 0..4_usize).prop_map(
            |(fails_start, fails_generate, ignores_stop, fails_writes, task_count)| Step::Behave {
                fails_start, fails_generate, ignores_stop, fails_writes, task_count
            }
        ),
        1 => (0..6_usize).prop_map(Step::FailTask),
        1 => Just(Step::Rebalance),
        6 => (0..3_usize, 1..12_usize).prop_map(|(worker, count)| Step::Advance(worker, count)),
        1 => (1..7_000_u64).prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 0..80)
}

fn command(kind: u8) -> CommandKind {
    match kind {
        0 | 1 => create("1"),
        2 => CommandKind::Create { plugin: PLUGIN, config: config("1"), initial: TargetState::Paused },
        3 => configure("1"),
        4 => configure("2"),
        5 => CommandKind::Delete,
        6 => CommandKind::Pause,
        7 => CommandKind::Resume,
        8 => CommandKind::Stop,
        9 => CommandKind::RestartInstance,
        10 => CommandKind::Restart { include_tasks: true, only_failed: false },
        11 => CommandKind::Offsets(super::super::OffsetRequest::Reset),
        _ => CommandKind::RestartTask { task: 0 },
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]
    /// Whatever is asked of whichever worker while the group meets, topics lag and connectors fail: no task runs twice, what is revoked
    /// has stopped when that is acknowledged, every request is answered once; and in the end everything that should run does, and
    /// nothing else.
    #[test]
    fn what_is_wanted_comes_about(steps in steps()) {
        let mut world = World::new(3);
        let mut asked = Vec::new();
        for step in steps {
            match step {
                Step::Command(worker, name, kind) => {
                    asked.push(world.next_token + 1);
                    world.send(worker, ["a", "b", "c"][name], command(kind));
                }
                Step::Behave { fails_start, fails_generate, ignores_stop, fails_writes, task_count } => {
                    world = World { fails_start, fails_generate, ignores_stop, fails_writes, task_count, ..world };
                }
                Step::FailTask(index) => {
                    let worker = index % 3;
                    let live = world.workers[worker].tasks.iter().find(|(_, (_, is_abandoned))| !is_abandoned);
                    let Some((epoch, id)) = live.map(|(epoch, (id, _))| (*epoch, id.clone())) else { continue };
                    world.workers[worker].tasks.remove(&epoch);
                    let state = TaskState::Failed { trace: "java.lang.Exception: x\n".to_owned(), is_built: true };
                    world.step(worker, ClusterEvent::Herd(Event::TaskReported { id: id.clone(), epoch, state }));
                    world.step(worker, ClusterEvent::Herd(Event::TaskEnded { id, epoch }));
                }
                Step::Rebalance => {
                    if !world.joining {
                        world.workers[0].wants_rebalance = true;
                    }
                    world.group(true);
                }
                Step::Advance(worker, count) => {
                    for _ in 0..count {
                        world.advance(worker);
                    }
                }
                Step::Pass(ms) => world.pass(ms),
            }
        }
        world = World { fails_start: false, fails_generate: false, ignores_stop: false, fails_writes: false, ..world };
        world.settle();
        // What failed is left alone until somebody asks.
        for name in ["a", "b", "c"] {
            world.send(0, name, CommandKind::Restart { include_tasks: true, only_failed: false });
        }
        world.settle();
        let snapshot = world.workers[0].log.snapshot();
        let mut expected = BTreeSet::new();
        for name in snapshot.connectors() {
            let target = snapshot.target_state(name).unwrap_or_default();
            let instances = world.workers.iter().flat_map(|worker| worker.instances.values());
            prop_assert_eq!(instances.filter(|running| *running == name).count(), usize::from(target == TargetState::Started));
            if target == TargetState::Started {
                prop_assert_eq!(snapshot.task_count(name) as usize, world.task_count);
            }
            if target != TargetState::Stopped {
                expected.extend(snapshot.tasks(name).map(|task| TaskId { connector: Arc::clone(name), task }));
            }
        }
        prop_assert_eq!(world.running(), expected);
        // Nobody is left without an answer once a worker ends, and nothing is left running.
        for number in 0..3 {
            world.step(number, ClusterEvent::Herd(Event::Shutdown));
        }
        while world.advance(0) {}
        prop_assert!(world.workers.iter().all(|worker| worker.has_ended && worker.instances.is_empty()));
        prop_assert!(world.running().is_empty());
        prop_assert!(asked.iter().all(|token| world.replies.contains_key(token)));
    }
}
