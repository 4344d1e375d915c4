//! Lists, maps and structs borrowed from owned values, Arrow arrays or tapes.

use std::ops::Range;

use arrow_array::{Array, StructArray};

use super::borrowed::ValueRef;
use super::owned::Value;
use crate::rows::tape::{Tape, TapeRange};
use crate::schema::{Field, SchemaRef};

/// A list.
#[derive(Debug, Clone, Copy)]
pub struct ListRef<'a>(ListSource<'a>);

#[derive(Debug, Clone, Copy)]
enum ListSource<'a> {
    Owned(&'a [Value]),
    Arrow { schema: Option<&'a SchemaRef>, items: &'a dyn Array, start: usize, end: usize },
    Tape(&'a Tape, TapeRange),
}

impl<'a> ListRef<'a> {
    pub(super) fn of_values(items: &'a [Value]) -> ListRef<'a> {
        ListRef(ListSource::Owned(items))
    }

    pub(super) fn of_array(
        schema: Option<&'a SchemaRef>,
        items: &'a dyn Array,
        range: Range<usize>,
    ) -> ListRef<'a> {
        ListRef(ListSource::Arrow { schema, items, start: range.start, end: range.end })
    }

    pub(crate) fn of_tape(tape: &'a Tape, range: TapeRange) -> ListRef<'a> {
        ListRef(ListSource::Tape(tape, range))
    }

    /// Number of items.
    pub fn len(&self) -> usize {
        match &self.0 {
            ListSource::Owned(items) => items.len(),
            ListSource::Arrow { start, end, .. } => end - start,
            ListSource::Tape(_, range) => range.count as usize,
        }
    }

    /// Whether there is no item.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The items in order.
    pub fn iter(&self) -> Items<'a> {
        Items(self.0)
    }
}

/// Iterates over the items of a list.
#[derive(Debug, Clone)]
pub struct Items<'a>(ListSource<'a>);

impl<'a> Iterator for Items<'a> {
    type Item = ValueRef<'a>;

    fn next(&mut self) -> Option<ValueRef<'a>> {
        match &mut self.0 {
            ListSource::Owned(items) => {
                let (first, rest) = items.split_first()?;
                *items = rest;
                Some(first.as_value_ref())
            }
            ListSource::Arrow { schema, items, start, end } => {
                if start == end {
                    return None;
                }
                *start += 1;
                Some(ValueRef::of_array(*schema, *items, *start - 1))
            }
            ListSource::Tape(tape, range) => tape.next(range),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = ListRef(self.0).len();
        (len, Some(len))
    }
}

/// A map. Connect's maps are Java `HashMap`s: what is printed comes in [their order](MapRef::try_each_in_java_order).
#[derive(Debug, Clone, Copy)]
pub struct MapRef<'a>(pub(super) MapSource<'a>);

#[derive(Debug, Clone, Copy)]
pub(super) enum MapSource<'a> {
    Owned(&'a [(Value, Value)]),
    Arrow {
        keys: Side<'a>,
        values: Side<'a>,
        start: usize,
        end: usize,
    },
    /// A schemaless object: the fields of a struct array from `next` on.
    Object {
        objects: &'a StructArray,
        row: usize,
        next: usize,
    },
    Tape(&'a Tape, TapeRange),
}

/// Keys or values of a map array with their schema.
type Side<'a> = (Option<&'a SchemaRef>, &'a dyn Array);

impl<'a> MapRef<'a> {
    pub(super) fn of_values(entries: &'a [(Value, Value)]) -> MapRef<'a> {
        MapRef(MapSource::Owned(entries))
    }

    pub(super) fn of_arrays(keys: Side<'a>, values: Side<'a>, range: Range<usize>) -> MapRef<'a> {
        MapRef(MapSource::Arrow { keys, values, start: range.start, end: range.end })
    }

    pub(super) fn of_object(objects: &'a StructArray, row: usize) -> MapRef<'a> {
        MapRef(MapSource::Object { objects, row, next: 0 })
    }

    pub(crate) fn of_tape(tape: &'a Tape, range: TapeRange) -> MapRef<'a> {
        MapRef(MapSource::Tape(tape, range))
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        match &self.0 {
            MapSource::Owned(entries) => entries.len(),
            MapSource::Arrow { start, end, .. } => end - start,
            MapSource::Object { objects, next, .. } => objects.num_columns() - next,
            MapSource::Tape(_, range) => range.count as usize,
        }
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether all keys are text.
    pub fn has_text_keys(&self) -> bool {
        self.iter().all(|(key, _)| matches!(key, ValueRef::String(_)))
    }

    /// The entries in the order in which they were put.
    pub fn iter(&self) -> Entries<'a> {
        Entries(self.0)
    }

    /// The value under a text key.
    pub fn get(&self, name: &str) -> Option<ValueRef<'a>> {
        if let MapSource::Object { objects, row, .. } = self.0 {
            return Some(ValueRef::of_array(None, objects.column_by_name(name)?.as_ref(), row));
        }
        self.iter()
            .find(|(key, _)| matches!(key, ValueRef::String(key) if *key == name))
            .map(|(_, value)| value)
    }
}

/// Iterates over the entries of a map.
#[derive(Debug, Clone)]
pub struct Entries<'a>(MapSource<'a>);

impl<'a> Entries<'a> {
    /// Where the next entry of `map` is, for [`Entries::at`]; ascending.
    pub(super) fn position(&self, map: MapRef<'a>) -> u32 {
        let position = match &self.0 {
            MapSource::Owned(entries) => map.len() - entries.len(),
            MapSource::Arrow { start, .. } => *start,
            MapSource::Object { next, .. } => *next,
            MapSource::Tape(_, range) => return range.next,
        };
        u32::try_from(position).expect("entries of one column number less than 2^32")
    }

    /// The entry at a position of this map.
    pub(super) fn at(map: MapRef<'a>, position: u32) -> Option<(ValueRef<'a>, ValueRef<'a>)> {
        let at = position as usize;
        let source = match map.0 {
            MapSource::Owned(entries) => MapSource::Owned(&entries[at..]),
            MapSource::Arrow { keys, values, end, .. } => MapSource::Arrow { keys, values, start: at, end },
            MapSource::Object { objects, row, .. } => MapSource::Object { objects, row, next: at },
            MapSource::Tape(tape, range) => MapSource::Tape(tape, TapeRange { next: position, ..range }),
        };
        Entries(source).next()
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = (ValueRef<'a>, ValueRef<'a>);

    fn next(&mut self) -> Option<(ValueRef<'a>, ValueRef<'a>)> {
        match &mut self.0 {
            MapSource::Owned(entries) => {
                let (first, rest) = entries.split_first()?;
                *entries = rest;
                Some((first.0.as_value_ref(), first.1.as_value_ref()))
            }
            MapSource::Arrow { keys, values, start, end } => {
                if start == end {
                    return None;
                }
                *start += 1;
                Some((
                    ValueRef::of_array(keys.0, keys.1, *start - 1),
                    ValueRef::of_array(values.0, values.1, *start - 1),
                ))
            }
            MapSource::Object { objects, row, next } => {
                let column = objects.columns().get(*next)?;
                let name = objects.fields()[*next].name();
                *next += 1;
                Some((ValueRef::String(name), ValueRef::of_array(None, column.as_ref(), *row)))
            }
            MapSource::Tape(tape, range) => tape.next_entry(range),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = MapRef(self.0).len();
        (len, Some(len))
    }
}

/// A struct with its schema. The arrays of a struct array stand in the order of the schema's fields.
#[derive(Debug, Clone, Copy)]
pub struct StructRef<'a> {
    schema: &'a SchemaRef,
    source: StructSource<'a>,
}

#[derive(Debug, Clone, Copy)]
enum StructSource<'a> {
    Owned(&'a [Value]),
    Arrow(&'a StructArray, usize),
}

impl<'a> StructRef<'a> {
    pub(super) fn of_values(schema: &'a SchemaRef, values: &'a [Value]) -> StructRef<'a> {
        StructRef { schema, source: StructSource::Owned(values) }
    }

    pub(super) fn of_array(schema: &'a SchemaRef, array: &'a StructArray, row: usize) -> StructRef<'a> {
        StructRef { schema, source: StructSource::Arrow(array, row) }
    }

    /// The struct's schema.
    pub fn schema(&self) -> &'a SchemaRef {
        self.schema
    }

    /// Number of fields.
    pub fn len(&self) -> usize {
        self.schema.fields().len()
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of field `index`, as stored: no default stands in for null.
    ///
    /// # Panics
    /// When there is no such field.
    pub fn value(&self, index: usize) -> ValueRef<'a> {
        match self.source {
            StructSource::Owned(values) => values[index].as_value_ref(),
            StructSource::Arrow(array, row) => {
                let schema = &self.schema.fields()[index].schema;
                ValueRef::of_array(Some(schema), array.column(index).as_ref(), row)
            }
        }
    }

    /// The value of a field by name.
    pub fn get(&self, name: &str) -> Option<ValueRef<'a>> {
        let index = self.schema.fields().iter().position(|field| &*field.name == name)?;
        Some(self.value(index))
    }

    /// The values in schema order, as stored.
    pub fn iter(&self) -> impl Iterator<Item = ValueRef<'a>> + use<'a> {
        let row = *self;
        (0..row.len()).map(move |index| row.value(index))
    }

    /// Fields and their values in schema order.
    pub fn fields(self) -> impl Iterator<Item = (&'a Field, ValueRef<'a>)> {
        self.schema.fields().iter().enumerate().map(move |(index, field)| (field, self.value(index)))
    }
}
