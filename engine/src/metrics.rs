//! Counters of a task, added to once per batch and read by anyone.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

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
    /// What failed: Java's group `task-error-metrics`, but for `records_skipped` above (`total-records-skipped`).
    pub errors: ErrorMetrics,
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
