//! The converter's settings.

use api::config_def::{Config, ConfigDef, ConfigKey, ConfigType, Default, Importance, validators};

use super::write::Style;

const SCHEMAS_ENABLE: &str = "schemas.enable";
const SCHEMAS_CACHE_SIZE: &str = "schemas.cache.size";
const SCHEMA_CONTENT: &str = "schema.content";
const DECIMAL_FORMAT: &str = "decimal.format";
const REPLACE_NULL_WITH_DEFAULT: &str = "replace.null.with.default";

/// Parsed settings.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// Whether records come in an envelope with their schema.
    pub(super) has_envelope: bool,
    /// Schemas remembered in each direction.
    pub(super) schemas_max: usize,
    /// A schema for all records in place of an envelope, as JSON; only read.
    pub(super) schema_content: Option<String>,
    /// What affects writing.
    pub(super) style: Style,
}

impl Settings {
    pub(super) fn new(config: &Config) -> Settings {
        Settings {
            has_envelope: config.boolean(SCHEMAS_ENABLE),
            schemas_max: usize::try_from(config.int(SCHEMAS_CACHE_SIZE)).unwrap_or(0),
            schema_content: config
                .string_or_null(SCHEMA_CONTENT)
                .filter(|content| !content.is_empty() && *content != "null")
                .map(str::to_owned),
            style: Style {
                decimal_is_number: config.string(DECIMAL_FORMAT).eq_ignore_ascii_case("NUMERIC"),
                null_is_default: config.boolean(REPLACE_NULL_WITH_DEFAULT),
                depth: 0,
            },
        }
    }
}

pub(super) fn table() -> ConfigDef {
    ConfigDef::default()
        .key(ConfigKey::new(
            SCHEMAS_ENABLE,
            ConfigType::Boolean,
            Default::Value("true"),
            Importance::High,
            "Include schemas within each of the serialized values and keys.",
        ))
        .key(ConfigKey::new(
            SCHEMAS_CACHE_SIZE,
            ConfigType::Int,
            Default::Value("1000"),
            Importance::High,
            "The maximum number of schemas that can be cached in this converter instance.",
        ))
        .key(ConfigKey::new(
            SCHEMA_CONTENT,
            ConfigType::String,
            Default::Null,
            Importance::High,
            "When set, this is used as the schema for all messages, and the messages should not contain an envelope.",
        ))
        .key(
            ConfigKey::new(
                DECIMAL_FORMAT,
                ConfigType::String,
                Default::Value("BASE64"),
                Importance::Low,
                "Controls which format this converter will serialize decimals in: BASE64 or NUMERIC, in any case.",
            )
            .checked(|value| validators::one_of_any_case(value, &["NUMERIC", "BASE64"])),
        )
        .key(ConfigKey::new(
            REPLACE_NULL_WITH_DEFAULT,
            ConfigType::Boolean,
            Default::Value("true"),
            Importance::Low,
            "Whether to replace fields that have a default value and that are null to the default value. When set to \
             true, the default value is used, otherwise null is used.",
        ))
}
