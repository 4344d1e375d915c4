//! `aqueduct.restart.*`: whether and how a connector that failed is started again without anybody asking for it.

use api::Props;
use api::config_def::{
    Config, ConfigDef, ConfigKey, ConfigType, ConfigValue, Default as KeyDefault, Importance, validators,
};

const MAX_ATTEMPTS: &str = "aqueduct.restart.max.attempts";
const BACKOFF: &str = "aqueduct.restart.backoff.ms";
const BACKOFF_MAX: &str = "aqueduct.restart.backoff.max.ms";
const RESET_AFTER: &str = "aqueduct.restart.reset.after.ms";

/// How a failed connector instance or task is started again. Off unless a connector asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RestartPolicy {
    /// Restarts in a row; `None` for no limit, 0 for none at all.
    pub attempts_max: Option<u32>,
    /// Wait before the first; each further one waits twice as long.
    pub backoff_ms: u64,
    /// Longest wait.
    pub backoff_max_ms: u64,
    /// What ran for so long is healthy: the next failure is the first of a row again.
    pub reset_after_ms: u64,
}

impl RestartPolicy {
    /// No restarts: Java's behaviour.
    pub const OFF: RestartPolicy =
        RestartPolicy { attempts_max: Some(0), backoff_ms: 0, backoff_max_ms: 0, reset_after_ms: 0 };

    /// The policy of a connector's configuration. One that would be refused is off.
    pub fn of(props: &Props) -> RestartPolicy {
        // Asked for each of hundreds of tasks that an assignment brings.
        if !props.contains_key(MAX_ATTEMPTS) {
            return RestartPolicy::OFF;
        }
        match table().parse(props) {
            Ok(config) => RestartPolicy {
                attempts_max: u32::try_from(config.int(MAX_ATTEMPTS)).ok(),
                backoff_ms: millis(&config, BACKOFF),
                backoff_max_ms: millis(&config, BACKOFF_MAX),
                reset_after_ms: millis(&config, RESET_AFTER),
            },
            Err(_refused_when_created) => RestartPolicy::OFF,
        }
    }

    /// Whether anything is ever restarted.
    pub fn is_on(&self) -> bool {
        self.attempts_max != Some(0)
    }
}

fn millis(config: &Config, key: &str) -> u64 {
    config.long(key).max(0).unsigned_abs()
}

/// Its keys.
pub(super) fn table() -> ConfigDef {
    let row = |name, kind, default, importance, doc: &'static str| {
        ConfigKey::new(name, kind, KeyDefault::Value(default), importance, doc)
    };
    let positive: fn(&ConfigValue) -> Result<(), String> = validators::at_least::<1>;
    ConfigDef::default()
        .key(
            row(
                MAX_ATTEMPTS,
                ConfigType::Int,
                "0",
                Importance::Medium,
                "How often in a row a failed connector instance or task is started again; 0 for never, -1 without limit.",
            )
            .checked(validators::at_least::<-1>),
        )
        .key(
            row(
                BACKOFF,
                ConfigType::Long,
                "1000",
                Importance::Low,
                "Wait before the first restart; each further one waits twice as long.",
            )
            .checked(positive),
        )
        .key(
            row(BACKOFF_MAX, ConfigType::Long, "60000", Importance::Low, "Longest wait before a restart.")
                .checked(positive),
        )
        .key(
            row(
                RESET_AFTER,
                ConfigType::Long,
                "300000",
                Importance::Low,
                "What ran for so long counts as healthy: its next failure is the first of a row again.",
            )
            .checked(positive),
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn props(entries: &[(&str, &str)]) -> Props {
        entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn is_off_unless_asked_for() {
        assert!(!RestartPolicy::of(&props(&[("name", "c")])).is_on());
        let policy = RestartPolicy::of(&props(&[(MAX_ATTEMPTS, "3"), (BACKOFF, "500")]));
        let expected = RestartPolicy {
            attempts_max: Some(3),
            backoff_ms: 500,
            backoff_max_ms: 60_000,
            reset_after_ms: 300_000,
        };
        assert_eq!(policy, expected);
        assert_eq!(RestartPolicy::of(&props(&[(MAX_ATTEMPTS, "-1")])).attempts_max, None);
    }
}
