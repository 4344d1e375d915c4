//! The status topic, materialised: what every connector and task was last said to be doing, and which topics they use.
//!
//! No clock, socket or thread (Java: `KafkaStatusBackingStore`). What a worker writes itself counts once it comes back from the topic, so
//! that all workers see one order of events. Writes that could overwrite what a newer owner says are not made at all (`safe`).

mod keys;

mod log;

mod record;

pub use keys::Subject;
pub use log::{StatusLog, VisitSaid, Write};
pub use record::{StoredStatus, TopicStatus};

#[cfg(test)]
mod tests;
