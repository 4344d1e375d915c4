//! The cluster: its nodes and topics, and what may be done to them.

use std::collections::HashMap;

use bytes::Bytes;
use indexmap::IndexMap;
use protocol::ErrorCode;
use protocol::wire::messages::{StrBytes, TopicName};
use protocol::wire::records::{BufferPool, Decompressor};
use uuid::Uuid;

use super::{Appended, ConfigScope, FetchSessions, Node, Overrides, Partition, Topic, TopicSettings};
use crate::config::Config;
use crate::log::Sequenced;
use crate::memory::MemoryBudget;
use crate::refusal::Refusal;
use crate::text;

/// Most bytes that one batch may unpack to when its records have to be looked at.
const DECOMPRESSED_BYTES_MAX: usize = 128 << 20;

/// Ports that nodes without a listener are said to have, from Kafka's own on.
const PORT_DEFAULT: u16 = 9092;

/// Everything that the nodes share, but for groups.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) id: StrBytes,
    pub(crate) nodes: Vec<Node>,
    pub(crate) broker_overrides: Overrides,
    pub(crate) random: fastrand::Rng,
    decompressor: Decompressor,
    pub(crate) sessions: FetchSessions,
    pub(crate) memory: MemoryBudget,
    topics: IndexMap<TopicName, Topic>,
    names: HashMap<Uuid, TopicName>,
    partition_count: usize,
    /// Coordinators that a test has moved, by group or transactional id.
    moved_coordinators: HashMap<String, i32>,
    config: Config,
}

/// A topic to be made.
#[derive(Debug, Clone, Default)]
pub(crate) struct NewTopic {
    /// -1 for the broker's default.
    pub(crate) partition_count: i32,
    /// -1 for the broker's default.
    pub(crate) replication_factor: i16,
    /// Replicas per partition, if the client chose them.
    pub(crate) assignments: Vec<(i32, Vec<i32>)>,
    pub(crate) overrides: Overrides,
}

impl Cluster {
    pub(crate) fn new(config: Config) -> Self {
        let mut random = config.seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
        let id = config.cluster_id.clone().unwrap_or_else(|| text::random_cluster_id(&mut random));
        let first_port = config.advertised_port.unwrap_or(PORT_DEFAULT);
        let node = |index: usize| Node {
            id: config.node_id + index as i32,
            host: config.advertised_host.clone(),
            port: first_port.wrapping_add(index as u16),
            is_running: true,
        };
        Self {
            id: StrBytes::from_string(id),
            nodes: (0..config.node_count).map(node).collect(),
            broker_overrides: Overrides::new(),
            random,
            decompressor: Decompressor::new(BufferPool::default(), DECOMPRESSED_BYTES_MAX),
            sessions: FetchSessions::new(config.fetch_session_count_max),
            memory: MemoryBudget::new(config.memory_bytes_max),
            topics: IndexMap::new(),
            names: HashMap::new(),
            partition_count: 0,
            moved_coordinators: HashMap::new(),
            config,
        }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn node(&self, id: i32) -> Option<&Node> {
        self.nodes.iter().find(|node| node.id == id)
    }

    /// Whether there is such a node, and it is not stopped.
    pub(crate) fn is_running(&self, id: i32) -> bool {
        self.node(id).is_some_and(|node| node.is_running)
    }

    /// Whether anybody can be reached.
    pub(crate) fn has_running_node(&self) -> bool {
        self.nodes.iter().any(|node| node.is_running)
    }

    /// The nodes that clients are told of, in the order of their ids.
    pub(crate) fn running_nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.is_running)
    }

    /// The node that clients take for the controller.
    pub(crate) fn controller(&self) -> &Node {
        self.running_nodes().next().unwrap_or(&self.nodes[0])
    }

    /// The node leads and coordinates nothing from now on.
    pub(crate) fn stop_node(&mut self, id: i32) {
        self.set_running(id, false);
    }

    /// The node leads what has no leader, and coordinates what it did before.
    pub(crate) fn start_node(&mut self, id: i32) {
        self.set_running(id, true);
    }

    fn set_running(&mut self, id: i32, is_running: bool) {
        if let Some(node) = self.nodes.iter_mut().find(|node| node.id == id) {
            node.is_running = is_running;
        }
        let Self { nodes, topics, .. } = self;
        for partition in topics.values_mut().flat_map(|topic| &mut topic.partitions) {
            if !nodes.iter().any(|node| node.is_running && node.id == partition.leader) {
                let leader = first_running(nodes, &partition.replicas);
                if leader != partition.leader {
                    partition.elect(leader);
                }
            }
        }
    }

    /// The node that coordinates a group or a transactional id: the same one for a name each time, or the next one that
    /// runs after it.
    pub(crate) fn coordinator_of(&self, key: &str) -> &Node {
        let is_running = |node: &&Node| node.is_running;
        if let Some(node) = self.moved_coordinators.get(key).and_then(|id| self.node(*id)).filter(is_running)
        {
            return node;
        }
        // FNV-1a: stable across runs and machines.
        let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let first = (hash % self.nodes.len() as u64) as usize;
        let (before, from) = self.nodes.split_at(first);
        from.iter().chain(before).find(is_running).unwrap_or(&self.nodes[first])
    }

    /// From now on this node coordinates the group or transactional id; whether there is such a node.
    pub(crate) fn move_coordinator(&mut self, key: &str, node_id: i32) -> bool {
        let is_known = self.node(node_id).is_some();
        if is_known {
            self.moved_coordinators.insert(key.to_owned(), node_id);
        }
        is_known
    }

    /// From now on this node leads the partition; whether there are such a running node and partition.
    pub(crate) fn move_leader(&mut self, name: &TopicName, index: i32, node_id: i32) -> bool {
        let is_known = self.is_running(node_id);
        let partition = self.partition_mut(name, index).filter(|_| is_known);
        partition.map(|partition| partition.move_leader(node_id)).is_some()
    }

    /// The partition loses its records from `offset` on; whether there is such a partition.
    pub(crate) fn truncate(&mut self, name: &TopicName, index: i32, offset: i64) -> bool {
        let index = usize::try_from(index).ok();
        let topic = self.topics.get_mut(name);
        let partition = topic.zip(index).and_then(|(topic, index)| topic.partitions.get_mut(index));
        let truncated = partition.map(|partition| partition.truncate(offset, &mut self.decompressor));
        truncated.is_some()
    }

    pub(crate) fn topics(&self) -> impl Iterator<Item = (&TopicName, &Topic)> {
        self.topics.iter()
    }

    pub(crate) fn topic(&self, name: &TopicName) -> Option<&Topic> {
        self.topics.get(name)
    }

    pub(crate) fn topic_mut(&mut self, name: &TopicName) -> Option<&mut Topic> {
        self.topics.get_mut(name)
    }

    pub(crate) fn name_of(&self, id: &Uuid) -> Option<&TopicName> {
        self.names.get(id)
    }

    /// The partition, whoever leads it.
    pub(crate) fn partition_mut(&mut self, name: &TopicName, index: i32) -> Option<&mut Partition> {
        self.topics.get_mut(name)?.partitions.get_mut(usize::try_from(index).ok()?)
    }

    /// Whether the topic has a partition of this number.
    pub(crate) fn has_partition(&self, name: &TopicName, index: i32) -> bool {
        let topic = self.topics.get(name);
        topic.is_some_and(|topic| usize::try_from(index).is_ok_and(|index| index < topic.partitions.len()))
    }

    /// The partition, if it exists and `node_id` leads it.
    pub(crate) fn led_partition(
        &mut self,
        node_id: i32,
        name: &TopicName,
        index: i32,
    ) -> Result<&mut Partition, Refusal> {
        let topic = self.topics.get_mut(name).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        led(topic, node_id, index)
    }

    /// The same with what is needed to look into records.
    pub(crate) fn led_partition_with_decompressor(
        &mut self,
        node_id: i32,
        name: &TopicName,
        index: i32,
    ) -> Result<(&mut Partition, &mut Decompressor), Refusal> {
        let topic = self.topics.get_mut(name).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        Ok((led(topic, node_id, index)?, &mut self.decompressor))
    }

    /// Stores the records that a produce request holds for one partition.
    pub(crate) fn append(
        &mut self,
        node_id: i32,
        name: &TopicName,
        index: i32,
        records: Option<Bytes>,
        join_transaction: impl FnOnce(&Sequenced) -> Result<(), Refusal>,
    ) -> Result<Appended, Refusal> {
        let now_ms = (self.config.wall_clock_ms)();
        let topic = self.topics.get_mut(name).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        let settings = topic.settings;
        let partition = led(topic, node_id, index)?;
        partition.append(records, join_transaction, &settings, now_ms, &mut self.decompressor)
    }

    /// Checks that the topic could be made, and makes it unless `is_dry_run`. Returns the replicas of its partitions.
    pub(crate) fn create_topic(
        &mut self,
        name: &TopicName,
        new: NewTopic,
        is_dry_run: bool,
    ) -> Result<Vec<Vec<i32>>, Refusal> {
        text::check_topic_name(name)?;
        if self.topics.contains_key(name) {
            return Err(Refusal::new(
                ErrorCode::TOPIC_ALREADY_EXISTS,
                format!("Topic '{}' already exists.", name.as_str()),
            ));
        }
        // Metric names replace '.' by '_', so Kafka refuses topics that differ in nothing else.
        let folded = |name: &str| name.replace('.', "_");
        if name.contains(['.', '_'])
            && let Some(other) = self.topics.keys().find(|other| folded(other) == folded(name))
        {
            return Err(Refusal::new(
                ErrorCode::INVALID_TOPIC_EXCEPTION,
                format!("Topic '{}' collides with existing topic: {}", name.as_str(), other.as_str()),
            ));
        }
        let replicas = self.place(&new)?;
        self.check_room(replicas.len())?;
        for (key, value) in &new.overrides {
            ConfigScope::Topic.check(key, value)?;
        }
        if !is_dry_run {
            let id = text::random_uuid(&mut self.random);
            let name = TopicName(text::detached(name));
            let settings =
                TopicSettings::from_overrides(&new.overrides, &self.broker_overrides, &self.config);
            let partitions = replicas.iter().map(|nodes| self.new_partition(nodes.clone())).collect();
            self.partition_count += replicas.len();
            self.names.insert(id, name.clone());
            tracing::debug!(topic = %name.as_str(), partitions = replicas.len(), "created topic");
            self.topics.insert(name, Topic { id, overrides: new.overrides, settings, partitions });
        }
        Ok(replicas)
    }

    /// Removes a topic with all its records.
    pub(crate) fn delete_topic(&mut self, name: &TopicName) -> Result<Uuid, Refusal> {
        let topic = self.topics.shift_remove(name).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        self.names.remove(&topic.id);
        self.partition_count -= topic.partitions.len();
        for partition in &topic.partitions {
            partition.watches.wake_all();
        }
        tracing::debug!(topic = %name.as_str(), "deleted topic");
        Ok(topic.id)
    }

    /// Grows a topic to `count` partitions.
    pub(crate) fn grow_topic(
        &mut self,
        name: &TopicName,
        count: i32,
        assignments: Option<Vec<Vec<i32>>>,
        is_dry_run: bool,
    ) -> Result<(), Refusal> {
        let topic = self.topics.get(name).ok_or_else(|| {
            Refusal::new(
                ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
                format!("The topic '{}' does not exist.", name.as_str()),
            )
        })?;
        let current = topic.partitions.len();
        let replication_factor = topic.partitions.first().map_or(1, |partition| partition.replicas.len());
        let wanted = usize::try_from(count).unwrap_or(0);
        if wanted == current {
            return Err(Refusal::new(
                ErrorCode::INVALID_PARTITIONS,
                format!("Topic already has {current} partition(s)."),
            ));
        }
        if wanted < current {
            return Err(Refusal::new(
                ErrorCode::INVALID_PARTITIONS,
                format!(
                    "The topic {} currently has {current} partition(s); {count} would not be an increase.",
                    name.as_str()
                ),
            ));
        }
        let added = wanted - current;
        self.check_room(added)?;
        let replicas = match assignments {
            Some(assignments) if assignments.len() != added => {
                return Err(Refusal::new(
                    ErrorCode::INVALID_REPLICA_ASSIGNMENT,
                    format!("{added} partition(s) are added, but {} assigned", assignments.len()),
                ));
            }
            Some(assignments) => assignments,
            None => (current..wanted).map(|index| self.default_replicas(index, replication_factor)).collect(),
        };
        for nodes in &replicas {
            self.check_replicas(nodes, replication_factor)?;
        }
        if !is_dry_run {
            let partitions: Vec<Partition> =
                replicas.into_iter().map(|nodes| self.new_partition(nodes)).collect();
            self.partition_count += added;
            if let Some(topic) = self.topics.get_mut(name) {
                topic.partitions.extend(partitions);
            }
        }
        Ok(())
    }

    /// Replaces what is set on a topic.
    pub(crate) fn set_topic_configs(
        &mut self,
        name: &TopicName,
        overrides: Overrides,
    ) -> Result<(), Refusal> {
        let settings = TopicSettings::from_overrides(&overrides, &self.broker_overrides, &self.config);
        let topic = self.topics.get_mut(name).ok_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)?;
        topic.overrides = overrides;
        topic.settings = settings;
        Ok(())
    }

    /// Replaces what is set on the brokers, which topics inherit.
    pub(crate) fn set_broker_configs(&mut self, overrides: Overrides) {
        self.broker_overrides = overrides;
        for topic in self.topics.values_mut() {
            topic.settings =
                TopicSettings::from_overrides(&topic.overrides, &self.broker_overrides, &self.config);
        }
    }

    fn place(&self, new: &NewTopic) -> Result<Vec<Vec<i32>>, Refusal> {
        if !new.assignments.is_empty() {
            return self.place_as_assigned(new);
        }
        let count =
            if new.partition_count == -1 { self.config.partitions_default } else { new.partition_count };
        if count < 1 {
            return Err(Refusal::new(
                ErrorCode::INVALID_PARTITIONS,
                "Number of partitions was set to an invalid non-positive value.",
            ));
        }
        let factor = if new.replication_factor == -1 { 1 } else { new.replication_factor };
        if factor < 1 {
            return Err(Refusal::new(
                ErrorCode::INVALID_REPLICATION_FACTOR,
                "Replication factor must be larger than 0, or -1 to use the default value.",
            ));
        }
        let running_count = self.running_nodes().count();
        if factor as usize > running_count {
            return Err(Refusal::new(
                ErrorCode::INVALID_REPLICATION_FACTOR,
                format!(
                    "Unable to replicate the partition {factor} time(s): The target replication factor of {factor} cannot \
                     be reached because only {running_count} broker(s) are registered."
                ),
            ));
        }
        self.check_room(count as usize)?;
        Ok((0..count as usize).map(|index| self.default_replicas(index, factor as usize)).collect())
    }

    fn place_as_assigned(&self, new: &NewTopic) -> Result<Vec<Vec<i32>>, Refusal> {
        let bad = |why: String| Err(Refusal::new(ErrorCode::INVALID_REPLICA_ASSIGNMENT, why));
        if new.partition_count != -1 || new.replication_factor != -1 {
            return Err(Refusal::new(
                ErrorCode::INVALID_REQUEST,
                "A manual partition assignment was specified, but numPartitions or replicationFactor was not -1.",
            ));
        }
        let mut assignments = new.assignments.clone();
        assignments.sort_by_key(|(index, _)| *index);
        let factor = assignments.first().map_or(0, |(_, nodes)| nodes.len());
        for (expected, (index, nodes)) in assignments.iter().enumerate() {
            if usize::try_from(*index) != Ok(expected) {
                return bad("partitions should be a consecutive 0-based integer sequence".to_owned());
            }
            self.check_replicas(nodes, factor)?;
        }
        Ok(assignments.into_iter().map(|(_, nodes)| nodes).collect())
    }

    fn check_replicas(&self, nodes: &[i32], factor: usize) -> Result<(), Refusal> {
        let bad = |why: String| Err(Refusal::new(ErrorCode::INVALID_REPLICA_ASSIGNMENT, why));
        if nodes.is_empty() || nodes.len() != factor {
            return bad(format!(
                "a partition is assigned {} replicas where {factor} are needed",
                nodes.len()
            ));
        }
        if let Some(unknown) = nodes.iter().find(|id| self.node(**id).is_none()) {
            return bad(format!("node {unknown} is not part of the cluster"));
        }
        if nodes.iter().enumerate().any(|(i, id)| nodes[..i].contains(id)) {
            return bad("a node is assigned the same partition twice".to_owned());
        }
        Ok(())
    }

    /// Spread over the nodes that run, of which there are `factor` at least when a topic is made.
    fn default_replicas(&self, partition: usize, factor: usize) -> Vec<i32> {
        let running: Vec<i32> = self.running_nodes().map(|node| node.id).collect();
        let factor = factor.min(running.len());
        (0..factor).map(|replica| running[(partition + replica) % running.len()]).collect()
    }

    fn new_partition(&self, replicas: Vec<i32>) -> Partition {
        let leader = first_running(&self.nodes, &replicas);
        Partition::new(leader, replicas, self.memory.clone())
    }

    fn check_room(&self, added: usize) -> Result<(), Refusal> {
        if self.partition_count.saturating_add(added) <= self.config.partition_count_max {
            return Ok(());
        }
        tracing::warn!(
            partition_count_max = self.config.partition_count_max,
            added,
            "refused new partitions: the broker's limit is reached"
        );
        Err(Refusal::new(
            ErrorCode::POLICY_VIOLATION,
            format!(
                "{added} more partitions would exceed the broker's partition_count_max = {}",
                self.config.partition_count_max
            ),
        ))
    }
}

/// The replica that leads: the first one that runs, or -1.
fn first_running(nodes: &[Node], replicas: &[i32]) -> i32 {
    let is_running = |id: &&i32| nodes.iter().any(|node| node.id == **id && node.is_running);
    replicas.iter().find(is_running).copied().unwrap_or(-1)
}

fn led(topic: &mut Topic, node_id: i32, index: i32) -> Result<&mut Partition, Refusal> {
    let partition = usize::try_from(index).ok().and_then(|index| topic.partitions.get_mut(index));
    match partition {
        None => Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.into()),
        Some(partition) if partition.leader != node_id => Err(ErrorCode::NOT_LEADER_OR_FOLLOWER.into()),
        Some(partition) => Ok(partition),
    }
}
