//! The configuration table.

use api::config_def::{ConfigDef, ConfigKey, ConfigType, Default, Importance, validators};

pub(crate) const TOPIC: &str = "topic";
pub(crate) const FORMAT: &str = "format";
pub(crate) const RECORD_BYTES: &str = "record.bytes";
pub(crate) const RATE: &str = "rate";
pub(crate) const RECORDS: &str = "records";
pub(crate) const BATCH_SIZE: &str = "batch.size";
/// Set per task by the connector.
pub(crate) const TASK_ID: &str = "task.id";

pub(crate) fn table() -> ConfigDef {
    ConfigDef::default()
        .key(
            ConfigKey::new(
                TOPIC,
                ConfigType::String,
                Default::Required,
                Importance::High,
                "The topic to produce to",
            )
            .checked(validators::non_empty),
        )
        .key(
            ConfigKey::new(
                FORMAT,
                ConfigType::String,
                Default::Value("text"),
                Importance::High,
                "What records are: text (a numbered line) or struct (fields with a schema)",
            )
            .checked(|value| validators::one_of(value, &["text", "struct"])),
        )
        .key(
            ConfigKey::new(
                RECORD_BYTES,
                ConfigType::Int,
                Default::Value("100"),
                Importance::Medium,
                "Bytes of each text record",
            )
            .checked(validators::between::<21, { 10 << 20 }>),
        )
        .key(ConfigKey::new(
            RATE,
            ConfigType::Long,
            Default::Value("1000"),
            Importance::High,
            "Records per second and task; negative for as many as the pipeline takes",
        ))
        .key(ConfigKey::new(
            RECORDS,
            ConfigType::Long,
            Default::Value("-1"),
            Importance::Medium,
            "Records per task after which it idles; negative for no end",
        ))
        .key(
            ConfigKey::new(
                BATCH_SIZE,
                ConfigType::Int,
                Default::Value("2000"),
                Importance::Low,
                "The most records handed over at a time",
            )
            .checked(validators::between::<1, 1_000_000>),
        )
        .key(ConfigKey::new(
            TASK_ID,
            ConfigType::Int,
            Default::Value("0"),
            Importance::Low,
            "Number of the task; set by the connector",
        ))
}
