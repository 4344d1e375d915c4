//! The config log by itself: single records, and properties over whole histories with crashes and compaction.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::config::{RawConfig, TargetState};
use crate::store::LogRecord;

fn raw(entries: &[(&str, &str)]) -> RawConfig {
    entries.iter().map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned()))).collect()
}

/// Applies records from offset 0 on.
fn read(log: &mut ConfigLog, records: impl IntoIterator<Item = LogRecord>) -> Vec<ConfigEvent> {
    let start = log.snapshot().offset().max(0);
    let records = (start..).zip(records);
    records
        .filter_map(|(offset, record)| log.apply(offset, Some(&record.key), record.value.as_deref()))
        .collect()
}

fn text(key: &str, value: &str) -> LogRecord {
    LogRecord::new(key.to_owned(), value.to_owned())
}

fn value(record: &LogRecord) -> &str {
    std::str::from_utf8(record.value.as_ref().unwrap()).unwrap()
}

#[test]
fn records_are_byte_for_byte_javas() {
    let config: RawConfig = [("file".to_owned(), Some("/ä\"😀".to_owned())), ("x".to_owned(), None)].into();
    let record = records::connector("s", &config);
    assert_eq!(record.key, "connector-s");
    assert_eq!(value(&record), r#"{"properties":{"file":"/ä\"\uD83D\uDE00","x":null}}"#);
    let record = records::task("a-b", 3, &RawConfig::new());
    assert_eq!((record.key.as_ref(), value(&record)), (&b"task-a-b-3"[..], r#"{"properties":{}}"#));
    assert_eq!(value(&records::commit("s", 1)), r#"{"tasks":1}"#);
    for (state, json) in [
        (TargetState::Started, r#"{"state":"STARTED","state.v2":"STARTED"}"#),
        (TargetState::Paused, r#"{"state":"PAUSED","state.v2":"PAUSED"}"#),
        (TargetState::Stopped, r#"{"state":"PAUSED","state.v2":"STOPPED"}"#),
    ] {
        assert_eq!(value(&records::target_state("s", state)), json);
    }
    let record = records::task_count("s", 2);
    assert_eq!((record.key.as_ref(), value(&record)), (&b"tasks-fencing-s"[..], r#"{"task-count":2}"#));
    let key = SessionKey { key: Arc::from(*b"key"), algorithm: "HmacSHA256".into(), created_ms: 17 };
    let record = records::session_key(&key);
    assert_eq!(value(&record), r#"{"key":"a2V5","algorithm":"HmacSHA256","creation-timestamp":17}"#);
    let request = RestartRequest { connector: "s".into(), only_failed: true, include_tasks: false };
    let record = records::restart(&request);
    assert_eq!(record.key, "restart-connector-s");
    assert_eq!(value(&record), r#"{"include-tasks":false,"only-failed":true}"#);
    let record = records::logger_level("org.x", "DEBUG");
    assert_eq!((record.key.as_ref(), value(&record)), (&b"logger-cluster-org.x"[..], r#"{"level":"DEBUG"}"#));
}

#[test]
fn tasks_take_effect_with_their_commit() {
    let mut log = ConfigLog::new();
    let tasks = [raw(&[("n", "0")]), raw(&[("n", "1")])];
    let events = read(
        &mut log,
        [
            records::connector("c", &raw(&[("v", "1")])),
            records::task("c", 0, &tasks[0]),
            records::task("c", 1, &tasks[1]),
        ],
    );
    assert_eq!(events, [ConfigEvent::ConnectorUpdated { connector: "c".into() }]);
    let before = log.snapshot();
    assert_eq!((before.tasks("c"), before.task_config("c", 0), before.offset()), (0..0, None, 3));
    assert_eq!((before.task_config_generation("c"), before.is_pending_fencing("c")), (None, false));

    let events = read(&mut log, [records::commit("c", 2)]);
    assert_eq!(events, [ConfigEvent::TasksUpdated { connector: "c".into(), tasks: vec![0, 1] }]);
    let after = log.snapshot();
    assert_eq!((after.tasks("c"), after.task_config_generation("c")), (0..2, Some(0)));
    assert_eq!(after.task_config("c", 1).unwrap().as_ref(), &tasks[1]);
    assert_eq!(after.applied_config("c").unwrap().as_ref(), &raw(&[("v", "1")]));
    assert!(after.is_pending_fencing("c"));
    assert_eq!(before.tasks("c"), 0..0, "who reads an older snapshot sees the older state");

    read(&mut log, [records::task_count("c", 2), records::connector("c", &raw(&[("v", "2")]))]);
    let after = log.snapshot();
    assert_eq!((after.task_count_record("c"), after.is_pending_fencing("c")), (Some(2), false));
    assert_eq!(
        after.applied_config("c").unwrap().as_ref(),
        &raw(&[("v", "1")]),
        "not before the next commit"
    );
}

#[test]
fn a_set_with_a_gap_is_no_set() {
    let mut log = ConfigLog::new();
    let empty = RawConfig::new();
    let events = read(
        &mut log,
        [records::connector("c", &empty), records::task("c", 1, &empty), records::commit("c", 2)],
    );
    assert_eq!(events[1], ConfigEvent::TasksUpdated { connector: "c".into(), tasks: Vec::new() });
    let snapshot = log.snapshot();
    assert!(snapshot.is_inconsistent("c"));
    assert_eq!((snapshot.tasks("c"), snapshot.task_count("c")), (0..0, 2));
    // What was written for the broken set does not complete the next one.
    read(&mut log, [records::task("c", 0, &empty), records::commit("c", 2)]);
    assert!(log.snapshot().is_inconsistent("c"));
    read(&mut log, [records::task("c", 0, &empty), records::commit("c", 1)]);
    let snapshot = log.snapshot();
    assert_eq!((snapshot.tasks("c"), snapshot.task_config_generation("c")), (0..1, Some(0)));
    // A task more than the commit speaks of is what compaction leaves of a larger set.
    read(&mut log, [records::task("c", 0, &empty), records::task("c", 5, &empty), records::commit("c", 1)]);
    assert_eq!((log.snapshot().tasks("c"), log.snapshot().task_config_generation("c")), (0..1, Some(1)));
}

#[test]
fn a_commit_that_was_written_twice_is_one() {
    let mut log = ConfigLog::new();
    let [first, second] = ["1", "2"].map(|version| raw(&[("v", version)]));
    let set = [records::connector("c", &first), records::task("c", 0, &first), records::commit("c", 1)];
    assert_eq!(read(&mut log, set).len(), 2);
    // The answer to the commit was lost, and it is there again, after another change perhaps.
    read(&mut log, [records::connector("c", &second)]);
    assert_eq!(read(&mut log, [records::commit("c", 1)]), []);
    let snapshot = log.snapshot();
    assert_eq!((snapshot.tasks("c"), snapshot.task_config_generation("c")), (0..1, Some(0)));
    assert_eq!(snapshot.applied_config("c").unwrap().as_ref(), &first, "the tasks are of the first still");
    // Of another number it is no repetition, but what compaction has left of a set.
    read(&mut log, [records::commit("c", 2)]);
    assert!(log.snapshot().is_inconsistent("c"));
    read(&mut log, [records::commit("c", 2)]);
    assert!(log.snapshot().is_inconsistent("c"));
}

#[test]
fn target_states_are_events_only_where_they_change_something() {
    let mut log = ConfigLog::new();
    let empty = RawConfig::new();
    let events =
        read(&mut log, [records::target_state("c", TargetState::Paused), records::connector("c", &empty)]);
    assert_eq!(
        events,
        [ConfigEvent::ConnectorUpdated { connector: "c".into() }],
        "ahead of its connector it is silent"
    );
    assert_eq!(log.snapshot().target_state("c"), Some(TargetState::Paused));
    let changed = [ConfigEvent::TargetStateChanged { connector: "c".into() }];
    assert_eq!(read(&mut log, [records::target_state("c", TargetState::Paused)]), []);
    assert_eq!(read(&mut log, [records::target_state("c", TargetState::Stopped)]), changed);
    assert_eq!(log.snapshot().target_state("c"), Some(TargetState::Stopped));
    // Written by a worker that knows of no STOPPED.
    assert_eq!(read(&mut log, [text("target-state-c", r#"{"state":"STARTED"}"#)]), changed);
    for broken in [r#"{"state":1}"#, r#"{"state":"started"}"#, "[]", r#"{"state.v2":"NEW"}"#, "7"] {
        assert_eq!(read(&mut log, [text("target-state-c", broken)]), [], "{broken}");
        assert_eq!(log.snapshot().target_state("c"), Some(TargetState::Started), "{broken}");
    }
    assert_eq!(read(&mut log, [text("target-state-c", r#"{"state":"PAUSED","state.v2":7}"#)]), changed);
    assert_eq!(read(&mut log, [LogRecord::tombstone("target-state-c")]), []);
    assert_eq!(log.snapshot().target_state("c"), Some(TargetState::Started), "it is there, so it runs");
}

#[test]
fn deleted_is_gone_but_what_fences_its_producers() {
    let mut log = ConfigLog::new();
    let empty = RawConfig::new();
    let records = [
        records::connector("c", &empty),
        records::task("c", 0, &empty),
        records::commit("c", 1),
        records::task_count("c", 1),
    ];
    read(&mut log, records);
    let [configuration, state] = records::connector_removal("c");
    assert_eq!(
        read(&mut log, [configuration, state]),
        [ConfigEvent::ConnectorRemoved { connector: "c".into() }]
    );
    let snapshot = log.snapshot();
    assert_eq!((snapshot.contains("c"), snapshot.connectors().count()), (false, 0));
    assert_eq!(
        (snapshot.tasks("c"), snapshot.task_config("c", 0), snapshot.target_state("c")),
        (0..0, None, None)
    );
    assert_eq!((snapshot.task_count_record("c"), snapshot.task_config_generation("c")), (Some(1), Some(0)));
    // A commit that compaction left behind does not bring it back (KAFKA-16838).
    assert_eq!(read(&mut log, [records::task("c", 0, &empty), records::commit("c", 1)]), []);
    read(&mut log, [records::connector("c", &empty)]);
    assert_eq!(log.snapshot().tasks("c"), 0..0);
    assert!(!log.snapshot().is_pending_fencing("c"));
}

#[test]
fn the_offset_counts_every_record_that_is_json() {
    let mut log = ConfigLog::new();
    assert_eq!(log.snapshot().offset(), -1);
    let mut offset_after = |offset, key: Option<&str>, value: Option<&str>| {
        log.apply(offset, key.map(str::as_bytes), value.map(str::as_bytes));
        log.snapshot().offset()
    };
    assert_eq!(offset_after(0, Some("whatever"), Some("1")), 1);
    assert_eq!(offset_after(3, Some("connector-c"), None), 4);
    assert_eq!(offset_after(5, Some("connector-c"), Some("{")), 4, "no JSON");
    assert_eq!(offset_after(6, Some("connector-c"), Some("")), 7, "nothing is null to Java's reader");
    assert_eq!(offset_after(8, Some("connector-c"), Some("[] and more")), 9);
    assert_eq!(offset_after(9, None, Some("{}")), 10);
}

#[test]
fn names_and_numbers_of_tasks_are_taken_apart_as_in_java() {
    let parse = |key| records::parse_task_key(key, 1);
    assert_eq!(parse("task-c-0"), Some(("c".to_owned(), 0)));
    assert_eq!(parse("task-my-source-12"), Some(("my-source".to_owned(), 12)));
    assert_eq!(parse("task-c-1-"), Some(("c".to_owned(), 1)));
    assert_eq!(parse("task-c--1"), Some(("c-".to_owned(), 1)));
    for broken in ["task-c", "task-c-x", "task-", "task-1", "task-c-99999999999"] {
        assert_eq!(parse(broken), None, "{broken}");
    }
}

#[test]
fn keys_requests_and_levels_are_passed_on() {
    let mut log = ConfigLog::new();
    let key = SessionKey { key: Arc::from(*b"secret"), algorithm: "HmacSHA256".into(), created_ms: 17 };
    let request = RestartRequest { connector: "c".into(), only_failed: true, include_tasks: true };
    let events = read(
        &mut log,
        [records::session_key(&key), records::restart(&request), records::logger_level("n", "INFO")],
    );
    assert_eq!(
        events,
        [
            ConfigEvent::SessionKeyUpdated(key.clone()),
            ConfigEvent::RestartRequested(request),
            ConfigEvent::LoggerLevelUpdated { namespace: "n".into(), level: "INFO".into() },
        ]
    );
    assert!(!format!("{key:?}{events:?}").contains("secret"));
    let wrong = [
        r#"{"key":"%","algorithm":"a","creation-timestamp":1}"#,
        r#"{"key":"a2V5","algorithm":1,"creation-timestamp":1}"#,
        r#"{"key":"a2V5","algorithm":"a","creation-timestamp":1.5}"#,
        "null",
    ];
    assert_eq!(read(&mut log, wrong.map(|json| text("session-key", json))), []);
    assert_eq!(log.snapshot().session_key(), Some(&key));
    let lenient =
        read(&mut log, [text("restart-connector-c", r#"{"include-tasks":"yes","only-failed":true}"#)]);
    let request = RestartRequest { connector: "c".into(), only_failed: true, include_tasks: false };
    assert_eq!(lenient, [ConfigEvent::RestartRequested(request)]);
    assert_eq!(
        read(&mut log, [text("restart-connector-c", "true"), text("logger-cluster-n", r#"{"level":1}"#)]),
        []
    );
}

/// What leaders do, each with a configuration of its own so that sets can be told apart.
#[derive(Debug, Clone)]
enum Step {
    Configure(u8),
    Delete(u8),
    /// Writes so many tasks and their commit, or dies after so many records.
    Tasks(u8, u8, Option<u8>),
    /// The same with every record written again, whose answer was lost.
    TasksTwice(u8, u8),
    Target(u8, TargetState),
    Fence(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let connector = 0..3u8;
    let state =
        prop_oneof![Just(TargetState::Started), Just(TargetState::Paused), Just(TargetState::Stopped)];
    prop_oneof![
        3 => connector.clone().prop_map(Step::Configure),
        1 => connector.clone().prop_map(Step::Delete),
        5 => (connector.clone(), 0..4u8, prop::option::weighted(0.3, 0..4u8)).prop_map(|(c, n, died)| Step::Tasks(c, n, died)),
        1 => (connector.clone(), 0..4u8).prop_map(|(c, n)| Step::TasksTwice(c, n)),
        1 => (connector.clone(), state).prop_map(|(c, state)| Step::Target(c, state)),
        1 => connector.prop_map(Step::Fence),
    ]
}

/// The records of a step; `at` marks what it writes.
fn written(step: &Step, at: usize) -> Vec<LogRecord> {
    let name = |connector: &u8| format!("c-{connector}");
    let config = raw(&[("at", &at.to_string())]);
    match step {
        Step::Configure(connector) => vec![records::connector(&name(connector), &config)],
        Step::Delete(connector) => records::connector_removal(&name(connector)).into(),
        Step::Tasks(connector, count, died_after) => {
            let tasks = (0..usize::from(*count)).map(|task| records::task(&name(connector), task, &config));
            let all: Vec<_> = tasks.chain([records::commit(&name(connector), usize::from(*count))]).collect();
            let survived = died_after.map_or(all.len(), usize::from);
            all.into_iter().take(survived).collect()
        }
        Step::TasksTwice(connector, count) => {
            let once = written(&Step::Tasks(*connector, *count, None), at);
            once.into_iter().flat_map(|record| [record.clone(), record]).collect()
        }
        Step::Target(connector, state) => vec![records::target_state(&name(connector), *state)],
        Step::Fence(connector) => vec![records::task_count(&name(connector), 1)],
    }
}

/// Which set a connector's tasks are of; `None` where they are of several.
fn set_of(snapshot: &Snapshot, connector: &str) -> Option<Option<String>> {
    let marks: Vec<_> = snapshot
        .tasks(connector)
        .map(|task| snapshot.task_config(connector, task).and_then(|config| config["at"].clone()))
        .collect();
    let first = marks.first().cloned().unwrap_or_default();
    marks.iter().all(|mark| *mark == first && mark.is_some()).then_some(first)
}

proptest! {
    /// I13, I14: whatever was cut off, deleted or compacted, a connector's tasks are of one committed set, and of none that was deleted.
    #[test]
    fn tasks_are_always_of_one_set(
        steps in prop::collection::vec(step(), 1..25),
        compacted_below in 0.0..1.0f64,
    ) {
        let mut history: Vec<(i64, LogRecord)> = Vec::new();
        for (at, step) in steps.iter().enumerate() {
            // A leader does not write tasks of a connector that it does not know.
            history.extend((history.len() as i64..).zip(written(step, at)));
        }
        let mut full = ConfigLog::new();
        for (offset, record) in &history {
            full.apply(*offset, Some(&record.key), record.value.as_deref());
            for connector in 0..3 {
                let set = set_of(&full.snapshot(), &format!("c-{connector}"));
                prop_assert!(set.is_some());
            }
        }
        // The log as compaction may leave it: of the older part only what no younger record of that part replaces, tombstones as well.
        let boundary = (history.len() as f64 * compacted_below) as i64;
        let mut last = BTreeMap::new();
        for (offset, record) in history.iter().filter(|(offset, _)| *offset < boundary) {
            last.insert(record.key.clone(), *offset);
        }
        let kept = history.iter().filter(|(offset, record)| {
            *offset >= boundary || (last[&record.key] == *offset && record.value.is_some())
        });
        let mut compacted = ConfigLog::new();
        for (offset, record) in kept {
            compacted.apply(*offset, Some(&record.key), record.value.as_deref());
        }
        let (full, compacted) = (full.snapshot(), compacted.snapshot());
        for connector in 0..3 {
            let connector = format!("c-{connector}");
            prop_assert_eq!(full.config(&connector), compacted.config(&connector));
            if full.contains(&connector) {
                prop_assert_eq!(full.target_state(&connector), compacted.target_state(&connector));
            }
            let set = set_of(&compacted, &connector);
            prop_assert!(set.is_some());
            if !compacted.is_inconsistent(&connector) && compacted.task_count(&connector) > 0 && full.task_count(&connector) > 0 && !full.is_inconsistent(&connector) {
                prop_assert_eq!(set, set_of(&full, &connector));
            }
        }
    }

    /// No record breaks anything, and every worker counts alike.
    #[test]
    fn any_record_is_survived(
        records in prop::collection::vec(
            (
                prop_oneof!["(target-state-|connector-|task-|commit-|restart-connector-|tasks-fencing-|session-key|logger-cluster-)[a-c0-2-]{0,4}", ".{0,8}"],
                prop_oneof![
                    Just(None),
                    "\\{\"(properties|tasks|state|state.v2|task-count|key)\":(null|1|-1|99999999999|\\{\\}|\"PAUSED\"|\\{\"a\":1\\}|\\[\\])\\}".prop_map(Some),
                    ".{0,12}".prop_map(Some),
                ],
            ),
            0..40,
        )
    ) {
        let (mut one, mut other) = (ConfigLog::new(), ConfigLog::new());
        for (offset, (key, value)) in (0..).zip(&records) {
            let value = value.as_ref().map(String::as_bytes);
            let event = one.apply(offset, Some(key.as_bytes()), value);
            prop_assert_eq!(event, other.apply(offset, Some(key.as_bytes()), value));
        }
        prop_assert_eq!(one.snapshot(), other.snapshot());
    }
}
