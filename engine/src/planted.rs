//! Bugs that are there on purpose, so that a test can show that the simulator finds their like. They exist only with the feature
//! `planted-bugs`, which nothing but that test turns on; without it all of this is a constant.

#[cfg(feature = "planted-bugs")]
static PLANTED: std::sync::OnceLock<Bug> = std::sync::OnceLock::new();

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// Source offsets are committed before Kafka has acknowledged the records.
    EarlyCommit,
    /// With exactly-once support a task begins although nobody has shut former ones out.
    MissedFence,
    /// A task that the group takes from a worker runs on.
    LostRevocation,
}

/// Has this process misbehave from now on. Only the first bug counts.
#[cfg(feature = "planted-bugs")]
pub fn plant(bug: Bug) {
    let _planted_before = PLANTED.set(bug);
}

/// Whether a bug is there.
#[cfg(feature = "planted-bugs")]
pub fn is(bug: Bug) -> bool {
    PLANTED.get() == Some(&bug)
}

/// Whether a bug is there.
#[cfg(not(feature = "planted-bugs"))]
pub const fn is(_: Bug) -> bool {
    false
}
