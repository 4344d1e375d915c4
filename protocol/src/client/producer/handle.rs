//! The producer as its owner sees it.

use std::fmt;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::accumulator::Accumulator;
use super::record::{AppendError, Completion, ProduceRecord};
use super::{ProducerConfig, TopicHandle, sender};
use crate::cluster::Cluster;
use crate::metrics::Elapsed;
use crate::wire::records::{RecordBatch, Rows};
use crate::{Error, Result};

/// Sends records to the partitions of topics, in batches, in order, and with idempotence exactly once over retries.
///
/// Every appended record is answered by exactly one [`Completion`], in the order of each partition.
pub struct Producer {
    pub(super) accumulator: Rc<Accumulator>,
}

impl Producer {
    /// A producer on `cluster`; starts its send task on the current `LocalSet`.
    ///
    /// # Errors
    /// `Config` where settings contradict each other.
    pub fn new(cluster: Cluster, config: ProducerConfig) -> Result<Self> {
        config.validate()?;
        let accumulator = Rc::new(Accumulator::new(cluster, config)?);
        tokio::task::spawn_local(sender::run(Rc::clone(&accumulator)));
        Ok(Self { accumulator })
    }

    /// The topic, for appending to it. Waits up to `max.block.ms` for its metadata; where the broker allows it, this creates it.
    ///
    /// # Errors
    /// `Broker` with Kafka's code where the topic does not exist, is invalid or not permitted.
    pub async fn topic(&self, name: &str) -> Result<TopicHandle> {
        if let Some(topic) = self.accumulator.topics.borrow().get(name) {
            return Ok(topic.clone());
        }
        let accumulator = &self.accumulator;
        let deadline = Instant::now() + Duration::from_millis(accumulator.config.max_block_ms);
        let metadata = {
            let _waiting = Elapsed::start(&accumulator.metrics, |stats| &mut stats.metadata_wait);
            accumulator.cluster.topic(name, deadline).await?
        };
        let mut topics = accumulator.topics.borrow_mut();
        // Somebody else may have asked for the same topic meanwhile; there must be one state per topic.
        let topic = topics.entry(Arc::clone(&metadata.name)).or_insert_with(|| {
            let (cluster, config) = (&accumulator.cluster, &accumulator.config);
            TopicHandle::new(&metadata, cluster.pool(), config.batch_bytes, cluster.config().metrics)
        });
        Ok(topic.clone())
    }

    /// Appends one record to the open batch of its partition: the one given, or that of its key, or for a null key a sticky one.
    /// Does not wait and does not allocate per record. Gives the partition; `token` comes back in the completion.
    ///
    /// # Errors
    /// [`AppendError::Full`] when the buffer memory is used up, or enough of the given partition waits: await [`ready`](Self::ready) and
    /// append again. All others say why this record can never be sent.
    pub fn append(
        &self,
        topic: &TopicHandle,
        partition: Option<i32>,
        record: &ProduceRecord<'_>,
        token: u64,
    ) -> Result<i32, AppendError> {
        let mut chosen = -1;
        self.append_rows(topic, partition, record, &mut (0..1), token, |_row, partition| chosen = partition)?;
        Ok(chosen)
    }

    /// Appends rows from the beginning of `left` on, as [`append`](Self::append) one after another would, and takes them out of it.
    /// `sent` hears which of them went to which partition.
    ///
    /// # Errors
    /// As [`append`](Self::append), for the first row in `left`.
    pub fn append_rows<R: Rows>(
        &self,
        topic: &TopicHandle,
        partition: Option<i32>,
        rows: &R,
        left: &mut Range<usize>,
        token: u64,
        sent: impl FnMut(Range<usize>, i32),
    ) -> Result<(), AppendError> {
        self.accumulator.append_rows(topic, partition, rows, left, token, sent)
    }

    /// Whether a batch can go out as it is: format v2, data, no gaps, timestamps that its producer set, no larger than
    /// `max.request.size`, and compressed as `compression.type` says. Where that says `none`, every codec is good.
    pub fn can_append_batch(&self, batch: &RecordBatch) -> bool {
        self.accumulator.can_append_batch(batch)
    }

    /// Appends a whole batch that was encoded elsewhere, behind all that was appended to its partition before. It is sent as it is, under
    /// this producer's id and sequence. Only for batches that [can be](Self::can_append_batch); their checksum is taken to be right.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn append_batch(
        &self,
        topic: &TopicHandle,
        partition: i32,
        batch: &RecordBatch,
        token: u64,
    ) -> Result<(), AppendError> {
        self.accumulator.append_batch(topic, partition, batch, token)
    }

    /// Waits until what found no room would find some.
    ///
    /// Cancel safe.
    pub async fn ready(&self) {
        self.accumulator.has_room().await;
    }

    /// Appends to `out` what has been answered; waits until there is at least one.
    ///
    /// Cancel safe: nothing is taken before it is in `out`.
    pub async fn completions(&self, out: &mut Vec<Completion>) {
        self.accumulator.take_completions(out).await;
    }

    /// Says that no more records come for now: open batches are sent without lingering.
    pub fn flush_hint(&self) {
        self.accumulator.flush_hint();
    }

    /// Sends open batches and waits until every record appended before is answered, one way or the other.
    ///
    /// # Errors
    /// `Closed` when the producer was closed meanwhile.
    pub async fn flush(&self) -> Result<()> {
        let _flushing = Elapsed::start(&self.accumulator.metrics, |stats| &mut stats.flush);
        let generation = self.accumulator.begin_flush();
        self.accumulator.flushed(generation).await;
        if self.accumulator.is_closed.get() {
            return Err(Error::closed("flush producer"));
        }
        Ok(())
    }

    /// Bytes of buffer memory in use.
    pub fn buffered_bytes(&self) -> usize {
        self.accumulator.used_bytes()
    }

    /// Flushes for at most `limit`, then fails what is left. All completions that were not taken before are appended to `out`.
    ///
    /// An open transaction is aborted within the same limit, and its unsent records with it; a commit that was begun is completed. With
    /// a limit of zero, or when the producer is dropped, the coordinator aborts it once `transaction.timeout.ms` is over.
    ///
    /// # Errors
    /// `Timeout` when something was left; `out` says what. What the coordinator said where it did not abort the transaction.
    pub async fn close(self, limit: Duration, out: &mut Vec<Completion>) -> Result<()> {
        let accumulator = &self.accumulator;
        let deadline = Instant::now() + limit;
        let ended = if limit.is_zero() {
            Ok(())
        } else {
            timeout_at(deadline, self.end_open_transaction())
                .await
                .unwrap_or_else(|_elapsed| Err(Error::timeout("end the open transaction")))
        };
        let generation = accumulator.begin_flush();
        let is_flushed = timeout_at(deadline, accumulator.flushed(generation)).await.is_ok();
        accumulator.close();
        // The send task fails what is left before it ends.
        accumulator.flushed(generation).await;
        accumulator.take_completions_now(out);
        if is_flushed { ended } else { Err(Error::timeout("close producer")) }
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.accumulator.close();
    }
}

impl fmt::Debug for Producer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("buffered_bytes", &self.buffered_bytes()).finish_non_exhaustive()
    }
}
