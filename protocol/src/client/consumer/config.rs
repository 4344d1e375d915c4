//! What a consumer is told. Names and defaults are those of Java's consumer, except for the byte budget, which Java lacks.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use super::PrefetchBudget;
use crate::Error;
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
    /// What was written in this time (`by_duration:PT1H`, KIP-1106), by the clock of this machine and the records' timestamps.
    ByDuration(Duration),
    /// Nowhere: report an error and wait for a seek.
    None,
}

impl FromStr for OffsetReset {
    type Err = Error;

    /// Reads the value of `auto.offset.reset`.
    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "earliest" => Ok(Self::Earliest),
            "latest" => Ok(Self::Latest),
            "none" => Ok(Self::None),
            _ => text.strip_prefix("by_duration:").and_then(iso_duration).map(Self::ByDuration).ok_or_else(|| {
                let detail =
                    format!("'{text}' is none of earliest, latest, none and by_duration:P..., such as by_duration:PT1H");
                Error::config("parse auto.offset.reset", detail)
            }),
        }
    }
}

/// A duration that is not negative, as Java's `Duration.parse` reads it: `PnDTnHnMn.nS`, each part at most once and in this order.
fn iso_duration(text: &str) -> Option<Duration> {
    let text = text.to_ascii_uppercase();
    let text = text.strip_prefix('P')?;
    let (days, times) = text.split_once('T').map_or((text, None), |(days, times)| (days, Some(times)));
    let mut total = Duration::ZERO;
    if !days.is_empty() {
        let count: u64 = days.strip_suffix('D')?.parse().ok()?;
        total = Duration::from_secs(count.checked_mul(86_400)?);
    }
    let Some(mut rest) = times else { return (!days.is_empty()).then_some(total) };
    if rest.is_empty() {
        return None;
    }
    for (unit, seconds) in [('H', 3_600), ('M', 60)] {
        if let Some((count, after)) = rest.split_once(unit) {
            let count: u64 = count.parse().ok()?;
            total = total.checked_add(Duration::from_secs(count.checked_mul(seconds)?))?;
            rest = after;
        }
    }
    if rest.is_empty() {
        return Some(total);
    }
    let seconds: f64 = rest.strip_suffix('S')?.parse().ok()?;
    total.checked_add(Duration::try_from_secs_f64(seconds).ok()?)
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
    /// What it shares with others: how much all of them may have fetched but not yet taken.
    pub prefetch_budget: PrefetchBudget,
    /// How much one poll hands out, beyond the first partition's data.
    pub poll_bytes_max: usize,
    /// `client.rack`: lets the leader name a follower nearby to fetch from (KIP-392).
    pub client_rack: Option<Arc<str>>,
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
    /// `exclude.internal.topics`: whether a pattern leaves out topics that are Kafka's own.
    pub exclude_internal_topics: bool,
    /// `partition.assignment.strategy`, in order of preference. Partitions move one by one (KIP-429) where all of them are cooperative.
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
            prefetch_budget: PrefetchBudget::unlimited(),
            poll_bytes_max: 1024 * 1024,
            client_rack: None,
            isolation_level: IsolationLevel::ReadUncommitted,
            session_timeout_ms: 45_000,
            heartbeat_interval_ms: 3_000,
            max_poll_interval_ms: 300_000,
            api_timeout_ms: 60_000,
            check_crcs: false,
            exclude_internal_topics: true,
            assignors: vec![Assignor::Range, Assignor::CooperativeSticky],
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

    /// Whether a rebalance leaves alone what does not move: only where every assignor can do that, as in Java.
    pub(super) fn is_cooperative(&self) -> bool {
        !self.assignors.is_empty() && self.assignors.iter().all(|assignor| assignor.is_cooperative())
    }

    pub(super) fn group(&self, group_id: &str) -> GroupConfig {
        GroupConfig {
            group_instance_id: self.group_instance_id.clone(),
            session_timeout_ms: self.session_timeout_ms,
            heartbeat_interval_ms: self.heartbeat_interval_ms,
            rebalance_timeout_ms: self.max_poll_interval_ms,
            poll_interval_ms_max: Some(self.max_poll_interval_ms),
            api_timeout_ms: self.api_timeout_ms,
            is_cooperative: self.is_cooperative(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_java_reads() {
        for (text, seconds) in
            [("PT1H", 3_600), ("P2D", 172_800), ("P1DT2H3M4S", 93_784), ("pt90m", 5_400), ("PT0S", 0)]
        {
            let expected = OffsetReset::ByDuration(Duration::from_secs(seconds));
            assert_eq!(format!("by_duration:{text}").parse::<OffsetReset>().unwrap(), expected, "{text}");
        }
        let millis = OffsetReset::ByDuration(Duration::from_millis(1_500));
        assert_eq!("by_duration:PT1.5S".parse::<OffsetReset>().unwrap(), millis);
        assert_eq!("none".parse::<OffsetReset>().unwrap(), OffsetReset::None);
        for bad in [
            "",
            "Earliest",
            "by_duration:",
            "by_duration:P",
            "by_duration:PT",
            "by_duration:-PT1H",
            "by_duration:PT1M1H",
        ] {
            assert!(bad.parse::<OffsetReset>().is_err(), "{bad}");
        }
    }
}
