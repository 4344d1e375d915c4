//! Records for a sink: due at a fixed rate, or as fast as Kafka takes them.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail, ensure};
use futures_util::FutureExt as _;
use hdrhistogram::Histogram;
use protocol::client::producer::{Completion, ProduceRecord, Producer, ProducerConfig, TopicHandle};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::Options;
use super::kafka::Topics;
use crate::cluster::append;

/// How often records are due.
const TICK: Duration = Duration::from_millis(1);

/// Records of one partition in a row where nothing limits the rate.
const RECORDS_PER_TURN: u64 = 1_000;

/// How long Kafka may take for what was sent last.
const CLOSE_LIMIT: Duration = Duration::from_secs(60);

/// Records that are being offered.
pub(super) struct Offer {
    began: Instant,
    count: Rc<Cell<u64>>,
    task: JoinHandle<Result<Offered>>,
}

/// What was offered.
#[derive(Debug)]
pub(super) struct Offered {
    /// Records that Kafka has acknowledged.
    pub(super) records: u64,
    pub(super) took: Duration,
    /// By how much ticks were late, in µs; empty where none were due.
    pub(super) lateness: Histogram<u64>,
}

impl Offer {
    pub(super) async fn start(options: &Options, topics: &Topics, length: Duration) -> Result<Offer> {
        let values = Values::new(options)?;
        ensure!(options.rate != Some(0), "--rate is at least 1 record per second");
        let producer = Producer::new(topics.cluster(), ProducerConfig::default())?;
        let mut partitions = Vec::new();
        for (topic, partition) in topics.partitions() {
            partitions.push((producer.topic(topic).await?, *partition));
        }
        let count = Rc::new(Cell::new(0));
        let work = Work { producer, partitions, values, count: Rc::clone(&count) };
        let rate = options.rate;
        Ok(Offer { began: Instant::now(), count, task: tokio::task::spawn_local(work.run(rate, length)) })
    }

    /// Records so far.
    pub(super) fn count(&self) -> u64 {
        self.count.get()
    }

    pub(super) fn is_finished(&self) -> bool {
        self.task.is_finished()
    }

    /// Ends it, early perhaps, and tells what came of it.
    pub(super) async fn finish(self) -> Result<Offered> {
        self.task.abort();
        match self.task.await {
            Ok(offered) => offered,
            Err(stopped) if stopped.is_cancelled() => Ok(Offered {
                records: self.count.get(),
                took: self.began.elapsed(),
                lateness: Histogram::new(3)?,
            }),
            Err(panicked) => Err(panicked).context("offering records panicked"),
        }
    }
}

struct Work {
    producer: Producer,
    partitions: Vec<(TopicHandle, i32)>,
    values: Values,
    count: Rc<Cell<u64>>,
}

impl Work {
    async fn run(mut self, rate: Option<u64>, length: Duration) -> Result<Offered> {
        let began = Instant::now();
        let mut lateness = Histogram::new(3)?;
        match rate {
            Some(rate) => self.at_rate(rate, began, length, &mut lateness).await?,
            None => self.at_full_speed(began + length).await?,
        }
        self.producer.flush().await?;
        let took = began.elapsed();
        let mut completions = Vec::new();
        self.producer.close(CLOSE_LIMIT, &mut completions).await?;
        check(&mut completions)?;
        Ok(Offered { records: self.count.get(), took, lateness })
    }

    /// Each tick sends what is due by then and was not sent: a tick that comes late makes up for it.
    async fn at_rate(
        &mut self,
        rate: u64,
        began: Instant,
        length: Duration,
        lateness: &mut Histogram<u64>,
    ) -> Result<()> {
        let ticks = length.as_millis() as u64;
        let mut completions = Vec::new();
        for tick in 1..=ticks {
            let due = began + TICK * u32::try_from(tick).context("too long a time")?;
            sleep_until(due).await;
            let records = rate * tick / 1_000 - self.count.get();
            self.send(tick, records).await?;
            self.producer.flush_hint();
            lateness.saturating_record(due.elapsed().as_micros() as u64);
            self.take_completions(&mut completions)?;
        }
        Ok(())
    }

    async fn at_full_speed(&mut self, end: Instant) -> Result<()> {
        let mut completions = Vec::new();
        for turn in 0.. {
            if Instant::now() >= end {
                break;
            }
            self.send(turn, RECORDS_PER_TURN).await?;
            tokio::task::yield_now().await;
            self.take_completions(&mut completions)?;
        }
        Ok(())
    }

    async fn send(&mut self, turn: u64, records: u64) -> Result<()> {
        let timestamp_ms = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as i64;
        let (topic, partition) = &self.partitions[turn as usize % self.partitions.len()];
        for _ in 0..records {
            let value = Some(self.values.next());
            let record = ProduceRecord { timestamp_ms, key: None, value, headers: &[] };
            append(&self.producer, topic, *partition, &record).await?;
            self.count.set(self.count.get() + 1);
        }
        Ok(())
    }

    /// What Kafka has answered so far, without waiting: answers must not pile up.
    fn take_completions(&self, completions: &mut Vec<Completion>) -> Result<()> {
        let _answered = self.producer.completions(completions).now_or_never();
        check(completions)
    }
}

fn check(completions: &mut Vec<Completion>) -> Result<()> {
    for completion in completions.drain(..) {
        completion.result.context("Kafka did not take a record")?;
    }
    Ok(())
}

/// Values, in turn.
struct Values {
    lines: Vec<Vec<u8>>,
    next: usize,
}

impl Values {
    fn new(options: &Options) -> Result<Values> {
        let lines = match &options.lines {
            Some(path) => {
                let text = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
                let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec);
                let lines: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
                if lines.is_empty() {
                    bail!("{} has no lines", path.display());
                }
                lines
            }
            // Not all alike, so that compression finds what it finds in text.
            None => {
                let mut random = fastrand::Rng::with_seed(1);
                let mut value = || (0..options.record_bytes).map(|_| random.alphanumeric() as u8).collect();
                (0..1_024).map(|_| value()).collect()
            }
        };
        Ok(Values { lines, next: 0 })
    }

    fn next(&mut self) -> &[u8] {
        let index = self.next;
        self.next = (index + 1) % self.lines.len();
        &self.lines[index]
    }
}
