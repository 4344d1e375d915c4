//! Typed columns under construction.
//!
//! Columns form a tree that is kept in one list: a struct's fields, a list's items and a map's keys and values are columns too.
//! A row that fails half-way is taken back with [`Columns::truncate`].

use std::sync::Arc;

use api::{Error, SchemaRef, Type, ValueRef};
use arrow_buffer::{BooleanBufferBuilder, NullBufferBuilder};

use super::super::views::{Texts, Views};

/// Columns under construction; the first is the whole value.
#[derive(Debug)]
pub(in super::super) struct Columns {
    pub(super) list: Vec<Builder>,
    /// Whether null stands for a field's default, where it has one.
    pub(super) null_is_default: bool,
    rows: usize,
    blocks: usize,
}

/// Values that room is made for in advance; columns of larger batches grow as they fill.
const CELLS_MAX: usize = 1 << 20;

/// Index into the list of [`Columns`].
pub(in super::super) type ColumnId = usize;

/// The column of whole values.
pub(in super::super) const ROOT: ColumnId = 0;

/// One column under construction.
#[derive(Debug)]
pub(in super::super) struct Builder {
    /// `None` in schemaless data.
    pub(super) schema: Option<SchemaRef>,
    pub(super) values: Values,
}

/// Numbers with nulls.
#[derive(Debug)]
pub(in super::super) struct Numbers<T> {
    pub(super) values: Vec<T>,
    pub(super) nulls: NullBufferBuilder,
}

/// What a column holds.
#[derive(Debug)]
pub(in super::super) enum Values {
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
    pub(in super::super) fn push(&mut self, value: T) {
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
impl Columns {
    /// Columns for values of `schema`.
    pub(in super::super) fn of_schema(
        schema: &SchemaRef,
        null_is_default: bool,
        rows: usize,
        blocks: usize,
    ) -> Columns {
        let rows = rows.min(CELLS_MAX / count(schema));
        let mut columns = Columns { list: Vec::new(), null_is_default, rows, blocks };
        columns.add_schema(schema);
        columns
    }

    /// Columns without a schema; the caller adds them, about `count`, the root first.
    pub(in super::super) fn schemaless(rows: usize, blocks: usize, count: usize) -> Columns {
        let rows = rows.min(CELLS_MAX / count.max(1));
        Columns { list: Vec::new(), null_is_default: false, rows, blocks }
    }

    /// Adds an empty column.
    pub(in super::super) fn add(&mut self, schema: Option<SchemaRef>, values: Values) -> ColumnId {
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
    pub(in super::super) fn scalar(&self, kind: &Type) -> Values {
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
    pub(in super::super) fn retype(&mut self, id: ColumnId, kind: &Type) {
        let nulls = self.len(id);
        self.list[id].values = self.scalar(kind);
        for _ in 0..nulls {
            self.push_null(id);
        }
    }

    #[inline(always)]
    pub(in super::super) fn values(&mut self, id: ColumnId) -> &mut Values {
        &mut self.list[id].values
    }

    pub(in super::super) fn schema(&self, id: ColumnId) -> Option<&SchemaRef> {
        self.list[id].schema.as_ref()
    }

    /// Rows of a column so far.
    pub(in super::super) fn len(&self, id: ColumnId) -> usize {
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
    pub(in super::super) fn takes_null(&self, id: ColumnId) -> bool {
        self.schema(id)
            .is_none_or(|schema| schema.optional && !(self.null_is_default && schema.default.is_some()))
    }

    /// Forgets all rows of a column and its inner ones from `len` on.
    pub(in super::super) fn truncate(&mut self, id: ColumnId, len: usize) {
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
    pub(in super::super) fn push_null(&mut self, id: ColumnId) {
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
    pub(in super::super) fn end_struct(&mut self, id: ColumnId) {
        if let Values::Struct { nulls, len, .. } = &mut self.list[id].values {
            nulls.append_non_null();
            *len += 1;
        }
    }

    pub(super) fn end_items(&mut self, id: ColumnId) -> Result<(), Error> {
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
    pub(in super::super) fn push_value(&mut self, id: ColumnId, value: ValueRef<'_>) -> Result<(), Error> {
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

    /// Arrow's maps have no null keys, which Java's have.
    pub(super) fn check_key(&self, keys: ColumnId) -> Result<(), Error> {
        if self.ends_null(keys) {
            return Err(Error::bad_record("a map with a null key cannot be held"));
        }
        Ok(())
    }

    pub(super) fn ends_null(&self, id: ColumnId) -> bool {
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
}

/// Columns that values of a schema take.
fn count(schema: &SchemaRef) -> usize {
    let inner = |schema: &Option<SchemaRef>| schema.as_ref().map_or(1, count);
    1 + match &schema.kind {
        Type::Struct(fields) => fields.iter().map(|field| count(&field.schema)).sum(),
        Type::Array(items) => inner(items),
        Type::Map(keys, values) => inner(keys) + inner(values),
        _ => 0,
    }
}
