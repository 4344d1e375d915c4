//! Runs of records in the notation of the vectors, in every form in which a transform may meet them.

use std::sync::Arc;

use api::{
    Body, Column, ColumnBuilder, Columns, ConnectHeaders, Data, Field, HeaderColumns, HeaderPart, HeaderRef,
    HeaderValueRef, HeaderValues, Headers, KafkaOffsets, Origin, Records, Run, Schema, SchemaRef,
    SourceOffsets, SourcePartition, Timestamps, TopicPartition, Touches, Type, Value,
};
use arrow_array::BinaryViewArray;
use serde_json::Value as Json;

use super::notation::{canonical, canonical_schema, carried, schema, value};

/// Records of one topic, partition and schema as a line of the vectors has them.
#[derive(Debug)]
pub(crate) struct Given {
    topic: Arc<str>,
    partition: Option<i32>,
    offset: i64,
    is_sink: bool,
    key: Side,
    value: Side,
    timestamps: Vec<Option<i64>>,
    headers: Vec<Vec<Json>>,
}

/// Keys or values.
#[derive(Debug)]
struct Side {
    schema: Option<SchemaRef>,
    values: Vec<Value>,
}

/// How values that have no schema are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// On a tape.
    Tape,
    /// As one struct array, as JSON records of one shape are.
    Objects,
}

/// What stands for a part that nobody asked for.
const NOT_DECODED: &str = "not decoded";

impl Given {
    pub(crate) fn of(line: &Json) -> Given {
        let rows = line["rows"].as_array().unwrap();
        let side = |name: &str, index: usize| {
            let schema = line.get(name).and_then(schema);
            let values = rows.iter().map(|row| value(schema.as_ref(), &row[index])).collect();
            Side { schema, values }
        };
        let is_sink = line.get("sink").is_some();
        Given {
            topic: line["t"].as_str().unwrap().into(),
            partition: line.get("p").map(|partition| partition.as_i64().unwrap() as i32),
            offset: line[if is_sink { "sink" } else { "source" }].as_i64().unwrap(),
            is_sink,
            key: side("ks", 0),
            value: side("vs", 1),
            timestamps: rows.iter().map(|row| row.get(2).and_then(Json::as_i64)).collect(),
            headers: rows
                .iter()
                .map(|row| row.get(3).map_or(Vec::new(), |headers| headers.as_array().unwrap().clone()))
                .collect(),
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.timestamps.len()
    }

    /// The records `times` one after another, with what is not touched as bytes; `None` where they cannot be held in that form.
    pub(crate) fn records(&self, touches: Touches, form: Form, times: usize) -> Option<Records> {
        let rows = self.rows() * times;
        let sides = [(&self.key, touches.key), (&self.value, touches.value)];
        if form == Form::Objects
            && sides.iter().all(|(side, is_touched)| !is_touched || side.schema.is_some())
        {
            return None;
        }
        let part = |side: &Side, is_touched: bool| match is_touched {
            true => side.column(form, times),
            false => Some(Column::raw(BinaryViewArray::from_iter_values((0..rows).map(|_| NOT_DECODED)))),
        };
        let columns = Columns {
            key: part(&self.key, touches.key)?,
            value: part(&self.value, touches.value)?,
            headers: self.headers(touches.headers, times),
            timestamps: self.timestamps(times),
        };
        let origin = if self.is_sink {
            let from = TopicPartition { topic: Arc::clone(&self.topic), partition: self.partition.unwrap() };
            let deltas = (0..rows).map(|row| (row % self.rows()) as i32).collect();
            let next = self.offset + self.rows() as i64;
            Origin::Kafka { from, offsets: KafkaOffsets { base: self.offset, deltas: Some(deltas), next } }
        } else {
            let values = (0..rows).map(|row| self.offset + (row % self.rows()) as i64).collect();
            let offsets = SourceOffsets::Long { field: "row".into(), values };
            Origin::Source { partition: SourcePartition::none(), offsets }
        };
        let run = Run {
            topic: Arc::clone(&self.topic),
            partition: self.partition,
            origin,
            body: Body::Columns(columns),
        };
        Records::of_run(run)
    }

    fn timestamps(&self, times: usize) -> Timestamps {
        let first = self.timestamps[0];
        match (self.timestamps.iter().all(|timestamp| *timestamp == first), first) {
            (true, None) => Timestamps::None,
            (true, Some(timestamp)) => Timestamps::Same(timestamp),
            (false, _) => {
                let each = self.timestamps.iter().map(|timestamp| timestamp.unwrap_or(Timestamps::ABSENT));
                Timestamps::Each(each.collect::<Vec<_>>().repeat(times).into())
            }
        }
    }

    fn headers(&self, is_touched: bool, times: usize) -> Headers {
        let rows = || self.headers.iter().cycle().take(self.rows() * times);
        let all: Vec<&Json> = rows().flatten().collect();
        if all.is_empty() {
            return Headers::none();
        }
        let bounds = std::iter::once(0)
            .chain(rows().scan(0, |end, headers| {
                *end += headers.len() as u32;
                Some(*end)
            }))
            .collect();
        let keys = BinaryViewArray::from_iter_values(all.iter().map(|header| header[0].as_str().unwrap()));
        let values = if is_touched {
            HeaderValues::Connect(ConnectHeaders::of_segments(
                all.iter()
                    .map(|header| {
                        let schema = schema(&header[1]);
                        let value = value(schema.as_ref(), &header[2]);
                        Side { schema, values: vec![value] }.column(Form::Tape, 1).unwrap()
                    })
                    .collect(),
            ))
        } else {
            HeaderValues::Raw(BinaryViewArray::from_iter_values(all.iter().map(ToString::to_string)))
        };
        Headers::of_parts(vec![HeaderPart::Each(HeaderColumns::new(bounds, keys, values))])
    }

    /// What Java made of a row: its output is what has changed.
    pub(crate) fn expected(
        &self,
        row: usize,
        changes: &Json,
        schemas: &[Option<SchemaRef>],
        touches: Touches,
    ) -> String {
        let part = |name: &str, side: &Side, is_touched: bool| {
            let changed_schema = changes.get(format!("{name}s"));
            let changed = changes.get(name);
            if !is_touched && changed.is_none() && changed_schema.is_none() {
                return NOT_DECODED.to_owned();
            }
            let schema = match changed_schema.map(|index| index.as_i64().unwrap()) {
                Some(-1) => None,
                Some(index) => schemas[index as usize].clone(),
                None => side.schema.clone(),
            };
            let value = changed.map_or_else(|| side.values[row].clone(), |json| value(schema.as_ref(), json));
            described(schema.as_ref(), &value)
        };
        let topic = changes.get("t").map_or(&*self.topic, |topic| topic.as_str().unwrap());
        let partition = changes.get("p").map_or(self.partition, |p| p.as_i64().map(|p| p as i32));
        let timestamp = changes.get("ts").map_or(self.timestamps[row], Json::as_i64);
        let headers = changes.get("h").map_or(&self.headers[row], |headers| headers.as_array().unwrap());
        let headers: Vec<_> = headers.iter().map(described_header).collect();
        let (key, value) = (part("k", &self.key, touches.key), part("v", &self.value, touches.value));
        format!("{topic} {partition:?} {timestamp:?} {headers:?} key {key} value {value}")
    }

    /// A record that came out, and the place of the one that went in, as its origin says.
    pub(crate) fn found(&self, records: &Records, row: usize) -> (usize, String) {
        let offset = match records.origin() {
            Origin::Kafka { offsets, .. } => offsets.get(row),
            Origin::Source { offsets, .. } => match offsets.get(row).unwrap().remove(0).1 {
                Value::Int64(offset) => offset,
                other => panic!("an offset is {other:?}"),
            },
        };
        let part = |column: &Column| match &column.data {
            Data::Raw(bytes) => String::from_utf8(bytes.value(row).to_vec()).unwrap(),
            _ => {
                let schema = column.schema.as_ref();
                described(schema, &carried(schema, column.row(row)))
            }
        };
        let Columns { key, value, headers, timestamps } = &records.columns;
        let headers: Vec<_> = headers.iter(row).map(found_header).collect();
        let (topic, partition, timestamp) = (&records.topic, records.partition, timestamps.get(row));
        let (key, value) = (part(key), part(value));
        let text = format!("{topic} {partition:?} {timestamp:?} {headers:?} key {key} value {value}");
        ((offset - self.offset) as usize, text)
    }
}

impl Side {
    fn column(&self, form: Form, times: usize) -> Option<Column> {
        let rows = self.values.len() * times;
        let is_null = self.values.iter().all(|value| *value == Value::Null);
        if self.schema.is_none() && is_null {
            return (form == Form::Tape).then(|| Column::null(rows));
        }
        let (schema, values) = match (&self.schema, form) {
            (None, Form::Objects) => {
                let shape = shape(&self.values.iter().collect::<Vec<_>>())?;
                let values = self.values.iter().map(|value| shaped(&shape, value)).collect();
                (Some(shape), values)
            }
            (schema, _) => (schema.clone(), self.values.clone()),
        };
        let mut builder = ColumnBuilder::new(schema);
        for value in values.iter().cycle().take(rows) {
            match value {
                Value::Null => builder.push_null(),
                value => builder.push(value.as_value_ref()).ok()?,
            }
        }
        let column = builder.finish().unwrap();
        Some(Column { schema: self.schema.clone(), ..column })
    }
}

/// The schema that the arrays of values without one have, if they all are alike.
fn shape(values: &[&Value]) -> Option<SchemaRef> {
    let mut present = values.iter().filter(|value| ***value != Value::Null).peekable();
    let kind = match present.peek() {
        None | Some(Value::String(_)) => Type::String,
        Some(Value::Boolean(_)) => Type::Boolean,
        Some(Value::Int64(_)) => Type::Int64,
        Some(Value::Float64(_)) => Type::Float64,
        Some(Value::Array(_)) => {
            let items: Option<Vec<_>> = present
                .clone()
                .map(|list| if let Value::Array(items) = list { Some(items) } else { None })
                .collect();
            Type::Array(Some(shape(&items?.into_iter().flatten().collect::<Vec<_>>())?))
        }
        Some(Value::Map(first)) => {
            let maps: Option<Vec<_>> = present
                .clone()
                .map(|map| if let Value::Map(entries) = map { Some(entries) } else { None })
                .collect();
            let maps = maps?;
            let keys =
                |entries: &[(Value, Value)]| entries.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>();
            if maps.iter().any(|entries| keys(entries) != keys(first)) {
                return None;
            }
            let field = |(index, (key, _)): (usize, &(Value, Value))| {
                let Value::String(name) = key else { return None };
                let schema = shape(&maps.iter().map(|entries| &entries[index].1).collect::<Vec<_>>())?;
                Some(Field { name: name.as_str().into(), schema })
            };
            Type::Struct(first.iter().enumerate().map(field).collect::<Option<_>>()?)
        }
        Some(_) => return None,
    };
    let is_same = |value: &&Value| {
        matches!(
            (&kind, *value),
            (Type::String, Value::String(_))
                | (Type::Boolean, Value::Boolean(_))
                | (Type::Int64, Value::Int64(_))
                | (Type::Float64, Value::Float64(_))
                | (Type::Array(_), Value::Array(_))
                | (Type::Struct(_), Value::Map(_))
        )
    };
    present.all(is_same).then(|| Arc::new(Schema::new(kind.clone()).optional()))
}

fn shaped(shape: &SchemaRef, value: &Value) -> Value {
    match (&shape.kind, value) {
        (Type::Array(Some(items)), Value::Array(list)) => {
            Value::Array(list.iter().map(|item| shaped(items, item)).collect())
        }
        (Type::Struct(fields), Value::Map(entries)) => {
            let values = fields.iter().zip(entries).map(|(field, (_, value))| shaped(&field.schema, value));
            Value::Struct(Arc::clone(shape), values.collect())
        }
        (_, value) => value.clone(),
    }
}

fn described(schema: Option<&SchemaRef>, value: &Value) -> String {
    format!("{} of {}", canonical(value), canonical_schema(schema))
}

fn described_header(header: &Json) -> String {
    let schema = schema(&header[1]);
    let value = described(schema.as_ref(), &value(schema.as_ref(), &header[2]));
    format!("{}={value}", header[0].as_str().unwrap())
}

fn found_header(header: HeaderRef<'_>) -> String {
    match header.value {
        HeaderValueRef::Raw(bytes) => described_header(&serde_json::from_slice(bytes.unwrap()).unwrap()),
        HeaderValueRef::Connect(schema, value) => {
            let key = String::from_utf8(header.key.to_vec()).unwrap();
            format!("{key}={}", described(schema, &carried(schema, value)))
        }
    }
}
