//! A source: counts, at a fixed rate, and goes on where it stopped.

use std::sync::Arc;
use std::time::Duration;

use api::config_def::{Config, ConfigDef, ConfigKey, ConfigType, Default, Importance, validators};
use api::{
    Batch, Body, Column, Columns, Data, Headers, Origin, Props, Result, Run, Schema, SourceConnector,
    SourceContext, SourceOffsets, SourcePartition, SourceTask, Timestamps, Type, Value,
};
use arrow_array::Int64Array;

const TOPIC: &str = "topic";
const INTERVAL_MS: &str = "interval.ms";
const TICKS_MAX: &str = "ticks.max";

/// The connector: checks the configuration and splits the work.
#[derive(Debug)]
pub struct TickSource {
    props: Props,
}

impl SourceConnector for TickSource {
    type Task = TickSourceTask;
    const CLASS: &'static str = "com.example.TickSourceConnector";
    const TASK_CLASS: &'static str = "com.example.TickSourceTask";
    const VERSION: &'static str = crate::VERSION;

    fn config_def() -> ConfigDef {
        ConfigDef::default()
            .key(
                ConfigKey::new(
                    TOPIC,
                    ConfigType::String,
                    Default::Required,
                    Importance::High,
                    "Topic that ticks are written to.",
                )
                .checked(validators::non_empty),
            )
            .key(
                ConfigKey::new(
                    INTERVAL_MS,
                    ConfigType::Long,
                    Default::Value("1000"),
                    Importance::Medium,
                    "Time between two ticks.",
                )
                .checked(validators::at_least::<1>),
            )
            .key(ConfigKey::new(
                TICKS_MAX,
                ConfigType::Long,
                Default::Value("-1"),
                Importance::Low,
                "Ticks after which the source falls silent; negative: never.",
            ))
    }

    fn start(config: Config) -> Result<TickSource> {
        Ok(TickSource { props: config.originals().clone() })
    }

    /// There is one clock, so there is one task.
    fn task_props(&self, _tasks_max: usize) -> Result<Vec<Props>> {
        Ok(vec![self.props.clone()])
    }

    fn create_task(props: &Props) -> Result<TickSourceTask> {
        let config = TickSource::config_def().parse(props)?;
        Ok(TickSourceTask {
            topic: Arc::from(config.string(TOPIC)),
            interval: Duration::from_millis(config.long(INTERVAL_MS).unsigned_abs()),
            ticks_max: u64::try_from(config.long(TICKS_MAX)).unwrap_or(u64::MAX),
            partition: SourcePartition::new([(Arc::from("clock"), Value::String("tick".to_owned()))]),
            offset_field: Arc::from("ticks"),
            next: 0,
        })
    }
}

/// The task: moves batches.
#[derive(Debug)]
pub struct TickSourceTask {
    topic: Arc<str>,
    interval: Duration,
    ticks_max: u64,
    partition: SourcePartition,
    offset_field: Arc<str>,
    next: u64,
}

impl SourceTask for TickSourceTask {
    async fn start(&mut self, context: &SourceContext) -> Result<()> {
        // The offset of a tick is how many there were with it: where to go on.
        for (field, value) in context.offset(&self.partition).await?.unwrap_or_default() {
            if let (true, Value::Int64(ticks)) = (field == self.offset_field, value) {
                self.next = u64::try_from(ticks).unwrap_or(0);
            }
        }
        Ok(())
    }

    async fn poll(&mut self) -> Result<Batch> {
        if self.next >= self.ticks_max {
            return std::future::pending().await;
        }
        tokio::time::sleep(self.interval).await;
        // No wait from here on: a poll that is dropped has counted nothing.
        let tick = self.next;
        self.next += 1;
        let columns = Columns {
            key: Column::null(1),
            value: Column {
                schema: Some(Arc::new(Schema::new(Type::Int64))),
                data: Data::Array(Arc::new(Int64Array::from(vec![tick as i64]))),
            },
            headers: Headers::none(),
            timestamps: Timestamps::None,
        };
        let offsets = SourceOffsets::Long {
            field: Arc::clone(&self.offset_field),
            values: vec![self.next as i64].into(),
        };
        let origin = Origin::Source { partition: self.partition.clone(), offsets };
        let topic = Arc::clone(&self.topic);
        Ok(Batch { runs: vec![Run { topic, partition: None, origin, body: Body::Columns(columns) }] })
    }
}
