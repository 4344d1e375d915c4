//! What the futures of a source pipeline share, and the one that takes the producer's acknowledgements.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use api::{Acknowledged, Error, Placed, Result, SourceOffset, SourcePartition};
use bytes::Bytes;
use protocol::client::producer::{Completion, Producer};
use tokio::sync::Notify;

use super::awaited::{Awaited, AwaitedRun};
use super::unrecoverable;
use crate::metrics::TaskMetrics;
use crate::offset::{Ledger, Token};
use crate::pipeline::ErrorHandler;
use crate::pipeline::errors::from_kafka;
use crate::rt::clock;
use crate::task::Tolerance;
use crate::topics::TopicNotes;

/// The token of records that are offsets, in a transaction with the records that they stand for.
pub(super) const OFFSETS_TOKEN: Token = Token::MAX;

/// What the futures of the pipeline share.
pub(super) struct Progress {
    pub(super) ledger: RefCell<Ledger>,
    /// The first failure of a side future; it ends the task.
    failure: Cell<Option<Error>>,
    pub(super) failed: Notify,
    /// Set while a commit is under way.
    pub(super) is_committing: Cell<bool>,
    /// Told after each commit, successful or not.
    pub(super) committed: Notify,
    /// A commit has succeeded and the task has not been told.
    pub(super) is_commit_untold: Cell<bool>,
    /// What was committed and the task has not been told of: the last offset of each partition, as stored.
    pub(super) untold: RefCell<HashMap<Bytes, Option<Bytes>>>,
    /// Told when records have been acknowledged.
    pub(super) acknowledged: Notify,
    /// For a task that wants to hear where its records went.
    pub(super) awaited: RefCell<Option<Awaited>>,
    /// Told when there is something for it to hear.
    pub(super) decided: Notify,
}

impl Progress {
    pub(super) fn new(ledger: Ledger) -> Progress {
        Progress {
            ledger: RefCell::new(ledger),
            failure: Cell::new(None),
            failed: Notify::new(),
            is_committing: Cell::new(false),
            committed: Notify::new(),
            is_commit_untold: Cell::new(false),
            untold: RefCell::default(),
            acknowledged: Notify::new(),
            awaited: RefCell::default(),
            decided: Notify::new(),
        }
    }

    /// Opens a run in the ledger. Where the task wants to hear of its records, `polled` says what they were.
    pub(super) fn open(
        &self,
        source: &SourcePartition,
        done: Option<SourceOffset>,
        polled: Option<AwaitedRun>,
    ) -> Result<Token> {
        let token = self.ledger.borrow_mut().open(source, done)?;
        if let (Some(awaited), Some(polled)) = (self.awaited.borrow_mut().as_mut(), polled) {
            awaited.open(token, polled);
        }
        Ok(token)
    }

    /// No more records of the run will come.
    pub(super) fn seal(&self, token: Token) {
        let is_done = self.ledger.borrow_mut().seal(token);
        // In a transaction it is decided on with the transaction.
        if is_done && !self.ledger.borrow().is_transactional() {
            self.decide(token);
        }
    }

    /// No more than the first `rows` of a run were handed over, up to `offset`, and no more of it will be.
    pub(super) fn cut(&self, token: Token, rows: usize, offset: Option<SourceOffset>) {
        self.ledger.borrow_mut().cut(token, offset);
        if let Some(awaited) = self.awaited.borrow_mut().as_mut() {
            awaited.cut(token, rows);
        }
        self.seal(token);
    }

    /// Nothing of a run was handed over, and nothing will be.
    pub(super) fn forget(&self, token: Token) {
        if let Some(awaited) = self.awaited.borrow_mut().as_mut() {
            awaited.forget(token);
        }
    }

    /// The open transaction has ended.
    pub(super) fn decide_all(&self, is_aborted: bool) {
        if let Some(awaited) = self.awaited.borrow_mut().as_mut() {
            awaited.decide_all(is_aborted);
        }
    }

    /// Records of a run are in Kafka, or passed over.
    fn acknowledge(&self, completion: &Completion) {
        let (token, count) = (completion.token, completion.record_count as usize);
        if let Some(awaited) = self.awaited.borrow_mut().as_mut() {
            match &completion.result {
                Ok(ack) => awaited.written(
                    token,
                    &Placed {
                        rows: 0..count,
                        partition: ack.partition,
                        base_offset: ack.base_offset,
                        log_append_time_ms: ack.log_append_time_ms,
                    },
                ),
                Err(_) => awaited.skipped(token, completion.partition, count),
            }
        }
        if self.ledger.borrow_mut().acknowledge(token, count) {
            self.decide(token);
        }
    }

    fn decide(&self, token: Token) {
        if let Some(awaited) = self.awaited.borrow_mut().as_mut() {
            awaited.decide(token);
            self.decided.notify_one();
        }
    }

    /// What the task has not been told of.
    pub(super) fn take_decided(&self) -> Vec<Acknowledged> {
        self.awaited.borrow_mut().as_mut().map(Awaited::take_decided).unwrap_or_default()
    }

    pub(super) fn fail(&self, error: Error) {
        if let Some(first) = self.failure.take() {
            self.failure.set(Some(first));
            return;
        }
        self.failure.set(Some(error));
        self.failed.notify_one();
    }

    /// Waits for a failure of a side future.
    pub(super) async fn failure(&self) -> Error {
        loop {
            if let Some(error) = self.failure.take() {
                return error;
            }
            self.failed.notified().await;
        }
    }
}

/// Turns the producer's completions into ledger entries, for as long as the task runs.
pub(super) async fn take_acknowledgements(
    producer: Rc<Producer>,
    progress: Rc<Progress>,
    metrics: Arc<TaskMetrics>,
    errors: Rc<ErrorHandler>,
) {
    let mut completions: Vec<Completion> = Vec::new();
    let mut topics = TopicNotes::default();
    loop {
        producer.completions(&mut completions).await;
        let mut acknowledged = 0;
        let is_transactional = progress.ledger.borrow().is_transactional();
        for completion in completions.drain(..) {
            if completion.token == OFFSETS_TOKEN {
                continue;
            }
            match &completion.result {
                Ok(ack) => {
                    acknowledged += u64::from(completion.record_count);
                    topics.note(&metrics.topics, ack.topic.name());
                    progress.acknowledge(&completion);
                }
                // The end of the transaction tells.
                Err(_) if is_transactional => progress.acknowledge(&completion),
                // They are passed over, with their offsets (KIP-779).
                Err(error) if errors.tolerance() == Tolerance::All => {
                    errors.not_produced(completion.record_count as usize, from_kafka(error), None);
                    progress.acknowledge(&completion);
                }
                // Not acknowledged in the ledger: the offsets of lost records are never committed.
                Err(error) => {
                    let message = "Unrecoverable exception from producer send callback";
                    progress.fail(unrecoverable(message, error.clone()));
                }
            }
        }
        let now = clock::now();
        if acknowledged > 0 {
            metrics.records_out.add(acknowledged);
            metrics.delivered.record(acknowledged as f64, now);
        }
        metrics.set_active(progress.ledger.borrow().outstanding_records() as i64, now);
        metrics.stages.progressed(now);
        progress.acknowledged.notify_one();
    }
}
