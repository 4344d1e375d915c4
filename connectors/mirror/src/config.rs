//! The configuration table.

use api::config_def::{ConfigDef, ConfigKey, ConfigType, Default, Importance, validators};

pub(crate) const ENABLED: &str = "enabled";
pub(crate) const SOURCE_ALIAS: &str = "source.cluster.alias";
pub(crate) const TARGET_ALIAS: &str = "target.cluster.alias";
pub(crate) const ADMIN_TIMEOUT: &str = "admin.timeout.ms";
pub(crate) const POLICY_CLASS: &str = "replication.policy.class";
pub(crate) const TOPICS: &str = "topics";
pub(crate) const TOPICS_EXCLUDE: &str = "topics.exclude";
pub(crate) const PROPERTIES_EXCLUDE: &str = "config.properties.exclude";
pub(crate) const POLL_TIMEOUT: &str = "consumer.poll.timeout.ms";
pub(crate) const REFRESH: &str = "refresh.topics.enabled";
pub(crate) const REFRESH_INTERVAL: &str = "refresh.topics.interval.seconds";
pub(crate) const SYNC_CONFIGS: &str = "sync.topic.configs.enabled";
pub(crate) const SYNC_CONFIGS_INTERVAL: &str = "sync.topic.configs.interval.seconds";
pub(crate) const SYNC_ACLS: &str = "sync.topic.acls.enabled";
pub(crate) const SYNC_ACLS_INTERVAL: &str = "sync.topic.acls.interval.seconds";
pub(crate) const REPLICATION_FACTOR: &str = "replication.factor";
pub(crate) const OFFSET_SYNCS_REPLICATION_FACTOR: &str = "offset-syncs.topic.replication.factor";
pub(crate) const OFFSET_SYNCS_LOCATION: &str = "offset-syncs.topic.location";
pub(crate) const OFFSET_LAG_MAX: &str = "offset.lag.max";
pub(crate) const EMIT_OFFSET_SYNCS: &str = "emit.offset-syncs.enabled";
pub(crate) const REPLICATE_HEARTBEATS: &str = "heartbeats.replication.enabled";
/// Set per task by the connector.
pub(crate) const TASK_PARTITIONS: &str = "task.assigned.partitions";
/// Set per task by the connector.
pub(crate) const TASK_INDEX: &str = "task.index";

const REFUSED_WITHOUT_SYNCS: &str =
    "MirrorSourceConnector can't setup offset-syncs feature while emit.offset-syncs.enabled set to false";

/// Keys as (name, type, default, importance, what it is), in Java's order.
type Row = (&'static str, ConfigType, Default, Importance, &'static str);

const ROWS: &[Row] = &[
    (
        ENABLED,
        ConfigType::Boolean,
        Default::Value("true"),
        Importance::Low,
        "Whether anything is copied from the source cluster",
    ),
    (SOURCE_ALIAS, ConfigType::String, Default::Required, Importance::High, "The name of the source cluster"),
    (
        TARGET_ALIAS,
        ConfigType::String,
        Default::Value("target"),
        Importance::High,
        "The name of the target cluster",
    ),
    (
        ADMIN_TIMEOUT,
        ConfigType::Long,
        Default::Value("60000"),
        Importance::Low,
        "How long a start waits for each of its tasks, such as finding topics",
    ),
    (
        POLICY_CLASS,
        ConfigType::Class,
        Default::Value("org.apache.kafka.connect.mirror.DefaultReplicationPolicy"),
        Importance::Low,
        "What copied topics are called: after their source (DefaultReplicationPolicy) or as there (IdentityReplicationPolicy)",
    ),
    (
        "replication.policy.separator",
        ConfigType::String,
        Default::Value("."),
        Importance::Low,
        "What stands between the source's alias and the name of a copied topic",
    ),
    (
        "replication.policy.internal.topic.separator.enabled",
        ConfigType::Boolean,
        Default::Value("true"),
        Importance::Low,
        "Whether the separator is used in the names of internal topics too",
    ),
    (
        "forwarding.admin.class",
        ConfigType::Class,
        Default::Value("org.apache.kafka.clients.admin.ForwardingAdmin"),
        Importance::Low,
        "Has no effect: topics are created by the target cluster's own API",
    ),
    (
        "metric.reporters",
        ConfigType::List,
        Default::Value("org.apache.kafka.common.metrics.JmxReporter"),
        Importance::Low,
        "Has no effect: metrics are the worker's",
    ),
    (
        "security.protocol",
        ConfigType::String,
        Default::Value("PLAINTEXT"),
        Importance::Medium,
        "Has no effect: clients have their own under source.cluster. and target.cluster.",
    ),
    (
        TOPICS,
        ConfigType::List,
        Default::Value(".*"),
        Importance::High,
        "Which topics to copy: names and regular expressions",
    ),
    (
        TOPICS_EXCLUDE,
        ConfigType::List,
        Default::Value(".*[\\-\\.]internal, .*\\.replica, __.*"),
        Importance::High,
        "Which topics not to copy: names and regular expressions, which go before those of topics",
    ),
    (
        PROPERTIES_EXCLUDE,
        ConfigType::List,
        Default::Value(
            "follower\\.replication\\.throttled\\.replicas, leader\\.replication\\.throttled\\.replicas, message\\.timestamp\\.difference\\.max\\.ms, message\\.timestamp\\.type, unclean\\.leader\\.election\\.enable, min\\.insync\\.replicas",
        ),
        Importance::High,
        "Which settings of topics not to copy: names and regular expressions",
    ),
    (
        "topic.filter.class",
        ConfigType::Class,
        Default::Value("org.apache.kafka.connect.mirror.DefaultTopicFilter"),
        Importance::Low,
        "Decides which topics to copy; there is DefaultTopicFilter",
    ),
    (
        "config.property.filter.class",
        ConfigType::Class,
        Default::Value("org.apache.kafka.connect.mirror.DefaultConfigPropertyFilter"),
        Importance::Low,
        "Decides which settings of topics to copy; there is DefaultConfigPropertyFilter",
    ),
    (
        POLL_TIMEOUT,
        ConfigType::Long,
        Default::Value("1000"),
        Importance::Low,
        "How long one poll of the source cluster waits, ms",
    ),
    (
        REFRESH,
        ConfigType::Boolean,
        Default::Value("true"),
        Importance::Low,
        "Whether to look for new topics and partitions from time to time",
    ),
    (
        REFRESH_INTERVAL,
        ConfigType::Long,
        Default::Value("600"),
        Importance::Low,
        "How often to look for them, s",
    ),
    (
        SYNC_CONFIGS,
        ConfigType::Boolean,
        Default::Value("true"),
        Importance::Low,
        "Whether to copy changed settings of topics",
    ),
    (
        SYNC_CONFIGS_INTERVAL,
        ConfigType::Long,
        Default::Value("600"),
        Importance::Low,
        "How often to copy them, s",
    ),
    (
        SYNC_ACLS,
        ConfigType::Boolean,
        Default::Value("true"),
        Importance::Low,
        "Whether to copy access control entries of topics",
    ),
    (
        SYNC_ACLS_INTERVAL,
        ConfigType::Long,
        Default::Value("600"),
        Importance::Low,
        "How often to copy them, s",
    ),
    (
        REPLICATION_FACTOR,
        ConfigType::Int,
        Default::Value("2"),
        Importance::Low,
        "Replication factor of new topics on the target",
    ),
    (
        OFFSET_SYNCS_REPLICATION_FACTOR,
        ConfigType::Short,
        Default::Value("3"),
        Importance::Low,
        "Replication factor of the topic of offset syncs",
    ),
    (
        OFFSET_SYNCS_LOCATION,
        ConfigType::String,
        Default::Value("source"),
        Importance::Low,
        "The cluster that has the topic of offset syncs: source or target",
    ),
    (
        OFFSET_LAG_MAX,
        ConfigType::Long,
        Default::Value("100"),
        Importance::Low,
        "By how many records an offset on the target may be beyond the last offset sync",
    ),
    (
        EMIT_OFFSET_SYNCS,
        ConfigType::Boolean,
        Default::Value("true"),
        Importance::Low,
        "Whether to write down which offsets on the target stand for which of the source",
    ),
    (
        REPLICATE_HEARTBEATS,
        ConfigType::Boolean,
        Default::Value("true"),
        Importance::Low,
        "Whether to copy topics of heartbeats, whatever topics says",
    ),
];

pub(crate) fn table() -> ConfigDef {
    ROWS.iter().fold(ConfigDef::default(), |def, (name, kind, default, importance, doc)| {
        let key = ConfigKey::new(name, *kind, *default, *importance, doc);
        def.key(match *name {
            OFFSET_SYNCS_LOCATION => key.checked(|value| validators::one_of(value, &["source", "target"])),
            _ => key,
        })
    })
}

/// Why the properties contradict each other (`MirrorSourceConnector#validate`).
pub(crate) fn contradiction(props: &api::Props) -> Option<&'static str> {
    let is_off = props.get(EMIT_OFFSET_SYNCS).is_some_and(|text| text == "false");
    let is_about_syncs =
        |key: &String| key.starts_with("offset-syncs-") || key.starts_with("offset-syncs.topic.");
    (is_off && props.keys().any(is_about_syncs)).then_some(REFUSED_WITHOUT_SYNCS)
}

#[cfg(test)]
pub(crate) mod tests {
    use api::Props;
    use api::config_def::Config;

    use super::*;

    /// Properties that suffice, and those given.
    pub(crate) fn props(given: &[(&str, &str)]) -> Props {
        let least = [("name", "m"), (SOURCE_ALIAS, "a"), (TARGET_ALIAS, "b")];
        least.iter().chain(given).map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    pub(crate) fn parsed(given: &[(&str, &str)]) -> Config {
        table().parse(&props(given)).unwrap()
    }

    #[test]
    fn syncs_that_are_off_are_not_to_be_set_up() {
        assert_eq!(contradiction(&props(&[("emit.offset-syncs.enabled", "false")])), None);
        assert_eq!(contradiction(&props(&[("offset-syncs.topic.location", "target")])), None);
        let both =
            props(&[("emit.offset-syncs.enabled", "false"), ("offset-syncs.topic.location", "target")]);
        assert_eq!(contradiction(&both), Some(REFUSED_WITHOUT_SYNCS));
    }
}
