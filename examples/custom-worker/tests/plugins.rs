//! Our plug-ins are what the engine expects, and our worker has them.

use api::conformance::{SinkCase, SourceCase, converter, sink, source, transform};
use api::{Body, Column, Columns, Headers, Props, Timestamps};
use custom_worker::{HexConverter, LineSink, Stamp, TickSource};

fn props(settings: &[(&str, &str)]) -> Props {
    settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn the_source_conforms() {
    let settings = [("topic", "t"), ("interval.ms", "1"), ("ticks.max", "50")];
    source::<TickSource>(|| SourceCase { props: props(&settings), records: 50, ends: true });
}

#[test]
fn the_sink_conforms() {
    let dir = tempfile::tempdir().unwrap();
    let mut count = 0;
    sink::<LineSink>(|| {
        count += 1;
        let path = dir.path().join(count.to_string());
        let props = props(&[("file", path.to_str().unwrap())]);
        let arrived = move || {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            text.lines().filter_map(|line| Some(line.split_once(' ')?.1.to_owned())).collect()
        };
        SinkCase { props, arrived: Some(Box::new(arrived)) }
    });
}

#[test]
fn the_converter_conforms() {
    converter::<HexConverter>(&Props::new(), &[b"00ff", b"", b"C0FFEE"]);
}

#[test]
fn the_transform_conforms_and_stamps() {
    let columns = Columns {
        key: Column::null(3),
        value: Column::null(3),
        headers: Headers::none(),
        timestamps: Timestamps::None,
    };
    for run in transform::<Stamp>(&props(&[("site", "north")]), columns) {
        let Body::Columns(columns) = run.body else { panic!("transforms give columns") };
        let keys: Vec<_> = columns.headers.iter(0).map(|header| header.key.to_vec()).collect();
        assert_eq!(keys, [b"site".to_vec()]);
    }
}

#[test]
fn the_worker_answers_to_their_names() {
    let plugins = worker::config::Plugins::new(custom_worker::registry());
    for name in ["TickSource", "LineSink"] {
        assert!(plugins.connector(name).is_ok(), "{name}");
    }
    assert!(plugins.transform("Stamp").is_some());
    assert!(plugins.converter("Hex").is_some() && plugins.header_converter("Hex").is_some());
}
