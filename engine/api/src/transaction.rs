//! Exactly-once delivery of source connectors (KIP-618): what a connector says of itself, and how a task that defines its own
//! transactions says where they end.

use std::cell::RefCell;
use std::rc::Rc;

/// Whether a source connector delivers each record exactly once where the worker writes records and offsets in one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExactlyOnceSupport {
    /// It does: every record comes from the offset that the task was given, and is not given again after it.
    Supported,
    /// It does not, or not with this configuration.
    Unsupported,
}

/// With `transaction.boundary=connector`: where the transactions of a task end (Java: `TransactionContext`). Clones share what was asked.
///
/// What is asked for during a poll counts for the batch that this poll returns. A poll can be dropped at any await, so ask in the same
/// step in which the batch is returned.
#[derive(Debug, Clone, Default)]
pub struct TransactionContext(Rc<RefCell<BoundaryRequests>>);

/// What a task has asked for since its last batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BoundaryRequests {
    /// Commit after the batch.
    pub commit_batch: bool,
    /// Abort after the batch.
    pub abort_batch: bool,
    /// Commit after these records, by their place in the batch over all its runs.
    pub commit_after: Vec<usize>,
    /// Abort after these.
    pub abort_after: Vec<usize>,
}

impl TransactionContext {
    /// Commit the open transaction once the batch was handed to Kafka, an empty one included.
    pub fn commit(&self) {
        self.0.borrow_mut().commit_batch = true;
    }

    /// Commit the open transaction after record `record` of the batch, counted from 0 over all its runs.
    pub fn commit_after(&self, record: usize) {
        self.0.borrow_mut().commit_after.push(record);
    }

    /// Abort the open transaction after the batch: its records never become visible. Their offsets are committed all the same, so that
    /// they do not come again.
    pub fn abort(&self) {
        self.0.borrow_mut().abort_batch = true;
    }

    /// Abort the open transaction after record `record` of the batch, that record included, counted from 0 over all its runs.
    pub fn abort_after(&self, record: usize) {
        self.0.borrow_mut().abort_after.push(record);
    }

    /// What was asked for, once.
    pub fn take(&self) -> BoundaryRequests {
        self.0.take()
    }
}
