//! TopicNameMatches: records of topics whose whole name matches a regular expression.

use std::sync::Arc;

use api::config_def::{
    Config, ConfigDef, ConfigKey, ConfigType, ConfigValue, Default, Importance, validators,
};
use api::java_regex::JavaRegex;
use api::{Error, Matches, Plugin, Predicate, Records, Result, Tested, Touches};

const PATTERN: &str = "pattern";

/// `org.apache.kafka.connect.transforms.predicates.TopicNameMatches`.
#[derive(Debug)]
pub(super) struct TopicNameMatches {
    pattern: JavaRegex,
    /// The topic seen last, and whether it matches.
    last: Option<(Arc<str>, bool)>,
}

impl Plugin for TopicNameMatches {
    const CLASS: &'static str = "org.apache.kafka.connect.transforms.predicates.TopicNameMatches";
    const VERSION: &'static str = super::VERSION;

    fn config_def() -> ConfigDef {
        ConfigDef::default().key(
            ConfigKey::new(
                PATTERN,
                ConfigType::String,
                Default::Required,
                Importance::Medium,
                "Java regular expression that the whole name of a record's topic has to match.",
            )
            .checked(is_pattern),
        )
    }

    fn create(config: Config) -> Result<TopicNameMatches> {
        let pattern =
            JavaRegex::new(config.string(PATTERN)).map_err(|error| Error::config(error.to_string()))?;
        Ok(TopicNameMatches { pattern, last: None })
    }
}

fn is_pattern(value: &ConfigValue) -> Result<(), String> {
    validators::non_empty(value).and_then(|()| validators::regex(value))
}

impl Predicate for TopicNameMatches {
    fn touches(&self) -> Touches {
        Touches::NOTHING
    }

    fn test(&mut self, records: &Records) -> Result<Tested> {
        let is_match = match &self.last {
            Some((topic, is_match)) if *topic == records.topic => *is_match,
            _ => {
                let is_match = self.pattern.matches(&records.topic);
                self.last = Some((Arc::clone(&records.topic), is_match));
                is_match
            }
        };
        Ok(Matches::all_if(is_match).into())
    }
}
