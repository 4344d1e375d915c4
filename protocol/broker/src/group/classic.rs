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

use super::{JoinEvent, JoinFailure, Member, Outcome, Replies, WaiterId};

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
    pub(super) state: GroupState,
    pub(super) generation: i32,
    pub(super) protocol_type: Option<StrBytes>,
    pub(super) protocol: Option<StrBytes>,
    pub(super) leader: Option<StrBytes>,
    pub(super) members: IndexMap<StrBytes, Member>,
    /// Instance ids of static members (KIP-345), and the member ids that they have now.
    pub(super) instances: HashMap<StrBytes, StrBytes>,
    /// Ids given out with `MEMBER_ID_REQUIRED` that have not come back yet, and when they lapse.
    pub(super) pending: HashMap<StrBytes, Instant>,
    /// The end of `PreparingRebalance` or `CompletingRebalance` at the latest.
    pub(super) phase_ends_at: Option<Instant>,
    /// The first rebalance of an empty group, which waits for its delay and not for its members.
    pub(super) first_rebalance: Option<FirstRebalance>,
    pub(super) initial_delay: Duration,
    pub(super) member_count_max: usize,
}

#[derive(Debug)]
pub(super) struct FirstRebalance {
    pub(super) latest_end: Instant,
    pub(super) member_was_added: bool,
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
        is_transactional: bool,
        now: Instant,
    ) -> Result<(), ErrorCode> {
        // A consumer without group management commits to a group without members.
        if generation < 0 && self.state == GroupState::Empty {
            return Ok(());
        }
        if generation >= 0 || !member_id.is_empty() || instance_id.is_some() {
            self.check_member(member_id, instance_id, generation)?;
        } else if !is_transactional {
            // Transactional producers before KIP-447 do not say whom they commit for.
            return Err(ErrorCode::UNKNOWN_MEMBER_ID);
        }
        self.touch(member_id, now);
        match self.state {
            GroupState::CompletingRebalance if !is_transactional => Err(ErrorCode::REBALANCE_IN_PROGRESS),
            _ => Ok(()),
        }
    }

    /// When [`Group::tick`] is due next.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let sessions = self.members.values().filter_map(|member| member.expires_at);
        sessions.chain(self.pending.values().copied()).chain(self.phase_ends_at).min()
    }

    /// The coordinator has come back, or is another one: everybody has the whole session to find it.
    pub(crate) fn renew_sessions(&mut self, now: Instant) {
        self.members.values_mut().for_each(|member| member.touch(now));
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

    fn answer_current(&mut self, id: &StrBytes, waiter: WaiterId, now: Instant, replies: &mut Replies) {
        self.touch(id, now);
        replies.push((waiter, Outcome::Join(Ok(self.joined(id)))));
    }

    pub(super) fn remove(&mut self, id: &StrBytes, replies: &mut Replies) {
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

    pub(super) fn touch(&mut self, id: &StrBytes, now: Instant) {
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
}

fn join_failed(code: ErrorCode, member_id: &StrBytes) -> Outcome {
    Outcome::Join(Err(JoinFailure { code, member_id: member_id.clone() }))
}
