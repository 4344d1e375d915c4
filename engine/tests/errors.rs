//! Sinks with records that fail: what Java's rules say of them, what the dead letter queue holds, and what is committed when.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod support;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Duration;

use api::Props;
use broker::Fault;
use engine::convert::JSON;
use engine::task::{ConverterSpec, ErrorLog, ErrorPolicy, TaskHandle, Tolerance};
use protocol::ErrorCode;
use protocol::wire::messages::ApiKey;
use support::picky::{FAILURES_LEFT, FLAKY, PICKY, seen};
use support::records::KafkaRecord;
use support::{World, props, wait_until};

/// Tests that count the failures of the flaky converter take turns.
static FLAKY_TURN: Mutex<()> = Mutex::new(());

fn tolerant(world: &World, queue: &str) -> ErrorPolicy {
    ErrorPolicy {
        tolerance: Tolerance::All,
        dead_letters: Some(world.dead_letters(queue)),
        ..ErrorPolicy::default()
    }
}

/// A picky sink on `topic` with this policy.
fn picky(world: &World, topic: &str, errors: ErrorPolicy, settings: &[(&str, &str)]) -> TaskHandle {
    let mut settings = props(settings);
    settings.insert("name".to_owned(), topic.to_owned());
    let mut spec = world.sink_spec(topic, PICKY, settings, topic, |_| ());
    spec.errors = errors;
    world.run(spec)
}

/// One that reads with the flaky converter.
fn flaky(world: &World, topic: &str, errors: ErrorPolicy) -> TaskHandle {
    let mut spec = world.sink_spec(topic, PICKY, props(&[("name", topic)]), topic, |_| ());
    spec.value_converter = ConverterSpec { plugin: FLAKY, props: Props::new() };
    spec.errors = errors;
    world.run(spec)
}

/// `count` records for two partitions in turn; those of `bad` cannot be written.
fn numbered(count: usize, bad: &BTreeSet<usize>) -> Vec<KafkaRecord> {
    let record = |number: usize| {
        let text = if bad.contains(&number) { format!("bad {number}") } else { format!("good {number}") };
        KafkaRecord::new((number % 2) as i32, text)
    };
    (0..count).map(record).collect()
}

/// That exactly the bad ones are in the queue, each once and in the order of its partition, and the others with the sink.
#[track_caller]
fn assert_divided(world: &World, topic: &str, queue: &str, written: &[KafkaRecord]) {
    let is_bad = |record: &&KafkaRecord| record.value.as_ref().is_some_and(|value| value.starts_with(b"bad"));
    let dead = world.read(queue, 1);
    let taken = seen(topic).taken;
    for partition in 0..2 {
        let of_partition = || written.iter().filter(move |record| record.partition == partition);
        let bad: Vec<_> = of_partition().filter(is_bad).map(|record| record.value.clone().unwrap()).collect();
        let found: Vec<_> = dead
            .iter()
            .filter(|record| record.header("__connect.errors.partition") == partition.to_string())
            .map(|record| record.value.clone().unwrap())
            .collect();
        assert_eq!(found, bad, "dead letters of partition {partition}");
        let good: Vec<_> = of_partition()
            .filter(|record| !is_bad(record))
            .map(|record| String::from_utf8(record.value.clone().unwrap()).unwrap())
            .collect();
        let delivered: Vec<_> =
            taken.iter().filter(|(from, ..)| *from == partition).map(|(.., value)| value.clone()).collect();
        assert_eq!(delivered, good, "delivered of partition {partition}");
    }
}

fn wait_for_commits(world: &World, topic: &str, ends: [i64; 2]) {
    for (partition, end) in (0..).zip(ends) {
        wait_until("everything is committed", || world.committed(topic, topic, partition) == Some(end));
    }
}

/// Goal: a dead letter is its original, with headers that say what happened in Java's order.
#[test]
fn what_a_converter_refuses_is_in_the_queue_byte_for_byte() {
    let world = World::start();
    let topic = world.topic("poisoned", 2);
    let queue = world.name("dead");
    let record = |partition,
                  timestamp,
                  key: Option<&[u8]>,
                  value: Option<&[u8]>,
                  headers: &[(&str, Option<&[u8]>)]| {
        let headers =
            headers.iter().map(|(key, value)| ((*key).to_owned(), value.map(<[u8]>::to_vec))).collect();
        let (key, value) = (key.map(<[u8]>::to_vec), value.map(<[u8]>::to_vec));
        KafkaRecord { partition, offset: 0, timestamp, key, value, headers }
    };
    let records = [
        record(0, 1_000, Some(b"first"), Some(b"{"), &[("h", Some(b"1")), ("h", None), ("", Some(&[0xff]))]),
        record(0, 2_000, Some(b"k"), Some(b"{\"a\":1}"), &[]),
        record(1, 3_000, None, Some(b"nope"), &[]),
        record(1, 4_000, Some(b""), None, &[]),
        record(0, 5_000, Some(&[0, 0xff, 0]), Some(b"[1,"), &[("last", Some(b""))]),
    ];
    world.write(&topic, &records);
    let mut spec = world.sink_spec(&topic, PICKY, props(&[("name", &topic)]), &topic, |_| ());
    spec.value_converter = ConverterSpec { plugin: JSON, props: props(&[("schemas.enable", "false")]) };
    spec.errors = tolerant(&world, &queue);
    let task = world.run(spec);
    wait_for_commits(&world, &topic, [3, 2]);

    let dead = world.read(&queue, 1);
    let expected = [(&records[0], 0), (&records[4], 2), (&records[2], 0)];
    for (original, offset) in expected {
        let value = original.value.as_ref();
        let letter = dead.iter().find(|letter| letter.value.as_ref() == value).unwrap();
        let own = original.headers.len();
        assert_eq!((&letter.key, letter.timestamp), (&original.key, original.timestamp));
        assert_eq!(letter.headers[..own], original.headers[..]);
        let names: Vec<_> = letter.headers[own..].iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "__connect.errors.topic",
                "__connect.errors.partition",
                "__connect.errors.offset",
                "__connect.errors.connector.name",
                "__connect.errors.task.id",
                "__connect.errors.stage",
                "__connect.errors.class.name",
                "__connect.errors.exception.class.name",
                "__connect.errors.exception.message",
                "__connect.errors.exception.stacktrace",
            ]
        );
        assert_eq!(letter.header("__connect.errors.topic"), topic);
        assert_eq!(letter.header("__connect.errors.partition"), original.partition.to_string());
        assert_eq!(letter.header("__connect.errors.offset"), offset.to_string());
        assert_eq!(letter.header("__connect.errors.connector.name"), topic);
        assert_eq!(letter.header("__connect.errors.task.id"), "0");
        assert_eq!(letter.header("__connect.errors.stage"), "VALUE_CONVERTER");
        assert_eq!(
            letter.header("__connect.errors.class.name"),
            "org.apache.kafka.connect.json.JsonConverter"
        );
    }
    assert_eq!(dead.len(), expected.len());
    let metrics = task.metrics();
    let counts = &metrics.errors;
    assert_eq!(
        (counts.record_failures.get(), counts.record_errors.get(), metrics.records_skipped.get()),
        (3, 3, 3)
    );
    assert_eq!((counts.dead_letters.get(), counts.dead_letters_failed.get()), (3, 0));
    assert!(counts.last_error_ms.get() > 0);
    world.stop(task);
}

/// Goal: without tolerance nothing beyond the bad record is committed, and it is reported all the same (as in Java).
#[test]
fn without_tolerance_the_first_bad_record_ends_the_task_and_is_not_committed() {
    let world = World::start();
    let topic = world.topic("intolerant", 1);
    let queue = world.name("dead");
    let errors = || ErrorPolicy { tolerance: Tolerance::None, ..tolerant(&world, &queue) };
    world.write(&topic, &[KafkaRecord::new(0, "fine")]);
    let task = flaky(&world, &topic, errors());
    world.wait_for_commit(&topic, &topic, 1);
    world.write(&topic, &[KafkaRecord::new(0, "bad one"), KafkaRecord::new(0, "bad two")]);
    let trace = world.wait_for_failure(&task);
    assert_eq!(
        trace,
        "org.apache.kafka.connect.errors.ConnectException: Tolerance exceeded in error handler\n\
         \tat aqueduct.pipeline.sink(Aqueduct)\n\
         Caused by: org.apache.kafka.connect.errors.DataException: no such schema\n\
         \t... 1 more\n"
    );
    assert_eq!(world.committed(&topic, &topic, 0), Some(1));
    let dead = world.read(&queue, 1);
    assert_eq!(
        dead.iter().map(|letter| letter.value.as_deref()).collect::<Vec<_>>(),
        [Some(&b"bad one"[..])]
    );
    assert_eq!(seen(&topic).taken.len(), 1);
}

/// Goal: whichever records a sink refuses a batch for, just they are taken out of it.
#[test]
fn a_refused_batch_is_divided_until_just_the_bad_records_are_left_out() {
    let world = World::start();
    let count = 300;
    let sets: [(&str, BTreeSet<usize>); 5] = [
        ("first", BTreeSet::from([0])),
        ("last", BTreeSet::from([count - 1])),
        ("some", BTreeSet::from([3, 4, 5, 100, 101, 250, 299])),
        ("half", (0..count).step_by(2).collect()),
        ("all", (0..count).collect()),
    ];
    for (name, bad) in sets {
        for tier in ["columns", "index", "bytes"] {
            let topic = world.topic(&format!("divided-{name}-{tier}"), 2);
            let queue = format!("{topic}-dead");
            let written = numbered(count, &bad);
            world.write(&topic, &written);
            let task = picky(&world, &topic, tolerant(&world, &queue), &[("tier", tier)]);
            wait_for_commits(&world, &topic, [count as i64 / 2; 2]);
            if tier == "bytes" {
                // What was taken packed is known by its number only.
                assert_eq!(world.read(&queue, 1).len(), bad.len());
                assert_eq!(seen(&topic).taken.len(), count - bad.len());
            } else {
                assert_divided(&world, &topic, &queue, &written);
            }
            let bound = 4 + 2 * bad.len() * (count.ilog2() as usize + 2);
            assert!(
                seen(&topic).puts <= bound,
                "{name}: {} puts for {} bad records",
                seen(&topic).puts,
                bad.len()
            );
            let dead = world.read(&queue, 1);
            assert_eq!(dead[0].header("__connect.errors.stage"), "TASK_PUT");
            assert_eq!(
                dead[0].header("__connect.errors.class.name"),
                "org.apache.kafka.connect.sink.SinkTask"
            );
            world.stop(task);
        }
    }
}

/// Goal: a sink that refuses whatever it gets ends with its own error, and the queue is not filled with good records.
#[test]
fn a_sink_that_refuses_everything_fails_the_task() {
    let world = World::start();
    let topic = world.topic("hopeless", 1);
    let queue = world.name("dead");
    let written: Vec<_> = (0..2_500).map(|number| KafkaRecord::new(0, format!("bad {number}"))).collect();
    world.write(&topic, &written);
    let task = picky(&world, &topic, tolerant(&world, &queue), &[]);
    let trace = world.wait_for_failure(&task);
    assert!(trace.contains("Exiting WorkerSinkTask due to unrecoverable exception."), "{trace}");
    assert!(
        trace.contains("Caused by: org.apache.kafka.connect.errors.DataException: cannot write bad "),
        "{trace}"
    );
    assert_eq!(world.committed(&topic, &topic, 0), None);
    assert_eq!(world.read(&queue, 1).len(), 0);
}

/// Goal: where batches must not be divided, because nothing is tolerated or the sink cannot promise to take all or nothing, the task
/// fails as in Java.
#[test]
fn a_batch_is_not_divided_where_it_must_not_be() {
    let world = World::start();
    for (name, tolerance, divisible) in
        [("strict", Tolerance::None, "true"), ("partial", Tolerance::All, "false")]
    {
        let topic = world.topic(name, 1);
        world.write(
            &topic,
            &[KafkaRecord::new(0, "good"), KafkaRecord::new(0, "bad"), KafkaRecord::new(0, "good")],
        );
        let errors = ErrorPolicy { tolerance, ..ErrorPolicy::default() };
        let task = picky(&world, &topic, errors, &[("divisible", divisible)]);
        let trace = world.wait_for_failure(&task);
        assert!(trace.starts_with("org.apache.kafka.connect.errors.ConnectException: Exiting WorkerSinkTask due to unrecoverable exception."), "{trace}");
        assert_eq!(seen(&topic).puts, 1);
        assert_eq!(world.committed(&topic, &topic, 0), None);
    }
}

/// Goal: a sink that knows its bad records reports them: no batch is put twice.
#[test]
fn reported_records_go_to_the_queue_and_the_others_stay_where_they_are() {
    let world = World::start();
    let topic = world.topic("reported", 2);
    let queue = world.name("dead");
    let written = numbered(200, &BTreeSet::from([0, 7, 8, 199]));
    world.write(&topic, &written);
    let task = picky(&world, &topic, tolerant(&world, &queue), &[("bad", "report")]);
    wait_for_commits(&world, &topic, [100, 100]);
    assert_divided(&world, &topic, &queue, &written);
    let metrics = task.metrics();
    // Java counts no reported record as skipped.
    assert_eq!((metrics.errors.record_failures.get(), metrics.records_skipped.get()), (4, 0));
    world.stop(task);
}

/// Goal: without tolerance a report ends the task, also where the sink does not look at what `report` says.
#[test]
fn a_report_ends_a_task_that_tolerates_nothing() {
    let world = World::start();
    for swallow in ["false", "true"] {
        let topic = world.topic(&format!("strict-report-{swallow}"), 1);
        world.write(
            &topic,
            &[KafkaRecord::new(0, "good"), KafkaRecord::new(0, "bad"), KafkaRecord::new(0, "good")],
        );
        let errors = ErrorPolicy { log: Some(ErrorLog { include_messages: true }), ..ErrorPolicy::default() };
        let task = picky(&world, &topic, errors, &[("bad", "report"), ("swallow", swallow)]);
        let trace = world.wait_for_failure(&task);
        let lines: Vec<_> = trace.lines().filter(|line| !line.starts_with('\t')).collect();
        assert_eq!(
            lines,
            [
                "org.apache.kafka.connect.errors.ConnectException: Exiting WorkerSinkTask due to unrecoverable exception.",
                "Caused by: org.apache.kafka.connect.errors.ConnectException: Tolerance exceeded in error handler",
                "Caused by: org.apache.kafka.connect.errors.DataException: cannot write bad",
            ]
        );
        assert_eq!(world.committed(&topic, &topic, 0), None);
        assert_eq!(task.metrics().errors.errors_logged.get(), 1);
    }
}

/// Goal: there is a reporter exactly where Java gives one.
#[test]
fn without_a_queue_or_a_log_a_sink_has_nobody_to_report_to() {
    let world = World::start();
    let topic = world.topic("unreported", 1);
    world.write(&topic, &[KafkaRecord::new(0, "bad")]);
    let errors = ErrorPolicy { tolerance: Tolerance::All, ..ErrorPolicy::default() };
    // It refuses the batch instead, which is divided.
    let task = picky(&world, &topic, errors, &[("bad", "report")]);
    world.wait_for_commit(&topic, &topic, 1);
    assert_eq!(task.metrics().records_skipped.get(), 1);
    world.stop(task);
}

/// Goal: a converter that asks for another attempt gets it while the task stays a member of its group, and nothing is lost or doubled.
#[test]
fn a_record_that_fails_for_now_is_tried_again_until_it_is_converted() {
    let world = World::start();
    let _turn = FLAKY_TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let topic = world.topic("again", 1);
    let values = ["one", "later two", "bad three", "later four", "later five", "six"];
    world.write(&topic, &values.map(|value| KafkaRecord::new(0, value)));
    FAILURES_LEFT.store(2, Ordering::SeqCst);
    let queue = world.name("dead");
    let errors = ErrorPolicy {
        retry_timeout: None,
        retry_delay_max: Duration::from_millis(50),
        ..tolerant(&world, &queue)
    };
    let task = flaky(&world, &topic, errors);
    // More comes meanwhile.
    world.write(&topic, &[KafkaRecord::new(0, "seven")]);
    world.wait_for_commit(&topic, &topic, 7);
    let taken: Vec<_> = seen(&topic).taken.into_iter().map(|(_, offset, value)| (offset, value)).collect();
    let expected =
        [(0, "one"), (1, "later two"), (3, "later four"), (4, "later five"), (5, "six"), (6, "seven")];
    assert_eq!(taken, expected.map(|(offset, value)| (offset, value.to_owned())));
    let counts = task.metrics();
    assert!(counts.errors.retries.get() > 0);
    assert_eq!((counts.errors.record_errors.get(), counts.records_skipped.get()), (1, 1));
    world.stop(task);
}

/// Goal: Java's quirk: what has been tried in vain is skipped even where nothing is tolerated, and then the next bad record ends the task.
#[test]
fn running_out_of_retries_skips_a_record_that_nothing_else_would() {
    let world = World::start();
    let _turn = FLAKY_TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let topic = world.topic("in-vain", 1);
    let queue = world.name("dead");
    FAILURES_LEFT.store(usize::MAX, Ordering::SeqCst);
    world.write(&topic, &["one", "later two", "three"].map(|value| KafkaRecord::new(0, value)));
    let errors = ErrorPolicy { tolerance: Tolerance::None, ..tolerant(&world, &queue) };
    let task = flaky(&world, &topic, errors);
    world.wait_for_commit(&topic, &topic, 3);
    assert_eq!(seen(&topic).taken.len(), 2);
    let dead = world.read(&queue, 1);
    assert_eq!(
        dead[0].header("__connect.errors.exception.class.name"),
        "org.apache.kafka.connect.errors.RetriableException"
    );
    world.write(&topic, &[KafkaRecord::new(0, "bad")]);
    let trace = world.wait_for_failure(&task);
    assert!(trace.contains("Tolerance exceeded in error handler"), "{trace}");
    FAILURES_LEFT.store(0, Ordering::SeqCst);
}

/// Goal: a task that waits for another attempt stops at once, and what it waited with is not committed.
#[test]
fn a_stop_does_not_wait_for_retries() {
    let world = World::start();
    let _turn = FLAKY_TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let topic = world.topic("stopped", 1);
    FAILURES_LEFT.store(usize::MAX, Ordering::SeqCst);
    world.write(&topic, &["one", "later two"].map(|value| KafkaRecord::new(0, value)));
    let errors = ErrorPolicy {
        retry_timeout: None,
        retry_delay_max: Duration::from_secs(3_600),
        ..ErrorPolicy::default()
    };
    let task = flaky(&world, &topic, errors);
    wait_until("it waits", || task.metrics().errors.retries.get() > 0);
    world.stop(task);
    assert_eq!(world.committed(&topic, &topic, 0), None);
    FAILURES_LEFT.store(0, Ordering::SeqCst);
}

/// Goal: I9: no offset is committed before the dead letters below it are written, and a crash in between loses nothing.
#[test]
fn offsets_wait_for_the_dead_letter_queue() {
    let world = World::embedded();
    let topic = world.topic("waits", 1);
    let queue = world.topic("waits-dead", 1);
    world.write(&topic, &["good 0", "bad 1", "good 2"].map(|value| KafkaRecord::new(0, value)));
    world.broker().faults().on(ApiKey::Produce, Fault::Error(ErrorCode::NOT_ENOUGH_REPLICAS));
    let task = picky(&world, &topic, tolerant(&world, &queue), &[("bad", "report")]);
    wait_until("the sink has the batch", || seen(&topic).taken.len() == 2);
    wait_until("what is safe is committed", || world.committed(&topic, &topic, 0) == Some(1));
    wait_until("the queue was tried again", || world.broker().request_count(ApiKey::Produce) > 2);
    // A crash: nothing is flushed or committed any more.
    task.abandon();
    assert_eq!((world.committed(&topic, &topic, 0), world.records(&queue)), (Some(1), 0));
    drop(task);
    world.broker().faults().clear_all();
    let task = picky(&world, &topic, tolerant(&world, &queue), &[("bad", "report")]);
    world.wait_for_commit(&topic, &topic, 3);
    let values: Vec<_> = world.read(&queue, 1).into_iter().map(|record| record.value.unwrap()).collect();
    assert!(values.iter().all(|value| value == b"bad 1") && !values.is_empty(), "{values:?}");
    world.stop(task);
}

/// Goal: a dead letter that Kafka refuses for good is not lost silently: the task says so, and its offset stays.
#[test]
fn a_dead_letter_that_cannot_be_written_fails_the_task() {
    let world = World::embedded();
    let topic = world.topic("refused", 1);
    let queue = world.topic("refused-dead", 1);
    world.write(&topic, &["good 0", "bad 1", "good 2"].map(|value| KafkaRecord::new(0, value)));
    world.broker().faults().on(ApiKey::Produce, Fault::Error(ErrorCode::TOPIC_AUTHORIZATION_FAILED));
    let task = picky(&world, &topic, tolerant(&world, &queue), &[("bad", "report")]);
    let trace = world.wait_for_failure(&task);
    assert!(
        trace.starts_with(&format!(
            "org.apache.kafka.connect.errors.ConnectException: Could not produce message to dead letter queue. topic={queue}\n"
        )),
        "{trace}"
    );
    wait_until("it has ended", || world.committed(&topic, &topic, 0) == Some(1));
    assert_eq!(task.metrics().errors.dead_letters_failed.get(), 1);
}

/// Goal: a queue that cannot be made is an error at the start, in Java's words.
#[test]
fn a_queue_that_cannot_be_made_fails_the_task_before_it_starts() {
    let world = World::start();
    let topic = world.topic("no-queue", 1);
    let queue = world.name("dead");
    let mut errors = tolerant(&world, &queue);
    errors.dead_letters.as_mut().unwrap().replication_factor = 100;
    let task = picky(&world, &topic, errors, &[]);
    let trace = world.wait_for_failure(&task);
    assert!(trace.contains(&format!("Could not initialize dead letter queue with topic={queue}")), "{trace}");
    assert!(trace.contains("InvalidReplicationFactorException"), "{trace}");
}

/// Goal: as in Java a record from before the epoch ends the task, whatever is tolerated.
#[test]
fn a_timestamp_before_the_epoch_ends_the_task() {
    let world = World::start();
    let topic = world.topic("timestamps", 1);
    let record = |timestamp| KafkaRecord { timestamp, ..KafkaRecord::new(0, "good") };
    world.write(&topic, &[record(0), record(-5), record(1)]);
    let task =
        picky(&world, &topic, ErrorPolicy { tolerance: Tolerance::All, ..ErrorPolicy::default() }, &[]);
    let trace = world.wait_for_failure(&task);
    assert!(
        trace.starts_with("org.apache.kafka.common.InvalidRecordException: Invalid record timestamp -5\n"),
        "{trace}"
    );
    assert_eq!(world.committed(&topic, &topic, 0), None);
}
