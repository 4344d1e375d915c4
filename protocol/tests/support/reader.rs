//! A consumer with a memory: what it has seen, what it owns, and how that changed.

use std::collections::BTreeMap;
use std::time::Duration;

use protocol::ErrorCode;
use protocol::client::TopicPartition;
use protocol::client::consumer::{Consumer, ConsumerConfig, OffsetReset, Polled, PositionReset, Rebalance};
use protocol::cluster::{Cluster, ClusterConfig};
use tokio::time::Instant;

use super::{PATIENCE, TestCluster, tp, values};

pub(crate) const TICK: Duration = Duration::from_millis(100);

pub(crate) fn numbered(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|number| format!("value-{number}")).collect()
}

pub(crate) fn earliest() -> ConsumerConfig {
    ConsumerConfig { auto_offset_reset: OffsetReset::Earliest, ..ConsumerConfig::new() }
}

pub(crate) fn member(group_id: &str) -> ConsumerConfig {
    ConsumerConfig {
        auto_offset_reset: OffsetReset::Earliest,
        session_timeout_ms: 10_000,
        heartbeat_interval_ms: 100,
        ..ConsumerConfig::in_group(group_id)
    }
}

/// A consumer with everything it has seen.
pub(crate) struct Reader {
    pub(crate) consumer: Consumer,
    pub(crate) seen: BTreeMap<TopicPartition, Vec<(i64, String)>>,
    pub(crate) owned: Vec<TopicPartition>,
    pub(crate) rebalances: Vec<Rebalance>,
    pub(crate) resets: Vec<PositionReset>,
    is_subscribed: bool,
}

impl Reader {
    pub(crate) fn new(cluster: &TestCluster, config: ConsumerConfig) -> Self {
        Self::with_client(cluster, cluster.config(), config)
    }

    pub(crate) fn with_client(cluster: &TestCluster, client: ClusterConfig, config: ConsumerConfig) -> Self {
        let consumer = Consumer::new(Cluster::new(cluster.env.clone(), client), config);
        Self {
            consumer,
            seen: BTreeMap::new(),
            owned: Vec::new(),
            rebalances: Vec::new(),
            resets: Vec::new(),
            is_subscribed: false,
        }
    }

    pub(crate) fn subscribe(&mut self, topic: &str) {
        self.is_subscribed = true;
        self.consumer.subscribe(vec![topic.to_owned()]);
    }

    pub(crate) fn assigned(
        cluster: &TestCluster,
        config: ConsumerConfig,
        partitions: &[TopicPartition],
    ) -> Self {
        let reader = Self::new(cluster, config);
        reader.consumer.assign(partitions.to_vec());
        reader
    }

    /// One poll; commits what it has seen of partitions that are about to move.
    pub(crate) async fn step(&mut self, wait: Duration) {
        match self.consumer.poll(wait).await.unwrap() {
            Polled::Records(fetched) => {
                let mut ends = BTreeMap::new();
                for one in fetched {
                    let name = tp(&one.topic, one.partition);
                    assert!(
                        !self.is_subscribed || self.owned.contains(&name),
                        "data of {name}, which is not ours"
                    );
                    // One poll may hand out several stretches of a partition; the position is where the last one ends.
                    ends.insert(name.clone(), one.next_offset);
                    self.seen.entry(name).or_default().extend(values(&one.records, one.first_wanted_offset));
                }
                for (name, end) in ends {
                    assert_eq!(self.consumer.position(&name), Some(end), "{name}");
                }
            }
            Polled::Rebalance(rebalance) => {
                match &rebalance {
                    Rebalance::Revoked(partitions) => {
                        self.commit(partitions).await;
                        self.owned.retain(|owned| !partitions.contains(owned));
                    }
                    Rebalance::Assigned(partitions) => {
                        self.owned.extend(partitions.iter().cloned());
                        self.owned.sort();
                    }
                    Rebalance::Lost(partitions) => self.owned.retain(|owned| !partitions.contains(owned)),
                }
                self.rebalances.push(rebalance);
            }
            Polled::Reset(reset) => {
                assert_eq!(self.consumer.position(&reset.partition), Some(reset.after));
                self.resets.push(reset);
            }
            Polled::Idle => {}
        }
    }

    pub(crate) async fn commit(&self, partitions: &[TopicPartition]) {
        let offsets: Vec<_> =
            partitions.iter().filter_map(|tp| Some((tp.clone(), self.consumer.committable(tp)?))).collect();
        self.consumer.commit(&offsets).await.unwrap();
    }

    /// Commits what it has seen of all that it owns. What is refused because the group has moved on will come again.
    pub(crate) async fn commit_owned(&self) {
        let committed = |tp: &TopicPartition| Some((tp.clone(), self.consumer.committable(tp)?));
        let offsets: Vec<_> = self.owned.iter().filter_map(committed).collect();
        if let Err(error) = self.consumer.commit(&offsets).await {
            let code = error.code();
            let has_moved_on = [
                ErrorCode::UNKNOWN_MEMBER_ID,
                ErrorCode::ILLEGAL_GENERATION,
                ErrorCode::REBALANCE_IN_PROGRESS,
            ];
            assert!(code.is_some_and(|code| has_moved_on.contains(&code)), "{error}");
        }
    }

    pub(crate) async fn until(&mut self, what: &str, is_done: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_done(self) {
            assert!(Instant::now() < deadline, "waited in vain: {what}");
            self.step(TICK).await;
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.seen.values().map(Vec::len).sum()
    }

    pub(crate) fn values_of(&self, name: &TopicPartition) -> Vec<String> {
        self.seen.get(name).into_iter().flatten().map(|(_, value)| value.clone()).collect()
    }
}
