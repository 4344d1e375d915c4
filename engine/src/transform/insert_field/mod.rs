//! InsertField: adds what is known of a record, or a fixed text, as fields.

use std::sync::Arc;

use api::config_def::{Config, ConfigDef, ConfigKey, ConfigType, Default, Importance};
use api::value::MapRef;
use api::views::repeated;
use api::{
    Column, Data, Error, KafkaOffsets, Origin, Records, Result, RowError, RowsBuilder, Schema, SchemaRef,
    Timestamps, Transformed, Type, ValueRef,
};
use arrow_array::{Array, ArrayRef, Int32Array, Int64Array, StructArray};
use arrow_buffer::{BooleanBuffer, NullBuffer};

use super::field::schemas::{FieldsBuilder, SchemaCache, with_basics_of};
use super::field::{
    FieldTransform, Form, Part, REPLACE_NULL, each_stretch, pass_nulls, replace_null_key, requirements,
    structs,
};
use super::objects;

const TOPIC_FIELD: &str = "topic.field";
const PARTITION_FIELD: &str = "partition.field";
const OFFSET_FIELD: &str = "offset.field";
const TIMESTAMP_FIELD: &str = "timestamp.field";
const STATIC_FIELD: &str = "static.field";
const STATIC_VALUE: &str = "static.value";
const PURPOSE: &str = "field insertion";

/// `org.apache.kafka.connect.transforms.InsertField`.
#[derive(Debug)]
pub(super) struct InsertField {
    /// In the order in which they are added.
    insertions: Vec<Insertion>,
    null_is_default: bool,
    schemas: SchemaCache<SchemaRef>,
}

/// One field to add.
#[derive(Debug)]
struct Insertion {
    name: Arc<str>,
    is_optional: bool,
    source: Source,
}

/// Where its value comes from.
#[derive(Debug, PartialEq)]
enum Source {
    Topic,
    Partition,
    Offset,
    Timestamp,
    Static(String),
}

impl FieldTransform for InsertField {
    const KEY_CLASS: &'static str = "org.apache.kafka.connect.transforms.InsertField$Key";
    const VALUE_CLASS: &'static str = "org.apache.kafka.connect.transforms.InsertField$Value";

    fn config_def() -> ConfigDef {
        let text =
            |name, doc| ConfigKey::new(name, ConfigType::String, Default::Null, Importance::Medium, doc);
        ConfigDef::default()
            .key(text(
                TOPIC_FIELD,
                "Field for the topic. With ! at its end the field is required, with ? or neither it is optional.",
            ))
            .key(text(
                PARTITION_FIELD,
                "Field for the partition. With ! at its end the field is required, with ? or neither it is optional.",
            ))
            .key(text(
                OFFSET_FIELD,
                "Field for the offset of a record that a sink gets. With ! at its end the field is required, with ? or neither it is \
                 optional.",
            ))
            .key(text(
                TIMESTAMP_FIELD,
                "Field for the timestamp. With ! at its end the field is required, with ? or neither it is optional.",
            ))
            .key(text(
                STATIC_FIELD,
                "Field for a fixed text. With ! at its end the field is required, with ? or neither it is optional.",
            ))
            .key(text(STATIC_VALUE, "The fixed text, which the field for it needs."))
            .key(replace_null_key())
    }

    fn create(config: Config) -> Result<InsertField> {
        let value = config.string_or_null(STATIC_VALUE);
        let named = |key, source| Some(Insertion::parse(config.string_or_null(key)?, source));
        let fixed = match (config.string_or_null(STATIC_FIELD), value) {
            (Some(field), None) => {
                return Err(Error::config(format!(
                    "Invalid value null for configuration {STATIC_VALUE}: No value specified for static field: {field}"
                )));
            }
            (Some(field), Some(value)) => Some(Insertion::parse(field, Source::Static(value.to_owned()))),
            (None, _) => None,
        };
        let insertions: Vec<_> = [
            named(TOPIC_FIELD, Source::Topic),
            named(PARTITION_FIELD, Source::Partition),
            named(OFFSET_FIELD, Source::Offset),
            named(TIMESTAMP_FIELD, Source::Timestamp),
            fixed,
        ]
        .into_iter()
        .flatten()
        .collect();
        if insertions.is_empty() {
            return Err(Error::config("No field insertion configured"));
        }
        let null_is_default = config.boolean(REPLACE_NULL);
        Ok(InsertField { insertions, null_is_default, schemas: SchemaCache::default() })
    }

    fn apply(&mut self, part: Part, records: Records, out: &mut Transformed) -> Result<()> {
        pass_nulls(part, records, out, |records, out| {
            let column = part.of(&records);
            let (inserted, errors) = match Form::of(column) {
                Form::Structs(schema, structs) => self.on_structs(&records, schema, structs)?,
                Form::Typed(_) => (column.clone(), requirements::structures(column, PURPOSE)),
                Form::Objects(_) => return self.on_objects(part, records, out),
                Form::Untyped => self.on_rows(&records, column),
            };
            part.replace(records, inserted, errors, out);
            Ok(())
        })
    }
}

impl Insertion {
    fn parse(spec: &str, source: Source) -> Insertion {
        let (name, is_optional) = match spec.strip_suffix('!') {
            Some(name) => (name, false),
            None => (spec.strip_suffix('?').unwrap_or(spec), true),
        };
        Insertion { name: name.into(), is_optional, source }
    }

    fn schema(&self) -> Schema {
        let schema = match self.source {
            Source::Topic | Source::Static(_) => Schema::new(Type::String),
            Source::Partition => Schema::new(Type::Int32),
            Source::Offset => Schema::new(Type::Int64),
            Source::Timestamp => Schema::timestamp(),
        };
        Schema { optional: self.is_optional, ..schema }
    }

    /// The value for each record; null where it has none. Offsets of what comes from a source are none that Kafka knows.
    fn array(&self, records: &Records) -> ArrayRef {
        let rows = records.len();
        match &self.source {
            Source::Topic => Arc::new(repeated(&records.topic, rows)),
            Source::Static(text) => Arc::new(repeated(text, rows)),
            Source::Partition => Arc::new(match records.partition {
                Some(partition) => Int32Array::from_value(partition, rows),
                None => Int32Array::new_null(rows),
            }),
            Source::Offset => Arc::new(match offsets_of(records) {
                Some(offsets) => (0..rows).map(|row| offsets.get(row)).collect(),
                None => Int64Array::new_null(rows),
            }),
            Source::Timestamp => Arc::new(match &records.columns.timestamps {
                Timestamps::Each(values) => {
                    let is_there = |row: usize| values[row] != Timestamps::ABSENT;
                    let nulls = NullBuffer::new(BooleanBuffer::collect_bool(rows, is_there));
                    Int64Array::new(values.clone(), Some(nulls).filter(|nulls| nulls.null_count() > 0))
                }
                Timestamps::Same(timestamp) if *timestamp != Timestamps::ABSENT => {
                    Int64Array::from_value(*timestamp, rows)
                }
                Timestamps::Same(_) | Timestamps::None => Int64Array::new_null(rows),
            }),
        }
    }

    /// The value for one record; `None` where it has none.
    fn value<'a>(&'a self, records: &'a Records, row: usize) -> Option<ValueRef<'a>> {
        Some(match &self.source {
            Source::Topic => ValueRef::String(&records.topic),
            Source::Static(text) => ValueRef::String(text),
            Source::Partition => ValueRef::Int32(records.partition?),
            Source::Offset => ValueRef::Int64(offsets_of(records)?.get(row)),
            Source::Timestamp => ValueRef::Int64(records.columns.timestamps.get(row)?),
        })
    }
}

impl InsertField {
    fn on_structs(
        &mut self,
        records: &Records,
        schema: &SchemaRef,
        structs: &StructArray,
    ) -> Result<(Column, Vec<RowError>)> {
        let insertions = &self.insertions;
        let inserted = self.schemas.get(schema, |schema| {
            let mut fields = FieldsBuilder::default();
            for field in schema.fields() {
                fields.push(Arc::clone(&field.name), Arc::clone(&field.schema))?;
            }
            for insertion in insertions {
                fields.push(Arc::clone(&insertion.name), Arc::new(insertion.schema()))?;
            }
            Ok(Arc::new(with_basics_of(schema, fields.finish())))
        })?;
        let mut errors = Vec::new();
        let mut arrays = Vec::with_capacity(inserted.fields().len());
        for (index, field) in schema.fields().iter().enumerate() {
            let from = (&field.schema, index);
            let array = structs::copied(structs, from, field, self.null_is_default, &mut errors)?;
            arrays.push((&*field.name, array));
        }
        if let Some(error) = fault_of(insertions, records) {
            errors.extend((0..records.len()).map(|row| RowError { row, error: error.clone() }));
        }
        arrays.extend(self.insertions.iter().map(|insertion| (&*insertion.name, insertion.array(records))));
        let data = Data::Array(structs::of(arrays, records.len(), None));
        Ok((Column { schema: Some(Arc::clone(inserted)), data }, errors))
    }

    /// Objects of one shape stay so: those with a timestamp and those without one go on apart.
    fn on_objects(&self, part: Part, records: Records, out: &mut Transformed) -> Result<()> {
        let wants_timestamp = self.insertions.iter().any(|insertion| insertion.source == Source::Timestamp);
        let timestamps = records.columns.timestamps.clone();
        let has_timestamp = |row| !wants_timestamp || timestamps.get(row).is_some();
        each_stretch(records, out, has_timestamp, |records, _, out| {
            let Form::Objects(objects) = Form::of(part.of(&records)) else {
                return Err(Error::fatal("a slice of objects is none"));
            };
            let mut fields: Vec<(&str, ArrayRef)> = objects
                .fields()
                .iter()
                .zip(objects.columns())
                .map(|(field, array)| (field.name().as_str(), Arc::clone(array)))
                .collect();
            for insertion in &self.insertions {
                let array = insertion.array(&records);
                if array.null_count() > 0 {
                    // All of them are null: the records have none.
                    continue;
                }
                match fields.iter_mut().find(|(name, _)| *name == &*insertion.name) {
                    Some((_, known)) => *known = array,
                    None => fields.push((&insertion.name, array)),
                }
            }
            let column = Column {
                schema: None,
                data: Data::Array(structs::of(fields, objects.len(), objects.nulls())),
            };
            let errors = match fault_of(&self.insertions, &records) {
                Some(error) => (0..objects.len())
                    .filter(|row| objects.is_valid(*row))
                    .map(|row| RowError { row, error: error.clone() })
                    .collect(),
                None => Vec::new(),
            };
            part.replace(records, column, errors, out);
            Ok(())
        })
    }

    fn on_rows(&self, records: &Records, column: &Column) -> (Column, Vec<RowError>) {
        let fault = fault_of(&self.insertions, records);
        objects::map_rows(column, |rows, row, value| match (value, &fault) {
            (ValueRef::Null, _) => {
                rows.null();
                Ok(())
            }
            (ValueRef::Map(_), Some(error)) => Err(error.clone()),
            (ValueRef::Map(map), None) => self.push_object(rows, map, records, row),
            (other, _) => Err(requirements::map(other, PURPOSE)),
        })
    }

    /// A field that is there already gets the new value in its place.
    fn push_object(
        &self,
        rows: &mut RowsBuilder,
        map: MapRef<'_>,
        records: &Records,
        row: usize,
    ) -> Result<()> {
        rows.begin_object()?;
        for (key, value) in map.iter() {
            rows.key(requirements::text_key(key)?);
            rows.value(value)?;
        }
        for insertion in &self.insertions {
            if let Some(value) = insertion.value(records, row) {
                rows.key(&insertion.name);
                rows.value(value)?;
            }
        }
        rows.end_object();
        Ok(())
    }
}

/// What all records fail with.
fn fault_of(insertions: &[Insertion], records: &Records) -> Option<Error> {
    let wants_offset = insertions.iter().any(|insertion| insertion.source == Source::Offset);
    (wants_offset && offsets_of(records).is_none()).then(|| {
        Error::bad_record(format!(
            "Only SinkRecord supported for [{PURPOSE}], found: org.apache.kafka.connect.source.SourceRecord"
        ))
    })
}

fn offsets_of(records: &Records) -> Option<&KafkaOffsets> {
    match records.origin() {
        Origin::Kafka { offsets, .. } => Some(offsets),
        Origin::Source { .. } => None,
    }
}

#[cfg(test)]
mod tests;
