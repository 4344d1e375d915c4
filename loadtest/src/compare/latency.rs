//! End-to-end latency at a fixed rate: from when a record is due at a producer until it is in the file of a sink, in Java's worker and in ours.
//!
//! Method: an open loop. Every millisecond as many records are due as the rate says, whatever has become of those before; each carries the time
//! at which it was due, and what is sent late counts from then (no coordinated omission). A thread tails the sink's file, which both
//! file sinks write as records come, and takes the time when it sees a line. Workers have default settings. The producer is ours, in this
//! process; its own lateness is printed beside, and is in the figures of both sides. The first seconds are not counted; the workers take
//! turns.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use hdrhistogram::Histogram;
use protocol::client::producer::{ProduceRecord, Producer, ProducerConfig};
use serde_json::{Value, json};
use tokio::time::sleep_until;
use xtask::kafka::Libs;

use super::arms::{Arm, Side};
use super::machine;
use crate::cluster::{Kafka, append};
use crate::output::{self, print};

/// How often records are due.
const TICK: Duration = Duration::from_millis(1);

/// How long the tail of the file sleeps when it has read all: part of what is measured.
const TAIL_WAIT: Duration = Duration::from_micros(200);

/// How long the last records may take to arrive.
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(60);

/// The longest latency that is told apart, in µs.
const LATENCY_MAX_US: u64 = 60_000_000;

const RESULTS: &str = "latency.json";

/// Settings.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Kafka to use, `host:port`
    #[arg(long, env = "AQUEDUCT_KAFKA")]
    bootstrap: String,
    /// The program `aqueduct`
    #[arg(long, env = "AQUEDUCT_BIN", default_value = "target/release/aqueduct")]
    binary: PathBuf,
    /// Records per second
    #[arg(long, default_value_t = 50_000)]
    rate: u64,
    /// Bytes of each record's value
    #[arg(long, default_value_t = 100)]
    record_bytes: usize,
    /// Seconds that count
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Seconds before them
    #[arg(long, default_value_t = 10)]
    warm_up_seconds: u64,
    /// Turns of each side
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Where results are kept
    #[arg(long, default_value = "loadtest/results")]
    results: PathBuf,
}

/// Latencies of records, in µs.
type Latencies = Histogram<u64>;

/// Runs the rounds, prints and keeps what they found.
pub(crate) async fn run(options: Options) -> Result<()> {
    let libs = Libs::fetch()?;
    let plugins = xtask::java::compile(&xtask::paths::root().join("loadtest/java"), &libs.runtime())?;
    let kafka = Kafka::connect(&options.bootstrap)?;
    let facts = machine::facts(&options.binary);
    let mut arms = Vec::new();
    for side in [Side::Java, Side::Ours] {
        arms.push(Arm::start(side, &options.binary, &options.bootstrap, &libs, plugins.path(), &[]).await?);
    }
    print("worker  round   p50 ms   p99 ms  p99.9 ms   max ms  sent late p99 ms  worker CPU");
    let mut all = vec![empty()?; arms.len()];
    for round in 1..=options.rounds {
        for (arm, all) in arms.iter_mut().zip(&mut all) {
            let measured = measure(&options, &kafka, arm, round).await?;
            print(&format!(
                "{:6} {round:6} {}  {:16.2} {:9.1} %",
                arm.side.name(),
                row(&measured.latencies),
                ms(&measured.lateness, 0.99),
                measured.cpu_percent,
            ));
            all.add(&measured.latencies)?;
        }
    }
    let mut sides = serde_json::Map::new();
    for (arm, latencies) in arms.iter().zip(&all) {
        print(&format!("{:6}    all {}", arm.side.name(), row(latencies)));
        let figures = json!({
            "p50_ms": ms(latencies, 0.5), "p99_ms": ms(latencies, 0.99), "p999_ms": ms(latencies, 0.999),
            "max_ms": ms(latencies, 1.0), "records": latencies.len(),
        });
        sides.insert(arm.side.name().to_owned(), figures);
    }
    keep_results(&options, facts, sides.into())
}

struct Measured {
    latencies: Latencies,
    /// By how much the producer was late itself.
    lateness: Latencies,
    cpu_percent: f64,
}

/// One turn: a topic, a sink, and load for a while.
async fn measure(options: &Options, kafka: &Kafka, arm: &mut Arm, round: usize) -> Result<Measured> {
    let name = format!("latency-{}-{}-{round}", arm.side.name(), std::process::id());
    let file = arm.output(round);
    kafka.create_topic(&name, "producer").await?;
    arm.create(&json!({"name": name, "config": {
        "connector.class": "FileStreamSink", "topics": name, "file": file, "tasks.max": "1",
        "key.converter": "org.apache.kafka.connect.converters.ByteArrayConverter",
        "value.converter": "org.apache.kafka.connect.storage.StringConverter",
    }}))
    .await?;
    let ticks = (options.warm_up_seconds + options.seconds) * 1_000;
    let per_tick = options.rate / 1_000;
    ensure!(per_tick > 0, "--rate is at least 1000 records per second: some are due each millisecond");
    let base = Instant::now();
    let counted_from = base + Duration::from_secs(options.warm_up_seconds);
    let is_given_up = Arc::new(AtomicBool::new(false));
    let tail = Tail { base, counted_from, records: ticks * per_tick, is_given_up: Arc::clone(&is_given_up) };
    let tailing = std::thread::spawn({
        let file = file.clone();
        move || tail.run(&file)
    });
    let before = arm.usage()?;
    let offered = offer(options, kafka, &name, base, counted_from, ticks).await;
    let offered_until = Instant::now();
    let cpu_percent = (arm.usage()?.cpu - before.cpu).as_secs_f64() / base.elapsed().as_secs_f64() * 100.0;
    while !tailing.is_finished() {
        if offered.is_err() || offered_until.elapsed() > ARRIVAL_TIMEOUT {
            is_given_up.store(true, Ordering::Relaxed);
        }
        arm.check(&name).await?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let lateness = offered?;
    let Ok(latencies) = tailing.join() else { bail!("the thread that tails {} panicked", file.display()) };
    let latencies = latencies.with_context(|| format!("tail {}", file.display()))?;
    arm.remove(&name).await?;
    kafka.delete_topic(&name).await?;
    std::fs::remove_file(&file)?;
    Ok(Measured { latencies, lateness, cpu_percent })
}

/// Sends what is due, when it is due; gives by how much it was late.
async fn offer(
    options: &Options,
    kafka: &Kafka,
    topic: &str,
    base: Instant,
    counted_from: Instant,
    ticks: u64,
) -> Result<Latencies> {
    let config = ProducerConfig { linger_ms: 0, ..ProducerConfig::default() };
    let producer = Producer::new(kafka.cluster(), config)?;
    let to = producer.topic(topic).await?;
    let (mut lateness, mut value) = (empty()?, Vec::new());
    for tick in 1..=ticks {
        let due = base + TICK * u32::try_from(tick)?;
        sleep_until(due.into()).await;
        let timestamp_ms = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as i64;
        value.clear();
        value.extend_from_slice(format!("{:016} ", (due - base).as_nanos()).as_bytes());
        value.resize(options.record_bytes.max(value.len()), b'x');
        let record = ProduceRecord { timestamp_ms, key: None, value: Some(&value), headers: &[] };
        for _ in 0..options.rate / 1_000 {
            append(&producer, &to, 0, &record).await?;
        }
        producer.flush_hint();
        if due >= counted_from {
            lateness.saturating_record(due.elapsed().as_micros() as u64);
        }
    }
    producer.flush().await?;
    let mut completions = Vec::new();
    producer.close(ARRIVAL_TIMEOUT, &mut completions).await?;
    for completion in completions {
        completion.result?;
    }
    Ok(lateness)
}

/// Reads a file that another process writes, and notes when each line is there.
struct Tail {
    /// What the times in the records count from.
    base: Instant,
    counted_from: Instant,
    records: u64,
    is_given_up: Arc<AtomicBool>,
}

impl Tail {
    fn run(self, path: &Path) -> Result<Latencies> {
        let mut latencies = empty()?;
        let (mut seen, mut unread) = (0, Vec::new());
        let mut chunk = vec![0; 1 << 18];
        let mut file = None;
        while seen < self.records {
            if self.is_given_up.load(Ordering::Relaxed) {
                bail!("{seen} of {} records arrived", self.records);
            }
            let Some(open) = file.as_mut() else {
                // The sink makes it.
                file = File::open(path).ok();
                std::thread::sleep(TAIL_WAIT);
                continue;
            };
            let count = open.read(&mut chunk)?;
            if count == 0 {
                std::thread::sleep(TAIL_WAIT);
                continue;
            }
            let now = self.base.elapsed();
            unread.extend_from_slice(&chunk[..count]);
            let mut start = 0;
            while let Some(length) = unread[start..].iter().position(|byte| *byte == b'\n') {
                let due = due(&unread[start..start + length])?;
                if self.base + due >= self.counted_from {
                    latencies.saturating_record(now.saturating_sub(due).as_micros() as u64);
                }
                seen += 1;
                start += length + 1;
            }
            unread.drain(..start);
        }
        Ok(latencies)
    }
}

/// When a record was due.
fn due(line: &[u8]) -> Result<Duration> {
    let digits = line.split(|byte| *byte == b' ').next().unwrap_or_default();
    let nanos = std::str::from_utf8(digits)?.parse().context("a line that is no record of ours")?;
    Ok(Duration::from_nanos(nanos))
}

fn empty() -> Result<Latencies> {
    Ok(Histogram::new_with_max(LATENCY_MAX_US, 3)?)
}

fn ms(latencies: &Latencies, quantile: f64) -> f64 {
    latencies.value_at_quantile(quantile) as f64 / 1e3
}

fn row(latencies: &Latencies) -> String {
    format!(
        "{:8.2} {:8.2} {:9.2} {:8.2}",
        ms(latencies, 0.5),
        ms(latencies, 0.99),
        ms(latencies, 0.999),
        ms(latencies, 1.0)
    )
}

fn keep_results(options: &Options, machine: Value, sides: Value) -> Result<()> {
    let results = json!({
        "rate": options.rate, "record_bytes": options.record_bytes, "seconds": options.seconds, "rounds": options.rounds,
        "machine": machine, "sides": sides,
    });
    output::keep(&options.results.join(RESULTS), &results)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_counts_whole_lines_that_were_due_late_enough() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lines");
        let second = "1000000000";
        std::fs::write(&path, format!("0 x\n{second} x\n{second} x\n")).unwrap();
        let base = Instant::now().checked_sub(Duration::from_secs(2)).unwrap();
        let counted_from = base + Duration::from_millis(500);
        let is_given_up = Arc::default();
        let latencies = Tail { base, counted_from, records: 3, is_given_up }.run(&path).unwrap();
        assert_eq!(latencies.len(), 2);
        assert!(latencies.min() >= 990_000, "{}", latencies.min());
    }
}
