//! What programs use: admin, producer, consumer and group membership, each on top of a [`Cluster`](crate::cluster::Cluster).

pub mod admin;

pub mod producer;

pub mod consumer;

pub mod group;

pub mod properties;

mod metrics;

mod offset_fetch;

mod topic_partition;

pub use metrics::metric_definitions;
pub use topic_partition::{OffsetAndMetadata, TopicPartition};
