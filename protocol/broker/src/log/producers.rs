//! What a partition remembers of idempotent producers: the last batches of each, to tell repeats from gaps.
//!
//! Of transactional ones also where their open transaction begins. Kafka's `ProducerStateManager` and `ProducerAppendInfo`.

use std::collections::{HashMap, VecDeque};

use protocol::ErrorCode;
use protocol::wire::records::BatchHeader;

use super::Marker;
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
    pub(crate) is_transactional: bool,
    pub(crate) timestamp_ms: i64,
}

/// A producer as `DescribeProducers` shows it.
#[derive(Debug)]
pub(crate) struct KnownProducer {
    pub(crate) id: i64,
    pub(crate) epoch: i16,
    /// -1 if nothing was written in this epoch.
    pub(crate) last_sequence: i32,
    pub(crate) last_timestamp_ms: i64,
    /// -1 if no transaction has ended.
    pub(crate) coordinator_epoch: i32,
    pub(crate) transaction_start: Option<i64>,
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
    last_timestamp_ms: i64,
    coordinator_epoch: i32,
    /// The first offset of the open transaction.
    transaction_start: Option<i64>,
}

#[derive(Debug, Clone, Copy)]
struct Appended {
    base_sequence: i32,
    last_sequence: i32,
    base_offset: i64,
}

impl Appended {
    /// Sequences wrap, offsets do not.
    fn last_offset(&self) -> i64 {
        let count = i64::from(self.last_sequence) - i64::from(self.base_sequence);
        self.base_offset + if count < 0 { count + (1 << 31) } else { count }
    }
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
            if known.transaction_start.is_some() && !batch.is_transactional {
                return Err(Refusal::new(
                    ErrorCode::INVALID_TXN_STATE,
                    format!(
                        "producer {} has an open transaction, the batch is outside of it",
                        batch.producer_id
                    ),
                ));
            }
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

    /// Whether the producer's transaction has records here already, so that it need not be asked for again.
    pub(crate) fn is_in_transaction(&self, batch: &Sequenced) -> bool {
        let known = self.by_id.get(&batch.producer_id);
        known.is_some_and(|known| known.epoch == batch.epoch && known.transaction_start.is_some())
    }

    /// Whether a marker may end the producer's transaction; where that begins, if it has records here.
    pub(crate) fn check_marker(&self, marker: &Marker) -> Result<Option<i64>, Refusal> {
        let Some(known) = self.by_id.get(&marker.producer_id) else {
            return Ok(None);
        };
        if marker.epoch < known.epoch {
            return Err(ErrorCode::INVALID_PRODUCER_EPOCH.into());
        }
        if marker.coordinator_epoch < known.coordinator_epoch {
            return Err(ErrorCode::TRANSACTION_COORDINATOR_FENCED.into());
        }
        Ok(known.transaction_start)
    }

    /// Remembers a marker that [`Producers::check_marker`] let pass and that was appended. Its epoch fences older ones.
    pub(crate) fn ended(&mut self, marker: &Marker, now_ms: i64) {
        let producer = self.entry(marker.producer_id, marker.epoch);
        producer.coordinator_epoch = marker.coordinator_epoch;
        producer.last_timestamp_ms = now_ms;
        producer.transaction_start = None;
    }

    /// Whether this is the batch that what is known of its producer rests on: the last one with data or, where that was
    /// of another epoch, the marker that began this one. Compaction keeps it (`CleanerThread`'s `LastRecord`).
    pub(crate) fn rests_on(&self, header: &BatchHeader) -> bool {
        let Some(known) = self.by_id.get(&header.producer_id) else { return false };
        match known.batches.back() {
            Some(last) => header.last_offset() == last.last_offset(),
            None => header.is_control() && header.producer_epoch == known.epoch,
        }
    }

    /// Everybody who is remembered.
    pub(crate) fn iter(&self) -> impl Iterator<Item = KnownProducer> {
        self.by_id.iter().map(|(id, producer)| KnownProducer {
            id: *id,
            epoch: producer.epoch,
            last_sequence: producer.batches.back().map_or(-1, |batch| batch.last_sequence),
            last_timestamp_ms: producer.last_timestamp_ms,
            coordinator_epoch: producer.coordinator_epoch,
            transaction_start: producer.transaction_start,
        })
    }

    /// Remembers a batch that [`Producers::check`] let pass and that was appended at `base_offset`; whether it began a
    /// transaction.
    pub(crate) fn appended(&mut self, batch: &Sequenced, base_offset: i64) -> bool {
        let producer = self.entry(batch.producer_id, batch.epoch);
        if producer.batches.len() == BATCHES_MAX {
            producer.batches.pop_front();
        }
        let Sequenced { base_sequence, last_sequence, .. } = *batch;
        producer.batches.push_back(Appended { base_sequence, last_sequence, base_offset });
        producer.last_timestamp_ms = batch.timestamp_ms;
        let begins = batch.is_transactional && producer.transaction_start.is_none();
        if begins {
            producer.transaction_start = Some(base_offset);
        }
        begins
    }

    /// The producer in this epoch, made if need be.
    fn entry(&mut self, producer_id: i64, epoch: i16) -> &mut Producer {
        if self.by_id.len() >= PRODUCERS_MAX && !self.by_id.contains_key(&producer_id) {
            self.forget_oldest();
        }
        let producer = self.by_id.entry(producer_id).or_insert_with(|| Producer {
            epoch,
            batches: VecDeque::with_capacity(BATCHES_MAX),
            last_timestamp_ms: -1,
            coordinator_epoch: -1,
            transaction_start: None,
        });
        if producer.epoch != epoch {
            producer.epoch = epoch;
            producer.batches.clear();
        }
        producer
    }

    /// Those with an open transaction stay: there are not more of them than transactional ids.
    fn forget_oldest(&mut self) {
        let last_offset = |producer: &Producer| producer.batches.back().map_or(-1, |batch| batch.base_offset);
        let idle = self.by_id.iter().filter(|(_, producer)| producer.transaction_start.is_none());
        let oldest = idle.min_by_key(|(_, producer)| last_offset(producer)).map(|(id, _)| *id);
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
        Sequenced { base_sequence, last_sequence, ..first(9, epoch) }
    }

    fn first(producer_id: i64, epoch: i16) -> Sequenced {
        let (base_sequence, last_sequence) = (0, 0);
        Sequenced {
            producer_id,
            epoch,
            base_sequence,
            last_sequence,
            is_transactional: false,
            timestamp_ms: 0,
        }
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
            producers.appended(&first(id, 0), id);
        }
        assert_eq!(producers.by_id.len(), PRODUCERS_MAX);
        assert!(!producers.by_id.contains_key(&0));
    }

    #[test]
    fn a_marker_ends_the_transaction_and_fences_older_epochs() {
        let mut producers = Producers::default();
        let open = Sequenced { is_transactional: true, ..batch(0, 0, 1) };
        assert!(producers.appended(&open, 5), "the transaction begins");
        assert!(!producers.appended(&Sequenced { is_transactional: true, ..batch(0, 1, 1) }, 6));
        assert!(producers.is_in_transaction(&open));
        assert_eq!(code(producers.check(&batch(0, 2, 1))), ErrorCode::INVALID_TXN_STATE);
        let marker = Marker { producer_id: 9, epoch: 1, coordinator_epoch: 3, is_commit: true };
        assert_eq!(producers.check_marker(&marker).unwrap(), Some(5));
        producers.ended(&marker, 0);
        assert!(!producers.is_in_transaction(&open));
        assert_eq!(code(producers.check(&batch(0, 2, 1))), ErrorCode::INVALID_PRODUCER_EPOCH);
        assert_eq!(producers.check(&batch(1, 0, 1)).unwrap(), None, "a new epoch starts at 0");
        let late = Marker { coordinator_epoch: 2, ..marker };
        assert_eq!(code(producers.check_marker(&late)), ErrorCode::TRANSACTION_COORDINATOR_FENCED);
        let old = Marker { epoch: 0, ..marker };
        assert_eq!(code(producers.check_marker(&old)), ErrorCode::INVALID_PRODUCER_EPOCH);
    }
}
