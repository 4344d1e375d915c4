//! Configuration tables of plug-ins (Java: `ConfigDef`): the one source of validation, REST answers and documentation.

use std::fmt;

use crate::connector::Props;
use crate::error::{Error, Result};

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
pub type Validator = fn(&ConfigValue) -> std::result::Result<(), String>;

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

impl fmt::Debug for ConfigKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigKey").field("name", &self.name).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// A parsed value.
#[derive(Debug, Clone, PartialEq)]
pub enum ConfigValue {
    /// No value and no default.
    Null,
    /// A boolean.
    Boolean(bool),
    /// Text, class names included.
    String(String),
    /// Any of the integer types.
    Long(i64),
    /// A number.
    Double(f64),
    /// A list.
    List(Vec<String>),
}

/// A table of keys.
#[derive(Debug, Clone, std::default::Default)]
pub struct ConfigDef {
    keys: Vec<ConfigKey>,
}

/// Parsed properties of a plug-in: typed access by key. Asking for a key that the table lacks is a bug and panics.
#[derive(Debug, Clone)]
pub struct Config {
    originals: Props,
    values: Vec<(&'static str, ConfigValue)>,
}

impl ConfigDef {
    /// The same table with one more key.
    #[must_use]
    pub fn key(mut self, key: ConfigKey) -> ConfigDef {
        self.keys.push(key);
        self
    }

    /// The keys in definition order.
    pub fn keys(&self) -> &[ConfigKey] {
        &self.keys
    }

    /// Parses and checks properties; unknown keys are kept as originals.
    ///
    /// # Errors
    /// The first key that is missing or wrong, with Java's message.
    pub fn parse(&self, props: &Props) -> Result<Config> {
        let _ = props;
        Err(Error::config("to be written by the worker helper"))
    }
}

impl Config {
    /// The properties as given.
    pub fn originals(&self) -> &Props {
        &self.originals
    }

    /// The parsed value of a key.
    pub fn get(&self, name: &str) -> &ConfigValue {
        match self.values.iter().find(|(key, _)| *key == name) {
            Some((_, value)) => value,
            None => panic!("configuration key {name} is not in the table"),
        }
    }
}
