//! Topics before the first record to them: looked for, and made where they are missing and the connector says how (KIP-158).

use std::rc::Rc;
use std::sync::Arc;

use api::{Error, Result};
use protocol::client::admin::{Admin, NewTopic};
use protocol::client::producer::TopicHandle;
use protocol::cluster::Cluster;
use protocol::net::Env;
use protocol::{ErrorCode, ErrorKind};
use tracing::{debug, info, warn};

use super::{SourcePipeline, unrecoverable};
use crate::task::{Control, TopicCreation};

/// Makes topics by a connector's rules.
pub(super) struct TopicMaker {
    rules: Box<TopicCreation>,
    pub(super) admin: Rc<Admin>,
    bootstrap: String,
}

impl TopicMaker {
    pub(super) fn new(rules: Box<TopicCreation>, env: Env) -> TopicMaker {
        let bootstrap = rules.cluster.bootstrap.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let cluster = Cluster::new(env, rules.cluster.clone());
        let admin = Rc::new(Admin::new(cluster).with_timeout(rules.api_timeout));
        TopicMaker { rules, admin, bootstrap }
    }

    /// Makes the topic unless it exists.
    ///
    /// # Errors
    /// Under Java's words, `AbstractWorkerSourceTask#maybeCreateTopic` and `TopicAdmin`.
    async fn ensure(&self, topic: &Arc<str>) -> Result<()> {
        info!(topic = &**topic, "first record to this topic: looking whether it exists");
        if self.exists(topic).await? {
            return Ok(());
        }
        let (group, new) = self.rules.new_topic(topic);
        debug!(topic = &**topic, group, "topic falls under this topic creation group");
        let made = self.admin.create_topics(std::slice::from_ref(&new)).await.pop();
        match made {
            Some(Ok(_)) => {
                info!(topic = &**topic, group, "topic created");
                Ok(())
            }
            Some(Err(error)) => self.refused(topic, &new, error),
            None => Err(not_made(&new)),
        }
    }

    async fn exists(&self, topic: &Arc<str>) -> Result<bool> {
        let described = self.admin.describe_topics(&[topic]).await;
        let error = match described.map(|mut described| described.pop()) {
            Ok(Some(Ok(_)) | None) => return Ok(true),
            Ok(Some(Err(error))) | Err(error) => error,
        };
        match error.code() {
            Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) => Ok(false),
            Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED | ErrorCode::CLUSTER_AUTHORIZATION_FAILED) => {
                let message = format!(
                    "Not authorized to describe topic(s) '{topic}' on the brokers {}",
                    self.bootstrap
                );
                Err(unrecoverable(&message, error))
            }
            _ if error.kind() == ErrorKind::Timeout => {
                Err(unrecoverable(&format!("Timed out while describing topics '{topic}'"), error))
            }
            _ => Err(unrecoverable(&format!("Error while attempting to describe topics '{topic}'"), error)),
        }
    }

    /// What it means that the topic was not made.
    fn refused(&self, topic: &Arc<str>, new: &NewTopic, error: protocol::Error) -> Result<()> {
        let bootstrap = &self.bootstrap;
        match error.code() {
            // Another task was quicker.
            Some(ErrorCode::TOPIC_ALREADY_EXISTS) => {
                info!(topic = &**topic, "topic exists");
                Ok(())
            }
            Some(ErrorCode::TOPIC_AUTHORIZATION_FAILED | ErrorCode::CLUSTER_AUTHORIZATION_FAILED) => {
                warn!(topic = &**topic, bootstrap, %error, "not authorized to create the topic");
                Err(not_made(new))
            }
            _ if error.kind() == ErrorKind::Unsupported => {
                warn!(topic = &**topic, bootstrap, %error, "the brokers cannot create topics");
                Err(not_made(new))
            }
            Some(
                ErrorCode::INVALID_CONFIG
                | ErrorCode::INVALID_REPLICATION_FACTOR
                | ErrorCode::INVALID_TOPIC_EXCEPTION,
            ) => {
                let said = error.to_string();
                let said = said.split_once(&format!("{topic}: ")).map_or(&*said, |(_, broker)| broker);
                Err(unrecoverable(&format!("Unable to create topic(s) '{topic}': {said}"), error))
            }
            _ if error.kind() == ErrorKind::Timeout => Err(unrecoverable(
                &format!(
                    "Timed out while checking for or creating topic(s) '{topic}'. This could indicate a connectivity issue, \
                     unavailable topic partitions, or if this is your first use of the topic it may have taken too long to create."
                ),
                error,
            )),
            _ => Err(unrecoverable(
                &format!("Error while attempting to create/find topic(s) '{topic}'"),
                error,
            )),
        }
    }
}

/// Java prints the topic that it wanted.
fn not_made(new: &NewTopic) -> Error {
    let or_default = |number: Option<i64>| number.map_or("default".to_owned(), |number| number.to_string());
    let configs: Vec<_> = new.configs.iter().map(|(key, value)| format!("{key}={value}")).collect();
    Error::fatal(format!(
        "Task failed to create new topic (name={}, numPartitions={}, replicationFactor={}, replicasAssignments=null, configs={{{}}}). \
         Ensure that the task is authorized to create topics or that the topic exists and restart the task",
        new.name,
        or_default(new.partitions.map(Into::into)),
        or_default(new.replication_factor.map(Into::into)),
        configs.join(", ")
    ))
}

impl SourcePipeline {
    /// The topic's handle; `None` when told to stop while Kafka does not say.
    pub(super) async fn topic(
        &mut self,
        topic: &Arc<str>,
        control: &mut Control,
    ) -> Result<Option<TopicHandle>> {
        if let Some(handle) = self.topics.get(topic) {
            return Ok(Some(handle.clone()));
        }
        let (maker, producer, name) =
            (self.topic_maker.clone(), Rc::clone(&self.producer), Arc::clone(topic));
        let found = async move {
            if let Some(maker) = maker {
                maker.ensure(&name).await?;
            }
            let handle = producer.topic(&name).await;
            handle.map_err(|error| unrecoverable("Unrecoverable exception trying to send", error))
        };
        let Some(handle) = self.wait_for(found, control).await? else { return Ok(None) };
        let handle = handle?;
        self.topics.insert(Arc::clone(topic), handle.clone());
        Ok(Some(handle))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_topic_as_java_does() {
        let new = NewTopic::new("t", 3).with_config("cleanup.policy", "compact");
        assert_eq!(
            not_made(&new).message(),
            "Task failed to create new topic (name=t, numPartitions=3, replicationFactor=default, replicasAssignments=null, \
             configs={cleanup.policy=compact}). Ensure that the task is authorized to create topics or that the topic exists and \
             restart the task"
        );
    }
}
