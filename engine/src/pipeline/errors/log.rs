//! Errors of records as log lines: Java's words, and a guard so that a poisoned topic does not flood the log.

use std::fmt::Write as _;
use std::sync::Arc;

use api::{Body, Column, Origin, Run, TopicPartition, Value, java_text};
use protocol::wire::records::TimestampType;
use tokio::time::{Duration, Instant};

use super::originals::Original;

/// That many lines may come at once.
const LINES_BURST: u32 = 100;

/// After them, one line each.
const LINE_INTERVAL: Duration = Duration::from_millis(100);

/// Lets lines through at a rate and counts the others.
#[derive(Debug)]
pub(super) struct FloodGuard {
    left: u32,
    /// Up to when `left` was refilled.
    refilled: Instant,
    suppressed: u64,
}

impl FloodGuard {
    pub(super) fn new(now: Instant) -> FloodGuard {
        FloodGuard { left: LINES_BURST, refilled: now, suppressed: 0 }
    }

    /// Whether a line about `records` records may be written now. If not, they are counted.
    pub(super) fn admits(&mut self, records: u64, now: Instant) -> bool {
        let earned = now.saturating_duration_since(self.refilled).as_millis() / LINE_INTERVAL.as_millis();
        let earned = u32::try_from(earned).unwrap_or(u32::MAX);
        if earned >= LINES_BURST - self.left {
            (self.left, self.refilled) = (LINES_BURST, now);
        } else {
            self.left += earned;
            self.refilled += LINE_INTERVAL * earned;
        }
        if self.left == 0 {
            self.suppressed += records;
            return false;
        }
        self.left -= 1;
        true
    }

    /// Takes the number of records that nobody has been told of.
    pub(super) fn take_suppressed(&mut self) -> Option<u64> {
        let suppressed = std::mem::take(&mut self.suppressed);
        (suppressed > 0).then_some(suppressed)
    }
}

/// A record from Kafka, as Java's line shows it (`ProcessingContext#toString`).
pub(super) fn consumed(from: &TopicPartition, offset: i64, original: &Original) -> String {
    let mut text = format!(
        ", where consumed record is {{topic='{}', partition={}, offset={offset}",
        from.topic, from.partition
    );
    if let Some(kind) = original.timestamp_type {
        let kind = match kind {
            TimestampType::Create => "CreateTime",
            TimestampType::LogAppend => "LogAppendTime",
        };
        let timestamp = original.columns.timestamps.get(original.row).unwrap_or(api::Timestamps::ABSENT);
        push(&mut text, format_args!(", timestamp={timestamp}, timestampType={kind}"));
    }
    text.push('}');
    text
}

/// A record of a source task, as Java prints a `SourceRecord`.
pub(super) fn polled(run: &Run, row: usize) -> String {
    let (Origin::Source { partition, offsets }, Body::Columns(columns)) = (&run.origin, &run.body) else {
        return String::new();
    };
    let mut text = String::from(", where source record is = SourceRecord{sourcePartition=");
    map(&mut text, partition.entries());
    text.push_str(", sourceOffset=");
    map(&mut text, offsets.get(row).as_deref());
    push(&mut text, format_args!("}} ConnectRecord{{topic='{}', kafkaPartition=", run.topic));
    nullable(&mut text, run.partition);
    for (name, column) in [("key", &columns.key), ("value", &columns.value)] {
        push(
            &mut text,
            format_args!(
                ", {name}={}, {name}Schema={}",
                java_text::to_string(column.row(row)),
                schema(column)
            ),
        );
    }
    text.push_str(", timestamp=");
    nullable(&mut text, columns.timestamps.get(row));
    text.push_str(", headers=ConnectHeaders(headers=");
    for (index, (key, value)) in columns.headers.row(row).enumerate() {
        let value = value.map_or("null".into(), String::from_utf8_lossy);
        let separator = if index == 0 { "" } else { ", " };
        let key = String::from_utf8_lossy(key);
        push(
            &mut text,
            format_args!("{separator}ConnectHeader(key={key}, value={value}, schema=Schema{{STRING}})"),
        );
    }
    text.push_str(")}");
    text
}

/// Java's `ConnectSchema#toString`.
fn schema(column: &Column) -> String {
    match &column.schema {
        None => "null".to_owned(),
        Some(schema) => match &schema.name {
            Some(name) => format!("Schema{{{name}:{}}}", schema.kind.java_name()),
            None => format!("Schema{{{}}}", schema.kind.java_name()),
        },
    }
}

fn nullable(text: &mut String, value: Option<impl std::fmt::Display>) {
    match value {
        Some(value) => push(text, format_args!("{value}")),
        None => text.push_str("null"),
    }
}

/// A Java map.
fn map(text: &mut String, entries: Option<&[(Arc<str>, Value)]>) {
    let Some(entries) = entries else { return text.push_str("null") };
    text.push('{');
    for (index, (key, value)) in entries.iter().enumerate() {
        let separator = if index == 0 { "" } else { ", " };
        push(text, format_args!("{separator}{key}={}", java_text::to_string(value.as_value_ref())));
    }
    text.push('}');
}

fn push(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments).expect("writing to a string does not fail");
}
