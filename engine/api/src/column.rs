//! A column: one value per row, with its Connect schema and as little decoding as the pipeline needs.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, BinaryViewArray, StringViewArray};

use crate::rows::Rows;
use crate::schema::{Schema, SchemaRef, Type};
use crate::value::ValueRef;

/// How the values of a [`Column`] are held.
#[derive(Debug, Clone)]
pub enum Data {
    /// Every row is null.
    Null(usize),
    /// Bytes as Kafka holds them, not yet given to a converter. Null rows are null keys or tombstones.
    Raw(BinaryViewArray),
    /// An Arrow array: view arrays for text and bytes, primitive arrays for numbers, struct arrays for structs and for
    /// schemaless objects that share one shape.
    Array(ArrayRef),
    /// Rows of differing shapes on a tape.
    Rows(Rows),
}

/// Values of all rows of a run. `schema` is `None` for schemaless values and for [`Data::Raw`].
#[derive(Debug, Clone)]
pub struct Column {
    /// Connect schema shared by all rows.
    pub schema: Option<SchemaRef>,
    /// The values.
    pub data: Data,
}

impl Column {
    /// A column of `rows` nulls without a schema (such as the keys of a source without keys).
    pub fn null(rows: usize) -> Column {
        Column { schema: None, data: Data::Null(rows) }
    }

    /// Bytes straight from Kafka.
    pub fn raw(bytes: BinaryViewArray) -> Column {
        Column { schema: None, data: Data::Raw(bytes) }
    }

    /// A column of required strings.
    pub fn strings(values: StringViewArray) -> Column {
        Column { schema: Some(Arc::new(Schema::new(Type::String))), data: Data::Array(Arc::new(values)) }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        match &self.data {
            Data::Null(rows) => *rows,
            Data::Raw(bytes) => bytes.len(),
            Data::Array(array) => array.len(),
            Data::Rows(rows) => rows.len(),
        }
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Rows `start..start + len` without copying values.
    ///
    /// # Panics
    /// When the range is outside of the column: a bug of the caller.
    #[must_use]
    pub fn slice(&self, start: usize, len: usize) -> Column {
        let data = match &self.data {
            Data::Null(rows) => {
                assert!(start + len <= *rows, "slice {start}+{len} of a column of {rows} rows");
                Data::Null(len)
            }
            Data::Raw(bytes) => Data::Raw(bytes.slice(start, len)),
            Data::Array(array) => Data::Array(array.slice(start, len)),
            Data::Rows(rows) => Data::Rows(rows.slice(start, len)),
        };
        Column { schema: self.schema.clone(), data }
    }

    /// The value of one row, borrowed. For sinks that print or walk values; hot loops match on [`Data`] once per run
    /// and loop over the array instead.
    pub fn row(&self, index: usize) -> ValueRef<'_> {
        match &self.data {
            Data::Null(_) => ValueRef::Null,
            Data::Raw(bytes) if bytes.is_null(index) => ValueRef::Null,
            Data::Raw(bytes) => ValueRef::Bytes(bytes.value(index)),
            Data::Array(array) => ValueRef::of_array(self.schema.as_ref(), array.as_ref(), index),
            Data::Rows(rows) => rows.row(index),
        }
    }

    /// Bytes that the column keeps alive, for byte budgets. Shared buffers are counted in full.
    pub fn memory_bytes(&self) -> usize {
        match &self.data {
            Data::Null(_) => 0,
            Data::Raw(bytes) => bytes.get_buffer_memory_size(),
            Data::Array(array) => array.get_buffer_memory_size(),
            Data::Rows(rows) => rows.memory_bytes(),
        }
    }
}
