//! The offsets that a group has committed, by topic and partition, and those that wait for their transaction to end.

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
    by_topic: BTreeMap<TopicName, BTreeMap<i32, Stored>>,
    count: usize,
    /// By producer id.
    pending: BTreeMap<i64, BTreeMap<(TopicName, i32), Stored>>,
    next_order: u64,
}

#[derive(Debug)]
struct Stored {
    /// When it came, as a number: of two commits for a partition the later one counts, whenever its transaction ends.
    order: u64,
    committed: CommittedOffset,
}

impl GroupOffsets {
    pub(crate) fn get(&self, topic: &TopicName, partition: i32) -> Option<&CommittedOffset> {
        Some(&self.by_topic.get(topic)?.get(&partition)?.committed)
    }

    /// How many positions are kept, committed and pending.
    pub(crate) fn count(&self) -> usize {
        self.count + self.pending.values().map(BTreeMap::len).sum::<usize>()
    }

    /// `topic` is stored as it is, so it must not be a slice of a request.
    pub(crate) fn set(&mut self, topic: TopicName, partition: i32, committed: CommittedOffset) {
        let order = self.new_order();
        self.store(topic, partition, Stored { order, committed });
    }

    /// The same as part of a transaction.
    pub(crate) fn set_pending(
        &mut self,
        producer_id: i64,
        topic: TopicName,
        partition: i32,
        committed: CommittedOffset,
    ) {
        let stored = Stored { order: self.new_order(), committed };
        self.pending.entry(producer_id).or_default().insert((topic, partition), stored);
    }

    /// Whether the producer's transaction has a position for the partition already.
    pub(crate) fn has_pending_of(&self, producer_id: i64, topic: &TopicName, partition: i32) -> bool {
        let pending = self.pending.get(&producer_id);
        pending.is_some_and(|pending| pending.contains_key(&(topic.clone(), partition)))
    }

    /// Whether a transaction that is not over has a position for the partition (KIP-447's unstable offset).
    pub(crate) fn is_pending(&self, topic: &TopicName, partition: i32) -> bool {
        !self.pending.is_empty() && {
            let key = (topic.clone(), partition);
            self.pending.values().any(|pending| pending.contains_key(&key))
        }
    }

    /// The producer's transaction is over: its positions count from now on, or never did.
    pub(crate) fn end_transaction(&mut self, producer_id: i64, is_commit: bool) {
        let pending = self.pending.remove(&producer_id).unwrap_or_default();
        for ((topic, partition), stored) in pending {
            let known = self.by_topic.get(&topic).and_then(|partitions| partitions.get(&partition));
            if is_commit && known.is_none_or(|known| known.order < stored.order) {
                self.store(topic, partition, stored);
            }
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
        for pending in self.pending.values_mut() {
            pending.retain(|(name, _), _| name != topic);
        }
        self.pending.retain(|_, pending| !pending.is_empty());
    }

    /// All committed positions.
    pub(crate) fn topics(
        &self,
    ) -> impl Iterator<Item = (&TopicName, impl Iterator<Item = (i32, &CommittedOffset)>)> {
        self.by_topic.iter().map(|(name, partitions)| {
            (name, partitions.iter().map(|(index, stored)| (*index, &stored.committed)))
        })
    }

    fn store(&mut self, topic: TopicName, partition: i32, stored: Stored) {
        if self.by_topic.entry(topic).or_default().insert(partition, stored).is_none() {
            self.count += 1;
        }
    }

    fn new_order(&mut self) -> u64 {
        self.next_order += 1;
        self.next_order
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: i64) -> CommittedOffset {
        CommittedOffset { offset, leader_epoch: -1, metadata: StrBytes::new() }
    }

    fn topic() -> TopicName {
        TopicName(StrBytes::from_static_str("t"))
    }

    fn offset(offsets: &GroupOffsets) -> Option<i64> {
        offsets.get(&topic(), 0).map(|committed| committed.offset)
    }

    #[test]
    fn pending_offsets_count_once_their_transaction_is_committed() {
        let mut offsets = GroupOffsets::default();
        offsets.set(topic(), 0, at(1));
        offsets.set_pending(9, topic(), 0, at(2));
        assert!(offsets.is_pending(&topic(), 0) && !offsets.is_pending(&topic(), 1));
        assert_eq!((offset(&offsets), offsets.count()), (Some(1), 2));
        offsets.end_transaction(9, true);
        assert_eq!((offset(&offsets), offsets.count()), (Some(2), 1));
        offsets.set_pending(9, topic(), 0, at(3));
        offsets.end_transaction(9, false);
        assert_eq!(offset(&offsets), Some(2));
        assert!(!offsets.is_pending(&topic(), 0));
    }

    #[test]
    fn a_later_commit_is_not_undone_by_an_older_transaction() {
        let mut offsets = GroupOffsets::default();
        offsets.set_pending(9, topic(), 0, at(2));
        offsets.set(topic(), 0, at(5));
        offsets.end_transaction(9, true);
        assert_eq!(offset(&offsets), Some(5));
        offsets.set_pending(9, topic(), 0, at(6));
        offsets.remove_topic(&topic());
        assert_eq!(offsets.count(), 0);
        offsets.end_transaction(9, true);
        assert_eq!(offset(&offsets), None, "the topic is gone");
    }
}
