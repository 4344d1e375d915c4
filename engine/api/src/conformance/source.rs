//! The suite of source connectors.

use std::rc::Rc;
use std::time::Duration;

use super::{plugin, watch};
use crate::connector::{LocalBoxFuture, OffsetReader, Props, SourceConnector, SourceContext, SourceTask};
use crate::error::Result;
use crate::offsets::{SourceOffset, SourcePartition};
use crate::{Acknowledged, Batch, Body, Origin, Placed};

/// How long a source that has given everything must stay quiet.
const QUIET: Duration = Duration::from_millis(300);

/// Calls of `poll` that may come to nothing before a source counts as stuck.
const EMPTY_POLLS_MAX: usize = 100_000;

/// A world that a source reads.
#[derive(Debug, Clone)]
pub struct SourceCase {
    /// The connector's configuration.
    pub props: Props,
    /// How many records its first task gives.
    pub records: usize,
    /// Whether it gives no more than those.
    pub ends: bool,
}

/// A record, with where it came from.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    record: String,
    partition: SourcePartition,
    offset: Option<SourceOffset>,
}

/// Stored offsets: the last of each partition.
#[derive(Debug, Clone, Default)]
struct Stored(Rc<Vec<(SourcePartition, SourceOffset)>>);

impl OffsetReader for Stored {
    fn read<'a>(
        &'a self,
        partitions: &'a [SourcePartition],
    ) -> LocalBoxFuture<'a, Result<Vec<Option<SourceOffset>>>> {
        let find = |wanted: &SourcePartition| {
            let found = self.0.iter().rev().find(|(partition, _)| partition == wanted);
            found.map(|(_, offset)| offset.clone())
        };
        let found = partitions.iter().map(find).collect();
        Box::pin(async move {
            // A store that has to ask Kafka first.
            tokio::task::yield_now().await;
            Ok(found)
        })
    }
}

/// Checks a source connector on worlds that `setup` makes, a new one (or the same unread one) each time that it is called.
///
/// # Panics
/// When the connector is not what the engine expects.
pub fn source<C: SourceConnector>(mut setup: impl FnMut() -> SourceCase) {
    let case = setup();
    assert!(case.ends || case.records > 0, "a case shows something");
    plugin::check(C::CLASS, C::VERSION, &C::config_def(), &case.props);
    plugin::check(C::TASK_CLASS, C::VERSION, &C::config_def(), &case.props);
    for props in
        plugin::check_task_props(C::CLASS, |tasks_max| connector::<C>(&case.props).task_props(tasks_max))
    {
        if let Err(error) = C::create_task(&props) {
            panic!("{} makes no task of its own configuration: {error}", C::CLASS);
        }
    }
    watch::run(async {
        let mut unstarted = task::<C>(&setup().props);
        stop(&mut unstarted).await;

        let all = read_all::<C>(&setup()).await;
        let cancelled = read_cancelled::<C>(&setup()).await;
        assert_same(&all, &cancelled, "a poll was dropped");
        for last in [0, all.len() / 3, all.len().saturating_sub(1)] {
            resume::<C>(&setup(), &all, last).await;
        }
    });
}

fn connector<C: SourceConnector>(props: &Props) -> C {
    match C::config_def().parse(props).and_then(C::start) {
        Ok(connector) => connector,
        Err(error) => panic!("{} does not start: {error}", C::CLASS),
    }
}

fn task<C: SourceConnector>(props: &Props) -> C::Task {
    let made = connector::<C>(props).task_props(1).and_then(|props| C::create_task(&props[0]));
    made.unwrap_or_else(|error| panic!("{} makes no task: {error}", C::CLASS))
}

async fn started<C: SourceConnector>(case: &SourceCase, stored: Stored) -> C::Task {
    let mut task = task::<C>(&case.props);
    let context = SourceContext::new(Box::new(stored));
    if let Err(error) = watch::finished("start", SourceTask::start(&mut task, &context)).await {
        panic!("the task does not start: {error}");
    }
    task
}

async fn stop(task: &mut impl SourceTask) {
    for time in ["the first", "the second"] {
        if let Err(error) = watch::finished("stop", task.stop()).await {
            panic!("{time} stop failed: {error}");
        }
    }
}

/// Everything, then nothing more, with a commit in between.
async fn read_all<C: SourceConnector>(case: &SourceCase) -> Vec<Seen> {
    let mut task = started::<C>(case, Stored::default()).await;
    let mut seen = Vec::new();
    let mut polls = 0;
    while seen.len() < case.records {
        let batch = watch::finished("poll", task.poll()).await;
        let batch = batch.unwrap_or_else(|error| panic!("poll failed after {} records: {error}", seen.len()));
        acknowledge(&mut task, &batch).await;
        take(batch, &mut seen);
        polls += 1;
        assert!(polls < EMPTY_POLLS_MAX, "{} of {} records came", seen.len(), case.records);
        if polls == 1
            && let Err(error) = watch::finished("commit", task.commit()).await
        {
            panic!("commit failed: {error}");
        }
    }
    quiet(case, &mut task, &mut seen).await;
    assert_eq!(seen.len(), case.records, "the case promises that many records");
    stop(&mut task).await;
    seen
}

/// Tells of records as of such that Kafka has in part: the others were dropped.
async fn acknowledge(task: &mut impl SourceTask, batch: &Batch) {
    if !task.wants_acknowledgements() {
        return;
    }
    let told = batch.runs.iter().filter(|run| run.record_count() > 0).map(|run| {
        let mut told = Acknowledged::dropped(run.clone());
        let rows = 0..run.record_count() / 2;
        if !rows.is_empty() {
            told.placed.push(Placed { rows, partition: 0, base_offset: Some(0), log_append_time_ms: None });
        }
        told
    });
    let told: Vec<_> = told.collect();
    if let Err(error) = watch::finished("records_acknowledged", task.records_acknowledged(&told)).await {
        panic!("records_acknowledged failed: {error}");
    }
}

/// Everything, while each poll is dropped after one step, two steps, and so on.
async fn read_cancelled<C: SourceConnector>(case: &SourceCase) -> Vec<Seen> {
    let mut task = started::<C>(case, Stored::default()).await;
    let mut seen = Vec::new();
    let mut steps = 1;
    for _ in 0..EMPTY_POLLS_MAX {
        if seen.len() >= case.records {
            break;
        }
        match watch::within_steps("poll", steps, task.poll()).await {
            Some(Ok(batch)) => {
                take(batch, &mut seen);
                steps = 1;
            }
            Some(Err(error)) => panic!("poll failed after one was dropped: {error}"),
            None => {
                steps += 1;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }
    quiet(case, &mut task, &mut seen).await;
    stop(&mut task).await;
    seen
}

/// A task that starts with the offset of record `last` goes on with the one after it.
async fn resume<C: SourceConnector>(case: &SourceCase, all: &[Seen], last: usize) {
    let Some(Seen { offset: Some(_), .. }) = all.get(last) else { return };
    let stored = all[..=last]
        .iter()
        .filter_map(|seen| Some((seen.partition.clone(), seen.offset.clone()?)))
        .collect::<Vec<_>>();
    let mut task = started::<C>(case, Stored(Rc::new(stored))).await;
    let expected = &all[last + 1..];
    let mut seen = Vec::new();
    let mut polls = 0;
    while seen.len() < expected.len() {
        let batch = watch::finished("poll", task.poll()).await;
        take(batch.unwrap_or_else(|error| panic!("poll failed after a resume: {error}")), &mut seen);
        polls += 1;
        assert!(polls < EMPTY_POLLS_MAX, "after a resume {} of {} records came", seen.len(), expected.len());
    }
    quiet(case, &mut task, &mut seen).await;
    if !case.ends {
        seen.truncate(expected.len());
    }
    assert_same(expected, &seen, &format!("the task went on after record {last}"));
    stop(&mut task).await;
}

/// Whatever comes although everything has come. Of a source without an end, only what the case promises is looked at.
async fn quiet(case: &SourceCase, task: &mut impl SourceTask, seen: &mut Vec<Seen>) {
    if !case.ends {
        seen.truncate(case.records);
        return;
    }
    let until = tokio::time::Instant::now() + QUIET;
    loop {
        let left = until.saturating_duration_since(tokio::time::Instant::now());
        match watch::within("poll", left, task.poll()).await {
            Some(Ok(batch)) => take(batch, seen),
            Some(Err(error)) => panic!("poll failed after the last record: {error}"),
            None => return,
        }
        tokio::task::yield_now().await;
        if tokio::time::Instant::now() >= until {
            return;
        }
    }
}

fn take(batch: Batch, seen: &mut Vec<Seen>) {
    for run in batch.runs {
        let rows = run.record_count();
        if rows == 0 {
            continue;
        }
        assert!(!run.topic.is_empty(), "a run names no topic");
        let Origin::Source { partition, offsets } = &run.origin else {
            panic!("a source gave records that were read from Kafka")
        };
        let columns = match &run.body {
            Body::Columns(columns) => columns,
            Body::Packed(packed) => {
                // What is in it is Kafka's. One that comes again for its last records is the same one.
                assert!(run.partition.is_some(), "a packed batch goes to a partition");
                let of_batch = format!("{} {:?} {:?}", run.topic, run.partition, packed.bytes);
                seen.extend((0..rows).map(|row| Seen {
                    record: of_batch.clone(),
                    partition: partition.clone(),
                    offset: offsets.get(row),
                }));
                continue;
            }
        };
        assert_eq!(columns.key.len(), rows, "one key per value");
        for row in 0..rows {
            let headers: Vec<_> = columns.headers.iter(row).map(|header| format!("{header:?}")).collect();
            let (key, value) = (columns.key.row(row).to_owned(), columns.value.row(row).to_owned());
            seen.push(Seen {
                record: format!("{} {:?} {key:?} {value:?} {headers:?}", run.topic, run.partition),
                partition: partition.clone(),
                offset: offsets.get(row),
            });
        }
    }
}

fn assert_same(expected: &[Seen], seen: &[Seen], what: &str) {
    let differing = expected.iter().zip(seen).position(|(expected, seen)| expected != seen);
    if let Some(index) = differing {
        panic!("after {what} record {index} is {:?} and not {:?}", seen[index], expected[index]);
    }
    assert_eq!(seen.len(), expected.len(), "after {what} records are lost or come twice");
}
