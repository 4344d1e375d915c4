//! What tests of transforms share: JSON in, JSON out. Each case is run on whole runs, on a run that was cut, on single records and, where
//! there is no schema, on tapes, and has to give the same every time.

use std::sync::Arc;

use api::plugin::ConverterRole;
use api::{
    Body, Column, ColumnBuilder, Columns, Data, Error, Field, Headers, KafkaOffsets, Kind, Origin, Props,
    Records, RowsBuilder, Run, Schema, SchemaRef, Timestamps, TopicPartition, Transform, Transformed, Value,
};
use arrow_array::{Array, BinaryViewArray};

use super::TRANSFORMS;
use crate::convert::JSON;

pub(super) const TOPIC: &str = "orders";
pub(super) const PARTITION: i32 = 3;
pub(super) const FIRST_OFFSET: i64 = 100;
pub(super) const FIRST_TIMESTAMP_MS: i64 = 1_700_000_000_000;

/// Settings as a map.
pub(super) fn props(settings: &[(&str, &str)]) -> Props {
    settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// A transform by the end of its class name.
pub(super) fn create(name: &str, settings: &[(&str, &str)]) -> api::Result<Box<dyn Transform>> {
    let plugin = TRANSFORMS.iter().find(|plugin| plugin.class.ends_with(&format!(".{name}"))).unwrap();
    (plugin.create)(&props(settings))
}

/// What is wrong with settings.
pub(super) fn refusal(name: &str, settings: &[(&str, &str)]) -> String {
    create(name, settings).unwrap_err().message().to_owned()
}

/// Records of Kafka with the values of a column, from row `first` of a partition on.
pub(super) fn records_of(value: Column, first: usize) -> Records {
    let rows = value.len();
    let from = TopicPartition { topic: Arc::from(TOPIC), partition: PARTITION };
    let base = FIRST_OFFSET + first as i64;
    let offsets = KafkaOffsets { base, deltas: None, next: base + rows as i64 };
    let columns = Columns {
        key: Column::null(rows),
        value,
        headers: Headers::none(),
        timestamps: Timestamps::Each(
            (0..rows as i64).map(|row| FIRST_TIMESTAMP_MS + first as i64 + row).collect(),
        ),
    };
    let origin = Origin::Kafka { from, offsets };
    let run =
        Run { topic: Arc::from(TOPIC), partition: Some(PARTITION), origin, body: Body::Columns(columns) };
    Records::of_run(run).unwrap()
}

/// Columns that JSON becomes, one for each schema; an empty line is a null.
pub(super) fn decode(lines: &[&str], has_schemas: bool) -> Vec<Column> {
    let raw =
        BinaryViewArray::from_iter(lines.iter().map(|line| (!line.is_empty()).then_some(line.as_bytes())));
    let mut converter = converter(has_schemas);
    let decoded = converter.to_connect(TOPIC, &raw).unwrap();
    assert!(decoded.errors.is_empty(), "{:?}", decoded.errors);
    decoded.segments.into_iter().map(|segment| segment.column).collect()
}

/// The rows of a column as JSON, with their schema where they have one.
pub(super) fn encode(column: &Column) -> Vec<String> {
    let encoded = converter(column.schema.is_some()).from_connect(TOPIC, column).unwrap();
    let mut errors = encoded.errors.into_iter().peekable();
    (0..column.len())
        .map(|row| match errors.next_if(|error| error.row == row) {
            Some(error) => format!("cannot be written: {}", error.error.message()),
            None if encoded.bytes.is_null(row) => String::new(),
            None => String::from_utf8(encoded.bytes.value(row).to_vec()).unwrap(),
        })
        .collect()
}

fn converter(has_schemas: bool) -> Box<dyn api::Converter> {
    let enable = if has_schemas { "true" } else { "false" };
    let settings = props(&[("schemas.enable", enable), ("replace.null.with.default", "false")]);
    (JSON.create)(&settings, ConverterRole::Value).unwrap()
}

/// Asserts what a transform of values makes of JSON without schema. What fails is given as `!`, the class without its package, and the message.
#[track_caller]
pub(super) fn check_schemaless(name: &str, settings: &[(&str, &str)], lines: &[&str], expected: &[&str]) {
    let columns = decode(lines, false);
    check(name, settings, &columns, expected);
    let tapes: Vec<_> = columns.iter().map(on_tape).collect();
    check(name, settings, &tapes, expected);
}

/// Asserts what a transform of values makes of JSON with schema and payload.
#[track_caller]
pub(super) fn check_schemas(name: &str, settings: &[(&str, &str)], lines: &[&str], expected: &[&str]) {
    check(name, settings, &decode(lines, true), expected);
}

/// Asserts what a transform makes of the values of columns.
#[track_caller]
pub(super) fn check(name: &str, settings: &[(&str, &str)], columns: &[Column], expected: &[&str]) {
    let rows: usize = columns.iter().map(Column::len).sum();
    let mut outcomes = Vec::new();
    for piece_rows in [rows, 1, 2] {
        let mut transform = create(name, settings).unwrap();
        let mut results = Vec::new();
        let mut first = 0;
        for column in columns {
            let records = records_of(column.clone(), first);
            let mut start = 0;
            while start < column.len() {
                let len = piece_rows.min(column.len() - start);
                results.extend(results_of(transform.as_mut(), records.slice(start, len), start));
                start += len;
            }
            first += column.len();
        }
        outcomes.push(results);
    }
    for outcome in outcomes {
        assert_eq!(outcome, expected, "{name} {settings:?}");
    }
}

/// What a transform of values makes of a column, row by row: schema and value, or the message of the error. Runs that were cut give the
/// same.
#[track_caller]
pub(super) fn run_typed(
    name: &str,
    settings: &[(&str, &str)],
    schema: &Schema,
    values: &[Value],
) -> Vec<Result<(Option<SchemaRef>, Value), String>> {
    let mut builder = ColumnBuilder::new(Some(Arc::new(schema.clone())));
    for value in values {
        match value {
            Value::Null => builder.push_null(),
            value => builder.push(value.as_value_ref()).unwrap(),
        }
    }
    let column = builder.finish().unwrap();
    let run = |piece_rows: usize| {
        let mut transform = create(name, settings).unwrap();
        let mut results = vec![None; values.len()];
        for start in (0..values.len()).step_by(piece_rows) {
            let len = piece_rows.min(values.len() - start);
            let mut out = Transformed::default();
            if let Err(error) = transform.apply(records_of(column.clone(), 0).slice(start, len), &mut out) {
                results[start..start + len].fill(Some(Err(error.message().to_owned())));
                continue;
            }
            let (pieces, errors) = out.into_parts();
            for piece in pieces {
                for row in 0..piece.len() {
                    let column = &piece.columns.value;
                    let result = (column.schema.clone(), column.row(row).to_owned());
                    assert!(results[piece.first_row() + row].replace(Ok(result)).is_none());
                }
            }
            for error in errors {
                assert!(results[error.row].replace(Err(error.error.message().to_owned())).is_none());
            }
        }
        results.into_iter().map(Option::unwrap).collect::<Vec<_>>()
    };
    let whole = run(values.len());
    for piece_rows in [1, 2] {
        assert_eq!(run(piece_rows), whole, "in pieces of {piece_rows}");
    }
    whole
}

/// A field of a struct schema.
pub(super) fn field(name: &str, schema: Schema) -> Field {
    Field { name: name.into(), schema: Arc::new(schema) }
}

fn results_of(transform: &mut dyn Transform, records: Records, first: usize) -> Vec<String> {
    let rows = records.len();
    let mut out = Transformed::default();
    let result_of = |error: &Error| {
        let class = error.java_class().rsplit('.').next().unwrap();
        format!("!{class}: {}", error.message())
    };
    if let Err(error) = transform.apply(records, &mut out) {
        // Which the engine takes for an error of every row.
        assert_eq!(error.kind(), Kind::BadRecord);
        return vec![result_of(&error); rows];
    }
    let (pieces, errors) = out.into_parts();
    let mut results = vec![None; rows];
    for piece in pieces {
        assert!(piece.is_complete());
        for (index, line) in encode(&piece.columns.value).into_iter().enumerate() {
            assert_eq!(results[piece.first_row() - first + index].replace(line), None);
        }
    }
    for error in errors {
        assert_eq!(results[error.row - first].replace(result_of(&error.error)), None);
    }
    results.into_iter().map(Option::unwrap_or_default).collect()
}

fn on_tape(column: &Column) -> Column {
    let mut rows = RowsBuilder::new();
    for row in 0..column.len() {
        rows.value(column.row(row)).unwrap();
        rows.finish_row();
    }
    Column { schema: None, data: Data::Rows(rows.finish()) }
}
