//! Many brokers as one: metadata, routing, reconnection and the one retry policy. Knows nothing of producers and consumers.
//!
//! ```text
//! call(target, build) ─► target ─► node ─► connection ─► version ─► build(version) ─► response
//!                          │         │          │
//!                     coordinators  metadata   reconnect with backoff
//! ```
//!
//! `call` is one attempt. `retrying` is the only loop: it asks [`decide`] what an error wants, does that, waits, tries again.

mod config;

mod request;

mod metadata;

mod retry;

mod nodes;

mod refresh;

mod routing;

mod coordinators;

pub use config::{ClusterConfig, HostPort};
pub use metadata::{Leader, Metadata, Node, PartitionMetadata, TopicMetadata};
pub use request::Request;
pub use retry::{RetryAction, RetryPolicy, decide};
pub use routing::{Cluster, Target};

#[cfg(test)]
pub(crate) mod fake;

#[cfg(test)]
mod tests;
