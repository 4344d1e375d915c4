//! Records as Kafka holds them: written to and read from topics byte for byte.

use std::time::Duration;

use protocol::client::TopicPartition;
use protocol::client::admin::{Admin, IsolationLevel, OffsetSpec};
use protocol::client::consumer::{Consumer, ConsumerConfig, OffsetReset, Polled};
use protocol::client::producer::{ProduceRecord, Producer, ProducerConfig};
use protocol::wire::records::{Decompressor, Header, RecordBatch};

use super::{PATIENCE, World};

/// A record, with its place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct KafkaRecord {
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) timestamp: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(String, Option<Vec<u8>>)>,
}

impl KafkaRecord {
    pub(crate) fn new(partition: i32, value: impl Into<Vec<u8>>) -> KafkaRecord {
        KafkaRecord {
            partition,
            timestamp: 1_700_000_000_000,
            value: Some(value.into()),
            ..KafkaRecord::default()
        }
    }

    /// The text of a header.
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(key, _)| key == name);
        let (_, value) = found.unwrap_or_else(|| panic!("no header {name} in {self:?}"));
        std::str::from_utf8(value.as_ref().unwrap()).unwrap()
    }
}

impl World {
    /// Writes records to their partitions, in order.
    pub(crate) fn write(&self, topic: &str, records: &[KafkaRecord]) {
        self.write_with(topic, records, ProducerConfig::default());
    }

    /// The same by a certain producer.
    pub(crate) fn write_with(&self, topic: &str, records: &[KafkaRecord], config: ProducerConfig) {
        self.client(async |cluster| {
            let producer = Producer::new(cluster, config).unwrap();
            let handle = producer.topic(topic).await.unwrap();
            for record in records {
                let headers: Vec<Header<'_>> = record
                    .headers
                    .iter()
                    .map(|(key, value)| Header { key: key.as_bytes(), value: value.as_deref() })
                    .collect();
                let (key, value) = (record.key.as_deref(), record.value.as_deref());
                let timestamp_ms = record.timestamp;
                let record_ref = ProduceRecord { timestamp_ms, key, value, headers: &headers };
                producer.append(&handle, Some(record.partition), &record_ref, 0).unwrap();
            }
            producer.flush().await.unwrap();
            let mut answers = Vec::new();
            producer.close(Duration::from_secs(10), &mut answers).await.unwrap();
            assert!(answers.iter().all(|answer| answer.result.is_ok()), "{answers:?}");
        });
    }

    /// Writes records in a transaction of their own, which is committed or aborted.
    pub(crate) fn write_in_transaction(&self, topic: &str, records: &[KafkaRecord], is_committed: bool) {
        self.client(async |cluster| {
            let config = ProducerConfig {
                transactional_id: Some("writer".into()),
                linger_ms: 10_000,
                ..ProducerConfig::default()
            };
            let producer = Producer::new(cluster, config).unwrap();
            producer.init_transactions().await.unwrap();
            let handle = producer.topic(topic).await.unwrap();
            producer.begin().unwrap();
            for record in records {
                let (key, value) = (record.key.as_deref(), record.value.as_deref());
                let record_ref = ProduceRecord { timestamp_ms: record.timestamp, key, value, headers: &[] };
                producer.append(&handle, Some(record.partition), &record_ref, 0).unwrap();
            }
            producer.flush().await.unwrap();
            if is_committed {
                producer.commit().await.unwrap()
            } else {
                producer.abort().await.unwrap()
            }
            producer.close(Duration::from_secs(10), &mut Vec::new()).await.unwrap();
        });
    }

    /// Everything in the first `partitions` of a topic, by partition and offset.
    pub(crate) fn read(&self, topic: &str, partitions: i32) -> Vec<KafkaRecord> {
        let mut found = Vec::new();
        self.read_batches(topic, partitions, |batch, records| {
            // Whoever wrote the batch meant it to be read.
            batch.check_crc().unwrap();
            found.extend(records);
        });
        found.sort_by_key(|record: &KafkaRecord| (record.partition, record.offset));
        found
    }

    /// Shows each batch of the first `partitions` of a topic, with its records.
    pub(crate) fn read_batches(
        &self,
        topic: &str,
        partitions: i32,
        mut show: impl FnMut(&RecordBatch, Vec<KafkaRecord>),
    ) {
        self.client(async |cluster| {
            let queries: Vec<_> =
                (0..partitions).map(|partition| (topic, partition, OffsetSpec::Latest)).collect();
            let listed =
                Admin::new(cluster.clone()).list_offsets(&queries, IsolationLevel::ReadUncommitted).await;
            let ends: Vec<i64> = listed.into_iter().map(|listed| listed.unwrap().offset.unwrap()).collect();
            let config = ConsumerConfig { auto_offset_reset: OffsetReset::Earliest, ..ConsumerConfig::new() };
            let consumer = Consumer::new(cluster, config);
            let names: Vec<_> =
                (0..partitions).map(|partition| TopicPartition::new(topic, partition)).collect();
            consumer.assign(names.clone());
            let mut decompressor = Decompressor::default();
            let is_behind = |consumer: &Consumer| {
                names.iter().zip(&ends).any(|(name, end)| *end > consumer.position(name).unwrap_or(0))
            };
            while is_behind(&consumer) {
                let Polled::Records(fetched) = consumer.poll(PATIENCE).await.unwrap() else { continue };
                for fetched in fetched {
                    for batch in fetched.records.clone() {
                        let batch = batch.unwrap();
                        let payload = batch.payload(&mut decompressor).unwrap();
                        let mut found = Vec::new();
                        for record in batch.records(&payload) {
                            let record = record.unwrap();
                            let header = |header: Header<'_>| {
                                let key = String::from_utf8_lossy(header.key).into_owned();
                                (key, header.value.map(<[u8]>::to_vec))
                            };
                            found.push(KafkaRecord {
                                partition: fetched.partition,
                                offset: batch.header().base_offset + i64::from(record.offset_delta),
                                timestamp: record.timestamp,
                                key: record.key.map(<[u8]>::to_vec),
                                value: record.value.map(<[u8]>::to_vec),
                                headers: record.headers.iter().map(|found| header(found.unwrap())).collect(),
                            });
                        }
                        show(&batch, found);
                    }
                }
            }
            consumer.close().await;
        });
    }
}
