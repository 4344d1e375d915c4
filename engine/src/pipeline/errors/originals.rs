//! The records of a batch as they came from Kafka, for the few that fail: what was fetched is kept while its batch is on its way,
//! and looked into only when a record is asked for.

use std::cell::RefCell;
use std::sync::Arc;

use api::{Body, Columns, Error, KafkaOffsets, Origin, Run, Tier, TopicPartition};
use protocol::client::consumer::Fetched;
use protocol::wire::records::TimestampType;

use crate::pipeline::index::Indexer;

/// What was fetched of one batch.
#[derive(Debug, Default)]
pub(crate) struct Originals {
    fetched: Vec<Fetched>,
    /// What was looked into last: records fail in order, and many of one fetch.
    opened: RefCell<Option<(usize, Vec<Run>)>>,
}

/// A record as it came from Kafka.
#[derive(Debug)]
pub(crate) struct Original {
    /// The raw columns that it is a row of.
    pub(crate) columns: Columns,
    pub(crate) row: usize,
    /// `None` where the record has no timestamp (format v0).
    pub(crate) timestamp_type: Option<TimestampType>,
}

impl Originals {
    /// Keeps what the batch is made of.
    pub(crate) fn keep(&mut self, fetched: Fetched) {
        self.fetched.push(fetched);
    }

    /// A packed run taken apart: its records as raw columns.
    pub(crate) fn unpack(&self, run: &Run, indexer: &mut Indexer) -> Result<Vec<Run>, Error> {
        let Origin::Kafka { from, offsets: packed } = &run.origin else { return Ok(vec![run.clone()]) };
        let Some(index) = self.position(from, packed.base) else { return Ok(Vec::new()) };
        self.with_opened(index, indexer, |found| {
            let mut unpacked = Vec::new();
            for found in found {
                let (Origin::Kafka { offsets, .. }, Body::Columns(columns)) = (&found.origin, &found.body)
                else {
                    continue;
                };
                let rows = found.record_count();
                let start = rows_below(offsets, rows, packed.base);
                let len = rows_below(offsets, rows, packed.next) - start;
                if len > 0 {
                    unpacked.push(Run {
                        topic: Arc::clone(&run.topic),
                        partition: run.partition,
                        origin: found.origin.slice(start, len),
                        body: Body::Columns(columns.slice(start, len)),
                    });
                }
            }
            unpacked
        })
    }

    /// The offsets of a run's records. A packed run only knows where it begins and ends: compaction may have left gaps between.
    pub(crate) fn offsets(&self, run: &Run, indexer: &mut Indexer) -> Result<Option<KafkaOffsets>, Error> {
        let unpacked = match &run.body {
            Body::Packed(_) => self.unpack(run, indexer)?.into_iter().next(),
            Body::Columns(_) => None,
        };
        Ok(match &unpacked.as_ref().unwrap_or(run).origin {
            Origin::Kafka { offsets, .. } => Some(offsets.clone()),
            Origin::Source { .. } => None,
        })
    }

    /// The record at `offset`; `None` where this batch has none.
    pub(crate) fn find(&self, from: &TopicPartition, offset: i64, indexer: &mut Indexer) -> Option<Original> {
        let index = self.position(from, offset)?;
        let found = self.with_opened(index, indexer, |runs| {
            runs.iter().find_map(|run| {
                let (Origin::Kafka { offsets, .. }, Body::Columns(columns)) = (&run.origin, &run.body) else {
                    return None;
                };
                offsets.row_of(offset, columns.value.len()).map(|row| (columns.clone(), row))
            })
        });
        // It was checked when the batch was made.
        let (columns, row) = found.ok().flatten()?;
        let timestamp_type = self.fetched[index]
            .records
            .clone()
            .filter_map(Result::ok)
            .find(|batch| batch.header().next_offset() > offset)
            .and_then(|batch| (batch.header().magic > 0).then(|| batch.header().timestamp_type()));
        Some(Original { columns, row, timestamp_type })
    }

    /// Which of the fetched holds an offset.
    fn position(&self, from: &TopicPartition, offset: i64) -> Option<usize> {
        self.fetched.iter().position(|fetched| {
            is_of(fetched, from) && (fetched.first_wanted_offset..fetched.next_offset).contains(&offset)
        })
    }

    /// Looks into what was fetched, which is taken apart once however many of its records are asked for one after another.
    fn with_opened<T>(
        &self,
        index: usize,
        indexer: &mut Indexer,
        look: impl FnOnce(&[Run]) -> T,
    ) -> Result<T, Error> {
        let mut opened = self.opened.borrow_mut();
        let runs = match &mut *opened {
            Some((of, runs)) if *of == index => runs,
            other => {
                let mut runs = Vec::new();
                indexer.index(&self.fetched[index], Tier::Index, &mut runs)?;
                &mut other.insert((index, runs)).1
            }
        };
        Ok(look(runs))
    }
}

/// How many of the rows, whose offsets ascend, lie below `offset`.
fn rows_below(offsets: &KafkaOffsets, rows: usize, offset: i64) -> usize {
    let (mut low, mut high) = (0, rows);
    while low < high {
        let middle = low + (high - low) / 2;
        if offsets.get(middle) < offset { low = middle + 1 } else { high = middle }
    }
    low
}

fn is_of(fetched: &Fetched, from: &TopicPartition) -> bool {
    *fetched.topic == *from.topic && fetched.partition == from.partition
}
