//! The suite that every connector passes.

use std::fs;

use api::Props;
use api::conformance::{SinkCase, SourceCase, sink, source};
use connector_file::{FileStreamSink, FileStreamSource};

#[test]
fn the_source_conforms() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("in");
    let text: String = (0..500).map(|line| format!("line {line} {}\r\n", "ä".repeat(line % 70))).collect();
    fs::write(&path, text).unwrap();
    let props = Props::from_iter([
        ("file".to_owned(), path.display().to_string()),
        ("topic".to_owned(), "t".to_owned()),
        ("batch.size".to_owned(), "37".to_owned()),
    ]);
    source::<FileStreamSource>(|| SourceCase { props: props.clone(), records: 500, ends: true });
}

#[test]
fn the_sink_conforms() {
    let dir = tempfile::tempdir().unwrap();
    let mut count = 0;
    sink::<FileStreamSink>(|| {
        count += 1;
        let path = dir.path().join(format!("out{count}"));
        let props = Props::from_iter([("file".to_owned(), path.display().to_string())]);
        let arrived = move || fs::read_to_string(&path).unwrap().lines().map(str::to_owned).collect();
        SinkCase { props, arrived: Some(Box::new(arrived)) }
    });
}
