//! A topic: its identity, its partitions, and the configurations that take effect.

use uuid::Uuid;

use super::{ConfigScope, ConfigSource, Overrides, Partition, describe};
use crate::config::Config;
use crate::log::{CompactionSettings, SegmentLimits};

/// A topic.
#[derive(Debug)]
pub(crate) struct Topic {
    pub(crate) id: Uuid,
    pub(crate) overrides: Overrides,
    pub(crate) settings: TopicSettings,
    pub(crate) partitions: Vec<Partition>,
}

/// A segment is closed at this part of the broker's memory at the latest: Kafka's default of 1 GiB is all the memory that there is,
/// and what is not closed cannot be compacted.
const SEGMENTS_IN_MEMORY: usize = 64;

/// The topic configurations that this broker acts upon, parsed once when they change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct TopicSettings {
    /// Set where the policy is to compact.
    pub(crate) compaction: Option<CompactionSettings>,
    pub(crate) segment: SegmentLimits,
    /// Age in ms from which batches are deleted, where the policy is to delete.
    pub(crate) retention_ms: Option<i64>,
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
        let compaction = has_policy("compact").then(|| CompactionSettings {
            min_lag_ms: number("min.compaction.lag.ms"),
            max_lag_ms: number("max.compaction.lag.ms"),
            min_dirty_ratio: value("min.cleanable.dirty.ratio").parse().unwrap_or(0.5),
            delete_retention_ms: number("delete.retention.ms"),
        });
        let segment_bytes = u64::try_from(number("segment.bytes")).unwrap_or(u64::MAX);
        Self {
            compaction,
            segment: SegmentLimits {
                bytes_max: segment_bytes.min((config.memory_bytes_max / SEGMENTS_IN_MEMORY) as u64),
                // As in Kafka a record cannot be compacted in time while its segment is active.
                age_max_ms: number("segment.ms")
                    .min(compaction.map_or(i64::MAX, |settings| settings.max_lag_ms)),
            },
            retention_ms: Some(number("retention.ms")).filter(|ms| *ms >= 0 && has_policy("delete")),
            retention_bytes: u64::try_from(number("retention.bytes")).ok().filter(|_| has_policy("delete")),
            message_bytes_max: usize::try_from(number("max.message.bytes")).unwrap_or(usize::MAX),
            stamps_append_time: value("message.timestamp.type") == "LogAppendTime",
            timestamp_ahead_max_ms: number("message.timestamp.after.max.ms"),
        }
    }
}
