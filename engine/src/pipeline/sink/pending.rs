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
    refused_in_a_row: usize,
}

impl Parts {
    /// The batch in parts of at most `rows_max` records.
    pub(super) fn new(batch: Batch, rows_max: usize) -> Parts {
        let rows = batch.record_count();
        let mut left = if rows <= rows_max { vec![batch] } else { cut(batch, rows_max) };
        left.reverse();
        Parts { left, rows, refused: Vec::new(), refused_in_a_row: 0 }
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
