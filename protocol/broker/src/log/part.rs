//! Batches that follow each other, with an index by offset. A log has one that grows, and before it those that compaction
//! has rewritten.

use std::collections::VecDeque;

use bytes::Bytes;
use protocol::wire::records::{RecordBatch, RecordSet};

use super::chunks::Chunks;
use crate::memory::MemoryBudget;
use crate::refusal::Refusal;

/// What the index entry of a batch costs, as charged to the budget.
const ENTRY_BYTES: usize = size_of::<Entry>();

/// See the module. Offsets may have gaps, between batches and within them.
#[derive(Debug)]
pub(super) struct Part {
    chunks: Chunks,
    batches: VecDeque<Entry>,
    budget: MemoryBudget,
}

/// A batch in the index.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) base_offset: i64,
    pub(super) last_offset: i64,
    pub(super) max_timestamp_ms: i64,
    /// Position of the first byte; the batch ends where the next one starts.
    position: u64,
}

/// What [`Part::read`] found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) bytes: usize,
    /// The offset behind what was read.
    pub(super) next_offset: i64,
    /// There are further batches here, which do not fit or may not be read yet.
    pub(super) has_more: bool,
}

impl Part {
    pub(super) fn new(budget: MemoryBudget) -> Self {
        Self { chunks: Chunks::new(budget.clone()), batches: VecDeque::new(), budget }
    }

    /// A part of rewritten batches, in one allocation. It takes the place of larger ones, which give their memory back
    /// right after, so that a full budget cannot keep a log from shrinking.
    pub(super) fn of_rewritten(rewritten: &[RecordBatch], budget: MemoryBudget) -> Self {
        let mut data = Vec::with_capacity(rewritten.iter().map(|batch| batch.bytes().len()).sum());
        let mut batches = VecDeque::with_capacity(rewritten.len());
        for batch in rewritten {
            let header = batch.header();
            batches.push_back(Entry {
                base_offset: header.base_offset,
                last_offset: header.last_offset(),
                max_timestamp_ms: header.max_timestamp,
                position: data.len() as u64,
            });
            data.extend_from_slice(batch.bytes());
        }
        budget.overdraw(batches.len() * ENTRY_BYTES);
        Self { chunks: Chunks::of_block(data.into(), budget.clone()), batches, budget }
    }

    pub(super) fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> + ExactSizeIterator {
        self.batches.iter()
    }

    pub(super) fn len(&self) -> usize {
        self.batches.len()
    }

    /// Bytes of all batches.
    pub(super) fn bytes(&self) -> u64 {
        self.chunks.end() - self.position_of(0)
    }

    /// Bytes of the first `count` batches.
    pub(super) fn bytes_of_first(&self, count: usize) -> u64 {
        self.position_of(count) - self.position_of(0)
    }

    /// -1 if it is empty.
    pub(super) fn last_offset(&self) -> i64 {
        self.batches.back().map_or(-1, |entry| entry.last_offset)
    }

    /// Index of the first batch that ends at or after `offset`.
    pub(super) fn index_of(&self, offset: i64) -> usize {
        self.batches.partition_point(|entry| entry.last_offset < offset)
    }

    /// How many batches begin before `offset`.
    pub(super) fn count_before(&self, offset: i64) -> usize {
        self.batches.partition_point(|entry| entry.base_offset < offset)
    }

    pub(super) fn entry(&self, index: usize) -> Option<&Entry> {
        self.batches.get(index)
    }

    /// Appends a copy of a batch and lets `patch` change it.
    pub(super) fn append(
        &mut self,
        bytes: &[u8],
        base_offset: i64,
        last_offset: i64,
        max_timestamp_ms: i64,
        patch: impl FnOnce(&mut [u8]),
    ) -> Result<(), Refusal> {
        let position = self.chunks.end();
        self.budget.charge(ENTRY_BYTES)?;
        if let Err(refusal) = self.chunks.append(bytes, patch) {
            self.budget.release(ENTRY_BYTES);
            return Err(refusal);
        }
        self.batches.push_back(Entry { base_offset, last_offset, max_timestamp_ms, position });
        Ok(())
    }

    /// Pushes whole batches from the first one that ends at or after `offset` on onto `out`, as many as begin before
    /// `end_offset` and fit into `bytes_max`, but at least one if `at_least_one`.
    pub(super) fn read(
        &mut self,
        offset: i64,
        end_offset: i64,
        bytes_max: usize,
        at_least_one: bool,
        out: &mut Vec<Bytes>,
    ) -> Found {
        let first = self.index_of(offset);
        let Some(start) = self.batches.get(first).map(|entry| entry.position) else {
            return Found { bytes: 0, next_offset: offset, has_more: false };
        };
        let readable = self.count_before(end_offset);
        // The last batch that still ends within the limit: entry i ends where entry i + 1 starts.
        let limit = start.saturating_add(bytes_max as u64);
        let mut end_index = if self.chunks.end() <= limit {
            self.batches.len()
        } else {
            self.batches.partition_point(|entry| entry.position <= limit) - 1
        };
        end_index = end_index.min(readable);
        if end_index <= first {
            if !at_least_one || readable <= first {
                return Found { bytes: 0, next_offset: offset, has_more: true };
            }
            end_index = first + 1;
        }
        let end = self.position_of(end_index);
        self.chunks.read(start, end, out);
        Found {
            bytes: (end - start) as usize,
            next_offset: self.batches[end_index - 1].last_offset + 1,
            has_more: end_index < self.batches.len(),
        }
    }

    /// The batches `from..to` by index.
    pub(super) fn batches(&mut self, from: usize, to: usize) -> impl Iterator<Item = RecordBatch> + use<> {
        let mut slices = Vec::new();
        self.chunks.read(self.position_of(from), self.position_of(to), &mut slices);
        // A batch never spans two chunks: the tail is split off between batches only.
        slices.into_iter().flat_map(RecordSet::new).map_while(Result::ok)
    }

    /// Forgets the first `count` batches.
    pub(super) fn drop_front(&mut self, count: usize) {
        self.batches.drain(..count);
        self.budget.release(count * ENTRY_BYTES);
        self.chunks.trim(self.position_of(0));
    }

    /// Keeps the first `count` batches only.
    pub(super) fn truncate(&mut self, count: usize) {
        let Some(position) = self.batches.get(count).map(|entry| entry.position) else { return };
        self.budget.release((self.batches.len() - count) * ENTRY_BYTES);
        self.batches.truncate(count);
        self.chunks.truncate(position);
    }

    fn position_of(&self, index: usize) -> u64 {
        self.batches.get(index).map_or(self.chunks.end(), |entry| entry.position)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.budget.release(self.batches.len() * ENTRY_BYTES);
    }
}
