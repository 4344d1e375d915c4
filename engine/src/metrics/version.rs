//! Whole readings of figures that one thread writes without a lock: a version number that is odd while it writes.

use std::sync::atomic::{AtomicU64, Ordering, fence};

/// How often a reader looks again when a write came between. A write takes nanoseconds and comes once per batch.
const READ_ATTEMPTS: usize = 256;

/// Guards atomics beside it, which both sides use with relaxed ordering.
#[derive(Debug, Default)]
pub(super) struct Version(AtomicU64);

impl Version {
    /// Runs `write`. Only one thread may write at a time.
    pub(super) fn write(&self, write: impl FnOnce()) {
        let version = self.0.load(Ordering::Relaxed);
        self.0.store(version.wrapping_add(1), Ordering::Relaxed);
        // What follows must not be seen before the odd version.
        fence(Ordering::Release);
        write();
        self.0.store(version.wrapping_add(2), Ordering::Release);
    }

    /// What `read` sees between two writes.
    pub(super) fn read<T>(&self, read: impl Fn() -> T) -> T {
        let mut seen = None;
        for _ in 0..READ_ATTEMPTS {
            let before = self.0.load(Ordering::Acquire);
            seen = Some(read());
            // What was read must not be read after this.
            fence(Ordering::Acquire);
            if before.is_multiple_of(2) && self.0.load(Ordering::Relaxed) == before {
                break;
            }
            std::hint::spin_loop();
        }
        seen.unwrap_or_else(read)
    }
}
