//! Properties that every transform has, whatever its settings and whatever comes: it does not panic, each record is changed, kept,
//! dropped or failed exactly once and in order, and what it makes can be read and written.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

use std::sync::Arc;

use api::plugin::{ConverterRole, TransformPlugin};
use api::{
    Body, Column, ColumnBuilder, Columns, ConnectHeaders, Data, Field, HeaderColumns, HeaderPart,
    HeaderValues, Headers, KafkaOffsets, Origin, Props, Records, Run, Schema, SchemaRef, SourceOffsets,
    SourcePartition, Timestamps, TopicPartition, Touches, Transformed, Type, Value,
};
use arrow_array::{Array as _, BinaryViewArray};
use engine::transform::TRANSFORMS;
use proptest::prelude::*;
use proptest::sample::{Index, select};

const NAMES: [&str; 5] = ["a", "b", "c", "d.e", "ü"];
const HEADERS: [&str; 2] = ["h", "i"];

fn leaf() -> impl Strategy<Value = Schema> {
    let kinds = vec![
        Schema::new(Type::Int8),
        Schema::new(Type::Int16),
        Schema::new(Type::Int32),
        Schema::new(Type::Int64),
        Schema::new(Type::Float32),
        Schema::new(Type::Float64),
        Schema::new(Type::Boolean),
        Schema::new(Type::String),
        Schema::new(Type::Bytes),
        Schema::decimal(2),
        Schema::date(),
        Schema::time(),
        Schema::timestamp(),
        Schema::new(Type::String).named("N"),
    ];
    (select(kinds), any::<bool>(), any::<bool>()).prop_map(|(schema, optional, has_default)| {
        let mut schema = Schema { optional, ..schema };
        if has_default && schema.logical().is_none() {
            schema.default = match schema.kind {
                Type::Int32 => Some(Value::Int32(7)),
                Type::String => Some(Value::String("default".to_owned())),
                _ => None,
            };
        }
        schema
    })
}

fn any_schema() -> impl Strategy<Value = SchemaRef> {
    let nested = leaf().prop_recursive(3, 12, 4, |inner| {
        let inner = inner.prop_map(Arc::new);
        prop_oneof![
            1 => (inner.clone(), any::<bool>())
                .prop_map(|(items, optional)| Schema { optional, ..Schema::new(Type::Array(Some(items))) }),
            1 => (inner.clone(), any::<bool>()).prop_map(|(values, is_text)| {
                let keys = Schema::new(if is_text { Type::String } else { Type::Int32 });
                Schema::new(Type::Map(Some(Arc::new(keys)), Some(values)))
            }),
            4 => (prop::collection::vec(inner, 0..NAMES.len()), any::<bool>(), 0..NAMES.len()).prop_map(
                |(schemas, optional, first)| {
                    let names = NAMES.iter().cycle().skip(first);
                    let fields = schemas.into_iter().zip(names);
                    let fields = fields.map(|(schema, name)| Field { name: (*name).into(), schema }).collect();
                    Schema { optional, ..Schema::new(Type::Struct(fields)) }
                }
            ),
        ]
    });
    nested.prop_map(Arc::new)
}

/// A value of a schema, chosen by a few numbers.
fn value_of(schema: &SchemaRef, choices: &mut impl Iterator<Item = u64>) -> Value {
    let mut next = || choices.next().unwrap();
    if schema.optional && next() % 4 == 0 {
        return Value::Null;
    }
    let number = match next() % 4 {
        0 => i64::MIN,
        1 => i64::MAX,
        2 => next() as i64,
        _ => (next() % 100_000) as i64 - 500,
    };
    let float = [0.0, -0.0, f64::NAN, f64::INFINITY, f64::MIN_POSITIVE, 1e300, -1.5][(next() % 7) as usize];
    let texts = ["", "12", " x", "2024-02-29", "1e400", "ü😀", "0x1p3", "true", "longer than twelve bytes"];
    match &schema.kind {
        Type::Int8 => Value::Int8(number as i8),
        Type::Int16 => Value::Int16(number as i16),
        Type::Int32 => Value::Int32(number as i32),
        Type::Int64 => Value::Int64(number),
        Type::Float32 => Value::Float32(float as f32),
        Type::Float64 => Value::Float64(float),
        Type::Boolean => Value::Boolean(number % 2 == 0),
        Type::String => Value::String(texts[number.unsigned_abs() as usize % texts.len()].to_owned()),
        Type::Bytes => Value::Bytes(number.to_be_bytes()[..1 + (number & 7) as usize].to_vec()),
        Type::Array(items) => {
            let count = next() % 3;
            Value::Array((0..count).map(|_| value_of(items.as_ref().unwrap(), choices)).collect())
        }
        Type::Map(keys, values) => {
            let is_text = keys.as_ref().unwrap().kind == Type::String;
            let key = |index: u64| {
                let name = || NAMES[index as usize].to_owned();
                if is_text { Value::String(name()) } else { Value::Int32(index as i32) }
            };
            let count = next() % 4;
            let entries = (0..count).map(|index| (key(index), value_of(values.as_ref().unwrap(), choices)));
            Value::Map(entries.collect())
        }
        Type::Struct(fields) => {
            let values = fields.iter().map(|field| value_of(&field.schema, choices)).collect();
            Value::Struct(Arc::clone(schema), values)
        }
    }
}

/// The same without schemas: structs are maps, and what schemas say of integers is said by the value.
fn without_schema(schema: &SchemaRef, value: api::ValueRef<'_>) -> Value {
    match value.carried(Some(schema)) {
        api::ValueRef::Struct(fields) => Value::Map(
            fields
                .fields()
                .map(|(field, value)| {
                    (Value::String(field.name.to_string()), without_schema(&field.schema, value))
                })
                .collect(),
        ),
        other => other.to_owned(),
    }
}

/// How a column is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Typed,
    Tape,
    /// A struct array without a schema, as shape-learnt JSON is.
    Objects,
    Nulls,
}

fn any_column(rows: usize) -> impl Strategy<Value = Column> {
    let form = select(vec![Form::Typed, Form::Typed, Form::Tape, Form::Objects, Form::Nulls]);
    (any_schema(), form, prop::collection::vec(any::<u64>(), 8..40), any::<bool>()).prop_map(
        move |(schema, form, choices, has_nulls)| {
            let mut choices = choices.into_iter().cycle();
            let mut typed = ColumnBuilder::new(Some(Arc::clone(&schema)));
            let mut tape = ColumnBuilder::new(None);
            for row in 0..rows {
                if has_nulls && row % 3 == 1 {
                    typed.push_null();
                    tape.push_null();
                    continue;
                }
                let value = value_of(&schema, &mut choices);
                typed.push(value.as_value_ref()).unwrap();
                let loose = without_schema(&schema, value.as_value_ref());
                if tape.push(loose.as_value_ref()).is_err() {
                    tape.push_null();
                }
            }
            match form {
                Form::Typed => typed.finish().unwrap(),
                Form::Tape => tape.finish().unwrap(),
                Form::Objects if matches!(schema.kind, Type::Struct(_)) && is_plain(&schema) => {
                    Column { schema: None, ..typed.finish().unwrap() }
                }
                Form::Objects => tape.finish().unwrap(),
                Form::Nulls => Column::null(rows),
            }
        },
    )
}

/// Whether JSON without a schema has such values.
fn is_plain(schema: &Schema) -> bool {
    schema.logical().is_none()
        && match &schema.kind {
            Type::Struct(fields) => fields.iter().all(|field| is_plain(&field.schema)),
            Type::Array(items) => items.as_ref().is_some_and(|items| is_plain(items)),
            kind => matches!(kind, Type::Int64 | Type::Float64 | Type::Boolean | Type::String),
        }
}

/// Settings that each transform takes, put together from a few words.
fn settings(class: &str, choices: &mut impl Iterator<Item = u64>) -> Props {
    let mut next = || choices.next().unwrap() as usize;
    let mut name = || NAMES[next() % NAMES.len()];
    let (first, mut second) = (name(), name());
    if first == second {
        second = "none";
    }
    let one = |words: &[&'static str], choice: usize| words[choice % words.len()];
    let types = ["int8", "int16", "int32", "int64", "float32", "float64", "boolean", "string"];
    let choice = next();
    let rest = choice / 7;
    let pairs: Vec<(&str, String)> = match class.rsplit('.').next().unwrap().split('$').next().unwrap() {
        "Cast" if choice.is_multiple_of(3) => vec![("spec", one(&types, rest).to_owned())],
        "Cast" => vec![("spec", format!("{first}:{},{second}:{}", one(&types, rest), one(&types, rest / 8)))],
        "DropHeaders" => vec![("headers", one(&HEADERS, rest).to_owned())],
        "ExtractField" => vec![
            ("field", one(&["a", "a.b", "a.b.c", "d.e", "`d.e`.a", "none"], rest).to_owned()),
            ("field.syntax.version", one(&["V1", "V2"], choice).to_owned()),
        ],
        "Filter" => vec![],
        "Flatten" => vec![("delimiter", one(&[".", "_", ""], rest).to_owned())],
        "HeaderFrom" => vec![
            ("fields", format!("{first},{second}")),
            ("headers", "h,new".to_owned()),
            ("operation", one(&["move", "copy"], rest).to_owned()),
        ],
        "HoistField" => vec![("field", first.to_owned())],
        "InsertField" => vec![
            ("topic.field", one(&["t", "a", "t!"], rest).to_owned()),
            ("partition.field", "p".to_owned()),
            ("timestamp.field", one(&["ts", "ts!", "b"], choice).to_owned()),
            ("static.field", first.to_owned()),
            ("static.value", second.to_owned()),
        ],
        "InsertHeader" => {
            vec![("header", "h".to_owned()), ("value.literal", one(&["1", "[1]", "x"], rest).to_owned())]
        }
        "MaskField" if choice.is_multiple_of(2) => vec![("fields", format!("{first},{second}"))],
        "MaskField" => vec![
            ("fields", format!("{first},{second}")),
            ("replacement", one(&["1", "2.5", "300", "x"], rest).to_owned()),
        ],
        "RegexRouter" => {
            vec![("regex", "(.*)c".to_owned()), ("replacement", one(&["$1", "x$7", ""], rest).to_owned())]
        }
        "ReplaceField" => vec![
            (one(&["include", "exclude"], choice), second.to_owned()),
            ("renames", format!("{first}:{}", one(&["n", "b", "a"], rest))),
        ],
        "SetSchemaMetadata" => vec![("schema.name", "N".to_owned()), ("schema.version", "2".to_owned())],
        "TimestampConverter" => vec![
            ("field", if choice.is_multiple_of(3) { String::new() } else { first.to_owned() }),
            ("target.type", one(&["string", "unix", "Date", "Time", "Timestamp"], rest).to_owned()),
            ("format", one(&["yyyy-MM-dd", "G yyyyy EEE D HH:mm:ss.SSS z", "S"], rest / 5).to_owned()),
            (
                "unix.precision",
                one(&["seconds", "milliseconds", "microseconds", "nanoseconds"], choice).to_owned(),
            ),
        ],
        "TimestampRouter" => vec![("timestamp.format", one(&["yyyyMMdd", "G YYYY ww u"], rest).to_owned())],
        "ValueToKey" => vec![("fields", format!("{first},{second}"))],
        other => panic!("{other} has no settings here: add some"),
    };
    let mut props: Props = pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    if choice.is_multiple_of(5) {
        props.insert("replace.null.with.default".to_owned(), "false".to_owned());
    }
    props
}

fn headers(rows: usize) -> Headers {
    let keys = BinaryViewArray::from_iter_values((0..rows).map(|row| HEADERS[row % 2]));
    let values = ConnectHeaders::of_segments(vec![Column::null(rows)]);
    let bounds = (0..=rows as u32).collect();
    Headers::of_parts(vec![HeaderPart::Each(HeaderColumns::new(bounds, keys, HeaderValues::Connect(values)))])
}

fn records(rows: usize, key: Column, value: Column, is_sink: bool) -> Records {
    let columns = Columns { key, value, headers: headers(rows), timestamps: timestamps(rows) };
    let origin = if is_sink {
        let from = TopicPartition { topic: Arc::from("topic"), partition: 1 };
        Origin::Kafka { from, offsets: KafkaOffsets { base: 0, deltas: None, next: rows as i64 } }
    } else {
        Origin::Source { partition: SourcePartition::none(), offsets: SourceOffsets::None }
    };
    let partition = is_sink.then_some(1);
    let run = Run { topic: Arc::from("topic"), partition, origin, body: Body::Columns(columns) };
    Records::of_run(run).unwrap()
}

fn timestamps(rows: usize) -> Timestamps {
    let of = |row: usize| if row.is_multiple_of(3) { Timestamps::ABSENT } else { row as i64 * 86_400_000 };
    Timestamps::Each((0..rows).map(of).collect())
}

/// Reads every value and writes it as JSON: neither may panic, and each row has to become bytes or an error.
fn exercise(column: &Column) {
    if let Data::Array(array) = &column.data {
        array.to_data().validate_full().unwrap();
    }
    for row in 0..column.len() {
        let _owned = column.row(row).to_owned();
    }
    let mut json = (engine::convert::JSON.create)(&Props::new(), ConverterRole::Value).unwrap();
    let encoded = json.from_connect("t", column).unwrap();
    assert_eq!(encoded.bytes.len(), column.len());
}

fn check(plugin: &TransformPlugin, props: &Props, records: Records) -> Result<(), TestCaseError> {
    let mut transform = match (plugin.create)(props) {
        Ok(transform) => transform,
        Err(error) => {
            return Err(TestCaseError::fail(format!("{} refuses {props:?}: {error}", plugin.class)));
        }
    };
    let raw = |rows: usize| Column::raw(BinaryViewArray::from_iter_values((0..rows).map(|_| "raw")));
    let Touches { key, value, .. } = transform.touches();
    for (start, len) in [(0, records.len()), (records.len() / 2, records.len() - records.len() / 2)] {
        let mut some = records.slice(start, len);
        if !key {
            some.columns.key = raw(len);
        }
        if !value {
            some.columns.value = raw(len);
        }
        let mut out = Transformed::default();
        let Ok(()) = transform.apply(some, &mut out) else { continue };
        let (pieces, errors) = out.into_parts();
        let mut fate = vec![0; len];
        let mut next = start;
        for piece in &pieces {
            prop_assert!(piece.is_complete(), "columns of differing lengths");
            prop_assert!(piece.first_row() >= next, "the order has changed");
            next = piece.first_row() + piece.len();
            fate[piece.first_row() - start..next - start].iter_mut().for_each(|count| *count += 1);
            exercise(&piece.columns.key);
            exercise(&piece.columns.value);
            for row in 0..piece.len() {
                for header in piece.columns.headers.iter(row) {
                    let _shown = format!("{header:?}");
                }
            }
        }
        errors.iter().for_each(|error| fate[error.row - start] += 1);
        let expected = usize::from(!plugin.class.ends_with(".Filter"));
        prop_assert!(fate.iter().all(|count| *count == expected), "{fate:?} of {} {props:?}", plugin.class);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn every_record_has_one_fate_whatever_the_column(
        (key, value) in (1..7_usize).prop_flat_map(|rows| (any_column(rows), any_column(rows))),
        choices in prop::collection::vec(any::<u64>(), 16),
        start in any::<Index>(),
        is_sink in any::<bool>(),
    ) {
        let rows = value.len();
        for at in 0..TRANSFORMS.len() {
            let plugin = &TRANSFORMS[(start.index(TRANSFORMS.len()) + at) % TRANSFORMS.len()];
            let mut choices = choices.iter().copied().cycle().skip(at);
            let props = settings(plugin.class, &mut choices);
            check(plugin, &props, records(rows, key.clone(), value.clone(), is_sink))?;
        }
    }
}
