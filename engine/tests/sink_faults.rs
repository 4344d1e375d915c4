//! Sink pipelines in trouble: beside a coordinator that takes no commits they end in time and leave nothing behind, and a log that was
//! truncated while they were away does not go unnoticed.

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use api::plugin::ConnectorPlugin;
use broker::Fault;
use engine::offset::MemoryOffsetStore;
use protocol::ErrorCode;
use protocol::client::consumer::OffsetReset;
use protocol::wire::messages::ApiKey;
use support::{World, props, wait_until};

const DATAGEN: ConnectorPlugin = ConnectorPlugin::source::<connector_datagen::DatagenSource>();
const FILE_SINK: ConnectorPlugin = ConnectorPlugin::sink::<connector_file::FileStreamSink>();

/// Goal: a commit that is still being retried when the task ends does not keep its member in the group.
#[test]
fn a_stopped_sink_has_left_its_group_even_if_it_could_not_commit() {
    let world = World::embedded();
    let topic = world.topic("leaves", 1);
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("out");
    let faults = world.broker().faults();
    faults.on(ApiKey::OffsetCommit, Fault::Error(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS));
    let sink = world.sink("leaves", FILE_SINK, props(&[("file", output.to_str().unwrap())]), &topic);
    let generated = props(&[("topic", &topic), ("rate", "-1"), ("records", "100")]);
    let source = world.source("gen", DATAGEN, generated, Arc::new(MemoryOffsetStore::default()));
    wait_until("a commit is being retried", || world.broker().request_count(ApiKey::OffsetCommit) >= 2);
    world.stop(source);
    let since = Instant::now();
    world.stop(sink);
    assert_eq!(world.broker().request_count(ApiKey::LeaveGroup), 1, "the member is still in the group");
    assert!(since.elapsed() < Duration::from_secs(8), "{:?}: more than one flush timeout", since.elapsed());
}

/// Goal: with a coordinator that answers nothing a sink has stopped before the worker gives it up, and its good-bye was sent.
#[test]
fn a_sink_whose_coordinator_is_silent_stops_in_the_time_that_it_has() {
    let world = World::embedded();
    let topic = world.topic("silent", 1);
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("out");
    world.broker().faults().on(ApiKey::OffsetCommit, Fault::Silence);
    let file = props(&[("file", output.to_str().unwrap())]);
    // What is left of it for the task itself, 15 %, is also what a busy machine may take.
    let shutdown_timeout = Duration::from_secs(10);
    let sink = world.sink_with("silent", FILE_SINK, file, &topic, |sink| {
        sink.shutdown_timeout = shutdown_timeout;
        sink.offset_flush_timeout = Duration::from_secs(60);
    });
    let generated = props(&[("topic", &topic), ("rate", "-1"), ("records", "100")]);
    let source = world.source("gen", DATAGEN, generated, Arc::new(MemoryOffsetStore::default()));
    wait_until("a commit is on its way", || world.broker().request_count(ApiKey::OffsetCommit) >= 1);
    world.stop(source);
    let since = Instant::now();
    world.stop(sink);
    assert!(since.elapsed() < shutdown_timeout, "{:?}: the worker would have given it up", since.elapsed());
}

/// Goal: what a sink commits lets its successor notice that the log is not the one that was read.
#[test]
fn a_sink_that_comes_back_to_a_truncated_log_notices() {
    let world = World::embedded();
    let topic = world.topic("truncated", 1);
    let dir = tempfile::tempdir().unwrap();
    let output = dir.path().join("out");
    let file = || props(&[("file", output.to_str().unwrap())]);
    // Fifty more records, in batches of their own.
    let fill_up_to = |end: i64| {
        let generated = props(&[("topic", &topic), ("rate", "-1"), ("records", "50")]);
        let source = world.source("gen", DATAGEN, generated, Arc::new(MemoryOffsetStore::default()));
        wait_until("the records are there", || world.records(&topic) == end);
        world.stop(source);
    };
    fill_up_to(50);
    fill_up_to(100);
    let sink = world.sink("truncated", FILE_SINK, file(), &topic);
    assert_eq!(world.wait_for_commit("truncated", &topic, 100), 0, "the epoch of what was read");
    world.stop(sink);
    // An unclean election: half of what was read is gone, and the new leader has other records up to the same offset.
    let name = topic.clone();
    assert_eq!(world.broker().with(move |broker| broker.truncate(&name, 0, 50)), Some(true));
    fill_up_to(100);

    let strict = world.sink_with("truncated", FILE_SINK, file(), &topic, |sink| {
        sink.consumer.auto_offset_reset = OffsetReset::None;
    });
    let trace = world.wait_for_failure(&strict);
    assert!(trace.contains("was truncated: offset 100 was read in leader epoch 0"), "{trace}");
    // With a reset it goes on where the logs part: what it has not seen is delivered.
    let sink = world.sink("truncated", FILE_SINK, file(), &topic);
    let lines = || std::fs::read(&output).unwrap().iter().filter(|byte| **byte == b'\n').count();
    wait_until("the other records have arrived", || lines() == 150);
    wait_until("the epoch of the new leader is committed", || {
        world.wait_for_commit("truncated", &topic, 100) == 1
    });
    world.stop(sink);
}
