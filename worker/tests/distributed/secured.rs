//! Workers that talk to each other over https: what one passes on, and the tasks that it hands in.

use std::fs;
use std::path::Path;

use protocol::net::tls::TlsConfig;

use crate::support::https::{Authority, get, send};
use crate::support::{Answer, Broker, Process, unique, wait_for};
use crate::{append, launch};

/// Writes what a worker shows and whom it believes; gives the keys of its listener.
fn keys(
    dir: &Path,
    name: &str,
    identity: &str,
    trusted: &str,
    client_auth: &str,
) -> Vec<(&'static str, String)> {
    let file = |suffix: &str, content: &str| {
        let path = dir.join(format!("{name}-{suffix}.pem"));
        fs::write(&path, content).unwrap();
        path.display().to_string()
    };
    vec![
        ("listeners", "https://127.0.0.1:0".to_owned()),
        ("listeners.https.ssl.keystore.type", "PEM".to_owned()),
        ("listeners.https.ssl.keystore.location", file("keys", identity)),
        ("listeners.https.ssl.truststore.type", "PEM".to_owned()),
        ("listeners.https.ssl.truststore.location", file("trust", trusted)),
        ("listeners.https.ssl.client.auth", client_auth.to_owned()),
    ]
}

struct Worker {
    _process: Process,
    address: String,
    client: TlsConfig,
}

impl Worker {
    fn start(
        broker: &Broker,
        group: &str,
        dir: &Path,
        name: &str,
        keys: &[(&str, String)],
        client: &TlsConfig,
    ) -> Worker {
        let keys: Vec<_> = keys.iter().map(|(key, value)| (*key, value.as_str())).collect();
        let (process, rest) = launch(broker, group, dir, name, &keys);
        let worker = Worker { _process: process, address: rest.address, client: client.clone() };
        wait_for("the worker to be ready", || (worker.get("/health").status == 200).then_some(()));
        worker
    }

    fn get(&self, path: &str) -> Answer {
        get(&self.client, &self.address, path).unwrap()
    }

    fn create(&self, name: &str, config: &serde_json::Value) -> Answer {
        let body = serde_json::json!({"name": name, "config": config}).to_string();
        let request = format!(
            "POST /connectors HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        send(&self.client, &self.address, &request).unwrap()
    }

    fn wait_for_task(&self, connector: &str, owner: Option<&str>) {
        wait_for("the connector and its task to run", || {
            let status = self.get(&format!("/connectors/{connector}/status"));
            let status = (status.status == 200).then(|| status.json())?;
            let runs = status["tasks"][0]["state"] == "RUNNING" && status["connector"]["state"] == "RUNNING";
            (runs && owner.is_none_or(|owner| status["connector"]["worker_id"] == owner)).then_some(())
        });
    }
}

#[test]
fn workers_pass_on_and_hand_in_over_https_with_and_without_client_certificates() {
    let broker = Broker::start();
    let authority = Authority::new();
    for client_auth in ["none", "required"] {
        let dir = tempfile::tempdir().unwrap();
        let group = unique("group");
        append(dir.path(), 0..5);
        let client = authority.client((client_auth == "required").then(|| authority.issue()).as_deref());
        let start = |name: &str| {
            let keys = keys(dir.path(), name, &authority.issue(), &authority.pem(), client_auth);
            Worker::start(&broker, &group, dir.path(), name, &keys, &client)
        };
        let (a, b) = (start("a"), start("b"));
        let cluster = wait_for("the leader's word through the other", || {
            let shown = b.get("/admin/cluster").json();
            let cluster = &shown["cluster"];
            let is_whole = cluster["source"] == "leader" && cluster["members"].as_array().unwrap().len() == 2;
            is_whole.then(|| cluster.clone())
        });
        assert_eq!(cluster["leader_url"], format!("https://{}/", a.address));
        // Whichever has the instance: the other one's was passed on, or its tasks were.
        for name in ["one", "two"] {
            let config = serde_json::json!({
                "connector.class": "FileStreamSource", "tasks.max": "1",
                "file": dir.path().join("in.txt"), "topic": unique("topic"),
            });
            let created = b.create(name, &config);
            assert_eq!(created.status, 201, "{created:?}");
            assert_eq!(
                created.header("Location"),
                Some(format!("https://{}/connectors/{name}", b.address).as_str())
            );
            b.wait_for_task(name, None);
        }
        let owner = |name: &str| {
            b.get(&format!("/connectors/{name}/status")).json()["connector"]["worker_id"].clone()
        };
        assert!(
            [owner("one"), owner("two")].contains(&b.address.as_str().into()),
            "its tasks came signed over https"
        );
    }
}

#[test]
fn a_worker_that_does_not_believe_the_leader_says_so() {
    let broker = Broker::start();
    let (ours, other) = (Authority::new(), Authority::new());
    let dir = tempfile::tempdir().unwrap();
    let group = unique("group");
    let leader = keys(dir.path(), "a", &ours.issue(), &ours.pem(), "none");
    let _leader = Worker::start(&broker, &group, dir.path(), "a", &leader, &ours.client(None));
    let stranger = keys(dir.path(), "b", &ours.issue(), &other.pem(), "none");
    let worker = Worker::start(&broker, &group, dir.path(), "b", &stranger, &ours.client(None));
    let config = serde_json::json!({"connector.class": "FileStreamSource", "topic": "t"});
    let answer = worker.create("c", &config);
    let message = answer.json()["message"].as_str().unwrap().to_owned();
    assert_eq!(answer.status, 500, "{answer:?}");
    assert!(message.starts_with("IO Error trying to forward REST request: "), "{message}");
    assert!(message.contains("certificate"), "{message}");
    let cluster = worker.get("/admin/cluster").json()["cluster"].take();
    assert_eq!(cluster["source"], "status topic");
    assert!(cluster["unknown"][0].as_str().unwrap().contains("certificate"), "{cluster}");
}
