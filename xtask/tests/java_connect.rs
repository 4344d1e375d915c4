//! The Java worker that other tests compare with does what they rely on: it starts, moves data, and keeps its offsets when it
//! is stopped. Runs where `AQUEDUCT_KAFKA` and `AQUEDUCT_KAFKA_LIBS` say what to use: in the `kafka` step.

use std::env;
use std::fs;
use std::time::Duration;

use xtask::connect::JavaWorker;
use xtask::kafka::{BOOTSTRAP_VARIABLE, Libs};
use xtask::process;

const DEADLINE: Duration = Duration::from_secs(60);

#[test]
fn standalone_moves_a_file_and_keeps_its_offsets() {
    let (Ok(bootstrap), Some(libs)) = (env::var(BOOTSTRAP_VARIABLE), Libs::from_env()) else { return };
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let (input, output) = (path("input"), path("output"));
    fs::write(&input, "one\ntwo\n").unwrap();

    let topic = format!("xtask-{}", std::process::id());
    let class = "org.apache.kafka.connect.file.FileStream";
    let (source_class, sink_class) = (format!("{class}SourceConnector"), format!("{class}SinkConnector"));
    let source = [
        ("name", "source"),
        ("connector.class", source_class.as_str()),
        ("file", input.as_str()),
        ("topic", topic.as_str()),
    ];
    let sink = [
        ("name", "sink"),
        ("connector.class", sink_class.as_str()),
        ("file", output.as_str()),
        ("topics", topic.as_str()),
    ];
    let offsets = dir.path().join("offsets");
    let worker = JavaWorker::standalone(&libs, &bootstrap, &offsets, &[], &[&source, &sink]).unwrap();
    process::wait_for("both lines at the sink", DEADLINE, || {
        Ok(fs::read_to_string(&output).is_ok_and(|text| text == "one\ntwo\n").then_some(()))
    })
    .unwrap();
    worker.stop(DEADLINE).unwrap();
    assert!(fs::metadata(&offsets).unwrap().len() > 0);
}

#[test]
fn distributed_worker_joins_and_serves() {
    let (Ok(bootstrap), Some(libs)) = (env::var(BOOTSTRAP_VARIABLE), Libs::from_env()) else { return };
    let group = format!("xtask-{}", std::process::id());
    let worker = JavaWorker::distributed(&libs, &bootstrap, &group, &[]).unwrap();
    let address = worker.rest().strip_prefix("http://").unwrap().to_owned();
    std::net::TcpStream::connect(address).unwrap();
    worker.stop(DEADLINE).unwrap();
}
