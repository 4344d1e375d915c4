//! What a consumer knows about its partitions: positions, what is fetched but not taken, and what each of them waits for. Pure.

use std::collections::VecDeque;
use std::sync::Arc;

use indexmap::IndexMap;
use tokio::time::Instant;

use uuid::Uuid;

use super::budget::{PrefetchBudget, Share};
use super::session::PartitionRef;
use super::{ConsumerConfig, Fetched, OffsetReset, PositionReset, ResetCause};
use crate::Error;
use crate::client::{OffsetAndMetadata, TopicPartition};
use crate::cluster::Leader;
use crate::metrics::{MetricsConfig, Stat};

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
    /// The leader epoch of the last record before `position`, which the truncation check compares (KIP-320); -1 where not known.
    pub(super) position_epoch: i32,
    /// Of the fetcher: where what was fetched ends. Means nothing while there is a `need`.
    pub(super) fetch_offset: i64,
    /// The same as `position_epoch` for `fetch_offset`.
    pub(super) fetch_epoch: i32,
    /// The leader epoch under which `fetch_offset` is known to be in the leader's log; -1 for none.
    pub(super) validated_epoch: i32,
    /// The topic that the positions belong to; nil until a broker has said it.
    pub(super) topic_id: Uuid,
    pub(super) need: Need,
    pub(super) leader: Option<Leader>,
    /// The leader is not to be trusted before the metadata is newer than this generation.
    pub(super) stale_generation: Option<u64>,
    /// A follower to fetch from, as the leader proposed (KIP-392), and until when to believe that.
    pub(super) preferred_replica: Option<(i32, Instant)>,
    pub(super) is_paused: bool,
    /// About to be given up: nothing is fetched or handed out.
    pub(super) is_revoking: bool,
    /// Assigned, but the user has not been told: nothing is handed out.
    pub(super) is_withheld: bool,
    pub(super) untaken_bytes: usize,
    /// Grows when a batch does not fit.
    pub(super) fetch_bytes_max: i32,
    /// After a failure: not to be asked for before this.
    pub(super) retry_at: Option<Instant>,
    pub(super) failure_count: u32,
    /// Why the position is being reset, and the position before, for what is reported once the new one is known.
    pub(super) reset_from: Option<(ResetCause, i64)>,
    /// Where the log begins, as the last fetch said.
    pub(super) log_start_offset: Option<i64>,
    /// Where the log ends for this reader, as the last fetch said.
    pub(super) end_offset: Option<i64>,
    pub(super) lag_stat: Stat,
    pub(super) lead_stat: Stat,
}

/// What waits for a poll.
#[derive(Debug)]
pub(super) enum Ready {
    Data(Fetched),
    Reset(PositionReset),
}

/// What a poll takes.
#[derive(Debug)]
pub(super) enum Taken {
    Nothing,
    Records(Vec<Fetched>),
    Reset(PositionReset),
}

#[derive(Debug)]
pub(super) struct Partitions {
    pub(super) map: IndexMap<TopicPartition, Partition>,
    /// Fetched and not taken, in order of arrival.
    pub(super) ready: VecDeque<Ready>,
    untaken: Share,
    next_incarnation: u64,
    pub(super) seen_generation: u64,
    /// How often a position was reset to where the log does not go on from it.
    pub(super) reset_count: u64,
    metrics: MetricsConfig,
}

impl Partitions {
    pub(super) fn new(metrics: MetricsConfig, budget: &PrefetchBudget) -> Self {
        Self {
            map: IndexMap::new(),
            ready: VecDeque::new(),
            untaken: budget.share(),
            next_incarnation: 0,
            seen_generation: 0,
            reset_count: 0,
            metrics,
        }
    }

    /// Bytes that were fetched and not taken.
    pub(super) fn untaken_bytes(&self) -> usize {
        self.untaken.bytes()
    }

    /// Replaces the assignment. Partitions that stay keep their positions; nothing is handed out of new ones while `is_withheld`.
    pub(super) fn assign(
        &mut self,
        partitions: &[TopicPartition],
        need: Need,
        is_withheld: bool,
        config: &ConsumerConfig,
    ) {
        let wanted: std::collections::HashSet<&TopicPartition> = partitions.iter().collect();
        self.drop_ready(|tp| !wanted.contains(tp));
        self.map.retain(|tp, _| wanted.contains(tp));
        for partition in self.map.values_mut() {
            partition.is_revoking = false;
        }
        for tp in partitions {
            if !self.map.contains_key(tp) {
                let incarnation = self.incarnation();
                let mut added =
                    Partition::new(incarnation, need, config.max_partition_fetch_bytes, self.metrics);
                added.is_withheld = is_withheld;
                self.map.insert(tp.clone(), added);
            }
        }
        // Leaders of the new ones are looked up at the next plan.
        self.seen_generation = 0;
    }

    /// Stops these without forgetting positions, which still are worth a commit; gives those that the user knows of.
    pub(super) fn begin_revocation(
        &mut self,
        is_leaving: impl Fn(&TopicPartition) -> bool,
    ) -> Vec<TopicPartition> {
        self.drop_ready(&is_leaving);
        let mut known = Vec::new();
        for (tp, partition) in &mut self.map {
            if is_leaving(tp) {
                partition.is_revoking = true;
                partition.rewind_to_position();
                if !partition.is_withheld {
                    known.push(tp.clone());
                }
            }
        }
        known
    }

    /// Forgets what [`begin_revocation`](Self::begin_revocation) stopped.
    pub(super) fn finish_revocation(&mut self) {
        self.map.retain(|_, partition| !partition.is_revoking);
    }

    /// The user is being told of everything that was withheld: which partitions those are.
    pub(super) fn reveal(&mut self) -> Vec<TopicPartition> {
        let withheld = self.map.iter_mut().filter(|(_, partition)| partition.is_withheld);
        withheld
            .map(|(tp, partition)| {
                partition.is_withheld = false;
                tp.clone()
            })
            .collect()
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.map.clear();
        self.ready.clear();
        self.untaken.give_back(self.untaken.bytes());
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

    /// Moves the user and the fetcher to the place that `reset` names. False where the partition is not assigned.
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

    /// Hands out what is ready, oldest first: one entry, then more while they stay below `bytes_max` together. The reset of a position
    /// comes alone, after the data before it and before the data behind it.
    pub(super) fn take(&mut self, bytes_max: usize, now: Instant) -> Taken {
        let mut taken = Vec::new();
        let mut taken_bytes = 0;
        let mut index = 0;
        while let Some(ready) = self.ready.get(index) {
            let partition = self.map.get_mut(&ready.key()).filter(|partition| partition.is_flowing());
            let Some(partition) = partition else {
                index += 1;
                continue;
            };
            match ready {
                Ready::Reset(_) if !taken.is_empty() => break,
                Ready::Data(fetched) if !taken.is_empty() && taken_bytes + fetched.bytes > bytes_max => break,
                Ready::Data(fetched) => {
                    taken_bytes += fetched.bytes;
                    partition.untaken_bytes -= fetched.bytes;
                    partition.position = Some(fetched.next_offset);
                    partition.position_epoch = fetched.leader_epoch;
                    partition.record_lag(now);
                    self.untaken.give_back(fetched.bytes);
                }
                Ready::Reset(reset) => {
                    partition.position = Some(reset.after);
                    partition.position_epoch = reset.leader_epoch;
                }
            }
            match self.ready.remove(index) {
                Some(Ready::Data(fetched)) => taken.push(fetched),
                Some(Ready::Reset(reset)) => return Taken::Reset(reset),
                None => break,
            }
        }
        if taken.is_empty() { Taken::Nothing } else { Taken::Records(taken) }
    }

    /// Queues data of an assigned partition; the caller has moved its `fetch_offset`.
    pub(super) fn push_ready(&mut self, fetched: Fetched) {
        let key = PartitionRef { topic: &fetched.topic, partition: fetched.partition };
        if let Some(partition) = self.map.get_mut(&key) {
            partition.untaken_bytes += fetched.bytes;
            self.untaken.add(fetched.bytes);
            self.ready.push_back(Ready::Data(fetched));
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
                partition.start_at(committed.offset, committed.leader_epoch);
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

    pub(super) fn incarnation(&mut self) -> u64 {
        self.next_incarnation += 1;
        self.next_incarnation
    }

    /// Drops queued data of the partitions that `is_dropped` names, and its account.
    pub(super) fn drop_ready(&mut self, is_dropped: impl Fn(&TopicPartition) -> bool) {
        if self.ready.is_empty() {
            return;
        }
        self.ready.retain(|ready| {
            let Some((tp, _)) = self.map.get_key_value(&ready.key()) else { return false };
            if !is_dropped(tp) {
                return true;
            }
            if let Ready::Data(fetched) = ready {
                self.untaken.give_back(fetched.bytes);
                if let Some(partition) = self.map.get_mut(&ready.key()) {
                    partition.untaken_bytes -= fetched.bytes;
                }
            }
            false
        });
    }
}

impl Ready {
    fn key(&self) -> PartitionRef<'_> {
        match self {
            Ready::Data(fetched) => PartitionRef { topic: &fetched.topic, partition: fetched.partition },
            Ready::Reset(reset) => {
                PartitionRef { topic: &reset.partition.topic, partition: reset.partition.partition }
            }
        }
    }
}

impl Partition {
    fn new(incarnation: u64, need: Need, fetch_bytes_max: i32, metrics: MetricsConfig) -> Self {
        Self {
            incarnation,
            position: None,
            position_epoch: -1,
            fetch_offset: -1,
            fetch_epoch: -1,
            validated_epoch: -1,
            topic_id: Uuid::nil(),
            need,
            leader: None,
            stale_generation: None,
            preferred_replica: None,
            is_paused: false,
            is_revoking: false,
            is_withheld: false,
            untaken_bytes: 0,
            fetch_bytes_max,
            retry_at: None,
            failure_count: 0,
            reset_from: None,
            log_start_offset: None,
            end_offset: None,
            lag_stat: Stat::new(metrics),
            lead_stat: Stat::new(metrics),
        }
    }

    /// The answer to a need: fetch from `offset` on. What was fetched before a gap is still to be taken.
    pub(super) fn start_at(&mut self, offset: i64, leader_epoch: i32) {
        self.need = Need::Nothing;
        self.fetch_offset = offset;
        self.fetch_epoch = leader_epoch;
        self.validated_epoch = -1;
        if self.untaken_bytes == 0 {
            self.position = Some(offset);
            self.position_epoch = leader_epoch;
        }
        self.succeed();
    }

    /// Whether a poll may have its data.
    fn is_flowing(&self) -> bool {
        !self.is_paused && !self.is_withheld && !self.is_revoking
    }

    /// Whether the leader has changed since the position was found in its log, so that the log may be another one by now.
    pub(super) fn needs_validation(&self) -> bool {
        let leader_epoch = self.leader.map_or(-1, |leader| leader.epoch);
        self.fetch_epoch >= 0 && leader_epoch >= 0 && self.validated_epoch < leader_epoch
    }

    /// The follower to fetch from, for as long as the leader said so.
    pub(super) fn follower(&self, now: Instant) -> Option<i32> {
        self.preferred_replica.filter(|(_, until)| now < *until).map(|(node, _)| node)
    }

    /// The node to fetch from: the follower that the leader proposed, for as long as it said so, else the leader.
    pub(super) fn fetch_node(&self, now: Instant) -> Option<i32> {
        self.follower(now).or_else(|| self.leader.map(|leader| leader.node))
    }

    pub(super) fn succeed(&mut self) {
        self.retry_at = None;
        self.failure_count = 0;
    }

    pub(super) fn restart(&mut self, incarnation: u64, need: Need) {
        self.incarnation = incarnation;
        self.need = need;
        self.reset_from = None;
        self.position_epoch = -1;
        self.fetch_epoch = -1;
        self.validated_epoch = -1;
        self.succeed();
    }

    /// After queued data was dropped: fetch it again. A reset that waits lies behind that data, so it is found out again, too.
    pub(super) fn rewind_to_position(&mut self) {
        if let Some(position) = self.position
            && matches!(self.need, Need::Nothing | Need::Reset(_))
        {
            self.need = Need::Nothing;
            self.fetch_offset = position;
            self.fetch_epoch = self.position_epoch;
            self.validated_epoch = -1;
            self.reset_from = None;
        }
    }
}
