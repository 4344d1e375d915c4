//! From fetched record batches to runs: as whole batches (bytes tier) or as raw columns (index and columns tiers).
//!
//! Indexing writes sixteen bytes of view per key and value and copies no data: the views point into the fetched buffer, or
//! into the pooled one that a compressed batch was unpacked to. Columns that are empty in every record (keys, headers) cost
//! nothing per record.

use std::sync::Arc;

use api::views::BytesViews;
use api::{
    Body, Column, Columns, Data, Error, Headers, KafkaOffsets, Origin, Packed, Run, Tier, Timestamps,
    TopicPartition,
};
use arrow_buffer::Buffer;
use protocol::client::consumer::{AbortedBatches, Fetched};
use protocol::wire::records::{
    BufferPool, DECOMPRESSED_BYTES_MAX_DEFAULT, Decompressor, RecordBatch, RecordRef,
};

/// Takes fetched record sets apart.
#[derive(Debug)]
pub(crate) struct Indexer {
    decompressor: Decompressor,
}

impl Indexer {
    pub(crate) fn new(pool: BufferPool) -> Indexer {
        Indexer { decompressor: Decompressor::new(pool, DECOMPRESSED_BYTES_MAX_DEFAULT) }
    }

    /// Appends the records of `fetched` to `out`, as far apart as `tier` asks. Checksums are verified; control batches and
    /// records before the wanted offset are left out, as are those of aborted transactions where the consumer reads committed
    /// records only; the reader advances over all of them.
    ///
    /// # Errors
    /// When a batch is damaged: reading on would lose records.
    pub(crate) fn index(&mut self, fetched: &Fetched, tier: Tier, out: &mut Vec<Run>) -> Result<(), Error> {
        let damaged = |error: protocol::Error| {
            let place =
                format!("{}-{} at offset {}", fetched.topic, fetched.partition, fetched.first_wanted_offset);
            Error::fatal(format!("failed to read records fetched from {place}")).with_source(error)
        };
        let mut rows: Option<RunBuilder> = None;
        let mut aborted = AbortedBatches::new(&fetched.aborted_transactions);
        for batch in fetched.records.clone() {
            let batch = batch.map_err(damaged)?;
            batch.check_crc().map_err(damaged)?;
            let header = batch.header();
            if header.is_control() {
                let payload = batch.payload(&mut self.decompressor).map_err(damaged)?;
                aborted.end(header, batch.records(&payload)).map_err(damaged)?;
                continue;
            }
            if header.next_offset() <= fetched.first_wanted_offset || aborted.covers(header) {
                continue;
            }
            if tier == Tier::Bytes && header.magic == 2 && header.base_offset >= fetched.first_wanted_offset {
                finish(&mut rows, fetched, out);
                out.push(packed(fetched, &batch));
                continue;
            }
            if rows.as_ref().is_some_and(|rows| !rows.reaches(header.last_offset())) {
                finish(&mut rows, fetched, out);
            }
            self.index_batch(&batch, fetched.first_wanted_offset, &mut rows).map_err(
                |error| match error {
                    IndexError::Damaged(error) => damaged(error),
                    IndexError::Full(error) => error,
                },
            )?;
        }
        finish(&mut rows, fetched, out);
        Ok(())
    }

    /// Appends the records of one batch from `first_wanted_offset` on to `rows`, which have to [reach](RunBuilder::reaches) it.
    ///
    /// # Errors
    /// When the batch is damaged.
    pub(crate) fn index_batch(
        &mut self,
        batch: &RecordBatch,
        first_wanted_offset: i64,
        rows: &mut Option<RunBuilder>,
    ) -> Result<(), IndexError> {
        let header = batch.header();
        let payload = batch.payload(&mut self.decompressor)?;
        let builder = rows.get_or_insert_with(|| RunBuilder::new(header.base_offset, header.record_count));
        builder.start_batch(Buffer::from(payload.clone())).map_err(IndexError::Full)?;
        for record in batch.records(&payload) {
            let record = record?;
            let offset = header.base_offset + i64::from(record.offset_delta);
            if offset >= first_wanted_offset {
                builder.push(&payload, offset, &record)?;
            }
        }
        builder.next_offset = header.next_offset();
        Ok(())
    }
}

/// Why a batch was not indexed.
#[derive(Debug)]
pub(crate) enum IndexError {
    /// It cannot be read.
    Damaged(protocol::Error),
    /// The columns do not take another buffer.
    Full(Error),
}

impl From<protocol::Error> for IndexError {
    fn from(error: protocol::Error) -> IndexError {
        IndexError::Damaged(error)
    }
}

/// Ends the run under construction; one without rows leaves nothing.
fn finish(rows: &mut Option<RunBuilder>, fetched: &Fetched, out: &mut Vec<Run>) {
    let Some((columns, offsets)) = rows.take().filter(|rows| !rows.is_empty()).map(RunBuilder::finish) else {
        return;
    };
    out.push(Run {
        topic: Arc::clone(&fetched.topic),
        partition: Some(fetched.partition),
        origin: origin(fetched, offsets),
        body: Body::Columns(columns),
    });
}

fn origin(fetched: &Fetched, offsets: KafkaOffsets) -> Origin {
    let from = TopicPartition { topic: Arc::clone(&fetched.topic), partition: fetched.partition };
    Origin::Kafka { from, offsets }
}

fn packed(fetched: &Fetched, batch: &RecordBatch) -> Run {
    let header = batch.header();
    Run {
        topic: Arc::clone(&fetched.topic),
        partition: Some(fetched.partition),
        origin: origin(
            fetched,
            KafkaOffsets { base: header.base_offset, deltas: None, next: header.next_offset() },
        ),
        body: Body::Packed(Packed {
            bytes: batch.bytes().clone(),
            record_count: header.record_count.max(0) as usize,
            max_timestamp_ms: header.max_timestamp,
        }),
    }
}

/// Columns in the making.
pub(crate) struct RunBuilder {
    base_offset: i64,
    next_offset: i64,
    /// Distances from `base_offset`, kept only once they are not simply the row numbers.
    deltas: Vec<i32>,
    keys: Option<BytesViews>,
    values: BytesViews,
    timestamps: Vec<i64>,
    headers: Option<HeadersBuilder>,
    buffers: Vec<Buffer>,
}

struct HeadersBuilder {
    bounds: Vec<u32>,
    keys: BytesViews,
    values: BytesViews,
}

/// Rows are reserved by a batch's own count up to this; beyond, columns grow as rows come: counts are not to be trusted.
const ROWS_RESERVED_MAX: i32 = 1 << 16;

impl RunBuilder {
    fn new(base_offset: i64, record_count: i32) -> RunBuilder {
        let rows = record_count.clamp(0, ROWS_RESERVED_MAX) as usize;
        RunBuilder {
            base_offset,
            next_offset: base_offset,
            deltas: Vec::new(),
            keys: None,
            values: BytesViews::with_capacity(rows),
            timestamps: Vec::with_capacity(rows),
            headers: None,
            buffers: Vec::new(),
        }
    }

    /// Whether no record has been put.
    pub(crate) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Whether a record at `offset` may be put: offsets of a run are kept as 32-bit distances, so a run never spans more.
    pub(crate) fn reaches(&self, offset: i64) -> bool {
        offset - self.base_offset <= i64::from(i32::MAX)
    }

    /// The following records lie in `payload`.
    fn start_batch(&mut self, payload: Buffer) -> Result<(), Error> {
        self.values.add_buffer(payload.clone())?;
        if let Some(keys) = &mut self.keys {
            keys.add_buffer(payload.clone())?;
        }
        if let Some(headers) = &mut self.headers {
            headers.keys.add_buffer(payload.clone())?;
            headers.values.add_buffer(payload.clone())?;
        }
        self.buffers.push(payload);
        Ok(())
    }

    #[inline]
    fn push(&mut self, payload: &[u8], offset: i64, record: &RecordRef<'_>) -> Result<(), protocol::Error> {
        let row = self.timestamps.len();
        if row == 0 {
            self.base_offset = offset;
        }
        let delta = (offset - self.base_offset) as i32;
        if !self.deltas.is_empty() || delta as usize != row {
            self.push_delta(row, delta);
        }
        match (&mut self.keys, record.key) {
            (None, None) => {}
            (Some(keys), key) => push(keys, payload, key),
            (None, key) => push(self.start_keys(row), payload, key),
        }
        push(&mut self.values, payload, record.value);
        self.timestamps.push(record.timestamp);
        if self.headers.is_some() || !record.headers.is_empty() {
            self.push_headers(payload, row, record)?;
        }
        Ok(())
    }

    #[cold]
    fn push_delta(&mut self, row: usize, delta: i32) {
        if self.deltas.is_empty() {
            self.deltas.extend(0..row as i32);
        }
        self.deltas.push(delta);
    }

    #[cold]
    fn start_keys(&mut self, row: usize) -> &mut BytesViews {
        let mut keys = views_over(&self.buffers);
        (0..row).for_each(|_| keys.push_null());
        self.keys.insert(keys)
    }

    #[cold]
    fn push_headers(
        &mut self,
        payload: &[u8],
        row: usize,
        record: &RecordRef<'_>,
    ) -> Result<(), protocol::Error> {
        let headers = self.headers.get_or_insert_with(|| HeadersBuilder {
            bounds: vec![0; row + 1],
            keys: views_over(&self.buffers),
            values: views_over(&self.buffers),
        });
        for header in record.headers {
            let header = header?;
            push(&mut headers.keys, payload, Some(header.key));
            push(&mut headers.values, payload, header.value);
        }
        headers.bounds.push(headers.keys.len() as u32);
        Ok(())
    }

    /// The columns, and the Kafka offsets of their rows.
    pub(crate) fn finish(self) -> (Columns, KafkaOffsets) {
        let rows = self.timestamps.len();
        let columns = Columns {
            key: match self.keys {
                None => Column { schema: None, data: Data::Null(rows) },
                Some(keys) => Column::raw(keys.finish()),
            },
            value: Column::raw(self.values.finish()),
            headers: match self.headers {
                None => Headers::none(),
                Some(headers) => {
                    Headers::new(headers.bounds.into(), headers.keys.finish(), headers.values.finish())
                }
            },
            timestamps: Timestamps::Each(self.timestamps.into()),
        };
        let deltas = (!self.deltas.is_empty()).then(|| self.deltas.into());
        (columns, KafkaOffsets { base: self.base_offset, deltas, next: self.next_offset })
    }
}

fn views_over(buffers: &[Buffer]) -> BytesViews {
    let mut views = BytesViews::with_capacity(0);
    for buffer in buffers {
        views.add_buffer(buffer.clone()).expect("the values' column took the same buffers");
    }
    views
}

/// Appends a slice of `payload` by its place in it.
#[inline]
fn push(views: &mut BytesViews, payload: &[u8], value: Option<&[u8]>) {
    match value {
        Some(value) => views.push(value.as_ptr() as usize - payload.as_ptr() as usize, value.len()),
        None => views.push_null(),
    }
}

#[cfg(test)]
mod tests {
    use bytes::{Bytes, BytesMut};
    use protocol::client::consumer::AbortedTransaction;
    use protocol::wire::records::{self, BatchBuilder, Codec, Compressor, Header, ProducerStamp, RecordSet};

    use super::*;
    use crate::pipeline::errors::Originals;

    /// A record as (offset, timestamp, key, value, headers).
    type Row = (i64, i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<(Vec<u8>, Option<Vec<u8>>)>);

    /// A record to write: key, value, headers.
    type Record<'a> = (Option<&'a str>, Option<&'a str>, &'a [(&'a str, Option<&'a str>)]);

    struct Log {
        pool: BufferPool,
        bytes: BytesMut,
        next: i64,
        rows: Vec<Row>,
    }

    impl Log {
        fn new() -> Log {
            Log { pool: BufferPool::new(1 << 20), bytes: BytesMut::new(), next: 0, rows: Vec::new() }
        }

        /// Appends a batch at the end of the log.
        fn batch(&mut self, codec: Codec, records: &[Record<'_>]) {
            let bytes = |text: Option<&str>| text.map(|text| text.as_bytes().to_vec());
            let mut builder = BatchBuilder::new(self.pool.clone(), 1 << 20);
            for (key, value, headers) in records {
                let timestamp = 1_000 + self.next;
                let pairs: Vec<Header<'_>> = headers
                    .iter()
                    .map(|(key, value)| Header { key: key.as_bytes(), value: value.map(str::as_bytes) })
                    .collect();
                builder.append(timestamp, key.map(str::as_bytes), value.map(str::as_bytes), &pairs).unwrap();
                let headers =
                    headers.iter().map(|(key, value)| (key.as_bytes().to_vec(), bytes(*value))).collect();
                self.rows.push((self.next, timestamp, bytes(*key), bytes(*value), headers));
                self.next += 1;
            }
            let mut compressor = Compressor::new(codec, None, self.pool.clone()).unwrap();
            let mut batch = builder.finish(ProducerStamp::NONE, &mut compressor).unwrap().to_vec();
            assert!(records::patch_base_offset(&mut batch, self.next - records.len() as i64));
            self.bytes.extend_from_slice(&batch);
        }

        /// Appends a control batch: a marker of type 0 (abort) or 1 (commit).
        fn control(&mut self, producer_id: i64, marker: u8) {
            let start = self.bytes.len();
            let mut builder = BatchBuilder::new(self.pool.clone(), 1 << 20);
            builder.append(0, Some(&[0, 0, 0, marker]), Some(&[0; 6]), &[]).unwrap();
            let mut compressor = Compressor::new(Codec::None, None, self.pool.clone()).unwrap();
            let stamp =
                ProducerStamp { producer_id, producer_epoch: 0, base_sequence: -1, is_transactional: true };
            self.bytes.extend_from_slice(&builder.finish(stamp, &mut compressor).unwrap());
            let batch = &mut self.bytes[start..];
            assert!(records::patch_base_offset(batch, self.next));
            batch[22] |= 0x20;
            let crc = crc32c(&batch[21..]);
            batch[17..21].copy_from_slice(&crc.to_be_bytes());
            self.next += 1;
        }

        fn fetched(&self, first_wanted_offset: i64) -> Fetched {
            let bytes: Bytes = self.bytes.clone().freeze();
            Fetched {
                topic: Arc::from("t"),
                partition: 3,
                first_wanted_offset,
                next_offset: self.next,
                leader_epoch: -1,
                bytes: bytes.len(),
                record_count: 0,
                records: RecordSet::new(bytes),
                high_watermark: self.next,
                log_start_offset: 0,
                last_stable_offset: self.next,
                aborted_transactions: Vec::new(),
            }
        }

        fn index(&self, first_wanted_offset: i64, tier: Tier) -> Vec<Run> {
            let mut out = Vec::new();
            Indexer::new(self.pool.clone())
                .index(&self.fetched(first_wanted_offset), tier, &mut out)
                .unwrap();
            out
        }
    }

    /// CRC-32C, bit by bit.
    fn crc32c(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0u32, |crc, byte| {
            (0..8)
                .fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82F6_3B78 & (crc & 1).wrapping_neg()))
        })
    }

    fn rows(runs: &[Run]) -> Vec<Row> {
        let bytes = |value: api::ValueRef<'_>| match value {
            api::ValueRef::Bytes(bytes) => Some(bytes.to_vec()),
            _ => None,
        };
        let mut rows = Vec::new();
        for run in runs {
            let (Origin::Kafka { offsets, .. }, Body::Columns(columns)) = (&run.origin, &run.body) else {
                panic!("{run:?}")
            };
            for row in 0..run.record_count() {
                let headers =
                    columns.headers.row(row).map(|(key, value)| (key.to_vec(), value.map(<[u8]>::to_vec)));
                rows.push((
                    offsets.get(row),
                    columns.timestamps.get(row).unwrap(),
                    bytes(columns.key.row(row)),
                    bytes(columns.value.row(row)),
                    headers.collect(),
                ));
            }
        }
        rows
    }

    fn sample(codec: Codec) -> Log {
        let mut log = Log::new();
        log.batch(codec, &[(None, Some("one"), &[]), (None, Some("a value of more than twelve bytes"), &[])]);
        let twice: &[(&str, Option<&str>)] = &[("h", Some("1")), ("h", None)];
        log.batch(codec, &[(None, None, &[]), (Some("key"), Some(""), twice), (Some(""), Some("five"), &[])]);
        log
    }

    #[test]
    fn gives_every_record_whatever_the_codec() {
        for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
            let log = sample(codec);
            let runs = log.index(0, Tier::Index);
            assert_eq!(runs.len(), 1, "batches of one partition make one run");
            assert_eq!(rows(&runs), log.rows, "{codec:?}");
        }
    }

    #[test]
    fn leaves_out_what_was_not_wanted() {
        let log = sample(Codec::None);
        for wanted in 0..=5 {
            assert_eq!(rows(&log.index(wanted, Tier::Index)), log.rows[wanted as usize..]);
        }
    }

    #[test]
    fn keeps_the_offsets_of_a_log_with_gaps() {
        let mut log = Log::new();
        log.batch(Codec::None, &[(None, Some("a"), &[])]);
        log.next = 10;
        log.batch(Codec::None, &[(None, Some("b"), &[]), (None, Some("c"), &[])]);
        log.next = 5_000_000_000;
        log.batch(Codec::None, &[(None, Some("far"), &[])]);
        assert_eq!(rows(&log.index(0, Tier::Index)), log.rows);
    }

    #[test]
    fn the_bytes_tier_keeps_batches_whole_but_for_a_start_in_the_middle() {
        let log = sample(Codec::Zstd);
        let runs = log.index(0, Tier::Bytes);
        let counts: Vec<_> =
            runs.iter().map(|run| (run.record_count(), matches!(run.body, Body::Packed(_)))).collect();
        assert_eq!(counts, [(2, true), (3, true)]);
        let runs = log.index(1, Tier::Bytes);
        assert_eq!(rows(&runs[..1]), log.rows[1..2]);
        assert!(matches!(runs[1].body, Body::Packed(_)));
    }

    #[test]
    fn leaves_out_aborted_transactions_and_nothing_else() {
        let mut log = Log::new();
        let mut kept = Vec::new();
        let mut transactional = |log: &mut Log, producer_id: i64, value: &str, is_kept: bool| {
            let start = log.bytes.len();
            log.batch(Codec::None, &[(None, Some(value), &[])]);
            let stamp =
                ProducerStamp { producer_id, producer_epoch: 0, base_sequence: 0, is_transactional: true };
            records::patch_producer(&mut log.bytes[start..], stamp).unwrap();
            kept.extend(is_kept.then(|| log.rows[log.rows.len() - 1].clone()));
        };
        transactional(&mut log, 7, "aborted", false);
        transactional(&mut log, 8, "committed beside it", true);
        log.control(7, 0);
        transactional(&mut log, 7, "committed after it", true);
        log.control(7, 1);
        let mut fetched = log.fetched(0);
        let mut out = Vec::new();
        fetched.aborted_transactions = vec![AbortedTransaction { producer_id: 7, first_offset: 0 }];
        Indexer::new(log.pool.clone()).index(&fetched, Tier::Index, &mut out).unwrap();
        assert_eq!(rows(&out), kept);
    }

    #[test]
    fn a_fetch_that_begins_with_an_abort_marker_keeps_what_the_producer_writes_next() {
        // The broker still names the transaction that ends with the first byte fetched, because its marker is in range.
        let mut log = Log::new();
        log.batch(Codec::None, &[(None, Some("aborted, fetched before"), &[])]);
        let (first, marker) = (log.next, log.bytes.len());
        log.control(7, 0);
        let start = log.bytes.len();
        log.batch(Codec::None, &[(None, Some("committed"), &[])]);
        let stamp =
            ProducerStamp { producer_id: 7, producer_epoch: 0, base_sequence: 1, is_transactional: true };
        records::patch_producer(&mut log.bytes[start..], stamp).unwrap();
        log.control(7, 1);
        let mut fetched = log.fetched(first);
        fetched.records = RecordSet::new(log.bytes.clone().freeze().slice(marker..));
        fetched.aborted_transactions = vec![AbortedTransaction { producer_id: 7, first_offset: 0 }];
        let mut out = Vec::new();
        Indexer::new(log.pool.clone()).index(&fetched, Tier::Index, &mut out).unwrap();
        assert_eq!(rows(&out), log.rows[1..]);
    }

    /// Goal: a record that a sink reports by its row in a packed batch is the one that goes to the dead letter queue.
    #[test]
    fn rows_of_a_packed_batch_have_their_offsets_after_compaction() {
        let mut log = Log::new();
        log.batch(Codec::None, &[(None, Some("first"), &[]), (None, Some("last"), &[])]);
        // As if there had been four more between them: the second one's offset, and the batch's last one.
        let second = 62 + usize::from(log.bytes[61] >> 1);
        log.bytes[second + 3] = 5 << 1;
        log.bytes[26] = 5;
        let crc = crc32c(&log.bytes[21..]);
        log.bytes[17..21].copy_from_slice(&crc.to_be_bytes());
        log.next = 6;
        let mut indexer = Indexer::new(log.pool.clone());
        let mut runs = Vec::new();
        indexer.index(&log.fetched(0), Tier::Bytes, &mut runs).unwrap();
        assert!(matches!(runs[0].body, Body::Packed(_)));
        let mut originals = Originals::default();
        originals.keep(log.fetched(0));
        let offsets = originals.offsets(&runs[0], &mut indexer).unwrap().unwrap();
        assert_eq!([offsets.get(0), offsets.get(1)], [0, 5]);
        let from = TopicPartition { topic: Arc::from("t"), partition: 3 };
        let original = originals.find(&from, offsets.get(1), &mut indexer).unwrap();
        assert!(
            matches!(original.columns.value.row(original.row), api::ValueRef::Bytes(value) if value == b"last")
        );
    }

    #[test]
    fn refuses_damaged_batches() {
        let mut log = sample(Codec::None);
        let last = log.bytes.len() - 1;
        log.bytes[last] ^= 1;
        let error =
            Indexer::new(log.pool.clone()).index(&log.fetched(0), Tier::Bytes, &mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "failed to read records fetched from t-3 at offset 0");
    }
}
