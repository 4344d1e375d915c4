//! The topic itself: made where it is missing, checked where it is there (`TopicAdmin`).

use std::collections::BTreeSet;
use std::time::Duration;

use protocol::client::admin::{Admin, ConfigResource, NewTopic};
use protocol::{Error, ErrorCode, ErrorKind};
use tokio::time::{Instant, sleep};

use super::StoreError;
use crate::config::InternalTopic;

const CLEANUP_POLICY: &str = "cleanup.policy";
const COMPACT: &str = "compact";

/// How long a topic may take to show up after it was made.
const METADATA_TIMEOUT: Duration = Duration::from_secs(30);
const METADATA_PAUSE_MAX: Duration = Duration::from_secs(1);

/// What a topic is for, in messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The config topic.
    Configs,
    /// An offsets topic.
    Offsets,
    /// The status topic.
    Statuses,
}

impl Purpose {
    pub(in crate::store) fn text(self) -> &'static str {
        match self {
            Purpose::Configs => "connector configurations",
            Purpose::Offsets => "source connector offsets",
            Purpose::Statuses => "connector and task statuses",
        }
    }
}

/// Makes the topic, or sees to it that one that is there is compacted and nothing else. `timeout` and `pause` are the client's
/// `default.api.timeout.ms` and `retry.backoff.ms`.
pub(super) async fn ensure(
    admin: &Admin,
    topic: &InternalTopic,
    purpose: Purpose,
    timeout: Duration,
    pause: Duration,
) -> Result<(), StoreError> {
    if create(admin, topic, timeout, pause).await? { Ok(()) } else { verify(admin, topic, purpose).await }
}

/// Whether the topic is new.
async fn create(
    admin: &Admin,
    topic: &InternalTopic,
    timeout: Duration,
    pause: Duration,
) -> Result<bool, StoreError> {
    let name = topic.name.as_str();
    let mut configs = topic.settings.clone();
    configs.push((CLEANUP_POLICY.to_owned(), COMPACT.to_owned()));
    let new = NewTopic {
        name: name.into(),
        partitions: topic.partitions,
        replication_factor: topic.replication_factor,
        configs,
    };
    let deadline = Instant::now() + timeout;
    loop {
        let created = admin.create_topics(std::slice::from_ref(&new)).await.pop();
        let error = match created {
            Some(Ok(_created)) => {
                tracing::info!(topic = name, "created topic");
                return Ok(true);
            }
            Some(Err(error)) => error,
            None => Error::internal("create topic", "no answer"),
        };
        let is_short_of_brokers = error.code() == Some(ErrorCode::INVALID_REPLICATION_FACTOR);
        let failure = match (error.code(), error.kind()) {
            (Some(ErrorCode::TOPIC_ALREADY_EXISTS), _) => return Ok(false),
            // It may be there, or the broker makes it.
            (Some(ErrorCode::CLUSTER_AUTHORIZATION_FAILED | ErrorCode::TOPIC_AUTHORIZATION_FAILED), _)
            | (_, ErrorKind::Unsupported) => return Ok(false),
            (Some(ErrorCode::INVALID_CONFIG), _) => format!("Unable to create topic(s) '{name}': {error}"),
            _ if error.is_retriable() => format!(
                "Timed out while checking for or creating topic(s) '{name}'. This could indicate a connectivity issue, unavailable \
                 topic partitions, or if this is your first use of the topic it may have taken too long to create."
            ),
            _ => format!("Error while attempting to create/find topic(s) '{name}'"),
        };
        if !(is_short_of_brokers || error.is_retriable()) || Instant::now() + pause >= deadline {
            return Err(StoreError::failed(failure, error));
        }
        // Brokers of a cluster that starts come one by one.
        tracing::info!(topic = name, %error, "topic creation failed, retrying");
        sleep(pause).await;
    }
}

async fn verify(admin: &Admin, topic: &InternalTopic, purpose: Purpose) -> Result<(), StoreError> {
    let name = topic.name.as_str();
    let described = admin.describe_configs(&[ConfigResource::Topic(name.into())]).await.pop();
    let entries = match described {
        Some(Ok(entries)) => entries,
        Some(Err(error)) => match (error.code(), error.kind()) {
            (
                Some(
                    ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
                    | ErrorCode::CLUSTER_AUTHORIZATION_FAILED
                    | ErrorCode::TOPIC_AUTHORIZATION_FAILED,
                ),
                _,
            )
            | (_, ErrorKind::Unsupported) => Vec::new(),
            _ => {
                let message = format!("Error while attempting to describe topic config for topic '{name}'");
                return Err(StoreError::failed(message, error));
            }
        },
        None => Vec::new(),
    };
    let policy = entries.into_iter().find(|entry| entry.name == CLEANUP_POLICY).and_then(|entry| entry.value);
    let policies: BTreeSet<String> = policy
        .iter()
        .flat_map(|policy| policy.split(','))
        .map(|policy| policy.trim().to_lowercase())
        .filter(|policy| !policy.is_empty())
        .collect();
    if policies.is_empty() {
        tracing::info!(
            "Unable to use admin client to verify the cleanup policy of '{name}' topic is 'compact', either because the broker is an \
             older version or because the Kafka principal used for Connect internal topics does not have the required permission to \
             describe topic configurations."
        );
        return Ok(());
    }
    if policies.iter().eq([COMPACT]) {
        return Ok(());
    }
    let (key, purpose) = (topic.key, purpose.text());
    let found = policies.into_iter().collect::<Vec<_>>().join(",");
    Err(StoreError::Config(format!(
        "Topic '{name}' supplied via the '{key}' property is required to have 'cleanup.policy=compact' to guarantee consistency and \
         durability of {purpose}, but found the topic currently has 'cleanup.policy={found}'. Continuing would likely result in \
         eventually losing {purpose} and problems restarting this Connect cluster in the future. Change the '{key}' property in the \
         Connect worker configurations to use a topic with 'cleanup.policy=compact'."
    )))
}

/// How many partitions the topic has, once it shows up.
pub(super) async fn partition_count(admin: &Admin, topic: &str) -> Result<usize, StoreError> {
    let deadline = Instant::now() + METADATA_TIMEOUT;
    let mut pause = Duration::from_millis(100);
    loop {
        let described = admin.describe_topics(&[topic]).await.map(|mut topics| topics.pop());
        let last = match described {
            Ok(Some(Ok(topic))) if !topic.partitions.is_empty() => return Ok(topic.partitions.len()),
            Ok(Some(Err(error))) | Err(error) => Some(error),
            Ok(_) => None,
        };
        if Instant::now() + pause >= deadline {
            let message = format!(
                "Could not look up partition metadata for topic '{topic}' in the allotted period. This could indicate a connectivity \
                 issue, unavailable topic partitions, or if this is your first use of the topic it may have taken too long to create."
            );
            return Err(StoreError::Failed { message, source: last });
        }
        sleep(pause).await;
        pause = (pause * 2).min(METADATA_PAUSE_MAX);
    }
}
