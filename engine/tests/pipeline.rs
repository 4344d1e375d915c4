//! Whole pipelines, on the embedded broker or, with `AQUEDUCT_KAFKA=host:port`, on that cluster: records arrive, offsets are
//! committed, tasks pause, stop, fail and panic without touching each other.

mod support;

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use api::config_def::{Config, ConfigDef};
use api::plugin::ConnectorPlugin;
use api::{Batch, Error, Props, Result, SinkConnector, SinkContext, SinkTask};
use engine::offset::{MemoryOffsetStore, OffsetStore};
use engine::task::TaskState;
use support::{World, props, wait_until};

const DATAGEN: ConnectorPlugin = ConnectorPlugin::source::<connector_datagen::DatagenSource>();
const FILE_SOURCE: ConnectorPlugin = ConnectorPlugin::source::<connector_file::FileStreamSource>();
const FILE_SINK: ConnectorPlugin = ConnectorPlugin::sink::<connector_file::FileStreamSink>();
const FAULTY_SINK: ConnectorPlugin = ConnectorPlugin::sink::<Faulty>();

fn lines(path: &std::path::Path) -> usize {
    fs::read(path).unwrap_or_default().iter().filter(|byte| **byte == b'\n').count()
}

#[test]
fn a_file_arrives_byte_for_byte() {
    let world = World::start();
    let topic = world.topic("file", 1);
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("in"), dir.path().join("out"));
    let text: String = (0..50_000).map(|line| format!("line {line} {}\n", "ä€x".repeat(line % 40))).collect();
    fs::write(&input, &text).unwrap();
    let store: Arc<MemoryOffsetStore> = Arc::default();

    let source = world.source(
        "in",
        FILE_SOURCE,
        props(&[("file", input.to_str().unwrap()), ("topic", &topic)]),
        Arc::clone(&store) as Arc<dyn OffsetStore>,
    );
    let sink = world.sink("out", FILE_SINK, props(&[("file", output.to_str().unwrap())]), &topic);
    wait_until("the file has arrived", || lines(&output) == 50_000);
    assert_eq!(fs::read_to_string(&output).unwrap(), text);
    world.stop(source);
    world.stop(sink);

    let key = format!(r#"["in",{{"filename":"{}"}}]"#, input.display()).into_bytes();
    let stored = futures_util::FutureExt::now_or_never(store.get(vec![key.into()])).unwrap().unwrap();
    assert_eq!(stored[0].as_deref(), Some(format!(r#"{{"position":{}}}"#, text.len()).as_bytes()));
    world.wait_for_commit("out", &topic, 50_000);
}

#[test]
fn a_sink_gets_what_was_written_before_it_started() {
    let world = World::start();
    let topic = world.topic("early", 1);
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("out");
    let generated = props(&[("topic", &topic), ("rate", "-1"), ("records", "2000")]);
    let source = world.source("gen", DATAGEN, generated, Arc::new(MemoryOffsetStore::default()));
    wait_until("all records are in Kafka", || world.records(&topic) == 2_000);
    world.stop(source);
    let sink = world.sink("out", FILE_SINK, props(&[("file", output.to_str().unwrap())]), &topic);
    wait_until("all records have arrived", || lines(&output) == 2_000);
    world.stop(sink);
    world.wait_for_commit("out", &topic, 2_000);
}

#[test]
fn a_restarted_pipeline_goes_on_where_it_stopped() {
    let world = World::start();
    let topic = world.topic("restart", 1);
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("out");
    let store: Arc<MemoryOffsetStore> = Arc::default();
    let datagen = |records: &str| {
        props(&[("topic", &topic), ("rate", "-1"), ("records", records), ("batch.size", "777")])
    };
    let file = || props(&[("file", output.to_str().unwrap())]);

    for (records, expected) in [("10000", 10_000), ("25000", 25_000)] {
        let source =
            world.source("gen", DATAGEN, datagen(records), Arc::clone(&store) as Arc<dyn OffsetStore>);
        let sink = world.sink("out", FILE_SINK, file(), &topic);
        wait_until("all records have arrived", || lines(&output) >= expected);
        world.stop(source);
        world.stop(sink);
    }
    let text = fs::read_to_string(&output).unwrap();
    let numbers: Vec<usize> = text.lines().map(|line| line[..20].parse().unwrap()).collect();
    assert_eq!(numbers, (0..25_000).collect::<Vec<_>>(), "each record once and in order");
}

#[test]
fn a_paused_sink_takes_nothing_and_loses_nothing() {
    let world = World::start();
    let topic = world.topic("pause", 2);
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("out");
    let sink = world.sink("out", FILE_SINK, props(&[("file", output.to_str().unwrap())]), &topic);
    world.wait_for_state(&sink, &TaskState::Running);
    sink.pause();
    world.wait_for_state(&sink, &TaskState::Paused);
    let generated = props(&[("topic", &topic), ("rate", "-1"), ("records", "5000")]);
    let source = world.source("gen", DATAGEN, generated, Arc::new(MemoryOffsetStore::default()));
    wait_until("all records are in Kafka", || world.records(&topic) == 5_000);
    assert_eq!(lines(&output), 0);
    sink.resume();
    world.wait_for_state(&sink, &TaskState::Running);
    wait_until("all records have arrived", || lines(&output) == 5_000);
    world.stop(source);
    world.stop(sink);
}

#[test]
fn a_failing_and_a_panicking_task_leave_the_others_running() {
    let world = World::start();
    let topic = world.topic("faulty", 1);
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("out");
    let good = world.sink("good", FILE_SINK, props(&[("file", output.to_str().unwrap())]), &topic);
    let failing = world.sink("failing", FAULTY_SINK, props(&[("how", "fail")]), &topic);
    let panicking = world.sink("panicking", FAULTY_SINK, props(&[("how", "panic")]), &topic);
    let generated = props(&[("topic", &topic), ("rate", "-1"), ("records", "3000")]);
    let source = world.source("gen", DATAGEN, generated, Arc::new(MemoryOffsetStore::default()));

    let trace = world.wait_for_failure(&failing);
    assert!(trace.starts_with(
        "org.apache.kafka.connect.errors.ConnectException: Exiting WorkerSinkTask due to unrecoverable exception.\n\tat "
    ), "{trace}");
    assert!(
        trace.contains("\nCaused by: org.apache.kafka.connect.errors.ConnectException: disk on fire"),
        "{trace}"
    );
    let trace = world.wait_for_failure(&panicking);
    assert!(trace.contains("the plug-in panicked: index out of luck"), "{trace}");
    wait_until("the good sink has everything", || lines(&output) == 3_000);
    world.stop(source);
    world.stop(good);
}

#[test]
fn a_batch_that_the_sink_refuses_for_now_comes_again_once() {
    let world = World::start();
    let topic = world.topic("retry", 1);
    REFUSALS.store(3, Ordering::SeqCst);
    let sink = world.sink("retry", FAULTY_SINK, props(&[("how", "refuse")]), &topic);
    let generated = props(&[("topic", &topic), ("rate", "-1"), ("records", "2000")]);
    let source = world.source("gen", DATAGEN, generated, Arc::new(MemoryOffsetStore::default()));
    wait_until("the sink has taken everything", || TAKEN.load(Ordering::SeqCst) >= 2_000);
    assert_eq!(REFUSALS.load(Ordering::SeqCst), 0);
    world.stop(source);
    world.stop(sink);
    assert_eq!(TAKEN.load(Ordering::SeqCst), 2_000);
    world.wait_for_commit("retry", &topic, 2_000);
}

/// How many puts are still to be refused, and how many records have been taken. One test uses them.
static REFUSALS: AtomicUsize = AtomicUsize::new(0);
static TAKEN: AtomicUsize = AtomicUsize::new(0);

/// A sink that misbehaves as its only setting says.
#[derive(Debug)]
struct Faulty(Props);

#[derive(Debug)]
struct FaultyTask(String);

impl SinkConnector for Faulty {
    type Task = FaultyTask;
    const CLASS: &'static str = "test.FaultySinkConnector";
    const TASK_CLASS: &'static str = "test.FaultySinkTask";
    const VERSION: &'static str = "1";

    fn config_def() -> ConfigDef {
        ConfigDef::default()
    }
    fn start(config: Config) -> Result<Faulty> {
        Ok(Faulty(config.originals().clone()))
    }
    fn task_props(&self, _tasks_max: usize) -> Result<Vec<Props>> {
        Ok(vec![self.0.clone()])
    }
    fn create_task(props: &Props) -> Result<FaultyTask> {
        Ok(FaultyTask(props["how"].clone()))
    }
}

impl SinkTask for FaultyTask {
    async fn start(&mut self, _context: &SinkContext) -> Result<()> {
        Ok(())
    }

    async fn put(&mut self, batch: &Batch) -> Result<()> {
        match self.0.as_str() {
            "fail" => Err(Error::fatal("disk on fire")),
            "panic" => panic!("index out of luck"),
            _ => {
                let refuses =
                    REFUSALS.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
                if refuses.is_ok() {
                    return Err(Error::retriable("not now"));
                }
                TAKEN.fetch_add(batch.record_count(), Ordering::SeqCst);
                Ok(())
            }
        }
    }
}
