//! Topics: create, delete, describe by name and id, add partitions.

use std::sync::Arc;

use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, MetadataRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::operations::{Admin, item_error};
use crate::cluster::{Metadata, RetryAction, Target, TopicMetadata, decide};
use crate::{Error, ErrorCode, Result};

/// How long the controller may take; it answers within the request time limit in any case.
pub(super) const OPERATION_TIMEOUT_MS: i32 = 25_000;

/// A topic to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTopic {
    /// Its name.
    pub name: Arc<str>,
    /// Its number of partitions; None for the broker's default (Kafka 2.4 and newer).
    pub partitions: Option<i32>,
    /// Its replication factor; None for the broker's default (Kafka 2.4 and newer).
    pub replication_factor: Option<i16>,
    /// Topic configuration, such as `cleanup.policy`.
    pub configs: Vec<(String, String)>,
}

impl NewTopic {
    /// A topic with the broker's default replication and configuration.
    pub fn new(name: &str, partitions: i32) -> Self {
        Self {
            name: name.into(),
            partitions: Some(partitions),
            replication_factor: None,
            configs: Vec::new(),
        }
    }

    /// The same with another replication factor.
    #[must_use]
    pub fn with_replication_factor(mut self, replication_factor: i16) -> Self {
        self.replication_factor = Some(replication_factor);
        self
    }

    /// The same with one more configuration entry.
    #[must_use]
    pub fn with_config(mut self, name: &str, value: &str) -> Self {
        self.configs.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// A topic that was created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatedTopic {
    /// Its id; nil where the broker is too old to say.
    pub id: Uuid,
    /// Its number of partitions; -1 where the broker is too old to say.
    pub partitions: i32,
    /// Its replication factor; -1 where the broker is too old to say.
    pub replication_factor: i16,
}

impl Admin {
    /// Creates topics; one result per topic, in the order given.
    ///
    /// # Errors
    /// Per topic: `Broker(TOPIC_ALREADY_EXISTS)` and its like with the broker's words.
    pub async fn create_topics(&self, topics: &[NewTopic]) -> Vec<Result<CreatedTopic>> {
        self.per_item(
            &Target::Controller,
            topics.len(),
            |index| &topics[index].name,
            decide,
            async |open| {
                let build = |_version| {
                    CreateTopicsRequest::default()
                        .with_timeout_ms(OPERATION_TIMEOUT_MS)
                        .with_topics(open.iter().map(|index| creatable(&topics[*index])).collect())
                };
                let (response, _) = self.cluster.call(&Target::Controller, build).await?;
                Ok(response
                    .topics
                    .into_iter()
                    .filter_map(|answer| {
                        let index = *open.iter().find(|index| *topics[**index].name == **answer.name)?;
                        let checked = item_error(
                            "create topic",
                            answer.error_code,
                            &answer.name,
                            answer.error_message.as_deref(),
                        );
                        let created = CreatedTopic {
                            id: answer.topic_id,
                            partitions: answer.num_partitions,
                            replication_factor: answer.replication_factor,
                        };
                        Some((index, checked.map(|()| created)))
                    })
                    .collect())
            },
        )
        .await
    }

    /// Deletes topics; one result per topic, in the order given.
    ///
    /// # Errors
    /// Per topic: `Broker(UNKNOWN_TOPIC_OR_PARTITION)` and its like.
    pub async fn delete_topics(&self, names: &[&str]) -> Vec<Result<()>> {
        self.per_item(
            &Target::Controller,
            names.len(),
            |index| names[index],
            decide_existing,
            async |open| {
                let build = |_version| {
                    DeleteTopicsRequest::default()
                        .with_timeout_ms(OPERATION_TIMEOUT_MS)
                        .with_topic_names(open.iter().map(|index| topic_name(names[*index])).collect())
                };
                let (response, _) = self.cluster.call(&Target::Controller, build).await?;
                Ok(response
                    .responses
                    .into_iter()
                    .filter_map(|answer| {
                        let name = answer.name?;
                        let index = *open.iter().find(|index| names[**index] == &**name)?;
                        let message = answer.error_message.as_deref();
                        Some((index, item_error("delete topic", answer.error_code, &name, message)))
                    })
                    .collect())
            },
        )
        .await
    }

    /// Describes topics, asked for now and without creating them; one result per name, in the order given.
    ///
    /// # Errors
    /// Per topic: `Broker(UNKNOWN_TOPIC_OR_PARTITION)` where it does not exist; in whole when no broker answered.
    pub async fn describe_topics(&self, names: &[&str]) -> Result<Vec<Result<Arc<TopicMetadata>>>> {
        let asked =
            names.iter().map(|name| MetadataRequestTopic::default().with_name(Some(topic_name(name))));
        let view = self.metadata_of(Some(asked.collect())).await?;
        Ok(names
            .iter()
            .map(|name| match view.topic(name) {
                Some(topic) => {
                    item_error("describe topic", topic.error.0, name, None).map(|()| Arc::clone(topic))
                }
                None => Err(Error::malformed("describe topic", format!("no answer for {name}"))),
            })
            .collect())
    }

    /// Describes topics by their ids (Kafka 3.1 and newer); one result per id, in the order given.
    ///
    /// # Errors
    /// Per topic: `Broker(UNKNOWN_TOPIC_ID)` where there is none (any more); in whole when no broker answered, or none is new
    /// enough.
    pub async fn describe_topics_by_id(&self, ids: &[Uuid]) -> Result<Vec<Result<Arc<TopicMetadata>>>> {
        let asked = ids.iter().map(|id| MetadataRequestTopic::default().with_name(None).with_topic_id(*id));
        let view = self.metadata_of(Some(asked.collect())).await?;
        Ok(ids
            .iter()
            .map(|id| match view.topic_by_id(*id) {
                Some(topic) => {
                    item_error("describe topic", topic.error.0, &topic.name, None).map(|()| Arc::clone(topic))
                }
                None => Err(Error::broker("describe topic", ErrorCode::UNKNOWN_TOPIC_ID)
                    .with_source(format!("topic id {id}"))),
            })
            .collect())
    }

    /// Grows topics to a number of partitions; one result per topic, in the order given.
    ///
    /// # Errors
    /// Per topic: `Broker(INVALID_PARTITIONS)` where it has as many already, and its like with the broker's words.
    pub async fn create_partitions(&self, counts: &[(&str, i32)]) -> Vec<Result<()>> {
        self.per_item(
            &Target::Controller,
            counts.len(),
            |index| counts[index].0,
            decide_existing,
            async |open| {
                let build = |_version| {
                    let topics = open.iter().map(|index| {
                        let (name, count) = counts[*index];
                        CreatePartitionsTopic::default()
                            .with_name(topic_name(name))
                            .with_count(count)
                            .with_assignments(None)
                    });
                    CreatePartitionsRequest::default()
                        .with_topics(topics.collect())
                        .with_timeout_ms(OPERATION_TIMEOUT_MS)
                };
                let (response, _) = self.cluster.call(&Target::Controller, build).await?;
                let answers = response.results.into_iter().filter_map(|answer| {
                    let index = *open.iter().find(|index| counts[**index].0 == &**answer.name)?;
                    let message = answer.error_message.as_deref();
                    Some((index, item_error("create partitions", answer.error_code, &answer.name, message)))
                });
                Ok(answers.collect())
            },
        )
        .await
    }

    /// Describes every topic of the cluster.
    ///
    /// # Errors
    /// When no broker answered in time.
    pub async fn list_topics(&self) -> Result<Vec<Arc<TopicMetadata>>> {
        Ok(self.metadata_of(None).await?.topics().map(Arc::clone).collect())
    }

    async fn metadata_of(&self, topics: Option<Vec<MetadataRequestTopic>>) -> Result<Metadata> {
        let build = |version: i16| {
            let request = MetadataRequest::default().with_topics(topics.clone());
            if version >= 4 { request.with_allow_auto_topic_creation(false) } else { request }
        };
        self.cluster
            .retrying(&Target::Any, self.deadline(), async || {
                let (response, _) = self.cluster.call(&Target::Any, &build).await?;
                Ok(Metadata::from_response(response))
            })
            .await
    }
}

/// A missing topic is worth waiting for, but not for whoever deletes, changes or describes it.
pub(super) fn decide_existing(error: &Error) -> RetryAction {
    match error.code() {
        Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => RetryAction::Fail,
        _ => decide(error),
    }
}

fn creatable(topic: &NewTopic) -> CreatableTopic {
    let configs = topic
        .configs
        .iter()
        .map(|(name, value)| {
            CreatableTopicConfig::default()
                .with_name(StrBytes::from_string(name.clone()))
                .with_value(Some(StrBytes::from_string(value.clone())))
        })
        .collect();
    CreatableTopic::default()
        .with_name(topic_name(&topic.name))
        .with_num_partitions(topic.partitions.unwrap_or(-1))
        .with_replication_factor(topic.replication_factor.unwrap_or(-1))
        .with_configs(configs)
}

pub(super) fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}
