//! A source that counts, and notes what it is told of its records.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use api::config_def::{Config, ConfigDef};
use api::{
    Acknowledged, Batch, Body, Column, Columns, Headers, Origin, Props, Result, Run, SourceConnector,
    SourceContext, SourceOffset, SourceOffsets, SourcePartition, SourceTask, Timestamps, TransactionContext,
    Value,
};

/// What a task was told, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    /// Where a record went: its number, then partition and offset.
    Record(i64, Option<(i32, i64)>),
    /// Everything up to this number is committed.
    Committed(i64),
    Commit,
}

pub(crate) type Tellings = Arc<Mutex<Vec<Told>>>;

static TELLINGS: Mutex<Option<HashMap<String, Tellings>>> = Mutex::new(None);

/// What tasks with `name` were told.
pub(crate) fn told(name: &str) -> Tellings {
    let mut all = TELLINGS.lock().unwrap();
    Arc::clone(all.get_or_insert_default().entry(name.to_owned()).or_default())
}

/// Gives the numbers from 1 to `records` as text, `batch` at a time, those that divide by `keys` under the same key, those that divide
/// by `tombstones` without a value, number `large` with one that no request can hold. Where it may define transactions they end after
/// numbers that divide by `commits`, and are aborted after those that divide by `aborts`.
#[derive(Debug)]
pub(crate) struct Counting(Props);

#[derive(Debug)]
pub(crate) struct CountingTask {
    topic: Arc<str>,
    next: i64,
    records: i64,
    batch: i64,
    keys: i64,
    tombstones: i64,
    large: i64,
    commits: i64,
    aborts: i64,
    transaction: Option<TransactionContext>,
    told: Tellings,
}

impl SourceConnector for Counting {
    type Task = CountingTask;
    const CLASS: &'static str = "test.CountingSourceConnector";
    const TASK_CLASS: &'static str = "test.CountingSourceTask";
    const VERSION: &'static str = "1";

    fn config_def() -> ConfigDef {
        ConfigDef::default()
    }
    fn start(config: Config) -> Result<Counting> {
        Ok(Counting(config.originals().clone()))
    }
    fn task_props(&self, _tasks_max: usize) -> Result<Vec<Props>> {
        Ok(vec![self.0.clone()])
    }
    fn create_task(props: &Props) -> Result<CountingTask> {
        let number = |key: &str| props.get(key).map_or(0, |text| text.parse().unwrap());
        Ok(CountingTask {
            topic: Arc::from(props["topic"].as_str()),
            next: 1,
            records: number("records"),
            batch: number("batch"),
            keys: number("keys"),
            tombstones: number("tombstones"),
            large: number("large"),
            commits: number("commits"),
            aborts: number("aborts"),
            transaction: None,
            told: told(&props["name"]),
        })
    }
}

fn partition() -> SourcePartition {
    SourcePartition::new([(Arc::from("name"), Value::String("all".into()))])
}

fn divides(number: i64, by: i64) -> bool {
    by > 0 && number % by == 0
}

impl CountingTask {
    fn run(&self, numbers: std::ops::Range<i64>) -> Run {
        let count = (numbers.end - numbers.start) as usize;
        let value = |number: i64| match number {
            number if divides(number, self.tombstones) => None,
            number if number == self.large => Some("x".repeat(2_000_000)),
            number => Some(number.to_string()),
        };
        let values: Vec<_> = numbers.clone().map(value).collect();
        let key = match self.keys {
            0 => Column::null(count),
            keys => Column::strings(arrow_array::StringViewArray::from_iter_values(
                numbers.clone().map(|number| (number % keys).to_string()),
            )),
        };
        let columns = Columns {
            key,
            value: Column::strings(values.into_iter().collect()),
            headers: Headers::none(),
            timestamps: Timestamps::None,
        };
        let offsets = SourceOffsets::Long { field: Arc::from("at"), values: numbers.collect() };
        let origin = Origin::Source { partition: partition(), offsets };
        Run { topic: Arc::clone(&self.topic), partition: None, origin, body: Body::Columns(columns) }
    }
}

impl SourceTask for CountingTask {
    async fn start(&mut self, context: &SourceContext) -> Result<()> {
        self.transaction = context.transaction().cloned();
        if let Some(offset) = context.offset(&partition()).await?
            && let Some((_, Value::Int64(at))) = offset.first()
        {
            self.next = at + 1;
        }
        Ok(())
    }

    async fn poll(&mut self) -> Result<Batch> {
        if self.next > self.records {
            std::future::pending::<()>().await;
        }
        let end = (self.next + self.batch).min(self.records + 1);
        let run = self.run(self.next..end);
        if let Some(transaction) = &self.transaction {
            for (record, number) in (self.next..end).enumerate() {
                if divides(number, self.aborts) {
                    transaction.abort_after(record);
                } else if divides(number, self.commits) {
                    transaction.commit_after(record);
                }
            }
        }
        self.next = end;
        Ok(Batch { runs: vec![run] })
    }

    fn wants_acknowledgements(&self) -> bool {
        true
    }

    async fn records_acknowledged(&mut self, runs: &[Acknowledged]) -> Result<()> {
        let mut told = self.told.lock().unwrap();
        for run in runs {
            let Origin::Source { offsets: SourceOffsets::Long { values, .. }, .. } = &run.run.origin else {
                panic!("{run:?}")
            };
            for (row, number) in values.iter().enumerate() {
                let place = run.metadata(row).map(|it| (it.partition, it.offset.unwrap()));
                told.push(Told::Record(*number, place));
            }
        }
        Ok(())
    }

    async fn committed(&mut self, offsets: &[(SourcePartition, Option<SourceOffset>)]) -> Result<()> {
        for (_, offset) in offsets {
            let Some((_, Value::Int64(at))) = offset.as_ref().and_then(|offset| offset.first()) else {
                panic!("{offset:?}")
            };
            self.told.lock().unwrap().push(Told::Committed(*at));
        }
        Ok(())
    }

    async fn commit(&mut self) -> Result<()> {
        self.told.lock().unwrap().push(Told::Commit);
        Ok(())
    }
}
