//! The converters of numbers: big-endian integers and IEEE 754 numbers of a fixed size.

use std::sync::Arc;

use api::config_def::{Config, ConfigDef};
use api::plugin::{ConverterPlugin, HeaderConverterPlugin};
use api::views::{Inline, inline};
use api::{
    Column, Converter, Data, Decoded, Encoded, Error, Plugin, Result, RowError, Schema, SchemaRef, Segment,
    Type, ValueRef,
};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrowPrimitiveType, BinaryViewArray, PrimitiveArray};
use arrow_buffer::{NullBuffer, NullBufferBuilder, ScalarBuffer};

/// A number of a fixed size.
pub(super) trait Number: std::fmt::Debug + 'static {
    /// Its array type.
    type Arrow: ArrowPrimitiveType;
    /// Java's class of its converter.
    const CLASS: &'static str;
    /// Java's name of it in messages.
    const NAME: &'static str;
    /// Its Connect type.
    const KIND: Type;

    /// The number from bytes of its size; `None` for any other size.
    fn read(bytes: &[u8]) -> Option<<Self::Arrow as ArrowPrimitiveType>::Native>;
    /// Its bytes.
    fn write(value: <Self::Arrow as ArrowPrimitiveType>::Native) -> Inline;
    /// The number that a value is, if it is one of this type.
    fn of(value: ValueRef<'_>) -> Option<<Self::Arrow as ArrowPrimitiveType>::Native>;
}

macro_rules! numbers {
    ($($(#[$doc:meta])* $name:ident, $class:literal, $text:literal, $kind:ident, $arrow:ident, $native:ty;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub(super) enum $name {}

        impl Number for $name {
            type Arrow = $arrow;
            const CLASS: &'static str = $class;
            const NAME: &'static str = $text;
            const KIND: Type = Type::$kind;

            #[inline]
            fn read(bytes: &[u8]) -> Option<$native> {
                Some(<$native>::from_be_bytes(bytes.try_into().ok()?))
            }

            #[inline]
            fn write(value: $native) -> Inline {
                Inline::new(value.to_be_bytes())
            }

            fn of(value: ValueRef<'_>) -> Option<$native> {
                match value {
                    ValueRef::$kind(value) => Some(value),
                    _ => None,
                }
            }
        }
    )*};
}

numbers! {
    /// 16-bit integers.
    Short, "org.apache.kafka.connect.converters.ShortConverter", "short", Int16, Int16Type, i16;
    /// 32-bit integers.
    Integer, "org.apache.kafka.connect.converters.IntegerConverter", "integer", Int32, Int32Type, i32;
    /// 64-bit integers.
    Long, "org.apache.kafka.connect.converters.LongConverter", "long", Int64, Int64Type, i64;
    /// 32-bit numbers.
    Float, "org.apache.kafka.connect.converters.FloatConverter", "float", Float32, Float32Type, f32;
    /// 64-bit numbers.
    Double, "org.apache.kafka.connect.converters.DoubleConverter", "double", Float64, Float64Type, f64;
}

/// The converter of one of them.
#[derive(Debug)]
pub(super) struct NumberConverter<N> {
    schema: SchemaRef,
    number: std::marker::PhantomData<N>,
}

/// The registry line of a number's converter.
pub(super) const fn plugin<N: Number>() -> ConverterPlugin {
    ConverterPlugin::of::<NumberConverter<N>>()
}

/// The same for headers.
pub(super) const fn headers<N: Number>() -> HeaderConverterPlugin {
    HeaderConverterPlugin::of_converter::<NumberConverter<N>>()
}

impl<N: Number> Plugin for NumberConverter<N> {
    const CLASS: &'static str = N::CLASS;
    const VERSION: &'static str = super::VERSION;

    fn config_def() -> ConfigDef {
        ConfigDef::default()
    }

    fn create(_config: Config) -> Result<NumberConverter<N>> {
        Ok(NumberConverter {
            schema: Arc::new(Schema::new(N::KIND).optional()),
            number: std::marker::PhantomData,
        })
    }
}

impl<N: Number> Converter for NumberConverter<N> {
    fn to_connect(&mut self, _topic: &str, raw: &BinaryViewArray) -> Result<Decoded> {
        let mut values = Vec::with_capacity(raw.len());
        let mut errors = Vec::new();
        // Most batches have no nulls: then no row is asked.
        if raw.null_count() == 0 {
            for row in 0..raw.len() {
                values.push(decode::<N>(raw, row, &mut errors));
            }
        } else {
            for row in 0..raw.len() {
                let is_null = raw.is_null(row);
                values.push(if is_null { Default::default() } else { decode::<N>(raw, row, &mut errors) });
            }
        }
        let array = PrimitiveArray::<N::Arrow>::new(ScalarBuffer::from(values), nulls_of(raw, &errors));
        let column = Column { schema: Some(Arc::clone(&self.schema)), data: Data::Array(Arc::new(array)) };
        Ok(Decoded { segments: vec![Segment { column }], errors })
    }

    fn from_connect(&mut self, _topic: &str, column: &Column) -> Result<Encoded> {
        let rows = column.len();
        // A column of a logical type carries another class in Java.
        let is_plain = column.schema.as_ref().is_none_or(|schema| schema.logical().is_none());
        if let Data::Array(array) = &column.data
            && let Some(numbers) = array.as_primitive_opt::<N::Arrow>()
            && is_plain
        {
            let written = numbers.values().iter().map(|value| N::write(*value)).collect();
            return Ok(Encoded { bytes: inline(written, numbers.nulls().cloned()), errors: Vec::new() });
        }
        let mut written = Vec::with_capacity(rows);
        let mut nulls = NullBufferBuilder::new(rows);
        let mut errors = Vec::new();
        for row in 0..rows {
            let value = column.row(row).carried(column.schema.as_ref());
            let number = N::of(value);
            if number.is_none() && !value.is_null() {
                errors.push(RowError { row, error: not_a_number::<N>(value) });
            }
            written.push(number.map_or(Inline::EMPTY, N::write));
            nulls.append(number.is_some());
        }
        Ok(Encoded { bytes: inline(written, nulls.finish()), errors })
    }
}

#[inline]
fn decode<N: Number>(
    raw: &BinaryViewArray,
    row: usize,
    errors: &mut Vec<RowError>,
) -> <N::Arrow as ArrowPrimitiveType>::Native {
    N::read(raw.value(row)).unwrap_or_else(|| {
        let error = Error::bad_record(format!("Failed to deserialize {}: ", N::NAME));
        errors.push(RowError { row, error: error.with_source(format!("{} bytes", raw.value(row).len())) });
        Default::default()
    })
}

#[cold]
fn not_a_number<N: Number>(value: ValueRef<'_>) -> Error {
    Error::bad_record(format!("Failed to serialize to {} (was class {}): ", N::NAME, value.java_class()))
}

/// The nulls of the input, and the rows that failed.
pub(super) fn nulls_of(raw: &BinaryViewArray, errors: &[RowError]) -> Option<NullBuffer> {
    let nulls = raw.nulls().cloned();
    if errors.is_empty() {
        return nulls;
    }
    let mut valid = vec![true; raw.len()];
    errors.iter().for_each(|error| valid[error.row] = false);
    NullBuffer::union(nulls.as_ref(), Some(&NullBuffer::from(valid)))
}

#[cfg(test)]
mod tests {
    use api::Props;
    use api::plugin::ConverterRole;
    use arrow_array::Int32Array;

    use super::*;

    fn converter() -> Box<dyn Converter> {
        (plugin::<Integer>().create)(&Props::new(), ConverterRole::Value).unwrap()
    }

    #[test]
    fn every_number_is_what_the_engine_expects() {
        let props = Props::new();
        api::conformance::converter::<NumberConverter<Short>>(&props, &[&[1, 2]]);
        api::conformance::converter::<NumberConverter<Integer>>(&props, &[&[1, 2, 3, 4]]);
        api::conformance::converter::<NumberConverter<Long>>(&props, &[&[1; 8]]);
        api::conformance::converter::<NumberConverter<Float>>(&props, &[&[1; 4]]);
        api::conformance::converter::<NumberConverter<Double>>(&props, &[&[1; 8]]);
    }

    #[test]
    fn numbers_pass_both_ways_and_null_is_null() {
        let raw = BinaryViewArray::from_iter([Some(&[0, 0, 1, 0][..]), None, Some(&[0xFF; 4])]);
        let decoded = converter().to_connect("t", &raw).unwrap();
        let column = &decoded.segments[0].column;
        let Data::Array(array) = &column.data else { panic!() };
        assert_eq!(array.as_primitive::<Int32Type>(), &Int32Array::from(vec![Some(256), None, Some(-1)]));
        assert_eq!(converter().from_connect("t", column).unwrap().bytes, raw);
    }

    #[test]
    fn rows_that_fail_are_null_and_the_others_stay() {
        let raw =
            BinaryViewArray::from_iter([Some(&[0, 0, 0, 1][..]), Some(&[1]), None, Some(&[0, 0, 0, 2])]);
        let decoded = converter().to_connect("t", &raw).unwrap();
        assert_eq!(decoded.errors.iter().map(|error| error.row).collect::<Vec<_>>(), [1]);
        let Data::Array(array) = &decoded.segments[0].column.data else { panic!() };
        assert_eq!(array.as_primitive::<Int32Type>(), &Int32Array::from(vec![Some(1), None, None, Some(2)]));
    }
}
