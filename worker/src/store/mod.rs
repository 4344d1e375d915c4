//! What a worker keeps: source offsets in a file, or configurations, statuses and offsets in Kafka's topics; all of it in Java's own formats,
//! readable by either worker.

pub mod config_log;
mod file;
mod java_map;
mod json;
mod lock;
mod record;
pub mod status_log;

pub use file::{FileOffsetStore, OpenError, read_offsets_file};
pub use java_map::{Entries, JavaMapError, read as read_java_map, write as write_java_map};
pub use record::LogRecord;
