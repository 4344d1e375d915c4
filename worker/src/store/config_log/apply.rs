//! What each kind of record does to the state.

use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use super::records::{self, FENCING_COUNT, ONLY_FAILED, PROPERTIES, STATE, STATE_V2, TASK_COUNT, WITH_TASKS};
use super::{ConfigEvent, ConfigLog, RestartRequest, SessionKey};
use crate::config::{RawConfig, TargetState};
use crate::store::json::{class_of, properties};

/// `target-state-<c>`: null forgets what was asked for, and so starts a connector that there is.
pub(super) fn target_state(log: &mut ConfigLog, connector: &str, value: &Value) -> Option<ConfigEvent> {
    if value.is_null() {
        let entry = log.entry(connector);
        entry.target = entry.config.is_some().then_some(TargetState::Started);
        return None;
    }
    let Value::Object(fields) = value else {
        tracing::error!(
            "Ignoring target state for connector '{connector}' because it is in the wrong format: {}",
            class_of(Some(value))
        );
        return None;
    };
    // Workers that know of no STOPPED read the older field, where it is PAUSED.
    let newer = fields.get(STATE_V2).filter(|state| !state.is_null());
    let newer = newer.and_then(|state| {
        let text = state.as_str();
        if text.is_none() {
            tracing::error!(
                "Invalid data for target state for connector '{connector}': 'state.v2' field should be a String but is {}",
                class_of(Some(state))
            );
        }
        text
    });
    let Some(name) = newer.or_else(|| fields.get(STATE)?.as_str()) else {
        tracing::error!(
            "Invalid data for target state for connector '{connector}': 'state' field should be a String but is {}",
            class_of(fields.get(STATE))
        );
        return None;
    };
    let Some(target) = records::target_state_of(name) else {
        tracing::error!("Invalid target state for connector '{connector}': {name}");
        return None;
    };
    let entry = log.entry(connector);
    let is_changed = entry.target.replace(target) != Some(target);
    // One that was written ahead of its connector is silent.
    (is_changed && entry.config.is_some())
        .then(|| ConfigEvent::TargetStateChanged { connector: connector.into() })
}

/// `connector-<c>`: null deletes it.
pub(super) fn connector(log: &mut ConfigLog, connector: &str, value: &Value) -> Option<ConfigEvent> {
    if value.is_null() {
        remove(log, connector);
        return Some(ConfigEvent::ConnectorRemoved { connector: connector.into() });
    }
    let what = format!("configuration for connector '{connector}'");
    let config = stored_properties(&what, value)?;
    let entry = log.entry(connector);
    entry.config = Some(config);
    entry.target.get_or_insert_default();
    Some(ConfigEvent::ConnectorUpdated { connector: connector.into() })
}

/// `task-<c>-<i>`: waits for the commit.
pub(super) fn task(log: &mut ConfigLog, key: &str, value: Value) {
    let Some((connector, task)) = records::parse_task_key(key, 1) else {
        tracing::error!("Ignoring task configuration because {key} couldn't be parsed as a task config key");
        return;
    };
    let what = format!("task configuration for task {connector}-{task}");
    if value.is_null() {
        tracing::error!("Ignoring {what} because it is unexpectedly null");
    } else if let Some(config) = stored_properties(&what, &value) {
        log.deferred.entry(connector.into()).or_default().insert(task, config);
    }
}

/// `commit-<c>`: the tasks that were written before take effect, if none is missing.
pub(super) fn commit(log: &mut ConfigLog, connector: &str, value: &Value) -> Option<ConfigEvent> {
    let Some(config) = log.snapshot.config(connector).cloned() else {
        // It was deleted, and compaction has taken the record that said so: its tasks must not come back to life (KAFKA-16838).
        remove(log, connector);
        return None;
    };
    let count = count(&format!("tasks of connector '{connector}'"), value, TASK_COUNT)?;
    // Whatever becomes of them: the next commit needs a set of its own.
    let deferred = log.deferred.get_mut(connector).map(std::mem::take);
    let is_known = deferred.is_some();
    let deferred = deferred.unwrap_or_default();
    let entry = log.entry(connector);
    if deferred.is_empty() && entry.has_set_of(count) {
        // The producer is not idempotent: a commit whose answer was lost is there again. (Java takes the set for incomplete, and the connector's
        // tasks run nowhere until somebody changes it.)
        entry.is_pending_fencing = true;
        return None;
    }
    // More than are needed are fine: fewer tasks than before, and compaction has left some of those.
    let is_complete = (0..count.max(0).unsigned_abs()).all(|task| deferred.contains_key(&task));
    let mut updated = Vec::new();
    entry.is_inconsistent = !is_complete;
    if is_complete {
        if is_known {
            updated.extend(deferred.keys().copied());
            entry.tasks.extend(deferred);
            entry.generation = Some(entry.generation.map_or(0, |generation| generation.wrapping_add(1)));
        }
        entry.applied = Some(config);
    }
    entry.task_count = Some(count);
    entry.is_pending_fencing = true;
    Some(ConfigEvent::TasksUpdated { connector: connector.into(), tasks: updated })
}

/// `restart-connector-<c>`.
pub(super) fn restart(connector: &str, value: &Value) -> Option<ConfigEvent> {
    let Value::Object(fields) = value else {
        tracing::error!(
            "Ignoring restart request because the value is not a Map but is {}",
            class_of(Some(value))
        );
        return None;
    };
    let flag = |name| {
        fields.get(name).and_then(Value::as_bool).unwrap_or_else(|| {
            tracing::warn!(
                "Invalid data for restart request '{name}' field should be a Boolean but is {}, defaulting to false",
                class_of(fields.get(name))
            );
            false
        })
    };
    Some(ConfigEvent::RestartRequested(RestartRequest {
        connector: connector.into(),
        only_failed: flag(ONLY_FAILED),
        include_tasks: flag(WITH_TASKS),
    }))
}

/// `tasks-fencing-<c>`: nobody but so many tasks of the present set can write.
pub(super) fn fencing(log: &mut ConfigLog, connector: &str, value: &Value) {
    let what = format!("task count record for connector '{connector}'");
    if let Some(count) = count(&what, value, FENCING_COUNT) {
        let entry = log.entry(connector);
        entry.task_count_record = Some(count);
        entry.is_pending_fencing = false;
    }
}

/// `session-key`.
pub(super) fn session_key(log: &mut ConfigLog, value: &Value) -> Option<ConfigEvent> {
    let Value::Object(fields) = value else {
        tracing::error!(
            "Ignoring session key because the value is not a Map but is {}",
            class_of(Some(value))
        );
        return None;
    };
    let refuse = |field: &str, wanted: &str| {
        let found = class_of(fields.get(field));
        tracing::error!(
            "Invalid data for session key '{field}' field should be a {wanted} but it is {found}"
        );
    };
    // Not shown, not even where it is wrong.
    let Some(key) =
        fields.get("key").and_then(Value::as_str).and_then(|key| BASE64_STANDARD.decode(key).ok())
    else {
        refuse("key", "String of Base64");
        return None;
    };
    let Some(algorithm) = fields.get("algorithm").and_then(Value::as_str) else {
        refuse("algorithm", "String");
        return None;
    };
    let Some(created_ms) = fields.get("creation-timestamp").and_then(Value::as_i64) else {
        refuse("creation-timestamp", "long");
        return None;
    };
    let key = SessionKey { key: key.into(), algorithm: algorithm.into(), created_ms };
    log.edit().session_key = Some(key.clone());
    Some(ConfigEvent::SessionKeyUpdated(key))
}

/// `logger-cluster-<namespace>`.
pub(super) fn logger_level(namespace: &str, value: &Value) -> Option<ConfigEvent> {
    let Some(level) = value.get("level").and_then(Value::as_str) else {
        tracing::error!(
            "Ignoring logging level for namespace {namespace}: it should be a Map with a String 'level' but is {}",
            class_of(value.get("level").or(Some(value)))
        );
        return None;
    };
    Some(ConfigEvent::LoggerLevelUpdated { namespace: namespace.into(), level: level.into() })
}

/// Target state, fencing record and generation stay: they count on when the connector comes back.
fn remove(log: &mut ConfigLog, connector: &str) {
    log.deferred.remove(connector);
    if !log.snapshot.connectors.contains_key(connector) {
        return;
    }
    let entry = log.entry(connector);
    entry.config = None;
    entry.task_count = None;
    entry.tasks.clear();
    entry.applied = None;
}

fn stored_properties(what: &str, value: &Value) -> Option<Arc<RawConfig>> {
    if !value.is_object() {
        tracing::error!("Ignoring {what} because it is in the wrong format: {}", class_of(Some(value)));
        return None;
    }
    let found = value.get(PROPERTIES);
    let Some(Value::Object(fields)) = found else {
        tracing::error!(
            "Invalid data for {what}: 'properties' field should be a Map but is {}",
            class_of(found)
        );
        return None;
    };
    Some(Arc::new(properties(fields)))
}

fn count(what: &str, value: &Value, field: &str) -> Option<i32> {
    let found = value.get(field);
    // Java narrows it without looking.
    let count = found.and_then(Value::as_i64).map(|count| count as i32);
    if count.is_none() {
        tracing::error!("Ignoring {what}: '{field}' should be an integer but is {}", class_of(found));
    }
    count
}
