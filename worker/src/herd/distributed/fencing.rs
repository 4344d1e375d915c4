//! Rounds of fencing at the leader (KIP-618, `DistributedHerder#doFenceZombieSourceTasks`): before tasks of an exactly-once source write, the
//! producers of its former tasks are shut out, and the config topic says how many may write from then on.
//!
//! ```text
//! requests ─▶ read the topic ─▶ nothing pending: done
//!                            └▶ round: fence ids 0..R ─▶ read again ─▶ same generation: write `tasks-fencing` ─▶ done
//! ```
//!
//! There is one round per connector at a time, and whoever asks meanwhile joins it, unless there are newer tasks since: then the next one.
//! From the second reading to the record nothing else is written for the connector, or a newer set of tasks would count as fenced.

use std::sync::Arc;

use engine::task::TaskId;

use super::super::event::{Command, CommandKind, Epoch, Outcome, Refusal, Token};
use super::super::local::OffsetRequest;
use super::event::{ClusterAction, ConfigWrite, WriteFailure};
use super::machine::{Cluster, reply};
use super::work::props;
use super::writes::{RACE, Then};
use crate::store::config_log::Snapshot;

/// Java's words to those whose tasks have been replaced while they waited.
const NEW_TASKS: &str = "Failed to complete zombie fencing because a new set of task configs was generated";
/// The same, noticed after the fencing.
const NEW_GENERATION: &str =
    "Fencing failed because new task configurations were generated for the connector";
/// Brokers that cannot be asked, or refuse.
pub(super) const FAILED: &str = "Failed to perform zombie fencing";
const FAILED_FOR_OFFSETS: &str =
    "Failed to perform zombie fencing for source connector prior to modifying offsets";

/// The fencing of one connector.
#[derive(Default)]
pub(super) struct Fencing {
    /// Whom the reading of the config topic that is under way is for.
    reading: Option<Vec<Waiter>>,
    /// Who came since it began: what they know may be newer.
    arrived: Vec<Waiter>,
    round: Option<Round>,
}

/// Who waits.
struct Waiter {
    token: Token,
    /// A change of offsets, which goes on once it is safe.
    change: Option<OffsetRequest>,
}

struct Round {
    id: Epoch,
    /// Of the tasks that are to write.
    generation: i32,
    /// How many they are.
    task_count: u32,
    step: Step,
    /// There are newer tasks: nothing more is done.
    is_superseded: bool,
    waiters: Vec<Waiter>,
    /// Who came with newer tasks.
    late: Vec<Waiter>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// The producers are being fenced.
    Fencing,
    /// They are; something else is being written for the connector.
    Fenced,
    /// The config topic is read once more, or the record is being written.
    Recording,
}

impl Cluster {
    /// Somebody wants to be the only writer of a connector's tasks.
    pub(super) fn fence(&mut self, token: Token, name: &Arc<str>) -> Result<(), Refusal> {
        self.check_fencing(name)?;
        self.fencings.entry(Arc::clone(name)).or_default().arrived.push(Waiter { token, change: None });
        Ok(())
    }

    /// A change of offsets that waits until nobody else writes them. `false`: it does not have to, or has waited already.
    pub(super) fn fence_for_offsets(
        &mut self,
        token: Token,
        name: &Arc<str>,
        is_source: bool,
        request: &OffsetRequest,
    ) -> bool {
        if !is_source || !self.setup.is_exactly_once || self.fenced_changes.remove(&token) {
            return false;
        }
        let waiter = Waiter { token, change: Some(request.clone()) };
        self.fencings.entry(Arc::clone(name)).or_default().arrived.push(waiter);
        true
    }

    fn check_fencing(&self, name: &Arc<str>) -> Result<(), Refusal> {
        self.check_leader()?;
        if self.membership.is_out {
            return Err(Refusal::Failed(FAILED.to_owned()));
        }
        let Some(config) = self.snapshot.config(name) else {
            return Err(Refusal::NotFound(format!("Connector {name} not found")));
        };
        match self.plugin(config) {
            Ok(plugin) if plugin.is_source() => Ok(()),
            Ok(_) => Err(Refusal::BadRequest(format!("Connector {name} is not a source connector"))),
            Err(message) => Err(Refusal::Failed(message)),
        }
    }

    /// Begins whatever can be by now.
    pub(super) fn advance_fencing(&mut self, out: &mut Vec<ClusterAction>) {
        let names: Vec<Arc<str>> = self.fencings.keys().cloned().collect();
        for name in names {
            let Some(fencing) = self.fencings.get_mut(&name) else { continue };
            if fencing.reading.is_none() && !fencing.arrived.is_empty() {
                fencing.reading = Some(std::mem::take(&mut fencing.arrived));
                // Under no name: it does not keep others from writing for the connector.
                let then = Then::FencingRead(Arc::clone(&name));
                self.write(None, &"".into(), vec![ConfigWrite::ReadToEnd], then, out);
            }
            let is_fenced =
                |fencing: &Fencing| fencing.round.as_ref().is_some_and(|round| round.step == Step::Fenced);
            if self.fencings.get(&name).is_some_and(is_fenced)
                && !self.is_busy(&name)
                && let Some(round) = self.round(&name)
            {
                round.step = Step::Recording;
                let then = Then::FencingReadAgain(round.id);
                self.write(None, &name, vec![ConfigWrite::ReadToEnd], then, out);
            }
        }
        self.fencings.retain(|_, fencing| {
            fencing.reading.is_some() || !fencing.arrived.is_empty() || fencing.round.is_some()
        });
    }

    fn round(&mut self, name: &str) -> Option<&mut Round> {
        self.fencings.get_mut(name)?.round.as_mut()
    }

    /// What is known of the connector is as new as the requests: is there anything to do for them?
    pub(super) fn fencing_read(
        &mut self,
        name: &Arc<str>,
        result: Result<(), WriteFailure>,
        out: &mut Vec<ClusterAction>,
    ) {
        let Some(fencing) = self.fencings.get_mut(name) else { return };
        let mut waiters = fencing.reading.take().unwrap_or_default();
        let result = match result {
            Ok(()) => self.check_fencing(name),
            Err(_) => Err(Refusal::Failed(
                "Failed to read to end of config topic before performing zombie fencing".to_owned(),
            )),
        };
        let snapshot = Arc::clone(&self.snapshot);
        if result.is_err() || !snapshot.is_pending_fencing(name) {
            return self.answer_fencing(name, waiters, &result, out);
        }
        let generation = snapshot.task_config_generation(name).unwrap_or(-1);
        if let Some(round) = self.round(name) {
            let is_same = round.generation == generation && !round.is_superseded;
            if is_same { &mut round.waiters } else { &mut round.late }.append(&mut waiters);
            return;
        }
        let task_count = snapshot.task_count(name);
        // Nobody has written in transactions before; or the one task shuts out its predecessor by itself.
        let former = snapshot.task_count_record(name).filter(|&former| former > 0);
        let former = former.filter(|&former| former != 1 || task_count != 1);
        let id = self.epoch();
        let step = if former.is_some() { Step::Fencing } else { Step::Fenced };
        let round =
            Round { id, generation, task_count, step, is_superseded: false, waiters, late: Vec::new() };
        if let Some(fencing) = self.fencings.get_mut(name) {
            fencing.round = Some(round);
        }
        if let (Some(former), Some(config)) = (former, snapshot.config(name)) {
            tracing::info!(connector = &**name, producers = former, "fencing the producers of former tasks");
            out.push(ClusterAction::FenceProducers {
                connector: Arc::clone(name),
                round: id,
                config: props(config),
                task_count: former.unsigned_abs(),
            });
        }
    }

    /// The producers of former tasks can write no more, or not all could be reached.
    pub(super) fn producers_fenced(
        &mut self,
        name: &Arc<str>,
        id: Epoch,
        result: Result<(), String>,
        out: &mut Vec<ClusterAction>,
    ) {
        let Some(round) = self.round(name).filter(|round| round.id == id) else { return };
        match result {
            Ok(()) if !round.is_superseded => round.step = Step::Fenced,
            Ok(()) => self.end_round(name, &Ok(()), out),
            Err(error) => {
                tracing::error!(connector = &**name, %error, "{FAILED}");
                self.end_round(name, &Err(Refusal::Failed(FAILED.to_owned())), out);
            }
        }
    }

    /// Nothing has been written for the connector since, by this worker: may the record be?
    pub(super) fn fencing_read_again(
        &mut self,
        name: &Arc<str>,
        id: Epoch,
        result: Result<(), WriteFailure>,
        out: &mut Vec<ClusterAction>,
    ) {
        let generation = self.snapshot.task_config_generation(name).unwrap_or(-1);
        let Some(round) = self.round(name).filter(|round| round.id == id) else { return };
        let is_overtaken = round.is_superseded || generation > round.generation;
        let task_count = round.task_count;
        let result = match result {
            Err(_) => Err(Refusal::Failed("Failed to read to end of config topic".to_owned())),
            Ok(()) if is_overtaken => Err(Refusal::Outdated(NEW_GENERATION.to_owned())),
            Ok(()) => self.check_fencing(name),
        };
        if result.is_err() {
            return self.end_round(name, &result, out);
        }
        let record = ConfigWrite::TaskCount(Arc::clone(name), task_count);
        self.write(None, name, vec![record], Then::FencingRecorded(id), out);
    }

    /// The record is there, or it is not.
    pub(super) fn fencing_recorded(
        &mut self,
        name: &Arc<str>,
        id: Epoch,
        result: Result<(), WriteFailure>,
        out: &mut Vec<ClusterAction>,
    ) {
        if self.round(name).is_none_or(|round| round.id != id) {
            return;
        }
        let result = result.map_err(|WriteFailure { message, is_privilege_lost }| {
            Refusal::Failed(if is_privilege_lost { RACE.to_owned() } else { message })
        });
        self.end_round(name, &result, out);
    }

    /// The config topic has a new set of tasks: a round for the former one must not be recorded.
    pub(super) fn supersede_fencing(&mut self, name: &Arc<str>, out: &mut Vec<ClusterAction>) {
        let generation = self.snapshot.task_config_generation(name).unwrap_or(-1);
        let Some(round) = self.round(name).filter(|round| round.generation < generation) else { return };
        round.is_superseded = true;
        let waiters = std::mem::take(&mut round.waiters);
        // While the brokers are busy with it, it stays the only one.
        if round.step == Step::Fenced {
            self.end_round(name, &Ok(()), out);
        }
        self.answer_fencing(name, waiters, &Err(Refusal::Outdated(NEW_TASKS.to_owned())), out);
    }

    fn end_round(&mut self, name: &Arc<str>, result: &Result<(), Refusal>, out: &mut Vec<ClusterAction>) {
        let Some(fencing) = self.fencings.get_mut(name) else { return };
        let Some(Round { waiters, late, .. }) = fencing.round.take() else { return };
        fencing.arrived.extend(late);
        self.answer_fencing(name, waiters, result, out);
    }

    fn answer_fencing(
        &mut self,
        name: &Arc<str>,
        waiters: Vec<Waiter>,
        result: &Result<(), Refusal>,
        out: &mut Vec<ClusterAction>,
    ) {
        for Waiter { token, change } in waiters {
            match (change, result) {
                (None, result) => reply(token, result.clone().map(|()| Outcome::Done), out),
                (Some(request), Ok(())) => {
                    // Much may have happened meanwhile: it is looked at again.
                    self.fenced_changes.insert(token);
                    let command =
                        Command { connector: Arc::clone(name), kind: CommandKind::Offsets(request) };
                    self.waiting.push_front((token, command));
                }
                (Some(_), Err(refusal)) => {
                    tracing::error!(connector = &**name, %refusal, "{FAILED_FOR_OFFSETS}");
                    reply(token, Err(Refusal::Failed(FAILED_FOR_OFFSETS.to_owned())), out);
                }
            }
        }
    }

    /// Whoever waited has given up. A round that has begun goes on: others need it, too.
    pub(super) fn forget_fencing(&mut self, token: Token) {
        self.fenced_changes.remove(&token);
        for fencing in self.fencings.values_mut() {
            for waiters in fencing.waiters_mut() {
                waiters.retain(|waiter| waiter.token != token);
            }
        }
    }

    /// This worker is out of the group, or another one leads it. By then the producers of new tasks may have been let in, which a round that
    /// reaches the brokers late would shut out: it is given up.
    pub(super) fn abandon_fencing(&mut self, out: &mut Vec<ClusterAction>) {
        for name in self.abandon_rounds(out) {
            self.end_round(&name, &Err(Refusal::Failed(FAILED.to_owned())), out);
        }
    }

    /// Of which connectors they were.
    fn abandon_rounds(&self, out: &mut Vec<ClusterAction>) -> Vec<Arc<str>> {
        let mut names = Vec::new();
        for (name, fencing) in &self.fencings {
            if let Some(Round { id, step: Step::Fencing, .. }) = fencing.round {
                out.push(ClusterAction::AbandonFencing { round: id });
                names.push(Arc::clone(name));
            }
        }
        names
    }

    /// Everybody who waits, and nothing is fenced any more.
    pub(super) fn end_fencing(&mut self, out: &mut Vec<ClusterAction>) -> Vec<Token> {
        self.abandon_rounds(out);
        self.fenced_changes.clear();
        let mut tokens = Vec::new();
        for mut fencing in std::mem::take(&mut self.fencings).into_values() {
            for waiters in fencing.waiters_mut() {
                tokens.extend(waiters.drain(..).map(|waiter| waiter.token));
            }
        }
        tokens
    }
}

/// Why a task must not write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotToWrite {
    /// There are newer task configurations than it was started with.
    Superseded,
    /// It is no longer this worker's, or another start of it is.
    Revoked,
}

impl Cluster {
    /// Whether a task that has taken its transactional id is still to run here, by what the config topic says now
    /// (`DistributedHerder#verifyTaskGenerationAndOwnership`).
    ///
    /// # Errors
    /// Why not.
    pub fn may_write(&self, snapshot: &Snapshot, id: &TaskId, epoch: Epoch) -> Result<(), NotToWrite> {
        let task = self.tasks.get(id).and_then(|task| task.run).filter(|run| run.epoch == epoch);
        let Some(run) = task else { return Err(NotToWrite::Revoked) };
        if run.generation != snapshot.task_config_generation(&id.connector) {
            return Err(NotToWrite::Superseded);
        }
        if self.own_tasks.contains(id) { Ok(()) } else { Err(NotToWrite::Revoked) }
    }
}

impl Fencing {
    fn waiters_mut(&mut self) -> impl Iterator<Item = &mut Vec<Waiter>> {
        let round = self.round.iter_mut().flat_map(|round| [&mut round.waiters, &mut round.late]);
        self.reading.iter_mut().chain([&mut self.arrived]).chain(round)
    }
}
