//! Two unmodified Java Connect workers in one cluster with exactly-once sources: transactional producers, fencing by
//! `InitProducerId`, compacted internal topics, and the death of a worker in the middle of a transaction.

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use broker::Fault;
use protocol::wire::messages::ApiKey;
use xtask::connect::JavaWorker;
use xtask::java::{self, Program};
use xtask::kafka::Libs;

use crate::start;

/// A JVM may have to share two cores with everything else.
const PATIENCE: Duration = Duration::from_mins(2);

/// The source hands out 200 lines a second: it waits after each batch.
const LINE_COUNT: usize = 4000;

/// Sends a request to a worker's REST interface; the body of the answer, or `None` if it is not a success.
fn rest(worker: &JavaWorker, method: &str, path: &str, body: &str) -> Option<String> {
    let address = worker.rest().strip_prefix("http://")?;
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.split(' ').nth(1)?.starts_with('2').then(|| body.to_owned())
}

/// Looks again and again until `condition` gives a value.
fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    xtask::process::wait_for(what, PATIENCE, || Ok(condition())).unwrap()
}

fn append(input: &Path, numbers: std::ops::Range<usize>) {
    let lines: String = numbers.map(|number| format!("line-{number}\n")).collect();
    let mut file = OpenOptions::new().create(true).append(true).open(input).unwrap();
    file.write_all(lines.as_bytes()).unwrap();
}

/// What Java's console consumer sees of committed records, until it has waited in vain for `timeout`.
fn committed_lines(
    libs: &Libs,
    bootstrap: &str,
    dir: &Path,
    timeout: Duration,
    count_max: usize,
) -> Vec<String> {
    let runtime = libs.runtime();
    let class = "org.apache.kafka.tools.consumer.ConsoleConsumer";
    let program = Program { name: "consumer", class, class_path: &[&runtime], jvm_options: &["-Xmx256m"] };
    let (timeout_ms, count_max) = (timeout.as_millis().to_string(), count_max.to_string());
    let arguments = [
        "--bootstrap-server",
        bootstrap,
        "--topic",
        "lines",
        "--from-beginning",
        "--isolation-level",
        "read_committed",
        "--timeout-ms",
        &timeout_ms,
        "--max-messages",
        &count_max,
    ];
    let printed = java::run(program, &arguments, dir).unwrap();
    printed.lines().filter(|line| line.starts_with("line-")).map(str::to_owned).collect()
}

#[test]
fn java_connect_delivers_exactly_once_though_a_worker_dies() {
    let Some(libs) = Libs::from_env() else {
        return;
    };
    let broker = start();
    let bootstrap = broker.bootstrap_servers();
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("input.txt");
    let properties = [
        ("exactly.once.source.support", "enabled"),
        ("session.timeout.ms", "6000"),
        ("heartbeat.interval.ms", "1000"),
        ("scheduled.rebalance.max.delay.ms", "0"),
    ];
    let worker = || JavaWorker::distributed(&libs, &bootstrap, "connect", &properties).unwrap();
    let workers = [worker(), worker()];
    append(&input, 0..LINE_COUNT / 2);
    let config = format!(
        r#"{{"connector.class": "FileStreamSource", "file": "{}", "topic": "lines", "batch.size": "200",
             "tasks.max": "1", "exactly.once.support": "required", "transaction.boundary": "poll"}}"#,
        input.display()
    );
    wait_for("the connector", || rest(&workers[0], "PUT", "/connectors/lines/config", &config));
    let owner = wait_for("the task", || {
        let status = rest(&workers[0], "GET", "/connectors/lines/status", "")?;
        // The connector's own worker comes first, the task's after it.
        let task = status.split_once(r#""tasks":"#)?.1.to_owned();
        task.contains("RUNNING").then_some(())?;
        workers.iter().position(|worker| task.contains(worker.rest().strip_prefix("http://").unwrap_or("?")))
    });
    // Some transactions are over; the next one has its records in the topic, and its end is never performed.
    let seen = || broker.request_count(ApiKey::EndTxn);
    let before = seen();
    wait_for("transactions", || (seen() > before + 2).then_some(()));
    let before = seen();
    broker.faults().once(ApiKey::EndTxn, Fault::Silence);
    wait_for("an open transaction", || (seen() > before).then_some(()));
    let [first, second] = workers;
    let (dying, surviving) = if owner == 0 { (first, second) } else { (second, first) };
    drop(dying);
    append(&input, LINE_COUNT / 2..LINE_COUNT);

    let all = committed_lines(&libs, &bootstrap, dir.path(), PATIENCE, LINE_COUNT);
    assert_eq!(all.len(), LINE_COUNT, "lines are missing");
    let mut lines = committed_lines(&libs, &bootstrap, dir.path(), Duration::from_secs(5), LINE_COUNT * 2);
    let expected = fs::read_to_string(&input).unwrap();
    lines.sort_unstable_by_key(|line| line[5..].parse::<usize>().unwrap());
    assert!(lines.iter().eq(expected.lines()), "{} lines came out of {LINE_COUNT}", lines.len());
    assert!(rest(&surviving, "GET", "/connectors/lines/status", "").unwrap().contains("RUNNING"));
}
