//! StringConverter: text as it is, without copying; everything else as Java prints it.

use std::sync::Arc;

use api::config_def::{Config, ConfigDef, ConfigKey, ConfigType, Default, Importance, Placement, Width};
use api::plugin::{ConverterPlugin, HeaderConverterPlugin};
use api::views::{StringViews, as_text};
use api::{
    Column, Converter, Data, Decoded, Encoded, Plugin, Result, Schema, SchemaRef, Segment, Type, java_text,
};
use arrow_array::cast::AsArray;
use arrow_array::{Array, BinaryViewArray, StringViewArray};
use arrow_buffer::Buffer;

use super::encoding::Encoding;

const ENCODING: &str = "converter.encoding";

/// `org.apache.kafka.connect.storage.StringConverter`.
pub const STRING: ConverterPlugin = ConverterPlugin::of::<StringConverter>();

/// The same for headers.
pub const STRING_HEADERS: HeaderConverterPlugin = HeaderConverterPlugin::of_converter::<StringConverter>();

#[derive(Debug)]
struct StringConverter {
    encoding: Encoding,
    schema: SchemaRef,
}

impl Plugin for StringConverter {
    const CLASS: &'static str = "org.apache.kafka.connect.storage.StringConverter";
    const VERSION: &'static str = super::VERSION;

    fn config_def() -> ConfigDef {
        ConfigDef::default().key_at(
            Placement::new("", -1, Width::Medium, "Encoding"),
            ConfigKey::new(
                ENCODING,
                ConfigType::String,
                Default::Value("UTF-8"),
                Importance::High,
                "Character set of the text, under the name that Java has for it.",
            ),
        )
    }

    fn create(config: Config) -> Result<StringConverter> {
        let encoding = Encoding::named(config.string(ENCODING))?;
        Ok(StringConverter { encoding, schema: Arc::new(Schema::new(Type::String).optional()) })
    }
}

impl Converter for StringConverter {
    fn to_connect(&mut self, _topic: &str, raw: &BinaryViewArray) -> Result<Decoded> {
        let text = match self.encoding {
            Encoding::Utf8 => as_text(raw).or_else(|_row| self.decode(raw))?,
            _ => self.decode(raw)?,
        };
        let column = Column { schema: Some(Arc::clone(&self.schema)), data: Data::Array(Arc::new(text)) };
        Ok(Decoded { segments: vec![Segment { column }], errors: Vec::new() })
    }

    fn from_connect(&mut self, _topic: &str, column: &Column) -> Result<Encoded> {
        let rows = column.len();
        let bytes = match &column.data {
            Data::Null(_) => BinaryViewArray::new_null(rows),
            Data::Array(array) if self.encoding == Encoding::Utf8 && array.as_string_view_opt().is_some() => {
                array.as_string_view().clone().to_binary_view()
            }
            _ => self.print(column)?,
        };
        Ok(Encoded { bytes, errors: Vec::new() })
    }
}

impl StringConverter {
    /// Every row in UTF-8, one after another in one buffer.
    fn decode(&self, raw: &BinaryViewArray) -> Result<StringViewArray> {
        let mut text = String::new();
        let ends: Vec<_> = (0..raw.len())
            .map(|row| {
                let is_null = raw.is_null(row);
                if !is_null {
                    self.encoding.decode(raw.value(row), &mut text);
                }
                (!is_null).then_some(text.len())
            })
            .collect();
        let mut views = StringViews::with_capacity(ends.len());
        views.add_buffer(Buffer::from_vec(text.into_bytes()))?;
        let mut start = 0;
        for end in ends {
            match end {
                Some(end) => {
                    views.push(start, end - start);
                    start = end;
                }
                None => views.push_null(),
            }
        }
        Ok(views.finish())
    }

    /// Every row as Java prints it, one after another in one buffer.
    fn print(&self, column: &Column) -> Result<BinaryViewArray> {
        let schema = column.schema.as_ref();
        let (mut buffer, mut text) = (Vec::new(), Vec::new());
        let mut ends = Vec::with_capacity(column.len());
        for row in 0..column.len() {
            let value = column.row(row);
            if value.is_null() {
                ends.push(None);
                continue;
            }
            if self.encoding == Encoding::Utf8 {
                java_text::write_under(&mut buffer, schema, value);
            } else {
                text.clear();
                java_text::write_under(&mut text, schema, value);
                self.encoding.encode(&String::from_utf8_lossy(&text), &mut buffer);
            }
            ends.push(Some(buffer.len()));
        }
        super::views_of(buffer, &ends)
    }
}

#[cfg(test)]
mod tests {
    use api::Props;
    use api::ValueRef;
    use api::plugin::ConverterRole;
    use arrow_array::Int64Array;

    use super::*;

    fn converter(encoding: &str) -> Box<dyn Converter> {
        let props = Props::from_iter([(ENCODING.to_owned(), encoding.to_owned())]);
        (STRING.create)(&props, ConverterRole::Value).unwrap()
    }

    fn decode(encoding: &str, bytes: &[u8]) -> String {
        let decoded =
            converter(encoding).to_connect("t", &BinaryViewArray::from_iter([Some(bytes)])).unwrap();
        match decoded.segments[0].column.row(0) {
            ValueRef::String(text) => text.to_owned(),
            other => panic!("{other:?}"),
        }
    }

    fn encode(encoding: &str, column: &Column) -> Vec<Option<Vec<u8>>> {
        let encoded = converter(encoding).from_connect("t", column).unwrap();
        encoded.bytes.iter().map(|row| row.map(<[u8]>::to_vec)).collect()
    }

    #[test]
    fn it_is_what_the_engine_expects() {
        let samples: &[&[u8]] = &[b"", b"text", "ü and more than twelve bytes".as_bytes()];
        api::conformance::converter::<StringConverter>(&Props::new(), samples);
    }

    #[test]
    fn text_passes_both_ways_and_null_is_null() {
        let raw =
            BinaryViewArray::from_iter([Some("ü and more than twelve bytes".as_bytes()), None, Some(b"")]);
        let decoded = converter("UTF8").to_connect("t", &raw).unwrap();
        let column = &decoded.segments[0].column;
        assert_eq!(column.schema.as_deref(), Some(&Schema::new(Type::String).optional()));
        assert_eq!(converter("UTF8").from_connect("t", column).unwrap().bytes, raw);
    }

    #[test]
    fn other_values_are_printed_as_java_prints_them() {
        let data = Data::Array(Arc::new(Int64Array::from(vec![Some(-7), None])));
        let column = Column { schema: Some(Arc::new(Schema::new(Type::Int64).optional())), data };
        assert_eq!(encode("UTF-8", &column), [Some(b"-7".to_vec()), None]);
    }

    #[test]
    fn knows_encodings() {
        assert_eq!(decode("utf-8", b"\xed\xa0\x80!"), "\u{fffd}!");
        assert_eq!(decode("ISO-8859-1", b"\xfc"), "ü");
        assert_eq!(decode("US-ASCII", b"a\xfc"), "a\u{fffd}");
        let column = Column::strings(StringViewArray::from(vec!["ü€"]));
        assert_eq!(encode("ISO-8859-1", &column), [Some(b"\xfc?".to_vec())]);
        assert_eq!(encode("ASCII", &column), [Some(b"??".to_vec())]);
        let error = (STRING.create)(
            &Props::from_iter([(ENCODING.to_owned(), "nope".to_owned())]),
            ConverterRole::Key,
        );
        assert_eq!(error.unwrap_err().to_string(), "Unsupported encoding nope");
    }
}
