//! Records that fail while other things happen: members that come, limits on speed, sources whose records Kafka does not take.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod support;

use std::collections::BTreeSet;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use api::Props;
use api::plugin::ConnectorPlugin;
use broker::Fault;
use engine::offset::{MemoryOffsetStore, OffsetStore};
use engine::task::{ConverterSpec, ErrorLog, ErrorPolicy, RateLimits, TaskSpec, TaskState, Tolerance};
use protocol::ErrorCode;
use protocol::client::producer::ProducerConfig;
use protocol::wire::messages::ApiKey;
use support::picky::{FAILURES_LEFT, FLAKY, PICKY, seen};
use support::records::KafkaRecord;
use support::{World, props, wait_until};

const FILE_SOURCE: ConnectorPlugin = ConnectorPlugin::source::<connector_file::FileStreamSource>();
const DATAGEN: ConnectorPlugin = ConnectorPlugin::source::<connector_datagen::DatagenSource>();

fn tolerant() -> ErrorPolicy {
    ErrorPolicy { tolerance: Tolerance::All, ..ErrorPolicy::default() }
}

fn records_per_second(limit: u64) -> RateLimits {
    RateLimits { records_per_second: NonZeroU64::new(limit), ..RateLimits::default() }
}

/// Goal: a member that joins while a batch is being divided costs no record and no dead letter: what leaves in the middle is taken up by
/// the other.
#[test]
fn a_rebalance_in_the_middle_of_a_divided_batch_loses_nothing() {
    let world = World::start();
    let topic = world.topic("rebalanced", 2);
    let queue = world.name("dead");
    let bad = |number: usize| number.is_multiple_of(7);
    let record = |number: usize| {
        let kind = if bad(number) { "bad" } else { "good" };
        KafkaRecord::new((number % 2) as i32, format!("{kind} {number}"))
    };
    world.write(&topic, &(0..400).map(record).collect::<Vec<_>>());
    let member = |number: u32| {
        let mut spec = world.sink_spec(&topic, PICKY, props(&[("name", &topic)]), &topic, |_| ());
        spec.id.task = number;
        spec.errors = ErrorPolicy { dead_letters: Some(world.dead_letters(&queue)), ..tolerant() };
        // So that it is in the middle for a while.
        spec.rate_limits = records_per_second(150);
        world.run(spec)
    };
    let first = member(0);
    wait_until("the first is at work", || seen(&topic).taken.len() > 20);
    assert!(seen(&topic).taken.len() < 300, "the first was to be in the middle");
    let second = member(1);
    for partition in 0..2 {
        wait_until("all is committed", || world.committed(&topic, &topic, partition) == Some(200));
    }
    let taken: BTreeSet<usize> =
        seen(&topic).taken.iter().map(|(.., value)| number(value.as_bytes())).collect();
    let dead: BTreeSet<usize> =
        world.read(&queue, 1).iter().map(|letter| number(letter.value.as_ref().unwrap())).collect();
    assert!(taken.iter().copied().eq((0..400).filter(|number| !bad(*number))), "{taken:?}");
    assert!(dead.iter().copied().eq((0..400).filter(|number| bad(*number))), "{dead:?}");
    world.stop(first);
    world.stop(second);
}

fn number(value: &[u8]) -> usize {
    std::str::from_utf8(value).unwrap().split(' ').nth(1).unwrap().parse().unwrap()
}

/// Goal: a low limit makes a steady flow of small batches whose offsets are committed as they go, and does not keep a task from stopping.
#[test]
fn a_limited_sink_goes_in_small_steps_and_stops_when_told() {
    let world = World::start();
    let topic = world.topic("limited", 1);
    world.write(
        &topic,
        &(0..2_000).map(|number| KafkaRecord::new(0, format!("good {number}"))).collect::<Vec<_>>(),
    );
    let mut spec = world.sink_spec(&topic, PICKY, props(&[("name", &topic)]), &topic, |_| ());
    spec.rate_limits = records_per_second(100);
    let task = world.run(spec);
    wait_until("a part is committed", || world.committed(&topic, &topic, 0).is_some_and(|offset| offset > 0));
    let committed = world.committed(&topic, &topic, 0).unwrap();
    assert!(committed < 2_000, "all at once");
    world.stop(task);
    let seen = seen(&topic);
    assert!(seen.puts >= seen.taken.len() / 10, "{} puts for {} records", seen.puts, seen.taken.len());
    assert_eq!(world.committed(&topic, &topic, 0), Some(seen.taken.len() as i64));
}

/// Goal: a limited source commits what it has sent, pauses in the middle of a batch and stops when told, however long it would have to
/// wait.
#[test]
fn a_limited_source_pauses_and_stops_when_told() {
    let world = World::start();
    let topic = world.topic("limited-source", 1);
    let store: Arc<dyn OffsetStore> = Arc::new(MemoryOffsetStore::default());
    let mut spec =
        world.source_spec("limited", DATAGEN, props(&[("topic", &topic), ("rate", "-1")]), store, |_| ());
    spec.rate_limits = records_per_second(20);
    let task = world.run(spec);
    wait_until("some records are there", || world.records(&topic) >= 2);
    // It is in the middle of a batch of 2,000, which takes 100 s.
    task.pause();
    world.wait_for_state(&task, &TaskState::Paused);
    let before = world.records(&topic);
    task.resume();
    world.wait_for_state(&task, &TaskState::Running);
    wait_until("it goes on", || world.records(&topic) > before);
    world.stop(task);
    assert!(world.records(&topic) < 1_000, "no limit");
}

/// A file source that reads `text`.
fn reading(
    world: &World,
    topic: &str,
    text: &str,
    producer: ProducerConfig,
) -> (tempfile::TempDir, TaskSpec) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("in.txt");
    std::fs::write(&file, text).unwrap();
    let settings = props(&[("file", file.to_str().unwrap()), ("topic", topic)]);
    let store: Arc<dyn OffsetStore> = Arc::new(MemoryOffsetStore::default());
    let spec = world.source_spec("file", FILE_SOURCE, settings, store, |spec| spec.producer = producer);
    (dir, spec)
}

fn values(world: &World, topic: &str) -> Vec<String> {
    let records = world.read(topic, 1);
    records.into_iter().map(|record| String::from_utf8(record.value.unwrap()).unwrap()).collect()
}

/// Goal: KIP-779: a record that the producer cannot send is skipped where that is tolerated, and ends the task where it is not.
#[test]
fn a_record_that_is_too_large_is_passed_over_or_ends_the_task() {
    let world = World::start();
    let text = format!("one\n{}\nthree\n", "x".repeat(5_000));
    let small = || ProducerConfig { request_bytes_max: 1_000, ..ProducerConfig::default() };
    let topic = world.topic("too-large", 1);
    let (_dir, mut spec) = reading(&world, &topic, &text, small());
    spec.errors = ErrorPolicy { log: Some(ErrorLog { include_messages: true }), ..tolerant() };
    let task = world.run(spec);
    wait_until("what can be sent is there", || world.records(&topic) == 2);
    wait_until("it is committed", || task.metrics().commits.get() > 0);
    assert_eq!(values(&world, &topic), ["one", "three"]);
    let metrics = task.metrics();
    assert_eq!((metrics.errors.record_failures.get(), metrics.errors.errors_logged.get()), (1, 1));
    world.stop(task);

    let topic = world.topic("too-large-strict", 1);
    let (_dir, spec) = reading(&world, &topic, &text, small());
    let trace = world.wait_for_failure(&world.run(spec));
    assert!(trace.contains("Unrecoverable exception trying to send"), "{trace}");
    assert!(trace.contains("The message is 50"), "{trace}");
}

/// Goal: the same for what the broker refuses after it was sent.
#[test]
fn records_that_kafka_refuses_are_passed_over_or_end_the_task() {
    let world = World::embedded();
    let refuse = || world.broker().faults().once(ApiKey::Produce, Fault::Error(ErrorCode::INVALID_RECORD));
    let topic = world.topic("refused", 1);
    let (_dir, mut spec) = reading(&world, &topic, "one\ntwo\n", ProducerConfig::default());
    spec.errors = tolerant();
    refuse();
    let task = world.run(spec);
    wait_until("it was refused", || task.metrics().errors.record_failures.get() == 2);
    wait_until("it is passed over", || task.metrics().commits.get() > 0);
    world.stop(task);

    let (_dir, spec) = reading(&world, &topic, "one\ntwo\n", ProducerConfig::default());
    refuse();
    let trace = world.wait_for_failure(&world.run(spec));
    assert!(trace.contains("Unrecoverable exception from producer send callback"), "{trace}");
    assert!(trace.contains("Caused by: org.apache.kafka.common.errors.InvalidRecordException"), "{trace}");
    assert_eq!(world.records(&topic), 0);
}

/// Goal: a source's converter is tried again and tolerated like a sink's.
#[test]
fn a_source_tries_again_and_leaves_out_what_cannot_be_converted() {
    let world = World::start();
    let topic = world.topic("converted", 1);
    let (_dir, mut spec) =
        reading(&world, &topic, "one\nlater two\nbad three\nfour\n", ProducerConfig::default());
    spec.value_converter = ConverterSpec { plugin: FLAKY, props: Props::new() };
    spec.errors = ErrorPolicy { retry_timeout: None, ..tolerant() };
    FAILURES_LEFT.store(1, Ordering::SeqCst);
    let task = world.run(spec);
    wait_until("the others are there", || world.records(&topic) == 3);
    assert_eq!(values(&world, &topic), ["one", "later two", "four"]);
    let metrics = task.metrics();
    assert_eq!((metrics.errors.retries.get() > 0, metrics.records_skipped.get()), (true, 1));
    world.stop(task);
}
