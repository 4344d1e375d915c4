//! Who leads partitions and coordinates groups, as nodes stop and start again and tests move things.

use protocol::wire::messages::TopicName;

use super::{Cluster, Node};

impl Cluster {
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

    /// The replica in the client's rack that a client should read from instead of the leader, which is asked here (Kafka's
    /// `RackAwareReplicaSelector`).
    pub(crate) fn nearby_replica(&self, name: &TopicName, index: i32, rack: &str) -> Option<i32> {
        let partition = self.topics.get(name)?.partitions.get(usize::try_from(index).ok()?)?;
        let is_near =
            |id: i32| self.node(id).is_some_and(|node| node.is_running && node.rack.as_deref() == Some(rack));
        if rack.is_empty() || is_near(partition.leader) {
            return None;
        }
        partition.replicas.iter().copied().find(|id| is_near(*id))
    }
}

/// The replica that leads: the first one that runs, or -1.
pub(super) fn first_running(nodes: &[Node], replicas: &[i32]) -> i32 {
    let is_running = |id: &&i32| nodes.iter().any(|node| node.id == **id && node.is_running);
    replicas.iter().find(is_running).copied().unwrap_or(-1)
}
