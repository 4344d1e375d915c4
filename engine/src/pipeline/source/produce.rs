//! Polled batches to the producer: transform, convert, append; wait where the producer is full.

use std::pin::pin;
use std::rc::Rc;

use api::{Batch, Body, Error, Origin, Result, Run, SourceOffset};
use protocol::client::producer::{AppendError, ProduceRecord};
use protocol::wire::records::Header;
use tokio::time::{Instant, sleep_until};

use super::{SourcePipeline, unrecoverable};
use crate::metrics::{Stage, millis};
use crate::pipeline::decode::Step;
use crate::pipeline::encode::{EncodedRun, Encoding};
use crate::pipeline::errors::{kept, not_sent};
use crate::pipeline::transform::Transforming;
use crate::task::{Control, Target, Tolerance};

impl SourcePipeline {
    /// Converts a batch and hands it to the producer. Returns early, with the rest of the batch left out and uncommitted, when
    /// told to stop while Kafka takes nothing.
    pub(super) async fn produce(&mut self, batch: Batch, control: &mut Control) -> Result<()> {
        self.metrics.batches.add(1);
        self.batch_polled(batch.record_count());
        for run in batch.runs {
            if run.record_count() > 0 && !self.produce_at_rate(run, control).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Counts what a poll has given.
    fn batch_polled(&mut self, record_count: usize) {
        let now = self.metrics.stages.enter(Stage::Convert);
        let since = self.polls_since.take().unwrap_or(now);
        if record_count == 0 {
            return;
        }
        let metrics = &self.metrics;
        metrics.records_in.add(record_count as u64);
        metrics.received.record(record_count as f64, now);
        metrics.calls.record(millis(now - since), now);
        metrics.batch_sizes.record(record_count as f64, now);
        let outstanding = self.progress.ledger.borrow().outstanding_records();
        metrics.set_active((outstanding + record_count) as i64, now);
        metrics.stages.progressed(now);
    }

    /// Produces a run, in parts with pauses where the connector may move only so much.
    async fn produce_at_rate(&mut self, run: Run, control: &mut Control) -> Result<bool> {
        let Some(limiter) = self.limiter.clone() else { return self.produce_run(run, control).await };
        let rows = run.record_count();
        let part_rows = limiter.part_rows(rows, run.memory_bytes());
        for start in (0..rows).step_by(part_rows) {
            if let Some(due) = limiter.due(Instant::now())
                && !self.wait_until(due, control).await?
            {
                return Ok(false);
            }
            let part = run.slice(start, part_rows.min(rows - start));
            let (records, before) = (part.record_count(), self.metrics.bytes_in.get());
            if !self.produce_run(part, control).await? {
                return Ok(false);
            }
            let bytes = usize::try_from(self.metrics.bytes_in.get() - before).unwrap_or(usize::MAX);
            limiter.moved(records, bytes, Instant::now());
        }
        Ok(true)
    }

    /// `None`: told to stop while some rows had to be tried again.
    async fn encode(&mut self, run: &Run, control: &mut Control) -> Result<Option<EncodedRun>> {
        let mut work = Encoding::default();
        loop {
            match self.converters.encode(run, &mut work)? {
                Step::Done(encoded) => return Ok(Some(encoded)),
                Step::Wait(due) => {
                    if !self.wait_until(due, control).await? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Transforms a run and produces what becomes of it. The offsets of records that a transform drops are done once all before them are
    /// acknowledged: a filter that lets nothing pass must not make the task read everything again.
    pub(super) async fn produce_run(&mut self, run: Run, control: &mut Control) -> Result<bool> {
        let Origin::Source { partition, offsets } = &run.origin else {
            return Err(Error::fatal("a source task gave records that were read from Kafka"));
        };
        let done = offsets.get(run.record_count() - 1);
        if self.converters.transforms.is_idle_for(&run) {
            return self.produce_transformed(run, done, control).await;
        }
        let source = partition.clone();
        let Some(batch) = self.transform(run, control).await? else { return Ok(false) };
        let mut left = batch.runs.into_iter().peekable();
        if left.peek().is_none() {
            let token = self.progress.ledger.borrow_mut().open(&source, done)?;
            self.progress.ledger.borrow_mut().seal(token);
            return Ok(true);
        }
        while let Some(piece) = left.next() {
            let done = match &piece.origin {
                Origin::Source { offsets, .. } if left.peek().is_some() => {
                    offsets.get(piece.record_count() - 1)
                }
                _ => done.clone(),
            };
            if !self.produce_transformed(piece, done, control).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// `None`: told to stop while some rows had to be tried again.
    async fn transform(&mut self, run: Run, control: &mut Control) -> Result<Option<Batch>> {
        let mut work = Transforming::new(Batch { runs: vec![run] });
        loop {
            self.metrics.stages.enter(Stage::Transform);
            match self.converters.transforms.transform(&mut work, None)? {
                Step::Done(batch) => return Ok(Some(batch)),
                Step::Wait(due) => {
                    if !self.wait_until(due, control).await? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Encodes a run and hands it to the producer; once it is acknowledged its source is done up to `done`.
    async fn produce_transformed(
        &mut self,
        run: Run,
        done: Option<SourceOffset>,
        control: &mut Control,
    ) -> Result<bool> {
        let Run { topic, partition, origin, body } = &run;
        let (Body::Columns(columns), Origin::Source { partition: source, .. }) = (body, origin) else {
            return Err(Error::fatal("a source task gave a packed batch"));
        };
        let rows = columns.value.len();
        self.metrics.stages.enter(Stage::Convert);
        let Some(encoded) = self.encode(&run, control).await? else { return Ok(false) };
        self.metrics.stages.enter(Stage::Send);
        let Some(handle) = self.topic(topic, control).await? else { return Ok(false) };
        let token = self.progress.ledger.borrow_mut().open(source, done)?;
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
                match self.producer.append(&handle, *partition, &record, token) {
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
                    Err(error) if self.tolerates(&error) => {
                        self.progress.ledger.borrow_mut().submit(token, row - submitted);
                        self.converters.errors.not_produced(1, not_sent(error), Some((&run, row)));
                        row += 1;
                        submitted = row;
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

    /// Whether a record that can never be sent is skipped (KIP-779).
    fn tolerates(&self, error: &AppendError) -> bool {
        let is_of_the_record =
            matches!(error, AppendError::TooLarge { .. } | AppendError::NoSuchPartition { .. });
        is_of_the_record && self.converters.errors.tolerance() == Tolerance::All
    }

    /// `false`: told to stop meanwhile.
    pub(super) async fn wait_until(&mut self, due: Instant, control: &mut Control) -> Result<bool> {
        // What was appended before does not wait with us.
        self.producer.flush_hint();
        Ok(self.wait_for(sleep_until(due), control).await?.is_some())
    }

    /// `false`: told to stop meanwhile.
    async fn wait_for_room(&mut self, control: &mut Control) -> Result<bool> {
        let producer = Rc::clone(&self.producer);
        Ok(self.wait_for(async move { producer.ready().await }, control).await?.is_some())
    }

    /// Waits in the middle of a batch; `None` when told to stop meanwhile. Everything else goes on: what is acknowledged is committed, since
    /// a Kafka partition that takes nothing must not hold up the offsets of those that do. While the task is paused nothing ends the
    /// wait, so that a batch which takes long does not make a pause late.
    pub(super) async fn wait_for<T>(
        &mut self,
        awaited: impl Future<Output = T>,
        control: &mut Control,
    ) -> Result<Option<T>> {
        let progress = Rc::clone(&self.progress);
        let mut awaited = pin!(awaited);
        let mut found = None;
        loop {
            match control.target() {
                Target::Stopped => return Ok(None),
                Target::Paused => control.report_paused(),
                Target::Running => {
                    control.report_running();
                    if found.is_some() {
                        return Ok(found);
                    }
                }
            }
            tokio::select! {
                biased;
                error = progress.failure() => return Err(error),
                () = control.changed() => {}
                _ = self.commits.tick() => self.begin_commit(),
                () = progress.committed.notified() => self.tell_committed().await,
                value = awaited.as_mut(), if found.is_none() => found = Some(value),
            }
        }
    }
}
