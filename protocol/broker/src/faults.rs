//! Faults that tests inject, by kind of request, at the one place where requests are dispatched. `WriteTxnMarkers` stands also
//! for the markers that this broker writes itself: a fault holds them back, and the transaction goes on ending.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use protocol::ErrorCode;
use protocol::wire::messages::ApiKey;

/// What happens to a request instead of, or before, its usual answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It is answered as usual, but only after this time; later requests of the connection wait too.
    Delay(Duration),
    /// It is not performed; the answer carries this code wherever it has room for one.
    Error(ErrorCode),
    /// It is neither performed nor answered, nor is anything after it on its connection, which stays open: a broker that
    /// hangs, or a path that swallows packets. (To leave out one answer only would be no fault that a client can meet:
    /// answers come in the order of requests.)
    Silence,
    /// It is not performed; the connection is closed.
    Disconnect,
    /// It is not performed; the connection is reset (RST), which a client meets as an error and not as an end. Pipes within the
    /// process fail with `ConnectionReset`; other streams ([`Broker::serve_stream`](crate::Broker::serve_stream)) are only closed.
    Reset,
    /// It is performed, but the connection is closed instead of answering.
    LoseResponse,
    /// It is performed; the first half of the answer is sent, then the connection is closed.
    TruncateResponse,
    /// It is performed; the first half of the answer is sent, then the connection is reset as by [`Fault::Reset`].
    ResetResponse,
}

/// The faults of a broker. Clones share one plan, and may be used from any thread while the broker runs.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    plan: Arc<Plan>,
}

#[derive(Debug, Default)]
struct Plan {
    /// Spares requests the lock when nothing is planned. Relaxed: it orders nothing, and a test that plans a fault before
    /// it sends a request is ordered by the sending.
    is_active: AtomicBool,
    by_key: Mutex<HashMap<i16, VecDeque<Planned>>>,
}

#[derive(Debug)]
struct Planned {
    fault: Fault,
    /// `None` until it is cleared.
    remaining: Option<usize>,
}

impl Faults {
    /// Every request of this kind, until [`Faults::clear`].
    pub fn on(&self, key: ApiKey, fault: Fault) {
        self.add(key, Planned { fault, remaining: None });
    }

    /// The next `count` requests of this kind, after those that were planned before.
    pub fn times(&self, count: usize, key: ApiKey, fault: Fault) {
        if count > 0 {
            self.add(key, Planned { fault, remaining: Some(count) });
        }
    }

    /// The next request of this kind, after those that were planned before.
    pub fn once(&self, key: ApiKey, fault: Fault) {
        self.times(1, key, fault);
    }

    /// Forgets all that is planned for this kind of request.
    pub fn clear(&self, key: ApiKey) {
        let mut by_key = self.lock();
        by_key.remove(&(key as i16));
        self.plan.is_active.store(!by_key.is_empty(), Ordering::Relaxed);
    }

    /// Forgets all that is planned.
    pub fn clear_all(&self) {
        self.lock().clear();
        self.plan.is_active.store(false, Ordering::Relaxed);
    }

    /// The fault that the next request of this kind meets.
    pub(crate) fn take(&self, api_key: i16) -> Option<Fault> {
        if !self.plan.is_active.load(Ordering::Relaxed) {
            return None;
        }
        let mut by_key = self.lock();
        let queue = by_key.get_mut(&api_key)?;
        let planned = queue.front_mut()?;
        let fault = planned.fault;
        if let Some(remaining) = &mut planned.remaining {
            *remaining -= 1;
            if *remaining == 0 {
                queue.pop_front();
            }
        }
        if queue.is_empty() {
            by_key.remove(&api_key);
            self.plan.is_active.store(!by_key.is_empty(), Ordering::Relaxed);
        }
        Some(fault)
    }

    fn add(&self, key: ApiKey, planned: Planned) {
        self.lock().entry(key as i16).or_default().push_back(planned);
        self.plan.is_active.store(true, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i16, VecDeque<Planned>>> {
        // A panicking test leaves the plan as whole as it was.
        self.plan.by_key.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_fall_in_the_order_in_which_they_were_planned() {
        let faults = Faults::default();
        faults.times(2, ApiKey::Fetch, Fault::Silence);
        faults.on(ApiKey::Fetch, Fault::Disconnect);
        assert_eq!(faults.take(ApiKey::Produce as i16), None);
        let taken: Vec<_> = (0..4).map(|_| faults.take(ApiKey::Fetch as i16)).collect();
        assert_eq!(
            taken,
            [Some(Fault::Silence), Some(Fault::Silence), Some(Fault::Disconnect), Some(Fault::Disconnect)]
        );
        faults.clear(ApiKey::Fetch);
        assert_eq!(faults.take(ApiKey::Fetch as i16), None);
    }
}
