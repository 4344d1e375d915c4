//! Goal: a broker that is killed and comes back costs no record, doubles none and swaps none. Method: a real Kafka of the test's
//! own is ended with SIGKILL between a producer, a reader and a member of a group that all are in the middle of their work.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod support;

use std::time::{SystemTime, UNIX_EPOCH};

use protocol::client::producer::{AppendError, Completion, ProduceRecord, Producer, ProducerConfig};
use support::reader::{Reader, TICK, earliest, member, numbered};
use support::{TestCluster, run, tp, unique};
use xtask::kafka::{Broker, Libs};

const PARTITION_COUNT: u32 = 2;
/// Records appended before, during and after the outage, each.
const RECORD_COUNT: u32 = 20_000;

#[test]
fn a_killed_broker_costs_no_record_and_no_order() {
    let Some(libs) = Libs::from_env() else {
        let is_required = std::env::var("AQUEDUCT_REQUIRE_KAFKA").is_ok_and(|value| value == "1");
        assert!(!is_required, "AQUEDUCT_KAFKA_LIBS is not set");
        return;
    };
    run(async {
        let broker = Broker::start(&libs).unwrap();
        let cluster = TestCluster::at(broker.bootstrap());
        let topic = cluster.topic("restart", PARTITION_COUNT as i32).await;
        let names: Vec<_> = (0..PARTITION_COUNT).map(|partition| tp(&topic, partition as i32)).collect();
        // Small batches, so that many are on their way when the broker dies.
        let config = ProducerConfig { batch_bytes: 1_000, linger_ms: 1, ..ProducerConfig::default() };
        let producer = Producer::new(cluster.client(), config).unwrap();
        let mut reader = Reader::assigned(&cluster, earliest(), &names);
        let mut in_group = Reader::new(&cluster, member(&unique("restarted")));
        in_group.subscribe(&topic);

        append(&producer, &topic, 0).await;
        reader.until("some records", |reader| reader.count() > 0).await;
        in_group.until("some records in the group", |reader| reader.count() > 0).await;

        append(&producer, &topic, RECORD_COUNT).await;
        let restart = tokio::task::spawn_blocking(move || broker.kill().start());
        while !restart.is_finished() {
            reader.step(TICK).await;
            in_group.step(TICK).await;
        }
        let _broker = restart.await.unwrap().unwrap();

        append(&producer, &topic, 2 * RECORD_COUNT).await;
        producer.flush().await.unwrap();
        let mut done: Vec<Completion> = Vec::new();
        let answered = |done: &[Completion]| done.iter().map(|one| one.record_count).sum::<u32>();
        while answered(&done) < 3 * RECORD_COUNT {
            producer.completions(&mut done).await;
        }
        for one in &done {
            assert!(one.result.is_ok(), "{one:?}");
        }
        reader.until("every record", |reader| reader.count() >= 3 * RECORD_COUNT as usize).await;
        for (partition, name) in (0..).zip(&names) {
            let expected: Vec<_> =
                numbered(0..3 * RECORD_COUNT).into_iter().skip(partition).step_by(names.len()).collect();
            let seen = &reader.seen[name];
            let swapped = seen.iter().zip(&expected).position(|((_, value), expected)| value != expected);
            let around = swapped.map(|index| &seen[index.saturating_sub(2)..(index + 3).min(seen.len())]);
            assert!(
                seen.len() == expected.len() && swapped.is_none(),
                "{name}: {} records of {}, the first wrong one: {swapped:?} of {around:?}",
                seen.len(),
                expected.len()
            );
        }
        // A member may have lost its session and begun again at what it had committed: at least once.
        let last = |partition: u32| format!("value-{}", 3 * RECORD_COUNT - PARTITION_COUNT + partition);
        let has_all = |reader: &Reader| {
            (0..).zip(&names).all(|(partition, name)| reader.values_of(name).last() == Some(&last(partition)))
        };
        in_group.until("the last records in the group", has_all).await;
    });
}

/// Appends the next [`RECORD_COUNT`] records, which begin with number `first`.
async fn append(producer: &Producer, topic: &str, first: u32) {
    let topic = producer.topic(topic).await.unwrap();
    // Of now: while it recovers, a broker forgets producers whose last record is older than `producer.id.expiration.ms` by its
    // timestamp, and no longer recognises what they send again.
    let timestamp_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    for (number, value) in (first..).zip(numbered(first..first + RECORD_COUNT)) {
        let record =
            ProduceRecord { timestamp_ms, value: Some(value.as_bytes()), ..ProduceRecord::default() };
        loop {
            match producer.append(&topic, Some((number % PARTITION_COUNT) as i32), &record, 0) {
                Ok(()) => break,
                Err(AppendError::Full) => producer.ready().await,
                Err(error) => panic!("{error}"),
            }
        }
        if number % 100 == 0 {
            tokio::task::yield_now().await;
        }
    }
}
