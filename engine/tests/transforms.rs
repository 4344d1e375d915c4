//! Transforms within whole pipelines, on the embedded broker or on the cluster that `AQUEDUCT_KAFKA` names.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod support;

use std::fs;
use std::sync::{Arc, Mutex};

use api::plugin::{ConnectorPlugin, TransformPlugin};
use api::{
    Batch, Body, Column, Config, ConfigDef, Plugin, Props, Records, Result, SinkConnector, SinkContext,
    SinkTask, Touches, Transform, Transformed,
};
use arrow_array::StringViewArray;
use engine::offset::{MemoryOffsetStore, OffsetStore};
use engine::task::{PredicateSpec, TransformSpec};
use engine::transform::{PREDICATES, TRANSFORMS};
use support::{World, props, wait_until};

const DATAGEN: ConnectorPlugin = ConnectorPlugin::source::<connector_datagen::DatagenSource>();
const FILE_SINK: ConnectorPlugin = ConnectorPlugin::sink::<connector_file::FileStreamSink>();

fn transform(name: &str, props: Props) -> TransformSpec {
    let plugin = *TRANSFORMS.iter().find(|plugin| plugin.class.ends_with(name)).unwrap();
    TransformSpec { plugin, props, predicate: None }
}

fn predicate(name: &str, props: Props, is_negated: bool) -> Option<PredicateSpec> {
    let plugin = *PREDICATES.iter().find(|plugin| plugin.class.ends_with(name)).unwrap();
    Some(PredicateSpec { plugin, props, is_negated })
}

/// Goal: a source whose every record is filtered out reads nothing twice after a restart.
#[test]
fn offsets_of_filtered_records_are_committed() {
    let mut world = World::start();
    let topic = world.topic("filtered", 1);
    let store: Arc<MemoryOffsetStore> = Arc::default();
    world.transforms = vec![transform("Filter", Props::new())];
    let generated = props(&[("topic", &topic), ("rate", "-1"), ("records", "1000")]);
    let source = world.source("gen", DATAGEN, generated, Arc::clone(&store) as Arc<dyn OffsetStore>);
    let key = br#"["gen",{"task":0}]"#;
    wait_until("the offset of the last record is committed", || {
        let stored = futures_util::FutureExt::now_or_never(store.get(vec![key.to_vec().into()]));
        stored.unwrap().unwrap()[0].as_deref() == Some(br#"{"record":1000}"#)
    });
    assert_eq!(world.records(&topic), 0);
    world.stop(source);
}

/// Goal: a source's records go where its transforms say, to a topic that the connector never named.
#[test]
fn a_source_writes_to_the_topic_that_a_router_names() {
    let mut world = World::start();
    let topic = world.topic("routed", 1);
    let from = format!("{topic}-raw");
    let route = props(&[("regex", "(.*)-raw"), ("replacement", "$1")]);
    let mut second = transform("RegexRouter", props(&[("regex", ".*"), ("replacement", "nowhere")]));
    second.predicate = predicate("TopicNameMatches", props(&[("pattern", &topic)]), true);
    world.transforms = vec![transform("RegexRouter", route), second];
    let generated = props(&[("topic", &from), ("rate", "-1"), ("records", "500")]);
    let source = world.source("gen", DATAGEN, generated, Arc::new(MemoryOffsetStore::default()));
    wait_until("all records are in the routed topic", || world.records(&topic) == 500);
    world.stop(source);
}

/// Goal: a sink commits past records that a transform drops, and gets the others in order.
#[test]
fn a_sink_commits_past_what_its_filter_drops() {
    let mut world = World::start();
    let topic = world.topic("sunk", 1);
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("out");
    let generated = props(&[("topic", &topic), ("rate", "-1"), ("records", "300")]);
    let source = world.source("gen", DATAGEN, generated, Arc::new(MemoryOffsetStore::default()));
    wait_until("all records are in Kafka", || world.records(&topic) == 300);
    world.stop(source);

    let mut filter = transform("Filter", Props::new());
    filter.predicate = predicate("TopicNameMatches", props(&[("pattern", &topic)]), false);
    world.transforms = vec![filter.clone()];
    let file = || props(&[("file", output.to_str().unwrap())]);
    let sink = world.sink("dropping", FILE_SINK, file(), &topic);
    world.wait_for_commit("dropping", &topic, 300);
    world.stop(sink);
    assert_eq!(fs::read_to_string(&output).unwrap(), "");

    filter.predicate = predicate("TopicNameMatches", props(&[("pattern", &topic)]), true);
    world.transforms = vec![filter];
    let sink = world.sink("keeping", FILE_SINK, file(), &topic);
    world.wait_for_commit("keeping", &topic, 300);
    world.stop(sink);
    let text = fs::read_to_string(&output).unwrap();
    let numbers: Vec<usize> = text.lines().map(|line| line[..20].parse().unwrap()).collect();
    assert_eq!(numbers, (0..300).collect::<Vec<_>>());
}

/// Adds a header of Connect data.
#[derive(Debug)]
struct Stamp;

impl Plugin for Stamp {
    const CLASS: &'static str = "test.Stamp";
    const VERSION: &'static str = "1";

    fn config_def() -> ConfigDef {
        ConfigDef::default()
    }

    fn create(_config: Config) -> Result<Stamp> {
        Ok(Stamp)
    }
}

impl Transform for Stamp {
    fn touches(&self) -> Touches {
        Touches::NOTHING
    }

    fn apply(&mut self, mut records: Records, out: &mut Transformed) -> Result<()> {
        let value = Column::strings(StringViewArray::from_iter_values(["yes"]));
        records.columns.headers.push_same(Arc::from(*b"stamp"), value);
        out.push(records);
        Ok(())
    }
}

/// Key and value bytes.
type Header = (Vec<u8>, Option<Vec<u8>>);

/// The headers that [`HeaderSink`] was given.
static HEADERS: Mutex<Vec<Header>> = Mutex::new(Vec::new());

/// Takes headers as the bytes they are.
struct HeaderSink;

impl SinkConnector for HeaderSink {
    type Task = HeaderSinkTask;
    const CLASS: &'static str = "test.HeaderSink";
    const TASK_CLASS: &'static str = "test.HeaderSinkTask";
    const VERSION: &'static str = "1";

    fn config_def() -> ConfigDef {
        ConfigDef::default()
    }

    fn start(_config: Config) -> Result<HeaderSink> {
        Ok(HeaderSink)
    }

    fn task_props(&self, _tasks_max: usize) -> Result<Vec<Props>> {
        Ok(vec![Props::new()])
    }

    fn create_task(_props: &Props) -> Result<HeaderSinkTask> {
        Ok(HeaderSinkTask)
    }
}

struct HeaderSinkTask;

impl SinkTask for HeaderSinkTask {
    async fn start(&mut self, _context: &SinkContext) -> Result<()> {
        Ok(())
    }

    async fn put(&mut self, batch: &Batch) -> Result<()> {
        for run in &batch.runs {
            let Body::Columns(columns) = &run.body else { continue };
            for row in 0..run.record_count() {
                let headers = columns.headers.row(row);
                let headers = headers.map(|(key, value)| (key.to_vec(), value.map(<[u8]>::to_vec)));
                HEADERS.lock().unwrap().extend(headers);
            }
        }
        Ok(())
    }
}

/// Goal: a sink that wants headers as bytes gets what a transform added, through the header converter.
#[test]
fn a_sink_of_raw_headers_gets_what_a_transform_made_of_them() {
    let mut world = World::start();
    let topic = world.topic("stamped", 1);
    let generated = props(&[("topic", &topic), ("rate", "-1"), ("records", "10")]);
    let source = world.source("gen", DATAGEN, generated, Arc::new(MemoryOffsetStore::default()));
    wait_until("all records are in Kafka", || world.records(&topic) == 10);
    world.stop(source);
    let plugin = TransformPlugin::of::<Stamp>();
    world.transforms = vec![TransformSpec { plugin, props: Props::new(), predicate: None }];
    let sink = world.sink("stamping", ConnectorPlugin::sink::<HeaderSink>(), Props::new(), &topic);
    world.wait_for_commit("stamping", &topic, 10);
    world.stop(sink);
    assert_eq!(*HEADERS.lock().unwrap(), vec![(b"stamp".to_vec(), Some(b"yes".to_vec())); 10]);
}
