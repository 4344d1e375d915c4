//! The loop of a source task: poll, convert, produce; acknowledge, commit.
//!
//! Three futures share a core and a [`Ledger`]: this loop, which polls and hands records to the producer; one that takes the
//! producer's acknowledgements; and at most one commit. None waits for another: a slow offset store holds up no record, a
//! full producer holds up no commit. With exactly-once support there are no such commits: transactions end between records (`boundary` says
//! where, `transaction` does it), and the loop waits for that.

mod awaited;
mod boundary;
mod commits;
mod observed;
mod packed;
mod produce;
mod progress;
mod topics;
mod transaction;

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;

use api::plugin::AnySourceTask;
use api::{Batch, Error, Kind, Result, SourceContext};
use futures_util::FutureExt as _;
use protocol::client::producer::{Producer, TopicHandle};
use protocol::cluster::Cluster;
use protocol::net::Env;
use protocol::wire::records::BufferPool;
use tokio::time::{Duration, Instant, Interval, MissedTickBehavior, interval_at, sleep_until};
use tracing::warn;

use self::awaited::Awaited;
use self::commits::StoredOffsets;
use self::observed::SourceClients;
use self::progress::{Progress, take_acknowledgements};
use self::topics::TopicMaker;
use self::transaction::Transactions;
use super::index::Indexer;
use super::side::AbortOnDrop;
use super::{Converters, RateLimiter};
use crate::connector::panicked;
use crate::metrics::{Observed, Stage, TaskMetrics, register};
use crate::offset::Ledger;
use crate::task::{Control, SourceSpec, Target, TaskId};

/// How long to wait after a poll that failed with a retriable error.
const POLL_RETRY_WAIT: Duration = Duration::from_millis(100);

/// A source task with everything around it.
pub(crate) struct SourcePipeline {
    id: TaskId,
    spec: SourceSpec,
    task: Box<dyn AnySourceTask>,
    converters: Converters,
    env: Env,
    producer: Rc<Producer>,
    producer_pool: BufferPool,
    /// For packed batches, once one has to be taken apart.
    indexer: Option<Indexer>,
    topics: HashMap<Arc<str>, TopicHandle>,
    /// `None`: topics are left to the broker.
    topic_maker: Option<Rc<TopicMaker>>,
    progress: Rc<Progress>,
    /// When the next commit is due.
    commits: Interval,
    /// The one under way: it must not go on without the task.
    commit: Option<AbortOnDrop<()>>,
    /// With exactly-once support.
    transactions: Option<Transactions>,
    limiter: Option<Arc<RateLimiter>>,
    metrics: Arc<TaskMetrics>,
    /// Since when the next batch is waited for, over all the polls that were cut short.
    polls_since: Option<Instant>,
    /// Its clients, for whoever looks at this core.
    observed: Rc<dyn Observed>,
}

impl SourcePipeline {
    pub(crate) fn new(
        id: TaskId,
        mut spec: SourceSpec,
        task: Box<dyn AnySourceTask>,
        converters: Converters,
        env: Env,
        metrics: Arc<TaskMetrics>,
        limiter: Option<Arc<RateLimiter>>,
    ) -> Result<SourcePipeline> {
        let transactions = spec.exactly_once.take().map(Transactions::new);
        let ledger = match &transactions {
            Some(transactions) => {
                spec.producer.transactional_id = Some(Arc::clone(&transactions.spec.transactional_id));
                spec.producer.idempotence = true;
                Ledger::transactional(&id.connector)
            }
            None => Ledger::new(&id.connector),
        };
        let cluster = Cluster::new(env.clone(), spec.cluster.clone());
        let producer_pool = cluster.pool().clone();
        let producer = Producer::new(cluster, spec.producer.clone())
            .map_err(|error| Error::config("failed to make the producer").with_source(error))?;
        let progress = Progress::new(ledger);
        let period = spec.offset_flush_interval.max(Duration::from_millis(1));
        let mut commits = interval_at(Instant::now() + period, period);
        commits.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let topics = HashMap::new();
        let topic_maker =
            spec.topic_creation.clone().map(|rules| Rc::new(TopicMaker::new(rules, env.clone())));
        let (producer, progress) = (Rc::new(producer), Rc::new(progress));
        let clients = SourceClients {
            producer: Rc::downgrade(&producer),
            admin: topic_maker.as_ref().map(|maker| Rc::clone(&maker.admin)),
            metrics: Arc::clone(&metrics),
        };
        let observed: Rc<dyn Observed> = Rc::new(clients);
        register(&observed);
        Ok(SourcePipeline {
            id,
            spec,
            task,
            converters,
            env,
            producer,
            producer_pool,
            indexer: None,
            topics,
            topic_maker,
            progress,
            commits,
            commit: None,
            transactions,
            limiter,
            metrics,
            polls_since: None,
            observed,
        })
    }

    /// Runs until told to stop, or until something fails. The task is stopped and what was produced is committed either way.
    pub(crate) async fn run(mut self, control: &mut Control) -> Result<()> {
        let (progress, metrics) = (Rc::clone(&self.progress), Arc::clone(&self.metrics));
        let errors = Rc::clone(&self.converters.errors);
        let acknowledgements =
            take_acknowledgements(Rc::clone(&self.producer), Rc::clone(&progress), metrics, errors);
        let acks = AbortOnDrop::spawn(async move {
            // Unseen, a panic here would leave a task that runs and never commits again.
            if let Err(panic) = AssertUnwindSafe(acknowledgements).catch_unwind().await {
                progress.fail(panicked(&*panic));
            }
        });
        let mut is_started = false;
        let mut outcome = match self.start(control).await {
            Ok(true) => {
                is_started = true;
                self.stream(control).await
            }
            Ok(false) => Ok(()),
            Err(error) => Err(error),
        };
        if self.transactions.is_none() {
            self.finish(control).await;
        } else if is_started {
            let finished = self.finish_transactions(control, outcome.is_err()).await;
            outcome = outcome.and(finished);
        }
        if let Err(error) = self.task.stop().await {
            warn!(task = %self.id, %error, "failed to stop the source task");
        }
        // An open transaction is aborted, so that nobody who reads has to wait until it expires.
        let closing = match self.transactions {
            Some(_) => self.time_to_finish(control),
            None => Duration::ZERO,
        };
        acks.abort().await;
        self.converters.errors.tell_suppressed();
        drop(self.observed);
        if let Ok(producer) = Rc::try_unwrap(self.producer) {
            // What is still on its way was warned about by `finish`; its offsets are not committed.
            let _left = producer.close(closing, &mut Vec::new()).await;
        }
        outcome
    }

    /// `false`: told to stop before the task was started.
    async fn start(&mut self, control: &mut Control) -> Result<bool> {
        if control.wait_while_paused().await == Target::Stopped {
            return Ok(false);
        }
        if !self.take_over(control).await? {
            return Ok(false);
        }
        let reader = StoredOffsets {
            connector: Arc::clone(&self.id.connector),
            store: Arc::clone(&self.spec.offsets),
        };
        let mut context = SourceContext::new(Box::new(reader));
        if let Some(transaction) = self.transactions.as_ref().and_then(|it| it.context.clone()) {
            context = context.with_transaction(transaction);
        }
        self.task.start(&context).await?;
        if self.task.wants_acknowledgements() {
            self.progress.awaited.replace(Some(Awaited::default()));
        }
        Ok(true)
    }

    async fn stream(&mut self, control: &mut Control) -> Result<()> {
        self.commits.reset();
        let progress = Rc::clone(&self.progress);
        control.report_running();
        let mut is_resting = true;
        loop {
            let target = control.target();
            match target {
                Target::Stopped => return Ok(()),
                Target::Paused => {
                    if !std::mem::replace(&mut is_resting, true) {
                        self.end_before_rest().await?;
                    }
                    control.report_paused();
                    self.polls_since = None;
                    self.metrics.stages.enter(Stage::Idle);
                }
                Target::Running => {
                    control.report_running();
                    let now = self.metrics.stages.enter(Stage::Poll);
                    if std::mem::replace(&mut is_resting, false)
                        && let Some(transactions) = &mut self.transactions
                    {
                        transactions.boundaries.enter(Instant::now());
                    }
                    self.polls_since.get_or_insert(now);
                }
            }
            let due = self.transaction_due();
            tokio::select! {
                biased;
                () = control.changed() => {}
                error = progress.failure() => return Err(error),
                _ = self.commits.tick(), if self.transactions.is_none() => self.begin_commit(),
                () = at(due) => self.end_after_batch().await?,
                () = progress.committed.notified() => self.tell_committed().await,
                () = progress.decided.notified() => self.tell_acknowledged().await,
                polled = poll(self.task.as_mut(), &self.producer), if target == Target::Running => match polled {
                    Ok(batch) => {
                        // Boxed: it is most of what this loop would keep room for while it waits.
                        Box::pin(self.produce(batch, control)).await?;
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
}

impl std::fmt::Debug for SourcePipeline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SourcePipeline").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Waits until `due`; for ever without.
async fn at(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
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

fn unrecoverable(message: &str, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::fatal(message).with_source(cause)
}
