//! What a group of workers comes to, request by request.

use std::sync::Arc;

use engine::task::{TaskId, TaskState};
use indexmap::IndexMap;

use super::super::super::OffsetRequest;
use super::super::super::event::{CommandKind, Event, Outcome, Refusal};
use super::super::super::state::State;
use super::super::super::view::View as _;
use super::super::work::complete_task;
use super::super::*;
use super::world::{PLUGIN, STOP_TIMEOUT_MS, World, config, configure, create, url};
use crate::config::TargetState;
use crate::store::status_log::StoredStatus;

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
fn a_connector_that_asks_is_asked_for_its_tasks_again() {
    let mut world = World::new(2);
    world.settle();
    world.send(0, "c", create("1"));
    world.settle();
    world.task_count = 3;
    for worker in &mut world.workers {
        let ask = |(epoch, name): (&u64, &Arc<str>)| {
            let (connector, epoch) = (Arc::clone(name), *epoch);
            ClusterEvent::Herd(Event::ReconfigurationRequested { connector, epoch })
        };
        let asks: Vec<_> = worker.instances.iter().map(ask).collect();
        worker.inbox.extend(asks);
    }
    world.settle();
    assert_eq!(world.running().len(), 3);
}

#[test]
fn an_answer_from_before_a_request_does_not_count() {
    let mut world = World::new(1);
    world.settle();
    world.send(0, "c", create("1"));
    world.settle();
    let (epoch, connector) =
        world.workers[0].instances.first_key_value().map(|(e, c)| (*e, Arc::clone(c))).unwrap();
    let ask = || {
        let connector = Arc::clone(&connector);
        ClusterEvent::Herd(Event::ReconfigurationRequested { connector, epoch })
    };
    // The connector answers at once; what it says is heard after the second request.
    world.step(0, ask());
    world.task_count = 3;
    world.step(0, ask());
    world.settle();
    assert_eq!(world.running().len(), 3);
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
fn a_status_that_another_worker_hid_or_took_away_is_said_again() {
    let mut world = World::new(2);
    world.settle();
    world.send(0, "c", create("1"));
    world.settle();
    let says = |world: &World| -> Vec<(Subject, State, Arc<str>)> {
        let statuses = world.statuses.0.borrow();
        statuses
            .iter()
            .map(|(subject, said)| (subject.clone(), said.state, Arc::clone(&said.worker_id)))
            .collect()
    };
    let told = says(&world);
    assert_eq!(told.len(), 3);
    for (subject, status) in world.statuses.0.borrow_mut().iter_mut() {
        if matches!(subject, Subject::Connector(_)) {
            status.worker_id = "long-gone:8083".into();
        }
    }
    world.statuses.0.borrow_mut().retain(|subject, _| matches!(subject, Subject::Connector(_)));
    for worker in 0..2 {
        // What differs may still be on its way: nothing is said at once.
        world.step(worker, ClusterEvent::StatusesDue);
    }
    assert_eq!(world.statuses.0.borrow().len(), 1);
    for worker in 0..2 {
        world.step(worker, ClusterEvent::StatusesDue);
    }
    assert_eq!(says(&world), told);
}

#[test]
fn a_late_status_of_what_is_no_more_is_taken_away_by_the_leader() {
    let mut world = World::new(2);
    world.settle();
    world.send(0, "c", create("1"));
    world.settle();
    let told = world.statuses.0.borrow().clone();
    let Some(mut late) = told.values().next().cloned() else { panic!("nothing is said") };
    late.state = State::Unassigned;
    let gone = [
        Subject::Task(TaskId { connector: "c".into(), task: 7 }),
        Subject::Task(TaskId { connector: "d".into(), task: 0 }),
        Subject::Connector("d".into()),
    ];
    world.statuses.0.borrow_mut().extend(gone.map(|subject| (subject, late.clone())));
    // A second time, since the worker whose word it is may know more than the leader yet.
    for _ in 0..2 {
        assert_eq!(world.statuses.0.borrow().len(), told.len() + 3);
        for worker in [1, 0] {
            world.step(worker, ClusterEvent::StatusesDue);
        }
    }
    assert_eq!(*world.statuses.0.borrow(), told);
}

#[test]
fn a_stop_that_another_leader_left_half_done_is_finished() {
    let mut world = World::new(2);
    world.settle();
    world.send(0, "c", create("1"));
    world.settle();
    // What that leader wrote first, that there are no tasks, was undone meanwhile.
    world.append(&ConfigWrite::Target("c".into(), TargetState::Stopped));
    world.settle();
    let tasks = |world: &World| world.workers[1].cluster.info("c").unwrap().tasks.len();
    assert_eq!((world.running().len(), tasks(&world)), (0, 2));
    for _ in 0..3 {
        for worker in 0..2 {
            world.step(worker, ClusterEvent::StatusesDue);
            world.settle();
        }
    }
    assert_eq!((tasks(&world), world.state("c")), (0, Some(State::Stopped)));
    assert_eq!(world.statuses.0.borrow().len(), 1);
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
    let reset = world.send(0, "c", CommandKind::Offsets(OffsetRequest::Reset));
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
    let reset = world.send(0, "c", CommandKind::Offsets(OffsetRequest::Reset));
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
fn tasks_that_the_leader_does_not_believe_are_handed_in_again() {
    let mut world = World::new(3);
    world.settle();
    world.forbids_publishing = true;
    for name in ["a", "b", "c", "d"] {
        world.send(0, name, create("1"));
        for _ in 0..200 {
            world.advance(0);
        }
    }
    let others = world.workers[1..].iter().map(|worker| worker.instances.len()).sum::<usize>();
    assert!(others > 0, "the leader has them all");
    assert_eq!(world.running().len(), 2 * (4 - others), "what the others made was not taken");
    world.forbids_publishing = false;
    world.settle();
    assert_eq!(world.running().len(), 8);
}

/// A world in which a worker that does not lead has a connector, and which one; what it hands in is on its way.
fn with_a_connector_elsewhere() -> (World, usize, &'static str) {
    let mut world = World::new(3);
    world.settle();
    world.on_the_way = Some(Vec::new());
    let name = ["a", "b", "c", "d"].into_iter().find(|name| {
        world.send(0, name, create("1"));
        world.settle();
        world.on_the_way.as_ref().is_some_and(|on_the_way| !on_the_way.is_empty())
    });
    let (number, ..) = world.on_the_way.as_ref().unwrap()[0];
    (world, number, name.expect("the leader has them all"))
}

/// The configurations that the running tasks of a connector were made from.
fn made_from(world: &World, name: &str) -> Vec<String> {
    let snapshot = world.workers[0].log.snapshot();
    let running = world.running();
    let tasks = running.iter().filter(|id| &*id.connector == name);
    tasks.filter_map(|id| snapshot.task_config(name, id.task)?.get("k")?.clone()).collect()
}

#[test]
fn what_becomes_of_tasks_that_a_former_start_handed_in_is_not_taken_for_those_of_the_next() {
    let (mut world, number, name) = with_a_connector_elsewhere();
    world.send(0, name, configure("2"));
    world.settle();
    let [(_, first_name, first), (_, second_name, second)] =
        <[_; 2]>::try_from(world.on_the_way.take().unwrap()).unwrap();
    assert!(first_name == second_name && first != second);
    let failure = PublishFailure { message: "it stops".to_owned(), is_forbidden: false };
    for (epoch, result) in [(first, Ok(())), (second, Err(failure))] {
        let connector = Arc::clone(&first_name);
        world.step(number, ClusterEvent::Published { connector, epoch, result });
    }
    world.settle();
    assert_eq!(made_from(&world, name), ["2", "2"]);
}

#[test]
fn tasks_of_a_former_start_that_come_late_do_not_stay() {
    let (mut world, number, name) = with_a_connector_elsewhere();
    world.on_the_way = None;
    world.send(0, name, configure("2"));
    world.settle();
    assert_eq!(made_from(&world, name), ["2", "2"]);
    let given = [("k".to_owned(), "1".to_owned())].into_iter().collect();
    let late = complete_task(&PLUGIN, &IndexMap::new(), given);
    world.send(0, name, CommandKind::SetTasks(vec![late]));
    world.settle();
    assert!(world.workers[number].instances.values().any(|instance| &**instance == name));
    assert_eq!(made_from(&world, name), ["2", "2"]);
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
