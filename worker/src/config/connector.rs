//! A connector's configuration: checked as Java's herder checks it, and parsed for starting.

use api::plugin::ConnectorPlugin;
use api::{Error, Props, Result};
use engine::task::{ConverterSpec, HeaderConverterSpec, Tolerance, TransformSpec};
use indexmap::IndexMap;

use super::java_copy_order;
use super::plugins::Plugins;
use super::worker::WorkerConfig;
use super::{clients, connector_table, stages};

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
    /// `errors.tolerance`.
    pub tolerance: Tolerance,
    /// `topics` of a sink: without blanks, empty items and repetitions.
    pub topics: Vec<String>,
}

/// Why a configuration is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invalid {
    /// It names no connector, or one that does not exist: the message stands alone.
    Connector(String),
    /// Everything that is wrong, in Java's order.
    Errors(Vec<String>),
    /// A client setting that Java reports as a server error.
    Client(String),
}

impl Invalid {
    /// The message that Java's REST answer carries.
    pub fn message(&self) -> String {
        match self {
            Invalid::Connector(message) | Invalid::Client(message) => message.clone(),
            Invalid::Errors(errors) => format!(
                "Connector configuration is invalid and contains the following {} error(s):\n{}\nYou can also find the \
                 above list of errors at the endpoint `/connector-plugins/{{connectorType}}/config/validate`",
                errors.len(),
                errors.join("\n")
            ),
        }
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
        let config = connector_table::table(plugin.is_source()).parse(props)?;
        let converter = |key: &'static str, workers: &ConverterSpec| match config.string_or_null(key) {
            None => Ok(workers.clone()),
            Some(class) => match plugins.converter(class) {
                Some(plugin) => Ok(ConverterSpec { plugin, props: config.with_prefix(&format!("{key}.")) }),
                None => Err(Error::config(class_not_found(key, class))),
            },
        };
        let mut topics: Vec<String> = Vec::new();
        if !plugin.is_source() {
            for topic in config.list("topics") {
                if !topic.is_empty() && !topics.contains(topic) {
                    topics.push(topic.clone());
                }
            }
        }
        Ok(ConnectorConfig {
            plugin,
            tasks_max: usize::try_from(config.int("tasks.max")).unwrap_or(1),
            enforces_tasks_max: config.boolean("tasks.max.enforce"),
            key_converter: converter("key.converter", &worker.key_converter)?,
            value_converter: converter("value.converter", &worker.value_converter)?,
            header_converter: stages::header_converter(props, plugins)?
                .unwrap_or_else(|| worker.header_converter.clone()),
            transforms: stages::transforms(props, plugins)?,
            tolerance: if config.string("errors.tolerance") == "all" {
                Tolerance::All
            } else {
                Tolerance::None
            },
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

/// Checks a configuration and finds the connector it is for.
///
/// # Errors
/// As Java's herder reports them.
pub fn validate(
    raw: &RawConfig,
    plugins: &Plugins,
    worker: &WorkerConfig,
) -> Result<ConnectorPlugin, Invalid> {
    let Some(class) = raw.get("connector.class").and_then(Option::as_deref) else {
        return Err(Invalid::Connector(format!(
            "Connector config {} contains no connector type",
            shown(raw)
        )));
    };
    let plugin = plugins.connector(class.trim()).map_err(|error| Invalid::Connector(error.to_string()))?;
    let props: Props = raw.iter().filter_map(|(key, value)| Some((key.clone(), value.clone()?))).collect();
    let mut errors = framework_errors(raw, &props, plugin, plugins);
    errors.extend(super::restart::restart_errors(&props));
    for (prefix, _) in clients::OVERRIDES {
        for key in props.keys().filter_map(|key| key.strip_prefix(prefix)) {
            errors.extend(worker.override_policy.refusal(key));
        }
    }
    for key in ["key.converter", "value.converter"] {
        let Some(converter) = props.get(key).and_then(|class| plugins.converter(class.trim())) else {
            continue;
        };
        let prefix = format!("{key}.");
        let settings: Props = props
            .iter()
            .filter_map(|(key, value)| Some((key.strip_prefix(&prefix)?.to_owned(), value.clone())))
            .collect();
        errors.extend((converter.config_def)().validate(&settings).into_iter().flat_map(|key| key.errors));
    }
    if !errors.is_empty() {
        return Err(Invalid::Errors(errors));
    }
    warn_without_effect(&props);
    clients::check_overrides(&props, plugin.is_source())
        .map_err(|error| Invalid::Client(error.message().to_owned()))?;
    Ok(plugin)
}

/// Errors of the framework's keys and of the connector's own, in the order of Java's answer.
fn framework_errors(
    raw: &RawConfig,
    props: &Props,
    plugin: ConnectorPlugin,
    plugins: &Plugins,
) -> Vec<String> {
    let framework = connector_table::table(plugin.is_source());
    let own = (plugin.config_def)();
    let mut errors = Vec::new();
    for (key, value) in raw {
        let is_own = own.keys().iter().any(|own| own.name == key.as_str());
        if value.is_none() && !is_own {
            errors.push("Null value can not be supplied as the configuration value.".to_owned());
        }
    }
    for found in framework.validate(props) {
        let given = props.get(found.name.as_ref()).map(|value| value.trim());
        errors.extend(found.errors.iter().cloned());
        match (found.name.as_ref(), given) {
            ("key.converter" | "value.converter", Some(class)) if plugins.converter(class).is_none() => {
                errors.push(class_not_found(&found.name, class));
            }
            ("header.converter", Some(class)) if plugins.header_converter(class).is_none() => {
                errors.push(class_not_found(&found.name, class));
            }
            ("topics", _) if !plugin.is_source() => errors.extend(topics_errors(props)),
            ("topics.regex", Some(regex)) if !regex.is_empty() => {
                errors.extend(exclusive_topics(props));
                errors.push(unsupported("topics.regex", regex));
            }
            ("topics.regex", _) => errors.extend(exclusive_topics(props)),
            ("errors.deadletterqueue.topic.name", Some(topic)) if !topic.is_empty() => {
                errors.push(unsupported(&found.name, topic));
            }
            ("errors.retry.timeout", Some(timeout)) if timeout != "0" => {
                errors.push(unsupported(&found.name, timeout))
            }
            ("exactly.once.support", Some(support)) if support.eq_ignore_ascii_case("required") => {
                errors.push("This worker does not have exactly-once source support enabled.".to_owned());
            }
            _ => {}
        }
    }
    for list in ["transforms", "predicates"] {
        errors.extend(stage_errors(list, props, plugins));
    }
    errors.extend(own.validate(props).into_iter().flat_map(|key| key.errors));
    errors
}

/// Says which of Java's settings are taken and have no effect yet. Those whose absence could lose or misplace records are
/// errors, see [`framework_errors`].
fn warn_without_effect(props: &Props) {
    const EXACT: [&str; 2] = ["errors.log.enable", "errors.log.include.messages"];
    let connector = props.get("name").map_or("", String::as_str);
    for key in props.keys() {
        if EXACT.contains(&key.as_str()) || key.starts_with("topic.creation.") {
            tracing::warn!(connector, key, "connector setting has no effect in this version");
        }
    }
}

/// Transforms and predicates of classes that do not exist, and settings that they refuse.
fn stage_errors(list: &str, props: &Props, plugins: &Plugins) -> Vec<String> {
    let aliases = props
        .get(list)
        .map_or("", String::as_str)
        .split(',')
        .map(str::trim)
        .filter(|alias| !alias.is_empty());
    let errors = aliases.flat_map(|alias| {
        let key = format!("{list}.{alias}.type");
        let Some(class) = props.get(&key).map(|class| class.trim()) else {
            return vec![format!("Missing required configuration \"{key}\" which has no default value.")];
        };
        let config_def = match list {
            "transforms" => plugins.transform(class).map(|plugin| plugin.config_def),
            _ => plugins.predicate(class).map(|plugin| plugin.config_def),
        };
        let Some(config_def) = config_def else { return vec![class_not_found(&key, class)] };
        let prefix = format!("{list}.{alias}.");
        let own = props
            .iter()
            .filter_map(|(key, value)| Some((key.strip_prefix(&prefix)?.to_owned(), value.clone())));
        config_def().validate(&own.collect()).into_iter().flat_map(|key| key.errors).collect()
    });
    errors.collect()
}

fn topics_errors(props: &Props) -> Vec<String> {
    let mut errors: Vec<_> = exclusive_topics(props).into_iter().collect();
    let topics = props.get("topics").map_or("", |topics| topics.trim());
    if topics.is_empty() {
        return errors;
    }
    let topics: Vec<_> = topics.split(',').map(str::trim).collect();
    if topics.iter().enumerate().any(|(index, topic)| topics[..index].contains(topic)) {
        errors.push("Configuration 'topics' values must not be duplicated.".to_owned());
    } else if topics.contains(&"") {
        errors.push("Configuration 'topics' values must not be empty.".to_owned());
    }
    errors
}

/// The message that Java attaches to both keys.
fn exclusive_topics(props: &Props) -> Option<String> {
    let is_set = |key: &str| props.get(key).is_some_and(|value| !value.trim().is_empty());
    match (is_set("topics"), is_set("topics.regex")) {
        (true, true) => {
            Some("topics and topics.regex are mutually exclusive options, but both are set.".to_owned())
        }
        (false, false) => Some("Must configure one of topics or topics.regex".to_owned()),
        _ => None,
    }
}

fn class_not_found(key: &str, class: &str) -> String {
    format!("Invalid value {class} for configuration {key}: Class {class} could not be found.")
}

/// Keys that change what happens to records are refused rather than ignored.
fn unsupported(key: &str, value: &str) -> String {
    format!("Invalid value {value} for configuration {key}: Not supported by this version of Aqueduct.")
}

/// A configuration in the form of a Java map, secrets hidden.
fn shown(raw: &RawConfig) -> String {
    let entries = raw.iter().map(|(key, value)| {
        let is_secret = super::is_secret(key);
        let value = if is_secret { api::config_def::HIDDEN } else { value.as_deref().unwrap_or("null") };
        (key.clone(), value.to_owned())
    });
    let entries = java_copy_order(entries.collect(), raw.len());
    let entries = entries.iter().map(|(key, value)| format!("{key}={value}"));
    format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
}
