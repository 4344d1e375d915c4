//! From configurations to what the engine runs.

use api::{Error, Props, Result};
use engine::task::{
    DeadLetterSpec, ExactlyOnce, SinkSpec, SourceSpec, TaskId, TaskKind, TaskSpec, TopicCreation,
};

use super::super::distributed::TaskOffsets;
use crate::config::{
    ClientSpec, ConnectorConfig, DeadLetters, Plugins, TopicRules, WorkerConfig, client_specs,
    connector_admin, producer,
};

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
    TaskOffsets { store, exactly_once }: TaskOffsets,
) -> Result<TaskSpec> {
    let config = ConnectorConfig::parse(connector, plugins, worker)?;
    let plugin = config.plugin;
    let transactional_id = exactly_once.as_ref().map(|it| &*it.transactional_id);
    let client =
        client_specs(worker, &id.connector, connector, id.task, plugin.is_source(), transactional_id)?;
    let kind = match client {
        ClientSpec::Producer(cluster, producer) => TaskKind::Source(SourceSpec {
            cluster,
            producer,
            topic_creation: match config.topic_rules {
                Some(rules) => Some(Box::new(topic_creation(worker, &id, connector, rules)?)),
                None => None,
            },
            offsets: store,
            exactly_once: exactly_once.map(|it| Box::new(ExactlyOnce { boundary: config.boundary, ..*it })),
            offset_flush_interval: worker.offset_flush_interval,
            offset_flush_timeout: worker.offset_flush_timeout,
            shutdown_timeout: worker.shutdown_timeout,
        }),
        ClientSpec::Consumer(cluster, consumer) => TaskKind::Sink(SinkSpec {
            cluster,
            consumer,
            topics: config
                .topics
                .ok_or_else(|| Error::config("Must configure one of topics or topics.regex"))?,
            offset_flush_interval: worker.offset_flush_interval,
            offset_flush_timeout: worker.offset_flush_timeout,
            shutdown_timeout: worker.shutdown_timeout,
        }),
    };
    let mut errors = config.errors;
    if let Some(dead_letters) = config.dead_letters {
        errors.dead_letters = Some(dead_letter_spec(worker, &id, connector, dead_letters)?);
    }
    Ok(TaskSpec {
        id,
        plugin,
        props,
        key_converter: config.key_converter,
        value_converter: config.value_converter,
        header_converter: config.header_converter,
        transforms: config.transforms,
        errors,
        rate_limits: config.rate_limits,
        starts_paused,
        kind,
    })
}

fn topic_creation(
    worker: &WorkerConfig,
    id: &TaskId,
    connector: &Props,
    rules: TopicRules,
) -> Result<TopicCreation> {
    let (cluster, admin) = connector_admin(worker, format!("connector-adminclient-{id}"), connector)?;
    let TopicRules { default, groups } = rules;
    Ok(TopicCreation { cluster, api_timeout: admin.api_timeout, groups, default })
}

fn dead_letter_spec(
    worker: &WorkerConfig,
    id: &TaskId,
    connector: &Props,
    dead_letters: DeadLetters,
) -> Result<DeadLetterSpec> {
    let (cluster, producer) = producer(worker, format!("connector-dlq-producer-{id}"), connector)?;
    let (admin, _) = connector_admin(worker, "connector-dlq-adminclient-".to_owned(), connector)?;
    let DeadLetters { topic, replication_factor, context_headers } = dead_letters;
    Ok(DeadLetterSpec { topic, replication_factor, context_headers, cluster, producer, admin })
}
