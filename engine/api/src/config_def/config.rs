//! Parsed properties.

use std::borrow::Cow;
use std::fmt;

use super::secret::{HIDDEN, Secret};
use crate::connector::Props;
use crate::java_text;

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
    /// A secret.
    Password(Secret),
}

impl fmt::Display for ConfigValue {
    /// As Java prints the value within a message (`String.valueOf`).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigValue::Null => f.write_str("null"),
            ConfigValue::Boolean(value) => write!(f, "{value}"),
            ConfigValue::String(value) => f.write_str(value),
            ConfigValue::Long(value) => write!(f, "{value}"),
            ConfigValue::Double(value) => {
                let mut text = Vec::new();
                java_text::write_float64(&mut text, *value);
                f.write_str(&String::from_utf8_lossy(&text))
            }
            ConfigValue::List(items) => write!(f, "[{}]", items.join(", ")),
            ConfigValue::Password(_) => f.write_str(HIDDEN),
        }
    }
}

impl ConfigValue {
    /// As REST answers show it: lists joined with commas, secrets hidden, `None` for null.
    pub fn shown(&self) -> Option<String> {
        match self {
            ConfigValue::Null => None,
            ConfigValue::List(items) => Some(items.join(",")),
            other => Some(other.to_string()),
        }
    }
}

/// Parsed properties of a plug-in: typed access by key.
///
/// # Panics
/// Asking for a key that the table lacks, or for another type than the table says, is a bug of the plug-in and panics.
#[derive(Clone)]
pub struct Config {
    originals: Props,
    values: Vec<(Cow<'static, str>, ConfigValue)>,
}

impl fmt::Debug for Config {
    /// Names only: originals may hold secrets under keys that no table declares.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("keys", &self.originals.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl Config {
    pub(super) fn new(originals: Props, values: Vec<(Cow<'static, str>, ConfigValue)>) -> Config {
        Config { originals, values }
    }

    /// The properties as given.
    pub fn originals(&self) -> &Props {
        &self.originals
    }

    /// The properties whose keys begin with `prefix`, the prefix taken off.
    pub fn with_prefix(&self, prefix: &str) -> Props {
        let stripped = self.originals.iter().filter_map(|(key, value)| {
            let rest = key.strip_prefix(prefix).filter(|rest| !rest.is_empty())?;
            Some((rest.to_owned(), value.clone()))
        });
        stripped.collect()
    }

    /// The parsed value of a key.
    pub fn get(&self, name: &str) -> &ConfigValue {
        match self.values.iter().find(|(key, _)| *key == name) {
            Some((_, value)) => value,
            None => panic!("configuration key {name} is not in the table"),
        }
    }

    /// Text that is there: the key is required or has a default.
    pub fn string(&self, name: &str) -> &str {
        self.string_or_null(name).unwrap_or_else(|| panic!("configuration key {name} is null"))
    }

    /// Text, or `None` where the key is not given.
    pub fn string_or_null(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            ConfigValue::Null => None,
            ConfigValue::String(value) => Some(value),
            other => wrong_type(name, "text", other),
        }
    }

    /// A boolean.
    pub fn boolean(&self, name: &str) -> bool {
        match self.get(name) {
            ConfigValue::Boolean(value) => *value,
            other => wrong_type(name, "a boolean", other),
        }
    }

    /// An integer of any width that is there.
    pub fn long(&self, name: &str) -> i64 {
        self.long_or_null(name).unwrap_or_else(|| panic!("configuration key {name} is null"))
    }

    /// An integer of any width, or `None` where the key is not given.
    pub fn long_or_null(&self, name: &str) -> Option<i64> {
        match self.get(name) {
            ConfigValue::Null => None,
            ConfigValue::Long(value) => Some(*value),
            other => wrong_type(name, "an integer", other),
        }
    }

    /// A 32-bit integer: the table's type keeps it in range.
    pub fn int(&self, name: &str) -> i32 {
        i32::try_from(self.long(name)).unwrap_or_else(|error| panic!("configuration key {name}: {error}"))
    }

    /// A number.
    pub fn double(&self, name: &str) -> f64 {
        match self.get(name) {
            ConfigValue::Double(value) => *value,
            other => wrong_type(name, "a number", other),
        }
    }

    /// A list; empty where the key is null.
    pub fn list(&self, name: &str) -> &[String] {
        match self.get(name) {
            ConfigValue::Null => &[],
            ConfigValue::List(items) => items,
            other => wrong_type(name, "a list", other),
        }
    }

    /// A secret, or `None` where the key is not given.
    pub fn password(&self, name: &str) -> Option<&Secret> {
        match self.get(name) {
            ConfigValue::Null => None,
            ConfigValue::Password(secret) => Some(secret),
            other => wrong_type(name, "a password", other),
        }
    }
}

fn wrong_type(name: &str, asked: &str, value: &ConfigValue) -> ! {
    panic!("configuration key {name} was asked for as {asked}, the table gives {value:?}")
}
