//! One executor: a thread, a tokio runtime, a `LocalSet`, and the handle through which any thread starts tasks there.

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc as sync_mpsc;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use protocol::net::{MakeFuture, Spawn};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::LocalSet;
use tracing::{error, warn};

use super::clock::{self, Instant};
use super::cpu::{self, ThreadId, ThreadTimes};
use super::hang::Pulse;
use super::task::{self, JoinHandle, TaskError};

/// How long after the deadline a thread may take to drop its tasks before it counts as hung.
const DROP_ALLOWANCE: Duration = Duration::from_millis(500);

/// How an executor ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// All its tasks had ended.
    Idle,
    /// This many tasks were dropped at the deadline.
    Dropped(usize),
    /// A task did not give the thread back. The thread is left behind, and ends if the task ever does.
    Hung,
}

/// Owns an executor's thread. Dropping it drops the tasks, without waiting for that; see [`Executor::shutdown`].
#[derive(Debug)]
pub struct Executor {
    handle: ExecutorHandle,
    thread: Option<thread::JoinHandle<()>>,
    /// `None`: it has no thread of its own.
    ended: Option<sync_mpsc::Receiver<Ending>>,
}

impl Executor {
    /// Starts the thread `name`, pinned to `core` if one is given. That it can't be pinned is a warning.
    ///
    /// # Errors
    ///
    /// When the thread or its runtime can't be made.
    pub fn start(name: &str, core: Option<usize>) -> io::Result<Executor> {
        let (handle, inbox) = ExecutorHandle::new(name, core);
        let shared = Arc::clone(&handle.shared);
        let (started, start) = sync_mpsc::channel();
        let (ending, ended) = sync_mpsc::channel();
        let body = move || {
            let runtime = match prepare_thread(&shared) {
                Ok(runtime) => runtime,
                Err(error) => {
                    let _waits = started.send(Err(error));
                    return;
                }
            };
            let _waits = started.send(Ok(()));
            let _nobody_waits = ending.send(run(runtime, &shared, inbox));
        };
        let thread = thread::Builder::new().name(name.to_owned()).spawn(body)?;
        start.recv().unwrap_or_else(|_| Err(io::Error::other("the executor's thread ended at its start")))?;
        Ok(Executor { handle, thread: Some(thread), ended: Some(ended) })
    }

    /// An executor without a thread: its tasks share the caller's, and its `LocalSet`, with whatever else runs there. For worlds whose time
    /// is virtual and in which everything happens on one thread; nothing else keeps what this module promises.
    ///
    /// # Panics
    /// Outside of a tokio `LocalSet`.
    pub fn here(name: &str) -> Executor {
        let (handle, inbox) = ExecutorHandle::new(name, None);
        let shared = Arc::clone(&handle.shared);
        tokio::task::spawn_local(async move { serve(&shared, inbox).await });
        Executor { handle, thread: None, ended: None }
    }

    /// The handle to start tasks with.
    pub fn handle(&self) -> &ExecutorHandle {
        &self.handle
    }

    /// Asks the tasks to end (see [`ExecutorHandle::stopping`]) and the executor to drop those that have not by `deadline`.
    pub fn ask_to_stop(&self, deadline: Instant) {
        // An executor that has ended already needs no asking.
        let _ended = self.handle.commands.send(Command::Stop(deadline));
    }

    /// Asks to stop, waits for it and joins the thread. Blocks the calling thread, which must not be an executor's. One without a thread
    /// can't be waited for: what has not ended then goes with the `LocalSet`.
    pub fn shutdown(mut self, deadline: Instant) -> Ending {
        self.ask_to_stop(deadline);
        let Some(ended) = &self.ended else {
            return match self.handle.task_count() {
                0 => Ending::Idle,
                count => Ending::Dropped(count),
            };
        };
        let patience = deadline.saturating_duration_since(clock::now()) + DROP_ALLOWANCE;
        match ended.recv_timeout(patience) {
            Ok(ending) => {
                self.join();
                ending
            }
            Err(sync_mpsc::RecvTimeoutError::Disconnected) => {
                self.join();
                Ending::Idle
            }
            Err(sync_mpsc::RecvTimeoutError::Timeout) => {
                error!(executor = %self.handle.name(), "executor hangs in a task and is left behind");
                Ending::Hung
            }
        }
    }

    fn join(&mut self) {
        if let Some(Err(payload)) = self.thread.take().map(thread::JoinHandle::join) {
            let error = TaskError::panicked(&*payload);
            error!(executor = %self.handle.name(), %error, "executor's thread has failed");
        }
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        self.ask_to_stop(clock::now());
    }
}

/// Starts tasks on an executor, from any thread.
#[derive(Clone)]
pub struct ExecutorHandle {
    shared: Arc<Shared>,
    /// Not bounded here: whoever starts tasks bounds them, and one entry is one task's start.
    commands: mpsc::UnboundedSender<Command>,
}

impl ExecutorHandle {
    fn new(name: &str, core: Option<usize>) -> (ExecutorHandle, mpsc::UnboundedReceiver<Command>) {
        let (commands, inbox) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            name: name.into(),
            core,
            thread: OnceLock::new(),
            tasks: AtomicUsize::new(0),
            went_idle: Notify::new(),
            stopping: watch::Sender::new(false),
            pulse: Pulse::new(name),
        });
        (ExecutorHandle { shared, commands }, inbox)
    }

    /// Runs what `make` makes; `make` itself is called on the executor, so that only it has to be `Send`.
    ///
    /// On an executor that has ended, the handle says [`TaskError::Cancelled`].
    pub fn spawn<T, M, F>(&self, make: M) -> JoinHandle<T>
    where
        T: Send + 'static,
        M: FnOnce() -> F + Send + 'static,
        F: Future<Output = T> + 'static,
    {
        let (handle, start) = task::prepare(make, Counted::new(&self.shared), Arc::clone(&self.shared.pulse));
        // An executor that has ended drops the start, which cancels the task.
        let _ended = self.commands.send(Command::Start(Box::new(start)));
        handle
    }

    /// Its name, which is also its thread's.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// The core that it was to be pinned to.
    pub fn core(&self) -> Option<usize> {
        self.shared.core
    }

    /// Tasks that run here or are about to.
    pub fn task_count(&self) -> usize {
        self.shared.tasks.load(Ordering::Relaxed)
    }

    /// CPU time that the thread has used; zero when it can't be known (no `/proc`) or the thread has ended.
    pub fn busy(&self) -> Duration {
        self.times().busy
    }

    /// What the thread has had of its core, as [`busy`](Self::busy).
    pub(super) fn times(&self) -> ThreadTimes {
        self.shared.thread.get().and_then(|thread| thread.times()).unwrap_or_default()
    }

    /// What its thread notes about itself.
    pub(super) fn pulse(&self) -> &Arc<Pulse> {
        &self.shared.pulse
    }

    /// Whether its thread was found to hang in a task.
    pub fn hangs(&self) -> bool {
        self.shared.pulse.hangs()
    }

    /// Waits until the executor has been asked to stop: for tasks that would go on for ever.
    pub fn stopping(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut stopping = self.shared.stopping.subscribe();
        async move {
            // The sender outlives every task of its executor; if it is gone, that is a stop, too.
            let _gone = stopping.wait_for(|stopping| *stopping).await;
        }
    }
}

impl Spawn for ExecutorHandle {
    fn spawn(&self, make: MakeFuture) {
        // Nobody waits for it, so a panic is logged where it ends.
        drop(self.spawn(make));
    }
}

impl fmt::Debug for ExecutorHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecutorHandle")
            .field("name", &self.name())
            .field("core", &self.core())
            .field("task_count", &self.task_count())
            .finish()
    }
}

enum Command {
    Start(Box<dyn FnOnce() + Send>),
    Stop(Instant),
}

struct Shared {
    name: Box<str>,
    core: Option<usize>,
    /// Set before `Executor::start` returns; never where there is no thread of its own.
    thread: OnceLock<ThreadId>,
    tasks: AtomicUsize,
    /// Told when `tasks` falls to zero.
    went_idle: Notify,
    stopping: watch::Sender<bool>,
    pulse: Arc<Pulse>,
}

/// Counts a task from its spawning to its end, whatever end that is.
struct Counted(Arc<Shared>);

impl Counted {
    fn new(shared: &Arc<Shared>) -> Counted {
        shared.tasks.fetch_add(1, Ordering::Relaxed);
        Counted(Arc::clone(shared))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        if self.0.tasks.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.went_idle.notify_one();
        }
    }
}

fn prepare_thread(shared: &Shared) -> io::Result<tokio::runtime::Runtime> {
    match shared.core {
        Some(core) => {
            if let Err(error) = cpu::pin(core) {
                warn!(executor = %shared.name, core, %error, "failed to pin an executor to its core");
            }
        }
        // Whoever starts us may be pinned itself.
        None => cpu::unpin(),
    }
    let first = shared.thread.set(ThreadId::current());
    debug_assert!(first.is_ok(), "an executor has one thread");
    tokio::runtime::Builder::new_current_thread().enable_all().on_thread_start(cpu::unpin).build()
}

fn run(runtime: tokio::runtime::Runtime, shared: &Shared, inbox: mpsc::UnboundedReceiver<Command>) -> Ending {
    let local = LocalSet::new();
    local.block_on(&runtime, serve(shared, inbox));
    let dropped_count = shared.tasks.load(Ordering::Relaxed);
    // Destructors of tasks run here, inside the runtime that they may need.
    let entered = runtime.enter();
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(local))) {
        let error = TaskError::panicked(&*payload);
        error!(executor = %shared.name, %error, "failed to drop a task");
    }
    drop(entered);
    runtime.shutdown_background();
    if dropped_count == 0 { Ending::Idle } else { Ending::Dropped(dropped_count) }
}

/// Starts tasks until asked to stop, then until all have ended or the deadline is over. Tasks may start others while stopping.
async fn serve(shared: &Shared, mut inbox: mpsc::UnboundedReceiver<Command>) {
    let mut deadline: Option<Instant> = None;
    loop {
        if deadline.is_some() && shared.tasks.load(Ordering::Relaxed) == 0 {
            return;
        }
        tokio::select! {
            command = inbox.recv() => match command {
                Some(Command::Start(start)) => start(),
                Some(Command::Stop(asked)) => {
                    deadline = Some(deadline.map_or(asked, |former| former.min(asked)));
                    shared.stopping.send_replace(true);
                }
                None => return,
            },
            () = shared.went_idle.notified() => {}
            () = over(deadline) => return,
        }
    }
}

async fn over(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
