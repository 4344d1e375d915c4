//! How fast records come (Java: `ThroughputThrottler`).

use std::time::Duration;

use tokio::time::Instant;

/// Batches at a limited rate come at least this often, however few records are due.
const TICK: Duration = Duration::from_millis(5);

/// Records per second: any number of them where it is negative, none at all where it is 0.
#[derive(Debug)]
pub(crate) struct Pace {
    per_second: i64,
    since: Option<Instant>,
    given: u64,
}

impl Pace {
    pub(crate) fn new(per_second: i64) -> Pace {
        Pace { per_second, since: None, given: 0 }
    }

    /// Waits until records are due and says how many, at most `wanted`. Nothing is counted before [`Pace::gave`].
    pub(crate) async fn due(&mut self, wanted: usize) -> usize {
        let Ok(per_second) = u64::try_from(self.per_second) else { return wanted };
        if per_second == 0 || wanted == 0 {
            return std::future::pending().await;
        }
        loop {
            let since = *self.since.get_or_insert_with(Instant::now);
            // The first one is due at once.
            let due = 1 + since.elapsed().as_micros() * u128::from(per_second) / 1_000_000;
            let due = due.saturating_sub(u128::from(self.given)).min(wanted as u128) as usize;
            if due > 0 {
                return due;
            }
            tokio::time::sleep(TICK).await;
        }
    }

    pub(crate) fn gave(&mut self, count: usize) {
        self.given += count as u64;
    }
}
