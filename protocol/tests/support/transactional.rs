//! Transactional producers, and a reader of what they committed.

use protocol::client::consumer::{Consumer, ConsumerConfig, IsolationLevel, Polled};
use protocol::client::producer::{Completion, ProduceRecord, Producer, ProducerConfig};
use protocol::cluster::Cluster;
use protocol::wire::records::Decompressor;
use tokio::time::Instant;

use super::reader::{TICK, earliest};
use super::{PATIENCE, TestCluster, tp};

pub(crate) fn config(id: &str) -> ProducerConfig {
    ProducerConfig { transactional_id: Some(id.into()), linger_ms: 0, ..ProducerConfig::default() }
}

pub(crate) async fn producer_on(client: Cluster, id: &str) -> Producer {
    let producer = Producer::new(client, config(id)).unwrap();
    producer.init_transactions().await.unwrap();
    producer
}

pub(crate) async fn send(producer: &Producer, topic: &str, partition: i32, values: &[&str]) {
    let topic = producer.topic(topic).await.unwrap();
    for value in values {
        let record = ProduceRecord {
            timestamp_ms: 1_700_000_000_000,
            value: Some(value.as_bytes()),
            ..ProduceRecord::default()
        };
        producer.append(&topic, Some(partition), &record, 0).unwrap();
    }
}

pub(crate) async fn completions(producer: &Producer, record_count: u32) -> Vec<Completion> {
    let mut done = Vec::new();
    while done.iter().map(|c: &Completion| c.record_count).sum::<u32>() < record_count {
        producer.completions(&mut done).await;
    }
    done
}

/// Reads committed records of a topic's first partition until one with the value `last` comes.
pub(crate) async fn committed_until(cluster: &TestCluster, topic: &str, last: &str) -> Vec<String> {
    let config = ConsumerConfig {
        isolation_level: IsolationLevel::ReadCommitted,
        // Small, so that transactions are spread over fetches.
        max_partition_fetch_bytes: 200,
        ..earliest()
    };
    let consumer = Consumer::new(cluster.client(), config);
    consumer.assign(vec![tp(topic, 0)]);
    let mut decompressor = Decompressor::default();
    let mut values = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    while values.last().is_none_or(|value| value != last) {
        assert!(Instant::now() < deadline, "{last} does not come, but {values:?}");
        let Polled::Records(fetched) = consumer.poll(TICK).await.unwrap() else { continue };
        for one in fetched {
            for batch in one.committed_batches(&mut decompressor).unwrap() {
                let payload = batch.payload(&mut decompressor).unwrap();
                for record in batch.records(&payload) {
                    let record = record.unwrap();
                    if batch.header().base_offset + i64::from(record.offset_delta) >= one.first_wanted_offset
                    {
                        values.push(String::from_utf8(record.value.unwrap().to_vec()).unwrap());
                    }
                }
            }
        }
    }
    values
}
