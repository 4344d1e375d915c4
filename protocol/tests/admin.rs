//! The admin client against a cluster: the embedded broker, or the real Kafka that `AQUEDUCT_KAFKA` names.

mod support;

use protocol::ErrorCode;
use protocol::client::OffsetAndMetadata;
use protocol::client::admin::{
    Admin, ConfigChange, ConfigEntry, ConfigResource, ConfigSource, IsolationLevel, NewTopic, OffsetSpec,
};
use support::{PATIENCE, TestCluster, Writer, run, tp, unique};
use tokio::time::Instant;

fn value<'a>(entries: &'a [ConfigEntry], name: &str) -> &'a ConfigEntry {
    entries.iter().find(|entry| entry.name == name).expect("a key that every Kafka has")
}

#[test]
fn topics_are_created_described_grown_and_deleted_item_by_item() {
    run(async {
        let cluster = TestCluster::start();
        let admin = Admin::new(cluster.client());
        let (first, second) = (unique("admin"), unique("admin"));
        let created = admin.create_topics(&[NewTopic::new(&first, 1), NewTopic::new(&second, 2)]).await;
        let ids: Vec<_> = created.into_iter().map(|topic| topic.unwrap().id).collect();
        let again = admin.create_topics(&[NewTopic::new(&first, 1)]).await;
        assert_eq!(again[0].as_ref().unwrap_err().code(), Some(ErrorCode::TOPIC_ALREADY_EXISTS));

        let grown = admin.create_partitions(&[(&first, 3), (&second, 1)]).await;
        assert!(grown[0].is_ok(), "{grown:?}");
        assert_eq!(grown[1].as_ref().unwrap_err().code(), Some(ErrorCode::INVALID_PARTITIONS));
        // Brokers hear of what the controller did a little later.
        let deadline = Instant::now() + PATIENCE;
        loop {
            let described = admin.describe_topics_by_id(&ids).await.unwrap();
            if let [Ok(a), Ok(b)] = &described[..]
                && a.partitions.len() == 3
            {
                assert_eq!((&*a.name, &*b.name, b.partitions.len()), (&*first, &*second, 2));
                break;
            }
            assert!(Instant::now() < deadline, "{described:?}");
        }

        let deleted = admin.delete_topics(&[&first, &unique("never"), &second]).await;
        assert!(deleted[0].is_ok() && deleted[2].is_ok(), "{deleted:?}");
        assert_eq!(deleted[1].as_ref().unwrap_err().code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
        let deadline = Instant::now() + PATIENCE;
        loop {
            let described = admin.describe_topics_by_id(&ids).await.unwrap();
            if described.iter().all(|topic| {
                topic.as_ref().is_err_and(|error| error.code() == Some(ErrorCode::UNKNOWN_TOPIC_ID))
            }) {
                break;
            }
            assert!(Instant::now() < deadline, "{described:?}");
        }
    });
}

#[test]
fn configurations_are_described_and_changed_key_by_key() {
    run(async {
        let cluster = TestCluster::start();
        let admin = Admin::new(cluster.client());
        let topic = cluster.topic("configs", 1).await;
        let resource = ConfigResource::Topic(topic.as_str().into());
        let node = admin.describe_cluster().await.unwrap().nodes[0].id;
        let described = admin.describe_configs(&[resource.clone(), ConfigResource::Broker(node)]).await;
        let of_topic = described[0].as_ref().unwrap();
        assert_eq!(value(of_topic, "cleanup.policy").value.as_deref(), Some("delete"));
        assert_ne!(value(of_topic, "cleanup.policy").source, ConfigSource::DynamicTopic);
        assert!(value(described[1].as_ref().unwrap(), "message.max.bytes").value.is_some());

        let set = |key: &str, value: &str| ConfigChange::Set(key.to_owned(), value.to_owned());
        let missing = ConfigResource::Topic(unique("never").into());
        let changed = admin
            .alter_configs(&[
                (
                    resource.clone(),
                    vec![
                        ConfigChange::Append("cleanup.policy".to_owned(), "compact".to_owned()),
                        set("max.message.bytes", "20000"),
                    ],
                ),
                (missing.clone(), vec![set("max.message.bytes", "20000")]),
            ])
            .await;
        assert!(changed[0].is_ok(), "{changed:?}");
        assert_eq!(changed[1].as_ref().unwrap_err().code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
        let wrong = admin.alter_configs(&[(resource.clone(), vec![set("max.message.bytes", "x")])]).await;
        assert_eq!(wrong[0].as_ref().unwrap_err().code(), Some(ErrorCode::INVALID_CONFIG));
        let back = vec![ConfigChange::Delete("max.message.bytes".to_owned())];
        admin.alter_configs(&[(resource.clone(), back)]).await.remove(0).unwrap();

        let deadline = Instant::now() + PATIENCE;
        loop {
            let described = admin.describe_configs(std::slice::from_ref(&resource)).await.remove(0).unwrap();
            let (policy, size) =
                (value(&described, "cleanup.policy"), value(&described, "max.message.bytes"));
            if policy.source == ConfigSource::DynamicTopic && size.source != ConfigSource::DynamicTopic {
                assert_eq!(policy.value.as_deref(), Some("delete,compact"));
                assert_eq!(size.value.as_deref(), Some("1048588"));
                break;
            }
            assert!(Instant::now() < deadline, "{described:?}");
        }
        let described = admin.describe_configs(&[missing]).await;
        assert_eq!(described[0].as_ref().unwrap_err().code(), Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    });
}

#[test]
fn offsets_are_listed_and_records_before_one_deleted() {
    run(async {
        let cluster = TestCluster::start();
        let admin = Admin::new(cluster.client());
        let topic = cluster.topic("records", 2).await;
        let values: Vec<String> = (0..10).map(|i| i.to_string()).collect();
        Writer::new(&cluster).append(&topic, 0, &values).await;
        let queries =
            [(topic.as_str(), 0, OffsetSpec::Timestamp(500)), (topic.as_str(), 1, OffsetSpec::Latest)];
        let listed = admin.list_offsets(&queries, IsolationLevel::ReadUncommitted).await;
        let listed: Vec<_> = listed.into_iter().map(|offset| offset.unwrap().offset).collect();
        assert_eq!(listed, [Some(0), Some(0)]);
        let deleted = admin.delete_records(&[(&topic, 0, 4), (&topic, 1, 5)]).await;
        assert_eq!(*deleted[0].as_ref().unwrap(), 4);
        assert_eq!(deleted[1].as_ref().unwrap_err().code(), Some(ErrorCode::OFFSET_OUT_OF_RANGE));
        for (spec, expected) in [(OffsetSpec::Earliest, 4), (OffsetSpec::Latest, 10)] {
            let listed = admin.list_offsets(&[(&topic, 0, spec)], IsolationLevel::ReadCommitted).await;
            assert_eq!(listed[0].as_ref().unwrap().offset, Some(expected));
        }
    });
}

#[test]
fn offsets_of_groups_are_altered_listed_and_deleted() {
    run(async {
        let cluster = TestCluster::start();
        let admin = Admin::new(cluster.client());
        let topic = cluster.topic("offsets", 2).await;
        let (group, other) = (unique("group"), unique("group"));
        let position = |offset| OffsetAndMetadata { offset, leader_epoch: -1, metadata: "by hand".into() };
        let positions = [(tp(&topic, 0), position(3)), (tp(&topic, 1), position(5))];
        for altered in admin.alter_group_offsets(&group, &positions).await {
            altered.unwrap();
        }
        let mut listed = admin.list_group_offsets(&[&group, &other], true).await;
        assert!(listed[1].as_ref().unwrap().is_empty());
        let mut found = listed.remove(0).unwrap();
        found.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(found, positions);
        let one = admin.group_offsets(&group, &[tp(&topic, 1)], false).await.unwrap();
        assert_eq!(one, positions[1..]);

        let empty = admin.list_groups(&["Empty"], &["classic"]).await.unwrap();
        assert!(empty.iter().any(|listed| listed.group_id == group), "{empty:?}");
        let stable = admin.list_groups(&["Stable"], &[]).await.unwrap();
        assert!(!stable.iter().any(|listed| listed.group_id == group), "{stable:?}");
        assert_eq!(admin.describe_groups(&[&group]).await.remove(0).unwrap().state, "Empty");

        admin.delete_group_offsets(&group, &[tp(&topic, 0)]).await.remove(0).unwrap();
        let listed = admin.list_group_offsets(&[&group], false).await.remove(0).unwrap();
        assert_eq!(listed, positions[1..]);
        let missing = admin.delete_group_offsets(&other, &[tp(&topic, 0)]).await.remove(0);
        assert_eq!(missing.unwrap_err().code(), Some(ErrorCode::GROUP_ID_NOT_FOUND));
        let deleted = admin.delete_groups(&[&group, &other]).await;
        assert!(deleted[0].is_ok(), "{deleted:?}");
        assert_eq!(deleted[1].as_ref().unwrap_err().code(), Some(ErrorCode::GROUP_ID_NOT_FOUND));
        assert!(admin.list_group_offsets(&[&group], false).await.remove(0).unwrap().is_empty());
    });
}

#[test]
fn fencing_a_transactional_id_raises_its_epoch() {
    // The embedded broker refuses transactional ids.
    if std::env::var("AQUEDUCT_KAFKA").is_err() {
        return;
    }
    run(async {
        let cluster = TestCluster::start();
        let admin = Admin::new(cluster.client());
        let (one, two) = (unique("txn"), unique("txn"));
        let first: Vec<_> =
            admin.fence_producers(&[&one, &two]).await.into_iter().map(Result::unwrap).collect();
        let again = admin.fence_producers(&[&one]).await.remove(0).unwrap();
        assert_ne!(first[0].producer_id, first[1].producer_id);
        assert_eq!((again.producer_id, again.epoch), (first[0].producer_id, first[0].epoch + 1));
    });
}
