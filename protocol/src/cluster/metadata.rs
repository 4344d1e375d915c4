//! What the cluster looks like: nodes, topics, partitions and their leaders, as one immutable snapshot per refresh.
//!
//! A snapshot carries a generation, so that many callers that saw the same stale one cause a single refresh. A leader is only
//! replaced by one of the same or a newer epoch: brokers learn of an election at different times, and a lagging one must not
//! send us back to the old leader (KIP-320). Topics that were recreated have another id and start anew.

use std::sync::Arc;

use indexmap::IndexMap;
use kafka_protocol::messages::MetadataResponse;
use kafka_protocol::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
use uuid::Uuid;

use super::HostPort;
use crate::ErrorCode;

/// A broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// `broker.id` / `node.id`.
    pub id: i32,
    /// Where it listens.
    pub address: HostPort,
    /// `broker.rack`.
    pub rack: Option<Arc<str>>,
}

/// Who leads a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leader {
    /// The node to produce to and fetch from.
    pub node: i32,
    /// The election that made it leader; -1 where the broker is too old to say.
    pub epoch: i32,
}

/// One partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionMetadata {
    /// None while there is no leader.
    pub leader: Option<Leader>,
    /// The newest leader epoch seen, also while there is no leader.
    pub leader_epoch: i32,
    /// All replicas.
    pub replicas: Vec<i32>,
    /// Replicas in sync.
    pub in_sync_replicas: Vec<i32>,
}

/// One topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicMetadata {
    /// Its name.
    pub name: Arc<str>,
    /// Its id; nil where the broker is too old to say.
    pub id: Uuid,
    /// Whether it is one of Kafka's own.
    pub is_internal: bool,
    /// Why the topic cannot be used now; `NONE` when it can.
    pub error: ErrorCode,
    /// Partitions by number.
    pub partitions: Vec<PartitionMetadata>,
}

/// An immutable view of the cluster.
#[derive(Debug, Clone, Default)]
pub struct Metadata {
    /// Counts refreshes; 0 is the empty view before the first one.
    pub generation: u64,
    /// The cluster's id, where it has one.
    pub cluster_id: Option<Arc<str>>,
    /// The node to send controller requests to.
    pub controller: Option<i32>,
    /// All live brokers.
    pub nodes: Vec<Node>,
    topics: IndexMap<Arc<str>, Arc<TopicMetadata>>,
}

impl Metadata {
    /// The node with this id.
    pub fn node(&self, id: i32) -> Option<&Node> {
        self.nodes.iter().find(|node| node.id == id)
    }

    /// A topic of interest that was part of the last refresh.
    pub fn topic(&self, name: &str) -> Option<&Arc<TopicMetadata>> {
        self.topics.get(name)
    }

    /// The topic with this id.
    pub fn topic_by_id(&self, id: Uuid) -> Option<&Arc<TopicMetadata>> {
        self.topics.values().find(|topic| topic.id == id)
    }

    /// All known topics.
    pub fn topics(&self) -> impl Iterator<Item = &Arc<TopicMetadata>> {
        self.topics.values()
    }

    /// Who leads `partition` of `topic`; None when unknown or without leader.
    pub fn leader(&self, topic: &str, partition: i32) -> Option<Leader> {
        let topic = self.topics.get(topic)?;
        topic.partitions.get(usize::try_from(partition).ok()?)?.leader
    }

    /// The view that `response` alone gives.
    pub(crate) fn from_response(response: MetadataResponse) -> Self {
        Self::default().updated(response)
    }

    /// The view after `response`, which answers a request for every topic of interest.
    pub(super) fn updated(&self, response: MetadataResponse) -> Self {
        let nodes = response
            .brokers
            .iter()
            .filter_map(|broker| {
                let port = u16::try_from(broker.port).ok()?;
                let rack = broker.rack.as_deref().map(Arc::from);
                Some(Node { id: broker.node_id.0, address: HostPort::new(&broker.host, port), rack })
            })
            .collect();
        let topics = response
            .topics
            .into_iter()
            .filter_map(|topic| {
                let known = self.topics.get(&***topic.name.as_ref()?);
                let updated = updated_topic(known, topic)?;
                Some((Arc::clone(&updated.name), updated))
            })
            .collect();
        Self {
            generation: self.generation + 1,
            cluster_id: response.cluster_id.as_deref().map(Arc::from),
            controller: (response.controller_id.0 >= 0).then_some(response.controller_id.0),
            nodes,
            topics,
        }
    }

    /// The same view with one newer leader, as a produce or fetch response tells it (KIP-951); None when it is not newer.
    pub(super) fn with_leader(&self, topic: &str, partition: i32, leader: Leader) -> Option<Self> {
        self.node(leader.node)?;
        let (index, _, known) = self.topics.get_full(topic)?;
        let slot = usize::try_from(partition).ok()?;
        if known.partitions.get(slot)?.leader_epoch >= leader.epoch {
            return None;
        }
        let mut changed = TopicMetadata::clone(known);
        changed.partitions[slot].leader = Some(leader);
        changed.partitions[slot].leader_epoch = leader.epoch;
        let mut view = self.clone();
        view.generation += 1;
        view.topics[index] = Arc::new(changed);
        Some(view)
    }
}

fn updated_topic(
    known: Option<&Arc<TopicMetadata>>,
    topic: MetadataResponseTopic,
) -> Option<Arc<TopicMetadata>> {
    let name = topic.name?;
    // A recreated topic starts its epochs anew, so what was known of its namesake says nothing.
    let known = known.filter(|known| known.id == topic.topic_id);
    let error = ErrorCode(topic.error_code);
    if let Some(known) = known
        && error.is_retriable()
        && topic.partitions.is_empty()
        && error != ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
    {
        return Some(Arc::clone(known));
    }
    // Partition numbers are dense; a number beyond the count would be a hostile answer and is dropped.
    let partition_count = topic.partitions.len();
    let mut partitions = vec![None; partition_count];
    for partition in topic.partitions {
        let Some(slot) =
            usize::try_from(partition.partition_index).ok().filter(|index| *index < partition_count)
        else {
            continue;
        };
        let before = known.and_then(|known| known.partitions.get(slot));
        partitions[slot] = Some(updated_partition(before, &partition));
    }
    let unknown = || PartitionMetadata {
        leader: None,
        leader_epoch: -1,
        replicas: Vec::new(),
        in_sync_replicas: Vec::new(),
    };
    let updated = TopicMetadata {
        name: known.map_or_else(|| Arc::from(&**name), |known| Arc::clone(&known.name)),
        id: topic.topic_id,
        is_internal: topic.is_internal,
        error,
        partitions: partitions.into_iter().map(|partition| partition.unwrap_or_else(unknown)).collect(),
    };
    match known {
        // Nothing new: keep the one that readers may hold.
        Some(known) if **known == updated => Some(Arc::clone(known)),
        _ => Some(Arc::new(updated)),
    }
}

fn updated_partition(
    before: Option<&PartitionMetadata>,
    partition: &MetadataResponsePartition,
) -> PartitionMetadata {
    let epoch = partition.leader_epoch;
    if let Some(before) = before
        && epoch >= 0
        && epoch < before.leader_epoch
    {
        return before.clone();
    }
    let leader = (partition.leader_id.0 >= 0).then_some(Leader { node: partition.leader_id.0, epoch });
    PartitionMetadata {
        leader,
        leader_epoch: epoch,
        replicas: partition.replica_nodes.iter().map(|node| node.0).collect(),
        in_sync_replicas: partition.isr_nodes.iter().map(|node| node.0).collect(),
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::metadata_response::MetadataResponseBroker;
    use kafka_protocol::messages::{BrokerId, TopicName};
    use kafka_protocol::protocol::StrBytes;

    use super::*;

    fn response(id: u128, leaders: &[(i32, i32)]) -> MetadataResponse {
        let partitions = leaders
            .iter()
            .enumerate()
            .map(|(index, (node, epoch))| {
                MetadataResponsePartition::default()
                    .with_partition_index(index as i32)
                    .with_leader_id(BrokerId(*node))
                    .with_leader_epoch(*epoch)
            })
            .collect();
        let topic = MetadataResponseTopic::default()
            .with_name(Some(TopicName(StrBytes::from_static_str("t"))))
            .with_topic_id(Uuid::from_u128(id))
            .with_partitions(partitions);
        let broker = |id: i32| {
            MetadataResponseBroker::default()
                .with_node_id(BrokerId(id))
                .with_host(StrBytes::from_static_str("h"))
                .with_port(9092)
        };
        MetadataResponse::default()
            .with_brokers(vec![broker(1), broker(2)])
            .with_controller_id(BrokerId(2))
            .with_topics(vec![topic])
    }

    fn leader(node: i32, epoch: i32) -> Option<Leader> {
        Some(Leader { node, epoch })
    }

    #[test]
    fn an_older_leader_epoch_is_not_accepted() {
        let first = Metadata::default().updated(response(7, &[(1, 5), (2, 3)]));
        let second = first.updated(response(7, &[(2, 4), (1, 4)]));
        assert_eq!(second.leader("t", 0), leader(1, 5));
        assert_eq!(second.leader("t", 1), leader(1, 4));
        assert_eq!(second.generation, 2);
        assert_eq!(
            (second.leader("t", 2), second.leader("t", -1), second.leader("u", 0)),
            (None, None, None)
        );
    }

    #[test]
    fn a_recreated_topic_starts_its_epochs_anew() {
        let first = Metadata::default().updated(response(7, &[(1, 5)]));
        assert_eq!(first.updated(response(8, &[(2, 0)])).leader("t", 0), leader(2, 0));
    }

    #[test]
    fn a_partition_without_leader_keeps_its_epoch() {
        let lost = Metadata::default().updated(response(7, &[(1, 5)])).updated(response(7, &[(-1, 6)]));
        assert_eq!(lost.leader("t", 0), None);
        assert_eq!(lost.updated(response(7, &[(1, 5)])).leader("t", 0), None);
    }

    #[test]
    fn a_hint_is_taken_only_when_newer_and_of_a_known_node() {
        let view = Metadata::default().updated(response(7, &[(1, 5)]));
        assert!(view.with_leader("t", 0, Leader { node: 2, epoch: 5 }).is_none());
        assert!(view.with_leader("t", 0, Leader { node: 9, epoch: 6 }).is_none());
        let moved = view.with_leader("t", 0, Leader { node: 2, epoch: 6 }).unwrap();
        assert_eq!(moved.leader("t", 0), leader(2, 6));
    }

    #[test]
    fn hostile_partition_numbers_are_dropped() {
        let mut answer = response(7, &[(1, 5)]);
        answer.topics[0].partitions[0].partition_index = 2_000_000_000;
        let view = Metadata::default().updated(answer);
        assert_eq!(view.topic("t").unwrap().partitions.len(), 1);
        assert_eq!(view.leader("t", 0), None);
    }
}
