//! Logical types: the values of Decimal, Date, Time and Timestamp in JSON. In memory a value has its base type; the schema's
//! name says what it stands for.

use api::{Error, Schema, Type, Value};

use super::general::{Json, Kind};
use super::{base64, decimal, number};

pub(super) const DECIMAL: &str = "org.apache.kafka.connect.data.Decimal";
const DATE: &str = "org.apache.kafka.connect.data.Date";
const TIME: &str = "org.apache.kafka.connect.data.Time";
const TIMESTAMP: &str = "org.apache.kafka.connect.data.Timestamp";

/// Milliseconds that a Time may have.
const TIME_MS_MAX: i32 = 86_400_000;

/// Whether a Connect name is that of a logical type whose JSON is not just that of its base type.
pub(super) fn is_logical(schema: &Schema) -> bool {
    matches!(
        (schema.name.as_deref(), &schema.kind),
        (Some(DECIMAL), Type::Bytes) | (Some(DATE | TIME), Type::Int32) | (Some(TIMESTAMP), Type::Int64)
    )
}

/// Whether values need more than the reading of their base type. Dates and Timestamps don't: an integer that fits is right.
pub(super) fn needs_care(schema: &Schema) -> bool {
    is_logical(schema) && matches!(schema.name.as_deref(), Some(DECIMAL | TIME))
}

/// The scale of a Decimal schema.
pub(super) fn scale(schema: &Schema) -> Option<i32> {
    schema.parameters.get("scale")?.parse().ok()
}

/// The value of a logical type; `None` when the schema has none.
pub(super) fn from_json(schema: &Schema, json: &Json<'_>) -> Option<Result<Value, Error>> {
    if !is_logical(schema) {
        return None;
    }
    Some(match schema.name.as_deref() {
        Some(DECIMAL) => decimal_from_json(schema, json),
        Some(DATE) => int32(json).map(Value::Int32).ok_or_else(|| wrong_type("Date", "integer", json)),
        Some(TIME) => match int32(json) {
            None => Err(wrong_type("Time", "integer", json)),
            Some(time_ms) if (0..=TIME_MS_MAX).contains(&time_ms) => Ok(Value::Int32(time_ms)),
            Some(_) => Err(Error::bad_record(
                "Time values must use number of milliseconds greater than 0 and less than 86400000",
            )),
        },
        _ if json.kind() == Kind::Integer => Ok(Value::Int64(number::integer(json.source()))),
        _ => Err(wrong_type("Timestamp", "integral", json)),
    })
}

fn int32(json: &Json<'_>) -> Option<i32> {
    (json.kind() == Kind::Integer).then(|| number::int32(json.source())).flatten()
}

fn wrong_type(name: &str, wanted: &str, json: &Json<'_>) -> Error {
    let found = json.type_name();
    Error::bad_record(format!(
        "Invalid type for {name}, underlying representation should be {wanted} but was {found}"
    ))
}

fn decimal_from_json(schema: &Schema, json: &Json<'_>) -> Result<Value, Error> {
    let invalid = || Error::bad_record("Invalid bytes for Decimal field");
    match json.kind() {
        Kind::PlainText | Kind::EscapedText => {
            scale(schema).ok_or_else(invalid)?;
            let mut unscaled = Vec::new();
            base64::decode(json.text().unwrap_or_default().as_bytes(), &mut unscaled).ok_or_else(invalid)?;
            if unscaled.is_empty() {
                return Err(invalid());
            }
            Ok(Value::Bytes(unscaled))
        }
        Kind::Integer | Kind::Decimal => {
            // Java keeps the number at its own scale; a column has one scale for all rows.
            let scale = scale(schema).ok_or_else(invalid)?;
            decimal::unscaled(json.source(), scale).map(Value::Bytes)
        }
        _ => Err(wrong_type("Decimal", "numeric or bytes", json)),
    }
}
