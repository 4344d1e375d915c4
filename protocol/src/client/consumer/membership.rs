//! The user's side of a rebalance: in which order events are reported, partitions move and the group is rejoined.
//!
//! ```text
//! subscribe ─► JoinDue ─poll─► Joining ─Assigned─► Resolving ─positions known, poll─► Member
//!                 ▲               ▲  │                ▲                                 │ RebalanceNeeded: poll says Revoked
//!                 └───────────────┼──┼────────────────┼─ next poll gives up and joins ◄─┘ Lost: poll says Lost
//!            cooperative assignors│  └─► Revoking ────┘ next poll gives up what moved
//!                                 └── rejoins at once: what moved can be given to its new owner
//! ```
//!
//! Eager assignors: everything is given up before the join. Cooperative ones (KIP-429): the join says what the member owns, all of that
//! flows on, and only what the new assignment lacks is revoked after it.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Rebalance;
use super::partitions::Need;
use super::shared::Shared;
use crate::client::TopicPartition;
use crate::client::group::{Assignment, GroupEvent, LostReason, ProtocolMetadata, Subscription};
use crate::{Error, ErrorCode};

/// How long a new assignment is held back for partitions whose leader does not answer; the others must not wait for them longer.
const POSITION_GRACE: Duration = Duration::from_secs(5);

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// No subscription.
    Outside,
    /// The next poll joins.
    JoinDue,
    /// The group is working on it.
    Joining,
    /// Assigned; the user was told what leaves, and the next poll takes this over. Cooperative only.
    Revoking(Vec<TopicPartition>),
    /// Assigned, positions are being looked up since then.
    Resolving(Instant),
    Member,
}

/// What a subscribed consumer is about to do.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) phase: Phase,
    pub(super) topics: Vec<Arc<str>>,
    /// The subscription changed while a member.
    pub(super) is_rejoin_due: bool,
    pub(super) events: VecDeque<GroupEvent>,
    is_actor_gone: bool,
    last: LastAssignment,
}

/// What one look at the flow asks for.
#[derive(Debug)]
pub(super) enum Next {
    /// Report this and return.
    Report(Rebalance),
    /// Return this.
    Fail(Error),
    /// Send the join, then look again.
    Join(Vec<ProtocolMetadata>),
    /// Ask for a rebalance, then look again.
    Rejoin,
    /// Nothing for now.
    Nothing,
}

impl Flow {
    pub(super) fn new() -> Self {
        Self {
            phase: Phase::Outside,
            topics: Vec::new(),
            is_rejoin_due: false,
            events: VecDeque::new(),
            is_actor_gone: false,
            last: LastAssignment::default(),
        }
    }

    /// Takes over a new subscription; the next poll acts on it.
    pub(super) fn subscribe(&mut self, topics: Vec<Arc<str>>) {
        self.topics = topics;
        match self.phase {
            Phase::Outside => self.phase = Phase::JoinDue,
            Phase::JoinDue => {}
            Phase::Joining | Phase::Revoking(_) | Phase::Resolving(_) | Phase::Member => {
                self.is_rejoin_due = true
            }
        }
    }

    /// Works off events until one has something for the user.
    pub(super) fn next(&mut self, shared: &Shared) -> Next {
        loop {
            if let Phase::Revoking(assigned) = &mut self.phase {
                // The user has seen what leaves and polls again: now it is given up, and the group may give it to others.
                let assigned = std::mem::take(assigned);
                self.take_over(&assigned, shared);
                self.is_rejoin_due = true;
            }
            if self.phase == Phase::JoinDue && self.events.is_empty() {
                let mut partitions = shared.partitions.borrow_mut();
                // The user has seen what was revoked or lost and polls again: now it is given up.
                partitions.finish_revocation();
                if !shared.config.is_cooperative() {
                    partitions.clear();
                }
                let unsubscribed = partitions.begin_revocation(|tp| !self.topics.contains(&tp.topic));
                if !unsubscribed.is_empty() {
                    return Next::Report(Rebalance::Revoked(unsubscribed));
                }
                partitions.finish_revocation();
                drop(partitions);
                return match self.protocols(shared) {
                    Ok(protocols) => Next::Join(protocols),
                    Err(error) => Next::Fail(error),
                };
            }
            let Some(event) = self.events.pop_front() else { break };
            if let Some(next) = self.on_event(event, shared) {
                return next;
            }
        }
        if self.is_rejoin_due && self.phase == Phase::Member {
            return Next::Rejoin;
        }
        if let Phase::Resolving(since) = self.phase {
            let mut partitions = shared.partitions.borrow_mut();
            let is_known = partitions.are_positions_known()
                || partitions.are_commits_known() && since.elapsed() >= POSITION_GRACE;
            if is_known {
                self.phase = Phase::Member;
                return Next::Report(Rebalance::Assigned(partitions.reveal()));
            }
        }
        Next::Nothing
    }

    /// When [`next`](Self::next) has to look again though nothing happened.
    pub(super) fn due(&self) -> Option<Instant> {
        match self.phase {
            // Once it is over only an answer helps, which wakes by itself.
            Phase::Resolving(since) => Some(since + POSITION_GRACE).filter(|due| *due > Instant::now()),
            _ => None,
        }
    }

    /// The group's actor ended without being asked to, and the membership with it. True the first time.
    pub(super) fn on_actor_gone(&mut self) -> bool {
        if std::mem::replace(&mut self.is_actor_gone, true) {
            return false;
        }
        self.events.push_back(GroupEvent::Lost { reason: LostReason::SessionExpired, alive_at_ms: 0 });
        self.events.push_back(GroupEvent::Failed(Error::closed("stay in the group")));
        true
    }

    pub(super) fn joined(&mut self) {
        self.phase = Phase::Joining;
        self.is_rejoin_due = false;
    }

    fn on_event(&mut self, event: GroupEvent, shared: &Shared) -> Option<Next> {
        match event {
            GroupEvent::RebalanceNeeded { .. } => {
                self.phase = Phase::JoinDue;
                if shared.config.is_cooperative() {
                    return None;
                }
                // An assignment that was never reported needs no revocation.
                let revoked = shared.partitions.borrow_mut().begin_revocation(|_| true);
                (!revoked.is_empty()).then_some(Next::Report(Rebalance::Revoked(revoked)))
            }
            GroupEvent::Lost { .. } => {
                self.phase = Phase::JoinDue;
                self.last.generation_id = -1;
                Self::lose(shared).map(Next::Report)
            }
            GroupEvent::Assigned { assignment, identity, .. } => match Assignment::decode(&assignment) {
                Ok(assignment) => {
                    let generation_id = identity.generation_id;
                    self.last = LastAssignment { partitions: assignment.partitions.clone(), generation_id };
                    let stays: HashSet<&TopicPartition> = assignment.partitions.iter().collect();
                    let mut partitions = shared.partitions.borrow_mut();
                    let is_leaving = partitions.map.keys().any(|tp| !stays.contains(tp));
                    let revoked = partitions.begin_revocation(|tp| !stays.contains(tp));
                    drop(partitions);
                    if revoked.is_empty() {
                        self.take_over(&assignment.partitions, shared);
                        // What leaves was never reported, but the join said that we own it: nobody else has been given it yet.
                        self.is_rejoin_due |= is_leaving;
                        return None;
                    }
                    self.phase = Phase::Revoking(assignment.partitions);
                    Some(Next::Report(Rebalance::Revoked(revoked)))
                }
                Err(error) => Some(Next::Fail(error)),
            },
            GroupEvent::Failed(error) => {
                let is_fenced = error.code() == Some(ErrorCode::FENCED_INSTANCE_ID);
                self.phase = if is_fenced { Phase::Outside } else { Phase::JoinDue };
                match Self::lose(shared) {
                    // What a cooperative member held while it joined is lost with its membership.
                    Some(lost) => {
                        shared.report(error);
                        Some(Next::Report(lost))
                    }
                    None => Some(Next::Fail(error)),
                }
            }
            GroupEvent::Left => {
                self.phase = Phase::Outside;
                None
            }
        }
    }

    fn take_over(&mut self, assigned: &[TopicPartition], shared: &Shared) {
        self.phase = Phase::Resolving(Instant::now());
        shared.cluster.note_interest(assigned.iter().map(|tp| &*tp.topic));
        shared.partitions.borrow_mut().assign(assigned, Need::Committed, true, &shared.config);
        shared.forget_topics();
        shared.wake_all();
    }

    /// Forgets all partitions; gives what to say of those that the user knows of, also after `Revoked` was reported: then it is too late
    /// for a commit.
    fn lose(shared: &Shared) -> Option<Rebalance> {
        let mut partitions = shared.partitions.borrow_mut();
        let lost = partitions.begin_revocation(|_| true);
        partitions.clear();
        (!lost.is_empty()).then_some(Rebalance::Lost(lost))
    }

    fn protocols(&self, shared: &Shared) -> Result<Vec<ProtocolMetadata>, Error> {
        let mut subscription = Subscription::new(self.topics.iter().cloned());
        subscription.owned = shared.partitions.borrow().names();
        subscription.generation_id = self.last.generation_id;
        subscription.rack_id = shared.config.client_rack.as_deref().map(str::to_owned);
        let mut named = Vec::with_capacity(shared.config.assignors.len());
        for assignor in &shared.config.assignors {
            subscription.user_data = assignor.user_data(&self.last.partitions, self.last.generation_id);
            let metadata = subscription.encode()?;
            named.push(ProtocolMetadata { name: assignor.name().to_owned(), metadata });
        }
        Ok(named)
    }
}

/// What the sticky assignors are told of the last assignment.
#[derive(Debug)]
struct LastAssignment {
    partitions: Vec<TopicPartition>,
    generation_id: i32,
}

impl Default for LastAssignment {
    fn default() -> Self {
        Self { partitions: Vec::new(), generation_id: -1 }
    }
}
