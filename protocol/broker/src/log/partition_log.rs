//! Offsets over bytes: which batch holds an offset, where the log starts and ends, which leader epoch wrote what.

use std::collections::VecDeque;

use bytes::Bytes;
use protocol::wire::records::{Decompressor, RecordSet, header};

use super::chunks::Chunks;
use super::transactions::{ABORTED_BYTES, AbortedTransaction, TransactionIndex};
use super::{Marker, ReceivedBatch};
use crate::memory::MemoryBudget;
use crate::refusal::Refusal;

/// What the index entry of a batch costs, as charged to the budget.
const ENTRY_BYTES: usize = size_of::<Entry>();

/// The log of one partition.
#[derive(Debug)]
pub(crate) struct Log {
    chunks: Chunks,
    batches: VecDeque<Entry>,
    start_offset: i64,
    end_offset: i64,
    /// Leader epochs with the first offset that each wrote, oldest first (KIP-101).
    epochs: Vec<EpochStart>,
    transactions: TransactionIndex,
    budget: MemoryBudget,
}

#[derive(Debug)]
struct Entry {
    base_offset: i64,
    last_offset: i64,
    max_timestamp_ms: i64,
    /// Position of the first byte; the batch ends where the next one starts.
    position: u64,
}

#[derive(Debug)]
struct EpochStart {
    epoch: i32,
    offset: i64,
}

/// A record found by its timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimestampHit {
    pub(crate) offset: i64,
    pub(crate) timestamp_ms: i64,
}

impl Log {
    pub(crate) fn new(budget: MemoryBudget) -> Self {
        Self {
            chunks: Chunks::new(budget.clone()),
            batches: VecDeque::new(),
            start_offset: 0,
            end_offset: 0,
            epochs: Vec::new(),
            transactions: TransactionIndex::default(),
            budget,
        }
    }

    /// The first offset that may be read.
    pub(crate) fn start_offset(&self) -> i64 {
        self.start_offset
    }

    /// The offset that the next record gets; also the high watermark, because there is nothing to replicate.
    pub(crate) fn end_offset(&self) -> i64 {
        self.end_offset
    }

    /// Up to where every transaction has ended: the end for readers of committed records (KIP-98's last stable offset).
    pub(crate) fn stable_offset(&self) -> i64 {
        self.transactions.first_open().map_or(self.end_offset, |first| first.max(self.start_offset))
    }

    /// The batch at `first_offset` begins a transaction.
    pub(crate) fn start_transaction(&mut self, first_offset: i64, producer_id: i64) {
        self.transactions.started(first_offset, producer_id);
    }

    /// Appends the marker of a transaction, which began at `first_offset` unless it left no record here.
    pub(crate) fn end_transaction(
        &mut self,
        marker: &Marker,
        first_offset: Option<i64>,
        leader_epoch: i32,
        now_ms: i64,
    ) -> Result<(), Refusal> {
        let batch = ReceivedBatch::of_marker(marker, now_ms)?;
        let aborted = first_offset.filter(|_| !marker.is_commit);
        let charge = aborted.map_or(0, |_| ABORTED_BYTES);
        self.budget.charge(charge)?;
        match self.append(&batch, leader_epoch, None) {
            Ok(marker_offset) => {
                if let Some(first_offset) = first_offset {
                    self.transactions.ended(first_offset, marker_offset, !marker.is_commit);
                }
                Ok(())
            }
            Err(refusal) => {
                self.budget.release(charge);
                Err(refusal)
            }
        }
    }

    /// The aborted transactions with records in `start..end`.
    pub(crate) fn aborted_in(&self, start: i64, end: i64) -> Vec<AbortedTransaction> {
        self.transactions.aborted_in(start, end)
    }

    /// Bytes of all batches.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.chunks.end() - self.batches.front().map_or(self.chunks.end(), |entry| entry.position)
    }

    /// Stores a batch under the next offsets and returns the first of them. With `append_time_ms` its timestamps are
    /// replaced (`message.timestamp.type=LogAppendTime`).
    pub(crate) fn append(
        &mut self,
        batch: &ReceivedBatch,
        leader_epoch: i32,
        append_time_ms: Option<i64>,
    ) -> Result<i64, Refusal> {
        let base_offset = self.end_offset;
        let position = self.chunks.end();
        self.budget.charge(ENTRY_BYTES)?;
        let appended = self.chunks.append(batch.bytes(), |copy| {
            header::patch_base_offset(copy, base_offset);
            header::patch_leader_epoch(copy, leader_epoch);
            if let Some(now_ms) = append_time_ms {
                header::patch_append_time(copy, now_ms);
            }
        });
        if let Err(refusal) = appended {
            self.budget.release(ENTRY_BYTES);
            return Err(refusal);
        }
        let last_offset = base_offset + i64::from(batch.header().last_offset_delta);
        let max_timestamp_ms = append_time_ms.unwrap_or(batch.header().max_timestamp);
        self.batches.push_back(Entry { base_offset, last_offset, max_timestamp_ms, position });
        if self.epochs.last().is_none_or(|last| last.epoch < leader_epoch) {
            self.epochs.push(EpochStart { epoch: leader_epoch, offset: base_offset });
        }
        self.end_offset = last_offset + 1;
        Ok(base_offset)
    }

    /// Pushes whole batches from the one that holds `offset` on onto `out`, as many as begin before `end_offset` and fit
    /// into `bytes_max`, but at least one if `at_least_one`. Returns their bytes, and the offset behind them.
    pub(crate) fn read(
        &mut self,
        offset: i64,
        end_offset: i64,
        bytes_max: usize,
        at_least_one: bool,
        out: &mut Vec<Bytes>,
    ) -> (usize, i64) {
        let first = self.index_of(offset);
        let readable = self.batches.partition_point(|entry| entry.base_offset < end_offset);
        let Some(start) = self.batches.get(first).map(|entry| entry.position) else {
            return (0, offset);
        };
        // The last batch that still ends within the limit: entry i ends where entry i + 1 starts.
        let limit = start.saturating_add(bytes_max as u64);
        let mut end_index = if self.chunks.end() <= limit {
            self.batches.len()
        } else {
            self.batches.partition_point(|e| e.position <= limit) - 1
        };
        end_index = end_index.min(readable);
        if end_index <= first {
            if !at_least_one || readable <= first {
                return (0, offset);
            }
            end_index = first + 1;
        }
        let end = self.position_of(end_index);
        self.chunks.read(start, end, out);
        ((end - start) as usize, self.batches[end_index - 1].last_offset + 1)
    }

    /// Moves the start of the log forward to `offset` and forgets the batches that lie before it as a whole.
    pub(crate) fn trim_to_offset(&mut self, offset: i64) {
        if offset <= self.start_offset {
            return;
        }
        self.start_offset = offset.min(self.end_offset);
        let drop_count = self.index_of(self.start_offset);
        self.batches.drain(..drop_count);
        self.budget.release(drop_count * ENTRY_BYTES);
        self.chunks.trim(self.position_of(0));
        let forgotten = self.transactions.trim(self.start_offset);
        self.budget.release(forgotten * ABORTED_BYTES);
        // The epoch that holds the start offset stays, now beginning there.
        let keep_from = self.epochs.partition_point(|e| e.offset <= self.start_offset).saturating_sub(1);
        self.epochs.drain(..keep_from);
        if let Some(first) = self.epochs.first_mut() {
            first.offset = first.offset.max(self.start_offset);
        }
    }

    /// Forgets the oldest batches until at most `bytes_max` are left; the newest batch always stays.
    pub(crate) fn trim_to_size(&mut self, bytes_max: u64) {
        let excess = self.size_bytes().saturating_sub(bytes_max);
        if excess == 0 {
            return;
        }
        let keep_position = self.position_of(0) + excess;
        let first_kept = self.batches.partition_point(|entry| entry.position < keep_position);
        let first_kept = first_kept.min(self.batches.len() - 1);
        self.trim_to_offset(self.batches[first_kept].base_offset);
    }

    /// Loses the batches that hold `offset` or later ones.
    pub(crate) fn truncate(&mut self, offset: i64) {
        let kept = self.index_of(offset.max(self.start_offset));
        let Some(first_lost) = self.batches.get(kept) else {
            return;
        };
        self.end_offset = first_lost.base_offset.max(self.start_offset);
        let position = first_lost.position;
        self.budget.release((self.batches.len() - kept) * ENTRY_BYTES);
        self.batches.truncate(kept);
        self.chunks.truncate(position);
        self.epochs.retain(|start| start.offset < self.end_offset);
    }

    /// Everything that is stored.
    pub(crate) fn stored_batches(&mut self) -> Vec<ReceivedBatch> {
        let mut slices = Vec::new();
        self.chunks.read(self.position_of(0), self.chunks.end(), &mut slices);
        let batches = slices.into_iter().flat_map(RecordSet::new).map_while(Result::ok);
        batches.map(ReceivedBatch::stored).collect()
    }

    /// Begins to learn anew which transactions there are; how many aborted ones there were.
    pub(crate) fn forget_transactions(&mut self) -> usize {
        std::mem::take(&mut self.transactions).aborted_count()
    }

    /// A marker among the stored batches.
    pub(crate) fn replay_marker(&mut self, first_offset: i64, marker_offset: i64, is_abort: bool) {
        self.transactions.ended(first_offset, marker_offset, is_abort);
    }

    /// Gives back what those aborted transactions cost that are gone.
    pub(crate) fn transactions_replayed(&mut self, aborted_before: usize) {
        let gone = aborted_before.saturating_sub(self.transactions.aborted_count());
        self.budget.release(gone * ABORTED_BYTES);
    }

    /// The first record at or after `timestamp_ms`.
    pub(crate) fn find_timestamp(
        &mut self,
        timestamp_ms: i64,
        decompressor: &mut Decompressor,
    ) -> Option<TimestampHit> {
        let start_offset = self.start_offset;
        for index in 0..self.batches.len() {
            if self.batches[index].max_timestamp_ms < timestamp_ms {
                continue;
            }
            let hit = self.records_of(index, decompressor, |mut records| {
                let is_hit =
                    |hit: &TimestampHit| hit.offset >= start_offset && hit.timestamp_ms >= timestamp_ms;
                Iterator::find(&mut records, is_hit)
            });
            if hit.is_some() {
                return hit;
            }
        }
        None
    }

    /// The first record that carries the largest timestamp.
    pub(crate) fn find_max_timestamp(&mut self, decompressor: &mut Decompressor) -> Option<TimestampHit> {
        let start_offset = self.start_offset;
        let max = self.batches.iter().map(|entry| entry.max_timestamp_ms).max()?;
        let index = self.batches.iter().position(|entry| entry.max_timestamp_ms == max)?;
        self.records_of(index, decompressor, |records| {
            records
                .filter(|hit| hit.offset >= start_offset)
                .reduce(|best, hit| if hit.timestamp_ms > best.timestamp_ms { hit } else { best })
        })
    }

    /// The leader epoch of the last record that is not of a later epoch than `epoch`, and the offset behind it (KIP-320).
    /// `None` if the log knows no such epoch.
    pub(crate) fn end_of_epoch(&self, epoch: i32, current_epoch: i32) -> Option<(i32, i64)> {
        if epoch == current_epoch {
            return Some((epoch, self.end_offset));
        }
        let next = self.epochs.partition_point(|start| start.epoch <= epoch);
        let end_offset = match self.epochs.get(next) {
            Some(later) => later.offset,
            // Only the current epoch can follow: it has written nothing yet, so that it begins where the log ends. Kafka's leaders
            // note that when they are elected (`LeaderEpochFileCache#assign`).
            None if epoch < current_epoch => self.end_offset,
            None => return None,
        };
        match next.checked_sub(1) {
            Some(floor) => Some((self.epochs[floor].epoch, end_offset)),
            // Everything of that age is trimmed: the first known epoch starts where this one ended.
            None => Some((epoch, end_offset)),
        }
    }

    fn records_of<T>(
        &mut self,
        index: usize,
        decompressor: &mut Decompressor,
        search: impl FnOnce(&mut dyn Iterator<Item = TimestampHit>) -> Option<T>,
    ) -> Option<T> {
        let (start, end) = (self.position_of(index), self.position_of(index + 1));
        let mut slices = Vec::new();
        self.chunks.read(start, end, &mut slices);
        // A batch never spans two chunks: the tail is split off between batches only.
        let batch = slices.pop()?;
        super::batch::with_timestamps(batch, decompressor, search)
    }

    /// Index of the first batch that ends at or after `offset`.
    fn index_of(&self, offset: i64) -> usize {
        self.batches.partition_point(|entry| entry.last_offset < offset)
    }

    fn position_of(&self, index: usize) -> u64 {
        self.batches.get(index).map_or(self.chunks.end(), |entry| entry.position)
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let aborted_bytes = self.transactions.aborted_count() * ABORTED_BYTES;
        self.budget.release(self.batches.len() * ENTRY_BYTES + aborted_bytes);
    }
}
