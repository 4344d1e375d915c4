//! The bytes of a log, in order, in few large allocations, readable as shared slices without copying.
//!
//! Batches are copied once, out of the request frame, into the *tail* block. Reading the tail splits what was written
//! off as an immutable chunk of the same allocation, so a reader gets `Bytes` and the writer goes on behind them. Each
//! byte has a *position* that never changes. Memory is charged per allocation, and given back when the last chunk of
//! an allocation is trimmed.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::memory::MemoryBudget;
use crate::refusal::Refusal;

/// Allocations are a quarter of what the log holds, within these bounds: thousands of quiet partitions cost little, and
/// a log that is trimmed as it grows holds little more than what it keeps.
const BLOCK_BYTES_MIN: usize = 4 * 1024;
const BLOCK_BYTES_MAX: usize = 1024 * 1024;

/// An append-only sequence of bytes that can be trimmed from the front.
#[derive(Debug)]
pub(crate) struct Chunks {
    frozen: VecDeque<Chunk>,
    tail: BytesMut,
    /// Position of the first byte of `tail`.
    tail_start: u64,
    /// Nobody reads before this position any more.
    trimmed_to: u64,
    /// What the tail's allocation was charged, until it is handed to that allocation's last chunk.
    tail_charge: usize,
    budget: MemoryBudget,
}

#[derive(Debug)]
struct Chunk {
    start: u64,
    data: Bytes,
    charge: usize,
}

impl Chunks {
    pub(crate) fn new(budget: MemoryBudget) -> Self {
        Self {
            frozen: VecDeque::new(),
            tail: BytesMut::new(),
            tail_start: 0,
            trimmed_to: 0,
            tail_charge: 0,
            budget,
        }
    }

    /// One allocation that is full already. It is charged even above the limit: see [`MemoryBudget::overdraw`].
    pub(crate) fn of_block(data: Bytes, budget: MemoryBudget) -> Self {
        let length = data.len();
        budget.overdraw(length);
        let mut chunks = Self::new(budget);
        if length > 0 {
            chunks.frozen.push_back(Chunk { start: 0, data, charge: length });
        }
        chunks.tail_start = length as u64;
        chunks
    }

    /// Position behind the last byte.
    pub(crate) fn end(&self) -> u64 {
        self.tail_start + self.tail.len() as u64
    }

    /// Appends a copy of `data` and lets `patch` change it.
    pub(crate) fn append(&mut self, data: &[u8], patch: impl FnOnce(&mut [u8])) -> Result<(), Refusal> {
        if data.len() > self.tail.capacity() - self.tail.len() {
            if data.len() >= BLOCK_BYTES_MAX / 4 {
                return self.append_alone(data, patch);
            }
            self.start_block(data.len())?;
        }
        let start = self.tail.len();
        self.tail.extend_from_slice(data);
        patch(&mut self.tail[start..]);
        Ok(())
    }

    /// Pushes the slices that cover `start..end` onto `out`.
    pub(crate) fn read(&mut self, start: u64, end: u64, out: &mut Vec<Bytes>) {
        if end > self.tail_start {
            self.freeze_tail();
        }
        let first = self.frozen.partition_point(|chunk| chunk.end() <= start);
        for chunk in self.frozen.iter().skip(first) {
            if chunk.start >= end {
                break;
            }
            let from = start.saturating_sub(chunk.start) as usize;
            let to = (end.min(chunk.end()) - chunk.start) as usize;
            out.push(chunk.data.slice(from..to));
        }
    }

    /// Forgets the chunks that lie before `position` as a whole.
    pub(crate) fn trim(&mut self, position: u64) {
        self.trimmed_to = position;
        if position >= self.end() {
            self.freeze_tail();
            self.retire_tail();
        }
        while let Some(chunk) = self.frozen.front()
            && chunk.end() <= position
        {
            self.budget.release(chunk.charge);
            self.frozen.pop_front();
        }
    }

    /// Forgets everything from `position` on, which the next byte will have.
    pub(crate) fn truncate(&mut self, position: u64) {
        self.freeze_tail();
        while let Some(last) = self.frozen.back_mut()
            && last.end() > position
        {
            if last.start < position {
                last.data.truncate((position - last.start) as usize);
                break;
            }
            let charge = last.charge;
            self.frozen.pop_back();
            // An allocation is charged to its last chunk: to an earlier one of it, if there is one.
            match self.frozen.back_mut() {
                Some(earlier) if earlier.charge == 0 => earlier.charge = charge,
                _ => self.budget.release(charge),
            }
        }
        self.tail_start = position;
    }

    /// A large batch gets an allocation of its own; the tail block keeps its free space for later.
    fn append_alone(&mut self, data: &[u8], patch: impl FnOnce(&mut [u8])) -> Result<(), Refusal> {
        self.budget.charge(data.len())?;
        self.freeze_tail();
        let mut copy = BytesMut::from(data);
        patch(&mut copy);
        self.frozen.push_back(Chunk { start: self.tail_start, data: copy.freeze(), charge: data.len() });
        self.tail_start += data.len() as u64;
        Ok(())
    }

    fn start_block(&mut self, room: usize) -> Result<(), Refusal> {
        let kept = (self.end() - self.trimmed_to) as usize;
        let wanted = (kept / 4).clamp(BLOCK_BYTES_MIN, BLOCK_BYTES_MAX).max(room);
        self.budget.charge(wanted)?;
        self.freeze_tail();
        self.retire_tail();
        self.tail = BytesMut::with_capacity(wanted);
        self.tail_charge = wanted;
        Ok(())
    }

    fn freeze_tail(&mut self) {
        if self.tail.is_empty() {
            return;
        }
        let data = self.tail.split().freeze();
        let start = self.tail_start;
        self.tail_start += data.len() as u64;
        self.frozen.push_back(Chunk { start, data, charge: 0 });
    }

    /// Hands the charge of the (frozen) tail's allocation to the last chunk, and forgets the allocation.
    fn retire_tail(&mut self) {
        match self.frozen.back_mut() {
            Some(chunk) => chunk.charge += self.tail_charge,
            None => self.budget.release(self.tail_charge),
        }
        self.tail = BytesMut::new();
        self.tail_charge = 0;
    }
}

impl Chunk {
    fn end(&self) -> u64 {
        self.start + self.data.len() as u64
    }
}

impl Drop for Chunks {
    fn drop(&mut self) {
        self.budget.release(self.tail_charge + self.frozen.iter().map(|chunk| chunk.charge).sum::<usize>());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(chunks: &mut Chunks, start: u64, end: u64) -> Vec<u8> {
        let mut out = Vec::new();
        chunks.read(start, end, &mut out);
        out.concat()
    }

    #[test]
    fn any_range_reads_back_whatever_the_mix_of_sizes_and_readers() {
        let budget = MemoryBudget::new(64 << 20);
        let mut chunks = Chunks::new(budget.clone());
        let mut model = Vec::new();
        let mut random = fastrand::Rng::with_seed(7);
        for round in 0..300 {
            let size = if round % 40 == 39 { 300_000 } else { random.usize(1..5000) };
            let data: Vec<u8> = (0..size).map(|_| random.u8(..)).collect();
            chunks.append(&data, |copy| copy[0] = 42).unwrap();
            model.push(42);
            model.extend_from_slice(&data[1..]);
            if random.bool() {
                let start = random.usize(..model.len());
                let end = random.usize(start..=model.len());
                assert_eq!(read(&mut chunks, start as u64, end as u64), &model[start..end]);
            }
        }
        assert_eq!(read(&mut chunks, 0, model.len() as u64), model);
        assert!(budget.used() >= model.len());
        chunks.trim(model.len() as u64 / 2);
        let start = model.len() / 2;
        assert_eq!(read(&mut chunks, start as u64, model.len() as u64), &model[start..]);
        chunks.trim(model.len() as u64);
        assert_eq!(budget.used(), 0, "everything was trimmed");
        chunks.append(b"more", |_| ()).unwrap();
        assert_eq!(read(&mut chunks, model.len() as u64, model.len() as u64 + 4), b"more");
        let end = chunks.end();
        chunks.append(b"lost", |_| ()).unwrap();
        chunks.truncate(end + 1);
        chunks.append(b"ong", |_| ()).unwrap();
        assert_eq!(read(&mut chunks, end - 4, end + 4), b"morelong");
        chunks.truncate(end - 4);
        assert_eq!(chunks.end(), end - 4);
        drop(chunks);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn a_full_budget_refuses_and_leaves_the_log_usable() {
        let mut chunks = Chunks::new(MemoryBudget::new(10_000));
        chunks.append(&[1; 4000], |_| ()).unwrap();
        chunks.append(&[2; 7000], |_| ()).unwrap_err();
        chunks.append(&[3; 90], |_| ()).unwrap();
        assert_eq!(read(&mut chunks, 3999, 4001), [1, 3]);
    }
}
