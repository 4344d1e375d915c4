//! Allocations of the converters: rows must cost none each, only the columns' growth.

#[path = "support/counting.rs"]
mod counting;

use api::plugin::ConverterRole;
use api::{Column, Converter, Data, Props};
use arrow_array::BinaryViewArray;
use arrow_array::Int64Array;
use engine::convert::{CONVERTERS, JSON};

const ROWS: usize = 10_000;
/// What a converter of scalars may take: its columns, and buffers that double as they grow.
const SCALAR_ALLOCATIONS_MAX: usize = 60;
/// A dozen or so for each column, and as much again for the converter's own buffers.
const ALLOCATIONS_MAX: usize = 300;

fn allocations<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = counting::count();
    let result = work();
    (result, counting::count() - before)
}

fn converter(has_envelope: bool) -> Box<dyn Converter> {
    let mut props = Props::new();
    props.insert("schemas.enable".to_owned(), has_envelope.to_string());
    (JSON.create)(&props, ConverterRole::Value).expect("the settings are right")
}

fn payload(row: usize) -> String {
    format!(
        r#"{{"id":{row},"name":"a name longer than twelve bytes {row}","price":{row}.25,"note":"line\n{row}","nested":{{"flag":{}}},"none":null}}"#,
        row.is_multiple_of(2)
    )
}

/// Reads and writes the records; one segment, few allocations each way.
fn check(mut converter: Box<dyn Converter>, records: impl Iterator<Item = String>) {
    let raw = BinaryViewArray::from_iter_values(records);
    let (decoded, reading) = allocations(|| converter.to_connect("t", &raw).expect("the converter works"));
    assert_eq!((decoded.segments.len(), decoded.errors.len()), (1, 0));
    let column = &decoded.segments[0].column;
    assert!(matches!(column.data, Data::Array(_)));
    assert_eq!(column.len(), ROWS);
    assert!(reading < ALLOCATIONS_MAX, "{reading} allocations for {ROWS} rows");
    let (encoded, writing) =
        allocations(|| converter.from_connect("t", column).expect("the converter works"));
    assert_eq!(encoded.errors.len(), 0);
    assert!(writing < ALLOCATIONS_MAX, "{writing} allocations to write {ROWS} rows");
}

#[test]
fn schemaless_rows_of_one_shape_allocate_nothing_each() {
    check(converter(false), (0..ROWS).map(payload));
}

#[test]
fn enveloped_rows_of_one_shape_allocate_nothing_each() {
    let schema = concat!(
        r#"{"type":"struct","fields":[{"type":"int64","field":"id"},{"type":"string","field":"name"},{"type":"double","field":"price"},"#,
        r#"{"type":"string","field":"note"},{"type":"struct","fields":[{"type":"boolean","field":"flag"}],"field":"nested"},"#,
        r#"{"type":"bytes","optional":true,"field":"none"}]}"#
    );
    check(
        converter(true),
        (0..ROWS).map(|row| format!(r#"{{"schema":{schema},"payload":{}}}"#, payload(row))),
    );
}

/// Rows of changing shapes go onto a tape, which costs no allocation each either.
#[test]
fn rows_of_changing_shapes_allocate_nothing_each() {
    let records = (0..ROWS).map(|row| {
        if row.is_multiple_of(2) {
            payload(row)
        } else {
            format!(r#"{{"list":[{row},"{row}"],"id":"{row}"}}"#)
        }
    });
    let raw = BinaryViewArray::from_iter_values(records);
    let mut converter = converter(false);
    let (decoded, reading) = allocations(|| converter.to_connect("t", &raw).expect("the converter works"));
    assert!(matches!(decoded.segments[0].column.data, Data::Rows(_)));
    assert!(reading < ALLOCATIONS_MAX, "{reading} allocations for {ROWS} rows");
}

/// Reads and writes scalars.
fn check_scalars(class: &str, settings: &[(&str, &str)], records: impl Iterator<Item = Vec<u8>>) {
    let plugin =
        CONVERTERS.iter().find(|plugin| plugin.class.ends_with(class)).expect("the converter is there");
    let props: Props = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let mut converter = (plugin.create)(&props, ConverterRole::Value).expect("the settings are right");
    let raw = BinaryViewArray::from_iter_values(records);
    let (decoded, reading) = allocations(|| converter.to_connect("t", &raw).expect("the converter works"));
    assert_eq!((decoded.segments.len(), decoded.errors.len()), (1, 0));
    assert!(reading < SCALAR_ALLOCATIONS_MAX, "{class} {settings:?}: {reading} allocations for {ROWS} rows");
    let column = &decoded.segments[0].column;
    let (encoded, writing) =
        allocations(|| converter.from_connect("t", column).expect("the converter works"));
    assert_eq!(encoded.bytes, raw, "{class}");
    assert!(
        writing < SCALAR_ALLOCATIONS_MAX,
        "{class} {settings:?}: {writing} allocations to write {ROWS} rows"
    );
}

#[test]
fn scalars_allocate_nothing_each() {
    let numbers = |bytes: usize| (0..ROWS).map(move |row| (row as u64).to_be_bytes()[8 - bytes..].to_vec());
    check_scalars("ShortConverter", &[], numbers(2));
    check_scalars("IntegerConverter", &[], numbers(4));
    check_scalars("LongConverter", &[], numbers(8));
    check_scalars("FloatConverter", &[], numbers(4));
    check_scalars("DoubleConverter", &[], numbers(8));
    check_scalars("BooleanConverter", &[], (0..ROWS).map(|row| vec![row as u8 & 1]));
    let texts = || (0..ROWS).map(|row| format!("a text longer than twelve bytes {row}").into_bytes());
    check_scalars("ByteArrayConverter", &[], texts());
    for encoding in ["UTF-8", "ISO-8859-1", "US-ASCII", "windows-1252"] {
        check_scalars("StringConverter", &[("converter.encoding", encoding)], texts());
    }
}

#[test]
fn numbers_are_printed_without_an_allocation_each() {
    let numbers = Int64Array::from_iter_values(0..ROWS as i64);
    let column = Column { schema: None, data: Data::Array(std::sync::Arc::new(numbers)) };
    let plugin = CONVERTERS.iter().find(|plugin| plugin.class.ends_with("StringConverter"));
    let mut converter = (plugin.expect("the converter is there").create)(&Props::new(), ConverterRole::Value)
        .expect("the settings are right");
    let (encoded, writing) =
        allocations(|| converter.from_connect("t", &column).expect("the converter works"));
    assert_eq!(encoded.bytes.value(ROWS - 1), b"9999");
    assert!(writing < SCALAR_ALLOCATIONS_MAX, "{writing} allocations to print {ROWS} numbers");
}
