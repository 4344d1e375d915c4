//! The texts of all rows of a column. What they have in common is found out once: types, names, and the order in which Java's `HashMap`
//! iterates over the fields of a schemaless object.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{Array, BooleanArray, PrimitiveArray, StringViewArray, StructArray};
use arrow_schema::DataType;

use super::value::write_under;
use super::{write_float32, write_float64, write_integer};
use crate::column::{Column, Data};
use crate::schema::{Field, SchemaRef};
use crate::value::{ValueRef, names_in_java_order};

/// Prints rows of a column as [`write_under`] prints their values.
#[derive(Debug)]
pub struct ColumnText<'a>(Source<'a>);

#[derive(Debug)]
enum Source<'a> {
    Array(Printer<'a>),
    Other(&'a Column),
}

/// How the rows of one array are printed.
#[derive(Debug)]
enum Printer<'a> {
    Text(&'a StringViewArray),
    Boolean(&'a BooleanArray),
    Int8(&'a PrimitiveArray<Int8Type>),
    Int16(&'a PrimitiveArray<Int16Type>),
    Int32(&'a PrimitiveArray<Int32Type>),
    Int64(&'a PrimitiveArray<Int64Type>),
    Float32(&'a PrimitiveArray<Float32Type>),
    Float64(&'a PrimitiveArray<Float64Type>),
    /// A map in Java: its entries in Java's order, each with the text before its value.
    Object {
        objects: &'a StructArray,
        entries: Vec<(String, Printer<'a>)>,
    },
    /// Fields in their order, each with its name and `=`; those that are null are left out.
    Struct {
        structs: &'a StructArray,
        fields: Vec<(String, &'a dyn Array, Printer<'a>)>,
    },
    Other(Option<&'a SchemaRef>, &'a dyn Array),
}

impl<'a> ColumnText<'a> {
    /// Looks at what the rows of `column` have in common.
    pub fn of(column: &'a Column) -> ColumnText<'a> {
        ColumnText(match &column.data {
            Data::Array(array) => Source::Array(Printer::of(column.schema.as_ref(), array.as_ref())),
            _ => Source::Other(column),
        })
    }

    /// Appends the text of a row.
    ///
    /// # Panics
    /// For a row beyond the end: a bug of the caller.
    pub fn write(&self, out: &mut Vec<u8>, row: usize) {
        match &self.0 {
            Source::Array(printer) => printer.write(out, row),
            Source::Other(column) => write_under(out, column.schema.as_ref(), column.row(row)),
        }
    }
}

impl<'a> Printer<'a> {
    fn of(schema: Option<&'a SchemaRef>, array: &'a dyn Array) -> Printer<'a> {
        if schema.is_some_and(|schema| schema.logical().is_some()) {
            return Printer::Other(schema, array);
        }
        match array.data_type() {
            DataType::Boolean => Printer::Boolean(array.as_boolean()),
            DataType::Int8 => Printer::Int8(array.as_primitive()),
            DataType::Int16 => Printer::Int16(array.as_primitive()),
            DataType::Int32 => Printer::Int32(array.as_primitive()),
            DataType::Int64 => Printer::Int64(array.as_primitive()),
            DataType::Float32 => Printer::Float32(array.as_primitive()),
            DataType::Float64 => Printer::Float64(array.as_primitive()),
            DataType::Utf8View => Printer::Text(array.as_string_view()),
            DataType::Struct(_) => Printer::of_struct(schema, array.as_struct()),
            _ => Printer::Other(schema, array),
        }
    }

    fn of_struct(schema: Option<&'a SchemaRef>, structs: &'a StructArray) -> Printer<'a> {
        let Some(schema) = schema else {
            let names: Vec<&str> = structs.fields().iter().map(|field| field.name().as_str()).collect();
            let entry = |(place, index): (usize, usize)| {
                let before = format!("{}{}=", if place == 0 { "" } else { ", " }, names[index]);
                (before, Printer::of(None, structs.column(index).as_ref()))
            };
            let entries = names_in_java_order(&names).into_iter().enumerate().map(entry).collect();
            return Printer::Object { objects: structs, entries };
        };
        let field = |(index, field): (usize, &'a Field)| {
            let array = structs.column(index).as_ref();
            (format!("{}=", field.name), array, Printer::of(Some(&field.schema), array))
        };
        Printer::Struct { structs, fields: schema.fields().iter().enumerate().map(field).collect() }
    }

    fn write(&self, out: &mut Vec<u8>, row: usize) {
        if self.is_null(row) {
            return out.extend_from_slice(b"null");
        }
        match self {
            Printer::Text(array) => out.extend_from_slice(array.value(row).as_bytes()),
            Printer::Boolean(array) => {
                out.extend_from_slice(if array.value(row) { b"true" } else { b"false" })
            }
            Printer::Int8(array) => write_integer(out, array.value(row).into()),
            Printer::Int16(array) => write_integer(out, array.value(row).into()),
            Printer::Int32(array) => write_integer(out, array.value(row).into()),
            Printer::Int64(array) => write_integer(out, array.value(row)),
            Printer::Float32(array) => write_float32(out, array.value(row)),
            Printer::Float64(array) => write_float64(out, array.value(row)),
            Printer::Object { entries, .. } => {
                out.push(b'{');
                for (before, printer) in entries {
                    out.extend_from_slice(before.as_bytes());
                    printer.write(out, row);
                }
                out.push(b'}');
            }
            Printer::Struct { fields, .. } => {
                out.extend_from_slice(b"Struct{");
                let mut is_first = true;
                for (before, array, printer) in fields {
                    if array.is_null(row) {
                        continue;
                    }
                    if !std::mem::take(&mut is_first) {
                        out.push(b',');
                    }
                    out.extend_from_slice(before.as_bytes());
                    printer.write(out, row);
                }
                out.push(b'}');
            }
            Printer::Other(schema, array) => {
                write_under(out, *schema, ValueRef::of_array(*schema, *array, row))
            }
        }
    }

    fn is_null(&self, row: usize) -> bool {
        match self {
            Printer::Text(array) => array.is_null(row),
            Printer::Boolean(array) => array.is_null(row),
            Printer::Int8(array) => array.is_null(row),
            Printer::Int16(array) => array.is_null(row),
            Printer::Int32(array) => array.is_null(row),
            Printer::Int64(array) => array.is_null(row),
            Printer::Float32(array) => array.is_null(row),
            Printer::Float64(array) => array.is_null(row),
            Printer::Object { objects: array, .. } | Printer::Struct { structs: array, .. } => {
                array.is_null(row)
            }
            // It looks itself.
            Printer::Other(..) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Float64Array, Int32Array, Int64Array, ListArray, NullArray};
    use arrow_buffer::NullBuffer;
    use arrow_schema::{Field as ArrowField, Fields};

    use super::*;
    use crate::schema::{Schema, Type};

    /// Goal: each row prints as its value does by itself.
    fn check(column: &Column, expected: &[&str]) {
        let text = ColumnText::of(column);
        for (row, expected) in expected.iter().enumerate() {
            let (mut ours, mut alone) = (Vec::new(), Vec::new());
            text.write(&mut ours, row);
            write_under(&mut alone, column.schema.as_ref(), column.row(row));
            assert_eq!(String::from_utf8(ours).unwrap(), *expected);
            assert_eq!(String::from_utf8(alone).unwrap(), *expected);
        }
        assert_eq!(column.len(), expected.len());
    }

    fn structs(columns: &[(&str, ArrayRef)], valid: &[bool]) -> ArrayRef {
        let fields: Fields = columns
            .iter()
            .map(|(name, array)| ArrowField::new(*name, array.data_type().clone(), true))
            .collect();
        let arrays = columns.iter().map(|(_, array)| Arc::clone(array)).collect();
        Arc::new(StructArray::new(fields, arrays, Some(NullBuffer::from(valid.to_vec()))))
    }

    fn array(schema: Option<Schema>, array: ArrayRef) -> Column {
        Column { schema: schema.map(Arc::new), data: Data::Array(array) }
    }

    fn text(rows: &[Option<&str>]) -> ArrayRef {
        Arc::new(StringViewArray::from(rows.to_vec()))
    }

    #[test]
    fn objects_print_in_the_order_of_javas_maps() {
        let inner = structs(&[("b", Arc::new(Int32Array::from(vec![1, 2, 3])))], &[true, false, true]);
        let flags: ArrayRef = Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]));
        let lists: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>([
            Some(vec![Some(1), None]),
            Some(vec![]),
            None,
        ]));
        let objects = structs(
            &[
                ("snapshot", text(&[Some("s"), None, Some("t")])),
                ("ts_ms", Arc::new(Int64Array::from(vec![7, 8, 9]))),
                ("pos", Arc::new(Float64Array::from(vec![0.5, 1e10, -0.0]))),
                ("db", inner),
                ("flag", flags),
                ("list", lists),
                ("none", Arc::new(NullArray::new(3))),
            ],
            &[true, true, false],
        );
        check(
            &array(None, objects),
            &[
                "{flag=true, pos=0.5, none=null, list=[1, null], snapshot=s, ts_ms=7, db={b=1}}",
                "{flag=null, pos=1.0E10, none=null, list=[], snapshot=null, ts_ms=8, db=null}",
                "null",
            ],
        );
    }

    #[test]
    fn structs_leave_nulls_out_and_print_logical_types() {
        let field = |name: &str, schema: Schema| Field { name: name.into(), schema: Arc::new(schema) };
        let schema = Schema::new(Type::Struct(vec![
            field("id", Schema::new(Type::Int32).optional()),
            field("day", Schema::date()),
            field("name", Schema::new(Type::String).optional()),
        ]));
        let rows = structs(
            &[
                ("id", Arc::new(Int32Array::from(vec![None, Some(5)]))),
                ("day", Arc::new(Int32Array::from(vec![-1, 0]))),
                ("name", text(&[Some("a"), None])),
            ],
            &[true, true],
        );
        check(
            &array(Some(schema), rows),
            &[
                "Struct{day=Wed Dec 31 00:00:00 UTC 1969,name=a}",
                "Struct{id=5,day=Thu Jan 01 00:00:00 UTC 1970}",
            ],
        );
    }

    #[test]
    fn columns_without_arrays_print_too() {
        check(&Column::null(2), &["null", "null"]);
        check(
            &array(Some(Schema::date()), Arc::new(Int32Array::from(vec![0]))),
            &["Thu Jan 01 00:00:00 UTC 1970"],
        );
    }
}
