//! What a worker keeps: source offsets in a file, or configurations, statuses and offsets in Kafka's topics; all of it in Java's own formats,
//! readable by either worker.

pub mod config_log;
mod config_store;
mod connector_offsets;
mod file;
mod java_map;
mod json;
mod lock;
mod offset_store;
mod record;
pub mod status_log;
mod status_store;
pub mod topic_log;

pub use config_store::{ConfigStore, SnapshotReader};
pub use connector_offsets::{ConnectorOffsets, OffsetsPlace};
pub use file::{FileOffsetStore, OpenError, read_offsets_file};
pub use java_map::{Entries, JavaMapError, read as read_java_map, write as write_java_map};
pub use offset_store::KafkaOffsetStore;
pub use record::LogRecord;
pub use status_store::StatusStore;
pub use topic_log::StoreError;
