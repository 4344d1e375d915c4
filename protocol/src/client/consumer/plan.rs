//! Decides what one broker is asked next. Pure: a function of the partitions, the budget and the time.

use tokio::time::Instant;

use super::budget::FLOOR_BYTES;
use super::partitions::{Need, Partitions};
use super::session::PartitionFetch;
use super::{ConsumerConfig, OffsetReset};
use crate::client::TopicPartition;

/// What to ask of one broker now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// These positions, before anything else.
    FindOffsets(Vec<OffsetQuery>),
    /// Whether these positions still are in the log, before anything of them is fetched.
    CheckEpochs(Vec<EpochQuery>),
    /// Data.
    Fetch {
        wanted: Vec<(TopicPartition, PartitionFetch)>,
        bytes_max: i32,
        /// Partitions were left out because of the budget: they become fetchable at any time, so the broker must not hold
        /// this fetch back for long.
        is_holding_back: bool,
    },
    /// Nothing before something changes, or this time comes.
    Wait(Option<Instant>),
    /// The broker leads none of our partitions.
    Done,
}

/// A partition whose beginning or end is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OffsetQuery {
    pub(super) tp: TopicPartition,
    pub(super) incarnation: u64,
    pub(super) reset: OffsetReset,
    pub(super) leader_epoch: i32,
}

/// A position whose log may have been truncated: the end of `epoch` in the leader's log decides (KIP-320).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EpochQuery {
    pub(super) tp: TopicPartition,
    pub(super) incarnation: u64,
    pub(super) offset: i64,
    pub(super) epoch: i32,
    pub(super) leader_epoch: i32,
}

impl Partitions {
    /// How many bytes more may be fetched now.
    fn room(&self, config: &ConsumerConfig) -> usize {
        let own = config.prefetch_bytes_max.saturating_sub(self.untaken_bytes());
        let shared = config.prefetch_budget.room();
        let floor = if self.untaken_bytes() == 0 { FLOOR_BYTES } else { 0 };
        own.min(shared.max(floor))
    }

    /// What to ask of `node`, which is one of `node_count` that are asked.
    pub(super) fn plan(
        &mut self,
        node: i32,
        node_count: usize,
        config: &ConsumerConfig,
        now: Instant,
    ) -> Plan {
        if self.room(config) == 0 {
            self.evict_paused();
        }
        let room = self.room(config);
        let share = (config.prefetch_bytes_max / self.map.len().max(1))
            .max(usize::try_from(config.max_partition_fetch_bytes).unwrap_or(0));
        let mut queries = Vec::new();
        let mut epoch_queries = Vec::new();
        let mut wanted = Vec::new();
        let mut is_leading = false;
        let mut is_holding_back = false;
        let mut retry_at: Option<Instant> = None;
        for (tp, partition) in &self.map {
            let fetch_node = partition.fetch_node(now);
            let Some(leader) = partition.leader else { continue };
            let is_leader = leader.node == node;
            if !is_leader && fetch_node != Some(node) {
                continue;
            }
            is_leading = true;
            if partition.is_revoking || partition.stale_generation.is_some() {
                continue;
            }
            if let Some(at) = partition.retry_at.filter(|at| *at > now) {
                retry_at = Some(retry_at.map_or(at, |earliest| earliest.min(at)));
                continue;
            }
            match partition.need {
                Need::Nothing if partition.needs_validation() => {
                    if is_leader {
                        epoch_queries.push(EpochQuery {
                            tp: tp.clone(),
                            incarnation: partition.incarnation,
                            offset: partition.fetch_offset,
                            epoch: partition.fetch_epoch,
                            leader_epoch: leader.epoch,
                        });
                    }
                    continue;
                }
                Need::Nothing => {}
                Need::Reset(_) if !is_leader => continue,
                Need::Reset(reset) => {
                    queries.push(OffsetQuery {
                        tp: tp.clone(),
                        incarnation: partition.incarnation,
                        reset,
                        leader_epoch: leader.epoch,
                    });
                    continue;
                }
                Need::Committed | Need::Seek => continue,
            }
            if partition.is_paused || fetch_node != Some(node) {
                continue;
            }
            if room == 0 || partition.untaken_bytes >= share {
                is_holding_back = true;
                continue;
            }
            let fetch = PartitionFetch {
                offset: partition.fetch_offset,
                bytes_max: partition.fetch_bytes_max,
                leader_epoch: leader.epoch,
                topic_id: partition.topic_id,
            };
            wanted.push((tp.clone(), fetch));
        }
        if !queries.is_empty() {
            Plan::FindOffsets(queries)
        } else if !epoch_queries.is_empty() {
            Plan::CheckEpochs(epoch_queries)
        } else if !wanted.is_empty() {
            let fair_room = i32::try_from(room / node_count.max(1)).unwrap_or(i32::MAX);
            let bytes_max = config.fetch_max_bytes.min(fair_room.max(1));
            Plan::Fetch { wanted, bytes_max, is_holding_back }
        } else if is_leading {
            Plan::Wait(retry_at)
        } else {
            Plan::Done
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use bytes::Bytes;

    use super::super::partitions::Taken;
    use super::*;
    use crate::client::consumer::{Fetched, PrefetchBudget};
    use crate::cluster::Leader;
    use crate::metrics::MetricsConfig;
    use crate::wire::records::RecordSet;

    fn config() -> ConsumerConfig {
        ConsumerConfig { prefetch_bytes_max: 1_000, max_partition_fetch_bytes: 300, ..ConsumerConfig::new() }
    }

    /// Partitions of topic "t" on node 1, each at offset 0.
    fn partitions(count: i32) -> Partitions {
        partitions_within(count, &PrefetchBudget::unlimited())
    }

    fn partitions_within(count: i32, budget: &PrefetchBudget) -> Partitions {
        let mut partitions = Partitions::new(MetricsConfig::default(), budget);
        let names: Vec<_> = (0..count).map(|partition| TopicPartition::new("t", partition)).collect();
        partitions.assign(&names, Need::Nothing, false, &config());
        for partition in partitions.map.values_mut() {
            partition.leader = Some(Leader { node: 1, epoch: 3 });
            partition.start_at(0, -1);
        }
        partitions
    }

    fn deliver(partitions: &mut Partitions, partition: i32, bytes: usize) {
        let topic: Arc<str> = "t".into();
        let state = partitions.map.get_mut(&TopicPartition::new("t", partition)).unwrap();
        let first_wanted_offset = state.fetch_offset;
        state.fetch_offset += 10;
        partitions.push_ready(Fetched {
            topic,
            partition,
            first_wanted_offset,
            next_offset: first_wanted_offset + 10,
            records: RecordSet::new(Bytes::new()),
            bytes,
            record_count: 0,
            high_watermark: 0,
            log_start_offset: 0,
            last_stable_offset: 0,
            leader_epoch: 3,
            aborted_transactions: Vec::new(),
        });
    }

    fn take(partitions: &mut Partitions, bytes_max: usize) -> usize {
        match partitions.take(bytes_max, Instant::now()) {
            Taken::Records(records) => records.len(),
            _ => 0,
        }
    }

    fn wanted(partitions: &mut Partitions) -> (Vec<i32>, bool) {
        match partitions.plan(1, 1, &config(), Instant::now()) {
            Plan::Fetch { wanted, is_holding_back, .. } => {
                (wanted.iter().map(|(tp, _)| tp.partition).collect(), is_holding_back)
            }
            _ => (Vec::new(), false),
        }
    }

    #[test]
    fn leaves_out_what_exceeds_its_share_until_it_is_taken() {
        let mut partitions = partitions(2);
        assert_eq!(wanted(&mut partitions), (vec![0, 1], false));
        deliver(&mut partitions, 0, 499);
        assert_eq!(wanted(&mut partitions), (vec![0, 1], false));
        deliver(&mut partitions, 0, 1);
        assert_eq!(wanted(&mut partitions), (vec![1], true));
        deliver(&mut partitions, 1, 500);
        assert_eq!(partitions.plan(1, 1, &config(), Instant::now()), Plan::Wait(None));
        assert_eq!(take(&mut partitions, 100), 1, "one entry comes whatever its size");
        assert_eq!(take(&mut partitions, 1_000), 2);
        assert_eq!(partitions.untaken_bytes(), 0);
        assert_eq!(wanted(&mut partitions), (vec![0, 1], false));
        assert_eq!(partitions.map[0].position, Some(20));
    }

    #[test]
    fn paused_partitions_keep_their_data_but_not_the_budget() {
        let mut partitions = partitions(2);
        let paused = [TopicPartition::new("t", 0)];
        deliver(&mut partitions, 0, 400);
        partitions.set_paused(&paused, true);
        assert_eq!(take(&mut partitions, 1_000), 0);
        assert_eq!(wanted(&mut partitions), (vec![1], false));
        deliver(&mut partitions, 1, 600);
        // The budget is used up: the paused partition's data goes, to be fetched again, so that the other one can run.
        assert_eq!(wanted(&mut partitions).0, Vec::<i32>::new());
        assert_eq!(partitions.untaken_bytes(), 600);
        assert_eq!(take(&mut partitions, 1_000), 1);
        assert_eq!(wanted(&mut partitions), (vec![1], false));
        partitions.set_paused(&paused, false);
        assert_eq!(wanted(&mut partitions), (vec![0, 1], false));
        assert_eq!(partitions.map[0].fetch_offset, 0);
    }

    #[test]
    fn a_budget_bounds_those_who_share_it_and_lets_nobody_stand_still() {
        let budget = PrefetchBudget::new(1_000_000);
        let config = ConsumerConfig { prefetch_budget: budget.clone(), ..ConsumerConfig::new() };
        let (mut one, mut other) = (partitions_within(1, &budget), partitions_within(1, &budget));
        let may_fetch = |partitions: &mut Partitions| match partitions.plan(1, 1, &config, Instant::now()) {
            Plan::Fetch { bytes_max, .. } => bytes_max as usize,
            _ => 0,
        };
        deliver(&mut one, 0, 400_000);
        assert_eq!((may_fetch(&mut one), may_fetch(&mut other)), (600_000, 600_000));
        deliver(&mut one, 0, 700_000);
        assert_eq!((may_fetch(&mut one), may_fetch(&mut other)), (0, FLOOR_BYTES));
        deliver(&mut other, 0, FLOOR_BYTES);
        assert_eq!((may_fetch(&mut one), may_fetch(&mut other)), (0, 0), "what it has is to be taken first");
        assert_eq!(take(&mut other, 0), 1);
        assert_eq!(may_fetch(&mut other), FLOOR_BYTES);
        // Whatever way data go, they are given back.
        assert_eq!(take(&mut one, 0), 1);
        assert_eq!(budget.held_bytes(), 700_000);
        drop(one);
        deliver(&mut other, 0, 500_000);
        assert!(other.seek(&TopicPartition::new("t", 0), 7));
        assert_eq!(budget.held_bytes(), 0);
    }

    #[test]
    fn a_seek_forgets_what_was_fetched_ahead() {
        let mut partitions = partitions(1);
        deliver(&mut partitions, 0, 100);
        assert!(partitions.seek(&TopicPartition::new("t", 0), 77));
        assert_eq!(take(&mut partitions, 1_000), 0);
        assert_eq!((partitions.map[0].fetch_offset, partitions.map[0].position), (77, Some(77)));
        assert!(!partitions.seek(&TopicPartition::new("other", 0), 0));
    }

    #[test]
    fn a_failed_partition_waits_without_the_others() {
        let mut partitions = partitions(2);
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        partitions.map[0].retry_at = Some(later);
        assert_eq!(wanted(&mut partitions), (vec![1], false));
        partitions.map[1].retry_at = Some(later + Duration::from_secs(1));
        assert_eq!(partitions.plan(1, 1, &config(), now), Plan::Wait(Some(later)));
        assert_eq!(partitions.plan(2, 1, &config(), now), Plan::Done);
    }

    #[test]
    fn nothing_moves_during_a_revocation_and_positions_stay() {
        let mut partitions = partitions(1);
        deliver(&mut partitions, 0, 100);
        take(&mut partitions, 1_000);
        deliver(&mut partitions, 0, 100);
        assert_eq!(partitions.begin_revocation(|_| true), [TopicPartition::new("t", 0)]);
        assert_eq!(take(&mut partitions, 1_000), 0);
        assert_eq!(partitions.plan(1, 1, &config(), Instant::now()), Plan::Wait(None));
        assert_eq!(partitions.map[0].position, Some(10));
    }
    #[test]
    fn a_new_leader_is_asked_whether_it_has_what_was_read() {
        let mut partitions = partitions(1);
        partitions.map[0].fetch_epoch = 3;
        let Plan::CheckEpochs(queries) = partitions.plan(1, 1, &config(), Instant::now()) else {
            panic!("expected a check")
        };
        assert_eq!((queries[0].offset, queries[0].epoch, queries[0].leader_epoch), (0, 3, 3));
        partitions.map[0].validated_epoch = 3;
        assert_eq!(wanted(&mut partitions).0, [0]);
        partitions.map[0].leader = Some(Leader { node: 1, epoch: 4 });
        assert!(matches!(partitions.plan(1, 1, &config(), Instant::now()), Plan::CheckEpochs(_)));
    }

    #[test]
    fn a_follower_is_fetched_from_until_the_proposal_expires() {
        let mut partitions = partitions(2);
        let now = Instant::now();
        let until = now + Duration::from_secs(1);
        partitions.map[0].preferred_replica = Some((2, until));
        assert_eq!(wanted(&mut partitions).0, [1]);
        assert!(
            matches!(partitions.plan(2, 1, &config(), now), Plan::Fetch { wanted, .. } if wanted[0].0.partition == 0)
        );
        assert_eq!(partitions.plan(2, 1, &config(), until), Plan::Done);
        assert!(
            matches!(partitions.plan(1, 1, &config(), until), Plan::Fetch { wanted, .. } if wanted.len() == 2)
        );
    }
}
