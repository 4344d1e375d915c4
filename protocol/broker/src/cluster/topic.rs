//! A topic: its identity, its partitions, and the configurations that take effect.

use uuid::Uuid;

use super::{ConfigScope, ConfigSource, Overrides, Partition, describe};
use crate::config::Config;

/// A topic.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) id: Uuid,
    pub(crate) overrides: Overrides,
    pub(crate) settings: TopicSettings,
    pub(crate) partitions: Vec<Partition>,
}

/// The topic configurations that this broker acts upon, parsed once when they change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TopicSettings {
    pub(crate) is_compacted: bool,
    /// Bytes above which old batches are deleted, where the policy is to delete.
    pub(crate) retention_bytes: Option<u64>,
    pub(crate) message_bytes_max: usize,
    pub(crate) stamps_append_time: bool,
    /// How far ahead of our clock a timestamp may lie, in ms.
    pub(crate) timestamp_ahead_max_ms: i64,
}

impl TopicSettings {
    /// What follows from the values set on the topic and on the broker.
    pub(crate) fn from_overrides(own: &Overrides, brokers: &Overrides, config: &Config) -> Self {
        let value = |name: &str| {
            let values = ConfigScope::Topic
                .find(name)
                .map(|def| describe(def, Some((own, ConfigSource::Topic)), brokers, config))
                .unwrap_or_default();
            values.into_iter().next().map(|(_, value)| value.value.trim().to_owned()).unwrap_or_default()
        };
        // Values were checked when they were set, so a failing parse can only be a default that means "no limit".
        let number = |name: &str| value(name).parse::<i64>().unwrap_or(i64::MAX);
        let policy = value("cleanup.policy");
        let has_policy = |wanted: &str| policy.split(',').any(|entry| entry.trim() == wanted);
        Self {
            is_compacted: has_policy("compact"),
            retention_bytes: u64::try_from(number("retention.bytes")).ok().filter(|_| has_policy("delete")),
            message_bytes_max: usize::try_from(number("max.message.bytes")).unwrap_or(usize::MAX),
            stamps_append_time: value("message.timestamp.type") == "LogAppendTime",
            timestamp_ahead_max_ms: number("message.timestamp.after.max.ms"),
        }
    }
}
