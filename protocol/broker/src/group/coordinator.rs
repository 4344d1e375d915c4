//! All groups of the broker: finds them, feeds them events and time, and delivers their answers to waiting requests.

use std::collections::HashMap;
use std::time::Duration;

use protocol::ErrorCode;
use protocol::wire::messages::{GroupId, StrBytes, TopicName};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Group, GroupOffsets, JoinEvent, JoinFailure, Outcome, Replies, SyncEvent, WaiterId};

/// Limits of groups and their timeouts.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub(crate) group_count_max: usize,
    pub(crate) member_count_max: usize,
    pub(crate) offset_count_max: usize,
    pub(crate) initial_rebalance_delay: Duration,
    pub(crate) session_timeout_min: Duration,
    pub(crate) session_timeout_max: Duration,
}

/// Every group that has members or offsets.
#[derive(Debug)]
pub(crate) struct Coordinator {
    groups: HashMap<GroupId, Entry>,
    waiters: HashMap<WaiterId, oneshot::Sender<Outcome>>,
    next_waiter: WaiterId,
    limits: Limits,
}

/// One group with its offsets.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) group: Group,
    pub(crate) offsets: GroupOffsets,
}

impl Coordinator {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { groups: HashMap::new(), waiters: HashMap::new(), next_waiter: 0, limits }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn get(&self, id: &GroupId) -> Option<&Entry> {
        self.groups.get(id)
    }

    pub(crate) fn get_mut(&mut self, id: &GroupId) -> Option<&mut Entry> {
        self.groups.get_mut(id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&GroupId, &Entry)> {
        self.groups.iter()
    }

    /// The group, made if need be.
    pub(crate) fn get_or_create(&mut self, id: &GroupId) -> Result<&mut Entry, ErrorCode> {
        if !self.groups.contains_key(id) {
            if self.groups.len() >= self.limits.group_count_max {
                // Groups that were only looked at, or were left without a trace, make room first.
                self.groups.retain(|_, entry| !entry.group.is_vacant() || entry.offsets.count() > 0);
            }
            if self.groups.len() >= self.limits.group_count_max {
                tracing::warn!(group = %id.0, group_count_max = self.limits.group_count_max, "refused a new group");
                return Err(ErrorCode::GROUP_MAX_SIZE_REACHED);
            }
            let group = Group::new(self.limits.initial_rebalance_delay, self.limits.member_count_max);
            let entry = Entry { group, offsets: GroupOffsets::default() };
            self.groups.insert(GroupId(crate::text::detached(&id.0)), entry);
        }
        self.groups.get_mut(id).ok_or(ErrorCode::COORDINATOR_NOT_AVAILABLE)
    }

    /// Removes a group without members.
    pub(crate) fn delete(&mut self, id: &GroupId) -> Result<(), ErrorCode> {
        match self.groups.get(id) {
            None => Err(ErrorCode::GROUP_ID_NOT_FOUND),
            Some(entry) if !entry.group.is_vacant() => Err(ErrorCode::NON_EMPTY_GROUP),
            Some(_) => {
                self.groups.remove(id);
                Ok(())
            }
        }
    }

    /// Forgets what all groups committed for a deleted topic.
    pub(crate) fn topic_deleted(&mut self, topic: &TopicName) {
        for entry in self.groups.values_mut() {
            entry.offsets.remove_topic(topic);
        }
    }

    /// Feeds a join; the answer comes through the receiver, maybe much later.
    pub(crate) fn join(
        &mut self,
        id: &GroupId,
        event: &JoinEvent,
        now: Instant,
    ) -> oneshot::Receiver<Outcome> {
        let (waiter, receiver) = self.new_waiter();
        let mut replies = Replies::new();
        match self.get_or_create(id) {
            Ok(entry) => entry.group.join(event, waiter, now, &mut replies),
            Err(code) => {
                let failure = JoinFailure { code, member_id: StrBytes::new() };
                replies.push((waiter, Outcome::Join(Err(failure))));
            }
        }
        self.deliver(replies);
        receiver
    }

    /// Feeds a sync; the answer comes through the receiver, maybe later.
    pub(crate) fn sync(
        &mut self,
        id: &GroupId,
        event: SyncEvent,
        now: Instant,
    ) -> oneshot::Receiver<Outcome> {
        let (waiter, receiver) = self.new_waiter();
        let mut replies = Replies::new();
        match self.groups.get_mut(id) {
            Some(entry) => entry.group.sync(event, waiter, now, &mut replies),
            None => replies.push((waiter, Outcome::Sync(Err(ErrorCode::UNKNOWN_MEMBER_ID)))),
        }
        self.deliver(replies);
        receiver
    }

    /// Feeds a leave.
    pub(crate) fn leave(
        &mut self,
        id: &GroupId,
        member_id: &StrBytes,
        instance_id: Option<&StrBytes>,
        now: Instant,
    ) -> Result<(), ErrorCode> {
        let entry = self.groups.get_mut(id).ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
        let mut replies = Replies::new();
        let result = entry.group.leave(member_id, instance_id, now, &mut replies);
        self.deliver(replies);
        result
    }

    /// When [`Coordinator::tick`] is due next.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.groups.values().filter_map(|entry| entry.group.next_deadline()).min()
    }

    /// Lets time pass in all groups that wait for it.
    pub(crate) fn tick(&mut self, now: Instant) {
        let mut replies = Replies::new();
        for entry in self.groups.values_mut() {
            if entry.group.next_deadline().is_some_and(|at| at <= now) {
                entry.group.tick(now, &mut replies);
            }
        }
        self.deliver(replies);
    }

    fn new_waiter(&mut self) -> (WaiterId, oneshot::Receiver<Outcome>) {
        // Requests whose connection is gone do not listen any more.
        if self.next_waiter.is_multiple_of(256) {
            self.waiters.retain(|_, sender| !sender.is_closed());
        }
        let (sender, receiver) = oneshot::channel();
        self.next_waiter += 1;
        self.waiters.insert(self.next_waiter, sender);
        (self.next_waiter, receiver)
    }

    fn deliver(&mut self, replies: Replies) {
        for (waiter, outcome) in replies {
            if let Some(sender) = self.waiters.remove(&waiter) {
                // The connection may be gone; the member then ends with its session.
                drop(sender.send(outcome));
            }
        }
    }
}
