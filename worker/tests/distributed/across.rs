//! What concerns all workers, asked of any: offsets, levels of loggers, validation; and what workers ask of each other while the key that
//! they sign it with changes.

use std::path::Path;

use crate::support::{Broker, Process, Properties, Rest, unique, wait_for};
use crate::{append, create_pair, start, wait_for_lines};

/// A leader and a worker that does not lead.
fn two(broker: &Broker, group: &str, dir: &Path, more: &Properties<'_>) -> [(Process, Rest); 2] {
    let first = start(broker, group, dir, "a", more);
    let second = start(broker, group, dir, "b", more);
    let leads = |rest: &Rest| rest.get("/admin/cluster").json()["assignment"]["is_leader"] == true;
    wait_for("the first to lead the second", || {
        let members = second.1.get("/admin/cluster").json()["cluster"]["members"].as_array().unwrap().len();
        (leads(&first.1) && members == 2).then_some(())
    });
    [first, second]
}

#[test]
fn offsets_levels_and_validation_are_those_of_the_cluster_whichever_worker_is_asked() {
    let broker = Broker::start();
    let dir = tempfile::tempdir().unwrap();
    let (group, topic) = (unique("group"), unique("topic"));
    append(dir.path(), 0..50);
    let [(_first, a), (_second, b)] = two(&broker, &group, dir.path(), &[]);
    create_pair(&b, dir.path(), &topic, "1");
    wait_for_lines(dir.path(), 50);

    let path = "/connectors/source/offsets";
    let position = |rest: &Rest| rest.get(path).json()["offsets"][0]["offset"]["position"].as_i64();
    let end = std::fs::metadata(dir.path().join("in.txt")).unwrap().len() as i64;
    for rest in [&a, &b] {
        wait_for("the offset of the last line", || (position(rest) == Some(end)).then_some(()));
    }
    let file = dir.path().join("in.txt").display().to_string();
    let change = |position: i64| {
        let offsets = serde_json::json!({"offsets": [{"partition": {"filename": file}, "offset": {"position": position}}]});
        b.send("PATCH", path, Some(&offsets.to_string()))
    };
    let running = change(0);
    assert_eq!(running.status, 400, "{running:?}");
    assert_eq!(b.send("PUT", "/connectors/source/stop", None).status, 204);
    for rest in [&a, &b] {
        rest.wait_for_states("source", "STOPPED");
    }
    // The one that does not lead passes it on, and both show what came of it.
    let changed = wait_for("the tasks to be gone", || Some(change(7)).filter(|answer| answer.status != 500));
    assert_eq!(changed.status, 200, "{changed:?}");
    for rest in [&a, &b] {
        assert_eq!(position(rest), Some(7));
    }
    assert_eq!(b.send("DELETE", path, None).status, 200);
    for rest in [&a, &b] {
        assert_eq!(position(rest), None);
    }
    let missing = b.send("DELETE", "/connectors/none/offsets", None);
    assert_eq!(missing.json()["message"], "Connector none not found", "the leader's answer is the answer");

    let level =
        |rest: &Rest| rest.get("/admin/loggers/some.logger").json()["level"].as_str().map(str::to_owned);
    let own = b.send("PUT", "/admin/loggers/some.logger", Some(r#"{"level":"ERROR"}"#));
    assert_eq!((own.status, level(&b).as_deref()), (200, Some("ERROR")));
    assert_ne!(level(&a).as_deref(), Some("ERROR"), "without a scope it is the worker's own");
    let all = b.send("PUT", "/admin/loggers/some.logger?scope=cluster", Some(r#"{"level":"debug"}"#));
    assert_eq!((all.status, all.body.as_str()), (204, ""));
    for rest in [&a, &b] {
        wait_for("the level", || (level(rest).as_deref() == Some("DEBUG")).then_some(()));
    }

    let config = format!(
        r#"{{"name":"n","connector.class":"FileStreamSink","topics":"t","file":"{file}","tasks.max":"x"}}"#
    );
    let validated = [&a, &b].map(|rest| {
        rest.send("PUT", "/connector-plugins/FileStreamSink/config/validate", Some(&config)).json()
    });
    assert_eq!(validated[0]["error_count"], 2, "{}", validated[0]);
    assert_eq!(validated[0], validated[1]);
}

#[test]
fn tasks_are_handed_in_signed_while_the_key_changes_and_nothing_else_is_taken() {
    let broker = Broker::start();
    let dir = tempfile::tempdir().unwrap();
    let (group, topic) = (unique("group"), unique("topic"));
    append(dir.path(), 0..5);
    let [(first, a), (_second, b)] = two(&broker, &group, dir.path(), &[("inter.worker.key.ttl.ms", "1")]);
    create_pair(&a, dir.path(), &topic, "1");
    for rest in [&a, &b] {
        rest.wait_for_states("source", "RUNNING: RUNNING");
        rest.wait_for_states("sink", "RUNNING: RUNNING");
    }
    let owners = ["source", "sink"].map(|name| {
        (
            name,
            a.get(&format!("/connectors/{name}/status")).json()["connector"]["worker_id"]
                .as_str()
                .unwrap()
                .to_owned(),
        )
    });
    let (name, _) = owners.iter().find(|(_, owner)| *owner == b.address).expect("each has an instance");
    let keys = || first.output().matches("Session key updated").count();
    let before = keys();
    let config = b.get(&format!("/connectors/{name}/config")).json();
    for round in 0.. {
        let mut config = config.clone();
        let text = round.to_string();
        config["round"] = text.as_str().into();
        let answer = b.send("PUT", &format!("/connectors/{name}/config"), Some(&config.to_string()));
        assert_eq!(answer.status, 200, "{answer:?}");
        wait_for("the tasks of the new configuration", || {
            let tasks = a.get(&format!("/connectors/{name}/tasks")).json();
            (tasks[0]["config"]["round"] == *text).then_some(())
        });
        if round >= 5 && keys() >= before + 3 {
            break;
        }
    }

    let post = |rest: &Rest, headers: &str| {
        let body = "[]";
        let answer = rest.raw(&format!(
            "POST /connectors/{name}/tasks HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        (answer.status, answer.json()["message"].as_str().unwrap_or_default().to_owned())
    };
    let forged = "X-Connect-Authorization: Zm9yZ2Vk\r\nX-Connect-Request-Signature-Algorithm: HmacSHA256\r\n";
    for rest in [&a, &b] {
        assert_eq!(post(rest, ""), (400, "Internal request missing required signature".to_owned()));
        assert_eq!(post(rest, forged), (403, "Internal request contained invalid signature.".to_owned()));
    }
    assert_eq!(a.get(&format!("/connectors/{name}/tasks")).json().as_array().unwrap().len(), 1);
}
