//! Values of the internal topics: JSON without schemas, read as leniently and written byte for byte as Java's JsonConverter does.

use bytes::Bytes;
use engine::convert::json::write_string;
use serde_json::{Map, Value};

use crate::config::RawConfig;

/// Reads a value. No value, and one of blanks alone, are null; what follows the first JSON value is not looked at.
pub(super) fn read(value: Option<&[u8]>) -> Result<Value, serde_json::Error> {
    let Some(value) = value else { return Ok(Value::Null) };
    serde_json::Deserializer::from_slice(value).into_iter().next().unwrap_or(Ok(Value::Null))
}

/// A map of strings, in the order written. Other scalars become text.
pub(super) fn properties(fields: &Map<String, Value>) -> RawConfig {
    let text = |value: &Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    fields.iter().map(|(key, value)| (key.clone(), text(value))).collect()
}

/// What Java calls it, for messages that must not repeat it.
pub(super) fn class_of(value: Option<&Value>) -> &'static str {
    match value {
        None | Some(Value::Null) => "null",
        Some(Value::Bool(_)) => "java.lang.Boolean",
        Some(Value::Number(number)) if number.is_f64() => "java.lang.Double",
        Some(Value::Number(_)) => "java.lang.Long",
        Some(Value::String(_)) => "java.lang.String",
        Some(Value::Array(_)) => "java.util.ArrayList",
        Some(Value::Object(_)) => "java.util.HashMap",
    }
}

/// Writes one object, fields in the order given.
pub(super) struct Writer {
    out: Vec<u8>,
}

impl Writer {
    pub(super) fn object(fields: impl FnOnce(&mut Writer)) -> Bytes {
        let mut writer = Writer { out: vec![b'{'] };
        fields(&mut writer);
        writer.out.push(b'}');
        writer.out.into()
    }

    pub(super) fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        write_string(&mut self.out, text);
    }

    pub(super) fn nullable_text(&mut self, name: &str, text: Option<&str>) {
        match text {
            Some(text) => self.text(name, text),
            None => self.raw(name, b"null"),
        }
    }

    pub(super) fn integer(&mut self, name: &str, value: i64) {
        self.raw(name, value.to_string().as_bytes());
    }

    pub(super) fn boolean(&mut self, name: &str, value: bool) {
        self.raw(name, if value { b"true" } else { b"false" });
    }

    pub(super) fn properties(&mut self, name: &str, config: &RawConfig) {
        self.nested(name, |writer| {
            for (key, value) in config {
                writer.nullable_text(key, value.as_deref());
            }
        });
    }

    pub(super) fn nested(&mut self, name: &str, fields: impl FnOnce(&mut Writer)) {
        self.raw(name, b"{");
        fields(self);
        self.out.push(b'}');
    }

    fn raw(&mut self, name: &str, json: &[u8]) {
        self.name(name);
        self.out.extend_from_slice(json);
    }

    fn name(&mut self, name: &str) {
        if self.out.last() != Some(&b'{') {
            self.out.push(b',');
        }
        write_string(&mut self.out, name);
        self.out.push(b':');
    }
}
