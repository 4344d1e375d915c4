//! Time: one virtual clock that tokio advances whenever nobody has anything to do, and wall clocks that may jump.

use std::cell::Cell;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use protocol::net::Clock;
use tokio::time::Instant;

/// Wall clock time at which every world begins: 2026-01-01.
const EPOCH_MS: i64 = 1_767_225_600_000;

thread_local! {
    static BEGAN: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// The world begins now.
pub(crate) fn begin() {
    BEGAN.set(Some(Instant::now()));
}

/// Time since the world began.
pub(crate) fn elapsed() -> Duration {
    BEGAN.get().map_or(Duration::ZERO, |began| began.elapsed())
}

/// The wall clock that nobody has moved: the broker's.
pub(crate) fn true_ms() -> i64 {
    EPOCH_MS + elapsed().as_millis() as i64
}

/// The wall clock of one worker.
#[derive(Debug, Default)]
pub(crate) struct WallClock {
    off_by_ms: AtomicI64,
}

impl WallClock {
    /// Sets it this far from the truth.
    pub(crate) fn set_off(&self, by_ms: i64) {
        self.off_by_ms.store(by_ms, Ordering::Relaxed);
    }
}

impl Clock for WallClock {
    fn now_ms(&self) -> i64 {
        true_ms() + self.off_by_ms.load(Ordering::Relaxed)
    }
}
