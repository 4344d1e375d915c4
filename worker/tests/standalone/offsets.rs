//! `aqueduct offsets` on the file of a stopped worker and through REST of a running one.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::support::{Broker, Process, complete_lines, unique, wait_for, write_properties};
use super::worker_file;

/// Runs the command; exit code, standard output and standard error.
fn offsets(arguments: &[&str]) -> (Option<i32>, String, String) {
    let program = std::env::var("AQUEDUCT_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_aqueduct").to_owned());
    let output = Command::new(program).arg("offsets").args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[track_caller]
fn done(arguments: &[&str]) -> String {
    let (code, output, errors) = offsets(arguments);
    assert_eq!(code, Some(0), "{arguments:?}: {output}{errors}");
    output
}

#[track_caller]
fn refused(arguments: &[&str]) -> String {
    let (code, output, errors) = offsets(arguments);
    assert_eq!((code, output.as_str()), (Some(1), ""), "{arguments:?}: {errors}");
    errors
}

/// Java's own file (recorded from ConnectStandalone 4.3.0): seen, changed, kept and brought back.
#[test]
fn javas_offsets_file_is_seen_and_changed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("connect.offsets");
    fs::write(&file, include_bytes!("../golden/java-4.3.0-offsets.bin")).unwrap();
    let path = file.to_str().unwrap();
    let properties = write_properties(&dir.path().join("w"), &[("offset.storage.file.filename", path)]);
    let partition = r#"{"filename":"/tmp/kj/in.txt"}"#;
    assert_eq!(done(&["--file", path, "list"]), "CONNECTOR    PARTITIONS\nfile-source  1\n");
    let shown = done(&["--worker", properties.to_str().unwrap(), "--json", "show", "file-source"]);
    let entry = json!({ "partition": { "filename": "/tmp/kj/in.txt" }, "offset": { "position": 792 } });
    assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), json!({ "offsets": [entry] }));
    let export = done(&["--file", path, "export"]);
    let kept = dir.path().join("kept.json");
    fs::write(&kept, &export).unwrap();
    done(&["--file", path, "set", "file-source", "--partition", partition, "--offset", r#"{"position":5}"#]);
    let text = done(&["--file", path, "show", "file-source"]);
    assert!(text.contains(r#"{"filename":"/tmp/kj/in.txt"}  {"position":5}"#), "{text}");
    done(&["--file", path, "set", "other", "--partition", r#"{"b":1,"a":"x"}"#, "--offset", r#"{"p":1}"#]);
    done(&["--file", path, "reset", "file-source"]);
    assert_eq!(done(&["--file", path, "list"]), "CONNECTOR  PARTITIONS\nother      1\n");
    done(&["--file", path, "import", kept.to_str().unwrap()]);
    assert_eq!(done(&["--file", path, "export", "file-source"]), export);
    done(&["--file", path, "reset", "other", "--partition", r#"{"a":"x","b":1}"#]);
    // Back to where it was, byte for byte.
    assert_eq!(fs::read(&file).unwrap(), include_bytes!("../golden/java-4.3.0-offsets.bin"));
}

#[test]
fn what_cannot_be_done_is_refused_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("connect.offsets").display().to_string();
    assert!(refused(&["--file", &path, "list"]).contains("there is no file"));
    let set = ["--file", &path, "set", "c", "--partition", "[]", "--offset", "{}"];
    assert!(refused(&set).contains("the partition is not a JSON object or null"));
    let nested = ["--file", &path, "set", "c", "--partition", "{}", "--offset", r#"{"n":{}}"#];
    assert!(
        refused(&nested)
            .contains("Offsets may only contain primitive types as values, but field n contains MAP")
    );
    assert!(offsets(&["list"]).2.contains("--file"), "a place is needed");
    fs::write(&path, "something else").unwrap();
    assert!(refused(&["--file", &path, "list"]).contains("was not written by Kafka Connect"));
    assert!(refused(&["--file", &path, "reset", "c"]).contains("was not written by Kafka Connect"));
    assert_eq!(fs::read(&path).unwrap(), b"something else");
}

#[test]
fn a_running_worker_is_changed_through_rest_and_its_file_is_left_alone() {
    let broker = Broker::start();
    let dir = tempfile::tempdir().unwrap();
    let (topic, input, output) = (unique("offsets"), dir.path().join("in"), dir.path().join("out"));
    fs::write(&input, "one\ntwo\n").unwrap();
    let worker = worker_file(&broker.bootstrap, dir.path(), &[]);
    let connector = |name: &str, class: &str, file: &std::path::Path, topic_key: &str| {
        let pairs = [
            ("name", name),
            ("connector.class", class),
            ("file", file.to_str().unwrap()),
            (topic_key, topic.as_str()),
        ];
        write_properties(&dir.path().join(name), &pairs)
    };
    // Its group is named after it, and a real broker remembers groups.
    let sink_name = format!("a-{topic}");
    let source = connector("source", "FileStreamSource", &input, "topic");
    let sink = connector(&sink_name, "FileStreamSink", &output, "topics");
    let mut process = Process::standalone(&worker, &[source, sink]);
    let rest = process.rest();
    let url = format!("http://{}", rest.address);
    wait_for("lines", || (complete_lines(&output).len() == 2).then_some(()));
    let width = sink_name.len();
    let list = format!("{:width$}  PARTITIONS\n{sink_name}  1\n{:width$}  1\n", "CONNECTOR", "source");
    wait_for("offsets", || (done(&["--url", &url, "list"]) == list).then_some(()));
    let path = dir.path().join("connect.offsets").display().to_string();
    let in_use = refused(&["--file", &path, "reset", "source"]);
    assert!(in_use.contains(&format!("in use by another worker (process {})", process.pid())), "{in_use}");
    assert!(done(&["--file", &path, "show", "source"]).contains(r#"{"position":8}"#), "reading is allowed");
    assert!(
        refused(&["--url", &url, "reset", "source"]).contains("400 Connectors must be in the STOPPED state")
    );
    assert!(refused(&["--url", &url, "show", "nope"]).contains("404 Connector nope not found"));
    for name in ["source", &sink_name] {
        assert_eq!(rest.send("PUT", &format!("/connectors/{name}/stop"), None).status, 204);
        let message = "The offsets for this connector have been reset successfully\n";
        assert_eq!(done(&["--url", &url, "reset", name]), message);
    }
    let partition = format!(r#"{{"filename":"{}"}}"#, input.display());
    done(&["--url", &url, "set", "source", "--partition", &partition, "--offset", r#"{"position":4}"#]);
    assert_eq!(process.terminate(), Some(0));
    assert!(done(&["--file", &path, "show", "source"]).contains(r#"{"position":4}"#));
    done(&["--file", &path, "reset", "source"]);
}

/// An answered change is on disk: a worker that is killed the moment after has lost nothing.
#[test]
fn an_answered_change_survives_a_kill() {
    let broker = Broker::start();
    let dir = tempfile::tempdir().unwrap();
    let worker = worker_file(&broker.bootstrap, dir.path(), &[]);
    let path = dir.path().join("connect.offsets").display().to_string();
    for position in 1..=3 {
        let mut process = Process::standalone(&worker, &[]);
        let rest = process.rest();
        let config = json!({ "connector.class": "FileStreamSource", "file": "/nowhere", "topic": "t" });
        let body = json!({ "name": "source", "config": config, "initial_state": "STOPPED" }).to_string();
        assert_eq!(rest.send("POST", "/connectors", Some(&body)).status, 201);
        let entry = json!({ "partition": { "filename": "/nowhere" }, "offset": { "position": position } });
        let body = json!({ "offsets": [entry] }).to_string();
        assert_eq!(rest.send("PATCH", "/connectors/source/offsets", Some(&body)).status, 200);
        process.kill();
        let shown = done(&["--file", &path, "--json", "show", "source"]);
        assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), json!({ "offsets": [entry] }));
    }
}
