//! Exactly-once sources (KIP-618): whoever reads only what is committed sees each record once, whatever happens to workers and tasks.

use crate::committed::numbers;
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
