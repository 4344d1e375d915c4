//! `aqueduct plugins`: what is built in, under which names, and what can be set on it.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use api::ConfigDef;
use api::config_def::Default;
use serde::Serialize;

use crate::config::{Plugins, Registry};

/// What `aqueduct plugins` takes.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Only plug-ins with this in their class, alias or kind
    #[arg(value_name = "PART")]
    part: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// List the configuration keys of each
    #[arg(long)]
    keys: bool,
}

#[derive(Serialize)]
struct Row {
    class: &'static str,
    aliases: Vec<String>,
    kind: &'static str,
    version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    keys: Option<Vec<KeyRow>>,
}

#[derive(Serialize)]
struct KeyRow {
    name: String,
    r#type: &'static str,
    /// Null for none; missing where the key has to be given.
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<Option<String>>,
    required: bool,
    importance: &'static str,
    documentation: &'static str,
}

pub(super) fn run(registry: Registry, options: &Options) -> ExitCode {
    let text = report(&Plugins::new(registry), options);
    let _output_closed = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn report(plugins: &Plugins, options: &Options) -> String {
    let mut rows = rows(plugins, options.keys);
    if let Some(part) = options.part.as_deref().map(str::to_lowercase) {
        rows.retain(|row| {
            let names = row.aliases.iter().map(String::as_str).chain([row.class, row.kind]);
            names.into_iter().any(|name| name.to_lowercase().contains(&part))
        });
    }
    if options.json {
        let json = serde_json::to_string_pretty(&rows).expect("rows are plain data with string keys");
        return format!("{json}\n");
    }
    table(&rows)
}

fn rows(plugins: &Plugins, with_keys: bool) -> Vec<Row> {
    let listed =
        plugins.listed().map(|plugin| (plugin.kind.name(), plugin.class, plugin.version, plugin.config_def));
    let providers = plugins.providers().iter();
    let providers =
        providers.map(|plugin| ("config_provider", plugin.class, plugin.version, plugin.config_def));
    let rows = listed.chain(providers).map(|(kind, class, version, config_def)| Row {
        class,
        aliases: plugins.aliases(class),
        kind,
        version,
        keys: with_keys.then(|| keys(&config_def())),
    });
    rows.collect()
}

fn keys(table: &ConfigDef) -> Vec<KeyRow> {
    let rows = table.keys().iter().map(|key| KeyRow {
        name: key.name.to_string(),
        r#type: key.kind.name(),
        default: match key.default {
            Default::Required => None,
            Default::Null => Some(None),
            Default::Value(text) => Some(Some(text.to_owned())),
        },
        required: key.default == Default::Required,
        importance: key.importance.name(),
        documentation: key.doc,
    });
    rows.collect()
}

fn table(rows: &[Row]) -> String {
    let header = ["CLASS", "ALIASES", "KIND", "VERSION"].map(str::to_owned);
    let cells = |row: &Row| {
        let aliases = if row.aliases.is_empty() { "-".to_owned() } else { row.aliases.join(", ") };
        [row.class.to_owned(), aliases, row.kind.to_owned(), row.version.to_owned()]
    };
    let all: Vec<_> = std::iter::once(header).chain(rows.iter().map(cells)).collect();
    let width = |column: usize| all.iter().map(|cells| cells[column].len()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    let mut text = String::new();
    for (index, cells) in all.iter().enumerate() {
        let [class, aliases, kind, version] = cells;
        let line = format!(
            "{class:w0$}  {aliases:w1$}  {kind:w2$}  {version}",
            w0 = widths[0],
            w1 = widths[1],
            w2 = widths[2]
        );
        writeln!(text, "{}", line.trim_end()).expect("writing to a string does not fail");
        let keys = index.checked_sub(1).and_then(|row| rows[row].keys.as_deref()).unwrap_or_default();
        for key in keys {
            let default = match &key.default {
                None => "required".to_owned(),
                Some(None) => "no default".to_owned(),
                Some(Some(text)) => format!("default '{text}'"),
            };
            writeln!(
                text,
                "    {} ({}, {default}): {}",
                key.name,
                key.r#type.to_lowercase(),
                key.documentation
            )
            .expect("writing to a string does not fail");
        }
    }
    text
}
