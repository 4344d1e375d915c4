//! TimestampRouter: names topics after the time of their records.

use std::collections::HashMap;
use std::sync::Arc;

use api::config_def::{Config, ConfigDef, ConfigKey, ConfigType, Default, Importance};
use api::java_text::DateFormat;
use api::{Error, Origin, Plugin, Records, Result, RowError, Timestamps, Touches, Transform, Transformed};

const TOPIC_FORMAT: &str = "topic.format";
const TIMESTAMP_FORMAT: &str = "timestamp.format";
const TOPIC: &str = "${topic}";
const TIMESTAMP: &str = "${timestamp}";

/// Names that were made lately, over all topics.
const NAMES_MAX: usize = 1024;

/// `org.apache.kafka.connect.transforms.TimestampRouter`.
#[derive(Debug)]
pub(super) struct TimestampRouter {
    topic_format: String,
    /// What is wrong with the pattern shows only when something is to be named, as in Java.
    timestamp_format: Result<DateFormat, Error>,
    /// All moments of an interval give the same name.
    interval_ms: i64,
    /// By topic and number of the interval.
    names: HashMap<Arc<str>, HashMap<i64, Arc<str>>>,
    name_count: usize,
    scratch: Vec<u8>,
}

impl Plugin for TimestampRouter {
    const CLASS: &'static str = "org.apache.kafka.connect.transforms.TimestampRouter";
    const VERSION: &'static str = super::VERSION;

    fn config_def() -> ConfigDef {
        ConfigDef::default()
            .key(ConfigKey::new(
                TOPIC_FORMAT,
                ConfigType::String,
                Default::Value("${topic}-${timestamp}"),
                Importance::High,
                "New name of the topic; ${topic} and ${timestamp} stand for the old name and the formatted time.",
            ))
            .key(ConfigKey::new(
                TIMESTAMP_FORMAT,
                ConfigType::String,
                Default::Value("yyyyMMdd"),
                Importance::High,
                "How the time is written, in UTC: a pattern of Java's SimpleDateFormat.",
            ))
    }

    fn create(config: Config) -> Result<TimestampRouter> {
        // The present only matters to those who read years of two digits.
        let timestamp_format = DateFormat::new(config.string(TIMESTAMP_FORMAT), 0).map_err(|message| {
            Error::bad_record(message).with_java_class("java.lang.IllegalArgumentException")
        });
        Ok(TimestampRouter {
            topic_format: config.string(TOPIC_FORMAT).to_owned(),
            interval_ms: timestamp_format.as_ref().map_or(1, DateFormat::interval_ms),
            timestamp_format,
            names: HashMap::new(),
            name_count: 0,
            scratch: Vec::new(),
        })
    }
}

/// The names of one topic's records.
struct Names<'a> {
    topic: &'a Arc<str>,
    topic_format: &'a str,
    timestamp_format: &'a DateFormat,
    interval_ms: i64,
    known: &'a mut HashMap<i64, Arc<str>>,
    made: usize,
    scratch: &'a mut Vec<u8>,
    /// The interval of the last record, and its name.
    last: Option<(i64, Arc<str>)>,
}

impl Names<'_> {
    /// The name for a moment.
    fn name(&mut self, epoch_ms: i64) -> &Arc<str> {
        let interval = epoch_ms.div_euclid(self.interval_ms);
        if self.last.as_ref().is_none_or(|(last, _)| *last != interval) {
            let name = self.find(interval, epoch_ms);
            // Names of neighbouring intervals may be the same; then they are one.
            let name = match self.last.take() {
                Some((_, last)) if last == name => last,
                _ => name,
            };
            self.last = Some((interval, name));
        }
        &self.last.as_ref().expect("it was just set").1
    }

    fn find(&mut self, interval: i64, epoch_ms: i64) -> Arc<str> {
        if let Some(name) = self.known.get(&interval) {
            return Arc::clone(name);
        }
        self.scratch.clear();
        self.timestamp_format.write(self.scratch, epoch_ms);
        let timestamp = str::from_utf8(self.scratch).expect("a format writes text");
        let name: Arc<str> =
            self.topic_format.replace(TOPIC, self.topic).replace(TIMESTAMP, timestamp).into();
        self.known.insert(interval, Arc::clone(&name));
        self.made += 1;
        name
    }
}

impl TimestampRouter {
    /// Cuts records into stretches of one name, or of none.
    fn route(&mut self, records: Records, out: &mut Transformed) {
        let format = match &self.timestamp_format {
            Ok(format) => format,
            Err(error) => {
                let errors = (0..records.len()).map(|row| RowError {
                    row,
                    error: match records.columns.timestamps.get(row) {
                        Some(_) => error.clone(),
                        None => missing(&records, row),
                    },
                });
                let errors = errors.collect();
                return out.push_with_errors(records, errors);
            }
        };
        if self.name_count >= NAMES_MAX {
            self.names.clear();
            self.name_count = 0;
        }
        let topic = Arc::clone(&records.topic);
        let mut names = Names {
            topic: &topic,
            topic_format: &self.topic_format,
            timestamp_format: format,
            interval_ms: self.interval_ms,
            known: self.names.entry(Arc::clone(&topic)).or_default(),
            made: 0,
            scratch: &mut self.scratch,
            last: None,
        };
        match &records.columns.timestamps {
            Timestamps::None => fail(records, out),
            Timestamps::Same(timestamp) => match records.columns.timestamps.get(0) {
                Some(_) => push(records.clone(), Arc::clone(names.name(*timestamp)), out),
                None => fail(records, out),
            },
            Timestamps::Each(timestamps) => {
                let mut start = 0;
                // The name of the stretch that began with `start`; none where the timestamp is missing.
                let mut current: Option<Arc<str>> = None;
                for (row, timestamp) in timestamps.iter().enumerate() {
                    let name = (*timestamp != Timestamps::ABSENT).then(|| names.name(*timestamp));
                    let is_same = match (&current, name) {
                        (Some(current), Some(name)) => Arc::ptr_eq(current, name) || current == name,
                        (None, None) => true,
                        _ => false,
                    };
                    if is_same && row > 0 {
                        continue;
                    }
                    let next = name.map(Arc::clone);
                    if row > 0 {
                        finish(records.slice(start, row - start), current, out);
                    }
                    (start, current) = (row, next);
                }
                let rest = if start == 0 { records } else { records.slice(start, records.len() - start) };
                finish(rest, current, out);
            }
        }
        self.name_count += names.made;
    }
}

fn finish(records: Records, name: Option<Arc<str>>, out: &mut Transformed) {
    match name {
        Some(name) => push(records, name, out),
        None => fail(records, out),
    }
}

fn push(mut records: Records, topic: Arc<str>, out: &mut Transformed) {
    records.topic = topic;
    out.push(records);
}

/// None of them has a timestamp.
fn fail(records: Records, out: &mut Transformed) {
    let errors = (0..records.len()).map(|row| RowError { row, error: missing(&records, row) }).collect();
    out.push_with_errors(records, errors);
}

/// Java prints the whole record; ours says where it is, since its key and value were not decoded.
fn missing(records: &Records, row: usize) -> Error {
    let kind = match records.origin() {
        Origin::Kafka { offsets, .. } => format!("SinkRecord{{kafkaOffset={}}}", offsets.get(row)),
        Origin::Source { .. } => "SourceRecord{}".to_owned(),
    };
    let partition = records.partition.map_or("null".to_owned(), |partition| partition.to_string());
    Error::bad_record(format!(
        "Timestamp missing on record: {kind} ConnectRecord{{topic='{}', kafkaPartition={partition}, timestamp=null}}",
        records.topic
    ))
}

impl Transform for TimestampRouter {
    fn touches(&self) -> Touches {
        Touches::NOTHING
    }

    fn apply(&mut self, records: Records, out: &mut Transformed) -> Result<()> {
        if !records.is_empty() {
            self.route(records, out);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use api::plugin::TransformPlugin;
    use api::{Body, Column, Columns, Headers, KafkaOffsets, Props, Run, TopicPartition};

    use super::*;

    const DAY: i64 = 86_400_000;

    fn records(topic: &str, timestamps: Timestamps, rows: usize) -> Records {
        let from = TopicPartition { topic: topic.into(), partition: 3 };
        let offsets = KafkaOffsets { base: 100, deltas: None, next: 100 + rows as i64 };
        let columns = Columns {
            key: Column::null(rows),
            value: Column::null(rows),
            headers: Headers::none(),
            timestamps,
        };
        let origin = Origin::Kafka { from, offsets };
        let run = Run { topic: topic.into(), partition: Some(3), origin, body: Body::Columns(columns) };
        Records::of_run(run).unwrap()
    }

    /// Topics with the rows that go there, and messages of the rows that fail.
    type Routed = (Vec<(String, usize, usize)>, Vec<(usize, String)>);

    fn route(settings: &[(&str, &str)], records: Records) -> Routed {
        let props: Props =
            settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let mut router = (TransformPlugin::of::<TimestampRouter>().create)(&props).unwrap();
        let mut out = Transformed::default();
        router.apply(records, &mut out).unwrap();
        let (pieces, errors) = out.into_parts();
        let pieces = pieces.iter().map(|piece| (piece.topic.to_string(), piece.first_row(), piece.len()));
        let errors = errors.iter().map(|error| (error.row, error.error.to_string()));
        (pieces.collect(), errors.collect())
    }

    #[test]
    fn stretches_of_one_day_stay_together() {
        let timestamps = Timestamps::Each(vec![0, DAY - 1, DAY, DAY + 1, 5, -2].into());
        let expected =
            [("t-19700101", 0, 2), ("t-19700102", 2, 2), ("t-19700101", 4, 1), ("t-19691231", 5, 1)];
        let (pieces, errors) = route(&[], records("t", timestamps, 6));
        assert_eq!(pieces, expected.map(|(topic, row, len)| (topic.to_owned(), row, len)));
        assert!(errors.is_empty());
    }

    #[test]
    fn days_of_one_name_stay_together() {
        let timestamps = Timestamps::Each(vec![0, DAY, 2 * DAY, 400 * DAY].into());
        let settings = [("timestamp.format", "yyyy"), ("topic.format", "${timestamp}/${topic}/${topic}/$1")];
        let (pieces, _) = route(&settings, records("a$2\\", timestamps, 4));
        let name = |year| format!("{year}/a$2\\/a$2\\/$1");
        assert_eq!(pieces, [(name(1970), 0, 3), (name(1971), 3, 1)]);
    }

    #[test]
    fn a_name_that_holds_the_placeholder_is_filled_in_too() {
        let (pieces, _) =
            route(&[("topic.format", "${topic}")], records("${timestamp}", Timestamps::Same(0), 2));
        assert_eq!(pieces, [("19700101".to_owned(), 0, 2)]);
    }

    #[test]
    fn records_without_timestamp_fail_alone() {
        let timestamps = Timestamps::Each(vec![-1, 0, -1, -1, DAY].into());
        let (pieces, errors) = route(&[], records("t", timestamps, 5).slice(1, 4));
        assert_eq!(pieces, [("t-19700101".to_owned(), 1, 1), ("t-19700102".to_owned(), 4, 1)]);
        let rows: Vec<_> = errors.iter().map(|(row, _)| *row).collect();
        assert_eq!(rows, [2, 3]);
        let message = "Timestamp missing on record: SinkRecord{kafkaOffset=102} \
                       ConnectRecord{topic='t', kafkaPartition=3, timestamp=null}";
        assert_eq!(errors[0].1, message);
        let (pieces, errors) = route(&[], records("t", Timestamps::None, 2));
        assert_eq!((pieces.len(), errors.len()), (0, 2));
    }

    /// Goal: as in Java, a pattern that is none fails records, not the task.
    #[test]
    fn a_bad_pattern_fails_every_record() {
        let timestamps = Timestamps::Each(vec![0, -1].into());
        let (pieces, errors) = route(&[("timestamp.format", "yyyyb")], records("t", timestamps, 2));
        assert!(pieces.is_empty());
        assert_eq!(errors[0], (0, "Illegal pattern character 'b'".to_owned()));
        assert!(errors[1].1.starts_with("Timestamp missing on record: "), "{errors:?}");
    }
}
