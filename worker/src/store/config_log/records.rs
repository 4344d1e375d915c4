//! The records of the config topic, byte for byte as Java writes them.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::{RestartRequest, SessionKey};
use crate::config::{RawConfig, TargetState};
use crate::store::LogRecord;
use crate::store::json::Writer;

pub(super) const TARGET_STATE: &str = "target-state-";
pub(super) const CONNECTOR: &str = "connector-";
pub(super) const TASK: &str = "task-";
pub(super) const COMMIT: &str = "commit-";
pub(super) const RESTART: &str = "restart-connector-";
pub(super) const FENCING: &str = "tasks-fencing-";
pub(super) const SESSION_KEY: &str = "session-key";
pub(super) const LOGGER: &str = "logger-cluster-";

pub(super) const PROPERTIES: &str = "properties";
pub(super) const TASK_COUNT: &str = "tasks";
pub(super) const STATE: &str = "state";
pub(super) const STATE_V2: &str = "state.v2";
pub(super) const FENCING_COUNT: &str = "task-count";
pub(super) const WITH_TASKS: &str = "include-tasks";
pub(super) const ONLY_FAILED: &str = "only-failed";

/// A connector's configuration, keys in the order given.
pub fn connector(connector: &str, config: &RawConfig) -> LogRecord {
    LogRecord::new(format!("{CONNECTOR}{connector}"), Writer::object(|w| w.properties(PROPERTIES, config)))
}

/// A connector is no more.
pub fn connector_removal(connector: &str) -> [LogRecord; 2] {
    [
        LogRecord::tombstone(format!("{CONNECTOR}{connector}")),
        LogRecord::tombstone(format!("{TARGET_STATE}{connector}")),
    ]
}

/// A task's configuration.
pub fn task(connector: &str, task: usize, config: &RawConfig) -> LogRecord {
    let value = Writer::object(|w| w.properties(PROPERTIES, config));
    LogRecord::new(format!("{TASK}{connector}-{task}"), value)
}

/// So many tasks, written before, take effect.
pub fn commit(connector: &str, task_count: usize) -> LogRecord {
    let value = Writer::object(|w| w.integer(TASK_COUNT, task_count as i64));
    LogRecord::new(format!("{COMMIT}{connector}"), value)
}

/// What a connector is asked to do. Older workers know no STOPPED and pause.
pub fn target_state(connector: &str, state: TargetState) -> LogRecord {
    let older = if state == TargetState::Stopped { TargetState::Paused } else { state };
    let value = Writer::object(|w| {
        w.text(STATE, target_state_name(older));
        w.text(STATE_V2, target_state_name(state));
    });
    LogRecord::new(format!("{TARGET_STATE}{connector}"), value)
}

/// Producers of all tasks but so many have been fenced.
pub fn task_count(connector: &str, task_count: i32) -> LogRecord {
    let value = Writer::object(|w| w.integer(FENCING_COUNT, task_count.into()));
    LogRecord::new(format!("{FENCING}{connector}"), value)
}

/// The key of this hour.
pub fn session_key(key: &SessionKey) -> LogRecord {
    let value = Writer::object(|w| {
        w.text("key", &BASE64_STANDARD.encode(&key.key));
        w.text("algorithm", &key.algorithm);
        w.integer("creation-timestamp", key.created_ms);
    });
    LogRecord::new(SESSION_KEY.to_owned(), value)
}

/// A connector is to be restarted.
pub fn restart(request: &RestartRequest) -> LogRecord {
    let value = Writer::object(|w| {
        w.boolean(WITH_TASKS, request.include_tasks);
        w.boolean(ONLY_FAILED, request.only_failed);
    });
    LogRecord::new(format!("{RESTART}{}", request.connector), value)
}

/// A logger is to have this level on every worker.
pub fn logger_level(namespace: &str, level: &str) -> LogRecord {
    LogRecord::new(format!("{LOGGER}{namespace}"), Writer::object(|w| w.text("level", level)))
}

/// Connector and number in a key that ends with `-<number>`, after so many leading pieces (`KafkaConfigBackingStore#parseTaskId`).
pub(in crate::store) fn parse_task_key(key: &str, leading: usize) -> Option<(String, u32)> {
    // Java's `split` drops what is empty at the end.
    let key = key.trim_end_matches('-');
    let pieces: Vec<&str> = key.split('-').collect();
    let (last, others) = pieces.split_last()?;
    let connector = others.get(leading..).filter(|pieces| !pieces.is_empty())?.join("-");
    Some((connector, last.parse().ok()?))
}

pub(super) fn target_state_of(name: &str) -> Option<TargetState> {
    [TargetState::Started, TargetState::Paused, TargetState::Stopped]
        .into_iter()
        .find(|state| target_state_name(*state) == name)
}

fn target_state_name(state: TargetState) -> &'static str {
    match state {
        TargetState::Started => "STARTED",
        TargetState::Paused => "PAUSED",
        TargetState::Stopped => "STOPPED",
    }
}
