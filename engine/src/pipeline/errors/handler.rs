//! The decisions: what is tried again, what is skipped, what ends the task (Java: `RetryWithToleranceOperator`).

use std::cell::{OnceCell, RefCell};
use std::sync::Arc;

use api::{Batch, Body, Error, KafkaOffsets, Kind, Result, RowError, Run, TopicPartition};
use protocol::net::Env;
use protocol::wire::records::BufferPool;
use tokio::time::Instant;
use tracing::{error, warn};

use super::dead_letters::{DeadLetters, Letter};
use super::failure::{Failure, Place, Stage};
use super::log::{self, FloodGuard};
use super::originals::{Original, Originals};
use super::retry::{RetryPolicy, Retrying};
use crate::metrics::TaskMetrics;
use crate::pipeline::index::Indexer;
use crate::task::{ErrorLog, ErrorPolicy, TaskId, Tolerance, trace};

/// Java's words for the end of a task that does not tolerate a record.
pub(super) const EXCEEDED: &str = "Tolerance exceeded in error handler";

/// Decides about the records of one task that fail.
#[derive(Debug)]
pub(crate) struct ErrorHandler {
    id: TaskId,
    policy: ErrorPolicy,
    env: Env,
    metrics: Arc<TaskMetrics>,
    guard: RefCell<FloodGuard>,
    /// For looking up what failed.
    indexer: RefCell<Indexer>,
    dead_letters: OnceCell<DeadLetters>,
}

/// Where the rows that failed are to be found.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Records<'a> {
    /// Of a sink: in Kafka.
    Consumed { originals: &'a Originals, from: &'a TopicPartition, offsets: &'a KafkaOffsets },
    /// Of a source: in the run that it gave.
    Polled(&'a Run),
}

impl ErrorHandler {
    pub(crate) fn new(id: TaskId, policy: ErrorPolicy, env: Env, metrics: Arc<TaskMetrics>) -> ErrorHandler {
        ErrorHandler {
            id,
            policy,
            env,
            metrics,
            guard: RefCell::new(FloodGuard::new(Instant::now())),
            indexer: RefCell::new(Indexer::new(BufferPool::of_thread())),
            dead_letters: OnceCell::new(),
        }
    }

    /// Makes the dead letter queue ready, if there is to be one.
    ///
    /// # Errors
    /// When its topic does not exist and could not be created.
    pub(crate) async fn open_dead_letters(&self) -> Result<()> {
        if let Some(spec) = &self.policy.dead_letters {
            let opened = DeadLetters::open(&self.id, spec, &self.env, &self.metrics).await?;
            // Opened once, before anything can fail.
            self.dead_letters
                .set(opened)
                .map_err(|_second| Error::fatal("the dead letter queue is open already"))?;
        }
        Ok(())
    }

    /// The dead letter queue, once it is open.
    pub(crate) fn dead_letters(&self) -> Option<&DeadLetters> {
        self.dead_letters.get()
    }

    /// Ends the dead letter queue.
    pub(crate) fn take_dead_letters(self) -> Option<DeadLetters> {
        self.dead_letters.into_inner()
    }

    pub(crate) fn tolerance(&self) -> Tolerance {
        self.policy.tolerance
    }

    /// Whether somebody is told of records that fail: the condition under which a Java sink gets a reporter.
    pub(crate) fn reports(&self) -> bool {
        self.policy.log.is_some() || self.policy.dead_letters.is_some()
    }

    /// A batch without packed runs, so that it can be put in parts.
    pub(crate) fn unpacked(&self, batch: Batch, originals: &Originals) -> Result<Batch> {
        if !batch.runs.iter().any(|run| matches!(run.body, Body::Packed(_))) {
            return Ok(batch);
        }
        let mut runs = Vec::with_capacity(batch.runs.len());
        for run in batch.runs {
            match run.body {
                Body::Packed(_) => runs.extend(originals.unpack(&run, &mut self.indexer.borrow_mut())?),
                Body::Columns(_) => runs.push(run),
            }
        }
        Ok(Batch { runs })
    }

    /// See [`Originals::offsets`].
    pub(crate) fn offsets(&self, run: &Run, originals: &Originals) -> Result<Option<KafkaOffsets>> {
        originals.offsets(run, &mut self.indexer.borrow_mut())
    }

    /// Sorts what an attempt left, the first one or one that `before` asked for: failures for good are appended to `failures`, and
    /// those that are worth another attempt come back.
    pub(crate) fn sort(
        &self,
        place: Place,
        errors: Vec<RowError>,
        before: Option<&Retrying>,
        failures: &mut Vec<Failure>,
    ) -> Option<Retrying> {
        if errors.is_empty() {
            return None;
        }
        let now = Instant::now();
        let (attempts, first) = before.map_or((1, now), |before| (before.attempts + 1, before.first));
        let (rows, lasting): (Vec<_>, Vec<_>) =
            errors.into_iter().partition(|error| error.error.kind() == Kind::Retriable);
        failures.extend(lasting.into_iter().map(|RowError { row, error }| Failure {
            row,
            place,
            error,
            is_out_of_retries: false,
        }));
        if rows.is_empty() {
            return None;
        }
        self.metrics.errors.record_failures.add(rows.len() as u64);
        let policy =
            RetryPolicy { timeout: self.policy.retry_timeout, delay_max: self.policy.retry_delay_max };
        match policy.pause(attempts, now - first, |below| self.env.random_below(below)) {
            Some(pause) => {
                self.metrics.errors.retries.add(rows.len() as u64);
                Some(Retrying { rows, attempts, first, due: now + pause })
            }
            None => {
                failures.extend(rows.into_iter().map(|RowError { row, error }| Failure {
                    row,
                    place,
                    error,
                    is_out_of_retries: true,
                }));
                None
            }
        }
    }

    /// Reports rows of one run that failed for good, in their order, and gives those to leave out, ascending and once.
    ///
    /// # Errors
    /// At the first one that is not tolerated. Java asks after it has counted the failure, so nothing else needs to be remembered for
    /// "an earlier failure makes the next one fail the task".
    pub(crate) fn judge(&self, mut failures: Vec<Failure>, records: Records<'_>) -> Result<Vec<usize>> {
        if failures.is_empty() {
            return Ok(Vec::new());
        }
        failures.sort_by_key(|failure| failure.row);
        failures.dedup_by_key(|failure| failure.row);
        let counts = &self.metrics.errors;
        counts.last_error_ms.set(self.env.now_ms());
        for failure in &failures {
            if !failure.is_out_of_retries {
                counts.record_failures.add(1);
            }
            counts.record_errors.add(1);
            self.report(failure, records)?;
            if self.policy.tolerance == Tolerance::None && !failure.is_out_of_retries {
                return Err(Error::fatal(EXCEEDED).with_source(failure.error.clone()));
            }
            self.metrics.records_skipped.add(1);
        }
        self.tell_of_skipped(failures.len(), failures.first());
        Ok(failures.into_iter().map(|failure| failure.row).collect())
    }

    /// Reports rows of one run that the sink said it could not write.
    ///
    /// # Errors
    /// At the first one, where nothing is tolerated.
    pub(crate) fn judge_reported(&self, failures: &[Failure], records: Records<'_>) -> Result<()> {
        let counts = &self.metrics.errors;
        counts.last_error_ms.set(self.env.now_ms());
        for failure in failures {
            counts.record_failures.add(1);
            self.report(failure, records)?;
            if self.policy.tolerance == Tolerance::None {
                counts.record_errors.add(1);
                return Err(Error::fatal(EXCEEDED).with_source(failure.error.clone()));
            }
        }
        self.tell_of_skipped(failures.len(), failures.first());
        Ok(())
    }

    /// Counts and reports records that Kafka did not take, where that is tolerated (KIP-779). The records are gone: only their
    /// number is known, unless it is one that was never sent.
    pub(crate) fn not_produced(&self, count: usize, error: Error, record: Option<(&Run, usize)>) {
        let counts = &self.metrics.errors;
        counts.record_failures.add(count as u64);
        counts.last_error_ms.set(self.env.now_ms());
        let row = record.map_or(0, |(_, row)| row);
        let failure = Failure { row, place: Place::PRODUCE, error, is_out_of_retries: false };
        if self.policy.log.is_some() {
            self.log(&failure, count as u64, || {
                record.map_or_else(String::new, |(run, row)| log::polled(run, row))
            });
        }
        self.tell_of_skipped(count, Some(&failure));
    }

    /// Says how many lines the guard held back, if any: at the task's commits and at its end.
    pub(crate) fn tell_suppressed(&self) {
        if let Some(count) = self.guard.borrow_mut().take_suppressed() {
            warn!(task = %self.id, count, "more records failed than were logged one by one");
        }
    }

    fn report(&self, failure: &Failure, records: Records<'_>) -> Result<()> {
        let mut original = None;
        if let Records::Consumed { originals, from, offsets } = records
            && (self.dead_letters.get().is_some() || self.policy.log.is_some_and(|log| log.include_messages))
        {
            let offset = offsets.get(failure.row);
            let found = originals.find(from, offset, &mut self.indexer.borrow_mut()).ok_or_else(|| {
                let place = format!("{}-{} at offset {offset}", from.topic, from.partition);
                Error::fatal(format!("the record of {place} failed and is not in its batch any more"))
            })?;
            original = Some((from, offset, found));
        }
        if self.policy.log.is_some() {
            self.log(failure, 1, || match (&original, records) {
                (Some((from, offset, original)), _) => log::consumed(from, *offset, original),
                (None, Records::Polled(run)) => log::polled(run, failure.row),
                (None, Records::Consumed { .. }) => String::new(),
            });
        }
        if let (Some(dead_letters), Some((from, offset, original))) = (self.dead_letters.get(), original) {
            let Original { columns, row, .. } = original;
            let context = self.context(failure, from, offset);
            dead_letters.send(from, offset, Letter { columns, row, context });
        }
        Ok(())
    }

    /// Java's log line, unless there were too many of late.
    fn log(&self, failure: &Failure, count: u64, record: impl FnOnce() -> String) {
        if !self.guard.borrow_mut().admits(count, Instant::now()) {
            return;
        }
        self.tell_suppressed();
        self.metrics.errors.errors_logged.add(1);
        let Place { stage, class } = failure.place;
        let record = match self.policy.log {
            Some(ErrorLog { include_messages: true }) => record(),
            _ => String::new(),
        };
        let exception = trace(&failure.error, place_in_trace(stage));
        error!(
            task = %self.id, exception = exception.trim_end(),
            "Error encountered in task {}. Executing stage '{}' with class '{class}'{record}.", self.id, stage.java_name()
        );
    }

    /// Where nobody asked for a line per record: one per batch, so that records are not lost silently.
    fn tell_of_skipped(&self, count: usize, first: Option<&Failure>) {
        let (None, Some(first)) = (self.policy.log, first) else { return };
        if self.guard.borrow_mut().admits(count as u64, Instant::now()) {
            self.tell_suppressed();
            warn!(
                task = %self.id, stage = first.place.stage.java_name(), count, first = %first.error,
                "skipped records that failed"
            );
        }
    }

    /// The headers of a dead letter that say what happened (`errors.deadletterqueue.context.headers.enable`).
    fn context(&self, failure: &Failure, from: &TopicPartition, offset: i64) -> Vec<(&'static str, Vec<u8>)> {
        if !self.policy.dead_letters.as_ref().is_some_and(|spec| spec.context_headers) {
            return Vec::new();
        }
        let Failure { place, error, .. } = failure;
        let headers = [
            ("__connect.errors.topic", from.topic.to_string()),
            ("__connect.errors.partition", from.partition.to_string()),
            ("__connect.errors.offset", offset.to_string()),
            ("__connect.errors.connector.name", self.id.connector.to_string()),
            ("__connect.errors.task.id", self.id.task.to_string()),
            ("__connect.errors.stage", place.stage.java_name().to_owned()),
            ("__connect.errors.class.name", place.class.to_owned()),
            ("__connect.errors.exception.class.name", error.java_class().to_owned()),
            ("__connect.errors.exception.message", error.message().to_owned()),
            ("__connect.errors.exception.stacktrace", trace(error, place_in_trace(place.stage))),
        ];
        headers.into_iter().map(|(key, value)| (key, value.into_bytes())).collect()
    }
}

/// The frame that stands for a stage in stack traces.
fn place_in_trace(stage: Stage) -> &'static str {
    match stage {
        Stage::KeyConverter => "convert.key",
        Stage::ValueConverter => "convert.value",
        Stage::HeaderConverter => "convert.headers",
        Stage::Transformation => "transform",
        Stage::TaskPut => "sink.put",
        Stage::KafkaProduce => "source.produce",
    }
}
