//! The state machine itself.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

use bytes::Bytes;
use engine::task::TaskId;
use protocol::client::group::GroupEvent;

use super::event::{Action, Assigned, Claim, Event, MemberEvent, RevokedBy};
use crate::group::protocol::{Assignment, ConnectProtocol};

/// How long a join that failed for good waits before it is tried again, doubling up to the second.
const RETRY_MS: (u64, u64) = (1_000, 30_000);

#[derive(Debug)]
enum Phase {
    /// Nobody asked to join, or the herder has left for now.
    Out,
    /// Lost; the herder stops what it had.
    Stopping,
    Joining,
    /// A join failed for good.
    Retrying {
        at_ms: u64,
    },
    Holding,
}

/// What waits for the herder to have stopped something.
#[derive(Debug)]
enum Then {
    Join,
    TakeOver(Box<Pending>),
}

#[derive(Debug)]
struct Pending {
    assignment: Assignment,
    generation: i32,
    member_id: Arc<str>,
    is_leader: bool,
    protocol: ConnectProtocol,
}

/// See the module.
#[derive(Debug)]
pub struct Session {
    /// `scheduled.rebalance.max.delay.ms`: how long leaders leave the work of a departed worker alone.
    max_delay_ms: u64,
    phase: Phase,
    /// What was last assigned, or is claimed although it was stopped.
    assignment: Claim,
    generation: i32,
    /// Under which protocol it was: before the first assignment, the most that this worker can.
    protocol: ConnectProtocol,
    /// Revocations that the herder has not acknowledged.
    open_count: usize,
    then: Option<Then>,
    /// A rebalance began while an assignment waited to be taken over.
    rebalance_pending: Option<&'static str>,
    rejoin_at_ms: Option<u64>,
    /// Until when what is claimed may still be nobody else's.
    claim_until_ms: Option<u64>,
    is_resolved: bool,
    /// The herder has not been told to stop what is claimed.
    is_running: bool,
    failure_count: u32,
}

impl Session {
    /// A worker that has not joined.
    pub fn new(protocol: ConnectProtocol, max_delay_ms: u64) -> Session {
        Session {
            max_delay_ms,
            phase: Phase::Out,
            assignment: None,
            generation: -1,
            protocol,
            open_count: 0,
            then: None,
            rebalance_pending: None,
            rejoin_at_ms: None,
            claim_until_ms: None,
            is_resolved: false,
            is_running: false,
            failure_count: 0,
        }
    }

    /// Takes in one event and says what to do about it, in order.
    pub fn step(&mut self, event: Event, now_ms: u64) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Join => {
                if matches!(self.phase, Phase::Out) {
                    self.join(now_ms, &mut actions);
                }
            }
            Event::Group(event) => self.on_group(event, now_ms, &mut actions),
            Event::RevokedDone => self.on_revoked_done(now_ms, &mut actions),
            Event::Resolved { generation } => self.on_resolved(generation, &mut actions),
            Event::Rejoin(reason) => {
                if matches!(self.phase, Phase::Joining | Phase::Holding) {
                    actions.push(Action::RequestRejoin(reason));
                }
            }
            Event::StepOut(reason) => self.on_step_out(reason, now_ms, &mut actions),
            Event::RevokeAll => {
                self.revoke_all(RevokedBy::OutOfSync, &mut actions);
                self.assignment = None;
                if matches!(self.phase, Phase::Joining | Phase::Holding) {
                    actions.push(Action::RequestRejoin("the member gave everything up"));
                }
            }
            Event::Tick => {}
        }
        self.on_time(now_ms, &mut actions);
        actions
    }

    /// When the next [`Event::Tick`] is due.
    pub fn deadline_ms(&self) -> Option<u64> {
        let retry_at_ms = match self.phase {
            Phase::Retrying { at_ms } if self.open_count == 0 => Some(at_ms),
            _ => None,
        };
        [retry_at_ms, self.rejoin_at_ms, self.claim_until_ms].into_iter().flatten().min()
    }

    /// What the worker has, or claims to.
    pub fn assignment(&self) -> Option<&Assignment> {
        self.assignment.as_ref()
    }

    fn on_group(&mut self, event: GroupEvent, now_ms: u64, actions: &mut Vec<Action>) {
        let is_out = matches!(self.phase, Phase::Out);
        match event {
            // Said before the group knew that this member has left.
            GroupEvent::RebalanceNeeded { .. } | GroupEvent::Assigned { .. }
                if !matches!(self.phase, Phase::Joining | Phase::Holding) => {}
            GroupEvent::RebalanceNeeded { reason } => self.on_rebalance(reason, now_ms, actions),
            GroupEvent::Assigned { identity, is_leader, protocol, assignment } => {
                let read = read(&protocol, &assignment);
                match read {
                    Ok((protocol, assignment)) => {
                        let pending = Pending {
                            assignment,
                            generation: identity.generation_id,
                            member_id: identity.member_id.into(),
                            is_leader,
                            protocol,
                        };
                        self.on_assigned(pending, now_ms, actions);
                    }
                    Err(error) => {
                        // Everything goes on as it was; another round may be led by somebody who writes what can be read.
                        actions.push(Action::Report(MemberEvent::Failed(error)));
                        self.phase = Phase::Holding;
                        self.rejoin_at_ms = Some(now_ms + self.retry_pause_ms());
                    }
                }
            }
            GroupEvent::Lost { reason, alive_at_ms } => {
                // No leader can have seen this member gone before, so none has stopped waiting for it before.
                self.claim_until_ms = Some(alive_at_ms + self.max_delay_ms);
                self.lose(RevokedBy::Lost(reason), actions);
                if is_out {
                    self.phase = Phase::Out;
                } else {
                    self.then = Some(Then::Join);
                }
            }
            GroupEvent::Failed(error) => {
                // Whatever else it is, it is no membership: nobody can say whose the work is.
                if self.assignment.is_some() || self.open_count > 0 {
                    self.lose(RevokedBy::Failed, actions);
                    self.assignment = None;
                }
                actions.push(Action::Report(MemberEvent::Failed(error)));
                self.phase = Phase::Retrying { at_ms: now_ms + self.retry_pause_ms() };
            }
            GroupEvent::Left => self.phase = Phase::Out,
        }
    }

    fn on_rebalance(&mut self, reason: &'static str, now_ms: u64, actions: &mut Vec<Action>) {
        if self.open_count > 0 {
            self.rebalance_pending = Some(reason);
            return;
        }
        actions.push(Action::Report(MemberEvent::Rebalancing { reason }));
        let holds_work = self.assignment.as_ref().is_some_and(|assignment| !assignment.is_failed());
        if self.protocol == ConnectProtocol::Eager && holds_work {
            self.revoke_all(RevokedBy::EagerRebalance, actions);
            self.then = Some(Then::Join);
        } else {
            self.join(now_ms, actions);
        }
    }

    fn on_assigned(&mut self, pending: Pending, now_ms: u64, actions: &mut Vec<Action>) {
        self.phase = Phase::Holding;
        self.failure_count = 0;
        self.claim_until_ms = None;
        let (cause, connectors, tasks) = if pending.protocol == ConnectProtocol::Eager {
            // Work that went on as the group was cooperative when the rebalance began, and is with others now. (Java's goes on for ever.)
            let running = self.assignment.as_ref().filter(|_| self.is_running);
            let (connectors, tasks) =
                running.map(|held| left_over(held, &pending.assignment)).unwrap_or_default();
            (RevokedBy::EagerRebalance, connectors, tasks)
        } else {
            let Assignment { revoked_connectors, revoked_tasks, .. } = &pending.assignment;
            (RevokedBy::Leader, revoked_connectors.clone(), revoked_tasks.clone())
        };
        if connectors.is_empty() && tasks.is_empty() {
            self.take_over(pending, now_ms, actions);
            return;
        }
        self.open_count += 1;
        actions.push(Action::Report(MemberEvent::Revoked { cause, connectors, tasks }));
        self.then = Some(Then::TakeOver(Box::new(pending)));
    }

    /// `WorkerCoordinator#onJoinComplete`, once what was revoked has been stopped.
    fn take_over(&mut self, pending: Pending, now_ms: u64, actions: &mut Vec<Action>) {
        let Pending { mut assignment, generation, member_id, is_leader, protocol } = pending;
        if protocol != ConnectProtocol::Eager
            && let Some(held) = self.assignment.take()
        {
            add_kept(&mut assignment.connectors, &held.connectors, &assignment.revoked_connectors);
            add_kept(&mut assignment.tasks, &held.tasks, &assignment.revoked_tasks);
        }
        self.protocol = protocol;
        self.generation = generation;
        self.is_resolved = false;
        self.is_running = true;
        self.rejoin_at_ms =
            u64::try_from(assignment.delay_ms).ok().filter(|delay| *delay > 0).map(|delay| now_ms + delay);
        actions.push(Action::Report(MemberEvent::Assigned(Assigned {
            generation,
            member_id,
            leader: Arc::clone(&assignment.leader),
            leader_url: Arc::clone(&assignment.leader_url),
            is_leader,
            protocol,
            config_offset: assignment.config_offset,
            is_failed: assignment.is_failed(),
            connectors: assignment.connectors.clone(),
            tasks: assignment.tasks.clone(),
            revoked_any: assignment.revokes(),
            delay_ms: u64::try_from(assignment.delay_ms).unwrap_or(0),
            owners: None,
        })));
        self.assignment = Some(assignment);
    }

    fn on_revoked_done(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        self.open_count = self.open_count.saturating_sub(1);
        if self.open_count > 0 {
            return;
        }
        match self.then.take() {
            Some(Then::Join) => self.join(now_ms, actions),
            Some(Then::TakeOver(pending)) => self.take_over(*pending, now_ms, actions),
            None => {}
        }
        if let Some(reason) = self.rebalance_pending.take() {
            self.on_rebalance(reason, now_ms, actions);
        }
    }

    fn on_resolved(&mut self, generation: i32, actions: &mut Vec<Action>) {
        if self.is_resolved || generation != self.generation || !matches!(self.phase, Phase::Holding) {
            return;
        }
        self.is_resolved = true;
        if let Some(assignment) = self.assignment.as_mut().filter(|assignment| assignment.revokes()) {
            assignment.revoked_connectors.clear();
            assignment.revoked_tasks.clear();
            actions.push(Action::RequestRejoin("what was revoked can be given to others"));
        }
    }

    fn on_step_out(&mut self, reason: &'static str, now_ms: u64, actions: &mut Vec<Action>) {
        self.phase = Phase::Out;
        // An assignment that was not taken over is of a generation that goes on without us; what it revoked stays revoked.
        if let Some(Then::TakeOver(pending)) = self.then.take() {
            self.give_up(&pending.assignment);
        }
        self.rebalance_pending = None;
        self.rejoin_at_ms = None;
        self.claim_until_ms = Some(now_ms + self.max_delay_ms);
        actions.push(Action::StepOut(reason));
    }

    /// Everything is to be stopped, and what waited for that is void.
    fn lose(&mut self, cause: RevokedBy, actions: &mut Vec<Action>) {
        if let Some(Then::TakeOver(pending)) = self.then.take() {
            self.give_up(&pending.assignment);
        }
        self.then = None;
        self.rebalance_pending = None;
        self.rejoin_at_ms = None;
        self.phase = Phase::Stopping;
        self.revoke_all(cause, actions);
    }

    fn give_up(&mut self, revoking: &Assignment) {
        if let Some(held) = &mut self.assignment {
            held.connectors = without(&held.connectors, &revoking.revoked_connectors);
            held.tasks = without(&held.tasks, &revoking.revoked_tasks);
        }
    }

    fn revoke_all(&mut self, cause: RevokedBy, actions: &mut Vec<Action>) {
        self.open_count += 1;
        self.is_running = false;
        let (connectors, tasks) = self
            .assignment
            .as_ref()
            .map(|held| (held.connectors.clone(), held.tasks.clone()))
            .unwrap_or_default();
        actions.push(Action::Report(MemberEvent::Revoked { cause, connectors, tasks }));
    }

    fn join(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        self.drop_outdated_claim(now_ms, actions);
        if self.open_count > 0 {
            self.phase = Phase::Stopping;
            self.then = Some(Then::Join);
            return;
        }
        self.phase = Phase::Joining;
        actions.push(Action::Join(self.assignment.clone()));
    }

    /// Others may have been given what this worker has not answered for in so long a time.
    fn drop_outdated_claim(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        if self.claim_until_ms.is_some_and(|until| until <= now_ms) {
            self.claim_until_ms = None;
            if self.is_running && self.assignment.is_some() {
                self.revoke_all(RevokedBy::OutOfSync, actions);
            }
            self.assignment = None;
        }
    }

    fn on_time(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        if self.rejoin_at_ms.is_some_and(|at| at <= now_ms) {
            self.rejoin_at_ms = None;
            actions.push(Action::RequestRejoin("the scheduled rebalance is due"));
        }
        if let Phase::Retrying { at_ms } = self.phase
            && at_ms <= now_ms
            && self.open_count == 0
        {
            self.join(now_ms, actions);
        } else if self.claim_until_ms.is_some_and(|until| until <= now_ms) {
            self.drop_outdated_claim(now_ms, actions);
            // A join that still waits for a coordinator is to say so.
            if matches!(self.phase, Phase::Joining) {
                self.join(now_ms, actions);
            }
        }
    }

    fn retry_pause_ms(&mut self) -> u64 {
        let pause = RETRY_MS.0 << self.failure_count.min(10);
        self.failure_count = self.failure_count.saturating_add(1);
        pause.min(RETRY_MS.1)
    }
}

/// What is held and not among what is assigned.
fn left_over(held: &Assignment, assigned: &Assignment) -> (Vec<Arc<str>>, Vec<TaskId>) {
    (without(&held.connectors, &assigned.connectors), without(&held.tasks, &assigned.tasks))
}

/// Newly assigned work comes first, as in Java's lists; what is named twice stays once.
fn add_kept<T: Clone + Eq + Hash>(assigned: &mut Vec<T>, held: &[T], revoked: &[T]) {
    let mut kept = without(&without(held, revoked), assigned);
    assigned.append(&mut kept);
}

/// What is among `items` and not among `taken`, in order. There may be thousands of both.
fn without<T: Clone + Eq + Hash>(items: &[T], taken: &[T]) -> Vec<T> {
    let taken: HashSet<&T> = taken.iter().collect();
    items.iter().filter(|item| !taken.contains(item)).cloned().collect()
}

fn read(protocol: &str, bytes: &Bytes) -> Result<(ConnectProtocol, Assignment), protocol::Error> {
    const DOING: &str = "read the assignment of the group's leader";
    let known = ConnectProtocol::from_wire_name(protocol)
        .ok_or_else(|| protocol::Error::malformed(DOING, format!("no protocol is called {protocol}")))?;
    let assignment = Assignment::decode(bytes).map_err(|error| protocol::Error::malformed(DOING, error))?;
    Ok((known, assignment))
}
