//! Record batches that a source gives as it got them from Kafka: they go to Kafka as they are, or are taken apart first.
//!
//! A batch goes as it is where nothing looks into its records ([`Converters::keep_bytes`](crate::pipeline::Converters::keep_bytes)), and
//! producer and broker can take it ([`Producer::can_append_batch`](protocol::client::producer::Producer::can_append_batch)). All others
//! become columns of optional bytes, as a Java source would have given them.

use std::sync::Arc;

use api::{
    Acknowledged, Batch, Body, Column, Columns, ConnectHeaders, Data, Error, HeaderColumns, HeaderPart,
    HeaderValues, Headers, KafkaOffsets, Origin, Packed, Result, Run, Schema, SourceOffset, SourceOffsets,
    Timestamps, Type,
};
use protocol::client::producer::AppendError;
use protocol::wire::records::{Codec, RecordBatch, RecordSet};

use super::SourcePipeline;
use super::awaited::AwaitedRun;
use crate::metrics::Stage;
use crate::pipeline::errors::not_sent;
use crate::pipeline::index::{IndexError, Indexer, RunBuilder};
use crate::task::Control;

/// Smaller batches are gathered into larger ones: a partition sends one batch per request, so that batches of a record or two would
/// cost more as they are than taken apart.
const PASSED_BYTES_MIN: usize = 2 * 1024;

/// The same for batches that are not compressed, where the producer makes larger ones.
const PLAIN_BYTES_MIN: usize = 64 * 1024;

/// Packed runs that are being taken apart into one.
struct Unpacking {
    /// The first of them.
    first: Run,
    rows: RunBuilder,
    /// Where the next one must begin to belong to them.
    next_offset: i64,
}

impl SourcePipeline {
    /// The same with only those runs packed that can be produced as they are.
    ///
    /// # Errors
    /// When a batch cannot be read: passing over it would lose records.
    pub(super) fn unpacked(&mut self, batch: Batch) -> Result<Batch> {
        if !batch.runs.iter().any(|run| matches!(run.body, Body::Packed(_))) {
            return Ok(batch);
        }
        // A task that ends transactions after certain records must find them.
        let passes = self.converters.keep_bytes()
            && self.transactions.as_ref().is_none_or(|transactions| transactions.context.is_none());
        let mut runs = Vec::with_capacity(batch.runs.len());
        let mut open: Option<Unpacking> = None;
        for run in batch.runs {
            let Body::Packed(packed) = &run.body else {
                self.finish_unpacking(&mut open, &mut runs)?;
                runs.push(run);
                continue;
            };
            let batch = read(&run, packed)?;
            if passes && self.passes(&run, packed, &batch) {
                self.finish_unpacking(&mut open, &mut runs)?;
                runs.push(run);
                continue;
            }
            if open.as_ref().is_some_and(|open| !open.takes(&run, &batch)) {
                self.finish_unpacking(&mut open, &mut runs)?;
            }
            let mut rows = None;
            let first = match open.take() {
                Some(open) => {
                    rows = Some(open.rows);
                    open.first
                }
                None => run.clone(),
            };
            let pool = self.producer_pool.clone();
            let indexer = self.indexer.get_or_insert_with(|| Indexer::new(pool));
            indexer.index_batch(&batch, first_wanted(&run), &mut rows).map_err(|error| match error {
                IndexError::Damaged(error) => unreadable(&run, error),
                IndexError::Full(error) => error,
            })?;
            open = rows.map(|rows| Unpacking { first, rows, next_offset: batch.header().next_offset() });
        }
        self.finish_unpacking(&mut open, &mut runs)?;
        Ok(Batch { runs })
    }

    /// Whether a batch goes out as it is.
    fn passes(&self, run: &Run, packed: &Packed, batch: &RecordBatch) -> bool {
        let header = batch.header();
        !self.is_small(batch)
            && run.partition.is_some()
            && i64::from(header.record_count) == packed.record_count as i64
            && first_wanted(run) <= header.base_offset
            && self.producer.can_append_batch(batch)
    }

    /// Whether a batch is better joined with those behind it. A partition sends one batch per request, and a request costs as much as
    /// writing hundreds of records anew; only where they have to be decompressed for it that is dearer.
    fn is_small(&self, batch: &RecordBatch) -> bool {
        let bytes = batch.bytes().len();
        let is_plain = batch.codec().is_ok_and(|codec| codec == Codec::None);
        bytes < PASSED_BYTES_MIN
            || (is_plain && bytes < PLAIN_BYTES_MIN && bytes * 2 <= self.spec.producer.batch_bytes)
    }

    /// Ends the run that is being taken apart, if there is one; one without rows leaves nothing.
    fn finish_unpacking(&mut self, open: &mut Option<Unpacking>, out: &mut Vec<Run>) -> Result<()> {
        let Some(Unpacking { first, rows, .. }) = open.take().filter(|open| !open.rows.is_empty()) else {
            return Ok(());
        };
        let (columns, offsets) = rows.finish();
        let count = columns.value.len();
        let Run { topic, partition, origin, body } = first;
        let Origin::Source { partition: source, offsets: given } = origin else {
            return Err(Error::fatal("a source task gave records that were read from Kafka"));
        };
        let offsets = match given {
            SourceOffsets::Kafka { field, .. } => SourceOffsets::Kafka { field, offsets },
            SourceOffsets::None => SourceOffsets::None,
            given if matches!(&body, Body::Packed(packed) if packed.record_count == count) => given,
            _ => {
                return Err(Error::fatal(
                    "a source task gave a packed batch and not one offset for each record",
                ));
            }
        };
        let columns = if self.converters.keep_bytes() { columns } else { as_connect_data(columns) };
        let origin = Origin::Source { partition: source, offsets };
        out.push(Run { topic, partition, origin, body: Body::Columns(columns) });
        Ok(())
    }

    /// Hands a batch to the producer as it is; once it is acknowledged its source is done up to `done`. `polled`: what the task is to be
    /// told of it, and where in that the run begins.
    pub(super) async fn produce_packed(
        &mut self,
        run: &Run,
        packed: &Packed,
        done: Option<SourceOffset>,
        polled: Option<(Run, usize)>,
        control: &mut Control,
    ) -> Result<bool> {
        let (Some(partition), Origin::Source { partition: source, .. }) = (run.partition, &run.origin) else {
            return Err(Error::fatal("a source task gave a packed batch without a partition"));
        };
        let batch = read(run, packed)?;
        let rows = packed.record_count;
        self.metrics.stages.enter(Stage::Send);
        self.check_topic(&run.topic)?;
        let Some(handle) = self.topic(&run.topic, control).await? else { return Ok(false) };
        let now_ms = self.env.now_ms();
        let polled = polled.map(|(polled, first_row)| {
            let stamps = Timestamps::Same(packed.max_timestamp_ms);
            let acknowledged = Acknowledged::dropped(polled).sent(&run.topic, stamps, first_row, now_ms);
            let mut awaited = AwaitedRun::new(acknowledged, first_row);
            awaited.sent(0..rows, partition);
            awaited
        });
        let token = self.progress.open(source, done, polled)?;
        self.begin_transaction()?;
        loop {
            match self.producer.append_batch(&handle, partition, &batch, token) {
                Ok(()) => break,
                Err(AppendError::Full) => {
                    if !self.wait_for_room(control).await? {
                        self.cut_short(token, &run.origin, 0);
                        return Ok(false);
                    }
                }
                Err(error) if self.tolerates(&error) => {
                    self.converters.errors.not_produced(rows, not_sent(error), None);
                    self.progress.seal(token);
                    return Ok(true);
                }
                Err(error) => {
                    return Err(self.refused(error, Some("Unrecoverable exception trying to send")).await);
                }
            }
        }
        self.progress.ledger.borrow_mut().submit(token, rows);
        if let Some(transactions) = &mut self.transactions {
            transactions.record_count += rows;
        }
        self.progress.seal(token);
        self.metrics.bytes_in.add(packed.bytes.len() as u64);
        Ok(true)
    }
}

impl Unpacking {
    /// Whether a packed run goes on where this one ends.
    fn takes(&self, run: &Run, batch: &RecordBatch) -> bool {
        let (Origin::Source { partition, offsets }, Origin::Source { partition: next, offsets: after }) =
            (&self.first.origin, &run.origin)
        else {
            return false;
        };
        let are_kafkas = matches!(
            (offsets, after),
            (SourceOffsets::Kafka { .. }, SourceOffsets::Kafka { offsets, .. }) if offsets.base >= self.next_offset
        );
        are_kafkas
            && run.topic == self.first.topic
            && run.partition == self.first.partition
            && next.is_same(partition)
            && self.rows.reaches(batch.header().last_offset())
    }
}

/// Where the wanted records of a packed run begin.
fn first_wanted(run: &Run) -> i64 {
    match &run.origin {
        Origin::Source {
            offsets: SourceOffsets::Kafka { offsets: KafkaOffsets { base, .. }, .. }, ..
        } => *base,
        _ => i64::MIN,
    }
}

fn read(run: &Run, packed: &Packed) -> Result<RecordBatch> {
    match RecordSet::new(packed.bytes.clone()).next() {
        Some(Ok(batch)) if batch.bytes().len() == packed.bytes.len() && !batch.header().is_control() => {
            Ok(batch)
        }
        Some(Err(error)) => Err(unreadable(run, error)),
        _ => Err(Error::fatal("a source task gave a packed batch that is not one whole batch of records")),
    }
}

fn unreadable(run: &Run, error: protocol::Error) -> Error {
    let partition = run.partition.map_or(String::new(), |partition| format!("-{partition}"));
    Error::fatal(format!("failed to read a record batch for {}{partition}", run.topic)).with_source(error)
}

/// Bytes with a schema, for whoever looks at it: those that Java's `MirrorSourceTask` gives its records.
fn as_connect_data(columns: Columns) -> Columns {
    let optional = Arc::new(Schema::new(Type::Bytes).optional());
    let with_schema = |column: Column| {
        let data = match column.data {
            Data::Raw(bytes) => Data::Array(Arc::new(bytes)),
            data => data,
        };
        Column { schema: Some(Arc::clone(&optional)), data }
    };
    let parts = columns.headers.parts().iter().map(|part| match part {
        HeaderPart::Each(each) if let HeaderValues::Raw(raw) = each.values() => {
            let values = Column {
                schema: Some(Arc::new(Schema::new(Type::Bytes))),
                data: Data::Array(Arc::new(raw.clone())),
            };
            let values = HeaderValues::Connect(ConnectHeaders::of_segments(vec![values]));
            HeaderPart::Each(HeaderColumns::new(each.bounds().clone(), each.keys().clone(), values))
        }
        part => part.clone(),
    });
    let headers = Headers::of_parts(parts.collect());
    Columns { key: with_schema(columns.key), value: with_schema(columns.value), headers, ..columns }
}
