//! Rounds of fencing: when there is one, who joins it, and what is written.

use std::sync::Arc;

use engine::task::TaskId;
use proptest::prelude::*;

use super::super::super::event::{CommandKind, Event, Outcome, Refusal, Token};
use super::super::*;
use super::world::{SOURCE, World, config, config_of, create, url};
use crate::config::{RawConfig, TargetState};
use crate::herd::OffsetRequest;

/// From now on the connector has so many tasks, and they are handed in to the leader.
fn hand_in(world: &mut World, task_count: usize) -> Token {
    world.task_count = task_count;
    let task = [("k", "1"), ("task.class", SOURCE.task_class)];
    let task = RawConfig::from_iter(task.map(|(key, value)| (key.to_owned(), Some(value.to_owned()))));
    world.send(0, "c", CommandKind::SetTasks(vec![task; task_count]))
}

/// A worker with the source `c` of so many tasks, which have been recorded.
fn recorded(task_count: usize) -> World {
    let mut world = World::new(1);
    world.is_exactly_once = true;
    world.task_count = task_count;
    world.settle();
    let kind = CommandKind::Create {
        plugin: SOURCE,
        config: config_of(SOURCE.class, "1"),
        initial: TargetState::Started,
    };
    world.send(0, "c", kind);
    world.settle();
    world
}

fn record(world: &World) -> (Option<i32>, bool) {
    let snapshot = world.workers[0].log.snapshot();
    (snapshot.task_count_record("c"), snapshot.is_pending_fencing("c"))
}

fn fenced(world: &World) -> Vec<u32> {
    world.producers.fenced.iter().map(|(_, task_count)| *task_count).collect()
}

/// Lets events pass until there is a round whose producers are being fenced.
fn until_fencing(world: &mut World) {
    for _ in 0..1_000 {
        if !world.producers.rounds.is_empty() {
            return;
        }
        let Some(event) = world.workers[0].inbox.pop_front() else { break };
        world.step(0, event);
    }
    assert!(!world.producers.rounds.is_empty(), "nothing is fenced");
}

/// So many tasks were made where so many wrote, and somebody waits for the fencing, which has begun.
fn asked(former: usize, task_count: usize) -> (World, Token) {
    let mut world = recorded(former);
    world.is_exactly_once = false;
    hand_in(&mut world, task_count);
    world.settle();
    let waits = world.send(0, "c", CommandKind::Fence);
    until_fencing(&mut world);
    (world, waits)
}

#[test]
fn tasks_that_are_the_first_are_recorded_and_nobody_is_fenced() {
    let world = recorded(3);
    assert_eq!((record(&world), fenced(&world)), ((Some(3), false), vec![]));
    assert_eq!(world.running().len(), 3);
}

#[test]
fn former_tasks_are_fenced_before_the_new_ones_are_recorded() {
    let mut world = recorded(4);
    for task_count in [2, 1, 3] {
        hand_in(&mut world, task_count);
        world.settle();
        assert_eq!(record(&world), (Some(task_count as i32), false));
        assert_eq!(world.running().len(), task_count);
    }
    assert_eq!(fenced(&world), [4, 2, 1]);
}

#[test]
fn one_task_after_one_task_fences_by_itself() {
    let mut world = recorded(1);
    let before = world.topic.len();
    hand_in(&mut world, 1);
    world.settle();
    assert_eq!((record(&world), fenced(&world)), ((Some(1), false), vec![]));
    let written = |record: &&crate::store::LogRecord| &record.key[..] == b"tasks-fencing-c";
    assert_eq!(world.topic[before..].iter().filter(written).count(), 1);
}

#[test]
fn whoever_asks_during_a_round_joins_it() {
    let (mut world, first) = asked(4, 2);
    let second = world.send(0, "c", CommandKind::Fence);
    world.settle();
    assert_eq!(fenced(&world), [4]);
    for token in [first, second] {
        assert_eq!(world.replies[&token], Ok(Outcome::Done));
    }
    // With the record there nothing is pending.
    let third = world.send(0, "c", CommandKind::Fence);
    world.settle();
    assert_eq!((world.replies[&third].clone(), fenced(&world)), (Ok(Outcome::Done), vec![4]));
}

#[test]
fn tasks_that_are_replaced_meanwhile_are_refused_and_the_new_ones_get_a_round_of_their_own() {
    let (mut world, old) = asked(4, 2);
    hand_in(&mut world, 3);
    while let Some(event) = world.workers[0].inbox.pop_front() {
        world.step(0, event);
    }
    let message = "Failed to complete zombie fencing because a new set of task configs was generated";
    assert_eq!(world.replies[&old], Err(Refusal::Outdated(message.to_owned())));
    let new = world.send(0, "c", CommandKind::Fence);
    world.settle();
    assert_eq!((world.replies[&new].clone(), record(&world)), (Ok(Outcome::Done), (Some(3), false)));
    assert_eq!(fenced(&world), [4, 4], "the first round was not recorded");
}

#[test]
fn nothing_else_is_written_between_the_last_look_and_the_record() {
    let (mut world, fencing) = asked(4, 2);
    world.end_round(0);
    // The config topic is being read once more; the answer is in the inbox.
    let written = world.topic.len();
    let waits = hand_in(&mut world, 3);
    assert_eq!(world.topic.len(), written);
    world.settle();
    assert_eq!((&world.replies[&fencing], &world.replies[&waits]), (&Ok(Outcome::Done), &Ok(Outcome::Done)));
    assert_eq!(&world.topic[written].key[..], b"tasks-fencing-c");
    assert_eq!(record(&world), (Some(2), true), "the three are still to be fenced for");
}

#[test]
fn brokers_that_cannot_be_asked_fail_the_round_and_the_next_one_begins_anew() {
    let (mut world, first) = asked(2, 3);
    world.fails_writes = true;
    world.end_round(0);
    assert_eq!(world.replies[&first], Err(Refusal::Failed("Failed to perform zombie fencing".to_owned())));
    world.fails_writes = false;
    let second = world.send(0, "c", CommandKind::Fence);
    world.settle();
    assert_eq!((world.replies[&second].clone(), record(&world)), (Ok(Outcome::Done), (Some(3), false)));
}

#[test]
fn only_the_leader_fences_and_only_sources_that_there_are() {
    let mut world = World::new(2);
    world.settle();
    world.send(0, "sink", create("1"));
    world.settle();
    let elsewhere = world.send(1, "sink", CommandKind::Fence);
    assert_eq!(world.replies[&elsewhere], Err(Refusal::Elsewhere { url: Some(url(0)) }));
    let sink = world.send(0, "sink", CommandKind::Fence);
    assert_eq!(
        world.replies[&sink],
        Err(Refusal::BadRequest("Connector sink is not a source connector".to_owned()))
    );
    let none = world.send(0, "none", CommandKind::Fence);
    assert_eq!(world.replies[&none], Err(Refusal::NotFound("Connector none not found".to_owned())));
}

#[test]
fn offsets_change_only_after_the_fencing() {
    let mut world = recorded(3);
    world.send(0, "c", CommandKind::Stop);
    world.settle();
    let reset = world.send(0, "c", CommandKind::Offsets(OffsetRequest::Reset));
    world.settle();
    assert!(matches!(world.replies[&reset], Ok(Outcome::OffsetsChanged(_))), "{:?}", world.replies[&reset]);
    assert_eq!((fenced(&world), record(&world)), (vec![3], (Some(0), false)));
    // Nobody can have written since.
    let again = world.send(0, "c", CommandKind::Offsets(OffsetRequest::Reset));
    world.settle();
    assert!(matches!(world.replies[&again], Ok(Outcome::OffsetsChanged(_))));
    assert_eq!(fenced(&world), [3]);
}

#[test]
fn offsets_stay_where_the_fencing_fails_or_the_connector_was_resumed_meanwhile() {
    let mut world = recorded(3);
    world.send(0, "c", CommandKind::Stop);
    world.settle();
    let reset = world.send(0, "c", CommandKind::Offsets(OffsetRequest::Reset));
    until_fencing(&mut world);
    world.fails_writes = true;
    world.end_round(0);
    let message = "Failed to perform zombie fencing for source connector prior to modifying offsets";
    assert_eq!(world.replies[&reset], Err(Refusal::Failed(message.to_owned())));
    world.fails_writes = false;
    let reset = world.send(0, "c", CommandKind::Offsets(OffsetRequest::Reset));
    until_fencing(&mut world);
    // No tasks come of it, so the fencing itself is good.
    world.fails_generate = true;
    world.send(0, "c", CommandKind::Resume);
    while world.advance(0) {}
    assert!(
        matches!(&world.replies[&reset], Err(Refusal::BadRequest(message)) if message.contains("STOPPED")),
        "{:?}",
        world.replies[&reset]
    );
}

#[test]
fn a_task_that_was_replaced_or_taken_away_may_not_write() {
    let mut world = recorded(2);
    let worker = &world.workers[0];
    let (epoch, (id, _)) =
        worker.tasks.first_key_value().map(|(epoch, task)| (*epoch, task.clone())).unwrap();
    let may = |world: &World, epoch| {
        let worker = &world.workers[0];
        worker.cluster.may_write(&worker.log.snapshot(), &id, epoch)
    };
    assert_eq!(may(&world, epoch), Ok(()));
    assert_eq!(may(&world, epoch + 100), Err(NotToWrite::Revoked), "another start of it");
    world.ignores_stop = true;
    hand_in(&mut world, 2);
    assert_eq!(may(&world, epoch), Err(NotToWrite::Superseded));

    let mut world = recorded(2);
    let epoch = *world.workers[0].tasks.first_key_value().unwrap().0;
    world.ignores_stop = true;
    let tasks: Vec<TaskId> = (0..2).map(|task| TaskId { connector: "c".into(), task }).collect();
    let revoked = crate::group::MemberEvent::Revoked {
        cause: crate::group::RevokedBy::Leader,
        connectors: Vec::<Arc<str>>::new(),
        tasks,
    };
    world.step(0, ClusterEvent::Member(revoked));
    assert_eq!(may(&world, epoch), Err(NotToWrite::Revoked));
}

#[derive(Debug, Clone)]
enum Turn {
    Tasks(usize),
    Freeze(usize),
    Thaw(usize),
    Rebalance,
    Advance(usize, usize),
    IgnoreStops(bool),
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let turn = prop_oneof![
        2 => (1..5_usize).prop_map(Turn::Tasks),
        1 => (1..3_usize).prop_map(Turn::Freeze),
        1 => (1..3_usize).prop_map(Turn::Thaw),
        1 => Just(Turn::Rebalance),
        8 => (0..12_usize, 1..12_usize).prop_map(|(pick, count)| Turn::Advance(pick, count)),
        1 => prop::bool::weighted(0.3).prop_map(Turn::IgnoreStops),
    ];
    prop::collection::vec(turn, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]
    /// Whatever becomes of a connector's tasks while workers are frozen, thaw, and take their time: none of a former generation can write
    /// once one of a newer can ([`World::go_on_starting`] looks), and there is one round of fencing at a time.
    #[test]
    fn nobody_writes_beside_a_former_generation(turns in turns()) {
        let mut world = World::new(3);
        world.is_exactly_once = true;
        world.task_count = 3;
        world.settle();
        let config = config_of(SOURCE.class, "1");
        world.send(0, "c", CommandKind::Create { plugin: SOURCE, config, initial: TargetState::Started });
        for turn in turns {
            match turn {
                Turn::Tasks(count) => drop(hand_in(&mut world, count)),
                Turn::Freeze(worker) => world.freeze(worker),
                Turn::Thaw(worker) => world.thaw(worker),
                Turn::Rebalance => world.group(true),
                Turn::Advance(pick, count) => {
                    for step in 0..count {
                        world.advance(pick + step);
                    }
                }
                Turn::IgnoreStops(ignores) => world.ignores_stop = ignores,
            }
        }
        (1..3).for_each(|worker| world.thaw(worker));
        world.ignores_stop = false;
        world.settle();
    }
}

#[test]
fn a_leader_that_the_group_goes_on_without_shuts_out_nobody() {
    let (mut world, waits) = asked(2, 3);
    let drain = |world: &mut World| {
        while let Some(event) = world.workers[0].inbox.pop_front() {
            world.step(0, event);
        }
    };
    world.workers[0].is_frozen = true;
    world.thaw(0);
    drain(&mut world);
    let refused = Err(Refusal::Failed("Failed to perform zombie fencing".to_owned()));
    assert_eq!(world.replies[&waits], refused);
    let comes_late = world.send(0, "c", CommandKind::Fence);
    drain(&mut world);
    assert_eq!((world.replies.get(&comes_late), fenced(&world)), (Some(&refused), vec![]));
    assert!(world.producers.rounds.is_empty());
    // It leads again, and can be asked again.
    world.settle();
    let again = world.send(0, "c", CommandKind::Fence);
    world.settle();
    assert_eq!((world.replies[&again].is_ok(), fenced(&world)), (true, vec![2]));
}

#[test]
fn a_worker_that_ends_answers_those_who_wait_for_a_fencing() {
    let (mut world, waits) = asked(2, 3);
    world.step(0, ClusterEvent::Herd(Event::Shutdown));
    assert_eq!(world.replies[&waits], Err(Refusal::ShuttingDown));
    world.end_round(0);
    while world.advance(0) {}
    assert!(world.workers[0].has_ended);
}

#[test]
fn a_fencing_does_not_print_the_configuration() {
    let action = ClusterAction::FenceProducers {
        connector: "c".into(),
        round: 1,
        config: config("canary"),
        task_count: 2,
    };
    assert_eq!(format!("{action:?}"), "FenceProducers(c, 2)");
}
