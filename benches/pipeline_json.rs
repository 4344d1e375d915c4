//! JSON from Kafka through three transforms, to nowhere and back to Kafka, by the engine's own loops: CPU of the data thread per record.
//!
//! Kafka is the embedded broker, or the cluster that `AQUEDUCT_KAFKA` names. The sink of this program drops what it gets, or writes it with
//! JsonConverter and our producer. It reads the clock of its thread, on which everything happens from fetching to producing, at its first
//! put and once all records are acknowledged. What the broker spends is on other threads.

#[path = "../loadtest/src/customers.rs"]
mod customers;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use api::plugin::{ConnectorPlugin, ConverterRole};
use api::{
    Batch, Body, Config, ConfigDef, Converter, Error, Props, Result, SinkConnector, SinkContext, SinkTask,
};
use arrow_array::Array;
use broker::Broker;
use customers::record;
use engine::convert::{BYTE_ARRAY, JSON, SIMPLE_HEADERS};
use engine::rt::{Executors, ExecutorsConfig};
use engine::task::{
    ConverterSpec, Engine, EngineConfig, ErrorPolicy, HeaderConverterSpec, RateLimits, SinkSpec, TaskId,
    TaskKind, TaskSpec, Topics, TransformSpec,
};
use engine::transform::TRANSFORMS;
use protocol::client::admin::{Admin, NewTopic};
use protocol::client::consumer::{ConsumerConfig, OffsetReset};
use protocol::client::producer::{ProduceRecord, Producer, ProducerConfig, TopicHandle};
use protocol::cluster::{Cluster, ClusterConfig, HostPort};
use protocol::net::Env;
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::mpsc;

const ROUNDS: usize = 5;
/// All that is written has to fit into the embedded broker's gigabyte.
const RECORDS: usize = 400_000;

/// From the sink task to `main`.
type Found = (Mutex<Sender<f64>>, Mutex<Receiver<f64>>);

/// What a sink task found: ns of CPU per record.
static FOUND: OnceLock<Found> = OnceLock::new();

fn found() -> &'static Found {
    FOUND.get_or_init(|| {
        let (sender, receiver) = channel();
        (Mutex::new(sender), Mutex::new(receiver))
    })
}

/// Drops records, or forwards them as JSON.
#[derive(Debug)]
struct Forward(Props);

#[derive(Debug)]
struct ForwardTask {
    servers: String,
    /// Where to; empty for nowhere.
    to: String,
    records: usize,
    converter: Box<dyn Converter>,
    producer: Option<(Producer, TopicHandle)>,
    /// The thread's clock at the first put, and records put by then and since then.
    first: Option<(u64, usize)>,
    put: usize,
}

impl SinkConnector for Forward {
    type Task = ForwardTask;
    const CLASS: &'static str = "benches.Forward";
    const TASK_CLASS: &'static str = "benches.ForwardTask";
    const VERSION: &'static str = "1";

    fn config_def() -> ConfigDef {
        ConfigDef::default()
    }

    fn start(config: Config) -> Result<Forward> {
        Ok(Forward(config.originals().clone()))
    }

    fn task_props(&self, tasks_max: usize) -> Result<Vec<Props>> {
        Ok(vec![self.0.clone(); tasks_max])
    }

    fn create_task(props: &Props) -> Result<ForwardTask> {
        let schemaless = Props::from_iter([("schemas.enable".to_owned(), "false".to_owned())]);
        let text = |key: &str| props.get(key).cloned().unwrap_or_default();
        Ok(ForwardTask {
            servers: text("servers"),
            to: text("to"),
            records: text("records").parse().expect("a number"),
            converter: (JSON.create)(&schemaless, ConverterRole::Value)?,
            producer: None,
            first: None,
            put: 0,
        })
    }
}

impl SinkTask for ForwardTask {
    async fn start(&mut self, _context: &SinkContext) -> Result<()> {
        if !self.to.is_empty() {
            let cluster = Cluster::new(Env::real(), cluster_config(&self.servers));
            let config = ProducerConfig { batch_bytes: 256 << 10, ..ProducerConfig::default() };
            let producer = Producer::new(cluster, config).expect("the settings are valid");
            let topic = producer.topic(&self.to).await.expect("the topic exists");
            self.producer = Some((producer, topic));
        }
        Ok(())
    }

    async fn put(&mut self, batch: &Batch) -> Result<()> {
        self.put += batch.record_count();
        for run in &batch.runs {
            let (Some((producer, topic)), Body::Columns(columns)) = (&self.producer, &run.body) else {
                continue;
            };
            let encoded = self.converter.from_connect(&run.topic, &columns.value)?;
            for row in 0..encoded.bytes.len() {
                let record = ProduceRecord {
                    timestamp_ms: columns.timestamps.get(row).unwrap_or(0),
                    key: None,
                    value: Some(encoded.bytes.value(row)),
                    headers: &[],
                };
                while producer.append(topic, Some(0), &record, 0).is_err() {
                    producer.ready().await;
                }
            }
        }
        let Some((began, before)) = self.first else {
            self.first = Some((cpu_ns(), self.put));
            return Ok(());
        };
        if self.put >= self.records {
            if let Some((producer, _)) = &self.producer {
                producer.flush().await.map_err(|error| Error::fatal(error.to_string()))?;
            }
            let per_record = (cpu_ns() - began) as f64 / (self.put - before) as f64;
            found().0.lock().expect("nobody panicked").send(per_record).expect("main waits");
        }
        Ok(())
    }
}

fn cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn cluster_config(servers: &str) -> ClusterConfig {
    ClusterConfig::new(HostPort::parse_list(servers).expect("addresses"))
}

/// Creates the topics and fills the first.
fn fill(servers: &str, topics: &[String], records: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let cluster = Cluster::new(Env::real(), cluster_config(servers));
        let new: Vec<NewTopic> =
            topics.iter().map(|topic| NewTopic::new(topic, 1).with_replication_factor(1)).collect();
        for created in Admin::new(cluster.clone()).create_topics(&new).await {
            created.expect("the topic is new");
        }
        let config = ProducerConfig { batch_bytes: 256 << 10, ..ProducerConfig::default() };
        let producer = Producer::new(cluster, config).expect("the settings are valid");
        let topic = producer.topic(&topics[0]).await.expect("the topic exists");
        // Kafka deletes what is older than its retention, by the times of the records.
        let now_ms =
            SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock past 1970").as_millis() as i64;
        for number in 0..records {
            let value = record(number as i64);
            let record = ProduceRecord {
                timestamp_ms: now_ms,
                key: None,
                value: Some(value.as_bytes()),
                headers: &[],
            };
            while producer.append(&topic, Some(0), &record, 0).is_err() {
                producer.ready().await;
            }
        }
        producer.flush().await.expect("the broker takes everything");
        producer.close(Duration::from_secs(10), &mut Vec::new()).await.expect("nothing is left");
    });
}

fn transforms() -> Vec<TransformSpec> {
    let stage = |name: &str, settings: &[(&str, &str)]| TransformSpec {
        plugin: *TRANSFORMS
            .iter()
            .find(|plugin| plugin.class.ends_with(name))
            .expect("the transform is built in"),
        props: settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        predicate: None,
    };
    vec![
        stage(".InsertField$Value", &[("static.field", "source"), ("static.value", "shop")]),
        stage(".ReplaceField$Value", &[("exclude", "city"), ("renames", "mail:email")]),
        stage(".Cast$Value", &[("spec", "id:string")]),
    ]
}

/// Takes the whole topic through once.
fn drain(engine: &Engine, servers: &str, from: &str, to: &str, run: usize, records: usize) -> f64 {
    let group = format!("{from}-{to}-{run}");
    let consumer =
        ConsumerConfig { auto_offset_reset: OffsetReset::Earliest, ..ConsumerConfig::in_group(&group) };
    let text = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let spec = TaskSpec {
        id: TaskId { connector: Arc::from(group), task: 0 },
        plugin: ConnectorPlugin::sink::<Forward>(),
        props: Props::from_iter([
            text("servers", servers),
            text("to", to),
            text("records", &records.to_string()),
        ]),
        key_converter: ConverterSpec { plugin: BYTE_ARRAY, props: Props::new() },
        value_converter: ConverterSpec {
            plugin: JSON,
            props: Props::from_iter([text("schemas.enable", "false")]),
        },
        header_converter: HeaderConverterSpec { plugin: SIMPLE_HEADERS, props: Props::new() },
        transforms: transforms(),
        errors: ErrorPolicy::default(),
        rate_limits: RateLimits::default(),
        starts_paused: false,
        kind: TaskKind::Sink(SinkSpec {
            cluster: cluster_config(servers),
            consumer,
            topics: Topics::Named(vec![from.to_owned()]),
            offset_flush_interval: Duration::from_secs(60),
            offset_flush_timeout: Duration::from_secs(5),
            shutdown_timeout: Duration::from_secs(5),
        }),
    };
    let (events, _inbox) = mpsc::unbounded_channel();
    let task = engine.start_task(spec, events);
    let per_record = found().1.lock().expect("nobody panicked").recv().expect("the task ends");
    task.stop();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(task.ended());
    per_record
}

#[expect(clippy::print_stdout, reason = "the figures are what the program is for")]
fn main() {
    let is_trial = !std::env::args().any(|argument| argument == "--bench");
    let (records, rounds) = if is_trial { (20_000, 1) } else { (RECORDS, ROUNDS) };
    let embedded = Broker::builder().spawn_thread("127.0.0.1:0").expect("a free port");
    let servers = std::env::var("AQUEDUCT_KAFKA").unwrap_or_else(|_| embedded.bootstrap_servers());
    let name = format!("json-{}", std::process::id());
    let topics: Vec<String> =
        std::iter::once(name.clone()).chain((0..rounds).map(|run| format!("{name}-to-{run}"))).collect();
    fill(&servers, &topics, records);
    let executors = Executors::start(&ExecutorsConfig::default()).expect("threads");
    let env = Env { control: Arc::new(executors.control().clone()), ..Env::real() };
    let engine = Engine::new(EngineConfig { executors, env, metrics: Default::default() });
    println!("{} bytes of JSON, 3 transforms; ns of CPU of the data thread per record", record(0).len());
    for case in ["to nowhere", "to Kafka"] {
        let mut costs: Vec<f64> = (0..rounds)
            .map(|run| {
                let to = if case == "to Kafka" { topics[run + 1].as_str() } else { "" };
                drain(&engine, &servers, &name, to, run, records)
            })
            .collect();
        println!("{case}: {costs:.1?}");
        costs.sort_by(f64::total_cmp);
        println!("{case}: median {:.1}", costs[costs.len() / 2]);
    }
}
