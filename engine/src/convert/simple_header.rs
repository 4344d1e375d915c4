//! SimpleHeaderConverter: header values as text, the default of Java's workers.
//!
//! Headers pass a worker as the bytes they are, and never come here, unless somebody asks what they are or has made Connect data of
//! them. What a text is, and how a value prints, is [`values`]' business.

use std::sync::Arc;

use api::config_def::{Config, ConfigDef};
use api::java_text::decode_utf8_lossy;
use api::plugin::HeaderConverterPlugin;
use api::{
    Column, ColumnBuilder, ConnectHeaders, DecodedHeaders, Encoded, HeaderConverter, Plugin, Result,
    SchemaRef, Value,
};
use arrow_array::{Array, BinaryViewArray};

use super::values;

/// `org.apache.kafka.connect.storage.SimpleHeaderConverter`.
pub const SIMPLE_HEADERS: HeaderConverterPlugin = HeaderConverterPlugin::of::<SimpleHeaderConverter>();

/// Columns of other schemas that are looked through for that of the next value. Headers have few schemas; where they have many, some
/// get more than one column.
const COLUMNS_SEARCHED_MAX: usize = 32;

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
        values: &BinaryViewArray,
    ) -> Result<DecodedHeaders> {
        let mut columns = Columns::default();
        let (mut column_of, mut row_of) =
            (Vec::with_capacity(values.len()), Vec::with_capacity(values.len()));
        for row in 0..values.len() {
            let parsed =
                if values.is_null(row) { None } else { values::parse(&decode_utf8_lossy(values.value(row))) };
            let (schema, value) = parsed.map_or((None, Value::Null), |parsed| (parsed.schema, parsed.value));
            let (column, row) = columns.push(schema, &value)?;
            column_of.push(column);
            row_of.push(row);
        }
        let values = ConnectHeaders::new(columns.finish()?, column_of.into(), row_of.into());
        Ok(DecodedHeaders { values, errors: Vec::new() })
    }

    fn from_connect_headers(
        &mut self,
        _topic: &str,
        _keys: &BinaryViewArray,
        values: &Column,
    ) -> Result<Encoded> {
        let mut text = Vec::new();
        let mut ends = Vec::with_capacity(values.len());
        for row in 0..values.len() {
            let value = values.row(row);
            let is_null = value.is_null();
            if !is_null {
                values::print(&mut text, values.schema.as_ref(), value);
            }
            ends.push((!is_null).then_some(text.len()));
        }
        Ok(Encoded { bytes: super::views_of(text, &ends)?, errors: Vec::new() })
    }
}

/// Values under construction: a column for each schema, and its rows so far.
#[derive(Default)]
struct Columns(Vec<(Option<SchemaRef>, ColumnBuilder, u32)>);

impl Columns {
    /// Appends a value; returns its column and its row there.
    fn push(&mut self, schema: Option<SchemaRef>, value: &Value) -> Result<(u32, u32)> {
        let is_same = |place: &usize| match (&self.0[*place].0, &schema) {
            (Some(known), Some(schema)) => Arc::ptr_eq(known, schema) || known == schema,
            (known, schema) => known.is_none() && schema.is_none(),
        };
        let found = (0..self.0.len()).rev().take(COLUMNS_SEARCHED_MAX).find(is_same);
        let place = match found {
            Some(place) => place,
            None => {
                let builder = values::builder(schema.clone());
                self.0.push((schema, builder, 0));
                self.0.len() - 1
            }
        };
        let (_, builder, rows) = &mut self.0[place];
        builder.push(value.as_value_ref())?;
        *rows += 1;
        Ok((place as u32, *rows - 1))
    }

    fn finish(self) -> Result<Vec<Column>> {
        self.0.into_iter().map(|(_, builder, _)| builder.finish()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_what_they_look_like_and_print_again() {
        let texts = [
            "1",
            "null",
            "[1,300]",
            "text",
            "true",
            "2",
            "2019-08-23",
            "[1,\"a\"]",
            "",
            "[[1],[300]]",
            "1.5",
        ];
        let raw = BinaryViewArray::from_iter(
            texts.iter().map(|text| Some(text.as_bytes())).chain([None, Some(&b"\xff"[..])]),
        );
        let decoded = SimpleHeaderConverter.to_connect_headers("t", &raw, &raw).unwrap();
        let mut printed = Vec::new();
        for index in 0..raw.len() {
            let (column, row) = decoded.values.place(index);
            let column = decoded.values.columns()[column].slice(row, 1);
            let encoded = SimpleHeaderConverter.from_connect_headers("t", &raw, &column).unwrap();
            let bytes = encoded.bytes.is_valid(0).then(|| encoded.bytes.value(0).to_vec());
            printed.push(bytes.map(|bytes| String::from_utf8(bytes).unwrap()));
        }
        let expected = texts.iter().map(|text| (*text != "null").then(|| (*text).to_owned()));
        assert_eq!(printed, expected.chain([None, Some("\u{fffd}".to_owned())]).collect::<Vec<_>>());
    }
}
