//! The state machine alone: a scripted world for single behaviours, a random one for what must always hold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::plugin::{AlterOffsets, ConnectorPlugin, CreateTask};
use api::{Error, Props};
use engine::task::{TaskId, TaskState};
use proptest::prelude::*;

use super::super::event::GenerateError;
use super::super::view::View as _;
use super::super::*;
use crate::config::TargetState;

const PLUGIN: ConnectorPlugin = ConnectorPlugin {
    class: "test.TestSinkConnector",
    task_class: "test.TestSinkTask",
    version: "1.0",
    config_def: api::ConfigDef::default,
    start: |_| Err(Error::fatal("never started")),
    create_task: CreateTask::Sink(|_| Err(Error::fatal("never created"))),
    alter_offsets: AlterOffsets::Sink(|_, _| Ok(true)),
    exactly_once_support: |_| None,
    can_define_transaction_boundaries: |_| false,
};

const STOP_TIMEOUT_MS: u64 = 5_000;

/// Performs actions at once, unless told to leave them.
struct World {
    herd: Herd,
    now_ms: u64,
    next_token: Token,
    replies: BTreeMap<Token, Result<Outcome, Refusal>>,
    instances: BTreeSet<Epoch>,
    tasks: BTreeMap<Epoch, TaskId>,
    abandoned: BTreeSet<Epoch>,
    has_ended: bool,
    /// Connectors by what they do.
    fails_start: bool,
    hangs_start: bool,
    task_count: usize,
    fails_generate: bool,
    ignores_stop: bool,
    hangs_offsets: bool,
    offset_changes: BTreeMap<Epoch, Arc<str>>,
}

fn props(entries: &[(&str, &str)]) -> Props {
    entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

impl World {
    fn new() -> World {
        World {
            herd: Herd::new("w:1".into(), STOP_TIMEOUT_MS),
            now_ms: 0,
            next_token: 0,
            replies: BTreeMap::new(),
            instances: BTreeSet::new(),
            tasks: BTreeMap::new(),
            abandoned: BTreeSet::new(),
            has_ended: false,
            fails_start: false,
            hangs_start: false,
            task_count: 1,
            fails_generate: false,
            ignores_stop: false,
            hangs_offsets: false,
            offset_changes: BTreeMap::new(),
        }
    }

    /// Feeds an event and whatever follows from it.
    fn feed(&mut self, event: Event) {
        let mut events = vec![event];
        while !events.is_empty() {
            let event = events.remove(0);
            for action in self.herd.step(event, self.now_ms) {
                self.perform(action, &mut events);
            }
        }
    }

    fn perform(&mut self, action: Action, events: &mut Vec<Event>) {
        match action {
            Action::StartInstance { connector, epoch, .. } => {
                assert!(self.instances.insert(epoch));
                if self.hangs_start {
                    return;
                }
                let result = if self.fails_start { Err("a trace".to_owned()) } else { Ok(()) };
                if result.is_err() {
                    self.instances.remove(&epoch);
                }
                events.push(Event::InstanceStarted { connector, epoch, result });
            }
            Action::StopInstance { epoch } => {
                self.instances.remove(&epoch);
            }
            Action::GenerateTasks { connector, epoch, config } => {
                assert!(self.instances.contains(&epoch), "an instance that runs is asked");
                let result = if self.fails_generate {
                    Err(GenerateError { message: "too many".to_owned(), trace: "a trace".to_owned() })
                } else {
                    Ok(vec![config; self.task_count])
                };
                events.push(Event::TasksGenerated { connector, epoch, result });
            }
            Action::ChangeOffsets { connector, epoch, .. } => {
                let is_of = |id: &TaskId| id.connector == connector;
                assert!(
                    !self.tasks.values().any(is_of),
                    "offsets are changed while a task of {connector} lives"
                );
                self.offset_changes.insert(epoch, Arc::clone(&connector));
                if !self.hangs_offsets {
                    self.offset_changes.remove(&epoch);
                    events.push(Event::OffsetsChanged { connector, epoch, result: Ok(true) });
                }
            }
            Action::AbandonOffsets { epoch } => {
                assert!(self.offset_changes.remove(&epoch).is_some());
            }
            Action::StartTask { id, epoch, starts_paused, .. } => {
                assert!(
                    !self.offset_changes.values().any(|connector| *connector == id.connector),
                    "{id} starts while its offsets change"
                );
                let others = self.tasks.iter().filter(|(epoch, _)| !self.abandoned.contains(epoch));
                assert!(others.into_iter().all(|(_, other)| *other != id), "{id} runs already");
                self.tasks.insert(epoch, id.clone());
                let state = if starts_paused { TaskState::Paused } else { TaskState::Running };
                events.push(Event::TaskReported { id, epoch, state });
            }
            Action::PauseTask { epoch } => self.report(epoch, TaskState::Paused, events),
            Action::ResumeTask { epoch } => self.report(epoch, TaskState::Running, events),
            Action::StopTask { epoch } => {
                if !self.ignores_stop {
                    self.report(epoch, TaskState::Stopped, events);
                    events.extend(self.end(epoch));
                }
            }
            Action::AbandonTask { epoch, .. } => {
                assert!(self.tasks.contains_key(&epoch));
                self.abandoned.insert(epoch);
            }
            Action::Reply { token, result } => {
                assert!(self.replies.insert(token, result).is_none(), "one reply per command");
            }
            Action::Ended => self.has_ended = true,
        }
    }

    fn report(&self, epoch: Epoch, state: TaskState, events: &mut Vec<Event>) {
        if let Some(id) = self.tasks.get(&epoch) {
            events.push(Event::TaskReported { id: id.clone(), epoch, state });
        }
    }

    fn end(&mut self, epoch: Epoch) -> Option<Event> {
        self.abandoned.remove(&epoch);
        self.tasks.remove(&epoch).map(|id| Event::TaskEnded { id, epoch })
    }

    fn send(&mut self, connector: &str, kind: CommandKind) -> Token {
        self.next_token += 1;
        let token = self.next_token;
        let command = Command { connector: connector.into(), kind };
        self.feed(Event::Command { token, command });
        token
    }

    #[track_caller]
    fn run(&mut self, connector: &str, kind: CommandKind) -> Result<Outcome, Refusal> {
        let token = self.send(connector, kind);
        self.replies.get(&token).cloned().expect("an answer")
    }

    fn create(&mut self, connector: &str) -> Result<Outcome, Refusal> {
        self.run(connector, create(TargetState::Started))
    }

    fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
        self.feed(Event::Tick);
    }

    fn fail_task(&mut self, epoch: Epoch) {
        let mut events = Vec::new();
        self.report(epoch, TaskState::Failed { trace: "boom".to_owned(), is_built: true }, &mut events);
        events.extend(self.end(epoch));
        for event in events {
            self.feed(event);
        }
    }

    /// States of instance and tasks in one line.
    fn states(&self, connector: &str) -> String {
        let Some(status) = self.herd.status(connector) else { return "none".to_owned() };
        let tasks: Vec<_> = status.tasks.iter().map(|task| format!("{:?}", task.state.state)).collect();
        format!("{:?} {}", status.connector.state, tasks.join(",")).trim_end().to_owned()
    }
}

fn create(initial: TargetState) -> CommandKind {
    CommandKind::Create { plugin: PLUGIN, config: props(&[("topics", "t")]), initial }
}

fn configure(value: &str) -> CommandKind {
    CommandKind::Configure { plugin: PLUGIN, config: props(&[("k", value)]), base: None }
}

fn patch(value: &str, base: &Props) -> CommandKind {
    CommandKind::Configure { plugin: PLUGIN, config: props(&[("k", value)]), base: Some(base.clone()) }
}

fn message(result: Result<Outcome, Refusal>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn creates_with_tasks_and_refuses_a_second() {
    let mut world = World::new();
    world.task_count = 2;
    let Ok(Outcome::Created(info)) = world.create("c") else { panic!() };
    assert_eq!(
        serde_json::to_string(&info).unwrap(),
        r#"{"name":"c","config":{"topics":"t"},"tasks":[{"connector":"c","task":0},{"connector":"c","task":1}],"type":"sink"}"#
    );
    assert_eq!(world.states("c"), "Running Running,Running");
    let task = &world.herd.tasks("c").unwrap()[1];
    assert_eq!(task.config, props(&[("topics", "t"), ("task.class", "test.TestSinkTask")]));
    assert_eq!(message(world.create("c")), "Connector c already exists");
}

#[test]
fn status_is_javas_json() {
    let mut world = World::new();
    world.create("c").unwrap();
    let epoch = *world.tasks.keys().next().unwrap();
    world.fail_task(epoch);
    assert_eq!(
        serde_json::to_string(&world.herd.status("c").unwrap()).unwrap(),
        r#"{"name":"c","connector":{"state":"RUNNING","worker_id":"w:1","version":"1.0"},"tasks":[{"id":0,"state":"FAILED","worker_id":"w:1","version":"1.0","trace":"boom"}],"type":"sink"}"#
    );
}

#[test]
fn a_task_that_failed_before_it_was_put_together_has_no_version() {
    let mut world = World::new();
    world.create("c").unwrap();
    let (&epoch, id) = world.tasks.iter().next().unwrap();
    let state = TaskState::Failed { trace: "no such converter".to_owned(), is_built: false };
    world.feed(Event::TaskReported { id: id.clone(), epoch, state });
    let shown = serde_json::to_string(&world.herd.task_status("c", 0).unwrap()).unwrap();
    assert!(shown.contains(r#""version":null,"trace":"no such converter""#), "{shown}");
}

#[test]
fn unknown_names_get_javas_answers() {
    let mut world = World::new();
    let mut check = |kind, text: &str| assert_eq!(message(world.run("x", kind)), text);
    check(CommandKind::Delete, "Connector x not found");
    check(CommandKind::Pause, "Unknown connector x");
    check(CommandKind::Resume, "Unknown connector x");
    check(CommandKind::Stop, "No connector `x` configured");
    check(CommandKind::RestartInstance, "Connector x not found");
    check(CommandKind::Restart { include_tasks: true, only_failed: false }, "Unknown connector: x");
    check(CommandKind::RestartTask { task: 0 }, "Connector x not found");
    world.create("c").unwrap();
    assert_eq!(message(world.run("c", CommandKind::RestartTask { task: 7 })), "Task c-7 not found");
    assert_eq!(world.states("c"), "Running Running", "no phantom task");
}

#[test]
fn pauses_resumes_stops() {
    let mut world = World::new();
    world.create("c").unwrap();
    world.run("c", CommandKind::Pause).unwrap();
    assert_eq!((world.states("c").as_str(), world.instances.len()), ("Paused Paused", 0));
    world.run("c", CommandKind::Resume).unwrap();
    assert_eq!((world.states("c").as_str(), world.instances.len()), ("Running Running", 1));
    assert_eq!(world.tasks.len(), 1, "the same tasks go on");
    world.run("c", CommandKind::Stop).unwrap();
    assert_eq!((world.states("c").as_str(), world.tasks.len(), world.instances.len()), ("Stopped", 0, 0));
    assert_eq!(message(world.run("c", CommandKind::RestartTask { task: 0 })), "Task c-0 not found");
    world.run("c", CommandKind::RestartInstance).unwrap();
    assert_eq!(world.states("c"), "Stopped");
    world.run("c", CommandKind::Pause).unwrap();
    assert_eq!(world.states("c"), "Paused");
    world.run("c", CommandKind::Resume).unwrap();
    assert_eq!(world.states("c"), "Running Running");
}

#[test]
fn a_connector_that_asks_is_asked_for_its_tasks_again() {
    let mut world = World::new();
    world.create("c").unwrap();
    let epoch = *world.instances.first().unwrap();
    let ask = |world: &mut World, epoch| {
        world.feed(Event::ReconfigurationRequested { connector: "c".into(), epoch });
    };
    world.task_count = 2;
    ask(&mut world, epoch);
    assert_eq!(world.states("c"), "Running Running,Running");
    let tasks = world.tasks.clone();
    ask(&mut world, epoch);
    assert_eq!(world.tasks, tasks, "what is the same is left alone");
    world.task_count = 3;
    ask(&mut world, epoch + 100);
    assert_eq!(world.tasks, tasks, "another instance has nothing to say");
    world.fails_generate = true;
    ask(&mut world, epoch);
    assert_eq!(world.states("c"), "Failed Running,Running");
    world.run("c", CommandKind::Pause).expect("nobody else is told of that failure");
}

#[test]
fn initial_states_start_nothing() {
    let mut world = World::new();
    world.run("p", create(TargetState::Paused)).unwrap();
    world.run("s", create(TargetState::Stopped)).unwrap();
    assert_eq!((world.states("p").as_str(), world.states("s").as_str()), ("Paused", "Stopped"));
    assert!(world.instances.is_empty() && world.tasks.is_empty());
    world.run("p", CommandKind::Resume).unwrap();
    assert_eq!(world.states("p"), "Running Running");
}

#[test]
fn a_failed_start_leaves_a_failed_connector() {
    let mut world = World::new();
    world.fails_start = true;
    assert_eq!(message(world.create("c")), "Failed to transition connector c to state STARTED");
    assert_eq!(world.states("c"), "Failed");
    world.run("c", CommandKind::Pause).unwrap();
    assert_eq!(world.states("c"), "Failed");
    world.run("c", CommandKind::Resume).unwrap();
    assert_eq!(
        message(world.run("c", CommandKind::RestartInstance)),
        "Failed to transition connector c to state STARTED"
    );
    world.fails_start = false;
    world.run("c", CommandKind::RestartInstance).unwrap();
    assert_eq!(world.states("c"), "Running Running");
}

#[test]
fn too_many_tasks_fail_the_instance_and_spare_its_tasks() {
    let mut world = World::new();
    world.create("c").unwrap();
    world.fails_generate = true;
    assert_eq!(message(world.run("c", configure("2"))), "too many");
    assert_eq!(world.states("c"), "Failed Running");
    world.run("c", CommandKind::RestartTask { task: 0 }).expect("an older failure is nobody else's");
}

#[test]
fn a_new_configuration_replaces_tasks_once() {
    let mut world = World::new();
    assert!(matches!(world.run("c", configure("1")), Ok(Outcome::Created(_))));
    let first = world.tasks.clone();
    assert!(matches!(world.run("c", configure("1")), Ok(Outcome::Updated(_))));
    assert_eq!(world.tasks, first, "nothing changed, nothing restarts");
    world.task_count = 3;
    let Ok(Outcome::Updated(info)) = world.run("c", configure("2")) else { panic!() };
    assert_eq!(info.tasks.len(), 3);
    assert_eq!(world.states("c"), "Running Running,Running,Running");
}

#[test]
fn restarts_what_has_failed() {
    let mut world = World::new();
    world.task_count = 2;
    world.create("c").unwrap();
    let before: Vec<_> = world.tasks.keys().copied().collect();
    world.fail_task(before[1]);
    assert_eq!(world.states("c"), "Running Running,Failed");
    let Ok(Outcome::Restarting(planned)) =
        world.run("c", CommandKind::Restart { include_tasks: true, only_failed: true })
    else {
        panic!()
    };
    let states: Vec<_> = planned.tasks.iter().map(|task| task.state.state).collect();
    assert_eq!((planned.connector.state, states), (State::Running, vec![State::Running, State::Restarting]));
    assert_eq!(planned.tasks[1].state.trace.as_deref(), Some("boom"));
    assert_eq!(world.states("c"), "Running Running,Running");
    assert!(world.tasks.contains_key(&before[0]), "the healthy task was left alone");
    world.run("c", CommandKind::Restart { include_tasks: true, only_failed: false }).unwrap();
    assert!(!world.tasks.contains_key(&before[0]));
    assert_eq!(world.states("c"), "Running Running,Running");
}

#[test]
fn a_task_that_hangs_is_given_up_in_time() {
    let mut world = World::new();
    world.create("c").unwrap();
    world.ignores_stop = true;
    let token = world.send("c", CommandKind::Delete);
    assert!(!world.replies.contains_key(&token));
    assert_eq!(message(world.create("c")), "Connector c already exists");
    assert_eq!(message(world.run("c", CommandKind::Delete)), "Connector c not found");
    world.pass(STOP_TIMEOUT_MS - 1);
    assert!(!world.replies.contains_key(&token));
    world.pass(1);
    assert_eq!(world.replies[&token], Ok(Outcome::Done));
    assert_eq!((world.herd.zombie_count(), world.herd.names().len()), (1, 0));
    world.ignores_stop = false;
    world.create("c").expect("its name is free again");
    let zombie = *world.abandoned.iter().next().unwrap();
    let ended = world.end(zombie).unwrap();
    world.feed(ended);
    assert_eq!((world.herd.zombie_count(), world.states("c").as_str()), (0, "Running Running"));
}

#[test]
fn a_start_that_hangs_is_given_up_once_somebody_waits() {
    let mut world = World::new();
    world.hangs_start = true;
    let creation = world.send("c", create(TargetState::Started));
    world.pass(60_000);
    assert!(!world.replies.contains_key(&creation), "a slow start may take its time");
    assert_eq!(world.herd.stage("c"), Some(("starting connector c".to_owned(), 0)));
    let late = *world.instances.iter().next().unwrap();
    let deletion = world.send("c", CommandKind::Delete);
    world.pass(5_000);
    assert!(world.replies[&creation].is_err());
    assert_eq!(world.replies[&deletion], Ok(Outcome::Done));
    world.instances.insert(late);
    world.feed(Event::InstanceStarted { connector: "c".into(), epoch: late, result: Ok(()) });
    assert!(world.instances.is_empty(), "an instance that comes too late is stopped");
}

#[test]
fn a_patch_of_a_configuration_that_is_no_more_is_refused() {
    let mut world = World::new();
    world.create("c").unwrap();
    let base = world.herd.latest_config("c").unwrap().clone();
    // It waits for the instance, and counts all the same.
    world.hangs_start = true;
    world.send("c", CommandKind::RestartInstance);
    let first = world.send("c", patch("1", &base));
    assert!(!world.replies.contains_key(&first));
    assert!(matches!(world.run("c", patch("2", &base)), Err(Refusal::Outdated(_))));
    let base = world.herd.latest_config("c").unwrap().clone();
    assert_eq!(base, props(&[("k", "1")]));
    let second = world.send("c", patch("2", &base));
    world.hangs_start = false;
    world.pass(5_000);
    world.pass(5_000);
    assert!(matches!(world.replies[&second], Ok(Outcome::Updated(_))), "{:?}", world.replies);
    let base = world.herd.latest_config("c").unwrap().clone();
    world.run("c", CommandKind::Delete).unwrap();
    assert_eq!(
        message(world.run("c", patch("3", &base))),
        "Connector c not found",
        "a patch creates nothing"
    );
    assert!(world.herd.config("c").is_none());
}

#[test]
fn what_waits_for_a_connector_is_limited() {
    let mut world = World::new();
    world.create("c").unwrap();
    let stop = world.send("c", CommandKind::Stop);
    world.replies.remove(&stop).unwrap().unwrap();
    world.hangs_offsets = true;
    world.send("c", CommandKind::Offsets(OffsetRequest::Reset));
    let answers: Vec<_> = (0..1_001).map(|_| world.run("c", CommandKind::Pause)).collect();
    assert_eq!(answers[999], Ok(Outcome::Done));
    assert!(matches!(answers[1_000], Err(Refusal::Busy(_))), "{:?}", answers[1_000]);
    world.pass(85_000);
    assert_eq!(world.run("c", CommandKind::Resume), Ok(Outcome::Done));
    assert_eq!(world.states("c"), "Running Running");
}

#[test]
fn tasks_do_not_show_what_variables_stand_for() {
    let mut world = World::new();
    crate::redact::remember("herd-task-canary", "${f:/p:k}");
    world.run("c", configure("url?password=herd-task-canary")).unwrap();
    let tasks = world.herd.tasks("c").unwrap();
    assert_eq!(tasks[0].config["k"], "url?password=${f:/p:k}");
}

#[test]
fn offsets_change_only_when_everything_has_stopped() {
    let mut world = World::new();
    let reset = || CommandKind::Offsets(OffsetRequest::Reset);
    assert_eq!(message(world.run("c", reset())), "Connector c not found");
    world.create("c").unwrap();
    let running = message(world.run("c", reset()));
    assert!(running.starts_with("Connectors must be in the STOPPED state before"), "{running}");
    world.run("c", CommandKind::Pause).unwrap();
    assert_eq!(message(world.run("c", reset())), running);
    let stop = world.send("c", CommandKind::Stop);
    world.replies.remove(&stop).unwrap().unwrap();
    let done = "The offsets for this connector have been reset successfully".to_owned();
    assert_eq!(world.run("c", reset()), Ok(Outcome::OffsetsChanged(done)));
    // A resume that comes meanwhile waits, but not for ever.
    world.hangs_offsets = true;
    let changing = world.send("c", reset());
    world.run("c", CommandKind::Resume).unwrap();
    assert_eq!(world.states("c"), "Stopped");
    world.pass(85_000);
    assert_eq!(
        world.replies[&changing],
        Err(Refusal::Failed("Timed out while trying to reset the offsets of sink connector c".to_owned()))
    );
    assert_eq!(world.states("c"), "Running Running");
}

#[test]
fn a_stop_that_is_under_way_comes_first_and_a_zombie_forbids() {
    let mut world = World::new();
    world.create("c").unwrap();
    world.ignores_stop = true;
    world.send("c", CommandKind::Stop);
    let changing = world.send("c", CommandKind::Offsets(OffsetRequest::Reset));
    assert!(!world.replies.contains_key(&changing));
    world.pass(STOP_TIMEOUT_MS);
    let refused = message(world.replies[&changing].clone());
    assert!(refused.contains("because its tasks haven't stopped completely yet"), "{refused}");
    let zombie = *world.abandoned.iter().next().unwrap();
    let ended = world.end(zombie).unwrap();
    world.feed(ended);
    world.run("c", CommandKind::Offsets(OffsetRequest::Reset)).unwrap();
}

/// Fails every task of a connector that is running, and gives how many.
fn fail_all(world: &mut World) -> usize {
    let running: Vec<_> = world.tasks.keys().copied().collect();
    running.iter().for_each(|epoch| world.fail_task(*epoch));
    running.len()
}

fn restarting(attempts: &str) -> CommandKind {
    let keys = [
        ("aqueduct.restart.max.attempts", attempts),
        ("aqueduct.restart.backoff.ms", "1000"),
        ("aqueduct.restart.backoff.max.ms", "5000"),
        ("aqueduct.restart.reset.after.ms", "60000"),
    ];
    CommandKind::Create { plugin: PLUGIN, config: props(&keys), initial: TargetState::Started }
}

fn restart_of_task(world: &World) -> Option<RestartInfo> {
    world.herd.task_status("c", 0).unwrap().state.restart
}

#[test]
fn a_failed_task_is_tried_again_until_its_attempts_are_used_up() {
    let mut world = World::new();
    world.run("c", restarting("2")).unwrap();
    for (attempts, wait) in [(0, 1_000), (1, 2_000)] {
        assert_eq!((restart_of_task(&world), fail_all(&mut world)), (None, 1));
        let due = world.herd.deadline_ms().unwrap() - world.now_ms;
        assert!((wait * 4 / 5..=wait * 6 / 5).contains(&due), "{due}");
        let shown = restart_of_task(&world).unwrap();
        assert_eq!((shown.attempts, shown.max_attempts, shown.reason.as_str()), (attempts, Some(2), "boom"));
        assert!(shown.next_try.unwrap().starts_with("1970-01-01T00:00:0"));
        world.pass(due - 1);
        assert_eq!(world.states("c"), "Running Failed");
        world.pass(1);
        assert_eq!(world.states("c"), "Running Running");
    }
    fail_all(&mut world);
    assert_eq!(world.herd.deadline_ms(), None);
    let shown = restart_of_task(&world).unwrap();
    assert_eq!((shown.attempts, shown.next_try), (2, None));
    // Somebody who restarts it by hand begins the count anew.
    world.run("c", CommandKind::RestartTask { task: 0 }).unwrap();
    fail_all(&mut world);
    assert_eq!(restart_of_task(&world).unwrap().attempts, 0);
    assert!(world.herd.deadline_ms().is_some());
}

#[test]
fn what_was_healthy_for_long_starts_the_count_anew() {
    let mut world = World::new();
    world.run("c", restarting("1")).unwrap();
    for _ in 0..5 {
        world.pass(60_000);
        fail_all(&mut world);
        world.pass(1_200);
        assert_eq!(world.states("c"), "Running Running");
    }
    fail_all(&mut world);
    world.pass(100_000);
    assert_eq!(world.states("c"), "Running Failed");
}

#[test]
fn a_failed_start_is_tried_again_with_its_tasks() {
    let mut world = World::new();
    world.fails_start = true;
    assert!(world.run("c", restarting("-1")).is_err());
    let shown = world.herd.status("c").unwrap().connector.restart.unwrap();
    assert_eq!((shown.max_attempts, shown.reason.as_str()), (None, "a trace"));
    for _ in 0..20 {
        world.pass(6_000);
        assert_eq!(world.states("c"), "Failed");
    }
    world.fails_start = false;
    world.pass(6_000);
    assert_eq!(world.states("c"), "Running Running");
    // A failure of its tasks' configurations counts as one of the instance.
    world.fails_generate = true;
    assert!(world.run("c", CommandKind::RestartInstance).is_err());
    world.fails_generate = false;
    world.pass(6_000);
    assert_eq!(world.states("c"), "Running Running");
}

#[test]
fn what_an_operator_asks_for_wins_over_a_pending_try() {
    let mut world = World::new();
    let pending = |world: &mut World| {
        world.run("c", restarting("9")).unwrap();
        fail_all(world);
        assert!(world.herd.deadline_ms().is_some());
    };
    pending(&mut world);
    world.run("c", CommandKind::Pause).unwrap();
    assert_eq!(world.herd.deadline_ms(), None);
    world.pass(100_000);
    assert_eq!(world.states("c"), "Paused Failed");
    world.run("c", CommandKind::Resume).unwrap();
    world.pass(1_200);
    assert_eq!(world.states("c"), "Running Running", "a resumed connector goes on trying");
    fail_all(&mut world);
    world.run("c", CommandKind::RestartTask { task: 0 }).unwrap();
    let by_hand = world.tasks.clone();
    world.pass(100_000);
    assert_eq!(world.tasks, by_hand, "a task that runs is not restarted");
    fail_all(&mut world);
    world.run("c", CommandKind::Stop).unwrap();
    assert_eq!(world.herd.deadline_ms(), None);
    world.run("c", CommandKind::Delete).unwrap();
    pending(&mut world);
    world.run("c", CommandKind::Delete).unwrap();
    world.pass(100_000);
    assert!(world.tasks.is_empty() && world.herd.deadline_ms().is_none());
    pending(&mut world);
    world.feed(Event::Shutdown);
    assert!(world.has_ended && world.herd.deadline_ms().is_none());
}

#[test]
fn an_instance_that_was_given_up_comes_again() {
    let mut world = World::new();
    let created = world.send("c", restarting("3"));
    assert!(world.replies[&created].is_ok());
    world.hangs_start = true;
    let restart = world.send("c", CommandKind::RestartInstance);
    let task = world.send("c", CommandKind::RestartTask { task: 0 });
    world.pass(5_000);
    assert!(world.replies[&restart].is_err(), "it was in the way of the task's restart");
    assert!(world.replies.contains_key(&task));
    assert_eq!(world.states("c"), "Failed Running");
    world.hangs_start = false;
    world.pass(2_000);
    assert_eq!(world.states("c"), "Running Running");
}

#[test]
fn without_the_keys_nothing_is_restarted_and_status_is_javas() {
    let mut world = World::new();
    world.create("c").unwrap();
    fail_all(&mut world);
    world.pass(1_000_000);
    assert_eq!((world.states("c").as_str(), restart_of_task(&world)), ("Running Failed", None));
}

#[test]
fn a_task_that_just_ends_has_failed() {
    let mut world = World::new();
    world.create("c").unwrap();
    let epoch = *world.tasks.keys().next().unwrap();
    let ended = world.end(epoch).unwrap();
    world.feed(ended);
    assert_eq!(world.states("c"), "Running Failed");
}

#[test]
fn shutdown_ends_within_one_timeout() {
    let mut world = World::new();
    world.create("a").unwrap();
    world.create("b").unwrap();
    world.ignores_stop = true;
    let waiting = world.send("a", CommandKind::RestartTask { task: 0 });
    world.pass(3_000);
    world.feed(Event::Shutdown);
    assert_eq!(world.replies[&waiting], Err(Refusal::ShuttingDown));
    assert_eq!(message(world.create("z")), "Worker is shutting down");
    assert!(!world.has_ended);
    world.pass(STOP_TIMEOUT_MS);
    assert!(world.has_ended);
    assert_eq!(world.herd.zombie_count(), 2);
}

#[test]
fn a_task_whose_core_hangs_in_another_one_is_started_elsewhere() {
    let mut world = World::new();
    world.create("c").unwrap();
    let (stuck, id) = world.tasks.iter().next().map(|(epoch, id)| (*epoch, id.clone())).unwrap();
    world.feed(Event::TaskDisplaced { id: id.clone(), epoch: stuck });
    assert_eq!((world.herd.zombie_count(), world.states("c").as_str()), (1, "Running Running"));
    assert_eq!(world.tasks.len(), 2, "the stuck one and the one in its place");
    world.feed(Event::TaskDisplaced { id: id.clone(), epoch: stuck });
    assert_eq!(world.tasks.len(), 2, "a zombie is displaced no more");
    world.feed(Event::TaskReported { id, epoch: stuck, state: TaskState::Stopped });
    assert_eq!(world.states("c"), "Running Running", "what a zombie says does not count");
    let ended = world.end(stuck).unwrap();
    world.feed(ended);
    assert_eq!((world.herd.zombie_count(), world.states("c").as_str()), (0, "Running Running"));
}

#[test]
fn a_task_that_is_to_stop_is_not_started_anew_when_its_core_hangs() {
    let mut world = World::new();
    world.create("c").unwrap();
    world.ignores_stop = true;
    let (stuck, id) = world.tasks.iter().next().map(|(epoch, id)| (*epoch, id.clone())).unwrap();
    let stop = world.send("c", CommandKind::Stop);
    world.feed(Event::TaskDisplaced { id, epoch: stuck });
    assert_eq!(world.tasks.len(), 1);
    world.pass(STOP_TIMEOUT_MS);
    assert_eq!(world.replies[&stop], Ok(Outcome::Done));
    assert_eq!((world.herd.zombie_count(), world.tasks.len()), (1, 1));
}

#[derive(Debug, Clone)]
enum Step {
    Command(usize, u8),
    Behave {
        fails_start: bool,
        hangs_start: bool,
        fails_generate: bool,
        ignores_stop: bool,
        hangs_offsets: bool,
        task_count: usize,
    },
    FailTask(usize),
    EndTask(usize),
    DisplaceTask(usize),
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..3_usize, 0..14_u8).prop_map(|(name, kind)| Step::Command(name, kind)),
        2 => (prop::bool::weighted(0.2), prop::bool::weighted(0.1), prop::bool::weighted(0.2), prop::bool::weighted(0.2), prop::bool::weighted(0.2), 0..4_usize)
            .prop_map(|(fails_start, hangs_start, fails_generate, ignores_stop, hangs_offsets, task_count)| Step::Behave {
                fails_start, hangs_start, fails_generate, ignores_stop, hangs_offsets, task_count
            }),
        1 => any::<prop::sample::Index>().prop_map(|index| Step::FailTask(index.index(8))),
        1 => any::<prop::sample::Index>().prop_map(|index| Step::EndTask(index.index(8))),
        1 => any::<prop::sample::Index>().prop_map(|index| Step::DisplaceTask(index.index(8))),
        2 => (1..7_000_u64).prop_map(Step::Pass),
    ];
    prop::collection::vec(step, 0..60)
}

fn command(kind: u8) -> CommandKind {
    match kind {
        0 => create(TargetState::Started),
        1 => create(TargetState::Paused),
        2 => create(TargetState::Stopped),
        3 => configure("1"),
        4 => configure("2"),
        5 => CommandKind::Delete,
        6 => CommandKind::Pause,
        7 => CommandKind::Resume,
        8 => CommandKind::Stop,
        9 => CommandKind::RestartInstance,
        12 => CommandKind::Offsets(OffsetRequest::Reset),
        13 => restarting("3"),
        10 => CommandKind::Restart { include_tasks: true, only_failed: false },
        _ => CommandKind::RestartTask { task: 0 },
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]
    /// Whatever is asked in whatever order, of connectors and tasks that fail, hang or lie: every command is answered once, no
    /// task or instance runs twice or beyond its connector, and a shutdown leaves nothing.
    #[test]
    fn always_answers_and_cleans_up(steps in steps()) {
        let mut world = World::new();
        for step in steps {
            match step {
                Step::Command(name, kind) => {
                    world.send(["a", "b", "c"][name], command(kind));
                }
                Step::Behave { fails_start, hangs_start, fails_generate, ignores_stop, hangs_offsets, task_count } => {
                    world = World {
                        fails_start, hangs_start, fails_generate, ignores_stop, hangs_offsets, task_count, ..world
                    };
                }
                Step::FailTask(index) | Step::EndTask(index) => {
                    let Some(epoch) = world.tasks.keys().nth(index).copied() else { continue };
                    if matches!(step, Step::FailTask(_)) {
                        world.fail_task(epoch);
                    } else if let Some(ended) = world.end(epoch) {
                        world.feed(ended);
                    }
                }
                Step::DisplaceTask(index) => {
                    if let Some((epoch, id)) = world.tasks.iter().nth(index) {
                        let (epoch, id) = (*epoch, id.clone());
                        world.feed(Event::TaskDisplaced { id, epoch });
                    }
                }
                Step::Pass(ms) => world.pass(ms),
            }
            let names: BTreeSet<Arc<str>> = world.herd.names().into_iter().collect();
            for (epoch, id) in &world.tasks {
                prop_assert!(world.abandoned.contains(epoch) || names.contains(&id.connector), "{} outlives its connector", id);
            }
            prop_assert!(world.instances.len() <= names.len());
            prop_assert_eq!(world.herd.zombie_count(), world.abandoned.len());
        }
        // A connector that hangs while nobody else wants it may keep its caller waiting; the shutdown answers everyone.
        world.feed(Event::Shutdown);
        world.pass(STOP_TIMEOUT_MS);
        prop_assert!(world.has_ended);
        prop_assert!(world.instances.is_empty());
        prop_assert!(world.offset_changes.is_empty());
        prop_assert_eq!(world.replies.len() as u64, world.next_token);
        let abandoned: Vec<_> = world.tasks.keys().copied().collect();
        prop_assert_eq!(abandoned, world.abandoned.iter().copied().collect::<Vec<_>>());
    }
}
