//! Source pipelines where something fails: what Kafka has is committed, what it lacks is not, and the task hears the truth.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod support;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use api::config_def::{Config, ConfigDef};
use api::plugin::ConnectorPlugin;
use api::{
    Batch, Body, Column, Columns, Error, Headers, Origin, Props, Result, Run, SourceConnector, SourceContext,
    SourceOffset, SourceOffsets, SourcePartition, SourceTask, Timestamps, Value,
};
use broker::Fault;
use engine::offset::{MemoryOffsetStore, OffsetEntry, OffsetStore};
use protocol::client::producer::ProducerConfig;
use protocol::wire::messages::ApiKey;
use support::{World, props, wait_until};

const SCRIPTED: ConnectorPlugin = ConnectorPlugin::source::<Scripted>();

/// Goal: a commit that failed is not told to the task, which would forget at its source what nobody has committed.
#[test]
fn the_task_hears_only_of_commits_that_succeeded() {
    let world = World::start();
    let topic = world.topic("heard", 1);
    let store: Arc<Failing> = Arc::default();
    store.is_failing.store(true, Ordering::SeqCst);
    let script = props(&[("topic", &topic), ("runs", "a:0:1")]);
    let source = world.source("heard", SCRIPTED, script, Arc::<Failing>::clone(&store));
    wait_until("offsets could not be committed a few times", || store.seen.lock().unwrap().len() >= 4);
    let seen = store.seen.lock().unwrap().clone();
    assert!(seen.iter().all(|told| *told == seen[0]), "the task was told of failed commits: {seen:?}");
    store.is_failing.store(false, Ordering::SeqCst);
    wait_until("the task hears of the commit", || TOLD.load(Ordering::SeqCst) > seen[0]);
    assert!(store.has("heard", "a"));
    let partition = SourcePartition::new([(Arc::from("name"), Value::String("a".into()))]);
    let offset = vec![(Arc::from("at"), Value::Int64(1))];
    assert_eq!(*COMMITTED.lock().unwrap(), [(partition, Some(offset))], "and of what, once");
    world.stop(source);
}

/// Goal: a record that cannot be sent fails the task, and what was sent before it is committed.
#[test]
fn a_record_that_is_too_large_costs_no_offsets_of_others() {
    let world = World::start();
    let topic = world.topic("large", 2);
    let store: Arc<Failing> = Arc::default();
    // The last run adds a good record to the batch of partition 0, then one that no request can hold.
    let script = props(&[("topic", &topic), ("runs", "a:0:1 b:1:1 c:0:1,2000000")]);
    let source = world.source("large", SCRIPTED, script, Arc::<Failing>::clone(&store));
    let trace = world.wait_for_failure(&source);
    assert!(trace.contains("max.request.size"), "{trace}");
    assert!(store.has("large", "a"));
    assert!(store.has("large", "b"));
    assert!(!store.has("large", "c"));
}

/// Goal: while Kafka takes nothing more, offsets of what it has taken are committed.
#[test]
fn a_full_producer_holds_up_no_commit() {
    let world = World::embedded();
    let topic = world.topic("full", 1);
    let store: Arc<Failing> = Arc::default();
    let faults = world.broker().faults();
    faults.once(ApiKey::Produce, Fault::Delay(Duration::from_millis(300)));
    faults.on(ApiKey::Produce, Fault::Silence);
    let producer = ProducerConfig { buffer_bytes: 3 * 16_384, ..ProducerConfig::default() };
    let large = vec!["10000"; 20].join(",");
    let script = props(&[("topic", &topic), ("runs", &format!("a:0:10000 b:0:{large}"))]);
    let source = world.source_with("full", SCRIPTED, script, Arc::<Failing>::clone(&store), producer);
    let since = std::time::Instant::now();
    wait_until("what is in Kafka is committed", || store.has("full", "a"));
    assert!(since.elapsed() < Duration::from_secs(20), "only once the producer had room again");
    assert!(!store.has("full", "b"));
    source.abandon();
}

/// How often any task of this binary was told of a commit; one test looks at it.
static TOLD: AtomicUsize = AtomicUsize::new(0);
static COMMITTED: Mutex<Vec<(SourcePartition, Option<SourceOffset>)>> = Mutex::new(Vec::new());

/// A store that refuses to store for as long as it is told to, and notes what the task had heard by then.
#[derive(Default)]
struct Failing {
    is_failing: AtomicBool,
    seen: Mutex<Vec<usize>>,
    entries: MemoryOffsetStore,
}

impl Failing {
    /// Whether the source partition `name` of `connector` has an offset.
    fn has(&self, connector: &str, name: &str) -> bool {
        let key = format!(r#"["{connector}",{{"name":"{name}"}}]"#).into_bytes();
        let stored = futures_util::FutureExt::now_or_never(self.entries.get(vec![key.into()]));
        stored.unwrap().unwrap()[0].is_some()
    }
}

impl OffsetStore for Failing {
    fn get(&self, keys: Vec<bytes::Bytes>) -> engine::offset::StoreFuture<Vec<Option<bytes::Bytes>>> {
        self.entries.get(keys)
    }

    fn entries(&self, connector: &str) -> engine::offset::StoreFuture<Vec<(bytes::Bytes, bytes::Bytes)>> {
        self.entries.entries(connector)
    }

    fn set(&self, entries: Vec<OffsetEntry>) -> engine::offset::StoreFuture<()> {
        if self.is_failing.load(Ordering::SeqCst) {
            self.seen.lock().unwrap().push(TOLD.load(Ordering::SeqCst));
            return Box::pin(std::future::ready(Err(Error::retriable("disk full"))));
        }
        self.entries.set(entries)
    }
}

/// Gives one batch of the runs that `runs` names, `<source partition>:<Kafka partition>:<value sizes>` each, and no more.
#[derive(Debug)]
struct Scripted(Props);

#[derive(Debug)]
struct ScriptedTask(VecDeque<Batch>, bool);

impl SourceConnector for Scripted {
    type Task = ScriptedTask;
    const CLASS: &'static str = "test.ScriptedSourceConnector";
    const TASK_CLASS: &'static str = "test.ScriptedSourceTask";
    const VERSION: &'static str = "1";

    fn config_def() -> ConfigDef {
        ConfigDef::default()
    }
    fn start(config: Config) -> Result<Scripted> {
        Ok(Scripted(config.originals().clone()))
    }
    fn task_props(&self, _tasks_max: usize) -> Result<Vec<Props>> {
        Ok(vec![self.0.clone()])
    }
    fn create_task(props: &Props) -> Result<ScriptedTask> {
        let runs = props["runs"].split(' ').map(|run| scripted(&props["topic"], run)).collect();
        // Only one test counts what its task hears.
        Ok(ScriptedTask(VecDeque::from([Batch { runs }]), props["runs"] == "a:0:1"))
    }
}

fn scripted(topic: &str, run: &str) -> Run {
    let parts: Vec<&str> = run.split(':').collect();
    let values: Vec<String> = parts[2].split(',').map(|size| "x".repeat(size.parse().unwrap())).collect();
    let count = values.len();
    let columns = Columns {
        key: Column::null(count),
        value: Column::strings(arrow_array::StringViewArray::from_iter_values(values)),
        headers: Headers::none(),
        timestamps: Timestamps::None,
    };
    Run {
        topic: Arc::from(topic),
        partition: Some(parts[1].parse().unwrap()),
        origin: Origin::Source {
            partition: SourcePartition::new([(Arc::from("name"), Value::String(parts[0].into()))]),
            offsets: SourceOffsets::Long {
                field: Arc::from("at"),
                values: (1..=count as i64).collect::<Vec<_>>().into(),
            },
        },
        body: Body::Columns(columns),
    }
}

impl SourceTask for ScriptedTask {
    async fn start(&mut self, _context: &SourceContext) -> Result<()> {
        Ok(())
    }

    async fn poll(&mut self) -> Result<Batch> {
        match self.0.pop_front() {
            Some(batch) => Ok(batch),
            None => std::future::pending().await,
        }
    }

    async fn committed(&mut self, offsets: &[(SourcePartition, Option<SourceOffset>)]) -> Result<()> {
        if self.1 {
            COMMITTED.lock().unwrap().extend_from_slice(offsets);
        }
        Ok(())
    }

    async fn commit(&mut self) -> Result<()> {
        if self.1 {
            TOLD.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    }
}
