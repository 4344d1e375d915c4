//! Reading, following and writing.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use protocol::client::TopicPartition;
use protocol::client::admin::{Admin, IsolationLevel, OffsetSpec};
use protocol::client::consumer::{Consumer, Fetched, Polled};
use protocol::client::producer::{
    AppendError, Completion, ProduceRecord, Producer, TopicHandle, TransactionError,
};
use protocol::net::Env;
use protocol::wire::records::{BufferPool, Decompressor};
use protocol::{Error, ErrorKind};
use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

use super::{LogClients, Purpose, StoreError, create};
use crate::config::InternalTopic;
use crate::store::LogRecord;

/// How long the first look at the ends is tried.
const FIRST_END_TIMEOUT: Duration = Duration::from_secs(15 * 60);
const FIRST_END_PAUSE: Duration = Duration::from_secs(10);

/// How long one poll waits; only polls that bring something are noticed.
const POLL: Duration = Duration::from_secs(60);

/// The most that one batch may unpack to.
const BATCH_BYTES_MAX: usize = 256 << 20;

/// Where the position of a partition stands before its first record is known without a poll that says so.
const POSITION_PAUSE: Duration = Duration::from_millis(20);

/// Takes in what is read, in the order of each partition.
pub trait LogReader {
    /// A record.
    fn record(&mut self, offset: i64, key: Option<&[u8]>, value: Option<&[u8]>);

    /// No more records for now: what was taken in may be shown.
    fn batch_ended(&mut self);
}

/// The log. A clone is the same log; it is followed until the last one is dropped.
#[derive(Clone)]
pub struct TopicLog {
    inner: Rc<Inner>,
    _tasks: Rc<Tasks>,
}

struct Inner {
    topic: Arc<str>,
    admin: Admin,
    env: Env,
    retry_backoff: Duration,
    consumer: Consumer,
    producer: Producer,
    handle: TopicHandle,
    partitions: Vec<TopicPartition>,
    /// Wakes whoever waits for positions.
    advanced: Notify,
    waiting: RefCell<HashMap<u64, oneshot::Sender<Result<(), Error>>>>,
    next_token: Cell<u64>,
}

/// What becomes of a record that was handed to the producer.
#[derive(Debug)]
pub struct Receipt(Result<oneshot::Receiver<Result<(), Error>>, Error>);

impl Receipt {
    /// Waits until the record is acknowledged by all replicas.
    ///
    /// # Errors
    /// It was refused or not written.
    pub async fn outcome(self) -> Result<(), Error> {
        self.0?.await.unwrap_or_else(|_gone| Err(Error::closed("write to an internal topic")))
    }
}

struct Tasks(Vec<AbortHandle>);

impl Drop for Tasks {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

impl TopicLog {
    /// Makes or checks the topic and reads it to its present end; from then on it is followed. For a consumer that reads only what is
    /// committed the end is the last stable offset: a worker that was killed within a transaction must not keep others from starting until
    /// that expires (Java waits). Whoever needs all of it reads to the end.
    ///
    /// # Errors
    /// In Java's words: the topic is not compacted, does not show up, or its ends cannot be read.
    pub async fn start(
        clients: LogClients,
        topic: &InternalTopic,
        purpose: Purpose,
        reader: impl LogReader + 'static,
    ) -> Result<TopicLog, StoreError> {
        let LogClients { admin, admin_timeout, retry_backoff, isolation, consumer, producer, env } = clients;
        create::ensure(&admin, topic, purpose, admin_timeout, retry_backoff).await?;
        let name: Arc<str> = topic.name.as_str().into();
        let partition_count = create::partition_count(&admin, &name).await?;
        let partitions: Vec<_> =
            (0..partition_count as i32).map(|partition| TopicPartition::new(&name, partition)).collect();
        let unknown = |error| {
            StoreError::failed(format!("Could not look up partition metadata for topic '{name}'"), error)
        };
        let handle = producer.topic(&name).await.map_err(unknown)?;
        consumer.assign(partitions.clone());
        let inner = Rc::new(Inner {
            topic: name,
            admin,
            env,
            retry_backoff,
            consumer,
            producer,
            handle,
            partitions,
            advanced: Notify::new(),
            waiting: RefCell::default(),
            next_token: Cell::new(0),
        });
        let tasks = vec![
            tokio::task::spawn_local(follow(Rc::clone(&inner), reader)).abort_handle(),
            tokio::task::spawn_local(answer(Rc::clone(&inner))).abort_handle(),
        ];
        let log = TopicLog { inner, _tasks: Rc::new(Tasks(tasks)) };
        let ends = log.first_ends(isolation).await?;
        log.reached(&ends).await;
        tracing::info!(topic = %log.inner.topic, "finished reading the topic");
        Ok(log)
    }

    /// How many partitions it has.
    pub fn partition_count(&self) -> usize {
        self.inner.partitions.len()
    }

    /// Waits until everything that is in the topic now, what this worker has sent included, has been taken in. Brokers that do not answer
    /// are asked again for ever: the caller has a limit.
    ///
    /// # Errors
    /// Where asking again cannot help.
    pub async fn read_to_end(&self) -> Result<(), Error> {
        self.inner.producer.flush().await?;
        let ends = loop {
            match self.ends(IsolationLevel::ReadUncommitted).await {
                Ok(ends) => break ends,
                Err(error) if error.is_retriable() => {
                    tracing::warn!(
                        topic = %self.inner.topic, %error,
                        "timeout while reading the log to its end, retrying; brokers may be unavailable or unreachable"
                    );
                    sleep(self.inner.retry_backoff).await;
                }
                Err(error) => return Err(error),
            }
        };
        self.reached(&ends).await;
        Ok(())
    }

    /// Writes records in this order, each to the partition of its key, and waits until all are acknowledged.
    ///
    /// # Errors
    /// The first record that was refused or not written; others may have been.
    pub async fn send(&self, records: &[LogRecord]) -> Result<(), Error> {
        let mut receipts = Vec::with_capacity(records.len());
        for record in records {
            receipts.push(loop {
                match self.begin(record) {
                    Some(receipt) => break receipt,
                    None => self.inner.producer.ready().await,
                }
            });
        }
        for receipt in receipts {
            receipt.outcome().await?;
        }
        Ok(())
    }

    /// As [`TopicLog::send`], in one transaction: for a producer with a `transactional.id` whose transactions are initialised.
    ///
    /// # Errors
    /// Nothing was written; where the coordinator did not answer to the last word, perhaps all was.
    pub async fn transact(&self, records: &[LogRecord]) -> Result<(), TransactionError> {
        let producer = &self.inner.producer;
        producer.begin()?;
        if let Err(error) = self.send(records).await {
            // Else whoever reads what is committed waits until it expires.
            producer.abort().await?;
            return Err(TransactionError::Abort(error));
        }
        producer.commit().await
    }

    /// Hands a record to the producer; none where there is no room for it now.
    pub fn begin(&self, record: &LogRecord) -> Option<Receipt> {
        let inner = &self.inner;
        let token = inner.next_token.get();
        inner.next_token.set(token + 1);
        match append(&inner.producer, &inner.handle, &inner.env, record, token) {
            Ok(()) => {
                let (done, outcome) = oneshot::channel();
                inner.waiting.borrow_mut().insert(token, done);
                inner.producer.flush_hint();
                Some(Receipt(Ok(outcome)))
            }
            Err(AppendError::Full) => None,
            Err(error) => Some(Receipt(Err(refused(error)))),
        }
    }

    /// Waits until everything that was sent has been acknowledged or refused.
    pub async fn flush(&self) {
        let _closed = self.inner.producer.flush().await;
    }

    /// As [`TopicLog::ends`], for a worker that may be up before its brokers.
    async fn first_ends(&self, isolation: IsolationLevel) -> Result<Vec<i64>, StoreError> {
        let deadline = Instant::now() + FIRST_END_TIMEOUT;
        loop {
            let error = match self.ends(isolation).await {
                Ok(ends) => return Ok(ends),
                Err(error) => error,
            };
            if !error.is_retriable() || Instant::now() + FIRST_END_PAUSE >= deadline {
                return Err(StoreError::failed("Failed to list offsets for topic partitions", error));
            }
            tracing::warn!(topic = %self.inner.topic, %error, "failed to list offsets, retrying");
            sleep(FIRST_END_PAUSE).await;
        }
    }

    /// Where the partitions end now; where the uncommitted is read, records of open transactions included.
    async fn ends(&self, isolation: IsolationLevel) -> Result<Vec<i64>, Error> {
        let inner = &self.inner;
        let queries: Vec<_> =
            inner.partitions.iter().map(|tp| (&*tp.topic, tp.partition, OffsetSpec::Latest)).collect();
        let found = inner.admin.list_offsets(&queries, isolation).await;
        found.into_iter().map(|found| Ok(found?.offset.unwrap_or(0))).collect()
    }

    /// Waits until positions are at these ends. Markers and what compaction took count as read.
    async fn reached(&self, ends: &[i64]) {
        let inner = &self.inner;
        loop {
            let advanced = inner.advanced.notified();
            let mut advanced = std::pin::pin!(advanced);
            advanced.as_mut().enable();
            let is_there = inner.partitions.iter().zip(ends).all(|(tp, end)| {
                *end == 0 || inner.consumer.position(tp).is_some_and(|position| position >= *end)
            });
            if is_there {
                return;
            }
            // The beginning of an emptied partition is found without a poll that says so.
            tokio::select! {
                () = advanced => {}
                () = sleep(POSITION_PAUSE) => {}
            }
        }
    }
}

impl fmt::Debug for TopicLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TopicLog").field("topic", &self.inner.topic).finish_non_exhaustive()
    }
}

/// Appends a record; its completion carries `token`.
pub(in crate::store) fn append(
    producer: &Producer,
    topic: &TopicHandle,
    env: &Env,
    record: &LogRecord,
    token: u64,
) -> Result<(), AppendError> {
    let record = ProduceRecord {
        timestamp_ms: env.clock.now_ms(),
        key: Some(&record.key),
        value: record.value.as_deref(),
        headers: &[],
    };
    producer.append(topic, None, &record, token).map(drop)
}

pub(in crate::store) fn refused(error: AppendError) -> Error {
    let kind = match error {
        AppendError::TooLarge { .. } => ErrorKind::TooLarge,
        AppendError::Closed => ErrorKind::Closed,
        _ => ErrorKind::Internal,
    };
    Error::new(kind, "write to an internal topic").with_source(error.to_string())
}

/// Reads on for ever.
async fn follow(inner: Rc<Inner>, mut reader: impl LogReader) {
    let mut decompressor = Decompressor::new(BufferPool::of_thread(), BATCH_BYTES_MAX);
    loop {
        match inner.consumer.poll(POLL).await {
            Ok(Polled::Records(fetched)) => {
                for fetched in &fetched {
                    if let Err(error) = take_in(fetched, &mut decompressor, &mut reader) {
                        tracing::error!(topic = %inner.topic, offset = fetched.first_wanted_offset, %error, "records could not be read and are skipped");
                    }
                }
                reader.batch_ended();
                inner.advanced.notify_waiters();
            }
            Ok(Polled::Reset(reset)) => {
                tracing::warn!(
                    topic = %inner.topic, cause = ?reset.cause, before = reset.before, after = reset.after,
                    "records of an internal topic are gone or come again: it was truncated, deleted or made anew"
                );
            }
            Ok(Polled::Idle | Polled::Rebalance(_)) => {}
            Err(error) => {
                tracing::error!(topic = %inner.topic, %error, "Error polling");
                sleep(inner.retry_backoff).await;
            }
        }
    }
}

fn take_in(
    fetched: &Fetched,
    decompressor: &mut Decompressor,
    reader: &mut impl LogReader,
) -> Result<(), Error> {
    for batch in fetched.committed_batches(decompressor)? {
        let payload = batch.payload(decompressor)?;
        for record in batch.records(&payload) {
            let record = record?;
            let offset = batch.header().base_offset + i64::from(record.offset_delta);
            if offset >= fetched.first_wanted_offset {
                reader.record(offset, record.key, record.value);
            }
        }
    }
    Ok(())
}

/// Tells senders what became of their records, for ever.
async fn answer(inner: Rc<Inner>) {
    let mut completions = Vec::new();
    loop {
        inner.producer.completions(&mut completions).await;
        for Completion { token, result, .. } in completions.drain(..) {
            if let Some(done) = inner.waiting.borrow_mut().remove(&token) {
                let _gave_up = done.send(result.map(drop));
            }
        }
    }
}
