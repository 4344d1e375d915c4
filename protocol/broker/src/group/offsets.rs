//! The offsets that a group has committed, by topic and partition.

use std::collections::BTreeMap;

use protocol::wire::messages::{StrBytes, TopicName};

/// A committed position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommittedOffset {
    pub(crate) offset: i64,
    pub(crate) leader_epoch: i32,
    pub(crate) metadata: StrBytes,
}

/// All committed positions of one group.
#[derive(Debug, Default)]
pub(crate) struct GroupOffsets {
    by_topic: BTreeMap<TopicName, BTreeMap<i32, CommittedOffset>>,
    count: usize,
}

impl GroupOffsets {
    pub(crate) fn get(&self, topic: &TopicName, partition: i32) -> Option<&CommittedOffset> {
        self.by_topic.get(topic)?.get(&partition)
    }

    /// How many partitions have a position.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// `topic` is stored as it is, so it must not be a slice of a request.
    pub(crate) fn set(&mut self, topic: TopicName, partition: i32, committed: CommittedOffset) {
        if self.by_topic.entry(topic).or_default().insert(partition, committed).is_none() {
            self.count += 1;
        }
    }

    /// Forgets one position; whether there was one.
    pub(crate) fn remove(&mut self, topic: &TopicName, partition: i32) -> bool {
        let Some(partitions) = self.by_topic.get_mut(topic) else {
            return false;
        };
        let was_there = partitions.remove(&partition).is_some();
        if was_there {
            self.count -= 1;
        }
        if partitions.is_empty() {
            self.by_topic.remove(topic);
        }
        was_there
    }

    /// Forgets what was committed for a topic, because it was deleted.
    pub(crate) fn remove_topic(&mut self, topic: &TopicName) {
        self.count -= self.by_topic.remove(topic).map_or(0, |partitions| partitions.len());
    }

    pub(crate) fn topics(&self) -> impl Iterator<Item = (&TopicName, &BTreeMap<i32, CommittedOffset>)> {
        self.by_topic.iter()
    }
}
