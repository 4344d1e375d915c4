//! From raw columns to Connect data: runs the converters and cuts runs where a schema changes or a row is left out.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use api::{Batch, Body, Column, Columns, Converter, Data, Decoded, Error, Origin, RowError, Run, Segment};
use arrow_array::BinaryViewArray;
use tokio::time::Instant;

use super::errors::{Failure, Originals, Records, Retrying, kept};
use super::{Converters, of_every_row};

/// A batch that is being decoded: it may have to wait in the middle, where a converter asks for another attempt.
#[derive(Debug, Default)]
pub(crate) struct Decoding {
    /// Raw runs, the next one first.
    todo: VecDeque<Run>,
    /// The run in which rows wait for another attempt.
    begun: Option<Box<BegunRun>>,
    done: Vec<Run>,
}

/// A run on its way through its columns' converters.
#[derive(Debug)]
struct BegunRun {
    run: Run,
    /// What has come out: of the key, of the value.
    segments: [Option<Vec<Segment>>; 2],
    /// The column whose turn it is.
    column: usize,
    retrying: Option<Retrying>,
    failures: Vec<Failure>,
}

impl Decoding {
    pub(crate) fn new(batch: Batch) -> Decoding {
        Decoding { todo: batch.runs.into(), begun: None, done: Vec::new() }
    }

    /// Drops the records of partitions that are no longer ours.
    pub(crate) fn forget(&mut self, is_gone: &impl Fn(&Run) -> bool) {
        self.todo.retain(|run| !is_gone(run));
        self.done.retain(|run| !is_gone(run));
        self.begun.take_if(|begun| is_gone(&begun.run));
    }
}

/// What came of a step that may have to be taken again.
#[derive(Debug)]
pub(crate) enum Step<T> {
    /// All is done.
    Done(T),
    /// Some rows are to be tried again then.
    Wait(Instant),
}

impl Converters {
    /// Replaces every run of raw columns by runs of Connect data.
    ///
    /// # Errors
    /// When a row fails and is not tolerated, or a converter cannot work at all.
    pub(crate) fn decode(
        &mut self,
        work: &mut Decoding,
        originals: &Originals,
    ) -> Result<Step<Batch>, Error> {
        loop {
            let mut begun = match work.begun.take() {
                Some(begun) => *begun,
                None => match work.todo.pop_front() {
                    None => return Ok(Step::Done(Batch { runs: std::mem::take(&mut work.done) })),
                    Some(run) if matches!(run.body, Body::Packed(_)) => {
                        work.done.push(run);
                        continue;
                    }
                    Some(run) => BegunRun {
                        run,
                        segments: [None, None],
                        column: 0,
                        retrying: None,
                        failures: Vec::new(),
                    },
                },
            };
            if let Some(due) = self.convert_run(&mut begun)? {
                work.begun = Some(Box::new(begun));
                return Ok(Step::Wait(due));
            }
            self.finish_run(begun, originals, &mut work.done)?;
        }
    }

    /// Takes a run through the converters that it has not been through; says when to go on, if some rows have to wait.
    fn convert_run(&mut self, begun: &mut BegunRun) -> Result<Option<Instant>, Error> {
        let BegunRun { run, segments, column: next, retrying, failures } = begun;
        let Body::Columns(columns) = &run.body else { return Ok(None) };
        while *next < segments.len() {
            let (converter, place, column) = match *next {
                0 => (self.key.as_mut(), self.key_place, &columns.key),
                _ => (self.value.as_mut(), self.value_place, &columns.value),
            };
            if !self.decodes[*next] {
                segments[*next] = Some(vec![Segment { column: column.clone() }]);
                *next += 1;
                continue;
            }
            match (&mut segments[*next], retrying.take()) {
                (Some(_), Some(waiting)) if Instant::now() < waiting.due => {
                    let due = waiting.due;
                    *retrying = Some(waiting);
                    return Ok(Some(due));
                }
                (Some(segments), Some(waiting)) => {
                    let (mut errors, mut new) = (Vec::new(), Vec::new());
                    for range in waiting.ranges() {
                        let (start, len) = (range.start, range.len());
                        let again = convert(converter, &run.topic, &column.slice(start, len))?;
                        new.push((range, again.segments));
                        errors.extend(again.errors.into_iter().map(|e| RowError { row: e.row + start, ..e }));
                    }
                    *segments = replaced(segments, new);
                    *retrying = self.errors.sort(place, errors, Some(&waiting), failures);
                }
                (first, _) => {
                    let Decoded { segments, mut errors } = convert(converter, &run.topic, column)?;
                    *first = Some(segments);
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
                Some(waiting) => return Ok(Some(waiting.due)),
                None => *next += 1,
            }
        }
        Ok(None)
    }

    /// Leaves failed rows out and cuts the run where a schema changes.
    fn finish_run(&self, begun: BegunRun, originals: &Originals, out: &mut Vec<Run>) -> Result<(), Error> {
        let BegunRun { run, segments: [Some(keys), Some(values)], failures, .. } = begun else {
            return Ok(());
        };
        let skipped = match &run.origin {
            Origin::Kafka { from, offsets } if !failures.is_empty() => {
                self.errors.judge(failures, Records::Consumed { originals, from, offsets })?
            }
            _ => Vec::new(),
        };
        let Run { topic, partition, origin, body: Body::Columns(columns) } = run else { return Ok(()) };
        let rows = columns.value.len();
        if let ([key], [value], []) = (&*keys, &*values, &*skipped) {
            let body =
                Body::Columns(Columns { key: key.column.clone(), value: value.column.clone(), ..columns });
            out.push(Run { topic, partition, origin, body });
            return Ok(());
        }
        let (keys, values) = (Cursor::new(&keys), Cursor::new(&values));
        for kept in kept(rows, &skipped) {
            let mut start = kept.start;
            while start < kept.end {
                let end = kept.end.min(keys.segment_end(start)).min(values.segment_end(start));
                let body = Body::Columns(Columns {
                    key: keys.slice(start, end - start),
                    value: values.slice(start, end - start),
                    headers: columns.headers.slice(start, end - start),
                    timestamps: columns.timestamps.slice(start, end - start),
                });
                let origin = origin.slice(start, end - start);
                out.push(Run { topic: Arc::clone(&topic), partition, origin, body });
                start = end;
            }
        }
        Ok(())
    }
}

fn convert(converter: &mut dyn Converter, topic: &str, column: &Column) -> Result<Decoded, Error> {
    let decoded = match &column.data {
        Data::Raw(bytes) => converter.to_connect(topic, bytes),
        // Keys that are all null: let the converter say what a null is, once.
        Data::Null(rows) => match converter.to_connect(topic, &BinaryViewArray::new_null((*rows).min(1))) {
            Ok(one) if one.errors.is_empty() => {
                let schema = one.segments.into_iter().next().and_then(|segment| segment.column.schema);
                Ok(Decoded {
                    segments: vec![Segment { column: Column { schema, data: Data::Null(*rows) } }],
                    errors: Vec::new(),
                })
            }
            _ => converter.to_connect(topic, &BinaryViewArray::new_null(*rows)),
        },
        data => Ok(Decoded {
            segments: vec![Segment { column: Column { schema: column.schema.clone(), data: data.clone() } }],
            errors: Vec::new(),
        }),
    };
    decoded.or_else(|error| {
        Ok(Decoded {
            segments: vec![Segment { column: Column::null(column.len()) }],
            errors: of_every_row(column.len(), error)?,
        })
    })
}

/// The segments with stretches of their rows, which ascend, replaced. In one go, for there may be as many as rows.
fn replaced(old: &[Segment], new: Vec<(Range<usize>, Vec<Segment>)>) -> Vec<Segment> {
    let cursor = Cursor::new(old);
    let mut out = Vec::new();
    let keep = |out: &mut Vec<Segment>, mut start: usize, end: usize| {
        while start < end {
            let next = cursor.segment_end(start).min(end);
            out.push(Segment { column: cursor.slice(start, next - start) });
            start = next;
        }
    };
    let mut at = 0;
    for (range, segments) in new {
        keep(&mut out, at, range.start);
        out.extend(segments);
        at = range.end;
    }
    keep(&mut out, at, cursor.ends.last().copied().unwrap_or(0));
    out
}

/// Looks rows up in the segments that follow one another.
struct Cursor<'a> {
    segments: &'a [Segment],
    /// `ends[i]` is the row after segment `i`.
    ends: Vec<usize>,
}

impl<'a> Cursor<'a> {
    fn new(segments: &'a [Segment]) -> Cursor<'a> {
        let mut end = 0;
        let ends = segments
            .iter()
            .map(|segment| {
                end += segment.column.len();
                end
            })
            .collect();
        Cursor { segments, ends }
    }

    fn index(&self, row: usize) -> usize {
        self.ends.partition_point(|end| *end <= row)
    }

    fn segment_end(&self, row: usize) -> usize {
        self.ends[self.index(row)]
    }

    fn slice(&self, start: usize, len: usize) -> Column {
        let index = self.index(start);
        let segment = &self.segments[index].column;
        segment.slice(start - (self.ends[index] - segment.len()), len)
    }
}

#[cfg(test)]
pub(crate) use tests::test_converters;

#[cfg(test)]
mod tests {

    use std::rc::Rc;

    use api::{Headers, KafkaOffsets, Origin, RowError, Timestamps};
    use arrow_array::{Array, StringViewArray};
    use protocol::net::Env;

    use crate::pipeline::{Chain, ErrorHandler, Place, Stage};
    use crate::task::{ErrorPolicy, TaskId, Tolerance};

    use super::*;

    /// Cuts a segment after every row that starts with `/`, fails on rows that start with `!`.
    #[derive(Debug)]
    struct Cutting;

    impl Converter for Cutting {
        fn to_connect(&mut self, _topic: &str, raw: &BinaryViewArray) -> api::Result<Decoded> {
            let mut decoded = Decoded::default();
            let mut open: Vec<Option<&str>> = Vec::new();
            let mut close = |open: &mut Vec<Option<&str>>| {
                let column = Column::strings(StringViewArray::from_iter(open.drain(..)));
                decoded.segments.push(Segment { column });
            };
            for row in 0..raw.len() {
                let text = raw.is_valid(row).then(|| std::str::from_utf8(raw.value(row)).unwrap());
                open.push(text.filter(|text| !text.starts_with('!')));
                if text.is_some_and(|text| text.starts_with('/')) {
                    close(&mut open);
                }
                if text.is_some_and(|text| text.starts_with('!')) {
                    decoded.errors.push(RowError { row, error: Error::bad_record("bad") });
                }
            }
            if !open.is_empty() {
                close(&mut open);
            }
            Ok(decoded)
        }

        fn from_connect(&mut self, _topic: &str, _column: &Column) -> api::Result<api::Encoded> {
            unreachable!("sinks do not encode")
        }
    }

    /// Converters that nothing is decoded with, and stages that follow them.
    pub(crate) fn test_converters(stages: Vec<crate::pipeline::ChainStage>) -> Converters {
        let mut converters = converters(ErrorPolicy::default());
        converters.transforms = Chain::new(Rc::clone(&converters.errors), stages);
        converters
    }

    fn converters(policy: ErrorPolicy) -> Converters {
        let id = TaskId { connector: Arc::from("c"), task: 0 };
        let errors = Rc::new(ErrorHandler::new(id, policy, Env::real(), Arc::default()));
        let place = |stage| Place { stage, class: "Cutting" };
        Converters {
            errors: Rc::clone(&errors),
            key: Box::new(Cutting),
            key_place: place(Stage::KeyConverter),
            value: Box::new(Cutting),
            value_place: place(Stage::ValueConverter),
            decodes: [true; 2],
            transforms: Chain::new(Rc::clone(&errors), Vec::new()),
            headers: None,
            headers_place: place(Stage::HeaderConverter),
        }
    }

    fn decode(
        keys: Vec<Option<&[u8]>>,
        values: Vec<Option<&[u8]>>,
        tolerance: Tolerance,
    ) -> Result<Batch, Error> {
        let rows = values.len();
        let mut decoder = converters(ErrorPolicy { tolerance, ..ErrorPolicy::default() });
        let columns = Columns {
            key: Column::raw(BinaryViewArray::from_iter(keys)),
            value: Column::raw(BinaryViewArray::from_iter(values)),
            headers: Headers::none(),
            timestamps: Timestamps::Each((0..rows as i64).collect()),
        };
        let origin = Origin::Kafka {
            from: api::TopicPartition { topic: Arc::from("t"), partition: 0 },
            offsets: KafkaOffsets { base: 100, deltas: None, next: 100 + rows as i64 },
        };
        let run = Run { topic: Arc::from("t"), partition: Some(0), origin, body: Body::Columns(columns) };
        match decoder.decode(&mut Decoding::new(Batch { runs: vec![run] }), &Originals::default())? {
            Step::Done(batch) => Ok(batch),
            Step::Wait(_) => panic!("nothing is tried again"),
        }
    }

    /// Every run as (offset, key, value) of its rows.
    fn rows(batch: &Batch) -> Vec<Vec<(i64, String, String)>> {
        let text = |value: api::ValueRef<'_>| match value {
            api::ValueRef::String(text) => text.to_owned(),
            _ => "-".to_owned(),
        };
        batch
            .runs
            .iter()
            .map(|run| {
                let (Origin::Kafka { offsets, .. }, Body::Columns(columns)) = (&run.origin, &run.body) else {
                    panic!()
                };
                (0..run.record_count())
                    .map(|row| {
                        assert_eq!(columns.timestamps.get(row), Some(offsets.get(row) - 100));
                        (offsets.get(row), text(columns.key.row(row)), text(columns.value.row(row)))
                    })
                    .collect()
            })
            .collect()
    }

    #[test]
    fn cuts_runs_where_either_schema_changes_and_leaves_failed_rows_out() {
        let keys = vec![Some(&b"a"[..]), Some(b"/b"), Some(b"c"), Some(b"d"), None];
        let values = vec![Some(&b"1"[..]), Some(b"2"), Some(b"!3"), Some(b"4"), Some(b"5")];
        let batch = decode(keys, values, Tolerance::All).unwrap();
        let row = |offset: i64, key: &str, value: &str| (offset, key.to_owned(), value.to_owned());
        assert_eq!(
            rows(&batch),
            [vec![row(100, "a", "1"), row(101, "/b", "2")], vec![row(103, "d", "4"), row(104, "-", "5")]]
        );
    }

    #[test]
    fn stretches_of_rows_are_replaced_wherever_segments_end() {
        let segments = |parts: &[&[&str]]| -> Vec<Segment> {
            let column = |part: &&[&str]| Column::strings(StringViewArray::from_iter_values(*part));
            parts.iter().map(|part| Segment { column: column(part) }).collect()
        };
        let old = segments(&[&["0", "1", "2"], &["3"], &["4", "5", "6"]]);
        let new = vec![(0..1, segments(&[&["a"]])), (2..5, segments(&[&["b"], &["c", "d"]]))];
        let text = |segment: &Segment| -> Vec<String> {
            (0..segment.column.len()).map(|row| format!("{:?}", segment.column.row(row))).collect()
        };
        let expected = segments(&[&["a"], &["1"], &["b"], &["c", "d"], &["5", "6"]]);
        let got = replaced(&old, new);
        assert!(got.iter().map(text).eq(expected.iter().map(text)), "{got:?}");
    }

    #[test]
    fn fails_at_the_first_bad_row_without_tolerance() {
        let error = decode(vec![None], vec![Some(b"!x")], Tolerance::None).unwrap_err();
        assert_eq!(error.to_string(), "Tolerance exceeded in error handler");
    }
}
