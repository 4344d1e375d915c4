//! What Java's transforms say of values that are not what they work on (`transforms.util.Requirements`).

use api::{Column, Error, Result, RowError, ValueRef};

/// A value without schema that is no map.
pub(in crate::transform) fn map(value: ValueRef<'_>, purpose: &str) -> Error {
    let class = value.java_class();
    Error::bad_record(format!(
        "Only Map objects supported in absence of schema for [{purpose}], found: {class}"
    ))
}

/// A value with schema that is no struct.
pub(in crate::transform) fn structure(value: ValueRef<'_>, purpose: &str) -> Error {
    let class = value.java_class();
    Error::bad_record(format!("Only Struct objects supported for [{purpose}], found: {class}"))
}

/// Errors for all rows of a column with a schema that are no structs; null is none either.
pub(in crate::transform) fn structures(column: &Column, purpose: &str) -> Vec<RowError> {
    let value = |row| column.row(row).carried(column.schema.as_ref());
    (0..column.len()).map(|row| RowError { row, error: structure(value(row), purpose) }).collect()
}

/// A field looked for in what has none.
pub(in crate::transform) fn fields_of_non_struct() -> Error {
    Error::bad_record("Cannot look up fields on non-struct type")
}

/// The fields of what has none.
pub(in crate::transform) fn listed_fields_of_non_struct() -> Error {
    Error::bad_record("Cannot list fields on non-struct type")
}

/// A field of a struct that it does not have (`Struct#get`).
pub(in crate::transform) fn unknown_field(name: &str) -> Error {
    Error::bad_record(format!("{name} is not a valid field name"))
}

/// A key of an object: text.
///
/// # Errors
/// For any other key, as Java where it takes it for text.
pub(in crate::transform) fn text_key(key: ValueRef<'_>) -> Result<&str> {
    let class = match key {
        ValueRef::String(text) => return Ok(text),
        other => other.java_class(),
    };
    let message = format!(
        "class {class} cannot be cast to class java.lang.String ({class} and java.lang.String are in module java.base of loader \
         'bootstrap')"
    );
    Err(Error::bad_record(message).with_java_class("java.lang.ClassCastException"))
}
