//! The loop of a sink task: fetch, index or convert, put; commit by watermark.
//!
//! The order of calls on the task is that of Java's `WorkerSinkTask`. Two things differ: offsets are committed in the
//! background while records flow, and a batch that the sink refuses for now is offered again after a growing wait instead of
//! after the next poll. Meanwhile the consumer is paused but alive, and rebalances are served.

mod commits;
mod observed;
mod partitions;
mod pending;
mod put;

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use api::plugin::AnySinkTask;
use api::{Error, Result, SinkContext, SinkOffsets, Tier, TopicPartition};
use indexmap::IndexSet;
use protocol::client::consumer::{Consumer, Fetched, Polled};
use protocol::cluster::Cluster;
use protocol::net::Env;
use tokio::time::{Duration, Instant};
use tracing::{info, warn};

use self::observed::SinkClients;
use self::pending::Pending;
use super::epochs::LeaderEpochs;
use super::errors::{DeadLetters, ErrantReports, ErrorHandler};
use super::index::Indexer;
use super::side::AbortOnDrop;
use super::{Converters, RateLimiter};
use crate::metrics::{Observed, PartitionLag, Stage, TaskMetrics, register};
use crate::task::{Control, SinkSpec, Target, TaskId, Topics};
use crate::topics::TopicNotes;

/// Fetched bytes are put together up to this size before the sink gets them: what fits into the L2 cache.
const BATCH_BYTES: usize = 512 << 10;

/// Waits before a refused batch is offered again grow from the first to the last.
const REDELIVERY_WAIT_MIN: Duration = Duration::from_millis(50);
const REDELIVERY_WAIT_MAX: Duration = Duration::from_secs(5);

/// The longest that one poll waits. Everything that must be served meanwhile interrupts it; this only bounds surprises.
const POLL_WAIT_MAX: Duration = Duration::from_secs(30);

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
    /// The batch in hand, where it cannot go on at once.
    held: Option<Held>,
    /// Records that the sink has refused since it last took one.
    refused_in_a_row: usize,
    /// Whether nothing more is taken from Kafka for now.
    is_held_up: bool,
    commit: Option<Commit>,
    next_commit: Instant,
    is_paused: bool,
    topics: TopicNotes,
    errors: Rc<ErrorHandler>,
    reports: Rc<ErrantReports>,
    limiter: Option<Arc<RateLimiter>>,
    metrics: Arc<TaskMetrics>,
    /// What others read of how far each assigned partition is.
    lags: HashMap<TopicPartition, Arc<PartitionLag>>,
    /// Records taken and not known to be committed.
    active: i64,
    /// Its consumer, for whoever looks at this core.
    observed: Rc<dyn Observed>,
}

/// A batch that goes on later: the sink asked to have it again, some of its records are to be converted again, or the connector has
/// moved as much as it may.
struct Held {
    pending: Pending,
    /// How long the sink is to be left alone if it asks once more.
    wait: Duration,
    due: Instant,
}

/// A commit under way.
struct Commit {
    offsets: SinkOffsets,
    since: Instant,
    /// And when that was known: it is looked at only between batches.
    outcome: AbortOnDrop<(Result<(), protocol::Error>, Instant)>,
}

impl SinkPipeline {
    pub(crate) fn new(
        id: TaskId,
        spec: SinkSpec,
        task: Box<dyn AnySinkTask>,
        converters: Converters,
        env: Env,
        metrics: Arc<TaskMetrics>,
        limiter: Option<Arc<RateLimiter>>,
    ) -> SinkPipeline {
        let errors = Rc::clone(&converters.errors);
        let reports = ErrantReports::new(errors.tolerance());
        let cluster = Cluster::new(env, spec.cluster.clone());
        let indexer = Indexer::new(cluster.pool().clone());
        let consumer = Rc::new(Consumer::new(cluster, spec.consumer.clone()));
        let clients = SinkClients {
            consumer: Rc::downgrade(&consumer),
            errors: Rc::downgrade(&errors),
            metrics: Arc::clone(&metrics),
        };
        let observed: Rc<dyn Observed> = Rc::new(clients);
        register(&observed);
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
            held: None,
            refused_in_a_row: 0,
            topics: TopicNotes::default(),
            is_held_up: false,
            commit: None,
            next_commit,
            is_paused: false,
            errors,
            reports,
            limiter,
            metrics,
            lags: HashMap::new(),
            active: 0,
            observed,
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
        self.errors.tell_suppressed();
        drop(self.converters);
        if let Ok(errors) = Rc::try_unwrap(self.errors)
            && let Some(dead_letters) = errors.take_dead_letters()
        {
            dead_letters.close().await;
        }
        drop(self.observed);
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
        tokio::select! {
            biased;
            () = control.stopped() => return Ok(false),
            opened = self.errors.open_dead_letters() => opened?,
        }
        if control.wait_while_paused().await == Target::Stopped {
            return Ok(false);
        }
        if let Some(group) = self.consumer.leave_switch() {
            control.exit().through(group);
        }
        match self.spec.topics.clone() {
            Topics::Named(topics) => self.consumer.subscribe(topics),
            Topics::Matching(regex) => self.consumer.subscribe_matching(move |topic| regex.matches(topic)),
        }
        let mut context = SinkContext::default();
        if self.errors.reports() {
            context = context.with_errant_records(self.reports.handle());
        }
        self.task.start(&context).await?;
        self.tier = self.converters.plan(self.task.tier(), self.task.reads_headers());
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
            if let Some(error) = self.errors.dead_letters().and_then(DeadLetters::take_failure) {
                return Err(error);
            }
            self.finish_commit().await;
            if Instant::now() >= self.next_commit {
                self.begin_commit().await?;
            }
            if !self.is_paused {
                self.put_available(control).await?;
                // It has looked at the target, so `changed` would not tell of it any more.
                if control.target() != target {
                    continue;
                }
            }
            let wait = self.wait();
            self.metrics.stages.enter(if self.is_paused { Stage::Idle } else { Stage::Fetch });
            let errors = Rc::clone(&self.errors);
            let polled = tokio::select! {
                biased;
                () = control.changed() => continue,
                () = dead_letter_answered(&errors) => continue,
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
        if let Some(held) = &self.held
            && !self.is_paused
        {
            until = until.min(held.due);
        }
        if let Some(commit) = &self.commit {
            until = until.min(commit.since + self.spec.offset_flush_timeout);
        }
        if !self.fetched.is_empty() && self.held.is_none() && !self.is_paused && !self.is_short_of_room() {
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

    /// Takes nothing more from Kafka while the batch in hand cannot go on or there is enough for more, and goes on with it. The consumer is
    /// alive all the while. Nor does it tell of a position that was reset before everything from before that is done: what is in hand
    /// would be committed as if it were of the log after it.
    fn apply_flow(&mut self) {
        let is_held_up = self.held.is_some() || !self.fetched.is_empty() || self.is_short_of_room();
        if is_held_up != self.is_held_up {
            self.is_held_up = is_held_up;
            if is_held_up { self.pause_all() } else { self.resume_all() }
        }
    }

    /// Lets partitions flow again, unless the task is paused or held up.
    fn resume_all(&self) {
        if self.is_paused || self.is_held_up {
            return;
        }
        self.consumer.resume(&to_protocol(self.assigned.iter()));
    }
}

impl std::fmt::Debug for SinkPipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SinkPipeline").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Waits until the dead letter queue has an answer, for ever where there is none.
async fn dead_letter_answered(errors: &ErrorHandler) {
    match errors.dead_letters() {
        Some(dead_letters) => dead_letters.answered().await,
        None => std::future::pending().await,
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
mod tests;
