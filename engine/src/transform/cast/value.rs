//! One value cast (`Cast#castValueToType`): for what lies on tapes, for defaults, and for arrays that have no loop of their own.

use api::java_text::{read_float32, read_float64, read_integer};
use api::value::Logical;
use api::{Error, Result, SchemaRef, Value, ValueRef};

use super::narrow::Narrow;
use super::target::{Target, unsupported};
use crate::convert::values;

/// A value as another type. Null stays null. `scratch` is for the text of the result.
///
/// # Errors
/// As Java's: for types that are not cast, and for text that is no such number.
pub(super) fn cast<'a>(
    schema: Option<&SchemaRef>,
    value: ValueRef<'a>,
    target: Target,
    scratch: &'a mut Vec<u8>,
) -> Result<ValueRef<'a>> {
    scratch.clear();
    let kind = schema.map(|schema| schema.kind.java_name());
    match value {
        ValueRef::Null => return Ok(ValueRef::Null),
        ValueRef::Array(_) => return Err(unsupported(kind.unwrap_or("ARRAY"))),
        ValueRef::Map(_) => return Err(unsupported(kind.unwrap_or("MAP"))),
        ValueRef::Struct(_) => return Err(unsupported(kind.unwrap_or("STRUCT"))),
        ValueRef::Date(_) | ValueRef::Decimal(_) if schema.is_none() => {
            return Err(Error::bad_record(format!(
                "Cast transformation was passed a value of type class {} which is not supported by Connect's data API",
                value.java_class()
            )));
        }
        _ => {}
    }
    if target == Target::String {
        if let ValueRef::String(text) = value {
            return Ok(ValueRef::String(text));
        }
        values::print(scratch, schema, value);
        return Ok(ValueRef::String(str::from_utf8(scratch).expect("only text was printed")));
    }
    match value.carried(schema) {
        ValueRef::Boolean(value) => Ok(narrowed(i8::from(value), target)),
        ValueRef::Int8(value) => Ok(narrowed(value, target)),
        ValueRef::Int16(value) => Ok(narrowed(value, target)),
        ValueRef::Int32(value) => Ok(narrowed(value, target)),
        ValueRef::Int64(value) => Ok(narrowed(value, target)),
        ValueRef::Float32(value) => Ok(narrowed(value, target)),
        ValueRef::Float64(value) => Ok(narrowed(value, target)),
        // What the base type holds.
        ValueRef::Date(epoch_ms) => Ok(match schema.and_then(|schema| schema.logical()) {
            Some(Logical::Date) => narrowed((epoch_ms / api::java_text::DAY_MS) as i32, target),
            Some(Logical::Time) => narrowed(epoch_ms as i32, target),
            _ => narrowed(epoch_ms, target),
        }),
        ValueRef::Decimal(value) => Ok(match target {
            Target::Float32 => ValueRef::Float32(value.to_f32(scratch)),
            Target::Float64 => ValueRef::Float64(value.to_f64(scratch)),
            _ => narrowed(value.to_i64_wrapping(), target),
        }),
        ValueRef::String(text) => read(text, target).ok_or_else(|| out_of_range(text)),
        other => Err(unexpected(other)),
    }
}

/// The same for a value that lives on its own.
pub(super) fn cast_owned(schema: &SchemaRef, value: &Value, target: Target) -> Result<Value> {
    Ok(cast(Some(schema), value.as_value_ref(), target, &mut Vec::new())?.to_owned())
}

fn narrowed<'a, N: Narrow>(value: N, target: Target) -> ValueRef<'a> {
    match target {
        Target::Int8 => ValueRef::Int8(value.to_i8()),
        Target::Int16 => ValueRef::Int16(value.to_i16()),
        Target::Int32 => ValueRef::Int32(value.to_i32()),
        Target::Int64 => ValueRef::Int64(value.to_i64()),
        Target::Float32 => ValueRef::Float32(value.to_f32()),
        Target::Float64 => ValueRef::Float64(value.to_f64()),
        Target::Boolean => ValueRef::Boolean(value.to_i64() != 0),
        Target::String => unreachable!("text was printed before"),
    }
}

fn read<'a>(text: &str, target: Target) -> Option<ValueRef<'a>> {
    Some(match target {
        Target::Int8 => ValueRef::Int8(read_integer(text)?),
        Target::Int16 => ValueRef::Int16(read_integer(text)?),
        Target::Int32 => ValueRef::Int32(read_integer(text)?),
        Target::Int64 => ValueRef::Int64(read_integer(text)?),
        Target::Float32 => ValueRef::Float32(read_float32(text)?),
        Target::Float64 => ValueRef::Float64(read_float64(text)?),
        Target::Boolean => ValueRef::Boolean(read_boolean(text)),
        Target::String => unreachable!("text stays what it is"),
    })
}

/// `Boolean.parseBoolean`.
pub(super) fn read_boolean(text: &str) -> bool {
    text.eq_ignore_ascii_case("true")
}

/// Text that is no such number, or none that fits.
pub(super) fn out_of_range(text: &str) -> Error {
    Error::bad_record(format!("Value ({text}) was out of range for requested data type"))
}

/// What is no number: bytes.
pub(super) fn unexpected(value: ValueRef<'_>) -> Error {
    Error::bad_record(format!("Unexpected type in Cast transformation: class {}", value.java_class()))
}
