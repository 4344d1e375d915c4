//! Topics, partitions and configurations.

use protocol::ErrorCode;
use protocol::wire::messages::alter_configs_request;
use protocol::wire::messages::create_partitions_request::CreatePartitionsTopic;
use protocol::wire::messages::create_topics_request::{CreatableReplicaAssignment, CreatableTopic};
use protocol::wire::messages::describe_configs_request::DescribeConfigsResource;
use protocol::wire::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use protocol::wire::messages::{
    AlterConfigsRequest, CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest,
    DescribeClusterRequest, DescribeConfigsRequest, IncrementalAlterConfigsRequest, MetadataRequest,
    delete_topics_request::DeleteTopicState,
};

use crate::support::{Client, run, text, topic};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

#[test]
fn topics_are_created_as_asked_in_every_version() {
    run(|builder| async move {
        let broker = builder.partitions_default(4).build();
        let mut client = Client::new(&broker);
        for version in 2..=7 {
            let new = CreatableTopic::default()
                .with_name(topic(&format!("t{version}")))
                .with_num_partitions(-1)
                .with_replication_factor(-1);
            let response = client.call(version, CreateTopicsRequest::default().with_topics(vec![new])).await;
            let made = &response.topics[0];
            assert_eq!(made.error_code, 0, "v{version}");
            if version >= 5 {
                assert_eq!((made.num_partitions, made.replication_factor), (4, 1));
                let configs = made.configs.as_ref().unwrap();
                assert!(
                    configs
                        .iter()
                        .any(|c| c.name.as_str() == "cleanup.policy" && c.value.as_deref() == Some("delete"))
                );
            }
        }
        let metadata = client.call(12, MetadataRequest::default().with_topics(None)).await;
        assert_eq!(metadata.topics.len(), 6);
        assert!(metadata.topics.iter().all(|topic| topic.partitions.len() == 4));
    });
}

#[test]
fn impossible_topics_are_refused() {
    run(|builder| async move {
        let broker = builder.partition_count_max(10).build();
        let mut client = Client::new(&broker);
        assert_eq!(client.create_topic("a.b", 1, &[]).await, 0);
        assert_eq!(client.create_topic("a.b", 1, &[]).await, ErrorCode::TOPIC_ALREADY_EXISTS.0);
        assert_eq!(client.create_topic("a_b", 1, &[]).await, ErrorCode::INVALID_TOPIC_EXCEPTION.0);
        assert_eq!(client.create_topic("a b", 1, &[]).await, ErrorCode::INVALID_TOPIC_EXCEPTION.0);
        assert_eq!(client.create_topic("c", 0, &[]).await, ErrorCode::INVALID_PARTITIONS.0);
        assert_eq!(client.create_topic("c", i32::MAX, &[]).await, ErrorCode::POLICY_VIOLATION.0);
        assert_eq!(client.create_topic("c", 1, &[("no.such.key", "1")]).await, ErrorCode::INVALID_CONFIG.0);
        assert_eq!(
            client.create_topic("c", 1, &[("retention.ms", "soon")]).await,
            ErrorCode::INVALID_CONFIG.0
        );
        let create =
            |new: CreatableTopic| CreateTopicsRequest::default().with_topics(vec![new.with_name(topic("c"))]);
        let many = CreatableTopic::default().with_num_partitions(1).with_replication_factor(2);
        let code = client.call(7, create(many)).await.topics[0].error_code;
        assert_eq!(code, ErrorCode::INVALID_REPLICATION_FACTOR.0);
        let assignment = |index, node: i32| {
            CreatableReplicaAssignment::default()
                .with_partition_index(index)
                .with_broker_ids(vec![node.into()])
        };
        let assigned = |assignments| {
            let new = CreatableTopic::default().with_num_partitions(-1).with_replication_factor(-1);
            create(new.with_assignments(assignments))
        };
        for bad in [vec![assignment(1, 1)], vec![assignment(0, 9)], vec![assignment(0, 1), assignment(0, 1)]]
        {
            let code = client.call(7, assigned(bad)).await.topics[0].error_code;
            assert_eq!(code, ErrorCode::INVALID_REPLICA_ASSIGNMENT.0);
        }
        let dry = assigned(vec![assignment(0, 1)]).with_validate_only(true);
        assert_eq!(client.call(7, dry).await.topics[0].error_code, 0);
        let metadata = client.call(12, MetadataRequest::default().with_topics(None)).await;
        assert_eq!(metadata.topics.len(), 1, "nothing else was made");
    });
}

#[test]
fn topics_are_deleted_by_name_and_by_id() {
    run(|builder| async move {
        let broker = builder.build();
        let mut client = Client::new(&broker);
        client.create_topic("a", 1, &[]).await;
        client.create_topic("b", 1, &[]).await;
        let metadata = client.call(12, MetadataRequest::default().with_topics(None)).await;
        let id = metadata.topics[1].topic_id;
        let doomed = vec![
            DeleteTopicState::default().with_name(Some(topic("a"))),
            DeleteTopicState::default().with_name(None).with_topic_id(id),
            DeleteTopicState::default().with_name(Some(topic("none"))),
        ];
        let response = client.call(6, DeleteTopicsRequest::default().with_topics(doomed)).await;
        let codes: Vec<i16> = response.responses.iter().map(|r| r.error_code).collect();
        assert_eq!(codes, [0, 0, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0]);
        assert_eq!(client.call(12, MetadataRequest::default().with_topics(None)).await.topics, []);
    });
}

#[test]
fn topics_only_grow() {
    run(|builder| async move {
        let broker = builder.build();
        let mut client = Client::new(&broker);
        client.create_topic("t", 2, &[]).await;
        let grow = |count| {
            let wanted = CreatePartitionsTopic::default()
                .with_name(topic("t"))
                .with_count(count)
                .with_assignments(None);
            CreatePartitionsRequest::default().with_topics(vec![wanted])
        };
        for (count, code) in
            [(1, ErrorCode::INVALID_PARTITIONS), (2, ErrorCode::INVALID_PARTITIONS), (5, ErrorCode::NONE)]
        {
            assert_eq!(client.call(3, grow(count)).await.results[0].error_code, code.0, "{count}");
        }
        let metadata = client.call(12, MetadataRequest::default().with_topics(None)).await;
        assert_eq!(metadata.topics[0].partitions.len(), 5);
    });
}

async fn config(client: &mut Client, kind: i8, name: &str, key: &str) -> (String, i8) {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configuration_keys(Some(vec![text(key)]));
    let request =
        DescribeConfigsRequest::default().with_resources(vec![resource]).with_include_synonyms(true);
    let response = client.call(4, request).await;
    assert_eq!(response.results[0].error_code, 0);
    let found = &response.results[0].configs[0];
    (found.value.as_ref().unwrap().to_string(), found.config_source)
}

async fn alter(client: &mut Client, kind: i8, name: &str, changes: &[(i8, &str, Option<&str>)]) -> i16 {
    let configs = changes.iter().map(|(operation, key, value)| {
        AlterableConfig::default()
            .with_name(text(key))
            .with_config_operation(*operation)
            .with_value(value.map(text))
    });
    let resource = AlterConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(name))
        .with_configs(configs.collect());
    client.call(1, IncrementalAlterConfigsRequest::default().with_resources(vec![resource])).await.responses
        [0]
    .error_code
}

#[test]
fn configurations_are_described_and_changed() {
    run(|builder| async move {
        let broker = builder.message_bytes_max(2000).build();
        let mut client = Client::new(&broker);
        client.create_topic("t", 1, &[("cleanup.policy", "compact")]).await;
        assert_eq!(config(&mut client, TOPIC, "t", "cleanup.policy").await, ("compact".to_owned(), 1));
        assert_eq!(config(&mut client, TOPIC, "t", "max.message.bytes").await, ("2000".to_owned(), 4));
        assert_eq!(config(&mut client, TOPIC, "t", "retention.ms").await, ("604800000".to_owned(), 5));
        const APPEND: i8 = 2;
        assert_eq!(alter(&mut client, TOPIC, "t", &[(APPEND, "cleanup.policy", Some("delete"))]).await, 0);
        assert_eq!(config(&mut client, TOPIC, "t", "cleanup.policy").await.0, "compact,delete");
        const SUBTRACT: i8 = 3;
        assert_eq!(alter(&mut client, TOPIC, "t", &[(SUBTRACT, "cleanup.policy", Some("compact"))]).await, 0);
        assert_eq!(config(&mut client, TOPIC, "t", "cleanup.policy").await.0, "delete");
        const DELETE: i8 = 1;
        assert_eq!(alter(&mut client, TOPIC, "t", &[(DELETE, "cleanup.policy", None)]).await, 0);
        assert_eq!(config(&mut client, TOPIC, "t", "cleanup.policy").await, ("delete".to_owned(), 5));
        const SET: i8 = 0;
        let bad = [(SET, "retention.ms", Some("1000")), (SET, "retention.bytes", Some("x"))];
        assert_eq!(alter(&mut client, TOPIC, "t", &bad).await, ErrorCode::INVALID_CONFIG.0);
        assert_eq!(config(&mut client, TOPIC, "t", "retention.ms").await.1, 5, "all or nothing");
        assert_eq!(alter(&mut client, BROKER, "1", &[(SET, "message.max.bytes", Some("3000"))]).await, 0);
        assert_eq!(config(&mut client, TOPIC, "t", "max.message.bytes").await, ("3000".to_owned(), 2));
        assert_eq!(config(&mut client, BROKER, "1", "message.max.bytes").await.0, "3000");
        let read_only = alter(&mut client, BROKER, "1", &[(SET, "node.id", Some("3"))]).await;
        assert_eq!(read_only, ErrorCode::INVALID_CONFIG.0);
    });
}

#[test]
fn the_older_way_to_change_configurations_replaces_all() {
    run(|builder| async move {
        let broker = builder.build();
        let mut client = Client::new(&broker);
        client.create_topic("t", 1, &[("cleanup.policy", "compact")]).await;
        let set = alter_configs_request::AlterableConfig::default()
            .with_name(text("retention.ms"))
            .with_value(Some(text("1000")));
        let resource = alter_configs_request::AlterConfigsResource::default()
            .with_resource_type(TOPIC)
            .with_resource_name(text("t"))
            .with_configs(vec![set]);
        let response = client.call(2, AlterConfigsRequest::default().with_resources(vec![resource])).await;
        assert_eq!(response.responses[0].error_code, 0);
        assert_eq!(config(&mut client, TOPIC, "t", "retention.ms").await, ("1000".to_owned(), 1));
        assert_eq!(config(&mut client, TOPIC, "t", "cleanup.policy").await, ("delete".to_owned(), 5));
    });
}

#[test]
fn the_cluster_describes_itself() {
    run(|builder| async move {
        let broker =
            builder.node_id(5).node_count(2).cluster_id("abc").advertised_host("example.org").build();
        let mut client = Client::new(&broker);
        let cluster = client.call(1, DescribeClusterRequest::default().with_endpoint_type(1)).await;
        assert_eq!((cluster.cluster_id.as_str(), cluster.controller_id.0), ("abc", 5));
        let brokers: Vec<_> =
            cluster.brokers.iter().map(|b| (b.broker_id.0, b.host.as_str(), b.port)).collect();
        assert_eq!(brokers, [(5, "example.org", 9092), (6, "example.org", 9093)]);
        let controllers = client.call(1, DescribeClusterRequest::default().with_endpoint_type(2)).await;
        assert_eq!(controllers.error_code, ErrorCode::UNSUPPORTED_ENDPOINT_TYPE.0);
    });
}
