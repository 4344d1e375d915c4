//! The converters of numbers, booleans, text and header values on columns, beside what a converter does that takes one record at a time
//! and gives each its own value.

use std::hint::black_box;

use api::plugin::ConverterRole;
use api::{Converter, Props, Value};
use arrow_array::builder::BinaryViewBuilder;
use arrow_array::{Array, BinaryViewArray};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use engine::convert::{CONVERTERS, HEADER_CONVERTERS};

const ROWS: usize = 1000;
/// What a fetch gives: many records in one buffer.
const BLOCK_BYTES: u32 = 1 << 20;

fn batch(records: impl Iterator<Item = Vec<u8>>) -> BinaryViewArray {
    let mut builder = BinaryViewBuilder::new().with_fixed_block_size(BLOCK_BYTES);
    records.for_each(|record| builder.append_value(record));
    builder.finish()
}

fn converter(class: &str, settings: &[(&str, &str)]) -> Box<dyn Converter> {
    let plugin =
        CONVERTERS.iter().find(|plugin| plugin.class.ends_with(class)).expect("the converter is there");
    let props: Props = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    (plugin.create)(&props, ConverterRole::Value).expect("the settings are right")
}

/// A value from bytes, and bytes from a value.
type ByRow = (fn(&[u8]) -> Value, fn(&Value) -> Vec<u8>);

fn measure(
    c: &mut Criterion,
    name: &str,
    mut converter: Box<dyn Converter>,
    raw: &BinaryViewArray,
    by_row: ByRow,
) {
    let decoded = converter.to_connect("t", raw).expect("the converter works");
    let column = &decoded.segments[0].column;
    let mut group = c.benchmark_group(format!("convert_{name}"));
    group.throughput(Throughput::Elements(ROWS as u64));
    group.bench_function("read/columns", |b| b.iter(|| converter.to_connect("t", black_box(raw))));
    group.bench_function("read/rows", |b| {
        b.iter(|| black_box(raw).iter().map(|row| row.map(by_row.0)).collect::<Vec<_>>());
    });
    group.bench_function("write/columns", |b| b.iter(|| converter.from_connect("t", black_box(column))));
    let values: Vec<Value> = raw.iter().flatten().map(by_row.0).collect();
    group.bench_function("write/rows", |b| {
        b.iter(|| black_box(&values).iter().map(by_row.1).collect::<Vec<_>>());
    });
    group.finish();
}

fn scalars(c: &mut Criterion) {
    let longs = batch((0..ROWS).map(|row| (row as u64).to_be_bytes().to_vec()));
    let by_row: ByRow = (
        |bytes| Value::Int64(i64::from_be_bytes(bytes.try_into().expect("eight bytes"))),
        |value| match value {
            Value::Int64(value) => value.to_be_bytes().to_vec(),
            _ => Vec::new(),
        },
    );
    measure(c, "long", converter("LongConverter", &[]), &longs, by_row);
    let flags = batch((0..ROWS).map(|row| vec![row as u8 & 1]));
    let by_row: ByRow =
        (|bytes| Value::Boolean(bytes == [1]), |value| vec![u8::from(*value == Value::Boolean(true))]);
    measure(c, "boolean", converter("BooleanConverter", &[]), &flags, by_row);
    let texts = batch((0..ROWS).map(|row| format!("{row:0>100}").into_bytes()));
    let by_row: ByRow = (
        |bytes| Value::String(String::from_utf8_lossy(bytes).into_owned()),
        |value| match value {
            Value::String(value) => value.clone().into_bytes(),
            _ => Vec::new(),
        },
    );
    measure(c, "string_100B", converter("StringConverter", &[]), &texts, by_row);
    let latin1 = converter("StringConverter", &[("converter.encoding", "ISO-8859-1")]);
    let by_row: ByRow = (
        |bytes| Value::String(bytes.iter().map(|byte| char::from(*byte)).collect()),
        |value| match value {
            Value::String(value) => value.chars().map(|character| character as u8).collect(),
            _ => Vec::new(),
        },
    );
    measure(c, "string_latin1_100B", latin1, &texts, by_row);
}

fn headers(c: &mut Criterion) {
    let plugin = HEADER_CONVERTERS.iter().find(|plugin| plugin.class.ends_with("SimpleHeaderConverter"));
    let mut converter =
        (plugin.expect("the converter is there").create)(&Props::new()).expect("there are no settings");
    let texts = ["1700000000", "a text of some words", "true", "[1,2,3]", "2019-08-23T14:34:54.346Z", "12.5"];
    let values = batch((0..ROWS).map(|row| texts[row % texts.len()].as_bytes().to_vec()));
    let mut group = c.benchmark_group("convert_simple_header");
    group.throughput(Throughput::Elements(ROWS as u64));
    group.bench_function("read", |b| {
        b.iter(|| converter.to_connect_headers("t", &values, black_box(&values)));
    });
    group.finish();
    assert_eq!(values.len(), ROWS);
}

criterion_group!(benches, scalars, headers);
criterion_main!(benches);
