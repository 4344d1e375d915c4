//! Who gets which connectors and tasks: Java's two assignors as state machines without I/O.
//!
//! Their answers are byte for byte Java's (4.3.0 on Java 17), so that it does not matter which kind of worker leads. That includes the
//! order in which Java's collections give their elements: see `work`.

mod cooperative;

mod eager;

mod work;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;

pub(super) use cooperative::duplicated;
pub use cooperative::{CooperativeAssignor, Round};
pub use eager::assign_eagerly;
pub use work::Work;
pub(super) use work::in_hash_set_order;

/// What the config topic says is to run, as far as an assignor cares.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Configured {
    /// How much of the topic this is: the contract's config offset.
    pub offset: i64,
    /// Connectors with the number of their tasks; 0 also for those whose task configurations are inconsistent.
    pub connectors: BTreeMap<Arc<str>, u32>,
}

/// A look at the configuration as this worker knows it at the moment. Taken from the membership's thread: it must not wait.
pub trait ConfigSnapshots: Send + Sync {
    /// What there is now, without reading further.
    fn snapshot(&self) -> Arc<Configured>;
}

impl ConfigSnapshots for watch::Receiver<Arc<Configured>> {
    fn snapshot(&self) -> Arc<Configured> {
        Arc::clone(&self.borrow())
    }
}

/// What one member is to do after a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// Its member id.
    pub member: Arc<str>,
    /// What it gets beside what it has.
    pub assigned: Work,
    /// What it has to give up.
    pub revoked: Work,
    /// What it has once both has happened.
    pub all: Work,
}

/// The outcome of a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shares {
    /// Of every member, in no particular order.
    pub shares: Vec<Share>,
    /// After how many ms everybody is to join again; 0 for never.
    pub delay_ms: u64,
}

impl fmt::Debug for dyn ConfigSnapshots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConfigSnapshots")
    }
}

#[cfg(test)]
mod tests;
