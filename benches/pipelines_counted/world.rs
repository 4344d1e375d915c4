//! An engine and the embedded broker on one thread, in virtual time: the same work in every run, whatever else the machine does.

use std::future::Future;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use broker::Broker;
use engine::rt::Executors;
use engine::task::{Engine, EngineConfig, TaskSpec};
use protocol::client::admin::{Admin, NewTopic};
use protocol::client::producer::{ProduceRecord, Producer, ProducerConfig};
use protocol::cluster::{Cluster, ClusterConfig, HostPort};
use protocol::net::{Clock, Env, Random};
use protocol::wire::records::Codec;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::task::LocalSet;

const BROKER: (&str, u16) = ("broker", 9092);
/// When everything happens: 2023-11-14.
const NOW_MS: i64 = 1_700_000_000_000;
/// Between two looks at how far a task is. It passes only while nobody has anything to do.
const LOOK_INTERVAL: Duration = Duration::from_millis(1);

/// The world. Its clients' clock stands still and their chance is always the same.
pub(crate) struct World {
    runtime: Runtime,
    local: LocalSet,
    engine: Engine,
}

impl World {
    pub(crate) fn new() -> World {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        let local = LocalSet::new();
        let engine = local.block_on(&runtime, async {
            let broker = Broker::builder()
                .advertised_host(BROKER.0)
                .advertised_port(BROKER.1)
                .auto_create_topics(false)
                .seed(1)
                .wall_clock_ms(|| NOW_MS)
                .build();
            let executors = Executors::here(NonZeroUsize::MIN);
            let env = Env {
                dialer: Arc::new(broker.dialer()),
                clock: Arc::new(Still),
                random: Arc::new(Sequence::default()),
                control: Arc::new(executors.control().clone()),
            };
            Engine::new(EngineConfig { executors, env, metrics: Default::default() })
        });
        World { runtime, local, engine }
    }

    /// As `bootstrap.servers` has it.
    pub(crate) fn bootstrap() -> String {
        format!("{}:{}", BROKER.0, BROKER.1)
    }

    pub(crate) fn env(&self) -> Env {
        self.engine.env().clone()
    }

    pub(crate) fn cluster() -> ClusterConfig {
        ClusterConfig::new(vec![HostPort::new(BROKER.0, BROKER.1)])
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.local.block_on(&self.runtime, future)
    }

    /// Makes a topic of so many partitions.
    pub(crate) fn create(&self, topic: &str, partitions: i32) {
        self.block_on(async {
            let admin = Admin::new(Cluster::new(self.engine.env().clone(), Self::cluster()));
            for created in admin.create_topics(&[NewTopic::new(topic, partitions)]).await {
                created.expect("the topic is new");
            }
        });
    }

    /// Makes a topic and fills it.
    pub(crate) fn fill(
        &self,
        topic: &str,
        partitions: i32,
        compression: Codec,
        batch_bytes: usize,
        values: impl Iterator<Item = Vec<u8>>,
    ) {
        self.create(topic, partitions);
        self.block_on(async {
            let config = ProducerConfig { batch_bytes, compression, ..ProducerConfig::default() };
            let cluster = Cluster::new(self.engine.env().clone(), Self::cluster());
            let producer = Producer::new(cluster, config).expect("the settings are valid");
            let to = producer.topic(topic).await.expect("the topic exists");
            for (number, value) in values.enumerate() {
                let record =
                    ProduceRecord { timestamp_ms: NOW_MS, key: None, value: Some(&value), headers: &[] };
                let partition = number as i32 % partitions;
                while producer.append(&to, Some(partition), &record, 0).is_err() {
                    producer.ready().await;
                }
            }
            producer.flush().await.expect("the broker takes everything");
            producer.close(Duration::from_secs(10), &mut Vec::new()).await.expect("nothing is left");
        });
    }

    /// Runs a task until it has delivered so many records.
    pub(crate) fn run(&self, spec: TaskSpec, records: u64) {
        self.block_on(async {
            let (events, _inbox) = mpsc::unbounded_channel();
            let task = self.engine.start_task(spec, events);
            let metrics = task.metrics();
            while metrics.records_out.get() < records {
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
            task.stop();
            task.ended().await;
            assert_eq!(metrics.records_out.get(), records, "each record is delivered once");
        });
    }
}

struct Still;

impl Clock for Still {
    fn now_ms(&self) -> i64 {
        NOW_MS
    }
}

#[derive(Default)]
struct Sequence(AtomicU64);

impl Random for Sequence {
    fn next_u64(&self) -> u64 {
        self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed)
    }
}
