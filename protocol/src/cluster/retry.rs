//! The one retry policy: what an error asks for, and how long to wait before the next attempt.
//!
//! Every loop of this crate that tries again asks [`decide`] and waits as [`RetryPolicy::backoff`] says.

use std::time::Duration;

use super::ClusterConfig;
use crate::net::Env;
use crate::wire::error_code::Remedy;
use crate::{Error, ErrorCode, ErrorKind};

/// What to do about a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAction {
    /// Trying again cannot help: report the error.
    Fail,
    /// Try the same again after the backoff.
    Retry,
    /// The leader, controller or topic id that was used may be stale: refresh metadata, then try again.
    RefreshMetadataAndRetry,
    /// The coordinator that was used is not (or no longer) the right one: find it again, then try again.
    RefindCoordinatorAndRetry,
}

/// What `error` asks for. Total over all errors, so that no caller needs a judgement of its own.
pub fn decide(error: &Error) -> RetryAction {
    match error.kind() {
        // Who was asked may be gone for good, so who to ask has to be looked up again.
        ErrorKind::Disconnected | ErrorKind::Timeout => RetryAction::RefreshMetadataAndRetry,
        ErrorKind::Broker(code) => decide_code(code),
        _ => RetryAction::Fail,
    }
}

fn decide_code(code: ErrorCode) -> RetryAction {
    match code.remedy() {
        Remedy::Retry => RetryAction::Retry,
        Remedy::RefreshMetadata => RetryAction::RefreshMetadataAndRetry,
        Remedy::RefindCoordinator => RetryAction::RefindCoordinatorAndRetry,
        // Sending the same again helps none of these. What does is the business of the membership (`client::group`) or of the
        // transaction (`client::producer::transaction`), which read the same table.
        Remedy::Nothing | Remedy::Rejoin | Remedy::Abort | Remedy::Fence | Remedy::Fail => RetryAction::Fail,
    }
}

/// How long to wait between attempts: doubling from `first` up to `max`, 20 % jitter (KIP-580).
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// The pause after the first failure.
    pub first: Duration,
    /// The longest pause, before jitter.
    pub max: Duration,
}

impl RetryPolicy {
    /// The policy between attempts of one request (`retry.backoff.ms`).
    pub fn requests(config: &ClusterConfig) -> Self {
        Self {
            first: Duration::from_millis(config.retry_backoff_ms),
            max: Duration::from_millis(config.retry_backoff_max_ms),
        }
    }

    /// The policy between connections to one node (`reconnect.backoff.ms`).
    pub fn reconnects(config: &ClusterConfig) -> Self {
        Self {
            first: Duration::from_millis(config.reconnect_backoff_ms),
            max: Duration::from_millis(config.reconnect_backoff_max_ms),
        }
    }

    /// How long a connection to one node may take to be set up (`socket.connection.setup.timeout.ms`), which grows the same way (KIP-601).
    pub fn connection_setup(config: &ClusterConfig) -> Self {
        Self {
            first: Duration::from_millis(config.connection_setup_timeout_ms),
            max: Duration::from_millis(config.connection_setup_timeout_max_ms),
        }
    }

    /// The policy after `error`. A transaction that still ends needs some milliseconds: waiting longer would cost each transaction
    /// of a busy producer that much (Java: `TransactionManager#ADD_PARTITIONS_RETRY_BACKOFF_MS`).
    #[must_use]
    pub fn after(self, error: &Error) -> Self {
        const ENDING: Duration = Duration::from_millis(20);
        match error.code() {
            Some(ErrorCode::CONCURRENT_TRANSACTIONS) => Self { first: self.first.min(ENDING), ..self },
            _ => self,
        }
    }

    /// The pause after `failure_count` failures in a row (1 is the first).
    pub fn backoff(&self, env: &Env, failure_count: u32) -> Duration {
        const JITTER_PERCENT: u32 = 20;
        let doublings = failure_count.saturating_sub(1).min(20);
        env.jittered(self.first.saturating_mul(1 << doublings).min(self.max), JITTER_PERCENT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_gets_one_action() {
        use RetryAction::{Fail, RefindCoordinatorAndRetry, RefreshMetadataAndRetry, Retry};
        for (code, expected) in [
            (ErrorCode::NOT_LEADER_OR_FOLLOWER, RefreshMetadataAndRetry),
            (ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, RefreshMetadataAndRetry),
            (ErrorCode::LEADER_NOT_AVAILABLE, RefreshMetadataAndRetry),
            (ErrorCode::FENCED_LEADER_EPOCH, RefreshMetadataAndRetry),
            (ErrorCode::UNKNOWN_LEADER_EPOCH, RefreshMetadataAndRetry),
            (ErrorCode::NOT_CONTROLLER, RefreshMetadataAndRetry),
            (ErrorCode::UNKNOWN_TOPIC_ID, RefreshMetadataAndRetry),
            (ErrorCode::KAFKA_STORAGE_ERROR, RefreshMetadataAndRetry),
            (ErrorCode::NOT_COORDINATOR, RefindCoordinatorAndRetry),
            (ErrorCode::COORDINATOR_NOT_AVAILABLE, RefindCoordinatorAndRetry),
            (ErrorCode::COORDINATOR_LOAD_IN_PROGRESS, Retry),
            (ErrorCode::CONCURRENT_TRANSACTIONS, Retry),
            (ErrorCode::REQUEST_TIMED_OUT, Retry),
            (ErrorCode::NOT_ENOUGH_REPLICAS, Retry),
            (ErrorCode::THROTTLING_QUOTA_EXCEEDED, Retry),
            (ErrorCode::TOPIC_AUTHORIZATION_FAILED, Fail),
            (ErrorCode::MESSAGE_TOO_LARGE, Fail),
            (ErrorCode::REBALANCE_IN_PROGRESS, Fail),
            (ErrorCode::UNKNOWN_SERVER_ERROR, Fail),
            (ErrorCode(9_999), Fail),
        ] {
            assert_eq!(decide(&Error::broker("test", code)), expected, "{code}");
        }
    }

    #[test]
    fn lost_connections_are_looked_up_again_and_bad_bytes_are_not() {
        assert_eq!(decide(&Error::disconnected("test", "gone")), RetryAction::RefreshMetadataAndRetry);
        assert_eq!(decide(&Error::timeout("test")), RetryAction::RefreshMetadataAndRetry);
        assert_eq!(decide(&Error::malformed("test", "length")), RetryAction::Fail);
        assert_eq!(decide(&Error::unsupported("test", "api")), RetryAction::Fail);
    }

    #[test]
    fn a_transaction_that_still_ends_is_not_waited_for_long() {
        let policy = RetryPolicy { first: Duration::from_millis(100), max: Duration::from_millis(1_000) };
        let after = |code| policy.after(&Error::broker("test", code)).first.as_millis();
        assert_eq!(after(ErrorCode::CONCURRENT_TRANSACTIONS), 20);
        assert_eq!(after(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS), 100);
    }

    #[test]
    fn backoff_doubles_up_to_its_limit() {
        let env = Env::real();
        let policy = RetryPolicy { first: Duration::from_millis(100), max: Duration::from_millis(1_000) };
        for (failure_count, expected_ms) in [(1, 100), (2, 200), (4, 800), (5, 1_000), (60, 1_000)] {
            let pause = policy.backoff(&env, failure_count).as_millis();
            assert!(
                (expected_ms * 8 / 10..=expected_ms * 12 / 10).contains(&pause),
                "{failure_count}: {pause}"
            );
        }
    }
}
