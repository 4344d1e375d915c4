//! The topics that connectors have used (KIP-558). Expected answers were recorded from Java Connect 4.3.0.

use super::support::wait_for;
use super::{Setup, check, check_error};

#[test]
fn topics_are_those_that_records_went_to_and_came_from() {
    let setup = Setup::new();
    let rest = setup.rest();
    let (source, sink, topic) = (setup.create_source(), setup.create_sink(), &setup.topic);
    check(rest, "GET", "/connectors/nope/topics", "", 200, r#"{"nope":{"topics":[]}}"#);
    check(rest, "PUT", "/connectors/nope/topics/reset", "", 202, "");
    rest.wait_for_states(&sink, "RUNNING: RUNNING");
    let none = |name: &str| format!(r#"{{"{name}":{{"topics":[]}}}}"#);
    let one = |name: &str| format!(r#"{{"{name}":{{"topics":["{topic}"]}}}}"#);
    let path = |name: &str| format!("/connectors/{name}/topics");
    check(rest, "GET", &path(&sink), "", 200, &none(&sink));
    setup.append("one\n");
    for name in [&source, &sink] {
        wait_for("the topic", || (rest.get(&path(name)).body == one(name)).then_some(()));
        check(rest, "PUT", &format!("/connectors/{name}/topics/reset"), "", 202, "");
        check(rest, "GET", &path(name), "", 200, &none(name));
    }
    setup.append("two\n");
    for name in [&source, &sink] {
        wait_for("the topic again", || (rest.get(&path(name)).body == one(name)).then_some(()));
        // What tasks used that have ended is remembered, until the connector is deleted.
        check(rest, "PUT", &format!("/connectors/{name}/stop"), "", 204, "");
        check(rest, "GET", &path(name), "", 200, &one(name));
        check(rest, "DELETE", &format!("/connectors/{name}"), "", 204, "");
        check(rest, "GET", &path(name), "", 200, &none(name));
    }
}

#[test]
fn tracking_may_be_switched_off() {
    let setup = Setup::with(&[("topic.tracking.enable", "false")]);
    let rest = setup.rest();
    check_error(rest, "GET", "/connectors/c/topics", "", 403, "Topic tracking is disabled.");
    check_error(rest, "PUT", "/connectors/c/topics/reset", "", 403, "Topic tracking is disabled.");
    let setup = Setup::with(&[("topic.tracking.allow.reset", "false")]);
    let rest = setup.rest();
    check(rest, "GET", "/connectors/c/topics", "", 200, r#"{"c":{"topics":[]}}"#);
    check_error(rest, "PUT", "/connectors/c/topics/reset", "", 403, "Topic tracking reset is disabled.");
}
