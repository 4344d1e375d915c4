//! TimestampConverter: turns timestamps into text, Unix time, Dates, Times and Timestamps, and those into each other.

mod config;
mod convert;

use std::sync::Arc;

use api::config_def::{Config, ConfigDef};
use api::{
    Column, ColumnBuilder, Data, Field, Records, Result, RowError, Schema, SchemaRef, Transformed, Value,
    ValueRef,
};
use arrow_array::{Array, StructArray};

use super::field::schemas::{FieldsBuilder, SchemaCache, with_basics_of};
use super::field::{FieldTransform, Form, Part, REPLACE_NULL, requirements, structs};
use super::objects;
use config::{FIELD, Rules};
use convert::Source;

const PURPOSE: &str = "converting timestamp formats";

/// `org.apache.kafka.connect.transforms.TimestampConverter`.
#[derive(Debug)]
pub(super) struct TimestampConverter {
    /// The field, where it is not the key or value as a whole.
    field: Option<[Arc<str>; 1]>,
    rules: Rules,
    null_is_default: bool,
    schemas: SchemaCache<SchemaRef>,
}

impl FieldTransform for TimestampConverter {
    const KEY_CLASS: &'static str = "org.apache.kafka.connect.transforms.TimestampConverter$Key";
    const VALUE_CLASS: &'static str = "org.apache.kafka.connect.transforms.TimestampConverter$Value";

    fn config_def() -> ConfigDef {
        Rules::table()
    }

    fn create(config: Config) -> Result<TimestampConverter> {
        let field = config.string(FIELD);
        Ok(TimestampConverter {
            field: (!field.is_empty()).then(|| [field.into()]),
            rules: Rules::of(&config)?,
            null_is_default: config.boolean(REPLACE_NULL),
            schemas: SchemaCache::default(),
        })
    }

    fn apply(&mut self, part: Part, records: Records, out: &mut Transformed) -> Result<()> {
        let (column, errors) = self.convert(part.of(&records))?;
        part.replace(records, column, errors, out);
        Ok(())
    }
}

impl TimestampConverter {
    fn convert(&mut self, column: &Column) -> Result<(Column, Vec<RowError>)> {
        match (&self.field, &column.schema) {
            (Some(field), Some(schema)) => {
                let (field, rules) = (&field[0], &self.rules);
                let structs = match Form::of(column) {
                    Form::Structs(_, structs) => Some(structs),
                    _ => None,
                };
                let is_struct = matches!(schema.kind, api::Type::Struct(_));
                if !is_struct {
                    return Ok((column.clone(), not_structs(column)));
                }
                let null_is_default = self.null_is_default;
                let converted = self
                    .schemas
                    .get(schema, |schema| struct_schema(schema, field, rules, null_is_default))?;
                let converted_schema = Some(Arc::clone(converted));
                let Some(structs) = structs else {
                    // All null.
                    return Ok((Column { schema: converted_schema, data: column.data.clone() }, Vec::new()));
                };
                let (array, errors) =
                    rules.convert_field(structs, schema, converted, field, null_is_default)?;
                Ok((Column { schema: converted_schema, data: Data::Array(array) }, errors))
            }
            (None, Some(schema)) => self.rules.convert_whole(column, schema),
            (None, None) => self.rules.convert_untyped(column),
            (Some(field), None) => self.rules.convert_key(column, field),
        }
    }
}

/// Null passes the first check of Java's, and fails when fields are looked for.
fn not_structs(column: &Column) -> Vec<RowError> {
    let error = |row| match column.row(row).carried(column.schema.as_ref()) {
        ValueRef::Null => requirements::listed_fields_of_non_struct(),
        value => requirements::structure(value, PURPOSE),
    };
    (0..column.len()).map(|row| RowError { row, error: error(row) }).collect()
}

/// The schema of structs whose field was converted.
fn struct_schema(schema: &SchemaRef, name: &str, rules: &Rules, null_is_default: bool) -> Result<SchemaRef> {
    let mut fields = FieldsBuilder::default();
    for field in schema.fields() {
        let converted = if *field.name == *name {
            Arc::new(rules.target.schema(field.schema.optional))
        } else {
            Arc::clone(&field.schema)
        };
        fields.push(Arc::clone(&field.name), converted)?;
    }
    let mut converted = with_basics_of(schema, fields.finish());
    converted.optional = schema.optional;
    if let Some(Value::Struct(_, values)) = &schema.default {
        let values = converted_default(schema, &converted, values, name, rules, null_is_default)?;
        converted.default = Some(Value::Struct(Arc::new(converted.clone()), values));
    }
    Ok(Arc::new(converted))
}

/// The values of a struct that is a default.
fn converted_default(
    schema: &Schema,
    converted: &Schema,
    values: &[Value],
    name: &str,
    rules: &Rules,
    null_is_default: bool,
) -> Result<Vec<Value>> {
    let mut scratch = Vec::new();
    let fields = schema.fields().iter().zip(converted.fields()).zip(values);
    fields
        .map(|((field, to), value)| {
            let value = match (value, &field.schema.default) {
                (Value::Null, Some(default)) if null_is_default => default,
                _ => value,
            };
            let value = if *field.name == *name {
                let source = Source::of(&field.schema)?;
                rules.convert_typed(source, &field.schema, value.as_value_ref(), &mut scratch)?.to_owned()
            } else {
                value.clone()
            };
            to.schema.validate_field(&to.name, value.as_value_ref())?;
            Ok(value)
        })
        .collect()
}

impl Rules {
    fn convert_field(
        &self,
        structs: &StructArray,
        schema: &Schema,
        converted: &Schema,
        name: &str,
        null_is_default: bool,
    ) -> Result<(arrow_array::ArrayRef, Vec<RowError>)> {
        let mut errors = Vec::new();
        let mut arrays = Vec::with_capacity(converted.fields().len());
        for (index, (field, to)) in schema.fields().iter().zip(converted.fields()).enumerate() {
            let array = if *field.name == *name {
                self.converted_field(structs, index, field, to, null_is_default, &mut errors)?
            } else {
                structs::copied(structs, (&field.schema, index), to, null_is_default, &mut errors)?
            };
            arrays.push((&to.name, array));
        }
        Ok((structs::of(arrays, structs.len(), structs.nulls()), errors))
    }

    fn converted_field(
        &self,
        structs: &StructArray,
        index: usize,
        field: &Field,
        to: &Field,
        null_is_default: bool,
        errors: &mut Vec<RowError>,
    ) -> Result<arrow_array::ArrayRef> {
        let source = match Source::of(&field.schema) {
            Ok(source) => source,
            Err(error) => {
                let rows = (0..structs.len()).filter(|row| structs.is_valid(*row));
                errors.extend(rows.map(|row| RowError { row, error: error.clone() }));
                return structs::nulls_of(&to.schema, structs.len());
            }
        };
        let mut array = structs::child(structs, index);
        if null_is_default {
            array = structs::with_default(&field.schema, &array, structs.nulls())?;
        }
        let array = self.convert(&array, Some((&field.schema, source)), &to.schema, errors)?;
        structs::check_put(to, array.as_ref(), structs.nulls(), errors);
        Ok(array)
    }

    fn convert_whole(&self, column: &Column, schema: &SchemaRef) -> Result<(Column, Vec<RowError>)> {
        let source = Source::of(schema)?;
        let result = Arc::new(self.target.schema(schema.optional));
        let mut errors = Vec::new();
        let data = match structs::as_array(column)? {
            Some(array) => Data::Array(self.convert(&array, Some((schema, source)), &result, &mut errors)?),
            None => {
                let mut builder = ColumnBuilder::new(Some(Arc::clone(&result)));
                let mut scratch = Vec::new();
                for row in 0..column.len() {
                    match self.convert_typed(source, schema, column.row(row), &mut scratch) {
                        Ok(ValueRef::Null) => builder.push_null(),
                        Ok(value) => builder.push(value)?,
                        Err(error) => {
                            errors.push(RowError { row, error });
                            builder.push_null();
                        }
                    }
                }
                builder.finish()?.data
            }
        };
        Ok((Column { schema: Some(result), data }, errors))
    }

    fn convert_untyped(&self, column: &Column) -> Result<(Column, Vec<RowError>)> {
        if self.fits_without_schema()
            && let Some(array) = structs::as_array(column)?
        {
            let mut errors = Vec::new();
            let result = Arc::new(self.target.schema(true));
            let data = Data::Array(self.convert(&array, None, &result, &mut errors)?);
            return Ok((Column { schema: None, data }, errors));
        }
        let mut scratch = Vec::new();
        Ok(objects::map_rows(column, |rows, _row, value| {
            rows.value(self.convert_value(value, &mut scratch)?)
        }))
    }

    fn convert_key(&self, column: &Column, key: &[Arc<str>; 1]) -> Result<(Column, Vec<RowError>)> {
        match Form::of(column) {
            Form::Objects(objects) if self.fits_without_schema() => {
                let mut errors = Vec::new();
                let result = Arc::new(self.target.schema(true));
                let array = objects::put_columns(objects, key, |_, array| {
                    self.convert(array, None, &result, &mut errors)
                })?;
                Ok((Column { schema: None, data: Data::Array(array) }, errors))
            }
            _ => {
                let mut scratch = Vec::new();
                Ok(objects::put_rows(
                    column,
                    key,
                    |rows, _, value| rows.value(self.convert_value(value, &mut scratch)?),
                    |value| (!value.is_null()).then(|| requirements::map(value, PURPOSE)),
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests;
