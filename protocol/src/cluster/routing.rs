//! The cluster handle: resolves whom a request is for, sends one attempt, and repeats under the one retry policy.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::debug;

use super::nodes::{NodeKey, Nodes};
use super::refresh::Refresher;
use super::retry::{RetryAction, RetryPolicy, decide};
use super::{ClusterConfig, Leader, Metadata, Request, TopicMetadata};
use crate::metrics::{Client, Report};
use crate::net::{Connection, ConnectionConfig, ConnectionMetrics, Env};
use crate::wire::records::BufferPool;
use crate::{Error, ErrorCode, ErrorKind, Result};

/// Whom a request is for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    /// Any broker.
    Any,
    /// The broker with this node id.
    Node(i32),
    /// The broker that answers controller requests.
    Controller,
    /// The coordinator of this consumer, Connect or other group.
    GroupCoordinator(Arc<str>),
    /// The coordinator of this transactional id.
    TransactionCoordinator(Arc<str>),
}

/// A Kafka cluster as one client sees it, with connections of its own. Clones share them.
///
/// Lives on one thread: create and use it inside a `LocalSet`.
#[derive(Clone)]
pub struct Cluster {
    inner: Rc<Inner>,
}

/// What bounds one attempt.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) timeout: Duration,
    pub(super) version_max: i16,
}

pub(super) struct Inner {
    pub(super) env: Env,
    pub(super) config: ClusterConfig,
    pub(super) nodes: Rc<Nodes>,
    pub(super) metadata: RefCell<Rc<Metadata>>,
    pub(super) refresher: Refresher,
    pool: BufferPool,
    coordinators: RefCell<IndexMap<Target, i32>>,
    is_closed: Cell<bool>,
}

impl Cluster {
    /// A client of the cluster behind `config.bootstrap`. Nothing is dialled yet.
    pub fn new(env: Env, config: ClusterConfig) -> Self {
        let pool = BufferPool::of_thread();
        let connection_config = ConnectionConfig {
            client_id: Arc::clone(&config.client_id),
            request_timeout: Duration::from_millis(config.request_timeout_ms),
            frame_bytes_max: config.frame_bytes_max,
            pool: pool.clone(),
            sasl: config.security.sasl.clone(),
            env: env.clone(),
            metrics: ConnectionMetrics::new(config.metrics),
        };
        let nodes = Rc::new(Nodes::new(env.clone(), &config, connection_config));
        Self {
            inner: Rc::new(Inner {
                refresher: Refresher::new(),
                nodes,
                metadata: RefCell::default(),
                coordinators: RefCell::default(),
                pool,
                is_closed: Cell::new(false),
                env,
                config,
            }),
        }
    }

    /// The world that this client lives in.
    pub fn env(&self) -> &Env {
        &self.inner.env
    }

    /// The settings.
    pub fn config(&self) -> &ClusterConfig {
        &self.inner.config
    }

    /// Reports what the connections count, as those of `client`.
    pub(crate) fn report(&self, client: Client, report: &mut Report<'_>) {
        self.inner.nodes.metrics().report(client, report);
    }

    /// Requests whose response is still awaited, on all connections.
    pub(crate) fn in_flight_count(&self) -> usize {
        self.inner.nodes.in_flight_count()
    }

    /// How old the view of the cluster is; None before the first one.
    pub(crate) fn metadata_age(&self, now: Instant) -> Option<Duration> {
        self.inner.refresher.age(now)
    }

    /// The pool that large responses are read into.
    pub fn pool(&self) -> &BufferPool {
        &self.inner.pool
    }

    /// Sends what `build` makes for the negotiated version, once, to `target`, and awaits the response.
    ///
    /// Error codes inside the response are the caller's to check ([`Error::check`]); feed the outcome to
    /// [`retrying`](Self::retrying) rather than looping.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// `Disconnected`, `Timeout`, `Unsupported` where there is no common version, `Malformed`; a broker error where the coordinator
    /// or the controller could not be found.
    pub async fn call<R: Request>(
        &self,
        target: &Target,
        build: impl Fn(i16) -> R,
    ) -> Result<(R::Response, i16)> {
        self.call_within(target, self.inner.request_timeout(), build).await
    }

    /// As [`call`](Self::call) in no later version than `version_max`, for requests whose later versions mean something else.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub async fn call_up_to<R: Request>(
        &self,
        target: &Target,
        version_max: i16,
        build: impl Fn(i16) -> R,
    ) -> Result<(R::Response, i16)> {
        self.attempt(target, Limits { timeout: self.inner.request_timeout(), version_max }, build).await
    }

    /// As [`call`](Self::call) with a time limit of its own, for requests that the broker holds back on purpose.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub async fn call_within<R: Request>(
        &self,
        target: &Target,
        timeout: Duration,
        build: impl Fn(i16) -> R,
    ) -> Result<(R::Response, i16)> {
        self.attempt(target, Limits { timeout, version_max: i16::MAX }, build).await
    }

    async fn attempt<R: Request>(
        &self,
        target: &Target,
        limits: Limits,
        build: impl Fn(i16) -> R,
    ) -> Result<(R::Response, i16)> {
        let outcome = match target {
            Target::Any => self.inner.call_any(limits, &build).await,
            Target::Node(node) => self.inner.call_node(NodeKey::Node(*node), limits, &build).await,
            Target::Controller => {
                let node = self.controller().await?;
                self.inner.call_node(NodeKey::Node(node), limits, &build).await
            }
            Target::GroupCoordinator(_) | Target::TransactionCoordinator(_) => {
                let node = self.coordinator(target).await?;
                self.inner.call_node(NodeKey::Node(node), limits, &build).await
            }
        };
        if let Err(error) = &outcome
            && matches!(error.kind(), ErrorKind::Disconnected | ErrorKind::Timeout)
        {
            self.forget_coordinator(target);
        }
        outcome
    }

    /// The connection to `node`, made when there is none; for callers that pipeline requests themselves.
    ///
    /// # Errors
    /// `Disconnected` or `Timeout` where it could not be made, or where the node is not in the metadata.
    pub async fn connection(&self, node: i32) -> Result<Connection> {
        self.inner.nodes.connect(NodeKey::Node(node)).await
    }

    /// The connection to `node` if there is a live one now.
    pub fn open_connection(&self, node: i32) -> Option<Connection> {
        self.inner.nodes.open_connection(NodeKey::Node(node))
    }

    /// The newest view of the cluster; empty (generation 0) before the first refresh.
    pub fn metadata(&self) -> Rc<Metadata> {
        Rc::clone(&self.inner.metadata.borrow())
    }

    /// A view newer than `seen_generation`, fetched unless somebody else already did or is doing so.
    ///
    /// # Errors
    /// When no broker answered; one attempt over all of them.
    pub async fn refresh(&self, seen_generation: u64) -> Result<Rc<Metadata>> {
        self.inner.refresh(seen_generation).await
    }

    /// The topic, which becomes one of interest as by [`note_use`](Self::note_use). Waits while the topic is being created.
    ///
    /// # Errors
    /// `Broker` with Kafka's code where the topic does not exist until `deadline`, is invalid or not permitted.
    pub async fn topic(&self, name: &str, deadline: Instant) -> Result<Arc<TopicMetadata>> {
        let name: Arc<str> = name.into();
        self.retrying(&Target::Any, deadline, async || {
            self.inner.refresher.note_use(&name);
            let mut view = self.fresh_metadata().await?;
            while view.topic(&name).is_none() {
                view = self.refresh(view.generation).await?;
            }
            match view.topic(&name) {
                Some(topic) if topic.error == ErrorCode::NONE => Ok(Arc::clone(topic)),
                Some(topic) => {
                    Err(Error::broker("look up topic", topic.error).with_source(format!("topic {name}")))
                }
                None => Err(Error::broker("look up topic", ErrorCode::UNKNOWN_TOPIC_OR_PARTITION)),
            }
        })
        .await
    }

    /// Says that a topic is in use: refreshes include it until it was not used for `metadata.max.idle.ms`.
    pub fn note_use(&self, topic: &str) {
        self.inner.refresher.note_use(topic);
    }

    /// Adds topics to those of interest without waiting; every refresh includes them until they are
    /// [forgotten](Self::forget_interest).
    pub fn note_interest<'a>(&self, topics: impl IntoIterator<Item = &'a str>) {
        for topic in topics {
            self.inner.refresher.note_interest(topic);
        }
    }

    /// Removes a topic from those of interest.
    pub fn forget_interest(&self, topic: &str) {
        self.inner.refresher.forget_interest(topic);
    }

    /// Who leads `partition` of `topic` by the newest view.
    pub fn leader(&self, topic: &str, partition: i32) -> Option<Leader> {
        self.inner.metadata.borrow().leader(topic, partition)
    }

    /// Takes over a newer leader that a produce or fetch response named (KIP-951).
    pub fn note_leader(&self, topic: &str, partition: i32, leader: Leader) {
        let mut metadata = self.inner.metadata.borrow_mut();
        if let Some(newer) = metadata.with_leader(topic, partition, leader) {
            *metadata = Rc::new(newer);
        }
    }

    /// Whether the view is older than `metadata.max.age.ms`, so that whoever uses it should refresh it.
    pub fn is_metadata_old(&self) -> bool {
        self.inner.is_metadata_old()
    }

    /// The current view, refreshed first when it is older than `metadata.max.age.ms`, or empty.
    ///
    /// # Errors
    /// As [`refresh`](Self::refresh), but only while there is no view at all.
    pub async fn fresh_metadata(&self) -> Result<Rc<Metadata>> {
        let view = self.metadata();
        if view.generation == 0 {
            return self.refresh(0).await;
        }
        if self.inner.is_metadata_old() {
            // A stale view is better than none: the next failed request asks for a refresh again.
            return Ok(self.refresh(view.generation).await.unwrap_or(view));
        }
        Ok(view)
    }

    /// The node that coordinates `target`, if that was looked up.
    pub(super) fn known_coordinator(&self, target: &Target) -> Option<i32> {
        self.inner.coordinators.borrow().get(target).copied()
    }

    pub(super) fn note_coordinator(&self, target: &Target, node: i32) {
        self.inner.coordinators.borrow_mut().insert(target.clone(), node);
    }

    /// Forgets who coordinates `target`, because it said that it does not, or because it is gone.
    pub fn forget_coordinator(&self, target: &Target) {
        self.inner.coordinators.borrow_mut().shift_remove(target);
    }

    /// Runs `attempt` until it succeeds, fails for good, or `deadline` passes; between attempts it does what [`decide`] says and
    /// waits as the retry policy says. The only retry loop of the crate.
    ///
    /// # Errors
    /// The error of the last attempt; `Timeout` where the deadline passed during the first one.
    pub async fn retrying<T>(
        &self,
        target: &Target,
        deadline: Instant,
        mut attempt: impl AsyncFnMut() -> Result<T>,
    ) -> Result<T> {
        let policy = RetryPolicy::requests(&self.inner.config);
        let mut failure_count = 0;
        let mut last = None;
        loop {
            let seen_generation = self.metadata().generation;
            let error = match timeout_at(deadline, attempt()).await {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(error)) => error,
                Err(_elapsed) => return Err(last.unwrap_or_else(|| Error::timeout("complete request"))),
            };
            failure_count += 1;
            let pause_until = Instant::now() + policy.after(&error).backoff(&self.inner.env, failure_count);
            let action = decide(&error);
            if action == RetryAction::Fail || pause_until >= deadline || self.inner.is_closed.get() {
                return Err(error);
            }
            debug!(%error, ?action, failure_count, "request failed and is tried again");
            last = Some(error);
            sleep_until(pause_until).await;
            match action {
                RetryAction::Fail | RetryAction::Retry => {}
                RetryAction::RefindCoordinatorAndRetry => self.forget_coordinator(target),
                RetryAction::RefreshMetadataAndRetry => {
                    // When this fails the next attempt says why.
                    if let Ok(Err(error)) = timeout_at(deadline, self.refresh(seen_generation)).await {
                        debug!(%error, "failed to refresh metadata");
                    }
                }
            }
        }
    }

    /// Closes all connections. What is in flight or asked for later fails with `Closed` or `Disconnected`.
    pub fn close(&self) {
        self.inner.is_closed.set(true);
        self.inner.nodes.close();
    }

    async fn controller(&self) -> Result<i32> {
        let view = self.fresh_metadata().await?;
        view.controller.ok_or_else(|| Error::broker("find controller", ErrorCode::NOT_CONTROLLER))
    }

    /// What a lookup sends, which has no target to look up first.
    pub(super) async fn call_any<R: Request>(&self, build: impl Fn(i16) -> R) -> Result<(R::Response, i16)> {
        let limits = Limits { timeout: self.inner.request_timeout(), version_max: i16::MAX };
        self.inner.call_any(limits, &build).await
    }
}

impl Inner {
    fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.config.request_timeout_ms)
    }

    async fn call_node<R: Request>(
        &self,
        key: NodeKey,
        limits: Limits,
        build: &impl Fn(i16) -> R,
    ) -> Result<(R::Response, i16)> {
        let connection = self.nodes.connect(key).await?;
        self.call_on(&connection, limits, build).await
    }

    /// Tries one broker after the other, the bootstrap servers last.
    pub(super) async fn call_any<R: Request>(
        &self,
        limits: Limits,
        build: &impl Fn(i16) -> R,
    ) -> Result<(R::Response, i16)> {
        let mut last = None;
        for key in self.nodes.candidates() {
            match self.call_node(key, limits, build).await {
                Err(error) if matches!(error.kind(), ErrorKind::Disconnected | ErrorKind::Timeout) => {
                    last = Some(error);
                }
                outcome => return outcome,
            }
        }
        Err(last.unwrap_or_else(|| Error::closed("use cluster")))
    }

    async fn call_on<R: Request>(
        &self,
        connection: &Connection,
        limits: Limits,
        build: &impl Fn(i16) -> R,
    ) -> Result<(R::Response, i16)> {
        if let Some(until) = connection.throttled_until() {
            sleep_until(until).await;
        }
        let version = connection.versions().version_up_to::<R>(limits.version_max)?;
        let response = connection.send_within(version, &build(version), limits.timeout)?.await?;
        connection.throttle(R::throttle_time_ms(&response));
        Ok((response, version))
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("bootstrap", &self.inner.config.bootstrap).finish_non_exhaustive()
    }
}
