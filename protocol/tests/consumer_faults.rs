//! The consumer against an embedded broker that fails on purpose: nothing is lost, nothing comes twice, and it goes on.

mod support;

use std::time::Duration;

use broker::{Broker, Fault};
use protocol::ErrorCode;
use protocol::client::admin::NewTopic;
use protocol::client::consumer::{Consumer, ConsumerConfig, Polled, Rebalance, ResetCause};
use protocol::client::{OffsetAndMetadata, TopicPartition};
use protocol::wire::messages::ApiKey;
use support::reader::{Reader, TICK, earliest, member, numbered};
use support::{PATIENCE, TestCluster, Writer, run, tp, unique};
use tokio::time::Instant;

/// Goal: whatever fault meets `api` while data flows, every record comes once and in order.
fn check_flow(api: ApiKey, faults: &[Fault]) {
    run(async {
        for fault in faults {
            let cluster = TestCluster::embedded(2);
            let topic = cluster.topic("fault", 4).await;
            let names: Vec<_> = (0..4).map(|partition| tp(&topic, partition)).collect();
            let writer = Writer::new(&cluster);
            cluster.broker().faults().times(3, api, *fault);
            let config = ConsumerConfig { fetch_max_wait_ms: 50, ..earliest() };
            let mut client = cluster.config();
            // A request that is dropped without a word costs this long.
            client.request_timeout_ms = 1_000;
            let mut reader = Reader::with_client(&cluster, client, config);
            reader.consumer.assign(names.clone());
            for round in 0..5 {
                for partition in 0..4 {
                    writer.append(&topic, partition, &numbered(round * 10..round * 10 + 10)).await;
                }
                if round == 2 {
                    cluster.broker().faults().times(3, api, *fault);
                }
                let wanted = (round as usize + 1) * 40;
                reader.until(&format!("{api:?} {fault:?}"), |reader| reader.count() >= wanted).await;
            }
            for name in &names {
                assert_eq!(reader.values_of(name), numbered(0..50), "{api:?} {fault:?}");
            }
        }
    });
}

#[test]
fn a_fetch_that_waits_for_an_idle_partition_does_not_hold_up_a_new_one() {
    run(async {
        let cluster = TestCluster::embedded(1);
        let topic = cluster.topic("idle", 2).await;
        let names = [tp(&topic, 0), tp(&topic, 1)];
        Writer::new(&cluster).append(&topic, 1, &numbered(0..5)).await;
        // After ten empty answers the consumer is idle: its next fetch may wait for long, here for ever.
        let faults = cluster.broker().faults();
        faults.times(10, ApiKey::Fetch, Fault::Delay(Duration::ZERO));
        faults.once(ApiKey::Fetch, Fault::Silence);
        let mut client = cluster.config();
        client.request_timeout_ms = 10 * 60_000;
        let config = ConsumerConfig { fetch_max_wait_ms: 1, ..earliest() };
        let mut reader = Reader::with_client(&cluster, client, config);
        reader.consumer.assign(vec![names[0].clone()]);
        reader.until("the long fetch", |_| cluster.broker().request_count(ApiKey::Fetch) > 10).await;
        reader.consumer.assign(names.to_vec());
        reader.until("the new partition", |reader| reader.count() >= 5).await;
        assert_eq!(reader.values_of(&names[1]), numbered(0..5));
    });
}

#[test]
fn refused_fetches_lose_nothing() {
    let codes = [
        ErrorCode::NOT_LEADER_OR_FOLLOWER,
        ErrorCode::FENCED_LEADER_EPOCH,
        ErrorCode::UNKNOWN_LEADER_EPOCH,
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode::OFFSET_NOT_AVAILABLE,
        ErrorCode::KAFKA_STORAGE_ERROR,
        ErrorCode::FETCH_SESSION_ID_NOT_FOUND,
        ErrorCode::INVALID_FETCH_SESSION_EPOCH,
    ];
    check_flow(ApiKey::Fetch, &codes.map(Fault::Error));
}

#[test]
fn broken_connections_lose_nothing() {
    check_flow(
        ApiKey::Fetch,
        &[
            Fault::Disconnect,
            Fault::LoseResponse,
            Fault::Silence,
            Fault::TruncateResponse,
            Fault::Reset,
            Fault::ResetResponse,
        ],
    );
}

#[test]
fn positions_are_looked_up_until_they_are_known() {
    let errors = [ErrorCode::NOT_LEADER_OR_FOLLOWER, ErrorCode::LEADER_NOT_AVAILABLE].map(Fault::Error);
    check_flow(ApiKey::ListOffsets, &[errors[0], errors[1], Fault::Disconnect]);
    check_flow(ApiKey::Metadata, &[Fault::Disconnect]);
}

#[test]
fn a_permission_that_is_missing_is_reported_and_holds_up_nothing_else() {
    run(async {
        let cluster = TestCluster::embedded(1);
        let topic = cluster.topic("denied", 1).await;
        Writer::new(&cluster).append(&topic, 0, &numbered(0..1)).await;
        cluster.broker().faults().once(ApiKey::Fetch, Fault::Error(ErrorCode::TOPIC_AUTHORIZATION_FAILED));
        let mut reader = Reader::new(&cluster, earliest());
        reader.consumer.assign(vec![tp(&topic, 0)]);
        let deadline = Instant::now() + PATIENCE;
        let error = loop {
            assert!(Instant::now() < deadline);
            if let Err(error) = reader.consumer.poll(TICK).await {
                break error;
            }
        };
        assert_eq!(error.code(), Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED));
        reader.until("the record, once it is permitted", |reader| reader.count() == 1).await;
    });
}

/// Goal: whatever fault meets `api` while a group forms, both members end with half of the partitions each.
fn check_group(api: ApiKey, faults: &[Fault]) {
    run(async {
        for fault in faults {
            let cluster = TestCluster::embedded(2);
            let topic = cluster.topic("group", 4).await;
            let group = unique("group");
            let faulty = cluster.broker().faults();
            let new_member = || {
                let mut client = cluster.config();
                client.request_timeout_ms = 1_000;
                client.retry_backoff_ms = 20;
                let config = ConsumerConfig { max_poll_interval_ms: 5_000, ..member(&group) };
                let mut reader = Reader::with_client(&cluster, client, config);
                reader.subscribe(&topic);
                reader
            };
            faulty.times(2, api, *fault);
            let mut first = new_member();
            first.until(&format!("{api:?} {fault:?}"), |first| first.owned.len() == 4).await;
            faulty.times(2, api, *fault);
            let mut second = new_member();
            let deadline = Instant::now() + PATIENCE;
            while first.owned.len() != 2 || second.owned.len() != 2 {
                assert!(Instant::now() < deadline, "{api:?} {fault:?} {:?} {:?}", first.owned, second.owned);
                tokio::join!(first.step(TICK), second.step(TICK));
            }
            faulty.clear_all();
            let mut all = [first.owned, second.owned].concat();
            all.sort();
            assert_eq!(all, (0..4).map(|partition| tp(&topic, partition)).collect::<Vec<_>>());
        }
    });
}

#[test]
fn groups_form_over_failing_coordinators() {
    let errors = [
        ErrorCode::COORDINATOR_NOT_AVAILABLE,
        ErrorCode::NOT_COORDINATOR,
        ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
        ErrorCode::REBALANCE_IN_PROGRESS,
    ]
    .map(Fault::Error);
    check_group(ApiKey::JoinGroup, &errors);
    check_group(ApiKey::SyncGroup, &errors);
    check_group(ApiKey::FindCoordinator, &errors[..1]);
    check_group(ApiKey::OffsetFetch, &errors[..3]);
}

#[test]
fn groups_form_over_broken_connections() {
    check_group(ApiKey::JoinGroup, &[Fault::Disconnect]);
    check_group(ApiKey::SyncGroup, &[Fault::Disconnect, Fault::LoseResponse]);
    check_group(ApiKey::Heartbeat, &[Fault::Disconnect, Fault::LoseResponse]);
    check_group(ApiKey::OffsetFetch, &[Fault::LoseResponse]);
}

async fn joined(cluster: &TestCluster, topic: &str) -> Reader {
    let mut reader = Reader::new(cluster, member(&unique("fenced")));
    reader.subscribe(topic);
    reader.until("assigned", |reader| reader.owned.len() == 1).await;
    reader.rebalances.clear();
    reader
}

#[test]
fn a_fenced_member_loses_its_partitions_and_joins_again() {
    run(async {
        for code in [ErrorCode::UNKNOWN_MEMBER_ID, ErrorCode::ILLEGAL_GENERATION] {
            let cluster = TestCluster::embedded(1);
            let topic = cluster.topic("fenced", 1).await;
            let mut reader = joined(&cluster, &topic).await;
            cluster.broker().faults().once(ApiKey::Heartbeat, Fault::Error(code));
            reader.until("lost and assigned", |reader| reader.rebalances.len() == 2).await;
            let name = vec![tp(&topic, 0)];
            assert_eq!(
                reader.rebalances,
                [Rebalance::Lost(name.clone()), Rebalance::Assigned(name)],
                "{code}"
            );
        }
    });
}

#[test]
fn an_unreachable_coordinator_costs_the_partitions_after_the_session_timeout() {
    run(async {
        let cluster = TestCluster::embedded(1);
        let topic = cluster.topic("expired", 1).await;
        // The broker's lower limit.
        let config = ConsumerConfig { session_timeout_ms: 6_000, ..member(&unique("expired")) };
        let mut reader = Reader::new(&cluster, config);
        reader.subscribe(&topic);
        reader.until("assigned", |reader| reader.owned.len() == 1).await;
        reader.rebalances.clear();
        let started = Instant::now();
        cluster.broker().faults().on(ApiKey::Heartbeat, Fault::Silence);
        reader.until("lost", |reader| !reader.rebalances.is_empty()).await;
        let name = vec![tp(&topic, 0)];
        assert_eq!(reader.rebalances, [Rebalance::Lost(name.clone())]);
        assert!((5_500..7_500).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
        cluster.broker().faults().clear_all();
        reader.until("assigned again", |reader| reader.owned == name).await;
    });
}

#[test]
fn a_dropped_member_says_good_bye() {
    run(async {
        let cluster = TestCluster::embedded(1);
        let topic = cluster.topic("dropped", 1).await;
        let config = ConsumerConfig { session_timeout_ms: 60_000, ..member(&unique("dropped")) };
        let mut first = Reader::new(&cluster, config.clone());
        first.subscribe(&topic);
        first.until("assigned", |first| first.owned.len() == 1).await;
        drop(first);
        let started = Instant::now();
        let mut second = Reader::new(&cluster, config);
        second.subscribe(&topic);
        second.until("taken over", |second| second.owned.len() == 1).await;
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    });
}

#[test]
fn a_fenced_instance_stays_out_until_told_otherwise() {
    run(async {
        let cluster = TestCluster::embedded(1);
        let topic = cluster.topic("instance", 1).await;
        let config = ConsumerConfig { group_instance_id: Some("one".into()), ..member(&unique("instance")) };
        let mut reader = Reader::new(&cluster, config);
        reader.subscribe(&topic);
        reader.until("assigned", |reader| reader.owned.len() == 1).await;
        let code = ErrorCode::FENCED_INSTANCE_ID;
        cluster.broker().faults().once(ApiKey::Heartbeat, Fault::Error(code));
        let mut polled = Vec::new();
        let error = loop {
            match reader.consumer.poll(PATIENCE).await {
                Ok(one) => polled.push(one),
                Err(error) => break error,
            }
        };
        assert_eq!(error.code(), Some(code));
        assert!(matches!(&polled[..], [Polled::Rebalance(Rebalance::Lost(_))]), "{polled:?}");
        let joins = cluster.broker().request_count(ApiKey::JoinGroup);
        assert!(matches!(reader.consumer.poll(5 * TICK).await.unwrap(), Polled::Idle));
        assert_eq!(cluster.broker().request_count(ApiKey::JoinGroup), joins);
        reader.owned.clear();
        reader.subscribe(&topic);
        reader.until("assigned again", |reader| reader.owned.len() == 1).await;
    });
}

#[test]
fn a_refused_commit_is_noticed_before_the_next_heartbeat() {
    run(async {
        let cluster = TestCluster::embedded(1);
        let topic = cluster.topic("refused", 1).await;
        let mut reader = joined(&cluster, &topic).await;
        let offsets = [(tp(&topic, 0), OffsetAndMetadata::new(0))];
        let faults = cluster.broker().faults();
        faults.once(ApiKey::OffsetCommit, Fault::Error(ErrorCode::NOT_COORDINATOR));
        reader.consumer.commit(&offsets).await.unwrap();
        faults.once(ApiKey::OffsetCommit, Fault::Error(ErrorCode::ILLEGAL_GENERATION));
        let error = reader.consumer.commit(&offsets).await.unwrap_err();
        assert_eq!(error.code(), Some(ErrorCode::ILLEGAL_GENERATION));
        assert!(error.to_string().contains(&tp(&topic, 0).to_string()), "{error}");
        reader.until("lost and assigned", |reader| reader.rebalances.len() == 2).await;
        assert!(matches!(&reader.rebalances[0], Rebalance::Lost(_)));
    });
}

#[test]
fn a_group_that_refuses_us_is_an_error_and_not_a_silence() {
    run(async {
        let cluster = TestCluster::embedded(1);
        let topic = cluster.topic("refuses", 1).await;
        cluster
            .broker()
            .faults()
            .once(ApiKey::JoinGroup, Fault::Error(ErrorCode::GROUP_AUTHORIZATION_FAILED));
        let mut reader = Reader::new(&cluster, member(&unique("refuses")));
        reader.subscribe(&topic);
        let deadline = Instant::now() + PATIENCE;
        let error = loop {
            assert!(Instant::now() < deadline);
            match reader.consumer.poll(TICK).await {
                Ok(polled) => assert!(matches!(polled, Polled::Idle), "{polled:?}"),
                Err(error) => break error,
            }
        };
        assert_eq!(error.code(), Some(ErrorCode::GROUP_AUTHORIZATION_FAILED));
        reader.until("assigned, once it is permitted", |reader| reader.owned.len() == 1).await;
    });
}

#[test]
fn an_idle_consumer_asks_once_per_wait_and_names_nothing_twice() {
    run(async {
        let cluster = TestCluster::embedded(1);
        let topic = cluster.topic("idle", 50).await;
        let names: Vec<TopicPartition> = (0..50).map(|partition| tp(&topic, partition)).collect();
        let config = ConsumerConfig { fetch_max_wait_ms: 200, ..earliest() };
        let reader = Reader::new(&cluster, config);
        reader.consumer.assign(names);
        assert!(matches!(reader.consumer.poll(Duration::from_secs(1)).await.unwrap(), Polled::Idle));
        let before = cluster.broker().request_count(ApiKey::Fetch);
        assert!(matches!(reader.consumer.poll(Duration::from_secs(2)).await.unwrap(), Polled::Idle));
        let fetch_count = cluster.broker().request_count(ApiKey::Fetch) - before;
        assert!((5..=12).contains(&fetch_count), "{fetch_count} fetches in 2 s");
        assert_eq!(cluster.broker().request_count(ApiKey::ListOffsets), 1);
    });
}

/// Goal: a commit that its caller gave up is not retried: it would take back what was committed after it.
#[test]
fn a_commit_that_was_given_up_does_not_undo_a_later_one() {
    run(async {
        let cluster = TestCluster::embedded(1);
        let topic = cluster.topic("undo", 1).await;
        let name = tp(&topic, 0);
        let mut client = cluster.config();
        client.retry_backoff_ms = 200;
        client.retry_backoff_max_ms = 200;
        let mut reader = Reader::with_client(&cluster, client, member(&unique("undo")));
        reader.subscribe(&topic);
        reader.until("assigned", |reader| reader.owned.len() == 1).await;
        let faults = cluster.broker().faults();
        faults.once(ApiKey::OffsetCommit, Fault::Error(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS));
        let offset = |offset| [(name.clone(), OffsetAndMetadata::new(offset))];
        let (given_up, consumer) = (offset(100), &reader.consumer);
        tokio::select! {
            biased;
            outcome = consumer.commit(&given_up) => panic!("{outcome:?}"),
            () = async {
                while cluster.broker().request_count(ApiKey::OffsetCommit) == 0 {
                    tokio::task::yield_now().await;
                }
            } => {}
        }
        reader.consumer.commit(&offset(200)).await.unwrap();
        // Three times the pause after which the first one would be sent again.
        let end = Instant::now() + Duration::from_millis(600);
        while Instant::now() < end {
            reader.step(TICK).await;
            let committed = reader.consumer.committed(std::slice::from_ref(&name)).await.unwrap();
            assert_eq!(committed[0].1.as_ref().unwrap().offset, 200);
        }
    });
}

/// Goal: a coordinator that is away for longer than `default.api.timeout.ms` is waited for, as for any other answer that comes later.
#[test]
fn positions_are_waited_for_beyond_the_api_timeout() {
    run(async {
        let cluster = TestCluster::embedded(1);
        let topic = cluster.topic("patient", 1).await;
        Writer::new(&cluster).append(&topic, 0, &numbered(0..1)).await;
        let faults = cluster.broker().faults();
        faults.on(ApiKey::OffsetFetch, Fault::Error(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS));
        let config = ConsumerConfig { api_timeout_ms: 300, ..member(&unique("patient")) };
        let mut reader = Reader::new(&cluster, config);
        reader.subscribe(&topic);
        // Each poll of the reader fails the test on an error.
        reader
            .until("asked for longer than the timeout", |_| {
                cluster.broker().request_count(ApiKey::OffsetFetch) >= 8
            })
            .await;
        faults.clear_all();
        reader.until("the record", |reader| reader.count() == 1).await;
    });
}

/// Goal: closing depends on nobody else's turn: not even on that of the tasks that it ends.
#[test]
fn closing_does_not_wait_for_tasks_that_never_run() {
    let cluster = TestCluster::embedded(1);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    let _entered = local.enter();
    runtime.block_on(async {
        let consumer = Consumer::new(cluster.client(), ConsumerConfig::new());
        tokio::time::timeout(Duration::from_secs(1), consumer.close()).await.expect("closing hangs");
    });
}

/// Goal: a consumer reads from the replica in its rack (KIP-392), and goes back to the leader whenever that replica will not do: what
/// the replica says of the position is not the last word.
#[test]
fn a_consumer_reads_from_the_replica_in_its_rack() {
    run(async {
        let cluster = TestCluster::built(Broker::builder().node_count(3).racks(&["a", "b", "c"]));
        let broker = cluster.broker();
        let topic = unique("rack");
        cluster.create(NewTopic::new(&topic, 1).with_replication_factor(2)).await;
        let (name, writer) = (tp(&topic, 0), Writer::new(&cluster));
        let fetches = |node_id| broker.node_request_count(node_id, ApiKey::Fetch);
        let config = ConsumerConfig { client_rack: Some("b".into()), fetch_max_wait_ms: 50, ..earliest() };
        let mut reader = Reader::assigned(&cluster, config, std::slice::from_ref(&name));
        writer.append(&topic, 0, &numbered(0..10)).await;
        reader.until("the records from the replica", |reader| reader.count() == 10).await;
        let of_leader = fetches(1);
        assert!(of_leader >= 1 && fetches(2) >= 1, "the leader told where to read");
        writer.append(&topic, 0, &numbered(10..20)).await;
        reader.until("more from the replica", |reader| reader.count() == 20).await;
        assert_eq!(fetches(1), of_leader, "the leader is not asked again");

        // The replica refuses: its leader epoch is not the consumer's any more.
        assert_eq!(
            broker.with({
                let topic = topic.clone();
                move |broker| broker.move_leader(&topic, 0, 1)
            }),
            Some(true)
        );
        writer.append(&topic, 0, &numbered(20..30)).await;
        reader.until("what came in the new epoch", |reader| reader.count() == 30).await;
        assert!(fetches(1) > of_leader, "the leader was asked");
        assert_eq!(reader.resets, []);

        // It is gone, and comes back.
        assert!(broker.stop_node(2));
        writer.append(&topic, 0, &numbered(30..40)).await;
        reader.until("what came without the replica", |reader| reader.count() == 40).await;
        broker.start_node(2).unwrap();
        let of_replica = fetches(2);
        reader.until("the replica again", |_| fetches(2) > of_replica).await;

        // An offset that does not exist is what the leader says it is.
        reader.consumer.seek(&name, 1_000).unwrap();
        reader.until("everything again", |reader| reader.count() == 80).await;
        let causes: Vec<_> = reader.resets.iter().map(|reset| reset.cause).collect();
        assert_eq!(causes, [ResetCause::OutOfRange]);
        assert_eq!(reader.values_of(&name), [numbered(0..40), numbered(0..40)].concat());
        assert_eq!(fetches(3), 0, "it has no replica");
    });
}
