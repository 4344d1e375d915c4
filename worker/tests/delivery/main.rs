//! Goal: whatever happens to the worker, every line that went in comes out. Method: FileStreamSource → topic →
//! FileStreamSink by the program itself, on the embedded broker or on real Kafka, compared line by line.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod dead_letters;

use std::collections::HashSet;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use support::{
    Broker, PATIENCE, Process, complete_lines, unique, wait_for, worker_properties, write_properties,
};
use xtask::connect::JavaWorker;
use xtask::kafka::Libs;

/// A pipeline's files and names.
struct Pipeline {
    dir: tempfile::TempDir,
    topic: String,
    worker: PathBuf,
    source: PathBuf,
    sink: PathBuf,
}

impl Pipeline {
    fn new(broker: &Broker) -> Pipeline {
        let dir = tempfile::tempdir().unwrap();
        let topic = unique("lines");
        let path = |name: &str| dir.path().join(name);
        let properties = worker_properties(&broker.bootstrap, dir.path(), &[]);
        let pairs: Vec<_> = properties.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let worker = write_properties(&path("worker.properties"), &pairs);
        let (input, output) = (path("in.txt").display().to_string(), path("out.txt").display().to_string());
        let source = write_properties(
            &path("source.properties"),
            &[
                ("name", &format!("source-{topic}")),
                ("connector.class", "FileStreamSource"),
                ("file", &input),
                ("topic", &topic),
            ],
        );
        let sink = write_properties(
            &path("sink.properties"),
            &[
                ("name", &format!("sink-{topic}")),
                ("connector.class", "FileStreamSink"),
                ("file", &output),
                ("topics", &topic),
            ],
        );
        Pipeline { dir, topic, worker, source, sink }
    }

    fn start(&self) -> Process {
        Process::standalone(&self.worker, &[self.source.clone(), self.sink.clone()])
    }

    fn input(&self) -> PathBuf {
        self.dir.path().join("in.txt")
    }

    fn output(&self) -> PathBuf {
        self.dir.path().join("out.txt")
    }

    fn append(&self, text: &str) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.input()).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    /// The position that the offsets file holds for the input.
    fn committed(&self) -> Option<u64> {
        let bytes = fs::read(self.dir.path().join("connect.offsets")).ok()?;
        let entries = worker::store::read_java_map(&bytes.into()).ok()?;
        let key = format!("[\"source-{}\",{{\"filename\":\"{}\"}}]", self.topic, self.input().display());
        let value: serde_json::Value = serde_json::from_slice(entries.get(key.as_bytes())?).ok()?;
        value["position"].as_u64()
    }

    fn wait_for_commit_of_everything(&self) {
        let length = fs::metadata(self.input()).unwrap().len();
        wait_for("the commit of the last line", || (self.committed() == Some(length)).then_some(()));
    }
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

#[test]
fn a_file_comes_out_byte_for_byte() {
    let broker = Broker::start();
    let pipeline = Pipeline::new(&broker);
    let mut text = String::new();
    for number in 0..20_000 {
        let filler = "ä€😀 \t\"\\{}".repeat(number % 17);
        text.push_str(&format!("{number} {filler}\n"));
        if number % 1_000 == 0 {
            text.push('\n');
            text.push_str(&"long ".repeat(30_000));
            text.push('\n');
        }
    }
    pipeline.append(&text);
    let worker = pipeline.start();
    wait_for("the whole file", || (size(&pipeline.output()) >= text.len() as u64).then_some(()));
    pipeline.append("the last line, written while the file is tailed\n");
    text.push_str("the last line, written while the file is tailed\n");
    wait_for("the last line", || (size(&pipeline.output()) >= text.len() as u64).then_some(()));
    pipeline.wait_for_commit_of_everything();
    assert_eq!(worker.terminate(), Some(0));
    assert!(fs::read_to_string(pipeline.output()).unwrap() == text, "the output differs from the input");
}

#[test]
fn a_clean_restart_neither_loses_nor_repeats() {
    let broker = Broker::start();
    let pipeline = Pipeline::new(&broker);
    let mut expected = String::new();
    for round in 0..3 {
        let lines: String = (0..3_000).map(|line| format!("{round}/{line}\n")).collect();
        pipeline.append(&lines);
        expected.push_str(&lines);
        let worker = pipeline.start();
        wait_for("the round", || (size(&pipeline.output()) >= expected.len() as u64).then_some(()));
        let stopping = Instant::now();
        assert_eq!(worker.terminate(), Some(0));
        assert!(stopping.elapsed() < Duration::from_secs(8), "stopped within its timeouts");
    }
    assert!(fs::read_to_string(pipeline.output()).unwrap() == expected, "the output differs from the input");
}

/// Bytes of a line, its end included.
const LINE_BYTES: usize = 91;

/// An interval of 200 ms, and what a commit may take on a busy machine.
const COMMIT_AGE_MAX: Duration = Duration::from_secs(3);

/// Lines per second that the input grows by while the worker is killed.
const RATE: usize = 10_000;

#[test]
fn nothing_is_lost_when_the_worker_is_killed() {
    let broker = Broker::start();
    let pipeline = Pipeline::new(&broker);
    let seed = std::process::id();
    let line = |number: usize| format!("{number:09} {}\n", "x".repeat(80));
    let count = 8 * RATE;
    let input = pipeline.input();
    let writer = std::thread::spawn(move || {
        let started = Instant::now();
        let mut file = OpenOptions::new().create(true).append(true).open(input).unwrap();
        for start in (0..count).step_by(RATE / 20) {
            let burst: String = (start..start + RATE / 20).map(line).collect();
            file.write_all(burst.as_bytes()).unwrap();
            let due = Duration::from_secs_f64(start as f64 / RATE as f64);
            // This sleep is the interval of a steady input; nothing waits for it.
            std::thread::sleep(due.saturating_sub(started.elapsed()));
        }
    });
    let mut duplicates_max = 0;
    for kill in 1..=3_u64 {
        let worker = pipeline.start();
        // Some way into the input, at a point that no two runs share.
        let target = size(&pipeline.output()) + u64::from(seed).wrapping_mul(kill) % 1_000_000 + 300_000;
        let mut seen = vec![(Instant::now(), size(&pipeline.output()))];
        wait_for("some progress", || {
            let now = size(&pipeline.output());
            seen.push((Instant::now(), now));
            (now > target).then_some(())
        });
        worker.kill();
        // The source repeats at most what it may have read since its last commit; the sink what it wrote since its own,
        // which was at the latest some seconds ago.
        let read_since = size(&pipeline.input()) - pipeline.committed().unwrap_or(0);
        let recent =
            seen.iter().find(|(at, _)| at.elapsed() < COMMIT_AGE_MAX).map_or(target, |(_, size)| *size);
        let written_since = size(&pipeline.output()) - recent;
        duplicates_max += (read_since + written_since) as usize / LINE_BYTES + 2;
    }
    writer.join().unwrap();
    let worker = pipeline.start();
    let last = format!("{:09} ", count - 1);
    wait_for("the last line", || {
        complete_lines(&pipeline.output()).last().is_some_and(|l| l.starts_with(&last)).then_some(())
    });
    assert_eq!(worker.terminate(), Some(0));

    let output = complete_lines(&pipeline.output());
    let numbers: Vec<usize> = output.iter().filter_map(|line| line.get(..9)?.parse().ok()).collect();
    let distinct: HashSet<_> = numbers.iter().copied().collect();
    let missing: Vec<_> = (0..count).filter(|number| !distinct.contains(number)).take(5).collect();
    assert!(missing.is_empty(), "lines are missing, the first of them {missing:?}");
    let duplicates = numbers.len() - distinct.len();
    assert!(duplicates <= duplicates_max, "{duplicates} duplicates, at most {duplicates_max} expected");
}

/// Java and Aqueduct take turns at one source with one offsets file; nobody may repeat or skip a line.
#[test]
fn java_goes_on_where_we_stopped_and_the_reverse() {
    let (Ok(bootstrap), Some(libs)) = (std::env::var("AQUEDUCT_KAFKA"), Libs::from_env()) else { return };
    let broker = Broker::start();
    let pipeline = Pipeline::new(&broker);
    let name = format!("source-{}", pipeline.topic);
    let input = pipeline.input().display().to_string();
    let connector = [
        ("name", name.as_str()),
        ("connector.class", "FileStreamSource"),
        ("file", &input),
        ("topic", &pipeline.topic),
    ];
    for round in 0..4 {
        // ASCII only: Java's position counts characters, not bytes (contract 11.1).
        let lines: String = (0..2_000).map(|line| format!("{round}/{line}\n")).collect();
        pipeline.append(&lines);
        if round % 2 == 0 {
            let worker = Process::standalone(&pipeline.worker, std::slice::from_ref(&pipeline.source));
            pipeline.wait_for_commit_of_everything();
            assert_eq!(worker.terminate(), Some(0));
        } else {
            let offsets = pipeline.dir.path().join("connect.offsets");
            let interval = [("offset.flush.interval.ms", "500")];
            let java = JavaWorker::standalone(&libs, &bootstrap, &offsets, &interval, &[&connector]).unwrap();
            pipeline.wait_for_commit_of_everything();
            java.stop(PATIENCE).unwrap();
        }
    }
    let worker = Process::standalone(&pipeline.worker, std::slice::from_ref(&pipeline.sink));
    let expected = fs::read_to_string(pipeline.input()).unwrap();
    wait_for("all lines", || (size(&pipeline.output()) >= expected.len() as u64).then_some(()));
    assert_eq!(worker.terminate(), Some(0));
    assert!(fs::read_to_string(pipeline.output()).unwrap() == expected, "the output differs from the input");
}

/// Goal: `topics.regex` takes in topics that are made later, and `topic.creation.*` makes them as it says. Method: a sink over
/// `<name>-[ab]`, a source to each of `-a`, `-b` and `-c`, the latter two created once the first line has arrived.
#[test]
fn a_sink_follows_the_topics_that_match() {
    let broker = Broker::start();
    let pipeline = Pipeline::new(&broker);
    let mut worker = Process::standalone(&pipeline.worker, &[]);
    let rest = worker.rest();
    let output = pipeline.output().display().to_string();
    let sink = format!("sink-{}", pipeline.topic);
    let config = [
        ("connector.class", "FileStreamSink"),
        ("file", &output),
        ("topics.regex", &format!("{}-[ab]", pipeline.topic)),
        ("consumer.override.metadata.max.age.ms", "200"),
        ("errors.tolerance", "all"),
        ("errors.deadletterqueue.topic.name", &format!("{}-dlq", pipeline.topic)),
        ("errors.deadletterqueue.topic.replication.factor", "1"),
    ];
    assert_eq!(rest.create(&sink, &config).status, 201);
    rest.wait_for_states(&sink, "RUNNING: RUNNING");
    let source = |suffix: &str| {
        let input = pipeline.dir.path().join(suffix);
        fs::write(&input, format!("line of {suffix}\n")).unwrap();
        let config = [
            ("connector.class", "FileStreamSource"),
            ("file", &input.display().to_string()),
            ("topic", &format!("{}-{suffix}", pipeline.topic)),
            ("topic.creation.groups", "many"),
            ("topic.creation.many.include", ".*-b"),
            ("topic.creation.many.partitions", "3"),
            ("topic.creation.default.partitions", "1"),
            ("topic.creation.default.replication.factor", "1"),
        ];
        assert_eq!(rest.create(&format!("{}-{suffix}", pipeline.topic), &config).status, 201);
    };
    source("a");
    wait_for("the first line", || (complete_lines(&pipeline.output()) == ["line of a"]).then_some(()));
    source("c");
    source("b");
    wait_for("the line of the later topic", || {
        (complete_lines(&pipeline.output()) == ["line of a", "line of b"]).then_some(())
    });
    assert_eq!(worker.terminate(), Some(0));
}
