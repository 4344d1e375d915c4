//! What is compared: one table. A new case is one line here.

use anyhow::{Result, bail};
use serde_json::{Map, Value, json};

/// What records are, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Payload {
    /// A number and words, so many bytes.
    Text(usize),
    /// A JSON object of seven fields, about 140 bytes.
    Json,
    /// The same object with its schema beside it, about 570 bytes.
    Envelope,
}

/// Where records come from and go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Path {
    /// A topic to a sink that drops everything.
    KafkaToNull,
    /// A topic to a file of lines.
    KafkaToFile,
    /// A file of lines to a topic.
    FileToKafka,
    /// Made-up records to a topic.
    DatagenToKafka,
    /// A topic to another one, as if it were of another cluster.
    KafkaToKafka,
}

/// One comparison.
#[derive(Debug, Clone, Copy)]
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) path: Path,
    pub(super) payload: Payload,
    /// Whether three transforms are in between: of the fields of JSON that is read, or those that make JSON of lines.
    pub(super) transforms: bool,
    /// Codec of the topic's batches.
    pub(super) compression: &'static str,
    pub(super) partitions: i32,
    pub(super) tasks: usize,
    /// Of one round: enough for seconds of Java.
    pub(super) records: i64,
    /// What the path costs at least, by design.md, ns per record; the upper end of a range.
    pub(super) floor_ns: Option<f64>,
}

const BASE: Case = Case {
    name: "",
    path: Path::KafkaToNull,
    payload: Payload::Text(100),
    transforms: false,
    compression: "none",
    partitions: 1,
    tasks: 1,
    records: 5_000_000,
    floor_ns: None,
};

const KB: Case = Case { payload: Payload::Text(1_000), records: 1_500_000, ..BASE };
const TO_FILE: Case = Case { path: Path::KafkaToFile, records: 3_000_000, ..BASE };
const FROM_FILE: Case = Case { path: Path::FileToKafka, records: 3_000_000, ..BASE };
const FROM_FILE_KB: Case =
    Case { path: Path::FileToKafka, payload: Payload::Text(1_000), records: 600_000, ..BASE };
const DATAGEN: Case = Case { path: Path::DatagenToKafka, records: 3_000_000, ..BASE };
const MIRROR: Case = Case { path: Path::KafkaToKafka, records: 3_000_000, ..BASE };
const JSON: Case = Case { payload: Payload::Json, transforms: true, records: 1_500_000, ..BASE };

/// All comparisons, in the order in which they are reported.
pub(super) const CASES: &[Case] = &[
    Case { name: "null-100", floor_ns: Some(27.0), ..BASE },
    Case { name: "null-100-16p-4t", partitions: 16, tasks: 4, floor_ns: Some(27.0), ..BASE },
    Case { name: "null-100-lz4", compression: "lz4", floor_ns: Some(70.0), ..BASE },
    Case { name: "null-100-zstd", compression: "zstd", floor_ns: Some(185.0), ..BASE },
    Case { name: "null-1k", floor_ns: Some(160.0), ..KB },
    Case { name: "null-1k-16p-4t", partitions: 16, tasks: 4, floor_ns: Some(160.0), ..KB },
    Case { name: "null-1k-lz4", compression: "lz4", floor_ns: Some(413.0), ..KB },
    Case { name: "null-1k-zstd", compression: "zstd", floor_ns: Some(1_149.0), ..KB },
    Case { name: "file-100", floor_ns: Some(95.0), ..TO_FILE },
    Case { name: "file-100-16p", partitions: 16, floor_ns: Some(95.0), ..TO_FILE },
    Case { name: "file-100-lz4", compression: "lz4", ..TO_FILE },
    Case { name: "file-100-zstd", compression: "zstd", ..TO_FILE },
    Case { name: "file-1k", path: Path::KafkaToFile, records: 600_000, floor_ns: Some(972.0), ..KB },
    Case { name: "source-100", floor_ns: Some(63.0), ..FROM_FILE },
    Case { name: "source-100-16p", partitions: 16, ..FROM_FILE },
    Case { name: "source-100-lz4", compression: "lz4", ..FROM_FILE },
    Case { name: "source-100-zstd", compression: "zstd", ..FROM_FILE },
    Case { name: "source-1k", floor_ns: Some(454.0), ..FROM_FILE_KB },
    Case { name: "source-1k-lz4", compression: "lz4", ..FROM_FILE_KB },
    Case { name: "datagen-100", ..DATAGEN },
    Case { name: "datagen-100-lz4", compression: "lz4", ..DATAGEN },
    Case { name: "datagen-1k", payload: Payload::Text(1_000), records: 600_000, ..DATAGEN },
    Case {
        name: "envelope-null",
        payload: Payload::Envelope,
        floor_ns: Some(125.0),
        transforms: false,
        ..JSON
    },
    Case { name: "transforms-null", floor_ns: Some(214.0), ..JSON },
    Case { name: "transforms-null-16p-4t", partitions: 16, tasks: 4, floor_ns: Some(214.0), ..JSON },
    Case { name: "transforms-file", path: Path::KafkaToFile, ..JSON },
    Case { name: "transforms-kafka", transforms: true, records: 1_500_000, ..FROM_FILE },
    Case { name: "mirror-100", floor_ns: Some(31.0), ..MIRROR },
    Case { name: "mirror-100-16p", partitions: 16, floor_ns: Some(31.0), ..MIRROR },
    Case { name: "mirror-100-lz4", compression: "lz4", floor_ns: Some(20.0), ..MIRROR },
    Case { name: "mirror-100-zstd", compression: "zstd", floor_ns: Some(17.0), ..MIRROR },
    Case { name: "mirror-1k", path: Path::KafkaToKafka, records: 600_000, floor_ns: Some(261.0), ..KB },
];

/// Settings of both workers, in their properties files: those that a tuned Java worker has. Ours is told the same.
pub(super) const TUNING: &[(&str, &str)] = &[
    ("consumer.max.poll.records", "20000"),
    ("consumer.max.partition.fetch.bytes", "4194304"),
    ("consumer.fetch.max.bytes", "52428800"),
    ("consumer.fetch.min.bytes", "1"),
    ("producer.batch.size", "524288"),
    ("producer.linger.ms", "5"),
    ("producer.buffer.memory", "67108864"),
    ("offset.flush.interval.ms", "200"),
];

/// The cases that somebody asks for: each word is the name of one, else the beginning of some. All where there are no words.
pub(super) fn chosen(words: &[String]) -> Result<Vec<&'static Case>> {
    let meant = |word: &str, case: &Case| match CASES.iter().any(|case| case.name == word) {
        true => case.name == word,
        false => case.name.starts_with(word),
    };
    for word in words {
        if !CASES.iter().any(|case| meant(word, case)) {
            let known: Vec<_> = CASES.iter().map(|case| case.name).collect();
            bail!("no case begins with {word}; there are {}", known.join(", "));
        }
    }
    let is_chosen = |case: &&Case| words.is_empty() || words.iter().any(|word| meant(word, case));
    Ok(CASES.iter().filter(is_chosen).collect())
}

impl Case {
    pub(super) fn is_source(&self) -> bool {
        matches!(self.path, Path::FileToKafka | Path::DatagenToKafka | Path::KafkaToKafka)
    }

    /// The topic that a source of this name writes.
    pub(super) fn target(&self, name: &str, input: &str) -> String {
        match self.path {
            Path::KafkaToKafka => format!("{name}.{input}"),
            _ => name.to_owned(),
        }
    }

    /// The connector under test, as `POST /connectors` takes it. `topic` is read or written, `file` is where the path has one. A mirror has
    /// its own name for the source's alias, so that what it writes is its own.
    pub(super) fn connector(
        &self,
        name: &str,
        topic: &str,
        file: &std::path::Path,
        bootstrap: &str,
    ) -> Value {
        let mut config = match self.path {
            Path::KafkaToNull => {
                json!({"connector.class": "BlackholeSink", "topics": topic, "tier": self.tier()})
            }
            Path::KafkaToFile => json!({"connector.class": "FileStreamSink", "topics": topic, "file": file}),
            Path::FileToKafka => {
                json!({"connector.class": "FileStreamSource", "topic": topic, "file": file, "batch.size": "10000"})
            }
            Path::DatagenToKafka => json!({
                "connector.class": "DatagenSource", "topic": topic, "rate": "-1", "batch.size": "10000",
                "records": self.records.to_string(), "record.bytes": self.payload.bytes_about().to_string(),
            }),
            Path::KafkaToKafka => mirror(name, topic, bootstrap),
        };
        if let Value::Object(config) = &mut config {
            let mut set = |key: &str, value: &str| config.insert(key.to_owned(), value.into());
            set("tasks.max", &self.tasks.to_string());
            set("key.converter", "org.apache.kafka.connect.converters.ByteArrayConverter");
            set("value.converter", self.converter());
            if self.payload != Payload::Envelope && self.has_json() {
                set("value.converter.schemas.enable", "false");
            }
            if self.is_source() {
                set("producer.override.compression.type", self.compression);
            }
            if self.transforms {
                config.extend(self.transforms());
            }
        }
        json!({"name": name, "config": config})
    }

    /// Whether the connector's converter reads or writes JSON.
    fn has_json(&self) -> bool {
        self.transforms || !matches!(self.payload, Payload::Text(_))
    }

    fn converter(&self) -> &'static str {
        match self.path {
            _ if self.has_json() => "org.apache.kafka.connect.json.JsonConverter",
            Path::KafkaToNull | Path::KafkaToKafka => {
                "org.apache.kafka.connect.converters.ByteArrayConverter"
            }
            _ => "org.apache.kafka.connect.storage.StringConverter",
        }
    }

    /// Java's sinks know only the last.
    fn tier(&self) -> &'static str {
        if self.has_json() { "columns" } else { "index" }
    }

    /// Of JSON: a field more, one less, one renamed, and a number as text. Of lines: an object around each, with a field more, one renamed.
    fn transforms(&self) -> Map<String, Value> {
        let settings: &[(&str, &str)] = match self.payload {
            Payload::Text(_) => &[
                ("transforms", "hoist,insert,replace"),
                ("transforms.hoist.type", "org.apache.kafka.connect.transforms.HoistField$Value"),
                ("transforms.hoist.field", "line"),
                ("transforms.replace.renames", "line:text"),
            ],
            Payload::Json | Payload::Envelope => &[
                ("transforms", "insert,replace,cast"),
                ("transforms.replace.exclude", "city"),
                ("transforms.replace.renames", "mail:email"),
                ("transforms.cast.type", "org.apache.kafka.connect.transforms.Cast$Value"),
                ("transforms.cast.spec", "id:string"),
            ],
        };
        let shared = [
            ("transforms.insert.type", "org.apache.kafka.connect.transforms.InsertField$Value"),
            ("transforms.insert.static.field", "source"),
            ("transforms.insert.static.value", "shop"),
            ("transforms.replace.type", "org.apache.kafka.connect.transforms.ReplaceField$Value"),
        ];
        settings.iter().chain(&shared).map(|(key, value)| ((*key).to_owned(), Value::from(*value))).collect()
    }

    /// In words, for the report.
    pub(super) fn title(&self) -> String {
        let path = match self.path {
            Path::KafkaToNull => "Kafka to null",
            Path::KafkaToFile => "Kafka to file",
            Path::FileToKafka => "file to Kafka",
            Path::DatagenToKafka => "datagen to Kafka",
            Path::KafkaToKafka => "Kafka to Kafka",
        };
        let payload = match self.payload {
            Payload::Text(bytes) => format!("{bytes} B"),
            Payload::Json => "JSON 145 B".to_owned(),
            Payload::Envelope => "JSON with schema 565 B".to_owned(),
        };
        let transforms = match (self.transforms, self.is_source()) {
            (false, _) => "",
            (true, false) => ", 3 transforms",
            (true, true) => ", 3 transforms to JSON",
        };
        let compression = if self.compression == "none" { "" } else { self.compression };
        let gap = if compression.is_empty() { "" } else { " " };
        let spread = match (self.partitions, self.tasks) {
            (1, 1) => String::new(),
            (partitions, 1) => format!(", {partitions} partitions"),
            (partitions, tasks) => format!(", {partitions} partitions, {tasks} tasks"),
        };
        format!("{path}, {payload}{transforms}{gap}{compression}{spread}")
    }
}

impl Payload {
    /// Bytes of a record's value, exact for text.
    pub(super) fn bytes_about(self) -> usize {
        match self {
            Payload::Text(bytes) => bytes,
            Payload::Json => 145,
            Payload::Envelope => 565,
        }
    }
}

/// Both clusters are one. The connector's own consumer is told what those of sinks are told.
fn mirror(name: &str, topic: &str, bootstrap: &str) -> Value {
    let mut config = json!({
        "connector.class": "org.apache.kafka.connect.mirror.MirrorSourceConnector", "topics": topic,
        "source.cluster.alias": name, "target.cluster.alias": "target", "heartbeats.replication.enabled": "false",
        "source.cluster.bootstrap.servers": bootstrap, "target.cluster.bootstrap.servers": bootstrap,
        "replication.factor": "1", "offset-syncs.topic.replication.factor": "1",
        "header.converter": "org.apache.kafka.connect.converters.ByteArrayConverter",
    });
    if let Value::Object(config) = &mut config {
        for (key, value) in TUNING.iter().filter(|(key, _)| key.starts_with("consumer.")) {
            config.insert(format!("source.{key}"), (*value).into());
        }
    }
    config
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_case_is_named_once_and_described_once() {
        assert_eq!(CASES.iter().map(|case| case.name).collect::<HashSet<_>>().len(), CASES.len());
        assert_eq!(CASES.iter().map(Case::title).collect::<HashSet<_>>().len(), CASES.len());
    }

    #[test]
    fn a_name_means_its_case_and_a_beginning_all_that_begin_so() {
        let names = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            chosen(&words).map(|cases| cases.iter().map(|case| case.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&["null-1k"]).unwrap(), ["null-1k"]);
        assert_eq!(names(&["source-1k", "null-1k-"]).unwrap().len(), 4);
        assert_eq!(names(&[]).unwrap().len(), CASES.len());
        assert!(names(&["nul", "nothing"]).unwrap_err().to_string().contains("nothing"));
    }

    #[test]
    fn several_tasks_never_share_a_file() {
        // Java's file sink tears lines where two tasks write one file, and a file has one reader.
        let has_no_file = |case: &Case| matches!(case.path, Path::KafkaToNull | Path::KafkaToKafka);
        assert!(CASES.iter().all(|case| case.tasks == 1 || has_no_file(case)));
    }
}
