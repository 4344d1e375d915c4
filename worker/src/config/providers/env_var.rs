//! `EnvVarConfigProvider`: values of the worker's environment, as it was when the worker started.

use std::collections::HashMap;
use std::fmt;

use api::config_def::{ConfigDef, ConfigKey, ConfigType, Default, Importance, Secret};
use api::java_regex::JavaRegex;
use api::provider::{ConfigProvider, Provided};
use api::{Error, Props, Result};

use crate::version;

const PATTERN: &str = "allowlist.pattern";

/// The variables that may be seen.
pub(super) struct EnvVarProvider {
    variables: HashMap<String, Secret>,
}

impl fmt::Debug for EnvVarProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnvVarProvider").field("count", &self.variables.len()).finish_non_exhaustive()
    }
}

impl EnvVarProvider {
    fn of(props: &Props, variables: impl Iterator<Item = (String, String)>) -> Result<EnvVarProvider> {
        let pattern = props.get(PATTERN).map(|pattern| {
            JavaRegex::new(pattern).map_err(|error| {
                Error::config(format!(
                    "Invalid value {pattern} for configuration {PATTERN}: Invalid regex: {error}"
                ))
            })
        });
        let pattern = pattern.transpose()?;
        let is_allowed = |name: &str| pattern.as_ref().is_none_or(|pattern| pattern.matches(name));
        let allowed = variables.filter(|(name, _)| is_allowed(name));
        Ok(EnvVarProvider { variables: allowed.map(|(name, value)| (name, Secret::new(value))).collect() })
    }
}

impl ConfigProvider for EnvVarProvider {
    const CLASS: &'static str = "org.apache.kafka.common.config.provider.EnvVarConfigProvider";
    const VERSION: &'static str = version::COMPATIBLE;

    fn config_def() -> ConfigDef {
        ConfigDef::default().key(ConfigKey::new(
            PATTERN,
            ConfigType::String,
            Default::Null,
            Importance::Low,
            "Pattern that a variable's whole name has to match; all of them where it is not set.",
        ))
    }

    fn configure(props: &Props) -> Result<EnvVarProvider> {
        let readable = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        EnvVarProvider::of(props, readable)
    }

    fn get(&self, path: &str, keys: &[&str]) -> Result<Provided> {
        if !path.is_empty() {
            return Err(Error::config(format!(
                "Path is not supported for EnvVarConfigProvider, invalid value '{path}'"
            )));
        }
        let found =
            keys.iter().filter_map(|key| Some(((*key).to_owned(), self.variables.get(*key)?.clone())));
        Ok(Provided { values: found.collect(), ttl: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_only_names_that_match_as_a_whole() {
        let found = |pattern: Option<&str>| {
            let props = pattern.map(|pattern| (PATTERN.to_owned(), pattern.to_owned())).into_iter().collect();
            let variables = ["A_1", "A_2", "BA_1"].map(|name| (name.to_owned(), "canary".to_owned()));
            let provider = EnvVarProvider::of(&props, variables.into_iter()).unwrap();
            assert!(!format!("{provider:?}").contains("canary"));
            let mut found: Vec<_> =
                provider.get("", &["A_1", "A_2", "BA_1", "C"]).unwrap().values.into_keys().collect();
            found.sort();
            found.join(" ")
        };
        assert_eq!(found(None), "A_1 A_2 BA_1");
        assert_eq!(found(Some("A_.*")), "A_1 A_2");
        assert_eq!(found(Some("A_1|B")), "A_1");
        let bad = Props::from_iter([(PATTERN.to_owned(), "[".to_owned())]);
        assert!(EnvVarProvider::of(&bad, std::iter::empty()).unwrap_err().message().contains(PATTERN));
        let provider = EnvVarProvider::of(&Props::new(), std::iter::empty()).unwrap();
        assert_eq!(
            provider.get("/x", &["A"]).unwrap_err().message(),
            "Path is not supported for EnvVarConfigProvider, invalid value '/x'"
        );
    }
}
