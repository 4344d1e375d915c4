//! Goal: `aqueduct distributed` on Java's `connect-distributed.properties` is a worker of a cluster: any of its workers takes requests, work is
//! spread, goes on when a worker is killed, and stays where it is when one comes. Method: the program itself, several processes on one broker.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod across;
mod cluster_page;

mod committed;

mod exactly_once;

mod mixed;
mod secured;

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use support::{Broker, Process, Properties, Rest, complete_lines, unique, wait_for, write_properties};

fn start(broker: &Broker, group: &str, dir: &Path, name: &str, more: &Properties<'_>) -> (Process, Rest) {
    let (process, rest) = launch(broker, group, dir, name, more);
    wait_for("the worker to be ready", || (rest.get("/health").status == 200).then_some(()));
    (process, rest)
}

/// A worker that listens, whatever it speaks.
fn launch(broker: &Broker, group: &str, dir: &Path, name: &str, more: &Properties<'_>) -> (Process, Rest) {
    let topic = |kind: &str| format!("{group}-{kind}");
    let (configs, offsets, statuses) = (topic("configs"), topic("offsets"), topic("status"));
    let defaults = [
        ("bootstrap.servers", broker.bootstrap.as_str()),
        ("group.id", group),
        ("key.converter", "org.apache.kafka.connect.storage.StringConverter"),
        ("value.converter", "org.apache.kafka.connect.storage.StringConverter"),
        ("config.storage.topic", &configs),
        ("offset.storage.topic", &offsets),
        ("status.storage.topic", &statuses),
        ("config.storage.replication.factor", "1"),
        ("offset.storage.replication.factor", "1"),
        ("status.storage.replication.factor", "1"),
        ("offset.flush.interval.ms", "200"),
        ("listeners", "http://127.0.0.1:0"),
        ("session.timeout.ms", "6000"),
        ("heartbeat.interval.ms", "500"),
        ("scheduled.rebalance.max.delay.ms", "0"),
        ("consumer.session.timeout.ms", "6000"),
        ("consumer.heartbeat.interval.ms", "1000"),
    ];
    let all: Vec<_> = defaults.iter().chain(more).copied().collect();
    let file = write_properties(&dir.join(format!("{name}.properties")), &all);
    let mut process = Process::start(&["distributed", file.to_str().unwrap()]);
    process.wait_for_output("ready in");
    let rest = process.rest();
    (process, rest)
}

fn create_pair(rest: &Rest, dir: &Path, topic: &str, tasks: &str) {
    let (input, output) = (dir.join("in.txt"), dir.join("out.txt"));
    let source = [
        ("connector.class", "FileStreamSource"),
        ("file", input.to_str().unwrap()),
        ("topic", topic),
        ("tasks.max", "1"),
    ];
    let answer = rest.create("source", &source);
    assert_eq!(answer.status, 201, "{answer:?}");
    let sink = [
        ("connector.class", "FileStreamSink"),
        ("file", output.to_str().unwrap()),
        ("topics", topic),
        ("tasks.max", tasks),
    ];
    let answer = rest.create("sink", &sink);
    assert_eq!(answer.status, 201, "{answer:?}");
}

fn append(dir: &Path, lines: std::ops::Range<u32>) {
    let mut file = fs::OpenOptions::new().create(true).append(true).open(dir.join("in.txt")).unwrap();
    for line in lines {
        writeln!(file, "line {line}").unwrap();
    }
}

fn wait_for_lines(dir: &Path, count: u32) {
    let expected: BTreeSet<String> = (0..count).map(|line| format!("line {line}")).collect();
    wait_for("all lines in the sink's file", || {
        let lines: BTreeSet<String> = complete_lines(&dir.join("out.txt")).into_iter().collect();
        (lines == expected).then_some(())
    });
}

#[test]
fn one_worker_keeps_its_connectors_and_offsets_in_kafka() {
    let broker = Broker::start();
    let dir = tempfile::tempdir().unwrap();
    let (group, topic) = (unique("group"), unique("topic"));
    append(dir.path(), 0..100);
    let (worker, rest) = start(&broker, &group, dir.path(), "a", &[]);
    create_pair(&rest, dir.path(), &topic, "1");
    rest.wait_for_states("source", "RUNNING: RUNNING");
    rest.wait_for_states("sink", "RUNNING: RUNNING");
    wait_for_lines(dir.path(), 100);
    wait_for("the offset", || rest.get("/connectors/source/offsets").body.contains("position").then_some(()));
    assert_eq!(rest.send("PUT", "/connectors/sink/pause", None).status, 202);
    rest.wait_for_states("sink", "PAUSED: PAUSED");
    assert_eq!(rest.send("PUT", "/connectors/sink/resume", None).status, 202);
    rest.wait_for_states("sink", "RUNNING: RUNNING");
    assert_eq!(worker.terminate(), Some(0));
    append(dir.path(), 100..200);
    let (worker, rest) = start(&broker, &group, dir.path(), "a", &[]);
    rest.wait_for_states("source", "RUNNING: RUNNING");
    wait_for_lines(dir.path(), 200);
    assert_eq!(
        complete_lines(&dir.path().join("out.txt")).len(),
        200,
        "nothing comes twice after a clean stop"
    );
    assert_eq!(rest.send("DELETE", "/connectors/sink", None).status, 204);
    wait_for("the sink's status to go", || (rest.states("sink") == "404").then_some(()));
    assert_eq!(worker.terminate(), Some(0));
}

#[test]
fn workers_share_the_work_take_requests_for_each_other_and_replace_one_that_was_killed() {
    let broker = Broker::start();
    let dir = tempfile::tempdir().unwrap();
    let (group, topic) = (unique("group"), unique("topic"));
    append(dir.path(), 0..100);
    let (first, a) = start(&broker, &group, dir.path(), "a", &[]);
    let (second, b) = start(&broker, &group, dir.path(), "b", &[]);
    let (_third, c) = start(&broker, &group, dir.path(), "c", &[]);
    let leads = |rest: &Rest| rest.get("/admin/cluster").json()["assignment"]["is_leader"] == true;
    let settled = || [&a, &b, &c].into_iter().filter(|rest| leads(rest)).count() == 1;
    wait_for("one leader", || settled().then_some(()));
    // At least one of these is not the leader, and passes it on.
    create_pair(&c, dir.path(), &topic, "1");
    let twice = b.create("sink", &[("connector.class", "FileStreamSink"), ("topics", &topic), ("file", "x")]);
    assert_eq!(twice.status, 409, "{twice:?}");
    for rest in [&a, &b, &c] {
        rest.wait_for_states("source", "RUNNING: RUNNING");
        rest.wait_for_states("sink", "RUNNING: RUNNING");
    }
    wait_for_lines(dir.path(), 100);
    let owners = || {
        let states = ["source", "sink"].map(|name| a.get(&format!("/connectors/{name}/status")).json());
        let ids = states
            .iter()
            .flat_map(|state| [&state["connector"]["worker_id"], &state["tasks"][0]["worker_id"]]);
        ids.map(ToString::to_string).collect::<BTreeSet<_>>()
    };
    wait_for("the work to be spread", || (owners().len() >= 2).then_some(()));
    second.kill();
    append(dir.path(), 100..200);
    wait_for_lines(dir.path(), 200);
    a.wait_for_states("sink", "RUNNING: RUNNING");
    assert_eq!(first.terminate(), Some(0));
    append(dir.path(), 200..300);
    wait_for_lines(dir.path(), 300);
    c.wait_for_states("source", "RUNNING: RUNNING");
}
