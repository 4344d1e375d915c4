//! BooleanConverter: one byte, 0 or 1.

use std::sync::Arc;

use api::config_def::{Config, ConfigDef};
use api::plugin::{ConverterPlugin, HeaderConverterPlugin};
use api::views::{Inline, inline};
use api::{
    Column, Converter, Data, Decoded, Encoded, Error, Plugin, Result, RowError, Schema, SchemaRef, Segment,
    Type, ValueRef,
};
use arrow_array::cast::AsArray;
use arrow_array::{Array, BinaryViewArray, BooleanArray};
use arrow_buffer::{BooleanBufferBuilder, NullBufferBuilder};

use super::number::nulls_of;

/// `org.apache.kafka.connect.converters.BooleanConverter`.
pub const BOOLEAN: ConverterPlugin = ConverterPlugin::of::<BooleanConverter>();

/// The same for headers.
pub const BOOLEAN_HEADERS: HeaderConverterPlugin = HeaderConverterPlugin::of_converter::<BooleanConverter>();

#[derive(Debug)]
struct BooleanConverter {
    schema: SchemaRef,
}

impl Plugin for BooleanConverter {
    const CLASS: &'static str = "org.apache.kafka.connect.converters.BooleanConverter";
    const VERSION: &'static str = super::VERSION;

    fn config_def() -> ConfigDef {
        ConfigDef::default()
    }

    fn create(_config: Config) -> Result<BooleanConverter> {
        Ok(BooleanConverter { schema: Arc::new(Schema::new(Type::Boolean).optional()) })
    }
}

impl Converter for BooleanConverter {
    fn to_connect(&mut self, _topic: &str, raw: &BinaryViewArray) -> Result<Decoded> {
        let mut values = BooleanBufferBuilder::new(raw.len());
        let mut errors = Vec::new();
        for row in 0..raw.len() {
            let value = match raw.value(row) {
                [0] => false,
                [1] => true,
                _ if raw.is_null(row) => false,
                _ => {
                    errors
                        .push(RowError { row, error: Error::bad_record("Failed to deserialize boolean: ") });
                    false
                }
            };
            values.append(value);
        }
        let array = BooleanArray::new(values.finish(), nulls_of(raw, &errors));
        let column = Column { schema: Some(Arc::clone(&self.schema)), data: Data::Array(Arc::new(array)) };
        Ok(Decoded { segments: vec![Segment { column }], errors })
    }

    fn from_connect(&mut self, _topic: &str, column: &Column) -> Result<Encoded> {
        let rows = column.len();
        if let Some(schema) = &column.schema
            && schema.kind != Type::Boolean
        {
            let kind = schema.kind.java_name();
            let error = || Error::bad_record(format!("Invalid schema type for BooleanConverter: {kind}"));
            return Ok(super::refuse_all(rows, error));
        }
        let write = |value: bool| Inline::new([u8::from(value)]);
        if let Data::Array(array) = &column.data
            && let Some(flags) = array.as_boolean_opt()
        {
            let written = flags.values().iter().map(write).collect();
            return Ok(Encoded { bytes: inline(written, flags.nulls().cloned()), errors: Vec::new() });
        }
        let mut written = Vec::with_capacity(rows);
        let mut nulls = NullBufferBuilder::new(rows);
        let mut errors = Vec::new();
        for row in 0..rows {
            let value = match column.row(row) {
                ValueRef::Boolean(value) => Some(value),
                ValueRef::Null => None,
                other => {
                    let class = other.java_class();
                    let message =
                        format!("BooleanConverter is not compatible with objects of type class {class}");
                    errors.push(RowError { row, error: Error::bad_record(message) });
                    None
                }
            };
            written.push(value.map_or(Inline::EMPTY, write));
            nulls.append(value.is_some());
        }
        Ok(Encoded { bytes: inline(written, nulls.finish()), errors })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_the_engine_expects() {
        api::conformance::converter::<BooleanConverter>(&api::Props::new(), &[&[0], &[1]]);
    }
}
