//! What callers and the send task share: open batches, buffer memory, who is ready to send, what is done.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use indexmap::IndexMap;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::ProducerConfig;
use super::finished::Finished;
use super::metrics::{ProducerStats, RoomWait};
use super::queue::{PartitionQueue, SealedBatch};
use super::record::{Ack, AppendError, Completion};
use super::topic::{OpenBatch, Partition, PartitionState, TopicHandle};
use super::transaction::{Event, Transaction};
use crate::cluster::Cluster;
use crate::wire::records::{BatchHeader, Compressor, HEADER_BYTES, ProducerStamp};
use crate::{Error, Result};

pub(super) struct Accumulator {
    pub(super) cluster: Cluster,
    pub(super) config: ProducerConfig,
    pub(super) topics: RefCell<IndexMap<Arc<str>, TopicHandle>>,
    /// None for a producer that is not transactional.
    pub(super) transaction: Option<Rc<Transaction>>,
    /// Partitions that have something to send, each at most once (`Partition::is_ready`).
    pub(super) ready: RefCell<VecDeque<Rc<Partition>>>,
    /// Wakes the send task.
    pub(super) wake: Notify,
    pub(super) is_closed: Cell<bool>,
    /// No batch expires before this; lowered when a batch is opened, raised when the send task has looked.
    pub(super) no_expiry_before: Cell<Option<Instant>>,
    pub(super) compressor: RefCell<Compressor>,
    pub(super) metrics: RefCell<ProducerStats>,
    /// Open batches in the order of their due times, with the batch id, by which stale entries are known.
    lingering: RefCell<VecDeque<(Instant, u64, Rc<Partition>)>>,
    next_batch_id: Cell<u64>,
    used_bytes: Cell<usize>,
    /// What the last record that found no room asked for.
    wanted_bytes: Cell<usize>,
    /// Whose queues were all [ahead](PartitionQueue::is_ahead) when another batch was to be begun.
    ahead: RefCell<Vec<Rc<Partition>>>,
    room: Notify,
    completions: RefCell<Vec<Completion>>,
    completed: Notify,
    flush_generation: Cell<u64>,
    /// Unfinished batches by flush generation, ascending.
    unfinished: RefCell<VecDeque<(u64, usize)>>,
    flushed: Notify,
}

impl Accumulator {
    pub(super) fn new(cluster: Cluster, config: ProducerConfig) -> Result<Self> {
        let compressor =
            Compressor::new(config.compression, config.compression_level, cluster.pool().clone())?;
        Ok(Self {
            compressor: RefCell::new(compressor),
            metrics: RefCell::new(ProducerStats::new(cluster.config().metrics)),
            transaction: config.transactional_id.clone().map(|id| Rc::new(Transaction::new(id))),
            cluster,
            config,
            topics: RefCell::default(),
            ready: RefCell::default(),
            wake: Notify::new(),
            is_closed: Cell::new(false),
            no_expiry_before: Cell::new(None),
            lingering: RefCell::default(),
            next_batch_id: Cell::new(0),
            used_bytes: Cell::new(0),
            wanted_bytes: Cell::new(0),
            ahead: RefCell::default(),
            room: Notify::new(),
            completions: RefCell::default(),
            completed: Notify::new(),
            flush_generation: Cell::new(0),
            unfinished: RefCell::default(),
            flushed: Notify::new(),
        })
    }

    /// Closes the open batch of `partition`, if there is one, and queues it.
    ///
    /// # Errors
    /// When it cannot be compressed; its records are then reported as failed.
    pub(super) fn close_batch(
        &self,
        topic: &TopicHandle,
        partition: &Rc<Partition>,
        state: &mut PartitionState,
    ) -> Result<()> {
        let Some(open) = state.open.take() else { return Ok(()) };
        let raw_bytes = state.builder.estimated_bytes();
        match self.seal(state) {
            Ok((header, payload)) => {
                let charged_bytes = HEADER_BYTES + payload.len();
                self.used_bytes.set(self.used_bytes.get() - open.charged_bytes + charged_bytes);
                self.room.notify_waiters();
                state.queue.push(SealedBatch {
                    id: open.id,
                    header,
                    payload,
                    raw_bytes,
                    tokens: open.tokens,
                    deadline: open.deadline,
                    charged_bytes,
                    flush_generation: open.flush_generation,
                });
                self.mark_ready(partition);
                Ok(())
            }
            Err(error) => {
                // Its transaction cannot be committed, however long those before it take.
                self.fail_transaction(&error, false);
                let mut finished = Vec::new();
                state.queue.fail_newest(Finished::open(open, error.clone()), &mut finished);
                for finished in finished {
                    self.finish(topic, partition.index, finished);
                }
                Err(error)
            }
        }
    }

    /// Takes out the open batch of `partition` without sending it.
    pub(super) fn fail_open_batch(
        &self,
        topic: &TopicHandle,
        partition: &Partition,
        state: &mut PartitionState,
        cause: &Error,
        finished: &mut Vec<Finished>,
    ) {
        let Some(open) = state.open.take() else { return };
        topic.state.unstick(partition.index);
        // The builder gives its buffer back only by finishing; what comes out is thrown away.
        state.builder.finish(ProducerStamp::NONE, &mut self.compressor.borrow_mut()).ok();
        self.fail_transaction(cause, false);
        state.queue.fail_newest(Finished::open(open, cause.clone()), finished);
    }

    /// Reports a batch that left its queue, and frees its memory.
    pub(super) fn finish(&self, topic: &TopicHandle, partition: i32, finished: Finished) {
        let Finished { tokens, charged_bytes, flush_generation, had_sequence, result, .. } = finished;
        if let Err(error) = &result {
            self.fail_transaction(error, had_sequence);
        }
        self.report(topic, partition, &tokens, result);
        self.release(charged_bytes, flush_generation);
    }

    pub(super) fn mark_ready(&self, partition: &Rc<Partition>) {
        if !partition.is_ready.replace(true) {
            self.ready.borrow_mut().push_back(Rc::clone(partition));
            self.wake.notify_one();
        }
    }

    /// Makes open batches due whose time has come; gives the time of the next one.
    pub(super) fn end_lingering(&self, now: Instant) -> Option<Instant> {
        loop {
            let (due, id, partition) = {
                let mut lingering = self.lingering.borrow_mut();
                match lingering.front() {
                    Some((due, _, _)) if *due <= now => lingering.pop_front()?,
                    Some((due, id, partition)) => {
                        let is_open =
                            partition.state.borrow().open.as_ref().is_some_and(|open| open.id == *id);
                        if is_open {
                            return Some(*due);
                        }
                        lingering.pop_front()?
                    }
                    None => return None,
                }
            };
            if due <= now {
                self.make_due(&partition, id);
            }
        }
    }

    /// Makes every open batch due now.
    pub(super) fn flush_hint(&self) {
        let lingering = std::mem::take(&mut *self.lingering.borrow_mut());
        for (_, id, partition) in lingering {
            self.make_due(&partition, id);
        }
    }

    /// Makes every open batch due and gives the generation that they, and all before them, belong to.
    pub(super) fn begin_flush(&self) -> u64 {
        let generation = self.flush_generation.get();
        self.flush_generation.set(generation + 1);
        self.flush_hint();
        generation
    }

    /// Waits until all batches up to `generation` are done.
    pub(super) async fn flushed(&self, generation: u64) {
        loop {
            let flushed = self.flushed.notified();
            if self.unfinished.borrow().front().is_none_or(|(oldest, _)| *oldest > generation) {
                return;
            }
            flushed.await;
        }
    }

    pub(super) async fn has_room(&self) {
        let mut waiting = None;
        loop {
            let room = self.room.notified();
            let used = self.used_bytes.get();
            let has_memory = used == 0 || used + self.wanted_bytes.get() <= self.config.buffer_bytes;
            let has_moved = {
                let ahead = self.ahead.borrow();
                ahead.is_empty() || ahead.iter().any(|partition| !self.is_ahead(partition))
            };
            if self.is_closed.get() || (has_memory && has_moved) {
                self.ahead.borrow_mut().clear();
                return;
            }
            if !has_memory {
                waiting.get_or_insert_with(|| RoomWait::start(&self.metrics));
            }
            room.await;
        }
    }

    /// Refuses a new batch for `partition` while its `queue` is [ahead](PartitionQueue::is_ahead), and those of all `others` that what
    /// comes next may go to.
    pub(super) fn check_is_not_ahead<'a>(
        &self,
        partition: &Rc<Partition>,
        queue: &PartitionQueue,
        others: impl Iterator<Item = &'a Rc<Partition>>,
    ) -> Result<(), AppendError> {
        if !queue.is_ahead(self.config.in_flight_max) {
            return Ok(());
        }
        let mut ahead = vec![Rc::clone(partition)];
        for other in others {
            if !self.is_ahead(other) {
                return Ok(());
            }
            ahead.push(Rc::clone(other));
        }
        self.ahead.replace(ahead);
        self.wanted_bytes.set(0);
        Err(AppendError::Full)
    }

    fn is_ahead(&self, partition: &Partition) -> bool {
        partition.state.borrow().queue.is_ahead(self.config.in_flight_max)
    }

    /// A queue has moved on: whoever waits for room looks again.
    pub(super) fn queue_moved(&self) {
        self.room.notify_waiters();
    }

    pub(super) async fn take_completions(&self, out: &mut Vec<Completion>) {
        loop {
            let completed = self.completed.notified();
            if self.take_completions_now(out) {
                return;
            }
            completed.await;
        }
    }

    /// Whether there were any.
    pub(super) fn take_completions_now(&self, out: &mut Vec<Completion>) -> bool {
        let mut done = self.completions.borrow_mut();
        let had_any = !done.is_empty();
        out.append(&mut done);
        had_any
    }

    pub(super) fn next_id(&self) -> u64 {
        self.next_batch_id.replace(self.next_batch_id.get() + 1)
    }

    /// `parts` take the place of `batch`.
    pub(super) fn replace_charge(&self, batch: &SealedBatch, parts: &[SealedBatch]) {
        let charged_bytes: usize = parts.iter().map(|part| part.charged_bytes).sum();
        self.used_bytes.set(self.used_bytes.get() - batch.charged_bytes + charged_bytes);
        let mut unfinished = self.unfinished.borrow_mut();
        if let Some((_, count)) =
            unfinished.iter_mut().find(|(generation, _)| *generation == batch.flush_generation)
        {
            *count += parts.len() - 1;
        }
    }

    /// Whether no batch is open, queued or in flight.
    pub(super) fn is_drained(&self) -> bool {
        self.unfinished.borrow().is_empty()
    }

    /// A batch will not be written, so its transaction cannot be committed.
    fn fail_transaction(&self, error: &Error, had_sequence: bool) {
        if let Some(transaction) = &self.transaction {
            transaction.step(Event::BatchFailed { error: error.clone(), had_sequence });
        }
    }

    pub(super) fn used_bytes(&self) -> usize {
        self.used_bytes.get()
    }

    /// Ends everything: callers wake up, the send task fails what is left and ends.
    pub(super) fn close(&self) {
        self.is_closed.set(true);
        if let Some(transaction) = &self.transaction {
            transaction.close();
        }
        self.wake.notify_one();
        self.room.notify_waiters();
    }

    pub(super) fn check_takes_records(&self) -> Result<(), AppendError> {
        if self.is_closed.get() {
            return Err(AppendError::Closed);
        }
        if self.transaction.as_ref().is_some_and(|transaction| !transaction.is_open()) {
            return Err(AppendError::NoTransaction);
        }
        Ok(())
    }

    /// Opens a batch for `partition` that begins with a record of so many bytes.
    pub(super) fn open(
        &self,
        partition: &Rc<Partition>,
        record_size: usize,
    ) -> Result<OpenBatch, AppendError> {
        // The builder takes a buffer of this size at once, so this is what has to be paid for.
        let mut open = self.begin_batch(partition, record_size, self.config.batch_bytes.max(record_size))?;
        open.is_due = self.config.linger_ms == 0;
        if open.is_due {
            self.mark_ready(partition);
        } else {
            let mut lingering = self.lingering.borrow_mut();
            let due = Instant::now() + self.config.linger();
            lingering.push_back((due, open.id, Rc::clone(partition)));
            if lingering.len() == 1 {
                // Nobody has set a timer yet.
                self.wake.notify_one();
            }
        }
        Ok(open)
    }

    /// Takes buffer memory for a batch of at least `size` bytes, and notes that it is under way.
    pub(super) fn begin_batch(
        &self,
        partition: &Partition,
        size: usize,
        charged_bytes: usize,
    ) -> Result<OpenBatch, AppendError> {
        if size > self.config.buffer_bytes {
            let max = self.config.buffer_bytes;
            return Err(AppendError::TooLarge { size, max, setting: "buffer.memory" });
        }
        let used = self.used_bytes.get();
        if used > 0 && used + charged_bytes > self.config.buffer_bytes {
            self.wanted_bytes.set(charged_bytes);
            // Waiting for more records would now be waiting for oneself.
            self.flush_hint();
            return Err(AppendError::Full);
        }
        self.used_bytes.set(used + charged_bytes);
        if let Some(topic) = partition.topic.upgrade() {
            self.cluster.note_use(&topic.name);
        }
        let id = self.next_id();
        let now = Instant::now();
        let deadline = now + self.config.delivery_timeout();
        if self.no_expiry_before.get().is_none_or(|known| deadline < known) {
            self.no_expiry_before.set(Some(deadline));
        }
        let flush_generation = self.flush_generation.get();
        {
            let mut unfinished = self.unfinished.borrow_mut();
            match unfinished.back_mut() {
                Some((generation, count)) if *generation == flush_generation => *count += 1,
                _ => unfinished.push_back((flush_generation, 1)),
            }
        }
        Ok(OpenBatch { id, deadline, charged_bytes, flush_generation, is_due: false, tokens: Vec::new() })
    }

    fn seal(&self, state: &mut PartitionState) -> Result<(BatchHeader, bytes::Bytes)> {
        const DOING: &str = "close record batch";
        let batch = state.builder.finish(ProducerStamp::NONE, &mut self.compressor.borrow_mut())?;
        let Some(header) = BatchHeader::parse(&batch)? else {
            return Err(Error::internal(DOING, "the batch is shorter than its header"));
        };
        let mut payload = batch.slice(HEADER_BYTES..);
        if batch.len() < self.config.batch_bytes / 2 {
            // It would hold on to a buffer that is much larger than itself, and than what it is charged for.
            let mut fitting = self.cluster.pool().get(payload.len());
            fitting.extend_from_slice(&payload);
            payload = fitting.freeze();
        }
        Ok((header, payload))
    }

    fn make_due(&self, partition: &Rc<Partition>, id: u64) {
        // Called from within an append too, when the memory is used up; that partition has no open batch then.
        let Ok(mut state) = partition.state.try_borrow_mut() else { return };
        if let Some(open) = &mut state.open
            && open.id == id
        {
            open.is_due = true;
            drop(state);
            self.mark_ready(partition);
        }
    }

    fn report(&self, topic: &TopicHandle, partition: i32, tokens: &[(u64, u32)], result: Result<(i64, i64)>) {
        let mut completions = self.completions.borrow_mut();
        let mut record_index = 0;
        for (token, record_count) in tokens {
            let result = match &result {
                Ok((base_offset, log_append_time_ms)) => Ok(Ack {
                    topic: topic.clone(),
                    partition,
                    base_offset: (*base_offset >= 0).then(|| base_offset + record_index),
                    log_append_time_ms: (*log_append_time_ms >= 0).then_some(*log_append_time_ms),
                }),
                Err(error) => Err(error.clone()),
            };
            completions.push(Completion { token: *token, record_count: *record_count, partition, result });
            record_index += i64::from(*record_count);
        }
        if result.is_err() {
            let mut topic = topic.state.metrics.borrow_mut();
            self.metrics.borrow_mut().failed(&mut topic, record_index, Instant::now());
        }
        self.completed.notify_one();
    }

    pub(super) fn release(&self, bytes: usize, flush_generation: u64) {
        self.used_bytes.set(self.used_bytes.get() - bytes);
        self.room.notify_waiters();
        let mut unfinished = self.unfinished.borrow_mut();
        if let Some((_, count)) =
            unfinished.iter_mut().find(|(generation, _)| *generation == flush_generation)
        {
            *count -= 1;
        }
        while unfinished.front().is_some_and(|(_, count)| *count == 0) {
            unfinished.pop_front();
            self.flushed.notify_waiters();
        }
    }
}
