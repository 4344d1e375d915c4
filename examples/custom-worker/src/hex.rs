//! A converter: Connect's bytes are hexadecimal text in Kafka.

use std::fmt::Write as _;
use std::sync::Arc;

use api::config_def::{Config, ConfigDef};
use api::{
    Column, Converter, Data, Decoded, Encoded, Error, Plugin, Result, RowError, Schema, SchemaRef, Segment,
    Type, ValueRef,
};
use arrow_array::{Array as _, BinaryViewArray};

/// `com.example.HexConverter`.
#[derive(Debug)]
pub struct HexConverter {
    schema: SchemaRef,
}

impl Plugin for HexConverter {
    const CLASS: &'static str = "com.example.HexConverter";
    const VERSION: &'static str = crate::VERSION;

    fn config_def() -> ConfigDef {
        ConfigDef::default()
    }

    fn create(_config: Config) -> Result<HexConverter> {
        Ok(HexConverter { schema: Arc::new(Schema::new(Type::Bytes).optional()) })
    }
}

impl Converter for HexConverter {
    fn to_connect(&mut self, _topic: &str, raw: &BinaryViewArray) -> Result<Decoded> {
        let mut errors = Vec::new();
        let decode = |row: usize| {
            let bytes = raw.is_valid(row).then(|| raw.value(row))?;
            let decoded = decode(bytes);
            if decoded.is_none() {
                // The row stays, as null, and the engine does with it what the connector's configuration says.
                errors.push(RowError { row, error: Error::bad_record("not hexadecimal") });
            }
            decoded
        };
        let values: BinaryViewArray = (0..raw.len()).map(decode).collect();
        let column = Column { schema: Some(Arc::clone(&self.schema)), data: Data::Array(Arc::new(values)) };
        Ok(Decoded { segments: vec![Segment { column }], errors })
    }

    fn from_connect(&mut self, _topic: &str, column: &Column) -> Result<Encoded> {
        let mut errors = Vec::new();
        let encode = |row: usize| match column.row(row) {
            ValueRef::Null => None,
            ValueRef::Bytes(bytes) => Some(encode(bytes)),
            other => {
                let class = other.java_class();
                errors.push(RowError { row, error: Error::bad_record(format!("not bytes but {class}")) });
                None
            }
        };
        let bytes: BinaryViewArray = (0..column.len()).map(encode).collect();
        Ok(Encoded { bytes, errors })
    }
}

fn encode(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string does not fail");
        text
    })
}

fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let pair = |pair: &[u8]| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?);
    text.chunks(2).map(pair).collect()
}
