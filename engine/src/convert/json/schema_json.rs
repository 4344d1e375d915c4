//! Connect schemas as JSON (`JsonConverter#asConnectSchema`, `#asJsonSchema`).

use std::sync::Arc;

use api::{Error, Field, Schema, SchemaRef, Type};

use super::columns;
use super::general::{Json, Kind};
use super::number;
use super::write::{Style, write_string, write_value};

/// Schemas may nest this deep. Java has no limit but its stack; ours must hold for everything that walks a schema's columns.
const DEPTH_MAX: usize = 100;

/// The schema that a JSON value describes; `None` for null.
pub(super) fn from_json(json: Json<'_>) -> Result<Option<SchemaRef>, Error> {
    from_nested(json, 0)
}

fn from_nested(json: Json<'_>, depth: usize) -> Result<Option<SchemaRef>, Error> {
    if json.is_null() {
        return Ok(None);
    }
    if depth > DEPTH_MAX {
        return Err(Error::bad_record(format!("a schema nests deeper than {DEPTH_MAX}")));
    }
    let bad = |message: &str| Err(Error::bad_record(message));
    let text = |name: &str| json.get(name).and_then(|value| value.text());
    let Some(type_name) = text("type") else { return bad("Schema must contain 'type' field") };
    let kind = match type_name {
        "boolean" => Type::Boolean,
        "int8" => Type::Int8,
        "int16" => Type::Int16,
        "int32" => Type::Int32,
        "int64" => Type::Int64,
        "float" => Type::Float32,
        "double" => Type::Float64,
        "bytes" => Type::Bytes,
        "string" => Type::String,
        "array" => {
            match json.get("items").map(|items| from_nested(items, depth + 1)).transpose()?.flatten() {
                Some(items) => Type::Array(Some(items)),
                None => return bad("Array schema did not specify the element type"),
            }
        }
        "map" => {
            let Some(keys) = json.get("keys") else { return bad("Map schema did not specify the key type") };
            let Some(values) = json.get("values") else {
                return bad("Map schema did not specify the value type");
            };
            let (keys, values) = (from_nested(keys, depth + 1)?, from_nested(values, depth + 1)?);
            match (&keys, &values) {
                (None, _) => return Err(builder_error("keySchema cannot be null.")),
                (_, None) => return Err(builder_error("valueSchema cannot be null.")),
                _ => Type::Map(keys, values),
            }
        }
        "struct" => Type::Struct(fields_from_json(json, depth)?),
        other => return Err(Error::bad_record(format!("Unknown schema type: {other}"))),
    };
    let mut schema = Schema {
        kind,
        optional: json.get("optional").is_some_and(|value| value.kind() == Kind::True),
        name: text("name").map(Arc::from),
        version: json
            .get("version")
            .filter(|version| version.kind() == Kind::Integer)
            .map(|version| number::integer(version.source()) as i32),
        doc: text("doc").map(Arc::from),
        parameters: indexmap::IndexMap::new(),
        default: None,
    };
    for (name, value) in json.get("parameters").into_iter().flat_map(|parameters| parameters.entries()) {
        let Some(value) = value.text() else { return bad("Schema parameters must have string values.") };
        schema.parameters.insert(name.to_owned(), value.to_owned());
    }
    if let Some(default) = json.get("default") {
        set_default(&mut schema, default)?;
    }
    Ok(Some(Arc::new(schema)))
}

fn builder_error(message: impl Into<String>) -> Error {
    Error::bad_record(message).with_java_class("org.apache.kafka.connect.errors.SchemaBuilderException")
}

fn fields_from_json(json: Json<'_>, depth: usize) -> Result<Vec<Field>, Error> {
    let Some(items) = json.get("fields").filter(|fields| fields.kind() == Kind::Array) else {
        return Err(Error::bad_record("Struct schema's \"fields\" argument is not an array."));
    };
    let mut names = std::collections::HashSet::new();
    let mut fields = Vec::new();
    for item in items.items() {
        let Some(name) = item.get("field").and_then(|name| name.text()) else {
            return Err(Error::bad_record("Struct schema's field name not specified properly"));
        };
        let schema = from_nested(item, depth + 1)?
            .ok_or_else(|| Error::bad_record("Schema must contain 'type' field"))?;
        if name.is_empty() {
            return Err(builder_error("fieldName cannot be null."));
        }
        if !names.insert(name) {
            return Err(builder_error(format!(
                "Cannot create field because of field name duplication {name}"
            )));
        }
        fields.push(Field { name: Arc::from(name), schema });
    }
    Ok(fields)
}

/// Java sets the default on an unfinished builder, which no struct and no null of a required type survives.
fn set_default(schema: &mut Schema, default: Json<'_>) -> Result<(), Error> {
    if default.is_null() && schema.optional {
        return Ok(());
    }
    if matches!(schema.kind, Type::Struct(_)) && !default.is_null() {
        return Err(builder_error("Invalid default value"));
    }
    let value = columns::single_value(&Arc::new(schema.clone()), default)?;
    if value == api::Value::Null {
        return if schema.optional { Ok(()) } else { Err(builder_error("Invalid default value")) };
    }
    schema.default = Some(value);
    Ok(())
}

/// Appends a schema as JSON.
pub(super) fn write_schema(out: &mut Vec<u8>, schema: Option<&SchemaRef>, style: Style) -> Result<(), Error> {
    match schema {
        Some(schema) => write_object(out, schema, None, style),
        None => {
            out.extend_from_slice(b"null");
            Ok(())
        }
    }
}

fn write_object(
    out: &mut Vec<u8>,
    schema: &SchemaRef,
    field: Option<&str>,
    style: Style,
) -> Result<(), Error> {
    out.extend_from_slice(b"{\"type\":\"");
    out.extend_from_slice(schema.kind.json_name().as_bytes());
    out.push(b'"');
    match &schema.kind {
        Type::Array(items) => {
            out.extend_from_slice(b",\"items\":");
            write_schema(out, items.as_ref(), style)?;
        }
        Type::Map(keys, values) => {
            out.extend_from_slice(b",\"keys\":");
            write_schema(out, keys.as_ref(), style)?;
            out.extend_from_slice(b",\"values\":");
            write_schema(out, values.as_ref(), style)?;
        }
        Type::Struct(fields) => {
            out.extend_from_slice(b",\"fields\":[");
            for (index, field) in fields.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_object(out, &field.schema, Some(&field.name), style)?;
            }
            out.push(b']');
        }
        _ => {}
    }
    out.extend_from_slice(if schema.optional { b",\"optional\":true" } else { b",\"optional\":false" });
    let text = |out: &mut Vec<u8>, name: &[u8], value: &str| {
        out.extend_from_slice(name);
        write_string(out, value);
    };
    if let Some(name) = &schema.name {
        text(out, b",\"name\":", name);
    }
    if let Some(version) = schema.version {
        out.extend_from_slice(b",\"version\":");
        api::java_text::write_integer(out, version.into());
    }
    if let Some(doc) = &schema.doc {
        text(out, b",\"doc\":", doc);
    }
    if !schema.parameters.is_empty() {
        out.extend_from_slice(b",\"parameters\":{");
        for (index, (name, value)) in schema.parameters.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            write_string(out, name);
            text(out, b":", value);
        }
        out.push(b'}');
    }
    if let Some(default) = &schema.default {
        out.extend_from_slice(b",\"default\":");
        write_value(out, Some(schema), default.as_value_ref(), style)?;
    }
    if let Some(field) = field {
        text(out, b",\"field\":", field);
    }
    out.push(b'}');
    Ok(())
}
