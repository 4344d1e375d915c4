//! Java's worker and ours with the same poisoned topic: the same records go to the dead letter queue, with the same bytes and headers,
//! whether a converter or a transform fails on them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod support;

use api::Props;
use api::plugin::ConnectorPlugin;
use engine::convert::JSON;
use engine::task::{ConverterSpec, ErrorPolicy, PredicateSpec, Tolerance, TransformSpec};
use engine::transform::{PREDICATES, TRANSFORMS};
use support::records::KafkaRecord;
use support::{World, props, wait_until};
use xtask::connect::JavaWorker;
use xtask::kafka::Libs;

const FILE_SINK: ConnectorPlugin = ConnectorPlugin::sink::<connector_file::FileStreamSink>();
const JSON_CLASS: &str = "org.apache.kafka.connect.json.JsonConverter";
const REPLACE_FIELD: &str = "org.apache.kafka.connect.transforms.ReplaceField$Value";
const STACKTRACE: &str = "__connect.errors.exception.stacktrace";

/// Keys and values of which some cannot be converted, in two partitions.
fn poisoned() -> Vec<KafkaRecord> {
    let cases: [(Option<&str>, Option<&str>); 16] = [
        (Some("{"), Some("{\"first\":1}")),
        (Some("1"), Some("{")),
        (Some("\"key\""), Some("{\"a\":1}")),
        (None, Some("nope")),
        (None, Some("{\"a\":[1,2,{\"b\":null}]}")),
        (Some("nope"), Some("nope as well")),
        (Some("2"), None),
        (Some(""), Some("{\"a\":\"\\x\"}")),
        (Some("3"), Some("")),
        (Some("4"), Some("tru")),
        (Some("5"), Some("{\"a\":1,}")),
        (Some("6"), Some("[1,2")),
        (Some("7"), Some("{\"a\" 1}")),
        (Some("8"), Some("\"unfinished")),
        (Some("9"), Some("12")),
        (Some("]"), None),
    ];
    let record = |(index, (key, value)): (usize, (Option<&str>, Option<&str>))| KafkaRecord {
        partition: (index % 2) as i32,
        offset: 0,
        timestamp: 1_700_000_000_000 + index as i64,
        key: key.map(|key| key.as_bytes().to_vec()),
        value: value.map(|value| value.as_bytes().to_vec()),
        headers: match index % 3 {
            0 => vec![],
            1 => vec![("h".to_owned(), Some(b"x".to_vec())), ("h".to_owned(), None)],
            _ => vec![("ä".to_owned(), Some(vec![0xff, 0])), ("".to_owned(), Some(Vec::new()))],
        },
    };
    cases.into_iter().enumerate().map(record).collect()
}

/// Fails on values that are no maps: `12`.
fn replace_unless_tombstone() -> TransformSpec {
    let plugin = *TRANSFORMS.iter().find(|plugin| plugin.class == REPLACE_FIELD).unwrap();
    let tombstone = *PREDICATES.iter().find(|plugin| plugin.class.ends_with("RecordIsTombstone")).unwrap();
    let predicate = PredicateSpec { plugin: tombstone, props: Props::new(), is_negated: true };
    TransformSpec { plugin, props: props(&[("exclude", "none")]), predicate: Some(predicate) }
}

#[test]
fn dead_letters_are_those_of_java() {
    let Some(libs) = Libs::from_env() else { return };
    let world = World::start();
    let topic = world.topic("poisoned", 2);
    world.write(&topic, &poisoned());
    let (theirs, ours) = (world.name("dead-java"), world.name("dead-ours"));
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let (their_file, our_file) = (path("java.txt"), path("ours.txt"));
    let name = world.name("sink");

    let connector = [
        ("name", name.as_str()),
        ("connector.class", "FileStreamSink"),
        ("file", their_file.as_str()),
        ("topics", topic.as_str()),
        ("key.converter", JSON_CLASS),
        ("key.converter.schemas.enable", "false"),
        ("value.converter", JSON_CLASS),
        ("value.converter.schemas.enable", "false"),
        ("predicates", "tombstone"),
        ("predicates.tombstone.type", "org.apache.kafka.connect.transforms.predicates.RecordIsTombstone"),
        ("transforms", "replace"),
        ("transforms.replace.type", REPLACE_FIELD),
        ("transforms.replace.exclude", "none"),
        ("transforms.replace.predicate", "tombstone"),
        ("transforms.replace.negate", "true"),
        ("errors.tolerance", "all"),
        ("errors.log.enable", "true"),
        ("errors.log.include.messages", "true"),
        ("errors.deadletterqueue.topic.name", theirs.as_str()),
        ("errors.deadletterqueue.topic.replication.factor", "1"),
        ("errors.deadletterqueue.context.headers.enable", "true"),
    ];
    let java =
        JavaWorker::standalone(&libs, &world.bootstrap(), &dir.path().join("offsets"), &[], &[&connector])
            .unwrap();

    let mut spec = world.sink_spec(&name, FILE_SINK, props(&[("file", &our_file)]), &topic, |_| ());
    let json = ConverterSpec { plugin: JSON, props: props(&[("schemas.enable", "false")]) };
    (spec.key_converter, spec.value_converter) = (json.clone(), json);
    spec.transforms = vec![replace_unless_tombstone()];
    spec.errors = ErrorPolicy {
        tolerance: Tolerance::All,
        dead_letters: Some(world.dead_letters(&ours)),
        ..ErrorPolicy::default()
    };
    let task = world.run(spec);
    wait_until("ours has read everything", || {
        world.committed(&name, &topic, 0) == Some(8) && world.committed(&name, &topic, 1) == Some(8)
    });
    let our_letters = world.read(&ours, 1);
    wait_until("Java has written as many", || world.records(&theirs) >= our_letters.len() as i64);
    world.stop(task);
    drop(java);

    // Which partition comes first is chance.
    let sorted = |mut letters: Vec<KafkaRecord>| {
        letters.iter_mut().for_each(|letter| letter.offset = 0);
        letters.sort_by_key(|letter| letter.timestamp);
        letters
    };
    let (their_letters, our_letters) = (sorted(world.read(&theirs, 1)), sorted(our_letters));
    assert_eq!(their_letters.len(), our_letters.len());
    for (theirs, ours) in their_letters.into_iter().zip(our_letters) {
        // Where in the code it happened is not the same; what happened is.
        let begins = |letter: &KafkaRecord| {
            let lines = letter.header(STACKTRACE).lines().map(str::to_owned).collect::<Vec<_>>();
            let cause = lines.iter().find_map(|line| line.strip_prefix("Caused by: "));
            let cause = cause.map(|cause| cause.split(": ").next().map(str::to_owned));
            (lines[0].clone(), lines[1].starts_with("\tat "), cause)
        };
        assert_eq!(begins(&theirs), begins(&ours));
        assert_eq!(without_trace(theirs), without_trace(ours));
    }
}

fn without_trace(mut letter: KafkaRecord) -> KafkaRecord {
    let (name, trace) = letter.headers.last_mut().unwrap();
    assert_eq!(name, STACKTRACE);
    *trace = None;
    letter
}
