//! The status log by itself.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::herd::State;
use crate::store::LogRecord;

fn status(state: State, worker: &str, generation: i32) -> StoredStatus {
    StoredStatus { state, trace: None, worker_id: worker.into(), generation, version: None }
}

fn connector(name: &str) -> Subject {
    Subject::Connector(name.into())
}

fn task(name: &str, number: u32) -> Subject {
    Subject::Task(name.into(), number)
}

fn read(log: &mut StatusLog, record: &LogRecord) {
    log.apply(Some(&record.key), record.value.as_deref());
}

/// Writes as another worker does, whose writes have come through the topic.
fn told(log: &mut StatusLog, subject: Subject, status: &StoredStatus) {
    let write = StatusLog::new().write(subject, status, false).unwrap();
    read(log, &write.record);
}

#[test]
fn records_are_byte_for_byte_javas() {
    let mut log = StatusLog::new();
    let mut failed = status(State::Failed, "h:8083", 7);
    failed.trace = Some("java.lang.X: \"y\"\n\tat z".to_owned());
    let write = log.write(connector("c"), &failed, false).unwrap();
    assert_eq!(write.record.key, "status-connector-c");
    assert_eq!(
        write.record.value.unwrap(),
        r#"{"state":"FAILED","trace":"java.lang.X: \"y\"\n\tat z","worker_id":"h:8083","generation":7,"version":null}"#
    );
    let running = StoredStatus { version: Some("4.3.0".into()), ..status(State::Running, "h:8083", 3) };
    let write = log.write(task("a-b", 2), &running, false).unwrap();
    assert_eq!(write.record.key, "status-task-a-b-2");
    let expected =
        r#"{"state":"RUNNING","trace":null,"worker_id":"h:8083","generation":3,"version":"4.3.0"}"#;
    assert_eq!(write.record.value.unwrap(), expected);
    let topic =
        TopicStatus { topic: "t".into(), connector: "s".into(), task: 0, discovered_ms: 1_700_000_000_000 };
    let write = log.write_topic(&topic);
    assert_eq!(write.record.key, "status-topic-t:connector-s");
    let expected = r#"{"topic":{"name":"t","connector":"s","task":0,"discoverTimestamp":1700000000000}}"#;
    assert_eq!(write.record.value.as_ref().unwrap(), expected);
    read(&mut log, &write.record);
    assert_eq!(log.topic("s", "t"), Some(&topic));
    let removal = log.delete_topic("s", "t");
    read(&mut log, &removal.record);
    assert_eq!(log.topics("s").count(), 0);
}

#[test]
fn a_status_counts_once_it_comes_back() {
    let mut log = StatusLog::new();
    let running = status(State::Running, "a", 1);
    let write = log.write(task("c", 0), &running, false).unwrap();
    assert_eq!((log.task("c", 0), log.tasks("c").count()), (None, 0));
    read(&mut log, &write.record);
    assert_eq!(log.task("c", 0), Some(&running));
    let removal = log.delete(task("c", 0), 1);
    assert_eq!(removal.record, LogRecord::tombstone("status-task-c-0"));
    assert_eq!(log.task("c", 0), Some(&running));
    read(&mut log, &removal.record);
    assert_eq!((log.task("c", 0), log.connectors()), (None, Vec::<Arc<str>>::new()));
}

#[test]
fn a_worker_that_lost_a_task_does_not_overwrite_its_new_owner() {
    let mut log = StatusLog::new();
    told(&mut log, task("c", 0), &status(State::Running, "new", 5));
    assert!(log.write(task("c", 0), &status(State::Failed, "old", 4), true).is_none());
    assert!(
        log.write(task("c", 0), &status(State::Failed, "old", 5), true).is_some(),
        "not an older generation"
    );
    assert!(log.write(task("c", 0), &status(State::Failed, "new", 1), true).is_some(), "its own status");
    assert!(
        log.write(task("c", 1), &status(State::Failed, "old", 1), true).is_some(),
        "nobody else has said anything"
    );
    assert!(
        log.write(task("c", 0), &status(State::Running, "old", 4), false).is_some(),
        "not asked to be safe"
    );
}

#[test]
fn an_unassigned_that_comes_late_is_not_believed() {
    let mut log = StatusLog::new();
    told(&mut log, task("c", 0), &status(State::Running, "new", 5));
    told(&mut log, task("c", 0), &status(State::Unassigned, "old", 5));
    assert_eq!(log.task("c", 0).unwrap().state, State::Running);
    told(&mut log, task("c", 0), &status(State::Unassigned, "new", 6));
    assert_eq!(log.task("c", 0).unwrap().state, State::Unassigned);
    told(&mut log, connector("c"), &status(State::Running, "new", 5));
    told(&mut log, connector("c"), &status(State::Unassigned, "old", 4));
    assert_eq!(log.connector("c").unwrap().state, State::Running);
    told(&mut log, connector("c"), &status(State::Paused, "new", 5));
    told(&mut log, connector("c"), &status(State::Unassigned, "old", 5));
    assert_eq!(log.connector("c").unwrap().state, State::Paused);
    told(&mut log, connector("c"), &status(State::Unassigned, "new", 5));
    assert_eq!(log.connector("c").unwrap().state, State::Unassigned);
}

#[test]
fn what_is_no_longer_true_is_not_written_again() {
    let mut log = StatusLog::new();
    let running = log.write(connector("c"), &status(State::Running, "a", 1), false).unwrap();
    assert!(log.may_retry(&running));
    let later = log.write(connector("d"), &status(State::Running, "a", 2), false).unwrap();
    assert!(log.may_retry(&running), "what did not move is not said again by anybody else");
    told(&mut log, connector("c"), &status(State::Running, "b", 2));
    assert!(!log.may_retry(&running), "it has moved");
    assert!(log.may_retry(&later));

    let safe = log.write(connector("d"), &status(State::Failed, "a", 2), true).unwrap();
    assert!(log.may_retry(&safe));
    told(&mut log, connector("d"), &status(State::Running, "b", 3));
    assert!(!log.may_retry(&safe), "somebody else has it");
    assert!(!log.may_retry(&later), "a newer write is on its way");
    told(&mut log, connector("d"), &status(State::Running, "a", 2));
    log.write(connector("d"), &status(State::Paused, "a", 2), false).unwrap();
    assert!(!log.may_retry(&safe), "a newer write is on its way");

    read(&mut log, &LogRecord::tombstone("status-connector-d"));
    told(&mut log, connector("d"), &status(State::Running, "a", 2));
    assert!(!log.may_retry(&later), "it was deleted, even though it is there again");
    let topic = log.delete_topic("c", "t");
    assert!(log.may_retry(&topic));
}

#[test]
fn a_deleted_connector_takes_its_tasks_with_it() {
    let mut log = StatusLog::new();
    told(&mut log, connector("c"), &status(State::Running, "a", 1));
    told(&mut log, task("c", 0), &status(State::Running, "a", 1));
    told(&mut log, task("d", 0), &status(State::Running, "a", 1));
    assert_eq!(log.connectors(), ["c".into(), "d".into()]);
    read(&mut log, &LogRecord::tombstone("status-connector-c"));
    assert_eq!((log.tasks("c").count(), log.connectors()), (0, vec!["d".into()]));
}

#[test]
fn statuses_of_older_workers_have_no_version() {
    let mut log = StatusLog::new();
    let older = r#"{"state":"RUNNING","trace":null,"worker_id":"a","generation":1}"#;
    log.apply(Some(b"status-connector-c"), Some(older.as_bytes()));
    assert_eq!(log.connector("c"), Some(&status(State::Running, "a", 1)));
}

#[test]
fn broken_statuses_change_nothing() {
    let mut log = StatusLog::new();
    told(&mut log, connector("c"), &status(State::Running, "a", 1));
    for broken in [
        "",
        "1",
        "{",
        "{}",
        r#"{"state":"DESTROYED","trace":null,"worker_id":"a","generation":1}"#,
        r#"{"state":"RUNNING","trace":1,"worker_id":"a","generation":1}"#,
        r#"{"state":"RUNNING","trace":null,"worker_id":null,"generation":1}"#,
        r#"{"state":"RUNNING","trace":null,"worker_id":"a","generation":1.5}"#,
    ] {
        log.apply(Some(b"status-connector-c"), Some(broken.as_bytes()));
        assert_eq!(log.connector("c"), Some(&status(State::Running, "a", 1)), "{broken}");
    }
    log.apply(Some(b"status-topic-t:connector-c"), Some(br#"{"topic":{"name":"t"}}"#));
    log.apply(None, None);
    assert_eq!(log.topics("c").count(), 0);
}

proptest! {
    /// I18: whatever is delayed, a worker that writes safely never writes over what another one said in a newer generation.
    #[test]
    fn safe_writes_never_replace_newer_ones_of_others(
        steps in prop::collection::vec((0..3usize, 1..6i32, any::<bool>()), 1..30)
    ) {
        let workers = ["a", "b", "c"];
        let mut log = StatusLog::new();
        for (worker, generation, comes_back) in steps {
            let status = status(State::Failed, workers[worker], generation);
            let known = log.connector("c").cloned();
            let is_newer = known.is_some_and(|known| {
                *known.worker_id != *workers[worker] && known.generation > generation
            });
            let write = log.write(connector("c"), &status, true);
            prop_assert_eq!(write.is_none(), is_newer);
            if let Some(write) = write.filter(|_| comes_back) {
                read(&mut log, &write.record);
                prop_assert_eq!(log.connector("c"), Some(&status));
            }
        }
    }
}
