//! What happens to clusters: nodes die and come back, leaders and coordinators move, records are lost. The same words for embedded
//! nodes and for the nodes of a real Kafka.

use std::sync::{Arc, Mutex};

use protocol::client::admin::{Admin, NewTopic};
use protocol::cluster::{PartitionMetadata, RetryAction, Target, decide};
use protocol::net::Env;
use protocol::wire::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use protocol::wire::messages::elect_leaders_request::TopicPartitions;
use protocol::wire::messages::{
    AlterPartitionReassignmentsRequest, BrokerId, ElectLeadersRequest, StrBytes, TopicName,
};
use protocol::{Error, ErrorCode};
use tokio::time::Instant;
use xtask::kafka::{self, ClusterConfig, Libs};

use super::reader::TICK;
use super::{Nodes, PATIENCE, TestCluster, unique};

/// Nodes of a cluster that is to suffer. Node 1 of a real one is its controller, and stays.
pub(crate) const NODE_COUNT: i32 = 3;

/// How soon the controller takes a silent node for dead.
const SESSION_TIMEOUT_MS: &str = "3000";

/// `__consumer_offsets` and `__transaction_state` of our clusters have so many partitions.
const COORDINATED_PARTITION_COUNT: i32 = 4;

/// Records that will be lost: see [`TestCluster::begin_to_lose`].
#[derive(Debug)]
pub(crate) struct Doomed {
    topic: String,
    /// Where the log will end.
    end: i64,
    /// The one that has them, and the one that has not; on a real Kafka.
    nodes: Option<(i32, i32)>,
}

impl TestCluster {
    /// Nodes of a real Kafka of the test's own; none where its jars are not at hand.
    pub(crate) fn of_kafka(config: &ClusterConfig) -> Option<Self> {
        let kafka = kafka::Cluster::start(&Libs::from_env()?, config).unwrap();
        let bootstrap = kafka.bootstrap();
        Some(Self { env: Env::real(), bootstrap, nodes: Nodes::Kafka(Arc::new(Mutex::new(kafka))) })
    }

    /// The same with three nodes, which hear of a dead one soon.
    pub(crate) fn of_kafka_nodes() -> Option<Self> {
        let quick =
            [("broker.session.timeout.ms", SESSION_TIMEOUT_MS), ("broker.heartbeat.interval.ms", "500")];
        Self::of_kafka(&ClusterConfig {
            node_count: NODE_COUNT as usize,
            properties: quick.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec(),
            ..ClusterConfig::default()
        })
    }

    /// Ends a node at once. Its peers notice when they do.
    pub(crate) async fn kill_node(&self, id: i32) {
        match &self.nodes {
            Nodes::Embedded(broker) => assert!(broker.stop_node(id)),
            _ => self.on_kafka(move |kafka| kafka.kill_node(id as usize)).await,
        }
    }

    /// Starts a node again, with what it had; serves when this returns.
    pub(crate) async fn start_node(&self, id: i32) {
        match &self.nodes {
            Nodes::Embedded(broker) => broker.start_node(id).unwrap(),
            _ => self.on_kafka(move |kafka| kafka.start_node(id as usize)).await.unwrap(),
        }
    }

    /// Makes another node the leader; it is when this returns, and all its replicas are in sync.
    pub(crate) async fn move_leader(&self, topic: &str, partition: i32, node: i32) {
        if let Nodes::Embedded(broker) = &self.nodes {
            let topic = topic.to_owned();
            assert!(broker.with(move |broker| broker.move_leader(&topic, partition, node)).unwrap());
            return;
        }
        let mut replicas = self.partition(topic, partition).await.replicas;
        replicas.retain(|replica| *replica != node);
        replicas.insert(0, node);
        self.place(topic, partition, &replicas).await;
    }

    /// Makes another node the coordinator of a group.
    pub(crate) async fn move_group_coordinator(&self, group: &str, node: i32) {
        self.move_coordinator("__consumer_offsets", group, node).await;
    }

    /// Makes another node the coordinator of a transactional id.
    pub(crate) async fn move_transaction_coordinator(&self, id: &str, node: i32) {
        self.move_coordinator("__transaction_state", id, node).await;
    }

    async fn move_coordinator(&self, topic: &str, key: &str, node: i32) {
        if let Nodes::Embedded(broker) = &self.nodes {
            let key = key.to_owned();
            assert!(broker.with(move |broker| broker.move_coordinator(&key, node)).unwrap());
            return;
        }
        // `Utils#abs(String#hashCode)`, which is how Kafka finds the partition of a key.
        let hash =
            key.encode_utf16().fold(0_i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)));
        self.move_leader(topic, (hash & i32::MAX) % COORDINATED_PARTITION_COUNT, node).await;
    }

    /// A topic whose only partition may lose records that were acknowledged.
    pub(crate) async fn losing_topic(&self, stem: &str) -> String {
        let name = unique(stem);
        let topic = NewTopic::new(&name, 1).with_replication_factor(2);
        self.create(topic.with_config("unclean.leader.election.enable", "true")).await;
        if matches!(self.nodes, Nodes::Kafka(_)) {
            self.place(&name, 0, &[2, 3]).await;
        }
        name
    }

    /// What is written to the partition of a [`TestCluster::losing_topic`] from now on will be lost: only one node has it.
    pub(crate) async fn begin_to_lose(&self, topic: &str, end: i64) -> Doomed {
        let topic = topic.to_owned();
        let Nodes::Kafka(_) = &self.nodes else { return Doomed { topic, end, nodes: None } };
        let PartitionMetadata { leader, replicas, .. } = self.partition(&topic, 0).await;
        let leader = leader.unwrap().node;
        let follower = replicas.into_iter().find(|replica| *replica != leader).unwrap();
        self.kill_node(follower).await;
        self.until_partition(&topic, 0, "the follower is missed", |partition| {
            partition.in_sync_replicas == [leader]
        })
        .await;
        Doomed { topic, end, nodes: Some((leader, follower)) }
    }

    /// Loses them, by an unclean election.
    pub(crate) async fn lose(&self, doomed: Doomed) {
        let Doomed { topic, end, nodes } = doomed;
        let Some((leader, follower)) = nodes else {
            let Nodes::Embedded(broker) = &self.nodes else {
                unreachable!("only Kafka's nodes lose records by dying")
            };
            assert!(broker.with(move |broker| broker.truncate(&topic, 0, end)).unwrap());
            return;
        };
        self.kill_node(leader).await;
        self.until_partition(&topic, 0, "the leader is missed", |partition| partition.leader.is_none()).await;
        self.start_node(follower).await;
        let is_elected =
            |partition: &PartitionMetadata| partition.leader.is_some_and(|leader| leader.node == follower);
        self.until_partition(&topic, 0, "the follower leads", is_elected).await;
        self.start_node(leader).await;
    }

    /// Puts a partition onto nodes, the leader first, and waits until all of them have it.
    async fn place(&self, topic: &str, partition: i32, replicas: &[i32]) {
        let client = self.client();
        let deadline = Instant::now() + PATIENCE;
        let name = TopicName(StrBytes::from_string(topic.to_owned()));
        let is_placed = |now: &PartitionMetadata| {
            now.leader.is_some_and(|leader| leader.node == replicas[0])
                && now.replicas == replicas
                && now.in_sync_replicas.len() == replicas.len()
        };
        let reassign = |_version: i16| {
            let nodes = replicas.iter().copied().map(BrokerId).collect();
            let wanted =
                ReassignablePartition::default().with_partition_index(partition).with_replicas(Some(nodes));
            let wanted = ReassignableTopic::default().with_name(name.clone()).with_partitions(vec![wanted]);
            AlterPartitionReassignmentsRequest::default().with_timeout_ms(10_000).with_topics(vec![wanted])
        };
        client
            .retrying(&Target::Controller, deadline, async || {
                let (response, _) = client.call(&Target::Controller, reassign).await?;
                Error::check("reassign", response.error_code)?;
                Error::check("reassign", response.responses[0].partitions[0].error_code)
            })
            .await
            .unwrap();
        let elect = |_version: i16| {
            let wanted = TopicPartitions::default().with_topic(name.clone()).with_partitions(vec![partition]);
            ElectLeadersRequest::default().with_timeout_ms(10_000).with_topic_partitions(Some(vec![wanted]))
        };
        // A replica can be elected once it is in sync.
        while !is_placed(&self.partition(topic, partition).await) {
            assert!(Instant::now() < deadline, "{topic}-{partition} does not get to {replicas:?}");
            let elected = client.call(&Target::Controller, elect).await;
            let elected = elected.and_then(|(response, _)| Error::check("elect", response.error_code));
            assert!(elected.as_ref().is_ok() || elected.as_ref().is_err_and(is_passing), "{elected:?}");
            tokio::time::sleep(TICK).await;
        }
        client.close();
    }

    async fn until_partition(
        &self,
        topic: &str,
        partition: i32,
        what: &str,
        is_done: impl Fn(&PartitionMetadata) -> bool,
    ) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let now = self.partition(topic, partition).await;
            if is_done(&now) {
                return;
            }
            assert!(Instant::now() < deadline, "waited in vain: {what}, but {now:?}");
            tokio::time::sleep(TICK).await;
        }
    }

    /// The state of a partition as the cluster tells it now.
    async fn partition(&self, topic: &str, partition: i32) -> PartitionMetadata {
        let client = self.client();
        let deadline = Instant::now() + PATIENCE;
        let missing = || Error::broker("describe", ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        let admin = Admin::new(client.clone());
        let found = client
            .retrying(&Target::Any, deadline, async || {
                let described = admin.describe_topics(&[topic]).await?.remove(0)?;
                described.partitions.get(partition as usize).cloned().ok_or_else(missing)
            })
            .await
            .unwrap();
        client.close();
        found
    }

    /// Does something to the nodes, which takes its time, on a thread of its own.
    async fn on_kafka<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut kafka::Cluster) -> T + Send + 'static,
    ) -> T {
        let Nodes::Kafka(kafka) = &self.nodes else { panic!("the test asked for nodes of its own") };
        let kafka = Arc::clone(kafka);
        tokio::task::spawn_blocking(move || change(&mut kafka.lock().unwrap())).await.unwrap()
    }
}

fn is_passing(error: &Error) -> bool {
    decide(error) != RetryAction::Fail
}
