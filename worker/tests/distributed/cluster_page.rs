//! `GET /admin/cluster`: any worker shows all of the cluster, what nobody has and why, and says what it does not know.

use std::path::Path;

use serde_json::Value;

use crate::support::{Broker, Process, Properties, Rest, unique, wait_for};
use crate::{append, create_pair, start};

fn cluster(rest: &Rest) -> Value {
    let answer = rest.get("/admin/cluster");
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["cluster"].take()
}

/// `connector` and `task` names with their states, over all members.
fn work(cluster: &Value) -> Vec<String> {
    let members = cluster["members"].as_array().unwrap().iter();
    let states = members.flat_map(|member| {
        let states =
            [&member["connectors"], &member["tasks"]].map(|states| states.as_object().unwrap().clone());
        states.into_iter().flatten()
    });
    let mut all: Vec<_> =
        states.map(|(name, state)| format!("{name} {}", state.as_str().unwrap_or("-"))).collect();
    all.sort_unstable();
    all
}

fn is_settled(cluster: &Value, members: usize) -> bool {
    let all = ["sink RUNNING", "sink-0 RUNNING", "source RUNNING", "source-0 RUNNING"];
    cluster["members"].as_array().unwrap().len() == members
        && work(cluster) == all
        && cluster["unknown"].as_array().unwrap().is_empty()
        && cluster["source"] == "leader"
}

/// A worker that leads and one that does not, with a connector each and a delay that keeps a lost worker's work for it.
fn two_workers(broker: &Broker, group: &str, dir: &Path) -> [(Process, Rest); 2] {
    let more: &Properties<'_> = &[("scheduled.rebalance.max.delay.ms", "120000")];
    let first = start(broker, group, dir, "a", more);
    create_pair(&first.1, dir, &unique("topic"), "1");
    first.1.wait_for_states("sink", "RUNNING: RUNNING");
    let second = start(broker, group, dir, "b", more);
    [first, second]
}

#[test]
fn any_worker_shows_all_of_the_cluster_and_what_is_kept_for_a_worker_that_died() {
    let broker = Broker::start();
    let dir = tempfile::tempdir().unwrap();
    let group = unique("group");
    append(dir.path(), 0..10);
    let [(_first, a), (second, b)] = two_workers(&broker, &group, dir.path());
    for rest in [&a, &b] {
        wait_for("both to show both", || is_settled(&cluster(rest), 2).then_some(()));
    }
    let shown = cluster(&b);
    assert_eq!(shown["unassigned"], serde_json::json!({"connectors": [], "tasks": []}));
    let members = shown["members"].as_array().unwrap();
    let leaders: Vec<_> = members.iter().filter(|member| member["is_leader"] == true).collect();
    assert_eq!(leaders[0]["worker_id"], *a.address);
    assert_eq!(leaders[0]["url"], shown["leader_url"]);
    assert!(members.iter().all(|member| !member["connectors"].as_object().unwrap().is_empty()), "{shown}");
    assert!(shown["rebalance"]["took_ms"].as_f64().unwrap() > 0.0, "{shown}");

    second.kill();
    let shown = wait_for("the leader to miss a worker", || {
        let shown = cluster(&a);
        (shown["members"].as_array().unwrap().len() == 1).then_some(shown)
    });
    let reason = shown["rebalance"]["reason"].as_str().unwrap();
    assert_eq!(reason, format!("http://{}/ left", b.address));
    let kept = &shown["unassigned"];
    assert_eq!(
        (kept["connectors"].as_array().unwrap().len(), kept["tasks"].as_array().unwrap().len()),
        (1, 1)
    );
    let due_ms = shown["rebalance"]["scheduled_in_ms"].as_f64().unwrap();
    assert!(due_ms > 0.0 && due_ms <= 120_000.0, "{due_ms}");
}

#[test]
fn a_worker_whose_leader_does_not_answer_shows_what_the_status_topic_says() {
    let broker = Broker::start();
    let dir = tempfile::tempdir().unwrap();
    let group = unique("group");
    append(dir.path(), 0..10);
    let [(first, a), (_second, b)] = two_workers(&broker, &group, dir.path());
    wait_for("both to show both", || is_settled(&cluster(&b), 2).then_some(()));
    // Its group has not noticed yet.
    first.kill();
    let shown = cluster(&b);
    assert_eq!(shown["source"], "status topic", "{shown}");
    assert_eq!(work(&shown).len(), 4, "{shown}");
    let unknown = shown["unknown"].as_array().unwrap();
    let leader = format!("the leader http://{}/ did not answer: ", a.address);
    assert!(unknown[0].as_str().unwrap().starts_with(&leader), "{shown}");
    wait_for("the other one to lead", || {
        let shown = cluster(&b);
        (shown["source"] == "leader" && shown["rebalance"]["reason"] == "this worker has begun to lead")
            .then_some(())
    });
}
