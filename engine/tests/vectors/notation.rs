//! Schemas, values and errors in the notation of the vectors (`xtask/src/vectors/java/Notation.java`).

use std::sync::Arc;

use api::decimal::{self, Decimal};
use api::{ColumnBuilder, Error, Field, Schema, SchemaRef, Type, Value, ValueRef};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;

pub(crate) fn bytes(json: &Json) -> Option<Vec<u8>> {
    json.as_str().map(|text| STANDARD.decode(text).unwrap())
}

pub(crate) fn schema(json: &Json) -> Option<SchemaRef> {
    let kind = |name: &str| match name {
        "int8" => Type::Int8,
        "int16" => Type::Int16,
        "int32" => Type::Int32,
        "int64" => Type::Int64,
        "float32" => Type::Float32,
        "float64" => Type::Float64,
        "boolean" => Type::Boolean,
        "string" => Type::String,
        "bytes" => Type::Bytes,
        "array" => Type::Array(schema(&json["i"])),
        "map" => Type::Map(schema(&json["k"]), schema(&json["i"])),
        "struct" => Type::Struct(
            json["f"]
                .as_array()
                .unwrap()
                .iter()
                .map(|field| Field {
                    name: field[0].as_str().unwrap().into(),
                    schema: schema(&field[1]).unwrap(),
                })
                .collect(),
        ),
        other => panic!("no type {other}"),
    };
    match json {
        Json::Null => None,
        Json::String(name) => Some(Arc::new(Schema::new(kind(name)))),
        _ => {
            let mut schema = Schema::new(kind(json["t"].as_str().unwrap()));
            schema.optional = json.get("o").is_some();
            schema.name = json.get("n").map(|name| name.as_str().unwrap().into());
            schema.version = json.get("v").map(|version| version.as_i64().unwrap() as i32);
            schema.doc = json.get("d").map(|doc| doc.as_str().unwrap().into());
            for (key, value) in json.get("p").into_iter().flat_map(|entries| entries.as_object().unwrap()) {
                schema.parameters.insert(key.clone(), value.as_str().unwrap().to_owned());
            }
            if let Some(default) = json.get("def") {
                let of = Arc::new(schema.clone());
                schema.default = Some(held(&of, value(Some(&of), default)));
            }
            Some(Arc::new(schema))
        }
    }
}

/// A value as Java carries it: dates and decimals are themselves.
pub(crate) fn value(schema: Option<&SchemaRef>, json: &Json) -> Value {
    let inner = |values: bool| {
        let kind = schema.map(|schema| &schema.kind);
        match kind {
            Some(Type::Array(items)) if values => items.as_ref(),
            Some(Type::Map(keys, items)) => (if values { items } else { keys }).as_ref(),
            _ => None,
        }
    };
    match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Boolean(*flag),
        Json::String(text) => Value::String(text.clone()),
        Json::Array(items) => Value::Array(items.iter().map(|item| value(inner(true), item)).collect()),
        Json::Object(object) => {
            let (tag, json) = object.iter().next().unwrap();
            let number = || json.as_i64().unwrap();
            let float = || match json.as_str().unwrap() {
                "Infinity" => f64::INFINITY,
                "-Infinity" => f64::NEG_INFINITY,
                text => text.parse().unwrap(),
            };
            match tag.as_str() {
                "b" => Value::Int8(number() as i8),
                "s" => Value::Int16(number() as i16),
                "i" => Value::Int32(number() as i32),
                "l" => Value::Int64(number()),
                "f" if float().is_finite() => Value::Float32(json.as_str().unwrap().parse().unwrap()),
                "f" => Value::Float32(float() as f32),
                "d" => Value::Float64(float()),
                "n" => Value::Decimal(decimal(json.as_str().unwrap())),
                "D" => Value::Date(number()),
                "x" => Value::Bytes(bytes(json).unwrap()),
                "m" => {
                    let entry =
                        |entry: &Json| (value(inner(false), &entry[0]), value(inner(true), &entry[1]));
                    Value::Map(json.as_array().unwrap().iter().map(entry).collect())
                }
                "t" => {
                    let schema = schema.expect("a struct has a schema");
                    let values = json.as_array().unwrap();
                    let of = |(field, json): (&Field, &Json)| value(Some(&field.schema), json);
                    Value::Struct(Arc::clone(schema), schema.fields().iter().zip(values).map(of).collect())
                }
                "deep" => deep(number() as usize),
                other => panic!("no class {other}"),
            }
        }
        Json::Number(number) => panic!("a bare {number}"),
    }
}

/// What `JsonCases#writeWrites` nests: lists and maps in turn.
fn deep(depth: usize) -> Value {
    (0..depth).fold(Value::Int64(1), |inner, level| match level % 2 {
        0 => Value::Array(vec![inner]),
        _ => Value::Map(vec![(Value::String("k".to_owned()), inner)]),
    })
}

/// Lists and maps of one item within each other.
pub(crate) fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) if items.len() == 1 => 1 + depth(&items[0]),
        Value::Map(entries) if entries.len() == 1 => 1 + depth(&entries[0].1),
        Value::Array(_) | Value::Map(_) => 1,
        _ => 0,
    }
}

fn decimal(text: &str) -> Decimal {
    let (digits, exponent) = text.split_once('E').unwrap_or((text, "0"));
    let fraction = digits.split_once('.').map_or(0, |(_, fraction)| fraction.len() as i32);
    let scale = fraction - exponent.parse::<i32>().unwrap();
    let is_negative = digits.starts_with('-');
    let digits: Vec<u8> = digits.bytes().filter(u8::is_ascii_digit).map(|digit| digit - b'0').collect();
    Decimal { unscaled: decimal::of_digits(&digits, is_negative), scale }
}

/// A value as a column of its schema holds it: dates are integers, decimals unscaled bytes.
pub(crate) fn held(schema: &SchemaRef, value: Value) -> Value {
    let mut builder = ColumnBuilder::new(Some(Arc::clone(schema)));
    builder.push(value.as_value_ref()).unwrap();
    builder.finish().unwrap().row(0).to_owned()
}

/// What is read from a column, as Java carries it.
pub(crate) fn carried(schema: Option<&SchemaRef>, value: ValueRef<'_>) -> Value {
    let (keys, items) = match schema.map(|schema| &schema.kind) {
        Some(Type::Array(items)) => (None, items.as_ref()),
        Some(Type::Map(keys, items)) => (keys.as_ref(), items.as_ref()),
        _ => (None, None),
    };
    match value.carried(schema) {
        ValueRef::Array(list) => Value::Array(list.iter().map(|item| carried(items, item)).collect()),
        ValueRef::Map(entries) => Value::Map(
            entries.iter().map(|(key, value)| (carried(keys, key), carried(items, value))).collect(),
        ),
        ValueRef::Struct(fields) => Value::Struct(
            Arc::clone(fields.schema()),
            fields.fields().map(|(field, value)| carried(Some(&field.schema), value)).collect(),
        ),
        scalar => scalar.to_owned(),
    }
}

/// Text that is the same for values that are: NaN is itself, zeros have signs, and maps have no order.
pub(crate) fn canonical(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        Value::Map(entries) => {
            let mut entries: Vec<String> = entries
                .iter()
                .map(|(key, value)| format!("{}:{}", canonical(key), canonical(value)))
                .collect();
            entries.sort_unstable();
            format!("{{{}}}", entries.join(","))
        }
        Value::Struct(_, values) => {
            format!("({})", values.iter().map(canonical).collect::<Vec<_>>().join(","))
        }
        scalar => format!("{scalar:?}"),
    }
}

/// Text of a schema in which maps have no order either.
pub(crate) fn canonical_schema(schema: Option<&SchemaRef>) -> String {
    let Some(schema) = schema else { return "none".to_owned() };
    let inner = match &schema.kind {
        Type::Array(items) => canonical_schema(items.as_ref()),
        Type::Map(keys, items) => {
            format!("{}:{}", canonical_schema(keys.as_ref()), canonical_schema(items.as_ref()))
        }
        Type::Struct(fields) => fields
            .iter()
            .map(|field| format!("{}={}", field.name, canonical_schema(Some(&field.schema))))
            .collect::<Vec<_>>()
            .join(","),
        _ => String::new(),
    };
    let mut parameters: Vec<_> = schema.parameters.iter().collect();
    parameters.sort_unstable();
    let default = schema.default.as_ref().map(canonical);
    let Schema { kind, optional, name, version, doc, .. } = &**schema;
    let kind = kind.java_name();
    format!("{kind}({inner}) {optional} {name:?} {version:?} {doc:?} {parameters:?} {default:?}")
}

/// What a case gave, as text to compare.
pub(crate) fn failed(class: &str, message: Option<&str>) -> String {
    format!("error {class}: {}", message.unwrap_or("null"))
}

pub(crate) fn error(error: &Error) -> String {
    failed(error.java_class(), Some(error.message()))
}

pub(crate) fn java_error(json: &Json) -> String {
    failed(json[0].as_str().unwrap(), json[1].as_str())
}
