//! What a partition remembers of idempotent producers: the last batches of each, to tell repeats from gaps.
//!
//! Kafka's `ProducerStateManager` and `ProducerAppendInfo`, without transactions.

use std::collections::{HashMap, VecDeque};

use protocol::ErrorCode;

use crate::refusal::Refusal;

/// Batches remembered per producer: as many as a producer may have in flight.
const BATCHES_MAX: usize = 5;

/// Producers remembered per partition. Above that the one that wrote longest ago is forgotten; if it comes back, its
/// next batch is taken as its first, as Kafka does after `producer.id.expiration.ms`.
const PRODUCERS_MAX: usize = 4096;

/// The producer fields of a batch.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sequenced {
    pub(crate) producer_id: i64,
    pub(crate) epoch: i16,
    pub(crate) base_sequence: i32,
    pub(crate) last_sequence: i32,
}

/// The producers of one partition.
#[derive(Debug, Default)]
pub(crate) struct Producers {
    by_id: HashMap<i64, Producer>,
}

#[derive(Debug)]
struct Producer {
    epoch: i16,
    batches: VecDeque<Appended>,
}

#[derive(Debug, Clone, Copy)]
struct Appended {
    base_sequence: i32,
    last_sequence: i32,
    base_offset: i64,
}

impl Producers {
    /// Whether the batch may be appended: `Some(offset)` if it already was, at that offset.
    pub(crate) fn check(&self, batch: &Sequenced) -> Result<Option<i64>, Refusal> {
        let Some(known) = self.by_id.get(&batch.producer_id) else {
            // Nothing is known (any more): the broker has to take the producer's word (KIP-360).
            return Ok(None);
        };
        if batch.epoch < known.epoch {
            return Err(Refusal::new(
                ErrorCode::INVALID_PRODUCER_EPOCH,
                format!(
                    "producer {} has epoch {}, the batch has {}",
                    batch.producer_id, known.epoch, batch.epoch
                ),
            ));
        }
        let expected = if batch.epoch > known.epoch {
            0
        } else {
            let same = |b: &&Appended| {
                b.base_sequence == batch.base_sequence && b.last_sequence == batch.last_sequence
            };
            if let Some(duplicate) = known.batches.iter().find(same) {
                return Ok(Some(duplicate.base_offset));
            }
            known.batches.back().map_or(0, |last| sequence_after(last.last_sequence))
        };
        if batch.base_sequence == expected {
            return Ok(None);
        }
        Err(Refusal::new(
            ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER,
            format!(
                "producer {} epoch {}: expected sequence {expected}, got {}",
                batch.producer_id, batch.epoch, batch.base_sequence
            ),
        ))
    }

    /// Remembers a batch that [`Producers::check`] let pass and that was appended at `base_offset`.
    pub(crate) fn appended(&mut self, batch: &Sequenced, base_offset: i64) {
        if self.by_id.len() >= PRODUCERS_MAX && !self.by_id.contains_key(&batch.producer_id) {
            self.forget_oldest();
        }
        let producer = self.by_id.entry(batch.producer_id).or_insert_with(|| Producer {
            epoch: batch.epoch,
            batches: VecDeque::with_capacity(BATCHES_MAX),
        });
        if producer.epoch != batch.epoch {
            producer.epoch = batch.epoch;
            producer.batches.clear();
        }
        if producer.batches.len() == BATCHES_MAX {
            producer.batches.pop_front();
        }
        let Sequenced { base_sequence, last_sequence, .. } = *batch;
        producer.batches.push_back(Appended { base_sequence, last_sequence, base_offset });
    }

    fn forget_oldest(&mut self) {
        let last_offset = |producer: &Producer| producer.batches.back().map_or(-1, |batch| batch.base_offset);
        let oldest = self.by_id.iter().min_by_key(|(_, producer)| last_offset(producer)).map(|(id, _)| *id);
        if let Some(id) = oldest {
            self.by_id.remove(&id);
        }
    }
}

/// Sequences wrap from the largest `i32` to 0.
pub(crate) fn sequence_after(sequence: i32) -> i32 {
    if sequence == i32::MAX { 0 } else { sequence + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(epoch: i16, base_sequence: i32, count: i32) -> Sequenced {
        let last_sequence = ((i64::from(base_sequence) + i64::from(count) - 1) % (1 << 31)) as i32;
        Sequenced { producer_id: 9, epoch, base_sequence, last_sequence }
    }

    fn code(result: Result<Option<i64>, Refusal>) -> ErrorCode {
        result.unwrap_err().code
    }

    #[test]
    fn repeats_are_recognised_and_gaps_refused() {
        let mut producers = Producers::default();
        for i in 0..7 {
            let b = batch(0, i * 10, 10);
            assert_eq!(producers.check(&b).unwrap(), None);
            producers.appended(&b, i64::from(i) * 100);
        }
        assert_eq!(producers.check(&batch(0, 60, 10)).unwrap(), Some(600));
        assert_eq!(producers.check(&batch(0, 20, 10)).unwrap(), Some(200), "the fifth from the end");
        assert_eq!(code(producers.check(&batch(0, 10, 10))), ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
        assert_eq!(code(producers.check(&batch(0, 80, 1))), ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
        assert_eq!(producers.check(&batch(0, 70, 1)).unwrap(), None);
    }

    #[test]
    fn a_new_epoch_fences_the_old_one_and_starts_at_zero() {
        let mut producers = Producers::default();
        producers.appended(&batch(0, 0, 1), 0);
        assert_eq!(code(producers.check(&batch(1, 5, 1))), ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
        producers.appended(&batch(1, 0, 1), 1);
        assert_eq!(code(producers.check(&batch(0, 1, 1))), ErrorCode::INVALID_PRODUCER_EPOCH);
        assert_eq!(producers.check(&batch(1, 1, 1)).unwrap(), None);
    }

    #[test]
    fn sequences_wrap_and_unknown_producers_are_believed() {
        let mut producers = Producers::default();
        let b = batch(0, i32::MAX - 1, 2);
        assert_eq!(producers.check(&b).unwrap(), None);
        producers.appended(&b, 0);
        assert_eq!(producers.check(&batch(0, 0, 3)).unwrap(), None);
    }

    #[test]
    fn the_number_of_producers_is_bounded() {
        let mut producers = Producers::default();
        for id in 0..PRODUCERS_MAX as i64 + 10 {
            producers
                .appended(&Sequenced { producer_id: id, epoch: 0, base_sequence: 0, last_sequence: 0 }, id);
        }
        assert_eq!(producers.by_id.len(), PRODUCERS_MAX);
        assert!(!producers.by_id.contains_key(&0));
    }
}
