//! Looking at configuration files without a worker: everything that is wrong, where it stands, and what was probably meant.
//!
//! ```text
//! bytes ─ file ─▶ LocatedFile (keys, values, lines) ─┬─ worker ────▶ findings
//!                                                    └─ connector ─▶ findings
//!                                    keys: which keys have a meaning, and which one is nearest to one that has none
//! ```
//!
//! Nothing is asked of Kafka or of a configuration provider: what a variable stands for is not looked at.

mod connector;

mod file;

mod keys;

mod worker;

pub use connector::check_connector;
pub use file::{LocatedFile, Malformed};
pub use worker::{check_worker, worker_for_checks};

/// Something to say about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The line that it is about, counted from 1.
    pub line: Option<usize>,
    /// Whether a worker would refuse the file for it.
    pub is_error: bool,
    /// What it is.
    pub message: String,
}
