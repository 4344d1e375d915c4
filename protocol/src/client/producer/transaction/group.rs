//! On whose behalf a transaction commits offsets (KIP-447), and which.

use std::sync::Arc;

use crate::client::{OffsetAndMetadata, TopicPartition};

/// A member of a consumer group, as the coordinator checks it before it takes offsets: a member that lost its partitions
/// is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerGroupMetadata {
    /// `group.id`.
    pub group_id: Arc<str>,
    /// The generation of the member; -1 for offsets outside of any membership.
    pub generation_id: i32,
    /// The member id; empty outside of any membership.
    pub member_id: Arc<str>,
    /// `group.instance.id` of a static member.
    pub group_instance_id: Option<Arc<str>>,
}

impl ConsumerGroupMetadata {
    /// The group alone: the coordinator checks no membership.
    pub fn of_group(group_id: &str) -> Self {
        Self { group_id: group_id.into(), generation_id: -1, member_id: "".into(), group_instance_id: None }
    }
}

/// Offsets to commit in the transaction.
#[derive(Debug)]
pub(super) struct GroupOffsets {
    pub(super) group: ConsumerGroupMetadata,
    /// By topic, so that a request is built without sorting.
    pub(super) offsets: Vec<(TopicPartition, OffsetAndMetadata)>,
}
