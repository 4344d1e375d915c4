//! What there is on both clusters, and what has to be created on the target.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::Result;
use api::config_def::Config;
use protocol::ErrorCode;
use protocol::client::TopicPartition;
use protocol::client::admin::{Admin, ConfigResource, NewTopic};
use protocol::cluster::TopicMetadata;

use crate::config;
use crate::configs;
use crate::filter::{PropertyFilter, TopicFilter};
use crate::policy::Policy;

/// Topics by name, each with its number of partitions.
pub(crate) type Counts = BTreeMap<String, usize>;

/// What decides which topics are copied, and how.
#[derive(Debug)]
pub(crate) struct Selection {
    pub(crate) source: String,
    pub(crate) target: String,
    pub(crate) policy: Policy,
    topics: TopicFilter,
    pub(crate) properties: PropertyFilter,
    replicates_heartbeats: bool,
    replication_factor: i16,
}

impl Selection {
    /// As the configuration says.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn of(config: &Config) -> Result<Selection> {
        Ok(Selection {
            source: config.string(config::SOURCE_ALIAS).to_owned(),
            target: config.string(config::TARGET_ALIAS).to_owned(),
            policy: Policy::of(config.originals())?,
            topics: TopicFilter::of(config)?,
            properties: PropertyFilter::of(config)?,
            replicates_heartbeats: config.boolean(config::REPLICATE_HEARTBEATS),
            replication_factor: i16::try_from(config.int(config::REPLICATION_FACTOR)).unwrap_or(i16::MAX),
        })
    }

    /// Whether a topic of the source is copied.
    pub(crate) fn selects(&self, topic: &str) -> bool {
        let is_wanted =
            self.topics.accepts(topic) || (self.replicates_heartbeats && self.policy.is_heartbeats(topic));
        is_wanted && !self.policy.is_internal(topic) && !self.policy.is_cycle(topic, &self.target)
    }

    /// What a topic is called on the target.
    pub(crate) fn remote_topic(&self, topic: &str) -> String {
        self.policy.remote_topic(&self.source, topic)
    }

    /// The topics of the source that are copied.
    ///
    /// # Errors
    /// What the cluster said.
    pub(crate) async fn of_source(&self, admin: &Admin) -> Result<Counts, protocol::Error> {
        let topics = admin.list_topics().await?;
        Ok(counts(topics.iter().filter(|topic| !topic.is_internal && self.selects(&topic.name))))
    }

    /// The topics of the target that are copies of topics of the source.
    ///
    /// # Errors
    /// What the cluster said.
    pub(crate) async fn of_target(&self, admin: &Admin) -> Result<Counts, protocol::Error> {
        let topics = admin.list_topics().await?;
        let checkpoints = self.policy.checkpoints_topic(&self.source);
        let is_copy = |topic: &&Arc<TopicMetadata>| {
            !topic.is_internal
                && self.policy.source_of(&topic.name) == Some(&*self.source)
                && *topic.name != *checkpoints
        };
        Ok(counts(topics.iter().filter(is_copy)))
    }

    /// Creates what the target lacks: topics, with the settings that they have on the source, and partitions. What cannot be created is
    /// warned of; the next refresh finds it missing again.
    pub(crate) async fn create(
        &self,
        source_admin: &Admin,
        target_admin: &Admin,
        source: &Counts,
        target: &Counts,
    ) {
        let missing: Vec<(&str, String, usize)> = source
            .iter()
            .map(|(topic, count)| (topic.as_str(), self.remote_topic(topic), *count))
            .filter(|(_, remote, _)| !target.contains_key(remote))
            .collect();
        if !missing.is_empty() {
            let resources: Vec<_> =
                missing.iter().map(|(topic, _, _)| ConfigResource::Topic((*topic).into())).collect();
            let described = source_admin.describe_configs(&resources).await;
            let mut new = Vec::new();
            for ((topic, remote, count), described) in missing.iter().zip(described) {
                match described {
                    Ok(entries) => new.push(NewTopic {
                        name: remote.as_str().into(),
                        partitions: i32::try_from(*count).ok(),
                        replication_factor: Some(self.replication_factor),
                        configs: configs::of_new_topic(&entries, &self.properties),
                    }),
                    Err(error) => {
                        tracing::warn!(topic, %error, "failed to read the settings of a topic to copy")
                    }
                }
            }
            for (topic, created) in new.iter().zip(target_admin.create_topics(&new).await) {
                match created {
                    Ok(_) => tracing::info!(
                        topic = &*topic.name,
                        partitions = topic.partitions,
                        "created remote topic"
                    ),
                    Err(error) if error.code() == Some(ErrorCode::TOPIC_ALREADY_EXISTS) => {}
                    Err(error) => {
                        tracing::warn!(topic = &*topic.name, %error, "failed to create remote topic")
                    }
                }
            }
        }
        let grown: Vec<(String, i32)> = source
            .iter()
            .filter_map(|(topic, count)| {
                let remote = self.remote_topic(topic);
                let has_fewer = target.get(&remote).is_some_and(|there| there < count);
                Some((remote, i32::try_from(*count).ok()?)).filter(|_| has_fewer)
            })
            .collect();
        let asked: Vec<_> = grown.iter().map(|(topic, count)| (topic.as_str(), *count)).collect();
        for ((topic, count), grown) in asked.iter().zip(target_admin.create_partitions(&asked).await) {
            match grown {
                Ok(()) => tracing::info!(topic, count, "added partitions to remote topic"),
                Err(error) => tracing::warn!(topic, %error, "failed to add partitions to remote topic"),
            }
        }
    }
}

/// Creates a topic of one compacted partition where there is none. As in Java, what speaks against it is no error here: whoever writes to
/// the topic will say it.
pub(crate) async fn create_compacted(admin: &Admin, topic: &str, replication_factor: i16) {
    let new = NewTopic::new(topic, 1)
        .with_replication_factor(replication_factor)
        .with_config("cleanup.policy", "compact");
    for created in admin.create_topics(&[new]).await {
        match created {
            Ok(_) => tracing::info!(topic, "created topic"),
            Err(error) if error.code() == Some(ErrorCode::TOPIC_ALREADY_EXISTS) => {}
            Err(error) => tracing::warn!(topic, %error, "failed to create topic"),
        }
    }
}

/// All partitions, in order.
pub(crate) fn partitions(counts: &Counts) -> Vec<TopicPartition> {
    let each = counts.iter().flat_map(|(topic, count)| {
        let topic: Arc<str> = topic.as_str().into();
        (0..*count).map(move |number| TopicPartition { topic: Arc::clone(&topic), partition: number as i32 })
    });
    each.collect()
}

/// Whether tasks and remote topics have to follow: the source has other partitions than before, or the target lacks some.
pub(crate) fn has_changed(before: &Counts, source: &Counts, target: &Counts, selection: &Selection) -> bool {
    let lacks = |(topic, count): (&String, &usize)| {
        target.get(&selection.remote_topic(topic)).is_none_or(|there| there < count)
    };
    before != source || source.iter().any(lacks)
}

fn counts<'a>(topics: impl Iterator<Item = &'a Arc<TopicMetadata>>) -> Counts {
    let usable = topics.filter(|topic| topic.error == ErrorCode::NONE);
    usable.map(|topic| (topic.name.to_string(), topic.partitions.len())).collect()
}

/// The topics that are known on both sides.
pub(crate) fn known_on_both<'a>(
    source: &'a Counts,
    target: &Counts,
    selection: &Selection,
) -> BTreeSet<&'a str> {
    source
        .keys()
        .map(String::as_str)
        .filter(|topic| target.contains_key(&selection.remote_topic(topic)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::parsed;

    fn counts_of(given: &[(&str, usize)]) -> Counts {
        given.iter().map(|(topic, count)| ((*topic).to_owned(), *count)).collect()
    }

    #[test]
    fn heartbeats_are_copied_whatever_topics_says() {
        let selection = Selection::of(&parsed(&[("topics", "t")])).unwrap();
        for (topic, is_selected) in
            [("t", true), ("u", false), ("heartbeats", true), ("c.heartbeats", true), ("b.heartbeats", false)]
        {
            assert_eq!(selection.selects(topic), is_selected, "{topic}");
        }
        let without =
            Selection::of(&parsed(&[("topics", "t"), ("heartbeats.replication.enabled", "false")])).unwrap();
        assert!(!without.selects("heartbeats"));
    }

    #[test]
    fn a_change_is_another_source_or_a_target_that_lacks_something() {
        let selection = Selection::of(&parsed(&[])).unwrap();
        let source = counts_of(&[("t", 2)]);
        let whole = counts_of(&[("a.t", 3)]);
        assert!(!has_changed(&source, &source, &whole, &selection), "more on the target is no change");
        assert!(has_changed(&source, &source, &counts_of(&[("a.t", 1)]), &selection));
        assert!(has_changed(&source, &source, &Counts::new(), &selection));
        assert!(has_changed(&counts_of(&[("t", 1)]), &source, &whole, &selection));
    }
}
