//! What a row of an Arrow array is as a value, with a schema and without.

use std::sync::Arc;

use arrow_array::builder::{Int32Builder, MapBuilder, StringBuilder};
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, BooleanArray, Int64Array, ListArray, StringViewArray, StructArray};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Field as ArrowField, Fields};

use super::*;
use crate::schema::{Field, Schema, SchemaRef, Type};

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn objects() -> StructArray {
    let fields: Fields =
        vec![ArrowField::new("id", DataType::Int64, true), ArrowField::new("name", DataType::Utf8View, true)]
            .into();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![Some(1), None, Some(3)])),
        Arc::new(StringViewArray::from(vec![Some("a"), Some("b"), Some("c")])),
    ];
    StructArray::new(fields, columns, Some(NullBuffer::from(vec![true, true, false])))
}

#[test]
fn struct_arrays_without_a_schema_are_maps() {
    let objects = objects();
    let row = |index| ValueRef::of_array(None, &objects, index).to_owned();
    assert_eq!(row(0), Value::Map(vec![(text("id"), Value::Int64(1)), (text("name"), text("a"))]));
    assert_eq!(row(1), Value::Map(vec![(text("id"), Value::Null), (text("name"), text("b"))]));
    assert_eq!(row(2), Value::Null);
    let ValueRef::Map(map) = ValueRef::of_array(None, &objects, 0) else { panic!() };
    assert!(matches!(map.get("name"), Some(ValueRef::String("a"))));
    assert!(map.get("other").is_none());
}

#[test]
fn struct_arrays_with_a_schema_are_structs() {
    let objects = objects();
    let field =
        |name: &str, kind| Field { name: name.into(), schema: Arc::new(Schema::new(kind).optional()) };
    let schema: SchemaRef =
        Arc::new(Schema::new(Type::Struct(vec![field("id", Type::Int64), field("name", Type::String)])));
    let value = ValueRef::of_array(Some(&schema), &objects, 1);
    assert_eq!(value.to_owned(), Value::Struct(Arc::clone(&schema), vec![Value::Null, text("b")]));
    let ValueRef::Struct(row) = value else { panic!() };
    assert!(matches!(row.get("name"), Some(ValueRef::String("b"))));
    assert_eq!(crate::java_text::to_string(value), "Struct{name=b}");
}

#[test]
fn lists_maps_and_booleans_come_from_slices() {
    let lists = ListArray::from_iter_primitive::<Int64Type, _, _>(vec![
        Some(vec![Some(9)]),
        Some(vec![Some(1), None]),
        None,
    ]);
    let slice = arrow_array::Array::slice(&lists, 1, 2);
    let row = |index| ValueRef::of_array(None, slice.as_ref(), index).to_owned();
    assert_eq!(row(0), Value::Array(vec![Value::Int64(1), Value::Null]));
    assert_eq!(row(1), Value::Null);

    let mut maps = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    maps.keys().append_value("k");
    maps.values().append_value(7);
    maps.append(true).unwrap();
    let maps = maps.finish();
    assert_eq!(ValueRef::of_array(None, &maps, 0).to_owned(), Value::Map(vec![(text("k"), Value::Int32(7))]));
    let booleans = BooleanArray::from(vec![true, false]);
    assert_eq!(ValueRef::of_array(None, &booleans, 1).to_owned(), Value::Boolean(false));
}
