//! The suite that every connector passes, between two embedded brokers.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

use std::time::Duration;

use api::Props;
use api::conformance::{SourceCase, source};
use broker::Broker;
use connector_mirror::MirrorSource;
use protocol::client::admin::{Admin, NewTopic};
use protocol::client::producer::{ProduceRecord, Producer, ProducerConfig};
use protocol::cluster::{Cluster, ClusterConfig, HostPort};
use protocol::net::Env;

const RECORDS: usize = 300;

/// Fills a topic of one partition.
fn fill(bootstrap: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let cluster = Cluster::new(Env::real(), ClusterConfig::new(HostPort::parse_list(bootstrap).unwrap()));
        for created in Admin::new(cluster.clone()).create_topics(&[NewTopic::new("t", 1)]).await {
            created.unwrap();
        }
        let producer =
            Producer::new(cluster, ProducerConfig { batch_bytes: 2_000, ..ProducerConfig::default() });
        let producer = producer.unwrap();
        let topic = producer.topic("t").await.unwrap();
        for number in 0..RECORDS {
            let value = format!("{number} {}", "v".repeat(number % 50));
            let record =
                ProduceRecord { timestamp_ms: 1, value: Some(value.as_bytes()), ..ProduceRecord::default() };
            producer.append(&topic, Some(0), &record, 0).unwrap();
        }
        producer.flush().await.unwrap();
        producer.close(Duration::from_secs(10), &mut Vec::new()).await.unwrap();
    });
}

#[test]
fn conforms() {
    let (from, to) = (
        Broker::builder().spawn_thread("127.0.0.1:0").unwrap(),
        Broker::builder().spawn_thread("127.0.0.1:0").unwrap(),
    );
    fill(&from.bootstrap_servers());
    let props: Props = [
        ("name", "m"),
        ("source.cluster.alias", "a"),
        ("target.cluster.alias", "b"),
        ("source.cluster.bootstrap.servers", &from.bootstrap_servers()),
        ("target.cluster.bootstrap.servers", &to.bootstrap_servers()),
        ("replication.factor", "1"),
        ("offset-syncs.topic.replication.factor", "1"),
    ]
    .iter()
    .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
    .collect();
    source::<MirrorSource>(|| SourceCase { props: props.clone(), records: RECORDS, ends: true });
}
