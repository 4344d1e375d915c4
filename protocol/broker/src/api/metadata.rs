//! `Metadata`: nodes, topics, who leads what. Makes topics that are asked for, where that is allowed.

use protocol::ErrorCode;
use protocol::wire::messages::metadata_request::MetadataRequestTopic;
use protocol::wire::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use protocol::wire::messages::{MetadataRequest, MetadataResponse, StrBytes, TopicName, VersionRange};

use super::call::{Answer, Api, CLUSTER_OPERATIONS, Call, OPERATIONS_NOT_ASKED, TOPIC_OPERATIONS, versions};
use crate::cluster::{Cluster, NewTopic, Overrides, Topic};

/// See the module.
#[derive(Debug)]
pub(super) struct Metadata;

impl Api for Metadata {
    type Request = MetadataRequest;

    const VERSIONS: VersionRange = versions(0, 13);

    async fn handle(call: &Call, request: MetadataRequest) -> Answer<MetadataResponse> {
        let version = call.version;
        let mut cluster = call.shared.cluster.borrow_mut();
        let operations =
            if request.include_topic_authorized_operations { TOPIC_OPERATIONS } else { OPERATIONS_NOT_ASKED };
        let may_create =
            call.shared.config.auto_create_topics && (version < 4 || request.allow_auto_topic_creation);
        // In version 0 an empty list means all topics; from 1 on null does.
        let asked = request.topics.filter(|topics| version > 0 || !topics.is_empty());
        let topics = match asked {
            None => {
                let topics = cluster.topics();
                topics.map(|(name, topic)| describe(&cluster, name, topic, version, operations)).collect()
            }
            Some(asked) => asked
                .into_iter()
                .map(|topic| find_or_create(&mut cluster, topic, version, operations, may_create))
                .collect(),
        };
        let brokers = cluster.running_nodes().map(|node| {
            MetadataResponseBroker::default()
                .with_node_id(node.id.into())
                .with_host(StrBytes::from_string(node.host.clone()))
                .with_port(i32::from(node.port))
        });
        let mut response = MetadataResponse::default()
            .with_brokers(brokers.collect())
            .with_controller_id(cluster.controller().id.into())
            .with_topics(topics);
        if version >= 2 {
            response.cluster_id = Some(cluster.id.clone());
        }
        if (8..=10).contains(&version) && request.include_cluster_authorized_operations {
            response.cluster_authorized_operations = CLUSTER_OPERATIONS;
        }
        response.into()
    }

    fn refuse(version: i16, request: MetadataRequest, code: ErrorCode) -> MetadataResponse {
        let topics = request.topics.unwrap_or_default().into_iter().map(|topic| failed(topic, version, code));
        let response = MetadataResponse::default().with_topics(topics.collect());
        if version >= 13 { response.with_error_code(code.0) } else { response }
    }
}

fn find_or_create(
    cluster: &mut Cluster,
    asked: MetadataRequestTopic,
    version: i16,
    operations: i32,
    may_create: bool,
) -> MetadataResponseTopic {
    let Some(name) = &asked.name else {
        let found = cluster.name_of(&asked.topic_id).and_then(|name| Some((name, cluster.topic(name)?)));
        return match found {
            Some((name, topic)) => describe(cluster, name, topic, version, operations),
            None => failed(asked, version, ErrorCode::UNKNOWN_TOPIC_ID),
        };
    };
    if cluster.topic(name).is_none() {
        if let Err(refusal) = crate::text::check_topic_name(name) {
            return failed(asked, version, refusal.code);
        }
        if !may_create {
            return failed(asked, version, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        }
        let new = NewTopic {
            partition_count: -1,
            replication_factor: -1,
            assignments: Vec::new(),
            overrides: Overrides::new(),
        };
        if let Err(refusal) = cluster.create_topic(name, new, false) {
            return failed(asked, version, refusal.code);
        }
    }
    match cluster.topic(name) {
        Some(topic) => describe(cluster, name, topic, version, operations),
        None => failed(asked, version, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
    }
}

fn describe(
    cluster: &Cluster,
    name: &TopicName,
    topic: &Topic,
    version: i16,
    operations: i32,
) -> MetadataResponseTopic {
    let partitions = topic.partitions.iter().enumerate().map(|(index, partition)| {
        let ids = |wanted: &dyn Fn(i32) -> bool| {
            partition.replicas.iter().filter(|id| wanted(**id)).map(|id| (*id).into()).collect::<Vec<_>>()
        };
        let answer = MetadataResponsePartition::default()
            .with_partition_index(index as i32)
            .with_leader_id(partition.leader.into())
            .with_replica_nodes(ids(&|_| true));
        let answer = if partition.leader < 0 {
            // As in Kafka the last replica that was in sync stays in the list.
            let code = ErrorCode::LEADER_NOT_AVAILABLE.0;
            answer
                .with_error_code(code)
                .with_isr_nodes(partition.replicas.first().map(|id| (*id).into()).into_iter().collect())
        } else {
            answer.with_isr_nodes(ids(&|id| cluster.is_running(id)))
        };
        let answer = if version >= 5 {
            answer.with_offline_replicas(ids(&|id| !cluster.is_running(id)))
        } else {
            answer
        };
        if version >= 7 { answer.with_leader_epoch(partition.leader_epoch) } else { answer }
    });
    let answer =
        MetadataResponseTopic::default().with_name(Some(name.clone())).with_partitions(partitions.collect());
    let answer = if version >= 10 { answer.with_topic_id(topic.id) } else { answer };
    if version >= 8 { answer.with_topic_authorized_operations(operations) } else { answer }
}

fn failed(asked: MetadataRequestTopic, version: i16, code: ErrorCode) -> MetadataResponseTopic {
    // Before version 12 a name has to be there even if only the id is known.
    let name = asked.name.or_else(|| (version < 12).then(TopicName::default));
    let answer = MetadataResponseTopic::default().with_error_code(code.0).with_name(name);
    if version >= 10 { answer.with_topic_id(asked.topic_id) } else { answer }
}
