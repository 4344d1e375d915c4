//! The shell around the machine: performs its actions on the control thread and feeds it what happens.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use engine::Engine;
use engine::metrics::TaskMetrics;
use engine::offset::OffsetStore;
use engine::rt::clock::{self, Instant};
use engine::task::{TaskEvent, TaskId};
use tokio::sync::{Notify, Semaphore, mpsc, oneshot, watch};

use super::distributed::{Cluster, ClusterEvent, ClusterSetup, ClusterShell, NotToWrite, Statuses, Stores};
use super::event::{Command, Epoch, Event, Outcome, Refusal, Token};
use super::local::{Measured, MeasuredTask, Owner, Reconfigurations, Running};
use super::standalone::Herd;
use super::state::State;
use super::view::{MeasuredConnector, View};
use crate::config::{ExactlyOnceSupport, Plugins, WorkerConfig};
use crate::store::config_log::ConfigEvent;

/// What a herder works with.
#[derive(Clone)]
pub struct HerderConfig {
    /// `host:port`, as status answers show it.
    pub worker_id: Arc<str>,
    /// The worker's configuration.
    pub worker: Rc<WorkerConfig>,
    /// Plug-ins.
    pub plugins: Rc<Plugins>,
    /// Runs tasks.
    pub engine: Engine,
    /// Keeps source offsets.
    pub offsets: Arc<dyn OffsetStore>,
}

impl std::fmt::Debug for HerderConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HerderConfig").field("worker_id", &self.worker_id).finish_non_exhaustive()
    }
}

/// A handle on the herd. Lives on the control thread, within its `LocalSet`.
#[derive(Clone)]
pub struct Herder {
    pub(super) shared: Rc<Shared>,
}

impl std::fmt::Debug for Herder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Herder").field("config", &self.shared.config).finish_non_exhaustive()
    }
}

/// A command under way.
struct Waits<'a> {
    herder: &'a Herder,
    token: Option<Token>,
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        if let Some(token) = self.token {
            self.herder.shared.running.borrow_mut().waiters.remove(&token);
            self.herder.cluster_step(ClusterEvent::Abandoned(token));
        }
    }
}

/// Between two looks at when something is due next: what is due may be late by this.
const DEADLINES_INTERVAL: Duration = Duration::from_millis(5);

/// What decides.
enum Machine {
    Standalone(Box<Herd>),
    Cluster(Box<Cluster>),
}

impl Machine {
    fn view(&self) -> &dyn View {
        match self {
            Machine::Standalone(herd) => &**herd,
            Machine::Cluster(cluster) => &**cluster,
        }
    }

    fn deadline_ms(&self) -> Option<u64> {
        match self {
            Machine::Standalone(herd) => herd.deadline_ms(),
            Machine::Cluster(cluster) => cluster.deadline_ms(),
        }
    }
}

pub(super) struct Shared {
    pub(super) config: HerderConfig,
    started: Instant,
    machine: RefCell<Machine>,
    pub(super) cluster: Option<Rc<ClusterShell>>,
    pub(super) running: RefCell<Running>,
    pub(super) reconfigurations: Reconfigurations,
    pub(super) task_events: mpsc::UnboundedSender<TaskEvent>,
    /// Bounded by what tasks report: a few states in the life of each.
    pub(super) inbox: RefCell<mpsc::UnboundedReceiver<TaskEvent>>,
    deadline_changed: Notify,
    /// Tasks are put together one at a time: an assignment brings hundreds at once, and requests are answered between two of them.
    pub(super) task_starts: Semaphore,
    pub(super) ended: watch::Sender<bool>,
}

impl Herder {
    /// Starts to herd alone. Must be called within a `LocalSet`.
    pub fn new(config: HerderConfig) -> Herder {
        let stop_timeout_ms = config.worker.shutdown_timeout.as_millis() as u64;
        let herd = Herd::new(Arc::clone(&config.worker_id), stop_timeout_ms)
            .with_clock(config.engine.env().now_ms(), config.engine.env().random.next_u64());
        Herder::around(config, Machine::Standalone(Box::new(herd)), None)
    }

    /// Starts to herd as a worker of a cluster. Must be called within a `LocalSet`.
    pub fn in_cluster(config: HerderConfig, stores: Stores) -> Herder {
        let millis = |duration: Duration| duration.as_millis() as u64;
        let distributed = &stores.config;
        let setup = ClusterSetup {
            worker_id: Arc::clone(&config.worker_id),
            stop_timeout_ms: millis(config.worker.shutdown_timeout),
            max_delay_ms: millis(distributed.scheduled_rebalance_max_delay),
            unsync_backoff_ms: millis(distributed.worker_unsync_backoff),
            key_ttl_ms: millis(distributed.key_ttl),
            key_algorithm: distributed.key_algorithm.as_str().into(),
            key_length: distributed.key_length(),
            queues_during_rebalance: distributed.queues_during_rebalance,
            is_exactly_once: distributed.exactly_once == ExactlyOnceSupport::Enabled,
            unix_ms_at_zero: config.engine.env().now_ms(),
            seed: config.engine.env().random.next_u64(),
        };
        let statuses: Rc<dyn Statuses> = Rc::new(stores.statuses.clone());
        let snapshot = stores.configs.snapshot();
        let cluster = Cluster::new(setup, Rc::clone(&config.plugins), statuses, snapshot);
        let (shell, voices) = ClusterShell::new(stores);
        let herder = Herder::around(config, Machine::Cluster(Box::new(cluster)), Some(Rc::new(shell)));
        herder.run_cluster(voices);
        herder
    }

    fn around(config: HerderConfig, machine: Machine, cluster: Option<Rc<ClusterShell>>) -> Herder {
        let windows = config.worker.windows;
        let (task_events, inbox) = mpsc::unbounded_channel();
        let herder = Herder {
            shared: Rc::new(Shared {
                machine: RefCell::new(machine),
                cluster,
                config,
                started: clock::now(),
                running: RefCell::new(Running::new(windows)),
                reconfigurations: Reconfigurations::default(),
                task_events,
                inbox: RefCell::new(inbox),
                deadline_changed: Notify::new(),
                task_starts: Semaphore::new(1),
                ended: watch::channel(false).0,
            }),
        };
        tokio::task::spawn_local(herder.clone().relay_task_events());
        tokio::task::spawn_local(herder.clone().relay_reconfigurations());
        tokio::task::spawn_local(herder.clone().keep_time());
        let limits = herder.worker().watchdog;
        tokio::task::spawn_local(crate::metrics::watch(herder.clone(), limits));
        herder
    }

    /// Carries out a command and waits for its result. Dropped before that, a worker of a cluster does not begin it later.
    ///
    /// # Errors
    /// As the command's.
    pub async fn command(&self, command: Command) -> Result<Outcome, Refusal> {
        let (reply, outcome) = oneshot::channel();
        let token = {
            let mut running = self.shared.running.borrow_mut();
            running.next_token += 1;
            let token = running.next_token;
            running.waiters.insert(token, reply);
            token
        };
        let mut waits = Waits { herder: self, token: Some(token) };
        self.step(Event::Command { token, command });
        let outcome = outcome.await;
        waits.token = None;
        outcome.unwrap_or(Err(Refusal::ShuttingDown))
    }

    /// Whether this worker may change configurations.
    ///
    /// # Errors
    /// Another one leads the cluster.
    pub(crate) fn check_leader(&self) -> Result<(), Refusal> {
        match &*self.shared.machine.borrow() {
            Machine::Cluster(cluster) => cluster.check_leader(),
            Machine::Standalone(_) => Ok(()),
        }
    }

    /// Whether a task is still to run here, by what the config topic says now.
    pub(super) fn may_write(&self, id: &TaskId, epoch: Epoch) -> Result<(), NotToWrite> {
        match (&*self.shared.machine.borrow(), &self.shared.cluster) {
            (Machine::Cluster(cluster), Some(shell)) => {
                cluster.may_write(&shell.configs.snapshot(), id, epoch)
            }
            _ => Ok(()),
        }
    }

    /// What a worker of a cluster has beside what every worker has.
    pub(crate) fn cluster_shell(&self) -> Option<Rc<ClusterShell>> {
        self.shared.cluster.clone()
    }

    /// Looks at the herd. The closure must not call the herder.
    pub(crate) fn look<T>(&self, at: impl FnOnce(&dyn View) -> T) -> T {
        at(self.shared.machine.borrow().view())
    }

    /// The plug-ins that it works with.
    pub fn plugins(&self) -> &Plugins {
        &self.shared.config.plugins
    }

    /// The worker's configuration.
    pub fn worker(&self) -> &WorkerConfig {
        &self.shared.config.worker
    }

    /// A connector's offsets, as the JSON of Java's answer.
    ///
    /// # Errors
    /// When there is no such connector, or whoever keeps its offsets does not answer.
    pub async fn offsets(&self, connector: &str) -> Result<String, Refusal> {
        let owner = self.look(|herd| herd.owner(connector));
        let owner = owner.ok_or_else(|| Refusal::NotFound(format!("Connector {connector} not found")))?;
        self.list_offsets(&self.resolve_owner(owner).await?).await
    }

    /// The same with the variables of its configuration replaced.
    pub(super) async fn resolve_owner(&self, owner: Owner) -> Result<Owner, Refusal> {
        let resolved = self.shared.config.worker.providers.resolve(&owner.config).await;
        let resolved = resolved.map_err(|error| Refusal::Failed(error.message().to_owned()))?;
        Ok(Owner { config: resolved.props, ..owner })
    }

    /// Counters of the tasks of a connector that run, by task number.
    pub fn metrics(&self, connector: &str) -> Vec<Arc<TaskMetrics>> {
        let running = self.shared.running.borrow();
        let mut found: Vec<_> =
            running.tasks.values().filter(|task| &*task.id.connector == connector).collect();
        found.sort_by_key(|task| task.id.task);
        found.into_iter().map(|task| task.handle.metrics()).collect()
    }

    /// Every connector of the command line has been created.
    pub fn set_ready(&self) {
        self.step(Event::Ready);
    }

    /// Stops everything and waits for it; a worker of a cluster then leaves its group.
    pub async fn shutdown(&self) {
        let mut ended = self.shared.ended.subscribe();
        self.step(Event::Shutdown);
        let _sender_lives_in_self = ended.wait_for(|ended| *ended).await;
        if let Some(shell) = &self.shared.cluster {
            shell.close().await;
        }
    }

    pub(super) fn step(&self, event: Event) {
        if self.shared.cluster.is_some() {
            return self.cluster_step(ClusterEvent::Herd(event));
        }
        let now_ms = self.now_ms();
        let actions = match &mut *self.shared.machine.borrow_mut() {
            Machine::Standalone(herd) => herd.step(event, now_ms),
            Machine::Cluster(_) => return,
        };
        for action in actions {
            self.perform(action);
        }
        self.forget_gone();
        self.shared.deadline_changed.notify_one();
    }

    pub(super) fn cluster_step(&self, event: ClusterEvent) {
        let Some(shell) = &self.shared.cluster else { return };
        let now_ms = self.now_ms();
        let removes = matches!(event, ClusterEvent::Config(ConfigEvent::ConnectorRemoved { .. }));
        let actions = match &mut *self.shared.machine.borrow_mut() {
            Machine::Cluster(cluster) => cluster.step(event, shell.configs.snapshot(), now_ms),
            Machine::Standalone(_) => return,
        };
        for action in actions {
            self.perform_in_cluster(shell, action);
        }
        if removes {
            self.forget_gone();
        }
        self.shared.deadline_changed.notify_one();
    }

    fn forget_gone(&self) {
        self.shared.running.borrow_mut().forget_gone(self.shared.machine.borrow().view());
    }

    fn now_ms(&self) -> u64 {
        (clock::now() - self.shared.started).as_millis() as u64
    }

    /// Takes in which tasks run without moving, and why it is held so.
    pub(crate) fn set_stuck(&self, stuck: HashMap<TaskId, Arc<str>>) {
        self.step(Event::TasksWatched { stuck });
    }

    /// The tasks that have metrics, by id, with their states.
    pub(crate) fn measured_tasks(&self) -> Vec<(MeasuredTask, State)> {
        let machine = self.shared.machine.borrow();
        self.shared.running.borrow_mut().measured.shown(machine.view())
    }

    /// What there is to measure.
    pub(crate) fn measured<T>(
        &self,
        look: impl FnOnce(Vec<MeasuredConnector>, Vec<(MeasuredTask, State)>, &Measured) -> T,
    ) -> T {
        let machine = self.shared.machine.borrow();
        let herd = machine.view();
        let measured = &mut self.shared.running.borrow_mut().measured;
        look(herd.measured(), measured.shown(herd), measured)
    }

    /// Runs tasks.
    pub(crate) fn engine(&self) -> &Engine {
        &self.shared.config.engine
    }

    /// `host:port`, as status answers show it.
    pub(crate) fn worker_id(&self) -> &str {
        &self.shared.config.worker_id
    }

    /// Sends a tick whenever something the herd waits for is overdue. A rebalance brings thousands of events, after each of which something else
    /// may be due first; it is looked for among all tasks only now and then.
    async fn keep_time(self) {
        loop {
            tokio::time::sleep(DEADLINES_INTERVAL).await;
            let deadline_ms = self.shared.machine.borrow().deadline_ms();
            let changed = self.shared.deadline_changed.notified();
            match deadline_ms {
                None => changed.await,
                Some(deadline_ms) => {
                    let deadline = self.shared.started + Duration::from_millis(deadline_ms);
                    tokio::select! {
                        () = changed => {}
                        () = tokio::time::sleep_until(deadline) => self.step(Event::Tick),
                    }
                }
            }
        }
    }
}
