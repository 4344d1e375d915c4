//! Secrets: text that no log line, trace or REST answer can show by accident.

use std::fmt;

/// What is shown in place of a secret.
pub const HIDDEN: &str = "[hidden]";

/// A password or key. Neither prints nor compares as text; [`Secret::reveal`] is the one way to the content.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(secret: impl Into<String>) -> Secret {
        Secret(secret.into())
    }

    /// The content, for handing to whatever authenticates with it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}
