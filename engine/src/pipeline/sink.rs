//! The loop of a sink task: fetch, index or convert, put; commit by watermark.
//!
//! The order of calls on the task is that of Java's `WorkerSinkTask`. Two things differ: offsets are committed in the
//! background while records flow, and a batch that the sink refuses for now is offered again after a growing wait instead of
//! after the next poll. Meanwhile the consumer is paused but alive, and rebalances are served.

use std::rc::Rc;
use std::sync::Arc;

use api::plugin::AnySinkTask;
use api::{Batch, Error, Kind, Origin, Result, SinkContext, SinkOffsets, Tier, TopicPartition};
use indexmap::IndexSet;
use protocol::client::OffsetAndMetadata;
use protocol::client::consumer::{Consumer, Fetched, Polled, PositionReset, Rebalance};
use protocol::cluster::Cluster;
use protocol::net::Env;
use tokio::time::{Duration, Instant, sleep};
use tracing::{debug, info, warn};

use super::Converters;
use super::epochs::LeaderEpochs;
use super::index::Indexer;
use super::side::AbortOnDrop;
use crate::metrics::TaskMetrics;
use crate::task::{Control, SinkSpec, Target, TaskId};

/// Fetched bytes are put together up to this size before the sink gets them: what fits into the L2 cache.
const BATCH_BYTES: usize = 512 << 10;

/// Waits before a refused batch is offered again grow from the first to the last.
const REDELIVERY_WAIT_MIN: Duration = Duration::from_millis(50);
const REDELIVERY_WAIT_MAX: Duration = Duration::from_secs(5);

/// The longest that one poll waits. Everything that must be served meanwhile interrupts it; this only bounds surprises.
const POLL_WAIT_MAX: Duration = Duration::from_secs(1);

/// Of the time that a task has to stop: how long its last commit may take, and by when it is to have left its group. What is left then
/// is for the task itself.
const LAST_COMMIT_PERCENT: u32 = 60;
const LEAVE_PERCENT: u32 = 85;

/// A sink task with everything around it.
pub(crate) struct SinkPipeline {
    id: TaskId,
    spec: SinkSpec,
    task: Box<dyn AnySinkTask>,
    converters: Converters,
    indexer: Indexer,
    tier: Tier,
    consumer: Rc<Consumer>,
    assigned: IndexSet<TopicPartition>,
    /// Next offset of each assigned partition, by what the task has taken. A partition whose leader has not answered yet is
    /// not in it before its first records come.
    current: SinkOffsets,
    /// What the group is known to have committed.
    committed: SinkOffsets,
    /// What is committed with these offsets.
    epochs: LeaderEpochs,
    /// Fetched but not yet made into a batch, in fetch order.
    fetched: std::collections::VecDeque<Fetched>,
    refused: Option<Refused>,
    commit: Option<Commit>,
    next_commit: Instant,
    is_paused: bool,
    metrics: Arc<TaskMetrics>,
}

/// A batch on its way to the sink.
struct Pending {
    batch: Batch,
    /// Where each partition goes on once the batch is taken.
    next: SinkOffsets,
}

/// A batch that the sink asked to have again later.
struct Refused {
    pending: Pending,
    wait: Duration,
    at: Instant,
}

/// A commit under way.
struct Commit {
    offsets: SinkOffsets,
    since: Instant,
    outcome: AbortOnDrop<Result<(), protocol::Error>>,
}

impl SinkPipeline {
    pub(crate) fn new(
        id: TaskId,
        spec: SinkSpec,
        task: Box<dyn AnySinkTask>,
        converters: Converters,
        env: Env,
        metrics: Arc<TaskMetrics>,
    ) -> SinkPipeline {
        let cluster = Cluster::new(env, spec.cluster.clone());
        let indexer = Indexer::new(cluster.pool().clone());
        let consumer = Rc::new(Consumer::new(cluster, spec.consumer.clone()));
        let next_commit = Instant::now() + spec.offset_flush_interval;
        SinkPipeline {
            id,
            spec,
            task,
            converters,
            indexer,
            tier: Tier::Columns,
            consumer,
            assigned: IndexSet::new(),
            current: SinkOffsets::new(),
            committed: SinkOffsets::new(),
            epochs: LeaderEpochs::default(),
            fetched: std::collections::VecDeque::new(),
            refused: None,
            commit: None,
            next_commit,
            is_paused: false,
            metrics,
        }
    }

    /// Runs until told to stop, or until something fails.
    pub(crate) async fn run(mut self, control: &mut Control) -> Result<()> {
        let outcome = match self.start(control).await {
            Ok(true) => {
                let streamed = self.stream(control).await;
                // Close partitions and commit what the task has taken, also after a failure: what it took before is done.
                let closed = self.close_all(control).await;
                streamed.and(closed)
            }
            Ok(false) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = self.task.stop().await {
            warn!(task = %self.id, %error, "failed to stop the sink task");
        }
        if let Some(commit) = self.commit.take() {
            commit.outcome.abort().await;
        }
        if let Ok(consumer) = Rc::try_unwrap(self.consumer) {
            match control.time_left(self.spec.shutdown_timeout * LEAVE_PERCENT / 100) {
                // The good-bye is sent even when there is no time to wait for its answer.
                Some(left) => consumer.close_within(left).await,
                None => consumer.close().await,
            }
        }
        outcome
    }

    /// `false`: told to stop before the task was started.
    async fn start(&mut self, control: &mut Control) -> Result<bool> {
        if control.wait_while_paused().await == Target::Stopped {
            return Ok(false);
        }
        self.consumer.subscribe(self.spec.topics.clone());
        self.task.start(&SinkContext::default()).await?;
        self.tier = self.task.tier();
        info!(task = %self.id, topics = ?self.spec.topics, tier = ?self.tier, "sink task started");
        Ok(true)
    }

    async fn stream(&mut self, control: &mut Control) -> Result<()> {
        control.report_running();
        loop {
            let target = control.target();
            if target == Target::Stopped {
                return Ok(());
            }
            let is_paused = target == Target::Paused;
            if is_paused != self.is_paused {
                self.apply_pause(is_paused, control);
            }
            self.finish_commit().await;
            if Instant::now() >= self.next_commit {
                self.begin_commit().await?;
            }
            if !self.is_paused {
                self.put_available(control).await?;
            }
            let wait = self.wait();
            let polled = tokio::select! {
                biased;
                () = control.changed() => continue,
                polled = self.consumer.poll(wait) => polled,
            };
            match polled.map_err(consume_failed)? {
                Polled::Records(fetched) => self.fetched.extend(fetched),
                Polled::Rebalance(rebalance) => self.rebalance(rebalance, control).await?,
                Polled::Reset(reset) => self.position_was_reset(reset),
                Polled::Idle => {}
            }
        }
    }

    /// How long the next poll may wait.
    fn wait(&self) -> Duration {
        let now = Instant::now();
        let mut until = self.next_commit;
        // What a paused task has in hand waits until it is resumed.
        if let Some(refused) = &self.refused
            && !self.is_paused
        {
            until = until.min(refused.at);
        }
        if let Some(commit) = &self.commit {
            until = until.min(commit.since + self.spec.offset_flush_timeout);
        }
        if !self.fetched.is_empty() && self.refused.is_none() && !self.is_paused {
            return Duration::ZERO;
        }
        until.saturating_duration_since(now).min(POLL_WAIT_MAX)
    }

    fn apply_pause(&mut self, is_paused: bool, control: &mut Control) {
        self.is_paused = is_paused;
        if is_paused {
            self.pause_all();
            // Java asks for a commit when a sink is paused.
            self.next_commit = Instant::now();
            control.report_paused();
        } else {
            self.resume_all();
            control.report_running();
        }
    }

    fn pause_all(&self) {
        self.consumer.pause(&to_protocol(self.assigned.iter()));
    }

    /// Lets partitions flow again, unless the task is paused or a refused batch waits.
    fn resume_all(&self) {
        if self.is_paused || self.refused.is_some() {
            return;
        }
        self.consumer.resume(&to_protocol(self.assigned.iter()));
    }

    /// Puts everything fetched, in batches, until told otherwise or refused.
    async fn put_available(&mut self, control: &mut Control) -> Result<()> {
        if let Some(refused) = self.refused.take() {
            if Instant::now() < refused.at {
                self.refused = Some(refused);
                return Ok(());
            }
            self.put(refused.pending, refused.wait).await?;
            self.resume_all();
        }
        while self.refused.is_none() && !self.fetched.is_empty() && control.target() == Target::Running {
            let pending = self.next_batch()?;
            self.put(pending, REDELIVERY_WAIT_MIN).await?;
            if Instant::now() >= self.next_commit {
                break;
            }
            // The fetcher and other tasks share this core: let them have their turn, the next fetch goes out meanwhile.
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Takes fetched record sets apart, up to [`BATCH_BYTES`], as far as the sink needs it.
    fn next_batch(&mut self) -> Result<Pending> {
        let mut batch = Batch::default();
        let mut next = SinkOffsets::new();
        let mut bytes = 0;
        while bytes < BATCH_BYTES
            && let Some(fetched) = self.fetched.pop_front()
        {
            let partition =
                TopicPartition { topic: Arc::clone(&fetched.topic), partition: fetched.partition };
            self.indexer.index(&fetched, self.tier, &mut batch.runs)?;
            bytes += fetched.bytes;
            // Where to go back to, for a partition whose position was not known when it was assigned.
            self.committed.entry(partition.clone()).or_insert(fetched.first_wanted_offset);
            self.epochs.read_up_to(&partition, fetched.next_offset, fetched.leader_epoch);
            next.insert(partition, fetched.next_offset);
        }
        self.metrics.bytes_in.add(bytes as u64);
        self.metrics.records_in.add(batch.record_count() as u64);
        if self.tier == Tier::Columns {
            batch = self.converters.decode(batch, &self.metrics)?;
        }
        Ok(Pending { batch, next })
    }

    async fn put(&mut self, pending: Pending, wait: Duration) -> Result<()> {
        match self.task.put(&pending.batch).await {
            Ok(()) => {
                self.metrics.batches.add(1);
                self.metrics.records_out.add(pending.batch.record_count() as u64);
                for (partition, offset) in pending.next {
                    // A partition that was revoked while its batch was refused is no longer ours to advance.
                    if self.assigned.contains(&partition) {
                        self.current.insert(partition, offset);
                    }
                }
                Ok(())
            }
            Err(error) if error.kind() == Kind::Retriable => {
                warn!(
                    task = %self.id, %error, retry_ms = wait.as_millis(),
                    "the sink asked to have the batch again later; consumption is paused meanwhile"
                );
                self.pause_all();
                let next_wait = (wait * 2).min(REDELIVERY_WAIT_MAX);
                self.refused = Some(Refused { pending, wait: next_wait, at: Instant::now() + wait });
                Ok(())
            }
            Err(error) => {
                Err(Error::fatal("Exiting WorkerSinkTask due to unrecoverable exception.").with_source(error))
            }
        }
    }

    /// Commits follow the position to where it goes on: the offset before it may mean nothing in the log as it is now.
    fn position_was_reset(&mut self, reset: PositionReset) {
        let partition = from_protocol(reset.partition);
        warn!(
            task = %self.id, ?partition, cause = ?reset.cause, before = reset.before, after = reset.after,
            "the position of a partition was reset"
        );
        self.committed.shift_remove(&partition);
        self.epochs.begin(partition.clone(), reset.after, reset.leader_epoch);
        self.current.insert(partition, reset.after);
    }

    async fn rebalance(&mut self, rebalance: Rebalance, control: &mut Control) -> Result<()> {
        match rebalance {
            Rebalance::Assigned(assigned) => {
                let mut opened = Vec::with_capacity(assigned.len());
                for partition in assigned {
                    let position = self.consumer.committable(&partition);
                    let partition = from_protocol(partition);
                    if let Some(position) = position {
                        self.current.insert(partition.clone(), position.offset);
                        self.committed.insert(partition.clone(), position.offset);
                        self.epochs.begin(partition.clone(), position.offset, position.leader_epoch);
                    }
                    opened.push(partition);
                }
                self.assigned.extend(opened.iter().cloned());
                debug!(task = %self.id, partitions = ?opened, "partitions assigned");
                if self.is_paused || self.refused.is_some() {
                    self.pause_all();
                }
                if !opened.is_empty() {
                    self.task.open(&opened).await?;
                }
            }
            Rebalance::Revoked(revoked) => {
                let revoked: Vec<_> = revoked.into_iter().map(from_protocol).collect();
                self.close(&revoked, control).await?;
            }
            Rebalance::Lost(lost) => {
                // Those that were given up just before, and lost because the group did not wait, are closed already.
                let lost: Vec<_> =
                    lost.into_iter().map(from_protocol).filter(|lost| self.assigned.contains(lost)).collect();
                warn!(task = %self.id, partitions = ?lost, "partitions were lost to the group; they are not committed");
                if let Some(commit) = self.commit.take() {
                    commit.outcome.abort().await;
                }
                self.forget(&lost);
                if !lost.is_empty() {
                    self.task.close(&lost).await?;
                }
            }
        }
        Ok(())
    }

    /// Commits and closes partitions that leave.
    async fn close(&mut self, leaving: &[TopicPartition], control: &mut Control) -> Result<()> {
        if leaving.is_empty() {
            return Ok(());
        }
        if let Some(commit) = self.commit.take() {
            // The last word on these partitions is the commit below; an older one must not arrive after it. One that is on its way
            // is on the same connection, before it; one that waits to be sent again is not sent.
            commit.outcome.abort().await;
        }
        let offsets: SinkOffsets = leaving
            .iter()
            .filter_map(|partition| self.current.get_key_value(partition))
            .map(|(partition, offset)| (partition.clone(), *offset))
            .collect();
        let prepared = self.prepare(offsets).await;
        self.task.close(leaving).await?;
        if let Ok(Some(offsets)) = prepared {
            let committing = self.with_epochs(&offsets);
            let outcome = tokio::select! {
                biased;
                outcome = self.consumer.commit(&committing) => Some(outcome),
                () = sleep(self.spec.offset_flush_timeout) => None,
                // A coordinator that does not answer must not make a task that was told to stop a zombie.
                () = control.stopped_for(self.spec.shutdown_timeout * LAST_COMMIT_PERCENT / 100) => None,
            };
            match outcome {
                Some(Ok(())) => {
                    self.metrics.commits.add(1);
                    self.committed.extend(offsets);
                }
                Some(Err(error)) => self.commit_failed(&error.to_string()),
                None => self.commit_failed("timed out"),
            }
        }
        self.forget(leaving);
        Ok(())
    }

    async fn close_all(&mut self, control: &mut Control) -> Result<()> {
        let all: Vec<_> = self.assigned.iter().cloned().collect();
        self.close(&all, control).await
    }

    /// Drops everything held of partitions that are no longer ours.
    fn forget(&mut self, gone: &[TopicPartition]) {
        let is_gone = |topic: &str, partition: i32| {
            gone.iter().any(|other| *other.topic == *topic && other.partition == partition)
        };
        self.assigned.retain(|partition| !is_gone(&partition.topic, partition.partition));
        self.current.retain(|partition, _| !is_gone(&partition.topic, partition.partition));
        self.committed.retain(|partition, _| !is_gone(&partition.topic, partition.partition));
        self.epochs.retain(|partition| !is_gone(&partition.topic, partition.partition));
        self.fetched.retain(|fetched| !is_gone(&fetched.topic, fetched.partition));
        if let Some(refused) = &mut self.refused {
            refused.pending.batch.runs.retain(|run| {
                !matches!(run.origin, Origin::Kafka(_)) || !is_gone(&run.topic, run.partition.unwrap_or(-1))
            });
            refused.pending.next.retain(|partition, _| !is_gone(&partition.topic, partition.partition));
        }
    }

    /// Asks the task what may be committed. `None`: nothing new.
    async fn prepare(&mut self, offsets: SinkOffsets) -> Result<Option<SinkOffsets>> {
        if offsets.is_empty() {
            return Ok(None);
        }
        let allowed = match self.task.pre_commit(offsets.clone()).await {
            Ok(allowed) => allowed,
            Err(error) => {
                self.commit_failed(&error.to_string());
                return Err(error);
            }
        };
        let mut prepared = SinkOffsets::new();
        for (partition, offset) in allowed {
            match offsets.get(&partition) {
                Some(current) if offset <= *current => {
                    if self.committed.get(&partition) != Some(&offset) {
                        prepared.insert(partition, offset);
                    }
                }
                Some(current) => {
                    warn!(task = %self.id, ?partition, offset, current, "ignoring invalid task provided offset: it was not delivered yet");
                }
                None => {
                    debug!(task = %self.id, ?partition, "ignoring an offset of a partition that is not assigned")
                }
            }
        }
        Ok((!prepared.is_empty()).then_some(prepared))
    }

    /// Starts to commit what the task has taken, without waiting for the broker.
    async fn begin_commit(&mut self) -> Result<()> {
        self.next_commit = Instant::now() + self.spec.offset_flush_interval;
        if self.commit.is_some() {
            return Ok(());
        }
        match self.prepare(self.current.clone()).await {
            Ok(None) => {}
            Ok(Some(offsets)) => {
                let consumer = Rc::clone(&self.consumer);
                let committing = self.with_epochs(&offsets);
                let outcome = AbortOnDrop::spawn(async move { consumer.commit(&committing).await });
                self.commit = Some(Commit { offsets, since: Instant::now(), outcome });
            }
            // Everything since the last commit is delivered again (Java: rewind).
            Err(_logged) => self.rewind(),
        }
        Ok(())
    }

    /// Takes the outcome of a commit that has ended; gives up on one that takes too long.
    async fn finish_commit(&mut self) {
        let Some(mut commit) = self.commit.take() else { return };
        if commit.outcome.is_finished() {
            let offsets = commit.offsets;
            match commit.outcome.outcome().await {
                Ok(Ok(())) => {
                    self.metrics.commits.add(1);
                    for (partition, offset) in offsets {
                        if self.assigned.contains(&partition) {
                            self.epochs.committed(&partition, offset);
                            self.committed.insert(partition, offset);
                        }
                    }
                }
                Ok(Err(error)) => self.commit_failed(&error.to_string()),
                Err(error) => self.commit_failed(&error.to_string()),
            }
        } else if commit.since.elapsed() > self.spec.offset_flush_timeout {
            commit.outcome.abort().await;
            self.commit_failed("Commit of offsets timed out");
        } else {
            self.commit = Some(commit);
        }
    }

    fn with_epochs(
        &self,
        offsets: &SinkOffsets,
    ) -> Vec<(protocol::client::TopicPartition, OffsetAndMetadata)> {
        let commit = |(partition, offset): (&TopicPartition, &i64)| {
            let leader_epoch = self.epochs.at(partition, *offset);
            (one(partition), OffsetAndMetadata { leader_epoch, ..OffsetAndMetadata::new(*offset) })
        };
        offsets.iter().map(commit).collect()
    }

    fn commit_failed(&self, error: &str) {
        self.metrics.commits_failed.add(1);
        warn!(task = %self.id, error, "failed to commit offsets, trying again at the next interval");
    }

    fn rewind(&mut self) {
        for (partition, offset) in &self.committed {
            if let Err(error) = self.consumer.seek(&one(partition), *offset) {
                // Only a partition that is no longer ours has no position; its next owner starts at the committed offset.
                debug!(task = %self.id, ?partition, %error, "could not seek back");
            }
            self.epochs.rewind(partition, *offset);
        }
        self.current.clone_from(&self.committed);
        self.fetched.clear();
        self.refused = None;
        self.resume_all();
    }
}

impl std::fmt::Debug for SinkPipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SinkPipeline").field("id", &self.id).finish_non_exhaustive()
    }
}

fn one(partition: &TopicPartition) -> protocol::client::TopicPartition {
    protocol::client::TopicPartition { topic: Arc::clone(&partition.topic), partition: partition.partition }
}

fn from_protocol(partition: protocol::client::TopicPartition) -> TopicPartition {
    TopicPartition { topic: partition.topic, partition: partition.partition }
}

fn to_protocol<'a>(
    partitions: impl Iterator<Item = &'a TopicPartition>,
) -> Vec<protocol::client::TopicPartition> {
    partitions.map(one).collect()
}

fn consume_failed(error: protocol::Error) -> Error {
    Error::fatal("Exiting WorkerSinkTask due to unrecoverable exception.").with_source(error)
}

#[cfg(test)]
#[path = "sink_tests.rs"]
mod tests;
