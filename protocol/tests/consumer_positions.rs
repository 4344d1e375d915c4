//! Where a consumer goes on when its log is not what it was, against the embedded broker or the real Kafka that `AQUEDUCT_KAFKA` names.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod support;

use std::time::Duration;

use protocol::client::admin::NewTopic;
use protocol::client::consumer::{ConsumerConfig, OffsetReset, Polled, PositionReset, ResetCause};
use protocol::client::{OffsetAndMetadata, TopicPartition};
use protocol::{Error, ErrorCode};
use support::reader::{Reader, TICK, earliest, member, numbered};
use support::{PATIENCE, TestCluster, Writer, run, tp, unique};
use tokio::time::Instant;
use xtask::kafka::ClusterConfig;

async fn error_of(reader: &Reader) -> Error {
    let deadline = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < deadline, "no error came");
        match reader.consumer.poll(TICK).await {
            Ok(polled) => assert!(!matches!(polled, Polled::Records(_)), "{polled:?}"),
            Err(error) => return error,
        }
    }
}

/// A reader at offset 10 of a topic that was deleted and created again, with more records than before: the old offset exists in
/// the new topic, and a fetch by name would go on from it.
async fn reader_of_a_recreated_topic(reset: OffsetReset) -> (TestCluster, Reader, TopicPartition) {
    let cluster = TestCluster::start();
    let topic = cluster.topic("recreated", 1).await;
    let name = tp(&topic, 0);
    Writer::new(&cluster).append(&topic, 0, &numbered(0..10)).await;
    let config = ConsumerConfig { auto_offset_reset: reset, fetch_max_wait_ms: 50, ..ConsumerConfig::new() };
    let mut reader = Reader::with_client(&cluster, cluster.quiet_config(), config);
    reader.consumer.assign(vec![name.clone()]);
    reader.consumer.seek(&name, 0).unwrap();
    reader.until("the old records", |reader| reader.count() == 10).await;
    cluster.delete(&topic).await;
    cluster.create(NewTopic::new(&topic, 1)).await;
    Writer::new(&cluster).append(&topic, 0, &numbered(100..125)).await;
    (cluster, reader, name)
}

#[test]
fn a_recreated_topic_is_read_from_its_beginning_in_the_open() {
    run(async {
        for reset in [OffsetReset::Earliest, OffsetReset::Latest] {
            let (_cluster, mut reader, name) = reader_of_a_recreated_topic(reset).await;
            reader.until("the new records", |reader| reader.count() == 35).await;
            let expected = PositionReset {
                partition: name.clone(),
                cause: ResetCause::TopicRecreated,
                before: 10,
                after: 0,
                leader_epoch: reader.resets[0].leader_epoch,
            };
            assert_eq!(reader.resets, [expected]);
            assert_eq!(reader.consumer.reset_count(), 1);
            assert_eq!(reader.values_of(&name), [numbered(0..10), numbered(100..125)].concat());
        }
    });
}

#[test]
fn a_recreated_topic_is_an_error_without_a_reset() {
    run(async {
        let (_cluster, mut reader, name) = reader_of_a_recreated_topic(OffsetReset::None).await;
        let error = error_of(&reader).await;
        assert_eq!(error.code(), Some(ErrorCode::UNKNOWN_TOPIC_ID));
        assert!(
            error.to_string().contains(&format!("{name} was deleted and created again: offset 10")),
            "{error}"
        );
        reader.consumer.seek(&name, 20).unwrap();
        reader.until("after the seek", |reader| reader.count() == 15).await;
    });
}

/// Goal: a committed offset carries its leader epoch, and one that no log has is not read on from: here of an election that never was.
#[test]
fn a_committed_epoch_is_checked_against_the_log() {
    run(async {
        let cluster = TestCluster::start();
        let topic = cluster.topic("epoch", 1).await;
        let name = tp(&topic, 0);
        Writer::new(&cluster).append(&topic, 0, &numbered(0..10)).await;
        let group = unique("epoch");
        let mut reader = Reader::assigned(&cluster, member(&group), std::slice::from_ref(&name));
        reader.until("all records", |reader| reader.count() == 10).await;
        let committable = reader.consumer.committable(&name).unwrap();
        assert_eq!((committable.offset, committable.leader_epoch), (10, 0));
        reader.commit(std::slice::from_ref(&name)).await;
        let found = reader.consumer.committed(std::slice::from_ref(&name)).await.unwrap();
        assert_eq!(found[0].1.as_ref().unwrap(), &committable);

        // Where it was read before, it is read on.
        Writer::new(&cluster).append(&topic, 0, &numbered(10..20)).await;
        let mut successor = Reader::assigned(&cluster, member(&group), std::slice::from_ref(&name));
        successor.until("what came since", |reader| reader.count() == 10).await;
        assert!(successor.resets.is_empty());

        let lost = OffsetAndMetadata { leader_epoch: 7, ..OffsetAndMetadata::new(10) };
        reader.consumer.commit(&[(name.clone(), lost)]).await.unwrap();
        let config = ConsumerConfig { auto_offset_reset: OffsetReset::None, ..member(&group) };
        let refusing = Reader::assigned(&cluster, config, std::slice::from_ref(&name));
        let error = error_of(&refusing).await;
        assert!(error.to_string().contains(&format!("{name} was truncated: offset 10")), "{error}");
        let mut resetting = Reader::assigned(&cluster, member(&group), std::slice::from_ref(&name));
        resetting.until("everything again", |reader| reader.count() == 20).await;
        assert_eq!(resetting.resets[0].cause, ResetCause::LogTruncated);
    });
}

#[test]
fn a_gap_is_reported_between_the_data_on_both_sides() {
    run(async {
        let cluster = TestCluster::start();
        let topic = cluster.topic("gap", 1).await;
        let name = tp(&topic, 0);
        Writer::new(&cluster).append(&topic, 0, &numbered(0..10)).await;
        let mut reader = Reader::assigned(&cluster, earliest(), std::slice::from_ref(&name));
        reader.until("all records", |reader| reader.count() == 10).await;
        reader.consumer.seek(&name, 1_000).unwrap();
        reader.until("all records again", |reader| reader.count() == 20).await;
        let reset = &reader.resets[0];
        assert_eq!((reset.cause, reset.before, reset.after), (ResetCause::OutOfRange, 1_000, 0));
    });
}

#[test]
fn begins_at_an_age_and_finds_offsets_by_time() {
    run(async {
        let cluster = TestCluster::start();
        let topic = cluster.topic("age", 1).await;
        let name = tp(&topic, 0);
        let writer = Writer::new(&cluster);
        // The records of the writer are as old as the hills.
        writer.append(&topic, 0, &numbered(0..10)).await;
        let hour = OffsetReset::ByDuration(Duration::from_hours(1));
        let config = ConsumerConfig { auto_offset_reset: hour, ..ConsumerConfig::new() };
        let mut young = Reader::assigned(&cluster, config, std::slice::from_ref(&name));
        young.until("the end", |reader| reader.consumer.position(&name) == Some(10)).await;
        let ages = OffsetReset::ByDuration(Duration::from_hours(24 * 365 * 1_000));
        let config = ConsumerConfig { auto_offset_reset: ages, ..ConsumerConfig::new() };
        let mut old = Reader::assigned(&cluster, config, std::slice::from_ref(&name));
        old.until("all records", |reader| reader.count() == 10).await;

        for (at_ms, offset) in [(1_000, Some(0)), (1_001, None)] {
            let found = old.consumer.offsets_for_times(&[(name.clone(), at_ms)]).await.unwrap();
            assert_eq!(found, [(name.clone(), offset)]);
        }
    });
}

#[test]
fn records_of_any_size_arrive_whole() {
    run(async {
        let cluster = TestCluster::start();
        let topic = unique("sizes");
        let new = NewTopic::new(&topic, 1).with_config("max.message.bytes", "33554432");
        cluster.create(new).await;
        let name = tp(&topic, 0);
        let writer = Writer::new(&cluster);
        let mut sizes = vec![0, 1, 127, 128, 16_383, 1 << 20, 20 << 20];
        sizes.push(0);
        for size in &sizes {
            writer.append(&topic, 0, &["x".repeat(*size)]).await;
        }
        let mut reader = Reader::assigned(&cluster, earliest(), std::slice::from_ref(&name));
        reader.until("all sizes", |reader| reader.count() == sizes.len()).await;
        let seen: Vec<usize> = reader.values_of(&name).iter().map(String::len).collect();
        assert_eq!(seen, sizes);
    });
}

#[test]
fn ten_thousand_partitions_are_one_assignment() {
    run(ten_thousand_partitions(&TestCluster::embedded(1)));
}

/// A broker of its own: it is busy with so many logs for a while, which other tests would feel.
#[test]
fn ten_thousand_partitions_of_a_real_kafka_are_one_assignment() {
    let small_indexes = [("log.index.size.max.bytes".to_owned(), "4096".to_owned())];
    let config =
        ClusterConfig { properties: small_indexes.to_vec(), is_in_memory: true, ..ClusterConfig::default() };
    let Some(cluster) = TestCluster::of_kafka(&config) else { return };
    run(ten_thousand_partitions(&cluster));
}

async fn ten_thousand_partitions(cluster: &TestCluster) {
    // Kafka makes no more than 10,000 records of one request, of which some say other things than partitions.
    let mut topics = Vec::new();
    for _ in 0..4 {
        topics.push(cluster.topic("many", 2_500).await);
    }
    let of_topic = |topic: &String| (0..2_500).map(|partition| tp(topic, partition)).collect::<Vec<_>>();
    let names = topics.iter().flat_map(of_topic).collect::<Vec<_>>();
    let mut reader = Reader::assigned(cluster, earliest(), &names);
    let writer = Writer::new(cluster);
    for (topic, partition) in [(&topics[0], 0), (&topics[1], 2_499), (&topics[3], 1_250)] {
        writer.append(topic, partition, &numbered(0..10)).await;
    }
    reader.until("the three that have records", |reader| reader.count() == 30).await;
}
