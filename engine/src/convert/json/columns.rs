//! Typed columns under construction, and how a JSON value becomes a value of a column (`JsonConverter#convertToConnect`).
//!
//! Columns form a tree that is kept in one list: a struct's fields, a list's items and a map's keys and values are columns too.
//! A row that fails half-way is taken back with [`Columns::truncate`].

use std::collections::HashMap;
use std::sync::Arc;

use api::{Error, SchemaRef, Type, Value, ValueRef};
use arrow_array::types::{Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BooleanArray, ListArray, MapArray, NullArray, PrimitiveArray,
    StructArray,
};
use arrow_buffer::{BooleanBufferBuilder, Buffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field, Fields};
use indexmap::IndexMap;

use super::general::{Json, Kind};
use super::views::{Texts, Views};
use super::{base64, logical, number};

/// Columns under construction; the first is the whole value.
#[derive(Debug)]
pub(super) struct Columns {
    list: Vec<Builder>,
    /// Whether null stands for a field's default, where it has one.
    null_is_default: bool,
    rows: usize,
    blocks: usize,
}

/// Index into the list of [`Columns`].
pub(super) type ColumnId = usize;

/// The column of whole values.
pub(super) const ROOT: ColumnId = 0;

/// One column under construction.
#[derive(Debug)]
pub(super) struct Builder {
    /// `None` in schemaless data.
    schema: Option<SchemaRef>,
    pub(super) values: Values,
}

/// Numbers with nulls.
#[derive(Debug)]
pub(super) struct Numbers<T> {
    values: Vec<T>,
    nulls: NullBufferBuilder,
}

/// What a column holds.
#[derive(Debug)]
pub(super) enum Values {
    /// So many nulls and nothing else yet.
    Nulls(usize),
    Boolean(BooleanBufferBuilder, NullBufferBuilder),
    Int8(Numbers<i8>),
    Int16(Numbers<i16>),
    Int32(Numbers<i32>),
    Int64(Numbers<i64>),
    Float32(Numbers<f32>),
    Float64(Numbers<f64>),
    Text(Texts),
    Bytes(Views),
    Struct {
        names: Vec<Arc<str>>,
        fields: Vec<ColumnId>,
        nulls: NullBufferBuilder,
        len: usize,
    },
    List {
        items: ColumnId,
        ends: Vec<i32>,
        nulls: NullBufferBuilder,
    },
    Map {
        keys: ColumnId,
        values: ColumnId,
        ends: Vec<i32>,
        nulls: NullBufferBuilder,
    },
}

impl<T: Copy + Default> Numbers<T> {
    fn new(rows: usize) -> Numbers<T> {
        Numbers { values: Vec::with_capacity(rows), nulls: NullBufferBuilder::new(rows) }
    }

    #[inline(always)]
    pub(super) fn push(&mut self, value: T) {
        self.values.push(value);
        self.nulls.append_non_null();
    }

    fn push_null(&mut self) {
        self.values.push(T::default());
        self.nulls.append_null();
    }

    fn truncate(&mut self, len: usize) {
        self.values.truncate(len);
        self.nulls.truncate(len);
    }
}

fn primitives<A: ArrowPrimitiveType>(numbers: Numbers<A::Native>) -> ArrayRef {
    let Numbers { values, mut nulls } = numbers;
    Arc::new(PrimitiveArray::<A>::new(ScalarBuffer::from(values), nulls.finish()))
}

impl Columns {
    /// Columns for values of `schema`.
    pub(super) fn of_schema(
        schema: &SchemaRef,
        null_is_default: bool,
        rows: usize,
        blocks: usize,
    ) -> Columns {
        let mut columns = Columns { list: Vec::new(), null_is_default, rows, blocks };
        columns.add_schema(schema);
        columns
    }

    /// Columns without a schema; the caller adds them, the root first.
    pub(super) fn schemaless(rows: usize, blocks: usize) -> Columns {
        Columns { list: Vec::new(), null_is_default: false, rows, blocks }
    }

    /// Adds an empty column.
    pub(super) fn add(&mut self, schema: Option<SchemaRef>, values: Values) -> ColumnId {
        self.list.push(Builder { schema, values });
        self.list.len() - 1
    }

    fn add_schema(&mut self, schema: &SchemaRef) -> ColumnId {
        let id = self.add(Some(Arc::clone(schema)), Values::Nulls(0));
        let values = match &schema.kind {
            Type::Struct(fields) => Values::Struct {
                names: fields.iter().map(|field| Arc::clone(&field.name)).collect(),
                fields: fields.iter().map(|field| self.add_schema(&field.schema)).collect(),
                nulls: NullBufferBuilder::new(self.rows),
                len: 0,
            },
            Type::Array(items) => Values::List {
                items: self.add_inner(items.as_ref()),
                ends: Vec::new(),
                nulls: NullBufferBuilder::new(self.rows),
            },
            Type::Map(keys, values) => Values::Map {
                keys: self.add_inner(keys.as_ref()),
                values: self.add_inner(values.as_ref()),
                ends: Vec::new(),
                nulls: NullBufferBuilder::new(self.rows),
            },
            scalar => self.scalar(scalar),
        };
        self.list[id].values = values;
        id
    }

    fn add_inner(&mut self, schema: Option<&SchemaRef>) -> ColumnId {
        match schema {
            Some(schema) => self.add_schema(schema),
            None => self.add(None, Values::Nulls(0)),
        }
    }

    /// Values of a type that has no inner schemas.
    pub(super) fn scalar(&self, kind: &Type) -> Values {
        let rows = self.rows;
        match kind {
            Type::Boolean => Values::Boolean(BooleanBufferBuilder::new(rows), NullBufferBuilder::new(rows)),
            Type::Int8 => Values::Int8(Numbers::new(rows)),
            Type::Int16 => Values::Int16(Numbers::new(rows)),
            Type::Int32 => Values::Int32(Numbers::new(rows)),
            Type::Int64 => Values::Int64(Numbers::new(rows)),
            Type::Float32 => Values::Float32(Numbers::new(rows)),
            Type::Float64 => Values::Float64(Numbers::new(rows)),
            Type::String => Values::Text(Texts::new(rows, self.blocks)),
            Type::Bytes => Values::Bytes(Views::new(rows, self.blocks)),
            Type::Array(_) | Type::Map(..) | Type::Struct(_) => Values::Nulls(0),
        }
    }

    /// Makes a column that had only nulls one of `kind`.
    pub(super) fn retype(&mut self, id: ColumnId, kind: &Type) {
        let nulls = self.len(id);
        self.list[id].values = self.scalar(kind);
        for _ in 0..nulls {
            self.push_null(id);
        }
    }

    #[inline(always)]
    pub(super) fn values(&mut self, id: ColumnId) -> &mut Values {
        &mut self.list[id].values
    }

    pub(super) fn schema(&self, id: ColumnId) -> Option<&SchemaRef> {
        self.list[id].schema.as_ref()
    }

    /// Rows of a column so far.
    pub(super) fn len(&self, id: ColumnId) -> usize {
        match &self.list[id].values {
            Values::Nulls(len) => *len,
            Values::Boolean(values, _) => values.len(),
            Values::Int8(numbers) => numbers.values.len(),
            Values::Int16(numbers) => numbers.values.len(),
            Values::Int32(numbers) => numbers.values.len(),
            Values::Int64(numbers) => numbers.values.len(),
            Values::Float32(numbers) => numbers.values.len(),
            Values::Float64(numbers) => numbers.values.len(),
            Values::Text(texts) => texts.len(),
            Values::Bytes(bytes) => bytes.len(),
            Values::Struct { len, .. } => *len,
            Values::List { ends, .. } | Values::Map { ends, .. } => ends.len(),
        }
    }

    /// Whether null is a value of the column as it is: no error, and no default in its place.
    pub(super) fn takes_null(&self, id: ColumnId) -> bool {
        self.schema(id)
            .is_none_or(|schema| schema.optional && !(self.null_is_default && schema.default.is_some()))
    }

    /// Forgets all rows of a column and its inner ones from `len` on.
    pub(super) fn truncate(&mut self, id: ColumnId, len: usize) {
        if self.len(id) <= len {
            // A struct may have got values of fields of a row that it did not get itself.
            if let Values::Struct { fields, .. } = &self.list[id].values {
                for index in 0..fields.len() {
                    self.truncate_inner(id, index, len);
                }
            }
            self.trim_items(id);
            return;
        }
        match &mut self.list[id].values {
            Values::Nulls(nulls) => *nulls = len,
            Values::Boolean(values, nulls) => {
                values.truncate(len);
                nulls.truncate(len);
            }
            Values::Int8(numbers) => numbers.truncate(len),
            Values::Int16(numbers) => numbers.truncate(len),
            Values::Int32(numbers) => numbers.truncate(len),
            Values::Int64(numbers) => numbers.truncate(len),
            Values::Float32(numbers) => numbers.truncate(len),
            Values::Float64(numbers) => numbers.truncate(len),
            Values::Text(texts) => texts.truncate(len),
            Values::Bytes(bytes) => bytes.truncate(len),
            Values::Struct { nulls, len: rows, fields, .. } => {
                nulls.truncate(len);
                *rows = len;
                for index in 0..fields.len() {
                    self.truncate_inner(id, index, len);
                }
            }
            Values::List { ends, nulls, .. } | Values::Map { ends, nulls, .. } => {
                ends.truncate(len);
                nulls.truncate(len);
            }
        }
        self.trim_items(id);
    }

    fn truncate_inner(&mut self, id: ColumnId, index: usize, len: usize) {
        if let Values::Struct { fields, .. } = &self.list[id].values {
            self.truncate(fields[index], len);
        }
    }

    /// Forgets items that belong to no row.
    fn trim_items(&mut self, id: ColumnId) {
        match &self.list[id].values {
            Values::List { items, ends, .. } => {
                let (items, end) = (*items, ends.last().map_or(0, |end| *end as usize));
                self.truncate(items, end);
            }
            Values::Map { keys, values, ends, .. } => {
                let (keys, values, end) = (*keys, *values, ends.last().map_or(0, |end| *end as usize));
                self.truncate(keys, end);
                self.truncate(values, end);
            }
            _ => {}
        }
    }

    /// Appends a null, whatever the schema says.
    pub(super) fn push_null(&mut self, id: ColumnId) {
        match &mut self.list[id].values {
            Values::Nulls(len) => *len += 1,
            Values::Boolean(values, nulls) => {
                values.append(false);
                nulls.append_null();
            }
            Values::Int8(numbers) => numbers.push_null(),
            Values::Int16(numbers) => numbers.push_null(),
            Values::Int32(numbers) => numbers.push_null(),
            Values::Int64(numbers) => numbers.push_null(),
            Values::Float32(numbers) => numbers.push_null(),
            Values::Float64(numbers) => numbers.push_null(),
            Values::Text(texts) => texts.push_null(),
            Values::Bytes(bytes) => bytes.push_null(),
            Values::Struct { nulls, len, fields, .. } => {
                nulls.append_null();
                *len += 1;
                for index in 0..fields.len() {
                    if let Values::Struct { fields, .. } = &self.list[id].values {
                        self.push_null(fields[index]);
                    }
                }
            }
            Values::List { ends, nulls, .. } | Values::Map { ends, nulls, .. } => {
                ends.push(ends.last().copied().unwrap_or(0));
                nulls.append_null();
            }
        }
    }

    /// Says that a struct's fields have all got a value.
    #[inline]
    pub(super) fn end_struct(&mut self, id: ColumnId) {
        if let Values::Struct { nulls, len, .. } = &mut self.list[id].values {
            nulls.append_non_null();
            *len += 1;
        }
    }

    fn end_items(&mut self, id: ColumnId) -> Result<(), Error> {
        let count = match &self.list[id].values {
            Values::List { items, .. } => self.len(*items),
            Values::Map { keys, .. } => self.len(*keys),
            _ => 0,
        };
        let end = i32::try_from(count)
            .map_err(|error| Error::fatal("a batch has too many items in its lists").with_source(error))?;
        if let Values::List { ends, nulls, .. } | Values::Map { ends, nulls, .. } = &mut self.list[id].values
        {
            ends.push(end);
            nulls.append_non_null();
        }
        Ok(())
    }

    /// Appends an owned or borrowed value that fits the column's schema, such as a default.
    pub(super) fn push_value(&mut self, id: ColumnId, value: ValueRef<'_>) -> Result<(), Error> {
        match (&mut self.list[id].values, value) {
            (_, ValueRef::Null) => self.push_null(id),
            (Values::Boolean(values, nulls), ValueRef::Boolean(value)) => {
                values.append(value);
                nulls.append_non_null();
            }
            (Values::Int8(numbers), ValueRef::Int8(value)) => numbers.push(value),
            (Values::Int16(numbers), ValueRef::Int16(value)) => numbers.push(value),
            (Values::Int32(numbers), ValueRef::Int32(value)) => numbers.push(value),
            (Values::Int64(numbers), ValueRef::Int64(value)) => numbers.push(value),
            (Values::Float32(numbers), ValueRef::Float32(value)) => numbers.push(value),
            (Values::Float64(numbers), ValueRef::Float64(value)) => numbers.push(value),
            (Values::Text(texts), ValueRef::String(value)) => texts.push_copy(value),
            (Values::Bytes(bytes), ValueRef::Bytes(value)) => bytes.push_copy(value),
            (Values::Struct { fields, .. }, ValueRef::Struct(value)) => {
                let fields = fields.clone();
                for (field, value) in fields.into_iter().zip(value.iter()) {
                    self.push_value(field, value)?;
                }
                self.end_struct(id);
            }
            (Values::List { items, .. }, ValueRef::Array(value)) => {
                let items = *items;
                for item in value.iter() {
                    self.push_value(items, item)?;
                }
                self.end_items(id)?;
            }
            (Values::Map { keys, values, .. }, ValueRef::Map(value)) => {
                let (keys, values) = (*keys, *values);
                for (key, value) in value.iter() {
                    self.push_value(keys, key)?;
                    self.check_key(keys)?;
                    self.push_value(values, value)?;
                }
                self.end_items(id)?;
            }
            (_, value) => {
                return Err(Error::bad_record(format!(
                    "a value of class {} does not fit its schema",
                    value.java_class()
                )));
            }
        }
        Ok(())
    }

    /// Appends a JSON value, or what stands for a missing one, as the column's schema reads it. On an error the column may have
    /// got part of it.
    pub(super) fn push_json(&mut self, id: ColumnId, json: Option<Json<'_>>) -> Result<(), Error> {
        let Some(schema) = self.list[id].schema.clone() else {
            return self.push_unknown(id, json);
        };
        let Some(json) = json.filter(|json| !json.is_null()) else {
            if let (Some(default), true) = (&schema.default, self.null_is_default) {
                return self.push_value(id, default.as_ref());
            }
            if schema.optional {
                self.push_null(id);
                return Ok(());
            }
            let kind = schema.kind.java_name();
            return Err(Error::bad_record(format!("Invalid null value for required {kind} field")));
        };
        if let Some(converted) = logical::from_json(&schema, &json) {
            return self.push_value(id, converted?.as_ref());
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
            Values::Struct { .. } => self.push_object(id, &schema, json)?,
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

    fn push_object(&mut self, id: ColumnId, schema: &SchemaRef, json: Json<'_>) -> Result<(), Error> {
        if json.kind() != Kind::Object {
            let found = json.type_name();
            return Err(Error::bad_record(format!(
                "Structs should be encoded as JSON objects, but found {found}"
            )));
        }
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
    pub(super) fn push_field(
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

    /// Arrow's maps have no null keys, which Java's have.
    fn check_key(&self, keys: ColumnId) -> Result<(), Error> {
        if self.ends_null(keys) {
            return Err(Error::bad_record("a map with a null key cannot be held"));
        }
        Ok(())
    }

    fn ends_null(&self, id: ColumnId) -> bool {
        let Some(last) = self.len(id).checked_sub(1) else { return false };
        match &self.list[id].values {
            Values::Nulls(_) => true,
            Values::Text(texts) => texts.is_null(last),
            Values::Bytes(bytes) => bytes.is_null(last),
            Values::Int8(numbers) => !numbers.nulls.is_valid(last),
            Values::Int16(numbers) => !numbers.nulls.is_valid(last),
            Values::Int32(numbers) => !numbers.nulls.is_valid(last),
            Values::Int64(numbers) => !numbers.nulls.is_valid(last),
            Values::Float32(numbers) => !numbers.nulls.is_valid(last),
            Values::Float64(numbers) => !numbers.nulls.is_valid(last),
            Values::Boolean(_, nulls)
            | Values::Struct { nulls, .. }
            | Values::List { nulls, .. }
            | Values::Map { nulls, .. } => !nulls.is_valid(last),
        }
    }

    /// The array of whole values; `input` is the buffers of the input.
    pub(super) fn finish(mut self, input: &[Buffer]) -> Result<ArrayRef, Error> {
        self.finish_column(ROOT, input)
            .map_err(|error| Error::fatal("columns of a batch do not fit together").with_source(error))
    }

    fn finish_column(
        &mut self,
        id: ColumnId,
        input: &[Buffer],
    ) -> Result<ArrayRef, arrow_schema::ArrowError> {
        let values = std::mem::replace(&mut self.list[id].values, Values::Nulls(0));
        Ok(match values {
            Values::Nulls(len) => Arc::new(NullArray::new(len)),
            Values::Boolean(mut values, mut nulls) => {
                Arc::new(BooleanArray::new(values.finish(), nulls.finish()))
            }
            Values::Int8(numbers) => primitives::<Int8Type>(numbers),
            Values::Int16(numbers) => primitives::<Int16Type>(numbers),
            Values::Int32(numbers) => primitives::<Int32Type>(numbers),
            Values::Int64(numbers) => primitives::<Int64Type>(numbers),
            Values::Float32(numbers) => primitives::<Float32Type>(numbers),
            Values::Float64(numbers) => primitives::<Float64Type>(numbers),
            Values::Text(texts) => Arc::new(texts.finish(input)),
            Values::Bytes(bytes) => Arc::new(bytes.finish(input)),
            Values::Struct { names, fields, mut nulls, len } => {
                let arrays = fields
                    .into_iter()
                    .map(|field| self.finish_column(field, input))
                    .collect::<Result<Vec<ArrayRef>, _>>()?;
                let nulls = nulls.finish();
                if arrays.is_empty() {
                    return Ok(Arc::new(StructArray::new_empty_fields(len, nulls)));
                }
                let fields: Fields =
                    names.iter().zip(&arrays).map(|(name, array)| nullable(name, array)).collect();
                Arc::new(StructArray::try_new(fields, arrays, nulls)?)
            }
            Values::List { items, ends, mut nulls } => {
                let items = self.finish_column(items, input)?;
                let field = Arc::new(nullable("item", &items));
                Arc::new(ListArray::try_new(field, offsets(&ends), items, nulls.finish())?)
            }
            Values::Map { keys, values, ends, mut nulls } => {
                let keys = self.finish_column(keys, input)?;
                let values = self.finish_column(values, input)?;
                let fields: Fields =
                    [nullable("key", &keys).with_nullable(false), nullable("value", &values)]
                        .into_iter()
                        .collect();
                let entries = StructArray::try_new(fields, vec![keys, values], None)?;
                let field =
                    Arc::new(Field::new("entries", DataType::Struct(entries.fields().clone()), false));
                Arc::new(MapArray::try_new(field, offsets(&ends), entries, nulls.finish(), false)?)
            }
        })
    }
}

/// Whether an array may hold nulls is the Connect schema's business, not Arrow's.
fn nullable(name: &str, array: &ArrayRef) -> Field {
    Field::new(name, array.data_type().clone(), true)
}

fn offsets(ends: &[i32]) -> OffsetBuffer<i32> {
    OffsetBuffer::new(std::iter::once(0).chain(ends.iter().copied()).collect())
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
pub(super) fn single_value(schema: &SchemaRef, json: Json<'_>) -> Result<Value, Error> {
    let mut columns = Columns::of_schema(schema, true, 1, 0);
    columns.push_json(ROOT, Some(json))?;
    let array = columns.finish(&[])?;
    Ok(ValueRef::of_array(Some(schema), array.as_ref(), 0).to_owned())
}
