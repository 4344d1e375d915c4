//! The worker's configuration, parsed.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use api::config_def::{Config, ConfigDef};
use api::{Error, Props, Result};
use engine::task::{ConverterSpec, HeaderConverterSpec};
use protocol::client::consumer::PrefetchBudget;
use protocol::cluster::HostPort;
use protocol::metrics::MetricsConfig;

use super::overrides::{ALLOWLIST, OverridePolicy};
use super::plugins::Plugins;
use super::providers::Providers;
use super::rest::RestConfig;
use super::{DistributedConfig, admin_client, below, distributed_table, stages, worker_table};

/// What a worker runs with.
#[derive(Clone)]
pub struct WorkerConfig {
    /// Everything given, unknown keys included, variables replaced: `producer.*`, `consumer.*` and the like are read from here.
    pub originals: Props,
    /// `bootstrap.servers`.
    pub bootstrap: Vec<HostPort>,
    /// `key.converter` with its settings.
    pub key_converter: ConverterSpec,
    /// `value.converter` with its settings.
    pub value_converter: ConverterSpec,
    /// `header.converter` with its settings.
    pub header_converter: HeaderConverterSpec,
    /// `task.shutdown.graceful.timeout.ms`.
    pub shutdown_timeout: Duration,
    /// `offset.flush.interval.ms`.
    pub offset_flush_interval: Duration,
    /// `offset.flush.timeout.ms`.
    pub offset_flush_timeout: Duration,
    /// How REST is reached, and by whom.
    pub rest: RestConfig,
    /// `topic.creation.enable`.
    pub creates_topics: bool,
    /// `connector.client.config.override.policy`.
    pub override_policy: OverridePolicy,
    /// `offset.storage.file.filename`; empty for a distributed worker.
    pub offsets_file: PathBuf,
    /// What only a distributed worker has.
    pub distributed: Option<Arc<DistributedConfig>>,
    /// `topic.tracking.*`.
    pub topic_tracking: TopicTracking,
    /// `config.providers`.
    pub providers: Providers,
    /// How long what the worker itself measures is remembered (`metrics.*`). Clients have windows of their own, from their own keys.
    pub windows: MetricsConfig,
    /// `aqueduct.consumer.buffer.memory`, as the sink tasks share it.
    pub prefetch_budget: PrefetchBudget,
    /// `aqueduct.watchdog.*`.
    pub watchdog: WatchdogLimits,
    /// `aqueduct.hang.limit.ms`: after which time in one call of a plug-in a data core counts as hung.
    pub hang_limit: Duration,
    /// What the operator should know about keys that have no effect.
    pub warnings: Vec<String>,
}

/// What REST may be asked about the topics that connectors use.
#[derive(Debug, Clone, Copy)]
pub struct TopicTracking {
    /// `topic.tracking.enable`.
    pub is_enabled: bool,
    /// `topic.tracking.allow.reset`.
    pub allows_reset: bool,
}

/// When a task that runs counts as stuck (`aqueduct.watchdog.*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchdogLimits {
    /// How often to look; zero for never.
    pub interval: Duration,
    /// How long one call of a connector, or the wait for Kafka to take records, may last.
    pub call: Duration,
    /// How long nothing may move while there is something to move.
    pub stall: Duration,
}

/// Whether a value under this key is a secret: it is never logged, whatever table declares it.
pub fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    [
        "password",
        "secret",
        "jaas",
        "token",
        "credential",
        "ssl.keystore.key",
        "certificate.chain",
        "truststore.certificates",
    ]
    .iter()
    .any(|part| key.contains(part))
}

impl WorkerConfig {
    /// Parses the properties of a standalone worker.
    ///
    /// # Errors
    /// The first key that is missing, wrong or not supported, with Java's message where Java has one.
    pub fn standalone(props: Props, plugins: &Plugins) -> Result<WorkerConfig> {
        Self::parse(props, plugins, &worker_table::standalone(), |config, _warnings| {
            Ok((config.string("offset.storage.file.filename").into(), None))
        })
    }

    /// Parses the properties of a distributed worker.
    ///
    /// # Errors
    /// The first key that is missing, wrong or not supported, with Java's message where Java has one.
    pub fn distributed(props: Props, plugins: &Plugins) -> Result<WorkerConfig> {
        Self::parse(props, plugins, &distributed_table::distributed(), |config, warnings| {
            Ok((PathBuf::new(), Some(Arc::new(DistributedConfig::new(config, warnings)?))))
        })
    }

    fn parse(
        props: Props,
        plugins: &Plugins,
        table: &ConfigDef,
        of_mode: impl FnOnce(&Config, &mut Vec<String>) -> Result<(PathBuf, Option<Arc<DistributedConfig>>)>,
    ) -> Result<WorkerConfig> {
        let providers = Providers::configure(&props, plugins)?;
        let props = providers.resolve_worker(&props)?;
        let config = table.parse(&props)?;
        let mut warnings = warnings(&config);
        let (offsets_file, distributed) = of_mode(&config, &mut warnings)?;
        // Fails early on client settings that no connector could run with.
        let bootstrap = admin_client(&config.list("bootstrap.servers").join(","), &Props::new())?.0.bootstrap;
        let mut errors = Vec::new();
        let Some(rest) = RestConfig::parse(&config, &mut errors) else {
            return Err(errors.swap_remove(0).1);
        };
        Ok(WorkerConfig {
            bootstrap,
            key_converter: converter(&config, "key.converter", plugins)?,
            value_converter: converter(&config, "value.converter", plugins)?,
            header_converter: stages::header_converter_of_worker(&props, plugins)?,
            shutdown_timeout: millis(&config, "task.shutdown.graceful.timeout.ms"),
            offset_flush_interval: millis(&config, "offset.flush.interval.ms"),
            offset_flush_timeout: millis(&config, "offset.flush.timeout.ms"),
            rest,
            creates_topics: config.boolean("topic.creation.enable"),
            override_policy: OverridePolicy::find(
                config.string("connector.client.config.override.policy"),
                config.list(ALLOWLIST),
            )?,
            offsets_file,
            distributed,
            topic_tracking: TopicTracking {
                is_enabled: config.boolean("topic.tracking.enable"),
                allows_reset: config.boolean("topic.tracking.allow.reset"),
            },
            windows: MetricsConfig {
                sample_window_ms: config.long("metrics.sample.window.ms").max(0).unsigned_abs(),
                sample_count: config.int("metrics.num.samples").max(1) as usize,
            },
            prefetch_budget: PrefetchBudget::new(
                usize::try_from(config.long("aqueduct.consumer.buffer.memory")).unwrap_or(usize::MAX),
            ),
            watchdog: WatchdogLimits {
                interval: millis(&config, "aqueduct.watchdog.interval.ms"),
                call: millis(&config, "aqueduct.watchdog.call.ms"),
                stall: millis(&config, "aqueduct.watchdog.stall.ms"),
            },
            hang_limit: millis(&config, "aqueduct.hang.limit.ms"),
            warnings,
            providers,
            originals: props,
        })
    }

    /// The settings of all clients of one kind, such as `producer.`, prefix taken off.
    pub fn client_props(&self, prefix: &str) -> Props {
        below(&self.originals, prefix)
    }
}

impl fmt::Debug for WorkerConfig {
    /// Names only: there are secrets among the values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkerConfig")
            .field("keys", &self.originals.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

fn converter(config: &Config, key: &'static str, plugins: &Plugins) -> Result<ConverterSpec> {
    let class = config.string(key);
    let plugin = plugins.converter(class).ok_or_else(|| {
        Error::config(format!(
            "Invalid value {class} for configuration {key}: Class {class} could not be found."
        ))
    })?;
    Ok(ConverterSpec { plugin, props: config.with_prefix(&format!("{key}.")) })
}

fn millis(config: &Config, key: &str) -> Duration {
    Duration::from_millis(config.long(key).max(0).unsigned_abs())
}

fn warnings(config: &Config) -> Vec<String> {
    let unused = ["plugin.path", "metric.reporters", "internal.key.converter", "internal.value.converter"];
    let given = unused.into_iter().filter(|key| config.originals().contains_key(*key));
    given.map(|key| format!("the key {key} has no effect in this version of Aqueduct")).collect()
}
