//! One point of one dimension: topics, worker processes, what they spent.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use protocol::client::producer::ProducerConfig;
use tokio::time::sleep;

use crate::cluster::Kafka;
use crate::connectors::wait_until_running;
use crate::rest::Client;
use crate::usage::Usage;
use crate::worker::Worker;

/// Largest size of a batch and a request in the topics, with room for the largest record.
const REQUEST_BYTES_MAX: usize = 32 << 20;

/// How often it is looked how far the worker is.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// The same while connectors start. The worker's answers are in the CPU of a start.
const START_LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// How long a worker may take.
const LIMIT: Duration = Duration::from_secs(300);

const BYTES: &str = "key.converter=org.apache.kafka.connect.converters.ByteArrayConverter\n\
                     value.converter=org.apache.kafka.connect.converters.ByteArrayConverter\n";
const JSON: &str = "key.converter=org.apache.kafka.connect.converters.ByteArrayConverter\n\
                    value.converter=org.apache.kafka.connect.json.JsonConverter\n";

/// What a sink has to read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    pub(super) partitions: i32,
    pub(super) tasks: u64,
    pub(super) bytes: usize,
    /// Records of one JSON schema in a row, where they have one.
    pub(super) schema_run: Option<u64>,
    pub(super) records: u64,
}

/// A load on a cluster.
pub(super) struct Point<'a> {
    /// Tells its topics from those of other points, which Kafka may still be deleting.
    pub(super) name: String,
    pub(super) kafka: &'a Kafka,
    pub(super) binary: &'a Path,
    pub(super) load: Load,
}

/// What came of it: medians.
#[derive(Debug)]
pub(super) struct Figures {
    pub(super) ns_per_record: f64,
    pub(super) start_cpu_ms: f64,
    pub(super) peak_mb: f64,
}

/// What a start cost: medians.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) ready_ms: f64,
    pub(super) running_ms: f64,
    pub(super) cpu_ms: f64,
    pub(super) peak_mb: f64,
}

impl Load {
    /// Puts the value of a record into a buffer and gives its partition.
    fn write(&self, number: u64, value: &mut Vec<u8>) -> i32 {
        value.clear();
        match self.schema_run {
            Some(run) => {
                let version = number / run % 2;
                let text = format!(
                    r#"{{"schema":{{"type":"struct","name":"v{version}","optional":false,"fields":[{{"field":"id","type":"int64","optional":false}},{{"field":"name","type":"string","optional":false}}]}},"payload":{{"id":{number},"name":"name-{number}"}}}}"#
                );
                value.extend_from_slice(text.as_bytes());
            }
            None => {
                value.extend_from_slice(format!("{number:010}").as_bytes());
                value.resize(self.bytes, b'x');
            }
        }
        // One partition has the records, or each task's has its share.
        if self.tasks > 1 { (number % self.tasks) as i32 } else { 0 }
    }
}

impl Point<'_> {
    pub(super) async fn measure(&self, rounds: usize) -> Result<Figures> {
        let few = self.fill("few", self.load.records / 10).await?;
        let many = self.fill("many", self.load.records).await?;
        let (few_records, many_records) = (self.load.records / 10, self.load.records);
        let (mut per_record, mut start, mut peak) = (Vec::new(), Vec::new(), Vec::new());
        for round in 0..rounds {
            let less = self.read(&few, few_records, round).await?;
            let more = self.read(&many, many_records, round).await?;
            let ns = |usage: &Usage| usage.cpu.as_nanos() as f64;
            let cost = (ns(&more) - ns(&less)) / (many_records - few_records) as f64;
            per_record.push(cost);
            start.push((ns(&less) - cost * few_records as f64) / 1e6);
            peak.push(more.peak_resident_bytes as f64 / 1e6);
        }
        for topic in [few, many] {
            self.kafka.delete_topic(&topic).await?;
        }
        Ok(Figures { ns_per_record: median(per_record), start_cpu_ms: median(start), peak_mb: median(peak) })
    }

    async fn fill(&self, name: &str, records: u64) -> Result<String> {
        let topic = format!("scaling-{}-{name}-{}", self.name, std::process::id());
        self.kafka.create_for_large_records(&topic, self.load.partitions, REQUEST_BYTES_MAX).await?;
        let settings = ProducerConfig { request_bytes_max: REQUEST_BYTES_MAX, ..ProducerConfig::default() };
        self.kafka.fill(&topic, records, settings, |number, value| self.load.write(number, value)).await?;
        Ok(topic)
    }

    /// A worker reads a topic; what its process spent.
    async fn read(&self, topic: &str, records: u64, round: usize) -> Result<Usage> {
        let dir = tempfile::tempdir()?;
        let name = format!("{topic}-{round}");
        let (converters, tier) =
            if self.load.schema_run.is_some() { (JSON, "columns") } else { (BYTES, "index") };
        let connector = format!(
            "name={name}\nconnector.class=BlackholeSink\ntopics={topic}\ntier={tier}\ntasks.max={}\n",
            self.load.tasks
        );
        let worker = Worker::start(
            self.binary,
            dir.path(),
            &self.kafka.bootstrap,
            converters,
            std::slice::from_ref(&connector),
        )?;
        let begun = Instant::now();
        let group = format!("connect-{name}");
        while self.kafka.committed_of_all(&group).await? < records as i64 {
            if begun.elapsed() > LIMIT {
                bail!("{records} records of {topic} were not read within {LIMIT:?}");
            }
            sleep(LOOK_INTERVAL).await;
        }
        worker.usage()
    }
}

/// Workers that are given so many idle connectors as they start.
pub(super) async fn start(kafka: &Kafka, binary: &Path, connectors: u64, rounds: usize) -> Result<Start> {
    let topic = format!("scaling-idle-{connectors}-{}", std::process::id());
    kafka.create_partitioned(&topic, 1, "producer").await?;
    let (mut ready, mut running, mut cpu, mut peak) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("empty.txt");
        std::fs::write(&file, "")?;
        let of = |number: u64| {
            let name = format!("name=c{number}-{round}-{}", std::process::id());
            if number.is_multiple_of(2) {
                format!("{name}\nconnector.class=BlackholeSink\ntopics={topic}\ntier=index\n")
            } else {
                format!("{name}\nconnector.class=FileStreamSource\ntopic={topic}\nfile={}\n", file.display())
            }
        };
        let configs: Vec<String> = (0..connectors).map(of).collect();
        let begun = Instant::now();
        let worker = Worker::start(binary, dir.path(), &kafka.bootstrap, BYTES, &configs)?;
        ready.push(worker.ready_after.as_secs_f64() * 1e3);
        let mut client = Client::connect(worker.port).await?;
        wait_until_running(&mut client, connectors as u32, START_LOOK_INTERVAL).await?;
        running.push(begun.elapsed().as_secs_f64() * 1e3);
        let usage = worker.usage()?;
        cpu.push(usage.cpu.as_secs_f64() * 1e3);
        peak.push(usage.peak_resident_bytes as f64 / 1e6);
    }
    kafka.delete_topic(&topic).await?;
    Ok(Start {
        ready_ms: median(ready),
        running_ms: median(running),
        cpu_ms: median(cpu),
        peak_mb: median(peak),
    })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_as_their_load_says() {
        let load = Load { partitions: 8, tasks: 1, bytes: 100, schema_run: None, records: 1 };
        let mut value = Vec::new();
        assert_eq!((load.write(13, &mut value), value.len()), (0, 100));
        let shared = Load { tasks: 8, ..load };
        assert_eq!(shared.write(13, &mut value), 5);
        let name = |number, run| {
            let (load, mut value) = (Load { schema_run: Some(run), ..load }, Vec::new());
            load.write(number, &mut value);
            let value: serde_json::Value = serde_json::from_slice(&value).unwrap();
            value["schema"]["name"].as_str().unwrap().to_owned()
        };
        assert_eq!(["v0", "v1", "v0"].map(str::to_owned), [name(0, 1), name(1, 1), name(2, 1)]);
        assert_eq!(["v0", "v1", "v0"].map(str::to_owned), [name(9, 10), name(10, 10), name(20, 10)]);
        assert_eq!(name(1_000_000, u64::MAX), "v0");
    }
}
