//! The configuration keys that topics and brokers have: names, types, defaults, checks. The defaults are those of Kafka 4.
//!
//! Most keys are only kept and shown, so that tools which read or set them work; what takes effect is in
//! [`TopicSettings`](super::TopicSettings).

use std::borrow::Cow;
use std::collections::BTreeMap;

use protocol::ErrorCode;

use crate::config::Config;
use crate::refusal::Refusal;

/// The type of a value, with the number that `DescribeConfigs` gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConfigKind {
    Boolean = 1,
    String = 2,
    Int = 3,
    Long = 5,
    Double = 6,
    List = 7,
}

/// Where a value comes from, with the number that `DescribeConfigs` gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConfigSource {
    Topic = 1,
    DynamicBroker = 2,
    StaticBroker = 4,
    Default = 5,
}

/// One configuration key.
#[derive(Debug)]
pub(crate) struct ConfigDef {
    pub(crate) name: &'static str,
    pub(crate) kind: ConfigKind,
    default: &'static str,
    check: Check,
    /// The broker key that gives a topic key its default.
    pub(crate) synonym: Option<&'static str>,
    pub(crate) is_read_only: bool,
    pub(crate) doc: &'static str,
}

#[derive(Debug, Clone, Copy)]
enum Check {
    Any,
    AtLeast(i64),
    Between(i64, i64),
    OneOf(&'static [&'static str]),
    /// A list whose entries are of these.
    Some(&'static [&'static str]),
}

/// Values that were set, by key.
pub(crate) type Overrides = BTreeMap<String, String>;

/// A value with its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConfigValue {
    pub(crate) value: Cow<'static, str>,
    pub(crate) source: ConfigSource,
}

const fn topic(
    name: &'static str,
    kind: ConfigKind,
    default: &'static str,
    check: Check,
    synonym: Option<&'static str>,
    doc: &'static str,
) -> ConfigDef {
    ConfigDef { name, kind, default, check, synonym, is_read_only: false, doc }
}

const fn broker(
    name: &'static str,
    kind: ConfigKind,
    default: &'static str,
    is_read_only: bool,
) -> ConfigDef {
    ConfigDef { name, kind, default, check: Any, synonym: None, is_read_only, doc: "" }
}

use Check::{Any, AtLeast, Between, OneOf};
use ConfigKind::{Boolean, Double, Int, List, Long, String as Str};

/// Keys of topics, in alphabetical order.
#[rustfmt::skip]
const TOPIC_CONFIGS: &[ConfigDef] = &[
    topic("cleanup.policy", List, "delete", Check::Some(&["compact", "delete"]), Some("log.cleanup.policy"), "With compact only the newest record of each key stays, and records without a key are refused; with delete old batches go."),
    topic("compression.gzip.level", Int, "-1", Between(-1, 9), Some("compression.gzip.level"), "Kept, without effect: batches are stored as received."),
    topic("compression.lz4.level", Int, "9", Between(1, 17), Some("compression.lz4.level"), "Kept, without effect: batches are stored as received."),
    topic("compression.type", Str, "producer", OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]), Some("compression.type"), "Kept, without effect: batches are stored as received."),
    topic("compression.zstd.level", Int, "3", Between(-131_072, 22), Some("compression.zstd.level"), "Kept, without effect: batches are stored as received."),
    topic("delete.retention.ms", Long, "86400000", AtLeast(0), Some("log.cleaner.delete.retention.ms"), "How long tombstones, and markers of transactions that left nothing else, stay after the first compaction that met them."),
    topic("file.delete.delay.ms", Long, "60000", AtLeast(0), Some("log.segment.delete.delay.ms"), "Kept, without effect: there are no files."),
    topic("flush.messages", Long, "9223372036854775807", AtLeast(1), Some("log.flush.interval.messages"), "Kept, without effect: there are no files."),
    topic("flush.ms", Long, "9223372036854775807", AtLeast(0), Some("log.flush.interval.ms"), "Kept, without effect: there are no files."),
    topic("follower.replication.throttled.replicas", List, "", Any, None, "Kept, without effect: nothing is replicated."),
    topic("index.interval.bytes", Int, "4096", AtLeast(0), Some("log.index.interval.bytes"), "Kept, without effect: every batch is indexed."),
    topic("leader.replication.throttled.replicas", List, "", Any, None, "Kept, without effect: nothing is replicated."),
    topic("local.retention.bytes", Long, "-2", AtLeast(-2), Some("log.local.retention.bytes"), "Kept, without effect: there is no remote storage."),
    topic("local.retention.ms", Long, "-2", AtLeast(-2), Some("log.local.retention.ms"), "Kept, without effect: there is no remote storage."),
    topic("max.compaction.lag.ms", Long, "9223372036854775807", AtLeast(1), Some("log.cleaner.max.compaction.lag.ms"), "Age of a record from which its log is compacted whatever the dirty ratio; a segment is closed at this age at the latest."),
    topic("max.message.bytes", Int, "1048588", AtLeast(0), Some("message.max.bytes"), "Largest record batch that is accepted."),
    topic("message.timestamp.after.max.ms", Long, "3600000", AtLeast(0), Some("log.message.timestamp.after.max.ms"), "How far a record's timestamp may lie ahead of the broker's clock."),
    topic("message.timestamp.before.max.ms", Long, "9223372036854775807", AtLeast(0), Some("log.message.timestamp.before.max.ms"), "Kept, without effect: old timestamps are accepted."),
    topic("message.timestamp.type", Str, "CreateTime", OneOf(&["CreateTime", "LogAppendTime"]), Some("log.message.timestamp.type"), "Whether records keep the producer's timestamp or get the broker's."),
    topic("min.cleanable.dirty.ratio", Double, "0.5", Between(0, 1), Some("log.cleaner.min.cleanable.ratio"), "Share of a log that has to be dirty before it is compacted."),
    topic("min.compaction.lag.ms", Long, "0", AtLeast(0), Some("log.cleaner.min.compaction.lag.ms"), "Age below which a record is not compacted."),
    topic("min.insync.replicas", Int, "1", AtLeast(1), Some("min.insync.replicas"), "Kept, without effect: nothing is replicated."),
    topic("preallocate", Boolean, "false", Any, Some("log.preallocate"), "Kept, without effect: there are no files."),
    topic("remote.storage.enable", Boolean, "false", Any, None, "Kept, without effect: there is no remote storage."),
    topic("retention.bytes", Long, "-1", AtLeast(-1), Some("log.retention.bytes"), "Bytes of a partition above which its oldest batches are deleted; -1 for no limit."),
    topic("retention.ms", Long, "604800000", AtLeast(-1), Some("log.retention.ms"), "Age from which batches are deleted, oldest first; -1 for no limit."),
    topic("segment.bytes", Int, "1073741824", AtLeast(14), Some("log.segment.bytes"), "Size at which the active segment is closed, or 1/64 of the broker's memory. Only closed segments are compacted."),
    topic("segment.index.bytes", Int, "10485760", AtLeast(4), Some("log.index.size.max.bytes"), "Kept, without effect: segments have no index of their own."),
    topic("segment.jitter.ms", Long, "0", AtLeast(0), Some("log.roll.jitter.ms"), "Kept, without effect: nothing is gained by closing segments at different times."),
    topic("segment.ms", Long, "604800000", AtLeast(1), Some("log.roll.ms"), "Age at which an append closes the active segment. Only closed segments are compacted."),
    topic("unclean.leader.election.enable", Boolean, "false", Any, Some("unclean.leader.election.enable"), "Kept, without effect: nothing is replicated."),
];

/// Keys of brokers, in alphabetical order. What the builder sets comes from there.
#[rustfmt::skip]
const BROKER_CONFIGS: &[ConfigDef] = &[
    broker("advertised.listeners", Str, "", true),
    broker("auto.create.topics.enable", Boolean, "true", true),
    broker("background.threads", Int, "10", false),
    broker("broker.id", Int, "-1", true),
    broker("compression.gzip.level", Int, "-1", false),
    broker("compression.lz4.level", Int, "9", false),
    broker("compression.type", Str, "producer", false),
    broker("compression.zstd.level", Int, "3", false),
    broker("connections.max.idle.ms", Long, "600000", true),
    broker("default.replication.factor", Int, "1", true),
    broker("delete.topic.enable", Boolean, "true", true),
    broker("fetch.max.bytes", Int, "57671680", true),
    broker("group.initial.rebalance.delay.ms", Int, "0", true),
    broker("group.max.session.timeout.ms", Int, "1800000", true),
    broker("group.max.size", Int, "1000", true),
    broker("group.min.session.timeout.ms", Int, "6000", true),
    broker("listeners", Str, "", true),
    broker("log.cleaner.backoff.ms", Long, "15000", true),
    broker("log.cleaner.delete.retention.ms", Long, "86400000", false),
    broker("log.cleaner.max.compaction.lag.ms", Long, "9223372036854775807", false),
    broker("log.cleaner.min.cleanable.ratio", Double, "0.5", false),
    broker("log.cleaner.min.compaction.lag.ms", Long, "0", false),
    broker("log.cleanup.policy", List, "delete", false),
    broker("log.dirs", Str, "memory", true),
    broker("log.flush.interval.messages", Long, "9223372036854775807", false),
    broker("log.flush.interval.ms", Long, "9223372036854775807", false),
    broker("log.index.interval.bytes", Int, "4096", false),
    broker("log.index.size.max.bytes", Int, "10485760", false),
    broker("log.local.retention.bytes", Long, "-2", false),
    broker("log.local.retention.ms", Long, "-2", false),
    broker("log.message.timestamp.after.max.ms", Long, "3600000", false),
    broker("log.message.timestamp.before.max.ms", Long, "9223372036854775807", false),
    broker("log.message.timestamp.type", Str, "CreateTime", false),
    broker("log.preallocate", Boolean, "false", false),
    broker("log.retention.bytes", Long, "-1", false),
    broker("log.retention.check.interval.ms", Long, "300000", true),
    broker("log.retention.ms", Long, "604800000", false),
    broker("log.roll.jitter.ms", Long, "0", false),
    broker("log.roll.ms", Long, "604800000", false),
    broker("log.segment.bytes", Int, "1073741824", false),
    broker("log.segment.delete.delay.ms", Long, "60000", false),
    broker("max.connections", Int, "4096", true),
    broker("memory.bytes.max", Long, "0", true),
    broker("message.max.bytes", Int, "1048588", false),
    broker("min.insync.replicas", Int, "1", false),
    broker("node.id", Int, "1", true),
    broker("num.partitions", Int, "1", true),
    broker("offset.metadata.max.bytes", Int, "4096", true),
    broker("process.roles", List, "broker,controller", true),
    broker("replica.selector.class", Str, "", true),
    broker("socket.request.max.bytes", Int, "104857600", true),
    broker("transaction.max.timeout.ms", Int, "900000", true),
    broker("unclean.leader.election.enable", Boolean, "false", false),
];

/// What a set of keys belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConfigScope {
    Topic,
    Broker,
}

impl ConfigScope {
    /// All keys, in alphabetical order.
    pub(crate) fn defs(self) -> &'static [ConfigDef] {
        match self {
            Self::Topic => TOPIC_CONFIGS,
            Self::Broker => BROKER_CONFIGS,
        }
    }

    /// The definition of a key.
    pub(crate) fn find(self, name: &str) -> Option<&'static ConfigDef> {
        self.defs().iter().find(|def| def.name == name)
    }

    /// Checks that a key exists, may be changed, and can have the value.
    pub(crate) fn check(self, name: &str, value: &str) -> Result<(), Refusal> {
        let refuse = |why: String| Err(Refusal::new(ErrorCode::INVALID_CONFIG, why));
        match (self.find(name), self) {
            (None, Self::Topic) => refuse(format!("Unknown topic config name: {name}")),
            (None, Self::Broker) => refuse(format!("Unknown broker config name: {name}")),
            (Some(def), _) if def.is_read_only => {
                refuse(format!("Cannot update these configs dynamically: {name}"))
            }
            (Some(def), _) => def.check(value),
        }
    }
}

impl ConfigDef {
    /// Checks a value as the key's type and range demand.
    pub(crate) fn check(&self, value: &str) -> Result<(), Refusal> {
        let trimmed = value.trim();
        let is_good = match (self.kind, self.check) {
            (Boolean, _) => trimmed.eq_ignore_ascii_case("true") || trimmed.eq_ignore_ascii_case("false"),
            (Int, check) => trimmed.parse::<i32>().is_ok_and(|n| check.allows(i64::from(n))),
            (Long, check) => trimmed.parse::<i64>().is_ok_and(|n| check.allows(n)),
            (Double, Between(min, max)) => {
                trimmed.parse::<f64>().is_ok_and(|n| n >= min as f64 && n <= max as f64)
            }
            (Double, _) => trimmed.parse::<f64>().is_ok(),
            (Str, OneOf(allowed)) => allowed.contains(&trimmed),
            (List, Check::Some(allowed)) => {
                !trimmed.is_empty() && trimmed.split(',').all(|entry| allowed.contains(&entry.trim()))
            }
            (Str | List, _) => true,
        };
        if is_good {
            return Ok(());
        }
        let expected = match self.check {
            AtLeast(min) => format!("a number that is at least {min}"),
            Between(min, max) => format!("a number from {min} to {max}"),
            OneOf(allowed) => format!("one of {}", allowed.join(", ")),
            Check::Some(allowed) => format!("a list of {}", allowed.join(", ")),
            Any => format!("a value of type {:?}", self.kind),
        };
        Err(Refusal::new(
            ErrorCode::INVALID_CONFIG,
            format!("Invalid value {value} for configuration {}: expected {expected}", self.name),
        ))
    }
}

impl Check {
    fn allows(self, number: i64) -> bool {
        match self {
            AtLeast(min) => number >= min,
            Between(min, max) => (min..=max).contains(&number),
            Any | OneOf(_) | Check::Some(_) => true,
        }
    }
}

/// All values of a key that apply, the one in effect first: what was set, then what the broker was started with, then
/// the built-in default.
pub(crate) fn describe(
    def: &'static ConfigDef,
    own: Option<(&Overrides, ConfigSource)>,
    brokers: &Overrides,
    config: &Config,
) -> Vec<(&'static str, ConfigValue)> {
    let mut values = Vec::new();
    if let Some((overrides, source)) = own
        && let Some(value) = overrides.get(def.name)
    {
        values.push((def.name, ConfigValue { value: Cow::Owned(value.clone()), source }));
    }
    let broker_def = match def.synonym {
        Some(name) => ConfigScope::Broker.find(name),
        None => Some(def),
    };
    if let Some(broker_def) = broker_def {
        let is_topic_key = def.synonym.is_some();
        if is_topic_key && let Some(value) = brokers.get(broker_def.name) {
            let value = ConfigValue { value: Cow::Owned(value.clone()), source: ConfigSource::DynamicBroker };
            values.push((broker_def.name, value));
        }
        match start_value(broker_def.name, config) {
            Some(value) => values.push((
                broker_def.name,
                ConfigValue { value: Cow::Owned(value), source: ConfigSource::StaticBroker },
            )),
            None => values.push((
                broker_def.name,
                ConfigValue { value: Cow::Borrowed(broker_def.default), source: ConfigSource::Default },
            )),
        }
    } else {
        let default = ConfigValue { value: Cow::Borrowed(def.default), source: ConfigSource::Default };
        values.push((def.name, default));
    }
    values
}

/// What the builder gave the broker for a key, where that differs from Kafka's default.
fn start_value(name: &str, config: &Config) -> Option<String> {
    let defaults = Config::default();
    let set = |now: String, default: String| (now != default).then_some(now);
    let millis = |duration: std::time::Duration| duration.as_millis().to_string();
    if let Some(value) = config.defaults.get(name) {
        return Some(value.clone());
    }
    match name {
        "broker.id" | "node.id" => Some(config.node_id.to_string()),
        "auto.create.topics.enable" => {
            set(config.auto_create_topics.to_string(), defaults.auto_create_topics.to_string())
        }
        "fetch.max.bytes" => set(config.fetch_bytes_max.to_string(), defaults.fetch_bytes_max.to_string()),
        "group.initial.rebalance.delay.ms" => Some(millis(config.group_initial_rebalance_delay)),
        "group.max.session.timeout.ms" => {
            set(millis(config.group_session_timeout_max), millis(defaults.group_session_timeout_max))
        }
        "group.max.size" => Some(config.group_member_count_max.to_string()),
        "group.min.session.timeout.ms" => {
            set(millis(config.group_session_timeout_min), millis(defaults.group_session_timeout_min))
        }
        "log.cleaner.backoff.ms" => {
            set(millis(config.log_cleaner_backoff), millis(defaults.log_cleaner_backoff))
        }
        "log.retention.check.interval.ms" => {
            set(millis(config.retention_check_interval), millis(defaults.retention_check_interval))
        }
        "max.connections" => Some(config.connection_count_max.to_string()),
        "memory.bytes.max" => Some(config.memory_bytes_max.to_string()),
        "message.max.bytes" => {
            set(config.message_bytes_max.to_string(), defaults.message_bytes_max.to_string())
        }
        "num.partitions" => {
            set(config.partitions_default.to_string(), defaults.partitions_default.to_string())
        }
        "replica.selector.class" => {
            let selector = "org.apache.kafka.common.replica.RackAwareReplicaSelector";
            (!config.racks.is_empty()).then(|| selector.to_owned())
        }
        "socket.request.max.bytes" => {
            set(config.frame_bytes_max.to_string(), defaults.frame_bytes_max.to_string())
        }
        "transaction.max.timeout.ms" => {
            set(millis(config.transaction_timeout_max), millis(defaults.transaction_timeout_max))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(name: &str, value: &str) -> bool {
        ConfigScope::Topic.check(name, value).is_ok()
    }

    #[test]
    fn every_default_passes_its_own_check() {
        for def in TOPIC_CONFIGS.iter().chain(BROKER_CONFIGS) {
            def.check(def.default).unwrap();
        }
        for table in [TOPIC_CONFIGS, BROKER_CONFIGS] {
            assert!(table.is_sorted_by_key(|def| def.name));
        }
    }

    #[test]
    fn synonyms_exist_and_agree() {
        for def in TOPIC_CONFIGS {
            if let Some(synonym) = def.synonym {
                let broker = ConfigScope::Broker.find(synonym).unwrap_or_else(|| panic!("{synonym}"));
                assert_eq!((broker.kind, broker.default), (def.kind, def.default), "{synonym}");
            }
        }
    }

    #[test]
    fn values_are_checked_by_type_and_range() {
        assert!(accepts("cleanup.policy", "compact, delete"));
        assert!(!accepts("cleanup.policy", "compact,nothing"));
        assert!(!accepts("retention.bytes", "many"));
        assert!(!accepts("retention.bytes", "-2"));
        assert!(!accepts("max.message.bytes", "3000000000"));
        assert!(accepts("min.cleanable.dirty.ratio", "0.01"));
        assert!(!accepts("message.timestamp.type", "Never"));
    }

    #[test]
    fn what_was_set_goes_before_what_the_broker_was_started_with() {
        let own = Overrides::from([("max.message.bytes".to_owned(), "10".to_owned())]);
        let config = Config { message_bytes_max: 99, ..Config::default() };
        let def = ConfigScope::Topic.find("max.message.bytes").unwrap();
        let values = describe(def, Some((&own, ConfigSource::Topic)), &Overrides::new(), &config);
        let seen: Vec<_> = values.iter().map(|(name, v)| (*name, v.value.as_ref(), v.source)).collect();
        assert_eq!(
            seen,
            [
                ("max.message.bytes", "10", ConfigSource::Topic),
                ("message.max.bytes", "99", ConfigSource::StaticBroker)
            ]
        );
    }
}
