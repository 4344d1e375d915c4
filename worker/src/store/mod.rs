//! Where the standalone worker keeps source offsets: a file in Java's own format, readable by either worker.

mod file;
mod java_map;
mod lock;

pub use file::{FileOffsetStore, OpenError, read_offsets_file};
pub use java_map::{Entries, JavaMapError, read as read_java_map, write as write_java_map};
