//! The mirror within a worker: from one cluster to the worker's own.

use super::support::{Broker, Process, complete_lines, unique, wait_for};
use super::worker_file;

/// Goal: a topic that is created after the connector was is copied from its first record on, without anybody's doing.
#[test]
fn a_topic_that_comes_later_is_copied() {
    let (from, to) = (Broker::start(), Broker::start());
    let dir = tempfile::tempdir().unwrap();
    let worker = worker_file(&to.bootstrap, dir.path(), &[]);
    let mut process = Process::standalone(&worker, &[]);
    let rest = process.rest();
    let (alias, topic) = (unique("a"), unique("later"));
    let bytes = "org.apache.kafka.connect.converters.ByteArrayConverter";
    let created = rest.create(
        "mirror",
        &[
            ("connector.class", "MirrorSource"),
            ("source.cluster.alias", &alias),
            ("source.cluster.bootstrap.servers", &from.bootstrap),
            ("target.cluster.bootstrap.servers", &to.bootstrap),
            ("topics", &topic),
            ("refresh.topics.interval.seconds", "1"),
            ("replication.factor", "1"),
            ("offset-syncs.topic.replication.factor", "1"),
            ("key.converter", bytes),
            ("value.converter", bytes),
            ("header.converter", bytes),
        ],
    );
    assert_eq!(created.status, 201, "{created:?}");
    rest.wait_for_states("mirror", "RUNNING");
    let made = rest.create(
        "made",
        &[
            ("connector.class", "DatagenSource"),
            ("topic", &topic),
            ("rate", "-1"),
            ("records", "5000"),
            ("producer.override.bootstrap.servers", &from.bootstrap),
        ],
    );
    assert_eq!(made.status, 201, "{made:?}");
    rest.wait_for_states("mirror", "RUNNING: RUNNING");
    let file = dir.path().join("out");
    let remote = format!("{alias}.{topic}");
    let sink =
        [("connector.class", "FileStreamSink"), ("topics", &*remote), ("file", file.to_str().unwrap())];
    assert_eq!(rest.create("out", &sink).status, 201);
    let lines = wait_for("the records", || Some(complete_lines(&file)).filter(|lines| lines.len() >= 5_000));
    let numbers: Vec<usize> = lines.iter().map(|line| line[..20].parse().unwrap()).collect();
    assert_eq!(numbers, (0..5_000).collect::<Vec<_>>());
    assert_eq!(process.terminate(), Some(0));
}
