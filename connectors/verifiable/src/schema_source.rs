//! Records of one schema, or of two in turn.

use std::io::Write as _;
use std::sync::Arc;

use api::config_def::{Config, ConfigDef};
use api::{
    Batch, Body, Column, Columns, Data, Error, Field, Headers, Origin, Props, Result, Run, Schema, SchemaRef,
    SourceConnector, SourceContext, SourceOffsets, SourcePartition, SourceTask, Timestamps, Type, Value,
};
use arrow_array::{
    ArrayRef, BooleanArray, Float32Array, Float64Array, Int32Array, Int64Array, StringViewArray, StructArray,
};
use arrow_schema::{DataType, Field as ArrowField};

use crate::pace::Pace;
use crate::{line, numbers};

/// Records of one batch where the rate allows more: each is a run of its own where schemas alternate.
const BATCH_RECORDS_MAX: usize = 100;

const INVALID: &str = "Invalid SchemaSourceTask configuration";

/// `org.apache.kafka.connect.tools.SchemaSourceConnector`.
#[derive(Debug)]
pub struct SchemaSource {
    props: Props,
}

impl SourceConnector for SchemaSource {
    type Task = SchemaSourceTask;
    const CLASS: &'static str = "org.apache.kafka.connect.tools.SchemaSourceConnector";
    const TASK_CLASS: &'static str = "org.apache.kafka.connect.tools.SchemaSourceTask";
    const VERSION: &'static str = crate::VERSION;

    fn config_def() -> ConfigDef {
        ConfigDef::default()
    }

    fn start(config: Config) -> Result<SchemaSource> {
        Ok(SchemaSource { props: config.originals().clone() })
    }

    fn task_props(&self, tasks_max: usize) -> Result<Vec<Props>> {
        Ok(numbers::numbered(&self.props, tasks_max))
    }

    fn create_task(props: &Props) -> Result<SchemaSourceTask> {
        let id: i32 = numbers::number(props, "id", INVALID)?;
        let messages_max = numbers::number(props, "num.messages", INVALID)?;
        let throughput = numbers::number(props, "throughput", INVALID)?;
        let partition_count: i64 = match props.get("partition.count") {
            Some(_) => i64::from(numbers::number::<i32>(props, "partition.count", INVALID)?),
            None => 1,
        };
        if partition_count == 0 {
            return Err(Error::fatal("/ by zero").with_java_class("java.lang.ArithmeticException"));
        }
        let topic = props.get("topic").filter(|topic| !topic.is_empty());
        let topic =
            topic.ok_or_else(|| Error::fatal(INVALID).with_source(Error::fatal("topic is missing")))?;
        Ok(SchemaSourceTask {
            id,
            topic: Arc::from(topic.as_str()),
            partition: SourcePartition::new([(Arc::from("id"), Value::Int32(id))]),
            offset_field: Arc::from("seqno"),
            schemas: [schema(false), schema(true)],
            alternates: numbers::boolean(props, "multiple.schema"),
            partition_count,
            messages_max,
            given: 0,
            next: 0,
            pace: Pace::new(throughput),
        })
    }
}

/// Gives records that differ in their numbers.
#[derive(Debug)]
pub struct SchemaSourceTask {
    id: i32,
    topic: Arc<str>,
    partition: SourcePartition,
    offset_field: Arc<str>,
    /// Without and with the field that the second version has.
    schemas: [SchemaRef; 2],
    alternates: bool,
    partition_count: i64,
    /// To be given by each start of the task.
    messages_max: i64,
    given: i64,
    /// The number of the next record.
    next: i64,
    pace: Pace,
}

impl SourceTask for SchemaSourceTask {
    async fn start(&mut self, context: &SourceContext) -> Result<()> {
        let stored = context.offset(&self.partition).await?;
        let stored = stored.iter().flatten().find(|(field, _)| **field == *self.offset_field);
        if let Some((_, Value::Int64(last))) = stored {
            self.next = last.saturating_add(1);
        }
        Ok(())
    }

    async fn poll(&mut self) -> Result<Batch> {
        let left = usize::try_from(self.messages_max - self.given).unwrap_or(0);
        if left == 0 {
            return std::future::pending().await;
        }
        let count = self.pace.due(left.min(BATCH_RECORDS_MAX)).await;
        // From here on without a wait: a record that was announced is given.
        let mut lines = Vec::new();
        for number in (self.next..).take(count) {
            writeln!(lines, "{{\"task\": {}, \"seqno\": {number}}}", self.id)
                .expect("writing to a vector does not fail");
        }
        line::print(&lines)?;
        let mut runs = Vec::new();
        let mut left = count;
        while left > 0 {
            let len = if self.alternates { 1 } else { left };
            let is_second = self.alternates && self.given % 2 != 0;
            runs.push(self.run(len, is_second));
            self.next += len as i64;
            self.given += len as i64;
            left -= len;
        }
        self.pace.gave(count);
        Ok(Batch { runs })
    }
}

impl SchemaSourceTask {
    fn run(&self, count: usize, is_second: bool) -> Run {
        let numbers = self.next..self.next + count as i64;
        let text = |text: &str| -> ArrayRef {
            Arc::new(StringViewArray::from_iter_values(std::iter::repeat_n(text, count)))
        };
        let partitioning = numbers.clone().map(|number| (number % self.partition_count) as i32);
        let mut arrays: Vec<ArrayRef> = vec![
            Arc::new(BooleanArray::from(vec![true; count])),
            Arc::new(Int32Array::from(vec![12; count])),
            Arc::new(Int64Array::from(vec![12; count])),
            Arc::new(Float32Array::from(vec![12.2; count])),
            Arc::new(Float64Array::from(vec![12.2; count])),
            Arc::new(Int32Array::from_iter_values(partitioning)),
        ];
        if is_second {
            arrays.push(text("def"));
        }
        arrays.push(Arc::new(Int32Array::from(vec![self.id; count])));
        arrays.push(Arc::new(Int64Array::from_iter_values(numbers.clone())));
        let schema = &self.schemas[usize::from(is_second)];
        let fields = schema.fields().iter().zip(&arrays);
        let fields: Vec<ArrowField> = fields
            .map(|(field, array)| ArrowField::new(&*field.name, DataType::clone(array.data_type()), false))
            .collect();
        let columns = Columns {
            key: Column { schema: Some(Arc::new(Schema::new(Type::String))), data: Data::Array(text("key")) },
            value: Column {
                schema: Some(Arc::clone(schema)),
                data: Data::Array(Arc::new(StructArray::new(fields.into(), arrays, None))),
            },
            headers: Headers::none(),
            timestamps: Timestamps::None,
        };
        let offsets =
            SourceOffsets::Long { field: Arc::clone(&self.offset_field), values: numbers.collect() };
        let origin = Origin::Source { partition: self.partition.clone(), offsets };
        // Java's task writes to the Kafka partition of its own number.
        Run { topic: Arc::clone(&self.topic), partition: Some(self.id), origin, body: Body::Columns(columns) }
    }
}

fn schema(is_second: bool) -> SchemaRef {
    let field = |name: &str, kind| Field { name: Arc::from(name), schema: Arc::new(Schema::new(kind)) };
    let mut fields = vec![
        field("boolean", Type::Boolean),
        field("int", Type::Int32),
        field("long", Type::Int64),
        field("float", Type::Float32),
        field("double", Type::Float64),
        field("partitioning", Type::Int32),
    ];
    if is_second {
        let default = Some(Value::String("abc".to_owned()));
        let schema = Arc::new(Schema { default, ..Schema::new(Type::String) });
        fields.push(Field { name: Arc::from("string"), schema });
    }
    fields.extend([field("id", Type::Int32), field("seqno", Type::Int64)]);
    let version = Some(if is_second { 2 } else { 1 });
    Arc::new(Schema { version, ..Schema::new(Type::Struct(fields)).named("record") })
}
