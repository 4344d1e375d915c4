//! Cleans logs in the background: deletes what is too old, and compacts in steps between which everything else runs.

use std::rc::{Rc, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

use super::Shared;

/// Runs until the broker is gone, which `gone` tells.
pub(super) async fn run(shared: Weak<Shared>, gone: Rc<Notify>) {
    let Some((deletion_interval, compaction_interval)) = shared.upgrade().map(|shared| {
        // An interval of nothing would leave no time for anything else.
        let at_least = |interval: Duration| interval.max(Duration::from_millis(1));
        let config = &shared.config;
        (at_least(config.retention_check_interval), at_least(config.log_cleaner_backoff))
    }) else {
        return;
    };
    let started = Instant::now();
    let mut next_deletion = started + deletion_interval;
    let mut next_compaction = started + compaction_interval;
    loop {
        tokio::select! {
            () = sleep_until(next_deletion.min(next_compaction)) => {}
            () = gone.notified() => return,
        }
        let now = Instant::now();
        if now >= next_deletion {
            let Some(shared) = shared.upgrade() else { return };
            shared.cluster.borrow_mut().delete_aged((shared.config.wall_clock_ms)());
            next_deletion = now + deletion_interval;
        }
        if now >= next_compaction {
            compact_all(&shared).await;
            next_compaction = Instant::now() + compaction_interval;
        }
    }
}

/// Compacts until no log needs it.
async fn compact_all(shared: &Weak<Shared>) {
    let start = || {
        let shared = shared.upgrade()?;
        let now_ms = (shared.config.wall_clock_ms)();
        shared.cluster.borrow().start_compaction(now_ms)
    };
    while let Some(mut running) = start() {
        while shared.upgrade().is_some_and(|shared| !shared.cluster.borrow_mut().compact(&mut running)) {
            yield_now().await;
        }
        yield_now().await;
    }
}
