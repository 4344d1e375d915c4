//! One key of a configuration table.

use std::fmt;

use super::config::ConfigValue;

/// Type of a configuration key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigType {
    /// `true` or `false`, any case.
    Boolean,
    /// Text.
    String,
    /// 32-bit integer.
    Int,
    /// 16-bit integer.
    Short,
    /// 64-bit integer.
    Long,
    /// 64-bit floating point number.
    Double,
    /// Comma-separated list.
    List,
    /// A plug-in class name or alias.
    Class,
    /// A secret: never printed.
    Password,
}

impl ConfigType {
    /// The name that REST answers and messages use.
    pub fn name(self) -> &'static str {
        match self {
            ConfigType::Boolean => "BOOLEAN",
            ConfigType::String => "STRING",
            ConfigType::Int => "INT",
            ConfigType::Short => "SHORT",
            ConfigType::Long => "LONG",
            ConfigType::Double => "DOUBLE",
            ConfigType::List => "LIST",
            ConfigType::Class => "CLASS",
            ConfigType::Password => "PASSWORD",
        }
    }
}

/// How much a key matters to the usual user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Importance {
    /// Most users set it.
    High,
    /// Some users set it.
    Medium,
    /// Few users set it.
    Low,
}

impl Importance {
    /// The name that REST answers use.
    pub fn name(self) -> &'static str {
        match self {
            Importance::High => "HIGH",
            Importance::Medium => "MEDIUM",
            Importance::Low => "LOW",
        }
    }
}

/// How much room a form should give the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// Not said.
    None,
    /// A number or a word.
    Short,
    /// A name.
    Medium,
    /// A list or a path.
    Long,
}

impl Width {
    /// The name that REST answers use.
    pub fn name(self) -> &'static str {
        match self {
            Width::None => "NONE",
            Width::Short => "SHORT",
            Width::Medium => "MEDIUM",
            Width::Long => "LONG",
        }
    }
}

/// What a key has when it is not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Default {
    /// Must be given.
    Required,
    /// Null.
    Null,
    /// This text, parsed as if given.
    Value(&'static str),
}

/// Checks a parsed value; the text of a failure follows `Invalid value <v> for configuration <k>: `.
pub type Validator = fn(&ConfigValue) -> Result<(), String>;

/// One key.
#[derive(Clone)]
pub struct ConfigKey {
    /// Key name.
    pub name: &'static str,
    /// Type.
    pub kind: ConfigType,
    /// Default.
    pub default: Default,
    /// Checks beyond the type.
    pub validator: Option<Validator>,
    /// Importance.
    pub importance: Importance,
    /// Documentation.
    pub doc: &'static str,
}

impl ConfigKey {
    /// A key without checks beyond its type.
    pub const fn new(
        name: &'static str,
        kind: ConfigType,
        default: Default,
        importance: Importance,
        doc: &'static str,
    ) -> ConfigKey {
        ConfigKey { name, kind, default, validator: None, importance, doc }
    }

    /// The same key with a check.
    #[must_use]
    pub const fn checked(mut self, validator: Validator) -> ConfigKey {
        self.validator = Some(validator);
        self
    }
}

impl fmt::Debug for ConfigKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigKey")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// Offers values for a key, given every key's name and parsed value.
pub type Recommender = fn(&[(&'static str, ConfigValue)]) -> Vec<String>;

/// Where a form shows a key, and with what. Keys without one stand outside any group, under their own name.
#[derive(Clone, Copy)]
pub struct Placement {
    /// Heading.
    pub group: &'static str,
    /// Position under the heading, from 1.
    pub order: i32,
    /// Room for the value.
    pub width: Width,
    /// Label.
    pub display_name: &'static str,
    /// Keys whose recommendations or visibility depend on this one.
    pub dependents: &'static [&'static str],
    /// Values to offer, given everything parsed so far.
    pub recommended: Option<Recommender>,
}

impl Placement {
    /// A placement without dependents and recommendations.
    pub const fn new(group: &'static str, order: i32, width: Width, display_name: &'static str) -> Placement {
        Placement { group, order, width, display_name, dependents: &[], recommended: None }
    }
}

impl fmt::Debug for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Placement")
            .field("group", &self.group)
            .field("order", &self.order)
            .finish_non_exhaustive()
    }
}
