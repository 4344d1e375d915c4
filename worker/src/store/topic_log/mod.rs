//! A compacted topic as the memory of many workers: read from its beginning, followed for ever, written with every replica's word for it
//! (Java: `KafkaBasedLog`, `KafkaTopicBasedBackingStore`).
//!
//! ```text
//!  start ─ create or check the topic ─ partitions ─ read to its end
//!  consumer ─▶ LogReader::record … LogReader::batch_ended ─▶ whoever waits in read_to_end
//!  send ─▶ producer ─▶ completions ─▶ whoever waits in send
//! ```
//!
//! Everything lives on one thread, in its `LocalSet`, and nothing blocks it: a broker that does not answer holds up only those who wait
//! for it, and they have limits of their own.

mod clients;

mod create;

mod error;

mod log;

pub use clients::{LogClients, LogSettings, shared_admin};
pub use create::Purpose;
pub use error::StoreError;
pub use log::{LogReader, Receipt, TopicLog};
pub(super) use log::{append, refused};
