//! What the pipeline tests share: an engine, a cluster, and conditions to wait for.

#![allow(dead_code, reason = "every test binary compiles this module and uses its own part of it")]
#![allow(
    clippy::allow_attributes,
    reason = "what is unused differs from binary to binary, so nothing can be expected"
)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

pub(crate) mod counting_source;
pub(crate) mod picky;
pub(crate) mod records;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use api::Props;
use api::plugin::ConnectorPlugin;
use broker::{Broker, BrokerHandle};
use engine::convert::{CONVERTERS, SIMPLE_HEADERS};
use engine::offset::OffsetStore;
use engine::rt::{Executors, ExecutorsConfig};
use engine::task::{
    ConverterSpec, DeadLetterSpec, Engine, EngineConfig, ErrorPolicy, HeaderConverterSpec, RateLimits,
    SinkSpec, SourceSpec, TaskEvent, TaskHandle, TaskId, TaskKind, TaskSpec, TaskState, Topics,
    TransformSpec,
};
use protocol::client::TopicPartition;
use protocol::client::admin::{Admin, IsolationLevel, NewTopic, OffsetSpec};
use protocol::client::consumer::{Consumer, ConsumerConfig, OffsetReset};
use protocol::client::producer::ProducerConfig;
use protocol::cluster::{Cluster, ClusterConfig, HostPort};
use protocol::net::Env;
use tokio::sync::mpsc;

/// No test waits longer than this for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks at a condition.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let since = Instant::now();
    while !holds() {
        assert!(since.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(LOOK_INTERVAL);
    }
}

pub(crate) fn props(entries: &[(&str, &str)]) -> Props {
    entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// An engine and a cluster of its own (or the one that `AQUEDUCT_KAFKA` names).
pub(crate) struct World {
    engine: Engine,
    bootstrap: String,
    broker: Option<BrokerHandle>,
    events: mpsc::UnboundedSender<TaskEvent>,
    /// What tasks that are started from now on transform records with.
    pub(crate) transforms: Vec<TransformSpec>,
    states: Arc<Mutex<HashMap<u64, Vec<TaskState>>>>,
    /// Distinguishes the names of this run from those of all others on a shared cluster.
    suffix: String,
}

impl World {
    pub(crate) fn start() -> World {
        match std::env::var("AQUEDUCT_KAFKA") {
            Ok(bootstrap) => Self::over(bootstrap, None),
            Err(_) => Self::embedded(),
        }
    }

    /// On an embedded broker, for tests that inject faults.
    pub(crate) fn embedded() -> World {
        let broker = Broker::builder().spawn_thread("127.0.0.1:0").unwrap();
        Self::over(broker.bootstrap_servers(), Some(broker))
    }

    /// The embedded broker.
    pub(crate) fn broker(&self) -> &BrokerHandle {
        self.broker.as_ref().expect("the test asked for an embedded broker")
    }

    fn over(bootstrap: String, broker: Option<BrokerHandle>) -> World {
        let config = ExecutorsConfig { is_pinned: false, ..ExecutorsConfig::default() };
        let executors = Executors::start(&config).unwrap();
        let env = Env { control: Arc::new(executors.control().clone()), ..Env::real() };
        let engine = Engine::new(EngineConfig { executors, env, metrics: Default::default() });
        let (events, mut inbox) = mpsc::unbounded_channel::<TaskEvent>();
        let states: Arc<Mutex<HashMap<u64, Vec<TaskState>>>> = Arc::default();
        let seen = Arc::clone(&states);
        std::thread::spawn(move || {
            while let Some(event) = inbox.blocking_recv() {
                seen.lock().unwrap().entry(event.run).or_default().push(event.state);
            }
        });
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let suffix = format!("{:x}-{}", since_epoch.as_nanos(), COUNT.fetch_add(1, Ordering::Relaxed));
        World { engine, bootstrap, broker, events, transforms: Vec::new(), states, suffix }
    }

    pub(crate) fn cluster(&self) -> ClusterConfig {
        ClusterConfig::new(HostPort::parse_list(&self.bootstrap).unwrap())
    }

    /// Runs a client future on a thread of its own runtime.
    pub(crate) fn client<T>(&self, use_it: impl AsyncFnOnce(Cluster) -> T) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, async { use_it(Cluster::new(Env::real(), self.cluster())).await })
    }

    /// A name that no other run uses.
    pub(crate) fn unique(&self, stem: &str) -> String {
        format!("{stem}-{}", self.suffix)
    }

    pub(crate) fn topic(&self, stem: &str, partitions: i32) -> String {
        let name = self.unique(stem);
        self.client(async |cluster| {
            let topic = NewTopic::new(&name, partitions).with_replication_factor(1);
            for created in Admin::new(cluster).create_topics(&[topic]).await {
                created.unwrap();
            }
        });
        name
    }

    /// Records in all partitions of a topic of up to two.
    pub(crate) fn records(&self, topic: &str) -> i64 {
        self.client(async |cluster| {
            let queries = [(topic, 0, OffsetSpec::Latest), (topic, 1, OffsetSpec::Latest)];
            let partitions =
                cluster.topic(topic, tokio::time::Instant::now() + PATIENCE).await.unwrap().partitions.len();
            let queries = &queries[..partitions];
            let listed = Admin::new(cluster).list_offsets(queries, IsolationLevel::ReadUncommitted).await;
            listed.into_iter().map(|listed| listed.unwrap().offset.unwrap()).sum()
        })
    }

    /// Waits until `offset` of the topic's first partition is committed; gives the leader epoch beside it.
    pub(crate) fn wait_for_commit(&self, connector: &str, topic: &str, offset: i64) -> i32 {
        let group = self.group(connector);
        self.client(async |cluster| {
            let consumer = Consumer::new(cluster, ConsumerConfig::in_group(&group));
            let since = Instant::now();
            loop {
                let committed = consumer.committed(&[TopicPartition::new(topic, 0)]).await.unwrap();
                if let Some(committed) = &committed[0].1
                    && committed.offset == offset
                {
                    return committed.leader_epoch;
                }
                assert!(since.elapsed() < PATIENCE, "{group} committed {committed:?}, expected {offset}");
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
        })
    }

    fn group(&self, connector: &str) -> String {
        format!("connect-{connector}-{}", self.suffix)
    }

    pub(crate) fn source(
        &self,
        connector: &str,
        plugin: ConnectorPlugin,
        props: Props,
        offsets: Arc<dyn OffsetStore>,
    ) -> TaskHandle {
        self.source_with(connector, plugin, props, offsets, ProducerConfig::default())
    }

    pub(crate) fn source_with(
        &self,
        connector: &str,
        plugin: ConnectorPlugin,
        props: Props,
        offsets: Arc<dyn OffsetStore>,
        producer: ProducerConfig,
    ) -> TaskHandle {
        self.source_changed(connector, plugin, props, offsets, |spec| spec.producer = producer)
    }

    /// A source whose specification `change` has the last word on.
    pub(crate) fn source_changed(
        &self,
        connector: &str,
        plugin: ConnectorPlugin,
        props: Props,
        offsets: Arc<dyn OffsetStore>,
        change: impl FnOnce(&mut SourceSpec),
    ) -> TaskHandle {
        self.run(self.source_spec(connector, plugin, props, offsets, change))
    }

    /// The specification of a source task with string converters.
    pub(crate) fn source_spec(
        &self,
        connector: &str,
        plugin: ConnectorPlugin,
        props: Props,
        offsets: Arc<dyn OffsetStore>,
        change: impl FnOnce(&mut SourceSpec),
    ) -> TaskSpec {
        let mut source = SourceSpec {
            cluster: self.cluster(),
            producer: ProducerConfig::default(),
            topic_creation: None,
            offsets,
            exactly_once: None,
            offset_flush_interval: Duration::from_millis(50),
            offset_flush_timeout: Duration::from_secs(5),
            shutdown_timeout: Duration::from_secs(5),
        };
        change(&mut source);
        self.spec(connector, plugin, props, TaskKind::Source(source))
    }

    pub(crate) fn sink(
        &self,
        connector: &str,
        plugin: ConnectorPlugin,
        props: Props,
        topic: &str,
    ) -> TaskHandle {
        self.sink_with(connector, plugin, props, topic, |_| ())
    }

    /// A sink whose specification `change` has the last word on.
    pub(crate) fn sink_with(
        &self,
        connector: &str,
        plugin: ConnectorPlugin,
        props: Props,
        topic: &str,
        change: impl FnOnce(&mut SinkSpec),
    ) -> TaskHandle {
        self.run(self.sink_spec(connector, plugin, props, topic, change))
    }

    /// The specification of a sink task with string converters.
    pub(crate) fn sink_spec(
        &self,
        connector: &str,
        plugin: ConnectorPlugin,
        props: Props,
        topic: &str,
        change: impl FnOnce(&mut SinkSpec),
    ) -> TaskSpec {
        let mut sink = SinkSpec {
            cluster: self.cluster(),
            // As the worker sets it for every sink (Connect's default, not the consumer's): a sink whose group is joined after
            // the first records were written would otherwise begin behind them.
            consumer: ConsumerConfig {
                auto_offset_reset: OffsetReset::Earliest,
                ..ConsumerConfig::in_group(&self.group(connector))
            },
            topics: Topics::Named(vec![topic.to_owned()]),
            offset_flush_interval: Duration::from_millis(50),
            offset_flush_timeout: Duration::from_secs(5),
            shutdown_timeout: Duration::from_secs(5),
        };
        change(&mut sink);
        self.spec(connector, plugin, props, TaskKind::Sink(sink))
    }

    pub(crate) fn spec(
        &self,
        connector: &str,
        plugin: ConnectorPlugin,
        props: Props,
        kind: TaskKind,
    ) -> TaskSpec {
        let string = CONVERTERS.iter().find(|plugin| plugin.class.ends_with(".StringConverter")).unwrap();
        let converter = ConverterSpec { plugin: *string, props: Props::new() };
        TaskSpec {
            id: TaskId { connector: Arc::from(connector), task: 0 },
            plugin,
            props,
            key_converter: converter.clone(),
            value_converter: converter,
            header_converter: HeaderConverterSpec { plugin: SIMPLE_HEADERS, props: Props::new() },
            transforms: self.transforms.clone(),
            errors: ErrorPolicy::default(),
            rate_limits: RateLimits::default(),
            starts_paused: false,
            kind,
        }
    }

    pub(crate) fn run(&self, spec: TaskSpec) -> TaskHandle {
        self.engine.start_task(spec, self.events.clone())
    }

    /// A dead letter queue with this topic, which is there or is made.
    pub(crate) fn dead_letters(&self, topic: &str) -> DeadLetterSpec {
        DeadLetterSpec {
            topic: topic.to_owned(),
            replication_factor: 1,
            context_headers: true,
            cluster: self.cluster(),
            producer: ProducerConfig::default(),
            admin: self.cluster(),
        }
    }

    /// The brokers' addresses.
    pub(crate) fn bootstrap(&self) -> String {
        self.bootstrap.clone()
    }

    /// A name of our own on a shared cluster.
    pub(crate) fn name(&self, stem: &str) -> String {
        format!("{stem}-{}", self.suffix)
    }

    /// The committed offset of a partition.
    pub(crate) fn committed(&self, connector: &str, topic: &str, partition: i32) -> Option<i64> {
        let group = self.group(connector);
        self.client(async |cluster| {
            let consumer = Consumer::new(cluster, ConsumerConfig::in_group(&group));
            let committed = consumer.committed(&[TopicPartition::new(topic, partition)]).await.unwrap();
            committed[0].1.as_ref().map(|committed| committed.offset)
        })
    }

    fn last_state(&self, task: &TaskHandle) -> Option<TaskState> {
        self.states.lock().unwrap().get(&task.run()).and_then(|states| states.last().cloned())
    }

    pub(crate) fn wait_for_state(&self, task: &TaskHandle, state: &TaskState) {
        wait_until(&format!("{} is {state:?}", task.id()), || self.last_state(task).as_ref() == Some(state));
    }

    pub(crate) fn wait_for_failure(&self, task: &TaskHandle) -> String {
        let mut trace = String::new();
        wait_until(&format!("{} has failed", task.id()), || match self.last_state(task) {
            Some(TaskState::Failed { trace: found, .. }) => {
                trace = found;
                true
            }
            _ => false,
        });
        trace
    }

    pub(crate) fn stop(&self, task: TaskHandle) {
        task.stop();
        self.wait_for_state(&task, &TaskState::Stopped);
    }
}
