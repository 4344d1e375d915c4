//! Timestamps of all kinds to moments, and moments to timestamps of the kind that is wanted.

use std::sync::Arc;

use api::java_text::DAY_MS;
use api::value::Logical;
use api::{Error, Result, RowError, Schema, SchemaRef, Type, ValueRef};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, Int64Array, NullArray};
use arrow_schema::DataType;

use super::config::{Rules, Target};
use crate::transform::field::structs;
use crate::transform::texts::Texts;

/// Bytes that a timestamp takes as text, more or less.
const TEXT_BYTES: usize = 24;

/// What timestamps come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Text,
    Unix,
    /// What Java carries in a `java.util.Date`.
    Moment(Logical),
}

impl Source {
    /// What a schema says: by its name, whatever its type is, else by its type.
    ///
    /// # Errors
    /// When it stands for no timestamps.
    pub(super) fn of(schema: &Schema) -> Result<Source> {
        let by_name = [Logical::Timestamp, Logical::Date, Logical::Time]
            .into_iter()
            .find(|logical| schema.name.as_deref() == Some(logical.name()));
        match (by_name, &schema.kind) {
            (Some(logical), _) => Ok(Source::Moment(logical)),
            (None, Type::String) => Ok(Source::Text),
            (None, Type::Int64) => Ok(Source::Unix),
            (None, kind) => {
                let name = schema.name.as_ref().map(|name| format!("{name}:")).unwrap_or_default();
                Err(Error::bad_record(format!(
                    "Schema Schema{{{name}{}}} does not correspond to a known timestamp type format",
                    kind.java_name()
                ))
                .with_java_class("org.apache.kafka.connect.errors.ConnectException"))
            }
        }
    }

    /// What a value without schema is.
    ///
    /// # Errors
    /// When it is no timestamp.
    fn of_value(value: ValueRef<'_>) -> Result<Source> {
        match value {
            ValueRef::Date(_) => Ok(Source::Moment(Logical::Timestamp)),
            ValueRef::Int64(_) => Ok(Source::Unix),
            ValueRef::String(_) => Ok(Source::Text),
            other => Err(Error::bad_record(format!(
                "TimestampConverter does not support class {} objects as timestamps",
                other.java_class()
            ))),
        }
    }

    /// What an array without schema holds.
    fn of_array(array: &dyn Array) -> Option<Source> {
        match array.data_type() {
            DataType::Int64 => Some(Source::Unix),
            DataType::Utf8View => Some(Source::Text),
            _ => None,
        }
    }
}

impl Rules {
    /// The moment that a value stands for, in milliseconds since 1970.
    ///
    /// # Errors
    /// When it is none.
    fn moment(&self, source: Source, schema: Option<&SchemaRef>, value: ValueRef<'_>) -> Result<i64> {
        match (source, value.carried(schema)) {
            (Source::Text, ValueRef::String(text)) => {
                let Some((pattern, format)) = &self.format else { return Err(no_format()) };
                format.parse(text).ok_or_else(|| unparseable(text, pattern))
            }
            (Source::Unix, ValueRef::Int64(value)) => Ok(self.precision.to_ms(value)),
            (Source::Moment(_), ValueRef::Date(epoch_ms)) => Ok(epoch_ms),
            (source, other) => {
                let expected = match source {
                    Source::Text => "string timestamp to be a String",
                    Source::Unix => "Unix timestamp to be a Long",
                    Source::Moment(Logical::Date) => "Date to be a java.util.Date",
                    Source::Moment(Logical::Time) => "Time to be a java.util.Date",
                    Source::Moment(_) => "Timestamp to be a java.util.Date",
                };
                let class = other.java_class();
                Err(Error::bad_record(format!("Expected {expected}, but found class {class}")))
            }
        }
    }

    /// A value that has no schema, as what is wanted. `scratch` is for its text.
    ///
    /// # Errors
    /// When it is no timestamp.
    pub(super) fn convert_value<'a>(
        &self,
        value: ValueRef<'_>,
        scratch: &'a mut Vec<u8>,
    ) -> Result<ValueRef<'a>> {
        if value.is_null() {
            return Ok(ValueRef::Null);
        }
        let moment = self.moment(Source::of_value(value)?, None, value)?;
        self.of_moment(moment, scratch)
    }

    /// The same for a value of a schema that stands for timestamps.
    ///
    /// # Errors
    /// When it is none.
    pub(super) fn convert_typed<'a>(
        &self,
        source: Source,
        schema: &SchemaRef,
        value: ValueRef<'_>,
        scratch: &'a mut Vec<u8>,
    ) -> Result<ValueRef<'a>> {
        if value.is_null() {
            return Ok(ValueRef::Null);
        }
        let moment = self.moment(source, Some(schema), value)?;
        self.of_moment(moment, scratch)
    }

    fn of_moment<'a>(&self, epoch_ms: i64, scratch: &'a mut Vec<u8>) -> Result<ValueRef<'a>> {
        Ok(match self.target {
            Target::String => {
                let Some((_, format)) = &self.format else { return Err(no_format()) };
                scratch.clear();
                format.write(scratch, epoch_ms);
                ValueRef::String(str::from_utf8(scratch).expect("a format writes text"))
            }
            Target::Unix => ValueRef::Int64(self.precision.of_ms(epoch_ms)),
            Target::Date => ValueRef::Date(epoch_ms.div_euclid(DAY_MS).wrapping_mul(DAY_MS)),
            Target::Time => ValueRef::Date(epoch_ms.rem_euclid(DAY_MS)),
            Target::Timestamp => ValueRef::Date(epoch_ms),
        })
    }

    /// Whether what is wanted can stand in an array without a schema: dates there are integers.
    pub(super) fn fits_without_schema(&self) -> bool {
        matches!(self.target, Target::String | Target::Unix)
    }

    /// An array of timestamps as what is wanted; `schema` is that of its values, `result` that of what comes out. Rows that fail are named
    /// in `errors`.
    ///
    /// # Errors
    /// When the result does not fit into an array.
    pub(super) fn convert(
        &self,
        array: &ArrayRef,
        schema: Option<(&SchemaRef, Source)>,
        result: &SchemaRef,
        errors: &mut Vec<RowError>,
    ) -> Result<ArrayRef> {
        if array.data_type() == &DataType::Null {
            return match schema {
                Some(_) => structs::nulls_of(result, array.len()),
                None => Ok(Arc::new(NullArray::new(array.len()))),
            };
        }
        let moments = self.moments(array, schema, errors);
        self.of_moments(&moments)
    }

    fn moments(
        &self,
        array: &ArrayRef,
        schema: Option<(&SchemaRef, Source)>,
        errors: &mut Vec<RowError>,
    ) -> Int64Array {
        let source = schema.map(|(_, source)| source).or_else(|| Source::of_array(array.as_ref()));
        match (source, array.data_type()) {
            (Some(Source::Unix), DataType::Int64) => {
                return array.as_primitive::<Int64Type>().unary(|value| self.precision.to_ms(value));
            }
            (Some(Source::Moment(Logical::Timestamp)), DataType::Int64) => {
                return array.as_primitive::<Int64Type>().clone();
            }
            (Some(Source::Moment(Logical::Date)), DataType::Int32) => {
                return array.as_primitive::<Int32Type>().unary(|days| i64::from(days) * DAY_MS);
            }
            (Some(Source::Moment(Logical::Time)), DataType::Int32) => {
                return array.as_primitive::<Int32Type>().unary(i64::from);
            }
            _ => {}
        }
        let texts = array.as_string_view_opt().zip(self.format.as_ref());
        let typed = schema.map(|(schema, _)| schema);
        let moments = (0..array.len()).map(|row| {
            if array.is_null(row) {
                return 0;
            }
            let moment = match (source, texts) {
                (Some(Source::Text), Some((texts, (pattern, format)))) => {
                    let text = texts.value(row);
                    format.parse(text).ok_or_else(|| unparseable(text, pattern))
                }
                _ => {
                    let value = ValueRef::of_array(typed, array.as_ref(), row);
                    source
                        .map_or_else(|| Source::of_value(value), Ok)
                        .and_then(|source| self.moment(source, typed, value))
                }
            };
            moment.unwrap_or_else(|error| {
                errors.push(RowError { row, error });
                0
            })
        });
        Int64Array::new(moments.collect(), array.nulls().cloned())
    }

    fn of_moments(&self, moments: &Int64Array) -> Result<ArrayRef> {
        Ok(match self.target {
            Target::String => {
                let Some((_, format)) = &self.format else { return Err(no_format()) };
                let mut texts = Texts::with_capacity(moments.len(), TEXT_BYTES);
                for (row, epoch_ms) in moments.values().iter().enumerate() {
                    if moments.is_valid(row) {
                        format.write(texts.bytes(), *epoch_ms);
                    }
                    texts.end_row();
                }
                Arc::new(texts.finish(moments.nulls())?)
            }
            Target::Unix => Arc::new(moments.unary::<_, Int64Type>(|ms| self.precision.of_ms(ms))),
            Target::Date => Arc::new(moments.unary::<_, Int32Type>(|ms| ms.div_euclid(DAY_MS) as i32)),
            Target::Time => Arc::new(moments.unary::<_, Int32Type>(|ms| ms.rem_euclid(DAY_MS) as i32)),
            Target::Timestamp => Arc::new(moments.clone()),
        })
    }
}

fn unparseable(text: &str, pattern: &str) -> Error {
    Error::bad_record(format!("Could not parse timestamp: value ({text}) does not match pattern ({pattern})"))
        .with_source(format!("Unparseable date: \"{text}\""))
}

/// What the Java virtual machine says of it, and scripts may have seen.
fn no_format() -> Error {
    Error::bad_record(
        "Cannot invoke \"java.text.SimpleDateFormat.parse(String)\" because \"config.format\" is null",
    )
    .with_java_class("java.lang.NullPointerException")
}
