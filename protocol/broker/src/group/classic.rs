//! The state machine of one classic group: members join, one of them assigns, all of them heartbeat.
//!
//! ```text
//!            join                 all joined, or time is up             leader synced
//!   Empty ─────────► PreparingRebalance ───────────► CompletingRebalance ─────────► Stable
//!     ▲                 ▲    │ nobody left               │ join, leave, expiry         │ join, leave, expiry
//!     └─────────────────┼────┘                           │                             │
//!                       └────────────────────────────────┴─────────────────────────────┘
//! ```
//!
//! Time comes in as a value; held-back requests are answered through [`Replies`].

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use indexmap::IndexMap;
use protocol::ErrorCode;
use protocol::wire::messages::StrBytes;
use tokio::time::Instant;

use super::{JoinEvent, JoinFailure, Joined, JoinedMember, Member, Outcome, Replies, Synced, WaiterId};

/// How long a first join may be held back before the member counts as gone (Kafka's `NEW_MEMBER_JOIN_TIMEOUT_MS`).
const NEW_MEMBER_JOIN_TIMEOUT: Duration = Duration::from_mins(5);

/// Where a group stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GroupState {
    Empty,
    PreparingRebalance,
    CompletingRebalance,
    Stable,
}

impl GroupState {
    /// The name as it goes over the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
        }
    }
}

/// A classic group.
#[derive(Debug)]
pub(crate) struct Group {
    state: GroupState,
    generation: i32,
    protocol_type: Option<StrBytes>,
    protocol: Option<StrBytes>,
    leader: Option<StrBytes>,
    members: IndexMap<StrBytes, Member>,
    /// Instance ids of static members (KIP-345), and the member ids that they have now.
    instances: HashMap<StrBytes, StrBytes>,
    /// Ids given out with `MEMBER_ID_REQUIRED` that have not come back yet, and when they lapse.
    pending: HashMap<StrBytes, Instant>,
    /// The end of `PreparingRebalance` or `CompletingRebalance` at the latest.
    phase_ends_at: Option<Instant>,
    /// The first rebalance of an empty group, which waits for its delay and not for its members.
    first_rebalance: Option<FirstRebalance>,
    initial_delay: Duration,
    member_count_max: usize,
}

#[derive(Debug)]
struct FirstRebalance {
    latest_end: Instant,
    member_was_added: bool,
}

/// A `SyncGroup` request as the state machine sees it.
#[derive(Debug, Clone)]
pub(crate) struct SyncEvent {
    pub(crate) member_id: StrBytes,
    pub(crate) instance_id: Option<StrBytes>,
    pub(crate) generation: i32,
    pub(crate) protocol_type: Option<StrBytes>,
    pub(crate) protocol: Option<StrBytes>,
    pub(crate) assignments: Vec<(StrBytes, Bytes)>,
}

impl Group {
    pub(crate) fn new(initial_delay: Duration, member_count_max: usize) -> Self {
        Self {
            state: GroupState::Empty,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: IndexMap::new(),
            instances: HashMap::new(),
            pending: HashMap::new(),
            phase_ends_at: None,
            first_rebalance: None,
            initial_delay,
            member_count_max,
        }
    }

    pub(crate) fn state(&self) -> GroupState {
        self.state
    }

    pub(crate) fn protocol_type(&self) -> Option<&StrBytes> {
        self.protocol_type.as_ref()
    }

    pub(crate) fn protocol(&self) -> Option<&StrBytes> {
        self.protocol.as_ref()
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// Nobody is in it or on the way into it.
    pub(crate) fn is_vacant(&self) -> bool {
        self.members.is_empty() && self.pending.is_empty()
    }

    /// A member wants in, or wants to take part in the next generation.
    pub(crate) fn join(&mut self, event: &JoinEvent, waiter: WaiterId, now: Instant, replies: &mut Replies) {
        if let Err(code) = self.try_join(event, waiter, now, replies) {
            let member_id = match code {
                ErrorCode::MEMBER_ID_REQUIRED => event.fresh_member_id.clone(),
                _ => event.member_id.clone(),
            };
            replies.push((waiter, Outcome::Join(Err(JoinFailure { code, member_id }))));
        }
        // A delay of zero ends here and not at the next tick.
        self.end_phase_if_due(now, replies);
    }

    /// The leader brings the assignment, or a follower asks for its part.
    pub(crate) fn sync(&mut self, event: SyncEvent, waiter: WaiterId, now: Instant, replies: &mut Replies) {
        let mismatch = |asked: &Option<StrBytes>, ours: &Option<StrBytes>| asked.is_some() && asked != ours;
        let refused = match self.check_member(&event.member_id, event.instance_id.as_ref(), event.generation)
        {
            Err(code) => Some(code),
            Ok(()) if mismatch(&event.protocol_type, &self.protocol_type) => {
                Some(ErrorCode::INCONSISTENT_GROUP_PROTOCOL)
            }
            Ok(()) if mismatch(&event.protocol, &self.protocol) => {
                Some(ErrorCode::INCONSISTENT_GROUP_PROTOCOL)
            }
            Ok(()) => match self.state {
                GroupState::Empty => Some(ErrorCode::UNKNOWN_MEMBER_ID),
                GroupState::PreparingRebalance => Some(ErrorCode::REBALANCE_IN_PROGRESS),
                GroupState::CompletingRebalance | GroupState::Stable => None,
            },
        };
        if let Some(code) = refused {
            return replies.push((waiter, Outcome::Sync(Err(code))));
        }
        let is_leader = self.leader.as_ref() == Some(&event.member_id);
        if let Some(member) = self.members.get_mut(&event.member_id) {
            member.owes_sync = false;
            if let Some(replaced) = member.awaiting_sync.replace(waiter) {
                replies.push((replaced, Outcome::Sync(Err(ErrorCode::REBALANCE_IN_PROGRESS))));
            }
            member.expires_at = None;
        }
        if self.state == GroupState::CompletingRebalance && is_leader {
            self.assign(event.assignments);
        }
        if self.state == GroupState::Stable {
            self.answer_syncs(now, replies);
        }
    }

    /// A sign of life.
    pub(crate) fn heartbeat(
        &mut self,
        member_id: &StrBytes,
        instance_id: Option<&StrBytes>,
        generation: i32,
        now: Instant,
    ) -> Result<(), ErrorCode> {
        self.check_member(member_id, instance_id, generation)?;
        self.touch(member_id, now);
        match self.state {
            GroupState::Empty => Err(ErrorCode::UNKNOWN_MEMBER_ID),
            GroupState::PreparingRebalance => Err(ErrorCode::REBALANCE_IN_PROGRESS),
            GroupState::CompletingRebalance | GroupState::Stable => Ok(()),
        }
    }

    /// A member goes. A static member may be named by its instance id alone.
    pub(crate) fn leave(
        &mut self,
        member_id: &StrBytes,
        instance_id: Option<&StrBytes>,
        now: Instant,
        replies: &mut Replies,
    ) -> Result<(), ErrorCode> {
        let id = match instance_id {
            Some(instance) => {
                let known = self.instances.get(instance).ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
                if !member_id.is_empty() && known != member_id {
                    return Err(ErrorCode::FENCED_INSTANCE_ID);
                }
                known.clone()
            }
            None => member_id.clone(),
        };
        if self.pending.remove(&id).is_some() {
            self.complete_join_if_all_are_here(now, replies);
            return Ok(());
        }
        if !self.members.contains_key(&id) {
            return Err(ErrorCode::UNKNOWN_MEMBER_ID);
        }
        self.remove(&id, replies);
        self.rebalance(now, replies);
        Ok(())
    }

    /// Whether offsets may be committed under these credentials; counts as a sign of life.
    pub(crate) fn check_commit(
        &mut self,
        member_id: &StrBytes,
        instance_id: Option<&StrBytes>,
        generation: i32,
        now: Instant,
    ) -> Result<(), ErrorCode> {
        // A consumer without group management commits to a group without members.
        if generation < 0 && self.state == GroupState::Empty {
            return Ok(());
        }
        if generation >= 0 || !member_id.is_empty() || instance_id.is_some() {
            self.check_member(member_id, instance_id, generation)?;
        } else {
            return Err(ErrorCode::UNKNOWN_MEMBER_ID);
        }
        self.touch(member_id, now);
        match self.state {
            GroupState::CompletingRebalance => Err(ErrorCode::REBALANCE_IN_PROGRESS),
            _ => Ok(()),
        }
    }

    /// When [`Group::tick`] is due next.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let sessions = self.members.values().filter_map(|member| member.expires_at);
        sessions.chain(self.pending.values().copied()).chain(self.phase_ends_at).min()
    }

    /// Time has passed: drops who did not show up, ends phases that are over.
    pub(crate) fn tick(&mut self, now: Instant, replies: &mut Replies) {
        self.pending.retain(|_, lapses_at| *lapses_at > now);
        let is_gone = |member: &&Member| member.expires_at.is_some_and(|at| at <= now);
        let gone: Vec<StrBytes> =
            self.members.values().filter(is_gone).map(|member| member.id.clone()).collect();
        for id in &gone {
            tracing::info!(member = %id, "group member expired");
            self.remove(id, replies);
        }
        if gone.is_empty() {
            self.complete_join_if_all_are_here(now, replies);
        } else {
            self.rebalance(now, replies);
        }
        self.end_phase_if_due(now, replies);
    }

    fn try_join(
        &mut self,
        event: &JoinEvent,
        waiter: WaiterId,
        now: Instant,
        replies: &mut Replies,
    ) -> Result<(), ErrorCode> {
        if !self.accepts_protocols(event) {
            return Err(ErrorCode::INCONSISTENT_GROUP_PROTOCOL);
        }
        if !event.member_id.is_empty() {
            return self.join_known(event, waiter, now, replies);
        }
        if let Some(instance) = &event.instance_id {
            match self.instances.get(instance).cloned() {
                Some(old_id) => self.replace_static(&old_id, event, waiter, now, replies),
                None => self.add_member(event.fresh_member_id.clone(), event, waiter, now, replies)?,
            }
            return Ok(());
        }
        if event.requires_known_member_id {
            self.check_room()?;
            self.pending.insert(event.fresh_member_id.clone(), now + event.session_timeout);
            return Err(ErrorCode::MEMBER_ID_REQUIRED);
        }
        self.add_member(event.fresh_member_id.clone(), event, waiter, now, replies)
    }

    fn join_known(
        &mut self,
        event: &JoinEvent,
        waiter: WaiterId,
        now: Instant,
        replies: &mut Replies,
    ) -> Result<(), ErrorCode> {
        let id = &event.member_id;
        if event.instance_id.is_none() && self.pending.remove(id).is_some() {
            return self.add_member(id.clone(), event, waiter, now, replies);
        }
        self.check_identity(id, event.instance_id.as_ref())?;
        let is_leader = self.leader.as_ref() == Some(id);
        let is_unchanged = self.members.get(id).is_some_and(|member| member.protocols == event.protocols);
        match self.state {
            GroupState::Empty => return Err(ErrorCode::UNKNOWN_MEMBER_ID),
            // The answer was lost, or the member asks again: it hears about the current generation.
            GroupState::CompletingRebalance if is_unchanged => self.answer_current(id, waiter, now, replies),
            GroupState::Stable if is_unchanged && !is_leader => self.answer_current(id, waiter, now, replies),
            GroupState::PreparingRebalance | GroupState::CompletingRebalance | GroupState::Stable => {
                if let Some(member) = self.members.get_mut(id) {
                    member.update(event);
                    member.expires_at = None;
                    if let Some(replaced) = member.awaiting_join.replace(waiter) {
                        replies.push((replaced, join_failed(ErrorCode::UNKNOWN_MEMBER_ID, id)));
                    }
                }
                self.rebalance(now, replies);
            }
        }
        Ok(())
    }

    fn add_member(
        &mut self,
        id: StrBytes,
        event: &JoinEvent,
        waiter: WaiterId,
        now: Instant,
        replies: &mut Replies,
    ) -> Result<(), ErrorCode> {
        self.check_room()?;
        if self.members.is_empty() {
            self.protocol_type = Some(event.protocol_type.clone());
        }
        let mut member = Member::new(id.clone(), event);
        member.awaiting_join = Some(waiter);
        member.expires_at = Some(now + NEW_MEMBER_JOIN_TIMEOUT);
        if let Some(instance) = &event.instance_id {
            self.instances.insert(instance.clone(), id.clone());
        }
        self.leader.get_or_insert_with(|| id.clone());
        self.members.insert(id, member);
        if let Some(first) = &mut self.first_rebalance {
            first.member_was_added = true;
        }
        self.rebalance(now, replies);
        Ok(())
    }

    /// A static member came back without its member id: it takes the place of its former self.
    fn replace_static(
        &mut self,
        old_id: &StrBytes,
        event: &JoinEvent,
        waiter: WaiterId,
        now: Instant,
        replies: &mut Replies,
    ) {
        let Some((index, _, mut member)) = self.members.shift_remove_full(old_id) else {
            return;
        };
        if let Some(fenced) = member.awaiting_join.take() {
            replies.push((fenced, join_failed(ErrorCode::FENCED_INSTANCE_ID, old_id)));
        }
        if let Some(fenced) = member.awaiting_sync.take() {
            replies.push((fenced, Outcome::Sync(Err(ErrorCode::FENCED_INSTANCE_ID))));
        }
        let new_id = event.fresh_member_id.clone();
        member.id = new_id.clone();
        member.update(event);
        member.expires_at = None;
        member.touch(now);
        self.members.shift_insert(index, new_id.clone(), member);
        if let Some(instance) = &event.instance_id {
            self.instances.insert(instance.clone(), new_id.clone());
        }
        let was_leader = self.leader.as_ref() == Some(old_id);
        if was_leader {
            self.leader = Some(new_id.clone());
        }
        if self.state == GroupState::Stable && self.select_protocol() == self.protocol {
            // Nothing changes for anybody, so nobody is disturbed.
            let mut joined = self.joined(&new_id);
            if was_leader && event.supports_skipping_assignment {
                joined.skip_assignment = true;
            } else if was_leader {
                // An older client would assign anew if it learnt that it leads.
                joined.leader = old_id.clone();
                joined.members.clear();
            }
            return replies.push((waiter, Outcome::Join(Ok(joined))));
        }
        if let Some(member) = self.members.get_mut(&new_id) {
            member.awaiting_join = Some(waiter);
            member.expires_at = None;
        }
        self.rebalance(now, replies);
    }

    /// Starts a rebalance, or goes on with the one under way.
    fn rebalance(&mut self, now: Instant, replies: &mut Replies) {
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

    fn complete_join_if_all_are_here(&mut self, now: Instant, replies: &mut Replies) {
        let is_waiting = self.state == GroupState::PreparingRebalance && self.first_rebalance.is_none();
        if is_waiting && self.pending.is_empty() && self.members.values().all(|m| m.awaiting_join.is_some()) {
            self.complete_join(now, replies);
        }
    }

    fn end_phase_if_due(&mut self, now: Instant, replies: &mut Replies) {
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

    fn assign(&mut self, assignments: Vec<(StrBytes, Bytes)>) {
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

    fn answer_syncs(&mut self, now: Instant, replies: &mut Replies) {
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

    fn answer_current(&mut self, id: &StrBytes, waiter: WaiterId, now: Instant, replies: &mut Replies) {
        self.touch(id, now);
        replies.push((waiter, Outcome::Join(Ok(self.joined(id)))));
    }

    fn joined(&self, id: &StrBytes) -> Joined {
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

    fn remove(&mut self, id: &StrBytes, replies: &mut Replies) {
        let Some(member) = self.members.shift_remove(id) else {
            return;
        };
        if let Some(instance) = &member.instance_id {
            self.instances.remove(instance);
        }
        if let Some(waiter) = member.awaiting_join {
            replies.push((waiter, join_failed(ErrorCode::UNKNOWN_MEMBER_ID, id)));
        }
        if let Some(waiter) = member.awaiting_sync {
            replies.push((waiter, Outcome::Sync(Err(ErrorCode::UNKNOWN_MEMBER_ID))));
        }
        if self.leader.as_ref() == Some(id) {
            self.leader = self.members.keys().next().cloned();
        }
    }

    fn touch(&mut self, id: &StrBytes, now: Instant) {
        if let Some(member) = self.members.get_mut(id) {
            member.touch(now);
        }
    }

    fn check_member(
        &self,
        id: &StrBytes,
        instance: Option<&StrBytes>,
        generation: i32,
    ) -> Result<(), ErrorCode> {
        self.check_identity(id, instance)?;
        if generation == self.generation { Ok(()) } else { Err(ErrorCode::ILLEGAL_GENERATION) }
    }

    fn check_identity(&self, id: &StrBytes, instance: Option<&StrBytes>) -> Result<(), ErrorCode> {
        if let Some(instance) = instance {
            match self.instances.get(instance) {
                None => return Err(ErrorCode::UNKNOWN_MEMBER_ID),
                Some(current) if current != id => return Err(ErrorCode::FENCED_INSTANCE_ID),
                Some(_) => {}
            }
        }
        if self.members.contains_key(id) { Ok(()) } else { Err(ErrorCode::UNKNOWN_MEMBER_ID) }
    }

    fn check_room(&self) -> Result<(), ErrorCode> {
        let is_full = self.members.len() + self.pending.len() >= self.member_count_max;
        if is_full { Err(ErrorCode::GROUP_MAX_SIZE_REACHED) } else { Ok(()) }
    }

    /// Whether the member shares the group's protocol type, and a protocol with all other members.
    fn accepts_protocols(&self, event: &JoinEvent) -> bool {
        if event.protocol_type.is_empty() || event.protocols.is_empty() {
            return false;
        }
        let mut others = self.members.values().filter(|member| member.id != event.member_id).peekable();
        if others.peek().is_none() {
            return self.members.is_empty() || self.protocol_type.as_ref() == Some(&event.protocol_type);
        }
        if self.protocol_type.as_ref() != Some(&event.protocol_type) {
            return false;
        }
        let others: Vec<&Member> = others.collect();
        event.protocols.iter().any(|(name, _)| others.iter().all(|member| member.supports(name)))
    }

    /// Each member votes for the first of its protocols that all support; most votes win.
    fn select_protocol(&self) -> Option<StrBytes> {
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

fn join_failed(code: ErrorCode, member_id: &StrBytes) -> Outcome {
    Outcome::Join(Err(JoinFailure { code, member_id: member_id.clone() }))
}
