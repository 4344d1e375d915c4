//! A connector's configuration.

use protocol::client::properties::{ADMIN, CONSUMER, PRODUCER};

use super::Finding;
use super::file::LocatedFile;
use super::keys::Known;
use super::worker::key_of;
use crate::config::providers::contains_variables;
use crate::config::{
    Entry, Found, Invalid, Plugins, RawConfig, WorkerConfig, connector_table, examine, validate,
};

/// Beginnings of keys that are read where they are used.
const PREFIXES: [&str; 5] =
    ["transforms.", "predicates.", "topic.creation.", "header.converter.", "aqueduct."];

/// Everything that is wrong with a connector's configuration on such a worker.
pub fn check_connector(file: &LocatedFile, plugins: &Plugins, worker: &WorkerConfig) -> Vec<Finding> {
    let mut findings = file.findings.clone();
    let props = &file.props;
    let raw: RawConfig = props.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect();
    let is_hidden = |key: &str| props.get(key).is_some_and(|value| contains_variables(value));
    let messages: Vec<(Option<String>, String)> = match validate(&raw, plugins, worker) {
        Ok(_) => Vec::new(),
        Err(Invalid::Connector(message)) => vec![(Some("connector.class".to_owned()), message)],
        Err(Invalid::Errors { .. }) => {
            let entries =
                examine(&raw, plugins, worker).map(|(_, report)| report.configs).unwrap_or_default();
            let of_entry = |entry: Entry| {
                let Found { name, errors, .. } = entry.value;
                errors.into_iter().map(move |message| (Some(name.clone()), message))
            };
            entries.into_iter().flat_map(of_entry).collect()
        }
        Err(invalid) => {
            let message = invalid.message();
            vec![(key_of(&message, props.keys().map(String::as_str)), message)]
        }
    };
    for (key, message) in messages {
        if key.as_deref().is_some_and(is_hidden) {
            continue;
        }
        let line = key.and_then(|key| file.line(&key));
        findings.push(Finding { line, is_error: true, message });
    }
    let Some(known) = known(file, plugins) else { return findings };
    for key in props.keys() {
        if let Some(message) = known.complaint(key) {
            findings.push(Finding { line: file.line(key), is_error: false, message });
        }
    }
    findings
}

/// `None` where the connector is not known: anything may have a meaning then.
fn known(file: &LocatedFile, plugins: &Plugins) -> Option<Known> {
    let plugin = plugins.connector(file.props.get("connector.class")?.trim()).ok()?;
    let mut known = Known::default();
    known.table("", &connector_table::table(plugin.is_source()));
    known.table("", &(plugin.config_def)());
    known.names(["name", "connector.class", "tasks.max", "topics", "topics.regex"]);
    known.prefixes(PREFIXES);
    if plugin.is_source() {
        // Of no effect, as in Java, and no mistake in what is kept for connectors of both kinds.
        known.prefixes(["errors.deadletterqueue."]);
    }
    for (prefix, client) in
        [("producer.override.", PRODUCER), ("consumer.override.", CONSUMER), ("admin.override.", ADMIN)]
    {
        known.client(prefix, client);
    }
    for key in ["key.converter", "value.converter"] {
        let class = file.props.get(key).map_or("", |class| class.trim());
        match plugins.converter(class) {
            Some(plugin) => known.table(&format!("{key}."), &(plugin.config_def)()),
            None => known.prefixes([format!("{key}.").as_str()]),
        }
    }
    Some(known)
}
