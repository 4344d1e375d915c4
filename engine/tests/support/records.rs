//! Records as Kafka holds them: written to and read from topics byte for byte.

use std::time::Duration;

use protocol::client::TopicPartition;
use protocol::client::admin::{Admin, IsolationLevel, OffsetSpec};
use protocol::client::consumer::{Consumer, ConsumerConfig, OffsetReset, Polled};
use protocol::client::producer::{ProduceRecord, Producer, ProducerConfig};
use protocol::wire::records::{Decompressor, Header};

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
        self.client(async |cluster| {
            let producer = Producer::new(cluster, ProducerConfig::default()).unwrap();
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

    /// Everything in the first `partitions` of a topic, by partition and offset.
    pub(crate) fn read(&self, topic: &str, partitions: i32) -> Vec<KafkaRecord> {
        self.client(async |cluster| {
            let queries: Vec<_> =
                (0..partitions).map(|partition| (topic, partition, OffsetSpec::Latest)).collect();
            let listed =
                Admin::new(cluster.clone()).list_offsets(&queries, IsolationLevel::ReadUncommitted).await;
            let total: i64 = listed.into_iter().map(|listed| listed.unwrap().offset.unwrap()).sum();
            let config = ConsumerConfig { auto_offset_reset: OffsetReset::Earliest, ..ConsumerConfig::new() };
            let consumer = Consumer::new(cluster, config);
            consumer.assign((0..partitions).map(|partition| TopicPartition::new(topic, partition)).collect());
            let mut decompressor = Decompressor::default();
            let mut found = Vec::new();
            while (found.len() as i64) < total {
                let Polled::Records(fetched) = consumer.poll(PATIENCE).await.unwrap() else { continue };
                for fetched in fetched {
                    for batch in fetched.records.clone() {
                        let batch = batch.unwrap();
                        let payload = batch.payload(&mut decompressor).unwrap();
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
                    }
                }
            }
            consumer.close().await;
            found.sort_by_key(|record| (record.partition, record.offset));
            found
        })
    }
}
