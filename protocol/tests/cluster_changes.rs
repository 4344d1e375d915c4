//! What clusters do to their clients: nodes die and come back, leaders and coordinators move, acknowledged records are lost. Every test
//! is written once; it runs on three embedded nodes, and on three nodes of a real Kafka where `AQUEDUCT_KAFKA_LIBS` names its jars.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod support;

use protocol::ErrorCode;
use protocol::client::OffsetAndMetadata;
use protocol::client::admin::NewTopic;
use protocol::client::consumer::{
    Consumer, ConsumerConfig, OffsetReset, Polled, PositionReset, Rebalance, ResetCause,
};
use protocol::client::producer::ConsumerGroupMetadata;
use support::nodes::NODE_COUNT;
use support::reader::{Reader, TICK, earliest, numbered};
use support::traffic::Traffic;
use support::transactional::{committed_until, producer_on, send};
use support::{PATIENCE, TestCluster, Writer, run, tp, unique};
use tokio::time::Instant;

const PARTITION_COUNT: i32 = 4;

fn on_embedded_nodes(test: impl AsyncFnOnce(&TestCluster)) {
    let cluster = TestCluster::embedded(NODE_COUNT as usize);
    run(test(&cluster));
}

/// One after the other, because they do to one cluster what would disturb each other.
#[test]
fn the_same_on_the_nodes_of_a_real_kafka() {
    let Some(cluster) = TestCluster::of_kafka_nodes() else { return };
    run(leaders_move(&cluster));
    run(coordinators_move(&cluster));
    run(transactions_meet_moves(&cluster));
    for replication_factor in [1, 3] {
        run(a_node_dies(&cluster, replication_factor));
    }
    run(a_transaction_meets_a_death(&cluster));
    run(records_are_lost(&cluster));
}

#[test]
fn leaders_that_move_cost_no_record_and_no_order() {
    on_embedded_nodes(leaders_move);
}

#[test]
fn coordinators_that_move_cost_no_membership_and_no_commit() {
    on_embedded_nodes(coordinators_move);
}

#[test]
fn transactions_are_whole_while_everything_moves() {
    on_embedded_nodes(transactions_meet_moves);
}

#[test]
fn a_node_that_dies_and_comes_back_costs_no_record_and_no_order() {
    for replication_factor in [1, 3] {
        on_embedded_nodes(async |cluster| a_node_dies(cluster, replication_factor).await);
    }
}

#[test]
fn a_transaction_survives_its_coordinator() {
    on_embedded_nodes(a_transaction_meets_a_death);
}

#[test]
fn lost_records_are_a_reset_and_no_silence() {
    on_embedded_nodes(records_are_lost);
}

async fn topic(cluster: &TestCluster, stem: &str, replication_factor: i16) -> String {
    let name = unique(stem);
    cluster.create(NewTopic::new(&name, PARTITION_COUNT).with_replication_factor(replication_factor)).await;
    name
}

async fn leaders_move(cluster: &TestCluster) {
    let topic = topic(cluster, "leaders", 3).await;
    let traffic = Traffic::new(cluster, &topic, PARTITION_COUNT, &topic);
    traffic
        .during(async {
            for step in 0..2 * NODE_COUNT {
                for partition in 0..PARTITION_COUNT {
                    cluster.move_leader(&topic, partition, 1 + (step + partition) % NODE_COUNT).await;
                }
            }
        })
        .await;
}

async fn coordinators_move(cluster: &TestCluster) {
    let topic = topic(cluster, "coordinators", 3).await;
    let traffic = Traffic::new(cluster, &topic, PARTITION_COUNT, &topic);
    let member = traffic
        .during(async {
            for step in 0..2 * NODE_COUNT {
                cluster.move_group_coordinator(&topic, 1 + step % NODE_COUNT).await;
            }
        })
        .await;
    assert!(matches!(&member.rebalances[..], [Rebalance::Assigned(_)]), "{:?}", member.rebalances);
    member.commit(&member.owned).await;
    cluster.move_group_coordinator(&topic, 2).await;
    let expected: Vec<_> =
        member.owned.iter().map(|name| (name.clone(), member.consumer.committable(name))).collect();
    // A new coordinator of Kafka's tells what was committed up to the high watermark that it knows, which follows a moment later.
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut committed = member.consumer.committed(&member.owned).await.unwrap();
        committed.sort_by(|a, b| a.0.cmp(&b.0));
        if committed == expected {
            return;
        }
        assert!(Instant::now() < deadline, "{committed:?} instead of {expected:?}");
    }
}

/// The offset of the first partition that the group has committed.
async fn committed_offset(cluster: &TestCluster, topic: &str, group: &str) -> Option<i64> {
    let consumer = Consumer::new(cluster.client(), ConsumerConfig::in_group(group));
    let known = consumer.committed(&[tp(topic, 0)]).await.unwrap();
    known[0].1.as_ref().map(|known| known.offset)
}

async fn transactions_meet_moves(cluster: &TestCluster) {
    let (topic, group, id) = (topic(cluster, "moved", 3).await, unique("moved"), unique("moved"));
    let producer = producer_on(cluster.client(), &id).await;
    let metadata = ConsumerGroupMetadata::of_group(&group);
    let mut expected = Vec::new();
    for round in 0..12 {
        let node = 1 + round % NODE_COUNT;
        let (value, is_kept) = (format!("value-{round}"), round % 5 != 4);
        producer.begin().unwrap();
        send(&producer, &topic, 0, &[&value]).await;
        send(&producer, &topic, 1 + round % (PARTITION_COUNT - 1), &["elsewhere"]).await;
        if round % 2 == 0 {
            producer.flush().await.unwrap();
        }
        let what = round % 4;
        if what == 0 {
            cluster.move_transaction_coordinator(&id, node).await;
        }
        let offsets = vec![(tp(&topic, 0), OffsetAndMetadata::new(i64::from(round)))];
        let (sent, ()) = tokio::join!(producer.send_offsets(offsets, &metadata), async {
            match what {
                1 => cluster.move_group_coordinator(&group, node).await,
                2 => cluster.move_leader(&topic, 0, node).await,
                _ => {}
            }
        });
        sent.unwrap();
        let end = async { if is_kept { producer.commit().await } else { producer.abort().await } };
        let (ended, ()) = tokio::join!(end, async {
            if what == 3 {
                cluster.move_transaction_coordinator(&id, node).await;
            }
        });
        ended.unwrap();
        if is_kept {
            expected.push(value);
        }
    }
    assert_eq!(committed_until(cluster, &topic, "value-11").await, expected);
    // Readers of offsets are not held up by a marker that is still to come.
    let deadline = Instant::now() + PATIENCE;
    while committed_offset(cluster, &topic, &group).await != Some(11) {
        assert!(Instant::now() < deadline);
    }
}

async fn a_node_dies(cluster: &TestCluster, replication_factor: i16) {
    let topic = topic(cluster, "death", replication_factor).await;
    let traffic = Traffic::new(cluster, &topic, PARTITION_COUNT, &topic);
    traffic
        .during(async {
            // It leads partitions and the group.
            cluster.move_group_coordinator(&topic, 2).await;
            cluster.kill_node(2).await;
            cluster.start_node(2).await;
        })
        .await;
}

async fn a_transaction_meets_a_death(cluster: &TestCluster) {
    let (topic, id) = (topic(cluster, "survivor", 3).await, unique("survivor"));
    let producer = producer_on(cluster.client(), &id).await;
    for partition in 0..2 {
        cluster.move_leader(&topic, partition, 2 + partition).await;
    }
    cluster.move_transaction_coordinator(&id, 2).await;
    let mut expected = Vec::new();
    for (value, is_kept) in [("before", true), ("dropped", false), ("kept", true)] {
        producer.begin().unwrap();
        send(&producer, &topic, 0, &[value]).await;
        if value == "dropped" {
            producer.flush().await.unwrap();
            cluster.kill_node(2).await;
        }
        send(&producer, &topic, 1, &[value]).await;
        if is_kept {
            producer.commit().await.unwrap();
            expected.push(value);
        } else {
            producer.abort().await.unwrap();
        }
    }
    cluster.start_node(2).await;
    assert_eq!(committed_until(cluster, &topic, "kept").await, expected);
}

async fn records_are_lost(cluster: &TestCluster) {
    let topic = cluster.losing_topic("lost").await;
    let name = tp(&topic, 0);
    let writer = Writer::new(cluster);
    writer.append(&topic, 0, &numbered(0..10)).await;
    let mut reader = Reader::assigned(cluster, earliest(), std::slice::from_ref(&name));
    let refusing = ConsumerConfig { auto_offset_reset: OffsetReset::None, ..ConsumerConfig::new() };
    let mut refusing = Reader::assigned(cluster, refusing, std::slice::from_ref(&name));
    refusing.consumer.seek(&name, 0).unwrap();
    let doomed = cluster.begin_to_lose(&topic, 10).await;
    writer.append(&topic, 0, &numbered(10..25)).await;
    reader.until("all that there is", |reader| reader.count() == 25).await;
    refusing.until("all that there is", |reader| reader.count() == 25).await;

    cluster.lose(doomed).await;
    writer.append(&topic, 0, &numbered(100..120)).await;
    reader.until("what took the place of the lost ones", |reader| reader.count() == 45).await;
    let expected = PositionReset {
        partition: name.clone(),
        cause: ResetCause::LogTruncated,
        before: 25,
        after: 10,
        leader_epoch: reader.resets[0].leader_epoch,
    };
    assert_eq!(reader.resets, [expected]);
    assert_eq!(reader.values_of(&name), [numbered(0..25), numbered(100..120)].concat());
    let deadline = Instant::now() + PATIENCE;
    let error = loop {
        assert!(Instant::now() < deadline, "no error came");
        match refusing.consumer.poll(TICK).await {
            Ok(polled) => assert!(!matches!(polled, Polled::Records(_)), "{polled:?}"),
            Err(error) => break error,
        }
    };
    assert!(error.to_string().contains(&format!("{name} was truncated: offset 25")), "{error}");
    assert_ne!(error.code(), Some(ErrorCode::NONE));
}
