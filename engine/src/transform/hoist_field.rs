//! HoistField: wraps keys or values into a struct, or an object, of one field.

use std::sync::Arc;

use api::config_def::{Config, ConfigDef, ConfigKey, ConfigType, Default, Importance};
use api::{
    Column, Data, Error, Field, Records, Result, RowError, RowsBuilder, Schema, SchemaRef, Transformed,
};

use super::field::schemas::{FieldsBuilder, SchemaCache};
use super::field::{FieldTransform, Part, structs};

const FIELD: &str = "field";

/// `org.apache.kafka.connect.transforms.HoistField`.
#[derive(Debug)]
pub(super) struct HoistField {
    field: Arc<str>,
    schemas: SchemaCache<SchemaRef>,
}

impl FieldTransform for HoistField {
    const KEY_CLASS: &'static str = "org.apache.kafka.connect.transforms.HoistField$Key";
    const VALUE_CLASS: &'static str = "org.apache.kafka.connect.transforms.HoistField$Value";

    fn config_def() -> ConfigDef {
        ConfigDef::default().key(ConfigKey::new(
            FIELD,
            ConfigType::String,
            Default::Required,
            Importance::Medium,
            "Name of the one field of the new struct, or of the new object where there is no schema.",
        ))
    }

    fn create(config: Config) -> Result<HoistField> {
        Ok(HoistField { field: config.string(FIELD).into(), schemas: SchemaCache::default() })
    }

    fn apply(&mut self, part: Part, records: Records, out: &mut Transformed) -> Result<()> {
        let column = part.of(&records);
        let (hoisted, errors) = match &column.schema {
            Some(schema) => self.structs(schema, column)?,
            None => self.objects(column)?,
        };
        part.replace(records, hoisted, errors, out);
        Ok(())
    }
}

impl HoistField {
    /// A null is a value here: one that the field must allow.
    fn structs(&mut self, schema: &SchemaRef, column: &Column) -> Result<(Column, Vec<RowError>)> {
        let name = &self.field;
        let hoisted = self.schemas.get(schema, |schema| {
            let mut fields = FieldsBuilder::default();
            fields.push(Arc::clone(name), Arc::clone(schema))?;
            Ok(Arc::new(Schema::new(fields.finish())))
        })?;
        let Some(array) = structs::as_array(column)? else {
            return Err(Error::bad_record(format!(
                "values of mixed types cannot be the field \"{name}\" of a struct"
            )));
        };
        let mut errors = Vec::new();
        let field = Field { name: Arc::clone(name), schema: Arc::clone(schema) };
        structs::check_put(&field, array.as_ref(), None, &mut errors);
        let data = Data::Array(structs::of([(name, array)], column.len(), None));
        Ok((Column { schema: Some(Arc::clone(hoisted)), data }, errors))
    }

    fn objects(&self, column: &Column) -> Result<(Column, Vec<RowError>)> {
        if let Some(array) = structs::as_array(column)? {
            let data = Data::Array(structs::of([(&self.field, array)], column.len(), None));
            return Ok((Column { schema: None, data }, Vec::new()));
        }
        let mut errors = Vec::new();
        let mut rows = RowsBuilder::new();
        for row in 0..column.len() {
            let mut push = || {
                rows.begin_object()?;
                rows.key(&self.field);
                rows.value(column.row(row))?;
                rows.end_object();
                Ok(())
            };
            if let Err(error) = push() {
                errors.push(RowError { row, error });
                rows.abandon_row();
                rows.null();
            }
            rows.finish_row();
        }
        Ok((Column { schema: None, data: Data::Rows(rows.finish()) }, errors))
    }
}

#[cfg(test)]
mod tests {
    use crate::transform::support::{check_schemaless, check_schemas};

    const NAME: &str = "HoistField$Value";

    #[test]
    fn anything_becomes_the_field_of_an_object_even_null() {
        let settings = [("field", "w")];
        check_schemaless(NAME, &settings, &["1", "", "2"], &[r#"{"w":1}"#, r#"{"w":null}"#, r#"{"w":2}"#]);
        check_schemaless(NAME, &settings, &["", ""], &[r#"{"w":null}"#, r#"{"w":null}"#]);
        check_schemaless(
            NAME,
            &settings,
            &[r#"{"a":[1]}"#, "\"x\"", r#"{"b":null}"#],
            &[r#"{"w":{"a":[1]}}"#, r#"{"w":"x"}"#, r#"{"w":{"b":null}}"#],
        );
    }

    #[test]
    fn the_schema_becomes_that_of_the_field() {
        let line = |optional: bool, payload: &str| {
            format!(r#"{{"schema":{{"type":"int32","optional":{optional}}},"payload":{payload}}}"#)
        };
        let hoisted = |payload: &str| {
            format!(
                r#"{{"schema":{{"type":"struct","fields":[{{"type":"int32","optional":true,"field":"w"}}],"optional":false}},"payload":{{"w":{payload}}}}}"#
            )
        };
        let lines = [line(true, "1"), line(true, "null")];
        check_schemas(
            NAME,
            &[("field", "w")],
            &lines.each_ref().map(String::as_str),
            &[&hoisted("1"), &hoisted("null")],
        );
        check_schemas(
            NAME,
            &[("field", "")],
            &[&lines[0]],
            &["!SchemaBuilderException: fieldName cannot be null."],
        );
    }
}
