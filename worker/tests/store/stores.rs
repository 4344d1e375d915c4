//! Our stores among themselves.

use std::time::Duration;

use broker::{Broker as Embedded, Fault};
use bytes::Bytes;
use engine::offset::OffsetStore as _;
use protocol::client::admin::{IsolationLevel, NewTopic, OffsetSpec};
use protocol::wire::messages::ApiKey;
use worker::config::TargetState;
use worker::herd::State;
use worker::store::config_log::{ConfigEvent, RestartRequest, SessionKey, Snapshot};
use worker::store::status_log::{StoredStatus, TopicStatus};
use worker::store::{ConfigStore, KafkaOffsetStore, StatusStore, StoreError};

use crate::support::{self, Broker, unique};
use crate::{World, raw, run, until};

async fn open(world: &World) -> (ConfigStore, tokio::sync::mpsc::UnboundedReceiver<ConfigEvent>) {
    ConfigStore::start(&world.env, &world.worker, world.distributed(), &world.admin).await.unwrap()
}

fn connector(name: &str) -> std::sync::Arc<str> {
    name.into()
}

#[test]
fn configurations_reach_every_worker_and_survive_a_restart() {
    let broker = Broker::start();
    run(async {
        let world = World::new(&broker.bootstrap, &unique("configs"), &[]);
        let (leader, mut of_leader) = open(&world).await;
        let (follower, mut of_follower) = open(&world).await;
        let config = raw(&[("connector.class", "X"), ("name", "c")]);
        leader.put_connector_config("c", &config, Some(TargetState::Paused)).await.unwrap();
        assert_eq!(
            of_leader.try_recv().unwrap(),
            ConfigEvent::ConnectorUpdated { connector: connector("c") }
        );
        leader.put_task_configs("c", &[raw(&[("t", "0")]), raw(&[("t", "1")])]).await.unwrap();
        let committed = ConfigEvent::TasksUpdated { connector: connector("c"), tasks: vec![0, 1] };
        assert_eq!(of_leader.try_recv().unwrap(), committed);
        leader.put_connector_config("d", &config, None).await.unwrap();
        leader.remove_connector_config("d").await.unwrap();
        let key = SessionKey { key: (*b"0123456789").into(), algorithm: "HmacSHA256".into(), created_ms: 1 };
        leader.put_session_key(&key).await.unwrap();
        leader.put_task_count_record("c", 2).await.unwrap();
        let request = RestartRequest { connector: connector("c"), only_failed: true, include_tasks: true };
        leader.put_restart_request(&request).await.unwrap();
        follower.put_target_state("c", TargetState::Stopped).await.unwrap();
        follower.put_logger_level("org.x", "DEBUG").await.unwrap();

        follower.refresh(support::PATIENCE).await.unwrap();
        leader.refresh(support::PATIENCE).await.unwrap();
        let snapshot = follower.snapshot();
        assert_eq!(snapshot, leader.snapshot());
        assert_eq!(snapshot, follower.reader().get());
        assert_eq!(snapshot.connectors().collect::<Vec<_>>(), [&connector("c")]);
        assert_eq!(snapshot.config("c").unwrap().as_ref(), &config);
        assert_eq!((snapshot.tasks("c"), snapshot.target_state("c")), (0..2, Some(TargetState::Stopped)));
        assert_eq!(snapshot.task_config("c", 1).unwrap().as_ref(), &raw(&[("t", "1")]));
        assert_eq!((snapshot.session_key(), snapshot.task_count_record("c")), (Some(&key), Some(2)));
        let mut heard = Vec::new();
        while let Ok(event) = of_follower.try_recv() {
            heard.push(event);
        }
        assert_eq!(heard.len(), 8, "{heard:?}");
        assert_eq!(heard[6], ConfigEvent::TargetStateChanged { connector: connector("c") });

        drop((leader, follower));
        let (restarted, mut of_restarted) = open(&world).await;
        assert_eq!(restarted.snapshot(), snapshot);
        assert!(of_restarted.try_recv().is_err(), "what was there is no news");
    });
}

#[test]
fn a_deposed_leader_cannot_write() {
    let broker = Broker::start();
    run(async {
        let more = [("exactly.once.source.support", "preparing")];
        let world = World::new(&broker.bootstrap, &unique("leaders"), &more);
        let (old, _) = open(&world).await;
        let (new, _) = open(&world).await;
        let config = raw(&[("by", "old")]);
        let unclaimed = old.put_connector_config("c", &config, None).await.unwrap_err();
        assert!(unclaimed.is_privilege_lost(), "{unclaimed:?}");
        old.claim_write_privileges().await.unwrap();
        old.claim_write_privileges().await.unwrap();
        old.put_connector_config("c", &config, Some(TargetState::Paused)).await.unwrap();
        old.put_task_configs("c", std::slice::from_ref(&config)).await.unwrap();

        new.claim_write_privileges().await.unwrap();
        let refused = old.put_connector_config("c", &raw(&[("by", "zombie")]), None).await.unwrap_err();
        assert!(refused.is_privilege_lost(), "{refused:?}");
        assert_eq!(refused.to_string(), "Failed to perform fencable send to config topic");
        let refused = old.put_task_configs("c", &[raw(&[("by", "zombie")])]).await.unwrap_err();
        assert!(refused.is_privilege_lost(), "{refused:?}");
        // What any worker may write it still may.
        old.put_target_state("c", TargetState::Started).await.unwrap();
        new.put_connector_config("d", &raw(&[("by", "new")]), None).await.unwrap();
        for store in [&old, &new] {
            store.refresh(support::PATIENCE).await.unwrap();
        }
        let snapshot: std::sync::Arc<Snapshot> = new.snapshot();
        assert_eq!(snapshot, old.snapshot());
        assert_eq!(snapshot.config("c").unwrap().as_ref(), &config);
        assert_eq!(snapshot.target_state("c"), Some(TargetState::Started));
        // Members compare this number: markers of transactions are in the topic, and do not count.
        let topic = world.distributed().config_topic.name.as_str();
        let end = world
            .admin
            .list_offsets(&[(topic, 0, OffsetSpec::Latest)], IsolationLevel::ReadUncommitted)
            .await;
        let end = end[0].as_ref().unwrap().offset.unwrap();
        assert!(snapshot.offset() < end, "{} {end}", snapshot.offset());
        let (restarted, _) = open(&world).await;
        assert_eq!(restarted.snapshot(), snapshot);
        // The old one may lead again, and says so first.
        old.claim_write_privileges().await.unwrap();
        old.remove_connector_config("d").await.unwrap();
        assert!(!old.snapshot().contains("d"));
    });
}

#[test]
fn a_leader_asked_for_several_things_at_a_time_writes_them_all() {
    let broker = Broker::start();
    run(async {
        let more = [("exactly.once.source.support", "enabled")];
        let world = World::new(&broker.bootstrap, &unique("turns"), &more);
        let (leader, _) = open(&world).await;
        leader.claim_write_privileges().await.unwrap();
        let config = raw(&[("a", "b")]);
        let written = tokio::join!(
            leader.put_connector_config("c", &config, None),
            leader.put_task_configs("d", std::slice::from_ref(&config)),
            leader.put_task_count_record("d", 3),
        );
        assert!(written.0.is_ok() && written.1.is_ok() && written.2.is_ok(), "{written:?}");
        let snapshot = leader.snapshot();
        assert_eq!((snapshot.contains("c"), snapshot.task_count_record("d")), (true, Some(3)));
    });
}

#[test]
fn statuses_reach_every_worker_and_survive_a_restart() {
    let broker = Broker::start();
    run(async {
        let world = World::new(&broker.bootstrap, &unique("status"), &[]);
        let open = async || {
            StatusStore::start(&world.env, &world.worker, world.distributed(), &world.admin).await.unwrap()
        };
        let (one, other) = (open().await, open().await);
        let status = |state, worker: &str, generation| StoredStatus {
            state,
            trace: None,
            worker_id: worker.into(),
            generation,
            version: Some("1".into()),
        };
        let running = status(State::Running, "one", 3);
        one.put_connector("c", &running);
        (0..100).for_each(|task| one.put_task("c", task, &running));
        let topic = TopicStatus { topic: "t".into(), connector: "c".into(), task: 0, discovered_ms: 5 };
        one.put_topic(&topic);
        one.delete_task("c", 99, 3);
        one.flush().await;
        other.refresh().await.unwrap();
        assert_eq!((other.connector("c"), other.tasks("c").len()), (Some(running.clone()), 99));
        assert_eq!(other.topics("c"), [topic]);
        other.put_task_safely("c", 0, &status(State::Failed, "other", 2));
        other.put_task_safely("c", 1, &status(State::Failed, "other", 4));
        other.flush().await;
        one.refresh().await.unwrap();
        assert_eq!(one.task("c", 0).unwrap().state, State::Running);
        assert_eq!(one.task("c", 1).unwrap().state, State::Failed);
        other.delete_connector("c", 4);
        other.delete_topic("c", "t");
        other.flush().await;
        one.refresh().await.unwrap();
        assert_eq!((one.connector("c"), one.topics("c").len()), (None, 0));
        one.put_connector("d", &running);
        one.flush().await;
        let restarted = open().await;
        assert_eq!((restarted.connector("d"), restarted.connector("c")), (Some(running), None));
    });
}

#[test]
fn a_status_that_was_not_written_is_written_again() {
    let embedded = Embedded::builder().spawn_thread("127.0.0.1:0").unwrap();
    run(async {
        let world = World::new(&embedded.bootstrap_servers(), &unique("retries"), &[]);
        let store =
            StatusStore::start(&world.env, &world.worker, world.distributed(), &world.admin).await.unwrap();
        let failing = protocol::ErrorCode::NOT_ENOUGH_REPLICAS;
        embedded.faults().times(3, ApiKey::Produce, Fault::Error(failing));
        let running = StoredStatus {
            state: State::Running,
            trace: None,
            worker_id: "w".into(),
            generation: 1,
            version: None,
        };
        store.put_connector("c", &running);
        until("the status", || store.connector("c").is_some()).await;
    });
}

#[test]
fn offsets_are_read_by_who_gets_the_task_next() {
    let broker = Broker::start();
    run(async {
        let world = World::new(&broker.bootstrap, &unique("offsets"), &[]);
        let open = async || {
            KafkaOffsetStore::start(&world.env, &world.worker, world.distributed(), &world.admin)
                .await
                .unwrap()
        };
        let (one, other) = (open().await, open().await);
        let key = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        let file = key(r#"["c",{"filename":"/x"}]"#);
        let table = key(r#"["c",{"db":"a","table":"b"}]"#);
        let written = vec![
            (file.clone(), Some(key(r#"{"position":1}"#))),
            (table.clone(), Some(key(r#"{"lsn":7}"#))),
            (key(r#"["d",{"filename":"/x"}]"#), Some(key("{}"))),
        ];
        one.set(written).await.unwrap();
        let reordered = key(r#"["c",{"table":"b","db":"a"}]"#);
        let found = other.get(vec![reordered.clone(), file.clone(), key("none")]).await.unwrap();
        assert_eq!(found, [Some(key(r#"{"lsn":7}"#)), Some(key(r#"{"position":1}"#)), None]);
        other.set(vec![(reordered, Some(key(r#"{"lsn":8}"#))), (file.clone(), None)]).await.unwrap();
        assert_eq!(one.entries("c").await.unwrap(), [(table.clone(), key(r#"{"lsn":8}"#))]);
        let restarted = open().await;
        assert_eq!(restarted.get(vec![table, file]).await.unwrap(), [Some(key(r#"{"lsn":8}"#)), None]);
    });
}

#[test]
fn topics_that_would_lose_something_are_refused() {
    let broker = Broker::start();
    run(async {
        let group = unique("refused");
        let world = World::new(&broker.bootstrap, &group, &[]);
        let distributed = world.distributed();
        let topic = |name: &str, partitions| NewTopic::new(name, partitions).with_replication_factor(1);
        let topics = [
            topic(&distributed.config_topic.name, 2).with_config("cleanup.policy", "compact"),
            topic(&distributed.status_topic.name, 1).with_config("cleanup.policy", "compact,delete"),
            topic(&distributed.offset_topic.name, 1).with_config("cleanup.policy", "delete"),
        ];
        for created in world.admin.create_topics(&topics).await {
            created.unwrap();
        }
        let configs = ConfigStore::start(&world.env, &world.worker, distributed, &world.admin).await;
        assert_eq!(
            configs.unwrap_err().to_string(),
            format!(
                "Topic '{group}-configs' supplied via the 'config.storage.topic' property is required to have a single partition in \
                 order to guarantee consistency of connector configurations, but found 2 partitions."
            )
        );
        let statuses = StatusStore::start(&world.env, &world.worker, distributed, &world.admin).await;
        let message = statuses.unwrap_err().to_string();
        assert!(
            message.starts_with(&format!(
                "Topic '{group}-status' supplied via the 'status.storage.topic' property is required to have 'cleanup.policy=compact' to \
                 guarantee consistency and durability of connector and task statuses, but found the topic currently has \
                 'cleanup.policy=compact,delete'. Continuing would likely result in eventually losing connector and task statuses"
            )),
            "{message}"
        );
        let offsets = KafkaOffsetStore::start(&world.env, &world.worker, distributed, &world.admin).await;
        let message = offsets.unwrap_err().to_string();
        assert!(message.contains("'cleanup.policy=delete'. Continuing would"), "{message}");
    });
}

#[test]
fn topics_are_made_as_configured() {
    let broker = Broker::start();
    run(async {
        let more = [("config.storage.min.insync.replicas", "1"), ("status.storage.partitions", "2")];
        let world = World::new(&broker.bootstrap, &unique("made"), &more);
        let distributed = world.distributed();
        let _store = open(&world).await;
        let _statuses =
            StatusStore::start(&world.env, &world.worker, distributed, &world.admin).await.unwrap();
        let described = world
            .admin
            .describe_topics(&[&distributed.config_topic.name, &distributed.status_topic.name])
            .await;
        let counts: Vec<_> =
            described.unwrap().into_iter().map(|topic| topic.unwrap().partitions.len()).collect();
        assert_eq!(counts, [1, 2]);
        let resource =
            protocol::client::admin::ConfigResource::Topic(distributed.config_topic.name.as_str().into());
        let entries = world.admin.describe_configs(&[resource]).await.remove(0).unwrap();
        let value = |name: &str| entries.iter().find(|entry| entry.name == name)?.value.clone();
        assert_eq!(value("cleanup.policy").as_deref(), Some("compact"));
    });
}

/// What waits for a broker has a limit, and holds nobody else up.
#[test]
fn a_broker_that_hangs_is_given_up_in_time() {
    let embedded = Embedded::builder().spawn_thread("127.0.0.1:0").unwrap();
    run(async {
        let world = World::new(&embedded.bootstrap_servers(), &unique("hangs"), &[]);
        let (store, _events) = open(&world).await;
        store.put_connector_config("c", &raw(&[("a", "b")]), None).await.unwrap();
        embedded.faults().on(ApiKey::ListOffsets, Fault::Silence);
        let late = store.refresh(Duration::from_millis(100)).await.unwrap_err();
        assert!(matches!(late, StoreError::TimedOut(_)), "{late:?}");
        assert!(store.snapshot().contains("c"));
        embedded.faults().clear_all();
    });
}

#[test]
fn compaction_changes_nothing_that_counts() {
    let embedded = Embedded::builder()
        .log_cleaner_backoff(Duration::from_millis(20))
        .spawn_thread("127.0.0.1:0")
        .unwrap();
    run(async {
        let more = [
            ("config.storage.segment.bytes", "1024"),
            ("config.storage.min.cleanable.dirty.ratio", "0.01"),
            ("config.storage.delete.retention.ms", "0"),
        ];
        let world = World::new(&embedded.bootstrap_servers(), &unique("compaction"), &more);
        let (store, _events) = open(&world).await;
        store.put_connector_config("gone", &raw(&[("a", "b")]), None).await.unwrap();
        store.put_task_configs("gone", &[raw(&[("a", "b")])]).await.unwrap();
        store.remove_connector_config("gone").await.unwrap();
        for round in 0..60 {
            let round = round.to_string();
            store.put_connector_config("c", &raw(&[("round", &round)]), None).await.unwrap();
            store.put_task_configs("c", &[raw(&[("round", &round)])]).await.unwrap();
        }
        let before = store.snapshot();
        assert_eq!(before.tasks("c"), 0..1);
        // A reader that starts now sees fewer records, and has the same state: generations count what was seen.
        let deadline = tokio::time::Instant::now() + support::PATIENCE;
        loop {
            let (fresh, _events) = open(&world).await;
            let after = fresh.snapshot();
            assert_eq!(after.offset(), before.offset());
            assert_eq!(after.config("c"), before.config("c"));
            assert_eq!(after.task_config("c", 0), before.task_config("c", 0));
            assert_eq!((after.tasks("c"), after.contains("gone")), (0..1, false));
            if after.task_config_generation("c") < before.task_config_generation("c") {
                break;
            }
            assert!(tokio::time::Instant::now() < deadline, "the topic is not compacted");
        }
    });
}
