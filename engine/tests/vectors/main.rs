//! What Java's own classes gave for generated schemas, values and texts, and that ours give the same: the same bytes, or the same
//! error with the same class and message.
//!
//! `cargo xtask vectors` makes the files; where ours is meant to differ stands in `differences.rs`, with the reason.

#![expect(clippy::unwrap_used, reason = "the vectors are ours: one that cannot be read is a failure")]

mod date_format;
mod differences;
mod notation;
mod records;
mod transforms;

use std::sync::Arc;

use api::plugin::ConverterRole;
use api::{Column, ColumnBuilder, Converter, Data, Props, RowsBuilder, SchemaRef, Value};
use arrow_array::{Array, BinaryViewArray};
use engine::convert::values;
use serde_json::Value as Json;

use differences::Differences;
use notation::{bytes, canonical, carried, java_error, schema, value};

/// Every line of a file.
fn lines(file: &str) -> Vec<Json> {
    let path = format!("{}/tests/vectors/{file}.jsonl", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Runs the cases of a file through `case`, which gives what ours does and what Java did.
fn check(file: &str, cases_min: usize, mut case: impl FnMut(&Json) -> Option<(String, String)>) {
    let mut differences = Differences::of(file);
    let mut cases = 0;
    for line in lines(file) {
        if let Some((ours, java)) = case(&line) {
            cases += 1;
            if ours != java {
                differences.take(&line, &ours, &java);
            }
        }
    }
    differences.finish();
    assert!(cases >= cases_min, "{file} has {cases} cases");
}

/// The converter that the following cases are of.
#[derive(Default)]
struct Current {
    name: String,
    converter: Option<Box<dyn Converter>>,
}

impl Current {
    /// Makes the converter that a line names. An error is remembered by what it says: Java may find out with the first record.
    fn begin(&mut self, line: &Json) -> Option<(String, String)> {
        let class = line["converter"].as_str().unwrap();
        let config = line["config"].as_object().unwrap();
        let props: Props =
            config.iter().map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned())).collect();
        let plugin = engine::convert::CONVERTERS.iter().find(|plugin| plugin.class == class).unwrap();
        self.name = format!("{} {config:?}", class.rsplit('.').next().unwrap());
        let created = (plugin.create)(&props, ConverterRole::Value);
        let java = line.get("error").map(java_error);
        match created {
            Ok(converter) => {
                self.converter = Some(converter);
                java.map(|java| ("created".to_owned(), java))
            }
            Err(error) => {
                self.converter = None;
                let ours = notation::error(&error);
                Some((ours, java.unwrap_or_else(|| "created".to_owned())))
            }
        }
    }

    fn run(&mut self, line: &Json) -> Option<(String, String)> {
        if line.get("converter").is_some() {
            return self.begin(line);
        }
        let converter = self.converter.as_deref_mut()?;
        Some(match line.get("in") {
            Some(input) => (read(converter, bytes(input)), read_by_java(line)),
            None => (write(converter, line), written_by_java(line)),
        })
    }
}

fn read(converter: &mut dyn Converter, input: Option<Vec<u8>>) -> String {
    let raw = BinaryViewArray::from_iter([input]);
    let decoded = converter.to_connect("t", &raw).unwrap();
    if let Some(error) = decoded.errors.first() {
        return notation::error(&error.error);
    }
    let column = &decoded.segments[0].column;
    let value = carried(column.schema.as_ref(), column.row(0));
    // Null without a type is null, whatever a segment knows about its other rows.
    let schema = column.schema.as_ref();
    describe(schema, &value)
}

fn describe(schema: Option<&SchemaRef>, value: &Value) -> String {
    if notation::depth(value) > 40 {
        return format!("deep {}", notation::depth(value));
    }
    format!("{} of {}", canonical(value), notation::canonical_schema(schema))
}

fn read_by_java(line: &Json) -> String {
    match line.get("error") {
        Some(error) => java_error(error),
        None => match line["value"].get("deep") {
            Some(depth) => format!("deep {depth}"),
            None => {
                let schema = schema(&line["schema"]);
                describe(schema.as_ref(), &value(schema.as_ref(), &line["value"]))
            }
        },
    }
}

/// A column of one value, also of one that its schema does not have. Not every value that Java has can be held.
fn column(schema: Option<SchemaRef>, value: &Value) -> Result<Column, String> {
    let mut builder = ColumnBuilder::new(schema.clone());
    if value == &Value::Null {
        builder.push_null();
        return Ok(builder.finish().unwrap());
    }
    let Err(error) = builder.push(value.as_value_ref()) else { return Ok(builder.finish().unwrap()) };
    let mut rows = RowsBuilder::new();
    rows.value(value.as_value_ref()).map_err(|also| format!("cannot be held: {error}; {also}"))?;
    rows.finish_row();
    Ok(Column { schema, data: Data::Rows(rows.finish()) })
}

fn write(converter: &mut dyn Converter, line: &Json) -> String {
    let schema = schema(&line["schema"]);
    let value = value(schema.as_ref(), &line["value"]);
    let column = match value {
        // A struct knows its schema itself.
        Value::Struct(own, _) if schema.is_none() => panic!("a struct of {own:?} without a schema"),
        value => match column(schema, &value) {
            Ok(column) => column,
            Err(error) => return error,
        },
    };
    let encoded = converter.from_connect("t", &column).unwrap();
    match encoded.errors.first() {
        Some(error) => notation::error(&error.error),
        None => written(encoded.bytes.is_valid(0).then(|| encoded.bytes.value(0))),
    }
}

fn written(bytes: Option<&[u8]>) -> String {
    bytes.map_or("null".to_owned(), |bytes| bytes.escape_ascii().to_string())
}

fn written_by_java(line: &Json) -> String {
    match line.get("error") {
        Some(error) => java_error(error),
        None => written(bytes(&line["out"]).as_deref()),
    }
}

#[test]
fn plain_converters_agree_with_java() {
    let mut current = Current::default();
    check("plain", 4000, |line| current.run(line));
}

#[test]
fn json_is_read_as_by_java() {
    let mut current = Current::default();
    check("json_read", 3500, |line| current.run(line));
}

#[test]
fn json_is_written_as_by_java() {
    let mut current = Current::default();
    check("json_write", 3000, |line| current.run(line));
}

#[test]
fn header_values_are_read_and_printed_as_by_java() {
    let props = Props::from_iter([("schemas.enable".to_owned(), "true".to_owned())]);
    let mut json = (engine::convert::JSON.create)(&props, ConverterRole::Header).unwrap();
    check("values", 2500, |line| {
        let printed = |schema: Option<&SchemaRef>, value: &Value| {
            let mut out = Vec::new();
            values::print(&mut out, schema, value.as_value_ref());
            String::from_utf8(out).unwrap()
        };
        let text_or_error = |json: &Json| json.as_str().map_or_else(|| java_error(json), str::to_owned);
        let Some(text) = line.get("text") else {
            let schema = schema(&line["schema"]);
            let value = value(schema.as_ref(), &line["value"]);
            let ours =
                if value == Value::Null { "null".to_owned() } else { printed(schema.as_ref(), &value) };
            let java = &line["printed"];
            return Some((ours, if java.is_null() { "null".to_owned() } else { text_or_error(java) }));
        };
        let parsed = values::parse(text.as_str().unwrap());
        let (own_schema, own_value) =
            parsed.map_or((None, Value::Null), |parsed| (parsed.schema, parsed.value));
        let mut ours = describe(own_schema.as_ref(), &own_value);
        let mut java = read_by_java(line);
        if let Some(expected) = line.get("printed") {
            ours = format!("{ours} printed {}", printed(own_schema.as_ref(), &own_value));
            java = format!("{java} printed {}", text_or_error(expected));
        }
        if let Some(expected) = line.get("json") {
            let encoded = json.from_connect("t", &column(own_schema, &own_value).unwrap()).unwrap();
            let text = match encoded.errors.first() {
                Some(error) => notation::error(&error.error),
                None => String::from_utf8(encoded.bytes.value(0).to_vec()).unwrap(),
            };
            ours = format!("{ours} in JSON {text}");
            java = format!("{java} in JSON {}", text_or_error(expected));
        }
        Some((ours, java))
    });
}

#[test]
fn schemas_are_projected_as_by_java() {
    check("projector", 400, |line| {
        let (source, target) = (schema(&line["schema"]).unwrap(), schema(&line["target"]).unwrap());
        let held = match column(Some(Arc::clone(&source)), &value(Some(&source), &line["value"])) {
            Ok(held) => held,
            Err(error) => return Some((error, "held".to_owned())),
        };
        let ours = match api::projector::project(&source, held.row(0), &target) {
            Ok(projected) => canonical(&carried(Some(&target), projected.as_value_ref())),
            Err(error) => notation::error(&error),
        };
        let java = match line.get("error") {
            Some(error) => java_error(error),
            None => canonical(&value(Some(&target), &line["projected"])),
        };
        Some((ours, java))
    });
}
