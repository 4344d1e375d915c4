//! A worker's properties.

use api::{ConfigDef, Props, Result};
use protocol::client::properties::{ADMIN, CONSUMER, PRODUCER};

use super::Finding;
use super::file::LocatedFile;
use super::keys::Known;
use crate::config::providers::{Providers, contains_variables};
use crate::config::rest::RestConfig;
use crate::config::{Plugins, WorkerConfig, distributed_table, jaas_file, worker_table};

/// Keys of a distributed worker: of no effect in a standalone one, and no mistake in a file that serves both.
const DISTRIBUTED: [&str; 7] = [
    "group.id",
    "connect.protocol",
    "scheduled.rebalance.",
    "inter.worker.",
    "exactly.once.",
    "worker.",
    "rebalance.",
];

/// Beginnings of keys of a distributed worker whose ends are settings of topics.
const TOPICS: [&str; 3] = ["config.storage.", "offset.storage.", "status.storage."];

/// Beginnings of keys that are read where they are used.
const PREFIXES: [&str; 8] = [
    "config.providers.",
    "header.converter.",
    "metrics.context.",
    "listeners.https.ssl.",
    "admin.listeners.https.ssl.",
    "connector.client.config.override.",
    "internal.key.converter.",
    "internal.value.converter.",
];

/// Whether a file is a distributed worker's: only those are part of a group, and only standalone ones name a file for offsets.
fn is_distributed(props: &Props) -> bool {
    props.contains_key("group.id") && !props.contains_key("offset.storage.file.filename")
}

fn table(props: &Props) -> ConfigDef {
    if is_distributed(props) { distributed_table::distributed() } else { worker_table::standalone() }
}

fn parse(props: Props, plugins: &Plugins) -> Result<WorkerConfig> {
    if is_distributed(&props) {
        WorkerConfig::distributed(props, plugins)
    } else {
        WorkerConfig::standalone(props, plugins)
    }
}

/// Everything that is wrong with a worker's properties.
pub fn check_worker(file: &LocatedFile, plugins: &Plugins) -> Vec<Finding> {
    let mut findings = file.findings.clone();
    let mut keep = |key: Option<&str>, is_error: bool, message: String| {
        let line = key.and_then(|key| file.line(key));
        if !findings.iter().any(|known: &Finding| known.message == message) {
            findings.push(Finding { line, is_error, message });
        }
    };
    let hides = |key: &str| file.props.get(key).is_some_and(|value| contains_variables(value));
    let table = table(&file.props);
    let plain = without_variables(&file.props, plugins);
    // What is right so far: one mistake hides no other.
    let mut right = plain.clone();
    for found in table.validate(&file.props) {
        for message in found.errors.into_iter().filter(|_| !hides(&found.name)) {
            right.shift_remove(found.name.as_ref());
            keep(Some(&found.name), true, message);
        }
    }
    for (prefix, client) in [("producer.", PRODUCER), ("consumer.", CONSUMER), ("admin.", ADMIN), ("", ADMIN)]
    {
        for (key, value) in &plain {
            let Some(name) = key.strip_prefix(prefix).filter(|name| client.find(name).is_some()) else {
                continue;
            };
            if let Err(error) = client.check([(name, value)])
                && table.keys().iter().all(|own| own.name != key.as_str())
            {
                right.shift_remove(key);
                keep(Some(key), true, format!("{key}: {error}"));
            }
        }
    }
    if let Err(error) = Providers::configure(&file.props, plugins) {
        keep(Some("config.providers"), true, error.message().to_owned());
    }
    add_stand_ins(&mut right, plugins, |_| true);
    if let Ok(config) = table.parse(&right) {
        let mut errors = Vec::new();
        RestConfig::parse(&config, &mut errors);
        for (key, error) in errors {
            right.shift_remove(key);
            keep(Some(key), true, error.message().to_owned());
        }
    }
    // What no part above has looked at, such as classes of converters: one after the other, as the worker would say it. Each turn takes
    // the key away that was wrong.
    for _ in 0..=right.len() {
        let Err(error) = parse(right.clone(), plugins) else { break };
        let key = key_of(error.message(), right.keys().map(String::as_str));
        keep(key.as_deref(), true, error.message().to_owned());
        if key.is_none_or(|key| right.shift_remove(&key).is_none()) {
            break;
        }
        add_stand_ins(&mut right, plugins, |_| true);
    }
    let known = known(file, plugins);
    for key in file.props.keys() {
        if let Some(complaint) = known.complaint(key) {
            keep(Some(key), false, complaint);
        }
    }
    findings
}

/// The worker that connectors are checked for: the one of a file as far as it is right, else one with defaults.
///
/// # Errors
/// There is no converter at all to give it.
pub fn worker_for_checks(file: Option<&LocatedFile>, plugins: &Plugins) -> Result<WorkerConfig> {
    if let Some(file) = file
        && let Ok(worker) = parse(without_variables(&file.props, plugins), plugins)
    {
        return Ok(worker);
    }
    WorkerConfig::standalone(without_variables(&Props::new(), plugins), plugins)
}

/// The properties without those that contain variables; what is required stands in for itself.
fn without_variables(props: &Props, plugins: &Plugins) -> Props {
    let mut plain: Props = props
        .iter()
        .filter(|(_, value)| !contains_variables(value))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    plain.shift_remove("config.providers");
    let is_hidden = |key: &str| props.is_empty() || props.contains_key(key);
    add_stand_ins(&mut plain, plugins, is_hidden);
    plain
}

/// Values for keys that a worker must have and that are not there, as far as they are `wanted`.
fn add_stand_ins(props: &mut Props, plugins: &Plugins, wanted: impl Fn(&str) -> bool) {
    let converter = plugins.converters().first().map_or("", |plugin| plugin.class);
    let of_mode: &[(&str, &str)] = if is_distributed(props) {
        &[
            ("config.storage.topic", "configs"),
            ("offset.storage.topic", "offsets"),
            ("status.storage.topic", "status"),
        ]
    } else {
        &[("offset.storage.file.filename", "offsets")]
    };
    let of_all = [
        ("bootstrap.servers", "localhost:9092"),
        ("key.converter", converter),
        ("value.converter", converter),
    ];
    for (key, stand_in) in of_all.into_iter().chain(of_mode.iter().copied()) {
        if wanted(key) && !props.contains_key(key) {
            props.insert(key.to_owned(), stand_in.to_owned());
        }
    }
}

fn known(file: &LocatedFile, plugins: &Plugins) -> Known {
    let mut known = Known::default();
    known.table("", &table(&file.props));
    for (prefix, client) in [("producer.", PRODUCER), ("consumer.", CONSUMER), ("admin.", ADMIN), ("", ADMIN)]
    {
        known.client(prefix, client);
    }
    if !is_distributed(&file.props) {
        known.names(DISTRIBUTED);
        known.prefixes(DISTRIBUTED.into_iter().filter(|key| key.ends_with('.')));
    }
    known.prefixes(TOPICS);
    known.prefixes(PREFIXES);
    known.names(["internal.key.converter", "internal.value.converter", jaas_file::FILE_KEY]);
    for key in ["key.converter", "value.converter"] {
        let class = file.props.get(key).map_or("", |class| class.trim());
        match plugins.converter(class) {
            Some(plugin) => known.table(&format!("{key}."), &(plugin.config_def)()),
            None => known.prefixes([format!("{key}.").as_str()]),
        }
    }
    known
}

/// The key that a message is about.
pub(super) fn key_of<'a>(message: &str, keys: impl Iterator<Item = &'a str>) -> Option<String> {
    let named =
        message.split_once("for configuration ").map(|(_, rest)| rest.split(": ").next().unwrap_or(rest));
    let mut found: Option<&str> = None;
    for key in keys {
        if named == Some(key) {
            return Some(key.to_owned());
        }
        let is_word = |(at, _): (usize, &str)| {
            let is_part = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-');
            let before = message[..at].chars().next_back();
            let mut after = message[at + key.len()..].chars();
            let after = (after.next(), after.next());
            // A full stop ends a sentence, not a key.
            let goes_on = after
                .0
                .is_some_and(|c| is_part(c) && (c != '.' || after.1.is_some_and(char::is_alphanumeric)));
            !before.is_some_and(is_part) && !goes_on
        };
        if message.match_indices(key).any(is_word) && found.is_none_or(|other| other.len() < key.len()) {
            found = Some(key);
        }
    }
    found.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_key_in_a_message() {
        let keys = ["topics", "topics.regex", "tasks.max", "name", "max"];
        let find = |message: &str| key_of(message, keys.iter().copied());
        assert_eq!(
            find("Invalid value x for configuration tasks.max: Not a number of type INT").as_deref(),
            Some("tasks.max")
        );
        assert_eq!(
            find("Missing required configuration \"name\" which has no default value.").as_deref(),
            Some("name")
        );
        assert_eq!(find("topics and topics.regex are mutually exclusive").as_deref(), Some("topics.regex"));
        assert_eq!(find("it is about topics.").as_deref(), Some("topics"));
        assert_eq!(find("the maximum of names"), None);
    }
}
