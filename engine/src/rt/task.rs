//! A task's ends: the handle that waits for it or aborts it from any thread, and the boundary at which its panic stops.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures_util::FutureExt as _;
use tokio::sync::oneshot;
use tracing::error;

use super::hang::{HangWatch, Noted, Pulse};

/// Why a task has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TaskError {
    /// It panicked.
    #[error("panicked: {message}")]
    Panicked {
        /// What it said.
        message: String,
    },
    /// It was aborted, or its executor ended before it did.
    #[error("cancelled before its end")]
    Cancelled,
}

impl TaskError {
    pub(super) fn panicked(payload: &(dyn Any + Send)) -> TaskError {
        let message = payload
            .downcast_ref::<&str>()
            .map(|message| (*message).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "a panic without a message".to_owned());
        TaskError::Panicked { message }
    }
}

/// Waits for a task on any executor. Dropping it lets the task go on; its panic is then logged.
#[must_use = "a task's failure is seen here only"]
pub struct JoinHandle<T> {
    outcome: oneshot::Receiver<Result<T, TaskError>>,
    abort: AbortHandle,
    hang: HangWatch,
}

impl<T> JoinHandle<T> {
    /// Ends the task; see [`AbortHandle::abort`].
    pub fn abort(&self) {
        self.abort.abort();
    }

    /// A handle that can only abort.
    pub fn abort_handle(&self) -> AbortHandle {
        self.abort.clone()
    }

    /// Tells whether the task has its thread, and when that hangs, in the task itself or in another one.
    pub fn hang_watch(&self) -> HangWatch {
        self.hang.clone()
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, TaskError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // A dropped sender means that the task was dropped before its end.
        self.outcome.poll_unpin(cx).map(|outcome| outcome.unwrap_or(Err(TaskError::Cancelled)))
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").finish_non_exhaustive()
    }
}

/// Aborts a task from any thread.
#[derive(Debug, Clone, Default)]
pub struct AbortHandle(Arc<Mutex<Stage>>);

/// A lock and no atomics: it is taken when a task starts and when one is aborted.
#[derive(Debug, Default)]
enum Stage {
    #[default]
    OnItsWay,
    Started(tokio::task::AbortHandle),
    Aborted,
}

impl AbortHandle {
    /// Drops the task at its next await, or before it starts. A task that blocks its thread stays until it yields.
    pub fn abort(&self) {
        if let Stage::Started(task) = std::mem::replace(&mut *self.stage(), Stage::Aborted) {
            task.abort();
        }
    }

    fn stage(&self) -> std::sync::MutexGuard<'_, Stage> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The two ends of a task that is to be started by calling the second on its executor's thread, within its `LocalSet`.
///
/// `token` is dropped when the task is no more, before the handle learns of it.
pub(super) fn prepare<T, M, F>(
    make: M,
    token: impl Send + 'static,
    pulse: Arc<Pulse>,
) -> (JoinHandle<T>, impl FnOnce() + Send + 'static)
where
    T: Send + 'static,
    M: FnOnce() -> F + Send + 'static,
    F: Future<Output = T> + 'static,
{
    let (report, outcome) = oneshot::channel();
    let abort = AbortHandle::default();
    let number = pulse.number();
    let handle = JoinHandle { outcome, abort: abort.clone(), hang: pulse.watch(number) };
    let start = move || {
        let mut stage = abort.stage();
        if matches!(*stage, Stage::Aborted) {
            return;
        }
        let future = async move {
            let token = token;
            // `make` runs inside, so that its panic is caught, too. What the task owned is dropped within its last poll.
            let outcome = AssertUnwindSafe(async move { make().await }).catch_unwind().await;
            drop(token);
            let outcome = outcome.map_err(|payload| TaskError::panicked(&*payload));
            if let Err(Err(error)) = report.send(outcome) {
                error!(%error, "task nobody waits for has failed");
            }
        };
        let task = tokio::task::spawn_local(Noted { future: Box::pin(future), pulse, number });
        *stage = Stage::Started(task.abort_handle());
    };
    (handle, start)
}
