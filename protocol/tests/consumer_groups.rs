//! Groups of our members under every assignor, against the embedded broker or the real Kafka that `AQUEDUCT_KAFKA` names.

mod support;

use protocol::client::admin::NewTopic;
use protocol::client::consumer::{ConsumerConfig, Polled, Rebalance};
use protocol::client::group::assignor::Assignor;
use protocol::client::{OffsetAndMetadata, TopicPartition};
use protocol::wire::messages::ApiKey;
use protocol::{ErrorCode, ErrorKind};
use support::reader::{Reader, TICK, member, numbered};
use support::{PATIENCE, TestCluster, Writer, run, tp, unique};
use tokio::time::Instant;

const ALL: [Assignor; 4] =
    [Assignor::Range, Assignor::RoundRobin, Assignor::Sticky, Assignor::CooperativeSticky];

fn with(assignor: Assignor, group: &str) -> ConsumerConfig {
    ConsumerConfig { assignors: vec![assignor], ..member(group) }
}

async fn both_until(a: &mut Reader, b: &mut Reader, what: &str, is_done: impl Fn(&Reader, &Reader) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_done(a, b) {
        assert!(Instant::now() < deadline, "{what}: {:?} {:?}", a.rebalances, b.rebalances);
        tokio::join!(a.step(TICK), b.step(TICK));
    }
}

fn names(topic: &str, count: i32) -> Vec<TopicPartition> {
    (0..count).map(|partition| tp(topic, partition)).collect()
}

#[test]
fn every_assignor_shares_partitions_and_loses_nothing() {
    run(async {
        for assignor in ALL {
            let cluster = TestCluster::start();
            let topic = cluster.topic("shared", 6).await;
            let group = unique("shared");
            let writer = Writer::new(&cluster);
            let mut first = Reader::new(&cluster, with(assignor, &group));
            first.subscribe(&topic);
            first.until("everything", |first| first.owned.len() == 6).await;
            let mut second = Reader::new(&cluster, with(assignor, &group));
            second.subscribe(&topic);
            let what = format!("{assignor:?}");
            both_until(&mut first, &mut second, &what, |a, b| a.owned.len() == 3 && b.owned.len() == 3).await;
            for partition in 0..6 {
                writer.append(&topic, partition, &numbered(0..10)).await;
            }
            both_until(&mut first, &mut second, &what, |a, b| a.count() + b.count() == 60).await;
            let owned = second.owned.clone();
            second.commit(&owned).await;
            let before = std::mem::take(&mut second.seen);
            second.consumer.close().await;
            first.until("everything is back", |first| first.owned.len() == 6).await;
            for partition in 0..6 {
                writer.append(&topic, partition, &numbered(10..20)).await;
            }
            let count_before: usize = before.values().map(Vec::len).sum();
            first.until("the rest", |first| first.count() + count_before == 120).await;
            for name in names(&topic, 6) {
                let mut all = first.values_of(&name);
                all.extend(before.get(&name).into_iter().flatten().map(|(_, value)| value.clone()));
                all.sort();
                let mut expected = numbered(0..20);
                expected.sort();
                assert_eq!(all, expected, "{assignor:?} {name}");
            }
            first.consumer.close().await;
        }
    });
}

/// Goal: under a cooperative assignor a new member costs the others only what moves, and what stays flows on meanwhile.
#[test]
fn a_cooperative_rebalance_revokes_only_what_moves() {
    run(async {
        let cluster = TestCluster::start();
        let topic = cluster.topic("cooperative", 4).await;
        let group = unique("cooperative");
        let mut first = Reader::new(&cluster, with(Assignor::CooperativeSticky, &group));
        first.subscribe(&topic);
        first.until("everything", |first| first.owned.len() == 4).await;
        let mut second = Reader::new(&cluster, with(Assignor::CooperativeSticky, &group));
        second.subscribe(&topic);
        both_until(&mut first, &mut second, "two each", |a, b| a.owned.len() == 2 && b.owned.len() == 2)
            .await;
        let revoked: Vec<_> = first
            .rebalances
            .iter()
            .filter_map(|rebalance| match rebalance {
                Rebalance::Revoked(revoked) => Some(revoked.clone()),
                _ => None,
            })
            .collect();
        assert_eq!(revoked.concat(), second.owned, "{:?}", first.rebalances);
        assert!(
            !second
                .rebalances
                .iter()
                .any(|rebalance| matches!(rebalance, Rebalance::Revoked(_) | Rebalance::Lost(_)))
        );
        let all = [first.owned.clone(), second.owned.clone()].concat();
        assert_eq!(all.len(), 4);

        // A subscription that changes gives up its topic before the next join, and only that.
        let other = cluster.topic("other", 1).await;
        first.rebalances.clear();
        second.rebalances.clear();
        let kept = second.owned.clone();
        let gone = first.owned.clone();
        first.subscribe(&other);
        both_until(&mut first, &mut second, "first changed", |a, b| {
            a.owned == [tp(&other, 0)] && b.owned == names(&topic, 4)
        })
        .await;
        assert_eq!(first.rebalances[0], Rebalance::Revoked(gone));
        let is_kept = |rebalance: &Rebalance| match rebalance {
            Rebalance::Revoked(moved) | Rebalance::Lost(moved) => !moved.iter().any(|tp| kept.contains(tp)),
            Rebalance::Assigned(_) => true,
        };
        assert!(second.rebalances.iter().all(is_kept), "{:?}", second.rebalances);
    });
}

#[test]
fn data_flows_while_others_are_waited_for() {
    run(async {
        let cluster = TestCluster::start();
        let topic = cluster.topic("flowing", 2).await;
        let group = unique("flowing");
        let writer = Writer::new(&cluster);
        let mut first = Reader::new(&cluster, with(Assignor::CooperativeSticky, &group));
        let mut second = Reader::new(&cluster, with(Assignor::CooperativeSticky, &group));
        first.subscribe(&topic);
        second.subscribe(&topic);
        both_until(&mut first, &mut second, "one each", |a, b| a.owned.len() == 1 && b.owned.len() == 1)
            .await;
        // Whoever was first may have had both before.
        first.rebalances.clear();
        // The second one does not poll, so that the rebalance that a third one starts cannot end.
        let mut third = Reader::new(&cluster, with(Assignor::CooperativeSticky, &group));
        third.subscribe(&topic);
        let refused = loop {
            tokio::join!(first.step(TICK), third.step(TICK));
            let offsets = [(first.owned[0].clone(), first.consumer.committable(&first.owned[0]))];
            let [(name, Some(offset))] = offsets else { continue };
            if let Err(error) = first.consumer.commit(&[(name, offset)]).await {
                break error;
            }
        };
        assert_eq!(refused.code(), Some(ErrorCode::REBALANCE_IN_PROGRESS));
        let mine = first.owned[0].clone();
        let before = first.count();
        writer.append(&topic, mine.partition, &numbered(0..10)).await;
        first.until("records during the rebalance", |first| first.count() == before + 10).await;
        assert!(first.rebalances.iter().all(|rebalance| !matches!(rebalance, Rebalance::Revoked(_))));
    });
}

#[test]
fn a_static_member_comes_back_without_a_rebalance() {
    run(async {
        for assignor in ALL {
            let cluster = TestCluster::start();
            let topic = cluster.topic("static", 4).await;
            let group = unique("static");
            let config = |instance: &str| ConsumerConfig {
                group_instance_id: Some(instance.into()),
                session_timeout_ms: 30_000,
                ..with(assignor, &group)
            };
            let mut first = Reader::new(&cluster, config("one"));
            let mut second = Reader::new(&cluster, config("two"));
            first.subscribe(&topic);
            second.subscribe(&topic);
            both_until(&mut first, &mut second, "two each", |a, b| a.owned.len() == 2 && b.owned.len() == 2)
                .await;
            first.rebalances.clear();
            let owned = second.owned.clone();
            second.consumer.close().await;
            let mut again = Reader::new(&cluster, config("two"));
            again.subscribe(&topic);
            both_until(&mut first, &mut again, "the same two", |_, again| again.owned == owned).await;
            assert!(first.rebalances.is_empty(), "{assignor:?} {:?}", first.rebalances);
        }
    });
}

/// Goal: a member whose user does not come back to it can be made to leave. Method: it is polled no more, so that only the switch can
/// do it within the test's patience (max.poll.interval.ms is five minutes); what it commits then is refused.
#[test]
fn a_member_that_hangs_leaves_by_its_switch() {
    run(async {
        let cluster = TestCluster::start();
        let topic = cluster.topic("hangs", 2).await;
        let group = unique("hangs");
        let mut hanging = Reader::new(&cluster, member(&group));
        hanging.subscribe(&topic);
        hanging.until("everything", |hanging| hanging.owned.len() == 2).await;
        hanging.consumer.leave_switch().expect("a member of a group has one").leave();
        let mut heir = Reader::new(&cluster, member(&group));
        heir.subscribe(&topic);
        heir.until("everything", |heir| heir.owned.len() == 2).await;
        let offsets = vec![(tp(&topic, 0), OffsetAndMetadata::new(0))];
        hanging.consumer.commit(&offsets).await.unwrap_err();
        heir.consumer.commit(&offsets).await.unwrap();
    });
}

#[test]
fn a_second_member_of_the_same_instance_fences_the_first() {
    run(async {
        let cluster = TestCluster::start();
        let topic = cluster.topic("fence", 1).await;
        let config = ConsumerConfig { group_instance_id: Some("one".into()), ..member(&unique("fence")) };
        let mut first = Reader::new(&cluster, config.clone());
        first.subscribe(&topic);
        first.until("assigned", |first| first.owned.len() == 1).await;
        let mut second = Reader::new(&cluster, config);
        second.subscribe(&topic);
        let deadline = Instant::now() + PATIENCE;
        let mut is_lost = false;
        let error = loop {
            assert!(Instant::now() < deadline, "the first one is not fenced");
            let (polled, ()) = tokio::join!(first.consumer.poll(TICK), second.step(TICK));
            match polled {
                Ok(Polled::Rebalance(Rebalance::Lost(_))) => is_lost = true,
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert!(is_lost);
        assert_eq!(error.code(), Some(ErrorCode::FENCED_INSTANCE_ID));
        second.until("the second one has it", |second| second.owned.len() == 1).await;
    });
}

#[test]
fn a_pattern_finds_topics_that_come_later() {
    run(async {
        let cluster = TestCluster::start();
        let stem = unique("pattern");
        let first = format!("{stem}-a");
        cluster.create(NewTopic::new(&first, 1)).await;
        let mut reader = Reader::with_client(&cluster, cluster.quiet_config(), member(&stem));
        let prefix = format!("{stem}-");
        reader.consumer.subscribe_matching(move |topic| topic.starts_with(&prefix));
        reader.until("the first topic", |reader| reader.owned == [tp(&first, 0)]).await;
        let second = format!("{stem}-b");
        cluster.create(NewTopic::new(&second, 2)).await;
        cluster.topic("unrelated", 1).await;
        reader.until("both topics", |reader| reader.owned.len() == 3).await;
        assert_eq!(reader.owned, [tp(&first, 0), tp(&second, 0), tp(&second, 1)]);
        // A list of topics takes the pattern's place.
        reader.subscribe(&first);
        reader.until("the named topic", |reader| reader.owned == [tp(&first, 0)]).await;

        let nobody = Reader::new(&cluster, ConsumerConfig::new());
        nobody.consumer.subscribe_matching(|_| true);
        assert_eq!(nobody.consumer.poll(TICK).await.unwrap_err().kind(), ErrorKind::Config);
        assert!(cluster.has_received(ApiKey::JoinGroup));
    });
}
