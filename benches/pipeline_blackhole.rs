//! The engine's sink pipeline from the embedded broker to a blackhole, in one process: nanoseconds per 100-byte record, by tier.
//!
//! Both sides of the loopback are in the figure (the broker's share is about 0.03 µs per record), so it is for comparing two
//! states of the code, not for claims; `cargo xtask bench blackhole` measures the worker alone. Each iteration starts a sink
//! task in a group of its own and waits until it has taken the whole topic.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use api::plugin::ConnectorPlugin;
use api::{Props, Tier};
use broker::Broker;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use engine::convert::{BYTE_ARRAY, SIMPLE_HEADERS, STRING};
use engine::rt::{Executors, ExecutorsConfig};
use engine::task::{
    ConverterSpec, Engine, EngineConfig, ErrorPolicy, HeaderConverterSpec, RateLimits, SinkSpec, TaskId,
    TaskKind, TaskSpec, Topics,
};
use protocol::client::admin::{Admin, NewTopic};
use protocol::client::consumer::{ConsumerConfig, OffsetReset};
use protocol::client::producer::{ProduceRecord, Producer, ProducerConfig};
use protocol::cluster::{Cluster, ClusterConfig, HostPort};
use protocol::net::Env;
use tokio::sync::mpsc;

const TOPIC: &str = "records";
const RECORD: [u8; 100] = [b'x'; 100];

/// Few when the bench only has to prove that it runs (`cargo test --benches`).
fn record_count() -> u64 {
    if std::env::args().any(|argument| argument == "--bench") { 2_000_000 } else { 1_000 }
}

/// Fills the topic.
fn fill(cluster: ClusterConfig, records: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let cluster = Cluster::new(Env::real(), cluster);
        for created in Admin::new(cluster.clone()).create_topics(&[NewTopic::new(TOPIC, 1)]).await {
            created.expect("the topic is new");
        }
        let config = ProducerConfig { batch_bytes: 256 << 10, ..ProducerConfig::default() };
        let producer = Producer::new(cluster, config).expect("the settings are valid");
        let topic = producer.topic(TOPIC).await.expect("the topic exists");
        let record = ProduceRecord { timestamp_ms: 1_000, key: None, value: Some(&RECORD), headers: &[] };
        let mut left = records;
        while left > 0 {
            match producer.append(&topic, Some(0), &record, 0) {
                Ok(_partition) => left -= 1,
                Err(_full) => producer.ready().await,
            }
        }
        producer.flush().await.expect("the broker takes everything");
        producer.close(Duration::from_secs(10), &mut Vec::new()).await.expect("nothing is left");
    });
}

/// Takes the whole topic once.
fn drain(engine: &Engine, cluster: &ClusterConfig, tier: Tier, records: u64) -> Duration {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    let group = format!("run-{}", RUNS.fetch_add(1, Ordering::Relaxed));
    let consumer =
        ConsumerConfig { auto_offset_reset: OffsetReset::Earliest, ..ConsumerConfig::in_group(&group) };
    let tier_name = match tier {
        Tier::Bytes => "bytes",
        Tier::Index => "index",
        Tier::Columns => "columns",
    };
    let spec = TaskSpec {
        id: TaskId { connector: Arc::from(group), task: 0 },
        plugin: ConnectorPlugin::sink::<connector_blackhole::BlackholeSink>(),
        props: Props::from_iter([("tier".to_owned(), tier_name.to_owned())]),
        key_converter: ConverterSpec { plugin: BYTE_ARRAY, props: Props::new() },
        value_converter: ConverterSpec { plugin: STRING, props: Props::new() },
        header_converter: HeaderConverterSpec { plugin: SIMPLE_HEADERS, props: Props::new() },
        transforms: Vec::new(),
        errors: ErrorPolicy::default(),
        rate_limits: RateLimits::default(),
        starts_paused: false,
        kind: TaskKind::Sink(SinkSpec {
            cluster: cluster.clone(),
            consumer,
            topics: Topics::Named(vec![TOPIC.to_owned()]),
            offset_flush_interval: Duration::from_secs(60),
            offset_flush_timeout: Duration::from_secs(5),
            shutdown_timeout: Duration::from_secs(5),
        }),
    };
    let (events, _inbox) = mpsc::unbounded_channel();
    let started = Instant::now();
    let task = engine.start_task(spec, events);
    let metrics = task.metrics();
    while metrics.records_out.get() < records {
        std::thread::sleep(Duration::from_micros(100));
    }
    let took = started.elapsed();
    task.stop();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(task.ended());
    took
}

fn blackhole(criterion: &mut Criterion) {
    let records = record_count();
    let broker = Broker::builder().spawn_thread("127.0.0.1:0").expect("a free port");
    let servers = HostPort::parse_list(&broker.bootstrap_servers()).expect("the broker's own address");
    let cluster = ClusterConfig::new(servers);
    fill(cluster.clone(), records);
    let executors = Executors::start(&ExecutorsConfig::default()).expect("threads");
    let env = Env { control: Arc::new(executors.control().clone()), ..Env::real() };
    let engine = Engine::new(EngineConfig { executors, env, metrics: Default::default() });
    let mut group = criterion.benchmark_group("pipeline_blackhole");
    group.throughput(Throughput::Elements(records)).sample_size(10);
    for (name, tier) in [("bytes", Tier::Bytes), ("index", Tier::Index), ("columns", Tier::Columns)] {
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|iterations| {
                (0..iterations).map(|_| drain(&engine, &cluster, tier, records)).sum()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, blackhole);
criterion_main!(benches);
