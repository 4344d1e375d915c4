//! A sink that never gives its thread back: what it shares a core with goes on elsewhere.

use std::path::Path;

use super::Setup;
use super::support::{complete_lines, wait_for};

/// Goal: I22. Method: two cores, so that of four sinks and a source some share theirs with the sink that blocks it.
#[test]
fn a_sink_that_blocks_its_core_stops_no_other_task() {
    let setup = Setup::new();
    let rest = setup.rest();
    let source = setup.create_source();
    let sinks = ["a", "b", "c", "d"].map(|name| (name, setup.path(name)));
    for (name, path) in &sinks {
        let config = [("connector.class", "FileStreamSink"), ("topics", &*setup.topic), ("file", path)];
        assert_eq!(rest.create(name, &config).status, 201);
    }
    setup.append("before\n");
    let everywhere = |line: &str| {
        sinks
            .iter()
            .all(|(_, path)| complete_lines(Path::new(path)).iter().any(|seen| seen == line))
            .then_some(())
    };
    wait_for("the first line at every sink", || everywhere("before"));
    let hog = [
        ("connector.class", "BlackholeSink"),
        ("topics", &*setup.topic),
        ("tier", "index"),
        ("fault", "hang"),
    ];
    assert_eq!(rest.create("hog", &hog).status, 201);
    rest.wait_for_states("hog", "RUNNING: RUNNING");
    for number in 0..3 {
        let line = format!("after {number}");
        setup.append(&format!("{line}\n"));
        wait_for("a line at every sink", || everywhere(&line));
    }
    for (name, _) in &sinks {
        rest.wait_for_states(name, "RUNNING: RUNNING");
    }
    rest.wait_for_states(&source, "RUNNING: RUNNING");
    assert_eq!(rest.send("DELETE", "/connectors/hog", None).status, 204, "it is given up, not waited for");
    assert_eq!(rest.states("hog"), "404");
}
