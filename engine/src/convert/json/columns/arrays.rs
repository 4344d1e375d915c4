//! Finished columns as Arrow arrays.

use std::sync::Arc;

use api::Error;
use arrow_array::types::{Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BooleanArray, ListArray, MapArray, NullArray, PrimitiveArray,
    StructArray,
};
use arrow_buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field, Fields};

use super::builder::{ColumnId, Columns, Numbers, ROOT, Values};

impl Columns {
    /// The array of whole values; `input` is the buffers of the input.
    pub(in super::super) fn finish(mut self, input: &[Buffer]) -> Result<ArrayRef, Error> {
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

fn primitives<A: ArrowPrimitiveType>(numbers: Numbers<A::Native>) -> ArrayRef {
    let Numbers { values, mut nulls } = numbers;
    Arc::new(PrimitiveArray::<A>::new(ScalarBuffer::from(values), nulls.finish()))
}
