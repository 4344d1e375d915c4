//! The one error type of the plug-in surface, named for what the caller should do about it.

use std::fmt;
use std::sync::Arc;

/// Result with the plug-in [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the engine should do about an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// Try the same operation again later (Java: `RetriableException`).
    Retriable,
    /// This record is bad; others may be good (Java: `DataException`).
    BadRecord,
    /// The configuration is wrong; the message is meant for the operator (Java: `ConfigException`).
    Config,
    /// Someone newer has taken over; stop without writing (Java: `ProducerFencedException` and kin).
    Fenced,
    /// Nothing helps; the task fails (Java: `ConnectException`).
    Fatal,
}

/// An error of a plug-in or of the engine on a plug-in's behalf.
///
/// Prints as its message; the cause chain is in [`std::error::Error::source`]. [`Error::java_class`] is the Java
/// exception class under which it appears in a status trace, so that scripts which grep for it keep working. Cheap to clone: one
/// failure may be that of many records.
#[derive(Debug, Clone)]
pub struct Error {
    kind: Kind,
    message: String,
    java_class: Option<&'static str>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of `kind` with a message for the operator.
    pub fn new(kind: Kind, message: impl Into<String>) -> Error {
        Error { kind, message: message.into(), java_class: None, source: None }
    }

    /// [`Kind::Retriable`].
    pub fn retriable(message: impl Into<String>) -> Error {
        Error::new(Kind::Retriable, message)
    }

    /// [`Kind::BadRecord`].
    pub fn bad_record(message: impl Into<String>) -> Error {
        Error::new(Kind::BadRecord, message)
    }

    /// [`Kind::Config`].
    pub fn config(message: impl Into<String>) -> Error {
        Error::new(Kind::Config, message)
    }

    /// [`Kind::Fatal`].
    pub fn fatal(message: impl Into<String>) -> Error {
        Error::new(Kind::Fatal, message)
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        self.source = Some(Arc::from(source.into()));
        self
    }

    /// Names the Java exception class where [`Kind`] alone would name another one.
    #[must_use]
    pub fn with_java_class(mut self, class: &'static str) -> Error {
        self.java_class = Some(class);
        self
    }

    /// What to do about it.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The message without its causes.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The Java exception class that stands for this error in traces.
    pub fn java_class(&self) -> &'static str {
        self.java_class.unwrap_or(match self.kind {
            Kind::Retriable => "org.apache.kafka.connect.errors.RetriableException",
            Kind::BadRecord => "org.apache.kafka.connect.errors.DataException",
            Kind::Config => "org.apache.kafka.common.config.ConfigException",
            Kind::Fenced => "org.apache.kafka.common.errors.ProducerFencedException",
            Kind::Fatal => "org.apache.kafka.connect.errors.ConnectException",
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source.as_ref() as _)
    }
}
