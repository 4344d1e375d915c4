//! What source tasks need of their worker before they write: their connector's offsets, and with exactly-once support (KIP-618) that former
//! producers are shut out and that they are still to run.
//!
//! A task's gate lives on a data core and asks; the answers are found on the control thread.

use std::cell::RefCell;
use std::collections::HashMap;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use api::{Error, Props, Result};
use bytes::Bytes;
use engine::offset::{OffsetEntry, OffsetStore, StoreFuture};
use engine::planted::{self, Bug};
use engine::rt::clock;
use engine::task::{ExactlyOnce, StartGate, TaskId, TransactionBoundary, revoked, superseded};
use protocol::client::admin::Admin;
use protocol::cluster::Cluster;
use tokio::sync::{Mutex, mpsc, oneshot};

use super::super::event::{Command, CommandKind, Epoch, Refusal};
use super::super::herder::Herder;
use super::fencing::{FAILED, NotToWrite};
use super::shell::ClusterShell;
use crate::config::{ExactlyOnceSupport, connector_admin};
use crate::rest::RestError;
use crate::store::{OffsetsPlace, StoreError};

/// How long a fencing may take in all, leaders that change or cannot be reached included: as long as Java waits for one leader's answer.
const FENCING_WAIT: Duration = Duration::from_secs(90);

/// How long to wait before the leader is asked once more.
const FENCING_BACKOFF: Duration = Duration::from_millis(250);

/// A task's place is not lost for a config topic that cannot be read: it waits, as in Java, practically for ever.
const CONFIRMATION_WAIT: Duration = Duration::from_secs(365 * 86_400);

/// What a task's gate asks.
pub(in super::super) enum Question {
    Fence { id: TaskId, answer: oneshot::Sender<Result<()>> },
    Confirm { id: TaskId, start: Start, answer: oneshot::Sender<Result<Arc<dyn OffsetStore>>> },
}

/// One start of a task.
#[derive(Clone)]
pub(in super::super) struct Start {
    epoch: Epoch,
    /// Its connector's configuration, variables replaced.
    connector: Arc<Props>,
}

struct Gate {
    questions: mpsc::UnboundedSender<Question>,
    start: Start,
    offsets: Arc<ConfirmedOffsets>,
}

impl StartGate for Gate {
    fn fence(&self, id: &TaskId) -> StoreFuture<()> {
        if planted::is(Bug::MissedFence) {
            return Box::pin(std::future::ready(Ok(())));
        }
        let (answer, outcome) = oneshot::channel();
        let _worker_ends = self.questions.send(Question::Fence { id: id.clone(), answer });
        Box::pin(async move { outcome.await.unwrap_or_else(|_gone| Err(ends())) })
    }

    fn confirm(&self, id: &TaskId) -> StoreFuture<()> {
        let (answer, outcome) = oneshot::channel();
        let start = self.start.clone();
        let _worker_ends = self.questions.send(Question::Confirm { id: id.clone(), start, answer });
        let offsets = Arc::clone(&self.offsets);
        Box::pin(async move {
            let store = outcome.await.unwrap_or_else(|_gone| Err(ends()))?;
            let _confirmed_before = offsets.0.set(store);
            Ok(())
        })
    }
}

fn ends() -> Error {
    Error::fatal("Worker is shutting down")
}

/// A connector's offsets from the moment on at which the task may look at them. Not before: a transaction that a former task left open
/// would hold up the reading until it expires, and it is the fencing that ends it.
#[derive(Default)]
struct ConfirmedOffsets(OnceLock<Arc<dyn OffsetStore>>);

impl ConfirmedOffsets {
    fn ask<T: Send + 'static>(&self, ask: impl FnOnce(&dyn OffsetStore) -> StoreFuture<T>) -> StoreFuture<T> {
        match self.0.get() {
            Some(store) => ask(&**store),
            None => Box::pin(std::future::ready(Err(Error::fatal("the task is not confirmed yet")))),
        }
    }
}

impl OffsetStore for ConfirmedOffsets {
    fn get(&self, keys: Vec<Bytes>) -> StoreFuture<Vec<Option<Bytes>>> {
        self.ask(|store| store.get(keys))
    }

    fn entries(&self, connector: &str) -> StoreFuture<Vec<(Bytes, Bytes)>> {
        self.ask(|store| store.entries(connector))
    }

    fn set(&self, entries: Vec<OffsetEntry>) -> StoreFuture<()> {
        self.ask(|store| store.set(entries))
    }
}

/// Where a task's offsets are, and whether it writes them in transactions.
pub(in super::super) struct TaskOffsets {
    pub(in super::super) store: Arc<dyn OffsetStore>,
    /// Its boundary is the connector's to say.
    pub(in super::super) exactly_once: Option<Box<ExactlyOnce>>,
}

/// Connectors' own offset stores that are in use: one for all tasks of a connector.
#[derive(Default)]
pub(super) struct OpenedOffsets(RefCell<HashMap<Arc<str>, Slot>>);

/// Whoever opens holds it meanwhile.
type Slot = Rc<Mutex<Option<Opened>>>;

struct Opened {
    connector: Props,
    store: Weak<dyn OffsetStore>,
}

impl Herder {
    /// Answers the gates of tasks for as long as there can be any.
    pub(super) async fn answer_tasks(self, mut questions: mpsc::UnboundedReceiver<Question>) {
        while let Some(question) = questions.recv().await {
            let Some(shell) = self.cluster_shell() else { return };
            let herder = self.clone();
            tokio::task::spawn_local(async move {
                match question {
                    Question::Fence { id, mut answer } => {
                        let outcome = tokio::select! {
                            () = answer.closed() => return,
                            outcome = herder.fence(&shell, &id) => outcome,
                        };
                        let _given_up = answer.send(outcome);
                    }
                    Question::Confirm { id, start, mut answer } => {
                        let outcome = tokio::select! {
                            () = answer.closed() => return,
                            outcome = herder.confirm(&shell, &id, &start) => outcome,
                        };
                        let _given_up = answer.send(outcome);
                    }
                }
            });
        }
    }

    /// A round of fencing, here or at the leader. While the group changes its leader, whoever leads next is asked.
    async fn fence(&self, shell: &ClusterShell, id: &TaskId) -> Result<()> {
        let begun = clock::now();
        loop {
            let command = Command { connector: Arc::clone(&id.connector), kind: CommandKind::Fence };
            let error = match self.command(command).await {
                Ok(_) => return Ok(()),
                Err(Refusal::Elsewhere { url: Some(url) }) => {
                    match shell.ask_to_fence(&id.connector, &url).await {
                        Ok(()) => return Ok(()),
                        Err(error) => error,
                    }
                }
                Err(refusal) => RestError::Refused(refusal),
            };
            let message = error.message();
            if is_final(&error) || message == FAILED || clock::now() - begun > FENCING_WAIT {
                return Err(Error::fatal(message));
            }
            tracing::warn!(task = %id, error = message, "former producers are not fenced yet, trying again");
            tokio::time::sleep(FENCING_BACKOFF).await;
        }
    }

    /// The task has its transactional id: is it still to run? If so, its offsets.
    async fn confirm(
        &self,
        shell: &ClusterShell,
        id: &TaskId,
        start: &Start,
    ) -> Result<Arc<dyn OffsetStore>> {
        let read = shell.configs.refresh(CONFIRMATION_WAIT).await;
        read.map_err(|error| Error::fatal("Failed to read to end of config topic").with_source(error))?;
        self.may_write(id, start.epoch).map_err(|reason| match reason {
            NotToWrite::Superseded => superseded(id),
            NotToWrite::Revoked => revoked(id),
        })?;
        self.connector_offsets(&id.connector, &start.connector).await
    }

    /// What the start of a task needs to know of offsets. Its connector's configuration has its variables replaced.
    pub(in super::super) async fn task_offsets(
        &self,
        id: &TaskId,
        epoch: Epoch,
        connector: &Props,
    ) -> Result<TaskOffsets> {
        let config = &self.shared.config;
        let of_worker = || TaskOffsets { store: Arc::clone(&config.offsets), exactly_once: None };
        let Some(shell) = self.cluster_shell() else { return Ok(of_worker()) };
        let class = connector.get("connector.class").map_or("", |class| class.trim());
        if !config.plugins.connector(class).is_ok_and(|plugin| plugin.is_source()) {
            return Ok(of_worker());
        }
        if shell.config().exactly_once != ExactlyOnceSupport::Enabled {
            let store = self.connector_offsets(&id.connector, connector).await?;
            return Ok(TaskOffsets { store, exactly_once: None });
        }
        let place = OffsetsPlace::of(&config.worker, shell.config(), &id.connector, connector)?;
        let offsets = Arc::new(ConfirmedOffsets::default());
        let gate = Gate {
            questions: shell.questions.clone(),
            start: Start { epoch, connector: Arc::new(connector.clone()) },
            offsets: Arc::clone(&offsets),
        };
        let exactly_once = ExactlyOnce {
            transactional_id: shell.config().task_transactional_id(&id.connector, id.task).into(),
            boundary: TransactionBoundary::Poll,
            offsets_topic: Arc::clone(&place.topic),
            secondary: (!place.is_workers).then(|| Arc::clone(&config.offsets)),
            gate: Arc::new(gate),
        };
        Ok(TaskOffsets { store: offsets, exactly_once: Some(Box::new(exactly_once)) })
    }

    /// The store that a source connector's offsets are in; opened once for as long as somebody uses it.
    pub(in super::super) async fn connector_offsets(
        &self,
        connector: &Arc<str>,
        props: &Props,
    ) -> Result<Arc<dyn OffsetStore>> {
        let config = &self.shared.config;
        let Some(shell) = self.cluster_shell() else { return Ok(Arc::clone(&config.offsets)) };
        let place = OffsetsPlace::of(&config.worker, shell.config(), connector, props)?;
        if place.is_shared {
            return Ok(Arc::clone(&config.offsets));
        }
        let opened = {
            let mut all = shell.opened.0.borrow_mut();
            // Those that nobody has in hand, and whose store has gone.
            all.retain(|_, opened| {
                Rc::strong_count(opened) > 1
                    || opened.try_lock().is_ok_and(|opened| {
                        opened.as_ref().is_some_and(|opened| opened.store.strong_count() > 0)
                    })
            });
            Rc::clone(all.entry(Arc::clone(connector)).or_default())
        };
        let mut opened = opened.lock().await;
        let known = opened.as_ref().filter(|opened| opened.connector == *props);
        if let Some(store) = known.and_then(|opened| opened.store.upgrade()) {
            return Ok(store);
        }
        let env = config.engine.env();
        // In a box of its own: it is deep, and REST calls this from deep below.
        let opening = place.open(env, &config.worker, shell.config(), Arc::clone(&config.offsets));
        let opening: Pin<Box<dyn Future<Output = _>>> = Box::pin(opening);
        let store = opening.await.map_err(not_opened)?;
        *opened = Some(Opened { connector: props.clone(), store: Arc::downgrade(&store) });
        Ok(store)
    }

    /// The store for a change of a source connector's offsets from outside, former producers being fenced.
    pub(in super::super) async fn offsets_to_change(
        &self,
        connector: &Arc<str>,
        props: &Props,
    ) -> Result<Arc<dyn OffsetStore>> {
        let config = &self.shared.config;
        let exactly_once =
            self.cluster_shell().filter(|shell| shell.config().exactly_once == ExactlyOnceSupport::Enabled);
        let Some(shell) = exactly_once else { return self.connector_offsets(connector, props).await };
        let place = OffsetsPlace::of(&config.worker, shell.config(), connector, props)?
            .to_change(&config.worker, shell.config())?;
        let of_worker = Arc::clone(&config.offsets);
        let opening = place.open(config.engine.env(), &config.worker, shell.config(), of_worker);
        // In a box of its own, as above.
        let opening: Pin<Box<dyn Future<Output = _>>> = Box::pin(opening);
        opening.await.map_err(not_opened)
    }

    /// Shuts out the producers of so many tasks, with the connector's own admin client (`Worker#fenceZombies`).
    pub(super) async fn fence_producers(
        &self,
        shell: &ClusterShell,
        connector: &Arc<str>,
        config: &Props,
        task_count: u32,
    ) -> Result<()> {
        let worker = &self.shared.config.worker;
        let resolved = worker.providers.resolve(config).await?;
        let client_id = format!("connector-worker-adminclient-{connector}");
        let (cluster, _) = connector_admin(worker, client_id, &resolved.props)?;
        let cluster = Cluster::new(self.shared.config.engine.env().clone(), cluster);
        let admin = Admin::new(cluster).with_timeout(FENCING_WAIT);
        let ids: Vec<String> =
            (0..task_count).map(|task| shell.config().task_transactional_id(connector, task)).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        for (fenced, id) in admin.fence_producers(&ids).await.into_iter().zip(ids) {
            fenced.map_err(|error| {
                Error::fatal(format!("the producers of {id} were not fenced: {error}")).with_source(error)
            })?;
        }
        Ok(())
    }
}

fn not_opened(error: StoreError) -> Error {
    Error::fatal("failed to open the offsets of the connector").with_source(error)
}

/// Asking again, or another leader, gives the same.
fn is_final(error: &RestError) -> bool {
    matches!(
        error,
        RestError::Refused(Refusal::NotFound(_) | Refusal::BadRequest(_) | Refusal::ShuttingDown)
            | RestError::Remote { status: 400 | 404, .. }
    )
}
