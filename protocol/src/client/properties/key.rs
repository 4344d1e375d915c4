//! One key of a table: what Java says of it, and what we do with it.

use std::fmt;

use super::error::PropertyError;
use super::valid::Valid;
use super::value::Value;

/// One property.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What its text is read as.
    pub kind: Type,
    /// What holds where it is not given.
    pub default: Default,
    /// Which values of the type are allowed.
    pub valid: Valid,
    /// How much Java thinks of it.
    pub importance: Importance,
    /// What we do with it.
    pub effect: Effect,
    /// What it is, in one line.
    pub doc: &'static str,
}

/// `ConfigDef.Type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// `true` or `false` in any case.
    Boolean,
    /// Text, white space around it removed.
    String,
    /// 16 bits.
    Short,
    /// 32 bits.
    Int,
    /// 64 bits.
    Long,
    /// A floating-point number.
    Double,
    /// Texts with commas between them, each once.
    List,
    /// Text that is never shown.
    Password,
    /// The name of a Java class, which nobody loads here.
    Class,
}

/// What a key is where nobody gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Default {
    /// It has to be given.
    Required,
    /// Nothing.
    Null,
    /// This, as it would be written.
    Value(&'static str),
}

/// `ConfigDef.Importance`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Importance {
    /// Nearly everybody sets it.
    High,
    /// Some do.
    Medium,
    /// For special cases.
    Low,
}

/// What we do with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// What Java does.
    Applied,
    /// Checked and left alone without a word: it is about something that is not needed here.
    Needless(&'static str),
    /// Checked; another value than the default has no effect, which a warning says.
    Ignored(&'static str),
    /// Another value than the default is an error.
    Refused(&'static str),
    /// Another value than the default and the first text is an error, for the reason that is the second.
    Only(&'static str, &'static str),
}

/// A key, its parts in the order of the tables.
pub(super) const fn key(
    name: &'static str,
    kind: Type,
    default: Default,
    valid: Valid,
    importance: Importance,
    effect: Effect,
    doc: &'static str,
) -> Key {
    Key { name, kind, default, valid, importance, effect, doc }
}

impl Key {
    pub(super) const fn with_default(self, default: &'static str) -> Self {
        Self { default: Default::Value(default), ..self }
    }

    pub(super) const fn with_importance(self, importance: Importance) -> Self {
        Self { importance, ..self }
    }

    /// Reads and checks `text`.
    ///
    /// # Errors
    /// Not of the key's type, or not valid.
    pub fn parse(&self, text: &str) -> Result<Value, PropertyError> {
        let shown = |text: &str| if self.kind == Type::Password { "[hidden]" } else { text }.to_owned();
        let value = Value::parse(self.kind, text)
            .map_err(|detail| PropertyError::invalid(self.name, shown(text), detail))?;
        self.valid.check(self.name, &value)?;
        Ok(value)
    }

    /// The default, `Null` where there is none or where the key has to be given.
    pub fn default_value(&self) -> Value {
        match self.default {
            Default::Value(text) => {
                // The golden test holds that each default is of its key's type.
                Value::parse(self.kind, text).unwrap_or_else(|detail| panic!("{}: {detail}", self.name))
            }
            Default::Null | Default::Required => Value::Null,
        }
    }

    /// Whether `value` says no more than the default.
    pub(super) fn is_default(&self, value: &Value) -> bool {
        match (value, self.default_value()) {
            (Value::String(value), Value::String(default)) if self.valid.ignores_case() => {
                value.eq_ignore_ascii_case(&default)
            }
            (value, default) => *value == default,
        }
    }
}

impl fmt::Display for Type {
    /// As Java names it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Boolean => "BOOLEAN",
            Self::String => "STRING",
            Self::Short => "SHORT",
            Self::Int => "INT",
            Self::Long => "LONG",
            Self::Double => "DOUBLE",
            Self::List => "LIST",
            Self::Password => "PASSWORD",
            Self::Class => "CLASS",
        })
    }
}

impl fmt::Display for Importance {
    /// As Java names it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::High => "HIGH",
            Self::Medium => "MEDIUM",
            Self::Low => "LOW",
        })
    }
}
