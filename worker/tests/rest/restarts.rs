//! Restarts that nobody asked for (`aqueduct.restart.*`).

use serde_json::{Value, json};

use super::Setup;
use super::support::wait_for;

#[test]
fn a_task_that_fails_is_tried_again_and_status_says_so() {
    let setup = Setup::new();
    let rest = setup.rest();
    let source = setup.create_source();
    setup.append("one\n");
    let config = |more: Value| {
        let mut config = json!({ "connector.class": "test.FailingSinkConnector", "topics": setup.topic });
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "name": "failing", "config": config }).to_string()
    };
    let refused =
        rest.send("POST", "/connectors", Some(&config(json!({ "aqueduct.restart.max.attempts": "x" }))));
    assert!(refused.status == 400 && refused.body.contains("aqueduct.restart.max.attempts"), "{refused:?}");
    let keys = json!({ "aqueduct.restart.max.attempts": "2", "aqueduct.restart.backoff.ms": "100" });
    assert_eq!(rest.send("POST", "/connectors", Some(&config(keys))).status, 201);
    let shown = wait_for("the last attempt", || {
        let task = rest.get("/connectors/failing/tasks/0/status").json();
        (task["restart"]["attempts"] == 2 && task["restart"]["next_try"].is_null()).then_some(task)
    });
    assert_eq!(
        (shown["state"].as_str(), shown["restart"]["max_attempts"].as_u64()),
        (Some("FAILED"), Some(2))
    );
    assert_eq!(shown["restart"]["reason"], "it failed as often in a row as it may");
    assert!(shown["trace"].as_str().unwrap().contains("the disk of the test is full"));
    drop(source);
}
