//! The engine's clocks, read nowhere else.
//!
//! Timers and durations use tokio's clock, which is virtual while it is paused; the wall clock serves record timestamps alone.

use std::time::Duration;

use protocol::net::{Clock as _, SystemClock};
pub use tokio::time::Instant;

/// The monotonic clock, for durations and deadlines. Virtual in a runtime whose time is paused.
pub fn now() -> Instant {
    Instant::now()
}

/// The wall clock in milliseconds since the Unix epoch, for record timestamps. It may jump: never subtract two readings.
pub fn unix_ms() -> i64 {
    SystemClock.now_ms()
}

/// CPU time that the calling thread has used, for what it costs rather than how long it takes.
pub fn thread_cpu() -> Duration {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    // Never negative, but the fields are signed.
    Duration::new(used.tv_sec.unsigned_abs(), used.tv_nsec.unsigned_abs() as u32)
}
