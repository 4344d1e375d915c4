//! A record of an internal topic.

use std::fmt;

use bytes::Bytes;

/// A record to write. Its value may hold secrets, so it does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// Its key.
    pub key: Bytes,
    /// Its value; none is a tombstone.
    pub value: Option<Bytes>,
}

impl LogRecord {
    /// A record with a value.
    pub fn new(key: impl Into<Bytes>, value: impl Into<Bytes>) -> LogRecord {
        LogRecord { key: key.into(), value: Some(value.into()) }
    }

    /// A record that deletes a key.
    pub fn tombstone(key: impl Into<Bytes>) -> LogRecord {
        LogRecord { key: key.into(), value: None }
    }
}

impl fmt::Debug for LogRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.value.as_ref().map(Bytes::len);
        f.debug_struct("LogRecord").field("key", &self.key).field("value_bytes", &size).finish()
    }
}
