//! When an operation that failed for now is tried again, and when it is given up (`errors.retry.*`).

use api::RowError;
use tokio::time::{Duration, Instant};

/// The pause before the second attempt; each one after it is twice as long.
const PAUSE_MIN: Duration = Duration::from_millis(300);

/// The `errors.retry.*` settings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RetryPolicy {
    /// From the first attempt on; `None` is for ever.
    pub(crate) timeout: Option<Duration>,
    pub(crate) delay_max: Duration,
}

impl RetryPolicy {
    /// The pause after `attempts` that failed, the first of them `elapsed` ago; `None` where the time is over. The last attempt is made
    /// when it ends (Java: `RetryWithToleranceOperator#backoff`). `random_below` draws a number of milliseconds.
    pub(crate) fn pause(
        self,
        attempts: u32,
        elapsed: Duration,
        random_below: impl FnOnce(usize) -> usize,
    ) -> Option<Duration> {
        let left = match self.timeout {
            None => Duration::MAX,
            Some(timeout) => timeout.checked_sub(elapsed).filter(|left| !left.is_zero())?,
        };
        let factor = 1_u32.checked_shl(attempts.saturating_sub(1)).unwrap_or(u32::MAX);
        let mut pause = PAUSE_MIN.saturating_mul(factor);
        if pause > self.delay_max {
            let bound = usize::try_from(self.delay_max.as_millis()).unwrap_or(usize::MAX);
            pause = Duration::from_millis(random_below(bound) as u64);
        }
        Some(pause.min(left))
    }
}

/// Rows of one run that failed for now in one stage, all tried at the same times.
#[derive(Debug)]
pub(crate) struct Retrying {
    /// Ascending, as they failed last.
    pub(crate) rows: Vec<RowError>,
    pub(crate) attempts: u32,
    /// When the first attempt was made.
    pub(crate) first: Instant,
    /// When the next one is to be made.
    pub(crate) due: Instant,
}

impl Retrying {
    /// The rows as stretches: what is next to each other is tried together.
    pub(crate) fn ranges(&self) -> Vec<std::ops::Range<usize>> {
        let mut ranges: Vec<std::ops::Range<usize>> = Vec::new();
        for error in &self.rows {
            match ranges.last_mut() {
                Some(range) if range.end == error.row => range.end += 1,
                _ => ranges.push(error.row..error.row + 1),
            }
        }
        ranges
    }
}

#[cfg(test)]
mod tests {
    use api::Error;
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn pauses_double_from_300_ms_and_are_random_beyond_the_longest() {
        let policy = RetryPolicy { timeout: None, delay_max: 1_000 * MS };
        let pause = |attempts| policy.pause(attempts, Duration::ZERO, |below| below - 1).unwrap();
        assert_eq!([pause(1), pause(2), pause(3), pause(4)], [300 * MS, 600 * MS, 999 * MS, 999 * MS]);
    }

    #[test]
    fn without_a_timeout_nothing_is_tried_again() {
        let policy = RetryPolicy { timeout: Some(Duration::ZERO), delay_max: 60_000 * MS };
        assert_eq!(policy.pause(1, Duration::ZERO, |_| 0), None);
    }

    proptest! {
        /// Goal: whatever the settings are, no pause is longer than asked for or goes beyond the end, and the attempts end.
        #[test]
        fn attempts_keep_to_the_timeout(timeout in 1_u64..100_000, delay_max in 0_u64..100_000, seed: u64) {
            let policy = RetryPolicy { timeout: Some(Duration::from_millis(timeout)), delay_max: Duration::from_millis(delay_max) };
            let mut elapsed = Duration::ZERO;
            let mut draw = seed;
            for attempts in 1..10_000 {
                draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let Some(pause) = policy.pause(attempts, elapsed, |below| (draw >> 33) as usize % below.max(1)) else {
                    prop_assert_eq!(elapsed, Duration::from_millis(timeout), "the last attempt is made at the end");
                    return Ok(());
                };
                prop_assert!(pause <= Duration::from_millis(delay_max.max(timeout)));
                prop_assert!(pause <= Duration::from_millis(delay_max) || pause == PAUSE_MIN, "{pause:?}");
                elapsed += pause;
                prop_assert!(elapsed <= Duration::from_millis(timeout));
                // A draw of nothing is an attempt at once; time passes all the same.
                elapsed = (elapsed + MS).min(Duration::from_millis(timeout));
            }
        }

        /// Goal: stretches name exactly the rows, in order.
        #[test]
        fn ranges_are_the_rows(rows in proptest::collection::btree_set(0_usize..100, 0..50)) {
            let errors = rows.iter().map(|row| RowError { row: *row, error: Error::retriable("later") });
            let now = Instant::now();
            let retrying = Retrying { rows: errors.collect(), attempts: 1, first: now, due: now };
            let ranges = retrying.ranges();
            prop_assert!(ranges.windows(2).all(|pair| pair[0].end < pair[1].start));
            prop_assert!(ranges.into_iter().flatten().eq(rows));
        }
    }
}
