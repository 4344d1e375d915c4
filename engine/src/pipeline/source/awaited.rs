//! Records on their way to Kafka of a task that wants to hear of each where it went. Kept only for such a task: rows of a run that went
//! to the same partition one after another are one entry, and completions, which come in the order of each partition, are dealt to
//! them from the front.

use std::collections::VecDeque;
use std::ops::Range;

use api::{Acknowledged, Placed};

use crate::offset::Token;

/// The runs of a task that are not decided on, and those that are and that the task has not been told of.
#[derive(Debug, Default)]
pub(super) struct Awaited {
    /// Runs by token: `runs[token - first]`. `None` for those that are decided on.
    runs: VecDeque<Option<AwaitedRun>>,
    first: Token,
    decided: Vec<Acknowledged>,
}

/// A run, or part of one, under one token.
#[derive(Debug)]
pub(super) struct AwaitedRun {
    acknowledged: Acknowledged,
    /// Where the row that was sent first is in the run as it was polled.
    sent_from: usize,
    stretches: Vec<Stretch>,
    /// By Kafka partition.
    lanes: Vec<Lane>,
}

/// Rows that went to one partition and of which nothing is known.
#[derive(Debug)]
struct Stretch {
    rows: Range<usize>,
    partition: i32,
    /// The next one of the same partition.
    next: Option<u32>,
}

/// The stretches of one partition: the first one that is not answered, and the last one.
#[derive(Debug, Clone, Copy, Default)]
struct Lane {
    first: Option<u32>,
    last: Option<u32>,
}

impl AwaitedRun {
    /// Of `acknowledged` nothing is sent yet; row 0 of what will be is its row `sent_from`.
    pub(super) fn new(acknowledged: Acknowledged, sent_from: usize) -> AwaitedRun {
        AwaitedRun { acknowledged, sent_from, stretches: Vec::new(), lanes: Vec::new() }
    }

    /// Rows of what is sent went to `partition`.
    pub(super) fn sent(&mut self, rows: Range<usize>, partition: i32) {
        let rows = self.sent_from + rows.start..self.sent_from + rows.end;
        if let Some(last) = self.stretches.last_mut()
            && last.partition == partition
            && last.rows.end == rows.start
        {
            last.rows.end = rows.end;
            return;
        }
        let index = self.stretches.len() as u32;
        self.stretches.push(Stretch { rows, partition, next: None });
        let lane_index = usize::try_from(partition).unwrap_or(0);
        if lane_index >= self.lanes.len() {
            self.lanes.resize(lane_index + 1, Lane::default());
        }
        let lane = &mut self.lanes[lane_index];
        match lane.last.replace(index) {
            Some(before) if lane.first.is_some() => self.stretches[before as usize].next = Some(index),
            _ => lane.first = Some(index),
        }
    }

    /// The next rows of a partition are where `written` says, of which the rows are only counted.
    fn place(&mut self, written: &Placed) {
        let mut offset = written.base_offset;
        self.answer(written.partition, written.rows.len(), |placed, rows| {
            let next = offset.map(|offset| offset + rows.len() as i64);
            let base_offset = std::mem::replace(&mut offset, next);
            placed.push(Placed { rows, base_offset, ..*written });
        });
    }

    /// Takes the next `count` rows of a partition.
    fn answer(&mut self, partition: i32, count: usize, mut each: impl FnMut(&mut Vec<Placed>, Range<usize>)) {
        let mut left = count;
        let lane = usize::try_from(partition).ok().and_then(|index| self.lanes.get_mut(index));
        let Some(lane) = lane else { return };
        while left > 0
            && let Some(first) = lane.first
        {
            let stretch = &mut self.stretches[first as usize];
            let end = stretch.rows.end.min(stretch.rows.start + left);
            let rows = stretch.rows.start..end;
            left -= rows.len();
            stretch.rows.start = end;
            if stretch.rows.is_empty() {
                lane.first = stretch.next;
            }
            each(&mut self.acknowledged.placed, rows);
        }
    }
}

impl Awaited {
    /// Begins to wait for the run under `token`: tokens come one after another.
    pub(super) fn open(&mut self, token: Token, run: AwaitedRun) {
        if self.runs.is_empty() {
            self.first = token;
        }
        self.runs.push_back(Some(run));
    }

    /// The run under `token`, for noting what is sent.
    pub(super) fn run(&mut self, token: Token) -> Option<&mut AwaitedRun> {
        let index = usize::try_from(token.checked_sub(self.first)?).ok()?;
        self.runs.get_mut(index)?.as_mut()
    }

    /// As many rows of the run as `written` has are where it says: the next ones of that partition.
    pub(super) fn written(&mut self, token: Token, written: &Placed) {
        if let Some(run) = self.run(token) {
            run.place(written);
        }
    }

    /// The next `count` rows that the run has in `partition` will never be written.
    pub(super) fn skipped(&mut self, token: Token, partition: i32, count: usize) {
        if let Some(run) = self.run(token) {
            run.answer(partition, count, |_placed, _rows| ());
        }
    }

    /// Every record of the run is decided on.
    pub(super) fn decide(&mut self, token: Token) {
        let run = token.checked_sub(self.first).and_then(|index| self.runs.get_mut(index as usize));
        if let Some(AwaitedRun { mut acknowledged, .. }) = run.and_then(Option::take) {
            acknowledged.placed.sort_unstable_by_key(|placed| placed.rows.start);
            self.decided.push(acknowledged);
        }
        while let Some(None) = self.runs.front() {
            self.runs.pop_front();
            self.first += 1;
        }
    }

    /// Only the first `rows` of what was to be sent of the run are; the task hears of no others.
    pub(super) fn cut(&mut self, token: Token, rows: usize) {
        let run = token.checked_sub(self.first).and_then(|index| self.runs.get_mut(index as usize));
        let Some(Some(run)) = run else { return };
        let kept = run.sent_from + rows;
        run.acknowledged.run = run.acknowledged.run.slice(0, kept);
    }

    /// The task is not told of the run.
    pub(super) fn forget(&mut self, token: Token) {
        let run = token.checked_sub(self.first).and_then(|index| self.runs.get_mut(index as usize));
        if let Some(run) = run {
            *run = None;
        }
    }

    /// The transaction of all runs that were opened has ended. Nothing of an aborted one is in Kafka.
    pub(super) fn decide_all(&mut self, is_aborted: bool) {
        for run in std::mem::take(&mut self.runs).into_iter().flatten() {
            let mut acknowledged = run.acknowledged;
            if is_aborted {
                acknowledged.placed.clear();
            }
            acknowledged.placed.sort_unstable_by_key(|placed| placed.rows.start);
            self.decided.push(acknowledged);
        }
    }

    /// What the task is to be told.
    pub(super) fn take_decided(&mut self) -> Vec<Acknowledged> {
        std::mem::take(&mut self.decided)
    }
}

#[cfg(test)]
mod tests {
    use api::{Body, Column, Columns, Headers, Origin, Run, SourceOffsets, SourcePartition, Timestamps};
    use proptest::prelude::*;

    use super::*;

    fn run(rows: usize) -> AwaitedRun {
        let columns = Columns {
            key: Column::null(rows),
            value: Column::null(rows),
            headers: Headers::none(),
            timestamps: Timestamps::None,
        };
        let origin = Origin::Source { partition: SourcePartition::none(), offsets: SourceOffsets::None };
        let run = Run { topic: "t".into(), partition: None, origin, body: Body::Columns(columns) };
        AwaitedRun::new(Acknowledged::dropped(run), 0)
    }

    fn places(told: &Acknowledged, rows: usize) -> Vec<Option<(i32, Option<i64>)>> {
        (0..rows).map(|row| told.metadata(row).map(|it| (it.partition, it.offset))).collect()
    }

    #[test]
    fn a_run_whose_records_were_all_dropped_is_told_of_in_its_turn() {
        let mut awaited = Awaited::default();
        awaited.open(5, run(1));
        awaited.open(6, run(2));
        awaited.decide(6);
        awaited.run(5).unwrap().sent(0..1, 3);
        let written = Placed { rows: 0..1, partition: 3, base_offset: Some(9), log_append_time_ms: None };
        awaited.written(5, &written);
        awaited.decide(5);
        let told = awaited.take_decided();
        assert_eq!(
            told.iter().map(|told| places(told, 1)).collect::<Vec<_>>(),
            [vec![None], vec![Some((3, Some(9)))]]
        );
        assert!(awaited.runs.is_empty());
    }

    proptest! {
        /// Goal: however partitions and the sizes of their batches mix, each row gets the place that its partition gave it, and what was
        /// skipped or lost gets none.
        #[test]
        fn each_row_has_its_own_place(
            rows in prop::collection::vec(prop::option::weighted(0.9, 0_i32..4), 1..60),
            batches in prop::collection::vec((0_i32..4, 1_usize..9, prop::bool::weighted(0.8)), 0..200),
        ) {
            let mut awaited = Awaited::default();
            awaited.open(0, run(rows.len()));
            let mut expected: Vec<Option<(i32, Option<i64>)>> = vec![None; rows.len()];
            let mut queues: Vec<VecDeque<usize>> = vec![VecDeque::new(); 4];
            for (row, partition) in rows.iter().enumerate() {
                if let Some(partition) = *partition {
                    awaited.run(0).unwrap().sent(row..row + 1, partition);
                    queues[partition as usize].push_back(row);
                }
            }
            let rest = (0..4).map(|partition| (partition, rows.len(), true));
            for (index, (partition, count, is_written)) in batches.into_iter().chain(rest).enumerate() {
                let queue = &mut queues[partition as usize];
                let batch: Vec<usize> = queue.drain(..count.min(queue.len())).collect();
                if batch.is_empty() {
                    continue;
                }
                if !is_written {
                    awaited.skipped(0, partition, batch.len());
                    continue;
                }
                let base = index as i64 * 1_000;
                let written = Placed {
                    rows: 0..batch.len(),
                    partition,
                    base_offset: Some(base),
                    log_append_time_ms: None,
                };
                awaited.written(0, &written);
                for (distance, row) in batch.into_iter().enumerate() {
                    expected[row] = Some((partition, Some(base + distance as i64)));
                }
            }
            awaited.decide(0);
            let told = awaited.take_decided().pop().unwrap();
            prop_assert_eq!(places(&told, rows.len()), expected);
        }
    }
}
