//! Batches that are done with, in the order of their partition: one that ended before an older one waits for it. Whoever counts
//! completions may so tell which records they are about.

use std::collections::VecDeque;

use super::queue::SealedBatch;
use super::topic::OpenBatch;
use crate::Error;

/// A batch that left its partition's queue, or never got into it.
#[derive(Debug)]
pub(super) struct Finished {
    /// Runs of consecutive records with the same cookie.
    pub(super) tokens: Vec<(u64, u32)>,
    /// How much of the buffer memory it holds.
    pub(super) charged_bytes: usize,
    /// Which `flush` waits for it.
    pub(super) flush_generation: u64,
    /// A sequence of the producer was used for it.
    pub(super) had_sequence: bool,
    /// Base offset and log append time.
    pub(super) result: Result<(i64, i64), Error>,
}

impl Finished {
    pub(super) fn sealed(batch: SealedBatch, result: Result<(i64, i64), Error>) -> Self {
        let SealedBatch { header, tokens, charged_bytes, flush_generation, .. } = batch;
        Self { tokens, charged_bytes, flush_generation, had_sequence: header.producer_id >= 0, result }
    }

    /// A batch that failed before it was sealed.
    pub(super) fn open(batch: OpenBatch, cause: Error) -> Self {
        let OpenBatch { tokens, charged_bytes, flush_generation, .. } = batch;
        Self { tokens, charged_bytes, flush_generation, had_sequence: false, result: Err(cause) }
    }
}

/// What has ended while an older batch of the partition had not.
#[derive(Debug, Default)]
pub(super) struct InOrder {
    /// With the number of older batches that have not ended; ascending.
    held: VecDeque<(usize, Finished)>,
}

impl InOrder {
    /// A batch has ended, before `ahead` older ones.
    pub(super) fn ended(&mut self, ahead: usize, finished: Finished, out: &mut Vec<Finished>) {
        if ahead == 0 && self.held.is_empty() {
            return out.push(finished);
        }
        let at = self.held.partition_point(|(other, _)| *other <= ahead);
        for (other, _) in self.held.iter_mut().skip(at) {
            *other -= 1;
        }
        self.held.insert(at, (ahead, finished));
        while let Some((_, finished)) = self.held.pop_front_if(|(ahead, _)| *ahead == 0) {
            out.push(finished);
        }
    }

    /// The batch that has `ahead` older ones before it is now `count` batches.
    pub(super) fn became(&mut self, ahead: usize, count: usize) {
        for (other, _) in self.held.iter_mut().filter(|(other, _)| *other > ahead) {
            *other = *other - 1 + count;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(id: u64) -> Finished {
        let result = if id.is_multiple_of(2) { Ok((0, 0)) } else { Err(Error::timeout("test")) };
        Finished { tokens: vec![(id, 1)], charged_bytes: 0, flush_generation: 0, had_sequence: false, result }
    }

    /// Batches that end in any order, are split and come anew are told in the order in which they came, the parts in place of the whole,
    /// and as soon as that order allows.
    #[test]
    fn whatever_ends_first_is_told_after_what_is_older() {
        for seed in 0..500 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut in_order = InOrder::default();
            // What has not ended, oldest first, and the order in which everything is to be told.
            let (mut open, mut expected) = (Vec::new(), Vec::new());
            let (mut next_id, mut told) = (0, Vec::new());
            for step in 0..200 {
                let index = if open.is_empty() { 0 } else { random.usize(..open.len()) };
                match random.u8(..8) {
                    _ if step >= 150 && open.is_empty() => break,
                    0..3 if step < 150 => {
                        open.push(next_id);
                        expected.push(next_id);
                        next_id += 1;
                    }
                    3 if step < 150 && !open.is_empty() => {
                        let parts = next_id..next_id + random.u64(1..4);
                        next_id = parts.end;
                        let at = expected.iter().position(|id| *id == open[index]).unwrap();
                        in_order.became(index, parts.clone().count());
                        open.splice(index..=index, parts.clone());
                        expected.splice(at..=at, parts);
                    }
                    4 if step < 150 => {
                        // It could not be sealed.
                        in_order.ended(open.len(), finished(next_id), &mut told);
                        expected.push(next_id);
                        next_id += 1;
                    }
                    _ if open.is_empty() => {}
                    _ => {
                        let id = open.remove(index);
                        in_order.ended(index, finished(id), &mut told);
                    }
                }
                let oldest_open = expected.iter().position(|id| open.contains(id)).unwrap_or(expected.len());
                let told: Vec<u64> = told.iter().map(|finished| finished.tokens[0].0).collect();
                assert_eq!(told, expected[..oldest_open], "seed {seed}, step {step}");
            }
        }
    }
}
