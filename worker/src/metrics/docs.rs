//! Holds the worker's part of docs/metrics.md to the tables.

use std::fmt::Write as _;
use std::path::Path;

use protocol::client::group::Group;
use protocol::metrics::Definition;

use super::clients;
use super::page::{Kind, name};
use super::scrape::{DOMAIN, EXECUTOR_DOC, OWN};
use super::tables::{self, Row};
use crate::group::METRIC_GROUPS;

const BEGIN: &str = "<!-- The worker's list: written by a test of crate worker -->\n";
const END: &str = "<!-- The end of the worker's list -->\n";

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
    }
}

fn group<S>(out: &mut String, group: &str, labels: &str, rows: &[Row<S>]) {
    for row in rows {
        let name = name(DOMAIN, group, row.name);
        writeln!(out, "| `{name}` | {labels} | {} | {} |", kind(row.kind), row.doc).unwrap();
    }
}

fn head(out: &mut String, title: &str) {
    writeln!(out, "\n### {title}\n\n| Metric | Labels | Type | Meaning |\n| --- | --- | --- | --- |")
        .unwrap();
}

fn list() -> String {
    let mut out = String::new();
    let (connector, task) = ("connector", "connector, task");
    head(&mut out, "Worker");
    group(&mut out, "connect-worker-metrics", "", tables::WORKER);
    group(&mut out, "connect-worker-metrics", connector, tables::CONNECTOR_TASKS);
    for row in tables::APP_INFO {
        let name = name(DOMAIN, "app-info", row.name);
        writeln!(out, "| `{name}` | client_id | {} | {} |", kind(row.kind), row.doc).unwrap();
    }
    head(&mut out, "Workers of a cluster");
    group(&mut out, "connect-worker-rebalance-metrics", "", tables::REBALANCES);
    group(&mut out, METRIC_GROUPS.coordinator, "client_id", tables::MEMBERSHIP);
    for Definition { group, name, tags, unit, doc, .. } in Group::definitions(METRIC_GROUPS) {
        let (full, kind) = (clients::name(group, name), kind(clients::kind(name, unit)));
        let labels = tags.join(", ").replace('-', "_");
        writeln!(out, "| `{full}` | {labels} | {kind} | {doc} ({unit}) |").unwrap();
    }
    head(&mut out, "Connectors");
    group(&mut out, "connector-metrics", connector, tables::CONNECTOR);
    head(&mut out, "Tasks");
    group(&mut out, "connector-task-metrics", task, tables::TASK);
    group(&mut out, "source-task-metrics", task, tables::SOURCE_TASK);
    group(&mut out, "sink-task-metrics", task, tables::SINK_TASK);
    group(&mut out, "task-error-metrics", task, tables::TASK_ERRORS);
    head(&mut out, "Beyond Java");
    for row in tables::OWN_TASK {
        writeln!(out, "| `{OWN}{}` | {task} | {} | {} |", row.name, kind(row.kind), row.doc).unwrap();
    }
    for (name, labels, kind, doc) in [
        (tables::STAGE_NAME, "connector, task, stage", "counter", tables::STAGE_DOC),
        (tables::LAG_NAME, "connector, task, topic, partition", "gauge", tables::LAG_DOC),
    ] {
        writeln!(out, "| `{OWN}{name}` | {labels} | {kind} | {doc} |").unwrap();
    }
    writeln!(out, "| `aqueduct_executor_up` | executor | gauge | {EXECUTOR_DOC} |").unwrap();
    writeln!(out, "| `aqueduct_info` | version | gauge | The version of Aqueduct. |\n").unwrap();
    out
}

#[test]
fn the_documentation_lists_what_there_is() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
    let written = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = written.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let expected = format!("{before}{BEGIN}{}{END}{after}", list());
    if std::env::var_os("AQUEDUCT_WRITE_DOCS").is_some() {
        std::fs::write(&path, &expected).unwrap();
    } else {
        assert!(written == expected, "docs/metrics.md is old: run this test with AQUEDUCT_WRITE_DOCS=1");
    }
}
