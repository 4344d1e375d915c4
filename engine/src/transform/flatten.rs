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
        let mut errors = Vec::new();
        let mut rows = RowsBuilder::new();
        let mut prefix = String::new();
        for row in 0..column.len() {
            prefix.clear();
            let pushed = match column.row(row) {
                ValueRef::Null => {
                    rows.null();
                    Ok(())
                }
                ValueRef::Map(map) => self.push_object(&mut rows, map, &mut prefix),
                other => Err(requirements::map(other, PURPOSE)),
            };
            if let Err(error) = pushed {
                errors.push(RowError { row, error });
                rows.abandon_row();
                rows.null();
            }
            rows.finish_row();
        }
        (Column { schema: None, data: Data::Rows(rows.finish()) }, errors)
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
mod tests {
    use api::ColumnBuilder;

    use super::*;
    use crate::transform::support::{check, check_schemaless, check_schemas};

    const NAME: &str = "Flatten$Value";

    #[test]
    fn nested_objects_come_to_the_top() {
        check_schemaless(
            NAME,
            &[],
            &[
                r#"{"a":{"b":1,"c":{"d":[{"e":2}],"f":null}},"g":"x"}"#,
                "",
                r#"{"a":{"b":3,"c":{"d":[],"f":null}},"g":"y"}"#,
            ],
            &[
                r#"{"a.b":1,"a.c.d":[{"e":2}],"a.c.f":null,"g":"x"}"#,
                "",
                r#"{"a.b":3,"a.c.d":[],"a.c.f":null,"g":"y"}"#,
            ],
        );
        check_schemaless(NAME, &[("delimiter", "")], &[r#"{"a":{"b":{"c":1}}}"#], &[r#"{"abc":1}"#]);
        check_schemaless(
            NAME,
            &[("delimiter", "_")],
            &[r#"{"a":{"b":1}}"#, r#"{"a":null}"#, r#"{"a":{}}"#, r#"{"a":2}"#, "[1]"],
            &[
                r#"{"a_b":1}"#,
                r#"{"a":null}"#,
                "{}",
                r#"{"a":2}"#,
                "!DataException: Only Map objects supported in absence of schema for [flattening], found: java.util.ArrayList",
            ],
        );
    }

    /// In Java's map `a.b` comes before `a`, in whatever order they were put.
    #[test]
    fn of_two_values_under_one_name_the_later_one_of_javas_map_stays() {
        let bucket = |name: &str| api::java_map::bucket(api::java_map::string_hash(name), 16);
        assert!(bucket("a.b") > bucket("a"));
        let lines = [r#"{"a.b":1,"a":{"b":2}}"#, r#"{"a":{"b":2},"a.b":1}"#];
        check_schemaless(NAME, &[], &lines, &[r#"{"a.b":1}"#; 2]);
        check_schemaless(NAME, &[], &lines[..1], &[r#"{"a.b":1}"#]);
    }

    fn line(fields: &str, is_optional: bool, payload: &str) -> String {
        format!(
            r#"{{"schema":{{"type":"struct","fields":[{fields}],"optional":{is_optional},"name":"n","version":1}},"payload":{payload}}}"#
        )
    }

    /// What is below something optional is optional.
    #[test]
    fn leaves_of_structs_keep_what_they_are_and_become_as_optional_as_what_they_were_in() {
        let date =
            r#""type":"int32","optional":false,"name":"org.apache.kafka.connect.data.Date","version":1"#;
        let list = r#""type":"array","items":{"type":"string","optional":false},"optional":false"#;
        let fields = format!(
            r#"{{"type":"struct","fields":[{{{date},"field":"d"}}],"optional":false,"field":"r"}},{{"type":"struct","fields":[{{{list},"field":"l"}},{{"type":"int8","optional":false,"default":5,"field":"i"}}],"optional":true,"field":"o"}}"#
        );
        let flat = |is_optional: bool| {
            format!(
                r#"{{{},"field":"r.d"}},{{{},"field":"o.l"}},{{"type":"int8","optional":true,"default":5,"field":"o.i"}}"#,
                date.replace("false", &is_optional.to_string()),
                r#""type":"array","items":{"type":"string","optional":false},"optional":true"#
            )
        };
        let payloads = [r#"{"r":{"d":1},"o":{"l":["x"],"i":6}}"#, r#"{"r":{"d":2},"o":null}"#];
        let flats = [r#"{"r.d":1,"o.l":["x"],"o.i":6}"#, r#"{"r.d":2,"o.l":null,"o.i":null}"#];
        for is_optional in [false, true] {
            let mut lines = payloads.map(|payload| line(&fields, is_optional, payload)).to_vec();
            let mut expected = flats.map(|payload| line(&flat(is_optional), false, payload)).to_vec();
            if is_optional {
                lines.insert(1, line(&fields, true, "null"));
                expected.insert(1, lines[1].clone());
            }
            let lines: Vec<_> = lines.iter().map(String::as_str).collect();
            let expected: Vec<_> = expected.iter().map(String::as_str).collect();
            check_schemas(NAME, &[], &lines, &expected);
        }
    }

    #[test]
    fn leaves_take_their_default_from_that_of_their_struct() {
        let field = |name: &str, schema: Schema| Field { name: name.into(), schema: Arc::new(schema) };
        let inner = Schema::new(Type::Struct(vec![
            field("a", Schema::new(Type::Int32)),
            field("b", Schema { default: Some(Value::Int32(2)), ..Schema::new(Type::Int32) }),
        ]));
        let default = Value::Struct(Arc::new(inner.clone()), vec![Value::Int32(9), Value::Int32(8)]);
        let nested = Schema { default: Some(default), ..inner };
        let outer = Arc::new(Schema::new(Type::Struct(vec![field("s", nested.clone())])));
        let mut builder = ColumnBuilder::new(Some(Arc::clone(&outer)));
        let values = Value::Struct(Arc::new(nested), vec![Value::Int32(1), Value::Null]);
        builder.push(Value::Struct(outer, vec![values]).as_value_ref()).unwrap();
        let expected = r#"{"schema":{"type":"struct","fields":[{"type":"int32","optional":false,"default":9,"field":"s.a"},{"type":"int32","optional":false,"default":2,"field":"s.b"}],"optional":false},"payload":{"s.a":1,"s.b":2}}"#;
        check(NAME, &[], &[builder.finish().unwrap()], &[expected]);
    }

    #[test]
    fn maps_and_names_that_are_taken_fail() {
        let map = r#"{"type":"map","keys":{"type":"string","optional":false},"values":{"type":"int32","optional":false},"optional":true,"field":"m"}"#;
        let nested = format!(r#"{{"type":"struct","optional":false,"field":"s","fields":[{map}]}}"#);
        check_schemas(
            NAME,
            &[],
            &[&line(&nested, false, r#"{"s":{"m":null}}"#)],
            &[
                "!DataException: Flatten transformation does not support MAP for record with schemas (for field s.m).",
            ],
        );
        let twice = r#"{"type":"int8","optional":true,"field":"a.b"},{"type":"struct","optional":true,"field":"a","fields":[{"type":"int8","optional":true,"field":"b"}]}"#;
        check_schemas(
            NAME,
            &[],
            &[&line(twice, false, r#"{"a.b":1}"#)],
            &["!SchemaBuilderException: Cannot create field because of field name duplication a.b"],
        );
        check_schemas(
            NAME,
            &[],
            &[
                r#"{"schema":{"type":"int32","optional":true},"payload":1}"#,
                r#"{"schema":{"type":"int32","optional":true},"payload":null}"#,
            ],
            &[
                "!DataException: Only Struct objects supported for [flattening], found: java.lang.Integer",
                r#"{"schema":{"type":"int32","optional":true},"payload":null}"#,
            ],
        );
    }
}
