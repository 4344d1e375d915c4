//! Owned values.

use super::borrowed::ValueRef;
use super::nested::{ListRef, MapRef, StructRef};
use crate::schema::SchemaRef;

/// An owned value.
#[derive(Debug, Clone, PartialEq)]
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
            Value::Array(_) => "ARRAY",
            Value::Map(_) => "MAP",
            Value::Struct(..) => "STRUCT",
        }
    }
}
