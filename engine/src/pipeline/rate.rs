//! Limits on how fast a connector's tasks move records and bytes: shared by those on this worker, asked once per batch.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::time::{Duration, Instant};

use crate::task::RateLimits;

/// What was not used is kept for that long and may be used at once.
const BURST: Duration = Duration::from_millis(100);

/// A batch is handed on in parts worth that long, so that a low limit makes a steady flow.
const PART: Duration = Duration::from_millis(100);

const SECOND: Duration = Duration::from_secs(1);

/// Token buckets of one connector. What has been moved is paid for afterwards: nobody needs to know the size of a batch before.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    limits: RateLimits,
    /// When the records and the bytes moved so far will have been paid for.
    paid_at: Mutex<(Instant, Instant)>,
}

impl RateLimiter {
    pub(crate) fn new(limits: RateLimits, now: Instant) -> RateLimiter {
        RateLimiter { limits, paid_at: Mutex::new((now, now)) }
    }

    /// When more may be moved; `None`: now.
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        let (records, bytes) = *self.paid_at.lock().unwrap_or_else(PoisonError::into_inner);
        Some(records.max(bytes)).filter(|due| *due > now)
    }

    /// So much was moved.
    pub(crate) fn moved(&self, records: usize, bytes: usize, now: Instant) {
        let cost = |moved: usize, limit: Option<std::num::NonZeroU64>| match limit {
            None => Duration::ZERO,
            Some(limit) => {
                let nanos = moved as u128 * SECOND.as_nanos() / u128::from(limit.get());
                Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
            }
        };
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        let later = |at: Instant, cost: Duration| at.max(earliest).checked_add(cost).unwrap_or(at);
        let mut paid_at = self.paid_at.lock().unwrap_or_else(PoisonError::into_inner);
        paid_at.0 = later(paid_at.0, cost(records, self.limits.records_per_second));
        paid_at.1 = later(paid_at.1, cost(bytes, self.limits.bytes_per_second));
    }

    /// How many of a batch's records are to be moved at once.
    pub(crate) fn part_rows(&self, records: usize, bytes: usize) -> usize {
        let share = |limit: u64| {
            usize::try_from(limit / (SECOND.as_millis() / PART.as_millis()) as u64).unwrap_or(usize::MAX)
        };
        let by_records = self.limits.records_per_second.map_or(usize::MAX, |limit| share(limit.get()));
        let by_bytes = self
            .limits
            .bytes_per_second
            .map_or(usize::MAX, |limit| share(limit.get()) / (bytes / records.max(1)).max(1));
        by_records.min(by_bytes).max(1)
    }
}

/// The limiters of the connectors that have tasks here.
#[derive(Debug, Default)]
pub(crate) struct RateLimiters(Mutex<HashMap<Arc<str>, Weak<RateLimiter>>>);

impl RateLimiters {
    /// The limiter that a task shares with the connector's others; `None` without limits. One that is made with other limits than before
    /// replaces the former, which the tasks that are about to be stopped still use.
    pub(crate) fn of(&self, connector: &Arc<str>, limits: RateLimits) -> Option<Arc<RateLimiter>> {
        if limits == RateLimits::default() {
            return None;
        }
        let mut limiters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        limiters.retain(|_, limiter| limiter.strong_count() > 0);
        if let Some(shared) = limiters.get(connector).and_then(Weak::upgrade)
            && shared.limits == limits
        {
            return Some(shared);
        }
        let made = Arc::new(RateLimiter::new(limits, Instant::now()));
        limiters.insert(Arc::clone(connector), Arc::downgrade(&made));
        Some(made)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use proptest::prelude::*;

    use super::*;

    fn limits(records: u64, bytes: u64) -> RateLimits {
        RateLimits { records_per_second: NonZeroU64::new(records), bytes_per_second: NonZeroU64::new(bytes) }
    }

    #[test]
    fn whichever_limit_is_reached_first_holds() {
        let now = Instant::now();
        let limiter = RateLimiter::new(limits(100, 1_000), now);
        assert_eq!(limiter.due(now), None);
        limiter.moved(10, 1_000, now);
        assert_eq!(limiter.due(now), Some(now + SECOND));
        limiter.moved(200, 0, now);
        assert_eq!(limiter.due(now), Some(now + SECOND * 21 / 10));
        assert_eq!(limiter.due(now + SECOND * 3), None);
    }

    #[test]
    fn tasks_of_one_connector_share_its_limit_and_other_limits_are_others() {
        let limiters = RateLimiters::default();
        let (a, b): (Arc<str>, Arc<str>) = (Arc::from("a"), Arc::from("b"));
        assert!(limiters.of(&a, RateLimits::default()).is_none());
        let first = limiters.of(&a, limits(5, 0)).unwrap();
        assert!(Arc::ptr_eq(&first, &limiters.of(&a, limits(5, 0)).unwrap()));
        assert!(!Arc::ptr_eq(&first, &limiters.of(&b, limits(5, 0)).unwrap()));
        assert!(!Arc::ptr_eq(&first, &limiters.of(&a, limits(6, 0)).unwrap()));
    }

    proptest! {
        /// Goal: whoever waits when told to never moves more than the limit allows, but for the first burst and one batch.
        #[test]
        fn the_rate_is_kept(rate in 1_u64..100_000, batches in proptest::collection::vec((1_usize..5_000, 0_u64..500), 1..50)) {
            let start = Instant::now();
            let limiter = RateLimiter::new(limits(rate, 0), start);
            let (mut now, mut moved, mut last) = (start, 0, 0);
            for (records, idle_ms) in batches {
                now += Duration::from_millis(idle_ms);
                now = limiter.due(now).unwrap_or(now);
                limiter.moved(records, 0, now);
                moved += records;
                last = records;
            }
            let allowed = (now - start + BURST).as_secs_f64() * rate as f64 + last as f64 + 1.0;
            prop_assert!(moved as f64 <= allowed, "{moved} of {allowed}");
        }
    }
}
