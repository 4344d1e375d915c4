//! The one timer of all groups: sleeps until the earliest deadline, or until that has changed.

use std::rc::{Rc, Weak};

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::Shared;

/// Runs until the broker is gone.
pub(super) async fn run(shared: Weak<Shared>, changed: Rc<Notify>) {
    loop {
        let Some(deadline) = shared.upgrade().map(|shared| {
            let mut groups = shared.groups.borrow_mut();
            groups.tick(Instant::now());
            groups.next_deadline()
        }) else {
            return;
        };
        match deadline {
            Some(deadline) => tokio::select! {
                () = sleep_until(deadline) => {}
                () = changed.notified() => {}
            },
            None => changed.notified().await,
        }
    }
}
