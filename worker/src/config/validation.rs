//! The check of a connector's configuration, whether it is to be created or only looked at (`AbstractHerder#validateConnectorConfig`):
//! one pass over the framework's keys, the connector's, its clients' and its converters'.

use api::Props;
use api::config_def::{ConfigDef, ValidatedKey};
use api::java_regex::JavaRegex;
use api::plugin::ConnectorPlugin;
use indexmap::IndexMap;

use super::below;
use super::classes::{self, BadVersion};
use super::connector::{Invalid, RawConfig, shown};
use super::connector_table::CONNECTOR_VERSION;
use super::enrich::{self, CONVERTERS, VERSION};
use super::overrides::{self, OF_ADMIN, OF_CONSUMER, OF_PRODUCER};
use super::plugins::{PluginKind, Plugins};
use super::report::{Definition, Entry, Found, Report};
use super::topic_creation;
use super::worker::WorkerConfig;
use super::{aqueduct_table, exactly_once, java_order};

const NULL: &str = "Null value can not be supplied as the configuration value.";
pub(super) const TOPICS: &str = "topics";
pub(super) const TOPICS_REGEX: &str = "topics.regex";
pub(super) const DLQ_TOPIC: &str = "errors.deadletterqueue.topic.name";

const EXACTLY_ONCE: &str = "exactly.once.support";
const BOUNDARY: &str = "transaction.boundary";

/// Lists whose items each bring keys of their own, and how many items are taken: the cost of a check grows with their square.
const BRING_KEYS: [&str; 3] = ["transforms", "predicates", "topic.creation.groups"];
const BRING_KEYS_MAX: usize = 256;

/// Checks a configuration and finds the connector it is for.
///
/// # Errors
/// What Java throws: no such connector, or settings that it does not report key by key.
pub fn examine(
    raw: &RawConfig,
    plugins: &Plugins,
    worker: &WorkerConfig,
) -> Result<(ConnectorPlugin, Report), Invalid> {
    let Some(class) = raw.get("connector.class").and_then(Option::as_deref) else {
        return Err(Invalid::Connector(format!(
            "Connector config {} contains no connector type",
            shown(raw)
        )));
    };
    let plugin = plugins.connector(class).map_err(|error| Invalid::Connector(error.to_string()))?;
    for list in BRING_KEYS {
        let count = raw.get(list).and_then(Option::as_deref).map_or(0, |items| items.split(',').count());
        if count > BRING_KEYS_MAX {
            return Err(Invalid::Connector(format!(
                "'{list}' names {count}, and a connector may have at most {BRING_KEYS_MAX} of them"
            )));
        }
    }
    let mut report =
        Report { name: class.to_owned(), error_count: 0, groups: Vec::new(), configs: Vec::new() };
    if let Some(message) = missing_version(raw, plugins, plugin)? {
        let def = enrich::without_connector(plugin.version, plugins);
        let mut found = by_name(def.validate_nullable(raw));
        for key in ["connector.class", CONNECTOR_VERSION] {
            add_error(&mut found, key, &message);
        }
        main_part(&mut report, &def, &ConfigDef::default(), found);
        return Ok((plugin, report));
    }
    let def = enrich::of_connector(plugin.is_source(), plugin.version, plugins, worker, raw)
        .and(aqueduct_table::given(raw));
    let mut found = by_name(def.validate_nullable(raw));
    if plugin.is_source() {
        if is(raw, &found, EXACTLY_ONCE, "required") {
            for message in exactly_once::required(&plugin, raw, worker) {
                add_error(&mut found, EXACTLY_ONCE, &message);
            }
        }
        if is(raw, &found, BOUNDARY, "connector")
            && let Some(message) = exactly_once::own_boundaries(&plugin, raw, worker)
        {
            add_error(&mut found, BOUNDARY, &message);
        }
    } else {
        check_topics(raw, &mut found)?;
    }
    for (key, message) in aqueduct_table::unknown(raw) {
        add_error(&mut found, &key, &message);
    }
    for key in raw.iter().filter(|(_, value)| value.is_none()).map(|(key, _)| key) {
        add_error(&mut found, key, NULL);
    }
    let own = (plugin.config_def)();
    let own_found = own.validate_nullable(raw);
    let converters = converters(raw, plugins, &mut found);
    found.extend(own_found.into_iter().map(|key| (key.name.clone().into_owned(), key)));
    main_part(&mut report, &def, &own, found);

    let has_dlq = given(raw, DLQ_TOPIC).is_some();
    let clients = if plugin.is_source() {
        let makes_topics = topic_creation::is_used(raw.keys().map(String::as_str));
        [Some(OF_PRODUCER), None, makes_topics.then_some(OF_ADMIN)]
    } else {
        [has_dlq.then_some(OF_PRODUCER), Some(OF_CONSUMER), has_dlq.then_some(OF_ADMIN)]
    };
    for client in clients.into_iter().flatten() {
        add_part(&mut report, overrides::entries(client, raw, &worker.override_policy)?);
    }
    for part in converters {
        add_part(&mut report, part);
    }
    Ok((plugin, report))
}

type FoundKeys = IndexMap<String, ValidatedKey>;

fn by_name(found: Vec<ValidatedKey>) -> FoundKeys {
    found.into_iter().map(|key| (key.name.clone().into_owned(), key)).collect()
}

fn add_error(found: &mut FoundKeys, name: &str, message: &str) {
    let entry = found.entry(name.to_owned()).or_insert_with(|| ValidatedKey {
        name: name.to_owned().into(),
        value: api::config_def::ConfigValue::Null,
        recommended: Vec::new(),
        errors: Vec::new(),
        visible: true,
    });
    entry.errors.push(message.to_owned());
}

/// The value of a key, if there is more to it than blanks.
fn given<'a>(raw: &'a RawConfig, key: &str) -> Option<&'a str> {
    let text = raw.get(key)?.as_deref()?;
    (!text.trim_matches(|c| c <= ' ').is_empty()).then_some(text)
}

/// The message where the connector is not of the version that is asked for.
fn missing_version(
    raw: &RawConfig,
    plugins: &Plugins,
    plugin: ConnectorPlugin,
) -> Result<Option<String>, Invalid> {
    let Some(asked) = raw.get(CONNECTOR_VERSION).and_then(Option::as_deref) else { return Ok(None) };
    let Some(listed) = plugins.find(plugin.class) else { return Ok(None) };
    match classes::check_version(plugins, &listed, asked) {
        Ok(()) => Ok(None),
        Err(BadVersion::Missing(message)) => Ok(Some(message)),
        Err(BadVersion::Syntax(message)) => Err(Invalid::Connector(message)),
    }
}

/// A key has this value, and it is one that the key can have.
fn is(raw: &RawConfig, found: &FoundKeys, key: &str, value: &str) -> bool {
    given(raw, key).is_some_and(|text| text.trim().eq_ignore_ascii_case(value))
        && found.get(key).is_some_and(|found| found.errors.is_empty())
}

/// `SinkConnectorConfig#validate`: what a sink reads from, and where it must not write.
fn check_topics(raw: &RawConfig, found: &mut FoundKeys) -> Result<(), Invalid> {
    let (topics, regex) = (given(raw, TOPICS), given(raw, TOPICS_REGEX));
    let both = match (topics, regex) {
        (Some(_), Some(_)) => {
            Some("topics and topics.regex are mutually exclusive options, but both are set.")
        }
        (None, None) => Some("Must configure one of topics or topics.regex"),
        _ => None,
    };
    if let Some(message) = both {
        add_error(found, TOPICS, message);
        add_error(found, TOPICS_REGEX, message);
    }
    let Some(dlq) = given(raw, DLQ_TOPIC).map(str::trim) else { return Ok(()) };
    if let Some(topics) = topics {
        let topics: Vec<_> = topics.trim().split(',').map(str::trim).collect();
        if topics.contains(&dlq) {
            let message = format!(
                "The DLQ topic '{dlq}' may not be included in the list of topics ('topics=[{}]') consumed by the connector",
                topics.join(", ")
            );
            add_error(found, TOPICS, &message);
        }
    }
    if let Some(regex) = regex {
        let compiled = JavaRegex::new(regex).map_err(|error| Invalid::Server {
            class: "java.util.regex.PatternSyntaxException",
            message: error.to_string(),
        })?;
        if compiled.matches(dlq) {
            let message = format!(
                "The DLQ topic '{dlq}' may not be matched by the regex for the topics ('topics.regex={regex}') consumed by \
                 the connector"
            );
            add_error(found, TOPICS_REGEX, &message);
        }
    }
    Ok(())
}

/// The entries of each converter that the configuration names: header, key, value. What is wrong with the converter itself is added to
/// its key.
fn converters(raw: &RawConfig, plugins: &Plugins, found: &mut FoundKeys) -> Vec<Vec<Entry>> {
    let mut parts = Vec::new();
    for (key, kind) in [CONVERTERS[2], CONVERTERS[0], CONVERTERS[1]] {
        let Some(class) = raw.get(key).and_then(Option::as_deref) else { continue };
        let full_name = classes::full_name(plugins, class.trim());
        let version_key = format!("{key}.{VERSION}");
        let is_fine =
            [key, &version_key].iter().all(|key| found.get(*key).is_some_and(|it| it.errors.is_empty()));
        let plugin = full_name.and_then(|class| classes::of_kind(plugins, &class, kind).ok());
        let Some(plugin) = plugin.filter(|_| is_fine) else { continue };
        if let Some(asked) = raw.get(&version_key).and_then(Option::as_deref)
            && let Err(bad) = classes::check_version(plugins, &plugin, asked)
        {
            if let BadVersion::Missing(message) = &bad {
                add_error(found, key, message);
            }
            add_error(found, &version_key, bad.message());
            continue;
        }
        let prefix = format!("{key}.");
        let mut settings = below(raw, &prefix);
        let role = match (kind, key) {
            (PluginKind::HeaderConverter, _) => "header",
            (_, "key.converter") => "key",
            _ => "value",
        };
        settings.entry("converter.type".to_owned()).or_insert_with(|| Some(role.to_owned()));
        let def = (plugin.config_def)();
        let mut by_name = by_name(def.validate_nullable(&settings));
        let order: Props = by_name.keys().map(|name| (name.clone(), String::new())).collect();
        let entries = java_order(order).into_keys().filter_map(|name| {
            let found = by_name.swap_remove(&name)?;
            let definition = def.find(&name).map(|key| Definition::of(&def, key, &prefix));
            // A form shows all of a converter's keys.
            let value = Found { visible: true, ..Found::of(found, &prefix) };
            Some(Entry { definition, value })
        });
        parts.push(entries.collect());
    }
    parts
}

/// The framework's keys and the connector's: those without definition first, the others in the order of the tables.
fn main_part(report: &mut Report, def: &ConfigDef, own: &ConfigDef, mut found: FoundKeys) {
    for group in def.groups().into_iter().chain(own.groups()) {
        report.add_group(group);
    }
    let order: Props = found.keys().map(|name| (name.clone(), String::new())).collect();
    for name in java_order(order).into_keys() {
        if def.find(&name).is_none() && own.find(&name).is_none() {
            push(report, None, found.swap_remove(&name));
        }
    }
    for key in def.keys() {
        // A connector's own definition of one of the framework's keys stands in its place.
        let definition = match own.find(&key.name) {
            Some(own_key) => Definition::of(own, own_key, ""),
            None => Definition::of(def, key, ""),
        };
        push(report, Some(definition), found.swap_remove(key.name.as_ref()));
    }
    for key in own.keys().iter().filter(|key| def.find(&key.name).is_none()) {
        push(report, Some(Definition::of(own, key, "")), found.swap_remove(key.name.as_ref()));
    }
}

fn push(report: &mut Report, definition: Option<Definition>, found: Option<ValidatedKey>) {
    let Some(found) = found else { return };
    report.error_count += found.errors.len();
    report.configs.push(Entry { definition, value: Found::of(found, "") });
}

/// The keys of a client or a converter.
fn add_part(report: &mut Report, entries: Vec<Entry>) {
    report.error_count += entries.iter().filter(|entry| !entry.value.errors.is_empty()).count();
    for entry in entries {
        if let Some(group) = entry.definition.as_ref().and_then(|definition| definition.group()) {
            report.add_group(group);
        }
        report.configs.push(entry);
    }
}
