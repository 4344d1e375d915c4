//! The producer and the admin operations against a cluster: the embedded broker, or the real Kafka that `AQUEDUCT_KAFKA` names.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use protocol::client::admin::{Admin, IsolationLevel, NewTopic, OffsetSpec};
use protocol::client::producer::{
    Acks, AppendError, Completion, ProduceRecord, Producer, ProducerConfig, TopicHandle, partition_for_key,
};
use protocol::cluster::{Cluster, Target};
use protocol::wire::messages::fetch_request::{FetchPartition, FetchTopic};
use protocol::wire::messages::{BrokerId, FetchRequest, StrBytes, TopicName};
use protocol::wire::records::{Codec, Decompressor, Header, RecordSet};
use protocol::{Error, ErrorCode};
use support::{PATIENCE, TestCluster, run, unique};
use tokio::time::Instant;

/// A record as it was read back.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Read {
    offset: i64,
    timestamp_ms: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// Everything in a partition, by plain fetches, so that no consumer is under test.
async fn read_all(cluster: &Cluster, topic: &str, partition: i32) -> Vec<Read> {
    let admin = Admin::new(cluster.clone());
    let end =
        admin.list_offsets(&[(topic, partition, OffsetSpec::Latest)], IsolationLevel::ReadUncommitted).await;
    let end = end[0].as_ref().unwrap().offset.unwrap();
    let mut decompressor = Decompressor::default();
    let mut read: Vec<Read> = Vec::new();
    let mut next = 0;
    while next < end {
        let deadline = Instant::now() + PATIENCE;
        let records = cluster
            .retrying(&Target::Any, deadline, async || {
                let leader = cluster
                    .leader(topic, partition)
                    .ok_or_else(|| Error::broker("fetch", ErrorCode::LEADER_NOT_AVAILABLE))?;
                let build = |_version: i16| {
                    let wanted = FetchPartition::default()
                        .with_partition(partition)
                        .with_fetch_offset(next)
                        .with_partition_max_bytes(8 << 20);
                    let wanted = FetchTopic::default()
                        .with_topic(TopicName(StrBytes::from_string(topic.to_owned())))
                        .with_partitions(vec![wanted]);
                    FetchRequest::default()
                        .with_replica_id(BrokerId(-1))
                        .with_max_bytes(16 << 20)
                        .with_max_wait_ms(100)
                        .with_min_bytes(1)
                        .with_topics(vec![wanted])
                };
                let (response, _) = cluster.call(&Target::Node(leader.node), build).await?;
                let answer = &response.responses[0].partitions[0];
                Error::check("fetch", answer.error_code)?;
                Ok(answer.records.clone().unwrap_or_default())
            })
            .await
            .unwrap();
        for batch in RecordSet::new(records) {
            let batch = batch.unwrap();
            batch.check_crc().unwrap();
            let payload = batch.payload(&mut decompressor).unwrap();
            for record in batch.records(&payload) {
                let record = record.unwrap();
                let offset = batch.header().base_offset + i64::from(record.offset_delta);
                if offset >= next {
                    read.push(Read {
                        offset,
                        timestamp_ms: record.timestamp,
                        key: record.key.map(<[u8]>::to_vec),
                        value: record.value.map(<[u8]>::to_vec),
                        headers: record
                            .headers
                            .iter()
                            .map(|header| header.unwrap())
                            .map(|header| (header.key.to_vec(), header.value.map(<[u8]>::to_vec)))
                            .collect(),
                    });
                }
            }
            next = batch.header().next_offset();
        }
    }
    read
}

async fn values(cluster: &Cluster, topic: &str, partition: i32) -> Vec<String> {
    let read = read_all(cluster, topic, partition).await;
    read.into_iter().map(|record| String::from_utf8(record.value.unwrap()).unwrap()).collect()
}

fn record(value: &[u8]) -> ProduceRecord<'_> {
    ProduceRecord { timestamp_ms: 1_700_000_000_000, value: Some(value), ..ProduceRecord::default() }
}

async fn append(
    producer: &Producer,
    topic: &TopicHandle,
    partition: Option<i32>,
    record: &ProduceRecord<'_>,
) {
    loop {
        match producer.append(topic, partition, record, 0) {
            Ok(_partition) => return,
            Err(AppendError::Full) => producer.ready().await,
            Err(error) => panic!("{error}"),
        }
    }
}

async fn completions(producer: &Producer, record_count: u32) -> Vec<Completion> {
    let mut done = Vec::new();
    while done.iter().map(|c: &Completion| c.record_count).sum::<u32>() < record_count {
        producer.completions(&mut done).await;
    }
    done
}

#[test]
fn a_record_comes_back_as_it_went_under_every_codec() {
    run(async {
        let cluster = TestCluster::start();
        for codec in Codec::ALL {
            let name = cluster.topic(codec.name(), 1).await;
            let client = cluster.client();
            let config = ProducerConfig { compression: codec, ..ProducerConfig::default() };
            let producer = Producer::new(client.clone(), config).unwrap();
            let topic = producer.topic(&name).await.unwrap();
            let big = vec![b'x'; 100_000];
            let headers = [Header { key: b"h", value: Some(b"1") }, Header { key: b"h", value: None }];
            let none = ProduceRecord { timestamp_ms: 1_700_000_000_001, ..ProduceRecord::default() };
            let records = [
                ProduceRecord { key: Some(b"k"), value: Some(b"v"), headers: &headers, ..none },
                ProduceRecord { timestamp_ms: 1_600_000_000_000, key: Some(b""), value: Some(b""), ..none },
                none,
                ProduceRecord { value: Some(&big), ..none },
                record(b"last"),
            ];
            for one in &records {
                append(&producer, &topic, Some(0), one).await;
            }
            producer.flush().await.unwrap();
            let expected: Vec<Read> = records
                .iter()
                .enumerate()
                .map(|(offset, one)| Read {
                    offset: offset as i64,
                    timestamp_ms: one.timestamp_ms,
                    key: one.key.map(<[u8]>::to_vec),
                    value: one.value.map(<[u8]>::to_vec),
                    headers: one
                        .headers
                        .iter()
                        .map(|header| (header.key.to_vec(), header.value.map(<[u8]>::to_vec)))
                        .collect(),
                })
                .collect();
            assert_eq!(read_all(&client, &name, 0).await, expected, "{codec}");
        }
    });
}

#[test]
fn many_records_keep_their_order_and_their_completions_say_where_they_are() {
    run(async {
        let cluster = TestCluster::start();
        let name = cluster.topic("order", 4).await;
        let client = cluster.client();
        let config = ProducerConfig { buffer_bytes: 4 << 20, ..ProducerConfig::default() };
        let producer = Producer::new(client.clone(), config).unwrap();
        let topic = producer.topic(&name).await.unwrap();
        let count = 50_000_u32;
        for index in 0..count {
            let value = format!("{index:0>100}");
            append(&producer, &topic, Some((index % 4) as i32), &record(value.as_bytes())).await;
        }
        producer.flush().await.unwrap();
        let mut next = BTreeMap::new();
        for done in completions(&producer, count).await {
            let ack = done.result.unwrap();
            let expected = next.entry(ack.partition).or_insert(0);
            assert_eq!(ack.base_offset, Some(*expected));
            *expected += i64::from(done.record_count);
        }
        for partition in 0..4 {
            let expected: Vec<_> =
                (0..count).filter(|i| i % 4 == partition).map(|index| format!("{index:0>100}")).collect();
            assert!(values(&client, &name, partition as i32).await == expected, "partition {partition}");
        }
    });
}

#[test]
fn keys_go_where_java_puts_them_and_keyless_records_everywhere() {
    run(async {
        let cluster = TestCluster::start();
        let name = cluster.topic("keys", 5).await;
        let producer = Producer::new(cluster.client(), ProducerConfig::default()).unwrap();
        let topic = producer.topic(&name).await.unwrap();
        let key = b"foobar";
        append(&producer, &topic, None, &ProduceRecord { key: Some(key), ..record(b"v") }).await;
        producer.flush().await.unwrap();
        let done = completions(&producer, 1).await;
        let expected = partition_for_key(key, 5);
        assert_eq!(done[0].result.as_ref().unwrap().partition, expected as i32);
        let mut used = std::collections::BTreeSet::new();
        // Each as large as `batch.size`, after which keyless records move on.
        for _ in 0..60 {
            append(&producer, &topic, None, &record(&[b'v'; 16 * 1024])).await;
            producer.flush().await.unwrap();
            used.insert(completions(&producer, 1).await[0].result.as_ref().unwrap().partition);
        }
        assert_eq!(used.len(), 5);
    });
}

#[test]
fn every_kind_of_acknowledgement_delivers() {
    run(async {
        let cluster = TestCluster::start();
        for (acks, idempotence) in
            [(Acks::None, false), (Acks::Leader, false), (Acks::All, false), (Acks::All, true)]
        {
            let name = cluster.topic("acks", 1).await;
            let client = cluster.client();
            let config = ProducerConfig { acks, idempotence, ..ProducerConfig::default() };
            let producer = Producer::new(client.clone(), config).unwrap();
            let topic = producer.topic(&name).await.unwrap();
            for index in 0..100 {
                append(&producer, &topic, None, &record(format!("{index}").as_bytes())).await;
            }
            producer.flush().await.unwrap();
            assert!(completions(&producer, 100).await.iter().all(|c| c.result.is_ok()));
            // Without acknowledgement nobody says when the broker has written them.
            let deadline = Instant::now() + PATIENCE;
            while values(&client, &name, 0).await.len() < 100 && Instant::now() < deadline {
                tokio::task::yield_now().await;
            }
            assert_eq!(values(&client, &name, 0).await.len(), 100, "{acks:?}");
        }
    });
}

#[test]
fn a_lost_connection_loses_and_doubles_nothing() {
    run(async {
        let cluster = TestCluster::start();
        let name = cluster.topic("lost", 2).await;
        let client = cluster.client();
        let config = ProducerConfig { batch_bytes: 2_000, linger_ms: 1, ..ProducerConfig::default() };
        let producer = Producer::new(client.clone(), config).unwrap();
        let topic = producer.topic(&name).await.unwrap();
        for index in 0..4_000_u32 {
            let value = format!("{index:0>50}");
            append(&producer, &topic, Some((index % 2) as i32), &record(value.as_bytes())).await;
            if index % 50 == 0 {
                tokio::task::yield_now().await;
            }
            if index % 300 == 299 {
                let leader = client.leader(&name, 0).unwrap();
                if let Some(connection) = client.open_connection(leader.node) {
                    connection.close(Error::disconnected("test", "cut by the test"));
                }
            }
        }
        producer.flush().await.unwrap();
        assert!(completions(&producer, 4_000).await.iter().all(|c| c.result.is_ok()));
        for partition in 0..2 {
            let expected: Vec<_> =
                (0..4_000).filter(|i| i % 2 == partition).map(|index| format!("{index:0>50}")).collect();
            assert_eq!(values(&client, &name, partition).await, expected);
        }
    });
}

#[test]
fn a_batch_that_the_broker_finds_too_large_fails_and_its_successors_do_not() {
    run(async {
        let cluster = TestCluster::start();
        let name = unique("small");
        let client = cluster.client();
        let admin = Admin::new(client.clone());
        let topic = NewTopic::new(&name, 1).with_config("max.message.bytes", "10000");
        admin.create_topics(&[topic]).await.remove(0).unwrap();
        let producer = Producer::new(client.clone(), ProducerConfig::default()).unwrap();
        let topic = producer.topic(&name).await.unwrap();
        append(&producer, &topic, None, &record(b"first")).await;
        producer.flush().await.unwrap();
        append(&producer, &topic, None, &record(&[b'x'; 15_000])).await;
        for index in 0..20 {
            append(&producer, &topic, None, &record(format!("{index:0>2000}").as_bytes())).await;
            producer.flush_hint();
            tokio::task::yield_now().await;
        }
        producer.flush().await.unwrap();
        let done = completions(&producer, 22).await;
        let failed: Vec<_> = done.iter().filter_map(|c| c.result.as_ref().err()).collect();
        assert!(!failed.is_empty() && failed.iter().all(|e| e.code() == Some(ErrorCode::MESSAGE_TOO_LARGE)));
        let kept: u32 = done.iter().filter(|c| c.result.is_ok()).map(|c| c.record_count).sum();
        assert_eq!(values(&client, &name, 0).await.len(), kept as usize);
    });
}

#[test]
fn topics_are_created_described_and_deleted() {
    run(async {
        let cluster = TestCluster::start();
        let admin = Admin::new(cluster.client());
        let description = admin.describe_cluster().await.unwrap();
        assert!(description.cluster_id.is_some() && !description.nodes.is_empty());

        let (first, second) = (unique("first"), unique("second"));
        let topics = [NewTopic::new(&first, 3), NewTopic::new("no/such name", 1), NewTopic::new(&second, 1)];
        let created = admin.create_topics(&topics).await;
        assert!(created[0].is_ok() && created[2].is_ok(), "{created:?}");
        assert_eq!(created[1].as_ref().unwrap_err().code(), Some(ErrorCode::INVALID_TOPIC_EXCEPTION));
        let again = admin.create_topics(&[NewTopic::new(&first, 3)]).await;
        assert_eq!(again[0].as_ref().unwrap_err().code(), Some(ErrorCode::TOPIC_ALREADY_EXISTS));

        let missing = unique("missing");
        let described = admin.describe_topics(&[&first, &missing]).await.unwrap();
        assert_eq!(described[0].as_ref().unwrap().partitions.len(), 3);
        let code = described[1].as_ref().unwrap_err().code();
        assert_eq!(code, Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
        let listed = admin.list_topics().await.unwrap();
        assert!(listed.iter().any(|topic| *topic.name == *second));

        let deleted = admin.delete_topics(&[&first, &missing]).await;
        assert!(deleted[0].is_ok());
        let code = deleted[1].as_ref().unwrap_err().code();
        assert_eq!(code, Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    });
}

#[test]
fn offsets_are_found_by_nature_and_by_time() {
    run(async {
        let cluster = TestCluster::start();
        let name = cluster.topic("offsets", 2).await;
        let client = cluster.client();
        let producer = Producer::new(client.clone(), ProducerConfig::default()).unwrap();
        let topic = producer.topic(&name).await.unwrap();
        for timestamp_ms in [1_000, 2_000, 3_000] {
            append(&producer, &topic, Some(0), &ProduceRecord { timestamp_ms, ..record(b"v") }).await;
        }
        producer.flush().await.unwrap();
        let queries = [(&*name, 0, OffsetSpec::Earliest), (&*name, 1, OffsetSpec::Latest)];
        let found = Admin::new(client.clone()).list_offsets(&queries, IsolationLevel::ReadCommitted).await;
        let offsets: Vec<_> = found.iter().map(|o| o.as_ref().unwrap().offset).collect();
        assert_eq!(offsets, [Some(0), Some(0)]);
        for (spec, expected) in [
            (OffsetSpec::Latest, Some(3)),
            (OffsetSpec::Timestamp(2_000), Some(1)),
            (OffsetSpec::Timestamp(2_001), Some(2)),
            (OffsetSpec::Timestamp(4_000), None),
        ] {
            let admin = Admin::new(client.clone());
            let found = admin.list_offsets(&[(&name, 0, spec)], IsolationLevel::ReadUncommitted).await;
            assert_eq!(found[0].as_ref().unwrap().offset, expected, "{spec:?}");
        }
        let admin = Admin::new(client).with_timeout(Duration::from_secs(1));
        let missing =
            admin.list_offsets(&[(&name, 9, OffsetSpec::Latest)], IsolationLevel::ReadUncommitted).await;
        let code = missing[0].as_ref().unwrap_err().code();
        assert_eq!(code, Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    });
}
