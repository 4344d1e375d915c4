//! Errors of records as log lines: Java's words, and a guard so that a poisoned topic does not flood the log.

use std::fmt::Write as _;
use std::sync::Arc;

use api::{Body, HeaderValueRef, Origin, Run, SchemaRef, TopicPartition, Value, java_text};
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
        let value = java_text::to_string(column.row(row));
        push(&mut text, format_args!(", {name}={value}, {name}Schema={}", schema(column.schema.as_ref())));
    }
    text.push_str(", timestamp=");
    nullable(&mut text, columns.timestamps.get(row));
    text.push_str(", headers=ConnectHeaders(headers=");
    for (index, header) in columns.headers.iter(row).enumerate() {
        let (value, schema) = match header.value {
            HeaderValueRef::Raw(None) => ("null".to_owned(), "null".to_owned()),
            HeaderValueRef::Raw(Some(bytes)) => {
                (String::from_utf8_lossy(bytes).into_owned(), "Schema{STRING}".to_owned())
            }
            HeaderValueRef::Connect(of, value) => (java_text::to_string(value), schema(of)),
        };
        let separator = if index == 0 { "[" } else { ", " };
        let key = String::from_utf8_lossy(header.key);
        push(&mut text, format_args!("{separator}ConnectHeader(key={key}, value={value}, schema={schema})"));
    }
    text.push_str(if text.ends_with("(headers=") { ")}" } else { "])}" });
    text
}

/// Java's `ConnectSchema#toString`.
fn schema(schema: Option<&SchemaRef>) -> String {
    match schema {
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

#[cfg(test)]
mod tests {
    use api::{Column, Columns, Headers, SourceOffsets, SourcePartition, Timestamps};
    use arrow_array::{BinaryViewArray, StringViewArray};
    use proptest::prelude::*;

    use super::*;

    fn polled_run(headers: Headers) -> Run {
        let columns = Columns {
            key: Column::null(1),
            value: Column::strings(StringViewArray::from_iter([Some("a line")])),
            headers,
            timestamps: Timestamps::Same(1_795_876_182_020),
        };
        let file = [(Arc::from("filename"), Value::String("/tmp/in.txt".to_owned()))];
        let offsets = SourceOffsets::Long { field: Arc::from("position"), values: vec![2_005].into() };
        Run {
            topic: Arc::from("lines"),
            partition: None,
            origin: Origin::Source { partition: SourcePartition::new(file), offsets },
            body: Body::Columns(columns),
        }
    }

    /// As Java 4.3 wrote it of a file source's record that was larger than `max.request.size`.
    #[test]
    fn a_source_record_reads_as_in_java() {
        let before_headers = ", where source record is = SourceRecord{sourcePartition={filename=/tmp/in.txt}, \
             sourceOffset={position=2005}} ConnectRecord{topic='lines', kafkaPartition=null, key=null, keySchema=null, \
             value=a line, valueSchema=Schema{STRING}, timestamp=1795876182020, headers=ConnectHeaders(headers=";
        assert_eq!(polled(&polled_run(Headers::none()), 0), format!("{before_headers})}}"));
        let (keys, values) = (
            BinaryViewArray::from_iter([Some(&b"h"[..]), Some(b"h")]),
            BinaryViewArray::from_iter([Some(&b"x"[..]), None]),
        );
        assert_eq!(
            polled(&polled_run(Headers::new(vec![0, 2].into(), keys, values)), 0),
            format!(
                "{before_headers}[ConnectHeader(key=h, value=x, schema=Schema{{STRING}}), \
                 ConnectHeader(key=h, value=null, schema=null)])}}"
            )
        );
    }

    proptest! {
        /// Goal: however errors come, no more lines than allowed are written, and everybody is told of those that were not.
        #[test]
        fn a_flood_is_held_back_and_counted(gaps_ms in proptest::collection::vec(0_u64..300, 1..1_000)) {
            let start = Instant::now();
            let mut guard = FloodGuard::new(start);
            let (mut now, mut written, mut told) = (start, 0, 0);
            let total = gaps_ms.len() as u64;
            for gap in gaps_ms {
                now += Duration::from_millis(gap);
                if guard.admits(1, now) {
                    written += 1;
                    told += guard.take_suppressed().unwrap_or(0);
                }
            }
            told += guard.take_suppressed().unwrap_or(0);
            prop_assert_eq!(written + told, total);
            let allowed = u128::from(LINES_BURST) + (now - start).as_millis() / LINE_INTERVAL.as_millis() + 1;
            prop_assert!(u128::from(written) <= allowed);
            prop_assert!(u128::from(written) >= allowed.min(u128::from(total)) / 2);
        }
    }
}
