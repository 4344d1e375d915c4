//! ValueToKey: makes a key of fields of the value.

use std::sync::Arc;

use api::config_def::{Config, ConfigDef, ConfigKey, ConfigType, Default, Importance, ListRule};
use api::{
    Column, Data, Error, Plugin, Records, Result, RowError, RowsBuilder, Schema, SchemaRef, Touches,
    Transform, Transformed, ValueRef,
};
use arrow_array::{Array, ArrayRef, NullArray, StructArray};

use super::field::schemas::{FieldsBuilder, SchemaCache};
use super::field::{Form, Part, REPLACE_NULL, replace_null_key, requirements, structs};
use super::objects;

const FIELDS: &str = "fields";
const PURPOSE: &str = "copying fields from value to key";

/// `org.apache.kafka.connect.transforms.ValueToKey`.
#[derive(Debug)]
pub(super) struct ValueToKey {
    fields: Vec<Arc<str>>,
    null_is_default: bool,
    plans: SchemaCache<Plan>,
}

/// The schema of the keys, and the place in the value of each of their fields.
#[derive(Debug)]
struct Plan {
    schema: SchemaRef,
    places: Vec<usize>,
}

impl Plugin for ValueToKey {
    const CLASS: &'static str = "org.apache.kafka.connect.transforms.ValueToKey";
    const VERSION: &'static str = super::VERSION;

    fn config_def() -> ConfigDef {
        let fields = ConfigKey::new(
            FIELDS,
            ConfigType::List,
            Default::Required,
            Importance::High,
            "Fields of the value that the key consists of, in this order.",
        );
        ConfigDef::default().key(fields.listed(ListRule::NON_EMPTY)).key(replace_null_key())
    }

    fn create(config: Config) -> Result<ValueToKey> {
        let fields = config.list(FIELDS).iter().map(|name| name.as_str().into()).collect();
        let null_is_default = config.boolean(REPLACE_NULL);
        Ok(ValueToKey { fields, null_is_default, plans: SchemaCache::default() })
    }
}

impl Transform for ValueToKey {
    fn touches(&self) -> Touches {
        Touches::KEY.and(Touches::VALUE)
    }

    fn apply(&mut self, records: Records, out: &mut Transformed) -> Result<()> {
        let column = &records.columns.value;
        let (key, errors) = match Form::of(column) {
            Form::Structs(schema, structs) => self.of_structs(schema, structs)?,
            Form::Typed(_) => (column.clone(), requirements::structures(column, PURPOSE)),
            Form::Objects(objects) => self.of_objects(objects),
            Form::Untyped => self.of_rows(column),
        };
        Part::Key.replace(records, key, errors, out);
        Ok(())
    }
}

impl ValueToKey {
    fn of_structs(&mut self, schema: &SchemaRef, structs: &StructArray) -> Result<(Column, Vec<RowError>)> {
        let mut errors = structs::null_rows(structs, |row| requirements::structure(row, PURPOSE));
        let rows = structs.len();
        let names = &self.fields;
        let plan = match self.plans.get(schema, |schema| plan(names, schema)) {
            Ok(plan) => plan,
            Err(error) => {
                errors.extend((0..rows).map(|row| RowError { row, error: error.clone() }));
                return Ok((Column::null(rows), errors));
            }
        };
        let fields = plan.schema.fields().iter().zip(&plan.places);
        let arrays = fields
            .map(|(field, index)| {
                let from = (&field.schema, *index);
                let array = structs::copied(structs, from, field, self.null_is_default, &mut errors)?;
                Ok((&field.name, array))
            })
            .collect::<Result<Vec<_>>>()?;
        let data = Data::Array(structs::of(arrays, rows, None));
        Ok((Column { schema: Some(Arc::clone(&plan.schema)), data }, errors))
    }

    fn of_objects(&self, objects: &StructArray) -> (Column, Vec<RowError>) {
        let rows = objects.len();
        let arrays = self.fields.iter().map(|name| {
            let array: ArrayRef = match structs::place_of(objects, name) {
                Some(index) => Arc::clone(objects.column(index)),
                None => Arc::new(NullArray::new(rows)),
            };
            (name, array)
        });
        let data = Data::Array(structs::of(arrays, rows, None));
        (Column { schema: None, data }, structs::null_rows(objects, |row| requirements::map(row, PURPOSE)))
    }

    fn of_rows(&self, column: &Column) -> (Column, Vec<RowError>) {
        objects::map_rows(column, |rows, _row, value| self.push_key(rows, value))
    }

    fn push_key(&self, rows: &mut RowsBuilder, value: ValueRef<'_>) -> Result<()> {
        let ValueRef::Map(map) = value else { return Err(requirements::map(value, PURPOSE)) };
        rows.begin_object()?;
        for name in &self.fields {
            rows.key(name);
            rows.value(map.get(name).unwrap_or(ValueRef::Null))?;
        }
        rows.end_object();
        Ok(())
    }
}

fn plan(names: &[Arc<str>], schema: &SchemaRef) -> Result<Plan> {
    let mut fields = FieldsBuilder::default();
    let mut places = Vec::new();
    for name in names {
        let place = schema.fields().iter().position(|field| field.name == *name);
        let place = place.ok_or_else(|| Error::bad_record(format!("Field does not exist: {name}")))?;
        fields.push(Arc::clone(name), Arc::clone(&schema.fields()[place].schema))?;
        places.push(place);
    }
    Ok(Plan { schema: Arc::new(Schema::new(fields.finish())), places })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transform::support::{create, decode, encode, records_of, refusal};

    /// Key and value of each record, or what it failed with.
    fn keys(settings: &[(&str, &str)], column: Column) -> Vec<String> {
        let mut out = Transformed::default();
        let (rows, values) = (column.len(), encode(&column));
        create("ValueToKey", settings).unwrap().apply(records_of(column, 0), &mut out).unwrap();
        let (pieces, errors) = out.into_parts();
        let mut keys = vec![String::new(); rows];
        for piece in &pieces {
            for (index, key) in encode(&piece.columns.key).into_iter().enumerate() {
                assert_eq!(encode(&piece.columns.value)[index], values[piece.first_row() + index]);
                keys[piece.first_row() + index] = key;
            }
        }
        for error in errors {
            assert_eq!(keys[error.row], "");
            keys[error.row] = format!("!{}", error.error.message());
        }
        keys
    }

    #[test]
    fn keys_of_objects_have_every_field_that_is_named() {
        let null = "!Only Map objects supported in absence of schema for [copying fields from value to key], found: null";
        let objects = decode(&[r#"{"a":1,"b":"x"}"#, "", r#"{"a":null,"b":"y"}"#], false).remove(0);
        let expected = [r#"{"b":"x","z":null,"a":1}"#, null, r#"{"b":"y","z":null,"a":null}"#];
        assert_eq!(keys(&[("fields", "b,z,a")], objects.clone()), expected);
        assert_eq!(keys(&[("fields", "b,z,a")], objects.slice(1, 2)), expected[1..]);
        let mixed = decode(&[r#"{"a":{"c":[1]}}"#, "5", r#"{"b":1}"#, ""], false).remove(0);
        let five = null.replace("null", "java.lang.Long");
        assert_eq!(keys(&[("fields", "a")], mixed), [r#"{"a":{"c":[1]}}"#, &five, r#"{"a":null}"#, null]);
    }

    #[test]
    fn keys_of_structs_are_structs() {
        let line = |payload: &str| {
            format!(
                r#"{{"schema":{{"type":"struct","optional":true,"name":"n","fields":[{{"type":"int32","optional":true,"default":7,"field":"a"}},{{"type":"string","optional":true,"field":"b"}}]}},"payload":{payload}}}"#
            )
        };
        let key = |payload: &str| {
            format!(
                r#"{{"schema":{{"type":"struct","fields":[{{"type":"string","optional":true,"field":"b"}},{{"type":"int32","optional":true,"default":7,"field":"a"}}],"optional":false}},"payload":{payload}}}"#
            )
        };
        let lines = [line(r#"{"a":1,"b":"x"}"#), line("null"), line(r#"{"a":null,"b":null}"#)];
        let column = decode(&lines.each_ref().map(String::as_str), true).remove(0);
        let null = "!Only Struct objects supported for [copying fields from value to key], found: null";
        let (first, last) = (key(r#"{"b":"x","a":1}"#), key(r#"{"b":null,"a":7}"#));
        assert_eq!(keys(&[("fields", "b,a")], column.clone()), [&first, null, &last]);
        let last = key(r#"{"b":null,"a":null}"#);
        assert_eq!(
            keys(&[("fields", "b,a"), ("replace.null.with.default", "false")], column.clone()),
            [&first, null, &last]
        );
        let missing = "!Field does not exist: z";
        assert_eq!(keys(&[("fields", "a,z")], column), [missing, null, missing]);
    }

    #[test]
    fn fields_are_required() {
        assert_eq!(
            refusal("ValueToKey", &[("fields", "")]),
            "Configuration 'fields' must not be empty. Valid values include: any non-empty value"
        );
    }
}
