//! Transforms and predicates: change, drop or reroute records between connector and converter, a run at a time (Java:
//! `Transformation`, `Predicate`).

use std::sync::Arc;

use arrow_buffer::BooleanBuffer;

use crate::batch::{Body, Columns, Origin, Run, Timestamps};
use crate::converter::RowError;
use crate::error::Result;

/// The parts of records that a transform or predicate reads or replaces as Connect data. The engine decodes what somebody touches
/// and nothing else. Topic, partition, timestamps and the keys of headers are always there and need not be named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Touches {
    /// Record keys.
    pub key: bool,
    /// Record values.
    pub value: bool,
    /// Values of headers. A header that is dropped or copied as it is need not be decoded.
    pub headers: bool,
}

impl Touches {
    /// None of them.
    pub const NOTHING: Touches = Touches { key: false, value: false, headers: false };
    /// Record keys only.
    pub const KEY: Touches = Touches { key: true, ..Touches::NOTHING };
    /// Record values only.
    pub const VALUE: Touches = Touches { value: true, ..Touches::NOTHING };
    /// Values of headers only.
    pub const HEADERS: Touches = Touches { headers: true, ..Touches::NOTHING };

    /// What either touches.
    #[must_use]
    pub const fn and(self, other: Touches) -> Touches {
        Touches {
            key: self.key | other.key,
            value: self.value | other.value,
            headers: self.headers | other.headers,
        }
    }
}

/// Changes records. One instance serves one task, so it may learn from what it has seen.
pub trait Transform: std::fmt::Debug {
    /// What it needs decoded, or replaces. Asked once.
    fn touches(&self) -> Touches;

    /// Takes records and hands on what becomes of them, in order: the same, changed ones, several stretches, or nothing. A row that
    /// cannot be handled goes to [`Transformed::push_with_errors`].
    ///
    /// # Errors
    /// Only where it cannot work at all. With [`Kind::Retriable`](crate::Kind::Retriable) the same records may come again.
    fn apply(&mut self, records: Records, out: &mut Transformed) -> Result<()>;
}

/// Says of records whether a transform applies to them (KIP-585). One instance serves one transform of one task.
pub trait Predicate: std::fmt::Debug {
    /// What it needs decoded. Asked once.
    fn touches(&self) -> Touches;

    /// Looks at records.
    ///
    /// # Errors
    /// Only where it cannot work at all.
    fn test(&mut self, records: &Records) -> Result<Tested>;
}

/// What a predicate found.
#[derive(Debug)]
pub struct Tested {
    /// Which rows match.
    pub matches: Matches,
    /// Rows of which it cannot be said, ascending: they fail.
    pub errors: Vec<RowError>,
}

/// Rows that match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Matches {
    /// All of them.
    All,
    /// None of them.
    None,
    /// Those whose bit is set; one bit per row.
    Each(BooleanBuffer),
}

impl Matches {
    /// Those whose bit is set, of which there may be all or none.
    pub fn each(bits: BooleanBuffer) -> Matches {
        match bits.count_set_bits() {
            0 => Matches::None,
            count if count == bits.len() => Matches::All,
            _ => Matches::Each(bits),
        }
    }

    /// All or none.
    pub fn all_if(is_match: bool) -> Matches {
        if is_match { Matches::All } else { Matches::None }
    }
}

impl From<Matches> for Tested {
    fn from(matches: Matches) -> Tested {
        Tested { matches, errors: Vec::new() }
    }
}

/// The records of a run on their way through transforms. Topic, partition and columns are for a transform to change as it likes, as long
/// as the columns keep their rows; where the records came from stays with them.
#[derive(Debug, Clone)]
pub struct Records {
    /// Topic to deliver to, or under which the sink sees the records.
    pub topic: Arc<str>,
    /// Partition; `None` leaves it to the producer.
    pub partition: Option<i32>,
    /// Keys, values, headers and timestamps.
    pub columns: Columns,
    origin: Origin,
    first_row: usize,
    rows: usize,
}

impl Records {
    /// The records of a run; `None` for a packed one.
    pub fn of_run(run: Run) -> Option<Records> {
        let Run { topic, partition, origin, body } = run;
        match body {
            Body::Columns(columns) => {
                let rows = columns.value.len();
                Some(Records { topic, partition, columns, origin, first_row: 0, rows })
            }
            Body::Packed(_) => None,
        }
    }

    /// The records as a run.
    pub fn into_run(self) -> Run {
        let Records { topic, partition, columns, origin, .. } = self;
        Run { topic, partition, origin, body: Body::Columns(columns) }
    }

    /// Number of records.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The place of the first record in the run that entered the first transform. Records of one run keep the order of their places.
    pub fn first_row(&self) -> usize {
        self.first_row
    }

    /// Whether every column still has one row per record.
    pub fn is_complete(&self) -> bool {
        let Columns { key, value, timestamps, .. } = &self.columns;
        let stamped = match timestamps {
            Timestamps::Each(values) => values.len(),
            Timestamps::None | Timestamps::Same(_) => self.rows,
        };
        [key.len(), value.len(), stamped].iter().all(|len| *len == self.rows)
    }

    /// Where the records came from: transforms don't change it (KIP-793).
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Rows `start..start + len`, which are at least one, without copying values.
    #[must_use]
    pub fn slice(&self, start: usize, len: usize) -> Records {
        Records {
            topic: Arc::clone(&self.topic),
            partition: self.partition,
            columns: self.columns.slice(start, len),
            origin: self.origin.slice(start, len),
            first_row: self.first_row + start,
            rows: len,
        }
    }
}

/// What becomes of records: collects the output of a transform.
#[derive(Debug, Default)]
pub struct Transformed {
    records: Vec<Records>,
    errors: Vec<RowError>,
}

impl Transformed {
    /// Adds records, which follow those added before.
    pub fn push(&mut self, records: Records) {
        if !records.is_empty() {
            self.records.push(records);
        }
    }

    /// Adds records of which some failed: `errors` name rows of `records`, ascending. Those are left out; what the columns hold in
    /// them does not matter.
    ///
    /// # Panics
    /// When an error names a row that `records` lacks: a bug of the caller.
    pub fn push_with_errors(&mut self, records: Records, errors: Vec<RowError>) {
        if errors.is_empty() {
            return self.push(records);
        }
        let mut start = 0;
        for RowError { row, error } in errors {
            if row < start {
                // Named twice: it failed already.
                continue;
            }
            if row > start {
                self.push(records.slice(start, row - start));
            }
            start = row + 1;
            self.errors.push(RowError { row: records.first_row + row, error });
        }
        if start < records.len() {
            self.push(records.slice(start, records.len() - start));
        }
    }

    /// The records, and the rows that failed, by their place in the run that entered the first transform.
    pub fn into_parts(self) -> (Vec<Records>, Vec<RowError>) {
        (self.records, self.errors)
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::StringViewArray;

    use super::*;
    use crate::{Column, Error, Headers, KafkaOffsets, TopicPartition, ValueRef};

    fn records(values: &[&str]) -> Records {
        let from = TopicPartition { topic: Arc::from("t"), partition: 3 };
        let offsets = KafkaOffsets { base: 100, deltas: None, next: 200 };
        let columns = Columns {
            key: Column::null(values.len()),
            value: Column::strings(StringViewArray::from_iter_values(values)),
            headers: Headers::none(),
            timestamps: Timestamps::None,
        };
        let origin = Origin::Kafka { from, offsets };
        let run = Run { topic: Arc::from("t"), partition: Some(3), origin, body: Body::Columns(columns) };
        Records::of_run(run).unwrap()
    }

    /// Goal: a failed row is named by its place in the first run however it was cut before, and its neighbours stay in order.
    #[test]
    fn failed_rows_are_left_out_and_keep_their_place() {
        let mut out = Transformed::default();
        let bad = |row| RowError { row, error: Error::bad_record("bad") };
        out.push_with_errors(records(&["a", "b", "c", "d", "e"]).slice(1, 4), vec![bad(0), bad(2), bad(2)]);
        let (pieces, errors) = out.into_parts();
        assert_eq!(errors.iter().map(|error| error.row).collect::<Vec<_>>(), [1, 3]);
        let left: Vec<_> = pieces
            .iter()
            .map(|piece| match (piece.columns.value.row(0), piece.origin()) {
                (ValueRef::String(value), Origin::Kafka { offsets, .. }) => {
                    (value.to_owned(), offsets.get(0))
                }
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(left, [("c".to_owned(), 102), ("e".to_owned(), 104)]);
    }
}
