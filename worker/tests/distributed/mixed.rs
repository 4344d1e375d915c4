//! A cluster of Java's workers and ours: rolled from one to the other and back, with either as leader, while lines flow. Where
//! `AQUEDUCT_KAFKA_LIBS` names Kafka's jars and `AQUEDUCT_KAFKA` a Kafka.

use std::time::Duration;

use xtask::connect::JavaWorker;
use xtask::kafka::Libs;

use crate::committed::records;
use crate::support::{Broker, Rest, unique, wait_for};
use crate::{append, create_pair, start, wait_for_lines};

/// As in `start`, so that all workers of the cluster agree.
const MORE: [(&str, &str); 6] = [
    ("offset.flush.interval.ms", "200"),
    ("session.timeout.ms", "6000"),
    ("heartbeat.interval.ms", "500"),
    ("scheduled.rebalance.max.delay.ms", "0"),
    ("consumer.session.timeout.ms", "6000"),
    ("consumer.heartbeat.interval.ms", "1000"),
];

const STOP: Duration = Duration::from_secs(60);

/// Who runs the connectors and tasks, and whether all of them run.
fn owners(rest: &Rest) -> Option<Vec<String>> {
    let mut owners = Vec::new();
    for name in ["source", "sink"] {
        let answer = rest.get(&format!("/connectors/{name}/status"));
        if answer.status != 200 {
            return None;
        }
        let status = answer.json();
        let tasks = status["tasks"].as_array()?;
        for instance in tasks.iter().chain([&status["connector"]]) {
            if instance["state"] != "RUNNING" {
                return None;
            }
            owners.push(instance["worker_id"].as_str()?.to_owned());
        }
        if tasks.is_empty() {
            return None;
        }
    }
    Some(owners)
}

fn wait_for_owners(what: &str, rest: &Rest, are: impl Fn(&[String]) -> bool) {
    wait_for(what, || owners(rest).filter(|owners| are(owners)).map(drop));
}

fn id_of(url: &str) -> &str {
    url.trim_start_matches("http://").trim_end_matches('/')
}

/// The errors of a key in the answer of `config/validate`.
fn errors(rest: &Rest, class: &str, config: &serde_json::Value, key: &str) -> Vec<String> {
    let path = format!("/connector-plugins/{class}/config/validate");
    let answer = rest.send("PUT", &path, Some(&config.to_string()));
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = answer.json();
    let mut entries = answer["configs"].as_array().unwrap().iter();
    let entry = entries.find(|entry| entry["value"]["name"] == key).unwrap();
    let errors = entry["value"]["errors"].as_array().unwrap().iter();
    errors.map(|error| error.as_str().unwrap().to_owned()).collect()
}

/// Lines whose source writes exactly once, on workers of both kinds with either as leader: whoever reads what is committed has each once.
#[test]
fn a_java_cluster_that_writes_exactly_once_is_rolled_to_ours_and_back_without_a_loss_or_a_duplicate() {
    let (Some(libs), Ok(bootstrap)) = (Libs::from_env(), std::env::var("AQUEDUCT_KAFKA")) else {
        eprintln!("skipped: AQUEDUCT_KAFKA_LIBS or AQUEDUCT_KAFKA is not set");
        return;
    };
    let broker = Broker::start();
    let dir = tempfile::tempdir().unwrap();
    let (group, topic) = (unique("group"), unique("topic"));
    let enabled = ("exactly.once.source.support", "enabled");
    let settings: Vec<_> = MORE.into_iter().chain([enabled]).collect();
    let input = dir.path().join("in.txt");
    let body = |version: &str| {
        serde_json::json!({
            "connector.class": "FileStreamSource", "file": input, "topic": topic, "tasks.max": "1", "version.of.it": version,
            "exactly.once.support": "required", "value.converter": "org.apache.kafka.connect.storage.StringConverter",
        })
    };
    let wait_for_committed = |count: u32| {
        let expected: Vec<String> = (0..count).map(|line| format!("line {line}")).collect();
        wait_for("all lines to be committed", || {
            let lines: Vec<String> = records(&bootstrap, &topic).into_iter().map(|(_, line)| line).collect();
            assert!(lines.len() <= expected.len() && lines[..] == expected[..lines.len()], "{lines:?}");
            (lines.len() == expected.len()).then_some(())
        });
    };
    let runs_on = |rest: &Rest, id: &str| {
        wait_for("the task to run there", || {
            let answer = rest.get("/connectors/source/status");
            let status = (answer.status == 200).then(|| answer.json())?;
            let task = status["tasks"].as_array()?.first()?.clone();
            (task["state"] == "RUNNING" && task["worker_id"] == id).then_some(())
        });
    };
    // A new configuration of the task: a round of fencing at whoever leads.
    let reconfigure = |rest: &Rest, version: &str| {
        wait_for("the configuration to be taken", || {
            let answer = rest.send("PUT", "/connectors/source/config", Some(&body(version).to_string()));
            (answer.status == 200 || answer.status == 201).then_some(())
        });
        wait_for("the task to have it", || {
            let answer = rest.get("/connectors/source/status");
            let status = (answer.status == 200).then(|| answer.json())?;
            let is_running = status["tasks"].as_array()?.first()?["state"] == "RUNNING";
            let tasks = rest.get("/connectors/source/tasks");
            let tasks = (tasks.status == 200).then(|| tasks.json())?;
            (is_running && tasks[0]["config"]["version.of.it"] == version).then_some(())
        });
    };
    append(dir.path(), 0..100);
    let java = JavaWorker::distributed(&libs, &bootstrap, &group, &settings).unwrap();
    let java_rest = Rest::new(java.rest());
    reconfigure(&java_rest, "1");
    wait_for_committed(100);

    // Java leads. What both say to a configuration is the same.
    let (ours, rest) = start(&broker, &group, dir.path(), "a", &[enabled]);
    let file = serde_json::json!({"connector.class": "FileStreamSource", "name": "n", "topic": "t",
        "exactly.once.support": "required", "transaction.boundary": "connector"});
    for key in ["exactly.once.support", "transaction.boundary"] {
        let said = errors(&rest, "FileStreamSource", &file, key);
        assert_eq!((said.len(), &said), (1, &errors(&java_rest, "FileStreamSource", &file, key)));
    }
    append(dir.path(), 100..150);
    reconfigure(&rest, "2");
    append(dir.path(), 150..200);
    reconfigure(&java_rest, "3");
    wait_for_committed(200);
    java.stop(STOP).unwrap();
    runs_on(&rest, &rest.address);
    append(dir.path(), 200..300);
    wait_for_committed(300);

    // Ours leads, and fences for Java's worker.
    let java = JavaWorker::distributed(&libs, &bootstrap, &group, &settings).unwrap();
    let java_rest = Rest::new(java.rest());
    reconfigure(&java_rest, "4");
    append(dir.path(), 300..400);
    reconfigure(&rest, "5");
    wait_for_committed(400);
    assert_eq!(ours.terminate(), Some(0));
    runs_on(&java_rest, id_of(java.rest()));
    append(dir.path(), 400..500);
    wait_for_committed(500);
    java.stop(STOP).unwrap();
}

#[test]
fn a_java_cluster_is_rolled_to_ours_and_back_and_loses_nothing() {
    let (Some(libs), Ok(bootstrap)) = (Libs::from_env(), std::env::var("AQUEDUCT_KAFKA")) else {
        eprintln!("skipped: AQUEDUCT_KAFKA_LIBS or AQUEDUCT_KAFKA is not set");
        return;
    };
    let broker = Broker::start();
    let dir = tempfile::tempdir().unwrap();
    let (group, topic) = (unique("group"), unique("topic"));
    append(dir.path(), 0..100);
    let java = JavaWorker::distributed(&libs, &bootstrap, &group, &MORE).unwrap();
    let java_rest = Rest::new(java.rest());
    create_pair(&java_rest, dir.path(), &topic, "1");
    wait_for_lines(dir.path(), 100);

    // Java leads: its assignor gives ours a share, ours gives up nothing it has not.
    let (ours, rest) = start(&broker, &group, dir.path(), "a", &[]);
    let java_id = id_of(java.rest()).to_owned();
    let is_java = |owner: &String| *owner == java_id;
    wait_for_owners("both to have work", &rest, |owners| {
        owners.iter().any(is_java) && !owners.iter().all(is_java)
    });
    let shown = rest.get("/admin/cluster").json();
    let unknown = shown["cluster"]["unknown"][0].as_str().unwrap();
    assert!(unknown.contains("is a Java worker"), "{shown}");
    assert_eq!(shown["cluster"]["members"].as_array().unwrap().len(), 2, "{shown}");
    append(dir.path(), 100..200);
    wait_for_lines(dir.path(), 200);
    // Passed on, signed or not, from ours to Java's leader.
    assert_eq!(rest.send("PUT", "/connectors/sink/pause", None).status, 202);
    java_rest.wait_for_states("sink", "PAUSED: PAUSED");
    assert_eq!(rest.send("PUT", "/connectors/sink/resume", None).status, 202);
    wait_for_owners("all to run again", &rest, |_| true);

    java.stop(STOP).unwrap();
    wait_for_owners("ours to have it all", &rest, |owners| !owners.iter().any(is_java));
    append(dir.path(), 200..300);
    wait_for_lines(dir.path(), 300);

    // Ours leads: a Java worker comes and takes requests, then ours goes.
    let java = JavaWorker::distributed(&libs, &bootstrap, &group, &MORE).unwrap();
    let java_rest = Rest::new(java.rest());
    let java_id = id_of(java.rest()).to_owned();
    let is_java = |owner: &String| *owner == java_id;
    wait_for_owners("both to have work again", &java_rest, |owners| {
        owners.iter().any(is_java) && !owners.iter().all(is_java)
    });
    let config = format!(
        r#"{{"connector.class":"FileStreamSink","topics":"{topic}","file":"{}","tasks.max":"1","x":"y"}}"#,
        dir.path().join("out.txt").display()
    );
    wait_for("the leader to take a configuration from Java", || {
        let answer = java_rest.send("PUT", "/connectors/sink/config", Some(&config));
        (answer.status == 200).then_some(())
    });
    append(dir.path(), 300..400);
    wait_for_lines(dir.path(), 400);
    assert_eq!(ours.terminate(), Some(0));
    wait_for_owners("Java to have it all", &java_rest, |owners| owners.iter().all(is_java));
    append(dir.path(), 400..500);
    wait_for_lines(dir.path(), 500);
    java.stop(STOP).unwrap();
}
