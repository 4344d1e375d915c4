//! The configuration tables of the file connectors (Java: `FileStreamSourceConnector`, `FileStreamSinkConnector`).

use api::config_def::{ConfigDef, ConfigKey, ConfigType, Default, Importance, validators};

pub(crate) const FILE: &str = "file";
pub(crate) const TOPIC: &str = "topic";
pub(crate) const BATCH_SIZE: &str = "batch.size";

/// Records per poll unless configured otherwise.
const BATCH_SIZE_DEFAULT: &str = "2000";

pub(crate) fn source() -> ConfigDef {
    ConfigDef::default()
        .key(ConfigKey::new(
            FILE,
            ConfigType::String,
            Default::Null,
            Importance::High,
            "Source filename. If not specified, the standard input will be used",
        ))
        .key(
            ConfigKey::new(
                TOPIC,
                ConfigType::String,
                Default::Required,
                Importance::High,
                "The topic to publish data to",
            )
            .checked(validators::non_empty),
        )
        .key(ConfigKey::new(
            BATCH_SIZE,
            ConfigType::Int,
            Default::Value(BATCH_SIZE_DEFAULT),
            Importance::Low,
            "The maximum number of records the source task can read from the file each time it is polled",
        ))
}

pub(crate) fn sink() -> ConfigDef {
    ConfigDef::default().key(ConfigKey::new(
        FILE,
        ConfigType::String,
        Default::Null,
        Importance::High,
        "Destination filename. If not specified, the standard output will be used",
    ))
}
