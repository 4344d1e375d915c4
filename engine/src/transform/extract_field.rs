//! ExtractField: replaces keys or values by one of their fields.

use std::sync::Arc;

use api::config_def::{Config, ConfigDef, ConfigKey, ConfigType, Default, Importance};
use api::views::masked;
use api::{Column, Data, Error, Records, Result, RowError, Schema, SchemaRef, Transformed, Type, ValueRef};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, StructArray};
use arrow_schema::DataType;

use super::field::path::{self, FieldPath};
use super::field::schemas::SchemaCache;
use super::field::{FieldTransform, Form, Part, REPLACE_NULL, replace_null_key, requirements, structs};
use super::objects;

const FIELD: &str = "field";
const PURPOSE: &str = "field extraction";
const NESTED_PURPOSE: &str = "nested field access";

/// `org.apache.kafka.connect.transforms.ExtractField`.
#[derive(Debug)]
pub(super) struct ExtractField {
    text: String,
    path: FieldPath,
    null_is_default: bool,
    places: SchemaCache<Vec<Step>>,
}

/// A field on the way: where it stands in its struct, and its schema.
#[derive(Debug)]
struct Step {
    index: usize,
    schema: SchemaRef,
}

impl FieldTransform for ExtractField {
    const KEY_CLASS: &'static str = "org.apache.kafka.connect.transforms.ExtractField$Key";
    const VALUE_CLASS: &'static str = "org.apache.kafka.connect.transforms.ExtractField$Value";

    fn config_def() -> ConfigDef {
        let field = ConfigKey::new(
            FIELD,
            ConfigType::String,
            Default::Required,
            Importance::Medium,
            "Name of the field that takes the place of the whole, or the path to it.",
        );
        ConfigDef::default().key(field).key(replace_null_key()).key(path::syntax_version_key())
    }

    fn create(config: Config) -> Result<ExtractField> {
        let text = config.string(FIELD).to_owned();
        let path = FieldPath::of(&config, &text)?;
        let null_is_default = config.boolean(REPLACE_NULL);
        Ok(ExtractField { text, path, null_is_default, places: SchemaCache::default() })
    }

    fn apply(&mut self, part: Part, records: Records, out: &mut Transformed) -> Result<()> {
        let null_is_default = self.null_is_default;
        let column = part.of(&records);
        let (extracted, errors) = match Form::of(column) {
            Form::Structs(schema, structs) => {
                (of_structs(self.resolve(schema)?, null_is_default, structs)?, Vec::new())
            }
            Form::Typed(schema) => self.of_typed(schema, column),
            Form::Objects(objects) => self.of_objects(objects)?,
            Form::Untyped => self.of_rows(column),
        };
        part.replace(records, extracted, errors, out);
        Ok(())
    }
}

impl ExtractField {
    /// The way to the field through a schema.
    fn resolve(&mut self, schema: &SchemaRef) -> Result<&[Step]> {
        let (path, text) = (&self.path, &self.text);
        let find = |schema: &Schema, name: &str| match &schema.kind {
            Type::Struct(fields) => Ok(fields.iter().position(|field| *field.name == *name)),
            _ => Err(requirements::fields_of_non_struct()),
        };
        let steps = self.places.get(schema, |schema| {
            let (before, last) = path.steps().ok_or_else(no_steps)?;
            let mut steps: Vec<Step> = Vec::new();
            for name in before.iter().map(String::as_str).chain([last]) {
                let schema = steps.last().map_or(schema, |step| &step.schema);
                let index = find(schema, name)?.ok_or_else(|| {
                    Error::bad_record(format!("Unknown field: {text}"))
                        .with_java_class("java.lang.IllegalArgumentException")
                })?;
                let schema = Arc::clone(&schema.fields()[index].schema);
                steps.push(Step { index, schema });
            }
            Ok(steps)
        })?;
        Ok(steps)
    }

    /// Java looks at the value before it looks for the field.
    fn of_typed(&mut self, schema: &SchemaRef, column: &Column) -> (Column, Vec<RowError>) {
        let resolved = self.resolve(schema).map(|steps| steps.last().map(|step| Arc::clone(&step.schema)));
        let error_of = |row| match (column.row(row).carried(Some(schema)), &resolved) {
            (ValueRef::Null, Ok(_)) => None,
            (ValueRef::Null, Err(error)) => Some(error.clone()),
            (value, _) => Some(requirements::structure(value, PURPOSE)),
        };
        let errors =
            (0..column.len()).filter_map(|row| Some(RowError { row, error: error_of(row)? })).collect();
        (Column { schema: resolved.ok().flatten(), data: Data::Null(column.len()) }, errors)
    }

    fn of_objects(&self, objects: &StructArray) -> Result<(Column, Vec<RowError>)> {
        let rows = objects.len();
        let (before, last) = self.path.steps().ok_or_else(no_steps)?;
        let mut at: ArrayRef = Arc::new(objects.clone());
        for name in before {
            let objects = at.as_struct();
            let Some(index) = structs::place_of(objects, name) else {
                return Ok((Column::null(rows), Vec::new()));
            };
            let inner = structs::child(objects, index);
            match inner.data_type() {
                DataType::Struct(_) => at = inner,
                DataType::Null => return Ok((Column::null(rows), Vec::new())),
                // Something that has no fields, but where it is null: row by row.
                _ => {
                    let column = Column { schema: None, data: Data::Array(Arc::new(objects.clone())) };
                    return Ok(self.of_rows(&column));
                }
            }
        }
        let objects = at.as_struct();
        let column = match structs::place_of(objects, last) {
            Some(index) => Column { schema: None, data: Data::Array(structs::child(objects, index)) },
            None => Column::null(rows),
        };
        Ok((column, Vec::new()))
    }

    fn of_rows(&self, column: &Column) -> (Column, Vec<RowError>) {
        if matches!(column.data, Data::Null(_)) {
            return (Column::null(column.len()), Vec::new());
        }
        objects::map_rows(column, |rows, _row, value| rows.value(self.look_up(value)?))
    }

    /// The field of one value without schema.
    fn look_up<'a>(&self, value: ValueRef<'a>) -> Result<ValueRef<'a>> {
        let mut purpose = PURPOSE;
        let mut object = match value {
            ValueRef::Null => return Ok(ValueRef::Null),
            value => value,
        };
        let (before, last) = self.path.steps().ok_or_else(no_steps)?;
        for name in before.iter().map(String::as_str).chain([last]) {
            object = match object {
                ValueRef::Map(map) => map.get(name).unwrap_or(ValueRef::Null),
                ValueRef::Null => return Ok(ValueRef::Null),
                other => return Err(requirements::map(other, purpose)),
            };
            purpose = NESTED_PURPOSE;
        }
        Ok(object)
    }
}

/// Where a struct on the way is null, so is the field.
fn of_structs(steps: &[Step], null_is_default: bool, structs: &StructArray) -> Result<Column> {
    let (last, before) = steps.split_last().ok_or_else(no_steps)?;
    let mut at = structs.clone();
    for Step { index, schema } in before {
        // `Struct#get`, whatever the settings say.
        let inner = structs::with_default(schema, at.column(*index), at.nulls())?;
        let inner = masked(&inner, at.nulls());
        match inner.as_struct_opt() {
            Some(structs) => at = structs.clone(),
            None => {
                return Ok(Column {
                    schema: Some(Arc::clone(&last.schema)),
                    data: Data::Null(structs.len()),
                });
            }
        }
    }
    let Step { index, schema } = last;
    let array = at.column(*index);
    let array =
        if null_is_default { structs::with_default(schema, array, at.nulls())? } else { Arc::clone(array) };
    Ok(Column { schema: Some(Arc::clone(schema)), data: Data::Array(masked(&array, at.nulls())) })
}

/// What Java says of a path without steps: the empty text in version 2.
fn no_steps() -> Error {
    Error::bad_record("fromIndex(0) > toIndex(-1)").with_java_class("java.lang.IllegalArgumentException")
}

#[cfg(test)]
mod tests {
    use crate::transform::support::{check_schemaless, check_schemas, refusal};

    const NAME: &str = "ExtractField$Value";
    const V2: (&str, &str) = ("field.syntax.version", "v2");

    #[test]
    fn a_field_of_an_object_takes_its_place() {
        let lines = [r#"{"a":1,"b":"x"}"#, "", r#"{"a":null,"b":"y"}"#];
        check_schemaless(NAME, &[("field", "a")], &lines, &["1", "", ""]);
        check_schemaless(NAME, &[("field", "b")], &lines, &["\"x\"", "", "\"y\""]);
        check_schemaless(NAME, &[("field", "c")], &lines, &["", "", ""]);
        check_schemaless(
            NAME,
            &[("field", "a")],
            &["[1]", "7", r#"{"a":{"b":[1,{"c":2}]}}"#],
            &[
                "!DataException: Only Map objects supported in absence of schema for [field extraction], found: java.util.ArrayList",
                "!DataException: Only Map objects supported in absence of schema for [field extraction], found: java.lang.Long",
                r#"{"b":[1,{"c":2}]}"#,
            ],
        );
    }

    #[test]
    fn a_path_leads_into_nested_objects() {
        let lines = [r#"{"a":{"b.c":{"d":1}},"x":5}"#, r#"{"a":{"b.c":{"d":2}},"x":5}"#];
        check_schemaless(NAME, &[("field", "a.`b.c`.d"), V2], &lines, &["1", "2"]);
        check_schemaless(NAME, &[("field", "a.`b.c`"), V2], &lines, &[r#"{"d":1}"#, r#"{"d":2}"#]);
        check_schemaless(NAME, &[("field", "a.z.d"), V2], &lines, &["", ""]);
        check_schemaless(NAME, &[("field", "a.z"), V2], &lines, &["", ""]);
        check_schemaless(NAME, &[("field", "a.`b.c`.d")], &lines, &["", ""]);
        let not_a_map = "!DataException: Only Map objects supported in absence of schema for [nested field access], found: java.lang.Long";
        check_schemaless(NAME, &[("field", "x.y"), V2], &lines, &[not_a_map, not_a_map]);
        check_schemaless(
            NAME,
            &[("field", "a.b"), V2],
            &[r#"{"a":{"b":1}}"#, r#"{"a":null}"#, r#"{"a":{}}"#, ""],
            &["1", "", "", ""],
        );
        check_schemaless(
            NAME,
            &[("field", ""), V2],
            &[r#"{"a":1}"#],
            &["!IllegalArgumentException: fromIndex(0) > toIndex(-1)"],
        );
    }

    /// `a` is a required number with a default, `s` an optional struct of one optional text.
    fn line(payload: &str) -> String {
        format!(
            r#"{{"schema":{{"type":"struct","optional":true,"name":"n","fields":[{{"type":"int32","optional":true,"default":7,"field":"a"}},{{"type":"struct","optional":true,"field":"s","fields":[{{"type":"string","optional":true,"field":"t"}}]}}]}},"payload":{payload}}}"#
        )
    }

    #[test]
    fn a_field_of_a_struct_brings_its_schema() {
        let lines = [
            line(r#"{"a":1,"s":{"t":"x"}}"#),
            line("null"),
            line(r#"{"a":null,"s":null}"#),
            line(r#"{"a":2,"s":{"t":null}}"#),
        ];
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        let a = |payload: &str| {
            format!(r#"{{"schema":{{"type":"int32","optional":true,"default":7}},"payload":{payload}}}"#)
        };
        let t = |payload: &str| {
            format!(r#"{{"schema":{{"type":"string","optional":true}},"payload":{payload}}}"#)
        };
        let check = |settings: &[(&str, &str)], expected: [String; 4]| {
            check_schemas(NAME, settings, &lines, &expected.each_ref().map(String::as_str));
        };
        // A null struct has no field, and so no default.
        check(&[("field", "a")], [a("1"), a("null"), a("7"), a("2")]);
        check(
            &[("field", "a"), ("replace.null.with.default", "false")],
            [a("1"), a("null"), a("null"), a("2")],
        );
        check(&[("field", "s.t"), V2], [t("\"x\""), t("null"), t("null"), t("null")]);
        let unknown =
            |path: &str| [(); 4].map(|()| format!("!IllegalArgumentException: Unknown field: {path}"));
        check(&[("field", "b")], unknown("b"));
        check(&[("field", "s.u"), V2], unknown("s.u"));
        check(
            &[("field", "a.u"), V2],
            [(); 4].map(|()| "!DataException: Cannot look up fields on non-struct type".to_owned()),
        );
    }

    #[test]
    fn a_value_that_is_no_struct_fails_before_its_schema_does() {
        let line =
            |payload: &str| format!(r#"{{"schema":{{"type":"int32","optional":true}},"payload":{payload}}}"#);
        check_schemas(
            NAME,
            &[("field", "a")],
            &[&line("1"), &line("null")],
            &[
                "!DataException: Only Struct objects supported for [field extraction], found: java.lang.Integer",
                "!DataException: Cannot look up fields on non-struct type",
            ],
        );
    }

    #[test]
    fn bad_settings_are_refused_in_javas_words() {
        assert_eq!(
            refusal(NAME, &[]),
            "Missing required configuration \"field\" which has no default value."
        );
        assert_eq!(
            refusal(NAME, &[("field", "a"), ("field.syntax.version", "V3")]),
            "Invalid value V3 for configuration field.syntax.version: String must be one of (case insensitive): V1, V2"
        );
        assert!(refusal(NAME, &[("field", "`a"), V2]).starts_with("Incomplete backtick pair in path: [`a]"));
    }
}
