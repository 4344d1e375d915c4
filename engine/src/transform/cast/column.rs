//! Arrays cast: a loop for each pair of types, without a look at what any other row is.

use std::sync::Arc;

use api::java_text::{
    DAY_MS, read_float32, read_float64, read_integer, write_float32, write_float64, write_integer,
};
use api::value::Logical;
use api::{ColumnBuilder, Data, Result, RowError, Schema, SchemaRef, ValueRef, decimal};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BinaryViewArray, BooleanArray, NullArray, PrimitiveArray,
    StringViewArray,
};
use arrow_buffer::BooleanBuffer;
use arrow_schema::DataType;

use super::narrow::Narrow;
use super::target::{Target, unsupported};
use super::value::{self, out_of_range, read_boolean};
use crate::convert::values::{self, print_moment};
use crate::transform::texts::Texts;

/// Bytes that a number or date takes as text, more or less.
const TEXT_BYTES: usize = 16;

/// The values of an array as another type. Nulls stay null. Rows that fail are named in `errors`; what the result holds there does not
/// matter.
///
/// # Errors
/// When the result does not fit into an array.
pub(super) fn cast(
    array: &ArrayRef,
    schema: Option<&SchemaRef>,
    target: Target,
    errors: &mut Vec<RowError>,
) -> Result<ArrayRef> {
    let logical = schema.and_then(|schema| schema.logical());
    Ok(match (array.data_type(), logical) {
        (DataType::Null, _) => match schema {
            Some(_) => nulls(array.len(), target)?,
            None => Arc::clone(array),
        },
        (DataType::Int32, Some(Logical::Date)) if target == Target::String => {
            moments(array.as_primitive::<Int32Type>(), |days| i64::from(days) * DAY_MS)?
        }
        (DataType::Int32, Some(Logical::Time)) if target == Target::String => {
            moments(array.as_primitive::<Int32Type>(), i64::from)?
        }
        (DataType::Int64, Some(Logical::Timestamp)) if target == Target::String => {
            moments(array.as_primitive::<Int64Type>(), |ms| ms)?
        }
        (DataType::Int8, _) => {
            numbers(array.as_primitive::<Int8Type>(), target, |out, n| write_integer(out, n.into()))?
        }
        (DataType::Int16, _) => {
            numbers(array.as_primitive::<Int16Type>(), target, |out, n| write_integer(out, n.into()))?
        }
        (DataType::Int32, _) => {
            numbers(array.as_primitive::<Int32Type>(), target, |out, n| write_integer(out, n.into()))?
        }
        (DataType::Int64, _) => numbers(array.as_primitive::<Int64Type>(), target, write_integer)?,
        (DataType::Float32, _) => numbers(array.as_primitive::<Float32Type>(), target, write_float32)?,
        (DataType::Float64, _) => numbers(array.as_primitive::<Float64Type>(), target, write_float64)?,
        (DataType::Boolean, _) => booleans(array, target)?,
        (DataType::Utf8View, _) => strings(array, target, errors),
        (DataType::BinaryView, None) if target == Target::String => bytes(array.as_binary_view())?,
        (DataType::BinaryView, Some(Logical::Decimal)) if target == Target::String => {
            decimals(array.as_binary_view(), schema.and_then(|schema| schema.scale()))?
        }
        (DataType::List(_) | DataType::Map(..) | DataType::Struct(_), _) => {
            let kind = match (schema, array.data_type()) {
                (Some(schema), _) => schema.kind.java_name(),
                (None, DataType::List(_)) => "ARRAY",
                (None, _) => "MAP",
            };
            let failed = (0..array.len()).filter(|row| array.is_valid(*row));
            errors.extend(failed.map(|row| RowError { row, error: unsupported(kind) }));
            nulls(array.len(), target)?
        }
        _ => row_by_row(array, schema, target, errors)?,
    })
}

/// Nulls of the type that is wanted.
pub(super) fn nulls(rows: usize, target: Target) -> Result<ArrayRef> {
    Ok(match target {
        Target::Int8 => Arc::new(PrimitiveArray::<Int8Type>::new_null(rows)),
        Target::Int16 => Arc::new(PrimitiveArray::<Int16Type>::new_null(rows)),
        Target::Int32 => Arc::new(PrimitiveArray::<Int32Type>::new_null(rows)),
        Target::Int64 => Arc::new(PrimitiveArray::<Int64Type>::new_null(rows)),
        Target::Float32 => Arc::new(PrimitiveArray::<Float32Type>::new_null(rows)),
        Target::Float64 => Arc::new(PrimitiveArray::<Float64Type>::new_null(rows)),
        Target::Boolean => Arc::new(BooleanArray::new_null(rows)),
        Target::String => Arc::new(StringViewArray::new_null(rows)),
    })
}

fn numbers<S: ArrowPrimitiveType>(
    array: &PrimitiveArray<S>,
    target: Target,
    write: impl Fn(&mut Vec<u8>, S::Native),
) -> Result<ArrayRef>
where
    S::Native: Narrow,
{
    Ok(match target {
        Target::Int8 => Arc::new(array.unary::<_, Int8Type>(Narrow::to_i8)),
        Target::Int16 => Arc::new(array.unary::<_, Int16Type>(Narrow::to_i16)),
        Target::Int32 => Arc::new(array.unary::<_, Int32Type>(Narrow::to_i32)),
        Target::Int64 => Arc::new(array.unary::<_, Int64Type>(Narrow::to_i64)),
        Target::Float32 => Arc::new(array.unary::<_, Float32Type>(Narrow::to_f32)),
        Target::Float64 => Arc::new(array.unary::<_, Float64Type>(Narrow::to_f64)),
        Target::Boolean => {
            let values = array.values();
            let bits = BooleanBuffer::collect_bool(values.len(), |row| values[row].to_i64() != 0);
            Arc::new(BooleanArray::new(bits, array.nulls().cloned()))
        }
        Target::String => texts(array, write)?,
    })
}

fn moments<S: ArrowPrimitiveType>(
    array: &PrimitiveArray<S>,
    epoch_ms: impl Fn(S::Native) -> i64,
) -> Result<ArrayRef> {
    texts(array, |out, value| print_moment(out, epoch_ms(value)))
}

fn texts<S: ArrowPrimitiveType>(
    array: &PrimitiveArray<S>,
    write: impl Fn(&mut Vec<u8>, S::Native),
) -> Result<ArrayRef> {
    let mut texts = Texts::with_capacity(array.len(), TEXT_BYTES);
    for value in array.values() {
        write(texts.bytes(), *value);
        texts.end_row();
    }
    Ok(Arc::new(texts.finish(array.nulls())?))
}

fn booleans(array: &ArrayRef, target: Target) -> Result<ArrayRef> {
    let values = array.as_boolean();
    fn each<T: ArrowPrimitiveType>(values: &BooleanArray, number: impl Fn(i8) -> T::Native) -> ArrayRef {
        let numbers = values.values().iter().map(|bit| number(i8::from(bit))).collect();
        Arc::new(PrimitiveArray::<T>::new(numbers, values.nulls().cloned()))
    }
    Ok(match target {
        Target::Int8 => each::<Int8Type>(values, Narrow::to_i8),
        Target::Int16 => each::<Int16Type>(values, Narrow::to_i16),
        Target::Int32 => each::<Int32Type>(values, Narrow::to_i32),
        Target::Int64 => each::<Int64Type>(values, Narrow::to_i64),
        Target::Float32 => each::<Float32Type>(values, Narrow::to_f32),
        Target::Float64 => each::<Float64Type>(values, Narrow::to_f64),
        Target::Boolean => Arc::clone(array),
        Target::String => {
            let mut texts = Texts::with_capacity(values.len(), TEXT_BYTES);
            for bit in values.values() {
                texts.bytes().extend_from_slice(if bit { b"true" } else { b"false" });
                texts.end_row();
            }
            Arc::new(texts.finish(values.nulls())?)
        }
    })
}

fn strings(array: &ArrayRef, target: Target, errors: &mut Vec<RowError>) -> ArrayRef {
    fn each<T: ArrowPrimitiveType>(
        texts: &StringViewArray,
        read: impl Fn(&str) -> Option<T::Native>,
        errors: &mut Vec<RowError>,
    ) -> ArrayRef {
        let numbers = (0..texts.len()).map(|row| {
            if texts.is_null(row) {
                return T::Native::default();
            }
            let text = texts.value(row);
            read(text).unwrap_or_else(|| {
                errors.push(RowError { row, error: out_of_range(text) });
                T::Native::default()
            })
        });
        Arc::new(PrimitiveArray::<T>::new(numbers.collect(), texts.nulls().cloned()))
    }
    let texts = array.as_string_view();
    match target {
        Target::Int8 => each::<Int8Type>(texts, read_integer, errors),
        Target::Int16 => each::<Int16Type>(texts, read_integer, errors),
        Target::Int32 => each::<Int32Type>(texts, read_integer, errors),
        Target::Int64 => each::<Int64Type>(texts, read_integer, errors),
        Target::Float32 => each::<Float32Type>(texts, read_float32, errors),
        Target::Float64 => each::<Float64Type>(texts, read_float64, errors),
        Target::Boolean => {
            let bits = BooleanBuffer::collect_bool(texts.len(), |row| {
                texts.is_valid(row) && read_boolean(texts.value(row))
            });
            Arc::new(BooleanArray::new(bits, texts.nulls().cloned()))
        }
        Target::String => Arc::clone(array),
    }
}

fn bytes(array: &BinaryViewArray) -> Result<ArrayRef> {
    let mut texts = Texts::with_capacity(array.len(), TEXT_BYTES);
    for row in 0..array.len() {
        if array.is_valid(row) {
            values::print(texts.bytes(), None, ValueRef::Bytes(array.value(row)));
        }
        texts.end_row();
    }
    Ok(Arc::new(texts.finish(array.nulls())?))
}

/// Decimals without a scale are bytes.
fn decimals(array: &BinaryViewArray, scale: Option<i32>) -> Result<ArrayRef> {
    let Some(scale) = scale else { return bytes(array) };
    let mut texts = Texts::with_capacity(array.len(), TEXT_BYTES);
    for row in 0..array.len() {
        if array.is_valid(row) {
            decimal::write(array.value(row), scale, texts.bytes());
        }
        texts.end_row();
    }
    Ok(Arc::new(texts.finish(array.nulls())?))
}

/// What there is no loop for: decimals to numbers, bytes to what they cannot be, arrays of other makers.
fn row_by_row(
    array: &ArrayRef,
    schema: Option<&SchemaRef>,
    target: Target,
    errors: &mut Vec<RowError>,
) -> Result<ArrayRef> {
    let mut builder = ColumnBuilder::new(Some(Arc::new(Schema::new(target.kind()).optional())));
    let mut scratch = Vec::new();
    for row in 0..array.len() {
        let value = ValueRef::of_array(schema, array.as_ref(), row);
        match value::cast(schema, value, target, &mut scratch) {
            Ok(cast) => builder.push(cast)?,
            Err(error) => {
                errors.push(RowError { row, error });
                builder.push_null();
            }
        }
    }
    Ok(match builder.finish()?.data {
        Data::Array(array) => array,
        _ => Arc::new(NullArray::new(array.len())),
    })
}
