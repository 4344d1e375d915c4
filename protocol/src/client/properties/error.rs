//! What is wrong with a property, in Java's words: `ConfigException`.

use std::fmt;

/// A property that is missing, wrong, contradicts another one, or asks for what we do not do. Displays as Java's message, which names
/// key, value and what would be right; a secret is never part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PropertyError {
    message: String,
}

impl PropertyError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into() }
    }

    /// `value` as it may be shown.
    pub(super) fn invalid(key: &str, value: impl fmt::Display, detail: impl fmt::Display) -> Self {
        Self::new(format!("Invalid value {value} for configuration {key}: {detail}"))
    }
}

impl fmt::Display for PropertyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for PropertyError {}
