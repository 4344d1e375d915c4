//! A batch on its way to the sink: decoded in steps, put in parts, halved where the sink refuses some of its records.
//!
//! No I/O in here: what is put when is decided by what the sink said before.

use api::{Batch, Body, Error, Origin, Result, Run, SinkOffsets, TopicPartition};

use crate::pipeline::decode::Decoding;
use crate::pipeline::errors::Originals;
use crate::pipeline::transform::Transforming;

/// So many records may be refused one after another, with none taken in between, before the sink's error is held for one that
/// would befall any record. In a batch of more than twice as many it has to be half of the batch.
pub(super) const REFUSED_IN_A_ROW_MAX: usize = 1_000;

/// A batch on its way.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) work: Work,
    pub(super) originals: Originals,
    /// Where each partition goes on once the batch is done.
    pub(super) next: SinkOffsets,
    /// What it weighs as fetched, of so many records.
    pub(super) bytes: usize,
    pub(super) records: usize,
    /// It has waited until the connector might move more, and goes first now whatever other tasks have moved meanwhile: they wait for
    /// it in turn. Who had to ask again could be late for ever.
    pub(super) has_waited: bool,
}

/// How far it has got.
#[derive(Debug)]
pub(super) enum Work {
    Decoding(Decoding),
    Transforming(Transforming),
    Putting(Parts),
}

impl Pending {
    /// Drops what came from partitions that are no longer ours.
    pub(super) fn forget(&mut self, gone: &impl Fn(&TopicPartition) -> bool) {
        let is_gone = |run: &Run| matches!(&run.origin, Origin::Kafka { from, .. } if gone(from));
        match &mut self.work {
            Work::Decoding(decoding) => decoding.forget(&is_gone),
            Work::Transforming(transforming) => transforming.forget(&is_gone),
            Work::Putting(parts) => parts.forget(&is_gone),
        }
        self.next.retain(|partition, _| !gone(partition));
    }
}

/// The parts of a batch that the sink has not taken, in order.
#[derive(Debug)]
pub(super) struct Parts {
    /// The next one last.
    left: Vec<Batch>,
    rows: usize,
    /// Records that were refused since the last that was taken: reported only once it is clear that it is about them.
    refused: Vec<(Run, Error)>,
    pub(super) refused_in_a_row: usize,
}

impl Parts {
    /// The batch in parts of at most `rows_max` records. So many were refused at the end of the batch before it.
    pub(super) fn new(batch: Batch, rows_max: usize, refused_in_a_row: usize) -> Parts {
        let rows = batch.record_count();
        let mut left = if rows <= rows_max { vec![batch] } else { cut(batch, rows_max) };
        left.reverse();
        Parts { left, rows, refused: Vec::new(), refused_in_a_row }
    }

    /// The part to put next.
    pub(super) fn take(&mut self) -> Option<Batch> {
        self.left.pop()
    }

    /// The part is to be put again, as it is.
    pub(super) fn give_back(&mut self, part: Batch) {
        self.left.push(part);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// The part was taken. Gives the records that were refused before it.
    pub(super) fn taken(&mut self, part: &Batch) -> Vec<(Run, Error)> {
        if part.is_empty() {
            return Vec::new();
        }
        self.refused_in_a_row = 0;
        std::mem::take(&mut self.refused)
    }

    /// Nothing of the part was taken, because of some of its records: it is put again in halves, until the records are found.
    ///
    /// # Errors
    /// The sink's own, where it refuses whatever it gets.
    pub(super) fn refused(&mut self, part: Batch, error: Error) -> Result<()> {
        let rows = part.record_count();
        if rows > 1 {
            // Of two: more of an odd number goes first.
            let mut halves = cut(part, rows.div_ceil(2));
            halves.reverse();
            self.left.extend(halves);
            return Ok(());
        }
        let Some(run) = part.runs.into_iter().find(|run| run.record_count() > 0) else { return Err(error) };
        self.refused_in_a_row += 1;
        if self.refused_in_a_row >= REFUSED_IN_A_ROW_MAX.max(self.rows / 2) {
            return Err(error);
        }
        self.refused.push((run, error));
        Ok(())
    }

    /// What was refused at the end of the batch.
    pub(super) fn take_refused(&mut self) -> Vec<(Run, Error)> {
        std::mem::take(&mut self.refused)
    }

    fn forget(&mut self, is_gone: &impl Fn(&Run) -> bool) {
        for part in &mut self.left {
            part.runs.retain(|run| !is_gone(run));
        }
        self.refused.retain(|(run, _)| !is_gone(run));
    }
}

/// A batch in parts of at most `rows_max` records. What is packed stays whole.
fn cut(batch: Batch, rows_max: usize) -> Vec<Batch> {
    let mut parts = Vec::new();
    let mut part = Batch::default();
    let mut room = rows_max;
    for run in batch.runs {
        let rows = run.record_count();
        let mut start = 0;
        while start < rows {
            let len = room.min(rows - start);
            let is_whole = len == rows || matches!(run.body, Body::Packed(_));
            let (piece, len) = if is_whole { (run.clone(), rows) } else { (run.slice(start, len), len) };
            part.runs.push(piece);
            start += len;
            room = room.saturating_sub(len);
            if room == 0 {
                parts.push(std::mem::take(&mut part));
                room = rows_max;
            }
        }
    }
    if !part.runs.is_empty() {
        parts.push(part);
    }
    parts
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use api::{Column, Columns, Headers, KafkaOffsets, Timestamps};
    use arrow_array::StringViewArray;
    use proptest::prelude::*;

    use super::*;

    /// Runs of these lengths, of two partitions in turn; each value is its row's number in the batch.
    fn batch(lengths: &[usize]) -> Batch {
        let mut next = [0_i64; 2];
        let mut number = 0;
        let runs = lengths.iter().enumerate().map(|(index, rows)| {
            let partition = index % 2;
            let base = next[partition];
            next[partition] += *rows as i64;
            let values = (number..number + rows).map(|number| Some(number.to_string()));
            let columns = Columns {
                key: Column::null(*rows),
                value: Column::strings(StringViewArray::from_iter(values)),
                headers: Headers::none(),
                timestamps: Timestamps::None,
            };
            number += rows;
            let from = TopicPartition { topic: Arc::from("t"), partition: partition as i32 };
            Run {
                topic: Arc::from("t"),
                partition: Some(partition as i32),
                origin: Origin::Kafka {
                    from,
                    offsets: KafkaOffsets { base, deltas: None, next: next[partition] },
                },
                body: Body::Columns(columns),
            }
        });
        Batch { runs: runs.collect() }
    }

    /// The numbers of a batch's records.
    fn numbers(batch: &Batch) -> Vec<usize> {
        batch.runs.iter().flat_map(run_numbers).collect()
    }

    fn run_numbers(run: &Run) -> Vec<usize> {
        let Body::Columns(columns) = &run.body else { panic!() };
        (0..run.record_count())
            .map(|row| match columns.value.row(row) {
                api::ValueRef::String(text) => text.parse().unwrap(),
                _ => panic!(),
            })
            .collect()
    }

    /// What was taken, what was refused, and in how many puts.
    #[derive(Debug, Default)]
    struct Outcome {
        taken: Vec<usize>,
        refused: Vec<usize>,
        puts: usize,
    }

    /// Puts a batch to a sink that takes no part with a bad record.
    fn put_all(parts: &mut Parts, bad: &BTreeSet<usize>) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        while let Some(part) = parts.take() {
            outcome.puts += 1;
            let found = numbers(&part);
            let refused = if found.iter().any(|number| bad.contains(number)) {
                parts.refused(part, Error::bad_record("bad"))?;
                continue;
            } else {
                parts.taken(&part)
            };
            outcome.taken.extend(found);
            outcome.refused.extend(refused.iter().flat_map(|(run, _)| run_numbers(run)));
        }
        outcome.refused.extend(parts.take_refused().iter().flat_map(|(run, _)| run_numbers(run)));
        Ok(outcome)
    }

    proptest! {
        /// Goal: whatever the runs and the bad records are, exactly these are refused, the others are taken once and in order, and the
        /// sink is not asked more often than halving needs.
        #[test]
        fn exactly_the_bad_records_are_refused(
            lengths in proptest::collection::vec(1_usize..40, 1..12),
            share in prop_oneof![Just(0_usize), Just(1), 1_usize..100],
            seed: u64,
            rows_max in prop_oneof![Just(usize::MAX), 1_usize..50],
        ) {
            let rows: usize = lengths.iter().sum();
            let is_bad = |number: &usize| {
                (seed.wrapping_mul(*number as u64 + 7).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) % 100 < share as u64
            };
            let bad: BTreeSet<usize> = (0..rows).filter(is_bad).collect();
            let mut parts = Parts::new(batch(&lengths), rows_max, 0);
            let outcome = put_all(&mut parts, &bad).unwrap();
            prop_assert!(outcome.refused.iter().eq(&bad));
            prop_assert!(outcome.taken.into_iter().eq((0..rows).filter(|number| !bad.contains(number))));
            let depth = rows.next_power_of_two().ilog2() as usize;
            let whole = rows.div_ceil(rows_max);
            prop_assert!(outcome.puts <= whole + 2 * bad.len() * depth, "{} puts", outcome.puts);
        }

        /// Goal: a partition that is taken away in the middle takes its records with it, and nothing else changes.
        #[test]
        fn a_partition_that_leaves_is_left_out(
            lengths in proptest::collection::vec(1_usize..20, 2..8), steps in 0_usize..20, bad in proptest::collection::btree_set(0_usize..100, 0..10),
        ) {
            let whole = batch(&lengths);
            let stays: BTreeSet<usize> =
                whole.runs.iter().filter(|run| run.partition == Some(0)).flat_map(run_numbers).collect();
            let mut parts = Parts::new(whole, usize::MAX, 0);
            let (mut taken, mut refused) = (Vec::new(), Vec::new());
            for _ in 0..steps {
                let Some(part) = parts.take() else { break };
                let found = numbers(&part);
                if found.iter().any(|number| bad.contains(number)) {
                    parts.refused(part, Error::bad_record("bad")).unwrap();
                } else {
                    refused.extend(parts.taken(&part).iter().flat_map(|(run, _)| run_numbers(run)));
                    taken.extend(found);
                }
            }
            parts.forget(&|run: &Run| run.partition == Some(1));
            let rest = put_all(&mut parts, &bad).unwrap();
            let mut all: Vec<usize> = taken.into_iter().chain(rest.taken).chain(refused).chain(rest.refused).collect();
            all.retain(|number| stays.contains(number));
            all.sort_unstable();
            prop_assert!(all.iter().eq(&stays), "{all:?}");
        }
    }

    #[test]
    fn an_error_of_any_record_is_not_held_for_one_of_these() {
        let limit = REFUSED_IN_A_ROW_MAX;
        let all = |rows: usize| (0..rows).collect::<BTreeSet<_>>();
        assert_eq!(
            put_all(&mut Parts::new(batch(&[limit - 1]), usize::MAX, 0), &all(limit - 1))
                .unwrap()
                .refused
                .len(),
            limit - 1
        );
        assert!(put_all(&mut Parts::new(batch(&[limit]), usize::MAX, 0), &all(limit)).is_err());
        // Also where they come in small batches.
        assert!(put_all(&mut Parts::new(batch(&[10]), usize::MAX, limit - 10), &all(10)).is_err());
        assert!(put_all(&mut Parts::new(batch(&[10]), usize::MAX, limit - 11), &all(10)).is_ok());
        // Half of a large one may be bad, as long as something is taken.
        let rows = limit * 4;
        let half = put_all(&mut Parts::new(batch(&[rows]), usize::MAX, 0), &all(rows / 2 - 1)).unwrap();
        assert_eq!((half.taken.len(), half.refused.len()), (rows / 2 + 1, rows / 2 - 1));
    }
}
