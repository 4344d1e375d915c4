//! The table itself: definition, parsing, validation.

use std::borrow::Cow;

use indexmap::IndexMap;

use super::config::{Config, ConfigValue};
use super::key::{ConfigKey, Default, Importance};
use super::parse;
use super::placement::Placement;
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
    pub name: Cow<'static, str>,
    /// The parsed value or default; [`ConfigValue::Null`] where it is missing or wrong.
    pub value: ConfigValue,
    /// Values that a form may offer.
    pub recommended: Vec<String>,
    /// Everything wrong with it, in Java's words.
    pub errors: Vec<String>,
    /// Whether a form shows it.
    pub visible: bool,
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

    /// The same table with the keys of another one under a prefix and a heading, as Java's `ConfigDef#embed`: their order counts on
    /// from `order`. A key whose name is taken is left out.
    #[must_use]
    pub fn embed(mut self, prefix: &str, group: &str, order: i32, other: ConfigDef) -> ConfigDef {
        let groups: Vec<String> = other.groups().into_iter().map(str::to_owned).collect();
        let mut keys: Vec<_> = other.keys.into_iter().zip(other.placements).collect();
        keys.sort_by(|a, b| form_order(a, &groups).cmp(&form_order(b, &groups)));
        for ((mut key, placement), order) in keys.into_iter().zip(order..) {
            let name = format!("{prefix}{}", key.name);
            if self.find(&name).is_some() {
                continue;
            }
            let mut placement =
                placement.unwrap_or_else(|| Placement::under("", 0, super::Width::None, key.name.clone()));
            placement.group = if placement.group.is_empty() {
                group.to_owned().into()
            } else {
                format!("{group}: {}", placement.group).into()
            };
            placement.order = order;
            for dependent in &mut placement.dependents {
                *dependent = format!("{prefix}{dependent}").into();
            }
            key.prefix_len += prefix.len();
            key.name = name.into();
            self.keys.push(key);
            self.placements.push(Some(placement));
        }
        self
    }

    /// The same table with the keys of another one as they are. A key whose name is taken is left out.
    #[must_use]
    pub fn and(mut self, other: ConfigDef) -> ConfigDef {
        for (key, placement) in other.keys.into_iter().zip(other.placements) {
            if self.find(&key.name).is_none() {
                self.keys.push(key);
                self.placements.push(placement);
            }
        }
        self
    }

    /// The same table with each key and its placement changed.
    #[must_use]
    pub fn map_keys(
        self,
        mut change: impl FnMut(ConfigKey, Option<Placement>) -> (ConfigKey, Option<Placement>),
    ) -> ConfigDef {
        let changed =
            self.keys.into_iter().zip(self.placements).map(|(key, placement)| change(key, placement));
        let (keys, placements) = changed.unzip();
        ConfigDef { keys, placements }
    }

    /// The keys in definition order.
    pub fn keys(&self) -> &[ConfigKey] {
        &self.keys
    }

    /// The key of that name.
    pub fn find(&self, name: &str) -> Option<&ConfigKey> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// Where a form shows a key.
    pub fn placement(&self, name: &str) -> Option<&Placement> {
        let index = self.keys.iter().position(|key| key.name == name)?;
        self.placements[index].as_ref()
    }

    /// What a key has when it is not given, as REST answers show it.
    pub fn shown_default(&self, name: &str) -> Option<String> {
        self.find(name).and_then(|key| default_of(key).shown())
    }

    /// Group headings in the order of their first key.
    pub fn groups(&self) -> Vec<&str> {
        let mut groups: Vec<&str> = Vec::new();
        for placement in self.placements.iter().flatten() {
            if !groups.contains(&placement.group.as_ref()) {
                groups.push(&placement.group);
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
            let value = match props.get(key.name.as_ref()) {
                Some(text) => parse::parse(key, text).map_err(Error::config)?,
                None if key.default == Default::Required => return Err(Error::config(parse::missing(key))),
                None => default_of(key),
            };
            let value = key.without_repetition(value);
            key.check(&value).map_err(Error::config)?;
            Ok((key.name.clone(), value))
        });
        Ok(Config::new(props.clone(), values.collect::<Result<_>>()?))
    }

    /// Parses and checks every key and reports all errors: one key may have several, as in Java (a number that is none is
    /// also not within its range).
    pub fn validate(&self, props: &Props) -> Vec<ValidatedKey> {
        self.validate_given(|name| props.get(name).map(|text| Some(text.as_str())))
    }

    /// The same where values may be null: a null is given, so that neither the default nor the error about a missing key is for it.
    pub fn validate_nullable(&self, props: &IndexMap<String, Option<String>>) -> Vec<ValidatedKey> {
        self.validate_given(|name| props.get(name).map(Option::as_deref))
    }

    fn validate_given<'a>(&self, given: impl Fn(&str) -> Option<Option<&'a str>>) -> Vec<ValidatedKey> {
        let mut found = Vec::with_capacity(self.keys.len());
        for key in &self.keys {
            let mut errors = Vec::new();
            let value = match given(&key.name) {
                Some(None) => ConfigValue::Null,
                Some(Some(text)) => parse::parse(key, text).unwrap_or_else(|message| {
                    errors.push(message);
                    ConfigValue::Null
                }),
                None if key.default == Default::Required => {
                    errors.push(parse::missing(key));
                    ConfigValue::Null
                }
                None => default_of(key),
            };
            errors.extend(key.check(&value).err());
            found.push(ValidatedKey {
                name: key.name.clone(),
                value,
                recommended: Vec::new(),
                errors,
                visible: true,
            });
        }
        let values: Vec<_> = found.iter().map(|key| (key.name.clone(), key.value.clone())).collect();
        for (key, placement) in found.iter_mut().zip(&self.placements) {
            let Some(placement) = placement else { continue };
            if let Some(recommended) = &placement.recommended {
                key.recommended = recommended(&values);
            }
            if let Some(visible) = &placement.visible {
                key.visible = visible(&values);
            }
        }
        found
    }

    fn push(mut self, key: ConfigKey, placement: Option<Placement>) -> ConfigDef {
        assert!(self.find(&key.name).is_none(), "key {} is defined twice", key.name);
        self.keys.push(key);
        self.placements.push(placement);
        self
    }
}

/// Where a form shows a key (`ConfigDef#sortedConfigs`): groups in their order, then keys that must be given, then the important ones.
fn form_order<'a>(
    (key, placement): &'a (ConfigKey, Option<Placement>),
    groups: &[String],
) -> (Option<usize>, i32, bool, Importance, &'a str) {
    let group = placement.as_ref().and_then(|placement| groups.iter().position(|it| *it == placement.group));
    let order = placement.as_ref().map_or(-1, |placement| placement.order);
    (group, order, key.default != Default::Required, key.importance, &key.name)
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
