//! One row of an Arrow array as a [`ValueRef`].

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrowPrimitiveType};
use arrow_schema::DataType;

use super::borrowed::ValueRef;
use super::nested::{ListRef, MapRef, StructRef};
use crate::schema::{SchemaRef, Type};

impl<'a> ValueRef<'a> {
    /// Row `index` of an Arrow array under a Connect schema. Without a schema a struct array is a map with its field names
    /// as keys: a schemaless object.
    ///
    /// # Panics
    /// For a row beyond the end, and for Arrow types that no column of ours has: a bug of the array's maker.
    pub fn of_array(schema: Option<&'a SchemaRef>, array: &'a dyn Array, index: usize) -> ValueRef<'a> {
        assert!(index < array.len(), "row {index} of an array of {} rows", array.len());
        if array.is_null(index) {
            return ValueRef::Null;
        }
        match array.data_type() {
            DataType::Null => ValueRef::Null,
            DataType::Boolean => ValueRef::Boolean(array.as_boolean().value(index)),
            DataType::Int8 => ValueRef::Int8(primitive::<Int8Type>(array, index)),
            DataType::Int16 => ValueRef::Int16(primitive::<Int16Type>(array, index)),
            DataType::Int32 => ValueRef::Int32(primitive::<Int32Type>(array, index)),
            DataType::Int64 => ValueRef::Int64(primitive::<Int64Type>(array, index)),
            DataType::Float32 => ValueRef::Float32(primitive::<Float32Type>(array, index)),
            DataType::Float64 => ValueRef::Float64(primitive::<Float64Type>(array, index)),
            DataType::Utf8View => ValueRef::String(array.as_string_view().value(index)),
            DataType::BinaryView => ValueRef::Bytes(array.as_binary_view().value(index)),
            DataType::Utf8 => ValueRef::String(array.as_string::<i32>().value(index)),
            DataType::LargeUtf8 => ValueRef::String(array.as_string::<i64>().value(index)),
            DataType::Binary => ValueRef::Bytes(array.as_binary::<i32>().value(index)),
            DataType::LargeBinary => ValueRef::Bytes(array.as_binary::<i64>().value(index)),
            DataType::List(_) => {
                let lists = array.as_list::<i32>();
                let bounds = lists.value_offsets();
                let range = bounds[index] as usize..bounds[index + 1] as usize;
                ValueRef::Array(ListRef::of_array(item_schema(schema), lists.values().as_ref(), range))
            }
            DataType::Map(..) => {
                let maps = array.as_map();
                let bounds = maps.value_offsets();
                let range = bounds[index] as usize..bounds[index + 1] as usize;
                let (keys, values) = entry_schemas(schema);
                ValueRef::Map(MapRef::of_arrays(
                    (keys, maps.keys().as_ref()),
                    (values, maps.values().as_ref()),
                    range,
                ))
            }
            DataType::Struct(_) => match schema {
                Some(schema) => ValueRef::Struct(StructRef::of_array(schema, array.as_struct(), index)),
                None => ValueRef::Map(MapRef::of_object(array.as_struct(), index)),
            },
            other => panic!("no column of ours has Arrow type {other}"),
        }
    }
}

fn primitive<T: ArrowPrimitiveType>(array: &dyn Array, index: usize) -> T::Native {
    array.as_primitive::<T>().value(index)
}

fn item_schema(schema: Option<&SchemaRef>) -> Option<&SchemaRef> {
    match schema.map(|schema| &schema.kind) {
        Some(Type::Array(item)) => item.as_ref(),
        _ => None,
    }
}

fn entry_schemas(schema: Option<&SchemaRef>) -> (Option<&SchemaRef>, Option<&SchemaRef>) {
    match schema.map(|schema| &schema.kind) {
        Some(Type::Map(keys, values)) => (keys.as_ref(), values.as_ref()),
        _ => (None, None),
    }
}
