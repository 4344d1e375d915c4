//! The world's source: counts, in as many partitions as it is told, each number once; what it gave and was told stands in the ledger.

use std::sync::Arc;
use std::time::Duration;

use api::config_def::{Config, ConfigDef};
use api::{
    Acknowledged, Batch, Body, Column, Columns, Error, ExactlyOnceSupport, Headers, Origin, Props, Result,
    Run, SourceConnector, SourceContext, SourceOffset, SourceOffsets, SourcePartition, SourceTask,
    Timestamps, Value,
};
use tokio::time::{Instant, sleep_until};

use crate::ledger::{self, Running, violation};

/// `sim.Source`.
#[derive(Debug)]
pub(crate) struct Counting(Props);

/// One of its tasks.
#[derive(Debug)]
pub(crate) struct CountingTask {
    connector: String,
    number: u32,
    incarnation: u32,
    version: u32,
    topic: Arc<str>,
    pause: Duration,
    batch: i64,
    partitions: Vec<(u32, SourcePartition, i64)>,
    due: Option<Instant>,
    running: Option<Running>,
}

/// A number among properties that the world wrote itself.
pub(crate) fn number(props: &Props, key: &str) -> Result<u32> {
    let text = props.get(key).ok_or_else(|| Error::config(format!("{key} is missing")))?;
    text.parse().map_err(|_not_a_number| Error::config(format!("{key} is no number")))
}

/// The configurations of `tasks` tasks.
pub(crate) fn task_props(connector: &Props, tasks: usize) -> Vec<Props> {
    let one = |task: usize| {
        let mut props = connector.clone();
        props.insert("task".to_owned(), task.to_string());
        props.insert("tasks".to_owned(), tasks.to_string());
        props
    };
    (0..tasks).map(one).collect()
}

impl SourceConnector for Counting {
    type Task = CountingTask;
    const CLASS: &'static str = "sim.Source";
    const TASK_CLASS: &'static str = "sim.SourceTask";
    const VERSION: &'static str = "1";

    fn config_def() -> ConfigDef {
        ConfigDef::default()
    }

    fn start(config: Config) -> Result<Counting> {
        Ok(Counting(config.originals().clone()))
    }

    fn task_props(&self, tasks_max: usize) -> Result<Vec<Props>> {
        let partitions = number(&self.0, "partitions")? as usize;
        Ok(task_props(&self.0, tasks_max.min(partitions)))
    }

    fn create_task(props: &Props) -> Result<CountingTask> {
        let connector = props.get("name").cloned().unwrap_or_default();
        let incarnation = number(props, "incarnation")?;
        let (task, tasks) = (number(props, "task")?, number(props, "tasks")?);
        let own = (0..number(props, "partitions")?).filter(|partition| partition % tasks == task);
        let named = |partition: u32| {
            let entries = [
                (Arc::from("partition"), Value::Int64(i64::from(partition))),
                (Arc::from("incarnation"), Value::Int64(i64::from(incarnation))),
            ];
            (partition, SourcePartition::new(entries), 0)
        };
        Ok(CountingTask {
            number: task,
            incarnation,
            version: number(props, "version")?,
            topic: props
                .get("topic")
                .map_or_else(|| Arc::from(connector.as_str()), |topic| Arc::from(topic.as_str())),
            connector,
            pause: Duration::from_millis(u64::from(number(props, "pause.ms")?)),
            batch: i64::from(number(props, "batch")?),
            partitions: own.map(named).collect(),
            due: None,
            running: None,
        })
    }

    fn exactly_once_support(_props: &Props) -> Option<ExactlyOnceSupport> {
        Some(ExactlyOnceSupport::Supported)
    }
}

impl CountingTask {
    fn key(&self, partition: u32) -> (String, u32, u32) {
        (self.connector.clone(), self.incarnation, partition)
    }

    fn partition_of(&self, partition: &SourcePartition) -> Option<u32> {
        self.partitions.iter().find(|(_, known, _)| known == partition).map(|(number, _, _)| *number)
    }
}

fn at(offset: &SourceOffset) -> Option<i64> {
    match offset.first() {
        Some((_, Value::Int64(at))) => Some(*at),
        _ => None,
    }
}

impl SourceTask for CountingTask {
    async fn start(&mut self, context: &SourceContext) -> Result<()> {
        let before: Vec<i64> = self
            .partitions
            .iter()
            .map(|(number, ..)| {
                ledger::with(|it| it.may_not_begin_before(&self.key(*number), ledger::is_exactly_once()))
            })
            .collect();
        let running = Running::begin(&self.connector, self.number, self.incarnation, self.version, true);
        let instance = running.0;
        self.running = Some(running);
        for (index, least) in before.into_iter().enumerate() {
            let (number, partition, _) = self.partitions[index].clone();
            let stored = context.offset(&partition).await?;
            let stored = stored.as_ref().and_then(at).unwrap_or(0);
            if stored < least {
                violation(format!(
                    "I3 {}-{} instance {instance} begins partition {number} at {stored}, though {least} was committed before it started",
                    self.connector, self.number
                ));
            }
            self.partitions[index].2 = stored;
            let key = self.key(number);
            ledger::with(|it| it.sources.entry(key).or_default().runs.push((instance, stored, stored)));
        }
        Ok(())
    }

    async fn poll(&mut self) -> Result<Batch> {
        // The time of the next batch is kept: a poll that is dropped begins no new pause.
        let due = *self.due.get_or_insert_with(|| Instant::now() + self.pause);
        sleep_until(due).await;
        self.due = None;
        let Some(running) = &self.running else { return Err(Error::fatal("poll before start")) };
        running.moves();
        let instance = running.0;
        let mut runs = Vec::new();
        for (partition, source, last) in &mut self.partitions {
            let numbers = *last + 1..*last + 1 + self.batch;
            *last = numbers.end - 1;
            let texts =
                numbers.clone().map(|number| format!("{}/{partition}/{number}/{instance}", self.incarnation));
            let columns = Columns {
                key: Column::null(self.batch as usize),
                value: Column::strings(arrow_array::StringViewArray::from_iter_values(texts)),
                headers: Headers::none(),
                timestamps: Timestamps::None,
            };
            let offsets = SourceOffsets::Long { field: Arc::from("at"), values: numbers.collect() };
            let origin = Origin::Source { partition: source.clone(), offsets };
            runs.push(Run {
                topic: Arc::clone(&self.topic),
                partition: Some((*partition % 2) as i32),
                origin,
                body: Body::Columns(columns),
            });
            let key = (self.connector.clone(), self.incarnation, *partition);
            ledger::with(|it| {
                let known = it.sources.entry(key).or_default();
                known.given = known.given.max(*last);
                if let Some(run) = known.runs.iter_mut().rev().find(|run| run.0 == instance) {
                    run.2 = *last;
                }
            });
        }
        Ok(Batch { runs })
    }

    fn wants_acknowledgements(&self) -> bool {
        true
    }

    async fn records_acknowledged(&mut self, runs: &[Acknowledged]) -> Result<()> {
        for run in runs {
            let Origin::Source { partition, offsets: SourceOffsets::Long { values, .. } } = &run.run.origin
            else {
                continue;
            };
            let (Some(number), Some(last)) = (self.partition_of(partition), values.last()) else { continue };
            let key = self.key(number);
            ledger::with(|it| {
                let known = it.sources.entry(key).or_default();
                known.acknowledged = known.acknowledged.max(*last);
            });
        }
        Ok(())
    }

    async fn committed(&mut self, offsets: &[(SourcePartition, Option<SourceOffset>)]) -> Result<()> {
        for (partition, offset) in offsets {
            let (Some(number), Some(last)) = (self.partition_of(partition), offset.as_ref().and_then(at))
            else {
                continue;
            };
            let key = self.key(number);
            let instance = self.running.as_ref().map_or(0, |running| running.0);
            let acknowledged = ledger::with(|it| {
                let known = it.sources.entry(key).or_default();
                if last > known.committed {
                    known.committed = last;
                    known.committed_by = instance;
                }
                known.acknowledged
            });
            if last > acknowledged {
                violation(format!(
                    "I5 {}-{} was told that partition {number} is committed up to {last}, but acknowledged only up to {acknowledged}",
                    self.connector, self.number
                ));
            }
        }
        Ok(())
    }

    async fn stop(&mut self) -> Result<()> {
        self.running = None;
        Ok(())
    }
}
