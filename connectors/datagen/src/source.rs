//! Connector and task: numbers handed out at the rate asked for.

use std::sync::Arc;
use std::time::Duration;

use api::config_def::{Config, ConfigDef};
use api::{
    Batch, Body, Columns, Error, ExactlyOnceSupport, Headers, Origin, Props, Result, Run, SchemaRef,
    SourceConnector, SourceContext, SourceOffset, SourceOffsetChange, SourceOffsets, SourcePartition,
    SourceTask, Timestamps, Value,
};
use tokio::time::Instant;

use crate::{config, generate};

/// Batches at a limited rate come at least this often, however few records are due.
const TICK: Duration = Duration::from_millis(5);

/// The only key of an offset: the number of the next record.
const RECORD_FIELD: &str = "record";

/// `io.aqueduct.connect.DatagenSourceConnector` (alias `DatagenSource`): `tasks.max` tasks, numbered.
#[derive(Debug)]
pub struct DatagenSource {
    props: Props,
}

impl SourceConnector for DatagenSource {
    type Task = DatagenSourceTask;
    const CLASS: &'static str = "io.aqueduct.connect.DatagenSourceConnector";
    const TASK_CLASS: &'static str = "io.aqueduct.connect.DatagenSourceTask";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");

    fn config_def() -> ConfigDef {
        config::table()
    }

    fn start(config: Config) -> Result<DatagenSource> {
        Ok(DatagenSource { props: config.originals().clone() })
    }

    fn task_props(&self, tasks_max: usize) -> Result<Vec<Props>> {
        let numbered = |task: usize| {
            let mut props = self.props.clone();
            props.insert(config::TASK_ID.to_owned(), task.to_string());
            props
        };
        Ok((0..tasks_max).map(numbered).collect())
    }

    /// The same record comes from the same offset.
    fn exactly_once_support(_props: &Props) -> Option<ExactlyOnceSupport> {
        Some(ExactlyOnceSupport::Supported)
    }

    /// Offsets are the numbers of records; anything else would silently start from the first one.
    fn alter_offsets(_props: &Props, offsets: &[SourceOffsetChange]) -> Result<bool> {
        let is_number = |offset: &SourceOffset| {
            let number = offset.iter().find(|(field, _)| **field == *RECORD_FIELD);
            matches!(number, Some((_, Value::Int64(number))) if *number >= 0)
        };
        if offsets.iter().filter_map(|(_, offset)| offset.as_ref()).all(is_number) {
            return Ok(true);
        }
        Err(Error::config(format!(
            "Offset objects should either be null or contain the key '{RECORD_FIELD}' with a number that is not negative"
        )))
    }

    fn create_task(props: &Props) -> Result<DatagenSourceTask> {
        let config = config::table().parse(props)?;
        let task = config.int(config::TASK_ID);
        Ok(DatagenSourceTask {
            topic: Arc::from(config.string(config::TOPIC)),
            partition: SourcePartition::new([(Arc::from("task"), Value::Int64(task.into()))]),
            offset_field: Arc::from(RECORD_FIELD),
            format: match config.string(config::FORMAT) {
                "struct" => Format::Struct(generate::schema()),
                _ => Format::Text { record_bytes: config.int(config::RECORD_BYTES) as usize },
            },
            batch_records_max: config.int(config::BATCH_SIZE) as usize,
            rate: u64::try_from(config.long(config::RATE)).ok(),
            records_max: u64::try_from(config.long(config::RECORDS)).ok(),
            next: 0,
            pace: None,
        })
    }
}

/// Makes up records.
#[derive(Debug)]
pub struct DatagenSourceTask {
    topic: Arc<str>,
    partition: SourcePartition,
    offset_field: Arc<str>,
    format: Format,
    batch_records_max: usize,
    /// Records per second.
    rate: Option<u64>,
    records_max: Option<u64>,
    /// Number of the next record.
    next: u64,
    /// Since when the rate counts, and the number it counts from.
    pace: Option<(Instant, u64)>,
}

#[derive(Debug)]
enum Format {
    Text { record_bytes: usize },
    Struct(SchemaRef),
}

impl SourceTask for DatagenSourceTask {
    async fn start(&mut self, context: &SourceContext) -> Result<()> {
        let stored = context.offset(&self.partition).await?;
        let stored = stored.iter().flatten().find(|(field, _)| **field == *self.offset_field);
        if let Some((_, Value::Int64(record))) = stored {
            self.next = u64::try_from(*record).unwrap_or(0);
        }
        Ok(())
    }

    async fn poll(&mut self) -> Result<Batch> {
        let left = self.records_max.map_or(u64::MAX, |records_max| records_max.saturating_sub(self.next));
        if left == 0 {
            std::future::pending::<()>().await;
        }
        let wanted = left.min(self.batch_records_max as u64);
        let Some(rate) = self.rate else { return self.batch(wanted as usize) };
        // Cancel safe: nothing is counted as made before it is returned.
        loop {
            let (since, first) = *self.pace.get_or_insert_with(|| (Instant::now(), self.next));
            let due = first as u128 + since.elapsed().as_micros() * u128::from(rate) / 1_000_000;
            let due = due.saturating_sub(u128::from(self.next)).min(u128::from(wanted)) as usize;
            if due > 0 {
                return self.batch(due);
            }
            tokio::time::sleep(TICK).await;
        }
    }
}

impl DatagenSourceTask {
    fn batch(&mut self, count: usize) -> Result<Batch> {
        let value = match &self.format {
            Format::Text { record_bytes } => generate::text(self.next, count, *record_bytes)?,
            Format::Struct(schema) => generate::structs(self.next, count, schema),
        };
        let values = (self.next as i64 + 1..).take(count).collect();
        self.next += count as u64;
        let offsets = SourceOffsets::Long { field: Arc::clone(&self.offset_field), values };
        let origin = Origin::Source { partition: self.partition.clone(), offsets };
        let columns = Columns {
            key: api::Column::null(count),
            value,
            headers: Headers::none(),
            timestamps: Timestamps::None,
        };
        let run =
            Run { topic: Arc::clone(&self.topic), partition: None, origin, body: Body::Columns(columns) };
        Ok(Batch { runs: vec![run] })
    }
}
