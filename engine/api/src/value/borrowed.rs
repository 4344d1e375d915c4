//! Values borrowed from wherever a column holds them.

use std::sync::Arc;

use super::nested::{ListRef, MapRef, StructRef};
use super::owned::Value;
use crate::decimal::DecimalRef;

/// A value borrowed from a column, a tape or a [`Value`].
#[derive(Debug, Clone, Copy)]
pub enum ValueRef<'a> {
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
    String(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
    /// A decimal whose schema does not say so.
    Decimal(DecimalRef<'a>),
    /// A moment in ms since 1970 whose schema does not say so: what Java carries Dates, Times and Timestamps in.
    Date(i64),
    /// List.
    Array(ListRef<'a>),
    /// Map; also what a schemaless JSON object is.
    Map(MapRef<'a>),
    /// Struct.
    Struct(StructRef<'a>),
}

impl ValueRef<'_> {
    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        matches!(self, ValueRef::Null)
    }

    /// A copy that lives on its own.
    pub fn to_owned(&self) -> Value {
        match self {
            ValueRef::Null => Value::Null,
            ValueRef::Boolean(value) => Value::Boolean(*value),
            ValueRef::Int8(value) => Value::Int8(*value),
            ValueRef::Int16(value) => Value::Int16(*value),
            ValueRef::Int32(value) => Value::Int32(*value),
            ValueRef::Int64(value) => Value::Int64(*value),
            ValueRef::Float32(value) => Value::Float32(*value),
            ValueRef::Float64(value) => Value::Float64(*value),
            ValueRef::String(value) => Value::String((*value).to_owned()),
            ValueRef::Bytes(value) => Value::Bytes(value.to_vec()),
            ValueRef::Decimal(value) => Value::Decimal(value.to_owned()),
            ValueRef::Date(epoch_ms) => Value::Date(*epoch_ms),
            ValueRef::Array(items) => Value::Array(items.iter().map(|item| item.to_owned()).collect()),
            ValueRef::Map(entries) => {
                Value::Map(entries.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
            }
            ValueRef::Struct(fields) => Value::Struct(
                Arc::clone(fields.schema()),
                (0..fields.len()).map(|index| fields.value(index).to_owned()).collect(),
            ),
        }
    }

    /// The Java class that carries such a value in Java Connect, as its messages name it.
    pub fn java_class(&self) -> &'static str {
        match self {
            ValueRef::Null => "null",
            ValueRef::Boolean(_) => "java.lang.Boolean",
            ValueRef::Int8(_) => "java.lang.Byte",
            ValueRef::Int16(_) => "java.lang.Short",
            ValueRef::Int32(_) => "java.lang.Integer",
            ValueRef::Int64(_) => "java.lang.Long",
            ValueRef::Float32(_) => "java.lang.Float",
            ValueRef::Float64(_) => "java.lang.Double",
            ValueRef::String(_) => "java.lang.String",
            ValueRef::Bytes(_) => "[B",
            ValueRef::Decimal(_) => "java.math.BigDecimal",
            ValueRef::Date(_) => "java.util.Date",
            ValueRef::Array(_) => "java.util.ArrayList",
            ValueRef::Map(_) => "java.util.HashMap",
            ValueRef::Struct(_) => "org.apache.kafka.connect.data.Struct",
        }
    }
}
