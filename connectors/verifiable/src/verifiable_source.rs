//! Numbered records, each announced on standard output.

use std::io::Write as _;
use std::sync::Arc;

use api::config_def::{Config, ConfigDef};
use api::{
    Acknowledged, Batch, Body, Column, Columns, Data, Error, Field, Headers, Origin, Props, Result, Run,
    Schema, SchemaRef, SourceConnector, SourceContext, SourceOffsets, SourcePartition, SourceTask,
    Timestamps, Type, Value,
};
use arrow_array::{ArrayRef, Int32Array, Int64Array, StringViewArray, StructArray};
use arrow_schema::{DataType, Field as ArrowField, Fields};

use crate::pace::Pace;
use crate::{line, numbers};

/// Records of one batch where the rate allows more.
const BATCH_RECORDS_MAX: usize = 500;

const INVALID: &str = "Invalid VerifiableSourceTask configuration";

/// `org.apache.kafka.connect.tools.VerifiableSourceConnector`.
#[derive(Debug)]
pub struct VerifiableSource {
    props: Props,
}

impl SourceConnector for VerifiableSource {
    type Task = VerifiableSourceTask;
    const CLASS: &'static str = "org.apache.kafka.connect.tools.VerifiableSourceConnector";
    const TASK_CLASS: &'static str = "org.apache.kafka.connect.tools.VerifiableSourceTask";
    const VERSION: &'static str = crate::VERSION;

    fn config_def() -> ConfigDef {
        ConfigDef::default()
    }

    fn start(config: Config) -> Result<VerifiableSource> {
        Ok(VerifiableSource { props: config.originals().clone() })
    }

    fn task_props(&self, tasks_max: usize) -> Result<Vec<Props>> {
        Ok(numbers::numbered(&self.props, tasks_max))
    }

    fn create_task(props: &Props) -> Result<VerifiableSourceTask> {
        let id: i32 = numbers::number(props, "id", INVALID)?;
        let throughput = numbers::number(props, "throughput", INVALID)?;
        let topic = props.get("topic").filter(|topic| !topic.is_empty());
        let topic =
            topic.ok_or_else(|| Error::fatal(INVALID).with_source(Error::fatal("topic is missing")))?;
        Ok(VerifiableSourceTask {
            name: props.get("name").cloned(),
            id,
            topic: Arc::from(topic.as_str()),
            partition: SourcePartition::new([(Arc::from("id"), Value::Int32(id))]),
            offset_field: Arc::from("seqno"),
            value_schema: numbers::boolean(props, "complete.record.data").then(complete_schema),
            pace: Pace::new(throughput),
            next: 0,
        })
    }
}

/// Gives numbers one after another.
#[derive(Debug)]
pub struct VerifiableSourceTask {
    name: Option<String>,
    id: i32,
    topic: Arc<str>,
    partition: SourcePartition,
    offset_field: Arc<str>,
    /// Of values that say everything; plain numbers without it.
    value_schema: Option<SchemaRef>,
    pace: Pace,
    /// The number of the next record.
    next: i64,
}

impl SourceTask for VerifiableSourceTask {
    async fn start(&mut self, context: &SourceContext) -> Result<()> {
        let stored = context.offset(&self.partition).await?;
        let stored = stored.iter().flatten().find(|(field, _)| **field == *self.offset_field);
        if let Some((_, Value::Int64(last))) = stored {
            self.next = last.saturating_add(1);
        }
        Ok(())
    }

    async fn poll(&mut self) -> Result<Batch> {
        let count = self.pace.due(BATCH_RECORDS_MAX).await;
        // From here on without a wait: a record that was announced is given.
        let now_ms = line::now_ms();
        let numbers = self.next..self.next + count as i64;
        let mut lines = Vec::new();
        for number in numbers.clone() {
            self.write_line(&mut lines, number, now_ms, false);
        }
        line::print(&lines)?;
        self.pace.gave(count);
        self.next = numbers.end;
        Ok(self.batch(numbers, now_ms))
    }

    fn wants_acknowledgements(&self) -> bool {
        true
    }

    /// As Java's, it says so of records that were dropped, too.
    async fn records_acknowledged(&mut self, runs: &[Acknowledged]) -> Result<()> {
        let now_ms = line::now_ms();
        let mut lines = Vec::new();
        for told in runs {
            // The offset of a record is its number.
            let Origin::Source { offsets: SourceOffsets::Long { values, .. }, .. } = &told.run.origin else {
                continue;
            };
            for number in values {
                self.write_line(&mut lines, *number, now_ms, true);
            }
        }
        line::print(&lines)
    }
}

impl VerifiableSourceTask {
    fn write_line(&self, out: &mut Vec<u8>, number: i64, now_ms: u64, is_committed: bool) {
        let committed = if is_committed { "\"committed\":true," } else { "" };
        let id = self.id;
        write!(out, "{{{committed}\"task\":{id},\"seqno\":{number},\"time_ms\":{now_ms},\"name\":")
            .expect("writing to a vector does not fail");
        line::write_string(out, self.name.as_deref());
        out.extend_from_slice(b",\"topic\":");
        line::write_string(out, Some(&self.topic));
        out.extend_from_slice(b"}\n");
    }

    fn batch(&self, numbers: std::ops::Range<i64>, now_ms: u64) -> Batch {
        let count = (numbers.end - numbers.start) as usize;
        let key = Column {
            schema: Some(Arc::new(Schema::new(Type::Int32))),
            data: Data::Array(Arc::new(Int32Array::from(vec![self.id; count]))),
        };
        let sequence: ArrayRef = Arc::new(Int64Array::from_iter_values(numbers.clone()));
        let value = match &self.value_schema {
            None => Column { schema: Some(Arc::new(Schema::new(Type::Int64))), data: Data::Array(sequence) },
            Some(schema) => self.complete(schema, sequence, now_ms as i64),
        };
        let offsets =
            SourceOffsets::Long { field: Arc::clone(&self.offset_field), values: numbers.collect() };
        let origin = Origin::Source { partition: self.partition.clone(), offsets };
        let columns = Columns { key, value, headers: Headers::none(), timestamps: Timestamps::None };
        let run =
            Run { topic: Arc::clone(&self.topic), partition: None, origin, body: Body::Columns(columns) };
        Batch { runs: vec![run] }
    }

    fn complete(&self, schema: &SchemaRef, sequence: ArrayRef, now_ms: i64) -> Column {
        let count = sequence.len();
        let text = |text: &str| -> ArrayRef {
            Arc::new(StringViewArray::from_iter_values(std::iter::repeat_n(text, count)))
        };
        let columns = vec![
            text(self.name.as_deref().unwrap_or_default()),
            Arc::new(Int32Array::from(vec![self.id; count])),
            text(&self.topic),
            Arc::new(Int64Array::from(vec![now_ms; count])),
            sequence,
        ];
        let fields: Fields = vec![
            ArrowField::new("name", DataType::Utf8View, false),
            ArrowField::new("task", DataType::Int32, false),
            ArrowField::new("topic", DataType::Utf8View, false),
            ArrowField::new("time_ms", DataType::Int64, false),
            ArrowField::new("seqno", DataType::Int64, false),
        ]
        .into();
        let data = Data::Array(Arc::new(StructArray::new(fields, columns, None)));
        Column { schema: Some(Arc::clone(schema)), data }
    }
}

fn complete_schema() -> SchemaRef {
    let field = |name: &str, kind| Field { name: Arc::from(name), schema: Arc::new(Schema::new(kind)) };
    Arc::new(Schema::new(Type::Struct(vec![
        field("name", Type::String),
        field("task", Type::Int32),
        field("topic", Type::String),
        field("time_ms", Type::Int64),
        field("seqno", Type::Int64),
    ])))
}
