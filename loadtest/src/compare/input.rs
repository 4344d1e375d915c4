//! What a case reads: a topic or a file, filled once and read by every round of every side; and what has arrived in a topic.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use protocol::client::TopicPartition;
use protocol::client::consumer::{Consumer, ConsumerConfig, OffsetReset, Polled};
use protocol::client::producer::ProducerConfig;
use protocol::wire::records::{Codec, Decompressor};
use tempfile::TempDir;

use super::cases::{Case, Path};
use super::records::{self, Sum};
use crate::cluster::Kafka;

/// How long one poll may wait.
const POLL_TIMEOUT: Duration = Duration::from_secs(30);

/// The records of a case where its connectors find them.
#[derive(Debug)]
pub(super) struct Input {
    /// What sinks and mirrors read; empty for other sources.
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
            Path::KafkaToNull | Path::KafkaToFile | Path::KafkaToKafka => {
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
        compression: compression.with_context(|| format!("unknown codec {}", case.compression))?,
        ..ProducerConfig::default()
    };
    let mut sum = Sum::default();
    let fill = |number: u64, value: &mut Vec<u8>| {
        records::write(case.payload, number, value);
        sum.add(value);
        (number % case.partitions as u64) as i32
    };
    kafka.fill(topic, case.records as u64, config, fill).await?;
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
