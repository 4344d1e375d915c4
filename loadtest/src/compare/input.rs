//! What a case reads: a topic or a file, filled once and read by every round of every side; and what has arrived in a topic.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use protocol::client::TopicPartition;
use protocol::client::consumer::{Consumer, ConsumerConfig, OffsetReset, Polled};
use protocol::client::producer::{AppendError, ProduceRecord, Producer, ProducerConfig};
use protocol::wire::records::{Codec, Decompressor};
use tempfile::TempDir;

use super::cases::{Case, Path};
use super::records::{self, Sum};
use crate::cluster::Kafka;

/// Uncompressed bytes of a batch in the topics that sinks read.
const BATCH_BYTES: usize = 256 << 10;

/// Records appended before the send task gets its turn.
const RECORDS_PER_TURN: i64 = 4_096;

/// How long one poll may wait.
const POLL_TIMEOUT: Duration = Duration::from_secs(30);

/// The records of a case where its connectors find them.
#[derive(Debug)]
pub(super) struct Input {
    /// What sinks read; empty for sources.
    pub(super) topic: String,
    /// What file sources read.
    pub(super) file: PathBuf,
    /// Of all records as they should arrive; `None` where transforms change them.
    pub(super) expected: Option<Sum>,
    _dir: TempDir,
}

impl Input {
    pub(super) async fn fill(kafka: &Kafka, case: &Case) -> Result<Input> {
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("lines");
        let mut topic = String::new();
        let sum = match case.path {
            Path::KafkaToNull | Path::KafkaToFile => {
                topic = format!("compare-{}-{}", case.name, std::process::id());
                kafka.create_partitioned(&topic, case.partitions, "producer").await?;
                fill_topic(kafka, &topic, case).await?
            }
            Path::FileToKafka => records::write_lines(case.payload, case.records, &file)?,
            Path::DatagenToKafka => Sum::of_datagen(case.records, case.payload.bytes_about()),
        };
        Ok(Input { topic, file, expected: Some(sum).filter(|_| !case.transforms), _dir: dir })
    }
}

async fn fill_topic(kafka: &Kafka, topic: &str, case: &Case) -> Result<Sum> {
    let compression = Codec::ALL.into_iter().find(|codec| codec.name() == case.compression);
    let config = ProducerConfig {
        batch_bytes: BATCH_BYTES,
        compression: compression.with_context(|| format!("unknown codec {}", case.compression))?,
        ..ProducerConfig::default()
    };
    let producer = Producer::new(kafka.cluster(), config)?;
    let to = producer.topic(topic).await?;
    // Kafka deletes what is older than its retention, by the times of the records.
    let timestamp_ms = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() as i64;
    let (mut sum, mut value) = (Sum::default(), Vec::new());
    for number in 0..case.records {
        records::write(case.payload, number as u64, &mut value);
        sum.add(&value);
        let record = ProduceRecord { timestamp_ms, key: None, value: Some(&value), headers: &[] };
        let partition = (number % i64::from(case.partitions)) as i32;
        loop {
            match producer.append(&to, Some(partition), &record, 0) {
                Ok(_partition) => break,
                Err(AppendError::Full) => producer.ready().await,
                Err(error) => return Err(error.into()),
            }
        }
        if number % RECORDS_PER_TURN == 0 {
            tokio::task::yield_now().await;
        }
    }
    producer.flush().await?;
    let mut completions = Vec::new();
    producer.close(POLL_TIMEOUT, &mut completions).await?;
    for completion in completions {
        completion.result?;
    }
    Ok(sum)
}

/// Reads a topic from its beginning to its end.
pub(super) async fn sum_of_topic(kafka: &Kafka, topic: &str, case: &Case) -> Result<Sum> {
    let config = ConsumerConfig { auto_offset_reset: OffsetReset::Earliest, ..ConsumerConfig::new() };
    let consumer = Consumer::new(kafka.cluster(), config);
    consumer.assign((0..case.partitions).map(|partition| TopicPartition::new(topic, partition)).collect());
    let mut decompressor = Decompressor::default();
    let mut sum = Sum::default();
    let end = kafka.record_count(topic, case.partitions).await?;
    while sum.count < end {
        let Polled::Records(fetched) = consumer.poll(POLL_TIMEOUT).await? else {
            bail!("no data for {POLL_TIMEOUT:?} after {} of {end} records", sum.count);
        };
        for batch in fetched.into_iter().flat_map(|one| one.records) {
            let batch = batch?;
            batch.check_crc()?;
            let payload = batch.payload(&mut decompressor)?;
            for record in batch.records(&payload) {
                sum.add(record?.value.unwrap_or_default());
            }
        }
    }
    Ok(sum)
}
