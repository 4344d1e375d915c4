//! The loop of a source task: poll, convert, produce; acknowledge, commit.
//!
//! Three futures share a core and a [`Ledger`]: this loop, which polls and hands records to the producer; one that takes the
//! producer's acknowledgements; and at most one commit. None waits for another: a slow offset store holds up no record, a
//! full producer holds up no commit.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;

use api::plugin::AnySourceTask;
use api::{
    Batch, Body, Error, Kind, OffsetReader, Origin, Result, Run, SourceContext, SourceOffset, SourcePartition,
};
use futures_util::FutureExt as _;
use futures_util::future::{Either, select};
use protocol::client::producer::{AppendError, Completion, ProduceRecord, Producer, TopicHandle};
use protocol::cluster::Cluster;
use protocol::net::Env;
use protocol::wire::records::Header;
use tokio::sync::Notify;
use tokio::time::{Duration, Instant, Interval, MissedTickBehavior, interval_at, timeout};
use tracing::{info, warn};

use super::Converters;
use super::policy::kept;
use super::side::AbortOnDrop;
use crate::connector::panicked;
use crate::metrics::TaskMetrics;
use crate::offset::{Ledger, OffsetStore, decode_offset, encode_partition_key};
use crate::task::{Control, SourceSpec, Target, TaskId};

/// How long to wait after a poll that failed with a retriable error.
const POLL_RETRY_WAIT: Duration = Duration::from_millis(100);

/// Of the time that a task has to stop: how long it may wait for outstanding records and its last commit.
const FINISH_PERCENT: u32 = 85;

/// A source task with everything around it.
pub(crate) struct SourcePipeline {
    id: TaskId,
    spec: SourceSpec,
    task: Box<dyn AnySourceTask>,
    converters: Converters,
    env: Env,
    producer: Rc<Producer>,
    topics: HashMap<Arc<str>, TopicHandle>,
    progress: Rc<Progress>,
    /// When the next commit is due.
    commits: Interval,
    metrics: Arc<TaskMetrics>,
}

/// What the futures of the pipeline share.
struct Progress {
    ledger: RefCell<Ledger>,
    /// The first failure of a side future; it ends the task.
    failure: Cell<Option<Error>>,
    failed: Notify,
    /// Set while a commit is under way.
    is_committing: Cell<bool>,
    /// Told after each commit, successful or not.
    committed: Notify,
    /// A commit has succeeded and the task has not been told.
    is_commit_untold: Cell<bool>,
    /// Told when records have been acknowledged.
    acknowledged: Notify,
}

impl Progress {
    fn fail(&self, error: Error) {
        if let Some(first) = self.failure.take() {
            self.failure.set(Some(first));
            return;
        }
        self.failure.set(Some(error));
        self.failed.notify_one();
    }

    /// Waits for a failure of a side future.
    async fn failure(&self) -> Error {
        loop {
            if let Some(error) = self.failure.take() {
                return error;
            }
            self.failed.notified().await;
        }
    }
}

impl SourcePipeline {
    pub(crate) fn new(
        id: TaskId,
        spec: SourceSpec,
        task: Box<dyn AnySourceTask>,
        converters: Converters,
        env: Env,
        metrics: Arc<TaskMetrics>,
    ) -> Result<SourcePipeline> {
        let cluster = Cluster::new(env.clone(), spec.cluster.clone());
        let producer = Producer::new(cluster, spec.producer.clone())
            .map_err(|error| Error::config("failed to make the producer").with_source(error))?;
        let progress = Progress {
            ledger: RefCell::new(Ledger::new(&id.connector)),
            failure: Cell::new(None),
            failed: Notify::new(),
            is_committing: Cell::new(false),
            committed: Notify::new(),
            is_commit_untold: Cell::new(false),
            acknowledged: Notify::new(),
        };
        let period = spec.offset_flush_interval.max(Duration::from_millis(1));
        let mut commits = interval_at(Instant::now() + period, period);
        commits.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let topics = HashMap::new();
        let (producer, progress) = (Rc::new(producer), Rc::new(progress));
        Ok(SourcePipeline { id, spec, task, converters, env, producer, topics, progress, commits, metrics })
    }

    /// Runs until told to stop, or until something fails. The task is stopped and what was produced is committed either way.
    pub(crate) async fn run(mut self, control: &mut Control) -> Result<()> {
        let (progress, metrics) = (Rc::clone(&self.progress), Arc::clone(&self.metrics));
        let acknowledgements =
            take_acknowledgements(Rc::clone(&self.producer), Rc::clone(&progress), metrics);
        let acks = AbortOnDrop::spawn(async move {
            // Unseen, a panic here would leave a task that runs and never commits again.
            if let Err(panic) = AssertUnwindSafe(acknowledgements).catch_unwind().await {
                progress.fail(panicked(&*panic));
            }
        });
        let outcome = match self.start(control).await {
            Ok(true) => self.stream(control).await,
            Ok(false) => Ok(()),
            Err(error) => Err(error),
        };
        self.finish(control).await;
        if let Err(error) = self.task.stop().await {
            warn!(task = %self.id, %error, "failed to stop the source task");
        }
        acks.abort().await;
        if let Ok(producer) = Rc::try_unwrap(self.producer) {
            // What is still on its way was warned about by `finish`; its offsets are not committed.
            let _left = producer.close(Duration::ZERO, &mut Vec::new()).await;
        }
        outcome
    }

    /// `false`: told to stop before the task was started.
    async fn start(&mut self, control: &mut Control) -> Result<bool> {
        if control.wait_while_paused().await == Target::Stopped {
            return Ok(false);
        }
        let reader = StoredOffsets {
            connector: Arc::clone(&self.id.connector),
            store: Arc::clone(&self.spec.offsets),
        };
        self.task.start(&SourceContext::new(Box::new(reader))).await?;
        Ok(true)
    }

    async fn stream(&mut self, control: &mut Control) -> Result<()> {
        self.commits.reset();
        let progress = Rc::clone(&self.progress);
        control.report_running();
        loop {
            let target = control.target();
            match target {
                Target::Stopped => return Ok(()),
                Target::Paused => control.report_paused(),
                Target::Running => control.report_running(),
            }
            tokio::select! {
                biased;
                () = control.changed() => {}
                error = progress.failure() => return Err(error),
                _ = self.commits.tick() => self.begin_commit(),
                () = progress.committed.notified() => self.tell_committed().await,
                polled = poll(self.task.as_mut(), &self.producer), if target == Target::Running => match polled {
                    Ok(batch) => {
                        self.produce(batch, control).await?;
                        // The producer, its connections and other tasks share this core: let them have their turn.
                        tokio::task::yield_now().await;
                    }
                    Err(error) if error.kind() == Kind::Retriable => {
                        warn!(task = %self.id, %error, "poll failed with a retriable error, polling again");
                        tokio::time::sleep(POLL_RETRY_WAIT).await;
                    }
                    Err(error) => return Err(error),
                },
            }
        }
    }

    /// Converts a batch and hands it to the producer. Returns early, with the rest of the batch left out and uncommitted, when
    /// told to stop while Kafka takes nothing.
    async fn produce(&mut self, batch: Batch, control: &mut Control) -> Result<()> {
        self.metrics.batches.add(1);
        for run in batch.runs {
            self.metrics.records_in.add(run.record_count() as u64);
            if run.record_count() > 0 && !self.produce_run(run, control).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn produce_run(&mut self, run: Run, control: &mut Control) -> Result<bool> {
        let Run { topic, partition, origin, body } = run;
        let (Body::Columns(columns), Origin::Source { partition: source, offsets }) = (body, origin) else {
            return Err(Error::fatal("a source task gave records that were read from Kafka"));
        };
        let rows = columns.value.len();
        let encoded = self.converters.encode(&topic, &columns, &self.metrics)?;
        let Some(handle) = self.topic(&topic, control).await? else { return Ok(false) };
        let token = self.progress.ledger.borrow_mut().open(&source, offsets.get(rows - 1))?;
        let now_ms = self.env.now_ms();
        let mut headers: Vec<Header<'_>> = Vec::new();
        let mut bytes = 0;
        for range in kept(rows, &encoded.skipped) {
            let mut submitted = range.start;
            let mut row = range.start;
            while row < range.end {
                let (key, value) = (encoded.key(row), encoded.value(row));
                headers.clear();
                headers.extend(columns.headers.row(row).map(|(key, value)| Header { key, value }));
                let timestamp_ms = columns.timestamps.get(row).unwrap_or(now_ms);
                let record = ProduceRecord { timestamp_ms, key, value, headers: &headers };
                match self.producer.append(&handle, partition, &record, token) {
                    Ok(()) => {
                        bytes += key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len);
                        row += 1;
                    }
                    Err(AppendError::Full) => {
                        self.progress.ledger.borrow_mut().submit(token, row - submitted);
                        submitted = row;
                        if !self.wait_for_room(control).await? {
                            return Ok(false);
                        }
                    }
                    Err(error) => {
                        // Those before it are on their way, and their acknowledgements will come.
                        self.progress.ledger.borrow_mut().submit(token, row - submitted);
                        return Err(unrecoverable("Unrecoverable exception trying to send", error));
                    }
                }
            }
            self.progress.ledger.borrow_mut().submit(token, row - submitted);
        }
        self.progress.ledger.borrow_mut().seal(token);
        self.metrics.bytes_in.add(bytes as u64);
        Ok(true)
    }

    /// `false`: told to stop meanwhile. What is acknowledged is committed all the same: a Kafka partition that takes nothing must
    /// not hold up the offsets of those that do.
    async fn wait_for_room(&mut self, control: &mut Control) -> Result<bool> {
        let progress = Rc::clone(&self.progress);
        loop {
            tokio::select! {
                biased;
                error = progress.failure() => return Err(error),
                () = control.stopped() => return Ok(false),
                _ = self.commits.tick() => self.begin_commit(),
                () = progress.committed.notified() => self.tell_committed().await,
                () = self.producer.ready() => return Ok(true),
            }
        }
    }

    /// The topic's handle; `None` when told to stop while Kafka does not say.
    async fn topic(&mut self, topic: &Arc<str>, control: &mut Control) -> Result<Option<TopicHandle>> {
        if let Some(handle) = self.topics.get(topic) {
            return Ok(Some(handle.clone()));
        }
        let handle = tokio::select! {
            biased;
            () = control.stopped() => return Ok(None),
            handle = self.producer.topic(topic) => {
                handle.map_err(|error| unrecoverable("Unrecoverable exception trying to send", error))?
            }
        };
        self.topics.insert(Arc::clone(topic), handle.clone());
        Ok(Some(handle))
    }

    /// Starts to write what has become committable, unless a commit is under way.
    fn begin_commit(&self) {
        if self.progress.is_committing.replace(true) {
            warn!(task = %self.id, "the last offset commit has not ended yet; the next one waits for it");
            return;
        }
        let progress = Rc::clone(&self.progress);
        let store = Arc::clone(&self.spec.offsets);
        let (id, metrics) = (self.id.clone(), Arc::clone(&self.metrics));
        let limit = self.spec.offset_flush_timeout;
        tokio::task::spawn_local(async move {
            if commit(&id, &progress, store.as_ref(), limit, &metrics).await {
                progress.is_commit_untold.set(true);
            }
            progress.is_committing.set(false);
            progress.committed.notify_one();
        });
    }

    /// Calls the task's commit, if offsets have become durable since the last call: a task may forget at its source what is
    /// committed.
    async fn tell_committed(&mut self) {
        if self.progress.is_commit_untold.take()
            && let Err(error) = self.task.commit().await
        {
            warn!(task = %self.id, %error, "failed to call the task's commit");
        }
    }

    /// Waits for outstanding records and commits what is durable, all within the flush timeout and the time that the task has to stop.
    async fn finish(&mut self, control: &mut Control) {
        let flush_timeout = self.spec.offset_flush_timeout;
        let left = control.time_left(self.spec.shutdown_timeout * FINISH_PERCENT / 100);
        let deadline = Instant::now() + left.map_or(flush_timeout, |left| left.min(flush_timeout));
        self.producer.flush_hint();
        while self.progress.ledger.borrow().outstanding_records() > 0 {
            let failed = self.progress.failed.notified();
            let acknowledged = self.progress.acknowledged.notified();
            match timeout(deadline - Instant::now(), select(Box::pin(acknowledged), Box::pin(failed))).await {
                Ok(Either::Left(_)) => {}
                Ok(Either::Right(_)) => break,
                Err(_elapsed) => {
                    let outstanding = self.progress.ledger.borrow().outstanding_records();
                    warn!(task = %self.id, outstanding, "records were not acknowledged in time; their offsets are not committed");
                    break;
                }
            }
        }
        while self.progress.is_committing.get() {
            if timeout(deadline - Instant::now(), self.progress.committed.notified()).await.is_err() {
                return;
            }
        }
        let limit = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(100));
        if commit(&self.id, &self.progress, self.spec.offsets.as_ref(), limit, &self.metrics).await
            && let Err(error) = self.task.commit().await
        {
            warn!(task = %self.id, %error, "failed to call the task's commit");
        }
    }
}

impl std::fmt::Debug for SourcePipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SourcePipeline").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Polls; when there is nothing at once, tells the producer that upstream is idle so that it sends what it has.
async fn poll(task: &mut dyn AnySourceTask, producer: &Producer) -> Result<Batch> {
    let mut polled = task.poll();
    if let Some(batch) = polled.as_mut().now_or_never() {
        return batch;
    }
    producer.flush_hint();
    polled.await
}

/// Turns the producer's completions into ledger entries, for as long as the task runs.
async fn take_acknowledgements(producer: Rc<Producer>, progress: Rc<Progress>, metrics: Arc<TaskMetrics>) {
    let mut completions: Vec<Completion> = Vec::new();
    loop {
        producer.completions(&mut completions).await;
        for completion in completions.drain(..) {
            match completion.result {
                Ok(_) => {
                    metrics.records_out.add(completion.record_count.into());
                    progress
                        .ledger
                        .borrow_mut()
                        .acknowledge(completion.token, completion.record_count as usize);
                }
                // Not acknowledged in the ledger: the offsets of lost records are never committed.
                Err(error) => {
                    progress
                        .fail(unrecoverable("Unrecoverable exception from producer send callback", error));
                }
            }
        }
        progress.acknowledged.notify_one();
    }
}

/// Writes what is committable. On failure it becomes committable again.
async fn commit(
    id: &TaskId,
    progress: &Progress,
    store: &dyn OffsetStore,
    limit: Duration,
    metrics: &TaskMetrics,
) -> bool {
    let taken = progress.ledger.borrow_mut().take_committable();
    let written = match taken {
        Ok(entries) if entries.is_empty() => return true,
        Ok(entries) => match timeout(limit, store.set(entries.clone())).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err((error, entries)),
            Err(_elapsed) => {
                Err((Error::retriable(format!("not durable within {} ms", limit.as_millis())), entries))
            }
        },
        Err(error) => Err((error, Vec::new())),
    };
    match written {
        Ok(()) => {
            metrics.commits.add(1);
            true
        }
        Err((error, entries)) => {
            metrics.commits_failed.add(1);
            warn!(task = %id, %error, "failed to commit source offsets, trying again at the next interval");
            if let Err(error) = progress.ledger.borrow_mut().restore(entries) {
                progress.fail(error);
            }
            false
        }
    }
}

fn unrecoverable(message: &str, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::fatal(message).with_source(cause)
}

/// The offsets of one connector in the store.
struct StoredOffsets {
    connector: Arc<str>,
    store: Arc<dyn OffsetStore>,
}

impl OffsetReader for StoredOffsets {
    fn read<'a>(
        &'a self,
        partitions: &'a [SourcePartition],
    ) -> api::connector::LocalBoxFuture<'a, Result<Vec<Option<SourceOffset>>>> {
        Box::pin(async move {
            let keys = partitions
                .iter()
                .map(|partition| encode_partition_key(&self.connector, partition))
                .collect::<Result<Vec<_>>>()?;
            let stored = self.store.get(keys).await?;
            let offsets = stored.into_iter().map(|value| match value {
                Some(json) => decode_offset(&json),
                None => Ok(None),
            });
            let offsets = offsets.collect::<Result<Vec<_>>>()?;
            info!(connector = %self.connector, found = offsets.iter().flatten().count(), asked = partitions.len(), "read stored source offsets");
            Ok(offsets)
        })
    }
}
