//! Restarts that nobody asked for: what failed is tried again after a wait that grows, within the connector's `aqueduct.restart.*`.
//!
//! Whatever an operator asks for wins: a restart begins the count anew, a pause or stop calls pending tries off.

use serde::Serialize;

use super::state::{State, Status};
use crate::config::RestartPolicy;
use crate::logs::Time;

/// The tries of one connector instance or task.
#[derive(Debug, Default)]
pub(super) struct Retry {
    attempts: u32,
    /// When the next one is due.
    pub(super) due_ms: Option<u64>,
    /// Since when it has been running.
    running_since_ms: Option<u64>,
    gave_up: Option<GaveUp>,
}

/// Why nothing is tried any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GaveUp {
    Attempts,
    Configuration,
    Fenced,
}

/// What status shows of restarts, for connectors that have them switched on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RestartInfo {
    /// Restarts since it was last healthy, or was restarted by request.
    pub attempts: u32,
    /// How many there may be; null without limit.
    pub max_attempts: Option<u32>,
    /// When the next one is, in UTC; null if there is none.
    pub next_try: Option<String>,
    /// Why it is tried again, or why not.
    pub reason: String,
}

impl Retry {
    /// It runs.
    pub(super) fn runs(&mut self, now_ms: u64) {
        self.running_since_ms.get_or_insert(now_ms);
        self.due_ms = None;
    }

    /// It has failed: decides whether and when it is tried again. `chance` spreads what failed together.
    pub(super) fn fails(&mut self, policy: &RestartPolicy, trace: &str, now_ms: u64, chance: u64) {
        let ran_ms = self.running_since_ms.take().map_or(0, |since_ms| now_ms - since_ms);
        if !policy.is_on() {
            return;
        }
        if ran_ms >= policy.reset_after_ms {
            self.attempts = 0;
        }
        self.gave_up = hopeless(trace);
        if self.gave_up.is_none() && policy.attempts_max.is_some_and(|max| self.attempts >= max) {
            self.gave_up = Some(GaveUp::Attempts);
        }
        self.due_ms = self.gave_up.is_none().then(|| now_ms + wait_ms(policy, self.attempts, chance));
    }

    /// The try that is due begins.
    pub(super) fn begins(&mut self) {
        self.due_ms = None;
        self.attempts = self.attempts.saturating_add(1);
    }

    /// What status shows.
    pub(super) fn info(
        &self,
        policy: &RestartPolicy,
        status: &Status,
        unix_ms_at_zero: i64,
    ) -> Option<RestartInfo> {
        self.info_of(policy, status.state, status.trace.as_deref(), unix_ms_at_zero)
    }

    /// The same of a state and a trace.
    pub(super) fn info_of(
        &self,
        policy: &RestartPolicy,
        state: State,
        trace: Option<&str>,
        unix_ms_at_zero: i64,
    ) -> Option<RestartInfo> {
        if !policy.is_on() || state != State::Failed {
            return None;
        }
        let reason = match (self.gave_up, self.due_ms) {
            (Some(GaveUp::Attempts), _) => "it failed as often in a row as it may".to_owned(),
            (Some(GaveUp::Configuration), _) => {
                "its configuration is wrong, which no restart mends".to_owned()
            }
            (Some(GaveUp::Fenced), _) => "another instance has taken its place".to_owned(),
            (None, Some(_)) => trace.unwrap_or("").lines().next().unwrap_or("").to_owned(),
            (None, None) => "pending restarts were called off by request".to_owned(),
        };
        Some(RestartInfo {
            attempts: self.attempts,
            max_attempts: policy.attempts_max,
            next_try: self.due_ms.map(|due_ms| Time(unix_ms_at_zero + due_ms as i64).to_string()),
            reason,
        })
    }
}

/// Failures that come again however often one tries, by the exception classes of their trace.
fn hopeless(trace: &str) -> Option<GaveUp> {
    let classes = trace
        .lines()
        .filter(|line| !line.starts_with('\t'))
        .map(|line| line.strip_prefix("Caused by: ").unwrap_or(line).split(':').next().unwrap_or("").trim());
    classes.into_iter().find_map(|class| match class {
        "org.apache.kafka.common.config.ConfigException"
        | "org.apache.kafka.connect.runtime.TooManyTasksException" => Some(GaveUp::Configuration),
        "org.apache.kafka.common.errors.ProducerFencedException" => Some(GaveUp::Fenced),
        _ => None,
    })
}

/// Twice the wait of the last time, at most the policy's, a fifth more or less.
fn wait_ms(policy: &RestartPolicy, attempts: u32, chance: u64) -> u64 {
    let doubled = policy.backoff_ms.saturating_mul(1_u64.checked_shl(attempts).unwrap_or(u64::MAX));
    let wait = doubled.min(policy.backoff_max_ms);
    let spread = wait / 5;
    wait - spread + chance % (2 * spread + 1)
}

/// A number that spreads what happens at one time: from the seed, and another one with each call.
pub(super) fn chance(seed: &mut u64) -> u64 {
    // SplitMix64.
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *seed;
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: RestartPolicy = RestartPolicy {
        attempts_max: Some(3),
        backoff_ms: 1_000,
        backoff_max_ms: 5_000,
        reset_after_ms: 60_000,
    };

    #[test]
    fn waits_double_up_to_their_limit_and_are_spread() {
        let bounds = |attempts| {
            let waits: Vec<_> = (0..2_000).map(|chance| wait_ms(&POLICY, attempts, chance)).collect();
            (*waits.iter().min().unwrap(), *waits.iter().max().unwrap())
        };
        assert_eq!((bounds(0), bounds(1)), ((800, 1_200), (1_600, 2_400)));
        assert_eq!((bounds(3), bounds(200)), ((4_000, 5_999), (4_000, 5_999)));
    }

    #[test]
    fn what_no_restart_mends_is_not_restarted() {
        let config = "org.apache.kafka.connect.errors.ConnectException: x\n\tat a.b(c)\nCaused by: \
                      org.apache.kafka.common.config.ConfigException: y\n";
        assert_eq!(hopeless(config), Some(GaveUp::Configuration));
        assert_eq!(
            hopeless("org.apache.kafka.common.errors.ProducerFencedException\n"),
            Some(GaveUp::Fenced)
        );
        assert_eq!(hopeless("org.apache.kafka.connect.errors.ConnectException: a ConfigException\n"), None);
    }
}
