//! Exactly-once sources (KIP-618): whoever reads only what is committed sees each record once, whatever happens to workers and tasks.

use crate::committed::{numbers, records, were_transactional};
use crate::start;
use crate::support::{Broker, Rest, unique, wait_for};

const ENABLED: (&str, &str) = ("exactly.once.source.support", "enabled");

/// A source whose tasks write the numbers from 0, each under its own.
fn config(topic: &str, tasks: usize) -> Vec<(&str, String)> {
    const JSON: &str = "org.apache.kafka.connect.json.JsonConverter";
    vec![
        ("connector.class", "org.apache.kafka.connect.tools.VerifiableSourceConnector".to_owned()),
        ("topic", topic.to_owned()),
        ("throughput", "400".to_owned()),
        ("tasks.max", tasks.to_string()),
        ("key.converter", JSON.to_owned()),
        ("key.converter.schemas.enable", "false".to_owned()),
        ("value.converter", JSON.to_owned()),
        ("value.converter.schemas.enable", "false".to_owned()),
    ]
}

fn create(rest: &Rest, topic: &str, tasks: usize, more: &[(&str, &str)]) {
    let config = config(topic, tasks);
    let mut all: Vec<(&str, &str)> = config.iter().map(|(key, value)| (*key, value.as_str())).collect();
    all.extend(more);
    let answer = rest.create("numbers", &all);
    assert_eq!(answer.status, 201, "{answer:?}");
}

fn states(tasks: usize) -> String {
    format!("RUNNING: {}", vec!["RUNNING"; tasks].join(","))
}

/// Waits until each of so many tasks has written `more` numbers beyond what there is now.
#[track_caller]
fn wait_for_more(broker: &Broker, topic: &str, tasks: u32, more: i64) {
    let before = numbers(&broker.bootstrap, topic);
    wait_for("more numbers", || {
        let now = numbers(&broker.bootstrap, topic);
        let has_more = |task| now.get(&task).copied() >= Some(before.get(&task).copied().unwrap_or(0) + more);
        (0..tasks).all(has_more).then_some(())
    });
}

#[test]
fn a_worker_that_is_killed_loses_nothing_and_repeats_nothing() {
    let broker = Broker::start();
    let dir = tempfile::tempdir().unwrap();
    let (group, topic) = (unique("group"), unique("topic"));
    let (first, rest) = start(&broker, &group, dir.path(), "a", &[ENABLED]);
    create(&rest, &topic, 2, &[]);
    rest.wait_for_states("numbers", &states(2));
    wait_for_more(&broker, &topic, 2, 200);
    first.kill();
    let (second, rest) = start(&broker, &group, dir.path(), "b", &[ENABLED]);
    rest.wait_for_states("numbers", &states(2));
    wait_for_more(&broker, &topic, 2, 200);
    assert_eq!(second.terminate(), Some(0));
}

#[test]
fn a_worker_that_wakes_after_its_work_was_given_away_cannot_commit_what_it_had() {
    let broker = Broker::start();
    let dir = tempfile::tempdir().unwrap();
    let (group, topic) = (unique("group"), unique("topic"));
    let (first, a) = start(&broker, &group, dir.path(), "a", &[ENABLED]);
    // Always within a transaction, and never far from its end.
    let interval = [("transaction.boundary", "interval"), ("transaction.boundary.interval.ms", "50")];
    create(&a, &topic, 2, &interval);
    a.wait_for_states("numbers", &states(2));
    let (second, b) = start(&broker, &group, dir.path(), "b", &[ENABLED]);
    let owners = |rest: &Rest| {
        let status = rest.get("/connectors/numbers/status").json();
        let tasks = status["tasks"].as_array().unwrap().clone();
        let owner = |task: &serde_json::Value| task["worker_id"].as_str().unwrap().to_owned();
        let all_run = tasks.len() == 2 && tasks.iter().all(|task| task["state"] == "RUNNING");
        all_run.then(|| tasks.iter().map(owner).collect::<Vec<_>>())
    };
    wait_for("each worker to have a task", || owners(&b).filter(|owners| owners[0] != owners[1]));
    wait_for_more(&broker, &topic, 2, 200);
    first.signal(rustix::process::Signal::STOP);
    wait_for("the other to have both", || {
        owners(&b).filter(|owners| owners.iter().all(|owner| *owner == b.address))
    });
    wait_for_more(&broker, &topic, 2, 200);
    first.signal(rustix::process::Signal::CONT);
    // It joins again, and has its share once more.
    wait_for("both to have a task again", || owners(&b).filter(|owners| owners[0] != owners[1]));
    wait_for_more(&broker, &topic, 2, 200);
    let metrics = b.get("/metrics").body;
    let size = |which: &str| {
        let name = format!("kafka_connect_source_task_metrics_transaction_size_{which}{{");
        let line =
            metrics.lines().find(|line| line.starts_with(&name)).unwrap_or_else(|| panic!("no {name}"));
        line.split_whitespace().last().unwrap().parse::<f64>().unwrap()
    };
    assert!(size("min") <= size("avg") && size("avg") <= size("max") && size("max") > 0.0);
    assert_eq!((first.terminate(), second.terminate()), (Some(0), Some(0)));
}

#[test]
fn fewer_and_more_tasks_begin_where_the_former_ones_have_committed() {
    let broker = Broker::start();
    let dir = tempfile::tempdir().unwrap();
    let (group, topic) = (unique("group"), unique("topic"));
    let (worker, rest) = start(&broker, &group, dir.path(), "a", &[ENABLED]);
    create(&rest, &topic, 4, &[]);
    rest.wait_for_states("numbers", &states(4));
    wait_for_more(&broker, &topic, 4, 100);
    for tasks in [2, 1, 1, 3] {
        let config: serde_json::Map<_, _> = config(&topic, tasks)
            .into_iter()
            .chain([("x", unique("y"))])
            .map(|(key, value)| (key.to_owned(), value.into()))
            .collect();
        let body = serde_json::Value::from(config).to_string();
        let answer = rest.send("PUT", "/connectors/numbers/config", Some(&body));
        assert_eq!(answer.status, 200, "{answer:?}");
        rest.wait_for_states("numbers", &states(tasks));
        wait_for_more(&broker, &topic, u32::try_from(tasks).unwrap(), 100);
    }
    assert_eq!(rest.send("PUT", "/connectors/none/fence", None).status, 400, "the group signs");
    assert_eq!(worker.terminate(), Some(0));
}

/// Offsets of a stopped connector, changed by request: in a topic of its own or the worker's, and in transactions where its tasks write
/// such, too, so that no former task that is still awake can overwrite them.
fn offsets_are_changed_by_request(support: &str, own_topic: Option<&str>) {
    let broker = Broker::start();
    let dir = tempfile::tempdir().unwrap();
    let (group, topic) = (unique("group"), unique("topic"));
    let more = [("exactly.once.source.support", support)];
    let (worker, rest) = start(&broker, &group, dir.path(), "a", &more);
    let own = own_topic.map(|topic| ("offsets.storage.topic", topic));
    create(&rest, &topic, 1, own.as_slice());
    let offsets = own_topic.map_or_else(|| format!("{group}-offsets"), str::to_owned);
    rest.wait_for_states("numbers", &states(1));
    wait_for_more(&broker, &topic, 1, 100);
    assert_eq!(rest.send("PUT", "/connectors/numbers/stop", None).status, 204);
    rest.wait_for_states("numbers", "STOPPED");
    let written = numbers(&broker.bootstrap, &topic)[&0];
    let answer = rest.get("/connectors/numbers/offsets").body;
    let expected =
        |next: i64| format!(r#"{{"offsets":[{{"partition":{{"id":0}},"offset":{{"seqno":{next}}}}}]}}"#);
    assert_eq!(answer, expected(written - 1));
    let key = r#"["numbers",{"id":0}]"#;
    let last = || records(&broker.bootstrap, &offsets).into_iter().rev().find(|(of, _)| of == key).unwrap();
    assert_eq!(last().1, format!(r#"{{"seqno":{}}}"#, written - 1));

    // The connector's topic counts, and what is taken from it does not come to light again from the worker's.
    assert_eq!(rest.send("DELETE", "/connectors/numbers/offsets", None).status, 200);
    assert_eq!(rest.get("/connectors/numbers/offsets").body, r#"{"offsets":[]}"#);
    let alter = rest.send("PATCH", "/connectors/numbers/offsets", Some(&expected(written - 1)));
    assert_eq!(alter.status, 200, "{alter:?}");
    assert_eq!(last().1, format!(r#"{{"seqno":{}}}"#, written - 1));
    let how = were_transactional(&broker.bootstrap, &offsets, key);
    let (_, [removed, altered]) = how.split_last_chunk().unwrap();
    assert_eq!((*removed, *altered), (support == "enabled", support == "enabled"));
    assert_eq!(rest.send("PUT", "/connectors/numbers/resume", None).status, 202);
    rest.wait_for_states("numbers", &states(1));
    wait_for_more(&broker, &topic, 1, 100);
    assert_eq!(worker.terminate(), Some(0));
}

#[test]
fn offsets_in_a_topic_of_the_connectors_own_are_changed() {
    offsets_are_changed_by_request("disabled", Some(&unique("own-offsets")));
}

#[test]
fn offsets_of_a_connector_that_writes_exactly_once_are_changed_in_its_own_topic() {
    offsets_are_changed_by_request("enabled", Some(&unique("own-offsets")));
}

#[test]
fn offsets_of_a_connector_that_writes_exactly_once_are_changed_in_the_workers_topic() {
    offsets_are_changed_by_request("enabled", None);
}
