//! The records of a batch as they came from Kafka, for the few that fail: what was fetched is kept while its batch is on its way,
//! and looked into only when a record is asked for.

use std::cell::RefCell;
use std::sync::Arc;

use api::{Body, Columns, Error, Origin, Run, Tier, TopicPartition};
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
        let mut unpacked = Vec::new();
        for fetched in self.fetched.iter().filter(|fetched| is_of(fetched, from)) {
            let mut runs = Vec::new();
            indexer.index(fetched, Tier::Index, &mut runs)?;
            for found in runs {
                let Origin::Kafka { offsets, .. } = &found.origin else { continue };
                let rows = found.record_count();
                let start = (0..rows).take_while(|row| offsets.get(*row) < packed.base).count();
                let len = (start..rows).take_while(|row| offsets.get(*row) < packed.next).count();
                if let (1.., Body::Columns(columns)) = (len, &found.body) {
                    let (origin, body) =
                        (found.origin.slice(start, len), Body::Columns(columns.slice(start, len)));
                    unpacked.push(Run {
                        topic: Arc::clone(&run.topic),
                        partition: run.partition,
                        origin,
                        body,
                    });
                }
            }
        }
        Ok(unpacked)
    }

    /// The record at `offset`; `None` where this batch has none.
    pub(crate) fn find(&self, from: &TopicPartition, offset: i64, indexer: &mut Indexer) -> Option<Original> {
        let index = self.fetched.iter().position(|fetched| {
            is_of(fetched, from) && (fetched.first_wanted_offset..fetched.next_offset).contains(&offset)
        })?;
        let fetched = &self.fetched[index];
        let mut opened = self.opened.borrow_mut();
        let runs = match &mut *opened {
            Some((of, runs)) if *of == index => runs,
            other => {
                let mut runs = Vec::new();
                // It was checked when the batch was made.
                indexer.index(fetched, Tier::Index, &mut runs).ok()?;
                &mut other.insert((index, runs)).1
            }
        };
        let (columns, row) = runs.iter().find_map(|run| {
            let (Origin::Kafka { offsets, .. }, Body::Columns(columns)) = (&run.origin, &run.body) else {
                return None;
            };
            offsets.row_of(offset, columns.value.len()).map(|row| (columns, row))
        })?;
        let timestamp_type = fetched
            .records
            .clone()
            .filter_map(Result::ok)
            .find(|batch| batch.header().next_offset() > offset)
            .and_then(|batch| (batch.header().magic > 0).then(|| batch.header().timestamp_type()));
        Some(Original { columns: columns.clone(), row, timestamp_type })
    }
}

fn is_of(fetched: &Fetched, from: &TopicPartition) -> bool {
    *fetched.topic == *from.topic && fetched.partition == from.partition
}
