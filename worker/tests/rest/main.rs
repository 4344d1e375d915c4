//! Goal: REST answers as Java's worker does. Method: a worker within the process, with plug-ins of the test's own that fail in
//! every way; expected answers were recorded from Java Connect 4.3.0.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod hangs;
mod loggers;
mod offsets;
mod plugins;
mod restarts;
mod topics;

use std::fs;

use serde_json::json;
use support::{Broker, InProcess, PATIENCE, Rest, complete_lines, unique, wait_for, worker_properties};

struct Setup {
    worker: InProcess,
    dir: tempfile::TempDir,
    topic: String,
    _broker: Broker,
}

impl Setup {
    fn new() -> Setup {
        Setup::with(&[])
    }

    fn with(more: &support::Properties<'_>) -> Setup {
        let broker = Broker::start();
        let dir = tempfile::tempdir().unwrap();
        let properties = worker_properties(&broker.bootstrap, dir.path(), more);
        let mut registry = worker::built_in();
        registry.connectors.extend(plugins::ALL);
        let worker = InProcess::start(&properties, registry);
        Setup { worker, dir, topic: unique("rest"), _broker: broker }
    }

    fn rest(&self) -> &Rest {
        &self.worker.rest
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).display().to_string()
    }

    /// A source named `source-<topic>` that tails `in.txt`.
    fn create_source(&self) -> String {
        let name = format!("source-{}", self.topic);
        let file = self.path("in.txt");
        fs::write(&file, "").unwrap();
        let answer = self.rest().create(
            &name,
            &[("connector.class", "FileStreamSource"), ("file", &file), ("topic", &self.topic)],
        );
        assert_eq!(answer.status, 201, "{answer:?}");
        name
    }

    /// A file sink named `sink-<topic>`.
    fn create_sink(&self) -> String {
        self.create_sink_of("FileStreamSink", "sink")
    }

    fn create_sink_of(&self, class: &str, prefix: &str) -> String {
        let name = format!("{prefix}-{}", self.topic);
        let file = self.path("out.txt");
        let answer = self
            .rest()
            .create(&name, &[("connector.class", class), ("file", &file), ("topics", &self.topic)]);
        assert_eq!(answer.status, 201, "{answer:?}");
        name
    }

    fn append(&self, text: &str) {
        use std::io::Write as _;
        fs::OpenOptions::new()
            .append(true)
            .open(self.path("in.txt"))
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
    }

    fn output(&self) -> Vec<String> {
        complete_lines(self.path("out.txt").as_ref())
    }
}

/// Sends a request and compares status and body; `@` stands for `host:port`.
#[track_caller]
fn check(rest: &Rest, method: &str, path: &str, body: &str, status: u16, expected: &str) {
    let answer = rest.send(method, path, Some(body).filter(|body| !body.is_empty()));
    let expected = expected.replace('@', &rest.address);
    assert_eq!((answer.status, answer.body.as_str()), (status, expected.as_str()), "{method} {path} {body}");
}

#[track_caller]
fn check_error(rest: &Rest, method: &str, path: &str, body: &str, status: u16, message: &str) {
    let expected = json!({ "error_code": status, "message": message }).to_string();
    check(rest, method, path, body, status, &expected);
}

const INVALID_END: &str = "\nYou can also find the above list of errors at the endpoint `/connector-plugins/{connectorType}/config/validate`";

#[test]
fn answers_of_a_connector_are_javas() {
    let setup = Setup::new();
    let rest = setup.rest();
    let (topic, file) = (&setup.topic, setup.path("out.txt"));
    check(rest, "GET", "/connectors", "", 200, "[]");
    let body = format!(
        r#"{{"name":" c ","config":{{"connector.class":"FileStreamSink","tasks.max":2,"topics":"{topic}","file":"{file}"}}}}"#
    );
    let config = format!(
        r#"{{"connector.class":"FileStreamSink","tasks.max":"2","topics":"{topic}","file":"{file}","name":"c"}}"#
    );
    let info = format!(
        r#"{{"name":"c","config":{config},"tasks":[{{"connector":"c","task":0}},{{"connector":"c","task":1}}],"type":"sink"}}"#
    );
    let created = rest.send("POST", "/connectors", Some(&body));
    assert_eq!((created.status, created.body.as_str()), (201, info.as_str()));
    assert_eq!(created.header("Location"), Some(format!("http://{}/connectors/c", rest.address).as_str()));
    assert_eq!(created.header("Content-Type"), Some("application/json"));
    rest.wait_for_states("c", "RUNNING: RUNNING,RUNNING");
    check(rest, "GET", "/connectors/", "", 200, r#"["c"]"#);
    check(rest, "GET", "/connectors/c/", "", 200, &info);
    check(rest, "GET", "/connectors/c/config", "", 200, &config);
    let state = r#""state":"RUNNING","worker_id":"@","version":"4.3.0""#;
    let status = format!(
        r#"{{"name":"c","connector":{{{state}}},"tasks":[{{"id":0,{state}}},{{"id":1,{state}}}],"type":"sink"}}"#
    );
    check(rest, "GET", "/connectors/c/status", "", 200, &status);
    check(rest, "GET", "/connectors/c/tasks/01/status", "", 200, &format!(r#"{{"id":1,{state}}}"#));
    check(
        rest,
        "GET",
        "/connectors?expand=info&expand=status",
        "",
        200,
        &format!(r#"{{"c":{{"info":{info},"status":{status}}}}}"#),
    );
    check(rest, "GET", "/connectors?expand=xx", "", 200, r#"{"c":{}}"#);
    let tasks = rest.get("/connectors/c/tasks").json();
    assert_eq!(tasks[1]["id"], json!({"connector":"c","task":1}));
    assert_eq!(
        tasks[1]["config"],
        json!({"connector.class":"FileStreamSink","tasks.max":"2","topics":topic,"file":file,"name":"c",
               "task.class":"org.apache.kafka.connect.file.FileStreamSinkTask"})
    );
    check_error(rest, "POST", "/connectors", &body, 409, "Connector c already exists");
    check_error(rest, "GET", "/connectors/c/tasks/9/status", "", 404, "No status found for task c-9");
    check_error(rest, "POST", "/connectors/c/tasks/7/restart", "", 404, "Task c-7 not found");
    check_error(rest, "GET", "/connectors/c/tasks/abc/status", "", 404, "HTTP 404 Not Found");
    check(rest, "POST", "/connectors/c/tasks/0/restart", "", 204, "");
    check(rest, "DELETE", "/connectors/c", "", 204, "");
    check_error(rest, "GET", "/connectors/c", "", 404, "Connector c not found");
}

#[test]
fn errors_are_javas() {
    let setup = Setup::new();
    let rest = setup.rest();
    check_error(rest, "GET", "/connectors/nope", "", 404, "Connector nope not found");
    check_error(rest, "GET", "/connectors/nope/config", "", 404, "Connector nope not found");
    check_error(rest, "GET", "/connectors/nope/tasks", "", 404, "Connector nope not found");
    check_error(rest, "GET", "/connectors/nope/status", "", 404, "No status found for connector nope");
    check_error(rest, "GET", "/connectors/nope/tasks/9/status", "", 404, "No status found for task nope-9");
    check_error(rest, "PUT", "/connectors/nope/pause", "", 404, "Unknown connector nope");
    check_error(rest, "PUT", "/connectors/nope/resume", "", 404, "Unknown connector nope");
    check_error(rest, "PUT", "/connectors/nope/stop", "", 500, "No connector `nope` configured");
    check_error(rest, "DELETE", "/connectors/nope", "", 404, "Connector nope not found");
    check_error(rest, "PATCH", "/connectors/nope/config", r#"{"a":"b"}"#, 404, "Connector nope not found");
    check_error(rest, "POST", "/connectors/nope/restart?onlyFailed=true", "", 404, "Unknown connector: nope");
    check_error(rest, "DELETE", "/connectors", "", 405, "HTTP 405 Method Not Allowed");
    check_error(rest, "GET", "/foo", "", 404, "HTTP 404 Not Found");
    check_error(rest, "GET", "/connectors/c/foo", "", 404, "HTTP 404 Not Found");
    check_error(
        rest,
        "POST",
        "/connectors/q/tasks",
        "[]",
        500,
        "Kafka Connect in standalone mode does not support externally setting task configurations.",
    );
    check_error(
        rest,
        "PUT",
        "/connectors/q/fence",
        "",
        500,
        "Kafka Connect in standalone mode does not support exactly-once source connectors.",
    );
    check(rest, "OPTIONS", "/connectors", "", 200, "HEAD, POST, GET, OPTIONS");
    let text = "POST /connectors HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}";
    assert_eq!(rest.raw(text).status, 415);
    assert_eq!(
        rest.raw("GET /connectors HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept: text/plain\r\n\r\n")
            .status,
        406
    );
    let head = rest.raw("HEAD /connectors HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[test]
fn validation_messages_are_javas() {
    let setup = Setup::new();
    let rest = setup.rest();
    let check = |config: serde_json::Value, count: usize, errors: &str| {
        let body = json!({"name":"b","config":config}).to_string();
        let message = format!(
            "Connector configuration is invalid and contains the following {count} error(s):\n{errors}{INVALID_END}"
        );
        check_error(rest, "POST", "/connectors", &body, 400, &message);
    };
    let must = "Must configure one of topics or topics.regex";
    check(json!({"connector.class":"FileStreamSink"}), 2, &format!("{must}\n{must}"));
    check(
        json!({"connector.class":"FileStreamSource"}),
        1,
        "Missing required configuration \"topic\" which has no default value.",
    );
    check(
        json!({"connector.class":"FileStreamSource","topic":""}),
        1,
        "Invalid value  for configuration topic: String must be non-empty",
    );
    check(
        json!({"connector.class":"FileStreamSink","topics":"a","tasks.max":"x","errors.tolerance":"foo","key.converter":"Foo"}),
        4,
        "Invalid value x for configuration tasks.max: Not a number of type INT\nInvalid value null for configuration tasks.max: Value must be non-null\nInvalid value Foo for configuration key.converter: Class Foo could not be found.\nInvalid value foo for configuration errors.tolerance: String must be one of: none, all",
    );
    check(
        json!({"connector.class":"FileStreamSink","topics":"a","transforms":"x","transforms.x.type":"Foo"}),
        1,
        "Invalid value Foo for configuration transforms.x.type: Class Foo could not be found.",
    );
    check(
        json!({"connector.class":"FileStreamSink","topics":"a","file":null,"foo":null}),
        1,
        "Null value can not be supplied as the configuration value.",
    );
    check(
        json!({"connector.class":"FileStreamSink","topics":"a,a"}),
        1,
        "Configuration 'topics' values must not be duplicated.",
    );
    let body = json!({"config":{"topic":"x","connector.class":"FileStreamSource"}}).to_string();
    let message = format!(
        "Connector configuration is invalid and contains the following 1 error(s):\nInvalid value  for configuration name: String may not be empty{INVALID_END}"
    );
    check_error(rest, "POST", "/connectors", &body, 400, &message);
    let body = json!({"name":"b","config":{"name":"b","topic":"x","my.password":"canary"}}).to_string();
    let message = "Connector config {name=b, topic=x, my.password=[hidden]} contains no connector type";
    check_error(rest, "POST", "/connectors", &body, 400, message);
    let body = json!({"connector.class":"Foo"}).to_string();
    let answer = rest.send("PUT", "/connectors/b/config", Some(&body));
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("Failed to find any class that implements Connector and which name matches Foo, available connectors are: PluginDesc{klass=class "));
    let body = json!({"name":"zz","connector.class":"FileStreamSink"}).to_string();
    check_error(
        rest,
        "PUT",
        "/connectors/b/config",
        &body,
        400,
        "Connector name configuration (zz) doesn't match connector name in the URL (b)",
    );
    let body = json!({"name":"b","config":{"connector.class":"FileStreamSink","topics":"a","consumer.override.fetch.min.bytes":"x"}}).to_string();
    check_error(
        rest,
        "POST",
        "/connectors",
        &body,
        500,
        "Invalid value x for configuration fetch.min.bytes: Not a number of type INT",
    );
    check(
        json!({"connector.class":"FileStreamSink","topics":"a","errors.deadletterqueue.topic.name":"a"}),
        1,
        "The DLQ topic 'a' may not be included in the list of topics ('topics=[a]') consumed by the connector",
    );
    check(
        json!({"connector.class":"FileStreamSink","topics.regex":"[a"}),
        1,
        "Invalid value [a for configuration topics.regex: Invalid regex: Unclosed character class near index 1\n[a\n ^",
    );
    let body = json!({"name":"b","config":{"connector.class":"FileStreamSource","topic":"t","topic.creation.groups":"a"}});
    check_error(
        rest,
        "POST",
        "/connectors",
        &body.to_string(),
        500,
        "Missing required configuration \"topic.creation.default.replication.factor\" which has no default value.",
    );
    assert_eq!(rest.get("/connectors").body, "[]");
}

#[test]
fn root_plugins_and_health() {
    let setup = Setup::new();
    let rest = setup.rest();
    let root = rest.get("/").json();
    assert_eq!(root["version"], "4.3.0");
    assert!(root["kafka_cluster_id"].as_str().is_some_and(|id| !id.is_empty()), "{root}");
    check(
        rest,
        "GET",
        "/health",
        "",
        200,
        r#"{"status":"healthy","message":"Worker has completed startup and is ready to handle requests."}"#,
    );
    let classes = |path: &str| -> Vec<String> {
        let plugins = rest.get(path).json();
        let text = |value: &serde_json::Value| {
            format!("{} {}", value["type"].as_str().unwrap(), value["class"].as_str().unwrap())
        };
        plugins.as_array().unwrap().iter().map(text).collect()
    };
    let connectors = classes("/connector-plugins");
    assert!(connectors.contains(&"sink org.apache.kafka.connect.file.FileStreamSinkConnector".to_owned()));
    assert!(connectors.is_sorted(), "sinks first, each kind by class: {connectors:?}");
    let all = classes("/connector-plugins?connectorsOnly=false");
    assert!(
        all.contains(&"converter org.apache.kafka.connect.storage.StringConverter".to_owned()),
        "{all:?}"
    );
    assert!(!connectors.iter().any(|plugin| plugin.starts_with("converter")));
}

#[test]
fn pause_stop_and_resume_by_rest() {
    let setup = Setup::new();
    let rest = setup.rest();
    let source = setup.create_source();
    let sink = setup.create_sink();
    setup.append("one\n");
    wait_for("the first line", || (setup.output() == ["one"]).then_some(()));

    check(rest, "PUT", &format!("/connectors/{sink}/pause"), "", 202, "");
    rest.wait_for_states(&sink, "PAUSED: PAUSED");
    setup.append("two\n");
    check(rest, "PUT", &format!("/connectors/{source}/stop"), "", 204, "");
    assert_eq!(rest.states(&source), "STOPPED");
    check(rest, "GET", &format!("/connectors/{source}/tasks"), "", 200, "[]");
    setup.append("three\n");
    check(rest, "PUT", &format!("/connectors/{sink}/resume"), "", 202, "");
    rest.wait_for_states(&sink, "RUNNING: RUNNING");
    check(rest, "PUT", &format!("/connectors/{source}/resume"), "", 202, "");
    wait_for("the other lines", || (setup.output() == ["one", "two", "three"]).then_some(()));

    check(rest, "POST", &format!("/connectors/{sink}/restart"), "", 204, "");
    let planned = rest.send("POST", &format!("/connectors/{sink}/restart?includeTasks=true"), None);
    assert_eq!(planned.status, 202);
    assert_eq!(planned.json()["tasks"][0]["state"], "RESTARTING");
    rest.wait_for_states(&sink, "RUNNING: RUNNING");
    setup.append("four\n");
    wait_for("the line after the restart", || {
        (setup.output() == ["one", "two", "three", "four"]).then_some(())
    });
    check(rest, "DELETE", &format!("/connectors/{sink}"), "", 204, "");
    check(rest, "DELETE", &format!("/connectors/{source}"), "", 204, "");
    check(rest, "GET", "/connectors", "", 200, "[]");
}

#[test]
fn configuration_changes_by_put_and_patch() {
    let setup = Setup::new();
    let rest = setup.rest();
    setup.create_source();
    let name = "ü x";
    let path = "/connectors/%C3%BC%20x/config";
    let body = json!({"connector.class":"FileStreamSink","topics":setup.topic,"file":setup.path("a.txt")})
        .to_string();
    let created = rest.send("PUT", path, Some(&body));
    assert_eq!((created.status, created.json()["name"].as_str()), (201, Some(name)));
    assert_eq!(
        created.header("Location"),
        Some(format!("http://{}/connectors/%C3%BC%20x", rest.address).as_str())
    );
    setup.append("one\n");
    wait_for("the first file", || (complete_lines(setup.path("a.txt").as_ref()) == ["one"]).then_some(()));
    let patch = json!({"file":setup.path("b.txt"),"tasks.max":"2"}).to_string();
    let patched = rest.send("PATCH", path, Some(&patch));
    assert_eq!((patched.status, patched.json()["tasks"].as_array().unwrap().len()), (200, 2));
    setup.append("two\n");
    wait_for("the second file", || (complete_lines(setup.path("b.txt").as_ref()) == ["two"]).then_some(()));
    let patched = rest.send("PATCH", path, Some(r#"{"tasks.max":null}"#));
    assert_eq!(patched.json()["tasks"].as_array().unwrap().len(), 1);
    assert_eq!(rest.send("PATCH", path, Some(r#"{"topics":null}"#)).status, 400);
    assert_eq!(rest.get("/connectors/%C3%BC%20x").json()["config"]["topics"], setup.topic.as_str());
}

#[test]
fn initial_states_are_kept_until_resumed() {
    let setup = Setup::new();
    let rest = setup.rest();
    for (state, shown) in [("PAUSED", "PAUSED"), ("stopped", "STOPPED")] {
        let body = json!({"name":shown,"config":{"connector.class":"FileStreamSink","topics":setup.topic,"file":setup.path("o")},"initial_state":state});
        let created = rest.send("POST", "/connectors", Some(&body.to_string()));
        assert_eq!((created.status, created.json()["tasks"].as_array().unwrap().len()), (201, 0));
        assert_eq!(rest.states(shown), shown);
        assert_eq!(rest.send("PUT", &format!("/connectors/{shown}/resume"), None).status, 202);
        rest.wait_for_states(shown, "RUNNING: RUNNING");
    }
}

#[test]
fn failing_and_panicking_tasks_leave_others_alone() {
    let setup = Setup::new();
    let rest = setup.rest();
    setup.create_source();
    setup.create_sink();
    let failing = setup.create_sink_of("FailingSink", "failing");
    let panicking = setup.create_sink_of("PanickingSink", "panicking");
    setup.append("one\n");
    rest.wait_for_states(&failing, "RUNNING: FAILED");
    rest.wait_for_states(&panicking, "RUNNING: FAILED");
    let trace = |name: &str| {
        rest.get(&format!("/connectors/{name}/tasks/0/status")).json()["trace"].as_str().unwrap().to_owned()
    };
    let failed = trace(&failing);
    assert!(failed.starts_with("org.apache.kafka.connect.errors.ConnectException: "), "{failed}");
    assert!(failed.contains("\n\tat ") && failed.contains("the disk of the test is full"), "{failed}");
    assert!(trace(&panicking).contains("the test's sink panics"), "{}", trace(&panicking));
    setup.append("two\n");
    wait_for("the healthy sink", || (setup.output() == ["one", "two"]).then_some(()));
    assert_eq!(rest.send("POST", &format!("/connectors/{failing}/tasks/0/restart"), None).status, 204);
    rest.wait_for_states(&failing, "RUNNING: FAILED");
    let planned = rest
        .send("POST", &format!("/connectors/{failing}/restart?includeTasks=true&onlyFailed=true"), None)
        .json();
    assert_eq!(
        (planned["connector"]["state"].as_str(), planned["tasks"][0]["state"].as_str()),
        (Some("RUNNING"), Some("RESTARTING"))
    );
    assert_eq!(rest.send("DELETE", &format!("/connectors/{failing}"), None).status, 204);
}

#[test]
fn connectors_that_fail_to_start_exist_as_failed() {
    let setup = Setup::new();
    let rest = setup.rest();
    let config = [("connector.class", "BrokenSink"), ("topics", setup.topic.as_str())];
    let answer = rest.create("broken", &config);
    assert_eq!(answer.status, 500);
    assert_eq!(answer.json()["message"], "Failed to transition connector broken to state STARTED");
    assert_eq!(rest.states("broken"), "FAILED");
    assert!(rest.get("/connectors/broken/status").body.contains("no license for this test"));
    let answer =
        rest.create("greedy", &[("connector.class", "GreedySink"), ("topics", setup.topic.as_str())]);
    assert_eq!(answer.status, 500);
    assert!(
        answer.body.contains(
            "The connector greedy has generated 3 tasks, which is greater than 1, the maximum number of tasks"
        ),
        "{answer:?}"
    );
    assert_eq!(rest.states("greedy"), "FAILED");
    let lenient =
        [("connector.class", "GreedySink"), ("topics", setup.topic.as_str()), ("tasks.max.enforce", "false")];
    assert_eq!(rest.create("lenient", &lenient).status, 201);
    rest.wait_for_states("lenient", "RUNNING: RUNNING,RUNNING,RUNNING");
}

#[test]
fn a_hung_task_is_given_up_and_stops_nobody() {
    let setup = Setup::with(&[("task.shutdown.graceful.timeout.ms", "500")]);
    let rest = setup.rest();
    setup.create_source();
    let hung = setup.create_sink_of("HungSink", "hung");
    setup.append("one\n");
    plugins::HUNG.wait();
    assert_eq!(rest.get("/connectors").status, 200);
    let started = std::time::Instant::now();
    assert_eq!(rest.send("DELETE", &format!("/connectors/{hung}"), None).status, 204);
    assert!(started.elapsed() < PATIENCE / 4, "given up after its time");
    plugins::HUNG.release();
}

#[test]
fn requests_are_bounded() {
    let setup = Setup::new();
    let rest = setup.rest();
    let large = "x".repeat(5 << 20);
    assert_eq!(rest.send("POST", "/connectors", Some(&large)).status, 413);
    let headers = "X-Long: ".to_owned() + &"y".repeat(400_000) + "\r\n";
    assert_eq!(rest.raw(&format!("GET / HTTP/1.1\r\nHost: x\r\n{headers}\r\n")).status, 431);
    let many: String = (0..200).map(|n| format!("X-{n}: 1\r\n")).collect();
    assert_eq!(rest.raw(&format!("GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n")).status, 431);
    let deep = format!(r#"{{"config":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    assert_eq!(rest.send("POST", "/connectors", Some(&deep)).status, 500);
    assert_eq!(rest.get("/connectors").body, "[]");
}

#[test]
fn many_callers_and_slow_ones_are_served_side_by_side() {
    use std::io::Write as _;
    let setup = Setup::new();
    let rest = setup.rest();
    // Connections that never finish their request hold nobody up.
    let slow: Vec<_> = (0..200)
        .map(|_| {
            let mut stream = std::net::TcpStream::connect(&rest.address).unwrap();
            stream.write_all(b"GET /connectors HTTP/1.1\r\nHost:").unwrap();
            stream
        })
        .collect();
    let callers: Vec<_> = (0..16)
        .map(|_| {
            let rest = rest.clone();
            std::thread::spawn(move || {
                for _ in 0..50 {
                    assert_eq!(rest.get("/connectors").status, 200);
                }
            })
        })
        .collect();
    for caller in callers {
        caller.join().unwrap();
    }
    drop(slow);
}
