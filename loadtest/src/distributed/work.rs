//! The connectors of a cluster under test, whose records say which they are, and what became of those records.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use protocol::client::TopicPartition;
use protocol::client::consumer::{Consumer, ConsumerConfig, IsolationLevel, OffsetReset, Polled};
use protocol::cluster::Cluster;
use protocol::wire::records::{BufferPool, Decompressor};
use serde_json::{Value, json};

use super::timeline::Task;
use super::watch::each_record;

/// An unpacked batch larger than this is not one of numbers.
const BATCH_BYTES_MAX: usize = 64 << 20;

/// How long nothing comes until everything has been read.
const QUIET: Duration = Duration::from_secs(3);

/// What runs: numbering sources, each with a topic of its own, and sinks that write such a topic to a file.
#[derive(Debug, Clone)]
pub(super) struct Work {
    pub(super) group: String,
    pub(super) dir: PathBuf,
    pub(super) sources: u32,
    pub(super) sinks: u32,
    /// Of each connector.
    pub(super) tasks: u32,
    /// Records per second and source task.
    pub(super) rate: u32,
}

/// What became of the records.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Different records in Kafka.
    pub(super) records: u64,
    /// Missing below the last that is there or whose offset was committed.
    pub(super) lost: u64,
    /// When records came that had been there before, in ms since the epoch.
    pub(super) duplicates: Vec<i64>,
    /// Records whose offset was not committed though everything was stopped in good order.
    pub(super) uncommitted: u64,
    /// Lines in the sinks' files.
    pub(super) lines: u64,
    pub(super) lines_missing: u64,
    pub(super) lines_twice: u64,
}

impl Work {
    pub(super) fn source(&self, number: u32) -> String {
        format!("{}-source-{number:03}", self.group)
    }

    fn sink(&self, number: u32) -> String {
        format!("{}-sink-{number:03}", self.group)
    }

    fn file(&self, number: u32) -> PathBuf {
        self.dir.join(format!("sink-{number:03}.txt"))
    }

    /// The name and configuration of every connector.
    pub(super) fn connectors(&self) -> Vec<(String, Value)> {
        let sources = (0..self.sources).map(|number| (self.source(number), self.source_config(number, 0)));
        let sinks = (0..self.sinks).map(|number| {
            let config = json!({
                "connector.class": "FileStreamSink",
                "topics": self.source(number),
                "file": self.file(number).display().to_string(),
                "tasks.max": self.tasks.to_string(),
            });
            (self.sink(number), config)
        });
        sources.chain(sinks).collect()
    }

    /// Another `turn` changes all tasks.
    pub(super) fn source_config(&self, number: u32, turn: u32) -> Value {
        json!({
            "connector.class": "org.apache.kafka.connect.tools.VerifiableSourceConnector",
            "topic": self.source(number),
            "throughput": self.rate.to_string(),
            "tasks.max": self.tasks.to_string(),
            "turn": turn.to_string(),
        })
    }

    /// Every task that is to run.
    pub(super) fn all_tasks(&self) -> HashSet<Task> {
        let names = self.connectors();
        let of = |name: &str| {
            let name: Rc<str> = Rc::from(name);
            (0..self.tasks).map(move |task| (Rc::clone(&name), task)).collect::<Vec<_>>()
        };
        names.iter().flat_map(|(name, _)| of(name)).collect()
    }

    /// Reads everything that is committed in the sources' topics and the sinks' files, and compares. `committed` are the sources' last
    /// offsets, by name and task.
    pub(super) async fn outcome(
        &self,
        cluster: Cluster,
        committed: &HashMap<(String, i64), i64>,
    ) -> Result<Outcome> {
        let arrived = self.read(cluster).await?;
        let mut outcome = Outcome::default();
        for ((topic, task), numbers) in &arrived {
            let committed = committed.get(&(topic.clone(), *task)).copied();
            count(numbers, committed, &mut outcome);
        }
        if let Some(task) = committed.keys().find(|task| !arrived.contains_key(*task)) {
            bail!("nothing of {task:?} is in Kafka, though its offset was committed");
        }
        for number in 0..self.sinks {
            let topic = self.source(number);
            let mut expected: HashMap<i64, i64> = HashMap::new();
            for ((_, _), numbers) in arrived.iter().filter(|((of, _), _)| *of == topic) {
                for (number, _) in numbers {
                    *expected.entry(*number).or_default() += 1;
                }
            }
            compare(&self.file(number), expected, &mut outcome)?;
        }
        Ok(outcome)
    }

    /// The records of each source task with their times.
    async fn read(&self, cluster: Cluster) -> Result<BTreeMap<(String, i64), Vec<(i64, i64)>>> {
        let config = ConsumerConfig {
            auto_offset_reset: OffsetReset::Earliest,
            isolation_level: IsolationLevel::ReadCommitted,
            ..ConsumerConfig::new()
        };
        let consumer = Consumer::new(cluster, config);
        let topics = (0..self.sources).map(|number| TopicPartition::new(self.source(number).as_str(), 0));
        consumer.assign(topics.collect());
        let mut decompressor = Decompressor::new(BufferPool::default(), BATCH_BYTES_MAX);
        let mut arrived: BTreeMap<(String, i64), Vec<(i64, i64)>> = BTreeMap::new();
        loop {
            match consumer.poll(QUIET).await? {
                Polled::Records(fetched) => {
                    for fetched in fetched {
                        each_record(&fetched, &mut decompressor, |record| {
                            let task = (fetched.topic.to_string(), number(record.key)?);
                            let numbers = arrived.entry(task).or_default();
                            numbers.push((number(record.value)?, record.timestamp));
                            Ok(())
                        })?;
                    }
                }
                Polled::Idle => return Ok(arrived),
                Polled::Rebalance(_) | Polled::Reset(_) => {}
            }
        }
    }
}

fn number(bytes: Option<&[u8]>) -> Result<i64> {
    let text = std::str::from_utf8(bytes.context("a record that is no number")?)?;
    text.parse().with_context(|| format!("{text} is no number"))
}

/// Counts what is missing among numbers that begin with 0, and what came again.
fn count(numbers: &[(i64, i64)], committed: Option<i64>, outcome: &mut Outcome) {
    let mut seen = HashSet::new();
    for (number, at_ms) in numbers {
        if !seen.insert(*number) {
            outcome.duplicates.push(*at_ms);
        }
    }
    let last = seen.iter().max().copied().unwrap_or(-1);
    outcome.records += seen.len() as u64;
    let expected = last.max(committed.unwrap_or(-1)) + 1;
    outcome.lost += (expected - seen.len() as i64).unsigned_abs();
    outcome.uncommitted += (last - committed.unwrap_or(-1)).max(0).unsigned_abs();
}

fn compare(file: &Path, mut expected: HashMap<i64, i64>, outcome: &mut Outcome) -> Result<()> {
    let text = fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    for line in text.lines().filter(|line| !line.is_empty()) {
        outcome.lines += 1;
        // Half a line that a killed worker left is none of the records.
        if let Ok(number) = line.parse() {
            *expected.entry(number).or_default() -= 1;
        }
    }
    let sum = |of: fn(i64) -> i64| expected.values().map(|left| of(*left).unsigned_abs()).sum::<u64>();
    outcome.lines_missing += sum(|left| left.max(0));
    outcome.lines_twice += sum(|left| left.min(0));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_and_what_comes_again_is_counted() {
        let mut outcome = Outcome::default();
        count(&[(0, 1), (1, 2), (3, 3), (1, 4)], Some(4), &mut outcome);
        // 2 is missing, and 4 whose offset was committed.
        assert_eq!((outcome.records, outcome.lost, outcome.uncommitted), (3, 2, 0));
        assert_eq!(outcome.duplicates, [4]);
    }

    #[test]
    fn lines_are_compared_with_what_is_in_kafka() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("lines");
        fs::write(&file, "0\n0\n1\n1\n1\n").unwrap();
        let mut outcome = Outcome::default();
        compare(&file, HashMap::from([(0, 2), (1, 2), (2, 1)]), &mut outcome).unwrap();
        assert_eq!((outcome.lines, outcome.lines_missing, outcome.lines_twice), (5, 1, 1));
    }
}
