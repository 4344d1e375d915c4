//! The table itself: definition, parsing, validation.

use super::config::{Config, ConfigValue};
use super::key::{ConfigKey, Default, Placement};
use super::parse;
use crate::connector::Props;
use crate::error::{Error, Result};

/// A table of keys.
#[derive(Debug, Clone, std::default::Default)]
pub struct ConfigDef {
    keys: Vec<ConfigKey>,
    /// One per key.
    placements: Vec<Option<Placement>>,
}

/// One key of a table as [`ConfigDef::validate`] found it.
#[derive(Debug, Clone, PartialEq)]
pub struct ValidatedKey {
    /// Key name.
    pub name: &'static str,
    /// The parsed value or default; [`ConfigValue::Null`] where it is missing or wrong.
    pub value: ConfigValue,
    /// Values that a form may offer.
    pub recommended: Vec<String>,
    /// Everything wrong with it, in Java's words.
    pub errors: Vec<String>,
}

impl ConfigDef {
    /// The same table with one more key.
    ///
    /// # Panics
    /// When the table has a key of that name already.
    #[must_use]
    pub fn key(self, key: ConfigKey) -> ConfigDef {
        self.push(key, None)
    }

    /// The same table with one more key that a form shows at a certain place.
    ///
    /// # Panics
    /// When the table has a key of that name already.
    #[must_use]
    pub fn key_at(self, placement: Placement, key: ConfigKey) -> ConfigDef {
        self.push(key, Some(placement))
    }

    /// The keys in definition order.
    pub fn keys(&self) -> &[ConfigKey] {
        &self.keys
    }

    /// Where a form shows a key.
    pub fn placement(&self, name: &str) -> Option<&Placement> {
        let index = self.keys.iter().position(|key| key.name == name)?;
        self.placements[index].as_ref()
    }

    /// Group headings in the order of their first key.
    pub fn groups(&self) -> Vec<&'static str> {
        let mut groups = Vec::new();
        for placement in self.placements.iter().flatten() {
            if !groups.contains(&placement.group) {
                groups.push(placement.group);
            }
        }
        groups
    }

    /// Parses and checks properties; unknown keys are kept as originals.
    ///
    /// # Errors
    /// The first key that is missing or wrong, with Java's message.
    pub fn parse(&self, props: &Props) -> Result<Config> {
        let values = self.keys.iter().map(|key| {
            let value = match props.get(key.name) {
                Some(text) => parse::parse(key, text).map_err(Error::config)?,
                None if key.default == Default::Required => return Err(Error::config(parse::missing(key))),
                None => default_of(key),
            };
            check(key, &value).map_err(Error::config)?;
            Ok((key.name, value))
        });
        Ok(Config::new(props.clone(), values.collect::<Result<_>>()?))
    }

    /// Parses and checks every key and reports all errors: one key may have several, as in Java (a number that is none is
    /// also not within its range).
    pub fn validate(&self, props: &Props) -> Vec<ValidatedKey> {
        let mut found = Vec::with_capacity(self.keys.len());
        for key in &self.keys {
            let mut errors = Vec::new();
            let value = match props.get(key.name) {
                Some(text) => parse::parse(key, text).unwrap_or_else(|message| {
                    errors.push(message);
                    ConfigValue::Null
                }),
                None if key.default == Default::Required => {
                    errors.push(parse::missing(key));
                    ConfigValue::Null
                }
                None => default_of(key),
            };
            errors.extend(check(key, &value).err());
            found.push(ValidatedKey { name: key.name, value, recommended: Vec::new(), errors });
        }
        let values: Vec<_> = found.iter().map(|key| (key.name, key.value.clone())).collect();
        for (key, placement) in found.iter_mut().zip(&self.placements) {
            if let Some(recommended) = placement.and_then(|placement| placement.recommended) {
                key.recommended = recommended(&values);
            }
        }
        found
    }

    fn push(mut self, key: ConfigKey, placement: Option<Placement>) -> ConfigDef {
        assert!(self.keys.iter().all(|other| other.name != key.name), "key {} is defined twice", key.name);
        self.keys.push(key);
        self.placements.push(placement);
        self
    }
}

/// The default, parsed: a default that its own type refuses is a bug of the table.
fn default_of(key: &ConfigKey) -> ConfigValue {
    match key.default {
        Default::Value(text) => {
            parse::parse(key, text).unwrap_or_else(|message| panic!("default: {message}"))
        }
        Default::Null | Default::Required => ConfigValue::Null,
    }
}

fn check(key: &ConfigKey, value: &ConfigValue) -> std::result::Result<(), String> {
    match key.validator {
        Some(validator) => {
            validator(value).map_err(|detail| parse::invalid(key, &value.to_string(), &detail))
        }
        None => Ok(()),
    }
}
