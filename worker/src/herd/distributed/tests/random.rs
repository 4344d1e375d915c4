//! What must hold whatever happens, and in which order.

use std::collections::BTreeSet;
use std::sync::Arc;

use engine::task::{TaskId, TaskState};
use proptest::prelude::*;

use super::super::super::OffsetRequest;
use super::super::super::event::{CommandKind, Event};
use super::super::*;
use super::world::{PLUGIN, SOURCE, World, config_of};
use crate::config::TargetState;

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

fn command(kind: u8, is_exactly_once: bool) -> CommandKind {
    let plugin = if is_exactly_once { SOURCE } else { PLUGIN };
    let config = |value| config_of(plugin.class, value);
    match kind {
        0 | 1 => CommandKind::Create { plugin, config: config("1"), initial: TargetState::Started },
        2 => CommandKind::Create { plugin, config: config("1"), initial: TargetState::Paused },
        3 => CommandKind::Configure { plugin, config: config("1"), base: None },
        4 => CommandKind::Configure { plugin, config: config("2"), base: None },
        5 => CommandKind::Delete,
        6 => CommandKind::Pause,
        7 => CommandKind::Resume,
        8 => CommandKind::Stop,
        9 => CommandKind::RestartInstance,
        10 => CommandKind::Restart { include_tasks: true, only_failed: false },
        11 => CommandKind::Offsets(OffsetRequest::Reset),
        _ => CommandKind::RestartTask { task: 0 },
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]
    /// Whatever is asked of whichever worker while the group meets, topics lag and connectors fail: no task runs twice, what is revoked
    /// has stopped when that is acknowledged, no task writes beside one of a former generation, every request is answered once; and in the end everything that should run does, and
    /// nothing else.
    #[test]
    fn what_is_wanted_comes_about(is_exactly_once in any::<bool>(), steps in steps()) {
        let mut world = World::new(3);
        world.is_exactly_once = is_exactly_once;
        let mut asked = Vec::new();
        for step in steps {
            match step {
                Step::Command(worker, name, kind) => {
                    asked.push(world.next_token + 1);
                    world.send(worker, ["a", "b", "c"][name], command(kind, is_exactly_once));
                }
                Step::Behave { fails_start, fails_generate, ignores_stop, fails_writes, task_count } => {
                    world = World { fails_start, fails_generate, ignores_stop, fails_writes, task_count, ..world };
                }
                Step::FailTask(index) => {
                    let worker = index % 3;
                    let live = world.workers[worker].tasks.iter().find(|(_, (_, is_abandoned))| !is_abandoned);
                    let Some((epoch, id)) = live.map(|(epoch, (id, _))| (*epoch, id.clone())) else { continue };
                    world.workers[worker].tasks.remove(&epoch);
                    world.end_producer(worker, epoch);
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
        if is_exactly_once {
            for id in world.running() {
                let is_started = snapshot.target_state(&id.connector).unwrap_or_default() == TargetState::Started;
                let live = world.producers.live.get(&id);
                prop_assert!(!is_started || live.is_some_and(|live| live.is_confirmed), "{} writes", id);
                let record = snapshot.task_count_record(&id.connector);
                prop_assert!(!is_started || record == Some(snapshot.task_count(&id.connector) as i32));
                prop_assert!(!is_started || !snapshot.is_pending_fencing(&id.connector));
            }
        }
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
