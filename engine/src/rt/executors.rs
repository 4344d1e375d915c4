//! All executors of a worker: data cores, control, placement between the cores, and their common end.

use std::io;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::{error, info};

use super::clock::{self, Instant};
use super::cpu::{self, ThreadTimes};
use super::executor::{Ending, Executor, ExecutorHandle};
use super::hang::{Change, Looker};
use super::placement::{self, Load};

/// How often busy time is measured, and hangs are looked for, at least.
const MEASURE_INTERVAL: Duration = Duration::from_secs(1);

/// A thread that does not come back from one task for so long hangs: a batch takes milliseconds. Where a slow disk is taken for a hang, the
/// tasks beside it start once more and then have a core that is not kept from them.
pub const HANG_LIMIT: Duration = Duration::from_secs(2);

/// Threads that take the place of hung ones, at most: each of those may hang as well.
const SPARES_MAX: usize = 8;

/// What the control plane gets at least, after the data cores have ended: it has their results to send.
const CONTROL_GRACE_MIN: Duration = Duration::from_secs(1);

/// What executors to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExecutorsConfig {
    /// Data cores; `None`: as many as the process may use.
    pub data_core_count: Option<NonZeroUsize>,
    /// Whether data executors are pinned. Not, where several workers share a machine and would all take the same cores.
    pub is_pinned: bool,
    /// After which time in one task a thread counts as hung.
    pub hang_limit: Duration,
}

impl Default for ExecutorsConfig {
    fn default() -> Self {
        Self { data_core_count: None, is_pinned: true, hang_limit: HANG_LIMIT }
    }
}

/// A worker's executors. Clones are the same executors; the last that goes drops the tasks, without waiting for that.
#[derive(Debug, Clone)]
pub struct Executors(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    has_threads: bool,
    cores: Arc<Cores>,
    control: ExecutorHandle,
    /// Emptied by shutdown.
    owned_control: Mutex<Option<Executor>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        drop(self.cores.take_executors());
    }
}

/// The data cores. The lock is held for moments: when a task is placed, and once per measurement.
#[derive(Debug)]
struct Cores {
    count: usize,
    hang_limit: Duration,
    data: Mutex<Data>,
}

#[derive(Debug, Default)]
struct Data {
    cores: Vec<DataCore>,
    is_ending: bool,
}

#[derive(Debug)]
struct DataCore {
    handle: ExecutorHandle,
    /// Taken by shutdown.
    executor: Option<Executor>,
    looker: Looker,
    busy_before: Duration,
    measured_at: Instant,
    busy_permille: u64,
    tasks_measured: usize,
}

impl Executors {
    /// Starts the threads `data-0…` and `control`.
    ///
    /// # Errors
    ///
    /// When a thread or a runtime can't be made.
    pub fn start(config: &ExecutorsConfig) -> io::Result<Executors> {
        let allowed = cpu::allowed_cores();
        // The quota of a container may be lower than its number of cores.
        let automatic = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let count = config.data_core_count.map_or(automatic, NonZeroUsize::get);
        let mut data = Data::default();
        for index in 0..count {
            let is_pinned = config.is_pinned && !allowed.is_empty();
            data.start(is_pinned.then(|| allowed[index % allowed.len()]))?;
        }
        let control = Executor::start("control", None)?;
        let cores = Arc::new(Cores { count, hang_limit: config.hang_limit, data: Mutex::new(data) });
        measure_regularly(control.handle(), Arc::clone(&cores));
        Ok(Executors(Arc::new(Inner {
            has_threads: true,
            cores,
            control: control.handle().clone(),
            owned_control: Mutex::new(Some(control)),
        })))
    }

    /// Executors that share the caller's thread and its `LocalSet` ([`Executor::here`]), under the same names. Nobody looks for hangs, and no
    /// work is measured.
    ///
    /// # Panics
    /// Outside of a tokio `LocalSet`.
    pub fn here(data_core_count: NonZeroUsize) -> Executors {
        let mut data = Data::default();
        for _ in 0..data_core_count.get() {
            data.add(Executor::here(&data.next_name()));
        }
        let control = Executor::here("control");
        let cores = Cores { count: data_core_count.get(), hang_limit: HANG_LIMIT, data: Mutex::new(data) };
        Executors(Arc::new(Inner {
            has_threads: false,
            cores: Arc::new(cores),
            control: control.handle().clone(),
            owned_control: Mutex::new(Some(control)),
        }))
    }

    /// Whether they have threads of their own: where not, nothing else may have one either.
    pub fn has_threads(&self) -> bool {
        self.0.has_threads
    }

    /// The data core for the next task: the one with the least measured work and the fewest tasks, and none that hangs if there is
    /// another.
    pub fn place(&self) -> ExecutorHandle {
        let data = self.0.cores.lock();
        let index = placement::least_loaded(data.cores.iter().map(DataCore::load));
        data.cores[index].handle.clone()
    }

    /// The data executors.
    pub fn data(&self) -> Vec<ExecutorHandle> {
        self.0.cores.lock().cores.iter().map(|core| core.handle.clone()).collect()
    }

    /// Where the control plane runs. No data task ever does.
    pub fn control(&self) -> &ExecutorHandle {
        &self.0.control
    }

    /// Ends the data executors within `grace`, then the control executor within what is left of it (one second at least).
    /// Gives back how each of them ended, by name; nothing on a second call.
    ///
    /// Blocks the calling thread, which must not be an executor's.
    pub fn shutdown(&self, grace: Duration) -> Vec<(String, Ending)> {
        let deadline = clock::now() + grace;
        let data = self.0.cores.take_executors();
        let control = self.0.owned_control.lock().unwrap_or_else(PoisonError::into_inner).take();
        for executor in &data {
            executor.ask_to_stop(deadline);
        }
        let mut endings: Vec<_> = data.into_iter().map(|executor| end(executor, deadline)).collect();
        if let Some(control) = control {
            endings.push(end(control, deadline.max(clock::now() + CONTROL_GRACE_MIN)));
        }
        endings
    }
}

impl Cores {
    fn lock(&self) -> MutexGuard<'_, Data> {
        self.data.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The executors; none takes their place from now on.
    fn take_executors(&self) -> Vec<Executor> {
        let mut data = self.lock();
        data.is_ending = true;
        data.cores.iter_mut().filter_map(|core| core.executor.take()).collect()
    }

    fn measure(&self) {
        let now = clock::now();
        let mut data = self.lock();
        for core in &mut data.cores {
            core.measure(now, self.hang_limit);
        }
        let hung = data.cores.iter().find(|core| core.handle.hangs()).map(|core| core.handle.core());
        let working = data.cores.iter().filter(|core| !core.handle.hangs()).count();
        if let Some(core) = hung
            && working < self.count
            && data.cores.len() < self.count + SPARES_MAX
            && !data.is_ending
            && let Err(error) = data.start(core)
        {
            error!(%error, "failed to start a thread in the place of one that hangs");
        }
    }
}

impl Data {
    fn next_name(&self) -> String {
        format!("data-{}", self.cores.len())
    }

    /// Starts one more executor.
    fn start(&mut self, core: Option<usize>) -> io::Result<()> {
        self.add(Executor::start(&self.next_name(), core)?);
        Ok(())
    }

    fn add(&mut self, executor: Executor) {
        let (handle, now) = (executor.handle().clone(), clock::now());
        self.cores.push(DataCore {
            looker: Looker::new(Arc::clone(handle.pulse()), now),
            handle,
            executor: Some(executor),
            busy_before: Duration::ZERO,
            measured_at: now,
            busy_permille: 0,
            tasks_measured: 0,
        });
    }
}

impl DataCore {
    fn load(&self) -> Load {
        Load {
            busy_permille: self.busy_permille,
            tasks: self.handle.task_count(),
            tasks_measured: self.tasks_measured,
            hangs: self.handle.hangs(),
        }
    }

    /// Measured from outside, so that a core that is too busy to answer is measured as well.
    fn measure(&mut self, now: Instant, hang_limit: Duration) {
        let elapsed_us = now.saturating_duration_since(self.measured_at).as_micros().max(1);
        self.measured_at = now;
        let ThreadTimes { busy, starved } = self.handle.times();
        let permille = busy.saturating_sub(self.busy_before).as_micros() * 1_000 / elapsed_us;
        self.busy_before = busy;
        self.busy_permille = permille.min(1_000) as u64;
        self.tasks_measured = self.handle.task_count();
        let executor = self.handle.name();
        match self.looker.look(now, starved, hang_limit) {
            Some(Change::Hangs { took }) => error!(
                executor,
                tasks = self.tasks_measured,
                took_s = took.as_secs(),
                "a data core hangs in a task that does not give its thread back; its other tasks are moved"
            ),
            Some(Change::Recovered) => info!(executor, "a data core that hung works again"),
            None => {}
        }
    }
}

fn end(executor: Executor, deadline: Instant) -> (String, Ending) {
    let name = executor.handle().name().to_owned();
    (name, executor.shutdown(deadline))
}

/// Measures the data cores on the control executor.
fn measure_regularly(control: &ExecutorHandle, cores: Arc<Cores>) {
    let stopping = control.stopping();
    let measuring = control.spawn(move || async move {
        let interval = MEASURE_INTERVAL.min(cores.hang_limit / 4);
        let measure = async {
            loop {
                tokio::time::sleep(interval).await;
                cores.measure();
            }
        };
        tokio::select! {
            () = stopping => {}
            () = measure => {}
        }
    });
    // It ends with its executor.
    drop(measuring);
}
