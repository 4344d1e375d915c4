//! What only the thread of a task can see: its clients, and how far behind its consumer is.
//!
//! Clients live on their executor and are not shared between threads. Whoever wants their metrics sends a look to each executor; it
//! visits what is registered there, one task after the other, and lets the tasks have their turn in between. An executor that
//! a task blocks does not answer, which is an answer, too.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::time::Duration;

use futures_util::future::join_all;
use protocol::metrics::Metric;
use tokio::time::timeout;

use crate::rt::{ExecutorHandle, Executors};

/// Something on an executor that can be looked at from there.
pub trait Observed {
    /// Brings up to date what others read of it ([`TaskMetrics`](super::TaskMetrics)).
    fn refresh(&self) {}

    /// Tells the metrics of its clients.
    fn visit(&self, visit: &mut dyn FnMut(&Metric<'_>));
}

thread_local! {
    static OBSERVED: RefCell<Vec<Weak<dyn Observed>>> = const { RefCell::new(Vec::new()) };
}

/// Registers `observed` on this thread, for as long as it lives.
pub(crate) fn register(observed: &Rc<dyn Observed>) {
    OBSERVED.with_borrow_mut(|all| {
        all.retain(|known| known.strong_count() > 0);
        all.push(Rc::downgrade(observed));
    });
}

/// What one executor answered; `None` where it did not in time.
#[derive(Debug)]
pub struct Look<T> {
    /// Its name.
    pub executor: String,
    /// The answer.
    pub seen: Option<T>,
}

/// Has every data executor refresh what it runs and fold the metrics of all clients into a `T`. Waits no longer than `limit`.
pub async fn look<T: Default + Send + 'static>(
    executors: &Executors,
    limit: Duration,
    fold: fn(&mut T, &Metric<'_>),
) -> Vec<Look<T>> {
    let looks = executors.data().map(|executor: &ExecutorHandle| {
        let seen = executor.spawn(move || look_here(fold));
        let executor = executor.name().to_owned();
        async move { Look { executor, seen: timeout(limit, seen).await.ok().and_then(Result::ok) } }
    });
    join_all(looks).await
}

/// As [`look`], without the metrics of clients. Gives back whether each executor has answered.
pub async fn refresh(executors: &Executors, limit: Duration) -> Vec<Look<()>> {
    let looks = executors.data().map(|executor| {
        let seen = executor.spawn(async || {
            for observed in observed_here() {
                observed.refresh();
            }
        });
        let executor = executor.name().to_owned();
        async move { Look { executor, seen: timeout(limit, seen).await.ok().and_then(Result::ok) } }
    });
    join_all(looks).await
}

async fn look_here<T: Default>(fold: fn(&mut T, &Metric<'_>)) -> T {
    let mut seen = T::default();
    for observed in observed_here() {
        observed.refresh();
        observed.visit(&mut |metric| fold(&mut seen, metric));
        drop(observed);
        tokio::task::yield_now().await;
    }
    seen
}

/// One after the other, so that none is kept alive by a look at another.
fn observed_here() -> impl Iterator<Item = Rc<dyn Observed>> {
    let all = OBSERVED.with_borrow(Clone::clone);
    all.into_iter().filter_map(|observed| observed.upgrade())
}
