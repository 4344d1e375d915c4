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
use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::event::{Command, Event, Outcome, Refusal};
use super::local::{Measured, MeasuredTask, Owner, Running, list_offsets};
use super::standalone::Herd;
use super::state::State;
use super::view::{MeasuredConnector, View};
use crate::config::{Plugins, WorkerConfig};

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

pub(super) struct Shared {
    pub(super) config: HerderConfig,
    started: Instant,
    herd: RefCell<Herd>,
    pub(super) running: RefCell<Running>,
    pub(super) task_events: mpsc::UnboundedSender<TaskEvent>,
    /// Bounded by what tasks report: a few states in the life of each.
    pub(super) inbox: RefCell<mpsc::UnboundedReceiver<TaskEvent>>,
    deadline_changed: Notify,
    pub(super) ended: watch::Sender<bool>,
}

impl Herder {
    /// Starts to herd. Must be called within a `LocalSet`.
    pub fn new(config: HerderConfig) -> Herder {
        let stop_timeout_ms = config.worker.shutdown_timeout.as_millis() as u64;
        let windows = config.worker.windows;
        let (task_events, inbox) = mpsc::unbounded_channel();
        let herder = Herder {
            shared: Rc::new(Shared {
                herd: RefCell::new(
                    Herd::new(Arc::clone(&config.worker_id), stop_timeout_ms)
                        .with_clock(clock::unix_ms(), config.engine.env().random.next_u64()),
                ),
                config,
                started: clock::now(),
                running: RefCell::new(Running::new(windows)),
                task_events,
                inbox: RefCell::new(inbox),
                deadline_changed: Notify::new(),
                ended: watch::channel(false).0,
            }),
        };
        tokio::task::spawn_local(herder.clone().relay_task_events());
        tokio::task::spawn_local(herder.clone().keep_time());
        let limits = herder.worker().watchdog;
        tokio::task::spawn_local(crate::metrics::watch(herder.clone(), limits));
        herder
    }

    /// Carries out a command and waits for its result.
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
        self.step(Event::Command { token, command });
        outcome.await.unwrap_or(Err(Refusal::ShuttingDown))
    }

    /// Looks at the herd. The closure must not call the herder.
    pub(crate) fn look<T>(&self, at: impl FnOnce(&dyn View) -> T) -> T {
        at(&*self.shared.herd.borrow())
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
        list_offsets(&self.shared.config, &self.resolve_owner(owner).await?).await
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

    /// Stops everything and waits for it.
    pub async fn shutdown(&self) {
        let mut ended = self.shared.ended.subscribe();
        self.step(Event::Shutdown);
        let _sender_lives_in_self = ended.wait_for(|ended| *ended).await;
    }

    pub(super) fn step(&self, event: Event) {
        let now_ms = (clock::now() - self.shared.started).as_millis() as u64;
        let actions = self.shared.herd.borrow_mut().step(event, now_ms);
        for action in actions {
            self.perform(action);
        }
        let mut running = self.shared.running.borrow_mut();
        let herd = self.shared.herd.borrow();
        running.forget_gone(&*herd);
        drop((running, herd));
        self.shared.deadline_changed.notify_one();
    }

    /// Takes in which tasks run without moving, and why it is held so.
    pub(crate) fn set_stuck(&self, stuck: HashMap<TaskId, Arc<str>>) {
        self.step(Event::TasksWatched { stuck });
    }

    /// What there is to measure.
    pub(crate) fn measured<T>(
        &self,
        look: impl FnOnce(Vec<MeasuredConnector>, Vec<(MeasuredTask, State)>, &Measured) -> T,
    ) -> T {
        let herd = self.shared.herd.borrow();
        let measured = &mut self.shared.running.borrow_mut().measured;
        look(herd.measured(), measured.shown(&*herd), measured)
    }

    /// Runs tasks.
    pub(crate) fn engine(&self) -> &Engine {
        &self.shared.config.engine
    }

    /// `host:port`, as status answers show it.
    pub(crate) fn worker_id(&self) -> &str {
        &self.shared.config.worker_id
    }

    /// Sends a tick whenever something the herd waits for is overdue.
    async fn keep_time(self) {
        loop {
            let deadline_ms = self.shared.herd.borrow().deadline_ms();
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
