//! Clients that we did not write, unmodified: kcat, confluent-kafka, kafka-python, Kafka's own command-line tools and Java
//! Connect against the broker over TCP.
//!
//! `cargo xtask test` installs kcat, confluent-kafka and kafka-python and says where they are; that one of them is missing is a
//! failure where `CI=true`, and one line on standard error elsewhere.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stderr, reason = "a skipped test has to be seen")]

mod java;
mod java_connect;

use std::io::Write;
use std::process::{Command, Output, Stdio};

use broker::{Broker, BrokerHandle};

/// No step takes a tenth of this; a client that hangs shall not hang the tests.
const STEP_SECONDS_MAX: &str = "60";

fn start() -> BrokerHandle {
    Broker::builder().spawn_thread("127.0.0.1:0").unwrap()
}

/// The kcat of `cargo xtask test`, or the one on the path.
fn kcat() -> String {
    std::env::var("AQUEDUCT_KCAT").unwrap_or_else(|_| "kcat".to_owned())
}

/// The Python of `cargo xtask test`, or the one on the path.
fn python() -> String {
    std::env::var("AQUEDUCT_PYTHON").unwrap_or_else(|_| "python3".to_owned())
}

/// Whether a client works at all on this machine.
fn is_available(client: &str, probe: &[&str]) -> bool {
    let works = Command::new(probe[0])
        .args(&probe[1..])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !works {
        let is_failure = std::env::var("CI").as_deref() == Ok("true");
        assert!(!is_failure, "{client} is not installed, and CI=true");
        eprintln!("skipped: {client} is not installed");
    }
    works
}

/// Runs a command with this input and returns what it printed; panics with all of it if the command fails.
fn run(command: &[&str], input: &str) -> String {
    let Output { status, stdout, stderr } = output(command, input);
    let stdout = String::from_utf8(stdout).unwrap();
    assert!(status.success(), "{command:?}: {status}\n{stdout}\n{}", String::from_utf8_lossy(&stderr));
    stdout
}

/// Runs a command with this input to its end, whatever that is.
fn output(command: &[&str], input: &str) -> Output {
    let mut child = Command::new("timeout")
        .arg(STEP_SECONDS_MAX)
        .args(command)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn kcat_produces_and_consumes() {
    let kcat = kcat();
    if !is_available("kcat", &[&kcat, "-V"]) {
        return;
    }
    let broker = start();
    let address = broker.bootstrap_servers();
    let lines: String = (0..1000).map(|i| format!("key-{i}:value-{i}\n")).collect();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let compression = format!("compression.codec={codec}");
        let produce = [
            &kcat,
            "-b",
            &address,
            "-P",
            "-t",
            codec,
            "-K:",
            "-X",
            &compression,
            "-X",
            "enable.idempotence=true",
        ];
        run(&produce, &lines);
        let consume = [&kcat, "-b", &address, "-C", "-t", codec, "-K:", "-e", "-q", "-o", "beginning"];
        assert_eq!(run(&consume, ""), lines, "{codec}");
    }
    let listed = run(&[&kcat, "-b", &address, "-L"], "");
    assert!(listed.contains("5 topics"), "{listed}");
}

#[test]
fn kcat_consumes_in_a_group() {
    let kcat = kcat();
    if !is_available("kcat", &[&kcat, "-V"]) {
        return;
    }
    let broker = start();
    let address = broker.bootstrap_servers();
    let lines: String = (0..100).map(|i| format!("line-{i}\n")).collect();
    run(&[&kcat, "-b", &address, "-P", "-t", "topic"], &lines);
    let earliest = "auto.offset.reset=earliest";
    let consume = [&kcat, "-b", &address, "-G", "group", "-q", "-e", "-X", earliest, "topic"];
    assert_eq!(run(&consume, ""), lines);
    // What the group has committed is not read again.
    run(&[&kcat, "-b", &address, "-P", "-t", "topic"], "one more\n");
    assert_eq!(run(&consume, ""), "one more\n");
}

#[test]
fn confluent_kafka_produces_consumes_and_administrates() {
    let python = python();
    if is_available("confluent-kafka for Python", &[&python, "-c", "import confluent_kafka"]) {
        let broker = start();
        run(&[&python, "-c", include_str!("confluent.py"), &broker.bootstrap_servers()], "");
    }
}

#[test]
fn confluent_kafka_moves_records_in_transactions() {
    let python = python();
    if is_available("confluent-kafka for Python", &[&python, "-c", "import confluent_kafka"]) {
        let broker = start();
        let script = include_str!("confluent_transactions.py");
        run(&[&python, "-c", script, &broker.bootstrap_servers()], "");
    }
}

#[test]
fn kafka_python_produces_and_consumes() {
    let python = python();
    if is_available("kafka-python", &[&python, "-c", "import kafka"]) {
        let broker = start();
        run(&[&python, "-c", include_str!("kafka_python.py"), &broker.bootstrap_servers()], "");
    }
}
