//! The state that records are applied to, and which kind of record a key stands for.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::snapshot::Entry;
use super::{ConfigEvent, Snapshot, apply, records};
use crate::config::RawConfig;
use crate::store::json;

/// The config topic as far as it was read.
#[derive(Debug, Default)]
pub struct ConfigLog {
    pub(super) snapshot: Arc<Snapshot>,
    /// Task configurations that no commit has been seen for, by connector and number.
    pub(super) deferred: HashMap<Arc<str>, BTreeMap<u32, Arc<RawConfig>>>,
}

impl ConfigLog {
    /// Before the first record.
    pub fn new() -> ConfigLog {
        ConfigLog::default()
    }

    /// What is known now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot)
    }

    /// Takes in the record at `offset`. What nobody understands is logged and changes nothing but the offset; what is no JSON does not even
    /// change that: all workers have to count alike.
    pub fn apply(&mut self, offset: i64, key: Option<&[u8]>, value: Option<&[u8]>) -> Option<ConfigEvent> {
        let value = match json::read(value) {
            Ok(value) => value,
            Err(error) => {
                tracing::error!(offset, %error, "Failed to convert config data to Kafka Connect format");
                return None;
            }
        };
        self.edit().offset = offset + 1;
        let Some(key) = key else {
            tracing::error!(offset, "Discarding config update record without key");
            return None;
        };
        let key = String::from_utf8_lossy(key);
        // In Java's order: a connector may be called anything.
        if let Some(connector) = key.strip_prefix(records::TARGET_STATE) {
            apply::target_state(self, connector, &value)
        } else if let Some(connector) = key.strip_prefix(records::CONNECTOR) {
            apply::connector(self, connector, &value)
        } else if key.starts_with(records::TASK) {
            apply::task(self, &key, value);
            None
        } else if let Some(connector) = key.strip_prefix(records::COMMIT) {
            apply::commit(self, connector, &value)
        } else if let Some(connector) = key.strip_prefix(records::RESTART) {
            apply::restart(connector, &value)
        } else if let Some(connector) = key.strip_prefix(records::FENCING) {
            apply::fencing(self, connector, &value);
            None
        } else if key == records::SESSION_KEY {
            apply::session_key(self, &value)
        } else if let Some(namespace) = key.strip_prefix(records::LOGGER) {
            apply::logger_level(namespace, &value)
        } else {
            tracing::error!("Discarding config update record with invalid key: {key}");
            None
        }
    }

    /// The snapshot for changing it: a copy where somebody else has it.
    pub(super) fn edit(&mut self) -> &mut Snapshot {
        Arc::make_mut(&mut self.snapshot)
    }

    /// What is known of a name, for changing it.
    pub(super) fn entry(&mut self, connector: &str) -> &mut Entry {
        let connectors = &mut self.edit().connectors;
        if !connectors.contains_key(connector) {
            connectors.insert(connector.into(), Arc::default());
        }
        Arc::make_mut(connectors.get_mut(connector).expect("it was put there"))
    }
}
