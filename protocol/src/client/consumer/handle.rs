//! The consumer's public face.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

use super::membership::{Flow, Next};
use super::metrics::Polling;
use super::partitions::{Need, Taken};
use super::shared::{Pattern, Shared};
use super::{ConsumerConfig, OffsetReset, Polled};
use super::{background, membership};
use crate::client::admin::{Admin, OffsetSpec};
use crate::client::group::{ConsumerGroupProtocol, Group, GroupEvent, LeaveSwitch};
use crate::client::{OffsetAndMetadata, TopicPartition};
use crate::cluster::Cluster;
use crate::metrics::Elapsed;
use crate::{Error, ErrorKind};

/// What a wait that no clock can hold amounts to.
const FOREVER: Duration = Duration::from_hours(24 * 365);

/// Reads partitions, as a member of a group or assigned by hand. Lives on one thread: create and use it inside a `LocalSet`.
///
/// When dropped it stops fetching and leaves its group in the background; [`close`](Self::close) waits for that.
pub struct Consumer {
    pub(super) shared: Rc<Shared>,
    flow: RefCell<Flow>,
    group_events: Option<RefCell<UnboundedReceiver<GroupEvent>>>,
    tasks: Vec<AbortHandle>,
}

impl Consumer {
    /// A consumer of what `cluster` has. With a `group_id` its membership runs on `env.control` with connections of its own.
    pub fn new(cluster: Cluster, config: ConsumerConfig) -> Self {
        let (group, group_events) = config
            .group_id
            .as_deref()
            .map(|group_id| {
                let (env, cluster_config) = (cluster.env().clone(), cluster.config().clone());
                Group::spawn(env, cluster_config, config.group(group_id), || {
                    Box::new(ConsumerGroupProtocol::default())
                })
            })
            .unzip();
        let shared = Rc::new(Shared::new(cluster, config, group));
        let tasks = vec![
            tokio::task::spawn_local(background::supervise(Rc::clone(&shared))).abort_handle(),
            tokio::task::spawn_local(background::resolve_committed(Rc::clone(&shared))).abort_handle(),
            tokio::task::spawn_local(background::watch_pattern(Rc::clone(&shared))).abort_handle(),
        ];
        Self { shared, flow: RefCell::new(Flow::new()), group_events: group_events.map(RefCell::new), tasks }
    }

    /// See [`Group::leave_switch`]; `None` without a group.
    pub fn leave_switch(&self) -> Option<LeaveSwitch> {
        self.shared.group.as_ref().map(Group::leave_switch)
    }

    /// Reads exactly these partitions, without group management. Those that were assigned before go on where they are; the others
    /// begin at the committed offset (with a `group_id`), else as `auto.offset.reset` says.
    pub fn assign(&self, partitions: Vec<TopicPartition>) {
        if self.flow.borrow().phase != membership::Phase::Outside {
            self.shared.report(Error::config("assign partitions", "the consumer is subscribed to topics"));
            return;
        }
        let need = match (&self.shared.group, self.shared.config.auto_offset_reset) {
            (Some(_), _) => Need::Committed,
            (None, OffsetReset::None) => Need::Seek,
            (None, reset) => Need::Reset(reset),
        };
        self.shared.cluster.note_interest(partitions.iter().map(|tp| &*tp.topic));
        self.shared.partitions.borrow_mut().assign(&partitions, need, false, &self.shared.config);
        self.shared.forget_topics();
        self.shared.wake_all();
    }

    /// Becomes a member of the group and reads what it is assigned. The next [`poll`](Self::poll) joins. An empty list is allowed: such a
    /// member gets nothing.
    pub fn subscribe(&self, topics: Vec<String>) {
        if self.shared.group.is_none() {
            self.shared.report(Error::config("subscribe to topics", "group.id is not set"));
            return;
        }
        *self.shared.pattern.borrow_mut() = Pattern::default();
        let topics = topics.iter().map(|topic| Arc::from(topic.as_str())).collect();
        self.flow.borrow_mut().subscribe(topics);
        self.shared.user.notify_one();
    }

    /// As [`subscribe`](Self::subscribe), to every topic whose name `is_wanted` (a regular expression, for example), but for Kafka's
    /// internal ones while `exclude_internal_topics` is on. Topics that come and go later are noticed within `metadata.max.age.ms`, and lead to a rebalance.
    pub fn subscribe_matching(&self, is_wanted: impl Fn(&str) -> bool + 'static) {
        if self.shared.group.is_none() {
            self.shared.report(Error::config("subscribe to topics", "group.id is not set"));
            return;
        }
        *self.shared.pattern.borrow_mut() = Pattern::new(Rc::new(is_wanted));
        self.shared.pattern_changed.notify_one();
    }

    /// Waits up to `wait` for data or a group event, and says that the user is alive. After [`Rebalance::Revoked`](super::Rebalance)
    /// the partitions stay the member's until the next call.
    ///
    /// Cancel safe: nothing that was taken is lost when the future is dropped.
    ///
    /// # Errors
    /// What the user has to know or do: `Config` where there is no start position; with `auto.offset.reset=none` `OFFSET_OUT_OF_RANGE`,
    /// also where the log was truncated, and `UNKNOWN_TOPIC_ID` where the topic was recreated, after which the partition waits for a seek;
    /// missing permissions, damaged data, a group that refuses us. Everything else is retried silently. Polling again goes on; only
    /// after `FENCED_INSTANCE_ID` it takes another `subscribe`, or two members of one instance id would fence each other for ever.
    pub async fn poll(&self, wait: Duration) -> Result<Polled, Error> {
        let _alive = self.shared.group.as_ref().map(Group::poll_guard);
        let now = Instant::now();
        let _polling = Polling::begin(&self.shared.metrics, now);
        let deadline = now.checked_add(wait).unwrap_or(now + FOREVER);
        let mut is_last_look = false;
        loop {
            if let Some(error) = self.shared.take_error() {
                return Err(error);
            }
            self.collect_events();
            if let Some(found) = self.shared.pattern.borrow_mut().found.take() {
                self.flow.borrow_mut().subscribe(found);
            }
            let next = self.flow.borrow_mut().next(&self.shared);
            match (next, &self.shared.group) {
                (Next::Report(rebalance), _) => return Ok(Polled::Rebalance(rebalance)),
                (Next::Fail(error), _) => return Err(error),
                (Next::Join(protocols), Some(group)) => {
                    group.join(protocols).await?;
                    self.flow.borrow_mut().joined();
                    continue;
                }
                (Next::Rejoin, Some(group)) => {
                    group.request_rejoin("the subscription changed").await?;
                    self.flow.borrow_mut().is_rejoin_due = false;
                }
                (Next::Nothing | Next::Join(_) | Next::Rejoin, _) => {}
            }
            if let Some(polled) = self.take() {
                return Ok(polled);
            }
            let due = self.flow.borrow().due();
            let wake_at = due.map_or(deadline, |due| due.min(deadline));
            tokio::select! {
                () = self.shared.user.notified() => {}
                () = std::future::poll_fn(|cx| self.poll_group_event(cx)) => {}
                () = sleep_until(wake_at) => {
                    if wake_at == deadline && is_last_look {
                        return Ok(Polled::Idle);
                    }
                    if wake_at == deadline {
                        // Polls that do not wait must not starve the tasks that fetch.
                        is_last_look = true;
                        tokio::task::yield_now().await;
                    }
                }
            }
        }
    }

    /// The offset of the next record that a poll returns; None while it is not known, or where the partition is not assigned.
    pub fn position(&self, tp: &TopicPartition) -> Option<i64> {
        self.shared.partitions.borrow().map.get(tp).and_then(|partition| partition.position)
    }

    /// The end of what may be read of the partition (`isolation.level`), as the last answer of its leader had it; None before the first.
    pub fn end_offset(&self, tp: &TopicPartition) -> Option<i64> {
        self.shared.partitions.borrow().map.get(tp).and_then(|partition| partition.end_offset)
    }

    /// What to commit so that a successor goes on at [`position`](Self::position): with the leader epoch, by which it notices a log that
    /// was truncated meanwhile (KIP-320).
    pub fn committable(&self, tp: &TopicPartition) -> Option<OffsetAndMetadata> {
        let partitions = self.shared.partitions.borrow();
        let partition = partitions.map.get(tp)?;
        Some(OffsetAndMetadata {
            leader_epoch: partition.position_epoch,
            ..OffsetAndMetadata::new(partition.position?)
        })
    }

    /// The first offset at or after each time, in milliseconds since the epoch; None where nothing is that young. In order;
    /// each partition once.
    ///
    /// # Errors
    /// What the brokers said until `default.api.timeout.ms` was over.
    pub async fn offsets_for_times(
        &self,
        times: &[(TopicPartition, i64)],
    ) -> Result<Vec<(TopicPartition, Option<i64>)>, Error> {
        let queries: Vec<_> = times
            .iter()
            .map(|(tp, at_ms)| (&*tp.topic, tp.partition, OffsetSpec::Timestamp(*at_ms)))
            .collect();
        let admin = Admin::new(self.shared.cluster.clone());
        let found = admin.list_offsets(&queries, self.shared.config.isolation_level).await;
        times.iter().zip(found).map(|((tp, _), found)| Ok((tp.clone(), found?.offset))).collect()
    }

    /// Goes on at `offset`; what was fetched ahead is dropped.
    ///
    /// # Errors
    /// `Config` where the partition is not assigned.
    pub fn seek(&self, tp: &TopicPartition, offset: i64) -> Result<(), Error> {
        let is_assigned = self.shared.partitions.borrow_mut().seek(tp, offset);
        self.sought(is_assigned, tp)
    }

    /// Goes on at the beginning, at the end, or at an age.
    ///
    /// # Errors
    /// `Config` where the partition is not assigned, or `reset` is `None`.
    pub fn seek_to(&self, tp: &TopicPartition, reset: OffsetReset) -> Result<(), Error> {
        if reset == OffsetReset::None {
            return Err(Error::config("seek", "none is no position"));
        }
        let is_assigned = self.shared.partitions.borrow_mut().reset(tp, reset);
        self.sought(is_assigned, tp)
    }

    /// Returns nothing of these partitions until [`resume`](Self::resume). Positions stay. Partitions that are not assigned are ignored:
    /// a rebalance may have taken them meanwhile.
    pub fn pause(&self, partitions: &[TopicPartition]) {
        self.shared.partitions.borrow_mut().set_paused(partitions, true);
        self.shared.wake_fetchers();
    }

    /// Undoes [`pause`](Self::pause).
    pub fn resume(&self, partitions: &[TopicPartition]) {
        self.shared.partitions.borrow_mut().set_paused(partitions, false);
        self.shared.user.notify_one();
        self.shared.wake_fetchers();
    }

    /// What is assigned now, in the order of the assignment.
    pub fn assignment(&self) -> Vec<TopicPartition> {
        self.shared.partitions.borrow().names()
    }

    /// How many positions were reset because their log did not go on from them; each was a [`Polled::Reset`].
    pub fn reset_count(&self) -> u64 {
        self.shared.partitions.borrow().reset_count
    }

    /// Bytes that were fetched but not taken.
    pub fn prefetched_bytes(&self) -> usize {
        self.shared.partitions.borrow().untaken_bytes()
    }

    /// Commits all offsets in one request, under the member's generation where it is one. Retried where that helps. When the future is
    /// dropped it is not sent again, so that it cannot undo a later commit.
    ///
    /// # Errors
    /// `Config` without a `group_id`; `REBALANCE_IN_PROGRESS`, `UNKNOWN_MEMBER_ID`, `ILLEGAL_GENERATION` or `FENCED_INSTANCE_ID` where the
    /// partitions are not the member's now; otherwise what the coordinator said last.
    pub async fn commit(&self, offsets: &[(TopicPartition, OffsetAndMetadata)]) -> Result<(), Error> {
        let _elapsed = Elapsed::start(&self.shared.metrics, |stats| &mut stats.commit);
        self.group("commit offsets")?.commit(offsets.to_vec()).await
    }

    /// What is committed for `partitions`; None where nothing is.
    ///
    /// # Errors
    /// `Config` without a `group_id`; otherwise what the coordinator said last.
    pub async fn committed(
        &self,
        partitions: &[TopicPartition],
    ) -> Result<Vec<(TopicPartition, Option<OffsetAndMetadata>)>, Error> {
        let _elapsed = Elapsed::start(&self.shared.metrics, |stats| &mut stats.committed);
        self.group("fetch committed offsets")?.committed(partitions.to_vec()).await
    }

    /// Stops fetching and leaves the group; waits a few seconds at most. Commits nothing.
    pub async fn close(self) {
        self.close_within(Duration::MAX).await;
    }

    /// As [`close`](Self::close), but waits no longer than `limit`: the group's coordinator may be out of reach.
    pub async fn close_within(mut self, limit: Duration) {
        // The executor drops the tasks, and with them what they hold, at its next turn; nothing here depends on when that is.
        self.stop();
        if let Some(group) = &self.shared.group {
            group.leave_within(limit).await;
        }
    }

    fn take(&self) -> Option<Polled> {
        let now = Instant::now();
        let taken = self.shared.partitions.borrow_mut().take(self.shared.config.poll_bytes_max, now);
        match taken {
            Taken::Nothing => None,
            Taken::Reset(reset) => Some(Polled::Reset(reset)),
            Taken::Records(records) => {
                self.shared.metrics.borrow_mut().consumed(&records, now);
                // There is room again for those that were left out.
                self.shared.wake_fetchers();
                Some(Polled::Records(records))
            }
        }
    }

    fn collect_events(&self) {
        while let Some(receiver) = &self.group_events {
            let received = receiver.borrow_mut().try_recv();
            match received {
                Ok(event) => self.flow.borrow_mut().events.push_back(event),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    self.flow.borrow_mut().on_actor_gone();
                    break;
                }
            }
        }
    }

    /// Ready when there is something for [`collect_events`](Self::collect_events), or nothing any more.
    fn poll_group_event(&self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(receiver) = &self.group_events else { return Poll::Pending };
        match receiver.borrow_mut().poll_recv(cx) {
            Poll::Ready(Some(event)) => {
                self.flow.borrow_mut().events.push_back(event);
                Poll::Ready(())
            }
            Poll::Ready(None) if self.flow.borrow_mut().on_actor_gone() => Poll::Ready(()),
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }

    fn sought(&self, is_assigned: bool, tp: &TopicPartition) -> Result<(), Error> {
        if !is_assigned {
            return Err(Error::config("seek", format!("{tp} is not assigned")));
        }
        self.shared.wake_fetchers();
        Ok(())
    }

    fn group(&self, doing: &'static str) -> Result<&Group, Error> {
        let missing = || Error::new(ErrorKind::Config, doing).with_source("group.id is not set");
        self.shared.group.as_ref().ok_or_else(missing)
    }

    fn stop(&mut self) {
        for task in self.tasks.drain(..) {
            task.abort();
        }
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let partitions = self.shared.partitions.borrow();
        f.debug_struct("Consumer")
            .field("group_id", &self.shared.config.group_id)
            .field("partition_count", &partitions.map.len())
            .field("prefetched_bytes", &partitions.untaken_bytes())
            .finish_non_exhaustive()
    }
}
