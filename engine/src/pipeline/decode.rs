//! From raw columns to Connect data: runs the converters and cuts runs where a schema changes or a row is left out.

use std::sync::Arc;

use api::{Batch, Body, Column, Columns, Converter, Data, Decoded, Error, Run, Segment};
use arrow_array::BinaryViewArray;

use super::Converters;
use super::policy;
use crate::metrics::TaskMetrics;

impl Converters {
    /// Replaces every run of raw columns by runs of Connect data.
    ///
    /// # Errors
    /// When a row fails under [`Tolerance::None`], or a converter cannot work at all.
    pub(crate) fn decode(&mut self, batch: Batch, metrics: &TaskMetrics) -> Result<Batch, Error> {
        let mut runs = Vec::with_capacity(batch.runs.len());
        for run in batch.runs {
            self.decode_run(run, metrics, &mut runs)?;
        }
        Ok(Batch { runs })
    }

    fn decode_run(&mut self, run: Run, metrics: &TaskMetrics, out: &mut Vec<Run>) -> Result<(), Error> {
        let Run { topic, partition, origin, body } = run;
        let columns = match body {
            Body::Columns(columns) => columns,
            packed @ Body::Packed(_) => {
                out.push(Run { topic, partition, origin, body: packed });
                return Ok(());
            }
        };
        let rows = columns.value.len();
        let keys = convert(self.key.as_mut(), &topic, columns.key)?;
        let values = convert(self.value.as_mut(), &topic, columns.value)?;
        let skipped = self.skipped(keys.errors, values.errors, metrics)?;
        if let ([key], [value], []) = (&*keys.segments, &*values.segments, &*skipped) {
            let body =
                Body::Columns(Columns { key: key.column.clone(), value: value.column.clone(), ..columns });
            out.push(Run { topic, partition, origin, body });
            return Ok(());
        }
        let (keys, values) = (Cursor::new(&keys.segments), Cursor::new(&values.segments));
        for kept in policy::kept(rows, &skipped) {
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

fn convert(converter: &mut dyn Converter, topic: &str, column: Column) -> Result<Decoded, Error> {
    match column.data {
        Data::Raw(bytes) => converter.to_connect(topic, &bytes),
        // Keys that are all null: let the converter say what a null is, once.
        Data::Null(rows) => {
            let one = converter.to_connect(topic, &BinaryViewArray::new_null(rows.min(1)))?;
            let schema = one.segments.into_iter().next().and_then(|segment| segment.column.schema);
            let errors = one.errors;
            if !errors.is_empty() {
                return converter.to_connect(topic, &BinaryViewArray::new_null(rows));
            }
            Ok(Decoded {
                segments: vec![Segment { column: Column { schema, data: Data::Null(rows) } }],
                errors,
            })
        }
        data => Ok(Decoded {
            segments: vec![Segment { column: Column { schema: column.schema, data } }],
            errors: Vec::new(),
        }),
    }
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
mod tests {

    use api::{Headers, KafkaOffsets, Origin, RowError, Timestamps};
    use arrow_array::{Array, StringViewArray};

    use crate::task::{TaskId, Tolerance};

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

    fn decode(
        keys: Vec<Option<&[u8]>>,
        values: Vec<Option<&[u8]>>,
        tolerance: Tolerance,
    ) -> Result<Batch, Error> {
        let rows = values.len();
        let id = TaskId { connector: Arc::from("c"), task: 0 };
        let mut decoder = Converters { id, tolerance, key: Box::new(Cutting), value: Box::new(Cutting) };
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
        decoder.decode(Batch { runs: vec![run] }, &TaskMetrics::default())
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
    fn fails_at_the_first_bad_row_without_tolerance() {
        let error = decode(vec![None], vec![Some(b"!x")], Tolerance::None).unwrap_err();
        assert_eq!(error.to_string(), "Tolerance exceeded in error handler");
    }
}
