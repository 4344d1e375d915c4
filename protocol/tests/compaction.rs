//! Reading a compacted log, against the embedded broker or the real Kafka that `AQUEDUCT_KAFKA` names: offsets have gaps, batches
//! are cut or empty, and a reader gets on all the same.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod support;

use std::time::{SystemTime, UNIX_EPOCH};

use protocol::client::TopicPartition;
use protocol::client::admin::NewTopic;
use protocol::client::producer::{ProduceRecord, Producer, ProducerConfig};
use protocol::wire::records::Codec;
use support::reader::{Reader, earliest};
use support::{PATIENCE, TestCluster, run, tp, unique};
use tokio::time::Instant;

const KEY_COUNT: i64 = 7;
const ROUND_COUNT: i64 = 30;
/// The active segment, which is not compacted, holds the last round.
const END_OFFSET: i64 = KEY_COUNT * ROUND_COUNT;
const ACTIVE_OFFSET: i64 = END_OFFSET - KEY_COUNT;

/// Writes every key once per round. Each round is a batch and, by its timestamp, a segment.
async fn write(cluster: &TestCluster, topic: &str, codec: Codec) {
    let config = ProducerConfig { compression: codec, linger_ms: 10_000, ..ProducerConfig::default() };
    let producer = Producer::new(cluster.client(), config).unwrap();
    let topic = producer.topic(topic).await.unwrap();
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    for round in 0..ROUND_COUNT {
        for key in 0..KEY_COUNT {
            let (name, value) = (format!("key-{key}"), format!("key-{key} round-{round}"));
            let record = ProduceRecord {
                timestamp_ms: now_ms - (ROUND_COUNT - round) * 1_000,
                key: Some(name.as_bytes()),
                value: Some(value.as_bytes()),
                ..ProduceRecord::default()
            };
            producer.append(&topic, Some(0), &record, 0).unwrap();
        }
        producer.flush().await.unwrap();
    }
}

/// What a reader that begins at `offset` sees until it is at the end.
async fn read_from(cluster: &TestCluster, name: &TopicPartition, offset: i64) -> Vec<(i64, String)> {
    let mut reader = Reader::assigned(cluster, earliest(), std::slice::from_ref(name));
    reader.consumer.seek(name, offset).unwrap();
    reader.until("the end", |reader| reader.consumer.position(name) == Some(END_OFFSET)).await;
    assert_eq!(reader.resets, [], "a gap is no reason to begin anew");
    reader.seen.remove(name).unwrap_or_default()
}

#[test]
fn a_reader_gets_over_the_gaps_of_a_compacted_log() {
    run(async {
        let cluster = TestCluster::start();
        for codec in [Codec::None, Codec::Lz4] {
            let topic = unique("compacted");
            let new = NewTopic::new(&topic, 1)
                .with_config("cleanup.policy", "compact")
                .with_config("segment.ms", "100")
                .with_config("min.cleanable.dirty.ratio", "0.01");
            cluster.create(new).await;
            write(&cluster, &topic, codec).await;
            let name = tp(&topic, 0);
            let newest = |round: i64| (0..KEY_COUNT).map(move |key| format!("key-{key} round-{round}"));
            let expected: Vec<(i64, String)> = (ACTIVE_OFFSET - KEY_COUNT..)
                .zip(newest(ROUND_COUNT - 2).chain(newest(ROUND_COUNT - 1)))
                .collect();
            let deadline = Instant::now() + PATIENCE;
            loop {
                let seen = read_from(&cluster, &name, 0).await;
                // Whatever compaction has come to, nothing is out of order and the newest are there.
                assert!(seen.is_sorted_by(|(a, _), (b, _)| a < b));
                assert!(seen.ends_with(&expected), "{seen:?}");
                if seen.len() == expected.len() {
                    break;
                }
                assert!(Instant::now() < deadline, "not compacted: {} records are left", seen.len());
            }
            for offset in [1, END_OFFSET / 2, expected[0].0 - 1, expected[0].0 + 2, ACTIVE_OFFSET, END_OFFSET]
            {
                let seen = read_from(&cluster, &name, offset).await;
                let wanted: Vec<_> = expected.iter().filter(|(at, _)| *at >= offset).cloned().collect();
                assert_eq!(seen, wanted, "from {offset}");
            }
        }
    });
}
