//! The framework's keys of a connector (`ConnectorConfig`, `SinkConnectorConfig`, `SourceConnectorConfig`).

use api::config_def::{
    Check, ConfigDef, ConfigKey, ConfigType, ConfigValue, Default, Importance, ListRule, Placement, Width,
    validators,
};

/// Which version of the connector is meant.
pub(super) const CONNECTOR_VERSION: &str = "connector.plugin.version";

const COMMON: &str = "Common";
const ERRORS: &str = "Error Handling";

/// The keys that every connector of this kind has, in Java's order.
pub(super) fn table(is_source: bool) -> ConfigDef {
    if is_source { source(common()) } else { sink(common()) }
}

struct Row {
    name: &'static str,
    kind: ConfigType,
    default: Default,
    validator: Option<Check>,
    importance: Importance,
    doc: &'static str,
    at: Placement,
}

fn add(def: ConfigDef, row: Row) -> ConfigDef {
    let Row { name, kind, default, validator, importance, doc, at } = row;
    let mut key = ConfigKey::new(name, kind, default, importance, doc);
    key.check = validator;
    def.key_at(at, key)
}

/// The keys that every connector has.
pub(super) fn common() -> ConfigDef {
    use ConfigType::{Boolean, Class, Int, List, Long, String};
    use Default::{Null, Required, Value};
    use Importance::{High, Low, Medium};
    let rows = [
        Row {
            name: "name",
            kind: String,
            default: Required,
            validator: Some(Check::Value(validators::non_empty_without_control_chars)),
            importance: High,
            doc: "Name of the connector, which no other one may have.",
            at: Placement::new(COMMON, 1, Width::Medium, "Connector name"),
        },
        Row {
            name: "connector.class",
            kind: String,
            default: Required,
            validator: None,
            importance: High,
            doc: "Name or alias of the connector's class.",
            at: Placement::new(COMMON, 2, Width::Long, "Connector class"),
        },
        Row {
            name: CONNECTOR_VERSION,
            kind: String,
            default: Null,
            validator: None,
            importance: Medium,
            doc: "Version of the connector's plug-in: one, or a range such as [1.0,2.0).",
            at: Placement::new(COMMON, 3, Width::Medium, "Connector version"),
        },
        Row {
            name: "tasks.max",
            kind: Int,
            default: Value("1"),
            validator: Some(Check::Value(validators::at_least::<1>)),
            importance: High,
            doc: "How many tasks the connector may have at most.",
            at: Placement::new(COMMON, 4, Width::Short, "Tasks max"),
        },
        Row {
            name: "tasks.max.enforce",
            kind: Boolean,
            default: Value("true"),
            validator: None,
            importance: Low,
            doc: "Whether a connector that makes more tasks than tasks.max fails, or only gets a warning.",
            at: Placement::new(COMMON, 5, Width::Short, "Enforce tasks max"),
        },
        Row {
            name: "key.converter",
            kind: Class,
            default: Null,
            validator: None,
            importance: Low,
            doc: "Converter of record keys; null means the worker's.",
            at: Placement::new(COMMON, 6, Width::Short, "Key converter class"),
        },
        Row {
            name: "key.converter.plugin.version",
            kind: String,
            default: Null,
            validator: None,
            importance: Low,
            doc: "Version of the key converter's plug-in.",
            at: Placement::new(COMMON, 7, Width::Short, "Key converter version"),
        },
        Row {
            name: "value.converter",
            kind: Class,
            default: Null,
            validator: None,
            importance: Low,
            doc: "Converter of record values; null means the worker's.",
            at: Placement::new(COMMON, 8, Width::Short, "Value converter class"),
        },
        Row {
            name: "value.converter.plugin.version",
            kind: String,
            default: Null,
            validator: None,
            importance: Low,
            doc: "Version of the value converter's plug-in.",
            at: Placement::new(COMMON, 9, Width::Short, "Value converter version"),
        },
        Row {
            name: "header.converter",
            kind: Class,
            default: Null,
            validator: None,
            importance: Low,
            doc: "Converter of header values; null means the worker's.",
            at: Placement::new(COMMON, 10, Width::Short, "Header converter class"),
        },
        Row {
            name: "header.converter.plugin.version",
            kind: String,
            default: Null,
            validator: None,
            importance: Low,
            doc: "Version of the header converter's plug-in.",
            at: Placement::new(COMMON, 11, Width::Short, "Header converter version"),
        },
        Row {
            name: "transforms",
            kind: List,
            default: Value(""),
            validator: Some(Check::Value(unique_aliases)),
            importance: Low,
            doc: "Names of the transforms that records go through, in this order.",
            at: Placement::new("Transforms", 12, Width::Long, "Transforms"),
        },
        Row {
            name: "predicates",
            kind: List,
            default: Value(""),
            validator: Some(Check::Value(unique_aliases)),
            importance: Low,
            doc: "Names of the predicates that transforms refer to.",
            at: Placement::new("Predicates", 13, Width::Long, "Predicates"),
        },
        Row {
            name: "config.action.reload",
            kind: String,
            default: Value("restart"),
            validator: Some(Check::Value(|value| validators::one_of(value, &["none", "restart"]))),
            importance: Low,
            doc: "What to do when a configuration provider reports a change.",
            at: Placement::new(COMMON, 14, Width::Medium, "Reload Action"),
        },
        Row {
            name: "errors.retry.timeout",
            kind: Long,
            default: Value("0"),
            validator: None,
            importance: Medium,
            doc: "How long a failed operation is tried again, in ms; -1 for ever.",
            at: Placement::new(ERRORS, 1, Width::Medium, "Retry Timeout for Errors"),
        },
        Row {
            name: "errors.retry.delay.max.ms",
            kind: Long,
            default: Value("60000"),
            validator: None,
            importance: Medium,
            doc: "Longest pause between two tries.",
            at: Placement::new(ERRORS, 2, Width::Medium, "Maximum Delay Between Retries for Errors"),
        },
        Row {
            name: "errors.tolerance",
            kind: String,
            default: Value("none"),
            validator: Some(Check::Value(|value| validators::one_of(value, &["none", "all"]))),
            importance: Medium,
            doc: "Whether bad records fail the task or are skipped.",
            at: Placement::new(ERRORS, 3, Width::Short, "Error Tolerance"),
        },
        Row {
            name: "errors.log.enable",
            kind: Boolean,
            default: Value("false"),
            validator: None,
            importance: Medium,
            doc: "Whether errors are logged.",
            at: Placement::new(ERRORS, 4, Width::Short, "Log Errors"),
        },
        Row {
            name: "errors.log.include.messages",
            kind: Boolean,
            default: Value("false"),
            validator: None,
            importance: Medium,
            doc: "Whether the log shows the record as well.",
            at: Placement::new(ERRORS, 5, Width::Short, "Log Error Details"),
        },
    ];
    rows.into_iter().fold(ConfigDef::default(), add)
}

fn sink(def: ConfigDef) -> ConfigDef {
    use ConfigType::{Boolean, List, Short, String};
    use Default::Value;
    use Importance::{High, Medium};
    let rows = [
        Row {
            name: "topics",
            kind: List,
            default: Value(""),
            validator: Some(Check::List(ListRule::ANY)),
            importance: High,
            doc: "Topics to read.",
            at: Placement::new(COMMON, 4, Width::Long, "Topics"),
        },
        Row {
            name: "topics.regex",
            kind: String,
            default: Value(""),
            validator: Some(Check::Value(validators::regex)),
            importance: High,
            doc: "Java regular expression that names of topics to read match as a whole.",
            at: Placement::new(COMMON, 4, Width::Long, "Topics regex"),
        },
        Row {
            name: "errors.deadletterqueue.topic.name",
            kind: String,
            default: Value(""),
            validator: None,
            importance: Medium,
            doc: "Topic for records that could not be handled; empty for none.",
            at: Placement::new(ERRORS, 6, Width::Medium, "Dead Letter Queue Topic Name"),
        },
        Row {
            name: "errors.deadletterqueue.topic.replication.factor",
            kind: Short,
            default: Value("3"),
            validator: None,
            importance: Medium,
            doc: "Replication factor of a dead letter queue topic that is created.",
            at: Placement::new(ERRORS, 7, Width::Medium, "Dead Letter Queue Topic Replication Factor"),
        },
        Row {
            name: "errors.deadletterqueue.context.headers.enable",
            kind: Boolean,
            default: Value("false"),
            validator: None,
            importance: Medium,
            doc: "Whether records there carry headers that say what happened.",
            at: Placement::new(ERRORS, 8, Width::Medium, "Enable Error Context Headers"),
        },
    ];
    rows.into_iter().fold(def, add)
}

fn source(def: ConfigDef) -> ConfigDef {
    use ConfigType::{List, Long, String};
    use Default::{Null, Value};
    use Importance::{Low, Medium};
    let rows = [
        Row {
            name: "topic.creation.groups",
            kind: List,
            default: Value(""),
            validator: Some(Check::Value(unique_aliases)),
            importance: Low,
            doc: "Names of the groups of topics that are made alike; the group default is always there.",
            at: Placement::new("Topic Creation", 1, Width::Long, "Topic Creation Groups"),
        },
        Row {
            name: "exactly.once.support",
            kind: String,
            default: Value("requested"),
            validator: Some(Check::Value(|value| {
                validators::one_of_any_case(value, &["REQUIRED", "REQUESTED"])
            })),
            importance: Medium,
            doc: "Whether exactly-once delivery is required of this connector.",
            at: Placement::new("Exactly Once Support", 2, Width::Short, "Exactly once support"),
        },
        Row {
            name: "transaction.boundary",
            kind: String,
            default: Value("poll"),
            validator: Some(Check::Value(|value| {
                validators::one_of_any_case(value, &["INTERVAL", "POLL", "CONNECTOR"])
            })),
            importance: Medium,
            doc: "When transactions begin and end.",
            at: Placement::new("Exactly Once Support", 3, Width::Short, "Transaction Boundary"),
        },
        Row {
            name: "transaction.boundary.interval.ms",
            kind: Long,
            default: Null,
            validator: Some(Check::Value(null_or_not_negative)),
            importance: Low,
            doc: "Time between commits where transaction.boundary is interval.",
            at: Placement::new("Exactly Once Support", 4, Width::Short, "Transaction boundary interval"),
        },
        Row {
            name: "offsets.storage.topic",
            kind: String,
            default: Null,
            validator: Some(Check::Value(validators::non_empty)),
            importance: Low,
            doc: "A topic for this connector's offsets; has no effect in standalone mode.",
            at: Placement::new("offsets.topic", 1, Width::Long, "Offsets topic"),
        },
    ];
    rows.into_iter().fold(def, add)
}

fn unique_aliases(value: &ConfigValue) -> Result<(), String> {
    validators::non_null(value)?;
    let ConfigValue::List(aliases) = value else { return Ok(()) };
    let is_repeated = |(index, alias): (usize, &String)| aliases[..index].contains(alias);
    if aliases.iter().enumerate().any(is_repeated) {
        Err("Duplicate alias provided.".to_owned())
    } else {
        Ok(())
    }
}

fn null_or_not_negative(value: &ConfigValue) -> Result<(), String> {
    if *value == ConfigValue::Null { Ok(()) } else { validators::at_least::<0>(value) }
}
