//! ByteArrayConverter: bytes are bytes, both ways without copying.

use std::sync::Arc;

use api::config_def::{Config, ConfigDef};
use api::plugin::{ConverterPlugin, HeaderConverterPlugin};
use api::{
    Column, Converter, Data, Decoded, Encoded, Error, Plugin, Result, RowError, Schema, SchemaRef, Segment,
    Type,
};
use arrow_array::BinaryViewArray;
use arrow_array::cast::AsArray;

/// `org.apache.kafka.connect.converters.ByteArrayConverter`.
pub const BYTE_ARRAY: ConverterPlugin = ConverterPlugin::of::<ByteArrayConverter>();

/// The same for headers.
pub const BYTE_ARRAY_HEADERS: HeaderConverterPlugin =
    HeaderConverterPlugin::of_converter::<ByteArrayConverter>();

#[derive(Debug)]
struct ByteArrayConverter {
    schema: SchemaRef,
}

impl Plugin for ByteArrayConverter {
    const CLASS: &'static str = "org.apache.kafka.connect.converters.ByteArrayConverter";
    const VERSION: &'static str = super::VERSION;

    fn config_def() -> ConfigDef {
        ConfigDef::default()
    }

    fn create(_config: Config) -> Result<ByteArrayConverter> {
        Ok(ByteArrayConverter { schema: Arc::new(Schema::new(Type::Bytes).optional()) })
    }
}

impl Converter for ByteArrayConverter {
    fn to_connect(&mut self, _topic: &str, raw: &BinaryViewArray) -> Result<Decoded> {
        let column =
            Column { schema: Some(Arc::clone(&self.schema)), data: Data::Array(Arc::new(raw.clone())) };
        Ok(Decoded { segments: vec![Segment { column }], errors: Vec::new() })
    }

    fn from_connect(&mut self, _topic: &str, column: &Column) -> Result<Encoded> {
        let rows = column.len();
        if let Some(schema) = &column.schema
            && schema.kind != Type::Bytes
        {
            let error = || {
                Error::bad_record(format!(
                    "Invalid schema type for ByteArrayConverter: {}",
                    schema.kind.java_name()
                ))
            };
            return Ok(super::refuse_all(rows, error));
        }
        match &column.data {
            Data::Null(_) => {
                return Ok(Encoded { bytes: BinaryViewArray::new_null(rows), errors: Vec::new() });
            }
            Data::Raw(bytes) => return Ok(Encoded { bytes: bytes.clone(), errors: Vec::new() }),
            Data::Array(array) => {
                // Java carries a Decimal as a number, not as bytes.
                let is_plain = column.schema.as_ref().is_none_or(|schema| schema.logical().is_none());
                if let Some(bytes) = array.as_binary_view_opt().filter(|_| is_plain) {
                    return Ok(Encoded { bytes: bytes.clone(), errors: Vec::new() });
                }
            }
            Data::Rows(_) => {}
        }
        let mut errors = Vec::new();
        let bytes = BinaryViewArray::from_iter((0..rows).map(|row| {
            match column.row(row).carried(column.schema.as_ref()) {
                api::ValueRef::Null => None,
                api::ValueRef::Bytes(bytes) => Some(bytes),
                other => {
                    let class = other.java_class();
                    let message =
                        format!("ByteArrayConverter is not compatible with objects of type class {class}");
                    errors.push(RowError { row, error: Error::bad_record(message) });
                    None
                }
            }
        }));
        Ok(Encoded { bytes, errors })
    }
}

#[cfg(test)]
mod tests {
    use api::Props;
    use api::plugin::ConverterRole;
    use arrow_array::{Array, StringViewArray};

    use super::*;

    fn converter() -> Box<dyn Converter> {
        (BYTE_ARRAY.create)(&Props::new(), ConverterRole::Value).unwrap()
    }

    #[test]
    fn it_is_what_the_engine_expects() {
        api::conformance::converter::<ByteArrayConverter>(&Props::new(), &[b"", b"\xff\x00"]);
    }

    #[test]
    fn passes_bytes_both_ways() {
        let raw = BinaryViewArray::from_iter([Some(&b"\xff\x00"[..]), None, Some(b"")]);
        let decoded = converter().to_connect("t", &raw).unwrap();
        let column = &decoded.segments[0].column;
        assert_eq!(column.schema.as_deref(), Some(&Schema::new(Type::Bytes).optional()));
        assert_eq!(converter().from_connect("t", column).unwrap().bytes, raw);
    }

    #[test]
    fn refuses_other_types_in_the_words_of_java() {
        let encoded =
            converter().from_connect("t", &Column::strings(StringViewArray::from(vec!["x", "y"]))).unwrap();
        let messages: Vec<_> =
            encoded.errors.iter().map(|error| (error.row, error.error.to_string())).collect();
        let message = "Invalid schema type for ByteArrayConverter: STRING";
        assert_eq!(messages, [(0, message.to_owned()), (1, message.to_owned())]);
        assert_eq!(encoded.bytes.len(), 2);
    }
}
