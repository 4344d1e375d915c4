//! What the check of a configuration found, as REST answers show it (`ConfigInfos`).

use api::config_def::{ConfigDef, ConfigKey, ConfigValue, Default, Placement, ValidatedKey, Width};
use serde::Serialize;

/// Every key with what is defined of it and what was found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// `connector.class` as given.
    pub name: String,
    /// As Java counts: messages of the framework's and the connector's keys, but keys of clients and converters.
    pub error_count: usize,
    /// Headings in the order of their first key.
    pub groups: Vec<String>,
    /// In Java's order.
    pub configs: Vec<Entry>,
}

/// One key.
#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    /// `None` for a key that no table has.
    pub definition: Option<Definition>,
    /// What was found.
    pub value: Found,
}

/// What a table says of a key (`ConfigKeyInfo`).
#[derive(Debug, Clone, Serialize)]
pub struct Definition {
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    required: bool,
    default_value: Option<String>,
    importance: &'static str,
    documentation: String,
    group: Option<String>,
    order_in_group: i32,
    width: &'static str,
    display_name: String,
    dependents: Vec<String>,
}

/// What was found of a key (`ConfigValueInfo`).
#[derive(Debug, Clone, Default, Serialize)]
pub struct Found {
    /// With the prefix of its client or converter.
    pub name: String,
    /// Parsed and printed again; secrets are hidden.
    pub value: Option<String>,
    /// What a form may offer.
    pub recommended_values: Vec<String>,
    /// Everything wrong with it.
    pub errors: Vec<String>,
    /// Whether a form shows it.
    pub visible: bool,
}

impl Report {
    /// Every message in order.
    pub fn messages(&self) -> impl Iterator<Item = &str> {
        self.configs.iter().flat_map(|entry| entry.value.errors.iter().map(String::as_str))
    }

    pub(super) fn add_group(&mut self, group: &str) {
        if !self.groups.iter().any(|other| other == group) {
            self.groups.push(group.to_owned());
        }
    }
}

impl Definition {
    /// Of a key of a table.
    pub fn of(def: &ConfigDef, key: &ConfigKey, prefix: &str) -> Definition {
        let placement = def.placement(&key.name);
        let dependents = placement.into_iter().flat_map(|at| &at.dependents);
        Definition {
            name: format!("{prefix}{}", key.name),
            kind: key.kind.name(),
            required: key.default == Default::Required,
            default_value: def.shown_default(&key.name),
            importance: key.importance.name(),
            documentation: key.doc.to_owned(),
            group: placement.map(|at| at.group.to_string()).filter(|group| !group.is_empty()),
            order_in_group: placement.map_or(-1, |at| at.order),
            width: placement.map_or(Width::None, |at| at.width).name(),
            display_name: placement
                .map_or_else(|| key.name.to_string(), |at: &Placement| at.display_name.to_string()),
            dependents: dependents.map(|name| format!("{prefix}{name}")).collect(),
        }
    }

    /// Every key of a table.
    pub fn all(def: &ConfigDef) -> impl Iterator<Item = Definition> {
        def.keys().iter().map(|key| Definition::of(def, key, ""))
    }

    pub(super) fn group(&self) -> Option<&str> {
        self.group.as_deref()
    }

    /// Of a client's property.
    pub(super) fn of_property(prefix: &str, key: &protocol::client::properties::Key) -> Definition {
        use protocol::client::properties::Default as PropertyDefault;
        let default = match key.default {
            PropertyDefault::Value(_) => Some(key.default_value().to_string()),
            PropertyDefault::Null | PropertyDefault::Required => None,
        };
        Definition {
            name: format!("{prefix}{}", key.name),
            kind: property_type(key).name(),
            required: key.default == PropertyDefault::Required,
            default_value: default,
            importance: match key.importance {
                protocol::client::properties::Importance::High => "HIGH",
                protocol::client::properties::Importance::Medium => "MEDIUM",
                protocol::client::properties::Importance::Low => "LOW",
            },
            documentation: key.doc.to_owned(),
            group: None,
            order_in_group: -1,
            width: Width::None.name(),
            display_name: key.name.to_owned(),
            dependents: Vec::new(),
        }
    }
}

/// The same type under the plug-ins' name for it.
pub(super) fn property_type(key: &protocol::client::properties::Key) -> api::config_def::ConfigType {
    use api::config_def::ConfigType;
    use protocol::client::properties::Type;
    match key.kind {
        Type::Boolean => ConfigType::Boolean,
        Type::String => ConfigType::String,
        Type::Short => ConfigType::Short,
        Type::Int => ConfigType::Int,
        Type::Long => ConfigType::Long,
        Type::Double => ConfigType::Double,
        Type::List => ConfigType::List,
        Type::Password => ConfigType::Password,
        Type::Class => ConfigType::Class,
    }
}

impl Found {
    /// As a table found it.
    pub(super) fn of(key: ValidatedKey, prefix: &str) -> Found {
        Found {
            name: format!("{prefix}{}", key.name),
            value: shown(&key.name, &key.value),
            recommended_values: key.recommended,
            errors: key.errors,
            visible: key.visible,
        }
    }

    /// Of a key that no table has.
    pub(super) fn bare(name: String, value: Option<String>, errors: Vec<String>) -> Found {
        Found { name, value, errors, recommended_values: Vec::new(), visible: true }
    }
}

/// A value may be a secret whatever its table says.
fn shown(name: &str, value: &ConfigValue) -> Option<String> {
    let is_secret = super::is_secret(name) && matches!(value, ConfigValue::String(_));
    if is_secret { Some(api::config_def::HIDDEN.to_owned()) } else { value.shown() }
}
