//! Reading and writing JSON: by shape, by the general parser, and by the value trees of serde_json and sonic-rs.
//!
//! The general parser is measured with the converter itself, on records of as many bytes whose keys come in all orders, so that no
//! shape fits. Under an envelope it still knows the schema by its bytes.

use std::hint::black_box;

use api::plugin::ConverterRole;
use api::{Converter, Props};
use arrow_array::BinaryViewArray;
use arrow_array::builder::BinaryViewBuilder;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use engine::convert::JSON;

const ROWS: usize = 1000;
/// What a fetch gives: many records in one buffer.
const BLOCK_BYTES: u32 = 1 << 20;

const SCHEMA: &str = concat!(
    r#"{"type":"struct","fields":[{"type":"int64","optional":false,"field":"id"},{"type":"string","optional":false,"field":"name"},"#,
    r#"{"type":"string","optional":true,"field":"mail"},{"type":"double","optional":false,"field":"price"},"#,
    r#"{"type":"boolean","optional":false,"field":"active"},"#,
    r#"{"type":"int64","optional":false,"name":"org.apache.kafka.connect.data.Timestamp","version":1,"field":"created"}],"#,
    r#""optional":false,"name":"org.example.Order"}"#
);

/// About 130 bytes; `order` says in which order the fields come.
fn payload(row: usize, mut order: usize) -> String {
    let mut fields = vec![
        format!(r#""id":{}"#, 100_000 + row),
        format!(r#""name":"customer-{row:06}""#),
        format!(r#""mail":"customer-{row:06}@example.org""#),
        format!(r#""price":{}.25"#, row % 977),
        format!(r#""active":{}"#, row.is_multiple_of(2)),
        format!(r#""created":{}"#, 1_700_000_000_000_i64 + row as i64),
    ];
    let mut ordered = Vec::new();
    while !fields.is_empty() {
        let next = order % fields.len();
        order /= fields.len();
        ordered.push(fields.remove(next));
    }
    format!("{{{}}}", ordered.join(","))
}

fn envelope(payload: &str) -> String {
    format!(r#"{{"schema":{SCHEMA},"payload":{payload}}}"#)
}

fn batch(records: impl Iterator<Item = String>) -> BinaryViewArray {
    let mut builder = BinaryViewBuilder::new().with_fixed_block_size(BLOCK_BYTES);
    records.for_each(|record| builder.append_value(record));
    builder.finish()
}

fn converter(has_envelope: bool) -> Box<dyn Converter> {
    let mut props = Props::new();
    props.insert("schemas.enable".to_owned(), has_envelope.to_string());
    (JSON.create)(&props, ConverterRole::Value).expect("the settings are right")
}

fn read(c: &mut Criterion) {
    for (name, has_envelope) in [("schemaless", false), ("enveloped", true)] {
        let record = |row: usize, order: usize| {
            let payload = payload(row, order);
            if has_envelope { envelope(&payload) } else { payload }
        };
        let same = batch((0..ROWS).map(|row| record(row, 0)));
        let changing = batch((0..ROWS).map(|row| record(row, 7919 * row)));
        let mut group = c.benchmark_group(format!("json_read_{name}_{}B", same.value(0).len()));
        group.throughput(Throughput::Elements(ROWS as u64));
        let mut by_shape = converter(has_envelope);
        group.bench_function("shape", |b| b.iter(|| by_shape.to_connect("t", black_box(&same))));
        let mut general = converter(has_envelope);
        group.bench_function("general", |b| b.iter(|| general.to_connect("t", black_box(&changing))));
        group.bench_function("serde_json", |b| {
            b.iter(|| {
                for record in black_box(&same).iter().flatten() {
                    black_box(serde_json::from_slice::<serde_json::Value>(record)).expect("JSON");
                }
            });
        });
        group.bench_function("sonic_rs", |b| {
            b.iter(|| {
                for record in black_box(&same).iter().flatten() {
                    black_box(sonic_rs::from_slice::<sonic_rs::Value>(record)).expect("JSON");
                }
            });
        });
        group.finish();
    }
}

fn write(c: &mut Criterion) {
    for (name, has_envelope) in [("schemaless", false), ("enveloped", true)] {
        let records = (0..ROWS).map(|row| payload(row, 0));
        let same = batch(records.map(|record| if has_envelope { envelope(&record) } else { record }));
        let mut converter = converter(has_envelope);
        let decoded = converter.to_connect("t", &same).expect("the converter works");
        let column = &decoded.segments[0].column;
        let mut group = c.benchmark_group(format!("json_write_{name}_{}B", same.value(0).len()));
        group.throughput(Throughput::Elements(ROWS as u64));
        group.bench_function("columns", |b| b.iter(|| converter.from_connect("t", black_box(column))));
        group.finish();
    }
}

criterion_group!(benches, read, write);
criterion_main!(benches);
