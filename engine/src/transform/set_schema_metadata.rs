//! SetSchemaMetadata: gives the schemas of structs another name or version.

use std::sync::Arc;

use api::config_def::{Config, ConfigDef, ConfigKey, ConfigType, ConfigValue, Default, Importance};
use api::{Column, Data, Error, Records, Result, RowError, Schema, SchemaRef, Transformed, Type};
use arrow_array::{Array, StructArray};

use super::field::schemas::SchemaCache;
use super::field::{FieldTransform, Form, Part, REPLACE_NULL, replace_null_key, requirements, structs};

const NAME: &str = "schema.name";
const VERSION: &str = "schema.version";
const PURPOSE: &str = "updating schema metadata";

/// `org.apache.kafka.connect.transforms.SetSchemaMetadata`.
#[derive(Debug)]
pub(super) struct SetSchemaMetadata {
    name: Option<Arc<str>>,
    version: Option<i32>,
    null_is_default: bool,
    schemas: SchemaCache<SchemaRef>,
}

impl FieldTransform for SetSchemaMetadata {
    const KEY_CLASS: &'static str = "org.apache.kafka.connect.transforms.SetSchemaMetadata$Key";
    const VALUE_CLASS: &'static str = "org.apache.kafka.connect.transforms.SetSchemaMetadata$Value";

    fn config_def() -> ConfigDef {
        let key = |name, kind, doc| ConfigKey::new(name, kind, Default::Null, Importance::High, doc);
        ConfigDef::default()
            .key(key(NAME, ConfigType::String, "Name for the schema."))
            .key(key(VERSION, ConfigType::Int, "Version for the schema."))
            .key(replace_null_key())
    }

    fn create(config: Config) -> Result<SetSchemaMetadata> {
        let version = match config.get(VERSION) {
            ConfigValue::Long(version) => i32::try_from(*version).ok(),
            _ => None,
        };
        let name = config.string_or_null(NAME).map(Arc::from);
        if name.is_none() && version.is_none() {
            return Err(Error::config("Neither schema name nor version configured"));
        }
        let null_is_default = config.boolean(REPLACE_NULL);
        Ok(SetSchemaMetadata { name, version, null_is_default, schemas: SchemaCache::default() })
    }

    fn apply(&mut self, part: Part, records: Records, out: &mut Transformed) -> Result<()> {
        let column = part.of(&records);
        let (column, errors) = match (&column.schema, Form::of(column)) {
            (Some(schema), form) => {
                let Type::Struct(_) = schema.kind else {
                    return Err(requirements::listed_fields_of_non_struct());
                };
                let (name, version) = (&self.name, self.version);
                let renamed = Arc::clone(self.schemas.get(schema, |schema| {
                    let mut renamed = Schema::clone(schema);
                    renamed.name = name.clone().or(renamed.name);
                    renamed.version = version.or(renamed.version);
                    Ok(Arc::new(renamed))
                })?);
                let mut errors = Vec::new();
                let data = match form {
                    Form::Structs(_, structs) => self.copied(structs, schema, &mut errors)?,
                    // All null.
                    _ => column.data.clone(),
                };
                (Column { schema: Some(renamed), data }, errors)
            }
            (None, _) => {
                let rows = (0..column.len()).filter(|row| !column.row(*row).is_null());
                let error = Error::bad_record(format!("Schema required for [{PURPOSE}]"));
                let errors = rows.map(|row| RowError { row, error: error.clone() }).collect();
                (column.clone(), errors)
            }
        };
        part.replace(records, column, errors, out);
        Ok(())
    }
}

impl SetSchemaMetadata {
    /// The same structs; the arrays of their fields move as they are, unless nulls are to be replaced.
    fn copied(&self, structs: &StructArray, schema: &Schema, errors: &mut Vec<RowError>) -> Result<Data> {
        let mut arrays = Vec::with_capacity(schema.fields().len());
        for (index, field) in schema.fields().iter().enumerate() {
            let from = (&field.schema, index);
            arrays.push((&field.name, structs::copied(structs, from, field, self.null_is_default, errors)?));
        }
        Ok(Data::Array(structs::of(arrays, structs.len(), structs.nulls())))
    }
}

#[cfg(test)]
mod tests {
    use api::Value;

    use super::*;
    use crate::transform::support::{check_schemaless, field, refusal, run_typed};

    const NAME: &str = "SetSchemaMetadata$Value";

    #[test]
    fn structs_get_another_name_and_version_and_keep_the_rest() {
        let mut counted = Schema::new(Type::Int8).optional();
        counted.default = Some(Value::Int8(3));
        let mut schema = Schema::new(Type::Struct(vec![field("a", counted)])).optional().named("old");
        schema.doc = Some("d".into());
        schema.version = Some(1);
        let row = |schema: &SchemaRef, value| Value::Struct(Arc::clone(schema), vec![value]);
        let old = Arc::new(schema.clone());
        let rows = [row(&old, Value::Int8(1)), Value::Null, row(&old, Value::Null)];
        let results = run_typed(NAME, &[("schema.name", "new")], &schema, &rows);
        let renamed = Arc::new(Schema { name: Some("new".into()), ..schema.clone() });
        let made = |value| Ok((Some(Arc::clone(&renamed)), value));
        let expected = [row(&renamed, Value::Int8(1)), Value::Null, row(&renamed, Value::Int8(3))];
        assert_eq!(results, expected.map(made));
        let settings = [("schema.version", "7"), ("replace.null.with.default", "false")];
        let results = run_typed(NAME, &settings, &schema, &rows);
        let renamed = Arc::new(Schema { version: Some(7), ..schema });
        assert_eq!(results[2], Ok((Some(Arc::clone(&renamed)), row(&renamed, Value::Null))));
    }

    #[test]
    fn what_is_no_struct_fails_even_where_it_is_null() {
        let numbers = Schema::new(Type::Int32).optional();
        let results = run_typed(NAME, &[("schema.name", "n")], &numbers, &[Value::Int32(1), Value::Null]);
        let error = Err("Cannot list fields on non-struct type".to_owned());
        assert_eq!(results, [error.clone(), error]);
    }

    #[test]
    fn what_has_no_schema_fails_unless_it_is_null() {
        check_schemaless(
            NAME,
            &[("schema.version", "2")],
            &["1", "", r#"{"a":1}"#],
            &[
                "!DataException: Schema required for [updating schema metadata]",
                "",
                "!DataException: Schema required for [updating schema metadata]",
            ],
        );
    }

    #[test]
    fn one_of_both_settings_is_needed() {
        assert_eq!(refusal(NAME, &[]), "Neither schema name nor version configured");
        let message = "Invalid value x for configuration schema.version: Not a number of type INT";
        assert_eq!(refusal(NAME, &[("schema.version", "x")]), message);
    }
}
