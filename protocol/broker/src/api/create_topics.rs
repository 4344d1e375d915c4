//! `CreateTopics`.

use std::collections::HashMap;

use protocol::ErrorCode;
use protocol::wire::messages::create_topics_request::CreatableTopic;
use protocol::wire::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use protocol::wire::messages::{CreateTopicsRequest, CreateTopicsResponse, StrBytes, VersionRange};

use super::call::{Answer, Api, Call, versions};
use crate::cluster::{Cluster, ConfigScope, ConfigSource, NewTopic, Overrides, describe};
use crate::refusal::Refusal;

/// See the module.
#[derive(Debug)]
pub(super) struct CreateTopics;

impl Api for CreateTopics {
    type Request = CreateTopicsRequest;

    const VERSIONS: VersionRange = versions(2, 7);

    async fn handle(call: &Call, request: CreateTopicsRequest) -> Answer<CreateTopicsResponse> {
        let mut cluster = call.shared.cluster.borrow_mut();
        let mut name_counts: HashMap<StrBytes, usize> = HashMap::new();
        for topic in &request.topics {
            *name_counts.entry(topic.name.0.clone()).or_default() += 1;
        }
        let topics = request.topics.into_iter().map(|topic| {
            let result = if name_counts.get(&topic.name.0).is_some_and(|count| *count > 1) {
                Err(Refusal::new(ErrorCode::INVALID_REQUEST, "Duplicate topic name."))
            } else {
                create(&mut cluster, &topic, call.version, request.validate_only)
            };
            result.unwrap_or_else(|refusal| failed(topic, call.version, &refusal))
        });
        CreateTopicsResponse::default().with_topics(topics.collect()).into()
    }

    fn refuse(version: i16, request: CreateTopicsRequest, code: ErrorCode) -> CreateTopicsResponse {
        let refusal = Refusal::from(code);
        let topics = request.topics.into_iter().map(|topic| failed(topic, version, &refusal));
        CreateTopicsResponse::default().with_topics(topics.collect())
    }
}

fn create(
    cluster: &mut Cluster,
    topic: &CreatableTopic,
    version: i16,
    is_dry_run: bool,
) -> Result<CreatableTopicResult, Refusal> {
    let mut overrides = Overrides::new();
    for config in &topic.configs {
        let Some(value) = &config.value else {
            return Err(Refusal::new(
                ErrorCode::INVALID_CONFIG,
                format!("Null value not supported for topic configs: {}", config.name),
            ));
        };
        overrides.insert(config.name.to_string(), value.to_string());
    }
    let assignments = topic.assignments.iter().map(|assignment| {
        (assignment.partition_index, assignment.broker_ids.iter().map(|id| id.0).collect::<Vec<i32>>())
    });
    let new = NewTopic {
        partition_count: topic.num_partitions,
        replication_factor: topic.replication_factor,
        assignments: assignments.collect(),
        overrides: overrides.clone(),
    };
    let replicas = cluster.create_topic(&topic.name, new, is_dry_run)?;
    let mut answer = CreatableTopicResult::default().with_name(topic.name.clone());
    if version >= 5 {
        answer.num_partitions = replicas.len() as i32;
        answer.replication_factor = replicas.first().map_or(1, Vec::len) as i16;
        answer.configs = Some(configs(cluster, &overrides));
    }
    if version >= 7
        && let Some(made) = cluster.topic(&topic.name)
    {
        answer.topic_id = made.id;
    }
    Ok(answer)
}

fn configs(cluster: &Cluster, overrides: &Overrides) -> Vec<CreatableTopicConfigs> {
    let own = Some((overrides, ConfigSource::Topic));
    let described = ConfigScope::Topic.defs().iter().filter_map(|def| {
        let (_, value) =
            describe(def, own, &cluster.broker_overrides, cluster.config()).into_iter().next()?;
        let config = CreatableTopicConfigs::default()
            .with_name(StrBytes::from_static_str(def.name))
            .with_value(Some(StrBytes::from_string(value.value.into_owned())))
            .with_config_source(value.source as i8);
        Some(config)
    });
    described.collect()
}

fn failed(topic: CreatableTopic, version: i16, refusal: &Refusal) -> CreatableTopicResult {
    let answer = CreatableTopicResult::default()
        .with_name(topic.name)
        .with_error_code(refusal.code.0)
        .with_error_message(Some(refusal.text()));
    if version >= 5 {
        answer.with_num_partitions(-1).with_replication_factor(-1).with_configs(Some(Vec::new()))
    } else {
        answer
    }
}
