//! What a consumer knows about its partitions: positions, what is fetched but not taken, and what each of them waits for. Pure.

use std::collections::VecDeque;
use std::sync::Arc;

use indexmap::IndexMap;
use tokio::time::Instant;

use super::session::PartitionRef;
use super::{ConsumerConfig, Fetched, OffsetReset};
use crate::Error;
use crate::client::{OffsetAndMetadata, TopicPartition};
use crate::cluster::{Leader, Metadata};

/// Why a partition has no offset to fetch from, if so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// It has one.
    Nothing,
    /// The committed offset.
    Committed,
    /// The beginning or the end of the log.
    Reset(OffsetReset),
    /// A seek: the user was told.
    Seek,
}

#[derive(Debug)]
pub(super) struct Partition {
    /// Changes with every seek and assignment, so that late answers about the time before are recognised.
    pub(super) incarnation: u64,
    /// Of the user: where what was taken ends.
    pub(super) position: Option<i64>,
    /// Of the fetcher: where what was fetched ends. Means nothing while there is a `need`.
    pub(super) fetch_offset: i64,
    pub(super) need: Need,
    pub(super) leader: Option<Leader>,
    /// The leader is not to be trusted before the metadata is newer than this generation.
    pub(super) stale_generation: Option<u64>,
    pub(super) is_paused: bool,
    pub(super) untaken_bytes: usize,
    /// Grows when a batch does not fit.
    pub(super) fetch_bytes_max: i32,
    /// After a failure: not to be asked for before this.
    pub(super) retry_at: Option<Instant>,
    pub(super) failure_count: u32,
    /// The offset that was out of range, for the gap that is logged once the reset is known.
    pub(super) out_of_range_offset: Option<i64>,
}

#[derive(Debug, Default)]
pub(super) struct Partitions {
    pub(super) map: IndexMap<TopicPartition, Partition>,
    /// Fetched and not taken, in order of arrival.
    ready: VecDeque<Fetched>,
    pub(super) untaken_bytes: usize,
    next_incarnation: u64,
    seen_generation: u64,
    /// A rebalance was announced: nothing is fetched or handed out until it is over.
    pub(super) is_revoking: bool,
}

impl Partitions {
    /// Replaces the assignment. Partitions that stay keep their positions.
    pub(super) fn assign(&mut self, partitions: &[TopicPartition], need: Need, config: &ConsumerConfig) {
        self.is_revoking = false;
        let wanted: std::collections::HashSet<&TopicPartition> = partitions.iter().collect();
        self.map.retain(|tp, _| wanted.contains(tp));
        self.drop_ready(|tp| !wanted.contains(tp));
        for tp in partitions {
            if !self.map.contains_key(tp) {
                let incarnation = self.incarnation();
                self.map
                    .insert(tp.clone(), Partition::new(incarnation, need, config.max_partition_fetch_bytes));
            }
        }
        // Leaders of the new ones are looked up at the next plan.
        self.seen_generation = 0;
    }

    /// Stops everything without forgetting positions: they still are worth a commit.
    pub(super) fn begin_revocation(&mut self) {
        self.is_revoking = true;
        self.drop_ready(|_| true);
        for partition in self.map.values_mut() {
            partition.rewind_to_position();
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.is_revoking = false;
        self.map.clear();
        self.ready.clear();
        self.untaken_bytes = 0;
    }

    pub(super) fn names(&self) -> Vec<TopicPartition> {
        self.map.keys().cloned().collect()
    }

    /// Moves the user and the fetcher to `offset`. False where the partition is not assigned.
    pub(super) fn seek(&mut self, tp: &TopicPartition, offset: i64) -> bool {
        let incarnation = self.incarnation();
        let Some(partition) = self.map.get_mut(tp) else { return false };
        partition.restart(incarnation, Need::Nothing);
        partition.position = Some(offset);
        partition.fetch_offset = offset;
        self.drop_ready(|ready| ready == tp);
        true
    }

    /// Moves the user and the fetcher to the beginning or the end. False where the partition is not assigned.
    pub(super) fn reset(&mut self, tp: &TopicPartition, reset: OffsetReset) -> bool {
        let incarnation = self.incarnation();
        let Some(partition) = self.map.get_mut(tp) else { return false };
        partition.restart(incarnation, Need::Reset(reset));
        partition.position = None;
        self.drop_ready(|ready| ready == tp);
        true
    }

    pub(super) fn set_paused(&mut self, partitions: &[TopicPartition], is_paused: bool) {
        for tp in partitions {
            if let Some(partition) = self.map.get_mut(tp) {
                partition.is_paused = is_paused;
            }
        }
    }

    /// Hands out what is ready, oldest first: one entry, then more while they stay below `bytes_max` together.
    pub(super) fn take(&mut self, bytes_max: usize) -> Vec<Fetched> {
        let mut taken = Vec::new();
        let mut taken_bytes = 0;
        let mut index = 0;
        while let Some(fetched) = self.ready.get(index) {
            let key = PartitionRef { topic: &fetched.topic, partition: fetched.partition };
            let Some(partition) = self.map.get_mut(&key).filter(|partition| !partition.is_paused) else {
                index += 1;
                continue;
            };
            if !taken.is_empty() && taken_bytes + fetched.bytes > bytes_max {
                break;
            }
            taken_bytes += fetched.bytes;
            partition.untaken_bytes -= fetched.bytes;
            partition.position = Some(fetched.next_offset);
            self.untaken_bytes -= fetched.bytes;
            taken.extend(self.ready.remove(index));
        }
        taken
    }

    /// Queues data of an assigned partition; the caller has moved its `fetch_offset`.
    pub(super) fn push_ready(&mut self, fetched: Fetched) {
        let key = PartitionRef { topic: &fetched.topic, partition: fetched.partition };
        if let Some(partition) = self.map.get_mut(&key) {
            partition.untaken_bytes += fetched.bytes;
            self.untaken_bytes += fetched.bytes;
            self.ready.push_back(fetched);
        }
    }

    /// Paused partitions must not hold the budget against those that run: what they have is fetched again when they resume.
    pub(super) fn evict_paused(&mut self) {
        let paused: Vec<TopicPartition> = self
            .map
            .iter()
            .filter(|(_, partition)| partition.is_paused && partition.untaken_bytes > 0)
            .map(|(tp, _)| tp.clone())
            .collect();
        if paused.is_empty() {
            return;
        }
        self.drop_ready(|tp| paused.contains(tp));
        for tp in &paused {
            if let Some(partition) = self.map.get_mut(tp) {
                partition.rewind_to_position();
            }
        }
    }

    /// Takes over leaders from a view; false where it is the one that was seen before.
    pub(super) fn update_leaders(&mut self, metadata: &Metadata) -> bool {
        if metadata.generation == self.seen_generation {
            return false;
        }
        self.seen_generation = metadata.generation;
        for (tp, partition) in &mut self.map {
            partition.leader = metadata.leader(&tp.topic, tp.partition);
            if partition.stale_generation.is_some_and(|stale| stale < metadata.generation) {
                partition.stale_generation = None;
            }
        }
        true
    }

    /// Whether somebody waits for newer metadata.
    pub(super) fn needs_metadata(&self) -> bool {
        self.map.values().any(|partition| partition.leader.is_none() || partition.stale_generation.is_some())
    }

    pub(super) fn needing_committed(&self) -> Vec<(TopicPartition, u64)> {
        let waiting = self.map.iter().filter(|(_, partition)| partition.need == Need::Committed);
        waiting.map(|(tp, partition)| (tp.clone(), partition.incarnation)).collect()
    }

    /// The committed offset of a partition is known; gives the error where there is none and nothing to fall back to.
    pub(super) fn on_committed(
        &mut self,
        tp: &TopicPartition,
        incarnation: u64,
        committed: Option<&OffsetAndMetadata>,
        reset: OffsetReset,
    ) -> Option<Error> {
        let partition = self.map.get_mut(tp)?;
        if partition.incarnation != incarnation || partition.need != Need::Committed {
            return None;
        }
        match (committed, reset) {
            (Some(committed), _) => {
                partition.start_at(committed.offset);
                None
            }
            (None, OffsetReset::None) => {
                partition.need = Need::Seek;
                Some(Error::config(
                    "find start position",
                    format!("{tp} has no committed offset and auto.offset.reset is none"),
                ))
            }
            (None, reset) => {
                partition.need = Need::Reset(reset);
                None
            }
        }
    }

    /// Whether every partition knows where it starts, or never will by itself.
    pub(super) fn are_positions_known(&self) -> bool {
        self.map.values().all(|partition| matches!(partition.need, Need::Nothing | Need::Seek))
    }

    /// Whether every partition knows its committed offset, or that it has none.
    pub(super) fn are_commits_known(&self) -> bool {
        self.map.values().all(|partition| partition.need != Need::Committed)
    }

    pub(super) fn topic(&self, key: PartitionRef<'_>) -> Option<Arc<str>> {
        self.map.get_key_value(&key).map(|(tp, _)| Arc::clone(&tp.topic))
    }

    fn incarnation(&mut self) -> u64 {
        self.next_incarnation += 1;
        self.next_incarnation
    }

    /// Drops queued data of the partitions that `is_dropped` names, and its account.
    fn drop_ready(&mut self, is_dropped: impl Fn(&TopicPartition) -> bool) {
        if self.ready.is_empty() {
            return;
        }
        self.ready.retain(|fetched| {
            let tp = TopicPartition { topic: Arc::clone(&fetched.topic), partition: fetched.partition };
            if !is_dropped(&tp) {
                return true;
            }
            self.untaken_bytes -= fetched.bytes;
            if let Some(partition) = self.map.get_mut(&tp) {
                partition.untaken_bytes -= fetched.bytes;
            }
            false
        });
    }
}

impl Partition {
    fn new(incarnation: u64, need: Need, fetch_bytes_max: i32) -> Self {
        Self {
            incarnation,
            position: None,
            fetch_offset: -1,
            need,
            leader: None,
            stale_generation: None,
            is_paused: false,
            untaken_bytes: 0,
            fetch_bytes_max,
            retry_at: None,
            failure_count: 0,
            out_of_range_offset: None,
        }
    }

    /// The answer to a need: fetch from `offset` on. What was fetched before a gap is still to be taken.
    pub(super) fn start_at(&mut self, offset: i64) {
        self.need = Need::Nothing;
        self.fetch_offset = offset;
        if self.untaken_bytes == 0 {
            self.position = Some(offset);
        }
        self.succeed();
    }

    pub(super) fn succeed(&mut self) {
        self.retry_at = None;
        self.failure_count = 0;
    }

    fn restart(&mut self, incarnation: u64, need: Need) {
        self.incarnation = incarnation;
        self.need = need;
        self.out_of_range_offset = None;
        self.succeed();
    }

    /// After queued data was dropped: fetch it again. A reset that waits lies behind that data, so it is found out again, too.
    fn rewind_to_position(&mut self) {
        if let Some(position) = self.position
            && matches!(self.need, Need::Nothing | Need::Reset(_))
        {
            self.need = Need::Nothing;
            self.fetch_offset = position;
        }
    }
}
