//! Which topics are copied, and which of their settings (`DefaultTopicFilter`, `DefaultConfigPropertyFilter`).

use api::config_def::Config;
use api::java_regex::JavaRegex;
use api::{Error, Result};

use crate::config;

/// Patterns of which one has to match a whole name; `None` where there is none, which matches nothing.
#[derive(Debug, Clone)]
struct Patterns(Option<JavaRegex>);

impl Patterns {
    fn new(key: &str, patterns: &[String]) -> Result<Patterns> {
        if patterns.is_empty() {
            return Ok(Patterns(None));
        }
        let joined = patterns.join("|");
        let regex = JavaRegex::new(&joined).map_err(|error| {
            Error::config(format!("Invalid value {joined} for configuration {key}: {error}"))
                .with_source(error)
        })?;
        Ok(Patterns(Some(regex)))
    }

    fn matches(&self, name: &str) -> bool {
        self.0.as_ref().is_some_and(|regex| regex.matches(name))
    }
}

/// The topics that are wanted.
#[derive(Debug, Clone)]
pub(crate) struct TopicFilter {
    include: Patterns,
    exclude: Patterns,
}

impl TopicFilter {
    /// As the configuration says.
    ///
    /// # Errors
    /// For a pattern that is none.
    pub(crate) fn of(config: &Config) -> Result<TopicFilter> {
        Ok(TopicFilter {
            include: Patterns::new(config::TOPICS, config.list(config::TOPICS))?,
            exclude: Patterns::new(config::TOPICS_EXCLUDE, config.list(config::TOPICS_EXCLUDE))?,
        })
    }

    /// Whether a topic is wanted.
    pub(crate) fn accepts(&self, topic: &str) -> bool {
        self.include.matches(topic) && !self.exclude.matches(topic)
    }
}

/// The settings of topics that are copied.
#[derive(Debug, Clone)]
pub(crate) struct PropertyFilter {
    exclude: Patterns,
    /// `use.defaults.from=source`.
    pub(crate) copies_defaults: bool,
}

impl PropertyFilter {
    /// As the configuration says.
    ///
    /// # Errors
    /// For a pattern that is none.
    pub(crate) fn of(config: &Config) -> Result<PropertyFilter> {
        Ok(PropertyFilter {
            exclude: Patterns::new(config::PROPERTIES_EXCLUDE, config.list(config::PROPERTIES_EXCLUDE))?,
            copies_defaults: config.originals().get("use.defaults.from").is_some_and(|from| from == "source"),
        })
    }

    /// Whether a setting is copied.
    pub(crate) fn accepts(&self, name: &str) -> bool {
        !self.exclude.matches(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::parsed;

    #[test]
    fn patterns_match_whole_names_and_what_is_excluded_is_out() {
        let filter =
            TopicFilter::of(&parsed(&[("topics", "orders.*, t"), ("topics.exclude", ".*-dead")])).unwrap();
        for (topic, is_wanted) in [
            ("orders", true),
            ("orders-eu", true),
            ("t", true),
            ("tt", false),
            ("my-orders", false),
            ("orders-dead", false),
        ] {
            assert_eq!(filter.accepts(topic), is_wanted, "{topic}");
        }
    }

    #[test]
    fn by_default_everything_but_internal_topics_is_wanted() {
        let filter = TopicFilter::of(&parsed(&[])).unwrap();
        assert!(filter.accepts("orders") && filter.accepts("a.b"));
        for topic in ["x-internal", "x.internal", "x.replica", "__consumer_offsets"] {
            assert!(!filter.accepts(topic), "{topic}");
        }
        let nothing = TopicFilter::of(&parsed(&[("topics", "")])).unwrap();
        assert!(!nothing.accepts("orders"));
    }

    #[test]
    fn settings_of_one_cluster_stay_there() {
        let filter = PropertyFilter::of(&parsed(&[])).unwrap();
        assert!(!filter.accepts("min.insync.replicas") && filter.accepts("retention.ms"));
        assert!(!filter.copies_defaults);
    }

    #[test]
    fn a_pattern_that_is_none_is_named() {
        let error = TopicFilter::of(&parsed(&[("topics", "a, (")])).unwrap_err();
        assert!(error.message().starts_with("Invalid value a|( for configuration topics: "), "{error}");
    }
}
