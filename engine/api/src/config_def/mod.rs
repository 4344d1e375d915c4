//! Configuration tables of plug-ins (Java: `ConfigDef`): the one source of validation, REST answers and documentation.
//!
//! ```text
//! ConfigDef ── parse(props) ────▶ Config             typed access for the plug-in; stops at the first error
//!     │
//!     └────── validate(props) ──▶ [ValidatedKey]     every key with all its errors, for REST and the command line
//! ```
//!
//! Types, rules and messages are those of Java's `ConfigDef`, because scripts and people know them.

mod check;
mod config;
mod key;
mod parse;
mod placement;
mod secret;
mod table;
pub mod validators;

pub use check::{Check, CheckClosure, ListRule};
pub use config::{Config, ConfigValue};
pub use key::{ClassLookup, ConfigKey, ConfigType, Default, Importance, Validator, Width};
pub use placement::{Placement, Recommender, Values, Visibility};
pub use secret::{HIDDEN, Secret};
pub use table::{ConfigDef, ValidatedKey};

#[cfg(test)]
mod tests;
