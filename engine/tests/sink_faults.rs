//! Sink pipelines beside a coordinator that takes no commits: they end in time and leave nothing behind.

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use api::plugin::ConnectorPlugin;
use broker::Fault;
use engine::offset::MemoryOffsetStore;
use protocol::ErrorCode;
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
