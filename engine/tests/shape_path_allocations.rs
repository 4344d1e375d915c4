//! Allocations of JSON by shape, transforms and JSON again: of a batch, never of a record. Counted for batches of two sizes, one ten times
//! the other, on converters and transforms that have seen a batch before.

#[path = "support/counting.rs"]
mod counting;

use std::sync::Arc;

use api::plugin::ConverterRole;
use api::{
    Body, Column, Columns, Converter, Data, Headers, KafkaOffsets, Origin, Props, Records, Run, Timestamps,
    TopicPartition, Transform, Transformed,
};
use arrow_array::builder::BinaryViewBuilder;
use arrow_array::{Array, BinaryViewArray};
use engine::convert::JSON;
use engine::transform::TRANSFORMS;

const ROWS: usize = 500;
/// So many times more rows may cost so many allocations more: buffers that double as they grow.
const TIMES: usize = 10;
const GROWTH_MAX: usize = 40;
/// Ample for a batch of seven columns; a fraction of one for each record.
const BATCH_MAX: usize = 400;

type Settings = &'static [(&'static str, &'static str)];

const EXTRACT: (&str, Settings) = ("ExtractField$Value", &[("field", "mail")]);
const HOIST: (&str, Settings) = ("HoistField$Value", &[("field", "order")]);
const REPLACE: (&str, Settings) = ("ReplaceField$Value", &[("exclude", "city"), ("renames", "mail:email")]);
const INSERT: (&str, Settings) = (
    "InsertField$Value",
    &[
        ("static.field", "source"),
        ("static.value", "shop"),
        ("offset.field", "at"),
        ("timestamp.field", "time"),
    ],
);
const CAST: (&str, Settings) = ("Cast$Value", &[("spec", "id:string,price:int32,active:string")]);
const MASK: (&str, Settings) = ("MaskField$Value", &[("fields", "mail,price")]);
const FLATTEN: (&str, Settings) = ("Flatten$Value", &[]);
const UNIX: (&str, Settings) = (
    "TimestampConverter$Value",
    &[("field", "created"), ("target.type", "unix"), ("unix.precision", "seconds")],
);

fn props(settings: &[(&str, &str)]) -> Props {
    settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn converter(has_envelope: bool) -> Box<dyn Converter> {
    let settings = props(&[("schemas.enable", &has_envelope.to_string())]);
    (JSON.create)(&settings, ConverterRole::Value).expect("the settings are right")
}

fn transform(&(class, settings): &(&str, Settings)) -> Box<dyn Transform> {
    let plugin = TRANSFORMS.iter().find(|plugin| plugin.class.rsplit('.').next() == Some(class));
    (plugin.expect("the transform is built in").create)(&props(settings)).expect("the settings are right")
}

fn record(row: usize, has_envelope: bool) -> String {
    let payload = format!(
        r#"{{"id":{row},"name":"customer-{row:06}","mail":"customer-{row:06}@example.org","price":{row}.25,"active":{},"created":{},"city":"Trondheim"}}"#,
        row.is_multiple_of(2),
        1_700_000_000_000_i64 + row as i64
    );
    let field = |kind: &str, name: &str| format!(r#"{{"type":"{kind}","field":"{name}"}}"#);
    let fields = [
        field("int64", "id"),
        field("string", "name"),
        field("string", "mail"),
        field("double", "price"),
        field("boolean", "active"),
        r#"{"type":"int64","field":"created","name":"org.apache.kafka.connect.data.Timestamp","version":1}"#
            .to_owned(),
        field("string", "city"),
    ];
    if !has_envelope {
        return payload;
    }
    format!(r#"{{"schema":{{"type":"struct","fields":[{}]}},"payload":{payload}}}"#, fields.join(","))
}

/// As a fetch gives them: in one buffer.
fn raw(rows: usize, has_envelope: bool) -> BinaryViewArray {
    let mut builder = BinaryViewBuilder::new().with_fixed_block_size(16 << 20);
    (0..rows).for_each(|row| builder.append_value(record(row, has_envelope)));
    builder.finish()
}

fn records(value: Column, topic: &Arc<str>, times: Timestamps) -> Records {
    let rows = value.len();
    let columns = Columns { key: Column::null(rows), value, headers: Headers::none(), timestamps: times };
    let from = TopicPartition { topic: Arc::clone(topic), partition: 0 };
    let origin = Origin::Kafka { from, offsets: KafkaOffsets { base: 0, deltas: None, next: rows as i64 } };
    let run = Run { topic: Arc::clone(topic), partition: Some(0), origin, body: Body::Columns(columns) };
    Records::of_run(run).expect("columns are no packed run")
}

/// A converter on either side and transforms between them.
struct Path {
    reader: Box<dyn Converter>,
    stages: Vec<Box<dyn Transform>>,
    writer: Box<dyn Converter>,
}

impl Path {
    fn new(stages: &[(&str, Settings)], has_envelope: bool) -> Path {
        Path {
            reader: converter(has_envelope),
            stages: stages.iter().map(transform).collect(),
            writer: converter(has_envelope),
        }
    }

    /// Takes a batch through; gives what comes out and the allocations.
    fn run(&mut self, raw: &BinaryViewArray) -> (BinaryViewArray, usize) {
        let topic = Arc::from("t");
        let times = Timestamps::Each((0..raw.len() as i64).collect());
        let before = counting::count();
        let mut decoded = self.reader.to_connect("t", raw).expect("the converter works");
        let segment = decoded.segments.remove(0);
        let mut records = records(segment.column, &topic, times);
        for stage in &mut self.stages {
            let mut out = Transformed::default();
            stage.apply(records, &mut out).expect("the transform works");
            let (mut pieces, errors) = out.into_parts();
            assert_eq!((pieces.len(), errors.len()), (1, 0));
            records = pieces.remove(0);
        }
        let encoded = self.writer.from_connect("t", &records.columns.value).expect("the converter works");
        let count = counting::count() - before;
        assert_eq!((decoded.segments.len(), decoded.errors.len(), encoded.errors.len()), (0, 0, 0));
        assert!(matches!(records.columns.value.data, Data::Array(_)));
        (encoded.bytes, count)
    }
}

fn check(stages: &[(&str, Settings)], has_envelope: bool) {
    let names: Vec<_> = stages.iter().map(|(class, _)| *class).collect();
    let (small, large) = (raw(ROWS, has_envelope), raw(TIMES * ROWS, has_envelope));
    let mut path = Path::new(stages, has_envelope);
    path.run(&small);
    let (_, few) = path.run(&small);
    let (encoded, many) = path.run(&large);
    assert_eq!(encoded.len(), TIMES * ROWS);
    assert!(few <= BATCH_MAX, "{names:?}, envelope: {has_envelope}: {few} allocations for {ROWS} records");
    assert!(
        many <= few + GROWTH_MAX,
        "{names:?}, envelope: {has_envelope}: {few} allocations for {ROWS} records, {many} for {TIMES} times as many"
    );
}

#[test]
fn allocations_do_not_grow_with_the_records() {
    for has_envelope in [false, true] {
        check(&[], has_envelope);
        for stage in [EXTRACT, HOIST, REPLACE, INSERT, CAST, MASK, FLATTEN, UNIX] {
            check(&[stage], has_envelope);
        }
        check(&[REPLACE, HOIST], has_envelope);
        check(&[INSERT, REPLACE, CAST], has_envelope);
    }
}

/// What was written last is written over only when nobody holds it any more.
#[test]
fn what_a_converter_wrote_stays_as_it_is_while_somebody_holds_it() {
    let mut path = Path::new(&[], false);
    let (first, _) = path.run(&raw(10, false));
    let (second, _) = path.run(&raw(20, false));
    assert_eq!(first.value(9), record(9, false).as_bytes());
    drop(first);
    let (third, _) = path.run(&raw(5, false));
    assert_eq!(second.value(19), record(19, false).as_bytes());
    drop(second);
    path.run(&raw(30, false));
    assert_eq!(third.value(4), record(4, false).as_bytes());
}
