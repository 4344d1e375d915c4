//! Executors: one pinned thread per data core, one unpinned for the control plane, and the clock.
//!
//! ```text
//! Executors ─┬─ data-0   thread pinned to a core: tokio current_thread + LocalSet ── tasks (not Send)
//!            ├─ data-1   …                                                      ▲
//!            ├─ control  unpinned: heartbeats, REST, herder                     │ queues::spsc, whole batches
//!            └─ place()  the least loaded data core                             ▼
//! blocking   a thread of its own for what must block (stdin, SQLite) ───────────┘
//! calls      a few threads for what connector instances are asked (CallThreads)
//! ```
//!
//! What holds, whatever a task does:
//!
//! - A task starts and ends on one executor; only what makes it crosses threads.
//! - A panic ends that task and is a value for whoever holds its [`JoinHandle`].
//! - A data core at 100 %, or hung, delays no control task: they share no thread and no lock.
//! - A thread that hangs in a task is noticed within [`HANG_LIMIT`]: it gets no more tasks, those of its neighbours are told
//!   ([`HangWatch`]), and a thread of its own takes its place.
//! - Shutdown ends: tasks are asked, waited for until a deadline, then dropped; a thread that does not even come back for
//!   that is left behind and reported.
//!
//! Nothing outside of this module starts threads or reads clocks.

pub mod clock;

mod executors;

mod executor;

mod task;

mod hang;

mod placement;

mod cpu;

pub mod blocking;

mod call_threads;

#[cfg(test)]
mod tests;

pub use call_threads::CallThreads;
pub use executor::{Ending, Executor, ExecutorHandle};
pub use executors::{Executors, ExecutorsConfig, HANG_LIMIT};
pub use hang::{Hang, HangWatch};
pub use task::{AbortHandle, JoinHandle, TaskError};
