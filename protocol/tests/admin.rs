//! The admin client against a cluster: the embedded broker, or the real Kafka that `AQUEDUCT_KAFKA` names.

mod support;

use broker::Fault;
use protocol::ErrorCode;
use protocol::client::OffsetAndMetadata;
use protocol::client::admin::{
    AclBinding, AclFilter, AclOperation, AclPermission, Admin, ConfigChange, ConfigEntry, ConfigResource,
    ConfigSource, IsolationLevel, NewTopic, OffsetSpec, PatternType, ResourceType,
};
use protocol::wire::messages::ApiKey;
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

/// Goal: Kafka refuses a request that names something twice, or answers it once; whoever asks twice hears twice.
#[test]
fn what_is_named_twice_is_answered_twice() {
    run(async {
        let cluster = TestCluster::start();
        let admin = Admin::new(cluster.client());
        let topic = unique("twice");
        let new = NewTopic::new(&topic, 1);
        let created = admin.create_topics(&[new.clone(), new]).await;
        assert!(created[0].is_ok(), "{created:?}");
        assert_eq!(created[1].as_ref().unwrap_err().code(), Some(ErrorCode::TOPIC_ALREADY_EXISTS));
        let values: Vec<String> = (0..10).map(|i| i.to_string()).collect();
        Writer::new(&cluster).append(&topic, 0, &values).await;
        let specs = [OffsetSpec::Latest, OffsetSpec::Earliest, OffsetSpec::Latest];
        let queries = specs.map(|spec| (topic.as_str(), 0, spec));
        let listed = admin.list_offsets(&queries, IsolationLevel::ReadUncommitted).await;
        let listed: Vec<_> = listed.into_iter().map(|listed| listed.unwrap().offset).collect();
        assert_eq!(listed, [Some(10), Some(0), Some(10)]);
        let deleted = admin.delete_records(&[(&topic, 0, 3), (&topic, 0, 5)]).await;
        let low: Vec<_> = deleted.into_iter().map(Result::unwrap).collect();
        assert_eq!(low, [3, 5]);

        let resource = ConfigResource::Topic(topic.as_str().into());
        let set = |value: &str| vec![ConfigChange::Set("max.message.bytes".to_owned(), value.to_owned())];
        let changes = [(resource.clone(), set("20000")), (resource.clone(), set("30000"))];
        assert!(admin.alter_configs(&changes).await.iter().all(Result::is_ok));
        let described = admin.describe_configs(&[resource.clone(), resource]).await;
        assert!(described.iter().all(Result::is_ok), "{described:?}");

        let group = unique("group");
        let position = |offset| (tp(&topic, 0), OffsetAndMetadata::new(offset));
        assert!(
            admin.alter_group_offsets(&group, &[position(1), position(2)]).await.iter().all(Result::is_ok)
        );
        let listed = admin.list_group_offsets(&[&group, &group], false).await;
        let listed: Vec<_> = listed.into_iter().map(Result::unwrap).collect();
        assert_eq!(listed, [vec![position(2)], vec![position(2)]]);
        assert_eq!(
            admin.describe_groups(&[&group, &group]).await.into_iter().filter(Result::is_ok).count(),
            2
        );
        let deleted = admin.delete_groups(&[&group, &group]).await;
        assert!(deleted[0].is_ok(), "{deleted:?}");
        assert_eq!(deleted[1].as_ref().unwrap_err().code(), Some(ErrorCode::GROUP_ID_NOT_FOUND));
        let deleted = admin.delete_topics(&[&topic, &topic]).await;
        assert!(deleted[0].is_ok() && deleted[1].is_err(), "{deleted:?}");
    });
}

/// Goal: many groups cost a request per coordinator, and what one coordinator refuses is asked again alone.
#[test]
fn offsets_of_many_groups_are_asked_of_each_coordinator_once() {
    run(async {
        let cluster = TestCluster::embedded(3);
        let topic = cluster.topic("many", 1).await;
        let groups: Vec<String> = (0..30).map(|index| format!("group-{index}")).collect();
        let admin = Admin::new(cluster.client());
        for (offset, group) in groups.iter().enumerate() {
            let position = OffsetAndMetadata::new(offset as i64);
            admin.alter_group_offsets(group, &[(tp(&topic, 0), position)]).await.remove(0).unwrap();
        }
        let names: Vec<&str> = groups.iter().map(String::as_str).collect();
        let requests = |key| cluster.broker().request_count(key);
        for (fault, extra) in [(None, 0), (Some(ErrorCode::NOT_COORDINATOR), 1)] {
            let admin = Admin::new(cluster.client());
            let before = (requests(ApiKey::FindCoordinator), requests(ApiKey::OffsetFetch));
            if let Some(code) = fault {
                cluster.broker().faults().once(ApiKey::OffsetFetch, Fault::Error(code));
            }
            let listed = admin.list_group_offsets(&names, true).await;
            for (offset, listed) in listed.into_iter().enumerate() {
                assert_eq!(listed.unwrap(), [(tp(&topic, 0), OffsetAndMetadata::new(offset as i64))]);
            }
            assert_eq!(requests(ApiKey::FindCoordinator) - before.0, 1 + extra, "{fault:?}");
            assert_eq!(requests(ApiKey::OffsetFetch) - before.1, 3 + extra, "{fault:?}");
        }
        let before = requests(ApiKey::DescribeGroups);
        assert!(admin.describe_groups(&names).await.iter().all(Result::is_ok));
        assert_eq!(requests(ApiKey::DescribeGroups) - before, 3);
        let before = requests(ApiKey::DeleteGroups);
        assert!(admin.delete_groups(&names).await.iter().all(Result::is_ok));
        assert_eq!(requests(ApiKey::DeleteGroups) - before, 3);
    });
}

/// On a cluster without an authorizer, which the embedded broker always is, all of it is refused.
#[test]
fn access_control_lists_are_created_found_and_deleted_one_by_one() {
    run(async {
        let cluster = TestCluster::start();
        let admin = Admin::new(cluster.client());
        let operations = admin.cluster_operations().await.unwrap();
        assert!(operations.contains(&AclOperation::Describe), "{operations:?}");

        let (topic, prefix) = (unique("acl"), unique("acl-prefix"));
        let binding = |name: &str, pattern_type, operation| AclBinding {
            resource_type: ResourceType::Topic,
            resource_name: name.to_owned(),
            pattern_type,
            principal: "User:alice".to_owned(),
            host: "*".to_owned(),
            operation,
            permission: AclPermission::Allow,
        };
        let bindings = [
            binding(&topic, PatternType::Literal, AclOperation::Read),
            binding(&prefix, PatternType::Prefixed, AclOperation::Write),
        ];
        let of_topic = AclFilter { resource_name: Some(topic.clone()), ..AclFilter::any() };
        if let Err(error) = admin.describe_acls(&of_topic).await {
            assert_eq!(error.code(), Some(ErrorCode::SECURITY_DISABLED), "{error}");
            let created = admin.create_acls(&bindings).await;
            let deleted = admin.delete_acls(&[of_topic]).await;
            let codes: Vec<_> = created.into_iter().map(|created| created.unwrap_err().code()).collect();
            assert_eq!(codes, [Some(ErrorCode::SECURITY_DISABLED); 2]);
            assert_eq!(deleted[0].as_ref().unwrap_err().code(), Some(ErrorCode::SECURITY_DISABLED));
            return;
        }
        let nonsense = AclBinding { permission: AclPermission::Any, ..bindings[0].clone() };
        let created = admin.create_acls(&[bindings[0].clone(), nonsense, bindings[1].clone()]).await;
        assert!(created[0].is_ok() && created[2].is_ok(), "{created:?}");
        let refused = created[1].as_ref().unwrap_err().to_string();
        assert!(refused.contains("the permission is not a single one"), "{refused}");
        let longer = format!("{prefix}-and-more");
        let matching = AclFilter {
            resource_type: ResourceType::Topic,
            resource_name: Some(longer),
            pattern_type: PatternType::Match,
            ..AclFilter::any()
        };
        let deadline = Instant::now() + PATIENCE;
        while admin.describe_acls(&matching).await.unwrap() != bindings[1..] {
            assert!(Instant::now() < deadline, "the new entries do not appear");
        }
        assert_eq!(admin.describe_acls(&of_topic).await.unwrap(), bindings[..1]);
        let deleted = admin.delete_acls(&[AclFilter::from(&bindings[0]), matching.clone()]).await;
        for (deleted, binding) in deleted.into_iter().zip(bindings) {
            let found = deleted.unwrap();
            assert!(found.len() == 1 && found[0].0 == binding && found[0].1.is_ok(), "{found:?}");
        }
        while !admin.describe_acls(&matching).await.unwrap().is_empty() {
            assert!(Instant::now() < deadline, "the entries do not go away");
        }
    });
}
