//! One key of a configuration table.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::check::{Check, ListRule};
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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

/// Finds the full name of a class that is named by it or by an alias, for keys of type [`ConfigType::Class`].
pub type ClassLookup = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// One key.
#[derive(Clone)]
pub struct ConfigKey {
    /// Key name; made at run time for keys such as `transforms.<alias>.type`.
    pub name: Cow<'static, str>,
    /// Type.
    pub kind: ConfigType,
    /// Default.
    pub default: Default,
    /// Checks beyond the type.
    pub check: Option<Check>,
    /// Which classes there are; without it any name of a class will do.
    pub classes: Option<ClassLookup>,
    /// Importance.
    pub importance: Importance,
    /// Documentation.
    pub doc: &'static str,
    /// What precedes the name because the table was embedded in another one. Checks do not know of it.
    pub(super) prefix_len: usize,
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
        ConfigKey {
            name: Cow::Borrowed(name),
            kind,
            default,
            check: None,
            classes: None,
            importance,
            doc,
            prefix_len: 0,
        }
    }

    /// The same key under a name made at run time.
    #[must_use]
    pub fn named(self, name: impl Into<Cow<'static, str>>) -> ConfigKey {
        ConfigKey { name: name.into(), ..self }
    }

    /// The same key with a check.
    ///
    /// ```
    /// use api::config_def::{ConfigKey, ConfigType, Default, Importance, validators};
    /// const KEY: fn() -> ConfigKey = || {
    ///     ConfigKey::new("n", ConfigType::Int, Default::Value("1"), Importance::Low, "").checked(validators::at_least::<1>)
    /// };
    /// assert!(KEY().check.is_some());
    /// ```
    #[must_use]
    pub fn checked(self, validator: Validator) -> ConfigKey {
        ConfigKey { check: Some(Check::Value(validator)), ..self }
    }

    /// The same key with a check that knows more than the value; a failure is the whole message.
    #[must_use]
    pub fn checked_with(
        self,
        check: impl Fn(&ConfigValue) -> Result<(), String> + Send + Sync + 'static,
    ) -> ConfigKey {
        ConfigKey { check: Some(Check::Closure(Arc::new(check))), ..self }
    }

    /// The same key with a rule about lists.
    #[must_use]
    pub fn listed(self, rule: ListRule) -> ConfigKey {
        ConfigKey { check: Some(Check::List(rule)), ..self }
    }

    /// The same key with the classes that there are.
    #[must_use]
    pub fn of_classes(self, classes: ClassLookup) -> ConfigKey {
        ConfigKey { classes: Some(classes), ..self }
    }

    /// The name that checks know.
    pub(super) fn own_name(&self) -> &str {
        &self.name[self.prefix_len..]
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
