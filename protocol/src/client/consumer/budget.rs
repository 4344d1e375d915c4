//! What the consumers of a process may have fetched together: a thousand tasks that are behind must not fill the memory, each within a
//! limit of its own.
//!
//! A consumer counts what was handed to it and is not taken, and what a fetch under way may bring by what the last one brought. Where
//! nothing is left, it fetches [`FLOOR_BYTES`] whenever all that it had is taken: slower, but none stands still for what others hold.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a consumer that has nothing may fetch whatever the others have: large enough that the cost of a request is small beside that of
/// its records.
pub(super) const FLOOR_BYTES: usize = 128 * 1024;

/// A limit that consumers share; clones are the same one.
#[derive(Clone)]
pub struct PrefetchBudget {
    bytes_max: usize,
    /// Relaxed everywhere: it steers how much is fetched, and nobody reads other memory by it.
    held: Arc<AtomicUsize>,
}

impl PrefetchBudget {
    /// At most so many bytes, and 128 KB for each consumer beyond.
    pub fn new(bytes_max: usize) -> Self {
        PrefetchBudget { bytes_max, held: Arc::default() }
    }

    /// No limit but each consumer's own.
    pub fn unlimited() -> Self {
        PrefetchBudget::new(usize::MAX)
    }

    /// What is fetched and not taken, and what may come of fetches under way.
    pub(super) fn held_bytes(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    /// How much may still be fetched.
    pub(super) fn room(&self) -> usize {
        self.bytes_max.saturating_sub(self.held_bytes())
    }

    /// A share of it, nothing at first.
    pub(super) fn share(&self) -> Share {
        Share { budget: self.clone(), bytes: 0 }
    }
}

impl fmt::Debug for PrefetchBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrefetchBudget")
            .field("bytes_max", &self.bytes_max)
            .field("held_bytes", &self.held_bytes())
            .finish()
    }
}

/// What somebody holds of a budget; given back with it.
#[derive(Debug)]
pub(super) struct Share {
    budget: PrefetchBudget,
    bytes: usize,
}

impl Share {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.budget.held.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn give_back(&mut self, bytes: usize) {
        self.bytes -= bytes;
        self.budget.held.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.give_back(self.bytes);
    }
}
