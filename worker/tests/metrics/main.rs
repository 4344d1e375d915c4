//! Goal: whoever watches a Java worker by its MBeans finds every one of them at `/metrics`, under the name that the JMX exporter gives it.
//! Method: a worker with a source, a sink, a paused and a failed connector, beside what `ListMBeans` recorded of Java Connect 4.3.0 with
//! the same ones (`mbeans.tsv`).

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod dashboard;
mod distributed;
mod page;
mod watchdog;

use std::collections::BTreeSet;
use std::fs;

use page::{Sample, parse};
use support::{Broker, InProcess, unique, wait_for, worker_properties};

/// What Java has and ours has not, by group and a part of the attribute, and why.
const LEFT_OUT: &[(&str, &[&str], &str)] = &[
    ("kafka-metrics-count", &["count"], "How many metrics there are says nothing about a worker."),
    (
        "app-info",
        &["CommitId", "StartTimeMs", "Version"],
        "The same as the bean without id, in another case; names here have one case.",
    ),
    (
        "",
        &[
            "io-ratio",
            "io-time-ns",
            "io-wait-",
            "iotime-total",
            "io-waittime-total",
            "select-rate",
            "select-total",
            "network-io-",
        ],
        "A client has no thread that does nothing but I/O: its sockets are among those of its executor.",
    ),
    ("", &["successful-authentication-no-reauth-total"], "It tells brokers about old clients."),
    ("producer-metrics", &["record-size-max"], "It would take a comparison per record."),
    ("producer-metrics", &["buffer-exhausted-"], "A full buffer drops nothing: the caller waits."),
    ("producer-metrics", &["txn-prepare-time-ns-total"], "Two-phase commit (KIP-939) is not spoken."),
    (
        "consumer-coordinator-metrics",
        &["partition-assigned-", "partition-revoked-", "partition-lost-"],
        "There are no callbacks to measure: a poll returns what changes.",
    ),
];

fn is_left_out(domain: &str, group: &str, attribute: &str) -> bool {
    let is_clients_info = domain != "kafka.connect" && group == "app-info";
    is_clients_info
        || LEFT_OUT.iter().any(|(of, parts, _)| {
            (of.is_empty() || *of == group) && parts.iter().any(|part| attribute.starts_with(part))
        })
}

struct Setup {
    worker: InProcess,
    dir: tempfile::TempDir,
    topic: String,
    _broker: Broker,
}

impl Setup {
    fn new(more: &support::Properties<'_>) -> Setup {
        let broker = Broker::start();
        let dir = tempfile::tempdir().unwrap();
        let properties = worker_properties(&broker.bootstrap, dir.path(), more);
        let mut registry = worker::built_in();
        registry.connectors.push(watchdog::HANGING);
        let worker = InProcess::start(&properties, registry);
        Setup { worker, dir, topic: unique("metrics"), _broker: broker }
    }

    /// A connector of the suffix, on the topic and a file of this test.
    fn create(&self, name: &str, class: &str, more: &support::Properties<'_>) -> String {
        let name = format!("{name}-{}", self.topic);
        let file = self.dir.path().join(&name).display().to_string();
        if class.contains("Source") {
            fs::write(&file, "hello\nworld\n").unwrap();
        }
        let topic = if class.contains("Source") { "topic" } else { "topics" };
        let mut config = vec![("connector.class", class), ("file", &file), (topic, &self.topic)];
        config.extend_from_slice(more);
        let answer = self.worker.rest.create(&name, &config);
        assert_eq!(answer.status, 201, "{answer:?}");
        name
    }

    fn scrape(&self) -> Vec<Sample> {
        let answer = self.worker.rest.get("/metrics");
        assert_eq!(answer.status, 200, "{answer:?}");
        parse(&answer.body)
    }

    /// A value of one metric of a connector, once it is `expected`.
    fn wait_for_value(&self, name: &str, connector: &str, expected: f64) {
        wait_for(&format!("{name} of {connector} to be {expected}"), || {
            let samples = self.scrape();
            let is_it =
                |sample: &&Sample| sample.name == name && sample.label("connector") == Some(connector);
            samples.iter().find(is_it).filter(|sample| sample.value == expected).map(|_| ())
        });
    }
}

/// Each recorded MBean is among the samples, but for those left out; `connector_of` names the subject's connector, if its worker is ours.
/// How many there are.
#[track_caller]
fn check_mbeans<'a>(samples: &[Sample], connector_of: impl Fn(&str) -> Option<&'a str>) -> usize {
    let mut missing = BTreeSet::new();
    let mut found = 0;
    for line in include_str!("mbeans.tsv").lines().filter(|line| !line.starts_with('#')) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [subject, domain, group, tags, attribute, kind] = fields[..] else { panic!("{line}") };
        let Some(connector) = connector_of(subject).filter(|_| !is_left_out(domain, group, attribute)) else {
            continue;
        };
        let name = format!("{domain}_{group}_{attribute}").replace(['.', '-'], "_").to_lowercase();
        let is_there = samples.iter().any(|sample| {
            let is_of = |tag: &str| match (tag, sample.label(&tag.replace('-', "_"))) {
                ("connector", value) => value == Some(connector),
                ("client-id", Some(id)) => id.contains(connector),
                (_, value) => value.is_some(),
            };
            let is_text = kind != "String" || sample.label(&attribute.replace('-', "_")).is_some();
            sample.name == name && tags.split(',').filter(|tag| !tag.is_empty()).all(is_of) && is_text
        });
        if is_there {
            found += 1;
        } else {
            missing.insert(format!("{subject} {name} {{{tags}}}"));
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    found
}

#[test]
fn every_mbean_of_java_is_there() {
    let setup = Setup::new(&[]);
    let rules =
        [("topic.creation.default.partitions", "1"), ("topic.creation.default.replication.factor", "1")];
    let source = setup.create("source", "FileStreamSource", &rules);
    setup.wait_for_value("kafka_connect_source_task_metrics_source_record_write_total", &source, 2.0);
    let dlq = unique("dlq");
    let sink = setup.create(
        "sink",
        "FileStreamSink",
        &[
            ("errors.tolerance", "all"),
            ("errors.deadletterqueue.topic.name", &dlq),
            ("errors.deadletterqueue.topic.replication.factor", "1"),
        ],
    );
    setup.wait_for_value("kafka_connect_sink_task_metrics_sink_record_send_total", &sink, 2.0);
    let paused = setup.create("paused", "FileStreamSource", &[]);
    let failed = setup.create(
        "failed",
        "FileStreamSink",
        &[("value.converter", "org.apache.kafka.connect.json.JsonConverter")],
    );
    setup.wait_for_value("kafka_connect_source_task_metrics_source_record_write_total", &paused, 2.0);
    assert_eq!(setup.worker.rest.send("PUT", &format!("/connectors/{paused}/pause"), None).status, 202);
    setup.worker.rest.wait_for_states(&paused, "PAUSED: PAUSED");
    setup.worker.rest.wait_for_states(&failed, "RUNNING: FAILED");

    let samples = setup.scrape();
    let found = check_mbeans(&samples, |subject| match subject {
        "source" => Some(&source),
        "sink" | "sink-dlq" => Some(&sink),
        "paused" => Some(&paused),
        "failed" => Some(&failed),
        "worker" => Some(""),
        _ => None,
    });
    assert!(found > 550, "{found}");
    let status = |connector: &str| {
        let is_it = |sample: &&Sample| {
            sample.name == "kafka_connect_connector_task_metrics_status"
                && sample.label("connector") == Some(connector)
        };
        let found: Vec<_> = samples.iter().filter(is_it).filter_map(|s| s.label("status")).collect();
        found.join(",")
    };
    assert_eq!(
        (status(&source), status(&paused), status(&failed)),
        ("running".into(), "paused".into(), "failed".into())
    );
}

#[test]
fn what_is_gone_has_no_metrics() {
    let setup = Setup::new(&[]);
    let source = setup.create("source", "FileStreamSource", &[]);
    setup.wait_for_value("kafka_connect_source_task_metrics_source_record_write_total", &source, 2.0);
    setup.wait_for_value("kafka_connect_connect_worker_metrics_connector_running_task_count", &source, 1.0);
    let of_source =
        || setup.scrape().into_iter().filter(|sample| sample.is_about(&source)).collect::<Vec<_>>();
    let has_client = |samples: &[Sample]| samples.iter().any(|sample| sample.label("client_id").is_some());
    assert!(has_client(&of_source()));
    assert_eq!(setup.worker.rest.send("PUT", &format!("/connectors/{source}/stop"), None).status, 204);
    let left = of_source();
    let names: BTreeSet<_> = left.iter().map(|sample| sample.name.as_str()).collect();
    assert!(names.iter().all(|name| name.starts_with("kafka_connect_connector_metrics_")), "{names:?}");
    assert_eq!(setup.worker.rest.send("DELETE", &format!("/connectors/{source}"), None).status, 204);
    assert_eq!(of_source(), []);
}

#[test]
fn a_scraper_gets_what_it_asks_for() {
    let setup = Setup::new(&[]);
    let rest = &setup.worker.rest;
    let text = rest.get("/metrics");
    assert_eq!(text.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let request = "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept: application/openmetrics-text; version=1.0.0\r\n\r\n";
    let open = rest.raw(request);
    assert_eq!(
        open.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    assert!(open.body.ends_with("# EOF\n"), "{}", open.body);
    let one = rest.get("/metrics?name[]=kafka_connect_connect_worker_metrics_connector_count");
    assert_eq!(parse(&one.body).len(), 1, "{}", one.body);
    assert_eq!(rest.send("POST", "/metrics", None).status, 405);
}
