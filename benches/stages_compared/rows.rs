//! The baseline: every converter and transform as one would write it record by record, on trees of values.

use std::sync::Arc;

use api::{Field, Schema, SchemaRef, Type, Value};
use serde_json::{Map, Value as Json, json};

/// One record.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) topic: String,
    pub(crate) key: Value,
    pub(crate) schema: Option<SchemaRef>,
    pub(crate) value: Value,
    pub(crate) headers: Vec<(String, Value)>,
    pub(crate) timestamp_ms: i64,
}

/// The last schema seen and what was made of it, by text and by schema.
#[derive(Debug, Default)]
pub(crate) struct Known {
    text: Option<(Json, SchemaRef)>,
    schema: Option<(SchemaRef, SchemaRef)>,
}

type Entries = Vec<(String, Option<SchemaRef>, Value)>;

impl Row {
    pub(crate) fn of(schema: Option<SchemaRef>, value: Value) -> Row {
        let topic = "orders-12".to_owned();
        Row { topic, key: Value::Null, schema, value, headers: Vec::new(), timestamp_ms: 1_700_000_000_000 }
    }

    fn entries(&self) -> Entries {
        match &self.value {
            Value::Struct(schema, values) => {
                let fields = schema.fields().iter().zip(values);
                fields.map(|(f, v)| (f.name.to_string(), Some(Arc::clone(&f.schema)), v.clone())).collect()
            }
            Value::Map(entries) => {
                entries.iter().map(|(key, value)| (text(key).to_owned(), None, value.clone())).collect()
            }
            _ => Entries::new(),
        }
    }

    /// The same record with other fields. The schema is made once for each one that comes.
    fn with(&self, entries: Entries, known: &mut Known) -> Row {
        let Some(schema) = &self.schema else {
            let entries = entries.into_iter().map(|(name, _, value)| (Value::String(name), value));
            return Row { value: Value::Map(entries.collect()), ..self.clone() };
        };
        let made = match &known.schema {
            Some((from, made)) if Arc::ptr_eq(from, schema) => Arc::clone(made),
            _ => {
                let fields = entries.iter().filter_map(|(name, schema, _)| {
                    Some(Field { name: name.as_str().into(), schema: schema.clone()? })
                });
                let made = Arc::new(Schema::new(Type::Struct(fields.collect())));
                known.schema = Some((Arc::clone(schema), Arc::clone(&made)));
                made
            }
        };
        let values = entries.into_iter().map(|(_, _, value)| value).collect();
        Row { schema: Some(Arc::clone(&made)), value: Value::Struct(made, values), ..self.clone() }
    }
}

fn text(value: &Value) -> &str {
    match value {
        Value::String(text) => text,
        _ => "",
    }
}

fn schema(kind: Type) -> SchemaRef {
    Arc::new(Schema::new(kind))
}

/// A transform of one record.
pub(crate) type Transform = fn(&Row, &mut Known) -> Row;

pub(crate) fn insert(row: &Row, known: &mut Known) -> Row {
    let mut entries = row.entries();
    entries.push((
        "source".to_owned(),
        Some(Arc::new(Schema::new(Type::String).optional())),
        Value::String("shop".to_owned()),
    ));
    row.with(entries, known)
}

pub(crate) fn replace(row: &Row, known: &mut Known) -> Row {
    let mut entries = row.entries();
    entries.retain(|(name, _, _)| name != "city");
    for (name, _, _) in &mut entries {
        if name == "mail" {
            "email".clone_into(name);
        }
    }
    row.with(entries, known)
}

fn change(
    row: &Row,
    known: &mut Known,
    field: &str,
    to: Option<Type>,
    make: impl Fn(&Value) -> Value,
) -> Row {
    let mut entries = row.entries();
    for (name, field_schema, value) in &mut entries {
        if name == field {
            *value = make(value);
            if let (Some(kind), Some(field_schema)) = (&to, field_schema) {
                *field_schema = schema(kind.clone());
            }
        }
    }
    row.with(entries, known)
}

pub(crate) fn cast(row: &Row, known: &mut Known) -> Row {
    change(row, known, "id", Some(Type::String), |value| match value {
        Value::Int64(value) => Value::String(value.to_string()),
        other => other.clone(),
    })
}

pub(crate) fn mask(row: &Row, known: &mut Known) -> Row {
    change(row, known, "mail", None, |_| Value::String(String::new()))
}

pub(crate) fn date_text(row: &Row, known: &mut Known) -> Row {
    change(row, known, "created", Some(Type::String), |value| match value {
        Value::Int64(ms) => Value::String(civil(*ms)),
        other => other.clone(),
    })
}

/// `yyyy-MM-dd HH:mm:ss` (days to civil: H. Hinnant's algorithm).
fn civil(ms: i64) -> String {
    let (days, second) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000) / 1000);
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (doy - (153 * mp + 2) / 5 + 1, if mp < 10 { mp + 3 } else { mp - 9 });
    let year = yoe + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
}

pub(crate) fn extract(row: &Row, _known: &mut Known) -> Row {
    let found = row.entries().into_iter().find(|(name, _, _)| name == "mail");
    let (_, schema, value) = found.unwrap_or((String::new(), None, Value::Null));
    Row { schema, value, ..row.clone() }
}

pub(crate) fn hoist(row: &Row, known: &mut Known) -> Row {
    row.with(vec![("record".to_owned(), row.schema.clone(), row.value.clone())], known)
}

pub(crate) fn flatten(row: &Row, known: &mut Known) -> Row {
    row.with(row.entries(), known)
}

pub(crate) fn value_to_key(row: &Row, known: &mut Known) -> Row {
    let mut entries = row.entries();
    entries.retain(|(name, _, _)| name == "id");
    Row { key: row.with(entries, known).value, ..row.clone() }
}

pub(crate) fn header_from(row: &Row, _known: &mut Known) -> Row {
    let mut row = row.clone();
    let found = row.entries().into_iter().find(|(name, _, _)| name == "mail");
    row.headers.extend(found.map(|(_, _, value)| ("mail".to_owned(), value)));
    row
}

pub(crate) fn insert_header(row: &Row, _known: &mut Known) -> Row {
    let mut row = row.clone();
    row.headers.push(("source".to_owned(), Value::String("shop".to_owned())));
    row
}

pub(crate) fn rename_schema(row: &Row, known: &mut Known) -> Row {
    row.with(row.entries(), known)
}

pub(crate) fn route(row: &Row, _known: &mut Known) -> Row {
    let mut row = row.clone();
    if let Some((name, digits)) =
        row.topic.rsplit_once('-').filter(|(_, digits)| digits.parse::<u32>().is_ok())
    {
        row.topic = format!("{digits}-{name}");
    }
    row
}

pub(crate) fn route_by_time(row: &Row, _known: &mut Known) -> Row {
    let mut row = row.clone();
    row.topic = format!("{}-{}", row.topic, civil(row.timestamp_ms)[..10].replace('-', ""));
    row
}

/// Reads JSON without a schema.
pub(crate) fn read_schemaless(bytes: &[u8], _known: &mut Known) -> Row {
    let json: Json = serde_json::from_slice(bytes).expect("JSON");
    Row::of(None, schemaless(json))
}

fn schemaless(json: Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Boolean(value),
        Json::Number(number) => {
            number.as_i64().map_or_else(|| Value::Float64(number.as_f64().unwrap_or(0.0)), Value::Int64)
        }
        Json::String(text) => Value::String(text),
        Json::Array(items) => Value::Array(items.into_iter().map(schemaless).collect()),
        Json::Object(entries) => Value::Map(
            entries.into_iter().map(|(key, value)| (Value::String(key), schemaless(value))).collect(),
        ),
    }
}

/// Reads JSON in its envelope; an equal schema is made once.
pub(crate) fn read_enveloped(bytes: &[u8], known: &mut Known) -> Row {
    let mut json: Json = serde_json::from_slice(bytes).expect("JSON");
    let found = json["schema"].take();
    let schema = match &known.text {
        Some((text, schema)) if *text == found => Arc::clone(schema),
        _ => {
            let schema = schema_of(&found);
            known.text = Some((found, Arc::clone(&schema)));
            schema
        }
    };
    let Json::Object(mut payload) = json["payload"].take() else { return Row::of(None, Value::Null) };
    let values = schema.fields().iter().map(|field| {
        let json = payload.remove(&*field.name).unwrap_or(Json::Null);
        match (&field.schema.kind, json) {
            (Type::Int64, Json::Number(number)) => Value::Int64(number.as_i64().unwrap_or(0)),
            (Type::Float64, Json::Number(number)) => Value::Float64(number.as_f64().unwrap_or(0.0)),
            (_, json) => schemaless(json),
        }
    });
    let values = values.collect();
    Row::of(Some(Arc::clone(&schema)), Value::Struct(schema, values))
}

fn schema_of(json: &Json) -> SchemaRef {
    let kind = match json["type"].as_str() {
        Some("int64") => Type::Int64,
        Some("double") => Type::Float64,
        Some("boolean") => Type::Boolean,
        Some("struct") => {
            let fields = json["fields"].as_array().into_iter().flatten();
            Type::Struct(
                fields
                    .map(|f| Field { name: f["field"].as_str().unwrap_or("").into(), schema: schema_of(f) })
                    .collect(),
            )
        }
        _ => Type::String,
    };
    schema(kind)
}

/// Writes a record, in an envelope if it has a schema.
pub(crate) fn write_json(row: &Row, _known: &mut Known) -> Vec<u8> {
    let payload = json_of(&row.value);
    let json = match &row.schema {
        Some(schema) => json!({ "schema": schema_json(schema), "payload": payload }),
        None => payload,
    };
    serde_json::to_vec(&json).expect("a tree of values is JSON")
}

fn json_of(value: &Value) -> Json {
    match value {
        Value::Boolean(value) => Json::Bool(*value),
        Value::Int64(value) => json!(value),
        Value::Float64(value) => json!(value),
        Value::String(value) => Json::String(value.clone()),
        Value::Map(entries) => {
            Json::Object(entries.iter().map(|(key, value)| (text(key).to_owned(), json_of(value))).collect())
        }
        Value::Struct(schema, values) => {
            let fields = schema.fields().iter().zip(values);
            Json::Object(fields.map(|(field, value)| (field.name.to_string(), json_of(value))).collect())
        }
        _ => Json::Null,
    }
}

fn schema_json(schema: &SchemaRef) -> Json {
    let mut json = Map::new();
    json.insert("type".to_owned(), Json::from(schema.kind.json_name()));
    json.insert("optional".to_owned(), Json::from(schema.optional));
    if !schema.fields().is_empty() {
        let fields = schema.fields().iter().map(|field| {
            let mut json = schema_json(&field.schema);
            json["field"] = Json::from(&*field.name);
            json
        });
        json.insert("fields".to_owned(), fields.collect());
    }
    Json::Object(json)
}

pub(crate) fn read_text(bytes: &[u8], _known: &mut Known) -> Row {
    Row::of(None, Value::String(String::from_utf8_lossy(bytes).into_owned()))
}

pub(crate) fn read_bytes(bytes: &[u8], _known: &mut Known) -> Row {
    Row::of(None, Value::Bytes(bytes.to_vec()))
}

pub(crate) fn read_boolean(bytes: &[u8], _known: &mut Known) -> Row {
    Row::of(None, Value::Boolean(bytes == [1]))
}

/// Reads a number by its width.
pub(crate) fn read_number(bytes: &[u8], _known: &mut Known) -> Row {
    let value = match *bytes {
        [a, b] => Value::Int16(i16::from_be_bytes([a, b])),
        [a, b, c, d] => Value::Int32(i32::from_be_bytes([a, b, c, d])),
        _ => Value::Int64(i64::from_be_bytes(bytes.try_into().unwrap_or_default())),
    };
    Row::of(None, value)
}

pub(crate) fn read_float(bytes: &[u8], _known: &mut Known) -> Row {
    let value = match *bytes {
        [a, b, c, d] => Value::Float32(f32::from_be_bytes([a, b, c, d])),
        _ => Value::Float64(f64::from_be_bytes(bytes.try_into().unwrap_or_default())),
    };
    Row::of(None, value)
}

/// Writes a scalar.
pub(crate) fn write_scalar(row: &Row, _known: &mut Known) -> Vec<u8> {
    match &row.value {
        Value::Boolean(value) => vec![u8::from(*value)],
        Value::Int16(value) => value.to_be_bytes().to_vec(),
        Value::Int32(value) => value.to_be_bytes().to_vec(),
        Value::Int64(value) => value.to_be_bytes().to_vec(),
        Value::Float32(value) => value.to_be_bytes().to_vec(),
        Value::Float64(value) => value.to_be_bytes().to_vec(),
        Value::String(value) => value.clone().into_bytes(),
        Value::Bytes(value) => value.clone(),
        _ => Vec::new(),
    }
}
