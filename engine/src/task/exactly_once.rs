//! Exactly-once delivery of one source task (KIP-618): what the worker says of it, and what it is asked before the task may write.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use api::Error;

use super::TaskId;
use crate::offset::{OffsetStore, StoreFuture};

/// A source task whose records and offsets are written in transactions.
#[derive(Clone)]
pub struct ExactlyOnce {
    /// `<group.id>-<connector>-<task>`; takes the place of any `transactional.id` among the producer's settings.
    pub transactional_id: Arc<str>,
    /// Where transactions end.
    pub boundary: TransactionBoundary,
    /// The topic of the connector's offsets, which the task's own producer writes to.
    pub offsets_topic: Arc<str>,
    /// The worker's store, where that is another one: written after the transaction, but tombstones before it, so that no old offset
    /// shows through.
    pub secondary: Option<Arc<dyn OffsetStore>>,
    /// Says whether the task may write.
    pub gate: Arc<dyn StartGate>,
}

impl fmt::Debug for ExactlyOnce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExactlyOnce")
            .field("transactional_id", &self.transactional_id)
            .field("boundary", &self.boundary)
            .field("offsets_topic", &self.offsets_topic)
            .finish_non_exhaustive()
    }
}

/// `transaction.boundary`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionBoundary {
    /// Each batch is a transaction.
    Poll,
    /// A transaction ends with the first batch after this time, or once nothing comes for so long.
    Interval(Duration),
    /// The task says where.
    Connector,
}

/// What a task asks its worker before it writes. The futures are polled on the task's core: the work belongs elsewhere.
pub trait StartGate: Send + Sync {
    /// Shuts out the producers of former generations of the connector's tasks: a fencing round, at the leader. Comes first.
    fn fence(&self, id: &TaskId) -> StoreFuture<()>;

    /// Comes after the task's producer took its transactional id, which may have shut out a younger one: fails with [`superseded`] or
    /// [`revoked`] where the task is no longer to run here.
    fn confirm(&self, id: &TaskId) -> StoreFuture<()>;
}

/// The connector has newer task configurations than this task was started with.
pub fn superseded(id: &TaskId) -> Error {
    Error::fatal(format!(
        "Cannot start source task {id} with exactly-once support as the connector has already generated a new set of task configs"
    ))
}

/// The task has been assigned to another worker meanwhile.
pub fn revoked(id: &TaskId) -> Error {
    Error::fatal(format!("Cannot start source task {id} as it has already been revoked from this worker"))
}
