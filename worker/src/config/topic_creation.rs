//! `topic.creation.*` of a source connector (KIP-158): read and checked when the connector is created, as Java's worker does.

use std::sync::Arc;

use api::config_def::{ConfigDef, ConfigKey, ConfigType, ConfigValue, Default, Importance, Validator};
use api::java_regex::JavaRegex;
use api::{Error, Props, Result};
use engine::task::{TopicGroup, TopicTemplate};

const PREFIX: &str = "topic.creation.";
const DEFAULT: &str = "default";
const GROUPS: &str = "topic.creation.groups";
const INCLUDE: &str = "include";
const EXCLUDE: &str = "exclude";
const REPLICATION_FACTOR: &str = "replication.factor";
const PARTITIONS: &str = "partitions";

/// The rules of a connector that says how its topics are made.
#[derive(Debug, Clone)]
pub struct TopicRules {
    /// For topics that no group matches.
    pub default: TopicTemplate,
    /// In the order of `topic.creation.groups`.
    pub groups: Vec<TopicGroup>,
}

/// Whether a configuration says anything about how topics are made (`SourceConnectorConfig#usesTopicCreation`).
pub(super) fn is_used<'a>(keys: impl IntoIterator<Item = &'a str>) -> bool {
    keys.into_iter().any(|key| key.starts_with(PREFIX))
}

impl TopicRules {
    /// Reads the rules; `None` where there are none.
    ///
    /// # Errors
    /// The first key that is missing or wrong, with Java's message.
    pub fn parse(props: &Props) -> Result<Option<TopicRules>> {
        if !is_used(props.keys().map(String::as_str)) {
            return Ok(None);
        }
        let default = template(props, DEFAULT, None)?;
        let mut groups = Vec::new();
        for alias in aliases(props) {
            if alias == DEFAULT {
                tracing::warn!("topic.creation.groups names the group default, which always applies");
                continue;
            }
            groups.push(TopicGroup {
                name: alias.as_str().into(),
                matches: Arc::new(matcher(props, &alias)?),
                template: template(props, &alias, Some(&default))?,
            });
        }
        Ok(Some(TopicRules { default, groups }))
    }
}

fn aliases(props: &Props) -> Vec<String> {
    let mut aliases: Vec<String> = Vec::new();
    for alias in list(props, GROUPS) {
        if !aliases.contains(&alias) {
            aliases.push(alias);
        }
    }
    aliases
}

fn list(props: &Props, key: &str) -> Vec<String> {
    let text = props.get(key).map_or("", |text| text.trim());
    if text.is_empty() { Vec::new() } else { text.split(',').map(|item| item.trim().to_owned()).collect() }
}

/// A topic is of a group when one of the expressions in `include` matches its name and none in `exclude` does.
fn matcher(props: &Props, alias: &str) -> Result<impl Fn(&str) -> bool + Send + Sync + 'static> {
    let regex = |name: &str| -> Result<JavaRegex> {
        let patterns = list(props, &format!("{PREFIX}{alias}.{name}"));
        let compile = |pattern: &str| {
            JavaRegex::new(pattern).map_err(|error| {
                Error::config(format!(
                    "Invalid value [{}] for configuration {name}: Syntax error in regular expression: {error}",
                    patterns.join(", ")
                ))
            })
        };
        for pattern in &patterns {
            compile(pattern)?;
        }
        compile(&patterns.join("|"))
    };
    let (include, exclude) = (regex(INCLUDE)?, regex(EXCLUDE)?);
    Ok(move |topic: &str| !exclude.matches(topic) && include.matches(topic))
}

/// The default group has to say both numbers; the others take over its.
/// Java's check of a replication factor.
pub(super) fn replication_factor(value: &ConfigValue) -> Result<(), String> {
    positive_or_default(
        value,
        "Replication factor must be positive and not larger than the number of brokers in the Kafka cluster, or -1 to use the \
         broker's default",
    )
}

/// Java's check of a number of partitions.
pub(super) fn partitions(value: &ConfigValue) -> Result<(), String> {
    positive_or_default(value, "Number of partitions must be positive, or -1 to use the broker's default")
}

fn template(props: &Props, alias: &str, default: Option<&TopicTemplate>) -> Result<TopicTemplate> {
    let prefix = format!("{PREFIX}{alias}.");
    let number = |name: &'static str, kind: ConfigType, check: Validator, inherited: Option<i64>| {
        let full_name = format!("{prefix}{name}");
        match inherited {
            Some(inherited) if !props.contains_key(&full_name) => Ok(inherited),
            _ => {
                let key = ConfigKey::new(name, kind, Default::Required, Importance::Low, "").checked(check);
                let def = ConfigDef::default().embed(&prefix, "", 0, ConfigDef::default().key(key));
                Ok(def.parse(props)?.long(&full_name))
            }
        }
    };
    let of_default = |number: fn(&TopicTemplate) -> Option<i64>| default.map(|it| number(it).unwrap_or(-1));
    let replication = number(
        REPLICATION_FACTOR,
        ConfigType::Short,
        replication_factor,
        of_default(|it| it.replication_factor.map(i64::from)),
    )?;
    let partitions =
        number(PARTITIONS, ConfigType::Int, partitions, of_default(|it| it.partitions.map(i64::from)))?;
    let ours = [INCLUDE, EXCLUDE, REPLICATION_FACTOR, PARTITIONS];
    let configs = props.iter().filter_map(|(key, value)| {
        let name = key.strip_prefix(&prefix).filter(|name| !ours.contains(name) && !name.is_empty())?;
        Some((name.to_owned(), value.clone()))
    });
    Ok(TopicTemplate {
        partitions: i32::try_from(partitions).ok().filter(|number| *number > 0),
        replication_factor: i16::try_from(replication).ok().filter(|number| *number > 0),
        configs: configs.collect(),
    })
}

fn positive_or_default(value: &ConfigValue, otherwise: &str) -> Result<(), String> {
    match value {
        ConfigValue::Long(number) if *number > 0 || *number == -1 => Ok(()),
        _ => Err(otherwise.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULTS: [(&str, &str); 2] =
        [("topic.creation.default.partitions", "3"), ("topic.creation.default.replication.factor", "-1")];

    fn rules(more: &[(&str, &str)]) -> Result<TopicRules> {
        let entries = DEFAULTS.iter().chain(more);
        let props: Props = entries.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        TopicRules::parse(&props).map(Option::unwrap)
    }

    #[test]
    fn groups_take_over_numbers_and_no_other_settings() {
        let rules = rules(&[
            ("topic.creation.default.cleanup.policy", "compact"),
            ("topic.creation.groups", "a, default,b"),
            ("topic.creation.a.include", "x.*, y"),
            ("topic.creation.a.exclude", "xx"),
            ("topic.creation.a.replication.factor", "2"),
            ("topic.creation.a.retention.ms", "5"),
            ("topic.creation.b.partitions", "-1"),
        ])
        .unwrap();
        assert_eq!((rules.default.partitions, rules.default.replication_factor), (Some(3), None));
        let (a, b) = (&rules.groups[0], &rules.groups[1]);
        assert_eq!((a.template.partitions, a.template.replication_factor), (Some(3), Some(2)));
        assert_eq!(a.template.configs, [("retention.ms".to_owned(), "5".to_owned())]);
        assert_eq!((b.template.partitions, b.template.configs.len()), (None, 0));
        let in_a = |topic: &str| (a.matches)(topic);
        assert_eq!([in_a("x1"), in_a("y"), in_a("yy"), in_a("xx")], [true, true, false, false]);
        assert!(!(b.matches)("x"), "a group without include has no topics");
        assert!(TopicRules::parse(&Props::new()).unwrap().is_none());
    }

    /// Recorded from Java Connect 4.3.0.
    #[test]
    fn faults_are_said_in_javas_words() {
        let partitions = "topic.creation.default.partitions";
        for (more, message) in [
            (
                (partitions, "0"),
                "Invalid value 0 for configuration partitions: Number of partitions must be positive, or -1 to use the broker's \
                 default",
            ),
            (
                (partitions, "x"),
                "Invalid value x for configuration topic.creation.default.partitions: Not a number of type INT",
            ),
            (
                ("topic.creation.a.exclude", "a,(b"),
                "Invalid value [a, (b] for configuration exclude: Syntax error in regular expression: Unclosed group near index 2\n(b",
            ),
            (
                ("topic.creation.a.replication.factor", "99999"),
                "Invalid value 99999 for configuration topic.creation.a.replication.factor: Not a number of type SHORT",
            ),
        ] {
            assert_eq!(rules(&[("topic.creation.groups", "a"), more]).unwrap_err().message(), message);
        }
        let none = Props::from_iter([("topic.creation.groups".to_owned(), String::new())]);
        assert_eq!(
            TopicRules::parse(&none).unwrap_err().message(),
            "Missing required configuration \"topic.creation.default.replication.factor\" which has no default value."
        );
    }
}
