//! Transactional producers, made up: who may write as which task, tasks on their way to become one, and rounds of fencing under way.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::task::{TaskId, TaskState};

use super::super::super::event::{CommandKind, Epoch, Event, Refusal, Token};
use super::super::*;
use super::world::{World, url};

#[derive(Default)]
pub(super) struct Producers {
    pub(super) starting: Vec<Starting>,
    /// The last to have taken each transactional id.
    pub(super) live: BTreeMap<TaskId, Producer>,
    pub(super) rounds: Vec<Round>,
    /// How many producers each round fenced.
    pub(super) fenced: Vec<(Arc<str>, u32)>,
}

/// A task before it writes.
pub(super) struct Starting {
    worker: usize,
    id: TaskId,
    epoch: Epoch,
    generation: Option<i32>,
    step: Step,
}

enum Step {
    Fence,
    Waiting(usize, Token),
    Init,
    Confirm,
}

pub(super) struct Producer {
    pub(super) epoch: Epoch,
    pub(super) worker: usize,
    pub(super) generation: Option<i32>,
    pub(super) is_confirmed: bool,
}

pub(super) struct Round {
    worker: usize,
    connector: Arc<str>,
    round: Epoch,
    task_count: u32,
}

impl World {
    pub(super) fn begin_start(&mut self, worker: usize, id: TaskId, epoch: Epoch) {
        let generation = self.workers[worker].log.snapshot().task_config_generation(&id.connector);
        self.producers.starting.push(Starting { worker, id, epoch, generation, step: Step::Fence });
    }

    pub(super) fn begin_round(&mut self, worker: usize, connector: Arc<str>, round: Epoch, task_count: u32) {
        let mut rounds = self.producers.rounds.iter();
        assert!(!rounds.any(|other| other.connector == connector), "two rounds for {connector} at a time");
        self.producers.rounds.push(Round { worker, connector, round, task_count });
    }

    pub(super) fn abandon_round(&mut self, worker: usize, id: Epoch) {
        self.producers.rounds.retain(|round| (round.worker, round.round) != (worker, id));
    }

    /// A round of fencing ends, if there is one.
    pub(super) fn end_round(&mut self, pick: usize) -> bool {
        let rounds = &mut self.producers.rounds;
        if rounds.is_empty() {
            return false;
        }
        let Round { worker, connector, round, task_count } = rounds.swap_remove(pick % rounds.len());
        let result = if self.fails_writes { Err("no coordinator".to_owned()) } else { Ok(()) };
        if result.is_ok() {
            self.producers.live.retain(|id, _| id.connector != connector || id.task >= task_count);
            self.producers.fenced.push((Arc::clone(&connector), task_count));
        }
        self.step(worker, ClusterEvent::ProducersFenced { connector, round, result });
        true
    }

    /// A task takes its next step towards writing, if there is one that can.
    pub(super) fn go_on_starting(&mut self, pick: usize) -> bool {
        let count = self.producers.starting.len();
        let can_go_on = |index: &usize| {
            let Starting { worker, step, .. } = &self.producers.starting[*index];
            let is_answered = match step {
                Step::Waiting(_, token) => self.replies.contains_key(token),
                _ => true,
            };
            is_answered && !self.workers[*worker].is_frozen
        };
        let Some(index) = (0..count).map(|offset| (pick + offset) % count).find(can_go_on) else {
            return false;
        };
        let Starting { worker, id, epoch, generation, step } = self.producers.starting.swap_remove(index);
        let next = match step {
            Step::Fence => Step::Waiting(worker, self.send(worker, &id.connector, CommandKind::Fence)),
            Step::Waiting(asked, token) => match self.replies.remove(&token).unwrap() {
                Ok(_) => Step::Init,
                Err(Refusal::Elsewhere { url: Some(leader) }) if asked != 0 => {
                    assert_eq!(leader, url(0));
                    Step::Waiting(0, self.send(0, &id.connector, CommandKind::Fence))
                }
                Err(refusal) => {
                    self.start_failed(worker, id, epoch, &refusal.to_string());
                    return true;
                }
            },
            Step::Init => {
                let producer = Producer { epoch, worker, generation, is_confirmed: false };
                self.producers.live.insert(id.clone(), producer);
                Step::Confirm
            }
            Step::Confirm => {
                self.read(worker, usize::MAX);
                let snapshot = self.workers[worker].log.snapshot();
                match self.workers[worker].cluster.may_write(&snapshot, &id, epoch) {
                    Ok(()) => self.confirmed(worker, id, epoch, generation),
                    Err(reason) => {
                        self.end_producer(worker, epoch);
                        self.start_failed(worker, id, epoch, &format!("{reason:?}"));
                    }
                }
                return true;
            }
        };
        // It may have been stopped by what followed.
        if self.workers[worker].tasks.contains_key(&epoch) {
            self.producers.starting.push(Starting { worker, id, epoch, generation, step: next });
        }
        true
    }

    /// I12: whoever writes from now on is of the same generation as everybody else who still can.
    fn confirmed(&mut self, worker: usize, id: TaskId, epoch: Epoch, generation: Option<i32>) {
        let state = TaskState::Running;
        self.report(worker, Event::TaskReported { id: id.clone(), epoch, state });
        let own = |live: &&mut Producer| (live.worker, live.epoch) == (worker, epoch);
        // Shut out by now, it finds that out when it writes.
        let Some(live) = self.producers.live.get_mut(&id).filter(own) else { return };
        live.is_confirmed = true;
        for (other, live) in &self.producers.live {
            let can_write = other.connector == id.connector && live.is_confirmed;
            assert!(
                !can_write || live.generation == generation,
                "{other} of a former generation writes beside {id}"
            );
        }
    }

    fn start_failed(&mut self, worker: usize, id: TaskId, epoch: Epoch, why: &str) {
        self.workers[worker].tasks.remove(&epoch);
        let state = TaskState::Failed { trace: format!("java.lang.Exception: {why}\n"), is_built: true };
        self.report(worker, Event::TaskReported { id: id.clone(), epoch, state });
        self.report(worker, Event::TaskEnded { id, epoch });
    }

    fn report(&mut self, worker: usize, event: Event) {
        self.workers[worker].inbox.push_back(ClusterEvent::Herd(event));
    }

    /// A task ends by itself: it writes no more, and neither does it start.
    pub(super) fn end_producer(&mut self, worker: usize, epoch: Epoch) {
        self.producers.live.retain(|_, live| (live.worker, live.epoch) != (worker, epoch));
        self.producers.starting.retain(|starting| (starting.worker, starting.epoch) != (worker, epoch));
    }
}
