//! The consumer against a cluster: the embedded broker, or the real Kafka that `AQUEDUCT_KAFKA` names.

mod support;

use std::time::Duration;

use protocol::client::OffsetAndMetadata;
use protocol::client::consumer::{Consumer, ConsumerConfig, OffsetReset, Polled, Rebalance};
use protocol::wire::messages::ApiKey;
use protocol::{ErrorCode, ErrorKind};
use support::reader::{Reader, TICK, earliest, member, numbered};
use support::{ControlThread, PATIENCE, TestCluster, Writer, run, tp, unique, values};
use tokio::time::Instant;

#[test]
fn reads_every_partition_in_order_and_goes_on_with_what_comes() {
    run(async {
        let cluster = TestCluster::start();
        let topic = cluster.topic("read", 3).await;
        let writer = Writer::new(&cluster);
        for partition in 0..3 {
            writer.append(&topic, partition, &numbered(0..50)).await;
            writer.append(&topic, partition, &numbered(50..100)).await;
        }
        let names: Vec<_> = (0..3).map(|partition| tp(&topic, partition)).collect();
        let mut reader = Reader::assigned(&cluster, earliest(), &names);
        reader.until("300 records", |reader| reader.count() >= 300).await;
        writer.append(&topic, 1, &numbered(100..110)).await;
        reader.until("10 more", |reader| reader.count() >= 310).await;
        assert_eq!(reader.values_of(&names[0]), numbered(0..100));
        assert_eq!(reader.values_of(&names[1]), numbered(0..110));
        assert_eq!(reader.consumer.position(&names[1]), Some(110));
        reader.consumer.close().await;
    });
}

#[test]
fn a_waiting_poll_wakes_when_data_arrives() {
    run(async {
        let cluster = TestCluster::start();
        let topic = cluster.topic("wake", 1).await;
        let config = ConsumerConfig { fetch_max_wait_ms: 20_000, ..earliest() };
        let name = tp(&topic, 0);
        let mut reader = Reader::assigned(&cluster, config, std::slice::from_ref(&name));
        let writer = Writer::new(&cluster);
        // The broker counts a fetch when it begins to serve it: what is appended from now on finds it waiting.
        let has_fetched = |reader: &Reader| {
            reader.consumer.position(&name) == Some(0) && cluster.has_received(ApiKey::Fetch)
        };
        reader.until("the first fetch", has_fetched).await;
        let values = numbered(0..1);
        let started = Instant::now();
        let (_, base_offset) = tokio::join!(
            async {
                while reader.count() == 0 {
                    reader.step(PATIENCE).await;
                }
            },
            writer.append(&topic, 0, &values)
        );
        assert_eq!(base_offset, 0);
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
        assert!(matches!(reader.consumer.poll(TICK).await.unwrap(), Polled::Idle));
    });
}

#[test]
fn seeks_into_the_middle_of_a_batch_and_to_both_ends() {
    run(async {
        let cluster = TestCluster::start();
        let topic = cluster.topic("seek", 1).await;
        let name = tp(&topic, 0);
        let writer = Writer::new(&cluster);
        writer.append(&topic, 0, &numbered(0..10)).await;
        writer.append(&topic, 0, &numbered(10..20)).await;
        let mut reader = Reader::assigned(&cluster, earliest(), std::slice::from_ref(&name));
        reader.until("all", |reader| reader.count() >= 20).await;

        reader.seen.clear();
        reader.consumer.seek(&name, 13).unwrap();
        assert_eq!(reader.consumer.position(&name), Some(13));
        reader.until("from 13", |reader| reader.count() >= 7).await;
        assert_eq!(reader.seen[&name][0].0, 13);

        reader.seen.clear();
        reader.consumer.seek_to(&name, OffsetReset::Earliest).unwrap();
        reader.until("from the beginning", |reader| reader.count() >= 20).await;

        reader.consumer.seek_to(&name, OffsetReset::Latest).unwrap();
        reader.until("the end", |reader| reader.consumer.position(&name) == Some(20)).await;
        assert_eq!(reader.consumer.seek(&tp(&topic, 9), 0).unwrap_err().kind(), ErrorKind::Config);
    });
}

#[test]
fn a_position_out_of_range_is_reset_or_reported() {
    run(async {
        let cluster = TestCluster::start();
        let topic = cluster.topic("range", 2).await;
        let names = [tp(&topic, 0), tp(&topic, 1)];
        let writer = Writer::new(&cluster);
        writer.append(&topic, 0, &numbered(0..5)).await;
        writer.append(&topic, 1, &numbered(0..5)).await;
        let mut reader = Reader::assigned(&cluster, earliest(), &names[..1]);
        reader.until("all", |reader| reader.count() >= 5).await;
        reader.consumer.seek(&names[0], 1_000).unwrap();
        reader.until("all again", |reader| reader.count() >= 10).await;

        let config = ConsumerConfig { auto_offset_reset: OffsetReset::None, ..ConsumerConfig::new() };
        let mut reader = Reader::assigned(&cluster, config, &names);
        reader.consumer.seek(&names[0], 1_000).unwrap();
        reader.consumer.seek(&names[1], 0).unwrap();
        let deadline = Instant::now() + PATIENCE;
        let error = loop {
            assert!(Instant::now() < deadline);
            match reader.consumer.poll(TICK).await {
                Ok(Polled::Records(fetched)) => {
                    reader.seen.insert(names[1].clone(), values(&fetched[0].records, 0));
                }
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert_eq!(error.code(), Some(ErrorCode::OFFSET_OUT_OF_RANGE));
        assert!(error.to_string().contains(&format!("offset 1000 of {topic}-0")), "{error}");
        // The other partition is not held up, and a seek heals the first.
        reader.until("the other partition", |reader| reader.count() >= 5).await;
        reader.consumer.seek(&names[0], 3).unwrap();
        reader.until("after the seek", |reader| reader.count() >= 7).await;
    });
}

#[test]
fn paused_partitions_wait_and_others_flow() {
    run(async {
        let cluster = TestCluster::start();
        let topic = cluster.topic("pause", 2).await;
        let names = [tp(&topic, 0), tp(&topic, 1)];
        let writer = Writer::new(&cluster);
        let mut reader = Reader::assigned(&cluster, earliest(), &names);
        reader.consumer.pause(&names[..1]);
        for partition in 0..2 {
            writer.append(&topic, partition, &numbered(0..10)).await;
        }
        reader.until("the running one", |reader| reader.count() >= 10).await;
        writer.append(&topic, 1, &numbered(10..20)).await;
        reader.until("more of the running one", |reader| reader.count() >= 20).await;
        assert!(reader.values_of(&names[0]).is_empty());
        reader.consumer.resume(&names[..1]);
        reader.until("the resumed one", |reader| reader.count() >= 30).await;
        assert_eq!(reader.values_of(&names[0]), numbered(0..10));
    });
}

#[test]
fn fetches_ahead_no_further_than_the_budget() {
    run(async {
        let cluster = TestCluster::start();
        let topic = cluster.topic("budget", 2).await;
        let names = [tp(&topic, 0), tp(&topic, 1)];
        let writer = Writer::new(&cluster);
        let filler = "x".repeat(1_000);
        for batch in 0..40 {
            let values: Vec<_> = (0..20).map(|row| format!("{:04}{filler}", batch * 20 + row)).collect();
            for partition in 0..2 {
                writer.append(&topic, partition, &values).await;
            }
        }
        let config = ConsumerConfig {
            prefetch_bytes_max: 200_000,
            max_partition_fetch_bytes: 50_000,
            poll_bytes_max: 50_000,
            ..earliest()
        };
        let mut reader = Reader::assigned(&cluster, config, &names);
        reader.until("the first records", |reader| reader.count() > 0).await;
        // Until nothing more is fetched ahead: the budget is full, within one response of it.
        let mut settled = 0;
        let mut before = 0;
        while settled < 5 {
            // That nothing more comes is no event: this sleep is the interval of a poll, whose deadline `run` sets.
            tokio::time::sleep(TICK).await;
            let now = reader.consumer.prefetched_bytes();
            settled = if now == before && now > 0 { settled + 1 } else { 0 };
            before = now;
        }
        assert!(before <= 300_000, "{before}");
        reader.until("everything", |reader| reader.count() >= 1_600).await;
        for name in &names {
            let numbers: Vec<u32> =
                reader.seen[name].iter().map(|(_, value)| value[..4].parse().unwrap()).collect();
            assert_eq!(numbers, (0..800).collect::<Vec<_>>());
        }
        assert_eq!(reader.consumer.prefetched_bytes(), 0);
    });
}

#[test]
fn commits_outside_of_any_generation_and_starts_there() {
    run(async {
        let cluster = TestCluster::start();
        let topic = cluster.topic("commit", 2).await;
        let names = [tp(&topic, 0), tp(&topic, 1)];
        let group = unique("commit");
        let writer = Writer::new(&cluster);
        writer.append(&topic, 0, &numbered(0..10)).await;
        writer.append(&topic, 1, &numbered(0..10)).await;
        let reader = Reader::assigned(&cluster, member(&group), &names);
        let committed = OffsetAndMetadata { metadata: "note".into(), ..OffsetAndMetadata::new(7) };
        reader.consumer.commit(&[(names[0].clone(), committed.clone())]).await.unwrap();
        let mut found = reader.consumer.committed(&names).await.unwrap();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(found, [(names[0].clone(), Some(committed)), (names[1].clone(), None)]);
        reader.consumer.close().await;

        let mut reader = Reader::assigned(&cluster, member(&group), &names);
        reader.until("the rest", |reader| reader.count() >= 13).await;
        assert_eq!(reader.values_of(&names[0]), numbered(7..10));
        assert_eq!(reader.values_of(&names[1]), numbered(0..10));

        let nobody = Consumer::new(cluster.client(), ConsumerConfig::new());
        assert_eq!(nobody.committed(&names).await.unwrap_err().kind(), ErrorKind::Config);
    });
}

#[test]
fn a_group_shares_partitions_and_loses_nothing_when_they_move() {
    run(async {
        let cluster = TestCluster::start();
        let topic = cluster.topic("group", 4).await;
        let group = unique("group");
        let names: Vec<_> = (0..4).map(|partition| tp(&topic, partition)).collect();
        let writer = Writer::new(&cluster);
        for partition in 0..4 {
            writer.append(&topic, partition, &numbered(0..10)).await;
        }
        let mut first = Reader::new(&cluster, member(&group));
        first.subscribe(&topic);
        first.until("the first has all", |first| first.owned == names && first.count() >= 40).await;
        assert_eq!(first.rebalances, [Rebalance::Assigned(names.clone())]);

        // A second member: range gives it the second half, and it begins where the first one committed.
        let mut second = Reader::new(&cluster, member(&group));
        second.subscribe(&topic);
        let deadline = Instant::now() + PATIENCE;
        while first.owned.len() != 2 || second.owned.len() != 2 {
            assert!(Instant::now() < deadline, "{:?} {:?}", first.rebalances, second.rebalances);
            tokio::join!(first.step(TICK), second.step(TICK));
        }
        assert_eq!(first.rebalances[1], Rebalance::Revoked(names.clone()));
        let mut all = [first.owned.clone(), second.owned.clone()].concat();
        all.sort();
        assert_eq!(all, names);
        assert!(first.owned == names[..2] || first.owned == names[2..], "{:?}", first.owned);

        for partition in 0..4 {
            writer.append(&topic, partition, &numbered(10..20)).await;
        }
        while first.count() + second.count() < 80 {
            assert!(Instant::now() < deadline);
            tokio::join!(first.step(TICK), second.step(TICK));
        }
        for name in &names {
            let both = [first.values_of(name), second.values_of(name)].concat();
            assert_eq!(both, numbered(0..20), "{name}");
        }

        // The second one leaves: the first gets everything back, from where the second committed.
        let owned = second.owned.clone();
        second.commit(&owned).await;
        second.consumer.close().await;
        first.until("everything is back", |first| first.owned == names).await;
        writer.append(&topic, 3, &numbered(20..21)).await;
        let before = first.count();
        first.until("the last record", |first| first.count() > before).await;
        assert_eq!(first.count(), before + 1);
        first.consumer.close().await;
    });
}

#[test]
fn a_member_that_does_not_poll_loses_its_partitions_and_comes_back() {
    run(async {
        let cluster = TestCluster::start();
        let topic = cluster.topic("silent", 1).await;
        let config = ConsumerConfig { max_poll_interval_ms: 1_500, ..member(&unique("silent")) };
        let mut reader = Reader::new(&cluster, config);
        reader.subscribe(&topic);
        reader.until("assigned", |reader| reader.owned.len() == 1).await;
        reader.rebalances.clear();
        // A commit is no poll: the member is gone when it is refused.
        let offsets = [(tp(&topic, 0), OffsetAndMetadata::new(0))];
        let error = loop {
            // A poll of the consumer would keep it in the group: this sleep is the interval of a loop with `run`'s deadline.
            tokio::time::sleep(TICK).await;
            if let Err(error) = reader.consumer.commit(&offsets).await {
                break error;
            }
        };
        assert_eq!(error.code(), Some(ErrorCode::UNKNOWN_MEMBER_ID));
        reader.until("assigned again", |reader| reader.rebalances.len() == 2).await;
        let name = tp(&topic, 0);
        assert_eq!(reader.rebalances, [Rebalance::Lost(vec![name.clone()]), Rebalance::Assigned(vec![name])]);
    });
}

#[test]
fn a_changed_subscription_changes_the_assignment() {
    run(async {
        let cluster = TestCluster::start();
        let (before, after) = (cluster.topic("before", 2).await, cluster.topic("after", 1).await);
        let mut reader = Reader::new(&cluster, member(&unique("changed")));
        reader.subscribe(&before);
        reader.until("the first topic", |reader| reader.owned.len() == 2).await;
        reader.subscribe(&after);
        reader.until("the second topic", |reader| reader.owned == [tp(&after, 0)]).await;
        let revoked = Rebalance::Revoked(vec![tp(&before, 0), tp(&before, 1)]);
        assert_eq!(reader.rebalances[1..], [revoked, Rebalance::Assigned(vec![tp(&after, 0)])]);
    });
}

#[test]
fn a_member_that_waits_for_others_leaves_at_once() {
    run(async {
        let cluster = TestCluster::start();
        let topic = cluster.topic("leave", 1).await;
        let group = unique("leave");
        let mut first = Reader::new(&cluster, member(&group));
        first.subscribe(&topic);
        first.until("assigned", |first| first.owned.len() == 1).await;
        // The second one's join is held back until the first one polls, which it does not.
        let mut second = Reader::new(&cluster, member(&group));
        second.subscribe(&topic);
        for _ in 0..5 {
            second.step(TICK).await;
        }
        let started = Instant::now();
        second.consumer.close().await;
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
        first.rebalances.clear();
        first.until("assigned again", |first| first.rebalances.len() == 2).await;
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
        assert_eq!(first.owned, [tp(&topic, 0)]);
    });
}

#[test]
fn a_busy_data_thread_delays_no_heartbeat() {
    run(async {
        let mut cluster = TestCluster::start();
        cluster.env.control = ControlThread::start();
        let topic = cluster.topic("busy", 1).await;
        // Kafka's default lower limit of the session timeout.
        let config = ConsumerConfig { session_timeout_ms: 6_000, ..member(&unique("busy")) };
        let mut reader = Reader::new(&cluster, config);
        reader.subscribe(&topic);
        reader.until("assigned", |reader| reader.owned.len() == 1).await;
        // Not an async sleep: a task that computes and never yields.
        std::thread::sleep(Duration::from_millis(8_000));
        reader.consumer.commit(&[(tp(&topic, 0), OffsetAndMetadata::new(0))]).await.unwrap();
        reader.step(TICK).await;
        assert_eq!(reader.rebalances.len(), 1, "{:?}", reader.rebalances);
        reader.consumer.close().await;
    });
}

#[test]
fn a_member_picks_up_a_topic_that_is_created_later() {
    run(async {
        let cluster = TestCluster::start();
        let topic = unique("later");
        let cluster_config =
            protocol::cluster::ClusterConfig { allow_auto_create_topics: false, ..cluster.config() };
        let mut reader = Reader::with_client(&cluster, cluster_config, member(&unique("later")));
        reader.subscribe(&topic);
        reader.until("an empty assignment", |reader| !reader.rebalances.is_empty()).await;
        assert_eq!(reader.rebalances, [Rebalance::Assigned(Vec::new())]);
        let admin = protocol::client::admin::Admin::new(cluster.client());
        admin
            .create_topics(&[protocol::client::admin::NewTopic::new(&topic, 2)])
            .await
            .pop()
            .unwrap()
            .unwrap();
        reader.until("its partitions", |reader| reader.owned.len() == 2).await;
    });
}
