//! The file connectors on real files: growth, unfinished lines, late files, truncation, stored positions, torn lines.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use api::connector::LocalBoxFuture;
use api::{
    Batch, Body, Column, Columns, Headers, KafkaOffsets, OffsetReader, Origin, Props, Result, Run,
    SinkConnector, SinkContext, SinkOffsets, SinkTask, SourceConnector, SourceContext, SourceOffset,
    SourcePartition, SourceTask, Timestamps, TopicPartition, Value, ValueRef,
};
use arrow_array::StringViewArray;
use connector_file::{FileStreamSink, FileStreamSource, FileStreamSourceTask};
use tokio::time::timeout;

/// No test waits longer than this for a line.
const PATIENCE: Duration = Duration::from_secs(20);

/// An offset store that knows one offset.
struct Stored(Option<SourceOffset>);

impl OffsetReader for Stored {
    fn read<'a>(
        &'a self,
        partitions: &'a [SourcePartition],
    ) -> LocalBoxFuture<'a, Result<Vec<Option<SourceOffset>>>> {
        Box::pin(std::future::ready(Ok(vec![self.0.clone(); partitions.len()])))
    }
}

fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
}

async fn source(file: &Path, stored: Option<i64>, batch_size: usize) -> FileStreamSourceTask {
    let props = Props::from_iter([
        ("file".to_owned(), file.display().to_string()),
        ("topic".to_owned(), "t".to_owned()),
        ("batch.size".to_owned(), batch_size.to_string()),
    ]);
    let mut task = FileStreamSource::create_task(&props).unwrap();
    let stored = stored.map(|position| vec![(Arc::from("position"), Value::Int64(position))]);
    task.start(&SourceContext::new(Box::new(Stored(stored)))).await.unwrap();
    task
}

/// Polls until `count` lines have come; returns each with its position.
async fn read(task: &mut FileStreamSourceTask, count: usize) -> Vec<(String, i64)> {
    let mut lines = Vec::new();
    while lines.len() < count {
        let batch = timeout(PATIENCE, task.poll()).await.expect("lines come in time").unwrap();
        for run in &batch.runs {
            let (Body::Columns(columns), Origin::Source { offsets, .. }) = (&run.body, &run.origin) else {
                panic!()
            };
            for row in 0..run.record_count() {
                let ValueRef::String(line) = columns.value.row(row) else { panic!() };
                let Some([(_, Value::Int64(position))]) = offsets.get(row).as_deref().map(|o| [o[0].clone()])
                else {
                    panic!()
                };
                lines.push((line.to_owned(), position));
            }
        }
    }
    lines
}

fn append(file: &Path, text: &str) {
    OpenOptions::new().create(true).append(true).open(file).unwrap().write_all(text.as_bytes()).unwrap();
}

fn expect(lines: &[(&str, i64)]) -> Vec<(String, i64)> {
    lines.iter().map(|(line, position)| ((*line).to_owned(), *position)).collect()
}

#[test]
fn tails_a_growing_file_and_waits_for_line_ends() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("in");
        append(&file, "one\ntwo\nthr");
        let mut task = source(&file, None, 2000).await;
        assert_eq!(read(&mut task, 2).await, expect(&[("one", 4), ("two", 8)]));
        assert_eq!(task.poll().await.unwrap().record_count(), 0, "an unfinished line is not a record");
        append(&file, "ee\nfour\r\n");
        assert_eq!(read(&mut task, 2).await, expect(&[("three", 14), ("four", 20)]));
    });
}

#[test]
fn emits_all_lines_at_once_however_small_the_batches() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("in");
        let text: String = (0..400).map(|line| format!("{line}\n")).collect();
        append(&file, &text);
        let mut task = source(&file, None, 7).await;
        // Java stops at 315 until the file grows (contract B.4, 42): an intended difference.
        let lines = read(&mut task, 400).await;
        assert_eq!(lines.last(), Some(&("399".to_owned(), text.len() as i64)));
    });
}

#[test]
fn waits_for_a_file_that_comes_later() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("late");
        let mut task = source(&file, None, 2000).await;
        assert_eq!(timeout(PATIENCE, task.poll()).await.unwrap().unwrap().record_count(), 0);
        append(&file, "here\n");
        assert_eq!(read(&mut task, 1).await, expect(&[("here", 5)]));
    });
}

#[test]
fn goes_on_at_the_stored_byte() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("in");
        append(&file, "ä\nb\nc\n");
        let mut task = source(&file, Some(3), 2000).await;
        assert_eq!(read(&mut task, 2).await, expect(&[("b", 5), ("c", 7)]));
    });
}

#[test]
fn a_truncated_file_is_waited_for() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("in");
        append(&file, "0123456789\n");
        let mut task = source(&file, None, 2000).await;
        assert_eq!(read(&mut task, 1).await, expect(&[("0123456789", 11)]));
        OpenOptions::new().write(true).open(&file).unwrap().set_len(0).unwrap();
        assert_eq!(task.poll().await.unwrap().record_count(), 0);
        append(&file, "overwritten\nnew\n");
        assert_eq!(read(&mut task, 2).await, expect(&[("", 12), ("new", 16)]));
    });
}

#[test]
fn a_wrong_stored_position_is_an_error() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let props = Props::from_iter([
            ("file".to_owned(), dir.path().join("in").display().to_string()),
            ("topic".to_owned(), "t".to_owned()),
        ]);
        let mut task = FileStreamSource::create_task(&props).unwrap();
        let stored = vec![(Arc::from("position"), Value::String("x".to_owned()))];
        let error = task.start(&SourceContext::new(Box::new(Stored(Some(stored))))).await.unwrap_err();
        assert_eq!(error.to_string(), "Offset position is the incorrect type");
    });
}

/// Puts `lines` and commits.
async fn sink(file: &Path, lines: &[Option<&str>]) {
    let props = Props::from_iter([("file".to_owned(), file.display().to_string())]);
    let mut task = FileStreamSink::create_task(&props).unwrap();
    task.start(&SinkContext::default()).await.unwrap();
    let value = Column::strings(StringViewArray::from_iter(lines.iter().copied()));
    let columns = Columns {
        key: Column::null(lines.len()),
        value,
        headers: Headers::none(),
        timestamps: Timestamps::None,
    };
    let from = TopicPartition { topic: Arc::from("t"), partition: 0 };
    let origin =
        Origin::Kafka { from, offsets: KafkaOffsets { base: 0, deltas: None, next: lines.len() as i64 } };
    let run = Run { topic: Arc::from("t"), partition: Some(0), origin, body: Body::Columns(columns) };
    task.put(&Batch { runs: vec![run] }).await.unwrap();
    task.pre_commit(SinkOffsets::new()).await.unwrap();
    task.stop().await.unwrap();
}

#[test]
fn appends_lines_and_prints_null_as_java_does() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("out");
        sink(&file, &[Some("one"), None]).await;
        sink(&file, &[Some("ü")]).await;
        assert_eq!(fs::read_to_string(&file).unwrap(), "one\nnull\nü\n");
    });
}

#[test]
fn a_line_torn_by_a_kill_does_not_swallow_the_next() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("out");
        append(&file, "whole\nto");
        sink(&file, &[Some("torn")]).await;
        assert_eq!(fs::read_to_string(&file).unwrap(), "whole\nto\ntorn\n");
    });
}

#[test]
fn a_sink_that_cannot_open_its_file_says_so_as_java_does() {
    run(async {
        let props = Props::from_iter([("file".to_owned(), "/nowhere/out".to_owned())]);
        let mut task = FileStreamSink::create_task(&props).unwrap();
        let error = task.start(&SinkContext::default()).await.unwrap_err();
        assert_eq!(error.to_string(), "Couldn't find or create file '/nowhere/out' for FileStreamSinkTask");
    });
}

/// Recorded from Java 4.3.0 through `PATCH /connectors/{name}/offsets`.
#[test]
fn offsets_from_outside_have_to_look_like_its_own() {
    let entry = |key: &str, value: Value| vec![(Arc::from(key), value)];
    let named = |key: &str| SourcePartition::new(entry(key, Value::String("/x".to_owned())));
    let props =
        Props::from_iter([("file", "/in"), ("topic", "t")].map(|(k, v)| (k.to_owned(), v.to_owned())));
    let check = |partition: SourcePartition, offset: Option<SourceOffset>| {
        FileStreamSource::alter_offsets(&props, &[(partition, offset)]).map_err(|error| error.to_string())
    };
    let position = |value| Some(entry("position", value));
    assert_eq!(check(named("filename"), position(Value::Int64(7))), Ok(true));
    assert_eq!(check(named("f"), None), Ok(true), "forgetting is always allowed");
    let refused = |partition, offset| check(partition, offset).unwrap_err();
    assert_eq!(
        refused(SourcePartition::none(), position(Value::Int64(1))),
        "Partition objects cannot be null"
    );
    assert_eq!(
        refused(named("f"), position(Value::Int64(1))),
        "Partition objects should contain the key 'filename'"
    );
    assert_eq!(
        refused(named("filename"), Some(Vec::new())),
        "Offset objects should either be null or contain the key 'position'"
    );
    assert_eq!(
        refused(named("filename"), position(Value::Int64(-1))),
        "The value for the 'position' key in the offset should be a non-negative value"
    );
    for other in [Value::Null, Value::Float64(1.5), Value::Boolean(true), Value::String("3".to_owned())] {
        assert_eq!(
            refused(named("filename"), position(other)),
            "The value for the 'position' key in the offset is expected to be a Long value"
        );
    }
    let stdin = Props::from_iter([("topic".to_owned(), "t".to_owned())]);
    let error = FileStreamSource::alter_offsets(&stdin, &[]).unwrap_err().to_string();
    assert!(
        error.starts_with("Offsets cannot be modified if the 'file' configuration is unspecified."),
        "{error}"
    );
}
