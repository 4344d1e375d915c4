//! Connector keys of ours, which Java does not have. REST shows them only where they are given, so that its answers are else Java's.

use std::num::NonZeroU64;

use api::config_def::{Config, ConfigDef, ConfigKey, ConfigType, Default, Importance, validators};
use engine::task::RateLimits;

use super::connector::RawConfig;
use super::restart;

const RECORDS_PER_SECOND: &str = "aqueduct.rate.limit.records.per.second";
const BYTES_PER_SECOND: &str = "aqueduct.rate.limit.bytes.per.second";

/// What all of them begin with.
const PREFIX: &str = "aqueduct.";

/// Every key of ours that a connector may have.
pub(super) fn table() -> ConfigDef {
    let rate = |name, doc| {
        ConfigKey::new(name, ConfigType::Long, Default::Value("0"), Importance::Low, doc)
            .checked(validators::at_least::<0>)
    };
    ConfigDef::default()
        .key(rate(
            RECORDS_PER_SECOND,
            "The most records that the connector's tasks on one worker move together in a second; 0 is no limit.",
        ))
        .key(rate(
            BYTES_PER_SECOND,
            "The most bytes that the connector's tasks on one worker move together in a second, as fetched of a sink, of keys and \
             values of a source; 0 is no limit.",
        ))
        .and(restart::table())
}

/// Those of them that a configuration has.
pub(super) fn given(raw: &RawConfig) -> ConfigDef {
    let (all, mut given) = (table(), ConfigDef::default());
    for key in all.keys().iter().filter(|key| raw.contains_key(key.name.as_ref())) {
        given = given.key(key.clone());
    }
    given
}

/// Keys that begin as ours do and are none, each with what to say of it: a typo must not go unnoticed.
pub(super) fn unknown(raw: &RawConfig) -> Vec<(String, String)> {
    let all = table();
    let unknown = raw.keys().filter(|key| key.starts_with(PREFIX) && all.find(key).is_none());
    let names: Vec<&str> = all.keys().iter().map(|key| key.name.as_ref()).collect();
    let names = names.join(", ");
    unknown
        .map(|key| (key.clone(), format!("Unknown configuration '{key}'. Did you mean one of {names}?")))
        .collect()
}

/// The limits of a configuration that was read by [`table`].
pub(super) fn rate_limits(config: &Config) -> RateLimits {
    let limit = |key| NonZeroU64::new(config.long(key).max(0).unsigned_abs());
    RateLimits { records_per_second: limit(RECORDS_PER_SECOND), bytes_per_second: limit(BYTES_PER_SECOND) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(entries: &[(&str, &str)]) -> RawConfig {
        entries.iter().map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned()))).collect()
    }

    #[test]
    fn only_given_keys_are_shown_and_typos_are_refused() {
        assert!(given(&raw(&[("name", "c")])).keys().is_empty());
        let raw = raw(&[("aqueduct.restart.backoff.ms", "0"), ("aqueduct.restart.attempts", "3")]);
        let found = given(&raw).validate_nullable(&raw);
        assert_eq!(
            found[0].errors,
            ["Invalid value 0 for configuration aqueduct.restart.backoff.ms: Value must be at least 1"]
        );
        let unknown = unknown(&raw);
        assert!(
            unknown[0].1.starts_with("Unknown configuration 'aqueduct.restart.attempts'."),
            "{unknown:?}"
        );
        assert_eq!((found.len(), unknown.len()), (1, 1));
    }
}
