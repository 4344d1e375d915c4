//! Transactions against a cluster: the embedded broker, or the real Kafka that `AQUEDUCT_KAFKA` names.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod support;

use std::time::Duration;

use protocol::client::OffsetAndMetadata;
use protocol::client::consumer::Consumer;
use protocol::client::producer::{
    AppendError, ConsumerGroupMetadata, ProduceRecord, Producer, ProducerConfig, TransactionError,
};
use protocol::cluster::Cluster;
use protocol::wire::messages::ApiKey;
use protocol::{Error, ErrorCode};
use support::transactional::{committed_until, completions, config, producer_on, send};
use support::{PATIENCE, TestCluster, run, tp, unique};
use tokio::time::Instant;
use xtask::kafka::ClusterConfig;

fn on_a_cluster(test: impl AsyncFnOnce(&TestCluster)) {
    run(async { test(&TestCluster::start()).await });
}

#[test]
fn what_is_committed_is_read_and_what_is_aborted_is_not() {
    on_a_cluster(commits_and_aborts);
}

#[test]
fn records_are_taken_inside_of_a_transaction_only() {
    on_a_cluster(calls_out_of_order);
}

#[test]
fn a_newer_producer_fences_the_older_one_and_ends_its_transaction() {
    on_a_cluster(fencing);
}

#[test]
fn offsets_count_if_and_only_if_their_transaction_is_committed() {
    on_a_cluster(offsets);
}

#[test]
fn a_commit_whose_caller_went_away_goes_on_and_answers_the_next_call() {
    on_a_cluster(cancelled_commit);
}

#[test]
fn a_transaction_that_lost_a_record_can_only_be_aborted() {
    on_a_cluster(lost_record);
}

#[test]
fn a_transaction_that_took_too_long_is_over() {
    on_a_cluster(timeout);
}

#[test]
fn lost_connections_at_every_step_lose_and_double_nothing() {
    on_a_cluster(lost_connections);
}

/// Where `transaction.version` 2 is not finalised, the producer itself tells the coordinator of each partition before it writes there
/// (KIP-98), and the broker refuses what it was not told of. Only a real Kafka can be of that age here.
#[test]
fn the_same_where_the_producer_adds_its_partitions() {
    let end_late = "transaction.abort.timed.out.transaction.cleanup.interval.ms";
    let older = ClusterConfig {
        features: vec![("transaction.version".to_owned(), 0)],
        // How often the coordinator looks for transactions that took too long.
        properties: vec![(end_late.to_owned(), "1000".to_owned())],
        ..ClusterConfig::default()
    };
    let Some(cluster) = TestCluster::of_kafka(&older) else { return };
    run(async {
        let client = cluster.client();
        client.refresh(0).await.unwrap();
        let connection = client.connection(1).await.unwrap();
        assert_eq!(connection.versions().finalized_feature("transaction.version"), 0);
        client.close();
    });
    run(commits_and_aborts(&cluster));
    run(fencing(&cluster));
    run(offsets(&cluster));
    run(cancelled_commit(&cluster));
    run(lost_record(&cluster));
    run(timeout(&cluster));
    run(lost_connections(&cluster));
}

async fn commits_and_aborts(cluster: &TestCluster) {
    let name = cluster.topic("txn", 3).await;
    let producer = producer_on(cluster.client(), &unique("id")).await;
    for round in 0..5 {
        producer.begin().unwrap();
        let (a, b) = (format!("kept-{round}"), format!("kept-{round}-too"));
        send(&producer, &name, 0, &[&a, &b]).await;
        send(&producer, &name, 1 + round % 2, &["elsewhere"]).await;
        producer.commit().await.unwrap();
        assert!(completions(&producer, 3).await.iter().all(|done| done.result.is_ok()));

        producer.begin().unwrap();
        send(&producer, &name, 0, &["dropped"]).await;
        producer.flush().await.unwrap();
        send(&producer, &name, 0, &["dropped unsent"]).await;
        producer.abort().await.unwrap();
        let done = completions(&producer, 2).await;
        assert!(done.iter().any(|done| done.result.is_ok()), "{done:?}");
    }
    producer.begin().unwrap();
    send(&producer, &name, 0, &["end"]).await;
    producer.commit().await.unwrap();
    let mut expected: Vec<String> =
        (0..5).flat_map(|round| [format!("kept-{round}"), format!("kept-{round}-too")]).collect();
    expected.push("end".to_owned());
    assert_eq!(committed_until(cluster, &name, "end").await, expected);
}

async fn calls_out_of_order(cluster: &TestCluster) {
    let name = cluster.topic("outside", 1).await;
    let producer = Producer::new(cluster.client(), config(&unique("id"))).unwrap();
    assert!(matches!(producer.begin(), Err(TransactionError::Misuse(_))));
    producer.init_transactions().await.unwrap();
    let topic = producer.topic(&name).await.unwrap();
    let record = ProduceRecord { value: Some(b"v"), ..ProduceRecord::default() };
    let refused = producer.append(&topic, None, &record, 0).unwrap_err();
    assert!(matches!(refused, AppendError::NoTransaction));
    assert!(matches!(producer.commit().await, Err(TransactionError::Misuse(_))));
    producer.begin().unwrap();
    assert!(matches!(producer.begin(), Err(TransactionError::Misuse(_))));
    producer.commit().await.unwrap();
    producer.begin().unwrap();
    producer.abort().await.unwrap();

    let plain = Producer::new(cluster.client(), ProducerConfig::default()).unwrap();
    assert!(matches!(plain.init_transactions().await, Err(TransactionError::Misuse(_))));
}

async fn fencing(cluster: &TestCluster) {
    let (name, id) = (cluster.topic("fence", 1).await, unique("id"));
    let old = producer_on(cluster.client(), &id).await;
    old.begin().unwrap();
    send(&old, &name, 0, &["zombie"]).await;
    old.flush().await.unwrap();
    let new = producer_on(cluster.client(), &id).await;
    new.begin().unwrap();
    send(&new, &name, 0, &["mine"]).await;
    new.commit().await.unwrap();

    send(&old, &name, 0, &["too late"]).await;
    let error = match old.commit().await.unwrap_err() {
        // The leader saw the old epoch first; the coordinator says what that means.
        TransactionError::Abort(_) => old.abort().await.unwrap_err(),
        error => error,
    };
    assert!(error.is_fenced(), "{error:?}");
    assert!(old.begin().unwrap_err().is_fenced());
    assert_eq!(committed_until(cluster, &name, "mine").await, ["mine"]);
}

async fn offsets(cluster: &TestCluster) {
    let (name, group_id) = (cluster.topic("offsets", 1).await, unique("group"));
    let producer = producer_on(cluster.client(), &unique("id")).await;
    let group = ConsumerGroupMetadata::of_group(&group_id);
    let at = |offset| vec![(tp(&name, 0), OffsetAndMetadata::new(offset))];
    let committed = async || {
        let config = protocol::client::consumer::ConsumerConfig::in_group(&group_id);
        let consumer = Consumer::new(cluster.client(), config);
        let known = consumer.committed(&[tp(&name, 0)]).await.unwrap();
        known[0].1.as_ref().map(|known| known.offset)
    };
    producer.begin().unwrap();
    producer.send_offsets(at(7), &group).await.unwrap();
    producer.abort().await.unwrap();
    producer.begin().unwrap();
    send(&producer, &name, 0, &["with offsets"]).await;
    producer.send_offsets(at(11), &group).await.unwrap();
    producer.commit().await.unwrap();
    let deadline = Instant::now() + PATIENCE;
    while committed().await != Some(11) {
        assert!(Instant::now() < deadline);
    }
    // A member that the group does not know commits nothing, and the producer goes on.
    let stranger = ConsumerGroupMetadata {
        generation_id: 5,
        member_id: "nobody".into(),
        ..ConsumerGroupMetadata::of_group(&group_id)
    };
    producer.begin().unwrap();
    let error = producer.send_offsets(at(99), &stranger).await.unwrap_err();
    assert!(matches!(error, TransactionError::Abort(_)), "{error:?}");
    assert!(matches!(producer.commit().await, Err(TransactionError::Abort(_))));
    producer.abort().await.unwrap();
    producer.begin().unwrap();
    producer.send_offsets(at(12), &group).await.unwrap();
    producer.commit().await.unwrap();
    while committed().await != Some(12) {
        assert!(Instant::now() < deadline);
    }
}

async fn cancelled_commit(cluster: &TestCluster) {
    let name = cluster.topic("cancelled", 1).await;
    let producer = producer_on(cluster.client(), &unique("id")).await;
    for value in ["first", "second", "third"] {
        producer.begin().unwrap();
        send(&producer, &name, 0, &[value]).await;
        // Polled once, which begins the commit, and dropped.
        assert!(futures_util::FutureExt::now_or_never(producer.commit()).is_none());
        producer.commit().await.unwrap();
    }
    assert_eq!(committed_until(cluster, &name, "third").await, ["first", "second", "third"]);
}

async fn lost_record(cluster: &TestCluster) {
    let name = unique("lossy");
    let client = cluster.client();
    let admin = protocol::client::admin::Admin::new(client.clone());
    let small = protocol::client::admin::NewTopic::new(&name, 1).with_config("max.message.bytes", "2000");
    admin.create_topics(&[small]).await.remove(0).unwrap();
    let producer = producer_on(client, &unique("id")).await;
    producer.begin().unwrap();
    send(&producer, &name, 0, &["lost with the other"]).await;
    producer.flush().await.unwrap();
    send(&producer, &name, 0, &[&"x".repeat(5_000)]).await;
    let error = producer.commit().await.unwrap_err();
    let TransactionError::Abort(cause) = error else { panic!("{error:?}") };
    assert_eq!(cause.code(), Some(ErrorCode::MESSAGE_TOO_LARGE));
    producer.abort().await.unwrap();
    for value in ["kept", "end"] {
        producer.begin().unwrap();
        send(&producer, &name, 0, &[value]).await;
        producer.commit().await.unwrap();
    }
    assert_eq!(committed_until(cluster, &name, "end").await, ["kept", "end"]);
}

async fn timeout(cluster: &TestCluster) {
    let name = cluster.topic("slow", 1).await;
    let id = unique("id");
    let config = ProducerConfig { transaction_timeout_ms: 1_000, ..config(&id) };
    let producer = Producer::new(cluster.client(), config).unwrap();
    producer.init_transactions().await.unwrap();
    producer.begin().unwrap();
    send(&producer, &name, 0, &["too slow"]).await;
    producer.flush().await.unwrap();
    // The coordinator aborts it by itself: until then a reader of committed records is held up by it.
    let plain = Producer::new(cluster.client(), ProducerConfig::default()).unwrap();
    send(&plain, &name, 0, &["behind it"]).await;
    plain.flush().await.unwrap();
    assert_eq!(committed_until(cluster, &name, "behind it").await, ["behind it"]);
    let error = producer.commit().await.unwrap_err();
    assert!(matches!(error, TransactionError::Fatal(_)), "{error:?}");
    // Since KIP-890 it is told apart from another producer's coming.
    let is_timed_out = error.cause().and_then(Error::code) == Some(ErrorCode::INVALID_TXN_STATE);
    assert_ne!(error.is_fenced(), is_timed_out, "{error:?}");
    let next = producer_on(cluster.client(), &id).await;
    next.begin().unwrap();
    send(&next, &name, 0, &["in time"]).await;
    next.commit().await.unwrap();
    assert_eq!(committed_until(cluster, &name, "in time").await, ["behind it", "in time"]);
}

/// Goal: a producer that is closed leaves no open transaction behind, which would hold up readers until it times out.
#[test]
fn closing_aborts_what_is_open_unless_there_is_no_time_for_it() {
    run(async {
        let cluster = TestCluster::embedded(1);
        let name = cluster.topic("closed", 1).await;
        for is_forced in [false, true] {
            let id = unique("id");
            let producer = producer_on(cluster.client(), &id).await;
            producer.begin().unwrap();
            send(&producer, &name, 0, &["left open"]).await;
            producer.flush().await.unwrap();
            send(&producer, &name, 0, &["unsent"]).await;
            let ends = cluster.broker().request_count(ApiKey::EndTxn);
            let limit = if is_forced { Duration::ZERO } else { PATIENCE };
            let mut done = Vec::new();
            let closed = producer.close(limit, &mut done).await;
            assert_eq!(done.iter().map(|c| c.record_count).sum::<u32>(), 2, "{done:?}");
            if !is_forced {
                closed.unwrap();
                assert!(done[0].result.is_ok() && done[1].result.is_err(), "{done:?}");
            }
            let expected = u64::from(!is_forced);
            assert_eq!(cluster.broker().request_count(ApiKey::EndTxn) - ends, expected);
            // The next one of the same id ends what was left.
            let next = producer_on(cluster.client(), &id).await;
            next.begin().unwrap();
            let last = format!("end-{is_forced}");
            send(&next, &name, 0, &[&last]).await;
            next.commit().await.unwrap();
            let read = committed_until(&cluster, &name, &last).await;
            assert!(!read.iter().any(|value| value == "left open" || value == "unsent"), "{read:?}");
        }
    });
}

/// Cuts every connection of `client` as soon as `step` has begun, so that whatever it sends meets a dead connection.
async fn cut(client: &Cluster) {
    for node in &client.metadata().nodes {
        if let Some(connection) = client.open_connection(node.id) {
            connection.close(Error::disconnected("test", "cut by the test"));
        }
    }
    tokio::task::yield_now().await;
}

async fn lost_connections(cluster: &TestCluster) {
    let (name, group_id) = (cluster.topic("resets", 1).await, unique("group"));
    let client = cluster.client();
    let producer = producer_on(client.clone(), &unique("id")).await;
    let group = ConsumerGroupMetadata::of_group(&group_id);
    let mut expected = Vec::new();
    for round in 0..24_u32 {
        let (value, is_kept) = (format!("value-{round}"), round % 5 != 4);
        producer.begin().unwrap();
        if round % 4 == 0 {
            cut(&client).await;
        }
        send(&producer, &name, 0, &[&value]).await;
        if round % 4 == 1 {
            tokio::task::yield_now().await;
            cut(&client).await;
        }
        let offsets = vec![(tp(&name, 0), OffsetAndMetadata::new(i64::from(round)))];
        let (sent, ()) = tokio::join!(producer.send_offsets(offsets, &group), async {
            if round % 4 == 2 {
                cut(&client).await;
            }
        });
        sent.unwrap();
        let end = async { if is_kept { producer.commit().await } else { producer.abort().await } };
        let (ended, ()) = tokio::join!(end, async {
            // By now the end is out, or waits for the record to be written.
            for _ in 0..round % 7 {
                tokio::task::yield_now().await;
            }
            if round % 4 == 3 {
                cut(&client).await;
            }
        });
        ended.unwrap();
        if is_kept {
            expected.push(value);
        }
    }
    producer.begin().unwrap();
    send(&producer, &name, 0, &["end"]).await;
    producer.commit().await.unwrap();
    expected.push("end".to_owned());
    assert_eq!(committed_until(cluster, &name, "end").await, expected);
}
