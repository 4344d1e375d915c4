//! ReplaceField: leaves out fields and renames them.

use std::sync::Arc;

use api::config_def::{Config, ConfigDef, ConfigKey, ConfigType, ConfigValue, Default, Importance, ListRule};
use api::value::MapRef;
use api::{
    Column, Data, Error, Field, Records, Result, RowError, RowsBuilder, SchemaRef, Transformed, ValueRef,
    java_map,
};
use arrow_array::{Array, ArrayRef, StructArray};

use super::field::schemas::{FieldsBuilder, SchemaCache, with_basics_of};
use super::field::{
    FieldTransform, Form, Part, REPLACE_NULL, pass_nulls, replace_null_key, requirements, structs,
};
use super::objects;

const EXCLUDE: &str = "exclude";
const INCLUDE: &str = "include";
const RENAMES: &str = "renames";
const PURPOSE: &str = "field replacement";

/// `org.apache.kafka.connect.transforms.ReplaceField`.
#[derive(Debug)]
pub(super) struct ReplaceField {
    names: Names,
    null_is_default: bool,
    plans: SchemaCache<Plan>,
}

/// Which fields stay, and under which names.
#[derive(Debug)]
struct Names {
    exclude: Vec<String>,
    include: Vec<String>,
    /// From old to new, in the order of Java's map.
    renames: Vec<(String, String)>,
}

/// What becomes of structs of one schema.
#[derive(Debug)]
struct Plan {
    schema: SchemaRef,
    /// For each of its fields the place and the schema of the one that its values come from.
    sources: Vec<(usize, SchemaRef)>,
}

impl FieldTransform for ReplaceField {
    const KEY_CLASS: &'static str = "org.apache.kafka.connect.transforms.ReplaceField$Key";
    const VALUE_CLASS: &'static str = "org.apache.kafka.connect.transforms.ReplaceField$Value";

    fn config_def() -> ConfigDef {
        let list =
            |name, doc| ConfigKey::new(name, ConfigType::List, Default::Value(""), Importance::Medium, doc);
        ConfigDef::default()
            .key(
                list(EXCLUDE, "Fields to leave out, even where they are to be included.")
                    .listed(ListRule::ANY),
            )
            .key(
                list(INCLUDE, "Fields to keep; all others are left out. Without any, all fields are kept.")
                    .listed(ListRule::ANY),
            )
            .key(
                list(RENAMES, "New names for fields: pairs of old and new name with a colon in between.")
                    .checked(|value| match value {
                        ConfigValue::List(mappings) => parse_renames(mappings).map(drop),
                        _ => Ok(()),
                    }),
            )
            .key(replace_null_key())
    }

    fn create(config: Config) -> Result<ReplaceField> {
        let names = Names {
            exclude: config.list(EXCLUDE).to_vec(),
            include: config.list(INCLUDE).to_vec(),
            renames: parse_renames(config.list(RENAMES)).map_err(Error::config)?,
        };
        let null_is_default = config.boolean(REPLACE_NULL);
        Ok(ReplaceField { names, null_is_default, plans: SchemaCache::default() })
    }

    fn apply(&mut self, part: Part, records: Records, out: &mut Transformed) -> Result<()> {
        pass_nulls(part, records, out, |records, out| {
            let column = part.of(&records);
            let (replaced, errors) = match Form::of(column) {
                Form::Structs(schema, structs) => {
                    let names = &self.names;
                    let plan = self.plans.get(schema, |schema| names.plan(schema))?;
                    plan.carry_out(structs, self.null_is_default)?
                }
                Form::Typed(_) => (column.clone(), requirements::structures(column, PURPOSE)),
                Form::Objects(objects) => (self.names.of_objects(objects), Vec::new()),
                Form::Untyped => self.names.of_rows(column),
            };
            part.replace(records, replaced, errors, out);
            Ok(())
        })
    }
}

/// As `String#split`, which drops empty texts at the end.
fn parse_renames(mappings: &[String]) -> Result<Vec<(String, String)>, String> {
    let mut renames: Vec<(String, String)> = Vec::new();
    for mapping in mappings {
        let (from, to) = mapping
            .trim_end_matches(':')
            .split_once(':')
            .filter(|(_, to)| !to.contains(':'))
            .ok_or_else(|| format!("Invalid rename mapping: {mapping}"))?;
        match renames.iter_mut().find(|(known, _)| known == from) {
            Some((_, known)) => to.clone_into(known),
            None => renames.push((from.to_owned(), to.to_owned())),
        }
    }
    java_map::sort(&mut renames, |(from, _)| java_map::string_hash(from));
    Ok(renames)
}

impl Names {
    fn is_kept(&self, name: &str) -> bool {
        let is_in = |names: &[String]| names.iter().any(|other| other == name);
        !is_in(&self.exclude) && (self.include.is_empty() || is_in(&self.include))
    }

    fn renamed<'a>(&'a self, name: &'a str) -> &'a str {
        self.renames.iter().find(|(from, _)| from == name).map_or(name, |(_, to)| to)
    }

    /// The old name of a new one. Java looks it up in a map that the pairs are put into in turn, so the last one counts.
    fn original<'a>(&'a self, name: &'a str) -> &'a str {
        self.renames.iter().rfind(|(_, to)| to == name).map_or(name, |(from, _)| from)
    }

    /// Java goes by the new names: a field whose name is also the new name of another one gets the values of that.
    fn plan(&self, schema: &SchemaRef) -> Result<Plan> {
        let old = schema.fields();
        let mut fields = FieldsBuilder::default();
        for field in old.iter().filter(|field| self.is_kept(&field.name)) {
            fields.push(self.renamed(&field.name).into(), Arc::clone(&field.schema))?;
        }
        let schema = Arc::new(with_basics_of(schema, fields.finish()));
        let source = |field: &Field| {
            let name = self.original(&field.name);
            let index = old
                .iter()
                .position(|field| &*field.name == name)
                .ok_or_else(|| requirements::unknown_field(name))?;
            Ok((index, Arc::clone(&old[index].schema)))
        };
        let sources = schema.fields().iter().map(source).collect::<Result<_>>()?;
        Ok(Plan { schema, sources })
    }

    fn of_objects(&self, objects: &StructArray) -> Column {
        let mut fields: Vec<(&str, usize)> = Vec::new();
        for (index, field) in objects.fields().iter().enumerate() {
            if !self.is_kept(field.name()) {
                continue;
            }
            let name = self.renamed(field.name());
            match fields.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => {
                    // Of two under one name Java has the one that its map gives last.
                    let place = |index: usize| {
                        let hash = java_map::string_hash(objects.fields()[index].name());
                        java_map::bucket(hash, java_map::capacity(objects.num_columns()))
                    };
                    if place(index) >= place(*known) {
                        *known = index;
                    }
                }
                None => fields.push((name, index)),
            }
        }
        let arrays = fields.into_iter().map(|(name, index)| (name, Arc::clone(objects.column(index))));
        Column { schema: None, data: Data::Array(structs::of(arrays, objects.len(), objects.nulls())) }
    }

    fn of_rows(&self, column: &Column) -> (Column, Vec<RowError>) {
        objects::map_rows(column, |rows, _row, value| match value {
            ValueRef::Null => {
                rows.null();
                Ok(())
            }
            ValueRef::Map(map) => self.push_object(rows, map),
            other => Err(requirements::map(other, PURPOSE)),
        })
    }

    fn push_object(&self, rows: &mut RowsBuilder, map: MapRef<'_>) -> Result<()> {
        rows.begin_object()?;
        let mut push = |key: ValueRef<'_>, value: ValueRef<'_>| {
            let name = requirements::text_key(key)?;
            if self.is_kept(name) {
                rows.key(self.renamed(name));
                rows.value(value)?;
            }
            Ok(())
        };
        let is_contested = self.renames.iter().any(|(from, to)| {
            map.get(from).is_some()
                && (map.get(to).is_some()
                    || self.renames.iter().any(|other| other.1 == *to && other.0 != *from))
        });
        if is_contested {
            // Of two under one name Java has the one that its map gives last.
            map.try_each_in_java_order(None, push)?;
        } else {
            map.iter().try_for_each(|(key, value)| push(key, value))?;
        }
        rows.end_object();
        Ok(())
    }
}

impl Plan {
    fn carry_out(&self, structs: &StructArray, null_is_default: bool) -> Result<(Column, Vec<RowError>)> {
        let mut errors = Vec::new();
        let fields = self.schema.fields().iter().zip(&self.sources);
        let arrays = fields
            .map(|(field, (index, from))| {
                let array = structs::copied(structs, (from, *index), field, null_is_default, &mut errors)?;
                Ok((&field.name, array))
            })
            .collect::<Result<Vec<(_, ArrayRef)>>>()?;
        let data = Data::Array(structs::of(arrays, structs.len(), structs.nulls()));
        Ok((Column { schema: Some(Arc::clone(&self.schema)), data }, errors))
    }
}

#[cfg(test)]
mod tests;
