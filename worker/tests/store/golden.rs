//! What a Java 4.3.0 worker wrote to its topics while a transcript of requests was played (recorded by `java.rs`), read and written by ours.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use worker::config::{RawConfig, TargetState};
use worker::store::LogRecord;
use worker::store::config_log::{ConfigEvent, ConfigLog, records};
use worker::store::status_log::{StatusLog, Subject};

pub(crate) fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/java-4.3.0-topics.jsonl")
}

fn lines() -> Vec<Value> {
    let text = fs::read_to_string(path()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn properties(value: &Value) -> RawConfig {
    let fields = value["properties"].as_object().unwrap().iter();
    fields.map(|(key, value)| (key.clone(), value.as_str().map(str::to_owned))).collect()
}

/// What ours writes where Java wrote this record.
fn ours(
    key: &str,
    value: &Value,
    configs: &mut ConfigLog,
    statuses: &mut StatusLog,
    offset: i64,
) -> LogRecord {
    let bytes = value.as_str();
    let event = if key.starts_with("status-") {
        statuses.apply(Some(key.as_bytes()), bytes.map(str::as_bytes));
        None
    } else {
        configs.apply(offset, Some(key.as_bytes()), bytes.map(str::as_bytes))
    };
    let Some(text) = bytes else { return LogRecord::tombstone(key.to_owned()) };
    let json: Value = serde_json::from_str(text).unwrap();
    if let Some(connector) = key.strip_prefix("target-state-") {
        let state = match json["state.v2"].as_str().unwrap() {
            "STARTED" => TargetState::Started,
            "PAUSED" => TargetState::Paused,
            _ => TargetState::Stopped,
        };
        records::target_state(connector, state)
    } else if let Some(connector) = key.strip_prefix("connector-") {
        records::connector(connector, &properties(&json))
    } else if let Some(task) = key.strip_prefix("task-") {
        let (connector, number) = task.rsplit_once('-').unwrap();
        records::task(connector, number.parse().unwrap(), &properties(&json))
    } else if let Some(connector) = key.strip_prefix("commit-") {
        records::commit(connector, json["tasks"].as_u64().unwrap() as usize)
    } else if let Some(connector) = key.strip_prefix("tasks-fencing-") {
        records::task_count(connector, json["task-count"].as_i64().unwrap() as i32)
    } else if key == "session-key" {
        records::session_key(configs.snapshot().session_key().unwrap())
    } else if key.starts_with("restart-connector-") {
        let Some(ConfigEvent::RestartRequested(request)) = event else { panic!("{key}: {event:?}") };
        records::restart(&request)
    } else if let Some(namespace) = key.strip_prefix("logger-cluster-") {
        records::logger_level(namespace, json["level"].as_str().unwrap())
    } else if let Some(connector) = key.strip_prefix("status-connector-") {
        let status = statuses.connector(connector).unwrap().clone();
        record(StatusLog::new().write(Subject::Connector(connector.into()), &status, false))
    } else if let Some(task) = key.strip_prefix("status-task-") {
        let (connector, number) = task.rsplit_once('-').unwrap();
        let number = number.parse().unwrap();
        let mut reader = StatusLog::new();
        // By itself: a late one may not be believed.
        reader.apply(Some(key.as_bytes()), Some(text.as_bytes()));
        let status = reader.task(connector, number).unwrap().clone();
        record(StatusLog::new().write(Subject::Task(connector.into(), number), &status, false))
    } else {
        let (topic, connector) =
            key.strip_prefix("status-topic-").unwrap().split_once(":connector-").unwrap();
        statuses.write_topic(statuses.topic(connector, topic).unwrap()).record
    }
}

fn record(write: Option<worker::store::status_log::Write>) -> LogRecord {
    write.unwrap().record
}

#[test]
fn javas_topics_are_read_and_written_as_java_does() {
    let (mut configs, mut statuses) = (ConfigLog::new(), StatusLog::new());
    let (mut kinds, mut shown) = (BTreeMap::new(), 0);
    for line in lines() {
        if let Some(request) = line["get"].as_str() {
            shown += 1;
            compare(request, &line["answer"], &configs, &statuses);
        } else if let Some(key) = line["key"].as_str()
            && line["topic"] != "offsets"
        {
            let kind = key.rsplit_once('-').map_or(key, |(kind, _)| kind);
            *kinds.entry(kind.to_owned()).or_insert(0) += 1;
            let offset = line["offset"].as_i64().unwrap();
            let written = ours(key, &line["value"], &mut configs, &mut statuses, offset);
            assert_eq!(written.key, key);
            let text = written.value.map(|value| String::from_utf8(value.to_vec()).unwrap());
            assert_eq!(text.as_deref(), line["value"].as_str(), "{key}");
        }
    }
    assert!(shown > 20 && kinds.len() > 8, "{shown} {kinds:?}");
}

/// What Java's REST showed after the records so far.
fn compare(request: &str, answer: &Value, configs: &ConfigLog, statuses: &StatusLog) {
    let snapshot = configs.snapshot();
    if request == "/connectors" {
        let mut names: Vec<_> =
            answer.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        names.sort_unstable();
        assert_eq!(snapshot.connectors().map(AsRef::as_ref).collect::<Vec<_>>(), names);
        return;
    }
    let (connector, what) = request.strip_prefix("/connectors/").unwrap().split_once('/').unwrap();
    match what {
        "config" => {
            let shown = answer.as_object().unwrap();
            let config = snapshot.config(connector).unwrap();
            assert_eq!(config.len(), shown.len());
            for (key, value) in shown {
                assert_eq!(config[key].as_deref(), value.as_str(), "{request} {key}");
            }
        }
        "tasks" => {
            let shown = answer.as_array().unwrap();
            assert_eq!(snapshot.tasks(connector).len(), shown.len(), "{request}");
            for (task, shown) in (0..).zip(shown) {
                let config = snapshot.task_config(connector, task).unwrap();
                for (key, value) in shown["config"].as_object().unwrap() {
                    assert_eq!(config[key].as_deref(), value.as_str(), "{request} {task} {key}");
                }
            }
        }
        "status" => {
            let status = statuses.connector(connector).unwrap();
            let same = |status: &worker::store::status_log::StoredStatus, shown: &Value| {
                assert_eq!(serde_json::to_value(status.state).unwrap(), shown["state"], "{request}");
                assert_eq!(&*status.worker_id, shown["worker_id"].as_str().unwrap(), "{request}");
                assert_eq!(status.trace.as_deref(), shown["trace"].as_str(), "{request}");
                assert_eq!(status.version.as_deref(), shown["version"].as_str(), "{request}");
            };
            same(status, &answer["connector"]);
            let tasks: Vec<_> = statuses.tasks(connector).collect();
            assert_eq!(tasks.len(), answer["tasks"].as_array().unwrap().len(), "{request}");
            for ((number, status), shown) in tasks.into_iter().zip(answer["tasks"].as_array().unwrap()) {
                assert_eq!(u64::from(number), shown["id"].as_u64().unwrap());
                same(status, shown);
            }
        }
        "topics" => {
            let mut shown: Vec<_> =
                answer[connector]["topics"].as_array().unwrap().iter().map(|t| t.as_str().unwrap()).collect();
            shown.sort_unstable();
            let topics: Vec<_> = statuses.topics(connector).map(|status| &*status.topic).collect();
            assert_eq!(topics, shown, "{request}");
        }
        other => panic!("{other}"),
    }
}
