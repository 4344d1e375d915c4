//! One schema for all items of a list or a map, and the items as values of it.

use std::sync::Arc;

use api::java_text::DAY_MS;
use api::value::Logical;
use api::{SchemaRef, Type, Value};

use super::parse::Parsed;

/// The schema that all values so far have in common.
#[derive(Debug, Default)]
pub(super) struct Common {
    schema: Option<SchemaRef>,
    has_conflict: bool,
}

impl Common {
    /// Takes one more value into account; null has no say.
    pub(super) fn merge(&mut self, latest: Option<&Parsed>) {
        let Some(latest) = latest.and_then(|parsed| parsed.schema.as_ref()).filter(|_| !self.has_conflict)
        else {
            return;
        };
        self.schema = match &self.schema {
            None => Some(Arc::clone(latest)),
            Some(previous) => merged(previous, latest),
        };
        self.has_conflict = self.schema.is_none();
    }

    pub(super) fn schema(self) -> Option<SchemaRef> {
        self.schema
    }
}

fn merged(previous: &SchemaRef, latest: &SchemaRef) -> Option<SchemaRef> {
    // Of two schemas of one type the later one wins, whatever its name and inner schemas.
    if std::mem::discriminant(&previous.kind) == std::mem::discriminant(&latest.kind) {
        return Some(Arc::clone(latest));
    }
    let is_wider = latest.kind.width()? > previous.kind.width()?;
    Some(Arc::clone(if is_wider { latest } else { previous }))
}

/// A value as one of `schema` (`Values#convertTo` without a source schema); `None` when it cannot be one.
pub(super) fn converted(schema: &SchemaRef, value: Value) -> Option<Value> {
    if value == Value::Null {
        return schema.optional.then_some(value);
    }
    Some(match &schema.kind {
        Type::Int8 => Value::Int8(integer(&value)? as i8),
        Type::Int16 => Value::Int16(integer(&value)? as i16),
        Type::Int32 => match schema.logical() {
            None => Value::Int32(integer(&value)? as i32),
            Some(_) if matches!(value, Value::Date(_)) => value,
            Some(Logical::Time) => {
                let ms = i64::from(integer(&value)? as i32);
                // What `Time#toLogical` takes.
                if !(0..=DAY_MS).contains(&ms) {
                    return None;
                }
                Value::Date(ms)
            }
            Some(_) => Value::Date(i64::from(integer(&value)? as i32) * DAY_MS),
        },
        Type::Int64 => match schema.logical() {
            None => Value::Int64(integer(&value)?),
            Some(_) if matches!(value, Value::Date(_)) => value,
            Some(_) => Value::Date(integer(&value)?),
        },
        Type::Float32 => match value {
            Value::Float32(_) => value,
            value => Value::Float32(double(&value)? as f32),
        },
        Type::Float64 => match value {
            Value::Float64(_) => value,
            value => Value::Float64(double(&value)?),
        },
        // Nothing else has this type by merging.
        _ => value,
    })
}

fn integer(value: &Value) -> Option<i64> {
    Some(match value {
        Value::Int8(value) => (*value).into(),
        Value::Int16(value) => (*value).into(),
        Value::Int32(value) => (*value).into(),
        Value::Int64(value) => *value,
        Value::Float32(value) => *value as i64,
        Value::Float64(value) => *value as i64,
        _ => return None,
    })
}

fn double(value: &Value) -> Option<f64> {
    Some(match value {
        Value::Float32(value) => (*value).into(),
        Value::Float64(value) => *value,
        value => integer(value)? as f64,
    })
}
