//! Offsets through REST (KIP-875). Expected answers were recorded from Java Connect 4.3.0.

use serde_json::json;

use super::support::{Rest, complete_lines, unique, wait_for};
use super::{Setup, check, check_error};

const ALTERED: &str = r#"{"message":"The offsets for this connector have been altered successfully"}"#;
const RESET: &str = r#"{"message":"The offsets for this connector have been reset successfully"}"#;

fn not_stopped(name: &str) -> String {
    format!(
        "Connectors must be in the STOPPED state before their offsets can be modified. This can be done for the specified \
         connector by issuing a 'PUT' request to the '/connectors/{name}/stop' endpoint"
    )
}

fn one(partition: &str, offset: &str) -> String {
    format!(r#"{{"offsets":[{{"partition":{partition},"offset":{offset}}}]}}"#)
}

#[track_caller]
fn wait_for_offsets(rest: &Rest, path: &str, expected: &str) {
    wait_for(expected, || (rest.get(path).body == expected).then_some(()));
}

fn stop(rest: &Rest, name: &str) {
    check(rest, "PUT", &format!("/connectors/{name}/stop"), "", 204, "");
}

#[test]
fn source_offsets_are_listed_altered_and_reset() {
    let setup = Setup::new();
    let rest = setup.rest();
    let name = setup.create_source();
    let sink = setup.create_sink();
    let path = format!("/connectors/{name}/offsets");
    setup.append("one\ntwo\nthree\n");
    let file = setup.path("in.txt");
    let partition = format!(r#"{{"filename":"{file}"}}"#);
    let listed = |position: u32| {
        format!(r#"{{"offsets":[{{"partition":{partition},"offset":{{"position":{position}}}}}]}}"#)
    };
    wait_for_offsets(rest, &path, &listed(14));
    check_error(rest, "PATCH", &path, &one(&partition, "null"), 400, &not_stopped(&name));
    check_error(rest, "DELETE", &path, "", 400, &not_stopped(&name));
    stop(rest, &name);
    check(rest, "PATCH", &path, &one(&partition, r#"{"position":4}"#), 200, ALTERED);
    check(rest, "GET", &path, "", 200, &listed(4));
    // Durable before the answer, and in Java's format.
    let stored = std::fs::read(setup.dir.path().join("connect.offsets")).unwrap();
    let entries = worker::store::read_java_map(&stored.into()).unwrap();
    let key = format!(r#"["{name}",{partition}]"#);
    assert_eq!(entries.get(key.as_bytes()).unwrap(), &br#"{"position":4}"#[..]);
    // The task goes on from there.
    check(rest, "PUT", &format!("/connectors/{name}/resume"), "", 202, "");
    wait_for("the lines again", || {
        (complete_lines(setup.path("out.txt").as_ref()) == ["one", "two", "three", "two", "three"])
            .then_some(())
    });
    stop(rest, &name);
    check(rest, "DELETE", &path, "", 200, RESET);
    check(rest, "GET", &path, "", 200, r#"{"offsets":[]}"#);
    check(rest, "DELETE", &path, "", 200, RESET);
    drop(sink);
}

#[test]
fn source_offsets_that_make_no_sense_are_refused_as_java_refuses_them() {
    let setup = Setup::new();
    let rest = setup.rest();
    let name = setup.create_source();
    let path = format!("/connectors/{name}/offsets");
    stop(rest, &name);
    let fails = |partition: &str, offset: &str, message: &str| {
        check_error(rest, "PATCH", &path, &one(partition, offset), 500, message);
    };
    let (f, p1) = (r#"{"filename":"/f"}"#, r#"{"position":1}"#);
    check(rest, "PATCH", &path, r#"{"offsets":[{}]}"#, 200, ALTERED);
    check(rest, "PATCH", &path, &one("null", "null"), 200, ALTERED);
    check(rest, "PATCH", &path, &one(r#"{"f":"x"}"#, "null"), 200, ALTERED);
    fails("null", p1, "Partition objects cannot be null");
    fails("{}", p1, "Partition objects should contain the key 'filename'");
    fails(f, "{}", "Offset objects should either be null or contain the key 'position'");
    fails(
        f,
        r#"{"position":"3"}"#,
        "The value for the 'position' key in the offset is expected to be a Long value",
    );
    fails(
        f,
        r#"{"position":-1}"#,
        "The value for the 'position' key in the offset should be a non-negative value",
    );
    let primitive = "Offsets may only contain primitive types as values, but field";
    fails(f, r#"{"n":{"a":1}}"#, &format!("{primitive} n contains MAP"));
    fails(r#"{"filename":[1]}"#, p1, &format!("{primitive} filename contains ARRAY"));
    let huge = r#"{"position":99999999999999999999}"#;
    fails(f, huge, &format!("{primitive} position contains class java.math.BigInteger"));
    check(rest, "GET", &path, "", 200, r#"{"offsets":[]}"#);
    // Java's order: of the fields within a map, and of the partitions.
    for (partition, offset) in [
        (r#"{"filename":1}"#, p1),
        (r#"{"y":1,"filename":"/x"}"#, p1),
        (r#"{"filename":null}"#, p1),
        (r#"{"filename":"/tmp/op/in.txt"}"#, r#"{"position":1,"z":2}"#),
        (r#"{"filename":"/a"}"#, r#"{"position":2}"#),
    ] {
        check(rest, "PATCH", &path, &one(partition, offset), 200, ALTERED);
    }
    let listed = r#"{"offsets":[{"partition":{"filename":"/a"},"offset":{"position":2}},{"partition":{"filename":1},"offset":{"position":1}},{"partition":{"filename":"/x","y":1},"offset":{"position":1}},{"partition":{"filename":null},"offset":{"position":1}},{"partition":{"filename":"/tmp/op/in.txt"},"offset":{"z":2,"position":1}}]}"#;
    check(rest, "GET", &path, "", 200, listed);
    // They survive the connector, and are nobody else's.
    check(rest, "DELETE", &format!("/connectors/{name}"), "", 204, "");
    check_error(rest, "GET", &path, "", 404, &format!("Connector {name} not found"));
    let other = format!("{name}x");
    let config = json!({ "connector.class": "FileStreamSource", "topic": "t", "file": "/nowhere" });
    let create = |name: &str| {
        let body = json!({ "name": name, "config": config, "initial_state": "STOPPED" }).to_string();
        assert_eq!(rest.send("POST", "/connectors", Some(&body)).status, 201);
    };
    create(&other);
    check(rest, "GET", &format!("/connectors/{other}/offsets"), "", 200, r#"{"offsets":[]}"#);
    check(rest, "DELETE", &format!("/connectors/{other}/offsets"), "", 200, RESET);
    create(&name);
    check(rest, "GET", &path, "", 200, listed);
}

#[test]
fn requests_that_are_no_offsets_are_refused_before_the_connector_is_looked_for() {
    let setup = Setup::new();
    let rest = setup.rest();
    let path = "/connectors/nope/offsets";
    for body in ["{}", r#"{"offsets":[]}"#, r#"{"offsets":null}"#] {
        let message = "Partitions / offsets need to be provided for an alter offsets request";
        check_error(rest, "PATCH", path, body, 400, message);
    }
    for body in ["[]", r#"{"x":1}"#, r#"{"offsets":{}}"#, r#"{"offsets":[1]}"#, "{bad"] {
        assert_eq!(rest.send("PATCH", path, Some(body)).status, 500, "{body}");
    }
    for body in ["null", r#"{"offsets":[null]}"#] {
        assert_eq!(rest.send("PATCH", path, Some(body)).status, 400, "{body}");
    }
    check_error(rest, "PATCH", path, r#"{"offsets":[{}]}"#, 404, "Connector nope not found");
    check_error(rest, "DELETE", path, "", 404, "Connector nope not found");
    let (class, topic) = ("FileStreamSource", setup.topic.as_str());
    assert_eq!(rest.create("stdin", &[("connector.class", class), ("topic", topic)]).status, 201);
    stop(rest, "stdin");
    let refused = rest.send("PATCH", "/connectors/stdin/offsets", Some(r#"{"offsets":[{}]}"#));
    assert!(refused.status == 500 && refused.body.contains("because stdin is used"), "{refused:?}");
}

#[test]
fn sink_offsets_are_those_of_its_group() {
    let setup = Setup::new();
    let rest = setup.rest();
    let source = setup.create_source();
    let name = setup.create_sink();
    let path = format!("/connectors/{name}/offsets");
    let topic = &setup.topic;
    check(rest, "GET", &path, "", 200, r#"{"offsets":[]}"#);
    setup.append("one\ntwo\nthree\n");
    let partition = format!(r#"{{"kafka_topic":"{topic}","kafka_partition":0}}"#);
    let listed = |offset: u32| {
        format!(
            r#"{{"offsets":[{{"partition":{{"kafka_partition":0,"kafka_topic":"{topic}"}},"offset":{{"kafka_offset":{offset}}}}}]}}"#
        )
    };
    wait_for_offsets(rest, &path, &listed(3));
    check_error(rest, "DELETE", &path, "", 400, &not_stopped(&name));
    stop(rest, &name);
    check(rest, "PATCH", &path, &one(&partition, r#"{"kafka_offset":"2"}"#), 200, ALTERED);
    check(rest, "GET", &path, "", 200, &listed(2));
    check(rest, "PUT", &format!("/connectors/{name}/resume"), "", 202, "");
    wait_for("the last line again", || (setup.output() == ["one", "two", "three", "three"]).then_some(()));
    wait_for_offsets(rest, &path, &listed(3));
    stop(rest, &name);
    check_error(
        rest,
        "PATCH",
        &path,
        &one("null", "null"),
        400,
        "The partition for a sink connector offset cannot be null or missing",
    );
    let negative = format!("Failed to modify offsets for sink connector {name}");
    check_error(rest, "PATCH", &path, &one(&partition, r#"{"kafka_offset":-1}"#), 500, &negative);
    // Valid partitions of a request that fails are changed all the same.
    let unknown = unique("unknown");
    let mixed = format!(
        r#"{{"offsets":[{{"partition":{partition},"offset":{{"kafka_offset":1}}}},
            {{"partition":{{"kafka_topic":"{unknown}","kafka_partition":0}},"offset":{{"kafka_offset":1}}}}]}}"#
    );
    let failed = format!("Failed to alter consumer group offsets for connector {name}");
    check_error(rest, "PATCH", &path, &mixed, 500, &failed);
    check(rest, "GET", &path, "", 200, &listed(1));
    check(rest, "PATCH", &path, &one(&partition, "null"), 200, ALTERED);
    check(rest, "GET", &path, "", 200, r#"{"offsets":[]}"#);
    check(rest, "PATCH", &path, &one(&partition, r#"{"kafka_offset":1}"#), 200, ALTERED);
    check(rest, "DELETE", &path, "", 200, RESET);
    check(rest, "GET", &path, "", 200, r#"{"offsets":[]}"#);
    check(rest, "DELETE", &path, "", 200, RESET);
    drop(source);
}

/// A group that somebody else reads with is not changed under them.
#[test]
fn a_group_with_members_is_left_alone() {
    let setup = Setup::new();
    let rest = setup.rest();
    let topic = &setup.topic;
    let source = setup.create_source();
    setup.append("one\n");
    let group = unique("shared");
    let create = |name: &str, state: &str| {
        let config = json!({
            "connector.class": "FileStreamSink", "topics": topic, "file": setup.path(name),
            "consumer.override.group.id": group,
        });
        let body = json!({ "name": name, "config": config, "initial_state": state }).to_string();
        assert_eq!(rest.send("POST", "/connectors", Some(&body)).status, 201);
    };
    create("reader", "RUNNING");
    create("stopped", "STOPPED");
    let listed = format!(
        r#"{{"offsets":[{{"partition":{{"kafka_partition":0,"kafka_topic":"{topic}"}},"offset":{{"kafka_offset":1}}}}]}}"#
    );
    wait_for_offsets(rest, "/connectors/stopped/offsets", &listed);
    let partition = format!(r#"{{"kafka_topic":"{topic}","kafka_partition":0}}"#);
    let answer =
        rest.send("PATCH", "/connectors/stopped/offsets", Some(&one(&partition, r#"{"kafka_offset":0}"#)));
    let text = "Failed to alter consumer group offsets for connector stopped either because its tasks haven't stopped completely";
    assert!(answer.status == 500 && answer.body.contains(text), "{answer:?}");
    let answer = rest.send("DELETE", "/connectors/stopped/offsets", None);
    let text = text.replace("alter", "reset");
    assert!(answer.status == 500 && answer.body.contains(&text), "{answer:?}");
    drop(source);
}
