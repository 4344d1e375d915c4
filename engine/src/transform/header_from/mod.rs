//! HeaderFrom: moves or copies fields into headers (KIP-145).

use std::sync::Arc;

use api::config_def::{
    Config, ConfigDef, ConfigKey, ConfigType, ConfigValue, Default, Importance, validators,
};
use api::views::repeated;
use api::{
    Column, ConnectHeaders, Data, Error, HeaderColumns, HeaderPart, HeaderValues, Records, Result, RowError,
    RowsBuilder, Schema, SchemaRef, Transformed, ValueRef,
};
use arrow_array::{Array, ArrayRef, StructArray};

use super::field::schemas::{FieldsBuilder, SchemaCache, with_basics_of};
use super::field::{FieldTransform, Form, Part, REPLACE_NULL, replace_null_key, requirements, structs};

const FIELDS: &str = "fields";
const HEADERS: &str = "headers";
const OPERATION: &str = "operation";

/// `org.apache.kafka.connect.transforms.HeaderFrom`.
#[derive(Debug)]
pub(super) struct HeaderFrom {
    names: Names,
    null_is_default: bool,
    plans: SchemaCache<Plan>,
}

/// What becomes a header.
#[derive(Debug)]
struct Names {
    /// Fields, and the headers that they become.
    pairs: Vec<(String, String)>,
    is_move: bool,
}

/// What becomes of structs of one schema.
#[derive(Debug)]
struct Plan {
    /// The schema without the fields that are moved, and the places of those that stay; `None` where they are copied.
    left: Option<(SchemaRef, Vec<usize>)>,
    /// Place and schema of the field for each header; `None` where there is no such field.
    sources: Vec<Option<(usize, SchemaRef)>>,
}

/// What records become.
struct Outcome {
    column: Column,
    /// Values of each header.
    headers: Vec<Column>,
    errors: Vec<RowError>,
}

impl FieldTransform for HeaderFrom {
    const KEY_CLASS: &'static str = "org.apache.kafka.connect.transforms.HeaderFrom$Key";
    const VALUE_CLASS: &'static str = "org.apache.kafka.connect.transforms.HeaderFrom$Value";

    fn config_def() -> ConfigDef {
        let list = |name, doc| {
            ConfigKey::new(name, ConfigType::List, Default::Required, Importance::High, doc)
                .checked(is_non_empty_list)
        };
        let operation = ConfigKey::new(
            OPERATION,
            ConfigType::String,
            Default::Required,
            Importance::High,
            "move takes the fields out of the record, copy leaves them there.",
        );
        ConfigDef::default()
            .key(list(FIELDS, "Fields whose values become headers."))
            .key(list(HEADERS, "Names of the headers, one for each field, in the same order."))
            .key(operation.checked(|value| validators::one_of(value, &["move", "copy"])))
            .key(replace_null_key())
    }

    fn create(config: Config) -> Result<HeaderFrom> {
        let (fields, headers) = (config.list(FIELDS), config.list(HEADERS));
        if fields.len() != headers.len() {
            return Err(Error::config(format!(
                "'{FIELDS}' config must have the same number of elements as '{HEADERS}' config."
            )));
        }
        let names = Names {
            pairs: fields.iter().cloned().zip(headers.iter().cloned()).collect(),
            is_move: config.string(OPERATION) == "move",
        };
        let null_is_default = config.boolean(REPLACE_NULL);
        Ok(HeaderFrom { names, null_is_default, plans: SchemaCache::default() })
    }

    fn apply(&mut self, part: Part, mut records: Records, out: &mut Transformed) -> Result<()> {
        let names = &self.names;
        let purpose = if names.is_move { "header move" } else { "header copy" };
        let column = part.of(&records);
        let Outcome { column, headers, errors } = match Form::of(column) {
            Form::Structs(schema, structs) => {
                let plan = self.plans.get(schema, |schema| names.plan(schema))?;
                let mut errors = structs::null_rows(structs, |row| requirements::structure(row, purpose));
                let (left, headers) = plan.carry_out(structs, self.null_is_default, &mut errors)?;
                Outcome { column: left.unwrap_or_else(|| column.clone()), headers, errors }
            }
            Form::Typed(_) => Outcome {
                column: column.clone(),
                headers: Vec::new(),
                errors: requirements::structures(column, purpose),
            },
            Form::Objects(objects) => names.of_objects(objects, column, purpose),
            Form::Untyped => names.of_rows(column, purpose),
        };
        for ((_, name), values) in names.pairs.iter().zip(headers) {
            records.columns.headers.push(header(name, values));
        }
        part.replace(records, column, errors, out);
        Ok(())
    }
}

/// `transforms.util.NonEmptyListValidator`.
fn is_non_empty_list(value: &ConfigValue) -> Result<(), String> {
    match value {
        ConfigValue::List(items) if !items.is_empty() => Ok(()),
        _ => Err("Empty list".to_owned()),
    }
}

/// The same header in every record, with values of its own.
fn header(name: &str, values: Column) -> HeaderPart {
    let rows = values.len();
    let bounds = (0..=rows as u32).collect();
    let keys = repeated(name, rows).to_binary_view();
    let values = HeaderValues::Connect(ConnectHeaders::of_segments(vec![values]));
    HeaderPart::Each(HeaderColumns::new(bounds, keys, values))
}

impl Names {
    fn is_named(&self, field: &str) -> bool {
        self.pairs.iter().any(|(name, _)| name == field)
    }

    fn plan(&self, schema: &SchemaRef) -> Result<Plan> {
        let fields = schema.fields();
        let left = if self.is_move {
            let mut kept = FieldsBuilder::default();
            let mut places = Vec::new();
            for (place, field) in fields.iter().enumerate().filter(|(_, field)| !self.is_named(&field.name)) {
                kept.push(Arc::clone(&field.name), Arc::clone(&field.schema))?;
                places.push(place);
            }
            Some((Arc::new(with_basics_of(schema, kept.finish())), places))
        } else {
            None
        };
        let source = |(name, _): &(String, String)| {
            let place = fields.iter().position(|field| *field.name == **name)?;
            Some((place, Arc::clone(&fields[place].schema)))
        };
        Ok(Plan { left, sources: self.pairs.iter().map(source).collect() })
    }

    fn of_objects(&self, objects: &StructArray, column: &Column, purpose: &str) -> Outcome {
        let rows = objects.len();
        let headers = self.pairs.iter().map(|(name, _)| match structs::place_of(objects, name) {
            Some(index) => Column { schema: None, data: Data::Array(Arc::clone(objects.column(index))) },
            None => Column::null(rows),
        });
        let headers = headers.collect();
        let column = if self.is_move {
            let left: Vec<(&String, ArrayRef)> = objects
                .fields()
                .iter()
                .zip(objects.columns())
                .filter(|(field, _)| !self.is_named(field.name()))
                .map(|(field, array)| (field.name(), Arc::clone(array)))
                .collect();
            Column { schema: None, data: Data::Array(structs::of(left, rows, objects.nulls())) }
        } else {
            column.clone()
        };
        let errors = structs::null_rows(objects, |row| requirements::map(row, purpose));
        Outcome { column, headers, errors }
    }

    fn of_rows(&self, column: &Column, purpose: &str) -> Outcome {
        let mut errors = Vec::new();
        let mut left = RowsBuilder::new();
        let mut headers: Vec<_> = self.pairs.iter().map(|_| RowsBuilder::new()).collect();
        for row in 0..column.len() {
            let value = column.row(row);
            let pushed = self.push_row(&mut left, &mut headers, value, purpose);
            let is_bad = pushed.is_err();
            errors.extend(pushed.err().map(|error| RowError { row, error }));
            for builder in std::iter::once(&mut left).chain(&mut headers) {
                if is_bad {
                    builder.abandon_row();
                    builder.null();
                }
                builder.finish_row();
            }
        }
        let finished = |rows: &mut RowsBuilder| Column { schema: None, data: Data::Rows(rows.finish()) };
        let headers = headers.iter_mut().map(finished).collect();
        let column = if self.is_move { finished(&mut left) } else { column.clone() };
        Outcome { column, headers, errors }
    }

    fn push_row(
        &self,
        left: &mut RowsBuilder,
        headers: &mut [RowsBuilder],
        value: ValueRef<'_>,
        purpose: &str,
    ) -> Result<()> {
        let ValueRef::Map(map) = value else { return Err(requirements::map(value, purpose)) };
        for ((name, _), header) in self.pairs.iter().zip(headers) {
            header.value(map.get(name).unwrap_or(ValueRef::Null))?;
        }
        if !self.is_move {
            left.null();
            return Ok(());
        }
        left.begin_object()?;
        for (key, value) in map.iter() {
            let name = requirements::text_key(key)?;
            if !self.is_named(name) {
                left.key(name);
                left.value(value)?;
            }
        }
        left.end_object();
        Ok(())
    }
}

impl Plan {
    /// The structs without what is moved, if it is, and the values of the headers.
    fn carry_out(
        &self,
        structs: &StructArray,
        null_is_default: bool,
        errors: &mut Vec<RowError>,
    ) -> Result<(Option<Column>, Vec<Column>)> {
        let rows = structs.len();
        let left = match &self.left {
            Some((left, places)) => {
                let fields = left.fields().iter().zip(places);
                let arrays = fields
                    .map(|(field, place)| {
                        let from = (&field.schema, *place);
                        let array = structs::copied(structs, from, field, null_is_default, errors)?;
                        Ok((&field.name, array))
                    })
                    .collect::<Result<Vec<_>>>()?;
                let data = Data::Array(structs::of(arrays, rows, structs.nulls()));
                Some(Column { schema: Some(Arc::clone(left)), data })
            }
            None => None,
        };
        let mut headers = Vec::with_capacity(self.sources.len());
        for source in &self.sources {
            let Some((place, schema)) = source else {
                let error = no_field();
                errors.extend((0..rows).map(|row| RowError { row, error: error.clone() }));
                break;
            };
            let array = structs.column(*place);
            let array = if null_is_default {
                structs::with_default(schema, array, structs.nulls())?
            } else {
                Arc::clone(array)
            };
            check_header(schema, array.as_ref(), errors);
            headers.push(Column { schema: Some(Arc::clone(schema)), data: Data::Array(array) });
        }
        Ok((left, headers))
    }
}

/// A header's schema has to allow null where its value is (`ConnectHeaders#checkSchemaMatches`).
fn check_header(schema: &Schema, array: &dyn Array, errors: &mut Vec<RowError>) {
    let Some(nulls) = array.logical_nulls().filter(|nulls| !schema.optional && nulls.null_count() > 0) else {
        return;
    };
    let name = schema.name.as_ref().map(|name| format!("{name}:")).unwrap_or_default();
    let kind = schema.kind.java_name();
    let error =
        Error::bad_record(format!("A null value requires an optional schema but was Schema{{{name}{kind}}}"));
    let failed = (0..array.len()).filter(|row| nulls.is_null(*row));
    errors.extend(failed.map(|row| RowError { row, error: error.clone() }));
}

/// What Java says when it takes the schema of a field that there is not.
fn no_field() -> Error {
    Error::bad_record(
        "Cannot invoke \"org.apache.kafka.connect.data.Field.schema()\" because the return value of \
         \"org.apache.kafka.connect.data.Schema.field(String)\" is null",
    )
    .with_java_class("java.lang.NullPointerException")
}

#[cfg(test)]
mod tests;
