//! Flatten: brings the fields of nested structs and objects to the top, under names that tell where they were.

use std::sync::Arc;

use api::config_def::{Config, ConfigDef, ConfigKey, ConfigType, Default, Importance};
use api::value::MapRef;
use api::views::masked;
use api::{
    Column, Data, Error, Field, Records, Result, RowError, RowsBuilder, Schema, SchemaRef, Transformed, Type,
    Value, ValueRef,
};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, StructArray};
use arrow_schema::DataType;

use super::field::schemas::{FieldsBuilder, SchemaCache, schema_builder_error, with_basics_of};
use super::field::{FieldTransform, Form, Part, pass_nulls, requirements, structs};
use super::objects;

const DELIMITER: &str = "delimiter";
const PURPOSE: &str = "flattening";

/// `org.apache.kafka.connect.transforms.Flatten`.
#[derive(Debug)]
pub(super) struct Flatten {
    names: Names,
    schemas: SchemaCache<SchemaRef>,
}

/// How names are put together.
#[derive(Debug)]
struct Names {
    delimiter: String,
}

impl FieldTransform for Flatten {
    const KEY_CLASS: &'static str = "org.apache.kafka.connect.transforms.Flatten$Key";
    const VALUE_CLASS: &'static str = "org.apache.kafka.connect.transforms.Flatten$Value";

    fn config_def() -> ConfigDef {
        ConfigDef::default().key(ConfigKey::new(
            DELIMITER,
            ConfigType::String,
            Default::Value("."),
            Importance::Medium,
            "Text between the names of the fields that lead to a value, which together are its new name.",
        ))
    }

    fn create(config: Config) -> Result<Flatten> {
        let names = Names { delimiter: config.string(DELIMITER).to_owned() };
        Ok(Flatten { names, schemas: SchemaCache::default() })
    }

    fn apply(&mut self, part: Part, records: Records, out: &mut Transformed) -> Result<()> {
        pass_nulls(part, records, out, |records, out| {
            let column = part.of(&records);
            let (flat, errors) = match Form::of(column) {
                Form::Structs(schema, structs) => {
                    let names = &self.names;
                    let flat = self.schemas.get(schema, |schema| names.flat_schema(schema))?;
                    of_structs(schema, flat, structs)?
                }
                Form::Typed(_) => (column.clone(), requirements::structures(column, PURPOSE)),
                Form::Objects(objects) => match self.names.of_objects(objects) {
                    Some(flat) => (flat, Vec::new()),
                    None => self.names.of_rows(column),
                },
                Form::Untyped => self.names.of_rows(column),
            };
            part.replace(records, flat, errors, out);
            Ok(())
        })
    }
}

impl Names {
    /// Adds a name to the prefix, which gets its old length back afterwards.
    fn extend(&self, prefix: &mut String, name: &str) {
        if !prefix.is_empty() {
            prefix.push_str(&self.delimiter);
        }
        prefix.push_str(name);
    }

    fn flat_schema(&self, schema: &SchemaRef) -> Result<SchemaRef> {
        let mut fields = FieldsBuilder::default();
        let default = schema.default.as_ref();
        self.add_fields(schema, &mut String::new(), &mut fields, schema.optional, default)?;
        Ok(Arc::new(with_basics_of(schema, fields.finish())))
    }

    /// Adds the leaves below a struct. They are optional if anything above them is, and without a default of their own have that which
    /// the default of the struct gives them.
    fn add_fields(
        &self,
        schema: &Schema,
        prefix: &mut String,
        fields: &mut FieldsBuilder,
        is_optional: bool,
        default: Option<&Value>,
    ) -> Result<()> {
        for (index, field) in schema.fields().iter().enumerate() {
            let start = prefix.len();
            self.extend(prefix, &field.name);
            let is_optional = is_optional || field.schema.optional;
            let from_parent = match default {
                Some(Value::Struct(_, values)) => {
                    values.get(index).filter(|value| !matches!(value, Value::Null))
                }
                _ => None,
            };
            let default = field.schema.default.as_ref().or(from_parent);
            match &field.schema.kind {
                Type::Struct(_) => self.add_fields(&field.schema, prefix, fields, is_optional, default)?,
                Type::Map(..) => {
                    return Err(Error::bad_record(format!(
                        "Flatten transformation does not support MAP for record with schemas (for field {prefix})."
                    )));
                }
                kind => {
                    let leaf = with_basics_of(&field.schema, kind.clone());
                    let leaf = Schema { optional: is_optional, ..leaf };
                    if let Some(default) = default {
                        leaf.validate(default.as_value_ref()).map_err(|error| {
                            schema_builder_error("Invalid default value").with_source(error)
                        })?;
                    }
                    let leaf = Schema { default: default.cloned(), ..leaf };
                    fields.push(prefix.as_str().into(), Arc::new(leaf))?;
                }
            }
            prefix.truncate(start);
        }
        Ok(())
    }

    /// Objects of one shape, while nested ones are there in every row or in none, and no two leaves have one name.
    fn of_objects(&self, objects: &StructArray) -> Option<Column> {
        let mut flat: Vec<(String, ArrayRef)> = Vec::new();
        self.add_arrays(objects, objects, &mut String::new(), &mut flat)?;
        Some(Column { schema: None, data: Data::Array(structs::of(flat, objects.len(), objects.nulls())) })
    }

    fn add_arrays(
        &self,
        top: &StructArray,
        objects: &StructArray,
        prefix: &mut String,
        flat: &mut Vec<(String, ArrayRef)>,
    ) -> Option<()> {
        for (field, array) in objects.fields().iter().zip(objects.columns()) {
            let start = prefix.len();
            self.extend(prefix, field.name());
            let inner = masked(array, top.nulls());
            match inner.data_type() {
                DataType::Struct(_) if inner.null_count() == top.null_count() => {
                    self.add_arrays(top, inner.as_struct(), prefix, flat)?;
                }
                DataType::Struct(_) if inner.null_count() < inner.len() => return None,
                DataType::Map(..) => return None,
                _ if flat.iter().any(|(name, _)| name == prefix) => return None,
                _ => flat.push((prefix.clone(), inner)),
            }
            prefix.truncate(start);
        }
        Some(())
    }

    fn of_rows(&self, column: &Column) -> (Column, Vec<RowError>) {
        let mut prefix = String::new();
        objects::map_rows(column, |rows, _row, value| {
            prefix.clear();
            match value {
                ValueRef::Null => {
                    rows.null();
                    Ok(())
                }
                ValueRef::Map(map) => self.push_object(rows, map, &mut prefix),
                other => Err(requirements::map(other, PURPOSE)),
            }
        })
    }

    fn push_object(&self, rows: &mut RowsBuilder, map: MapRef<'_>, prefix: &mut String) -> Result<()> {
        rows.begin_object()?;
        if self.may_meet(map) {
            // Of two values under one name Java has the one that its maps give last.
            self.push_entries(rows, map, prefix, true)?;
        } else {
            self.push_entries(rows, map, prefix, false)?;
        }
        rows.end_object();
        Ok(())
    }

    /// Whether two leaves could have one name: a name must then be empty, or hold the delimiter.
    fn may_meet(&self, map: MapRef<'_>) -> bool {
        map.iter().any(|(key, value)| {
            let is_odd = match key {
                ValueRef::String(name) => name.is_empty() || name.contains(&self.delimiter),
                _ => false,
            };
            is_odd || matches!(value, ValueRef::Map(inner) if self.may_meet(inner))
        })
    }

    fn push_entries(
        &self,
        rows: &mut RowsBuilder,
        map: MapRef<'_>,
        prefix: &mut String,
        in_java_order: bool,
    ) -> Result<()> {
        let push = |key: ValueRef<'_>, value: ValueRef<'_>| {
            let start = prefix.len();
            self.extend(prefix, requirements::text_key(key)?);
            match value {
                ValueRef::Map(inner) => self.push_entries(rows, inner, prefix, in_java_order)?,
                ValueRef::Date(_) | ValueRef::Decimal(_) => {
                    return Err(Error::bad_record(format!(
                        "Flatten transformation was passed a value of type class {} which is not supported by Connect's data API",
                        value.java_class()
                    )));
                }
                ValueRef::Struct(_) => {
                    return Err(Error::bad_record(format!(
                        "Flatten transformation does not support class {} for record without schemas (for field {prefix}).",
                        value.java_class()
                    )));
                }
                value => {
                    rows.key(prefix);
                    rows.value(value)?;
                }
            }
            prefix.truncate(start);
            Ok(())
        };
        if in_java_order {
            return map.try_each_in_java_order(None, push);
        }
        let mut push = push;
        map.iter().try_for_each(|(key, value)| push(key, value))
    }
}

fn of_structs(
    schema: &SchemaRef,
    flat: &SchemaRef,
    structs: &StructArray,
) -> Result<(Column, Vec<RowError>)> {
    let mut arrays = Vec::with_capacity(flat.fields().len());
    let mut errors = Vec::new();
    add_leaves(schema, structs, flat.fields(), &mut arrays, &mut errors)?;
    let names = flat.fields().iter().map(|field| &field.name);
    let data = Data::Array(structs::of(names.zip(arrays), structs.len(), None));
    Ok((Column { schema: Some(Arc::clone(flat)), data }, errors))
}

/// Takes the leaves in the order in which [`Names::add_fields`] added their schemas.
fn add_leaves(
    schema: &Schema,
    at: &StructArray,
    flat: &[Field],
    arrays: &mut Vec<ArrayRef>,
    errors: &mut Vec<RowError>,
) -> Result<()> {
    for (field, array) in schema.fields().iter().zip(at.columns()) {
        if let Type::Struct(_) = field.schema.kind {
            // No default stands in for a nested struct that is null (`Struct#getStruct`): its leaves are null.
            match masked(array, at.nulls()).as_struct_opt() {
                Some(inner) => add_leaves(&field.schema, inner, flat, arrays, errors)?,
                None => add_null_leaves(&field.schema, at.len(), arrays)?,
            }
            continue;
        }
        let leaf = &flat[arrays.len()];
        let array = structs::with_default(&field.schema, array, at.nulls())?;
        structs::check_put(leaf, array.as_ref(), at.nulls(), errors);
        arrays.push(masked(&array, at.nulls()));
    }
    Ok(())
}

fn add_null_leaves(schema: &Schema, rows: usize, arrays: &mut Vec<ArrayRef>) -> Result<()> {
    for field in schema.fields() {
        match field.schema.kind {
            Type::Struct(_) => add_null_leaves(&field.schema, rows, arrays)?,
            _ => arrays.push(structs::nulls_of(&field.schema, rows)?),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
