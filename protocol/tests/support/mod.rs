//! What the client tests share: a cluster to test against, and data in it. `AQUEDUCT_KAFKA=host:port` names a real one.

#![allow(dead_code, reason = "every test binary compiles this module and uses its own part of it")]
#![allow(
    clippy::allow_attributes,
    reason = "what is unused differs from binary to binary, so nothing can be expected"
)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

pub(crate) mod nodes;
pub(crate) mod reader;
pub(crate) mod traffic;
pub(crate) mod transactional;

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use broker::{Broker, BrokerHandle, Builder};
use protocol::client::TopicPartition;
use protocol::client::admin::{Admin, NewTopic};
use protocol::cluster::{Cluster, ClusterConfig, HostPort, Target};
use protocol::net::{Env, MakeFuture, Spawn};
use protocol::wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use protocol::wire::messages::{ApiKey, ProduceRequest, StrBytes, TopicName};
use protocol::wire::records::{BatchBuilder, Codec, Compressor, Decompressor, ProducerStamp, RecordSet};
use tokio::time::{Instant, timeout};
use xtask::kafka;

/// No test waits longer than this for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A cluster that a test may fill, and the world to reach it through.
pub(crate) struct TestCluster {
    pub(crate) env: Env,
    pub(crate) bootstrap: String,
    nodes: Nodes,
}

/// Whose the nodes are.
enum Nodes {
    /// Embedded ones, of this test.
    Embedded(BrokerHandle),
    /// A real Kafka's, of this test. Starting one takes seconds, which must not hold up what runs beside it.
    Kafka(Arc<Mutex<kafka::Cluster>>),
    /// A real Kafka's, of all tests.
    Shared,
}

impl TestCluster {
    /// The Kafka that `AQUEDUCT_KAFKA` names, else an embedded broker of the test's own.
    pub(crate) fn start() -> Self {
        match std::env::var("AQUEDUCT_KAFKA") {
            Ok(bootstrap) => Self { env: Env::real(), bootstrap, nodes: Nodes::Shared },
            Err(_) => Self::embedded(1),
        }
    }

    /// An embedded broker, and the Kafka that `AQUEDUCT_KAFKA` names: for tests that need other things of a real Kafka's, and would
    /// run on that alone wherever they run.
    pub(crate) fn each() -> Vec<Self> {
        let mut clusters = vec![Self::embedded(1)];
        if std::env::var_os("AQUEDUCT_KAFKA").is_some() {
            clusters.push(Self::start());
        }
        clusters
    }

    /// Embedded brokers, for tests that inject faults.
    pub(crate) fn embedded(node_count: usize) -> Self {
        Self::built(Broker::builder().node_count(node_count))
    }

    /// Embedded brokers as the test wants them.
    pub(crate) fn built(builder: Builder) -> Self {
        let builder = builder.log_cleaner_backoff(Duration::from_millis(200));
        let broker = builder.spawn_thread("127.0.0.1:0").unwrap();
        Self { env: Env::real(), bootstrap: broker.bootstrap_servers(), nodes: Nodes::Embedded(broker) }
    }

    /// The embedded broker.
    pub(crate) fn broker(&self) -> &BrokerHandle {
        let Nodes::Embedded(broker) = &self.nodes else { panic!("the test asked for an embedded broker") };
        broker
    }

    /// Whether a request of this kind has arrived. A real Kafka does not tell: then it is taken for granted.
    pub(crate) fn has_received(&self, key: ApiKey) -> bool {
        match &self.nodes {
            Nodes::Embedded(broker) => broker.request_count(key) > 0,
            _ => true,
        }
    }

    pub(crate) fn config(&self) -> ClusterConfig {
        ClusterConfig::new(HostPort::parse_list(&self.bootstrap).unwrap())
    }

    /// A client with connections of its own.
    pub(crate) fn client(&self) -> Cluster {
        Cluster::new(self.env.clone(), self.config())
    }

    /// A new topic whose name no other test has.
    pub(crate) async fn topic(&self, stem: &str, partition_count: i32) -> String {
        let name = unique(stem);
        self.create(NewTopic::new(&name, partition_count)).await;
        name
    }

    /// A new topic, known to the cluster when this returns.
    pub(crate) async fn create(&self, topic: NewTopic) {
        let client = self.client();
        let name = Arc::clone(&topic.name);
        let created = Admin::new(client.clone()).create_topics(&[topic]).await;
        created.into_iter().for_each(|outcome| {
            outcome.unwrap();
        });
        client.topic(&name, Instant::now() + PATIENCE).await.unwrap();
        client.close();
    }

    /// Deletes a topic, and waits until no broker knows it.
    pub(crate) async fn delete(&self, topic: &str) {
        let admin = Admin::new(Cluster::new(self.env.clone(), self.quiet_config()));
        admin.delete_topics(&[topic]).await.remove(0).unwrap();
        let deadline = Instant::now() + PATIENCE;
        while admin.describe_topics(&[topic]).await.unwrap().remove(0).is_ok() {
            assert!(Instant::now() < deadline, "{topic} does not go away");
        }
        admin.cluster().close();
    }

    /// For clients that must not bring a deleted topic back by asking for it.
    pub(crate) fn quiet_config(&self) -> ClusterConfig {
        ClusterConfig { allow_auto_create_topics: false, metadata_max_age_ms: 200, ..self.config() }
    }
}

/// Writes batches by hand, so that consumer tests need no producer.
pub(crate) struct Writer {
    cluster: Cluster,
}

impl Writer {
    pub(crate) fn new(cluster: &TestCluster) -> Self {
        Self { cluster: cluster.client() }
    }

    /// Appends one batch of `values`; returns its base offset.
    pub(crate) async fn append(&self, topic: &str, partition: i32, values: &[String]) -> i64 {
        let bytes: usize = values.iter().map(String::len).sum();
        let mut builder = BatchBuilder::new(self.cluster.pool().clone(), (1 << 20).max(bytes + 1_024));
        for value in values {
            assert!(builder.append(1_000, None, Some(value.as_bytes()), &[]).unwrap());
        }
        let pool = self.cluster.pool().clone();
        let mut compressor = Compressor::new(Codec::None, None, pool).unwrap();
        let batch = builder.finish(ProducerStamp::NONE, &mut compressor).unwrap();
        let deadline = Instant::now() + PATIENCE;
        self.cluster
            .retrying(&Target::Any, deadline, async || {
                self.cluster.topic(topic, deadline).await?;
                let no_leader =
                    || protocol::Error::broker("produce", protocol::ErrorCode::LEADER_NOT_AVAILABLE);
                let leader = self.cluster.leader(topic, partition).ok_or_else(no_leader)?;
                let build = |_version: i16| {
                    let data = PartitionProduceData::default()
                        .with_index(partition)
                        .with_records(Some(batch.clone()));
                    let topic = TopicProduceData::default()
                        .with_name(TopicName(StrBytes::from_string(topic.to_owned())))
                        .with_partition_data(vec![data]);
                    ProduceRequest::default()
                        .with_acks(-1)
                        .with_timeout_ms(10_000)
                        .with_topic_data(vec![topic])
                };
                let (response, _) = self.cluster.call(&Target::Node(leader.node), build).await?;
                let answer = &response.responses[0].partition_responses[0];
                protocol::Error::check("produce", answer.error_code)?;
                Ok(answer.base_offset)
            })
            .await
            .unwrap()
    }
}

/// The values of all records at or after `first_wanted_offset`, with their offsets.
pub(crate) fn values(records: &RecordSet, first_wanted_offset: i64) -> Vec<(i64, String)> {
    let mut decompressor = Decompressor::default();
    let mut values = Vec::new();
    for batch in records.clone() {
        let batch = batch.unwrap();
        batch.check_crc().unwrap();
        let payload = batch.payload(&mut decompressor).unwrap();
        for record in batch.records(&payload) {
            let record = record.unwrap();
            let offset = batch.header().base_offset + i64::from(record.offset_delta);
            if offset >= first_wanted_offset {
                values.push((offset, String::from_utf8(record.value.unwrap().to_vec()).unwrap()));
            }
        }
    }
    values
}

/// A control executor as a worker has it: a thread of its own that data work cannot delay.
pub(crate) struct ControlThread {
    futures: tokio::sync::mpsc::UnboundedSender<MakeFuture>,
}

impl ControlThread {
    pub(crate) fn start() -> Arc<Self> {
        let (futures, mut receiver) = tokio::sync::mpsc::unbounded_channel::<MakeFuture>();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            tokio::task::LocalSet::new().block_on(&runtime, async move {
                while let Some(make) = receiver.recv().await {
                    tokio::task::spawn_local(make());
                }
            });
        });
        Arc::new(Self { futures })
    }
}

impl Spawn for ControlThread {
    fn spawn(&self, make: MakeFuture) {
        assert!(self.futures.send(make).is_ok(), "the control thread lives as long as its handle");
    }
}

/// Runs a test on one thread with a `LocalSet`, and fails it when it hangs.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new()
        .block_on(&runtime, async { timeout(2 * PATIENCE, test).await.expect("the test hangs") })
}

/// A name that no other test, process or run uses.
pub(crate) fn unique(stem: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    format!("{stem}-{}-{nanos:x}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn tp(topic: &str, partition: i32) -> TopicPartition {
    TopicPartition::new(topic, partition)
}
