//! Values of the status topic, read and written as Java does.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use crate::herd::State;
use crate::store::json::{self, Writer};

/// What a connector or task was last said to be doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredStatus {
    /// The state.
    pub state: State,
    /// Why it failed.
    pub trace: Option<String>,
    /// Who says so: `host:port` of a worker.
    pub worker_id: Arc<str>,
    /// The generation of the group that the worker was in.
    pub generation: i32,
    /// Version of the plug-in, where it is known: Java says none for what does not run. Workers before 4.1 write none.
    pub version: Option<Arc<str>>,
}

/// That a connector uses a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicStatus {
    /// The topic.
    pub topic: Arc<str>,
    /// The connector.
    pub connector: Arc<str>,
    /// The task that said so first.
    pub task: u32,
    /// When, in milliseconds since the epoch.
    pub discovered_ms: i64,
}

impl StoredStatus {
    pub(super) fn write(&self) -> Bytes {
        Writer::object(|w| {
            w.text("state", name(self.state));
            w.nullable_text("trace", self.trace.as_deref());
            w.text("worker_id", &self.worker_id);
            w.integer("generation", self.generation.into());
            w.nullable_text("version", self.version.as_deref());
        })
    }

    pub(super) fn read(value: &[u8]) -> Result<StoredStatus, String> {
        let value = parse(value)?;
        let text = |field: &str| value.get(field).and_then(Value::as_str);
        let wrong = |field: &str| format!("its {field} is {}", json::class_of(value.get(field)));
        let trace = match value.get("trace") {
            None | Some(Value::Null) => None,
            Some(trace) => Some(trace.as_str().ok_or_else(|| wrong("trace"))?.to_owned()),
        };
        let version = text("version").map(Arc::from);
        Ok(StoredStatus {
            version,
            state: text("state")
                .and_then(state_of)
                .ok_or_else(|| format!("its state is {}", value["state"]))?,
            trace,
            worker_id: text("worker_id").ok_or_else(|| wrong("worker_id"))?.into(),
            // Java narrows it without looking.
            generation: value["generation"].as_i64().ok_or_else(|| wrong("generation"))? as i32,
        })
    }
}

impl TopicStatus {
    pub(super) fn write(&self) -> Bytes {
        Writer::object(|w| {
            w.nested("topic", |w| {
                w.text("name", &self.topic);
                w.text("connector", &self.connector);
                w.integer("task", self.task.into());
                w.integer("discoverTimestamp", self.discovered_ms);
            });
        })
    }

    pub(super) fn read(value: &[u8]) -> Result<TopicStatus, String> {
        let value = parse(value)?;
        let topic = &value["topic"];
        let wrong = |field: &str| format!("its {field} is {}", json::class_of(topic.get(field)));
        let text = |field: &str| topic[field].as_str().ok_or_else(|| wrong(field));
        Ok(TopicStatus {
            topic: text("name")?.into(),
            connector: text("connector")?.into(),
            task: topic["task"]
                .as_i64()
                .and_then(|task| task.try_into().ok())
                .ok_or_else(|| wrong("task"))?,
            discovered_ms: topic["discoverTimestamp"].as_i64().ok_or_else(|| wrong("discoverTimestamp"))?,
        })
    }
}

fn parse(value: &[u8]) -> Result<Value, String> {
    let value = json::read(Some(value)).map_err(|error| error.to_string())?;
    if value.is_object() { Ok(value) } else { Err(format!("it is {}", json::class_of(Some(&value)))) }
}

const STATES: [(State, &str); 6] = [
    (State::Unassigned, "UNASSIGNED"),
    (State::Running, "RUNNING"),
    (State::Paused, "PAUSED"),
    (State::Failed, "FAILED"),
    (State::Restarting, "RESTARTING"),
    (State::Stopped, "STOPPED"),
];

fn name(state: State) -> &'static str {
    STATES.iter().find(|(other, _)| *other == state).map_or("UNASSIGNED", |(_, name)| name)
}

fn state_of(name: &str) -> Option<State> {
    STATES.iter().find(|(_, other)| *other == name).map(|(state, _)| *state)
}
