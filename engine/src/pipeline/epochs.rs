//! Leader epochs of what a sink task was given: which one to commit with an offset, so that whoever goes on from there notices a log
//! that was truncated meanwhile (KIP-320). Knows nothing of commits.

use std::collections::{HashMap, VecDeque};

use api::TopicPartition;

/// How many epochs are kept of one partition: as many elections between two commits. Without the oldest the next one stands in, by
/// which a truncation is noticed all the same.
const EPOCHS_MAX: usize = 16;

/// By partition: up to which offset which epoch is to be committed, both ascending.
#[derive(Debug, Default)]
pub(super) struct LeaderEpochs {
    partitions: HashMap<TopicPartition, VecDeque<(i64, i32)>>,
}

impl LeaderEpochs {
    /// The partition is read from `position` on, the record before which has `epoch` (-1 where that is not known). Whatever was known
    /// of it is of no more use.
    pub(super) fn begin(&mut self, partition: TopicPartition, position: i64, epoch: i32) {
        self.partitions.insert(partition, VecDeque::from([(position, epoch)]));
    }

    /// Records up to `next_offset` were read, the last of them with `epoch`.
    pub(super) fn read_up_to(&mut self, partition: &TopicPartition, next_offset: i64, epoch: i32) {
        if !self.partitions.contains_key(partition) {
            self.partitions.insert(partition.clone(), VecDeque::new());
        }
        let Some(epochs) = self.partitions.get_mut(partition) else { return };
        match epochs.back_mut() {
            Some((up_to, last)) if *last == epoch => *up_to = next_offset,
            _ => epochs.push_back((next_offset, epoch)),
        }
        if epochs.len() > EPOCHS_MAX {
            epochs.pop_front();
        }
    }

    /// The epoch to commit with `offset`; -1 where that is not known.
    pub(super) fn at(&self, partition: &TopicPartition, offset: i64) -> i32 {
        let epochs = self.partitions.get(partition);
        let found = epochs.and_then(|epochs| epochs.iter().find(|(up_to, _)| *up_to >= offset));
        found.map_or(-1, |(_, epoch)| *epoch)
    }

    /// Nothing before `offset` will be committed any more.
    pub(super) fn committed(&mut self, partition: &TopicPartition, offset: i64) {
        let Some(epochs) = self.partitions.get_mut(partition) else { return };
        while epochs.front().is_some_and(|(up_to, _)| *up_to < offset) {
            epochs.pop_front();
        }
    }

    /// The partition is read once more from `offset` on.
    pub(super) fn rewind(&mut self, partition: &TopicPartition, offset: i64) {
        let epoch = self.at(partition, offset);
        self.begin(partition.clone(), offset, epoch);
    }

    /// Keeps what is known of partitions that `is_kept`.
    pub(super) fn retain(&mut self, is_kept: impl Fn(&TopicPartition) -> bool) {
        self.partitions.retain(|partition, _| is_kept(partition));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition() -> TopicPartition {
        TopicPartition { topic: "t".into(), partition: 0 }
    }

    #[test]
    fn an_offset_has_the_epoch_of_the_record_before_it() {
        let (mut epochs, tp) = (LeaderEpochs::default(), partition());
        assert_eq!(epochs.at(&tp, 0), -1);
        epochs.begin(tp.clone(), 100, 3);
        for (next_offset, epoch) in [(110, 3), (120, 3), (130, 4), (140, 6)] {
            epochs.read_up_to(&tp, next_offset, epoch);
        }
        for (offset, epoch) in [(100, 3), (120, 3), (121, 4), (130, 4), (131, 6), (140, 6), (141, -1)] {
            assert_eq!(epochs.at(&tp, offset), epoch, "{offset}");
        }
        epochs.committed(&tp, 125);
        assert_eq!((epochs.at(&tp, 125), epochs.at(&tp, 140)), (4, 6));
    }

    #[test]
    fn after_a_rewind_what_is_read_again_counts() {
        let (mut epochs, tp) = (LeaderEpochs::default(), partition());
        epochs.begin(tp.clone(), 10, 0);
        epochs.read_up_to(&tp, 20, 0);
        epochs.read_up_to(&tp, 30, 1);
        epochs.rewind(&tp, 20);
        assert_eq!((epochs.at(&tp, 20), epochs.at(&tp, 30)), (0, -1));
        epochs.read_up_to(&tp, 25, 2);
        assert_eq!(epochs.at(&tp, 25), 2);
    }

    #[test]
    fn many_elections_without_a_commit_take_no_more_room() {
        let (mut epochs, tp) = (LeaderEpochs::default(), partition());
        for epoch in 0..1_000 {
            epochs.read_up_to(&tp, i64::from(epoch) + 1, epoch);
        }
        assert_eq!(epochs.partitions[&tp].len(), EPOCHS_MAX);
        assert_eq!((epochs.at(&tp, 1_000), epochs.at(&tp, 1)), (999, 984));
        epochs.retain(|_| false);
        assert_eq!(epochs.at(&tp, 1_000), -1);
    }
}
