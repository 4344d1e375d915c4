//! A worker as a whole, alone or in a cluster: listeners first, then everything that takes time.

use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use api::Props;
use engine::Engine;
use engine::offset::OffsetStore;
use engine::rt::{Executors, ExecutorsConfig};
use engine::task::EngineConfig;
use protocol::client::admin::Admin;
use protocol::cluster::{Cluster, HostPort};
use protocol::net::{Dialer, Env, Stream, TcpDialer};
use tokio::sync::mpsc;

use crate::config::{
    DistributedConfig, NewConnector, Plugins, RawConfig, Registry, WorkerConfig, admin_client, own_admin,
    resolve_and_validate,
};
use crate::group::{Member, MemberConfig};
use crate::herd::distributed::Stores;
use crate::herd::{Command, CommandKind, Herder, HerderConfig, Outcome};
use crate::rest::forward::ForwardClient;
use crate::rest::{BindError, Bound, RestState, Server};
use crate::store::topic_log::shared_admin;
use crate::store::{ConfigStore, FileOffsetStore, KafkaOffsetStore, OpenError, StatusStore, StoreError};

/// What the executors get beyond the tasks' own time to end.
const EXECUTOR_GRACE: Duration = Duration::from_secs(1);

/// A worker hears of a rebalance with its next heartbeat, and the group waits for the last one to hear: with one heartbeat per
/// `heartbeat.interval.ms`, as in Java, nearly all of a rebalance is that wait. A heartbeat costs nothing beside it.
const HEARTBEATS_PER_INTERVAL: u64 = 3;

/// What a worker is started with.
#[derive(Debug, Clone)]
pub struct WorkerOptions {
    /// Its configuration.
    pub config: WorkerConfig,
    /// Its plug-ins.
    pub plugins: Plugins,
    /// Data cores; `None`: all.
    pub data_core_count: Option<NonZeroUsize>,
    /// Whether data cores are pinned; not where several workers share a machine.
    pub is_pinned: bool,
}

/// What a worker lives in.
pub struct Surroundings {
    /// Where its tasks and its memberships run.
    pub executors: Executors,
    /// How it reaches brokers, its wall clock, its chance; `control` is an executor without tasks.
    pub env: Env,
    /// How it reaches other workers.
    pub peers: Arc<dyn Dialer>,
}

impl std::fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Surroundings").field("executors", &self.executors).finish_non_exhaustive()
    }
}

/// Why a worker did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A listener.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Java's message, with the cause.
    #[error(
        "Failed to connect to and describe Kafka cluster. Check worker's broker connection and security properties. ({bootstrap}: {source})"
    )]
    Cluster {
        /// Which brokers were asked.
        bootstrap: String,
        /// Why.
        source: protocol::Error,
    },
    /// The configuration of the worker's own client.
    #[error(transparent)]
    Config(#[from] api::Error),
    /// The offsets file.
    #[error(transparent)]
    Offsets(#[from] OpenError),
    /// The internal topics.
    #[error(transparent)]
    Stores(#[from] StoreError),
    /// The system gives no threads.
    #[error("failed to start threads: {0}")]
    Threads(#[from] std::io::Error),
}

/// A running worker. Lives on the control thread, within its `LocalSet`.
#[derive(Debug)]
pub struct Worker {
    state: Rc<RestState>,
    herder: Herder,
    server: Server,
    executors: Executors,
    urls: Vec<String>,
    cluster_id: Arc<str>,
    broker_count: usize,
    shutdown_timeout: Duration,
}

/// Where a worker keeps things.
enum Mode {
    Standalone(Arc<FileOffsetStore>),
    Distributed(Arc<DistributedConfig>),
}

/// The plug-ins that Aqueduct comes with.
pub fn built_in() -> Registry {
    Registry {
        connectors: connectors::CONNECTORS.to_vec(),
        converters: engine::convert::CONVERTERS.to_vec(),
        header_converters: engine::convert::HEADER_CONVERTERS.to_vec(),
        transforms: engine::transform::TRANSFORMS.to_vec(),
        predicates: engine::transform::PREDICATES.to_vec(),
        providers: crate::config::providers::BUILT_IN.to_vec(),
    }
}

impl Worker {
    /// Starts a worker without connectors. REST listens first, and answers what it can while the rest takes its time.
    ///
    /// # Errors
    /// Whatever is missing. Nothing is left running then.
    pub async fn start(options: WorkerOptions) -> Result<Worker, StartError> {
        let WorkerOptions { config, plugins, data_core_count, is_pinned } = options;
        let bound = Bound::open(&config.rest).await?;
        let hang_limit = config.hang_limit;
        let start = || {
            let executors = Executors::start(&ExecutorsConfig { data_core_count, is_pinned, hang_limit })?;
            let env = Env { control: Arc::new(executors.control().clone()), ..Env::real() };
            Ok(Surroundings { executors, env, peers: Arc::new(TcpDialer::default()) })
        };
        Worker::start_bound(config, plugins, bound, start).await
    }

    /// The same worker in surroundings that its owner made: its threads, its network, its clock, chance. `rest` are connections of its REST
    /// clients, other workers among them. Nothing here opens a socket or starts a thread.
    ///
    /// # Errors
    /// As [`Worker::start`].
    pub async fn start_within(
        config: WorkerConfig,
        plugins: Plugins,
        surroundings: Surroundings,
        rest: mpsc::UnboundedReceiver<Box<dyn Stream>>,
    ) -> Result<Worker, StartError> {
        let bound = Bound::within(&config.rest, rest)?;
        Worker::start_bound(config, plugins, bound, || Ok(surroundings)).await
    }

    async fn start_bound(
        config: WorkerConfig,
        plugins: Plugins,
        bound: Bound,
        surroundings: impl FnOnce() -> Result<Surroundings, StartError>,
    ) -> Result<Worker, StartError> {
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        let urls = bound.urls();
        let worker_id: Arc<str> =
            bound.advertised(config.rest.advertised_host.as_deref(), config.rest.advertised_port).into();
        for url in &urls {
            let advertised = format!("{}://{worker_id}/", bound.advertised_scheme());
            tracing::info!(%url, %advertised, "REST server listening");
        }
        for url in bound.admin_urls() {
            tracing::info!(%url, "REST admin endpoints");
        }
        for url in bound.open_doors() {
            tracing::warn!(
                %url,
                "REST can be reached from other machines and asks nobody who they are; anyone who reaches it controls this worker"
            );
        }
        let scheme = bound.advertised_scheme();
        let state = RestState::new();
        let server = bound.serve(&state);
        let Surroundings { executors, env, peers } = surroundings()?;
        let mode = match config.distributed.clone() {
            Some(distributed) => Mode::Distributed(distributed),
            None => {
                state.begin_stage("reading the offsets file");
                Mode::Standalone(Arc::new(FileOffsetStore::open(&config.offsets_file)?))
            }
        };
        state.begin_stage("establishing a connection to the Kafka cluster");
        let (cluster_id, broker_count) = describe(&config, &env).await?;
        state.set_cluster_id(Arc::clone(&cluster_id));
        let shutdown_timeout = config.shutdown_timeout;
        let metrics = config.windows;
        let engine = Engine::new(EngineConfig { executors: executors.clone(), env: env.clone(), metrics });
        let herder = match mode {
            Mode::Standalone(offsets) => {
                let (worker, plugins) = (Rc::new(config), Rc::new(plugins));
                Herder::new(HerderConfig { worker_id, worker, plugins, engine, offsets })
            }
            Mode::Distributed(distributed) => {
                state.begin_stage("reading the internal topics");
                let (stores, offsets) =
                    open_stores(&env, peers, &config, distributed, scheme, &worker_id).await?;
                state.show_membership(stores.member.metrics());
                let (worker, plugins) = (Rc::new(config), Rc::new(plugins));
                Herder::in_cluster(HerderConfig { worker_id, worker, plugins, engine, offsets }, stores)
            }
        };
        state.set_herder(herder.clone());
        state.begin_stage("creating connectors");
        Ok(Worker { state, herder, server, executors, urls, cluster_id, broker_count, shutdown_timeout })
    }

    /// Creates a connector as a REST request would.
    ///
    /// # Errors
    /// The answer's message.
    pub async fn create(&self, new: NewConnector) -> Result<(), String> {
        self.state.begin_stage(format!("creating connector {}", new.name));
        let raw: RawConfig =
            new.config.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect();
        let plugin = resolve_and_validate(&raw, self.herder.plugins(), self.herder.worker()).await;
        let plugin = plugin.map_err(|invalid| invalid.message())?;
        let kind = CommandKind::Create { plugin, config: new.config, initial: new.initial_state };
        let outcome = self.herder.command(Command { connector: new.name.into(), kind }).await;
        outcome.map(|_: Outcome| ()).map_err(|refusal| refusal.to_string())
    }

    /// Every connector that was to be created at the start has been.
    pub fn set_ready(&self) {
        self.herder.set_ready();
    }

    /// The herder.
    pub fn herder(&self) -> &Herder {
        &self.herder
    }

    /// Where REST can be reached.
    pub fn urls(&self) -> &[String] {
        &self.urls
    }

    /// What the brokers say they are: cluster id and how many.
    pub fn cluster(&self) -> (&str, usize) {
        (&self.cluster_id, self.broker_count)
    }

    /// Stops REST, then connectors and tasks with their last commits, then the executors.
    pub async fn stop(self) {
        self.server.stop().await;
        self.herder.shutdown().await;
        let executors = self.executors;
        let grace = self.shutdown_timeout.min(EXECUTOR_GRACE);
        // It blocks until the threads have ended, and heartbeats on them may need this thread no more.
        let endings = executors.shutdown(grace);
        tracing::debug!(?endings, "executors ended");
    }
}

/// What a worker of a cluster reads before it joins, and its place in the group.
async fn open_stores(
    env: &Env,
    peers: Arc<dyn Dialer>,
    config: &WorkerConfig,
    distributed: Arc<DistributedConfig>,
    scheme: &str,
    worker_id: &str,
) -> Result<(Stores, Arc<dyn OffsetStore>), StartError> {
    let admin = shared_admin(env, config, &distributed)?;
    let offsets = KafkaOffsetStore::start(env, config, &distributed, &admin).await?;
    let statuses = StatusStore::start(env, config, &distributed, &admin).await?;
    let (configs, config_events) = ConfigStore::start(env, config, &distributed, &admin).await?;
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut member = MemberConfig::new(&distributed.group_id, &format!("{scheme}://{worker_id}/"));
    member.group.session_timeout_ms = millis(distributed.session_timeout);
    member.group.heartbeat_interval_ms =
        (millis(distributed.heartbeat_interval) / HEARTBEATS_PER_INTERVAL).max(1);
    member.group.rebalance_timeout_ms = millis(distributed.rebalance_timeout);
    member.group.poll_interval_ms_max = Some(millis(distributed.rebalance_timeout));
    member.protocol = distributed.protocol;
    member.max_delay = distributed.scheduled_rebalance_max_delay;
    member.windows = config.windows;
    // As Java names a client that has no name.
    let unnamed = format!("connect-{worker_id}");
    let client_id = if distributed.client_id.is_empty() { &unnamed } else { &distributed.client_id };
    let (cluster, _) = own_admin(config, &[("client.id", client_id)])?;
    let member = Member::spawn(env.clone(), cluster, member, Arc::new(configs.reader()));
    let peers = Rc::new(ForwardClient::new(config.rest.client_tls.clone(), peers));
    let stores = Stores { configs, config_events, statuses, member, peers, config: distributed };
    Ok((stores, Arc::new(offsets)))
}

/// Cluster id and number of brokers, as Java's worker asks for before it starts.
async fn describe(config: &WorkerConfig, env: &Env) -> Result<(Arc<str>, usize), StartError> {
    let bootstrap = config.bootstrap.iter().map(HostPort::to_string).collect::<Vec<_>>().join(",");
    // Java builds this client from the worker's own keys and `admin.*`.
    let mut props: Props = config.originals.clone();
    props.extend(config.client_props("admin."));
    let (cluster, admin) = admin_client(&bootstrap, &props)?;
    let admin = Admin::new(Cluster::new(env.clone(), cluster)).with_timeout(admin.api_timeout);
    let described = admin.describe_cluster().await;
    let described = described.map_err(|source| StartError::Cluster { bootstrap, source })?;
    Ok((described.cluster_id.unwrap_or_else(|| "unknown".into()), described.nodes.len()))
}
