//! Values of one schema as values of another one (`SchemaProjector`): what a sink does that keeps one schema while records come with
//! several.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::schema::{Schema, SchemaRef, Type};
use crate::value::{Value, ValueRef};

/// The value as one of `target`: fields that it lacks are left out, fields that it has more take their defaults, numbers widen.
///
/// # Errors
/// In Java's words (`SchemaProjectorException`): types that do not go together, or a required field without a value.
pub fn project(source: &SchemaRef, value: ValueRef<'_>, target: &SchemaRef) -> Result<Value> {
    check_compatible(source, target)?;
    if source.optional && !target.optional {
        return match (&target.default, value) {
            (Some(default), ValueRef::Null) => Ok(default.clone()),
            (Some(_), _) => project_required(source, value, target),
            (None, _) => Err(error(
                "Writer schema is optional, however, target schema does not provide a default value.",
            )),
        };
    }
    if value.is_null() { Ok(Value::Null) } else { project_required(source, value, target) }
}

fn error(message: impl Into<String>) -> Error {
    Error::bad_record(message).with_java_class("org.apache.kafka.connect.errors.SchemaProjectorException")
}

fn check_compatible(source: &Schema, target: &Schema) -> Result<()> {
    if !is_promotable(&source.kind, &target.kind) && !is_same_type(&source.kind, &target.kind) {
        return Err(error(format!(
            "Schema type mismatch. source type: {} and target type: {}",
            source.kind.java_name(),
            target.kind.java_name()
        )));
    }
    if source.name != target.name {
        let name = |schema: &Schema| schema.name.as_deref().unwrap_or("null").to_owned();
        return Err(error(format!(
            "Schema name mismatch. source name: {} and target name: {}",
            name(source),
            name(target)
        )));
    }
    if source.parameters != target.parameters {
        return Err(error(format!(
            "Schema parameters not equal. source parameters: {} and target parameters: {}",
            printed_parameters(source),
            printed_parameters(target)
        )));
    }
    Ok(())
}

fn project_required(source: &SchemaRef, value: ValueRef<'_>, target: &SchemaRef) -> Result<Value> {
    match (&source.kind, &target.kind, value) {
        (Type::Struct(_), _, ValueRef::Struct(fields)) => {
            let mut values = Vec::with_capacity(target.fields().len());
            for field in target.fields() {
                let place = fields.schema().fields().iter().position(|known| known.name == field.name);
                values.push(match place {
                    Some(index) => {
                        let own = &fields.schema().fields()[index].schema;
                        // `Struct#get` gives a field's default in place of null.
                        let value = match (&own.default, fields.value(index)) {
                            (Some(default), ValueRef::Null) => default.as_value_ref(),
                            (_, value) => value,
                        };
                        project(own, value, &field.schema).map_err(|cause| {
                            error(format!("Error projecting {}", field.name)).with_source(cause)
                        })?
                    }
                    None if field.schema.optional => Value::Null,
                    None => match &field.schema.default {
                        Some(default) => default.clone(),
                        None => {
                            return Err(error(format!(
                                "Required field `{}` is missing from source schema: Schema{{{}}}",
                                field.name,
                                source.name.as_deref().map_or(
                                    source.kind.java_name().to_owned(),
                                    |name| format!("{name}:{}", source.kind.java_name())
                                )
                            )));
                        }
                    },
                });
            }
            Ok(Value::Struct(Arc::clone(target), values))
        }
        (Type::Array(Some(from)), Type::Array(Some(to)), ValueRef::Array(items)) => {
            Ok(Value::Array(items.iter().map(|item| project(from, item, to)).collect::<Result<_>>()?))
        }
        (
            Type::Map(Some(from_key), Some(from)),
            Type::Map(Some(to_key), Some(to)),
            ValueRef::Map(entries),
        ) => {
            let entries = entries
                .iter()
                .map(|(key, value)| Ok((project(from_key, key, to_key)?, project(from, value, to)?)));
            Ok(Value::Map(entries.collect::<Result<_>>()?))
        }
        _ => Ok(promoted(&target.kind, value)),
    }
}

fn is_same_type(source: &Type, target: &Type) -> bool {
    std::mem::discriminant(source) == std::mem::discriminant(target)
}

fn is_promotable(source: &Type, target: &Type) -> bool {
    matches!((source.width(), target.width()), (Some(source), Some(target)) if source < target)
}

fn promoted(target: &Type, value: ValueRef<'_>) -> Value {
    let integer = match value {
        ValueRef::Int8(value) => i64::from(value),
        ValueRef::Int16(value) => value.into(),
        ValueRef::Int32(value) => value.into(),
        ValueRef::Int64(value) => value,
        ValueRef::Float32(value) if *target == Type::Float64 => return Value::Float64(value.into()),
        other => return other.to_owned(),
    };
    match target {
        Type::Int8 => Value::Int8(integer as i8),
        Type::Int16 => Value::Int16(integer as i16),
        Type::Int32 => Value::Int32(integer as i32),
        Type::Float32 => Value::Float32(integer as f32),
        Type::Float64 => Value::Float64(integer as f64),
        _ => Value::Int64(integer),
    }
}

/// As `Map#toString`; an absent map prints as null.
fn printed_parameters(schema: &Schema) -> String {
    if schema.parameters.is_empty() {
        return "null".to_owned();
    }
    let entries: Vec<String> =
        schema.parameters.iter().map(|(key, value)| format!("{key}={value}")).collect();
    format!("{{{}}}", entries.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Field;

    #[test]
    fn fields_are_left_out_filled_in_and_widened() {
        let field = |name: &str, schema: Schema| Field { name: name.into(), schema: Arc::new(schema) };
        let of = |fields| -> SchemaRef { Arc::new(Schema::new(Type::Struct(fields))) };
        let source = of(vec![field("a", Schema::new(Type::Int8)), field("gone", Schema::new(Type::String))]);
        let mut with_default = Schema::new(Type::String);
        with_default.default = Some(Value::String("d".to_owned()));
        let target = of(vec![field("new", with_default), field("a", Schema::new(Type::Int64))]);
        let value = Value::Struct(Arc::clone(&source), vec![Value::Int8(5), Value::String("x".to_owned())]);
        let projected = project(&source, value.as_value_ref(), &target).unwrap();
        assert_eq!(projected, Value::Struct(target, vec![Value::String("d".to_owned()), Value::Int64(5)]));
    }
}
