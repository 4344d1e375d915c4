//! Writing whole columns: what each column holds is found out once, then its rows are written one after another into one
//! buffer.

use api::value::Logical;
use api::{Column, Data, Error, SchemaRef, Type, ValueRef};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{Array, BinaryViewArray, BooleanArray, StringViewArray};
use arrow_schema::DataType;

use super::output::{Literal, Output};
use super::write::{Style, write_bytes, write_float32, write_null, write_string, write_value};

/// Writes rows of one column.
pub(super) struct RowWriter<'a> {
    schema: Option<&'a SchemaRef>,
    style: Style,
    source: Source<'a>,
}

enum Source<'a> {
    /// Values of all rows looked up one by one.
    Column(&'a Column),
    Array(ArrayWriter<'a>),
}

struct ArrayWriter<'a> {
    schema: Option<&'a SchemaRef>,
    array: &'a dyn Array,
    has_nulls: bool,
    values: Values<'a>,
}

enum Values<'a> {
    Boolean(&'a BooleanArray),
    Int8(&'a [i8]),
    Int16(&'a [i16]),
    Int32(&'a [i32]),
    Int64(&'a [i64]),
    Float32(&'a [f32]),
    Float64(&'a [f64]),
    Text(&'a StringViewArray),
    Bytes(&'a BinaryViewArray),
    /// Fields, each with the text before its value.
    Object(Vec<(Literal, ArrayWriter<'a>)>),
    /// Looked up one by one.
    Other,
}

impl<'a> RowWriter<'a> {
    pub(super) fn of(column: &'a Column, style: Style) -> RowWriter<'a> {
        let schema = column.schema.as_ref();
        let source = match &column.data {
            Data::Array(array) => Source::Array(ArrayWriter::of(schema, array.as_ref(), style)),
            _ => Source::Column(column),
        };
        RowWriter { schema, style, source }
    }

    /// Whether a row is null, whatever its schema makes of that.
    pub(super) fn is_null(&self, row: usize) -> bool {
        match &self.source {
            Source::Array(writer) => writer.array.is_null(row) || *writer.array.data_type() == DataType::Null,
            Source::Column(column) => matches!(column.row(row), ValueRef::Null),
        }
    }

    /// Appends a row; on an error part of it may have been written.
    #[inline]
    pub(super) fn write(&self, row: usize, out: &mut Output) -> Result<(), Error> {
        match &self.source {
            Source::Array(writer) => writer.write(row, out, self.style),
            Source::Column(column) => {
                out.try_push_with(|out| write_value(out, self.schema, column.row(row), self.style))
            }
        }
    }
}

impl<'a> ArrayWriter<'a> {
    fn of(schema: Option<&'a SchemaRef>, array: &'a dyn Array, style: Style) -> ArrayWriter<'a> {
        let is_plain = match schema.and_then(|schema| schema.logical()) {
            None | Some(Logical::Date | Logical::Timestamp) => true,
            Some(Logical::Decimal) => !style.decimal_is_number,
            Some(Logical::Time) => false,
        };
        let values = match (schema.map(|schema| &schema.kind), array.data_type()) {
            _ if !is_plain => Values::Other,
            (None | Some(Type::Boolean), DataType::Boolean) => Values::Boolean(array.as_boolean()),
            (None | Some(Type::Int8), DataType::Int8) => {
                Values::Int8(array.as_primitive::<Int8Type>().values())
            }
            (None | Some(Type::Int16), DataType::Int16) => {
                Values::Int16(array.as_primitive::<Int16Type>().values())
            }
            (None | Some(Type::Int32), DataType::Int32) => {
                Values::Int32(array.as_primitive::<Int32Type>().values())
            }
            (None | Some(Type::Int64), DataType::Int64) => {
                Values::Int64(array.as_primitive::<Int64Type>().values())
            }
            (None | Some(Type::Float32), DataType::Float32) => {
                Values::Float32(array.as_primitive::<Float32Type>().values())
            }
            (None | Some(Type::Float64), DataType::Float64) => {
                Values::Float64(array.as_primitive::<Float64Type>().values())
            }
            (None | Some(Type::String), DataType::Utf8View) => Values::Text(array.as_string_view()),
            (None | Some(Type::Bytes), DataType::BinaryView) => Values::Bytes(array.as_binary_view()),
            (None | Some(Type::Struct(_)), DataType::Struct(fields)) => {
                let columns = array.as_struct().columns();
                let schemas = schema.map(|schema| schema.fields());
                let writers = fields.iter().zip(columns).enumerate().map(|(index, (field, column))| {
                    let field_schema = schemas.and_then(|fields| fields.get(index));
                    let name = field_schema.map_or(field.name().as_str(), |field| &field.name);
                    let mut before = vec![if index == 0 { b'{' } else { b',' }];
                    write_string(&mut before, name);
                    before.push(b':');
                    (
                        Literal::new(before),
                        ArrayWriter::of(field_schema.map(|field| &field.schema), column.as_ref(), style),
                    )
                });
                if schemas.is_none_or(|schemas| schemas.len() == columns.len()) {
                    Values::Object(writers.collect())
                } else {
                    Values::Other
                }
            }
            _ => Values::Other,
        };
        ArrayWriter { schema, array, has_nulls: array.null_count() > 0, values }
    }

    #[inline]
    fn write(&self, row: usize, out: &mut Output, style: Style) -> Result<(), Error> {
        if self.has_nulls && self.array.is_null(row) {
            return out.try_push_with(|out| write_null(out, self.schema, style));
        }
        match &self.values {
            Values::Boolean(values) => out.push_boolean(values.value(row)),
            Values::Int8(values) => out.push_integer(values[row].into()),
            Values::Int16(values) => out.push_integer(values[row].into()),
            Values::Int32(values) => out.push_integer(values[row].into()),
            Values::Int64(values) => out.push_integer(values[row]),
            Values::Float32(values) => out.push_with(|out| write_float32(out, values[row])),
            Values::Float64(values) => out.push_float64(values[row]),
            Values::Text(values) => out.push_text(values.views()[row], values.data_buffers()),
            Values::Bytes(values) => out.push_with(|out| write_bytes(out, values.value(row))),
            Values::Object(fields) => {
                for (before, writer) in fields {
                    out.push_literal(before);
                    writer.write(row, out, style)?;
                }
                if fields.is_empty() {
                    out.push_byte(b'{');
                }
                out.push_byte(b'}');
            }
            Values::Other => out.try_push_with(|out| {
                write_value(out, self.schema, ValueRef::of_array(self.schema, self.array, row), style)
            })?,
        }
        Ok(())
    }
}
