//! How a JSON value becomes a value of a column (`JsonConverter#convertToConnect`), and what a struct then checks.

use std::collections::HashMap;

use api::{Error, Schema, SchemaRef, Type, Value, ValueRef};
use indexmap::IndexMap;

use super::super::general::{Json, Kind};
use super::super::{base64, logical, number};
use super::builder::{ColumnId, Columns, ROOT, Values};

impl Columns {
    /// Appends a JSON value, or what stands for a missing one, as the column's schema reads it. On an error the column may have
    /// got part of it.
    pub(in super::super) fn push_json(&mut self, id: ColumnId, json: Option<Json<'_>>) -> Result<(), Error> {
        let Some(schema) = &self.list[id].schema else {
            return self.push_unknown(id, json);
        };
        let Some(json) = json.filter(|json| !json.is_null()) else {
            let schema = SchemaRef::clone(schema);
            return self.push_missing(id, &schema);
        };
        if let Some(converted) = logical::from_json(schema, &json) {
            return self.push_value(id, converted?.as_value_ref());
        }
        let as_integer = |json: &Json<'_>| match json.kind() {
            Kind::Integer | Kind::Decimal => number::integer(json.source()),
            _ => 0,
        };
        match &mut self.list[id].values {
            Values::Nulls(len) => *len += 1,
            Values::Boolean(values, nulls) => {
                values.append(json.kind() == Kind::True);
                nulls.append_non_null();
            }
            Values::Int8(numbers) => numbers.push(as_integer(&json) as i8),
            Values::Int16(numbers) => numbers.push(as_integer(&json) as i16),
            Values::Int32(numbers) => numbers.push(as_integer(&json) as i32),
            Values::Int64(numbers) => numbers.push(as_integer(&json)),
            Values::Float32(numbers) => numbers.push(match json.kind() {
                Kind::Integer | Kind::Decimal => number::float32(json.source()),
                _ => 0.0,
            }),
            Values::Float64(numbers) => numbers.push(match json.kind() {
                Kind::Integer | Kind::Decimal => number::float64(json.source()),
                _ => 0.0,
            }),
            Values::Text(texts) => match json.text() {
                Some(text) => texts.push_copy(text),
                None => texts.push_null(),
            },
            Values::Bytes(bytes) => match json.text() {
                Some(text) => bytes
                    .push_written(|out| base64::decode(text.as_bytes(), out))
                    .ok_or_else(|| Error::bad_record("Invalid bytes field"))?,
                None => bytes.push_null(),
            },
            Values::Struct { .. } => self.push_object(id, json)?,
            Values::List { items, .. } => {
                let items = *items;
                // Of an object Jackson iterates the values, of a scalar nothing.
                for item in json.items().chain(json.entries().map(|(_, value)| value)) {
                    self.push_json(items, Some(item))?;
                }
                self.end_items(id)?;
            }
            Values::Map { keys, values, .. } => {
                let (keys, values) = (*keys, *values);
                self.push_entries(keys, values, json)?;
                self.end_items(id)?;
            }
        }
        Ok(())
    }

    fn push_missing(&mut self, id: ColumnId, schema: &Schema) -> Result<(), Error> {
        if let (Some(default), true) = (&schema.default, self.null_is_default) {
            return self.push_value(id, default.as_value_ref());
        }
        if schema.optional {
            self.push_null(id);
            return Ok(());
        }
        let kind = schema.kind.java_name();
        Err(Error::bad_record(format!("Invalid null value for required {kind} field")))
    }

    /// Inner values without a schema can only be null: an Arrow column has one type.
    fn push_unknown(&mut self, id: ColumnId, json: Option<Json<'_>>) -> Result<(), Error> {
        match json {
            Some(json) if !json.is_null() => {
                Err(Error::bad_record("a value of an inner schema that is not known"))
            }
            _ => {
                self.push_null(id);
                Ok(())
            }
        }
    }

    fn push_object(&mut self, id: ColumnId, json: Json<'_>) -> Result<(), Error> {
        if json.kind() != Kind::Object {
            let found = json.type_name();
            return Err(Error::bad_record(format!(
                "Structs should be encoded as JSON objects, but found {found}"
            )));
        }
        let Some(schema) = self.list[id].schema.clone() else { return Ok(()) };
        let found = FieldFinder::of(schema.fields(), json);
        for (index, field) in schema.fields().iter().enumerate() {
            let Values::Struct { fields, .. } = &self.list[id].values else { break };
            let column = fields[index];
            self.push_field(column, found.get(&field.name), &field.name)?;
        }
        self.end_struct(id);
        Ok(())
    }

    /// Appends a field's value; as [`Columns::push_json`], with the checks that a struct makes.
    pub(in super::super) fn push_field(
        &mut self,
        id: ColumnId,
        json: Option<Json<'_>>,
        name: &str,
    ) -> Result<(), Error> {
        self.push_json(id, json)?;
        match &self.list[id].schema {
            Some(schema) => self.check_null(id, schema, &format_args!("field: \"{name}\"")),
            None => Ok(()),
        }
    }

    /// A value that was read as null although its schema is required: text for a number is 0, but a number for text is null
    /// (`ConnectSchema#validateValue`, which `Struct#put` calls).
    fn check_null(
        &self,
        id: ColumnId,
        schema: &SchemaRef,
        place: &dyn std::fmt::Display,
    ) -> Result<(), Error> {
        let is_null = match &self.list[id].values {
            Values::Text(_) | Values::Bytes(_) => self.ends_null(id),
            Values::List { items, ends, .. } if !ends.is_empty() => {
                return self.check_items(*items, ends, schema, &format_args!("element of array {place}"));
            }
            Values::Map { values, ends, .. } if !ends.is_empty() => {
                return self.check_items(*values, ends, schema, &format_args!("value of map {place}"));
            }
            _ => false,
        };
        if is_null && !schema.optional {
            let kind = schema.kind.java_name();
            return Err(Error::bad_record(format!(
                "Invalid value: null used for required {place}, schema type: {kind}"
            )));
        }
        Ok(())
    }

    fn check_items(
        &self,
        items: ColumnId,
        ends: &[i32],
        schema: &SchemaRef,
        place: &dyn std::fmt::Display,
    ) -> Result<(), Error> {
        let (Type::Array(Some(item)) | Type::Map(_, Some(item))) = &schema.kind else { return Ok(()) };
        let end = ends[ends.len() - 1] as usize;
        let start = if ends.len() > 1 { ends[ends.len() - 2] as usize } else { 0 };
        let has_null = match &self.list[items].values {
            Values::Text(texts) => (start..end).any(|row| texts.is_null(row)),
            Values::Bytes(bytes) => (start..end).any(|row| bytes.is_null(row)),
            _ => false,
        };
        if has_null && !item.optional {
            let kind = item.kind.java_name();
            return Err(Error::bad_record(format!(
                "Invalid value: null used for required {place}, schema type: {kind}"
            )));
        }
        Ok(())
    }

    fn push_entries(&mut self, keys: ColumnId, values: ColumnId, json: Json<'_>) -> Result<(), Error> {
        let found = json.type_name();
        if self.schema(keys).is_some_and(|schema| schema.kind == Type::String) {
            if json.kind() != Kind::Object {
                return Err(Error::bad_record(format!(
                    "Maps with string fields should be encoded as JSON objects, but found {found}"
                )));
            }
            for (key, value) in json.entries() {
                self.push_value(keys, ValueRef::String(key))?;
                self.push_json(values, Some(value))?;
            }
            return Ok(());
        }
        if json.kind() != Kind::Array {
            return Err(Error::bad_record(format!(
                "Maps with non-string fields should be encoded as JSON array of tuples, but found {found}"
            )));
        }
        // A key that comes again replaces the value in its first place. Keys are told apart by their text.
        let mut entries: IndexMap<&str, (Json<'_>, Json<'_>)> = IndexMap::with_capacity(json.len());
        for entry in json.items() {
            if entry.kind() != Kind::Array {
                let found = entry.type_name();
                return Err(Error::bad_record(format!(
                    "Found invalid map entry instead of array tuple: {found}"
                )));
            }
            let mut tuple = entry.items();
            let (Some(key), Some(value), None) = (tuple.next(), tuple.next(), tuple.next()) else {
                let len = entry.len();
                return Err(Error::bad_record(format!(
                    "Found invalid map entry, expected length 2 but found :{len}"
                )));
            };
            entries.insert(key.source(), (key, value));
        }
        for (key, value) in entries.into_values() {
            self.push_json(keys, Some(key))?;
            self.check_key(keys)?;
            self.push_json(values, Some(value))?;
        }
        Ok(())
    }
}

/// Up to this many entries are searched one by one.
const ENTRIES_SEARCHED_MAX: usize = 16;

/// Finds the values of a struct's fields in an object.
enum FieldFinder<'a> {
    Search(Json<'a>),
    Table(HashMap<&'a str, Json<'a>>),
}

impl<'a> FieldFinder<'a> {
    fn of(fields: &[api::Field], json: Json<'a>) -> FieldFinder<'a> {
        if json.len().min(fields.len()) <= ENTRIES_SEARCHED_MAX {
            return FieldFinder::Search(json);
        }
        FieldFinder::Table(
            json.raw_entries().map(|(key, value)| (key.text().unwrap_or_default(), value)).collect(),
        )
    }

    fn get(&self, name: &str) -> Option<Json<'a>> {
        match self {
            FieldFinder::Search(json) => json.get(name),
            FieldFinder::Table(table) => table.get(name).copied(),
        }
    }
}

/// A default of a schema as an owned value: what [`Columns::push_json`] would append.
pub(in super::super) fn single_value(schema: &SchemaRef, json: Json<'_>) -> Result<Value, Error> {
    let mut columns = Columns::of_schema(schema, true, 1, 0);
    columns.push_json(ROOT, Some(json))?;
    let array = columns.finish(&[])?;
    Ok(ValueRef::of_array(Some(schema), array.as_ref(), 0).to_owned())
}
