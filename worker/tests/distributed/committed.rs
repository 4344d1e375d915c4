//! What somebody sees who reads only what is committed.

use std::collections::BTreeMap;
use std::time::Duration;

use protocol::client::TopicPartition;
use protocol::client::admin::{Admin, IsolationLevel, OffsetSpec};
use protocol::client::consumer::{Consumer, ConsumerConfig, OffsetReset, Polled};
use protocol::cluster::{Cluster, ClusterConfig};
use protocol::net::Env;
use protocol::wire::records::{BatchHeader, Decompressor, RecordRef};
use tokio::runtime::Builder;
use tokio::task::LocalSet;
use tokio::time::Instant;

use crate::support::PATIENCE;

/// Keys and values of a topic, by partition and in order, up to what is committed now; none where there is no such topic yet.
pub(crate) fn records(bootstrap: &str, topic: &str) -> Vec<(String, String)> {
    let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
    read(bootstrap, topic, |_, record| (text(record.key), text(record.value)))
}

/// Whether each record with a key like this was written in a transaction, in order.
pub(crate) fn were_transactional(bootstrap: &str, topic: &str, key: &str) -> Vec<bool> {
    let of_key = |batch: &BatchHeader, record: &RecordRef<'_>| {
        (record.key == Some(key.as_bytes())).then(|| batch.is_transactional())
    };
    read(bootstrap, topic, of_key).into_iter().flatten().collect()
}

/// What `take` makes of each record of a topic.
fn read<T>(bootstrap: &str, topic: &str, take: impl Fn(&BatchHeader, &RecordRef<'_>) -> T) -> Vec<T> {
    let read = async {
        let cluster = ClusterConfig::new(vec![bootstrap.parse().unwrap()]);
        let cluster = Cluster::new(Env::real(), cluster);
        let Ok(known) = cluster.topic(topic, Instant::now() + Duration::from_secs(2)).await else {
            return Vec::new();
        };
        let count = known.partitions.len() as i32;
        let queries: Vec<_> = (0..count).map(|partition| (topic, partition, OffsetSpec::Latest)).collect();
        let ends = Admin::new(cluster.clone()).list_offsets(&queries, IsolationLevel::ReadCommitted).await;
        let ends: Vec<i64> = ends.into_iter().map(|end| end.unwrap().offset.unwrap()).collect();
        let config = ConsumerConfig {
            auto_offset_reset: OffsetReset::Earliest,
            isolation_level: IsolationLevel::ReadCommitted,
            ..ConsumerConfig::new()
        };
        let consumer = Consumer::new(cluster, config);
        let partitions: Vec<_> = (0..count).map(|partition| TopicPartition::new(topic, partition)).collect();
        consumer.assign(partitions.clone());
        let mut found: BTreeMap<i32, Vec<T>> = BTreeMap::new();
        let mut decompressor = Decompressor::default();
        let started = Instant::now();
        let is_behind = |consumer: &Consumer| {
            let mut all = partitions.iter().zip(&ends);
            all.any(|(partition, end)| consumer.position(partition).unwrap_or(0) < *end)
        };
        while is_behind(&consumer) {
            assert!(started.elapsed() < PATIENCE, "{topic} cannot be read to its end");
            let Polled::Records(fetched) = consumer.poll(Duration::from_millis(50)).await.unwrap() else {
                continue;
            };
            for one in fetched.iter() {
                let batches: Vec<_> = one.committed_batches(&mut decompressor).unwrap().into_iter().collect();
                for batch in batches {
                    let payload = batch.payload(&mut decompressor).unwrap();
                    for record in batch.records(&payload) {
                        let taken = take(batch.header(), &record.unwrap());
                        found.entry(one.partition).or_default().push(taken);
                    }
                }
            }
        }
        consumer.close().await;
        found.into_values().flatten().collect()
    };
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, read)
}

/// The numbers that each task of a VerifiableSource has written, each of them once and in order from 0.
#[track_caller]
pub(crate) fn numbers(bootstrap: &str, topic: &str) -> BTreeMap<u32, i64> {
    let mut counts: BTreeMap<u32, i64> = BTreeMap::new();
    for (task, number) in records(bootstrap, topic) {
        let (task, number): (u32, i64) = (task.parse().unwrap(), number.parse().unwrap());
        let count = counts.entry(task).or_default();
        assert_eq!(number, *count, "task {task} of {topic}: a number is lost or comes twice");
        *count += 1;
    }
    counts
}
