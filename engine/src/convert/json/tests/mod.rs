//! Tests of the converter as a whole: tables after the contract, and properties that hold for any input.

use api::plugin::ConverterRole;
use api::{Column, Converter, Decoded, Props, SchemaRef, Value};
use arrow_array::{Array, BinaryViewArray};

mod equivalence;
mod reading;
mod schemas;
mod writing;

fn converter(settings: &[(&str, &str)]) -> Box<dyn Converter> {
    let props: Props = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    (super::JSON.create)(&props, ConverterRole::Value).unwrap()
}

fn schemaless() -> Box<dyn Converter> {
    converter(&[("schemas.enable", "false")])
}

type Row = Result<(Option<SchemaRef>, Value), String>;

/// Every row with its schema, or its error's message.
fn rows(decoded: &Decoded) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for segment in &decoded.segments {
        let column = &segment.column;
        if let api::Data::Array(array) = &column.data {
            array.to_data().validate_full().expect("Arrow's own checks accept what was built unchecked");
        }
        rows.extend((0..column.len()).map(|row| Ok((column.schema.clone(), column.row(row).to_owned()))));
    }
    for error in &decoded.errors {
        assert_eq!(rows[error.row].as_ref().unwrap().1, Value::Null, "a failed row is null");
        rows[error.row] = Err(error.error.to_string());
    }
    rows
}

fn read(converter: &mut dyn Converter, records: &[impl AsRef<[u8]>]) -> Vec<Row> {
    let raw = BinaryViewArray::from_iter_values(records.iter().map(AsRef::as_ref));
    let decoded = converter.to_connect("t", &raw).unwrap();
    let rows = rows(&decoded);
    assert_eq!(rows.len(), records.len());
    rows
}

/// One record's value; the error's message if it has one.
fn read_one(converter: &mut dyn Converter, record: impl AsRef<[u8]>) -> Result<Value, String> {
    read(converter, &[record]).remove(0).map(|(_, value)| value)
}

fn write(converter: &mut dyn Converter, column: &Column) -> Vec<Result<Option<String>, String>> {
    let encoded = converter.from_connect("t", column).unwrap();
    let text = |row| {
        encoded.bytes.is_valid(row).then(|| String::from_utf8(encoded.bytes.value(row).to_vec()).unwrap())
    };
    let mut rows: Vec<_> = (0..encoded.bytes.len()).map(|row| Ok(text(row))).collect();
    for error in encoded.errors {
        assert_eq!(rows[error.row], Ok(None), "a failed row is null");
        rows[error.row] = Err(error.error.to_string());
    }
    rows
}

fn map(entries: &[(&str, Value)]) -> Value {
    Value::Map(entries.iter().map(|(key, value)| (Value::String((*key).to_owned()), value.clone())).collect())
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

/// A record of `payload` under a struct schema with these fields, given as JSON without their braces.
fn enveloped(fields: &[&str], payload: &str) -> String {
    let fields: Vec<_> = fields.iter().map(|field| format!("{{{field}}}")).collect();
    let fields = fields.join(",");
    format!(r#"{{"schema":{{"type":"struct","fields":[{fields}],"optional":false}},"payload":{payload}}}"#)
}
