//! Which values are allowed: Java's validators, with their words.

use std::fmt;

use super::error::PropertyError;
use super::value::{Value, java_double};
use crate::client::consumer::OffsetReset;

/// Which values of its type a key may have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Valid {
    /// All.
    Any,
    /// Numbers from this one on.
    AtLeast(i64),
    /// Numbers from the first to the second.
    Between(i64, i64),
    /// Numbers from the first to the second.
    BetweenDoubles(f64, f64),
    /// These texts.
    OneOf(&'static [&'static str]),
    /// These texts in any case; in the order in which Java prints them.
    AnyCase(&'static [&'static str]),
    /// Text that is not empty.
    NonEmpty,
    /// Lists without empty entries.
    List,
    /// Lists without empty entries that have at least one.
    NonEmptyList,
    /// The levels of gzip.
    GzipLevel,
    /// `auto.offset.reset`.
    OffsetReset,
    /// One of two modes of share groups; whether in any case.
    ShareMode([&'static str; 2], bool),
}

impl Valid {
    pub(super) fn check(self, key: &str, value: &Value) -> Result<(), PropertyError> {
        let invalid = |detail: String| Err(PropertyError::invalid(key, value, detail));
        match (self, value) {
            (Self::AtLeast(min) | Self::Between(min, _), Value::Integer(number)) if *number < min => {
                invalid(format!("Value must be at least {min}"))
            }
            (Self::Between(_, max), Value::Integer(number)) if *number > max => {
                invalid(format!("Value must be no more than {max}"))
            }
            (Self::BetweenDoubles(min, _), Value::Double(number)) if *number < min => {
                invalid(format!("Value must be at least {}", java_double(min)))
            }
            (Self::BetweenDoubles(_, max), Value::Double(number)) if *number > max => {
                invalid(format!("Value must be no more than {}", java_double(max)))
            }
            (Self::OneOf(texts), Value::String(text)) if !texts.contains(&text.as_str()) => {
                invalid(format!("String must be one of: {}", texts.join(", ")))
            }
            (Self::AnyCase(texts), Value::String(text)) if !is_any_case(texts, text) => {
                invalid(format!("String must be one of (case insensitive): {}", texts.join(", ")))
            }
            (Self::NonEmpty, Value::String(text)) if text.is_empty() => {
                invalid("String must be non-empty".to_owned())
            }
            (Self::NonEmptyList, Value::List(entries)) if entries.is_empty() => Err(PropertyError::new(
                format!("Configuration '{key}' must not be empty. Valid values include: any non-empty value"),
            )),
            (Self::List | Self::NonEmptyList, Value::List(entries))
                if entries.iter().any(String::is_empty) =>
            {
                Err(PropertyError::new(format!("Configuration '{key}' values must not be empty.")))
            }
            (Self::GzipLevel, Value::Integer(level)) if *level != -1 && !(1..=9).contains(level) => {
                invalid("Value must be between 1 and 9 or equal to -1".to_owned())
            }
            // Java names key and value twice in these.
            (Self::OffsetReset, Value::String(text)) if text.parse::<OffsetReset>().is_err() => {
                invalid(format!(
                    "Invalid value `{text}` for configuration {key}. The value must be either 'earliest', 'latest', \
                     'none' or of the format 'by_duration:<PnDTnHnMn.nS.>'."
                ))
            }
            (Self::ShareMode(modes, ignores_case), Value::String(text))
                if !(modes.contains(&text.as_str()) || ignores_case && is_any_case(&modes, text)) =>
            {
                invalid(format!(
                    "Invalid value `{text}` for configuration {key}. The value must either be '{}' or '{}'.",
                    modes[0], modes[1]
                ))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn ignores_case(self) -> bool {
        matches!(self, Self::AnyCase(_) | Self::ShareMode(_, true))
    }
}

fn is_any_case(texts: &[&str], text: &str) -> bool {
    texts.iter().any(|other| text.eq_ignore_ascii_case(other))
}

impl fmt::Display for Valid {
    /// As Java describes it in its documentation and in REST answers; nothing for what has no limits, and for lists.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any | Self::List | Self::NonEmptyList => Ok(()),
            Self::AtLeast(min) => write!(f, "[{min},...]"),
            Self::Between(min, max) => write!(f, "[{min},...,{max}]"),
            Self::BetweenDoubles(min, max) => write!(f, "[{},...,{}]", java_double(*min), java_double(*max)),
            Self::OneOf(texts) => write!(f, "[{}]", texts.join(", ")),
            Self::AnyCase(texts) => write!(f, "(case insensitive) [{}]", texts.join(", ")),
            Self::NonEmpty => f.write_str("non-empty string"),
            Self::GzipLevel => f.write_str("[1,...,9] or -1"),
            Self::OffsetReset => f.write_str("[latest, earliest, none, by_duration:PnDTnHnMn.nS]"),
            Self::ShareMode(modes, _) => write!(f, "[{}]", modes.join(", ")),
        }
    }
}
