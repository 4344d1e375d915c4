//! What a task counts and measures: written once per batch without locks, read by anyone.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use protocol::metrics::MetricsConfig;

use super::{Lags, Life, Stages, Windowed};
use crate::rt::clock::{self, Instant};
use crate::topics::ActiveTopics;

/// What a task has done since it started. All counts only grow.
#[derive(Debug, Default)]
pub struct TaskMetrics {
    /// Records polled from the source, or received from Kafka.
    pub records_in: Counter,
    /// Records acknowledged by Kafka, or taken by the sink.
    pub records_out: Counter,
    /// Key and value bytes in.
    pub bytes_in: Counter,
    /// Batches polled or put.
    pub batches: Counter,
    /// Records that failed and were skipped.
    pub records_skipped: Counter,
    /// Offset commits that succeeded.
    pub commits: Counter,
    /// Offset commits that failed or timed out.
    pub commits_failed: Counter,
    /// Topics that records went to, or came from.
    pub topics: ActiveTopics,
    /// What failed: Java's group `task-error-metrics`, but for `records_skipped` above (`total-records-skipped`).
    pub errors: ErrorMetrics,
    /// Records per poll or fetch, before transforms (`source-record-poll-*`, `sink-record-read-*`).
    pub received: Windowed,
    /// Records acknowledged by Kafka (`source-record-write-*`), or ready for the sink (`sink-record-send-*`).
    pub delivered: Windowed,
    /// How long the connector's `poll` or `put` took, in ms.
    pub calls: Windowed,
    /// Records per batch that was sent or put.
    pub batch_sizes: Windowed,
    /// Records received and not yet acknowledged (source), or not yet committed (sink).
    pub active: Windowed,
    /// The latest of them.
    pub active_now: Latest,
    /// How long offset commits that succeeded took, in ms.
    pub commit_times: Windowed,
    /// 1 for each offset commit that succeeded, 0 for each that failed or was given up.
    pub commit_outcomes: Windowed,
    /// Records per committed transaction (`transaction-size-*`), of a source task with exactly-once support only.
    pub transaction_sizes: OnceLock<Windowed>,
    /// Sink: offset commits that ended in time, one each.
    pub commits_completed: Windowed,
    /// Sink: offset commits whose outcome nobody waited for any more, one each.
    pub commits_skipped: Windowed,
    /// Sink: offset commits begun.
    pub commit_sequence: Latest,
    /// Sink: partitions assigned.
    pub partition_count: Latest,
    /// Bytes that wait within the task: fetched and not yet put, or sent and not yet acknowledged. As of the last look.
    pub queue_bytes: Latest,
    /// What the task is at.
    pub stages: Stages,
    /// Sink: how far behind it is.
    pub lags: Lags,
    /// How it has spent its life.
    pub life: Life,
}

impl TaskMetrics {
    /// Nothing counted yet.
    pub fn new(windows: MetricsConfig) -> TaskMetrics {
        let windowed = || Windowed::new(windows);
        TaskMetrics {
            received: windowed(),
            delivered: windowed(),
            calls: windowed(),
            batch_sizes: windowed(),
            active: windowed(),
            commit_times: windowed(),
            commit_outcomes: windowed(),
            commits_completed: windowed(),
            commits_skipped: windowed(),
            ..TaskMetrics::default()
        }
    }

    /// Notes how many records are on their way or uncommitted.
    pub(crate) fn set_active(&self, count: i64, now: Instant) {
        self.active_now.set(count);
        self.active.record(count as f64, now);
    }

    /// Notes that an offset commit that began at `since` has just ended.
    pub(crate) fn commit_ended(&self, is_done: bool, since: Instant) {
        self.commit_took(is_done, since, clock::now());
    }

    /// Notes an offset commit.
    pub(crate) fn commit_took(&self, is_done: bool, since: Instant, now: Instant) {
        if is_done {
            self.commits.add(1);
            self.commit_times.record(millis(now - since), now);
        } else {
            self.commits_failed.add(1);
        }
        self.commit_outcomes.record(f64::from(u8::from(is_done)), now);
    }
}

/// Milliseconds with their fraction, where Java's are whole.
pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

/// Failures of a task's records, by Java's rules of what counts where. Written only where something fails.
#[derive(Debug, Default)]
pub struct ErrorMetrics {
    /// `total-record-failures`: attempts that failed.
    pub record_failures: Counter,
    /// `total-record-errors`: operations given up.
    pub record_errors: Counter,
    /// `total-retries`: attempts after the first.
    pub retries: Counter,
    /// `total-errors-logged`: ERROR lines written; what the guard against floods held back is not in it.
    pub errors_logged: Counter,
    /// `deadletterqueue-produce-requests`: records given to the dead letter queue's producer.
    pub dead_letters: Counter,
    /// `deadletterqueue-produce-failures`: those that could not be written.
    pub dead_letters_failed: Counter,
    /// `last-error-timestamp`: ms since the epoch; 0 before the first error.
    pub last_error_ms: Latest,
}

/// A figure of which the latest value counts.
#[derive(Debug, Default)]
pub struct Latest(AtomicI64);

impl Latest {
    /// Sets the figure.
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The figure now.
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A counter with one writer at a time and any number of readers. Relaxed: readers want a recent figure, not an order.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `count`.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// The figure now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
