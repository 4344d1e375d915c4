//! Which stage a record fails in: what is tolerated there, and what the dead letter queue says of it (contract section 6).

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod support;

use std::sync::Arc;

use api::plugin::{ConnectorPlugin, PredicatePlugin, TransformPlugin};
use api::{
    Config, ConfigDef, Error, Matches, Plugin, Predicate, Props, Records, Result, RowError, Tested, Touches,
    Transform, Transformed, ValueRef,
};
use engine::convert::{JSON, JSON_HEADERS};
use engine::offset::{MemoryOffsetStore, OffsetStore};
use engine::task::{
    ConverterSpec, ErrorPolicy, HeaderConverterSpec, PredicateSpec, TaskSpec, Tolerance, TransformSpec,
};
use engine::transform::TRANSFORMS;
use support::picky::{PICKY, seen};
use support::records::KafkaRecord;
use support::{World, props, wait_until};

const FILE_SOURCE: ConnectorPlugin = ConnectorPlugin::source::<connector_file::FileStreamSource>();
const JSON_CLASS: &str = "org.apache.kafka.connect.json.JsonConverter";
const REPLACE_FIELD: &str = "org.apache.kafka.connect.transforms.ReplaceField$Value";

/// Refuses records whose values are texts that begin with `bad`, and looks at headers.
#[derive(Debug)]
struct Refuse;

/// Cannot say of them whether they match; of all others it is sure that they do not.
#[derive(Debug)]
struct Unsure;

fn bad_rows(records: &Records, message: &str) -> Vec<RowError> {
    let is_bad = |row: &usize| matches!(records.columns.value.row(*row), ValueRef::String(text) if text.starts_with("bad"));
    let error = |row| RowError { row, error: Error::bad_record(message) };
    (0..records.len()).filter(is_bad).map(error).collect()
}

impl Plugin for Refuse {
    const CLASS: &'static str = "test.Refuse";
    const VERSION: &'static str = "1";

    fn config_def() -> ConfigDef {
        ConfigDef::default()
    }

    fn create(_config: Config) -> Result<Refuse> {
        Ok(Refuse)
    }
}

impl Transform for Refuse {
    fn touches(&self) -> Touches {
        Touches::VALUE.and(Touches::HEADERS)
    }

    fn apply(&mut self, records: Records, out: &mut Transformed) -> Result<()> {
        let errors = bad_rows(&records, "refused");
        out.push_with_errors(records, errors);
        Ok(())
    }
}

impl Plugin for Unsure {
    const CLASS: &'static str = "test.Unsure";
    const VERSION: &'static str = "1";

    fn config_def() -> ConfigDef {
        ConfigDef::default()
    }

    fn create(_config: Config) -> Result<Unsure> {
        Ok(Unsure)
    }
}

impl Predicate for Unsure {
    fn touches(&self) -> Touches {
        Touches::VALUE
    }

    fn test(&mut self, records: &Records) -> Result<Tested> {
        Ok(Tested { matches: Matches::None, errors: bad_rows(records, "unsure") })
    }
}

fn refuse() -> TransformSpec {
    TransformSpec { plugin: TransformPlugin::of::<Refuse>(), props: Props::new(), predicate: None }
}

/// A transform that leaves records as they are but for those that its predicate cannot judge.
fn unsure() -> TransformSpec {
    let plugin = PredicatePlugin::of::<Unsure>();
    TransformSpec {
        predicate: Some(PredicateSpec { plugin, props: Props::new(), is_negated: false }),
        ..refuse()
    }
}

fn replace_field() -> TransformSpec {
    let plugin = *TRANSFORMS.iter().find(|plugin| plugin.class == REPLACE_FIELD).unwrap();
    TransformSpec { plugin, props: props(&[("exclude", "none")]), predicate: None }
}

fn json() -> ConverterSpec {
    ConverterSpec { plugin: JSON, props: props(&[("schemas.enable", "false")]) }
}

fn tolerant(world: &World, queue: &str) -> ErrorPolicy {
    ErrorPolicy {
        tolerance: Tolerance::All,
        dead_letters: Some(world.dead_letters(queue)),
        ..ErrorPolicy::default()
    }
}

/// Stage, class, class of the exception and its message.
type Told = [String; 4];

fn told(stage: &str, class: &str, exception: &str, message: &str) -> Told {
    [stage, class, exception, message].map(str::to_owned)
}

/// Runs `records`, of one partition, through a tolerant sink. What went to the queue, by offset.
fn dead_letters(
    stem: &str,
    transforms: Vec<TransformSpec>,
    change: impl FnOnce(&mut TaskSpec),
    records: &[KafkaRecord],
) -> (Vec<(String, Told)>, Vec<i64>) {
    let mut world = World::start();
    let topic = world.topic(stem, 1);
    let queue = world.name("dead");
    world.write(&topic, records);
    world.transforms = transforms;
    let mut spec = world.sink_spec(&topic, PICKY, props(&[("name", &topic)]), &topic, |_| ());
    spec.errors = tolerant(&world, &queue);
    change(&mut spec);
    let task = world.run(spec);
    world.wait_for_commit(&topic, &topic, records.len() as i64);
    world.stop(task);
    let letters = world.read(&queue, 1);
    let names = ["stage", "class.name", "exception.class.name", "exception.message"];
    let told = letters
        .iter()
        .map(|letter| {
            let header = |name| letter.header(&format!("__connect.errors.{name}")).to_owned();
            (header("offset"), names.map(header))
        })
        .collect();
    for letter in &letters {
        let offset: usize = letter.header("__connect.errors.offset").parse().unwrap();
        // Whatever stages it went through before, it is there as it was.
        assert_eq!((&letter.key, &letter.value), (&records[offset].key, &records[offset].value));
        let own = records[offset].headers.len();
        assert_eq!(letter.headers[..own], records[offset].headers[..]);
    }
    (told, seen(&topic).taken.iter().map(|(_, offset, _)| *offset).collect())
}

const DATA_EXCEPTION: &str = "org.apache.kafka.connect.errors.DataException";

#[test]
fn a_transform_that_fails_is_named_in_the_queue_and_the_original_is_kept() {
    let records = ["{\"a\":1}", "12", "{", "[1]", "{}"].map(|value| KafkaRecord::new(0, value));
    let (letters, taken) =
        dead_letters("transformed", vec![replace_field()], |spec| spec.value_converter = json(), &records);
    let of = |class: &str| {
        let message = format!(
            "Only Map objects supported in absence of schema for [field replacement], found: {class}"
        );
        told("TRANSFORMATION", REPLACE_FIELD, DATA_EXCEPTION, &message)
    };
    let broken = told(
        "VALUE_CONVERTER",
        JSON_CLASS,
        DATA_EXCEPTION,
        "Converting byte[] to Kafka Connect data failed due to serialization error: ",
    );
    let mut letters = letters;
    letters.sort();
    assert_eq!(
        letters,
        [
            ("1".to_owned(), of("java.lang.Long")),
            ("2".to_owned(), broken),
            ("3".to_owned(), of("java.util.ArrayList")),
        ]
    );
    assert_eq!(taken, [0, 4]);
}

#[test]
fn a_predicate_that_fails_is_told_under_the_class_of_its_transform() {
    let records = ["good 0", "bad 1", "good 2"].map(|value| KafkaRecord::new(0, value));
    let (letters, taken) = dead_letters("unsure", vec![unsure()], |_| (), &records);
    let unsure = told("TRANSFORMATION", "test.Refuse", DATA_EXCEPTION, "unsure");
    assert_eq!(letters, [("1".to_owned(), unsure)]);
    assert_eq!(taken, [0, 2]);
}

#[test]
fn keys_and_headers_that_fail_are_told_apart() {
    let record = |key: &str, header: &str, value: &str| KafkaRecord {
        key: Some(key.as_bytes().to_vec()),
        headers: vec![("h".to_owned(), Some(header.as_bytes().to_vec()))],
        ..KafkaRecord::new(0, value)
    };
    let records = [
        record("1", "{}", "good 0"),
        record("{", "{}", "good 1"),
        record("1", "{", "good 2"),
        record("{", "{", "bad 3"),
        record("1", "{", "bad 4"),
        record("1", "{}", "bad 5"),
    ];
    let plugin = JSON_HEADERS;
    let header_converter = HeaderConverterSpec { plugin, props: props(&[("schemas.enable", "false")]) };
    let (mut letters, taken) = dead_letters(
        "parts",
        vec![refuse()],
        |spec| {
            spec.key_converter = json();
            spec.header_converter = header_converter;
        },
        &records,
    );
    let message = "Converting byte[] to Kafka Connect data failed due to serialization error: ";
    let of = |stage: &str| told(stage, JSON_CLASS, DATA_EXCEPTION, message);
    letters.sort();
    let expected = [
        ("1", of("KEY_CONVERTER")),
        ("2", of("HEADER_CONVERTER")),
        ("3", of("KEY_CONVERTER")),
        ("4", of("HEADER_CONVERTER")),
        ("5", told("TRANSFORMATION", "test.Refuse", DATA_EXCEPTION, "refused")),
    ];
    assert_eq!(letters, expected.map(|(offset, told)| (offset.to_owned(), told)));
    assert_eq!(taken, [0]);
}

/// Goal: a sink that tolerates nothing ends at the first record that a transform fails on; it is reported and not committed.
#[test]
fn without_tolerance_a_transform_that_fails_ends_the_sink() {
    let mut world = World::start();
    let topic = world.topic("intolerant", 1);
    let queue = world.name("dead");
    world.write(&topic, &[KafkaRecord::new(0, "good 0")]);
    world.transforms = vec![refuse()];
    let mut spec = world.sink_spec(&topic, PICKY, props(&[("name", &topic)]), &topic, |_| ());
    spec.errors = ErrorPolicy { tolerance: Tolerance::None, ..tolerant(&world, &queue) };
    let task = world.run(spec);
    world.wait_for_commit(&topic, &topic, 1);
    world.write(&topic, &["bad 1", "good 2"].map(|value| KafkaRecord::new(0, value)));
    let trace = world.wait_for_failure(&task);
    assert_eq!(
        trace,
        "org.apache.kafka.connect.errors.ConnectException: Tolerance exceeded in error handler\n\
         \tat aqueduct.pipeline.sink(Aqueduct)\n\
         Caused by: org.apache.kafka.connect.errors.DataException: refused\n\
         \t... 1 more\n"
    );
    assert_eq!(world.committed(&topic, &topic, 0), Some(1));
    let letters = world.read(&queue, 1);
    let stages: Vec<_> = letters.iter().map(|letter| letter.header("__connect.errors.stage")).collect();
    assert_eq!(stages, ["TRANSFORMATION"]);
}

/// A source that reads `text` from a file.
fn source(world: &World, topic: &str, text: &str, errors: ErrorPolicy) -> (tempfile::TempDir, TaskSpec) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("in.txt");
    std::fs::write(&file, text).unwrap();
    let settings = props(&[("file", file.to_str().unwrap()), ("topic", topic)]);
    let store: Arc<dyn OffsetStore> = Arc::new(MemoryOffsetStore::default());
    let mut spec = world.source_spec("file", FILE_SOURCE, settings, store, |_| ());
    spec.errors = errors;
    (dir, spec)
}

/// Goal: a source leaves out what its transforms or their predicates fail on, and goes on, or ends; either way nothing else is lost.
#[test]
fn what_a_transform_of_a_source_fails_on_is_left_out_or_ends_the_task() {
    let mut world = World::start();
    for (transform, message) in [(refuse(), "refused"), (unsure(), "unsure")] {
        world.transforms = vec![transform];
        let text = "one\nbad two\nthree\nbad four\n";
        let topic = world.topic(&format!("left-out-{message}"), 1);
        let tolerant = ErrorPolicy { tolerance: Tolerance::All, ..ErrorPolicy::default() };
        let (_dir, spec) = source(&world, &topic, text, tolerant);
        let task = world.run(spec);
        wait_until("the others are there", || world.records(&topic) == 2);
        let metrics = task.metrics();
        wait_until("both are counted", || metrics.records_skipped.get() == 2);
        assert_eq!(metrics.errors.record_failures.get(), 2);
        let values: Vec<_> = world.read(&topic, 1).into_iter().map(|record| record.value.unwrap()).collect();
        assert_eq!(values, [b"one".to_vec(), b"three".to_vec()]);
        world.stop(task);

        let topic = world.topic(&format!("ended-{message}"), 1);
        let (_dir, spec) = source(&world, &topic, text, ErrorPolicy::default());
        let trace = world.wait_for_failure(&world.run(spec));
        assert!(trace.contains("Tolerance exceeded in error handler"), "{trace}");
        assert!(trace.contains(&format!("Caused by: {DATA_EXCEPTION}: {message}")), "{trace}");
    }
}
