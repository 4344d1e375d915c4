//! A table of keys, and a map of texts read by it.

use std::collections::BTreeMap;

use super::error::PropertyError;
use super::key::{Default, Effect, Key};
use super::value::Value;
use crate::net::Secret;

/// All keys of one client, in Java's order of definition.
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// `producer`, `consumer` or `admin`.
    pub client: &'static str,
    parts: &'static [&'static [Key]],
}

/// Properties that were read by a table.
///
/// Asking it for a key that the table lacks, or for another type than the table says, is a bug of ours and panics.
pub(super) struct Parsed {
    given: BTreeMap<String, Secret>,
    values: Vec<(&'static str, Value)>,
    /// What whoever gave the properties should know.
    pub(super) warnings: Vec<String>,
    /// Given keys that no table has.
    unknown: Vec<String>,
}

impl Table {
    pub(super) const fn new(client: &'static str, parts: &'static [&'static [Key]]) -> Self {
        Self { client, parts }
    }

    /// Its keys in order.
    pub fn keys(&self) -> impl Iterator<Item = &'static Key> {
        self.parts.iter().flat_map(|part| part.iter())
    }

    /// The key of that name.
    pub fn find(&self, name: &str) -> Option<&'static Key> {
        self.keys().find(|key| key.name == name)
    }

    /// Checks the given properties each by itself, whatever else has to be given: what overrides others need not be complete.
    ///
    /// # Errors
    /// The first one that is wrong or refused, in the table's order.
    pub fn check(
        &self,
        props: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<str>)>,
    ) -> Result<(), PropertyError> {
        let given = collect(props);
        for key in self.keys() {
            if let Some(text) = given.get(key.name) {
                refuse(key, &key.parse(text.expose())?)?;
            }
        }
        Ok(())
    }

    pub(super) fn parse(
        &self,
        props: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<str>)>,
    ) -> Result<Parsed, PropertyError> {
        let given = collect(props);
        let mut values = Vec::new();
        for key in self.keys() {
            let value = match given.get(key.name) {
                Some(text) => key.parse(text.expose())?,
                // What turns records into bytes is not the client's business here.
                None if key.default == Default::Required && !matches!(key.effect, Effect::Needless(_)) => {
                    return Err(PropertyError::new(format!(
                        "Missing required configuration \"{}\" which has no default value.",
                        key.name
                    )));
                }
                None => key.default_value(),
            };
            values.push((key.name, value));
        }
        let mut warnings = Vec::new();
        for (key, (_, value)) in self.keys().zip(&values).filter(|(key, _)| given.contains_key(key.name)) {
            refuse(key, value)?;
            if let Effect::Ignored(why) = key.effect
                && !key.is_default(value)
            {
                warnings.push(no_effect(key.name, why));
            }
        }
        let unknown = given.keys().filter(|name| self.find(name).is_none()).cloned().collect();
        Ok(Parsed { given, values, warnings, unknown })
    }
}

/// The warning about a setting that nothing comes of.
pub(super) fn no_effect(setting: &str, why: &str) -> String {
    format!("{setting} has no effect here: {why}")
}

fn collect(props: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<str>)>) -> BTreeMap<String, Secret> {
    // Any of them may be a secret, also one under a name that no table has.
    props.into_iter().map(|(key, text)| (key.as_ref().to_owned(), Secret::new(text.as_ref()))).collect()
}

fn refuse(key: &Key, value: &Value) -> Result<(), PropertyError> {
    match key.effect {
        Effect::Refused(why) if !key.is_default(value) => {
            Err(PropertyError::invalid(key.name, value, format_args!("Not supported: {why}")))
        }
        Effect::Only(allowed, why) if !key.is_default(value) && key.parse(allowed)? != *value => {
            Err(PropertyError::invalid(key.name, value, format_args!("Not supported: {why}; use {allowed}")))
        }
        _ => Ok(()),
    }
}

impl Parsed {
    /// The text of a key, if it was given.
    pub(super) fn given(&self, name: &str) -> Option<&str> {
        self.given.get(name).map(Secret::expose)
    }

    pub(super) fn is_given(&self, name: &str) -> bool {
        self.given.contains_key(name)
    }

    /// Everything that is to be said, what is unknown at the end as in Java.
    pub(super) fn into_warnings(mut self) -> Vec<String> {
        if !self.unknown.is_empty() {
            self.warnings.push(format!(
                "These configurations '[{}]' were supplied but are not used yet.",
                self.unknown.join(", ")
            ));
        }
        self.warnings
    }

    pub(super) fn value(&self, name: &str) -> &Value {
        match self.values.iter().find(|(key, _)| *key == name) {
            Some((_, value)) => value,
            None => panic!("{name} is not in the table"),
        }
    }

    pub(super) fn boolean(&self, name: &str) -> bool {
        match self.value(name) {
            Value::Boolean(value) => *value,
            other => wrong_type(name, other),
        }
    }

    pub(super) fn integer(&self, name: &str) -> i64 {
        match self.value(name) {
            Value::Integer(value) => *value,
            other => wrong_type(name, other),
        }
    }

    /// A 32-bit integer: the table's type keeps it in range.
    pub(super) fn int(&self, name: &str) -> i32 {
        i32::try_from(self.integer(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// A time or a size; where Java allows a negative one, it means none.
    pub(super) fn count(&self, name: &str) -> u64 {
        self.integer(name).max(0).unsigned_abs()
    }

    pub(super) fn size(&self, name: &str) -> usize {
        usize::try_from(self.count(name)).unwrap_or(usize::MAX)
    }

    /// Text; None where it is null.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        match self.value(name) {
            Value::Null => None,
            Value::String(value) => Some(value),
            other => wrong_type(name, other),
        }
    }

    pub(super) fn list(&self, name: &str) -> &[String] {
        match self.value(name) {
            Value::List(entries) => entries,
            other => wrong_type(name, other),
        }
    }
}

fn wrong_type(name: &str, value: &Value) -> ! {
    panic!("{name} is not of the type that was asked for: {value:?}")
}
