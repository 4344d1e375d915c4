//! Exactly-once delivery (KIP-618): what is done where a transaction begins and ends. Records and the offsets behind them are written by
//! one producer in one transaction, so that both become visible or neither (`ExactlyOnceWorkerSourceTask`).

use std::rc::Rc;
use std::sync::Arc;

use api::{Batch, Error, Result, TransactionContext};
use protocol::ErrorCode;
use protocol::client::producer::{AppendError, ProduceRecord, TransactionError, partition_for_key};
use tokio::time::{Duration, Instant, timeout};
use tracing::{debug, info, warn};

use super::SourcePipeline;
use super::boundary::{Boundaries, End, Then, Verdict};
use super::progress::OFFSETS_TOKEN;
use crate::offset::OffsetEntry;
use crate::pipeline::side::AbortOnDrop;
use crate::rt::clock;
use crate::task::{Control, ExactlyOnce, TaskId, TransactionBoundary};

/// The transactions of a source task.
pub(super) struct Transactions {
    pub(super) spec: Box<ExactlyOnce>,
    pub(super) boundaries: Boundaries,
    /// What the task asks for, where it defines its transactions.
    pub(super) context: Option<TransactionContext>,
    /// Records in the open transaction.
    pub(super) record_count: usize,
    /// The last write to the secondary store.
    secondary: Option<AbortOnDrop<()>>,
}

impl Transactions {
    pub(super) fn new(spec: Box<ExactlyOnce>) -> Transactions {
        let is_connectors = spec.boundary == TransactionBoundary::Connector;
        Transactions {
            boundaries: Boundaries::new(spec.boundary, Instant::now()),
            context: is_connectors.then(TransactionContext::default),
            record_count: 0,
            secondary: None,
            spec,
        }
    }
}

impl SourcePipeline {
    /// Everything before the task's `start`: producers of former generations are shut out, this one takes the transactional id, and the
    /// worker says whether the task is still to run. `false`: told to stop meanwhile.
    pub(super) async fn take_over(&mut self, control: &mut Control) -> Result<bool> {
        let Some(transactions) = &self.transactions else { return Ok(true) };
        let gate = Arc::clone(&transactions.spec.gate);
        let (id, producer) = (self.id.clone(), Rc::clone(&self.producer));
        // It takes as long as a leader is looked for: a stop does not wait for that.
        tokio::select! {
            fenced = gate.fence(&id) => fenced?,
            () = control.stopped() => return Ok(false),
        }
        loop {
            // Whoever takes the transactional id shuts out younger tasks: not after a stop, though the coordinator was away until now. The
            // attempt that is under way ends with the producer.
            let taken = tokio::select! {
                biased;
                () = control.stopped() => return Ok(false),
                taken = producer.init_transactions() => taken,
            };
            match taken {
                Ok(()) => break,
                Err(TransactionError::Retry(error)) => {
                    warn!(task = %id, %error, "no coordinator for the task's transactions yet, trying again");
                }
                Err(error) => {
                    return Err(
                        Error::fatal("failed to initialize the task's transactions").with_source(error)
                    );
                }
            }
        }
        tokio::select! {
            confirmed = gate.confirm(&id) => confirmed?,
            () = control.stopped() => return Ok(false),
        }
        Ok(true)
    }

    /// Begins a transaction before the first record of it.
    pub(super) fn begin_transaction(&mut self) -> Result<()> {
        let Some(transactions) = &mut self.transactions else { return Ok(()) };
        if transactions.boundaries.is_open() {
            return Ok(());
        }
        self.producer.begin().map_err(|error| not_flushed(&self.id, error))?;
        transactions.boundaries.opened();
        Ok(())
    }

    /// A record for the topic of the task's own offsets would block its next look at them.
    pub(super) fn check_topic(&self, topic: &str) -> Result<()> {
        match &self.transactions {
            Some(transactions) if *transactions.spec.offsets_topic == *topic => Err(Error::fatal(
                "Source tasks may not produce to their own offsets topics when exactly-once support is enabled",
            )),
            _ => Ok(()),
        }
    }

    /// Where transactions end within a batch, by its records.
    pub(super) fn ends_within(&mut self, batch: &Batch) -> Result<Vec<(usize, End)>> {
        match &mut self.transactions {
            Some(Transactions { context: Some(context), boundaries, .. }) => {
                boundaries.polled(context.take(), &batch.runs)
            }
            _ => Ok(Vec::new()),
        }
    }

    /// The task wants a transaction to end after the record that was handed over last.
    pub(super) async fn end_after_record(&mut self, end: End) -> Result<()> {
        let Some(transactions) = &self.transactions else { return Ok(()) };
        let has_offsets = self.progress.ledger.borrow().has_committable();
        let verdict = transactions.boundaries.after_record(end, has_offsets);
        self.end_transaction(verdict).await
    }

    /// A batch was handed over, or nothing has come for an interval.
    pub(super) async fn end_after_batch(&mut self) -> Result<()> {
        let Some(transactions) = &mut self.transactions else { return Ok(()) };
        let has_offsets = self.progress.ledger.borrow().has_committable();
        let verdict = transactions.boundaries.after_batch(Instant::now(), has_offsets)?;
        self.end_transaction(verdict).await
    }

    /// The task pauses or stops: nothing stays open for a time that nobody knows.
    pub(super) async fn end_before_rest(&mut self) -> Result<()> {
        let Some(transactions) = &mut self.transactions else { return Ok(()) };
        let has_offsets = self.progress.ledger.borrow().has_committable();
        let verdict = transactions.boundaries.last(has_offsets)?;
        self.end_transaction(verdict).await
    }

    /// When the open transaction ends although nothing comes.
    pub(super) fn transaction_due(&self) -> Option<Instant> {
        let transactions = self.transactions.as_ref()?;
        transactions.boundaries.due(self.progress.ledger.borrow().has_committable())
    }

    /// The last commit of a task that is stopped. One that has failed commits nothing. What is left open is aborted when the producer is
    /// closed.
    pub(super) async fn finish_transactions(
        &mut self,
        control: &mut Control,
        has_failed: bool,
    ) -> Result<()> {
        if has_failed {
            debug!(task = %self.id, "the task has failed: its open transaction is not committed");
            return Ok(());
        }
        let limit = self.time_to_finish(control);
        let Ok(outcome) = timeout(limit, self.end_before_rest()).await else {
            warn!(task = %self.id, "the last transaction was not committed in time");
            return Ok(());
        };
        outcome?;
        let secondary = self.transactions.as_mut().and_then(|transactions| transactions.secondary.take());
        if let Some(mut write) = secondary
            && timeout(self.time_to_finish(control), write.outcome()).await.is_err()
        {
            warn!(task = %self.id, "the worker's offset store was not written in time");
        }
        Ok(())
    }

    async fn end_transaction(&mut self, verdict: Verdict) -> Result<()> {
        if verdict.abort {
            info!(task = %self.id, "aborting the transaction as requested by the connector");
            self.abort_transaction().await?;
        }
        let since = Instant::now();
        match verdict.then {
            Then::Nothing => return Ok(()),
            Then::Tell => self.metrics.commit_ended(true, since),
            Then::Commit => {
                let committed = self.commit_transaction().await;
                self.metrics.commit_ended(committed.is_ok(), since);
                committed?;
            }
        }
        // As in Java `commit` is called although nothing was written.
        self.progress.is_commit_untold.set(true);
        self.tell_committed().await;
        Ok(())
    }

    async fn abort_transaction(&mut self) -> Result<()> {
        loop {
            match self.producer.abort().await {
                Ok(()) => break,
                Err(TransactionError::Retry(error)) => {
                    warn!(task = %self.id, %error, "the transaction is not aborted yet, trying again");
                }
                Err(error) => return Err(not_flushed(&self.id, error)),
            }
        }
        self.transaction_ended(true).await
    }

    async fn commit_transaction(&mut self) -> Result<()> {
        // After an abort, and where all records were dropped, there is none for the offsets.
        self.begin_transaction()?;
        let taken = self.progress.ledger.borrow_mut().take_committable();
        let entries = taken.map_err(|error| not_flushed(&self.id, error))?;
        self.write_tombstones(&entries).await?;
        self.write_offsets(&entries).await?;
        loop {
            match self.producer.commit().await {
                Ok(()) => break,
                // Nothing was lost: the coordinator says how it ended once it is back.
                Err(TransactionError::Retry(error)) => {
                    warn!(task = %self.id, %error, "the transaction is not committed yet, trying again");
                }
                Err(error) => return Err(not_flushed(&self.id, error)),
            }
        }
        self.transaction_ended(false).await?;
        self.write_secondary(&entries).await;
        self.progress.untold.borrow_mut().extend(entries);
        Ok(())
    }

    /// Every record of the transaction is answered, and what became of it is known.
    async fn transaction_ended(&mut self, is_aborted: bool) -> Result<()> {
        while self.progress.ledger.borrow().outstanding_records() > 0 {
            tokio::select! {
                () = self.progress.acknowledged.notified() => {}
                error = self.progress.failure() => return Err(error),
            }
        }
        self.progress.decide_all(is_aborted);
        if let Some(transactions) = &mut self.transactions {
            transactions.boundaries.ended();
            let record_count = std::mem::take(&mut transactions.record_count);
            if !is_aborted && let Some(sizes) = self.metrics.transaction_sizes.get() {
                sizes.record(record_count as f64, clock::now());
            }
        }
        Ok(())
    }

    /// Offsets go where records go: whether they count is up to the transaction.
    async fn write_offsets(&mut self, entries: &[OffsetEntry]) -> Result<()> {
        let Some(transactions) = &self.transactions else { return Ok(()) };
        if entries.is_empty() {
            return Ok(());
        }
        let topic = self.producer.topic(&transactions.spec.offsets_topic).await;
        let topic = topic.map_err(|error| not_flushed(&self.id, error))?;
        for (key, value) in entries {
            // Whatever the connector says of partitioners: a key has to stay where it is, or compaction would keep two of it.
            let partition = i32::try_from(partition_for_key(key, topic.partition_count())).ok();
            let timestamp_ms = self.env.now_ms();
            let record =
                ProduceRecord { timestamp_ms, key: Some(key), value: value.as_deref(), headers: &[] };
            loop {
                match self.producer.append(&topic, partition, &record, OFFSETS_TOKEN) {
                    Ok(_partition) => break,
                    Err(AppendError::Full) => self.producer.ready().await,
                    Err(error) => return Err(self.refused(error, None).await),
                }
            }
        }
        Ok(())
    }

    /// A record that the producer refuses, under the message `unrecoverable` or that of a commit. Where its transaction has failed
    /// before, the cause is what failed it.
    pub(super) async fn refused(&self, error: AppendError, unrecoverable: Option<&str>) -> Error {
        let wrapped = |cause: TransactionError| match unrecoverable {
            Some(message) if !has_expired(&cause) => super::unrecoverable(message, cause),
            _ => not_flushed(&self.id, cause),
        };
        match error {
            AppendError::NoTransaction => match self.producer.commit().await {
                Err(cause) => wrapped(cause),
                Ok(()) => Error::fatal("a transaction ended by itself, which is a bug of the producer"),
            },
            error => match unrecoverable {
                Some(message) => super::unrecoverable(message, error),
                None => not_flushed(&self.id, error),
            },
        }
    }

    /// An older offset in the worker's store must not show through once the newer one is gone (KIP-618).
    async fn write_tombstones(&self, entries: &[OffsetEntry]) -> Result<()> {
        let secondary =
            self.transactions.as_ref().and_then(|transactions| transactions.spec.secondary.as_ref());
        let Some(store) = secondary else { return Ok(()) };
        let tombstones: Vec<_> = entries.iter().filter(|(_, value)| value.is_none()).cloned().collect();
        if tombstones.is_empty() {
            return Ok(());
        }
        store.set(tombstones).await.map_err(|error| not_flushed(&self.id, error))
    }

    async fn write_secondary(&mut self, entries: &[OffsetEntry]) {
        let Some(transactions) = &mut self.transactions else { return };
        let Some(store) = transactions.spec.secondary.clone() else { return };
        // One after another: the newest is the last.
        if let Some(mut before) = transactions.secondary.take() {
            let _ended = before.outcome().await;
        }
        let (id, entries) = (self.id.clone(), entries.to_vec());
        transactions.secondary = Some(AbortOnDrop::spawn(async move {
            if let Err(error) = store.set(entries).await {
                warn!(task = %id, %error, "failed to write offsets to the worker's store as well; the connector's own has them");
            }
        }));
    }

    /// What is left of the time to stop, at most the flush timeout.
    pub(super) fn time_to_finish(&self, control: &mut Control) -> Duration {
        let left = control.time_left(self.spec.shutdown_timeout * super::commits::FINISH_PERCENT / 100);
        left.map_or(self.spec.offset_flush_timeout, |left| left.min(self.spec.offset_flush_timeout))
    }
}

/// Whether the coordinator has given the transaction up: a leader knows a newer epoch, or since KIP-890 the coordinator no transaction. Of
/// an old epoch that the coordinator itself speaks of, another producer is the reason (as in Java's `TransactionManager`).
fn has_expired(error: &(dyn std::error::Error + 'static)) -> bool {
    match error.downcast_ref::<TransactionError>() {
        Some(TransactionError::Abort(cause)) => cause.code() == Some(ErrorCode::INVALID_PRODUCER_EPOCH),
        Some(TransactionError::Fatal(cause)) => cause.code() == Some(ErrorCode::INVALID_TXN_STATE),
        _ => false,
    }
}

/// Why the task cannot go on (`ExactlyOnceWorkerSourceTask#maybeWrapProducerSendException`).
fn not_flushed(id: &TaskId, cause: impl std::error::Error + Send + Sync + 'static) -> Error {
    if has_expired(&cause) {
        let message = format!(
            "The task {id} was unable to finish writing records to Kafka before its producer transaction expired. \
             It may be necessary to reconfigure this connector in order for it to run healthily with exactly-once support. \
             Options for this include: tune the connector's producer configuration for higher throughput, \
             increase the transaction timeout for the connector's producers, \
             decrease the offset commit interval (if using interval-based transaction boundaries), \
             or use the 'poll' transaction boundary (if the connector is not already configured to use it)."
        );
        return Error::fatal(message).with_source(cause);
    }
    Error::fatal(format!("Failed to flush offsets and/or records for task {id}")).with_source(cause)
}
