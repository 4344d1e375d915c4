//! Replication policies: what a topic of the source cluster is called on the target (`ReplicationPolicy` and its two implementations).

use api::{Error, Props, Result};

use crate::config;

const DEFAULT_CLASS: &str = "org.apache.kafka.connect.mirror.DefaultReplicationPolicy";
const IDENTITY_CLASS: &str = "org.apache.kafka.connect.mirror.IdentityReplicationPolicy";

const SEPARATOR: &str = "replication.policy.separator";
const INTERNAL_SEPARATOR_ENABLED: &str = "replication.policy.internal.topic.separator.enabled";
/// What stands between the parts of an internal topic's name where nothing else is said.
const INTERNAL_SEPARATOR: &str = ".";
const HEARTBEATS: &str = "heartbeats";

/// A policy with its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Policy {
    kind: Kind,
    separator: String,
    internal_separator: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    /// Remote topics begin with the alias of their source.
    Default,
    /// Topics keep their names. Only heartbeats tell where they are from; all else is from this alias.
    Identity { source: String },
}

impl Policy {
    /// The policy that the properties name.
    ///
    /// # Errors
    /// For a class that is not here.
    pub(crate) fn of(props: &Props) -> Result<Policy> {
        let class = props.get(config::POLICY_CLASS).map_or(DEFAULT_CLASS, String::as_str);
        let kind = match class.trim() {
            DEFAULT_CLASS | "DefaultReplicationPolicy" => Kind::Default,
            IDENTITY_CLASS | "IdentityReplicationPolicy" => {
                Kind::Identity { source: props.get(config::SOURCE_ALIAS).cloned().unwrap_or_default() }
            }
            other => {
                return Err(Error::config(format!(
                    "Invalid value {other} for configuration {}: Class {other} could not be found: there are \
                     DefaultReplicationPolicy and IdentityReplicationPolicy",
                    config::POLICY_CLASS
                )));
            }
        };
        let separator = props.get(SEPARATOR).map_or(INTERNAL_SEPARATOR, String::as_str);
        let is_enabled = props.get(INTERNAL_SEPARATOR_ENABLED).is_none_or(|text| text.trim() != "false");
        let internal_separator =
            if props.contains_key(SEPARATOR) && is_enabled { separator } else { INTERNAL_SEPARATOR };
        Ok(Policy {
            kind,
            separator: separator.to_owned(),
            internal_separator: internal_separator.to_owned(),
        })
    }

    /// What a topic of cluster `alias` is called on the target.
    pub(crate) fn remote_topic(&self, alias: &str, topic: &str) -> String {
        match &self.kind {
            Kind::Identity { .. } if !is_like_heartbeats(topic) => topic.to_owned(),
            _ => format!("{alias}{}{topic}", self.separator),
        }
    }

    /// Which cluster a topic was copied from, going by its name.
    pub(crate) fn source_of<'a>(&'a self, topic: &'a str) -> Option<&'a str> {
        match &self.kind {
            Kind::Identity { source } if !is_like_heartbeats(topic) => Some(source),
            _ => self.split(topic).map(|(source, _)| source),
        }
    }

    /// What a copied topic is called where it was copied from.
    pub(crate) fn upstream_of<'a>(&self, topic: &'a str) -> Option<&'a str> {
        match &self.kind {
            Kind::Identity { .. } if !is_like_heartbeats(topic) => Some(topic),
            _ => self.split(topic).map(|(_, upstream)| upstream),
        }
    }

    /// Whether a topic is one of heartbeats, copied or not.
    pub(crate) fn is_heartbeats(&self, topic: &str) -> bool {
        let mut original = topic;
        while let Some((_, upstream)) = self.split(original) {
            original = upstream;
        }
        original == HEARTBEATS
    }

    /// Whether a topic is one that clusters and tools keep for themselves.
    pub(crate) fn is_internal(&self, topic: &str) -> bool {
        topic.starts_with("__")
            || topic.starts_with('.')
            || topic.ends_with("-internal")
            || topic.ends_with(".internal")
            || topic.ends_with(&format!("{}internal", self.internal_separator))
    }

    /// Whether copying a topic to `target` would send records back to where they are from.
    pub(crate) fn is_cycle(&self, topic: &str, target: &str) -> bool {
        let mut topic = topic;
        loop {
            match self.source_of(topic) {
                None => return false,
                Some(source) if source == target => return true,
                Some(_) => match self.upstream_of(topic) {
                    Some(upstream) if upstream != topic => topic = upstream,
                    _ => return false,
                },
            }
        }
    }

    /// The topic of offset syncs with a cluster.
    pub(crate) fn offset_syncs_topic(&self, alias: &str) -> String {
        let between = &self.internal_separator;
        format!("mm2-offset-syncs{between}{alias}{between}internal")
    }

    /// The topic of checkpoints from a cluster.
    pub(crate) fn checkpoints_topic(&self, alias: &str) -> String {
        let between = &self.internal_separator;
        format!("{alias}{between}checkpoints{between}internal")
    }

    /// A copied topic's name in its two parts. Nothing but separators is no name: Java's `split` drops what is empty at the end.
    fn split<'a>(&self, topic: &'a str) -> Option<(&'a str, &'a str)> {
        let separator = self.separator.as_str();
        topic.split_once(separator).filter(|(_, upstream)| !upstream.split(separator).all(str::is_empty))
    }
}

/// The topics that an identity policy renames all the same.
fn is_like_heartbeats(topic: &str) -> bool {
    topic.ends_with(HEARTBEATS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(props: &[(&str, &str)]) -> Policy {
        let props: Props =
            props.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Policy::of(&props).unwrap()
    }

    #[test]
    fn remote_topics_begin_with_their_source() {
        let policy = policy(&[]);
        assert_eq!(policy.remote_topic("a", "t.x"), "a.t.x");
        assert_eq!((policy.source_of("a.t.x"), policy.upstream_of("a.t.x")), (Some("a"), Some("t.x")));
        assert_eq!((policy.source_of("t"), policy.source_of("t.")), (None, None));
        assert_eq!(policy.offset_syncs_topic("b"), "mm2-offset-syncs.b.internal");
        assert_eq!(policy.checkpoints_topic("a"), "a.checkpoints.internal");
    }

    #[test]
    fn a_separator_counts_for_internal_topics_only_where_it_is_given_and_wanted() {
        let both = policy(&[(SEPARATOR, "_")]);
        assert_eq!(both.offset_syncs_topic("b"), "mm2-offset-syncs_b_internal");
        assert_eq!(both.remote_topic("a", "t"), "a_t");
        let remote = policy(&[(SEPARATOR, "_"), (INTERNAL_SEPARATOR_ENABLED, "false")]);
        assert_eq!(
            (remote.offset_syncs_topic("b"), remote.remote_topic("a", "t")),
            ("mm2-offset-syncs.b.internal".into(), "a_t".into())
        );
        assert!(both.is_internal("x_internal") && !remote.is_internal("x_internal"));
    }

    #[test]
    fn internal_topics_are_those_of_java() {
        let policy = policy(&[]);
        for name in ["__consumer_offsets", ".hidden", "a-internal", "a.internal"] {
            assert!(policy.is_internal(name), "{name}");
        }
        for name in ["internal", "a_internal", "_x", "internal.a"] {
            assert!(!policy.is_internal(name), "{name}");
        }
    }

    #[test]
    fn records_do_not_go_back_to_where_they_are_from() {
        let policy = policy(&[]);
        assert!(policy.is_cycle("b.t", "b") && policy.is_cycle("c.b.t", "b"));
        assert!(!policy.is_cycle("t", "b") && !policy.is_cycle("c.t", "b"));
        let identity = self::policy(&[(config::POLICY_CLASS, IDENTITY_CLASS), (config::SOURCE_ALIAS, "a")]);
        assert!(!identity.is_cycle("b.t", "b"));
        assert!(identity.is_cycle("b.heartbeats", "b"));
    }

    #[test]
    fn identity_renames_only_heartbeats() {
        let identity = policy(&[(config::POLICY_CLASS, IDENTITY_CLASS), (config::SOURCE_ALIAS, "a")]);
        assert_eq!(identity.remote_topic("a", "t"), "t");
        assert_eq!(identity.source_of("b.t"), Some("a"));
        assert_eq!(identity.remote_topic("a", "heartbeats"), "a.heartbeats");
        assert_eq!(identity.source_of("b.heartbeats"), Some("b"));
        assert!(identity.is_heartbeats("b.heartbeats") && !identity.is_heartbeats("t"));
    }
}
