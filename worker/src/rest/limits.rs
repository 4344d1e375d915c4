//! What one client, and all of them together, may cost: every limit of REST is here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;

use super::error::RestError;

/// Connections at one time, unless the process has too few descriptors. One more takes the place of the one that has been idle
/// longest; where all are at work it is told 503.
pub(super) const CONNECTIONS_MAX: usize = 1_024;

/// REST takes at most this share of the process's descriptors.
pub(super) const DESCRIPTORS_SHARE: u64 = 4;

/// Requests being answered at one time, not counting those whose bodies are still coming; more get 503.
pub(super) const REQUESTS_MAX: usize = 512;

/// What hyper may buffer of a request's head: above [`HEADER_BYTES_MAX`], so that we answer and not hyper.
pub(super) const HEAD_BYTES_MAX: usize = 64 << 10;

/// Path and query; more get 414. As Jetty's limit.
pub(super) const URI_BYTES_MAX: usize = 8 << 10;

/// Names and values of all headers together; more get 431. Twice Jetty's limit.
pub(super) const HEADER_BYTES_MAX: usize = 16 << 10;

/// Header fields of a request; more get 431.
pub(super) const HEADERS_MAX: usize = 100;

/// Largest body that is read; more get 413.
pub(super) const BODY_BYTES_MAX: usize = 4 << 20;

/// Bodies of all requests together; more get 503.
pub(super) const BODIES_BYTES_MAX: usize = 64 << 20;

/// Bodies that are read before anybody has said who they are, together; more get 503. They take nothing from those of others.
pub(super) const UNKNOWN_BODIES_BYTES_MAX: usize = 16 << 20;

/// How long request line and headers may take, also on an idle connection.
pub(super) const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a body may take to arrive.
pub(super) const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a client may take no byte of its answer.
pub(super) const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a TLS handshake may take.
pub(super) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long requests in progress may take once the server stops.
pub(super) const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Pause after a failed accept, which mostly means that descriptors have run out.
pub(super) const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// A number of things that may be in use at one time, shared by all connections.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    used: Arc<AtomicUsize>,
    max: usize,
}

/// A part of a budget, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Lease {
    budget: Budget,
    amount: usize,
}

impl Budget {
    pub(super) fn new(max: usize) -> Budget {
        Budget { used: Arc::default(), max }
    }

    /// Nothing of it yet.
    pub(super) fn lease(&self) -> Lease {
        Lease { budget: self.clone(), amount: 0 }
    }
}

impl Lease {
    /// Takes more of the budget.
    pub(super) fn grow(&mut self, amount: usize) -> Result<(), RestError> {
        let used = self.budget.used.fetch_add(amount, Ordering::Relaxed) + amount;
        self.amount += amount;
        if used > self.budget.max { Err(RestError::Overloaded) } else { Ok(()) }
    }

    /// Gives back what it has taken.
    pub(super) fn clear(&mut self) {
        self.budget.used.fetch_sub(std::mem::take(&mut self.amount), Ordering::Relaxed);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.clear();
    }
}

/// A body together with its part of the budget.
pub(super) fn leased(body: Vec<u8>, lease: Lease) -> Bytes {
    struct Leased(Vec<u8>, #[expect(dead_code, reason = "held for its drop")] Lease);
    impl AsRef<[u8]> for Leased {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    Bytes::from_owner(Leased(body, lease))
}

/// What a connection is about, seen from the one that decides which connection has to go.
#[derive(Debug, Default)]
pub(super) struct Activity {
    /// 0 while a request is being answered, else the turn at which the connection became idle.
    idle_since: AtomicU64,
}

/// Counts turns: a clock without time.
static TURN: AtomicU64 = AtomicU64::new(1);

impl Activity {
    /// A connection that has sent nothing yet.
    pub(super) fn new() -> Arc<Activity> {
        let activity = Activity::default();
        activity.rest();
        Arc::new(activity)
    }

    /// A whole request has come.
    pub(super) fn work(&self) {
        self.idle_since.store(0, Ordering::Relaxed);
    }

    /// It has been answered.
    pub(super) fn rest(&self) {
        self.idle_since.store(TURN.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Since which turn nothing is owed to the client: it may be in the middle of a request that does not come to its end.
    pub(super) fn idle_since(&self) -> Option<u64> {
        Some(self.idle_since.load(Ordering::Relaxed)).filter(|turn| *turn > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_given_back_with_the_body() {
        let budget = Budget::new(10);
        let mut first = budget.lease();
        first.grow(8).unwrap();
        assert!(budget.lease().grow(3).is_err(), "and what was refused is given back as well");
        let body = leased(vec![1; 8], first);
        let slice = body.slice(2..4);
        drop(body);
        assert!(budget.lease().grow(3).is_err());
        drop(slice);
        budget.lease().grow(10).unwrap();
    }

    #[test]
    fn the_longest_idle_has_the_lowest_turn() {
        let (first, second) = (Activity::new(), Activity::new());
        assert!(first.idle_since() < second.idle_since());
        first.work();
        assert_eq!(first.idle_since(), None);
        first.rest();
        assert!(first.idle_since() > second.idle_since());
    }
}
