//! Goal: the command line, start-up, shutdown and failures of `aqueduct standalone` are what an operator of Java's worker
//! expects. Method: the program itself, its output and exit codes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod mirror;
mod offsets;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use support::{
    Broker, Process, Properties, Rest, complete_lines, unique, wait_for, worker_properties, write_properties,
};

pub(crate) fn worker_file(bootstrap: &str, dir: &Path, more: &Properties<'_>) -> PathBuf {
    let properties = worker_properties(bootstrap, dir, more);
    let pairs: Vec<_> = properties.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    write_properties(&dir.join("worker.properties"), &pairs)
}

/// Runs to the end; exit code and output.
fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let mut process = Process::start(arguments);
    let code = process.wait();
    // The reading threads may still have a line in hand.
    let output = wait_for("output", || Some(process.output()).filter(|output| !output.is_empty()));
    (code, output)
}

#[test]
fn usage_errors_exit_with_1() {
    let (code, output) = run(&["standalone"]);
    assert_eq!(code, Some(1));
    assert!(
        output.contains("standalone worker.properties [connector1.properties connector2.json ...]"),
        "{output}"
    );
    assert_eq!(run(&["no-such-command"]).0, Some(1));
    let (code, output) = run(&["--version"]);
    assert_eq!((code, output.trim()), (Some(0), concat!("aqueduct ", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn configuration_errors_exit_with_2_and_say_why() {
    let dir = tempfile::tempdir().unwrap();
    let check = |more: &Properties<'_>, expected: &str| {
        let file = worker_file("127.0.0.1:1", dir.path(), more);
        let (code, output) = run(&["standalone", file.to_str().unwrap()]);
        assert_eq!(code, Some(2), "{output}");
        assert!(output.contains(expected), "{output}");
    };
    check(
        &[("offset.flush.interval.ms", "soon")],
        "Invalid value soon for configuration offset.flush.interval.ms: Not a number of type LONG",
    );
    check(
        &[("value.converter", "com.example.Missing")],
        "Invalid value com.example.Missing for configuration value.converter: Class com.example.Missing could not be found.",
    );
    check(&[("listeners", "https://:8443")], "ssl.keystore.location is not set");
    check(
        &[("rest.extension.classes", "com.example.Auth")],
        "ConnectRestExtension and which name matches com.example.Auth",
    );
    check(&[("bootstrap.servers", "nowhere")], "nowhere");
    let (code, output) = run(&["standalone", ""]);
    assert_eq!(code, Some(2));
    assert!(
        output.contains("Missing required configuration \"bootstrap.servers\" which has no default value."),
        "{output}"
    );
    let (code, output) = run(&["standalone", "/no/such/file"]);
    assert_eq!(code, Some(2));
    assert!(output.contains("/no/such/file"), "{output}");
}

#[test]
fn a_port_in_use_exits_with_2() {
    let dir = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listener = format!("http://{}", taken.local_addr().unwrap());
    let file = worker_file("127.0.0.1:1", dir.path(), &[("listeners", &listener)]);
    let (code, output) = run(&["standalone", file.to_str().unwrap()]);
    assert_eq!(code, Some(2));
    assert!(output.contains("Unable to initialize REST server"), "{output}");
}

#[test]
fn a_broken_connector_file_exits_with_3() {
    let broker = Broker::start();
    let dir = tempfile::tempdir().unwrap();
    let worker = worker_file(&broker.bootstrap, dir.path(), &[]);
    let check = |name: &str, text: &str, expected: &str| {
        let file = dir.path().join(name);
        fs::write(&file, text).unwrap();
        let (code, output) = run(&["standalone", worker.to_str().unwrap(), file.to_str().unwrap()]);
        assert_eq!(code, Some(3), "{output}");
        assert!(output.contains(expected) && output.contains("Stopping after connector error"), "{output}");
    };
    check("a.properties", "connector.class=FileStreamSink", "is missing the mandatory 'name' configuration");
    check("b.json", r#"{"name":"b","config":{"name":"c"}}"#, "doesn't match the one specified in 'name'");
    check(
        "c.properties",
        "name=c\nconnector.class=FileStreamSource",
        "Missing required configuration \"topic\"",
    );
    check(
        "d.properties",
        "name=d\nconnector.class=Nope",
        "Failed to find any class that implements Connector and which name matches Nope",
    );
}

#[test]
fn a_file_that_holds_no_offsets_is_not_overwritten() {
    let broker = Broker::start();
    let dir = tempfile::tempdir().unwrap();
    let worker = worker_file(&broker.bootstrap, dir.path(), &[]);
    let offsets = dir.path().join("connect.offsets");
    fs::write(&offsets, "precious").unwrap();
    let (code, output) = run(&["standalone", worker.to_str().unwrap()]);
    assert_eq!(code, Some(3), "{output}");
    assert_eq!(fs::read_to_string(&offsets).unwrap(), "precious");
}

#[test]
fn health_answers_while_the_cluster_is_out_of_reach() {
    let dir = tempfile::tempdir().unwrap();
    let worker = worker_file("127.0.0.1:1", dir.path(), &[]);
    let mut process = Process::start(&["connect-standalone", worker.to_str().unwrap()]);
    let rest = process.rest();
    let health = rest.get("/health");
    assert_eq!((health.status, health.json()["status"].as_str().unwrap()), (503, "starting"));
    assert_eq!(process.terminate(), Some(0));
}

#[test]
fn says_what_runs_and_takes_every_kind_of_connector_file() {
    let broker = Broker::start();
    let dir = tempfile::tempdir().unwrap();
    let topic = unique("start");
    let worker =
        worker_file(&broker.bootstrap, dir.path(), &[("listeners", "http://127.0.0.1:0,http://localhost:0")]);
    let path = |name: &str| dir.path().join(name);
    fs::write(path("in.txt"), "one\ntwo\n").unwrap();
    let (input, output) = (path("in.txt").display().to_string(), path("out.txt").display().to_string());
    fs::write(path("a.json"), format!(r#"{{"name":"flat","connector.class":"FileStreamSource","file":"{input}","topic":"{topic}","tasks.max":1}}"#)).unwrap();
    fs::write(path("b.json"), format!(r#"{{"name":"nested","config":{{"connector.class":"FileStreamSink","file":"{output}","topics":"{topic}"}}}}"#)).unwrap();
    fs::write(path("c.json"), format!(r#"{{"name":"later","config":{{"connector.class":"FileStreamSink","file":"{output}.2","topics":"{topic}"}},"initial_state":"STOPPED"}}"#)).unwrap();
    let mut process = Process::standalone(&worker, &[path("a.json"), path("b.json"), path("c.json")]);
    let ready = process.wait_for_output("ready in");
    assert!(ready.contains("connectors: 3 (flat, nested, later)") && ready.contains("broker"), "{ready}");
    assert_eq!(ready.matches("http://").count(), 2, "{ready}");
    let rest = process.rest();
    wait_for("the lines", || (complete_lines(&path("out.txt")) == ["one", "two"]).then_some(()));
    assert_eq!(rest.states("later"), "STOPPED");
    assert_eq!(rest.get("/health").status, 200);
    for url in ready.split_whitespace().filter(|word| word.starts_with("http://")) {
        assert_eq!(
            Rest::new(url.trim_end_matches(',')).get("/connectors").body,
            r#"["later","flat","nested"]"#,
            "the order of a Java map"
        );
    }
    assert_eq!(process.terminate(), Some(0));
}

#[test]
fn a_dead_broker_does_not_hold_up_the_end() {
    let broker = broker::Broker::builder().spawn_thread("127.0.0.1:0").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let worker = worker_file(
        &broker.bootstrap_servers(),
        dir.path(),
        &[("task.shutdown.graceful.timeout.ms", "2000")],
    );
    let path = |name: &str| dir.path().join(name);
    fs::write(path("in.txt"), "one\n").unwrap();
    let (input, output) = (path("in.txt").display().to_string(), path("out.txt").display().to_string());
    let source = write_properties(
        &path("a"),
        &[("name", "a"), ("connector.class", "FileStreamSource"), ("file", &input), ("topic", "t")],
    );
    let sink = write_properties(
        &path("b"),
        &[("name", "b"), ("connector.class", "FileStreamSink"), ("file", &output), ("topics", "t")],
    );
    let mut process = Process::standalone(&worker, &[source, sink]);
    wait_for("the line", || (complete_lines(&path("out.txt")) == ["one"]).then_some(()));
    drop(broker);
    fs::write(path("in.txt"), "one\ntwo\n").unwrap();
    let rest = process.rest();
    assert_eq!(rest.states("a"), "RUNNING: RUNNING");
    let started = std::time::Instant::now();
    assert_eq!(process.terminate(), Some(0));
    assert!(started.elapsed() < Duration::from_secs(6), "took {:?}", started.elapsed());
}

#[test]
fn secrets_stay_out_of_the_output() {
    let broker = Broker::start();
    let dir = tempfile::tempdir().unwrap();
    let worker = worker_file(
        &broker.bootstrap,
        dir.path(),
        &[
            ("producer.sasl.jaas.config", "canary-1"),
            ("producer.ssl.key.password", "canary-2"),
            ("my.secret", "canary-3"),
        ],
    );
    let file = dir.path().join("c.properties");
    fs::write(&file, "name=c\ndatabase.password=canary-4\n").unwrap();
    let (_, output) = run(&["standalone", worker.to_str().unwrap(), file.to_str().unwrap()]);
    assert!(output.contains("contains no connector type"), "{output}");
    assert!(!output.contains("canary"), "{output}");
}

#[test]
fn quickstart_moves_what_it_was_asked_to() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().display().to_string();
    let (code, output) = run(&["quickstart", "--records", "5000", "--rest", "0", "--dir", &folder]);
    assert_eq!(code, Some(0), "{output}");
    assert!(output.contains("All 5,000 records arrived, each once and in order."), "{output}");
    assert_eq!(complete_lines(&dir.path().join("quickstart-output.txt")).len(), 5_000);
}

#[test]
fn quickstart_ends_when_asked_to_and_says_what_was_moved() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().display().to_string();
    let mut process = Process::start(&["quickstart", "--rest", "0", "--dir", &folder]);
    process.wait_for_output("curl ");
    wait_for("some output", || {
        (complete_lines(&dir.path().join("quickstart-output.txt")).len() > 100).then_some(())
    });
    let pid = rustix::process::Pid::from_raw(process.pid() as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert_eq!(process.wait(), Some(0));
    process.wait_for_output("Moved ");
}

#[test]
fn health_says_what_a_starting_worker_is_at() {
    let dir = tempfile::tempdir().unwrap();
    let file = worker_file("127.0.0.1:1", dir.path(), &[]);
    let mut process = Process::start(&["standalone", file.to_str().unwrap()]);
    let rest = process.rest();
    let at = "Worker is still starting up. The worker is currently establishing a connection to the Kafka cluster, which began at ";
    let health = wait_for("the stage", || {
        let health = rest.get("/health");
        health.body.contains("Kafka cluster").then_some(health)
    });
    let message = health.json()["message"].as_str().unwrap().to_owned();
    assert_eq!((health.status, health.json()["status"].as_str()), (503, Some("starting")));
    assert!(message.starts_with(at) && message.ends_with("Z."), "{message}");
}
