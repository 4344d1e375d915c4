//! A connector's configuration: checked as Java's herder checks it, and parsed for starting.

use std::time::Duration;

use api::config_def::Config;
use api::java_regex::JavaRegex;
use api::plugin::ConnectorPlugin;
use api::{Error, Props, Result};
use engine::task::{
    ConverterSpec, ErrorLog, ErrorPolicy, HeaderConverterSpec, RateLimits, Tolerance, Topics,
    TransactionBoundary, TransformSpec,
};
use indexmap::IndexMap;

use super::plugins::Plugins;
use super::topic_creation::TopicRules;
use super::validation::{self, DLQ_TOPIC, TOPICS, TOPICS_REGEX};
use super::worker::WorkerConfig;
use super::{aqueduct_table, clients, connector_table, java_copy_order, stages};

/// A configuration as a request carries it: values may be null.
pub type RawConfig = IndexMap<String, Option<String>>;

/// What the worker itself reads of a connector's configuration.
#[derive(Debug, Clone)]
pub struct ConnectorConfig {
    /// The registry line.
    pub plugin: ConnectorPlugin,
    /// `tasks.max`.
    pub tasks_max: usize,
    /// `tasks.max.enforce`.
    pub enforces_tasks_max: bool,
    /// `key.converter`: the connector's, else the worker's.
    pub key_converter: ConverterSpec,
    /// `value.converter`: the connector's, else the worker's.
    pub value_converter: ConverterSpec,
    /// `header.converter`: the connector's, else the worker's.
    pub header_converter: HeaderConverterSpec,
    /// `transforms`, each with its predicate.
    pub transforms: Vec<TransformSpec>,
    /// `errors.*` but the dead letter queue, whose clients are made for a task.
    pub errors: ErrorPolicy,
    /// `errors.deadletterqueue.*` of a sink.
    pub dead_letters: Option<DeadLetters>,
    /// `aqueduct.rate.limit.*`.
    pub rate_limits: RateLimits,
    /// `topics` or `topics.regex` of a sink.
    pub topics: Option<Topics>,
    /// `transaction.boundary` of a source and its interval, for exactly-once support.
    pub boundary: TransactionBoundary,
    /// `topic.creation.*` of a source, unless the worker's `topic.creation.enable` is false.
    pub topic_rules: Option<TopicRules>,
}

/// The dead letter queue of a sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetters {
    /// `topic.name`.
    pub topic: String,
    /// `topic.replication.factor`.
    pub replication_factor: i16,
    /// `context.headers.enable`.
    pub context_headers: bool,
}

/// Why a configuration is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invalid {
    /// It names no connector, or one that does not exist: the message stands alone.
    Connector(String),
    /// Everything that is wrong, in Java's order.
    Errors {
        /// Java's count, see [`Report::error_count`](super::Report::error_count).
        count: usize,
        /// The messages.
        messages: Vec<String>,
    },
    /// What Java does not report key by key but throws.
    Server {
        /// The Java class of it.
        class: &'static str,
        /// Its message.
        message: String,
    },
}

impl Invalid {
    /// Of an exception about the configuration.
    pub(super) fn config(error: Error) -> Invalid {
        Invalid::Server { class: error.java_class(), message: error.message().to_owned() }
    }

    /// The message that Java's REST answer carries.
    pub fn message(&self) -> String {
        match self {
            Invalid::Connector(message) | Invalid::Server { message, .. } => message.clone(),
            Invalid::Errors { count, messages } => format!(
                "Connector configuration is invalid and contains the following {count} error(s):\n{}\nYou can also find the \
                 above list of errors at the endpoint `/connector-plugins/{{connectorType}}/config/validate`",
                messages.join("\n")
            ),
        }
    }

    /// The message that the answer of `config/validate` carries, which begins with the class of the exception.
    pub fn message_of_validate(&self) -> String {
        let class = match self {
            Invalid::Connector(_) | Invalid::Errors { .. } => {
                "org.apache.kafka.connect.runtime.rest.errors.BadRequestException"
            }
            Invalid::Server { class, .. } => class,
        };
        format!("{class}: {}", self.message())
    }
}

impl ConnectorConfig {
    /// Parses what [`validate`] accepted.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn parse(props: &Props, plugins: &Plugins, worker: &WorkerConfig) -> Result<ConnectorConfig> {
        let class =
            props.get("connector.class").ok_or_else(|| Error::config("connector.class is missing"))?;
        let plugin = plugins.connector(class.trim()).map_err(|error| Error::config(error.to_string()))?;
        let is_source = plugin.is_source();
        let config = connector_table::table(is_source).and(aqueduct_table::table()).parse(props)?;
        let converter = |key: &'static str, workers: &ConverterSpec| match config.string_or_null(key) {
            None => Ok(workers.clone()),
            Some(class) => match plugins.converter(class) {
                Some(plugin) => Ok(ConverterSpec { plugin, props: config.with_prefix(&format!("{key}.")) }),
                None => Err(Error::config(class_not_found(key, class))),
            },
        };
        let topics = if is_source { None } else { Some(topics(&config)?) };
        Ok(ConnectorConfig {
            plugin,
            tasks_max: usize::try_from(config.int("tasks.max")).unwrap_or(1),
            enforces_tasks_max: config.boolean("tasks.max.enforce"),
            key_converter: converter("key.converter", &worker.key_converter)?,
            value_converter: converter("value.converter", &worker.value_converter)?,
            header_converter: stages::header_converter(props, plugins)?
                .unwrap_or_else(|| worker.header_converter.clone()),
            transforms: stages::transforms(props, plugins)?,
            errors: errors(&config),
            dead_letters: if is_source { None } else { dead_letters(&config) },
            rate_limits: aqueduct_table::rate_limits(&config),
            boundary: if is_source {
                boundary(&config, worker.offset_flush_interval)
            } else {
                TransactionBoundary::Poll
            },
            topic_rules: if is_source && worker.creates_topics { TopicRules::parse(props)? } else { None },
            topics,
        })
    }

    /// The failure that Java reports when a connector makes more tasks than it may.
    pub fn too_many_tasks(&self, connector: &str, count: usize) -> Option<String> {
        (count > self.tasks_max).then(|| {
            format!(
                "The connector {connector} has generated {count} tasks, which is greater than {}, the maximum number of \
                 tasks it is configured to create. This behaviour should be considered a bug and is disallowed. If \
                 necessary, it can be permitted by reconfiguring the connector with 'tasks.max.enforce' set to false; \
                 however, this option will be removed in a future release of Kafka Connect.",
                self.tasks_max
            )
        })
    }
}

/// Checks a configuration whose variables are not replaced yet, and finds the connector it is for.
///
/// # Errors
/// As [`validate`], and where a variable cannot be replaced.
pub async fn resolve_and_validate(
    raw: &RawConfig,
    plugins: &Plugins,
    worker: &WorkerConfig,
) -> Result<ConnectorPlugin, Invalid> {
    validate(&worker.providers.resolve_raw(raw).await?, plugins, worker)
}

/// Checks a configuration and finds the connector it is for.
///
/// # Errors
/// As Java's herder reports them.
pub fn validate(
    raw: &RawConfig,
    plugins: &Plugins,
    worker: &WorkerConfig,
) -> Result<ConnectorPlugin, Invalid> {
    let (plugin, report) = validation::examine(raw, plugins, worker)?;
    if report.error_count > 0 {
        let messages = report.messages().map(str::to_owned).collect();
        return Err(Invalid::Errors { count: report.error_count, messages });
    }
    let props: Props = raw.iter().filter_map(|(key, value)| Some((key.clone(), value.clone()?))).collect();
    // What Java's worker notices when it starts the connector within the request.
    if plugin.is_source() && worker.creates_topics {
        TopicRules::parse(&props).map_err(Invalid::config)?;
    }
    clients::check_overrides(&props, plugin.is_source()).map_err(Invalid::config)?;
    Ok(plugin)
}

/// Where a source's transactions end, with exactly-once support.
fn boundary(config: &Config, flush_interval: Duration) -> TransactionBoundary {
    let is = |boundary: &str| config.string("transaction.boundary").trim().eq_ignore_ascii_case(boundary);
    if is("connector") {
        return TransactionBoundary::Connector;
    }
    if !is("interval") {
        return TransactionBoundary::Poll;
    }
    let interval_ms = config.long_or_null("transaction.boundary.interval.ms");
    let interval = interval_ms.map(|interval_ms| Duration::from_millis(interval_ms.max(0).unsigned_abs()));
    TransactionBoundary::Interval(interval.unwrap_or(flush_interval))
}

/// A sink's topics; a regular expression where there is one.
fn topics(config: &Config) -> Result<Topics> {
    let regex = config.string_or_null(TOPICS_REGEX).unwrap_or_default();
    if !regex.is_empty() {
        let regex = JavaRegex::new(regex).map_err(|error| Error::config(error.to_string()))?;
        return Ok(Topics::Matching(Box::new(regex)));
    }
    match config.list(TOPICS) {
        [] => Err(Error::config("Must configure one of topics or topics.regex")),
        topics => Ok(Topics::Named(topics.to_vec())),
    }
}

fn errors(config: &Config) -> ErrorPolicy {
    let millis = |key: &str| Duration::from_millis(config.long(key).max(0).unsigned_abs());
    ErrorPolicy {
        tolerance: if config.string("errors.tolerance") == "all" { Tolerance::All } else { Tolerance::None },
        // Java asks for -1 and takes whatever is negative.
        retry_timeout: (config.long("errors.retry.timeout") >= 0).then(|| millis("errors.retry.timeout")),
        retry_delay_max: millis("errors.retry.delay.max.ms"),
        log: config
            .boolean("errors.log.enable")
            .then(|| ErrorLog { include_messages: config.boolean("errors.log.include.messages") }),
        dead_letters: None,
    }
}

fn dead_letters(config: &Config) -> Option<DeadLetters> {
    let topic = config.string_or_null(DLQ_TOPIC).filter(|topic| !topic.is_empty())?;
    Some(DeadLetters {
        topic: topic.to_owned(),
        replication_factor: i16::try_from(config.int("errors.deadletterqueue.topic.replication.factor"))
            .unwrap_or(-1),
        context_headers: config.boolean("errors.deadletterqueue.context.headers.enable"),
    })
}

fn class_not_found(key: &str, class: &str) -> String {
    format!("Invalid value {class} for configuration {key}: Class {class} could not be found.")
}

/// A configuration in the form of a Java map, secrets hidden.
pub(super) fn shown(raw: &RawConfig) -> String {
    let entries = raw.iter().map(|(key, value)| {
        let is_secret = super::is_secret(key);
        let value = if is_secret { api::config_def::HIDDEN } else { value.as_deref().unwrap_or("null") };
        (key.clone(), value.to_owned())
    });
    let entries = java_copy_order(entries.collect(), raw.len());
    let entries = entries.iter().map(|(key, value)| format!("{key}={value}"));
    format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
}
