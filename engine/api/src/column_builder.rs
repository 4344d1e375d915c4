//! A column made value by value: for what comes one at a time, such as rows of a remote system or values made by a transform's slow
//! path. Where whole arrays are at hand they are the better way.

use std::sync::Arc;

use arrow_array::builder::{BinaryViewBuilder, BooleanBuilder, PrimitiveBuilder, StringViewBuilder};
use arrow_array::types::{Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, ListArray, MapArray, NullArray, StructArray};
use arrow_buffer::{NullBufferBuilder, OffsetBuffer};
use arrow_schema::{ArrowError, DataType, Field, Fields};

use crate::column::{Column, Data};
use crate::error::{Error, Result};
use crate::java_text::DAY_MS;
use crate::rows::RowsBuilder;
use crate::schema::{Schema, SchemaRef, Type};
use crate::value::{Logical, ValueRef};

/// Builds a [`Column`] of one schema, or without one.
#[derive(Debug)]
pub struct ColumnBuilder {
    schema: Option<SchemaRef>,
    cells: Option<Cells>,
    rows: RowsBuilder,
}

/// One array under construction.
#[derive(Debug)]
enum Cells {
    Null(usize),
    Boolean(BooleanBuilder),
    Int8(PrimitiveBuilder<Int8Type>),
    Int16(PrimitiveBuilder<Int16Type>),
    Int32(PrimitiveBuilder<Int32Type>),
    Int64(PrimitiveBuilder<Int64Type>),
    Float32(PrimitiveBuilder<Float32Type>),
    Float64(PrimitiveBuilder<Float64Type>),
    Text(StringViewBuilder),
    Bytes(BinaryViewBuilder),
    List { items: Box<Cells>, schema: Option<SchemaRef>, ends: Vec<i32>, nulls: NullBufferBuilder },
    Map { sides: Box<[Cells; 2]>, schemas: [Option<SchemaRef>; 2], ends: Vec<i32>, nulls: NullBufferBuilder },
    Struct { names: Vec<Arc<str>>, fields: Vec<(SchemaRef, Cells)>, nulls: NullBufferBuilder },
}

impl ColumnBuilder {
    /// An empty column. Without a schema, and for a list or map whose inner schemas are not known, rows may differ in type.
    pub fn new(schema: Option<SchemaRef>) -> ColumnBuilder {
        let cells = schema.as_ref().filter(|schema| is_known(schema)).map(Cells::of);
        ColumnBuilder { schema, cells, rows: RowsBuilder::new() }
    }

    /// An empty column whose rows may be anything, whatever its schema says: lists of mixed items, as parsed from text. It holds no
    /// structs.
    pub fn mixed(schema: Option<SchemaRef>) -> ColumnBuilder {
        ColumnBuilder { schema, cells: None, rows: RowsBuilder::new() }
    }

    /// Appends a value.
    ///
    /// # Errors
    /// When it is none of the schema, see [`Schema::validate`], or nests too deep: then nothing is appended.
    pub fn push(&mut self, value: ValueRef<'_>) -> Result<()> {
        match (&mut self.cells, &self.schema) {
            (Some(cells), Some(schema)) => {
                schema.validate(value)?;
                if has_null_key(value) {
                    return Err(Error::bad_record("a map with a null key cannot be held"));
                }
                cells.push(Some(schema), value);
            }
            _ => {
                if let Err(error) = self.rows.value(value) {
                    self.rows.abandon_row();
                    return Err(error);
                }
                self.rows.finish_row();
            }
        }
        Ok(())
    }

    /// Appends a null, whatever the schema says: for a row that failed.
    pub fn push_null(&mut self) {
        match &mut self.cells {
            Some(cells) => cells.push_null(),
            None => {
                self.rows.null();
                self.rows.finish_row();
            }
        }
    }

    /// The column.
    ///
    /// # Errors
    /// When lists hold more than 2^31 items together.
    pub fn finish(mut self) -> Result<Column> {
        let data = match self.cells {
            Some(cells) => Data::Array(cells.finish().map_err(|error| {
                Error::fatal("the values of a column do not fit into an array").with_source(error)
            })?),
            None => Data::Rows(self.rows.finish()),
        };
        Ok(Column { schema: self.schema, data })
    }
}

/// Whether all inner schemas are known, or lie within a struct, which rows cannot hold.
fn is_known(schema: &Schema) -> bool {
    match &schema.kind {
        Type::Array(items) => items.as_ref().is_some_and(|items| is_known(items)),
        Type::Map(keys, values) => {
            [keys, values].iter().all(|side| side.as_ref().is_some_and(|side| is_known(side)))
        }
        _ => true,
    }
}

/// Arrow's maps have no null keys, which Java's have.
fn has_null_key(value: ValueRef<'_>) -> bool {
    match value {
        ValueRef::Map(entries) => entries.iter().any(|(key, value)| key.is_null() || has_null_key(value)),
        ValueRef::Array(items) => items.iter().any(has_null_key),
        ValueRef::Struct(fields) => fields.iter().any(has_null_key),
        _ => false,
    }
}

impl Cells {
    fn of(schema: &SchemaRef) -> Cells {
        let inner = |schema: &Option<SchemaRef>| schema.as_ref().map_or(Cells::Null(0), Cells::of);
        match &schema.kind {
            Type::Boolean => Cells::Boolean(BooleanBuilder::new()),
            Type::Int8 => Cells::Int8(PrimitiveBuilder::new()),
            Type::Int16 => Cells::Int16(PrimitiveBuilder::new()),
            Type::Int32 => Cells::Int32(PrimitiveBuilder::new()),
            Type::Int64 => Cells::Int64(PrimitiveBuilder::new()),
            Type::Float32 => Cells::Float32(PrimitiveBuilder::new()),
            Type::Float64 => Cells::Float64(PrimitiveBuilder::new()),
            Type::String => Cells::Text(StringViewBuilder::new()),
            Type::Bytes => Cells::Bytes(BinaryViewBuilder::new()),
            Type::Array(items) => Cells::List {
                items: Box::new(inner(items)),
                schema: items.clone(),
                ends: vec![0],
                nulls: NullBufferBuilder::new(0),
            },
            Type::Map(keys, values) => Cells::Map {
                sides: Box::new([inner(keys), inner(values)]),
                schemas: [keys.clone(), values.clone()],
                ends: vec![0],
                nulls: NullBufferBuilder::new(0),
            },
            Type::Struct(fields) => Cells::Struct {
                names: fields.iter().map(|field| Arc::clone(&field.name)).collect(),
                fields: fields
                    .iter()
                    .map(|field| (Arc::clone(&field.schema), Cells::of(&field.schema)))
                    .collect(),
                nulls: NullBufferBuilder::new(0),
            },
        }
    }

    fn push_null(&mut self) {
        match self {
            Cells::Null(len) => *len += 1,
            Cells::Boolean(cells) => cells.append_null(),
            Cells::Int8(cells) => cells.append_null(),
            Cells::Int16(cells) => cells.append_null(),
            Cells::Int32(cells) => cells.append_null(),
            Cells::Int64(cells) => cells.append_null(),
            Cells::Float32(cells) => cells.append_null(),
            Cells::Float64(cells) => cells.append_null(),
            Cells::Text(cells) => cells.append_null(),
            Cells::Bytes(cells) => cells.append_null(),
            Cells::List { ends, nulls, .. } | Cells::Map { ends, nulls, .. } => {
                ends.push(ends[ends.len() - 1]);
                nulls.append_null();
            }
            Cells::Struct { fields, nulls, .. } => {
                fields.iter_mut().for_each(|(_, cells)| cells.push_null());
                nulls.append_null();
            }
        }
    }

    /// Appends a value that has been validated.
    fn push(&mut self, schema: Option<&SchemaRef>, value: ValueRef<'_>) {
        match (self, value) {
            (cells, ValueRef::Null) => cells.push_null(),
            (Cells::Boolean(cells), ValueRef::Boolean(value)) => cells.append_value(value),
            (Cells::Int8(cells), ValueRef::Int8(value)) => cells.append_value(value),
            (Cells::Int16(cells), ValueRef::Int16(value)) => cells.append_value(value),
            (Cells::Int32(cells), ValueRef::Int32(value)) => cells.append_value(value),
            (Cells::Int32(cells), ValueRef::Date(epoch_ms)) => {
                let is_time = schema.and_then(|schema| schema.logical()) == Some(Logical::Time);
                cells.append_value(if is_time { epoch_ms } else { epoch_ms.div_euclid(DAY_MS) } as i32);
            }
            (Cells::Int64(cells), ValueRef::Int64(value) | ValueRef::Date(value)) => {
                cells.append_value(value)
            }
            (Cells::Float32(cells), ValueRef::Float32(value)) => cells.append_value(value),
            (Cells::Float64(cells), ValueRef::Float64(value)) => cells.append_value(value),
            (Cells::Text(cells), ValueRef::String(value)) => cells.append_value(value),
            (Cells::Bytes(cells), ValueRef::Bytes(value)) => cells.append_value(value),
            (Cells::Bytes(cells), ValueRef::Decimal(value)) => cells.append_value(value.unscaled),
            (Cells::List { items, schema, ends, nulls }, ValueRef::Array(list)) => {
                list.iter().for_each(|item| items.push(schema.as_ref(), item));
                ends.push(ends[ends.len() - 1].saturating_add(list.len() as i32));
                nulls.append_non_null();
            }
            (Cells::Map { sides, schemas, ends, nulls }, ValueRef::Map(entries)) => {
                for (key, value) in entries.iter() {
                    sides[0].push(schemas[0].as_ref(), key);
                    sides[1].push(schemas[1].as_ref(), value);
                }
                ends.push(ends[ends.len() - 1].saturating_add(entries.len() as i32));
                nulls.append_non_null();
            }
            (Cells::Struct { fields, nulls, .. }, ValueRef::Struct(row)) => {
                for ((schema, cells), value) in fields.iter_mut().zip(row.iter()) {
                    cells.push(Some(schema), value);
                }
                nulls.append_non_null();
            }
            // An inner schema that is not known holds nothing but nulls.
            (cells, _) => cells.push_null(),
        }
    }

    fn finish(self) -> Result<ArrayRef, ArrowError> {
        Ok(match self {
            Cells::Null(len) => Arc::new(NullArray::new(len)),
            Cells::Boolean(mut cells) => Arc::new(cells.finish()),
            Cells::Int8(mut cells) => Arc::new(cells.finish()),
            Cells::Int16(mut cells) => Arc::new(cells.finish()),
            Cells::Int32(mut cells) => Arc::new(cells.finish()),
            Cells::Int64(mut cells) => Arc::new(cells.finish()),
            Cells::Float32(mut cells) => Arc::new(cells.finish()),
            Cells::Float64(mut cells) => Arc::new(cells.finish()),
            Cells::Text(mut cells) => Arc::new(cells.finish()),
            Cells::Bytes(mut cells) => Arc::new(cells.finish()),
            Cells::List { items, ends, mut nulls, .. } => {
                let items = items.finish()?;
                let field = Arc::new(nullable("item", &items));
                Arc::new(ListArray::try_new(field, offsets(ends, items.len())?, items, nulls.finish())?)
            }
            Cells::Map { sides, ends, mut nulls, .. } => {
                let [keys, values] = *sides;
                let (keys, values) = (keys.finish()?, values.finish()?);
                let fields: Fields =
                    [nullable("key", &keys).with_nullable(false), nullable("value", &values)]
                        .into_iter()
                        .collect();
                let len = keys.len();
                let entries = StructArray::try_new(fields, vec![keys, values], None)?;
                let field =
                    Arc::new(Field::new("entries", DataType::Struct(entries.fields().clone()), false));
                Arc::new(MapArray::try_new(field, offsets(ends, len)?, entries, nulls.finish(), false)?)
            }
            Cells::Struct { names, fields, mut nulls } => {
                let len = nulls.len();
                let nulls = nulls.finish();
                if fields.is_empty() {
                    return Ok(Arc::new(StructArray::new_empty_fields(len, nulls)));
                }
                let arrays =
                    fields.into_iter().map(|(_, cells)| cells.finish()).collect::<Result<Vec<_>, _>>()?;
                let fields: Fields =
                    names.iter().zip(&arrays).map(|(name, array)| nullable(name, array)).collect();
                Arc::new(StructArray::try_new(fields, arrays, nulls)?)
            }
        })
    }
}

/// Whether an array may hold nulls is the Connect schema's business, not Arrow's.
fn nullable(name: &str, array: &ArrayRef) -> Field {
    Field::new(name, array.data_type().clone(), true)
}

fn offsets(ends: Vec<i32>, items: usize) -> Result<OffsetBuffer<i32>, ArrowError> {
    if i32::try_from(items).is_err() {
        return Err(ArrowError::InvalidArgumentError(format!("{items} items are too many for a list")));
    }
    Ok(OffsetBuffer::new(ends.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Field;
    use crate::value::Value;

    fn rows(schema: Option<Schema>, values: &[Value]) -> Vec<Value> {
        let mut builder = ColumnBuilder::new(schema.map(Arc::new));
        values.iter().for_each(|value| builder.push(value.as_value_ref()).unwrap());
        let column = builder.finish().unwrap();
        (0..column.len()).map(|row| column.row(row).to_owned()).collect()
    }

    #[test]
    fn what_goes_in_comes_out() {
        let numbers = Schema::new(Type::Array(Some(Arc::new(Schema::new(Type::Int8).optional())))).optional();
        let keyed =
            Schema::new(Type::Map(Some(Arc::new(Schema::new(Type::Int32))), Some(Arc::new(numbers.clone()))));
        let list = Value::Array(vec![Value::Int8(1), Value::Null]);
        let maps = [
            Value::Map(vec![(Value::Int32(1), list.clone()), (Value::Int32(2), Value::Null)]),
            Value::Map(vec![]),
        ];
        assert_eq!(rows(Some(keyed.clone()), &maps), maps);
        let field = |name: &str, schema: Schema| Field { name: name.into(), schema: Arc::new(schema) };
        let schema: SchemaRef = Arc::new(
            Schema::new(Type::Struct(vec![
                field("a", numbers),
                field("b", keyed),
                field("c", Schema::new(Type::Bytes)),
            ]))
            .optional(),
        );
        let structs = [
            Value::Struct(Arc::clone(&schema), vec![list, maps[0].clone(), Value::Bytes(vec![7; 20])]),
            Value::Null,
        ];
        assert_eq!(rows(Some(Schema::clone(&schema)), &structs), structs);
        let mixed = [
            Value::Int8(1),
            Value::Array(vec![Value::Date(5)]),
            Value::Map(vec![(Value::Int64(1), Value::Null)]),
        ];
        assert_eq!(rows(None, &mixed), mixed);
        let unknown = Schema::new(Type::Array(None));
        let lists = [Value::Array(vec![Value::Int8(1), Value::String("a".to_owned())])];
        assert_eq!(rows(Some(unknown), &lists), lists);
    }

    #[test]
    fn logical_values_become_what_columns_hold() {
        let date = Value::Date(-DAY_MS);
        assert_eq!(rows(Some(Schema::date()), std::slice::from_ref(&date)), [Value::Int32(-1)]);
        assert_eq!(rows(Some(Schema::timestamp()), &[date]), [Value::Int64(-DAY_MS)]);
    }

    #[test]
    fn a_value_that_does_not_fit_leaves_nothing() {
        let mut builder = ColumnBuilder::new(Some(Arc::new(Schema::new(Type::String))));
        assert!(builder.push(ValueRef::Int8(1)).is_err());
        builder.push_null();
        assert_eq!(builder.finish().unwrap().len(), 1);
    }
}
