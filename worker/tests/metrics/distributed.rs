//! A worker of a cluster: beside what every worker has, its membership and the client of it.

use crate::check_mbeans;
use crate::page::{Sample, parse};
use crate::support::{Broker, InProcess, unique, wait_for};

#[test]
fn every_mbean_of_a_java_worker_in_a_cluster_is_there() {
    let broker = Broker::start();
    let group = unique("group");
    let topic = |kind: &str| format!("{group}-{kind}");
    let properties = [
        ("bootstrap.servers", broker.bootstrap.clone()),
        ("group.id", group.clone()),
        ("key.converter", "org.apache.kafka.connect.storage.StringConverter".to_owned()),
        ("value.converter", "org.apache.kafka.connect.storage.StringConverter".to_owned()),
        ("config.storage.topic", topic("configs")),
        ("offset.storage.topic", topic("offsets")),
        ("status.storage.topic", topic("status")),
        ("config.storage.replication.factor", "1".to_owned()),
        ("offset.storage.replication.factor", "1".to_owned()),
        ("status.storage.replication.factor", "1".to_owned()),
        ("heartbeat.interval.ms", "200".to_owned()),
        ("listeners", "http://127.0.0.1:0".to_owned()),
    ]
    .map(|(key, value)| (key.to_owned(), value));
    let worker = InProcess::start(&properties, worker::built_in());
    let samples = || parse(&worker.rest.get("/metrics").body);
    let value = |samples: &[Sample], name: &str| {
        let name = format!("kafka_connect_connect_coordinator_metrics_{name}");
        let sample = samples.iter().find(|sample| sample.name == name)?;
        let id = format!("connect-{}", worker.rest.address);
        assert_eq!(sample.label("client_id"), Some(&*id), "Java names a client without a name so");
        Some(sample.value)
    };
    let samples = wait_for("a heartbeat after the first rebalance", || {
        let samples = samples();
        (value(&samples, "heartbeat_total")? >= 1.0).then_some(samples)
    });
    let found = check_mbeans(&samples, |subject| (subject == "distributed").then_some(""));
    assert!(found > 80, "{found}");
    assert_eq!(value(&samples, "join_total"), Some(1.0));
    assert_eq!(value(&samples, "rebalance_total"), Some(1.0));
}
