//! What must be true of the config topic where leaders write in transactions, read from outside.

use std::collections::BTreeMap;

use protocol::wire::records::BatchHeader;
use serde_json::Value;

use crate::ledger::violation;

/// Kinds of records that only a leader writes.
const PRIVILEGED: &[&str] =
    &["connector-", "task-", "commit-", "tasks-fencing-", "session-key", "restart-connector-"];

/// Which configuration of a connector: its incarnation and version.
type Version = (String, String);

/// What the topic says so far.
#[derive(Debug, Default)]
pub(crate) struct Configs {
    /// Of the leader that wrote last.
    epoch: i16,
    /// Tasks that wait for their commit: by connector, of which version.
    deferred: BTreeMap<String, BTreeMap<u32, Version>>,
}

impl Configs {
    /// Takes in one record.
    pub(crate) fn take_in(&mut self, batch: &BatchHeader, key: Option<&[u8]>, value: Option<&[u8]>) {
        let Some(key) = key.and_then(|key| std::str::from_utf8(key).ok()) else { return };
        if !PRIVILEGED.iter().any(|kind| key.starts_with(kind)) {
            return;
        }
        if !batch.is_transactional() {
            violation(format!("I15 {key} was written at {} outside of a transaction", batch.base_offset));
        }
        if batch.producer_epoch < self.epoch {
            violation(format!(
                "I15 {key} was written at {} by a leader of epoch {} after one of epoch {}",
                batch.base_offset, batch.producer_epoch, self.epoch
            ));
        }
        self.epoch = batch.producer_epoch;
        let value = value.and_then(|value| serde_json::from_slice::<Value>(value).ok());
        if let Some(connector) = key.strip_prefix("commit-") {
            let count = value.and_then(|value| value["tasks"].as_u64()).unwrap_or(0);
            self.commit(connector, count as u32);
        } else if let Some((connector, task)) =
            key.strip_prefix("task-").and_then(|task| task.rsplit_once('-'))
        {
            let of = |name: &str| {
                let properties = value.as_ref().map(|value| &value["properties"]);
                properties.and_then(|it| it[name].as_str()).unwrap_or_default().to_owned()
            };
            let version = (of("incarnation"), of("version"));
            let deferred = self.deferred.entry(connector.to_owned()).or_default();
            deferred.insert(task.parse().unwrap_or(u32::MAX), version);
        }
    }

    /// I13: the set that takes effect is complete, and of one configuration.
    fn commit(&mut self, connector: &str, count: u32) {
        let set = self.deferred.remove(connector).unwrap_or_default();
        let versions: Vec<_> = (0..count).map(|task| set.get(&task)).collect();
        if versions.iter().any(|version| version.is_none() || *version != versions[0]) {
            violation(format!(
                "I13 the {count} tasks of {connector} that were committed are of {versions:?}"
            ));
        }
    }
}
