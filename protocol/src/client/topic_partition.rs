//! The name of one partition, and what is committed for it.

use std::fmt;
use std::sync::Arc;

/// A partition of a topic. Cheap to clone; may cross threads.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition's number.
    pub partition: i32,
}

impl TopicPartition {
    /// Partition `partition` of `topic`.
    pub fn new(topic: &str, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

impl fmt::Display for TopicPartition {
    /// As Java prints it: `topic-partition`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

/// A committed position: the next offset to read, with what the committer wanted to remember.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OffsetAndMetadata {
    /// The next offset to read.
    pub offset: i64,
    /// The leader epoch of the last record read, for the truncation check (KIP-320); -1 when not known.
    pub leader_epoch: i32,
    /// Free text of the committer.
    pub metadata: Arc<str>,
}

impl OffsetAndMetadata {
    /// A bare position.
    pub fn new(offset: i64) -> Self {
        Self { offset, leader_epoch: -1, metadata: "".into() }
    }
}
