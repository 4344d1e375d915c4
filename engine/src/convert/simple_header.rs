//! SimpleHeaderConverter: header values as text, the default of Java's workers.
//!
//! Headers pass a worker as the bytes they are, and never come here, unless a transform or a connector made Connect data of them.

use api::config_def::{Config, ConfigDef};
use api::plugin::HeaderConverterPlugin;
use api::{
    Column, DecodedHeaders, Encoded, Error, HeaderConverter, Plugin, Result, RowError, ValueRef, java_text,
};
use arrow_array::BinaryViewArray;

use super::json::write_base64;

/// `org.apache.kafka.connect.storage.SimpleHeaderConverter`.
pub const SIMPLE_HEADERS: HeaderConverterPlugin = HeaderConverterPlugin::of::<SimpleHeaderConverter>();

/// Schemas whose values are not written as what they are made of.
const LOGICAL: &str = "org.apache.kafka.connect.data.";

#[derive(Debug)]
struct SimpleHeaderConverter;

impl Plugin for SimpleHeaderConverter {
    const CLASS: &'static str = "org.apache.kafka.connect.storage.SimpleHeaderConverter";
    const VERSION: &'static str = super::VERSION;

    fn config_def() -> ConfigDef {
        ConfigDef::default()
    }

    fn create(_config: Config) -> Result<SimpleHeaderConverter> {
        Ok(SimpleHeaderConverter)
    }
}

impl HeaderConverter for SimpleHeaderConverter {
    fn to_connect_headers(
        &mut self,
        _topic: &str,
        _keys: &BinaryViewArray,
        _values: &BinaryViewArray,
    ) -> Result<DecodedHeaders> {
        Err(Error::fatal(
            "this version of Aqueduct does not infer what header values are: choose StringConverter, ByteArrayConverter or \
             JsonConverter as header.converter, so that sinks and transforms can read them",
        ))
    }

    fn from_connect_headers(
        &mut self,
        _topic: &str,
        _keys: &BinaryViewArray,
        values: &Column,
    ) -> Result<Encoded> {
        let mut errors = Vec::new();
        let name = values.schema.as_ref().and_then(|schema| schema.name.as_deref()).unwrap_or_default();
        let mut text = Vec::new();
        let rows = (0..values.len()).map(|row| {
            let value = values.row(row);
            if value.is_null() {
                return None;
            }
            if name.starts_with(LOGICAL) {
                let error = format!("header values of {name} cannot be written as text in this version");
                errors.push(RowError { row, error: Error::bad_record(error) });
                return None;
            }
            text.clear();
            write(&mut text, value, false);
            Some(text.clone())
        });
        let bytes = BinaryViewArray::from_iter(rows);
        Ok(Encoded { bytes, errors })
    }
}

/// As Java's `Values.convertToString`: text is itself, but quoted within a container.
fn write(out: &mut Vec<u8>, value: ValueRef<'_>, is_inner: bool) {
    match value {
        ValueRef::String(text) if is_inner => {
            out.push(b'"');
            for byte in text.bytes() {
                if matches!(byte, b'"' | b'\\') {
                    out.push(b'\\');
                }
                out.push(byte);
            }
            out.push(b'"');
        }
        ValueRef::Bytes(bytes) => write_base64(bytes, out),
        ValueRef::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write(out, item, true);
            }
            out.push(b']');
        }
        ValueRef::Map(entries) => {
            let entries = entries.iter().map(|(key, value)| (Name::Value(key), value));
            write_entries(out, entries);
        }
        ValueRef::Struct(fields) => {
            let fields = fields.fields().map(|(field, value)| (Name::Field(&field.name), value));
            write_entries(out, fields);
        }
        scalar => java_text::write(out, scalar),
    }
}

/// The left side of an entry.
enum Name<'a> {
    Field(&'a str),
    Value(ValueRef<'a>),
}

fn write_entries<'a>(out: &mut Vec<u8>, entries: impl Iterator<Item = (Name<'a>, ValueRef<'a>)>) {
    out.push(b'{');
    for (index, (name, value)) in entries.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        match name {
            Name::Field(name) => write(out, ValueRef::String(name), true),
            Name::Value(key) => write(out, key, true),
        }
        out.push(b':');
        write(out, value, true);
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use api::{Field, Schema, Type, Value};

    use super::*;

    fn text(value: &Value) -> String {
        let mut out = Vec::new();
        write(&mut out, value.as_value_ref(), false);
        String::from_utf8(out).unwrap()
    }

    /// What Java's `Values.convertToString` prints.
    #[test]
    fn values_print_as_in_java() {
        assert_eq!(text(&Value::String("a \"b\"".to_owned())), "a \"b\"");
        assert_eq!(text(&Value::Float64(1.0)), "1.0");
        assert_eq!(text(&Value::Bytes(vec![1, 2])), "AQI=");
        let items = vec![Value::Int8(1), Value::String("a\\\"".to_owned()), Value::Null];
        assert_eq!(text(&Value::Array(items)), r#"[1,"a\\\"",null]"#);
        let string = |text: &str| Value::String(text.to_owned());
        assert_eq!(text(&Value::Map(vec![(string("k"), Value::Boolean(true))])), r#"{"k":true}"#);
        let field = Field { name: Arc::from("f"), schema: Arc::new(Schema::new(Type::Int32)) };
        let schema = Arc::new(Schema::new(Type::Struct(vec![field])));
        assert_eq!(text(&Value::Struct(schema, vec![Value::Int32(7)])), r#"{"f":7}"#);
    }
}
