//! Beside a Java worker, where `AQUEDUCT_KAFKA_LIBS` names Kafka's jars and `AQUEDUCT_KAFKA` a Kafka.
//!
//! `AQUEDUCT_WRITE_GOLDEN=1` records what `golden.rs` compares with.

use std::cell::RefCell;
use std::fs;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use engine::offset::OffsetStore as _;
use serde_json::{Value, json};
use worker::config::{InternalTopic, TargetState};
use worker::store::config_log::{ConfigEvent, SessionKey};
use worker::store::topic_log::{LogClients, LogReader, LogSettings, Purpose, TopicLog};
use worker::store::{ConfigStore, KafkaOffsetStore};
use xtask::connect::JavaWorker;
use xtask::kafka::Libs;

use crate::support::{PATIENCE, Rest, unique, wait_for};
use crate::{World, golden, raw, run, until};

const MORE: [(&str, &str); 5] = [
    ("status.storage.partitions", "1"),
    ("offset.storage.partitions", "1"),
    ("scheduled.rebalance.max.delay.ms", "0"),
    ("offset.flush.interval.ms", "500"),
    ("exactly.once.source.support", "enabled"),
];

const SKIPPED: &str = "skipped: AQUEDUCT_KAFKA_LIBS or AQUEDUCT_KAFKA is not set";

/// Jars and broker, where both are there.
fn java() -> Option<(Libs, String)> {
    Libs::from_env().zip(std::env::var("AQUEDUCT_KAFKA").ok())
}

/// Asks again while the group rebalances.
#[track_caller]
fn ask(rest: &Rest, method: &str, path: &str, body: Option<&Value>) -> Value {
    let body = body.map(Value::to_string);
    wait_for(&format!("{method} {path}"), || {
        let answer = rest.send(method, path, body.as_deref());
        match answer.status {
            200..300 => Some(if answer.body.is_empty() { Value::Null } else { answer.json() }),
            409 | 500 | 503 => None,
            _ => panic!("{method} {path}: {answer:?}"),
        }
    })
}

#[derive(Default, Clone)]
struct Collected(Rc<RefCell<Vec<Value>>>, &'static str);

impl LogReader for Collected {
    fn record(&mut self, offset: i64, key: Option<&[u8]>, value: Option<&[u8]>) {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let line =
            json!({ "topic": self.1, "offset": offset, "key": key.map(text), "value": value.map(text) });
        self.0.borrow_mut().push(line);
    }

    fn batch_ended(&mut self) {}
}

/// Follows the three topics and writes down what comes.
struct Recorder {
    logs: Vec<TopicLog>,
    records: Rc<RefCell<Vec<Value>>>,
    lines: Vec<Value>,
}

impl Recorder {
    async fn start(world: &World) -> Recorder {
        let records = Rc::new(RefCell::new(Vec::new()));
        let distributed = world.distributed();
        let topics: [(&InternalTopic, &str, Purpose); 3] = [
            (&distributed.config_topic, "configs", Purpose::Configs),
            (&distributed.status_topic, "status", Purpose::Statuses),
            (&distributed.offset_topic, "offsets", Purpose::Offsets),
        ];
        let mut logs = Vec::new();
        for (topic, name, purpose) in topics {
            let settings = LogSettings::of_worker(&world.worker, distributed, name, true, &[]).unwrap();
            let clients = LogClients::new(&world.env, &world.admin, settings).unwrap();
            let reader = Collected(Rc::clone(&records), name);
            logs.push(TopicLog::start(clients, topic, purpose, reader).await.unwrap());
        }
        Recorder { logs, records, lines: Vec::new() }
    }

    async fn read(&self) -> usize {
        for log in &self.logs {
            log.read_to_end().await.unwrap();
        }
        self.records.borrow().len()
    }

    /// Notes the records so far and what REST shows of them, once nothing moves.
    async fn note(&mut self, rest: &Rest) {
        loop {
            let before = self.read().await;
            let mut shown = Vec::new();
            let names = ask(rest, "GET", "/connectors", None);
            for name in names.as_array().unwrap() {
                for what in ["config", "tasks", "status", "topics"] {
                    let path = format!("/connectors/{}/{what}", name.as_str().unwrap());
                    shown.push(json!({ "get": path, "answer": ask(rest, "GET", &path, None) }));
                }
            }
            shown.push(json!({ "get": "/connectors", "answer": names }));
            if self.read().await == before {
                self.lines.append(&mut self.records.borrow_mut());
                self.lines.extend(shown);
                return;
            }
        }
    }
}

#[test]
fn what_java_writes_is_recorded() {
    if std::env::var_os("AQUEDUCT_WRITE_GOLDEN").is_none() {
        return;
    }
    let Some((libs, bootstrap)) = java() else {
        eprintln!("{SKIPPED}");
        return;
    };
    let group = unique("golden");
    let mut java = JavaWorker::distributed(&libs, &bootstrap, &group, &MORE).unwrap();
    java.wait_for_log("Finished starting connectors and tasks", PATIENCE).unwrap();
    let rest = Rest::new(java.rest());
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("in.txt"), dir.path().join("out.txt"));
    fs::write(&input, "a\nb\nc\n").unwrap();
    let source = json!({
        "connector.class": "FileStreamSource", "file": input, "topic": format!("{group}-t"), "tasks.max": "1",
    });
    let sink = json!({
        "connector.class": "FileStreamSink", "file": output, "topics": format!("{group}-t"), "tasks.max": "2",
        "note": "ä \"quoted\" \u{1F600} \u{1}",
    });
    run(async {
        let mut recorder = Recorder::start(&World::new(&bootstrap, &group, &MORE)).await;
        ask(&rest, "PUT", "/connectors/my-source/config", Some(&source));
        rest.wait_for_states("my-source", "RUNNING: RUNNING");
        wait_for("a topic", || {
            let topics = rest.get("/connectors/my-source/topics").json();
            (topics["my-source"]["topics"].as_array()?.len() == 1).then_some(())
        });
        recorder.note(&rest).await;
        let body = json!({ "name": "k", "config": sink, "initial_state": "PAUSED" });
        ask(&rest, "POST", "/connectors", Some(&body));
        rest.wait_for_states("k", "PAUSED");
        recorder.note(&rest).await;
        ask(&rest, "PUT", "/connectors/k/resume", None);
        rest.wait_for_states("k", "RUNNING: RUNNING,RUNNING");
        recorder.note(&rest).await;
        ask(&rest, "PUT", "/connectors/my-source/pause", None);
        rest.wait_for_states("my-source", "PAUSED: PAUSED");
        ask(&rest, "PUT", "/connectors/my-source/resume", None);
        rest.wait_for_states("my-source", "RUNNING: RUNNING");
        ask(&rest, "PUT", "/connectors/my-source/stop", None);
        rest.wait_for_states("my-source", "STOPPED");
        recorder.note(&rest).await;
        ask(&rest, "PUT", "/connectors/my-source/resume", None);
        rest.wait_for_states("my-source", "RUNNING: RUNNING");
        let mut other = source.clone();
        other["topic"] = json!(format!("{group}-u"));
        ask(&rest, "PUT", "/connectors/my-source/config", Some(&other));
        rest.wait_for_states("my-source", "RUNNING: RUNNING");
        recorder.note(&rest).await;
        let mut fewer = sink.clone();
        fewer["tasks.max"] = json!("1");
        ask(&rest, "PUT", "/connectors/k/config", Some(&fewer));
        rest.wait_for_states("k", "RUNNING: RUNNING");
        recorder.note(&rest).await;
        let mut failing = sink.clone();
        failing["file"] = json!(dir.path().join("no/such/dir/out.txt"));
        ask(&rest, "PUT", "/connectors/broken/config", Some(&failing));
        rest.wait_for_states("broken", "RUNNING: FAILED,FAILED");
        recorder.note(&rest).await;
        ask(&rest, "POST", "/connectors/broken/restart?includeTasks=true&onlyFailed=true", None);
        ask(&rest, "PUT", "/admin/loggers/org.x?scope=cluster", Some(&json!({ "level": "DEBUG" })));
        rest.wait_for_states("broken", "RUNNING: FAILED,FAILED");
        recorder.note(&rest).await;
        ask(&rest, "DELETE", "/connectors/broken", None);
        ask(&rest, "DELETE", "/connectors/my-source", None);
        wait_for("the end of both", || (rest.get("/connectors").json() == json!(["k"])).then_some(()));
        ask(&rest, "PUT", "/connectors/my-source/config", Some(&source));
        rest.wait_for_states("my-source", "RUNNING: RUNNING");
        recorder.note(&rest).await;
        let lines: Vec<_> = recorder.lines.iter().map(|line| format!("{line}\n")).collect();
        fs::write(golden::path(), lines.concat()).unwrap();
    });
    java.stop(PATIENCE).unwrap();
}

/// One cluster's topics, written by ours, gone on with by Java, read by ours again.
#[test]
fn java_goes_on_with_what_ours_wrote() {
    let Some((libs, bootstrap)) = java() else {
        eprintln!("{SKIPPED}");
        return;
    };
    let group = unique("beside");
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("in.txt"), dir.path().join("out.txt"));
    let (topic, input, output) =
        (format!("{group}-t"), input.display().to_string(), output.display().to_string());
    run(async {
        let world = World::new(&bootstrap, &group, &MORE);
        let (configs, mut events) =
            ConfigStore::start(&world.env, &world.worker, world.distributed(), &world.admin).await.unwrap();
        let offsets = KafkaOffsetStore::start(&world.env, &world.worker, world.distributed(), &world.admin)
            .await
            .unwrap();
        configs.claim_write_privileges().await.unwrap();
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
        let key = SessionKey {
            key: (*b"0123456789abcdef0123456789abcdef").into(),
            algorithm: "HmacSHA256".into(),
            created_ms: now_ms,
        };
        configs.put_session_key(&key).await.unwrap();
        let source = [
            ("connector.class", "FileStreamSource"),
            ("file", &input),
            ("topic", &topic),
            ("tasks.max", "1"),
            ("name", "s"),
        ];
        configs.put_connector_config("s", &raw(&source), Some(TargetState::Stopped)).await.unwrap();
        let sink = [
            ("connector.class", "FileStreamSink"),
            ("file", output.as_str()),
            ("topics", &topic),
            ("tasks.max", "1"),
            ("name", "k"),
        ];
        configs.put_connector_config("k", &raw(&sink), Some(TargetState::Paused)).await.unwrap();
        let mut task = raw(&sink);
        task.insert(
            "task.class".to_owned(),
            Some("org.apache.kafka.connect.file.FileStreamSinkTask".to_owned()),
        );
        configs.put_task_configs("k", &[task]).await.unwrap();
        let partition = Bytes::from(format!(r#"["s",{{"filename":"{input}"}}]"#));
        offsets
            .set(vec![(partition.clone(), Some(Bytes::from_static(br#"{"position":42}"#)))])
            .await
            .unwrap();
        while events.try_recv().is_ok() {}

        let mut java = JavaWorker::distributed(&libs, &bootstrap, &group, &MORE).unwrap();
        java.wait_for_log("Finished starting connectors and tasks", PATIENCE).unwrap();
        let rest = Rest::new(java.rest());
        rest.wait_for_states("k", "PAUSED: PAUSED");
        rest.wait_for_states("s", "STOPPED");
        let shown = ask(&rest, "GET", "/connectors/s/config", None);
        for (name, value) in source {
            assert_eq!(shown[name], value, "{name}");
        }
        let shown = ask(&rest, "GET", "/connectors/s/offsets", None);
        assert_eq!(
            shown,
            json!({ "offsets": [{ "partition": { "filename": input }, "offset": { "position": 42 } }] })
        );
        configs.refresh(PATIENCE).await.unwrap();
        assert_eq!(configs.snapshot().session_key(), Some(&key), "it is as good as its own");
        // Java leads now.
        let refused = configs.put_session_key(&key).await.unwrap_err();
        assert!(refused.is_privilege_lost(), "{refused:?}");

        let altered =
            json!({ "offsets": [{ "partition": { "filename": input }, "offset": { "position": 7 } }] });
        ask(&rest, "PATCH", "/connectors/s/offsets", Some(&altered));
        let found = offsets.get(vec![partition]).await.unwrap();
        assert_eq!(found, [Some(Bytes::from_static(br#"{"position":7}"#))]);
        ask(&rest, "PUT", "/connectors/k/resume", None);
        let mut heard = Vec::new();
        until("the change", || {
            heard.extend(std::iter::from_fn(|| events.try_recv().ok()));
            heard.contains(&ConfigEvent::TargetStateChanged { connector: "k".into() })
        })
        .await;
        rest.wait_for_states("k", "RUNNING: RUNNING");
        ask(&rest, "DELETE", "/connectors/k", None);
        configs.refresh(PATIENCE).await.unwrap();
        assert!(!configs.snapshot().contains("k"));
        java.stop(Duration::from_secs(60)).unwrap();
    });
}
