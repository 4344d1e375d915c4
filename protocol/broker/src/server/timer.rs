//! The one timer of all groups and transactions: sleeps until the earliest deadline, or until that has changed.

use std::rc::{Rc, Weak};

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::Shared;

/// Runs until the broker is gone.
pub(super) async fn run(shared: Weak<Shared>, changed: Rc<Notify>) {
    loop {
        let Some(deadline) = shared.upgrade().map(|shared| {
            if !shared.cluster.borrow().has_running_node() {
                // Nobody is there to notice that a member or a transaction is late.
                return None;
            }
            let now = Instant::now();
            shared.groups.borrow_mut().tick(now);
            let endings = shared.transactions.borrow_mut().tick(now);
            if !endings.is_empty() {
                shared.write_markers(endings);
            }
            let of_groups = shared.groups.borrow().next_deadline();
            of_groups.into_iter().chain(shared.transactions.borrow().next_deadline()).min()
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
