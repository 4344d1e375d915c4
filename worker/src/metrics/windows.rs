//! How long metrics remember: the worker's `metrics.*` keys.

use protocol::metrics::MetricsConfig;

use crate::config::WorkerConfig;

/// The windows of everything that the worker itself measures. Clients have their own, from their own keys.
pub(crate) fn windows(worker: &WorkerConfig) -> MetricsConfig {
    let default = MetricsConfig::default();
    // Both have been checked with all other keys of the worker.
    let number = |key: &str| worker.originals.get(key).and_then(|value| value.trim().parse::<u64>().ok());
    MetricsConfig {
        sample_window_ms: number("metrics.sample.window.ms").unwrap_or(default.sample_window_ms),
        sample_count: number("metrics.num.samples").map_or(default.sample_count, |count| count as usize),
    }
}
