//! The forms that a column takes, as far as transforms are concerned.

use api::{Column, Data, SchemaRef, Type};
use arrow_array::StructArray;
use arrow_array::cast::AsArray;

/// How the values of a column lie.
#[derive(Debug)]
pub(in crate::transform) enum Form<'a> {
    /// Structs of a schema; rows may be null.
    Structs(&'a SchemaRef, &'a StructArray),
    /// Objects without schema that share a shape: rows that are not null have every key.
    Objects(&'a StructArray),
    /// Values with a schema that are no structs, or structs that are all null.
    Typed(&'a SchemaRef),
    /// Anything without a schema, to be looked at row by row.
    Untyped,
}

impl Form<'_> {
    /// The form of a column.
    pub(in crate::transform) fn of(column: &Column) -> Form<'_> {
        let structs = match &column.data {
            Data::Array(array) => array.as_struct_opt(),
            _ => None,
        };
        match (&column.schema, structs) {
            (Some(schema), Some(structs)) if matches!(schema.kind, Type::Struct(_)) => {
                Form::Structs(schema, structs)
            }
            (Some(schema), _) => Form::Typed(schema),
            (None, Some(objects)) => Form::Objects(objects),
            (None, None) => Form::Untyped,
        }
    }
}
