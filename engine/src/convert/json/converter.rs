//! The converter itself: settings, and which reader and writer they choose.

use std::sync::Arc;

use api::config_def::{Config, ConfigDef};
use api::plugin::{ConverterPlugin, HeaderConverterPlugin};
use api::{Column, Converter, Decoded, Encoded, Error, Plugin, Result, RowError, SchemaRef};
use arrow_array::{Array, BinaryViewArray};
use arrow_buffer::Buffer;

use super::general::{Parser, SyntaxError};
use super::output::Output;
use super::settings::{self, Settings};
use super::views::Block;
use super::write::Style;
use super::write_columns::RowWriter;
use super::{envelope, schema_json, schemaless};

/// `org.apache.kafka.connect.json.JsonConverter`.
pub const JSON: ConverterPlugin = ConverterPlugin::of::<JsonConverter>();

/// The same for headers.
pub const JSON_HEADERS: HeaderConverterPlugin = HeaderConverterPlugin::of_converter::<JsonConverter>();

#[derive(Debug)]
struct JsonConverter {
    reader: Reader,
    writer: Writer,
}

#[derive(Debug)]
enum Reader {
    Schemaless(schemaless::Reader),
    Typed(Box<envelope::Reader>),
}

/// Writes columns.
#[derive(Debug)]
struct Writer {
    has_envelope: bool,
    style: Style,
    /// The last schema and the text before a value of it.
    prefix: Option<(Option<SchemaRef>, Vec<u8>)>,
    out: Output,
}

impl Plugin for JsonConverter {
    const CLASS: &'static str = "org.apache.kafka.connect.json.JsonConverter";
    const VERSION: &'static str = super::super::VERSION;

    fn config_def() -> ConfigDef {
        settings::table()
    }

    fn create(config: Config) -> Result<JsonConverter> {
        let Settings { has_envelope, schemas_max, schema_content, style } = Settings::new(&config);
        let reader = if has_envelope {
            let fixed = schema_content.map(|content| parse_schema(&content)).transpose()?.flatten();
            Reader::Typed(Box::new(envelope::Reader::new(schemas_max, style.null_is_default, fixed)))
        } else {
            Reader::Schemaless(schemaless::Reader::default())
        };
        Ok(JsonConverter {
            reader,
            writer: Writer { has_envelope, style, prefix: None, out: Output::default() },
        })
    }
}

fn parse_schema(content: &str) -> Result<Option<SchemaRef>> {
    let mut parser = Parser::default();
    let json = parser.parse(content.as_bytes()).map_err(|error| {
        Error::bad_record("Failed to parse schema in converter config due to serialization error: ")
            .with_source(error.message)
    })?;
    match json {
        Some(json) => schema_json::from_json(json),
        None => Ok(None),
    }
}

impl Converter for JsonConverter {
    fn to_connect(&mut self, _topic: &str, raw: &BinaryViewArray) -> Result<Decoded> {
        match &mut self.reader {
            Reader::Schemaless(reader) => reader.read(raw),
            Reader::Typed(reader) => reader.read(raw),
        }
    }

    fn from_connect(&mut self, _topic: &str, column: &Column) -> Result<Encoded> {
        self.writer.write(column)
    }
}

impl Writer {
    fn write(&mut self, column: &Column) -> Result<Encoded> {
        let schema = column.schema.as_ref();
        if let Err(error) = self.find_prefix(schema) {
            let message = error.message();
            return Ok(super::super::refuse_all(column.len(), || Error::bad_record(message)));
        }
        let prefix = self.prefix.as_ref().map_or(&[][..], |(_, prefix)| prefix);
        let rows = RowWriter::of(column, self.style);
        let out = &mut self.out;
        out.begin();
        let mut ends = Vec::with_capacity(column.len());
        let mut errors = Vec::new();
        for row in 0..column.len() {
            let start = out.len();
            // Neither schema nor value is no record value at all: a tombstone.
            if schema.is_none() && rows.is_null(row) {
                ends.push(None);
                continue;
            }
            out.push(prefix);
            match rows.write(row, out) {
                Ok(()) => {
                    if self.has_envelope {
                        out.push_byte(b'}');
                    }
                    ends.push(Some(out.len()));
                }
                Err(error) => {
                    out.truncate(start);
                    errors.push(RowError { row, error });
                    ends.push(None);
                }
            }
        }
        Ok(Encoded { bytes: super::super::views_of(out.finish(), &ends)?, errors })
    }

    /// Makes the text before a value, unless the last column had the same.
    fn find_prefix(&mut self, schema: Option<&SchemaRef>) -> Result<()> {
        if let Some((known, _)) = &self.prefix {
            let is_same = match (known, schema) {
                (Some(known), Some(schema)) => Arc::ptr_eq(known, schema) || known == schema,
                (None, None) => true,
                _ => false,
            };
            if is_same {
                return Ok(());
            }
        }
        self.prefix = None;
        let mut prefix = Vec::new();
        if self.has_envelope {
            prefix.extend_from_slice(b"{\"schema\":");
            schema_json::write_schema(&mut prefix, schema, self.style)?;
            prefix.extend_from_slice(b",\"payload\":");
        }
        self.prefix = Some((schema.cloned(), prefix));
        Ok(())
    }
}

/// What a text that is not JSON gives.
pub(super) fn serialization_error(error: &SyntaxError) -> Error {
    Error::bad_record("Converting byte[] to Kafka Connect data failed due to serialization error: ")
        .with_source(
            Error::bad_record(format!("com.fasterxml.jackson.core.JsonParseException: {}", error.message))
                .with_java_class("org.apache.kafka.common.errors.SerializationException"),
        )
}

/// Records of a batch by their place.
pub(super) struct Input<'a> {
    raw: &'a BinaryViewArray,
    has_nulls: bool,
}

impl<'a> Input<'a> {
    pub(super) fn of(raw: &'a BinaryViewArray) -> Input<'a> {
        Input { raw, has_nulls: raw.null_count() > 0 }
    }

    pub(super) fn buffers(&self) -> &'a [Buffer] {
        self.raw.data_buffers()
    }

    /// The block that a record lies in, and its first byte and the one past its last; `None` for null.
    #[inline]
    pub(super) fn row(&self, row: usize) -> Option<(Block<'a>, usize, usize)> {
        if self.has_nulls && self.raw.is_null(row) {
            return None;
        }
        let view = self.raw.views()[row];
        let len = view as u32 as usize;
        if len <= 12 {
            return Some((Block::inline(self.raw.value(row)), 0, len));
        }
        let (block, start) = ((view >> 64) as u32, (view >> 96) as usize);
        Some((Block::of(self.buffers(), block), start, start + len))
    }
}
