//! Cast: changes the types of fields, or of keys and values as a whole.
//!
//! ```text
//! spec ─▶ target      what is cast to what
//!         column      arrays: a loop for each pair of types      narrow   number to number
//!         value       one value: tapes, defaults, rare arrays
//! ```

mod column;
mod narrow;
mod target;
mod value;

use std::sync::Arc;

use api::config_def::{Config, ConfigDef, ConfigKey, ConfigType, ConfigValue, Default, Importance};
use api::value::Logical;
use api::{Column, Data, Error, Field, Records, Result, RowError, Schema, SchemaRef, Transformed};
use arrow_array::{Array, ArrayRef, StructArray};

use super::field::schemas::{FieldsBuilder, SchemaCache, schema_builder_error, with_basics_of};
use super::field::{
    FieldTransform, Form, Part, REPLACE_NULL, pass_nulls, replace_null_key, requirements, structs,
};
use super::objects;
use target::{Spec, Target};

const SPEC: &str = "spec";
const PURPOSE: &str = "cast types";

/// `org.apache.kafka.connect.transforms.Cast`.
#[derive(Debug)]
pub(super) struct Cast {
    spec: Spec,
    null_is_default: bool,
    plans: SchemaCache<Plan>,
}

/// What becomes of values of one schema.
#[derive(Debug)]
struct Plan {
    schema: SchemaRef,
    /// For each field what it is cast to, if it is.
    targets: Vec<Option<Target>>,
}

impl FieldTransform for Cast {
    const KEY_CLASS: &'static str = "org.apache.kafka.connect.transforms.Cast$Key";
    const VALUE_CLASS: &'static str = "org.apache.kafka.connect.transforms.Cast$Value";

    fn config_def() -> ConfigDef {
        let spec = ConfigKey::new(
            SPEC,
            ConfigType::List,
            Default::Required,
            Importance::High,
            "Fields and the types to cast them to, as field:type, or one type for the key or value as a whole: int8, int16, int32, \
             int64, float32, float64, boolean or string.",
        );
        ConfigDef::default()
            .key(spec.checked_with(|value| match value {
                ConfigValue::List(items) => Spec::read(items).map(drop),
                _ => Spec::read(&[]).map(drop),
            }))
            .key(replace_null_key())
    }

    fn create(config: Config) -> Result<Cast> {
        let spec = Spec::read(config.list(SPEC)).map_err(Error::config)?;
        Ok(Cast { spec, null_is_default: config.boolean(REPLACE_NULL), plans: SchemaCache::default() })
    }

    fn apply(&mut self, part: Part, records: Records, out: &mut Transformed) -> Result<()> {
        pass_nulls(part, records, out, |records, out| {
            let (column, errors) = self.cast(part.of(&records))?;
            part.replace(records, column, errors, out);
            Ok(())
        })
    }
}

impl Cast {
    fn cast(&mut self, column: &Column) -> Result<(Column, Vec<RowError>)> {
        let (names, targets) = match &self.spec {
            Spec::Whole(target) => return self.whole(column, *target),
            Spec::Fields { names, targets } => (names, targets),
        };
        match Form::of(column) {
            Form::Structs(schema, structs) => {
                let plan = self.plans.get(schema, |schema| Plan::of_fields(schema, names, targets))?;
                plan.carry_out(structs, schema, self.null_is_default)
            }
            Form::Typed(_) => Err(requirements::listed_fields_of_non_struct()),
            Form::Objects(objects) => {
                let mut errors = Vec::new();
                let array = objects::put_columns(objects, names, |index, array| {
                    column::cast(array, None, targets[index], &mut errors)
                })?;
                Ok((Column { schema: None, data: Data::Array(array) }, errors))
            }
            Form::Untyped => {
                let mut scratch = Vec::new();
                Ok(objects::put_rows(
                    column,
                    names,
                    |rows, index, value| rows.value(value::cast(None, value, targets[index], &mut scratch)?),
                    |value| (!value.is_null()).then(|| requirements::map(value, PURPOSE)),
                ))
            }
        }
    }

    fn whole(&mut self, column: &Column, target: Target) -> Result<(Column, Vec<RowError>)> {
        let schema = match &column.schema {
            Some(schema) => {
                let plan = self.plans.get(schema, |schema| Plan::of_whole(schema, target))?;
                Some(Arc::clone(&plan.schema))
            }
            None => None,
        };
        if let Some(array) = structs::as_array(column)? {
            let mut errors = Vec::new();
            let array = column::cast(&array, column.schema.as_ref(), target, &mut errors)?;
            return Ok((Column { schema, data: Data::Array(array) }, errors));
        }
        let mut scratch = Vec::new();
        let (cast, errors) = objects::map_rows(column, |rows, _row, value| {
            rows.value(value::cast(column.schema.as_ref(), value, target, &mut scratch)?)
        });
        Ok((Column { schema, data: cast.data }, errors))
    }
}

impl Plan {
    fn of_whole(schema: &SchemaRef, target: Target) -> Result<Plan> {
        let mut cast = with_basics_of(schema, target.kind());
        cast.optional = schema.optional;
        if let Some(default) = &schema.default {
            let default = value::cast_owned(schema, default, target)?;
            if is_logical_by_name(schema) {
                return Err(schema_builder_error("Invalid default value"));
            }
            cast.default = Some(default);
        }
        Ok(Plan { schema: Arc::new(cast), targets: Vec::new() })
    }

    fn of_fields(schema: &SchemaRef, names: &[String], targets: &[Target]) -> Result<Plan> {
        let mut fields = FieldsBuilder::default();
        let mut plan = Vec::with_capacity(schema.fields().len());
        for field in schema.fields() {
            let target = names.iter().position(|name| **name == *field.name).map(|index| targets[index]);
            plan.push(target);
            let cast = match target {
                Some(target) => Arc::new(cast_field(&field.schema, target)?),
                None => Arc::clone(&field.schema),
            };
            fields.push(Arc::clone(&field.name), cast)?;
        }
        let mut cast = with_basics_of(schema, fields.finish());
        cast.optional = schema.optional;
        if schema.default.is_some() {
            // Java tries to cast the default to a struct, and finds that structs are not cast.
            return Err(target::unsupported("STRUCT"));
        }
        Ok(Plan { schema: Arc::new(cast), targets: plan })
    }

    fn carry_out(
        &self,
        structs: &StructArray,
        schema: &Schema,
        null_is_default: bool,
    ) -> Result<(Column, Vec<RowError>)> {
        let mut errors = Vec::new();
        let mut arrays = Vec::with_capacity(self.targets.len());
        let fields = schema.fields().iter().zip(self.schema.fields()).zip(&self.targets);
        for (index, ((field, to), target)) in fields.enumerate() {
            let array = match target {
                Some(target) => {
                    cast_values(structs, (field, index), to, *target, null_is_default, &mut errors)?
                }
                None => structs::copied(structs, (&field.schema, index), to, null_is_default, &mut errors)?,
            };
            arrays.push((&to.name, array));
        }
        let data = Data::Array(structs::of(arrays, structs.len(), structs.nulls()));
        Ok((Column { schema: Some(Arc::clone(&self.schema)), data }, errors))
    }
}

/// The values of a field of structs, cast and put into a field of others.
fn cast_values(
    structs: &StructArray,
    (field, index): (&Field, usize),
    to: &Field,
    target: Target,
    null_is_default: bool,
    errors: &mut Vec<RowError>,
) -> Result<ArrayRef> {
    let mut array = structs::child(structs, index);
    if null_is_default {
        array = structs::with_default(&field.schema, &array, structs.nulls())?;
    }
    let cast = column::cast(&array, Some(&field.schema), target, errors)?;
    structs::check_put(to, cast.as_ref(), structs.nulls(), errors);
    Ok(cast)
}

/// The schema of a field that is cast: what it is called and what its parameters are stays behind.
fn cast_field(schema: &SchemaRef, target: Target) -> Result<Schema> {
    let mut cast = Schema::new(target.kind());
    cast.optional = schema.optional;
    if let Some(default) = &schema.default {
        cast.default = Some(value::cast_owned(schema, default, target)?);
    }
    Ok(cast)
}

/// Whether Java would look for a class of its own under the schema's name, and not find it in a default that was cast.
fn is_logical_by_name(schema: &Schema) -> bool {
    [Logical::Decimal, Logical::Date, Logical::Time, Logical::Timestamp]
        .iter()
        .any(|logical| schema.name.as_deref() == Some(logical.name()))
}

#[cfg(test)]
mod tests;
