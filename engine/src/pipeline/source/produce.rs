//! Polled batches to the producer: transform, convert, append; wait where the producer is full.

use std::pin::pin;
use std::rc::Rc;

use api::{Acknowledged, Batch, Body, Columns, Error, Origin, Result, Run, SourceOffset};
use protocol::client::producer::AppendError;
use protocol::wire::records::{Header, Rows};
use tokio::time::{Instant, sleep_until};

use super::SourcePipeline;
use super::awaited::AwaitedRun;
use crate::metrics::{Stage, millis};
use crate::offset::Token;
use crate::pipeline::decode::Step;
use crate::pipeline::encode::{EncodedRun, Encoding};
use crate::pipeline::errors::{kept, not_sent};
use crate::pipeline::transform::Transforming;
use crate::task::{Control, Target, Tolerance};

/// What of a run becomes records.
#[derive(Clone, Copy)]
struct EncodedRows<'a> {
    columns: &'a Columns,
    encoded: &'a EncodedRun,
    /// For records without a timestamp.
    now_ms: i64,
}

impl Rows for EncodedRows<'_> {
    #[inline]
    fn timestamp_ms(&self, row: usize) -> i64 {
        self.columns.timestamps.get(row).unwrap_or(self.now_ms)
    }

    #[inline]
    fn has_keys(&self) -> bool {
        self.encoded.keys.is_some()
    }

    #[inline]
    fn key(&self, row: usize) -> Option<&[u8]> {
        self.encoded.key(row)
    }

    #[inline]
    fn value(&self, row: usize) -> Option<&[u8]> {
        self.encoded.value(row)
    }

    #[inline]
    fn headers(&self, row: usize) -> impl Iterator<Item = Header<'_>> + Clone {
        self.columns.headers.row(row).map(|(key, value)| Header { key, value })
    }

    #[inline]
    fn has_headers(&self) -> bool {
        !self.columns.headers.is_none()
    }
}

impl SourcePipeline {
    /// Converts a batch and hands it to the producer. Returns early, with the rest of the batch left out and uncommitted, when
    /// told to stop while Kafka takes nothing.
    pub(super) async fn produce(&mut self, batch: Batch, control: &mut Control) -> Result<()> {
        self.metrics.batches.add(1);
        let batch = self.unpacked(batch)?;
        self.batch_polled(batch.record_count());
        let mut ends = self.ends_within(&batch)?.into_iter().peekable();
        let mut before = 0;
        for run in batch.runs {
            let rows = run.record_count();
            if rows == 0 {
                continue;
            }
            let mut start = 0;
            while let Some((record, end)) = ends.next_if(|(record, _)| *record < before + rows) {
                let next = record - before + 1;
                if !self.produce_at_rate(run.slice(start, next - start), control).await? {
                    return Ok(());
                }
                self.end_after_record(end).await?;
                start = next;
            }
            before += rows;
            let rest =
                if start == 0 { Some(run) } else { (start < rows).then(|| run.slice(start, rows - start)) };
            if let Some(rest) = rest
                && !self.produce_at_rate(rest, control).await?
            {
                return Ok(());
            }
        }
        self.end_after_batch().await
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
        let part_rows = match &run.body {
            // It stays whole.
            Body::Packed(_) => rows,
            Body::Columns(_) => limiter.part_rows(rows, run.memory_bytes()),
        };
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
        let polled = self.progress.awaited.borrow().is_some().then(|| run.clone());
        if self.converters.transforms.is_idle_for(&run) {
            return self.produce_transformed(run, done, polled.map(|run| (run, 0)), control).await;
        }
        let source = partition.clone();
        let Some((batch, first_rows)) = self.transform(run, control).await? else { return Ok(false) };
        let count = batch.runs.len();
        if count == 0 {
            let polled = polled.map(|run| AwaitedRun::new(Acknowledged::dropped(run), 0));
            let token = self.progress.open(&source, done, polled)?;
            self.progress.seal(token);
            return Ok(true);
        }
        // What was dropped before a piece is told of together with it.
        let mut told = 0;
        for (index, (piece, first_row)) in batch.runs.into_iter().zip(first_rows).enumerate() {
            let end = first_row + piece.record_count();
            let done = match &piece.origin {
                Origin::Source { offsets, .. } if index + 1 < count => offsets.get(piece.record_count() - 1),
                _ => done.clone(),
            };
            let polled = polled.as_ref().map(|run| {
                let end = if index + 1 < count { end } else { run.record_count() };
                (run.slice(told, end - told), first_row - told)
            });
            told = end;
            if !self.produce_transformed(piece, done, polled, control).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What becomes of a run, and where each piece begins in it. `None`: told to stop while some rows had to be tried again.
    async fn transform(&mut self, run: Run, control: &mut Control) -> Result<Option<(Batch, Vec<usize>)>> {
        let mut work = Transforming::new(Batch { runs: vec![run] });
        loop {
            self.metrics.stages.enter(Stage::Transform);
            match self.converters.transforms.transform(&mut work, None)? {
                Step::Done(batch) => return Ok(Some((batch, work.first_rows().to_vec()))),
                Step::Wait(due) => {
                    if !self.wait_until(due, control).await? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// Encodes a run and hands it to the producer; once it is acknowledged its source is done up to `done`. `polled`: what the task is to
    /// be told of it, and where in that the run begins.
    async fn produce_transformed(
        &mut self,
        run: Run,
        done: Option<SourceOffset>,
        polled: Option<(Run, usize)>,
        control: &mut Control,
    ) -> Result<bool> {
        let Run { topic, partition, origin, body } = &run;
        let columns = match body {
            Body::Packed(packed) => return self.produce_packed(&run, packed, done, polled, control).await,
            Body::Columns(columns) => columns,
        };
        let Origin::Source { partition: source, .. } = origin else {
            return Err(Error::fatal("a transform gave records that were read from Kafka"));
        };
        self.metrics.stages.enter(Stage::Convert);
        let Some(encoded) = self.encode(&run, control).await? else { return Ok(false) };
        self.metrics.stages.enter(Stage::Send);
        self.check_topic(topic)?;
        let Some(handle) = self.topic(topic, control).await? else { return Ok(false) };
        let now_ms = self.env.now_ms();
        let polled = polled.map(|(polled, first_row)| {
            let stamps = columns.timestamps.clone();
            AwaitedRun::new(Acknowledged::dropped(polled).sent(topic, stamps, first_row, now_ms), first_row)
        });
        let token = self.progress.open(source, done, polled)?;
        let rows = EncodedRows { columns, encoded: &encoded, now_ms };
        let mut bytes = 0;
        for range in kept(columns.value.len(), &encoded.skipped) {
            let mut left = range;
            self.begin_transaction()?;
            while !left.is_empty() {
                let first = left.start;
                let refused = {
                    let mut awaited = self.progress.awaited.borrow_mut();
                    let mut run = awaited.as_mut().and_then(|awaited| awaited.run(token));
                    let sent = |rows, partition| {
                        if let Some(run) = &mut run {
                            run.sent(rows, partition);
                        }
                    };
                    self.producer.append_rows(&handle, *partition, &rows, &mut left, token, sent)
                };
                bytes += encoded.bytes_of(first..left.start);
                // Whatever was refused: those before it are on their way, and their acknowledgements will come.
                self.progress.ledger.borrow_mut().submit(token, left.start - first);
                if let Some(transactions) = &mut self.transactions {
                    transactions.record_count += left.start - first;
                }
                match refused {
                    Ok(()) => {}
                    Err(AppendError::Full) => {
                        let has_room = self.wait_for_room(control).await?;
                        if !has_room {
                            self.cut_short(token, origin, left.start);
                            return Ok(false);
                        }
                    }
                    Err(error) if self.tolerates(&error) => {
                        self.converters.errors.not_produced(1, not_sent(error), Some((&run, left.start)));
                        left.start += 1;
                    }
                    Err(error) => {
                        return Err(self
                            .refused(error, Some("Unrecoverable exception trying to send"))
                            .await);
                    }
                }
            }
        }
        self.progress.seal(token);
        self.metrics.bytes_in.add(bytes as u64);
        Ok(true)
    }

    /// The task is stopped amid a run, of which `rows` were handed over: in a transaction their offset has to go with them.
    pub(super) fn cut_short(&self, token: Token, origin: &Origin, rows: usize) {
        if let Origin::Source { offsets, .. } = origin
            && self.transactions.is_some()
        {
            match rows.checked_sub(1) {
                Some(last) => self.progress.cut(token, rows, offsets.get(last)),
                None => self.progress.forget(token),
            }
        }
    }

    /// Whether a record that can never be sent is skipped (KIP-779).
    pub(super) fn tolerates(&self, error: &AppendError) -> bool {
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
    pub(super) async fn wait_for_room(&mut self, control: &mut Control) -> Result<bool> {
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
                // A transaction cannot wait for the end of a pause: the batch comes first.
                Target::Paused if self.transactions.is_none() => control.report_paused(),
                target => {
                    if target == Target::Running {
                        control.report_running();
                    }
                    if found.is_some() {
                        return Ok(found);
                    }
                }
            }
            tokio::select! {
                biased;
                error = progress.failure() => return Err(error),
                () = control.changed() => {}
                _ = self.commits.tick(), if self.transactions.is_none() => self.begin_commit(),
                () = progress.committed.notified() => self.tell_committed().await,
                () = progress.decided.notified() => self.tell_acknowledged().await,
                value = awaited.as_mut(), if found.is_none() => found = Some(value),
            }
        }
    }
}
