//! What only the thread of a task can see: its clients, and how far behind its consumer is.
//!
//! Clients live on their executor and are not shared between threads. Whoever wants their metrics sends a look to each executor; it
//! visits what is registered there, one task after the other, and lets the tasks have their turn in between. An executor that
//! a task blocks does not answer, which is an answer, too.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use protocol::metrics::Metric;
use tokio::time::timeout;

use crate::rt::Executors;

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

/// Looks at the data executors.
#[derive(Debug)]
pub struct Observer {
    executors: Executors,
    /// Looks that an executor has not begun to answer, by its name. As many entries as there ever were executors: a few.
    outstanding: Mutex<HashMap<String, Arc<AtomicUsize>>>,
}

/// More looks than so many do not pile up before an executor that answers none.
const OUTSTANDING_MAX: usize = 4;

impl Observer {
    /// Of these executors.
    pub fn new(executors: &Executors) -> Observer {
        Observer { executors: executors.clone(), outstanding: Mutex::default() }
    }

    /// Has every data executor refresh what it runs and fold the metrics of all clients into a `T`. Waits no longer than `limit`.
    pub async fn look<T: Default + Send + 'static>(
        &self,
        limit: Duration,
        fold: fn(&mut T, &Metric<'_>),
    ) -> Vec<Look<T>> {
        self.ask(limit, move || look_here(fold)).await
    }

    /// As [`Observer::look`], without the metrics of clients: whether each executor answers.
    pub async fn refresh(&self, limit: Duration) -> Vec<Look<()>> {
        let refresh = || async {
            for observed in observed_here() {
                observed.refresh();
            }
        };
        self.ask(limit, refresh).await
    }

    async fn ask<T, M, F>(&self, limit: Duration, make: M) -> Vec<Look<T>>
    where
        T: Send + 'static,
        M: Fn() -> F + Clone + Send + 'static,
        F: Future<Output = T> + 'static,
    {
        let looks = self.executors.data().into_iter().map(|executor| {
            let name = executor.name().to_owned();
            let outstanding = Arc::clone(
                self.outstanding
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .entry(name.clone())
                    .or_default(),
            );
            let asked = (outstanding.load(Ordering::Relaxed) < OUTSTANDING_MAX).then(|| {
                outstanding.fetch_add(1, Ordering::Relaxed);
                let make = make.clone();
                executor.spawn(move || async move {
                    outstanding.fetch_sub(1, Ordering::Relaxed);
                    make().await
                })
            });
            async move {
                let Some(asked) = asked else { return Look { executor: name, seen: None } };
                Look { executor: name, seen: timeout(limit, asked).await.ok().and_then(Result::ok) }
            }
        });
        join_all(looks).await
    }
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
