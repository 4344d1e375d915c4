//! The world's sink: keeps what was put in memory, and in the ledger once it was asked to make it durable.

use api::config_def::{Config, ConfigDef};
use api::{
    Batch, Error, Origin, Props, Result, SinkConnector, SinkContext, SinkOffsets, SinkTask, Tier,
    TopicPartition,
};

use crate::ledger::{self, Running};
use crate::source::{number, task_props};

/// `sim.Sink`.
#[derive(Debug)]
pub(crate) struct Keeping(Props);

/// One of its tasks.
#[derive(Debug)]
pub(crate) struct KeepingTask {
    connector: String,
    number: u32,
    incarnation: u32,
    version: u32,
    /// Put, but not durable: partition, from, to.
    held: Vec<(TopicPartition, i64, i64)>,
    running: Option<Running>,
}

impl SinkConnector for Keeping {
    type Task = KeepingTask;
    const CLASS: &'static str = "sim.Sink";
    const TASK_CLASS: &'static str = "sim.SinkTask";
    const VERSION: &'static str = "1";

    fn config_def() -> ConfigDef {
        ConfigDef::default()
    }

    fn start(config: Config) -> Result<Keeping> {
        Ok(Keeping(config.originals().clone()))
    }

    fn task_props(&self, tasks_max: usize) -> Result<Vec<Props>> {
        Ok(task_props(&self.0, tasks_max))
    }

    fn create_task(props: &Props) -> Result<KeepingTask> {
        Ok(KeepingTask {
            connector: props.get("name").cloned().unwrap_or_default(),
            number: number(props, "task")?,
            incarnation: number(props, "incarnation")?,
            version: number(props, "version")?,
            held: Vec::new(),
            running: None,
        })
    }
}

impl SinkTask for KeepingTask {
    fn tier(&self) -> Tier {
        Tier::Index
    }

    async fn start(&mut self, _context: &SinkContext) -> Result<()> {
        self.running =
            Some(Running::begin(&self.connector, self.number, self.incarnation, self.version, false));
        Ok(())
    }

    async fn put(&mut self, batch: &Batch) -> Result<()> {
        let Some(running) = &self.running else { return Err(Error::fatal("put before start")) };
        running.moves();
        for run in &batch.runs {
            let Origin::Kafka { from, offsets } = &run.origin else { continue };
            for row in 0..run.record_count() {
                let offset = offsets.get(row);
                match self.held.last_mut() {
                    Some((partition, _, to)) if partition == from && *to == offset => *to += 1,
                    _ => self.held.push((from.clone(), offset, offset + 1)),
                }
            }
        }
        Ok(())
    }

    async fn pre_commit(&mut self, offsets: SinkOffsets) -> Result<SinkOffsets> {
        for (partition, from, to) in self.held.drain(..) {
            let key = (self.connector.clone(), partition.topic.to_string(), partition.partition);
            ledger::with(|it| it.sinks.entry(key).or_default().add(from, to));
        }
        Ok(offsets)
    }

    async fn close(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        // What was not made durable is lost with the partition, as it would be with the process.
        self.held.retain(|(partition, ..)| !partitions.contains(partition));
        Ok(())
    }

    async fn stop(&mut self) -> Result<()> {
        self.running = None;
        Ok(())
    }
}
