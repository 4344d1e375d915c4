//! A thread of its own for what must block (stdin, SQLite, a foreign runtime), behind [`queues::spsc`].
//!
//! ```text
//! source   thread ── push_blocking ──► ring ── pop().await ──► task
//! sink     task ── push().await ──► ring ── pop_blocking ──► thread
//! Service  task ── call(request).await ──► thread ──► answer
//! ```
//!
//! The thread ends when its body does: a body that loops over its queue ends when the task drops its end. One that blocks in the
//! kernel (a read from a terminal) can't be ended; it is left behind and ends with the process. Threads here run on any core,
//! also when started from a pinned executor.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use queues::spsc::{self, Consumer, Producer};
use tokio::sync::oneshot;

use super::cpu;
use super::task::TaskError;

/// A thread that was started here. Dropping it lets the thread go on.
#[derive(Debug)]
pub struct BlockingThread {
    outcome: oneshot::Receiver<Result<(), TaskError>>,
    seen: Option<Result<(), TaskError>>,
}

impl BlockingThread {
    /// Waits for the end of the thread; tells every time.
    ///
    /// # Errors
    ///
    /// [`TaskError::Panicked`] when its body panicked.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn ended(&mut self) -> Result<(), TaskError> {
        if let Some(seen) = &self.seen {
            return seen.clone();
        }
        let outcome = (&mut self.outcome).await.unwrap_or(Err(TaskError::Cancelled));
        self.seen.insert(outcome).clone()
    }
}

/// Runs `body` on a thread `name`.
///
/// # Errors
///
/// When the thread can't be started.
pub fn run(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<BlockingThread> {
    let (report, outcome) = oneshot::channel();
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        cpu::unpin();
        let outcome = catch_unwind(AssertUnwindSafe(body)).map_err(|payload| TaskError::panicked(&*payload));
        // Who dropped the handle does not want to know.
        let _nobody = report.send(outcome);
    })?;
    Ok(BlockingThread { outcome, seen: None })
}

/// Runs `body` on a thread `name`, which pushes what it gets from where it blocks; at most `capacity` items wait.
///
/// # Errors
///
/// When the thread can't be started.
pub fn source<T: Send + 'static>(
    name: &str,
    capacity: usize,
    body: impl FnOnce(Producer<T>) + Send + 'static,
) -> io::Result<(BlockingThread, Consumer<T>)> {
    let (producer, consumer) = spsc::channel(capacity);
    Ok((run(name, move || body(producer))?, consumer))
}

/// Runs `body` on a thread `name`, which pops what it puts to where it blocks; at most `capacity` items wait.
///
/// # Errors
///
/// When the thread can't be started.
pub fn sink<T: Send + 'static>(
    name: &str,
    capacity: usize,
    body: impl FnOnce(Consumer<T>) + Send + 'static,
) -> io::Result<(BlockingThread, Producer<T>)> {
    let (producer, consumer) = spsc::channel(capacity);
    Ok((run(name, move || body(consumer))?, producer))
}

/// A thread that answers requests one after the other. Dropping the service ends it after the request at hand.
#[derive(Debug)]
pub struct Service<Q, A> {
    requests: Producer<Q>,
    answers: Consumer<A>,
    /// Requests sent by calls that were cancelled: their answers come first and belong to nobody.
    unanswered: usize,
    thread: BlockingThread,
}

impl<Q: Send + 'static, A: Send + 'static> Service<Q, A> {
    /// Starts the thread `name`, which calls `open` for what answers there: a connection, say, that must not leave its thread.
    ///
    /// # Errors
    ///
    /// When the thread can't be started.
    pub fn start<H: FnMut(Q) -> A>(
        name: &str,
        open: impl FnOnce() -> H + Send + 'static,
    ) -> io::Result<Self> {
        let (requests, mut inbox) = spsc::channel(1);
        let (mut outbox, answers) = spsc::channel(1);
        let thread = run(name, move || {
            let mut answer = open();
            while let Some(request) = inbox.pop_blocking() {
                if outbox.push_blocking(answer(request)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { requests, answers, unanswered: 0, thread })
    }

    /// Sends `request` and waits for its answer.
    ///
    /// # Errors
    ///
    /// How the thread ended, if it has: [`TaskError::Panicked`] in particular.
    ///
    /// # Cancel safety
    ///
    /// A call that is dropped may or may not be carried out; its answer is dropped. Later calls are not confused by that.
    pub async fn call(&mut self, request: Q) -> Result<A, TaskError> {
        while self.unanswered > 0 {
            drop(self.answer().await?);
        }
        if self.requests.push(request).await.is_err() {
            return Err(self.why_it_ended().await);
        }
        self.unanswered += 1;
        self.answer().await
    }

    async fn answer(&mut self) -> Result<A, TaskError> {
        match self.answers.pop().await {
            Some(answer) => {
                self.unanswered -= 1;
                Ok(answer)
            }
            None => Err(self.why_it_ended().await),
        }
    }

    async fn why_it_ended(&mut self) -> TaskError {
        self.thread.ended().await.err().unwrap_or(TaskError::Cancelled)
    }
}
