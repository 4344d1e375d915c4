//! RegexRouter: renames topics by a regular expression.

use std::collections::HashMap;
use std::sync::Arc;

use api::config_def::{Config, ConfigDef, ConfigKey, ConfigType, Default, Importance, validators};
use api::java_regex::JavaRegex;
use api::{Error, Plugin, Records, Result, RowError, Touches, Transform, Transformed};

use super::replacement::Replacement;

const REGEX: &str = "regex";
const REPLACEMENT: &str = "replacement";

/// New names of topics seen lately.
const TOPICS_MAX: usize = 1024;

/// `org.apache.kafka.connect.transforms.RegexRouter`.
#[derive(Debug)]
pub(super) struct RegexRouter {
    regex: JavaRegex,
    replacement: Replacement,
    renamed: HashMap<Arc<str>, Arc<str>>,
}

impl Plugin for RegexRouter {
    const CLASS: &'static str = "org.apache.kafka.connect.transforms.RegexRouter";
    const VERSION: &'static str = super::VERSION;

    fn config_def() -> ConfigDef {
        let required =
            |name, doc| ConfigKey::new(name, ConfigType::String, Default::Required, Importance::High, doc);
        ConfigDef::default()
            .key(
                required(REGEX, "Java regular expression that the whole name of a topic has to match.")
                    .checked(validators::regex),
            )
            .key(required(
                REPLACEMENT,
                "What the first match is replaced by; $1 and ${name} stand for groups of the expression.",
            ))
    }

    fn create(config: Config) -> Result<RegexRouter> {
        let regex = JavaRegex::new(config.string(REGEX)).map_err(|error| Error::config(error.to_string()))?;
        let replacement = Replacement::parse(config.string(REPLACEMENT), &regex);
        Ok(RegexRouter { regex, replacement, renamed: HashMap::new() })
    }
}

impl RegexRouter {
    fn rename(&mut self, topic: &Arc<str>) -> Result<Arc<str>> {
        if let Some(renamed) = self.renamed.get(topic) {
            return Ok(Arc::clone(renamed));
        }
        let renamed = if self.regex.matches(topic) {
            self.replacement.replace_first(&self.regex, topic)?.into()
        } else {
            Arc::clone(topic)
        };
        if self.renamed.len() >= TOPICS_MAX {
            self.renamed.clear();
        }
        self.renamed.insert(Arc::clone(topic), Arc::clone(&renamed));
        Ok(renamed)
    }
}

impl Transform for RegexRouter {
    fn touches(&self) -> Touches {
        Touches::NOTHING
    }

    fn apply(&mut self, mut records: Records, out: &mut Transformed) -> Result<()> {
        match self.rename(&records.topic) {
            Ok(topic) => {
                records.topic = topic;
                out.push(records);
            }
            Err(error) => {
                let errors = (0..records.len()).map(|row| RowError { row, error: error.clone() }).collect();
                out.push_with_errors(records, errors);
            }
        }
        Ok(())
    }
}
