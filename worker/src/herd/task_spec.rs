//! From configurations to what the engine runs.

use std::sync::Arc;

use api::{Error, Props, Result};
use engine::offset::OffsetStore;
use engine::task::{ErrorPolicy, RateLimits, SinkSpec, SourceSpec, TaskId, TaskKind, TaskSpec};

use crate::config::{ClientSpec, ConnectorConfig, Plugins, WorkerConfig, client_specs};

/// Puts together everything that one task needs.
///
/// # Errors
/// The first thing that is wrong in the connector's or the clients' configuration.
pub(super) fn task_spec(
    id: TaskId,
    connector: &Props,
    props: Props,
    starts_paused: bool,
    plugins: &Plugins,
    worker: &WorkerConfig,
    offsets: &Arc<dyn OffsetStore>,
) -> Result<TaskSpec> {
    let config = ConnectorConfig::parse(connector, plugins, worker)?;
    let plugin = config.plugin;
    let kind = match client_specs(worker, &id.connector, connector, id.task, plugin.is_source())? {
        ClientSpec::Producer(cluster, producer) => TaskKind::Source(SourceSpec {
            cluster,
            producer,
            topic_creation: None,
            offsets: Arc::clone(offsets),
            offset_flush_interval: worker.offset_flush_interval,
            offset_flush_timeout: worker.offset_flush_timeout,
            shutdown_timeout: worker.shutdown_timeout,
        }),
        ClientSpec::Consumer(..) if config.topics.is_empty() => {
            return Err(Error::config("Must configure one of topics or topics.regex"));
        }
        ClientSpec::Consumer(cluster, consumer) => TaskKind::Sink(SinkSpec {
            cluster,
            consumer,
            topics: config.topics,
            offset_flush_interval: worker.offset_flush_interval,
            offset_flush_timeout: worker.offset_flush_timeout,
            shutdown_timeout: worker.shutdown_timeout,
        }),
    };
    Ok(TaskSpec {
        id,
        plugin,
        props,
        key_converter: config.key_converter,
        value_converter: config.value_converter,
        header_converter: config.header_converter,
        transforms: config.transforms,
        errors: ErrorPolicy { tolerance: config.tolerance, ..ErrorPolicy::default() },
        rate_limits: RateLimits::default(),
        starts_paused,
        kind,
    })
}
