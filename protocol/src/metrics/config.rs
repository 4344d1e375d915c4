//! How long metrics remember. Names and defaults are Java's.

use std::time::Duration;

/// No dashboard averages over more.
const SAMPLES_MAX: usize = 1_000;

/// The settings of a client's metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricsConfig {
    /// `metrics.sample.window.ms`: how long one sample collects. Counted as 1 where it is 0.
    pub sample_window_ms: u64,
    /// `metrics.num.samples`: how many samples averages, maxima and rates are made of. Counted as 1 where it is 0, and as 1,000 where it
    /// is more: each quantity keeps them all.
    pub sample_count: usize,
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self { sample_window_ms: 30_000, sample_count: 2 }
    }
}

impl MetricsConfig {
    pub(super) fn window(self) -> Duration {
        Duration::from_millis(self.sample_window_ms.max(1))
    }

    pub(super) fn samples(self) -> u32 {
        self.sample_count.clamp(1, SAMPLES_MAX) as u32
    }
}
