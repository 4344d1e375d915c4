//! JSON: records in one batch, where shapes are learnt from one to the next, are what each of them is alone, where the general parser
//! reads it; and what was read is written and read again as it was.

use api::plugin::ConverterRole;
use api::{Column, Converter, Decoded, Props, SchemaRef, Value};
use arrow_array::BinaryViewArray;

use super::records;

pub fn json(data: &[u8]) {
    check(data, false);
}

pub fn envelope(data: &[u8]) {
    check(data, true);
}

type Row = Result<(Option<SchemaRef>, Value), String>;

fn check(data: &[u8], has_envelope: bool) {
    let records = records(data);
    let together = read(&mut *converter(has_envelope), &records);
    for (record, found) in records.iter().zip(&together) {
        // Records of its own converter have no shape to go by.
        let alone = read(&mut *converter(has_envelope), std::slice::from_ref(record)).remove(0);
        assert_eq!(without_schema_of_null(found), without_schema_of_null(&alone), "{record:?}");
    }
    let raw = BinaryViewArray::from_iter(&records);
    let decoded = converter(has_envelope).to_connect("t", &raw).expect("rows fail, not batches");
    for segment in &decoded.segments {
        written_and_read(&segment.column, has_envelope);
    }
}

fn converter(has_envelope: bool) -> Box<dyn Converter> {
    with_settings(&[("schemas.enable", has_envelope)])
}

/// One that leaves null as it is, so that it can be told from a default.
fn faithful(has_envelope: bool) -> Box<dyn Converter> {
    with_settings(&[("schemas.enable", has_envelope), ("replace.null.with.default", false)])
}

fn with_settings(settings: &[(&str, bool)]) -> Box<dyn Converter> {
    let props: Props = settings.iter().map(|(key, value)| ((*key).to_owned(), value.to_string())).collect();
    (engine::convert::JSON.create)(&props, ConverterRole::Value).expect("these settings are right")
}

fn read(converter: &mut dyn Converter, records: &[Option<&[u8]>]) -> Vec<Row> {
    let raw = BinaryViewArray::from_iter(records);
    rows(&converter.to_connect("t", &raw).expect("rows fail, not batches"))
}

fn rows(decoded: &Decoded) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for segment in &decoded.segments {
        let column = &segment.column;
        rows.extend((0..column.len()).map(|row| Ok((column.schema.clone(), column.row(row).to_owned()))));
    }
    for error in &decoded.errors {
        rows[error.row] = Err(error.error.to_string());
    }
    rows
}

/// A null that stands between values of a type is null all the same.
fn without_schema_of_null(row: &Row) -> Row {
    match row {
        Ok((_, Value::Null)) => Ok((None, Value::Null)),
        other => other.clone(),
    }
}

fn written_and_read(column: &Column, has_envelope: bool) {
    let written = faithful(has_envelope).from_connect("t", column).expect("rows fail, not batches");
    let failed: Vec<usize> = written.errors.iter().map(|error| error.row).collect();
    let texts: Vec<Option<&[u8]>> = written.bytes.iter().collect();
    assert_eq!(texts.len(), column.len());
    let again = read(&mut *faithful(has_envelope), &texts);
    for (row, again) in again.iter().enumerate().filter(|(row, _)| !failed.contains(row)) {
        // Infinities are written as text, and a negative zero, which tiny numbers become, is read as zero.
        let text = String::from_utf8_lossy(texts[row].unwrap_or_default());
        if ["Infinity", "NaN", "-0.0"].iter().any(|part| text.contains(part)) {
            continue;
        }
        let again = again.as_ref().unwrap_or_else(|error| panic!("{text} is not read again: {error}"));
        assert_eq!(again.1, column.row(row).to_owned(), "{text}");
    }
}
