//! Fetched record sets to the batches that the sink gets, and what becomes of those that it refuses.

use std::sync::Arc;

use api::{Batch, Body, Columns, Error, Kind, Origin, Result, Run, SinkOffsets, Timestamps, TopicPartition};
use indexmap::IndexSet;
use tokio::time::{Duration, Instant};
use tracing::warn;

use super::pending::{Parts, Pending, Work};
use super::{BATCH_BYTES, Held, REDELIVERY_WAIT_MAX, REDELIVERY_WAIT_MIN, SinkPipeline};
use crate::metrics::{Stage, millis};
use crate::pipeline::decode::{Decoding, Step};
use crate::pipeline::errors::{DeadLetters, Failure, Originals, Place, Records};
use crate::pipeline::transform::Transforming;
use crate::task::{Control, Target, Tolerance};

impl SinkPipeline {
    /// Puts everything fetched, in batches, until told otherwise or held up.
    pub(super) async fn put_available(&mut self, control: &mut Control) -> Result<()> {
        while control.target() == Target::Running {
            let (pending, wait) = match self.held.take() {
                Some(held) if Instant::now() < held.due => {
                    self.held = Some(held);
                    break;
                }
                Some(held) => (held.pending, held.wait),
                None if self.fetched.is_empty() || self.is_short_of_room() => break,
                None => (self.next_batch()?, REDELIVERY_WAIT_MIN),
            };
            self.go_on_with(pending, wait, control).await?;
            if Instant::now() >= self.next_commit {
                break;
            }
            // The fetcher and other tasks share this core: let them have their turn, the next fetch goes out meanwhile.
            tokio::task::yield_now().await;
        }
        self.apply_flow();
        Ok(())
    }

    /// Takes fetched record sets apart, up to [`BATCH_BYTES`], as far as the sink needs it.
    pub(super) fn next_batch(&mut self) -> Result<Pending> {
        let mut batch = Batch::default();
        let mut next = SinkOffsets::new();
        let mut originals = Originals::default();
        let mut bytes = 0;
        let now = self.metrics.stages.enter(Stage::Convert);
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
            originals.keep(fetched);
        }
        refuse_timestamps(&batch)?;
        let records = batch.record_count();
        self.metrics.bytes_in.add(bytes as u64);
        self.metrics.records_in.add(records as u64);
        self.metrics.received.record(records as f64, now);
        let work = if self.converters.decodes.contains(&true) {
            Work::Decoding(Decoding::new(batch))
        } else if !self.converters.transforms.is_empty() {
            Work::Transforming(Transforming::new(batch))
        } else {
            self.metrics.delivered.record(records as f64, now);
            Work::Putting(self.parts(batch, records, bytes))
        };
        Ok(Pending { work, originals, next, bytes, records, has_waited: false })
    }

    /// As much at once as the connector's rate allows.
    fn parts(&self, batch: Batch, records: usize, bytes: usize) -> Parts {
        let rows_max = self.limiter.as_ref().map_or(usize::MAX, |limiter| limiter.part_rows(records, bytes));
        Parts::new(batch, rows_max, self.refused_in_a_row)
    }

    /// Decodes, transforms and puts a batch, as far as it goes: what is held up is in [`SinkPipeline::held`] afterwards.
    pub(super) async fn go_on_with(
        &mut self,
        mut pending: Pending,
        wait: Duration,
        control: &mut Control,
    ) -> Result<()> {
        if let Work::Decoding(decoding) = &mut pending.work {
            let now = self.metrics.stages.enter(Stage::Convert);
            match self.converters.decode(decoding, &pending.originals)? {
                Step::Wait(due) => {
                    self.held = Some(Held { pending, wait, due });
                    return Ok(());
                }
                Step::Done(batch) => {
                    self.flush_dead_letters();
                    pending.work = if self.converters.transforms.is_empty() {
                        self.metrics.delivered.record(batch.record_count() as f64, now);
                        Work::Putting(self.parts(batch, pending.records, pending.bytes))
                    } else {
                        Work::Transforming(Transforming::new(batch))
                    };
                }
            }
        }
        if let Work::Transforming(transforming) = &mut pending.work {
            let now = self.metrics.stages.enter(Stage::Transform);
            match self.converters.transforms.transform(transforming, Some(&pending.originals))? {
                Step::Wait(due) => {
                    self.held = Some(Held { pending, wait, due });
                    return Ok(());
                }
                Step::Done(batch) => {
                    self.metrics.delivered.record(batch.record_count() as f64, now);
                    self.flush_dead_letters();
                    pending.work = Work::Putting(self.parts(batch, pending.records, pending.bytes));
                }
            }
        }
        let Pending { work: Work::Putting(parts), originals, records, bytes, has_waited, .. } = &mut pending
        else {
            return Ok(());
        };
        while let Some(part) = parts.take() {
            let now = Instant::now();
            if !std::mem::take(has_waited)
                && let Some(due) = self.limiter.as_ref().and_then(|limiter| limiter.due(now))
            {
                parts.give_back(part);
                *has_waited = true;
                self.held = Some(Held { pending, wait, due });
                return Ok(());
            }
            let rows = part.record_count();
            match self.put(&part, originals).await? {
                Put::Taken => {
                    self.report_refused(parts.taken(&part), originals)?;
                    if !parts.is_empty() {
                        advance(&mut self.current, &self.assigned, &part);
                    }
                    if let Some(limiter) = &self.limiter {
                        limiter.moved(rows, *bytes * rows / (*records).max(1), now);
                    }
                }
                Put::Later(error) => {
                    warn!(
                        task = %self.id, %error, retry_ms = wait.as_millis(),
                        "the sink asked to have the batch again later; consumption is paused meanwhile"
                    );
                    parts.give_back(part);
                    let next_wait = (wait * 2).min(REDELIVERY_WAIT_MAX);
                    // From its answer on: one that took long to refuse is left alone all the same.
                    self.held = Some(Held { pending, wait: next_wait, due: Instant::now() + wait });
                    return Ok(());
                }
                Put::Bad(error) => {
                    let part = self.errors.unpacked(part, originals)?;
                    parts.refused(part, error).map_err(unrecoverable)?;
                    // What was read before is done; what was not, may have to be given up to another member meanwhile.
                    tokio::task::yield_now().await;
                }
            }
            if !parts.is_empty() && (control.target() != Target::Running || now >= self.next_commit) {
                self.held = Some(Held { pending, wait: REDELIVERY_WAIT_MIN, due: now });
                return Ok(());
            }
        }
        let refused = parts.take_refused();
        self.refused_in_a_row = parts.refused_in_a_row;
        self.report_refused(refused, originals)?;
        self.flush_dead_letters();
        for (partition, offset) in pending.next {
            // A partition that was revoked while its batch was held up is no longer ours to advance.
            if self.assigned.contains(&partition) {
                self.advance(partition, offset);
            }
        }
        self.metrics.set_active(self.active, Instant::now());
        Ok(())
    }

    /// Gives the sink a batch, and acts upon what it reports of it.
    async fn put(&mut self, batch: &Batch, originals: &Originals) -> Result<Put> {
        self.reports.begin();
        let since = self.metrics.stages.enter(Stage::Put);
        let outcome = self.task.put(batch).await;
        let now = self.metrics.stages.enter(Stage::Fetch);
        let reported = self.reports.end(batch);
        match outcome {
            Ok(()) => {
                self.judge_reported(reported?, originals).map_err(unrecoverable)?;
                self.metrics.batches.add(1);
                self.metrics.calls.record(millis(now - since), now);
                self.metrics.batch_sizes.record(batch.record_count() as f64, now);
                self.metrics.stages.progressed(now);
                self.metrics.records_out.add(batch.record_count() as u64);
                for run in &batch.runs {
                    // A transform may have given the run another topic: the one it was read from counts.
                    if let Origin::Kafka { from, .. } = &run.origin {
                        self.topics.note(&self.metrics.topics, &from.topic);
                    }
                }
                Ok(Put::Taken)
            }
            // Whatever was reported is reported again.
            Err(error) if error.kind() == Kind::Retriable => Ok(Put::Later(error)),
            Err(error) if error.kind() == Kind::BadRecord && self.divides_batches() => Ok(Put::Bad(error)),
            Err(error) => {
                // Told of it all the same: the task ends with the sink's error.
                let _first = self.judge_reported(reported?, originals);
                Err(unrecoverable(error))
            }
        }
    }

    /// Whether a batch that the sink refuses because of some of its records is put again in parts.
    fn divides_batches(&self) -> bool {
        self.errors.tolerance() == Tolerance::All && self.task.can_put_in_parts()
    }

    fn judge_reported(&self, reported: Vec<(&Run, Vec<Failure>)>, originals: &Originals) -> Result<()> {
        for (run, failures) in reported {
            if let (Origin::Kafka { from, .. }, Some(offsets)) =
                (&run.origin, self.errors.offsets(run, originals)?)
            {
                let records = Records::Consumed { originals, from, offsets: &offsets };
                self.errors.judge_reported(&failures, records)?;
            }
        }
        Ok(())
    }

    /// Skips the records that made the sink refuse what they were in.
    fn report_refused(&self, refused: Vec<(Run, Error)>, originals: &Originals) -> Result<()> {
        for (run, error) in refused {
            if let Origin::Kafka { from, offsets } = &run.origin {
                let failure = Failure { row: 0, place: Place::PUT, error, is_out_of_retries: false };
                self.errors.judge(vec![failure], Records::Consumed { originals, from, offsets })?;
            }
        }
        Ok(())
    }

    fn flush_dead_letters(&self) {
        if let Some(dead_letters) = self.errors.dead_letters() {
            dead_letters.flush();
        }
    }

    /// Whether records that failed wait for room in the producer of the dead letter queue.
    pub(super) fn is_short_of_room(&self) -> bool {
        self.errors.dead_letters().is_some_and(DeadLetters::is_full)
    }
}

/// Java's sinks end at a record from before the epoch, whatever is tolerated (`ConnectUtils#checkAndConvertTimestamp`).
fn refuse_timestamps(batch: &Batch) -> Result<()> {
    for run in &batch.runs {
        let Body::Columns(Columns { timestamps: Timestamps::Each(timestamps), .. }) = &run.body else {
            continue;
        };
        // Without a branch per row: a sign shows up in the sum of bits.
        let bits = timestamps.iter().fold(0, |bits, timestamp| bits | timestamp.wrapping_add(1));
        if bits < 0
            && let Some(timestamp) = timestamps.iter().find(|timestamp| **timestamp < Timestamps::ABSENT)
        {
            return Err(Error::fatal(format!("Invalid record timestamp {timestamp}"))
                .with_java_class("org.apache.kafka.common.InvalidRecordException"));
        }
    }
    Ok(())
}

/// What a part holds is done, and so is everything before it: the rest of its batch may take long.
fn advance(current: &mut SinkOffsets, assigned: &IndexSet<TopicPartition>, part: &Batch) {
    for run in &part.runs {
        if let Origin::Kafka { from, offsets } = &run.origin
            && assigned.contains(from)
        {
            current.insert(from.clone(), offsets.next);
        }
    }
}

/// What the sink did with a batch.
enum Put {
    Taken,
    Later(Error),
    Bad(Error),
}

fn unrecoverable(error: Error) -> Error {
    Error::fatal("Exiting WorkerSinkTask due to unrecoverable exception.").with_source(error)
}
