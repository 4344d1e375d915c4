//! What the command prints.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::Offsets;

/// Connectors and their numbers of partitions.
pub(super) fn list(connectors: &[(String, usize)], is_json: bool) -> String {
    if is_json {
        let listed: Vec<_> = connectors
            .iter()
            .map(|(name, count)| json!({ "connector": name, "partitions": count }))
            .collect();
        return format!("{}\n", Value::from(listed));
    }
    let width = connectors.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0).max(9);
    let mut text = format!("{:width$}  PARTITIONS\n", "CONNECTOR");
    for (name, count) in connectors {
        writeln!(text, "{name:width$}  {count}").expect("writing to a string does not fail");
    }
    text
}

/// Partitions and their offsets, one a line.
pub(super) fn offsets(offsets: &Offsets, is_json: bool) -> String {
    if is_json {
        return format!("{}\n", serde_json::to_string(offsets).unwrap_or_default());
    }
    let text = |map: &Option<Map<String, Value>>| {
        map.as_ref().map_or("null".to_owned(), |map| Value::Object(map.clone()).to_string())
    };
    let lines: Vec<(String, String)> =
        offsets.offsets.iter().map(|entry| (text(&entry.partition), text(&entry.offset))).collect();
    let width = lines.iter().map(|(partition, _)| partition.chars().count()).max().unwrap_or(0).max(9);
    let mut report = format!("{:width$}  OFFSET\n", "PARTITION");
    for (partition, offset) in lines {
        writeln!(report, "{partition:width$}  {offset}").expect("writing to a string does not fail");
    }
    report
}

/// What has been done.
pub(super) fn done(message: &str, is_json: bool) -> String {
    if is_json { format!("{}\n", json!({ "message": message })) } else { format!("{message}\n") }
}
