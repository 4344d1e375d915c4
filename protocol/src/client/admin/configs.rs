//! Configurations of topics and brokers: describe, and change key by key (KIP-339).

use std::sync::Arc;

use futures_util::future::join_all;
use indexmap::IndexMap;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::{DescribeConfigsRequest, IncrementalAlterConfigsRequest};
use kafka_protocol::protocol::StrBytes;

use super::operations::{Admin, item_error};
use super::topics::decide_existing;
use crate::Result;
use crate::cluster::Target;

/// What a configuration belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ConfigResource {
    /// A topic.
    Topic(Arc<str>),
    /// A broker, by its id.
    Broker(i32),
}

/// One key of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigEntry {
    /// Its name, such as `cleanup.policy`.
    pub name: String,
    /// Its value in effect; None where the broker keeps it secret.
    pub value: Option<String>,
    /// Where the value comes from.
    pub source: ConfigSource,
    /// Whether it can only be changed by a restart of the broker.
    pub is_read_only: bool,
    /// Whether it is a secret.
    pub is_sensitive: bool,
}

/// Where the value of a key comes from; the more particular goes before the more general.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigSource {
    /// Set on the topic.
    DynamicTopic,
    /// Set on the broker while it runs.
    DynamicBroker,
    /// Set on all brokers while they run.
    DynamicDefaultBroker,
    /// From the broker's properties file.
    StaticBroker,
    /// The default of Kafka.
    Default,
    /// A source that this client does not know, by its number.
    Other(i8),
}

/// A change of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigChange {
    /// Gives it a value.
    Set(String, String),
    /// Takes its own value away, so that the next source counts.
    Delete(String),
    /// Adds entries to a list.
    Append(String, String),
    /// Takes entries out of a list.
    Subtract(String, String),
}

impl Admin {
    /// Describes configurations: topics asked of any broker, brokers of themselves, all at once; one result per resource, in order.
    ///
    /// # Errors
    /// Per resource: `Broker(UNKNOWN_TOPIC_OR_PARTITION)` and its like.
    pub async fn describe_configs(&self, resources: &[ConfigResource]) -> Vec<Result<Vec<ConfigEntry>>> {
        self.per_item(
            &Target::Any,
            resources.len(),
            |index| &resources[index],
            decide_existing,
            async |open| {
                let asked = by_target(open, |index| &resources[index]);
                let calls = asked.iter().map(async |(target, items)| {
                    let build = |_version| {
                        let wanted = items.iter().map(|index| {
                            DescribeConfigsResource::default()
                                .with_resource_type(resources[*index].kind())
                                .with_resource_name(resources[*index].name())
                                .with_configuration_keys(None)
                        });
                        DescribeConfigsRequest::default().with_resources(wanted.collect())
                    };
                    let (response, _) = self.cluster.call(target, build).await?;
                    Ok(response.results)
                });
                let mut results = Vec::with_capacity(open.len());
                for answered in join_all(calls).await {
                    for answer in answered? {
                        let Some(index) =
                            find(open, resources.iter(), answer.resource_type, &answer.resource_name)
                        else {
                            continue;
                        };
                        let message = answer.error_message.as_deref();
                        let checked =
                            item_error("describe configs", answer.error_code, &answer.resource_name, message);
                        let entries = answer.configs.into_iter().map(|config| ConfigEntry {
                            name: config.name.to_string(),
                            value: config.value.map(|value| value.to_string()),
                            source: ConfigSource::from(config.config_source),
                            is_read_only: config.read_only,
                            is_sensitive: config.is_sensitive,
                        });
                        results.push((index, checked.map(|()| entries.collect())));
                    }
                }
                Ok(results)
            },
        )
        .await
    }

    /// Changes configurations key by key; one result per resource, in order. A resource is changed as a whole or not at all.
    ///
    /// # Errors
    /// Per resource: `Broker(INVALID_CONFIG)` with the broker's words, `Broker(UNKNOWN_TOPIC_OR_PARTITION)`, and their like.
    pub async fn alter_configs(&self, changes: &[(ConfigResource, Vec<ConfigChange>)]) -> Vec<Result<()>> {
        self.per_item(
            &Target::Any,
            changes.len(),
            |index| &changes[index].0,
            decide_existing,
            async |open| {
                let asked = by_target(open, |index| &changes[index].0);
                let calls = asked.iter().map(async |(target, items)| {
                    let build = |_version| {
                        let wanted = items.iter().map(|index| {
                            let (resource, changes) = &changes[*index];
                            AlterConfigsResource::default()
                                .with_resource_type(resource.kind())
                                .with_resource_name(resource.name())
                                .with_configs(changes.iter().map(ConfigChange::encoded).collect())
                        });
                        IncrementalAlterConfigsRequest::default().with_resources(wanted.collect())
                    };
                    let (response, _) = self.cluster.call(target, build).await?;
                    Ok(response.responses)
                });
                let mut results = Vec::with_capacity(open.len());
                for answered in join_all(calls).await {
                    for answer in answered? {
                        let resources = changes.iter().map(|(resource, _)| resource);
                        let Some(index) = find(open, resources, answer.resource_type, &answer.resource_name)
                        else {
                            continue;
                        };
                        let message = answer.error_message.as_deref();
                        results.push((
                            index,
                            item_error("alter configs", answer.error_code, &answer.resource_name, message),
                        ));
                    }
                }
                Ok(results)
            },
        )
        .await
    }
}

impl ConfigResource {
    fn kind(&self) -> i8 {
        match self {
            Self::Topic(_) => 2,
            Self::Broker(_) => 4,
        }
    }

    fn name(&self) -> StrBytes {
        match self {
            Self::Topic(name) => StrBytes::from_string(name.to_string()),
            Self::Broker(id) => StrBytes::from_string(id.to_string()),
        }
    }

    fn target(&self) -> Target {
        match self {
            Self::Topic(_) => Target::Any,
            Self::Broker(id) => Target::Node(*id),
        }
    }
}

impl From<i8> for ConfigSource {
    fn from(number: i8) -> Self {
        match number {
            1 => Self::DynamicTopic,
            2 => Self::DynamicBroker,
            3 => Self::DynamicDefaultBroker,
            4 => Self::StaticBroker,
            5 => Self::Default,
            other => Self::Other(other),
        }
    }
}

impl ConfigChange {
    fn encoded(&self) -> AlterableConfig {
        let (name, operation, value) = match self {
            Self::Set(name, value) => (name, 0, Some(value)),
            Self::Delete(name) => (name, 1, None),
            Self::Append(name, value) => (name, 2, Some(value)),
            Self::Subtract(name, value) => (name, 3, Some(value)),
        };
        AlterableConfig::default()
            .with_name(StrBytes::from_string(name.clone()))
            .with_config_operation(operation)
            .with_value(value.map(|value| StrBytes::from_string(value.clone())))
    }
}

fn by_target<'a>(
    open: &[usize],
    resource: impl Fn(usize) -> &'a ConfigResource,
) -> IndexMap<Target, Vec<usize>> {
    let mut asked: IndexMap<Target, Vec<usize>> = IndexMap::new();
    for index in open {
        asked.entry(resource(*index).target()).or_default().push(*index);
    }
    asked
}

fn find<'a>(
    open: &[usize],
    resources: impl Iterator<Item = &'a ConfigResource>,
    kind: i8,
    name: &StrBytes,
) -> Option<usize> {
    resources
        .enumerate()
        .find(|(index, resource)| open.contains(index) && resource.kind() == kind && resource.name() == *name)
        .map(|(index, _)| index)
}
