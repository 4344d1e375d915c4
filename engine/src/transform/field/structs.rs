//! Arrays of structs and objects, taken apart and put together: fields are arrays, which move without being copied.

use std::sync::Arc;

use api::views::masked;
use api::{Column, ColumnBuilder, Data, Error, Field, Result, RowError, Schema, SchemaRef, Type, ValueRef};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, NullArray, StructArray};
use arrow_buffer::NullBuffer;
use arrow_schema::{DataType, Fields};

/// Puts together structs or objects of `rows` rows; `nulls` says which rows are null.
pub(in crate::transform) fn of<N: AsRef<str>>(
    fields: impl IntoIterator<Item = (N, ArrayRef)>,
    rows: usize,
    nulls: Option<&NullBuffer>,
) -> ArrayRef {
    let (fields, arrays): (Vec<_>, Vec<_>) = fields
        .into_iter()
        .map(|(name, array)| {
            // Whether a field may be null is for the Connect schema to say.
            (arrow_schema::Field::new(name.as_ref(), array.data_type().clone(), true), array)
        })
        .unzip();
    Arc::new(if fields.is_empty() {
        StructArray::new_empty_fields(rows, nulls.cloned())
    } else {
        StructArray::new(Fields::from(fields), arrays, nulls.cloned())
    })
}

/// The values of a field, null where the struct is.
pub(in crate::transform) fn child(structs: &StructArray, index: usize) -> ArrayRef {
    masked(structs.column(index), structs.nulls())
}

/// The place of a key in objects of one shape.
pub(in crate::transform) fn place_of(objects: &StructArray, key: &str) -> Option<usize> {
    objects.fields().iter().position(|field| field.name() == key)
}

/// A column's values as an array that may be a field of structs; `None` where they have no common type, or are on a tape.
pub(in crate::transform) fn as_array(column: &Column) -> Result<Option<ArrayRef>> {
    Ok(match (&column.data, &column.schema) {
        (Data::Array(array), _) => Some(Arc::clone(array)),
        (Data::Raw(bytes), _) => Some(Arc::new(bytes.clone())),
        (Data::Null(rows), Some(schema)) => Some(nulls_of(schema, *rows)?),
        (Data::Null(rows), None) => Some(Arc::new(NullArray::new(*rows))),
        (Data::Rows(_), _) => None,
    })
}

/// Nulls of the type that a schema stands for.
pub(in crate::transform) fn nulls_of(schema: &SchemaRef, rows: usize) -> Result<ArrayRef> {
    let mut builder = ColumnBuilder::new(Some(Arc::clone(schema)));
    (0..rows).for_each(|_| builder.push_null());
    Ok(match builder.finish()?.data {
        Data::Array(array) => array,
        _ => Arc::new(NullArray::new(rows)),
    })
}

/// The value of a field as `Struct#get` gives it: its default stands in for null, if it has one. `structs` says which structs are null,
/// and have no fields.
///
/// # Errors
/// When a default is no value of its schema.
pub(in crate::transform) fn with_default(
    schema: &SchemaRef,
    array: &ArrayRef,
    structs: Option<&NullBuffer>,
) -> Result<ArrayRef> {
    let Some(default) = schema.default.as_ref().filter(|_| array.logical_null_count() > 0) else {
        return Ok(Arc::clone(array));
    };
    let default = default.as_value_ref();
    let mut builder = ColumnBuilder::new(Some(Arc::clone(schema)));
    for row in 0..array.len() {
        if structs.is_some_and(|structs| structs.is_null(row)) {
            builder.push_null();
            continue;
        }
        match ValueRef::of_array(Some(schema), array.as_ref(), row) {
            ValueRef::Null => builder.push(default)?,
            value => builder.push(value)?,
        }
    }
    Ok(match builder.finish()?.data {
        Data::Array(array) => array,
        _ => Arc::clone(array),
    })
}

/// What Java copies from a field of one struct to a field of another (`Struct#get`, then `Struct#put`). With `null_is_default` a null
/// takes the value of the default, if there is one; whatever is null then has to be allowed to. Rows that fail are null.
///
/// # Errors
/// When a default is no value of its schema.
pub(in crate::transform) fn copied(
    structs: &StructArray,
    (from, index): (&SchemaRef, usize),
    to: &Field,
    null_is_default: bool,
    errors: &mut Vec<RowError>,
) -> Result<ArrayRef> {
    let array = structs.column(index);
    let array = if null_is_default { with_default(from, array, structs.nulls())? } else { Arc::clone(array) };
    if from.kind == to.schema.kind && from.logical() == to.schema.logical() {
        check_put(to, array.as_ref(), structs.nulls(), errors);
        return Ok(array);
    }
    // Fields that were crossed: value by value.
    let mut builder = ColumnBuilder::new(Some(Arc::clone(&to.schema)));
    for row in 0..array.len() {
        let value = ValueRef::of_array(Some(from), array.as_ref(), row).carried(Some(from));
        match to.schema.validate_field(&to.name, value).and_then(|()| builder.push(value)) {
            Ok(()) => {}
            Err(_) if structs.is_null(row) => builder.push_null(),
            Err(error) => {
                errors.push(RowError { row, error });
                builder.push_null();
            }
        }
    }
    Ok(match builder.finish()?.data {
        Data::Array(array) => array,
        _ => array,
    })
}

/// Errors for the rows that are null.
pub(in crate::transform) fn null_rows(
    rows: &StructArray,
    error: impl Fn(ValueRef<'_>) -> Error,
) -> Vec<RowError> {
    let is_null = |row: &usize| rows.is_null(*row);
    (0..rows.len()).filter(is_null).map(|row| RowError { row, error: error(ValueRef::Null) }).collect()
}

/// Checks what is put into a field, as `Struct#put` does: null where a value is required fails its row. `structs` says which structs are
/// null, and have no fields.
pub(in crate::transform) fn check_put(
    field: &Field,
    array: &dyn Array,
    structs: Option<&NullBuffer>,
    errors: &mut Vec<RowError>,
) {
    let is_suspect =
        (array.logical_null_count() > 0 && !field.schema.optional) || may_lack(&field.schema, array);
    if !is_suspect {
        return;
    }
    for row in 0..array.len() {
        if structs.is_some_and(|structs| structs.is_null(row)) {
            continue;
        }
        let value = ValueRef::of_array(Some(&field.schema), array, row);
        if let Err(error) = field.schema.validate_field(&field.name, value) {
            errors.push(RowError { row, error });
        }
    }
}

/// Whether a required value within values of `schema` may be null. Rows that are null themselves, and what lies outside of a slice, may
/// make it say so in vain.
fn may_lack(schema: &Schema, array: &dyn Array) -> bool {
    let lacks = |schema: Option<&SchemaRef>, array: &dyn Array| {
        schema.is_some_and(|schema| {
            let is_required = !schema.optional && schema.default.is_none();
            (is_required && array.logical_null_count() > 0) || may_lack(schema, array)
        })
    };
    match (&schema.kind, array.data_type()) {
        (Type::Struct(fields), DataType::Struct(_)) => {
            let columns = array.as_struct().columns();
            fields.iter().zip(columns).any(|(field, column)| lacks(Some(&field.schema), column.as_ref()))
        }
        (Type::Array(items), DataType::List(_)) => {
            lacks(items.as_ref(), array.as_list::<i32>().values().as_ref())
        }
        (Type::Map(keys, values), DataType::Map(..)) => {
            let maps = array.as_map();
            lacks(keys.as_ref(), maps.keys().as_ref()) || lacks(values.as_ref(), maps.values().as_ref())
        }
        _ => false,
    }
}
