//! The user's side of a rebalance: in which order events are reported, partitions move and the group is rejoined.
//!
//! ```text
//! subscribe ─► JoinDue ─poll─► Joining ─Assigned─► Resolving ─positions known, poll─► Member
//!                 ▲                                                                     │ RebalanceNeeded: poll says Revoked
//!                 └──────────────────────────────── next poll gives up and joins ◄──────┘ Lost: poll says Lost
//! ```

use std::collections::VecDeque;
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
        }
    }

    /// Takes over a new subscription; the next poll acts on it.
    pub(super) fn subscribe(&mut self, topics: Vec<Arc<str>>) {
        self.topics = topics;
        match self.phase {
            Phase::Outside => self.phase = Phase::JoinDue,
            Phase::JoinDue => {}
            Phase::Joining | Phase::Resolving(_) | Phase::Member => self.is_rejoin_due = true,
        }
    }

    /// Works off events until one has something for the user.
    pub(super) fn next(&mut self, shared: &Shared) -> Next {
        loop {
            if self.phase == Phase::JoinDue && self.events.is_empty() {
                // The user has seen what was revoked or lost and polls again: now it is given up.
                shared.partitions.borrow_mut().clear();
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
            let partitions = shared.partitions.borrow();
            let is_known = partitions.are_positions_known()
                || partitions.are_commits_known() && since.elapsed() >= POSITION_GRACE;
            if is_known {
                self.phase = Phase::Member;
                return Next::Report(Rebalance::Assigned(partitions.names()));
            }
        }
        Next::Nothing
    }

    /// When [`next`](Self::next) has to look again though nothing happened.
    pub(super) fn due(&self) -> Option<Instant> {
        match self.phase {
            Phase::Resolving(since) => Some(since + POSITION_GRACE),
            _ => None,
        }
    }

    /// Whether data may be handed out: by hand, or once the assignment that it belongs to was reported.
    pub(super) fn may_take(&self) -> bool {
        matches!(self.phase, Phase::Outside | Phase::Member)
    }

    /// The group's actor ended without being asked to, and the membership with it. True the first time.
    pub(super) fn on_actor_gone(&mut self) -> bool {
        if std::mem::replace(&mut self.is_actor_gone, true) {
            return false;
        }
        self.events.push_back(GroupEvent::Lost(LostReason::SessionExpired));
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
                // An assignment that was never reported needs no revocation.
                let was_reported = self.phase == Phase::Member;
                self.phase = Phase::JoinDue;
                let mut partitions = shared.partitions.borrow_mut();
                partitions.begin_revocation();
                let revoked = partitions.names();
                (was_reported && !revoked.is_empty()).then_some(Next::Report(Rebalance::Revoked(revoked)))
            }
            GroupEvent::Lost(_) => {
                // Also after `Revoked` was reported: then the user learns that it is too late for a commit.
                let was_reported = matches!(self.phase, Phase::Member | Phase::JoinDue);
                self.phase = Phase::JoinDue;
                let mut partitions = shared.partitions.borrow_mut();
                let lost = partitions.names();
                partitions.clear();
                (was_reported && !lost.is_empty()).then_some(Next::Report(Rebalance::Lost(lost)))
            }
            GroupEvent::Assigned { assignment, .. } => match Assignment::decode(&assignment) {
                Ok(assignment) => {
                    self.take_over(&assignment.partitions, shared);
                    None
                }
                Err(error) => Some(Next::Fail(error)),
            },
            GroupEvent::Failed(error) => {
                let is_fenced = error.code() == Some(ErrorCode::FENCED_INSTANCE_ID);
                self.phase = if is_fenced { Phase::Outside } else { Phase::JoinDue };
                Some(Next::Fail(error))
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
        shared.partitions.borrow_mut().assign(assigned, Need::Committed, &shared.config);
        shared.wake_all();
    }

    fn protocols(&self, shared: &Shared) -> Result<Vec<ProtocolMetadata>, Error> {
        let metadata = Subscription::new(self.topics.iter().cloned()).encode()?;
        let named = shared.config.assignors.iter().map(|assignor| ProtocolMetadata {
            name: assignor.name().to_owned(),
            metadata: metadata.clone(),
        });
        Ok(named.collect())
    }
}
