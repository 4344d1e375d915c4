//! Offsets as a request names them: JSON that still has to make sense for the connector's kind.

use std::sync::Arc;

use api::Value as ConnectValue;
use serde_json::{Map, Value};

/// What a request wants of a connector's offsets.
#[derive(Debug, Clone, PartialEq)]
pub enum OffsetRequest {
    /// These partitions get these offsets, others keep theirs.
    Alter(Vec<RequestedOffset>),
    /// All are forgotten.
    Reset,
}

impl OffsetRequest {
    /// What it does, as Java's messages say it.
    pub(in super::super::super) fn verb(&self) -> &'static str {
        match self {
            OffsetRequest::Alter(_) => "alter",
            OffsetRequest::Reset => "reset",
        }
    }
}

/// `ConnectorOffset`: both sides may be null.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestedOffset {
    /// Which partition.
    pub partition: Option<Map<String, Value>>,
    /// Its new offset.
    pub offset: Option<Map<String, Value>>,
}

/// A flat map as the schemaless converter reads it: integers are INT64, other numbers FLOAT64.
///
/// # Errors
/// Java's words for a value that is not primitive (`OffsetUtils#validateFormat`).
pub(super) fn flat(map: Map<String, Value>) -> Result<Vec<(Arc<str>, ConnectValue)>, String> {
    map.into_iter()
        .map(|(key, value)| {
            let kind = match value {
                Value::Null => return Ok((Arc::from(key), ConnectValue::Null)),
                Value::Bool(value) => return Ok((Arc::from(key), ConnectValue::Boolean(value))),
                Value::String(text) => return Ok((Arc::from(key), ConnectValue::String(text))),
                Value::Number(ref number) => match integer_or_float(number) {
                    Some(value) => return Ok((Arc::from(key), value)),
                    None => "class java.math.BigInteger",
                },
                Value::Array(_) => "ARRAY",
                Value::Object(_) => "MAP",
            };
            Err(format!(
                "Offsets may only contain primitive types as values, but field {key} contains {kind}"
            ))
        })
        .collect()
}

/// `None` for an integer that 64 bits do not hold.
fn integer_or_float(number: &serde_json::Number) -> Option<ConnectValue> {
    /// From here on the reader of JSON turns integers into floats.
    const BEYOND_INTEGERS: f64 = 18_446_744_073_709_551_616.0;
    if let Some(integer) = number.as_i64() {
        return Some(ConnectValue::Int64(integer));
    }
    let float = number.as_f64().filter(|_| !number.is_u64())?;
    (float.fract() != 0.0 || float.abs() < BEYOND_INTEGERS).then_some(ConnectValue::Float64(float))
}

/// A value as Java's `toString` prints it, for messages and for numbers given as text.
pub(super) fn java_text(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(java_text).collect::<Vec<_>>().join(", "))
        }
        Value::Object(fields) => {
            let fields: Vec<_> =
                fields.iter().map(|(key, value)| format!("{key}={}", java_text(value))).collect();
            format!("{{{}}}", fields.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(json: &str) -> Map<String, Value> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn values_are_what_the_schemaless_converter_makes_of_them() {
        let read = flat(object(r#"{"i":1,"f":1.5,"s":"x","b":true,"n":null,"e":1e3}"#)).unwrap();
        let values: Vec<_> = read.into_iter().map(|(_, value)| value).collect();
        assert_eq!(
            values,
            [
                ConnectValue::Int64(1),
                ConnectValue::Float64(1.5),
                ConnectValue::String("x".to_owned()),
                ConnectValue::Boolean(true),
                ConnectValue::Null,
                ConnectValue::Float64(1000.0),
            ]
        );
    }

    #[test]
    fn refuses_nested_and_huge_values_with_javas_words() {
        let message = |json| flat(object(json)).unwrap_err();
        let start = "Offsets may only contain primitive types as values, but field n contains";
        assert_eq!(message(r#"{"n":{"a":1}}"#), format!("{start} MAP"));
        assert_eq!(message(r#"{"n":[1]}"#), format!("{start} ARRAY"));
        assert_eq!(message(r#"{"n":99999999999999999999}"#), format!("{start} class java.math.BigInteger"));
        assert_eq!(message(r#"{"n":9223372036854775808}"#), format!("{start} class java.math.BigInteger"));
    }

    #[test]
    fn prints_as_java_does() {
        let value: Value = serde_json::from_str(r#"{"a":1,"b":[true,null],"c":"x"}"#).unwrap();
        assert_eq!(java_text(&value), "{a=1, b=[true, null], c=x}");
    }
}
