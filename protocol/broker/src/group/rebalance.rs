//! The way of a group from one generation to the next: who takes part, who leads, who is left behind.

use std::time::Duration;

use bytes::Bytes;
use indexmap::IndexMap;
use protocol::ErrorCode;
use protocol::wire::messages::StrBytes;
use tokio::time::Instant;

use super::classic::FirstRebalance;
use super::{Group, GroupState, Joined, JoinedMember, Member, Outcome, Replies, Synced};

impl Group {
    /// Starts a rebalance, or goes on with the one under way.
    pub(super) fn rebalance(&mut self, now: Instant, replies: &mut Replies) {
        match self.state {
            GroupState::PreparingRebalance => self.complete_join_if_all_are_here(now, replies),
            GroupState::Empty => {
                let limit = self.rebalance_timeout();
                let delay = self.initial_delay.min(limit);
                self.state = GroupState::PreparingRebalance;
                self.phase_ends_at = Some(now + delay);
                self.first_rebalance =
                    Some(FirstRebalance { latest_end: now + limit, member_was_added: false });
            }
            GroupState::CompletingRebalance | GroupState::Stable => {
                for member in self.members.values_mut() {
                    if let Some(waiter) = member.awaiting_sync.take() {
                        replies.push((waiter, Outcome::Sync(Err(ErrorCode::REBALANCE_IN_PROGRESS))));
                        member.touch(now);
                    }
                }
                self.state = GroupState::PreparingRebalance;
                self.phase_ends_at = Some(now + self.rebalance_timeout());
                self.complete_join_if_all_are_here(now, replies);
            }
        }
    }

    pub(super) fn complete_join_if_all_are_here(&mut self, now: Instant, replies: &mut Replies) {
        let is_waiting = self.state == GroupState::PreparingRebalance && self.first_rebalance.is_none();
        if is_waiting && self.pending.is_empty() && self.members.values().all(|m| m.awaiting_join.is_some()) {
            self.complete_join(now, replies);
        }
    }

    pub(super) fn end_phase_if_due(&mut self, now: Instant, replies: &mut Replies) {
        if self.phase_ends_at.is_none_or(|at| at > now) {
            return;
        }
        if self.state == GroupState::PreparingRebalance {
            match &mut self.first_rebalance {
                Some(first) if first.member_was_added && now < first.latest_end => {
                    first.member_was_added = false;
                    self.phase_ends_at = Some((now + self.initial_delay).min(first.latest_end));
                }
                _ => self.complete_join(now, replies),
            }
            return;
        }
        // CompletingRebalance: who has not synced by now is taken for dead.
        self.phase_ends_at = None;
        let late: Vec<StrBytes> =
            self.members.values().filter(|member| member.owes_sync).map(|member| member.id.clone()).collect();
        for id in &late {
            tracing::info!(member = %id, "group member did not sync in time");
            self.remove(id, replies);
        }
        if !late.is_empty() {
            self.rebalance(now, replies);
        }
    }

    /// Whoever has joined by now forms the next generation.
    fn complete_join(&mut self, now: Instant, replies: &mut Replies) {
        self.first_rebalance = None;
        // Static members keep their place until their session ends.
        self.members.retain(|_, member| member.awaiting_join.is_some() || member.instance_id.is_some());
        let has_joined =
            |id: &StrBytes| self.members.get(id).is_some_and(|member| member.awaiting_join.is_some());
        if !self.leader.as_ref().is_some_and(has_joined) {
            let successor = self.members.values().find(|member| member.awaiting_join.is_some());
            if successor.is_none() && !self.members.is_empty() {
                self.phase_ends_at = Some(now + self.rebalance_timeout());
                return;
            }
            self.leader = successor.map(|member| member.id.clone());
        }
        self.generation = self.generation.wrapping_add(1).max(1);
        self.protocol = self.select_protocol();
        if self.members.is_empty() {
            self.state = GroupState::Empty;
            self.phase_ends_at = None;
            return;
        }
        self.state = GroupState::CompletingRebalance;
        self.phase_ends_at = Some(now + self.rebalance_timeout());
        let ids: Vec<StrBytes> = self.members.keys().cloned().collect();
        for id in ids {
            let answer = self.joined(&id);
            if let Some(member) = self.members.get_mut(&id) {
                member.assignment = Bytes::new();
                member.owes_sync = true;
                if let Some(waiter) = member.awaiting_join.take() {
                    replies.push((waiter, Outcome::Join(Ok(answer))));
                }
                member.touch(now);
            }
        }
    }

    pub(super) fn assign(&mut self, assignments: Vec<(StrBytes, Bytes)>) {
        for (id, assignment) in assignments {
            if let Some(member) = self.members.get_mut(&id) {
                member.assignment = assignment;
            }
        }
        self.state = GroupState::Stable;
        // Members that still owe their sync keep the time that they have.
        if self.members.values().all(|member| !member.owes_sync) {
            self.phase_ends_at = None;
        }
    }

    pub(super) fn answer_syncs(&mut self, now: Instant, replies: &mut Replies) {
        for member in self.members.values_mut() {
            if let Some(waiter) = member.awaiting_sync.take() {
                let synced = Synced {
                    protocol_type: self.protocol_type.clone(),
                    protocol: self.protocol.clone(),
                    assignment: member.assignment.clone(),
                };
                replies.push((waiter, Outcome::Sync(Ok(synced))));
                member.touch(now);
            }
        }
        if self.members.values().all(|member| !member.owes_sync) {
            self.phase_ends_at = None;
        }
    }

    pub(super) fn joined(&self, id: &StrBytes) -> Joined {
        let leader = self.leader.clone().unwrap_or_default();
        let protocol = self.protocol.clone().unwrap_or_default();
        let members = if leader == *id {
            let seen_by_leader = |member: &Member| JoinedMember {
                member_id: member.id.clone(),
                instance_id: member.instance_id.clone(),
                metadata: member.metadata(&protocol),
            };
            self.members.values().map(seen_by_leader).collect()
        } else {
            Vec::new()
        };
        Joined {
            generation: self.generation,
            protocol_type: self.protocol_type.clone(),
            protocol: self.protocol.clone(),
            leader,
            member_id: id.clone(),
            members,
            skip_assignment: false,
        }
    }

    /// Each member votes for the first of its protocols that all support; most votes win.
    pub(super) fn select_protocol(&self) -> Option<StrBytes> {
        let mut votes: IndexMap<&StrBytes, usize> = IndexMap::new();
        for member in self.members.values() {
            let is_candidate = |name: &StrBytes| self.members.values().all(|other| other.supports(name));
            let choice = member.protocols.iter().map(|(name, _)| name).find(|name| is_candidate(name));
            *votes.entry(choice?).or_default() += 1;
        }
        // The first one with the most votes, so that equal counts fall the same way each time.
        votes
            .into_iter()
            .reduce(|best, next| if next.1 > best.1 { next } else { best })
            .map(|(name, _)| name.clone())
    }

    fn rebalance_timeout(&self) -> Duration {
        self.members.values().map(|member| member.rebalance_timeout).max().unwrap_or_default()
    }
}
