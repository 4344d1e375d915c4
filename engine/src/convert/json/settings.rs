//! The converter's settings.

use api::config_def::{
    Config, ConfigDef, ConfigKey, ConfigType, Default, Importance, Placement, Width, validators,
};

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
    let at = |group, order, name| Placement::new(group, order, Width::Medium, name);
    let key = |name, kind, default, importance, doc| ConfigKey::new(name, kind, default, importance, doc);
    ConfigDef::default()
        .key_at(
            at("Schemas", 0, "Enable Schemas"),
            key(
                SCHEMAS_ENABLE,
                ConfigType::Boolean,
                Default::Value("true"),
                Importance::High,
                "Whether each value carries its schema: {\"schema\":...,\"payload\":...}.",
            ),
        )
        .key_at(
            at("Schemas", 1, "Schema Cache Size"),
            key(
                SCHEMAS_CACHE_SIZE,
                ConfigType::Int,
                Default::Value("1000"),
                Importance::High,
                "How many schemas the converter remembers.",
            ),
        )
        .key_at(
            at("Schemas", 2, "Schema Content"),
            key(
                SCHEMA_CONTENT,
                ConfigType::String,
                Default::Null,
                Importance::High,
                "A schema in JSON that all values have; they are then without envelope.",
            ),
        )
        .key_at(
            at("Serialization", 0, "Decimal Format"),
            key(
                DECIMAL_FORMAT,
                ConfigType::String,
                Default::Value("BASE64"),
                Importance::Low,
                "How decimals are written: BASE64 of their bytes, or NUMERIC.",
            )
            .checked(|value| validators::one_of_any_case(value, &["NUMERIC", "BASE64"])),
        )
        .key_at(
            at("Serialization", 1, "Replace null with default"),
            key(
                REPLACE_NULL_WITH_DEFAULT,
                ConfigType::Boolean,
                Default::Value("true"),
                Importance::Low,
                "Whether a null field whose schema has a default value is written as that value.",
            ),
        )
}
