//! Single Connect values: owned ([`Value`], for offsets, defaults and slow paths) and borrowed from a column ([`ValueRef`]).
//!
//! A [`ValueRef`] looks the same whether the column is an Arrow array or a tape of dynamic rows, so that code which walks or
//! prints values is written once. Walking allocates nothing.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{Array, StructArray};
use arrow_schema::DataType;

use crate::rows::{TapeIter, TapeMap};
use crate::schema::{SchemaRef, Type};

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
    /// Java's name of the type of a value without schema (`INT64`, `MAP`, …; `null` for null).
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

    /// The same value, borrowed.
    pub fn as_ref(&self) -> ValueRef<'_> {
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
            Value::Array(items) => ValueRef::Array(ListRef(List::Owned(items))),
            Value::Map(entries) => ValueRef::Map(MapRef(Map::Owned(entries))),
            Value::Struct(schema, values) => {
                ValueRef::Struct(StructRef { schema, values: Fields::Owned(values) })
            }
        }
    }
}

/// A value borrowed from a column.
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
    /// List.
    Array(ListRef<'a>),
    /// Map; also what a schemaless JSON object is.
    Map(MapRef<'a>),
    /// Struct.
    Struct(StructRef<'a>),
}

impl<'a> ValueRef<'a> {
    /// Row `index` of an Arrow array under a Connect schema. Without a schema a struct array is a map with its field names as
    /// keys: that is how schemaless objects of one shape are held. Types that no converter makes are null.
    pub fn of_array(schema: Option<&'a SchemaRef>, array: &'a dyn Array, index: usize) -> ValueRef<'a> {
        if array.is_null(index) {
            return ValueRef::Null;
        }
        match array.data_type() {
            DataType::Boolean => ValueRef::Boolean(array.as_boolean().value(index)),
            DataType::Int8 => ValueRef::Int8(array.as_primitive::<Int8Type>().value(index)),
            DataType::Int16 => ValueRef::Int16(array.as_primitive::<Int16Type>().value(index)),
            DataType::Int32 => ValueRef::Int32(array.as_primitive::<Int32Type>().value(index)),
            DataType::Int64 => ValueRef::Int64(array.as_primitive::<Int64Type>().value(index)),
            DataType::Float32 => ValueRef::Float32(array.as_primitive::<Float32Type>().value(index)),
            DataType::Float64 => ValueRef::Float64(array.as_primitive::<Float64Type>().value(index)),
            DataType::Utf8View => ValueRef::String(array.as_string_view().value(index)),
            DataType::Utf8 => ValueRef::String(array.as_string::<i32>().value(index)),
            DataType::BinaryView => ValueRef::Bytes(array.as_binary_view().value(index)),
            DataType::Binary => ValueRef::Bytes(array.as_binary::<i32>().value(index)),
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                let offsets = list.value_offsets();
                let item = match schema.map(|schema| &schema.kind) {
                    Some(Type::Array(item)) => item.as_ref(),
                    _ => None,
                };
                let (start, end) = (offsets[index] as usize, offsets[index + 1] as usize);
                ValueRef::Array(ListRef(List::Arrow { item, array: list.values().as_ref(), start, end }))
            }
            DataType::Map(..) => {
                let map = array.as_map();
                let offsets = map.value_offsets();
                let (key, value) = match schema.map(|schema| &schema.kind) {
                    Some(Type::Map(key, value)) => (key.as_ref(), value.as_ref()),
                    _ => (None, None),
                };
                let (start, end) = (offsets[index] as usize, offsets[index + 1] as usize);
                let (keys, values) = (map.keys().as_ref(), map.values().as_ref());
                ValueRef::Map(MapRef(Map::Arrow { key, value, keys, values, start, end }))
            }
            DataType::Struct(_) => match schema {
                Some(schema) => {
                    ValueRef::Struct(StructRef { schema, values: Fields::Arrow(array.as_struct(), index) })
                }
                None => ValueRef::Map(MapRef(Map::Object(array.as_struct(), index))),
            },
            _ => ValueRef::Null,
        }
    }

    /// The Java class that carries such a value, for messages.
    pub fn java_class(self) -> &'static str {
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
            ValueRef::Array(_) => "java.util.ArrayList",
            ValueRef::Map(_) => "java.util.HashMap",
            ValueRef::Struct(_) => "org.apache.kafka.connect.data.Struct",
        }
    }

    /// The value on its own.
    pub fn to_owned(self) -> Value {
        match self {
            ValueRef::Null => Value::Null,
            ValueRef::Boolean(value) => Value::Boolean(value),
            ValueRef::Int8(value) => Value::Int8(value),
            ValueRef::Int16(value) => Value::Int16(value),
            ValueRef::Int32(value) => Value::Int32(value),
            ValueRef::Int64(value) => Value::Int64(value),
            ValueRef::Float32(value) => Value::Float32(value),
            ValueRef::Float64(value) => Value::Float64(value),
            ValueRef::String(value) => Value::String(value.to_owned()),
            ValueRef::Bytes(value) => Value::Bytes(value.to_vec()),
            ValueRef::Array(items) => Value::Array(items.iter().map(ValueRef::to_owned).collect()),
            ValueRef::Map(entries) => {
                Value::Map(entries.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
            }
            ValueRef::Struct(values) => Value::Struct(
                SchemaRef::clone(values.schema()),
                values.iter().map(ValueRef::to_owned).collect(),
            ),
        }
    }
}

/// A list borrowed from a column.
#[derive(Debug, Clone, Copy)]
pub struct ListRef<'a>(List<'a>);

#[derive(Debug, Clone, Copy)]
enum List<'a> {
    Owned(&'a [Value]),
    Arrow { item: Option<&'a SchemaRef>, array: &'a dyn Array, start: usize, end: usize },
    Tape(TapeIter<'a>),
}

impl<'a> ListRef<'a> {
    pub(crate) fn on_tape(items: TapeIter<'a>) -> ListRef<'a> {
        ListRef(List::Tape(items))
    }

    /// Number of items.
    pub fn len(&self) -> usize {
        match self.0 {
            List::Owned(items) => items.len(),
            List::Arrow { start, end, .. } => end - start,
            List::Tape(items) => items.remaining(),
        }
    }

    /// Whether there is no item.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The items in order.
    pub fn iter(&self) -> impl Iterator<Item = ValueRef<'a>> + use<'a> {
        let list = self.0;
        let mut tape = match list {
            List::Tape(items) => Some(items),
            _ => None,
        };
        (0..self.len()).map(move |index| match list {
            List::Owned(items) => items[index].as_ref(),
            List::Arrow { item, array, start, .. } => ValueRef::of_array(item, array, start + index),
            List::Tape(_) => tape.as_mut().and_then(Iterator::next).unwrap_or(ValueRef::Null),
        })
    }
}

/// A map borrowed from a column.
#[derive(Debug, Clone, Copy)]
pub struct MapRef<'a>(Map<'a>);

#[derive(Debug, Clone, Copy)]
enum Map<'a> {
    Owned(&'a [(Value, Value)]),
    /// A row of a schemaless object: the array's field names are its keys.
    Object(&'a StructArray, usize),
    Arrow {
        key: Option<&'a SchemaRef>,
        value: Option<&'a SchemaRef>,
        keys: &'a dyn Array,
        values: &'a dyn Array,
        start: usize,
        end: usize,
    },
    Tape(TapeMap<'a>),
}

impl<'a> MapRef<'a> {
    pub(crate) fn on_tape(entries: TapeMap<'a>) -> MapRef<'a> {
        MapRef(Map::Tape(entries))
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        match self.0 {
            Map::Owned(entries) => entries.len(),
            Map::Object(array, _) => array.num_columns(),
            Map::Arrow { start, end, .. } => end - start,
            Map::Tape(entries) => entries.len(),
        }
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keys and values, in the order in which they were read.
    pub fn iter(&self) -> impl Iterator<Item = (ValueRef<'a>, ValueRef<'a>)> + use<'a> {
        let map = self.0;
        let mut tape = match map {
            Map::Tape(entries) => Some(entries.iter()),
            _ => None,
        };
        (0..self.len()).map(move |index| match map {
            Map::Owned(entries) => (entries[index].0.as_ref(), entries[index].1.as_ref()),
            Map::Object(array, row) => (
                ValueRef::String(array.fields()[index].name()),
                ValueRef::of_array(None, array.column(index).as_ref(), row),
            ),
            Map::Arrow { key, value, keys, values, start, .. } => (
                ValueRef::of_array(key, keys, start + index),
                ValueRef::of_array(value, values, start + index),
            ),
            Map::Tape(_) => {
                let mut next = || tape.as_mut().and_then(Iterator::next).unwrap_or(ValueRef::Null);
                let key = next();
                (key, next())
            }
        })
    }
}

/// A struct borrowed from a column.
#[derive(Debug, Clone, Copy)]
pub struct StructRef<'a> {
    schema: &'a SchemaRef,
    values: Fields<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Fields<'a> {
    Owned(&'a [Value]),
    Arrow(&'a StructArray, usize),
}

impl<'a> StructRef<'a> {
    /// The struct's schema.
    pub fn schema(&self) -> &'a SchemaRef {
        self.schema
    }

    /// The values, one per field in schema order.
    pub fn iter(&self) -> impl Iterator<Item = ValueRef<'a>> + use<'a> {
        let values = self.values;
        self.schema.fields().iter().enumerate().map(move |(index, field)| match values {
            Fields::Owned(values) => values[index].as_ref(),
            Fields::Arrow(array, row) => {
                ValueRef::of_array(Some(&field.schema), array.column(index).as_ref(), row)
            }
        })
    }
}
