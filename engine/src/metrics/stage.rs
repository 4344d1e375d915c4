//! Where a task spends its time, and since when: one clock reading per stage and batch.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::version::Version;
use crate::rt::clock::{self, Instant};

/// What a task is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Stage {
    /// None of the others: not started yet, paused, ended.
    Idle,
    /// Sink: waits for records of Kafka.
    Fetch,
    /// Source: waits for the connector's records.
    Poll,
    /// Takes records apart, or puts them together: index, converters.
    Convert,
    /// Runs transforms.
    Transform,
    /// Sink: the connector has a batch.
    Put,
    /// Source: hands records to the producer, waits for room in it and for topics.
    Send,
    /// Asks the connector what may be committed, and waits for a commit where records cannot flow meanwhile.
    Commit,
}

impl Stage {
    /// Every stage that is measured, in the order in which records pass them.
    pub const ALL: [Stage; 7] =
        [Stage::Fetch, Stage::Poll, Stage::Convert, Stage::Transform, Stage::Put, Stage::Send, Stage::Commit];

    /// As metrics and logs have it.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Idle => "idle",
            Stage::Fetch => "fetch",
            Stage::Poll => "poll",
            Stage::Convert => "convert",
            Stage::Transform => "transform",
            Stage::Put => "put",
            Stage::Send => "send",
            Stage::Commit => "commit",
        }
    }

    fn of(number: u64) -> Stage {
        Stage::ALL.into_iter().find(|stage| *stage as u64 == number).unwrap_or(Stage::Idle)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The stages of one task. Written by the task, read by anyone.
#[derive(Debug)]
pub struct Stages {
    base: Instant,
    /// A counter that seemed to fall for a moment would look like a restart to whoever reads it.
    version: Version,
    current: AtomicU64,
    /// In nanoseconds since `base`.
    since_ns: AtomicU64,
    spent_ns: [AtomicU64; Stage::ALL.len() + 1],
    /// When the task last moved something, in nanoseconds since `base`.
    progress_ns: AtomicU64,
}

impl Default for Stages {
    fn default() -> Self {
        Stages {
            base: clock::now(),
            version: Version::default(),
            current: AtomicU64::new(0),
            since_ns: AtomicU64::new(0),
            spent_ns: Default::default(),
            progress_ns: AtomicU64::new(0),
        }
    }
}

impl Stages {
    /// Leaves the current stage for `stage`, and gives the time at which that was. Called by the task alone.
    pub fn enter(&self, stage: Stage) -> Instant {
        let now = clock::now();
        let now_ns = self.ns(now);
        self.version.write(|| {
            let before = &self.spent_ns[self.current.load(Ordering::Relaxed) as usize];
            let spent_ns = now_ns.saturating_sub(self.since_ns.load(Ordering::Relaxed));
            before.store(before.load(Ordering::Relaxed) + spent_ns, Ordering::Relaxed);
            self.current.store(stage as u64, Ordering::Relaxed);
            self.since_ns.store(now_ns, Ordering::Relaxed);
        });
        now
    }

    /// The current stage and its beginning.
    pub fn current(&self) -> (Stage, Instant) {
        let (stage, since_ns) = self.version.read(|| self.held());
        (Stage::of(stage), self.base + Duration::from_nanos(since_ns))
    }

    /// The time spent in a stage so far, up to `now` where it is the current one: a call that hangs must show.
    pub fn spent(&self, stage: Stage, now: Instant) -> Duration {
        let number = stage as u64;
        let spent_ns = self.version.read(|| {
            let (current, since_ns) = self.held();
            let running = if current == number { self.ns(now).saturating_sub(since_ns) } else { 0 };
            self.spent_ns[number as usize].load(Ordering::Relaxed) + running
        });
        Duration::from_nanos(spent_ns)
    }

    fn held(&self) -> (u64, u64) {
        (self.current.load(Ordering::Relaxed), self.since_ns.load(Ordering::Relaxed))
    }

    /// Notes that something has moved, or that the task begins anew and has its time.
    pub fn progressed(&self, now: Instant) {
        self.progress_ns.store(self.ns(now), Ordering::Relaxed);
    }

    /// When something last moved.
    pub fn progress(&self) -> Instant {
        self.base + Duration::from_nanos(self.progress_ns.load(Ordering::Relaxed))
    }

    fn ns(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.base).as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn time_goes_to_the_stage_it_was_spent_in() {
        let stages = Stages::default();
        stages.enter(Stage::Fetch);
        tokio::time::advance(Duration::from_millis(5)).await;
        stages.enter(Stage::Put);
        tokio::time::advance(Duration::from_millis(7)).await;
        let now = clock::now();
        assert_eq!(stages.spent(Stage::Fetch, now), Duration::from_millis(5));
        assert_eq!(stages.spent(Stage::Put, now), Duration::from_millis(7), "that of now counts");
        let (stage, since) = stages.current();
        assert_eq!((stage, now - since), (Stage::Put, Duration::from_millis(7)));
        stages.enter(Stage::Fetch);
        stages.progressed(now);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(stages.spent(Stage::Put, clock::now()), Duration::from_millis(7));
        assert_eq!(stages.progress(), now);
    }
}
