//! The state of the cluster: nodes, topics, partitions, configurations, fetch sessions. Nothing here does I/O or waits.

mod cleaning;
mod config_def;
mod fetch_session;
mod fetch_watch;
mod leadership;
mod node;
mod partition;
mod state;
mod topic;

#[cfg(test)]
mod compaction_tests;

pub(crate) use config_def::{ConfigDef, ConfigKind, ConfigScope, ConfigSource, Overrides, describe};
pub(crate) use fetch_session::{FetchSession, FetchSessions, Reported, SessionPartition, TopicRef};
pub(crate) use fetch_watch::{FetchWatch, Watches};
pub(crate) use node::Node;
pub(crate) use partition::{Appended, Partition};
pub(crate) use state::{Cluster, NewTopic};
pub(crate) use topic::{Topic, TopicSettings};
