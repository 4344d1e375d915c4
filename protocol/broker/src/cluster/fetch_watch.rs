//! A fetch that waits for bytes: it is told by the appends themselves, so nobody polls.

use std::cell::Cell;
use std::rc::Rc;

use tokio::sync::Notify;

/// Shared between a waiting fetch and the partitions that it watches.
#[derive(Debug)]
pub(crate) struct FetchWatch {
    missing_bytes: Cell<i64>,
    notify: Notify,
}

impl FetchWatch {
    /// A watch that wakes its fetch once `missing_bytes` have been appended to the partitions that it is put on.
    pub(crate) fn new(missing_bytes: i64) -> Rc<Self> {
        Rc::new(Self { missing_bytes: Cell::new(missing_bytes), notify: Notify::new() })
    }

    /// Resolves once enough was appended, or the answer changed otherwise.
    pub(crate) async fn woken(&self) {
        self.notify.notified().await;
    }

    fn appended(&self, bytes: usize) {
        let missing = self.missing_bytes.get() - bytes as i64;
        self.missing_bytes.set(missing);
        if missing <= 0 {
            self.notify.notify_one();
        }
    }
}

/// The watches on one partition.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    watches: Vec<Rc<FetchWatch>>,
}

impl Watches {
    pub(crate) fn add(&mut self, watch: &Rc<FetchWatch>) {
        self.watches.push(Rc::clone(watch));
    }

    pub(crate) fn remove(&mut self, watch: &Rc<FetchWatch>) {
        self.watches.retain(|other| !Rc::ptr_eq(other, watch));
    }

    pub(crate) fn appended(&self, bytes: usize) {
        for watch in &self.watches {
            watch.appended(bytes);
        }
    }

    /// Something other than new bytes: the partition is gone or led elsewhere, or a transaction ended. Waiting fetches
    /// shall look again.
    pub(crate) fn wake_all(&self) {
        for watch in &self.watches {
            watch.notify.notify_one();
        }
    }
}
