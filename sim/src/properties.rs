//! The configuration of the world's workers: intervals as long as their meaning allows, so that an idle hour costs little.

use api::Props;
use api::plugin::ConnectorPlugin;
use worker::config::{Plugins, WorkerConfig};

use crate::network::REST_PORT;
use crate::sink::Keeping;
use crate::source::Counting;

/// The Connect group, which is also what the internal topics are named after.
pub(crate) const GROUP: &str = "sim";
/// How long a worker may be silent.
pub(crate) const SESSION_MS: u64 = 30_000;
/// How often source offsets are committed.
pub(crate) const FLUSH_MS: u64 = 10_000;

/// What differs from world to world.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// `scheduled.rebalance.max.delay.ms`.
    pub(crate) delay_ms: u64,
    /// `connect.protocol`.
    pub(crate) protocol: &'static str,
    /// `exactly.once.source.support`.
    pub(crate) exactly_once: &'static str,
    /// `aqueduct.rest.queue.during.rebalance`.
    pub(crate) queues: bool,
}

/// The plug-ins of every worker.
pub(crate) fn plugins() -> Plugins {
    let mut registry = worker::built_in();
    registry.connectors.push(ConnectorPlugin::source::<Counting>());
    registry.connectors.push(ConnectorPlugin::sink::<Keeping>());
    Plugins::new(registry)
}

/// The configuration of worker `number`.
///
/// # Errors
/// None for keys that the worker knows.
pub(crate) fn worker(number: usize, settings: Settings, plugins: &Plugins) -> api::Result<WorkerConfig> {
    let session = SESSION_MS.to_string();
    let heartbeat = (SESSION_MS / 3).to_string();
    let props = [
        ("bootstrap.servers", "broker:9092,broker:9093".to_owned()),
        ("group.id", GROUP.to_owned()),
        ("key.converter", "org.apache.kafka.connect.storage.StringConverter".to_owned()),
        ("value.converter", "org.apache.kafka.connect.storage.StringConverter".to_owned()),
        ("config.storage.topic", format!("{GROUP}-configs")),
        ("offset.storage.topic", format!("{GROUP}-offsets")),
        ("status.storage.topic", format!("{GROUP}-status")),
        ("config.storage.replication.factor", "2".to_owned()),
        ("offset.storage.replication.factor", "2".to_owned()),
        ("status.storage.replication.factor", "2".to_owned()),
        ("offset.storage.partitions", "3".to_owned()),
        ("status.storage.partitions", "1".to_owned()),
        ("rest.advertised.host.name", format!("w{number}")),
        ("rest.advertised.port", REST_PORT.to_string()),
        ("session.timeout.ms", session.clone()),
        ("heartbeat.interval.ms", heartbeat.clone()),
        ("scheduled.rebalance.max.delay.ms", settings.delay_ms.to_string()),
        ("connect.protocol", settings.protocol.to_owned()),
        ("exactly.once.source.support", settings.exactly_once.to_owned()),
        ("aqueduct.rest.queue.during.rebalance", settings.queues.to_string()),
        ("offset.flush.interval.ms", FLUSH_MS.to_string()),
        ("topic.tracking.enable", "false".to_owned()),
        ("fetch.max.wait.ms", "25000".to_owned()),
        ("consumer.fetch.max.wait.ms", "25000".to_owned()),
        ("consumer.session.timeout.ms", session),
        ("consumer.heartbeat.interval.ms", heartbeat),
        // A join that nobody answers is waited for as long as this (300 s by default), longer than a world waits to come right.
        ("consumer.max.poll.interval.ms", "60000".to_owned()),
        ("consumer.auto.offset.reset", "earliest".to_owned()),
        ("aqueduct.watchdog.interval.ms", "0".to_owned()),
    ];
    let props: Props = props.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    WorkerConfig::distributed(props, plugins)
}
