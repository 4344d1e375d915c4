//! Owned values.

use super::borrowed::ValueRef;
use super::nested::{ListRef, MapRef, StructRef};
use crate::decimal::Decimal;
use crate::schema::SchemaRef;

/// An owned value. Equality is Java's: NaN equals itself, zeros differ by their sign, and maps have no order.
#[derive(Debug, Clone)]
pub enum Value {
    /// Null.
    Null,
    /// Boolean.
    Boolean(bool),
    /// 8-bit integer.
    Int8(i8),
    /// 16-bit integer.
    Int16(i16),
    /// 32-bit integer.
    Int32(i32),
    /// 64-bit integer.
    Int64(i64),
    /// 32-bit number.
    Float32(f32),
    /// 64-bit number.
    Float64(f64),
    /// Text.
    String(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A decimal whose schema does not say so.
    Decimal(Decimal),
    /// A moment in ms since 1970 whose schema does not say so.
    Date(i64),
    /// List.
    Array(Vec<Value>),
    /// Map, in insertion order.
    Map(Vec<(Value, Value)>),
    /// Struct with its schema; one value per field.
    Struct(SchemaRef, Vec<Value>),
}

impl Value {
    /// The same value, borrowed.
    pub fn as_value_ref(&self) -> ValueRef<'_> {
        match self {
            Value::Null => ValueRef::Null,
            Value::Boolean(value) => ValueRef::Boolean(*value),
            Value::Int8(value) => ValueRef::Int8(*value),
            Value::Int16(value) => ValueRef::Int16(*value),
            Value::Int32(value) => ValueRef::Int32(*value),
            Value::Int64(value) => ValueRef::Int64(*value),
            Value::Float32(value) => ValueRef::Float32(*value),
            Value::Float64(value) => ValueRef::Float64(*value),
            Value::String(value) => ValueRef::String(value),
            Value::Bytes(value) => ValueRef::Bytes(value),
            Value::Decimal(value) => ValueRef::Decimal(value.as_decimal_ref()),
            Value::Date(epoch_ms) => ValueRef::Date(*epoch_ms),
            Value::Array(items) => ValueRef::Array(ListRef::of_values(items)),
            Value::Map(entries) => ValueRef::Map(MapRef::of_values(entries)),
            Value::Struct(schema, values) => ValueRef::Struct(StructRef::of_values(schema, values)),
        }
    }

    /// The name that Java prints for the value's type (`INT8`, …, `STRUCT`); `null` for null.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Boolean(_) => "BOOLEAN",
            Value::Int8(_) => "INT8",
            Value::Int16(_) => "INT16",
            Value::Int32(_) => "INT32",
            Value::Int64(_) => "INT64",
            Value::Float32(_) => "FLOAT32",
            Value::Float64(_) => "FLOAT64",
            Value::String(_) => "STRING",
            Value::Bytes(_) => "BYTES",
            // As Java, which knows no type of these classes.
            Value::Decimal(_) => "java.math.BigDecimal",
            Value::Date(_) => "java.util.Date",
            Value::Array(_) => "ARRAY",
            Value::Map(_) => "MAP",
            Value::Struct(..) => "STRUCT",
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Null, Value::Null) => true,
            (Value::Boolean(a), Value::Boolean(b)) => a == b,
            (Value::Int8(a), Value::Int8(b)) => a == b,
            (Value::Int16(a), Value::Int16(b)) => a == b,
            (Value::Int32(a), Value::Int32(b)) => a == b,
            (Value::Int64(a), Value::Int64(b)) | (Value::Date(a), Value::Date(b)) => a == b,
            (Value::Float32(a), Value::Float32(b)) => {
                a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
            }
            (Value::Float64(a), Value::Float64(b)) => {
                a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
            }
            (Value::String(a), Value::String(b)) => a == b,
            (Value::Bytes(a), Value::Bytes(b)) => a == b,
            (Value::Decimal(a), Value::Decimal(b)) => a == b,
            (Value::Array(a), Value::Array(b)) => a == b,
            (Value::Map(a), Value::Map(b)) => {
                // Mostly both were filled in the same order.
                let has = |(key, value): &(Value, Value)| {
                    b.iter().any(|entry| entry.0 == *key && entry.1 == *value)
                };
                a.len() == b.len() && (a.iter().eq(b.iter()) || a.iter().all(has))
            }
            (Value::Struct(schema, a), Value::Struct(other, b)) => schema == other && a == b,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_equal_as_in_java() {
        assert_eq!(Value::Float64(f64::NAN), Value::Float64(-f64::NAN));
        assert_ne!(Value::Float32(0.0), Value::Float32(-0.0));
        assert_ne!(Value::Int32(1), Value::Int64(1));
        let map = |keys: [i8; 2]| Value::Map(keys.map(|key| (Value::Int8(key), Value::Null)).to_vec());
        assert_eq!(map([1, 2]), map([2, 1]));
        assert_ne!(map([1, 2]), map([1, 3]));
    }
}
