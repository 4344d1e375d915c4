//! Why an internal topic could not be used.

use std::fmt;

/// Why an internal topic could not be started, read or written. Shown in Java's words; the cause is its source.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum StoreError {
    /// The operator has to change the configuration or the topic.
    Config(String),
    /// It was tried and failed.
    Failed {
        /// What failed.
        message: String,
        /// Why, where a broker or a client said so.
        source: Option<protocol::Error>,
    },
    /// It did not end in time; it may still happen.
    TimedOut(String),
    /// Another worker leads, or nobody knows: write privileges have to be claimed again.
    PrivilegeLost {
        /// Why.
        reason: String,
    },
}

impl StoreError {
    pub(in crate::store) fn failed(message: impl Into<String>, source: protocol::Error) -> StoreError {
        StoreError::Failed { message: message.into(), source: Some(source) }
    }

    /// Whether another leader has taken over, or may have (Java: `PrivilegedWriteException`).
    pub fn is_privilege_lost(&self) -> bool {
        matches!(self, StoreError::PrivilegeLost { .. })
    }

    /// Whether it was only too slow.
    pub fn is_timeout(&self) -> bool {
        matches!(self, StoreError::TimedOut(_))
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Config(message)
            | StoreError::Failed { message, .. }
            | StoreError::TimedOut(message) => f.write_str(message),
            StoreError::PrivilegeLost { .. } => {
                f.write_str("Failed to perform fencable send to config topic")
            }
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StoreError::Failed { source: Some(source), .. } => Some(source),
            _ => None,
        }
    }
}
