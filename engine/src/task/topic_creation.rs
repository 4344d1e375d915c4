//! Topics that a source task makes before it writes to them (KIP-158): the rules, and which of them a topic falls under.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use protocol::client::admin::NewTopic;
use protocol::cluster::ClusterConfig;

/// What to make topics of, and as whom (`topic.creation.*`). A source without it leaves topics to the broker's auto-creation.
#[derive(Debug, Clone)]
pub struct TopicCreation {
    /// The admin client: which brokers, and how to reach them.
    pub cluster: ClusterConfig,
    /// Its `default.api.timeout.ms`.
    pub api_timeout: Duration,
    /// Tried in this order; the first that matches decides.
    pub groups: Vec<TopicGroup>,
    /// For topics that no group matches.
    pub default: TopicTemplate,
}

/// A named group of topics.
#[derive(Clone)]
pub struct TopicGroup {
    /// Its name.
    pub name: Arc<str>,
    /// Whether a topic is in it: one of `include` matches the whole name, none of `exclude` does.
    pub matches: Arc<dyn Fn(&str) -> bool + Send + Sync>,
    /// What its topics are made of.
    pub template: TopicTemplate,
}

impl fmt::Debug for TopicGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TopicGroup")
            .field("name", &self.name)
            .field("template", &self.template)
            .finish_non_exhaustive()
    }
}

/// What a topic is made of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TopicTemplate {
    /// `partitions`; `None` for the broker's default (-1 in a configuration).
    pub partitions: Option<i32>,
    /// `replication.factor`; `None` for the broker's default (-1 in a configuration).
    pub replication_factor: Option<i16>,
    /// Topic settings such as `cleanup.policy`. Groups do not inherit those of the default group.
    pub configs: Vec<(String, String)>,
}

impl TopicCreation {
    /// The group that `topic` falls under, and the topic to make.
    pub fn new_topic(&self, topic: &Arc<str>) -> (&str, NewTopic) {
        let group = self.groups.iter().find(|group| (group.matches)(topic));
        let (name, template) =
            group.map_or(("default", &self.default), |group| (&*group.name, &group.template));
        let topic = NewTopic {
            name: Arc::clone(topic),
            partitions: template.partitions,
            replication_factor: template.replication_factor,
            configs: template.configs.clone(),
        };
        (name, topic)
    }
}

#[cfg(test)]
mod tests {
    use protocol::cluster::HostPort;

    use super::*;

    fn group(name: &str, prefix: &'static str, partitions: i32) -> TopicGroup {
        let template = TopicTemplate { partitions: Some(partitions), ..TopicTemplate::default() };
        let matches = Arc::new(move |topic: &str| topic.starts_with(prefix));
        TopicGroup { name: name.into(), matches, template }
    }

    /// Goal: order decides where groups overlap, and a group's topics have nothing of the default group but what the group says.
    #[test]
    fn the_first_group_that_matches_makes_the_topic() {
        let creation = TopicCreation {
            cluster: ClusterConfig::new(vec![HostPort::new("b", 1)]),
            api_timeout: Duration::from_secs(1),
            groups: vec![group("narrow", "ab", 2), group("wide", "a", 3)],
            default: TopicTemplate {
                partitions: Some(1),
                replication_factor: Some(2),
                configs: vec![("cleanup.policy".to_owned(), "compact".to_owned())],
            },
        };
        let made = |topic: &str| {
            let (group, topic) = creation.new_topic(&topic.into());
            (group.to_owned(), topic.partitions, topic.replication_factor, topic.configs.len())
        };
        assert_eq!(made("abc"), ("narrow".to_owned(), Some(2), None, 0));
        assert_eq!(made("ac"), ("wide".to_owned(), Some(3), None, 0));
        assert_eq!(made("b"), ("default".to_owned(), Some(1), Some(2), 1));
    }
}
