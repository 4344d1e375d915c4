//! The engine: executors, and the starting of tasks on them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use protocol::metrics::MetricsConfig;
use protocol::net::Env;
use tokio::sync::{mpsc, watch};

use super::{Exit, Order, Target, TaskEvent, TaskHandle, TaskKind, TaskSpec, run};
use crate::connector::Calls;
use crate::metrics::{Observer, TaskMetrics, Windowed};
use crate::pipeline::RateLimiters;
use crate::rt::{CallThreads, Executors};

/// What an [`Engine`] is made of.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// The executors that tasks run on.
    pub executors: Executors,
    /// The client's world; its `control` should be an executor that runs no tasks.
    pub env: Env,
    /// The windows of tasks' metrics.
    pub metrics: MetricsConfig,
}

/// Starts tasks. Cheap to clone; usable from any thread.
#[derive(Debug, Clone)]
pub struct Engine {
    config: Arc<EngineConfig>,
    observer: Arc<Observer>,
    runs: Arc<AtomicU64>,
    rate_limiters: Arc<RateLimiters>,
    calls: Calls,
}

impl Engine {
    /// An engine over executors that run already.
    pub fn new(config: EngineConfig) -> Engine {
        let observer = Arc::new(Observer::new(&config.executors));
        let calls = if config.executors.has_threads() {
            Calls::OnThreads(CallThreads::new(config.executors.data().len().max(1)))
        } else {
            Calls::Here
        };
        let (runs, rate_limiters) = (Arc::default(), Arc::default());
        Engine { observer, config: Arc::new(config), runs, rate_limiters, calls }
    }

    /// The client's world.
    pub fn env(&self) -> &Env {
        &self.config.env
    }

    /// The executors.
    pub fn executors(&self) -> &Executors {
        &self.config.executors
    }

    /// Where calls of connector instances are made.
    pub fn calls(&self) -> Calls {
        self.calls.clone()
    }

    /// Looks at what runs on them.
    pub fn observer(&self) -> &Observer {
        &self.observer
    }

    /// Starts a task on the least loaded data core. Its first event is `Running`, `Paused` or `Failed`.
    pub fn start_task(&self, spec: TaskSpec, events: mpsc::UnboundedSender<TaskEvent>) -> TaskHandle {
        let run = self.runs.fetch_add(1, Ordering::Relaxed);
        let id = spec.id.clone();
        let metrics = Arc::new(TaskMetrics::new(self.config.metrics));
        if let TaskKind::Source(source) = &spec.kind
            && source.exactly_once.is_some()
        {
            metrics.transaction_sizes.get_or_init(|| Windowed::new(self.config.metrics));
        }
        let first = if spec.starts_paused { Target::Paused } else { Target::Running };
        let (order, orders) = watch::channel(Order::new(first));
        let (ended_sender, ended) = watch::channel(false);
        let env = self.config.env.clone();
        let exit = Arc::new(Exit::default());
        let control =
            run::Control::new(id.clone(), run, orders, events, Arc::clone(&metrics), Arc::clone(&exit));
        let task_metrics = Arc::clone(&metrics);
        let limiter = self.rate_limiters.of(&id.connector, spec.rate_limits);
        let executor = self.config.executors.place();
        // It is handed on a few times; each future on the way would keep room for it.
        let spec = Box::new(spec);
        let task = executor.spawn(move || async move {
            run::run(spec, env, control, task_metrics, limiter).await;
            ended_sender.send_replace(true);
        });
        let (abort, hang) = (task.abort_handle(), task.hang_watch());
        TaskHandle { id, run, order, ended, metrics, abort, hang, exit }
    }
}
