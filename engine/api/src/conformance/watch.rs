//! How the suites run what they test: on one thread, with an eye on the time that a call keeps it.

use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

/// What a plug-in is waited for, before it counts as hung.
const PATIENCE: Duration = Duration::from_secs(60);

/// The longest that one step of a future may keep its thread. A task shares its core with others; what takes longer than this is
/// waiting, and not working.
const BLOCKED_MAX: Duration = Duration::from_secs(5);

/// Runs a test on a thread like an executor's.
pub(super) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("the system gives a runtime");
    tokio::task::LocalSet::new().block_on(&runtime, test);
}

/// Waits for a call of a plug-in.
pub(super) async fn finished<T>(what: &str, call: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, stepped(what, None, call)).await {
        Ok(Some(outcome)) => outcome,
        Ok(None) | Err(_) => panic!("{what} has not ended within {} s", PATIENCE.as_secs()),
    }
}

/// Waits for a call for at most so many steps, and drops it then.
pub(super) async fn within_steps<T>(what: &str, steps: usize, call: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(PATIENCE, stepped(what, Some(steps), call)).await.unwrap_or(None)
}

/// Waits for a call for at most so long, and drops it then.
pub(super) async fn within<T>(what: &str, limit: Duration, call: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, stepped(what, None, call)).await.ok().flatten()
}

async fn stepped<T>(what: &str, steps: Option<usize>, call: impl Future<Output = T>) -> Option<T> {
    let mut call = pin!(call);
    let mut left = steps;
    std::future::poll_fn(move |context| {
        let since = Instant::now();
        let polled = call.as_mut().poll(context);
        let took = since.elapsed();
        assert!(took < BLOCKED_MAX, "{what} kept its thread for {} ms", took.as_millis());
        match (polled, &mut left) {
            (Poll::Ready(outcome), _) => Poll::Ready(Some(outcome)),
            (Poll::Pending, None) => Poll::Pending,
            (Poll::Pending, Some(0 | 1)) => Poll::Ready(None),
            (Poll::Pending, Some(left)) => {
                *left -= 1;
                Poll::Pending
            }
        }
    })
    .await
}
