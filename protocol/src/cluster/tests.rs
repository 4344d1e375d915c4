//! Clusters against scripted brokers: bootstrap, refresh, coordinators, retries, backoff.

use std::time::Duration;

use kafka_protocol::messages::{ApiKey, HeartbeatRequest};
use tokio::time::Instant;

use super::fake::{FakeCluster, Fault, run};
use super::{Cluster, ClusterConfig, Target};
use crate::{Error, ErrorCode, ErrorKind, Result};

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn group() -> Target {
    Target::GroupCoordinator("g".into())
}

async fn heartbeat(cluster: &Cluster, target: &Target) -> Result<()> {
    let (response, _) = cluster.call(target, |_| HeartbeatRequest::default()).await?;
    Error::check("heartbeat", response.error_code)
}

#[test]
fn bootstrap_servers_that_are_down_are_skipped() {
    run(async {
        let fake = FakeCluster::start(3);
        fake.world.borrow_mut().up.remove(&1);
        fake.world.borrow_mut().up.remove(&2);
        let cluster = fake.client_of(&[1, 2, 3]);
        let view = cluster.fresh_metadata().await.unwrap();
        assert_eq!(view.nodes.len(), 1);
        assert_eq!(view.cluster_id.as_deref(), Some("fake"));
    });
}

#[test]
fn no_broker_at_all_is_reported_with_the_last_cause() {
    run(async {
        let fake = FakeCluster::start(2);
        fake.world.borrow_mut().up.clear();
        let error = fake.client_of(&[1, 2]).fresh_metadata().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Disconnected);
        assert!(error.to_string().contains("node:900"), "{error}");
    });
}

#[test]
fn concurrent_refreshes_share_one_request() {
    run(async {
        let fake = FakeCluster::start(1);
        fake.add_topic("t", &[1]);
        let cluster = fake.client();
        let refreshes = (0..50).map(|_| cluster.refresh(0));
        for view in futures_util::future::join_all(refreshes).await {
            assert_eq!(view.unwrap().generation, 1);
        }
        assert_eq!(fake.count(ApiKey::Metadata), 1);
        // Who saw an older view gets the newer one without asking.
        assert_eq!(cluster.refresh(0).await.unwrap().generation, 1);
        assert_eq!(fake.count(ApiKey::Metadata), 1);
    });
}

#[test]
fn refreshes_in_a_row_are_spaced() {
    run(async {
        let fake = FakeCluster::start(1);
        let cluster = fake.client();
        let start = Instant::now();
        for generation in 0..10 {
            cluster.refresh(generation).await.unwrap();
        }
        assert!(start.elapsed() >= Duration::from_millis(9 * 80), "{:?}", start.elapsed());
    });
}

#[test]
fn a_topic_that_is_being_created_is_waited_for() {
    run(async {
        let fake = FakeCluster::start(1);
        let cluster = fake.client();
        let create = async {
            // The clock is paused: this sleep is how late the topic appears, and takes no time.
            tokio::time::sleep(Duration::from_secs(2)).await;
            fake.add_topic("late", &[1, 1, 1]);
        };
        let (topic, ()) = tokio::join!(cluster.topic("late", soon()), create);
        assert_eq!(topic.unwrap().partitions.len(), 3);
        let error = cluster.topic("never", Instant::now() + Duration::from_secs(3)).await.unwrap_err();
        assert_eq!(error.code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
        // Topics of interest stay in every view.
        cluster.refresh(cluster.metadata().generation).await.unwrap();
        assert_eq!(cluster.leader("late", 2).unwrap().node, 1);
    });
}

#[test]
fn a_coordinator_that_moved_is_found_again() {
    run(async {
        let fake = FakeCluster::start(3);
        let cluster = fake.client();
        heartbeat(&cluster, &group()).await.unwrap();
        heartbeat(&cluster, &group()).await.unwrap();
        assert_eq!(fake.count(ApiKey::FindCoordinator), 1, "cached");
        fake.world.borrow_mut().coordinator = 2;
        cluster.retrying(&group(), soon(), async || heartbeat(&cluster, &group()).await).await.unwrap();
        assert_eq!(fake.count(ApiKey::FindCoordinator), 2);
    });
}

#[test]
fn a_coordinator_that_died_is_found_again() {
    run(async {
        let fake = FakeCluster::start(3);
        let cluster = fake.client();
        heartbeat(&cluster, &group()).await.unwrap();
        fake.world.borrow_mut().up.remove(&1);
        fake.world.borrow_mut().coordinator = 3;
        cluster.retrying(&group(), soon(), async || heartbeat(&cluster, &group()).await).await.unwrap();
    });
}

#[test]
fn a_coordinator_that_is_not_ready_is_asked_for_again() {
    run(async {
        let fake = FakeCluster::start(1);
        fake.fail_next(ApiKey::FindCoordinator, Fault::Code(15));
        fake.fail_next(ApiKey::Heartbeat, Fault::Code(14));
        let cluster = fake.client();
        cluster.retrying(&group(), soon(), async || heartbeat(&cluster, &group()).await).await.unwrap();
        assert_eq!((fake.count(ApiKey::FindCoordinator), fake.count(ApiKey::Heartbeat)), (2, 2));
    });
}

#[test]
fn final_errors_are_not_retried_and_deadlines_hold() {
    run(async {
        let fake = FakeCluster::start(1);
        let cluster = fake.client();
        fake.fail_next(ApiKey::Heartbeat, Fault::Code(27));
        let error = cluster
            .retrying(&group(), soon(), async || heartbeat(&cluster, &group()).await)
            .await
            .unwrap_err();
        assert_eq!(error.code(), Some(ErrorCode::REBALANCE_IN_PROGRESS));
        assert_eq!(fake.count(ApiKey::Heartbeat), 1);

        let deadline = Instant::now() + Duration::from_secs(5);
        let always = async || -> Result<()> { Err(Error::broker("test", ErrorCode::REQUEST_TIMED_OUT)) };
        let error = cluster.retrying(&Target::Any, deadline, always).await.unwrap_err();
        assert_eq!(error.code(), Some(ErrorCode::REQUEST_TIMED_OUT));
        assert!(Instant::now() <= deadline);
        let forever = async || std::future::pending::<Result<()>>().await;
        let deadline = Instant::now() + Duration::from_secs(5);
        let error = cluster.retrying(&Target::Any, deadline, forever).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
    });
}

#[test]
fn silent_brokers_are_given_up_after_the_request_timeout_and_reconnected() {
    run(async {
        let fake = FakeCluster::start(1);
        let cluster = fake.client();
        heartbeat(&cluster, &group()).await.unwrap();
        fake.fail_next(ApiKey::Heartbeat, Fault::Silence);
        let start = Instant::now();
        assert_eq!(heartbeat(&cluster, &group()).await.unwrap_err().kind(), ErrorKind::Timeout);
        assert_eq!(start.elapsed().as_secs(), 30);
        heartbeat(&cluster, &group()).await.unwrap();
    });
}

#[test]
fn a_node_that_refuses_is_dialled_with_growing_pauses() {
    run(async {
        let fake = FakeCluster::start(1);
        let cluster = fake.client();
        cluster.fresh_metadata().await.unwrap();
        fake.world.borrow_mut().up.clear();
        let dials_before = fake.world.borrow().dial_count;
        let start = Instant::now();
        for _ in 0..8 {
            cluster.connection(1).await.unwrap_err();
        }
        // 50 + 100 + 200 + 400 + 800 + 1000 + 1000 ms, less 20 % at most, after the first.
        assert!(start.elapsed() >= Duration::from_millis(3_550 * 8 / 10), "{:?}", start.elapsed());
        assert_eq!(fake.world.borrow().dial_count - dials_before, 8);
        fake.world.borrow_mut().up.insert(1);
        let (first, second) = tokio::join!(cluster.connection(1), cluster.connection(1));
        assert!(first.is_ok() && second.is_ok());
        assert_eq!(fake.world.borrow().dial_count - dials_before, 9, "concurrent callers share a dial");
    });
}

#[test]
fn a_node_that_moves_while_it_is_dialled_is_dialled_where_it_is() {
    run(async {
        let fake = FakeCluster::start(3);
        let cluster = fake.client_of(&[2]);
        cluster.fresh_metadata().await.unwrap();
        fake.world.borrow_mut().up.remove(&1);
        for _ in 0..4 {
            cluster.connection(1).await.unwrap_err();
        }
        // The next dial waits for its backoff first; meanwhile the node turns up elsewhere, and somebody else in its old place.
        fake.world.borrow_mut().up.insert(1);
        fake.world.borrow_mut().moved.insert(1, 3);
        let seen_generation = cluster.metadata().generation;
        let (_dialled, view) = tokio::join!(cluster.connection(1), cluster.refresh(seen_generation));
        assert_eq!(view.unwrap().node(1).unwrap().address.port, 9_003);
        assert!(cluster.open_connection(1).is_none(), "the connection leads to the old place");
    });
}

#[test]
fn throttled_nodes_are_left_alone_for_the_time_they_ask() {
    run(async {
        let fake = FakeCluster::start(1);
        let cluster = fake.client();
        fake.world.borrow_mut().throttle_time_ms = 700;
        heartbeat(&cluster, &group()).await.unwrap();
        let start = Instant::now();
        heartbeat(&cluster, &group()).await.unwrap();
        assert!(start.elapsed() >= Duration::from_millis(700));
    });
}

/// Node 2 takes the place of node 1, which alone was known (KIP-899).
#[test]
fn bootstrap_servers_are_asked_again_unless_they_must_not_be() {
    for rebootstraps in [true, false] {
        run(async {
            let fake = FakeCluster::start(2);
            fake.world.borrow_mut().up.remove(&2);
            let cluster = fake.client_with(&[1, 2], |config| ClusterConfig { rebootstraps, ..config });
            let seen_generation = cluster.fresh_metadata().await.unwrap().generation;
            fake.world.borrow_mut().up = [2].into();
            let deadline = Instant::now() + Duration::from_secs(20);
            let refreshed = cluster
                .retrying(&Target::Any, deadline, async || cluster.refresh(seen_generation).await)
                .await
                .map(|view| view.nodes.iter().map(|node| node.id).collect::<Vec<_>>());
            if rebootstraps {
                assert_eq!(refreshed.unwrap(), [2]);
            } else {
                assert_eq!(refreshed.unwrap_err().kind(), ErrorKind::Disconnected);
            }
        });
    }
}

#[test]
fn many_coordinators_are_looked_up_at_once_where_the_broker_can() {
    for (version_max, requests) in [(5, 2), (4, 2), (3, 4), (1, 4)] {
        run(async {
            let fake = FakeCluster::start(1);
            fake.world.borrow_mut().versions_max.insert(ApiKey::FindCoordinator as i16, version_max);
            let cluster = fake.client();
            let group = |name: &str| Target::GroupCoordinator(name.into());
            let targets =
                [group("a"), Target::TransactionCoordinator("a".into()), group("b"), group("a"), group("c")];
            let found: Vec<_> =
                cluster.coordinators(&targets).await.into_iter().map(Result::unwrap).collect();
            assert_eq!(found, [1; 5]);
            assert_eq!(fake.count(ApiKey::FindCoordinator), requests, "v{version_max}");
            cluster.coordinators(&targets).await;
            assert_eq!(fake.count(ApiKey::FindCoordinator), requests, "remembered");
            cluster.forget_coordinator(&targets[2]);
            assert_eq!(cluster.coordinators(&targets).await.len(), 5);
            assert_eq!(fake.count(ApiKey::FindCoordinator), requests + 1, "only what was forgotten");
            let none = cluster.coordinators(&[Target::Any, group("a")]).await;
            assert!(none[0].is_err() && none[1].is_ok(), "{none:?}");
        });
    }
}

#[test]
fn a_node_that_takes_long_to_connect_to_is_given_more_time() {
    run(async {
        let fake = FakeCluster::start(1);
        let cluster = fake.client();
        for expected_s in [10.0, 20.0, 30.0, 30.0] {
            fake.fail_next(ApiKey::ApiVersions, Fault::Silence);
            let start = Instant::now();
            let error = cluster.fresh_metadata().await.unwrap_err();
            let took_s = start.elapsed().as_secs_f64();
            // 20 % of jitter, and the pause of the reconnect backoff before it.
            assert!((expected_s * 0.79..expected_s * 1.25).contains(&took_s), "{took_s}: {error}");
        }
    });
}

#[test]
fn a_topic_that_nobody_uses_is_not_asked_about_for_ever() {
    run(async {
        let fake = FakeCluster::start(1);
        fake.add_topic("used", &[1]);
        fake.add_topic("kept", &[1]);
        let cluster = fake.client();
        cluster.note_interest(["kept"]);
        for name in ["used", "kept"] {
            cluster.topic(name, soon()).await.unwrap();
        }
        let refreshed = async || {
            let view = cluster.refresh(cluster.metadata().generation).await.unwrap();
            ["used", "kept"].map(|name| view.topic(name).is_some())
        };
        // The clock is paused: this sleep takes no time.
        tokio::time::sleep(Duration::from_secs(299)).await;
        assert_eq!(refreshed().await, [true, true]);
        // The clock is paused: this sleep takes no time.
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(refreshed().await, [false, true]);
        cluster.note_use("used");
        assert_eq!(refreshed().await, [true, true]);
        cluster.forget_interest("kept");
        assert_eq!(refreshed().await, [true, false]);
    });
}
