//! Compaction: of each key only the newest record stays, with its offset. Kafka's `Cleaner`, in steps.
//!
//! A pass first maps the keys of what is dirty to their newest offsets, then rewrites the log from its start: tail batches move
//! into parts of their own, parts are rewritten or joined. Between two steps the log is whole, so that requests are served
//! meanwhile; a step reads [`STEP_BYTES_MAX`] bytes as stored, or one batch that is larger.
//!
//! What is dirty ends at the first of: the active segment, the last stable offset, the first record that is younger than
//! `min.compaction.lag.ms`.

use std::collections::HashMap;

use bytes::Bytes;
use protocol::Error;
use protocol::wire::records::{
    BufferPool, Codec, Compressor, Decompressor, RecordBatch, RecordRef, RecordSet, emptied, retain,
};

use super::cleaned_transactions::CleanedTransactions;
use super::part::Part;
use super::transactions::ABORTED_BYTES;
use super::{Log, Producers};

/// Bytes, as stored, that one step reads, because nothing else runs on the broker's thread meanwhile: about 2,000 records of
/// 100 bytes.
pub(crate) const STEP_BYTES_MAX: u64 = 256 * 1024;

/// What the map of keys may take; a pass whose keys need more ends earlier, and the next one goes on there.
const MAP_BYTES_MAX: usize = 32 << 20;

/// What a key costs in the map besides its bytes.
const MAP_ENTRY_BYTES: usize = 64;

/// When and how a topic is compacted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct CompactionSettings {
    pub(crate) min_lag_ms: i64,
    pub(crate) max_lag_ms: i64,
    pub(crate) min_dirty_ratio: f64,
    pub(crate) delete_retention_ms: i64,
}

/// One pass over a log.
#[derive(Debug)]
pub(crate) struct Compaction {
    /// Everything of the pass has one time, as in Kafka.
    now_ms: i64,
    delete_retention_ms: i64,
    truncation_count: u64,
    first_dirty_offset: i64,
    /// Records from here on are not touched.
    end_offset: i64,
    /// Where the next step goes on.
    next_offset: i64,
    is_mapping: bool,
    step_bytes_max: u64,
    newest: KeyMap,
    transactions: CleanedTransactions,
    compressors: Vec<Compressor>,
}

/// Keys with the offsets of their newest records.
#[derive(Debug, Default)]
struct KeyMap {
    offsets: HashMap<Box<[u8]>, i64>,
    bytes: usize,
}

/// What becomes of a batch.
enum Fate {
    Kept,
    Rewritten(RecordBatch),
    Dropped,
}

impl Log {
    /// How much a log needs compaction: the part of it that could be compacted and is dirty, from 0 to 1. `None` if it does
    /// not need any (`LogCleanerManager#grabFilthiestCompactedLog`).
    pub(crate) fn dirtiness(&self, settings: &CompactionSettings, now_ms: i64) -> Option<f64> {
        let first_dirty_offset = self.first_dirty_offset.max(self.start_offset());
        let end_offset = self.cleanable_end(settings, now_ms);
        let (mut clean_bytes, mut dirty_bytes, mut oldest_ms) = (0, 0, i64::MAX);
        for part in self.parts() {
            let clean_count = part.count_before(first_dirty_offset);
            let count = part.count_before(end_offset).max(clean_count);
            clean_bytes += part.bytes_of_first(clean_count);
            dirty_bytes += part.bytes_of_first(count) - part.bytes_of_first(clean_count);
            if let Some(entry) = part.entry(clean_count).filter(|_| clean_count < count)
                && entry.max_timestamp_ms >= 0
            {
                oldest_ms = oldest_ms.min(entry.max_timestamp_ms);
            }
        }
        if dirty_bytes == 0 {
            return None;
        }
        let ratio = dirty_bytes as f64 / (clean_bytes + dirty_bytes) as f64;
        let is_overdue = oldest_ms < now_ms.saturating_sub(settings.max_lag_ms);
        (is_overdue || ratio > settings.min_dirty_ratio).then_some(ratio)
    }

    /// Where compaction ends for now.
    fn cleanable_end(&self, settings: &CompactionSettings, now_ms: i64) -> i64 {
        let end_offset = self.active.start_offset.min(self.stable_offset());
        if settings.min_lag_ms <= 0 {
            return end_offset;
        }
        let old_ms = now_ms.saturating_sub(settings.min_lag_ms);
        let mut dirty =
            self.parts().flat_map(|part| part.entries().skip(part.count_before(self.first_dirty_offset)));
        let first_young = dirty.find(|entry| entry.max_timestamp_ms > old_ms);
        first_young.map_or(end_offset, |entry| entry.base_offset.min(end_offset))
    }
}

impl Compaction {
    /// Begins a pass over a log that needs it.
    pub(crate) fn start(log: &Log, settings: &CompactionSettings, now_ms: i64) -> Self {
        let first_dirty_offset = log.first_dirty_offset.max(log.start_offset());
        let end_offset = log.cleanable_end(settings, now_ms);
        Self {
            now_ms,
            delete_retention_ms: settings.delete_retention_ms,
            truncation_count: log.truncation_count,
            first_dirty_offset,
            end_offset,
            next_offset: first_dirty_offset,
            is_mapping: true,
            step_bytes_max: STEP_BYTES_MAX,
            newest: KeyMap::default(),
            transactions: CleanedTransactions::of(log, first_dirty_offset, end_offset),
            compressors: Vec::new(),
        }
    }

    /// Reads less at a time.
    #[cfg(test)]
    pub(crate) fn in_steps_of(mut self, step_bytes_max: u64) -> Self {
        self.step_bytes_max = step_bytes_max;
        self
    }

    /// Does a part of the pass; whether it is over.
    pub(crate) fn step(
        &mut self,
        log: &mut Log,
        producers: &Producers,
        decompressor: &mut Decompressor,
    ) -> bool {
        if log.truncation_count != self.truncation_count {
            // What superseded older records may be lost.
            return true;
        }
        if self.next_offset < log.start_offset() {
            // What was next has been deleted meanwhile, with the markers in it.
            self.next_offset = log.start_offset();
            self.transactions.skip_to(self.next_offset);
        }
        if self.is_mapping {
            self.map_some(log, decompressor);
            if self.next_offset >= self.end_offset {
                self.is_mapping = false;
                self.next_offset = log.start_offset();
                self.transactions = CleanedTransactions::of(log, self.next_offset, self.end_offset);
            }
            return false;
        }
        let is_over = self.clean_some(log, producers, decompressor);
        // At once: a reader that is told of the transaction waits for its marker, which may just have gone.
        for marker_offset in self.transactions.take_gone() {
            if log.transactions.forget(marker_offset) {
                log.budget.release(ABORTED_BYTES);
            }
        }
        if is_over {
            log.first_dirty_offset = log.first_dirty_offset.max(self.end_offset);
        }
        is_over
    }

    fn map_some(&mut self, log: &mut Log, decompressor: &mut Decompressor) {
        let batches = self.batches_to_map(log);
        if batches.is_empty() {
            self.next_offset = self.end_offset;
        }
        for batch in batches {
            if self.newest.bytes >= MAP_BYTES_MAX {
                self.end_offset = batch.header().base_offset;
                return;
            }
            if batch.header().is_control() {
                self.transactions.on_control(&batch, decompressor);
            } else if !self.transactions.on_data(&batch)
                && let Ok(payload) = batch.payload(decompressor)
                && let Some(records) = records_of(&batch, &payload)
            {
                for record in records {
                    let offset = batch.header().base_offset + i64::from(record.offset_delta);
                    if let Some(key) = record.key
                        && offset >= self.first_dirty_offset
                    {
                        self.newest.put(key, offset);
                    }
                }
            }
            self.next_offset = batch.header().next_offset();
        }
    }

    /// Rewrites what comes next; whether nothing does.
    fn clean_some(&mut self, log: &mut Log, producers: &Producers, decompressor: &mut Decompressor) -> bool {
        let first = log.compacted.partition_point(|part| part.last_offset() < self.next_offset);
        let mut parts_end = first;
        let mut bytes = 0;
        while let Some(part) = log.compacted.get(parts_end) {
            bytes += part.bytes();
            if parts_end > first && bytes > self.step_bytes_max {
                break;
            }
            parts_end += 1;
        }
        let is_of_parts = parts_end > first;
        let mut source = Vec::new();
        if is_of_parts {
            for part in log.compacted.range_mut(first..parts_end) {
                source.extend(part.batches(0, part.len()));
            }
        } else {
            let to = self.step_end(&log.tail, 0);
            source.extend(log.tail.batches(0, to));
        }
        let Some(last) = source.last() else { return true };
        self.next_offset = last.header().next_offset();
        let source_count = source.len();

        let mut kept = Vec::with_capacity(source_count);
        let mut is_changed = false;
        for batch in source {
            let fate = if batch.header().base_offset < self.end_offset {
                self.fate_of(&batch, producers, decompressor)
            } else {
                Fate::Kept
            };
            is_changed |= !matches!(fate, Fate::Kept);
            match fate {
                Fate::Kept => kept.push(batch),
                Fate::Rewritten(rewritten) => kept.push(rewritten),
                Fate::Dropped => {}
            }
        }
        if is_of_parts && !is_changed && parts_end - first == 1 {
            return false;
        }
        let replacement = (!kept.is_empty()).then(|| Part::of_rewritten(&kept, log.budget.clone()));
        if is_of_parts {
            log.compacted.drain(first..parts_end);
        } else {
            log.tail.drop_front(source_count);
        }
        if let Some(part) = replacement {
            log.compacted.insert(first, part);
        }
        false
    }

    /// Kafka's `RecordFilter` of a cleaner, and `MemoryRecords#filterTo`.
    fn fate_of(
        &mut self,
        batch: &RecordBatch,
        producers: &Producers,
        decompressor: &mut Decompressor,
    ) -> Fate {
        let header = batch.header();
        let horizon_ms = header.delete_horizon_ms();
        let (is_discarded, is_of_empty_transaction) = if header.is_control() {
            let is_of_empty = self.transactions.on_control(batch, decompressor);
            (is_of_empty && horizon_ms.is_some_and(|at| at <= self.now_ms), is_of_empty)
        } else {
            (self.transactions.on_data(batch), false)
        };
        // The last batch of the pass stays as well, so that its offsets are not forgotten.
        let is_kept_empty = (header.producer_id >= 0 && producers.rests_on(header))
            || header.next_offset() == self.end_offset;
        if is_discarded {
            return if is_kept_empty { empty(batch) } else { Fate::Dropped };
        }
        let Ok(payload) = batch.payload(decompressor) else { return Fate::Kept };
        let Some(records) = records_of(batch, &payload) else { return Fate::Kept };
        let mut is_kept = Vec::with_capacity(records.len());
        let mut has_tombstones = false;
        for record in records {
            let offset = header.base_offset + i64::from(record.offset_delta);
            let is_wanted = header.is_control()
                || match record.key {
                    Some(key) => {
                        let is_alive = record.value.is_some() || horizon_ms.is_none_or(|at| self.now_ms < at);
                        self.newest.get(key).is_none_or(|newest| offset >= newest) && is_alive
                    }
                    None => false,
                };
            has_tombstones |= is_wanted && record.value.is_none();
            is_kept.push(is_wanted);
        }
        let keeps_all = is_kept.iter().all(|is_kept| *is_kept);
        let sets_horizon = (has_tombstones || is_of_empty_transaction) && horizon_ms.is_none();
        if !is_kept.contains(&true) {
            return if is_kept_empty { empty(batch) } else { Fate::Dropped };
        }
        if keeps_all && !sets_horizon {
            return Fate::Kept;
        }
        let new_horizon_ms = sets_horizon.then(|| self.now_ms.saturating_add(self.delete_retention_ms));
        let mut wanted = is_kept.iter();
        let rewritten = self.compressor(batch).and_then(|compressor| {
            retain(batch, &payload, new_horizon_ms, compressor, |_| wanted.next() == Some(&true))
        });
        stored(rewritten)
    }

    fn batches_to_map(&self, log: &mut Log) -> Vec<RecordBatch> {
        let first = log.compacted.partition_point(|part| part.last_offset() < self.next_offset);
        let part = log.compacted.get_mut(first).unwrap_or(&mut log.tail);
        let from = part.index_of(self.next_offset);
        let to = self.step_end(part, from);
        part.batches(from, to).collect()
    }

    /// Index behind the batches of a step that begins at `from`.
    fn step_end(&self, part: &Part, from: usize) -> usize {
        let end = part.count_before(self.end_offset);
        let before = part.bytes_of_first(from);
        let first = from + 1;
        let fits = |to: &usize| *to == first || part.bytes_of_first(*to) - before <= self.step_bytes_max;
        (first..=end).take_while(fits).last().unwrap_or(from)
    }

    fn compressor(&mut self, batch: &RecordBatch) -> Result<&mut Compressor, Error> {
        let codec: Codec = batch.codec()?;
        let index = match self.compressors.iter().position(|compressor| compressor.codec() == codec) {
            Some(index) => index,
            None => {
                self.compressors.push(Compressor::new(codec, None, BufferPool::default())?);
                self.compressors.len() - 1
            }
        };
        Ok(&mut self.compressors[index])
    }
}

impl KeyMap {
    fn put(&mut self, key: &[u8], offset: i64) {
        if let Some(newest) = self.offsets.get_mut(key) {
            *newest = offset;
            return;
        }
        self.bytes += key.len() + MAP_ENTRY_BYTES;
        self.offsets.insert(key.into(), offset);
    }

    fn get(&self, key: &[u8]) -> Option<i64> {
        self.offsets.get(key).copied()
    }
}

/// The records of a batch. `None` where it cannot be read or says offsets that it does not have: it came when the topic was not
/// compacted, so that nobody had a look at it, and stays as it is.
fn records_of<'a>(batch: &RecordBatch, payload: &'a [u8]) -> Option<Vec<RecordRef<'a>>> {
    let records = batch.records(payload).collect::<Result<Vec<_>, _>>().ok()?;
    let is_ordered = records.is_sorted_by(|a, b| a.offset_delta < b.offset_delta);
    let is_within = records.first().is_none_or(|first| first.offset_delta >= 0)
        && records.last().is_none_or(|last| last.offset_delta <= batch.header().last_offset_delta);
    (is_ordered && is_within).then_some(records)
}

fn empty(batch: &RecordBatch) -> Fate {
    if batch.header().record_count == 0 { Fate::Kept } else { stored(emptied(batch.header())) }
}

/// A batch that cannot be rewritten stays as it is: too much is no loss.
fn stored(rewritten: Result<Bytes, Error>) -> Fate {
    match rewritten.map(|bytes| RecordSet::new(bytes).next()) {
        Ok(Some(Ok(batch))) => Fate::Rewritten(batch),
        Ok(Some(Err(error))) | Err(error) => {
            tracing::warn!(%error, "compaction left a batch as it is");
            Fate::Kept
        }
        Ok(None) => Fate::Kept,
    }
}
