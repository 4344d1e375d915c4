//! Offsets over bytes: which batch holds an offset, where the log starts and ends, which leader epoch wrote what.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::iter;

use bytes::Bytes;
use protocol::wire::records::{Decompressor, RecordBatch, header};

use super::part::{Entry, Part};
use super::segment::ActiveSegment;
use super::transactions::{ABORTED_BYTES, AbortedTransaction, TransactionIndex};
use super::{Marker, ReceivedBatch, SegmentLimits};
use crate::memory::MemoryBudget;
use crate::refusal::Refusal;

/// The log of one partition.
#[derive(Debug)]
pub(crate) struct Log {
    /// What compaction has rewritten, in order; none is empty. Everything in them lies before the tail.
    pub(super) compacted: VecDeque<Part>,
    pub(super) tail: Part,
    start_offset: i64,
    end_offset: i64,
    pub(super) active: ActiveSegment,
    /// Compaction has seen everything before this offset.
    pub(super) first_dirty_offset: i64,
    /// How often records were lost: what a compaction knew before is worth nothing after.
    pub(super) truncation_count: u64,
    /// Leader epochs with the first offset that each wrote, oldest first (KIP-101).
    epochs: Vec<EpochStart>,
    pub(super) transactions: TransactionIndex,
    pub(super) budget: MemoryBudget,
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
            compacted: VecDeque::new(),
            tail: Part::new(budget.clone()),
            start_offset: 0,
            end_offset: 0,
            active: ActiveSegment::default(),
            first_dirty_offset: 0,
            truncation_count: 0,
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
        self.parts().map(Part::bytes).sum()
    }

    /// Closes the active segment if a batch of this size and largest timestamp should not go into it.
    pub(crate) fn roll_if_due(&mut self, limits: &SegmentLimits, batch_bytes: usize, timestamp_ms: i64) {
        self.active.roll_if_due(limits, batch_bytes as u64, timestamp_ms, self.end_offset);
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
        let last_offset = base_offset + i64::from(batch.header().last_offset_delta);
        let max_timestamp_ms = append_time_ms.unwrap_or(batch.header().max_timestamp);
        self.tail.append(batch.bytes(), base_offset, last_offset, max_timestamp_ms, |copy| {
            header::patch_base_offset(copy, base_offset);
            header::patch_leader_epoch(copy, leader_epoch);
            if let Some(now_ms) = append_time_ms {
                header::patch_append_time(copy, now_ms);
            }
        })?;
        self.active.appended(batch.bytes().len() as u64, max_timestamp_ms);
        if self.epochs.last().is_none_or(|last| last.epoch < leader_epoch) {
            self.epochs.push(EpochStart { epoch: leader_epoch, offset: base_offset });
        }
        self.end_offset = last_offset + 1;
        Ok(base_offset)
    }

    /// Pushes whole batches from the first one that ends at or after `offset` on onto `out`, as many as begin before
    /// `end_offset` and fit into `bytes_max`, but at least one if `at_least_one`. Returns their bytes, and the offset behind
    /// them.
    pub(crate) fn read(
        &mut self,
        offset: i64,
        end_offset: i64,
        bytes_max: usize,
        at_least_one: bool,
        out: &mut Vec<Bytes>,
    ) -> (usize, i64) {
        if offset >= end_offset {
            // The batch that holds the start of the log may begin before it, in a transaction that is still open.
            return (0, offset);
        }
        let first = self.compacted.partition_point(|part| part.last_offset() < offset);
        let mut bytes = 0;
        let mut next_offset = offset;
        for part in self.compacted.iter_mut().skip(first).chain(iter::once(&mut self.tail)) {
            let room = bytes_max.saturating_sub(bytes);
            let found = part.read(next_offset, end_offset, room, at_least_one && bytes == 0, out);
            bytes += found.bytes;
            next_offset = found.next_offset;
            if found.has_more {
                break;
            }
        }
        (bytes, next_offset)
    }

    /// Moves the start of the log forward to `offset` and forgets the batches that lie before it as a whole.
    pub(crate) fn trim_to_offset(&mut self, offset: i64) {
        if offset <= self.start_offset {
            return;
        }
        self.start_offset = offset.min(self.end_offset);
        while let Some(first) = self.compacted.front_mut() {
            let drop_count = first.index_of(self.start_offset);
            if drop_count < first.len() {
                first.drop_front(drop_count);
                break;
            }
            self.compacted.pop_front();
        }
        self.tail.drop_front(self.tail.index_of(self.start_offset));
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
        let mut passed_bytes = 0;
        let mut keep_from = None;
        'parts: for part in self.parts() {
            for (index, entry) in part.entries().enumerate() {
                keep_from = Some(entry.base_offset);
                if passed_bytes + part.bytes_of_first(index) >= excess {
                    break 'parts;
                }
            }
            passed_bytes += part.bytes();
        }
        if let Some(offset) = keep_from {
            self.trim_to_offset(offset);
        }
    }

    /// Forgets the oldest batches whose records are all older than `before_ms`, the newest batch as well; whether there were
    /// any. A batch without timestamps goes with those after it.
    pub(crate) fn trim_to_time(&mut self, before_ms: i64) -> bool {
        let aged = self.entries().take_while(|entry| entry.max_timestamp_ms < before_ms);
        let last = aged.filter(|entry| entry.max_timestamp_ms >= 0).last().map(|entry| entry.last_offset);
        if let Some(last_offset) = last {
            self.trim_to_offset(last_offset + 1);
        }
        last.is_some()
    }

    /// Loses the batches that hold `offset` or later ones.
    pub(crate) fn truncate(&mut self, offset: i64) {
        let offset = offset.max(self.start_offset);
        let Some(first_lost) = self.entries().find(|entry| entry.last_offset >= offset) else {
            return;
        };
        self.end_offset = first_lost.base_offset.min(offset).max(self.start_offset);
        self.tail.truncate(self.tail.index_of(offset));
        while let Some(last) = self.compacted.back_mut() {
            let kept = last.index_of(offset);
            if kept > 0 {
                last.truncate(kept);
                break;
            }
            self.compacted.pop_back();
        }
        self.epochs.retain(|start| start.offset < self.end_offset);
        self.active.truncated(self.end_offset);
        self.first_dirty_offset = self.first_dirty_offset.min(self.end_offset);
        self.truncation_count += 1;
    }

    /// Everything that is stored.
    pub(crate) fn stored_batches(&mut self) -> Vec<ReceivedBatch> {
        let parts = self.compacted.iter_mut().chain(iter::once(&mut self.tail));
        parts.flat_map(|part| part.batches(0, part.len())).map(ReceivedBatch::stored).collect()
    }

    /// Begins to learn anew which transactions there are; how many aborted ones there were.
    pub(crate) fn forget_transactions(&mut self) -> usize {
        std::mem::take(&mut self.transactions).aborted_count()
    }

    /// A marker among the stored batches.
    pub(crate) fn replay_marker(&mut self, first_offset: i64, marker_offset: i64, is_abort: bool) {
        self.transactions.ended(first_offset, marker_offset, is_abort);
    }

    /// All stored batches were looked at: gives back what those aborted transactions cost that are gone.
    pub(crate) fn transactions_replayed(&mut self, aborted_before: usize) {
        // A transaction that lost its marker is open again, and may end the other way.
        self.first_dirty_offset = self.first_dirty_offset.min(self.stable_offset());
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
        for part in self.compacted.iter_mut().chain(iter::once(&mut self.tail)) {
            for index in 0..part.len() {
                if part.entry(index).is_none_or(|entry| entry.max_timestamp_ms < timestamp_ms) {
                    continue;
                }
                let hit = records_of(part, index, decompressor, |mut records| {
                    let is_hit =
                        |hit: &TimestampHit| hit.offset >= start_offset && hit.timestamp_ms >= timestamp_ms;
                    Iterator::find(&mut records, is_hit)
                });
                if hit.is_some() {
                    return hit;
                }
            }
        }
        None
    }

    /// The first record that carries the largest timestamp.
    pub(crate) fn find_max_timestamp(&mut self, decompressor: &mut Decompressor) -> Option<TimestampHit> {
        let start_offset = self.start_offset;
        // By time, the first of equal ones; then the next one if that has no record any more.
        let rank = |entry: &Entry| (entry.max_timestamp_ms, Reverse(entry.base_offset));
        let mut ranked_below = None;
        loop {
            let next = self.entries().map(rank).filter(|rank| ranked_below.is_none_or(|below| *rank < below));
            let next = next.max()?;
            ranked_below = Some(next);
            let base_offset = next.1.0;
            let first = self.compacted.partition_point(|part| part.last_offset() < base_offset);
            let part = self.compacted.get_mut(first).unwrap_or(&mut self.tail);
            let hit = records_of(part, part.index_of(base_offset), decompressor, |records| {
                records
                    .filter(|hit| hit.offset >= start_offset)
                    .reduce(|best, hit| if hit.timestamp_ms > best.timestamp_ms { hit } else { best })
            });
            if hit.is_some() {
                return hit;
            }
        }
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

    /// Compaction has seen everything before this offset.
    #[cfg(test)]
    pub(crate) fn first_dirty_offset(&self) -> i64 {
        self.first_dirty_offset
    }

    /// How many parts compaction has made.
    #[cfg(test)]
    pub(crate) fn compacted_part_count(&self) -> usize {
        self.compacted.len()
    }

    pub(super) fn parts(&self) -> impl Iterator<Item = &Part> {
        self.compacted.iter().chain(iter::once(&self.tail))
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.parts().flat_map(Part::entries)
    }
}

/// Searches the records of a batch. A batch that cannot be decoded has none.
fn records_of<T>(
    part: &mut Part,
    index: usize,
    decompressor: &mut Decompressor,
    search: impl FnOnce(&mut dyn Iterator<Item = TimestampHit>) -> Option<T>,
) -> Option<T> {
    let batch: RecordBatch = part.batches(index, index + 1).next()?;
    super::batch::with_timestamps(&batch, decompressor, search)
}

impl Drop for Log {
    fn drop(&mut self) {
        self.budget.release(self.transactions.aborted_count() * ABORTED_BYTES);
    }
}
