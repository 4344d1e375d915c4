//! A line for each record that arrives, and another one when it is flushed.

use std::io::Write as _;

use api::config_def::{Config, ConfigDef};
use api::{
    Batch, Body, Error, Origin, Props, Result, SinkConnector, SinkContext, SinkOffsets, SinkTask,
    TopicPartition,
};
use indexmap::IndexMap;

use crate::{line, numbers};

/// What may wait for the next flush. Beyond it records are refused until then.
const UNFLUSHED_BYTES_MAX: usize = 64 << 20;

/// `org.apache.kafka.connect.tools.VerifiableSinkConnector`.
#[derive(Debug)]
pub struct VerifiableSink {
    props: Props,
}

impl SinkConnector for VerifiableSink {
    type Task = VerifiableSinkTask;
    const CLASS: &'static str = "org.apache.kafka.connect.tools.VerifiableSinkConnector";
    const TASK_CLASS: &'static str = "org.apache.kafka.connect.tools.VerifiableSinkTask";
    const VERSION: &'static str = crate::VERSION;

    fn config_def() -> ConfigDef {
        ConfigDef::default()
    }

    fn start(config: Config) -> Result<VerifiableSink> {
        Ok(VerifiableSink { props: config.originals().clone() })
    }

    fn task_props(&self, tasks_max: usize) -> Result<Vec<Props>> {
        Ok(numbers::numbered(&self.props, tasks_max))
    }

    fn create_task(props: &Props) -> Result<VerifiableSinkTask> {
        // Java's message names the source here, too.
        let id = numbers::number(props, "id", "Invalid VerifiableSourceTask configuration")?;
        let name = props.get("name").cloned();
        Ok(VerifiableSinkTask { name, id, unflushed: IndexMap::new(), unflushed_bytes: 0 })
    }
}

/// Prints what it gets.
#[derive(Debug)]
pub struct VerifiableSinkTask {
    name: Option<String>,
    id: i32,
    /// The beginnings of the lines of records that were put and not flushed, one after another, without their ends.
    unflushed: IndexMap<TopicPartition, Vec<Vec<u8>>>,
    unflushed_bytes: usize,
}

impl SinkTask for VerifiableSinkTask {
    async fn start(&mut self, _context: &SinkContext) -> Result<()> {
        Ok(())
    }

    async fn put(&mut self, batch: &Batch) -> Result<()> {
        if self.unflushed_bytes > UNFLUSHED_BYTES_MAX {
            return Err(Error::retriable("too many records wait for the next flush"));
        }
        let now_ms = line::now_ms();
        let mut lines = Vec::new();
        for run in &batch.runs {
            let (Body::Columns(columns), Origin::Kafka { from, offsets }) = (&run.body, &run.origin) else {
                return Err(Error::fatal("the verifiable sink needs converted records of Kafka"));
            };
            // Java keeps what it prints under the topic and partition that the record has, not under those that it came from.
            let partition = TopicPartition {
                topic: std::sync::Arc::clone(&run.topic),
                partition: run.partition.unwrap_or(from.partition),
            };
            let waiting = self.unflushed.entry(partition).or_default();
            for row in 0..run.record_count() {
                let mut begin = b"{\"task\":".to_vec();
                line::write_value(&mut begin, columns.key.row(row));
                begin.extend_from_slice(b",\"seqno\":");
                line::write_value(&mut begin, columns.value.row(row));
                write!(begin, ",\"offset\":{}", offsets.get(row)).expect("writing to a vector does not fail");
                end_line(&mut lines, &begin, now_ms, self.name.as_deref(), &run.topic, self.id, false);
                self.unflushed_bytes += begin.len();
                waiting.push(begin);
            }
        }
        line::print(&lines)
    }

    async fn pre_commit(&mut self, offsets: SinkOffsets) -> Result<SinkOffsets> {
        let now_ms = line::now_ms();
        let mut lines = Vec::new();
        for partition in offsets.keys() {
            for begin in self.unflushed.shift_remove(partition).into_iter().flatten() {
                self.unflushed_bytes -= begin.len();
                end_line(&mut lines, &begin, now_ms, self.name.as_deref(), &partition.topic, self.id, true);
            }
        }
        line::print(&lines)?;
        Ok(offsets)
    }

    async fn close(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        for partition in partitions {
            // Its next owner prints them again.
            for begin in self.unflushed.shift_remove(partition).into_iter().flatten() {
                self.unflushed_bytes -= begin.len();
            }
        }
        Ok(())
    }
}

fn end_line(
    out: &mut Vec<u8>,
    begin: &[u8],
    now_ms: u64,
    name: Option<&str>,
    topic: &str,
    id: i32,
    is_flushed: bool,
) {
    out.extend_from_slice(begin);
    write!(out, ",\"time_ms\":{now_ms},\"name\":").expect("writing to a vector does not fail");
    line::write_string(out, name);
    out.extend_from_slice(b",\"topic\":");
    line::write_string(out, Some(topic));
    let flushed = if is_flushed { ",\"flushed\":true" } else { "" };
    writeln!(out, ",\"sinkTask\":{id}{flushed}}}").expect("writing to a vector does not fail");
}
