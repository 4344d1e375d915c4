//! Logical types: the values of Decimal, Date, Time and Timestamp in JSON. In memory a value has its base type; the schema's
//! name says what it stands for.

use api::java_text::DAY_MS;
use api::value::Logical;
use api::{Error, Schema, Value, decimal};

use super::general::{Json, Kind};
use super::{base64, number};

/// Milliseconds that a Time may have.
const TIME_MS_MAX: i32 = 86_400_000;

/// Whether values need more than the reading of their base type. Dates and Timestamps don't: an integer that fits is right.
pub(super) fn needs_care(schema: &Schema) -> bool {
    matches!(schema.logical(), Some(Logical::Decimal | Logical::Time))
}

/// The value of a logical type; `None` when the schema has none.
pub(super) fn from_json(schema: &Schema, json: &Json<'_>) -> Option<Result<Value, Error>> {
    Some(match schema.logical()? {
        Logical::Decimal => decimal_from_json(schema, json),
        Logical::Date => int32(json).map(Value::Int32).ok_or_else(|| wrong_type("Date", "integer", json)),
        Logical::Time => match int32(json) {
            None => Err(wrong_type("Time", "integer", json)),
            Some(time_ms) if (0..=TIME_MS_MAX).contains(&time_ms) => Ok(Value::Int32(time_ms)),
            Some(_) => Err(time_out_of_range()),
        },
        Logical::Timestamp if json.kind() == Kind::Integer => {
            Ok(Value::Int64(number::integer(json.source())))
        }
        Logical::Timestamp => Err(wrong_type("Timestamp", "integral", json)),
    })
}

fn time_out_of_range() -> Error {
    Error::bad_record("Time values must use number of milliseconds greater than 0 and less than 86400000")
}

/// A moment as the integer that a column of its logical type would hold.
///
/// # Errors
/// When it is no value of that type: a Date within a day, a Time beyond one.
pub(super) fn of_date(logical: Logical, epoch_ms: i64) -> Result<i64, Error> {
    let bad = |message: &str| Err(Error::bad_record(message));
    match logical {
        Logical::Date if epoch_ms % DAY_MS != 0 => {
            bad("Kafka Connect Date type should not have any time fields set to non-zero values.")
        }
        Logical::Date => Ok(epoch_ms / DAY_MS),
        Logical::Time if !(0..=DAY_MS).contains(&epoch_ms) => {
            bad("Kafka Connect Time type should not have any date fields set to non-zero values.")
        }
        _ => Ok(epoch_ms),
    }
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
            schema.scale().ok_or_else(invalid)?;
            let mut unscaled = Vec::new();
            base64::decode(json.text().unwrap_or_default().as_bytes(), &mut unscaled).ok_or_else(invalid)?;
            if unscaled.is_empty() {
                return Err(invalid());
            }
            Ok(Value::Bytes(unscaled))
        }
        Kind::Integer | Kind::Decimal => {
            // Java keeps the number at its own scale; a column has one scale for all rows.
            let scale = schema.scale().ok_or_else(invalid)?;
            decimal::unscaled(json.source(), scale).map(Value::Bytes)
        }
        _ => Err(wrong_type("Decimal", "numeric or bytes", json)),
    }
}
