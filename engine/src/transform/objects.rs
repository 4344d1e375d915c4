//! Values put into objects without schema (`new HashMap<>(value)`, then `put` for each of some keys): a key that is there keeps its
//! place, one that is not comes last.

use std::sync::Arc;

use api::value::MapRef;
use api::{Column, Data, Error, Result, RowError, RowsBuilder, Value, ValueRef};
use arrow_array::{Array, ArrayRef, NullArray, StructArray};

use super::field::structs;

/// Objects of one shape with other arrays under some keys. `put` gets the place of a key among `keys` and the values that it had.
///
/// # Errors
/// Those of `put`.
pub(super) fn put_columns<K: AsRef<str>>(
    objects: &StructArray,
    keys: &[K],
    mut put: impl FnMut(usize, &ArrayRef) -> Result<ArrayRef>,
) -> Result<ArrayRef> {
    let rows = objects.len();
    let mut fields: Vec<(&str, ArrayRef)> = objects
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .zip(objects.columns().iter().cloned())
        .collect();
    for (index, key) in keys.iter().enumerate() {
        let key = key.as_ref();
        match structs::place_of(objects, key) {
            Some(place) => fields[place].1 = put(index, &structs::child(objects, place))?,
            None => fields.push((key, put(index, &(Arc::new(NullArray::new(rows)) as ArrayRef))?)),
        }
    }
    Ok(structs::of(fields, rows, objects.nulls()))
}

/// Rows of any shape with other values under some keys. `put` appends the new value for a key, given its place among `keys` and the value
/// that it had. A row that is no map gets the error that `not_a_map` has for it, or stays as it is.
pub(super) fn put_rows<K: AsRef<str>>(
    column: &Column,
    keys: &[K],
    mut put: impl FnMut(&mut RowsBuilder, usize, ValueRef<'_>) -> Result<()>,
    not_a_map: impl Fn(ValueRef<'_>) -> Option<Error>,
) -> (Column, Vec<RowError>) {
    map_rows(column, |rows, _row, value| match value {
        ValueRef::Map(map) if map.has_text_keys() => put_entries(rows, map, keys, &mut put),
        ValueRef::Map(map) => put_odd_entries(rows, map, keys, &mut put),
        other => match not_a_map(other) {
            Some(error) => Err(error),
            None => rows.value(other),
        },
    })
}

/// Values without schema, one by one: `change` appends what becomes of each, given its row.
pub(super) fn map_rows(
    column: &Column,
    mut change: impl FnMut(&mut RowsBuilder, usize, ValueRef<'_>) -> Result<()>,
) -> (Column, Vec<RowError>) {
    let mut errors = Vec::new();
    let mut rows = RowsBuilder::new();
    for row in 0..column.len() {
        if let Err(error) = change(&mut rows, row, column.row(row)) {
            errors.push(RowError { row, error });
            rows.abandon_row();
            rows.null();
        }
        rows.finish_row();
    }
    (Column { schema: None, data: Data::Rows(rows.finish()) }, errors)
}

fn put_entries<K: AsRef<str>>(
    rows: &mut RowsBuilder,
    map: MapRef<'_>,
    keys: &[K],
    put: &mut impl FnMut(&mut RowsBuilder, usize, ValueRef<'_>) -> Result<()>,
) -> Result<()> {
    let mut attempt = || {
        rows.begin_object()?;
        for (key, value) in map.iter() {
            let ValueRef::String(key) = key else { continue };
            rows.key(key);
            match keys.iter().position(|other| other.as_ref() == key) {
                Some(index) => put(rows, index, value)?,
                None => rows.value(value)?,
            }
        }
        for (index, key) in keys.iter().enumerate() {
            if map.get(key.as_ref()).is_none() {
                rows.key(key.as_ref());
                put(rows, index, ValueRef::Null)?;
            }
        }
        rows.end_object();
        Ok(())
    };
    attempt().map_err(|error| {
        // Java goes by its own order, in which another key may fail first.
        let mut scratch = RowsBuilder::new();
        let failed = keys.iter().enumerate().find_map(|(index, key)| {
            scratch.abandon_row();
            put(&mut scratch, index, map.get(key.as_ref()).unwrap_or(ValueRef::Null)).err()
        });
        failed.unwrap_or(error)
    })
}

/// Maps with other keys than text, which tapes have no way to build step by step: by way of an owned value, since they are rare.
fn put_odd_entries<K: AsRef<str>>(
    rows: &mut RowsBuilder,
    map: MapRef<'_>,
    keys: &[K],
    put: &mut impl FnMut(&mut RowsBuilder, usize, ValueRef<'_>) -> Result<()>,
) -> Result<()> {
    let mut entries: Vec<_> = map.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    for (index, key) in keys.iter().enumerate() {
        let key = Value::String(key.as_ref().to_owned());
        let place = entries.iter().position(|(known, _)| *known == key);
        let old = place.map_or(ValueRef::Null, |place| entries[place].1.as_value_ref());
        let mut scratch = RowsBuilder::new();
        put(&mut scratch, index, old)?;
        scratch.finish_row();
        let new = scratch.row(0).to_owned();
        match place {
            Some(place) => entries[place].1 = new,
            None => entries.push((key, new)),
        }
    }
    rows.value(Value::Map(entries).as_value_ref())
}
