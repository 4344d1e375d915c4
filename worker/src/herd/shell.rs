//! The shell around [`Herd`]: performs its actions on the control thread and feeds it what happens.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use api::{Error, Props};
use engine::Engine;
use engine::connector::ConnectorHandle;
use engine::metrics::TaskMetrics;
use engine::offset::OffsetStore;
use engine::rt::Hang;
use engine::rt::clock::{self, Instant};
use engine::task::{TaskEvent, TaskHandle, TaskId, TaskState, trace};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::AbortHandle;

use super::connector::State;
use super::event::{Action, Command, Epoch, Event, GenerateError, Outcome, Refusal, Token};
use super::machine::Herd;
use super::measured::{Measured, MeasuredConnector, MeasuredTask, TaskFacts};
use super::offsets::{self, OffsetRequest, Owner};
use super::resolving::Resolving;
use super::task_spec::task_spec;
use super::topics::PastTopics;
use crate::config::{ConnectorConfig, Plugins, WorkerConfig, providers};
use crate::redact;

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
    task_events: mpsc::UnboundedSender<TaskEvent>,
    /// Bounded by what tasks report: a few states in the life of each.
    inbox: RefCell<mpsc::UnboundedReceiver<TaskEvent>>,
    deadline_changed: Notify,
    ended: watch::Sender<bool>,
}

/// What the actions have started.
#[derive(Default)]
pub(super) struct Running {
    next_token: Token,
    waiters: HashMap<Token, oneshot::Sender<Result<Outcome, Refusal>>>,
    /// `None` while it starts.
    instances: HashMap<Epoch, Option<Rc<ConnectorHandle>>>,
    pub(super) tasks: HashMap<Epoch, RunningTask>,
    /// Tasks whose configuration providers are being asked.
    pub(super) resolving: HashMap<Epoch, Resolving>,
    /// Restarts that are due when what a provider gave ends, by connector and path.
    pub(super) reloads: HashMap<(Arc<str>, String), AbortHandle>,
    offset_changes: HashMap<Epoch, AbortHandle>,
    pub(super) past_topics: PastTopics,
    /// From the engine's count of starts to ours.
    epochs: HashMap<u64, Epoch>,
    pub(super) measured: Measured,
}

pub(super) struct RunningTask {
    pub(super) id: TaskId,
    pub(super) handle: Rc<TaskHandle>,
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
                running: RefCell::new(Running { measured: Measured::new(windows), ..Running::default() }),
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
    pub fn look<T>(&self, at: impl FnOnce(&Herd) -> T) -> T {
        at(&self.shared.herd.borrow())
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
        offsets::list(&self.shared.config, &self.resolve_owner(owner).await?).await
    }

    /// The same with the variables of its configuration replaced.
    async fn resolve_owner(&self, owner: Owner) -> Result<Owner, Refusal> {
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
        running.past_topics.retain(&herd);
        running.forget_reloads(&herd);
        drop((running, herd));
        self.shared.deadline_changed.notify_one();
    }

    fn perform(&self, action: Action) {
        match action {
            Action::StartInstance { connector, epoch, plugin, config } => {
                self.shared.running.borrow_mut().instances.insert(epoch, None);
                let herder = self.clone();
                tokio::task::spawn_local(async move {
                    let started = match herder.resolve(&connector, &config).await {
                        Ok(config) => ConnectorHandle::start(plugin, &connector, config).await,
                        Err(error) => Err(error),
                    };
                    herder.instance_started(connector, epoch, started);
                });
            }
            Action::StopInstance { epoch } => {
                // Dropping the handle stops the instance, on its own thread.
                drop(self.shared.running.borrow_mut().instances.remove(&epoch));
            }
            Action::GenerateTasks { connector, epoch, config } => {
                tokio::task::spawn_local(self.clone().generate(connector, epoch, config));
            }
            Action::ChangeOffsets { connector, epoch, plugin, config, request } => {
                self.change_offsets(epoch, Owner { connector, plugin, config }, request);
            }
            Action::AbandonOffsets { epoch } => {
                if let Some(change) = self.shared.running.borrow_mut().offset_changes.remove(&epoch) {
                    change.abort();
                }
            }
            Action::StartTask { id, epoch, config, props, starts_paused } => {
                let resolving = Resolving { starts_paused, is_stopped: false };
                self.shared.running.borrow_mut().resolving.insert(epoch, resolving);
                tokio::task::spawn_local(self.clone().resolve_task(id, epoch, config, props));
            }
            Action::PauseTask { epoch } => {
                self.with_task(epoch, |task| task.handle.pause());
                self.with_resolving(epoch, |task| task.starts_paused = true);
            }
            Action::ResumeTask { epoch } => {
                self.with_task(epoch, |task| task.handle.resume());
                self.with_resolving(epoch, |task| task.starts_paused = false);
            }
            Action::StopTask { epoch } => {
                self.with_task(epoch, |task| task.handle.stop());
                self.with_resolving(epoch, |task| task.is_stopped = true);
            }
            Action::AbandonTask { id, epoch } => {
                tracing::warn!(
                    connector = &*id.connector,
                    task = id.task,
                    "task is given up; until its current call returns it lives on as a zombie"
                );
                self.with_task(epoch, |task| task.handle.abandon());
            }
            Action::Reply { token, result } => {
                if let Some(waiter) = self.shared.running.borrow_mut().waiters.remove(&token) {
                    let _caller_gone = waiter.send(result);
                }
            }
            Action::Ended => drop(self.shared.ended.send_replace(true)),
        }
    }

    fn with_task(&self, epoch: Epoch, act: impl FnOnce(&RunningTask)) {
        if let Some(task) = self.shared.running.borrow().tasks.get(&epoch) {
            act(task);
        }
    }

    fn instance_started(&self, connector: Arc<str>, epoch: Epoch, started: Result<ConnectorHandle, Error>) {
        let result = match started {
            Ok(handle) => {
                match self.shared.running.borrow_mut().instances.get_mut(&epoch) {
                    Some(place) => *place = Some(Rc::new(handle)),
                    // Stopped meanwhile.
                    None => drop(handle),
                }
                tracing::info!(connector = &*connector, "connector started");
                Ok(())
            }
            Err(error) => {
                self.shared.running.borrow_mut().instances.remove(&epoch);
                tracing::error!(connector = &*connector, error = %chain(&error), "connector failed to start");
                Err(redact::hide(&trace(&error, "herd.start_connector")).into_owned())
            }
        };
        self.shared.running.borrow_mut().measured.instance_started(result.is_ok());
        self.step(Event::InstanceStarted { connector, epoch, result });
    }

    async fn generate(self, connector: Arc<str>, epoch: Epoch, config: Props) {
        let result = self.task_props(&connector, epoch, &config).await.map_err(|error| {
            tracing::error!(connector = &*connector, error = %chain(&error), "connector failed to make task configurations");
            let hidden = |text: &str| redact::hide(text).into_owned();
            GenerateError { message: hidden(error.message()), trace: hidden(&trace(&error, "herd.task_configs")) }
        });
        self.step(Event::TasksGenerated { connector, epoch, result });
    }

    async fn task_props(
        &self,
        connector: &Arc<str>,
        epoch: Epoch,
        config: &Props,
    ) -> Result<Vec<Props>, Error> {
        let resolved = self.resolve(connector, config).await?;
        let raw = config;
        let config =
            ConnectorConfig::parse(&resolved, &self.shared.config.plugins, &self.shared.config.worker)?;
        let instance = self.shared.running.borrow().instances.get(&epoch).cloned().flatten();
        let instance = instance.ok_or_else(|| Error::fatal("the connector has been stopped"))?;
        let props = instance.task_props(config.tasks_max).await?;
        if let Some(message) = config.too_many_tasks(connector, props.len()) {
            if config.enforces_tasks_max {
                return Err(Error::fatal(message)
                    .with_java_class("org.apache.kafka.connect.runtime.TooManyTasksException"));
            }
            tracing::warn!(connector = &**connector, "{message}");
        }
        Ok(props.into_iter().map(|task| providers::reverse(raw, task)).collect())
    }

    fn change_offsets(&self, epoch: Epoch, owner: Owner, request: OffsetRequest) {
        let herder = self.clone();
        let change = tokio::task::spawn_local(async move {
            let verb = request.verb();
            let connector = Arc::clone(&owner.connector);
            let result = match herder.resolve_owner(owner).await {
                Ok(owner) => offsets::change(&herder.shared.config, &owner, request).await,
                Err(refusal) => Err(refusal),
            };
            match &result {
                Ok(_) => tracing::info!(connector = &*connector, "offsets changed by request: {verb}"),
                Err(error) => tracing::warn!(connector = &*connector, %error, "failed to {verb} offsets"),
            }
            herder.shared.running.borrow_mut().offset_changes.remove(&epoch);
            herder.step(Event::OffsetsChanged { connector, epoch, result });
        });
        self.shared.running.borrow_mut().offset_changes.insert(epoch, change.abort_handle());
    }

    pub(super) fn start_task(
        &self,
        id: TaskId,
        epoch: Epoch,
        connector: &Props,
        props: Props,
        starts_paused: bool,
    ) {
        let HerderConfig { worker, plugins, engine, offsets, .. } = &self.shared.config;
        let spec = match task_spec(id.clone(), connector, props, starts_paused, plugins, worker, offsets) {
            Ok(spec) => spec,
            Err(error) => return self.task_not_started(id, epoch, &error),
        };
        let facts = TaskFacts {
            key_converter: spec.key_converter.plugin.class,
            value_converter: spec.value_converter.plugin.class,
            header_converter: spec.header_converter.plugin.class,
        };
        let handle = Rc::new(engine.start_task(spec, self.shared.task_events.clone()));
        let run = handle.run();
        let herder = self.clone();
        {
            let mut running = self.shared.running.borrow_mut();
            running.epochs.insert(run, epoch);
            running.measured.task_begun(&id, epoch, &handle, facts);
            running.tasks.insert(epoch, RunningTask { id: id.clone(), handle: Rc::clone(&handle) });
        }
        tokio::task::spawn_local(async move {
            herder.watch(&id, epoch, &handle).await;
            // Its last report was sent before it ended, and says why.
            herder.take_reports();
            {
                let mut running = herder.shared.running.borrow_mut();
                if let Some(ended) = running.tasks.remove(&epoch) {
                    running.past_topics.keep(&id.connector, &ended.handle.metrics().topics);
                }
                running.epochs.remove(&run);
                running.measured.task_ended(&id, epoch);
            }
            herder.step(Event::TaskEnded { id, epoch });
        });
    }

    /// Until the task has ended. If its core hangs meanwhile, that is told.
    async fn watch(&self, id: &TaskId, epoch: Epoch, handle: &TaskHandle) {
        let mut core = handle.hang_watch();
        loop {
            tokio::select! {
                () = handle.ended() => return,
                hang = core.hangs() => match hang {
                    Hang::Itself => tracing::error!(
                        connector = &*id.connector,
                        task = id.task,
                        "task hangs: it has not given its core back for too long, and can be neither paused nor stopped"
                    ),
                    Hang::Neighbour => {
                        tracing::warn!(
                            connector = &*id.connector,
                            task = id.task,
                            "task is started anew on another core: its own hangs in another task"
                        );
                        self.step(Event::TaskDisplaced { id: id.clone(), epoch });
                    }
                },
            }
            tokio::select! {
                () = handle.ended() => return,
                () = core.recovers() => {}
            }
        }
    }

    pub(super) fn task_not_started(&self, id: TaskId, epoch: Epoch, error: &Error) {
        tracing::error!(connector = &*id.connector, task = id.task, error = %chain(error), "failed to start task");
        self.shared.running.borrow_mut().measured.task_not_begun();
        let state = TaskState::Failed {
            trace: redact::hide(&trace(error, "herd.start_task")).into_owned(),
            is_built: false,
        };
        self.step(Event::TaskReported { id: id.clone(), epoch, state });
        self.step(Event::TaskEnded { id, epoch });
    }

    async fn relay_task_events(self) {
        // Borrowed for each look only: the end of a task looks as well.
        while let Some(event) = poll_fn(|context| self.shared.inbox.borrow_mut().poll_recv(context)).await {
            self.task_reported(event);
        }
    }

    /// Takes in what tasks have reported so far.
    fn take_reports(&self) {
        loop {
            let report = self.shared.inbox.borrow_mut().try_recv();
            let Ok(event) = report else { return };
            self.task_reported(event);
        }
    }

    fn task_reported(&self, event: TaskEvent) {
        let TaskEvent { id, run, state } = event;
        let Some(epoch) = self.shared.running.borrow().epochs.get(&run).copied() else { return };
        let (connector, task) = (&*id.connector, id.task);
        let state = match state {
            TaskState::Failed { trace, is_built } => {
                TaskState::Failed { trace: redact::hide(&trace).into_owned(), is_built }
            }
            state => state,
        };
        match &state {
            TaskState::Running => tracing::info!(connector, task, "task running"),
            TaskState::Paused => tracing::info!(connector, task, "task paused"),
            // The engine has said so.
            TaskState::Stopped | TaskState::Failed { .. } => {}
        }
        self.shared.running.borrow_mut().measured.task_reported(&id, epoch, &state);
        self.step(Event::TaskReported { id, epoch, state });
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
        look(herd.measured(), measured.shown(&herd), measured)
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
            let deadline_ms = self.look(Herd::deadline_ms);
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

/// An error with its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
