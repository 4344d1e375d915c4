//! The config topic, materialised: which connectors and tasks there are, what they should be doing, and the key of this hour.
//!
//! ```text
//! record (offset, key, value) ─▶ ConfigLog::apply ─▶ ConfigEvent, for the herder
//!                                     └─▶ Snapshot, for everybody who asks
//! records::* ─▶ LogRecord, as Java writes it
//! ```
//!
//! No clock, socket or thread (Java: `KafkaConfigBackingStore`, `ClusterConfigState`). Task configurations wait until the record that
//! commits them: a set of tasks applies as a whole or not at all, whoever died between the records and whatever compaction took.

mod apply;

mod event;

mod log;

pub mod records;

mod snapshot;

pub use event::{ConfigEvent, RestartRequest};
pub use log::ConfigLog;
pub use snapshot::{SessionKey, Snapshot, WantedTasks};

#[cfg(test)]
mod tests;
