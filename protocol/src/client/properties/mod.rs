//! Java's client properties: every key of its producer, consumer and admin configuration, and the way from a map of texts to our
//! typed settings.
//!
//! ```text
//! keys/ (tables) ──► Table::parse ──► Parsed ──► producer, consumer, admin ──► Configured { cluster, client, warnings }
//!    │                  │  text to Value by Type, then Valid
//!    └─► documentation  └─► PropertyError, in Java's words
//! ```
//!
//! Names, types, defaults, ranges and messages are those of Kafka 4.3, recorded from its client library
//! (`tests/golden/client_configs.tsv`), because scripts and people know them. What a key does here is its [`Effect`]: what we do not do
//! is said, as a warning where it changes little and as an error where records would go elsewhere or less would be protected.
//!
//! ```
//! use protocol::client::producer::ProducerConfig;
//! let configured = ProducerConfig::from_properties([("bootstrap.servers", "localhost:9092"), ("linger.ms", "20")])?;
//! assert_eq!(configured.client.linger_ms, 20);
//! let error = ProducerConfig::from_properties([("bootstrap.servers", "localhost:9092"), ("linger.ms", "-5")]).unwrap_err();
//! assert_eq!(error.to_string(), "Invalid value -5 for configuration linger.ms: Value must be at least 0");
//! # Ok::<(), protocol::client::properties::PropertyError>(())
//! ```

mod key;

mod value;

mod valid;

mod keys;

mod table;

mod cluster;

mod producer;

mod consumer;

mod admin;

mod error;

pub use admin::AdminConfig;
pub use cluster::Configured;
pub use error::PropertyError;
pub use key::{Default, Effect, Importance, Key, Type};
pub use keys::{ADMIN, CONSUMER, PRODUCER};
pub use table::Table;
pub use valid::Valid;
pub use value::Value;
