//! From Connect data to Kafka's bytes: runs the converters over a source's columns.

use std::ops::Range;

use api::{Body, Column, Converter, Encoded, Error, RowError, Run};
use arrow_array::{Array, BinaryViewArray};
use tokio::time::Instant;

use super::decode::Step;
use super::errors::{Failure, Records, Retrying};
use super::{Converters, cell, of_every_row};

/// Keys and values of a run as bytes.
#[derive(Debug)]
pub(crate) struct EncodedRun {
    /// `None` when no record has a key, so that the loop over rows need not ask.
    pub(crate) keys: Option<BinaryViewArray>,
    pub(crate) values: BinaryViewArray,
    /// Rows to leave out, ascending.
    pub(crate) skipped: Vec<usize>,
}

impl EncodedRun {
    /// The key of a row.
    #[inline]
    pub(crate) fn key(&self, row: usize) -> Option<&[u8]> {
        self.keys.as_ref().and_then(|keys| cell(keys, row))
    }

    /// The value of a row; `None` is a tombstone.
    #[inline]
    pub(crate) fn value(&self, row: usize) -> Option<&[u8]> {
        cell(&self.values, row)
    }

    /// The bytes of keys and values in `rows`.
    pub(crate) fn bytes_of(&self, rows: Range<usize>) -> usize {
        self.keys
            .iter()
            .chain([&self.values])
            .map(|column| bytes_of(&column.slice(rows.start, rows.len())))
            .sum()
    }
}

/// A run on its way through the converters: it may have to wait in the middle, where one asks for another attempt.
#[derive(Debug, Default)]
pub(crate) struct Encoding {
    /// What has come out: of the key, of the value.
    bytes: [Option<BinaryViewArray>; 2],
    /// The column whose turn it is.
    column: usize,
    retrying: Option<Retrying>,
    failures: Vec<Failure>,
}

impl Converters {
    /// Encodes the keys and values of a run for its topic. To be called again with the same `work` when it has waited.
    ///
    /// # Errors
    /// When a row fails and is not tolerated, or a converter cannot work at all.
    pub(crate) fn encode(&mut self, run: &Run, work: &mut Encoding) -> Result<Step<EncodedRun>, Error> {
        let Body::Columns(columns) = &run.body else {
            return Err(Error::fatal("a packed batch came to the converters"));
        };
        let Encoding { bytes, column: next, retrying, failures } = work;
        while *next < bytes.len() {
            let (converter, place, column) = match *next {
                0 => (self.key.as_mut(), self.key_place, &columns.key),
                _ => (self.value.as_mut(), self.value_place, &columns.value),
            };
            match (&mut bytes[*next], retrying.take()) {
                (Some(_), Some(waiting)) if Instant::now() < waiting.due => {
                    let due = waiting.due;
                    *retrying = Some(waiting);
                    return Ok(Step::Wait(due));
                }
                (Some(bytes), Some(waiting)) => {
                    let (mut errors, mut new) = (Vec::new(), Vec::new());
                    for range in waiting.ranges() {
                        let (start, len) = (range.start, range.len());
                        let again = convert(converter, &run.topic, &column.slice(start, len))?;
                        new.push((start, again.bytes));
                        errors.extend(again.errors.into_iter().map(|e| RowError { row: e.row + start, ..e }));
                    }
                    *bytes = replaced(bytes, &new);
                    *retrying = self.errors.sort(place, errors, Some(&waiting), failures);
                }
                (first, _) => {
                    let Encoded { bytes, mut errors } = convert(converter, &run.topic, column)?;
                    *first = Some(bytes);
                    if !errors.is_empty() {
                        // A record that has failed is not looked at by later stages.
                        failures.sort_by_key(|failure| failure.row);
                        errors.retain(|e| {
                            failures.binary_search_by_key(&e.row, |failure| failure.row).is_err()
                        });
                        *retrying = self.errors.sort(place, errors, None, failures);
                    }
                }
            }
            match retrying {
                Some(waiting) => return Ok(Step::Wait(waiting.due)),
                None => *next += 1,
            }
        }
        let Encoding { bytes: [Some(keys), Some(values)], failures, .. } = std::mem::take(work) else {
            return Err(Error::fatal("a run was encoded twice"));
        };
        let skipped = self.errors.judge(failures, Records::Polled(run))?;
        let has_keys = keys.null_count() < keys.len();
        Ok(Step::Done(EncodedRun { keys: has_keys.then_some(keys), values, skipped }))
    }
}

fn bytes_of(column: &BinaryViewArray) -> usize {
    if column.null_count() > 0 {
        return column.iter().flatten().map(<[u8]>::len).sum();
    }
    // The length is the lowest part of a view.
    column.views().iter().map(|view| *view as u32 as usize).sum()
}

fn convert(converter: &mut dyn Converter, topic: &str, column: &Column) -> Result<Encoded, Error> {
    converter.from_connect(topic, column).or_else(|error| {
        let rows = column.len();
        Ok(Encoded { bytes: BinaryViewArray::new_null(rows), errors: of_every_row(rows, error)? })
    })
}

/// The rows of `new`, each from its start on, in the place of those that were there. In one go, for there may be as many as rows.
fn replaced(old: &BinaryViewArray, new: &[(usize, BinaryViewArray)]) -> BinaryViewArray {
    let mut new = new.iter().peekable();
    let rows = (0..old.len()).map(|row| {
        while new.next_if(|(start, part)| row >= start + part.len()).is_some() {}
        match new.peek() {
            Some((start, part)) if row >= *start => cell(part, row - start),
            _ => cell(old, row),
        }
    });
    BinaryViewArray::from_iter(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_of_rows_are_replaced() {
        let array = |text: &str| {
            BinaryViewArray::from_iter(text.bytes().map(|byte| (byte != b'-').then(|| vec![byte])))
        };
        let new = [(0, array("a")), (2, array("b-")), (5, array("c"))];
        assert_eq!(replaced(&array("-1--4-6"), &new), array("a1b-4c6"));
    }
}
