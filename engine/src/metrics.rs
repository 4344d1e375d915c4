//! Counters of a task, added to once per batch and read by anyone.

use std::sync::atomic::{AtomicU64, Ordering};

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
