//! All executors of a worker: data cores, control, placement between the cores, and their common end.

use std::io;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::clock;
use super::cpu;
use super::executor::{Ending, Executor, ExecutorHandle};
use super::placement::{self, Load};

/// How often busy time is measured.
const MEASURE_INTERVAL: Duration = Duration::from_secs(1);

/// What the control plane gets at least, after the data cores have ended: it has their results to send.
const CONTROL_GRACE_MIN: Duration = Duration::from_secs(1);

/// What executors to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExecutorsConfig {
    /// Data cores; `None`: as many as the process may use.
    pub data_core_count: Option<NonZeroUsize>,
    /// Whether data executors are pinned. Not, where several workers share a machine and would all take the same cores.
    pub is_pinned: bool,
}

impl Default for ExecutorsConfig {
    fn default() -> Self {
        Self { data_core_count: None, is_pinned: true }
    }
}

/// A worker's executors. Clones are the same executors; the last that goes drops the tasks, without waiting for that.
#[derive(Debug, Clone)]
pub struct Executors(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    data: Vec<DataCore>,
    control: ExecutorHandle,
    /// Data executors, then control; emptied by shutdown.
    owned: Mutex<Vec<Executor>>,
}

#[derive(Debug)]
struct DataCore {
    handle: ExecutorHandle,
    measured: Arc<Measured>,
}

#[derive(Debug, Default)]
struct Measured {
    busy_permille: AtomicU64,
    tasks: AtomicUsize,
}

impl Executors {
    /// Starts the threads `data-0…` and `control`.
    ///
    /// # Errors
    ///
    /// When a thread or a runtime can't be made.
    pub fn start(config: &ExecutorsConfig) -> io::Result<Executors> {
        let cores = cpu::allowed_cores();
        // The quota of a container may be lower than its number of cores.
        let automatic = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let count = config.data_core_count.map_or(automatic, NonZeroUsize::get);
        let mut owned = Vec::with_capacity(count + 1);
        for index in 0..count {
            let core =
                if config.is_pinned && !cores.is_empty() { Some(cores[index % cores.len()]) } else { None };
            owned.push(Executor::start(&format!("data-{index}"), core)?);
        }
        let data: Vec<_> = owned
            .iter()
            .map(|executor| DataCore { handle: executor.handle().clone(), measured: Arc::default() })
            .collect();
        let control = Executor::start("control", None)?;
        measure_regularly(control.handle(), &data);
        let control_handle = control.handle().clone();
        owned.push(control);
        Ok(Executors(Arc::new(Inner { data, control: control_handle, owned: Mutex::new(owned) })))
    }

    /// The data core for the next task: the one with the least measured work and the fewest tasks.
    pub fn place(&self) -> ExecutorHandle {
        let index = placement::least_loaded(self.0.data.iter().map(DataCore::load));
        self.0.data[index].handle.clone()
    }

    /// The data executors.
    pub fn data(&self) -> impl ExactSizeIterator<Item = &ExecutorHandle> {
        self.0.data.iter().map(|core| &core.handle)
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
        let mut owned = std::mem::take(&mut *self.0.owned.lock().unwrap_or_else(PoisonError::into_inner));
        let control = owned.pop();
        for executor in &owned {
            executor.ask_to_stop(deadline);
        }
        let mut endings: Vec<_> = owned.into_iter().map(|executor| end(executor, deadline)).collect();
        if let Some(control) = control {
            endings.push(end(control, deadline.max(clock::now() + CONTROL_GRACE_MIN)));
        }
        endings
    }
}

impl DataCore {
    fn load(&self) -> Load {
        Load {
            busy_permille: self.measured.busy_permille.load(Ordering::Relaxed),
            tasks: self.handle.task_count(),
            tasks_measured: self.measured.tasks.load(Ordering::Relaxed),
        }
    }
}

fn end(executor: Executor, deadline: clock::Instant) -> (String, Ending) {
    let name = executor.handle().name().to_owned();
    (name, executor.shutdown(deadline))
}

/// Measures each data core on the control executor, so that a core that is too busy to answer is still measured.
fn measure_regularly(control: &ExecutorHandle, data: &[DataCore]) {
    let cores: Vec<_> = data.iter().map(|core| (core.handle.clone(), Arc::clone(&core.measured))).collect();
    let stopping = control.stopping();
    let measuring = control.spawn(move || async move {
        tokio::select! {
            () = stopping => {}
            () = measure(&cores) => {}
        }
    });
    // It ends with its executor.
    drop(measuring);
}

async fn measure(cores: &[(ExecutorHandle, Arc<Measured>)]) {
    let mut before: Vec<_> = cores.iter().map(|(core, _)| core.busy()).collect();
    let mut measured_at = clock::now();
    loop {
        tokio::time::sleep(MEASURE_INTERVAL).await;
        let elapsed_us = measured_at.elapsed().as_micros().max(1);
        measured_at = clock::now();
        for ((core, measured), before) in cores.iter().zip(&mut before) {
            let busy = core.busy();
            let permille = busy.saturating_sub(*before).as_micros() * 1_000 / elapsed_us;
            *before = busy;
            measured.busy_permille.store(permille.min(1_000) as u64, Ordering::Relaxed);
            measured.tasks.store(core.task_count(), Ordering::Relaxed);
        }
    }
}
