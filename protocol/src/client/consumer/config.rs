//! What a consumer is told. Names and defaults are those of Java's consumer, except for the byte budget, which Java lacks.

use std::sync::Arc;

use crate::client::admin::IsolationLevel;
use crate::client::group::GroupConfig;
use crate::client::group::assignor::Assignor;

/// Where to start without a (valid) position: `auto.offset.reset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetReset {
    /// The oldest record that there is.
    Earliest,
    /// What is written from now on.
    Latest,
    /// Nowhere: report an error and wait for a seek.
    None,
}

/// The settings of one [`Consumer`](super::Consumer).
#[derive(Debug, Clone)]
pub struct ConsumerConfig {
    /// `group.id`: needed for subscriptions and commits.
    pub group_id: Option<Arc<str>>,
    /// `group.instance.id`.
    pub group_instance_id: Option<Arc<str>>,
    /// `auto.offset.reset`.
    pub auto_offset_reset: OffsetReset,
    /// `fetch.min.bytes`.
    pub fetch_min_bytes: i32,
    /// `fetch.max.bytes`: of one response.
    pub fetch_max_bytes: i32,
    /// `max.partition.fetch.bytes`: of one partition in one response; a larger first batch comes whole all the same.
    pub max_partition_fetch_bytes: i32,
    /// `fetch.max.wait.ms`: how long the broker may hold a fetch back that has nothing to return.
    pub fetch_max_wait_ms: i32,
    /// How much may be fetched but not yet taken. Exceeded by at most one response per broker.
    pub prefetch_bytes_max: usize,
    /// How much one poll hands out, beyond the first partition's data.
    pub poll_bytes_max: usize,
    /// `isolation.level`.
    pub isolation_level: IsolationLevel,
    /// `session.timeout.ms`.
    pub session_timeout_ms: u64,
    /// `heartbeat.interval.ms`.
    pub heartbeat_interval_ms: u64,
    /// `max.poll.interval.ms`.
    pub max_poll_interval_ms: u64,
    /// `default.api.timeout.ms`: how long commits and offset fetches are retried.
    pub api_timeout_ms: u64,
    /// `check.crcs`: off, because whoever indexes the records of a batch checks it while its bytes are in the cache.
    pub check_crcs: bool,
    /// `partition.assignment.strategy`, in order of preference.
    pub assignors: Vec<Assignor>,
}

impl ConsumerConfig {
    /// Java's defaults without a group.
    pub fn new() -> Self {
        Self {
            group_id: None,
            group_instance_id: None,
            auto_offset_reset: OffsetReset::Latest,
            fetch_min_bytes: 1,
            fetch_max_bytes: 50 * 1024 * 1024,
            max_partition_fetch_bytes: 1024 * 1024,
            fetch_max_wait_ms: 500,
            prefetch_bytes_max: 8 * 1024 * 1024,
            poll_bytes_max: 1024 * 1024,
            isolation_level: IsolationLevel::ReadUncommitted,
            session_timeout_ms: 45_000,
            heartbeat_interval_ms: 3_000,
            max_poll_interval_ms: 300_000,
            api_timeout_ms: 60_000,
            check_crcs: false,
            assignors: vec![Assignor::Range],
        }
    }

    /// Java's defaults as a member of `group_id`.
    pub fn in_group(group_id: &str) -> Self {
        Self { group_id: Some(group_id.into()), ..Self::new() }
    }

    /// `isolation.level` as requests carry it.
    pub(super) fn isolation_level_wire(&self) -> i8 {
        match self.isolation_level {
            IsolationLevel::ReadUncommitted => 0,
            IsolationLevel::ReadCommitted => 1,
        }
    }

    pub(super) fn group(&self, group_id: &str) -> GroupConfig {
        GroupConfig {
            group_instance_id: self.group_instance_id.clone(),
            session_timeout_ms: self.session_timeout_ms,
            heartbeat_interval_ms: self.heartbeat_interval_ms,
            rebalance_timeout_ms: self.max_poll_interval_ms,
            poll_interval_ms_max: Some(self.max_poll_interval_ms),
            api_timeout_ms: self.api_timeout_ms,
            requires_stable_offsets: self.isolation_level == IsolationLevel::ReadCommitted,
            ..GroupConfig::new(group_id, "consumer")
        }
    }
}

impl Default for ConsumerConfig {
    fn default() -> Self {
        Self::new()
    }
}
