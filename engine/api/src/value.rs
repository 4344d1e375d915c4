//! Single Connect values: owned ([`Value`], for offsets, defaults and the slow path) and borrowed from a column
//! ([`ValueRef`]).

use arrow_array::Array;

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

/// A value borrowed from a column.
#[derive(Debug, Clone, Copy)]
pub enum ValueRef<'a> {
    /// Null.
    Null,
    /// Boolean.
    Boolean(bool),
    /// Bytes.
    Bytes(&'a [u8]),
    /// Text.
    String(&'a str),
}

impl<'a> ValueRef<'a> {
    /// Row `index` of an Arrow array under a Connect schema (`None` for schemaless values).
    pub fn of_array(_schema: Option<&'a SchemaRef>, _array: &'a dyn Array, _index: usize) -> ValueRef<'a> {
        ValueRef::Null
    }
}
