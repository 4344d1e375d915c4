//! The config topic as the herder uses it (Java: `KafkaConfigBackingStore`).
//!
//! Reading is everybody's: [`ConfigStore::snapshot`], and events through a channel. Writing configurations, tasks, keys and restarts is the
//! leader's. With exactly-once support those writes are transactions of one `transactional.id`, so that a leader that does not know yet
//! that it was deposed is refused by the broker; without it they are plain.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use protocol::client::admin::Admin;
use protocol::client::producer::{AppendError, Producer, ProducerConfig};
use protocol::cluster::{Cluster, ClusterConfig};
use protocol::net::Env;
use tokio::sync::{Mutex, MutexGuard, mpsc, watch};
use tokio::time::{Instant, timeout_at};

use super::LogRecord;
use super::config_log::{ConfigEvent, ConfigLog, RestartRequest, SessionKey, Snapshot, records};
use super::topic_log::{LogClients, LogReader, LogSettings, Purpose, StoreError, TopicLog, append, refused};
use crate::config::{
    DistributedConfig, ExactlyOnceSupport, RawConfig, TargetState, WorkerConfig, own_producer,
};
use crate::group::{ConfigSnapshots, Configured};

/// What one operation may take, its reading back included (`READ_WRITE_TOTAL_TIMEOUT_MS`).
const OPERATION_TIMEOUT: Duration = Duration::from_secs(30);

/// The store. Lives on the control thread, within its `LocalSet`; clones are the same store.
#[derive(Clone)]
pub struct ConfigStore {
    inner: Rc<Inner>,
}

struct Inner {
    log: TopicLog,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    /// With exactly-once support: what the leader's producer is made of.
    leader: Option<Leader>,
    /// One leader's operation at a time, its reading back included.
    turn: Mutex<()>,
}

struct Leader {
    env: Env,
    topic: String,
    settings: (ClusterConfig, ProducerConfig),
    /// There while write privileges are claimed. It has one transaction at a time: whoever writes with it has the turn.
    producer: RefCell<Option<Rc<Producer>>>,
}

/// Gives the newest snapshot, on any thread.
#[derive(Debug, Clone)]
pub struct SnapshotReader {
    snapshots: watch::Receiver<Arc<Snapshot>>,
}

impl SnapshotReader {
    /// What the config topic says as far as this worker has read it.
    pub fn get(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshots.borrow())
    }
}

impl ConfigSnapshots for SnapshotReader {
    fn snapshot(&self) -> Arc<Configured> {
        let snapshot = self.get();
        let connectors = snapshot.connectors().map(|name| (Arc::clone(name), snapshot.tasks(name).end));
        Arc::new(Configured { offset: snapshot.offset(), connectors: connectors.collect() })
    }
}

/// Applies records, and tells of them once the first reading is over.
struct Reader {
    log: ConfigLog,
    snapshots: watch::Sender<Arc<Snapshot>>,
    events: mpsc::UnboundedSender<ConfigEvent>,
    unsaid: Vec<ConfigEvent>,
    has_started: Rc<Cell<bool>>,
}

impl LogReader for Reader {
    fn record(&mut self, offset: i64, key: Option<&[u8]>, value: Option<&[u8]>) {
        let event = self.log.apply(offset, key, value);
        if self.has_started.get() {
            self.unsaid.extend(event);
        }
    }

    fn batch_ended(&mut self) {
        self.snapshots.send_replace(self.log.snapshot());
        // Not before: whoever hears of something looks at the snapshot.
        for event in self.unsaid.drain(..) {
            let _herder_gone = self.events.send(event);
        }
    }
}

impl ConfigStore {
    /// Makes or checks the topic and reads it to its end. Events come of what is read after that.
    ///
    /// # Errors
    /// In Java's words: the topic cannot be used, or its brokers not be reached.
    pub async fn start(
        env: &Env,
        worker: &WorkerConfig,
        distributed: &DistributedConfig,
        admin: &Admin,
    ) -> Result<(ConfigStore, mpsc::UnboundedReceiver<ConfigEvent>), StoreError> {
        let configuration = |error: api::Error| StoreError::Config(error.message().to_owned());
        let is_exact = distributed.exactly_once == ExactlyOnceSupport::Enabled;
        let settings = LogSettings::of_worker(
            worker,
            distributed,
            "configs",
            is_exact,
            &[("delivery.timeout.ms", "2147483647")],
        )
        .map_err(configuration)?;
        let topic = &distributed.config_topic;
        let leader = match distributed.exactly_once.has_transactional_leader() {
            false => None,
            true => Some(Leader {
                env: env.clone(),
                topic: topic.name.clone(),
                settings: leader_settings(worker, distributed).map_err(configuration)?,
                producer: RefCell::default(),
            }),
        };
        let (snapshots, shown) = watch::channel(Arc::default());
        let (events, heard) = mpsc::unbounded_channel();
        let has_started = Rc::new(Cell::new(false));
        let reader = Reader {
            log: ConfigLog::new(),
            snapshots,
            events,
            unsaid: Vec::new(),
            has_started: Rc::clone(&has_started),
        };
        let clients = LogClients::new(env, admin, settings)?;
        let log = TopicLog::start(clients, topic, Purpose::Configs, reader).await?;
        if log.partition_count() > 1 {
            return Err(StoreError::Config(format!(
                "Topic '{}' supplied via the '{}' property is required to have a single partition in order to guarantee consistency of \
                 connector configurations, but found {} partitions.",
                topic.name,
                topic.key,
                log.partition_count()
            )));
        }
        has_started.set(true);
        let store =
            ConfigStore { inner: Rc::new(Inner { log, snapshots: shown, leader, turn: Mutex::new(()) }) };
        Ok((store, heard))
    }

    /// What the config topic says as far as it was read.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.inner.snapshots.borrow())
    }

    /// The same for other threads.
    pub fn reader(&self) -> SnapshotReader {
        SnapshotReader { snapshots: self.inner.snapshots.clone() }
    }

    /// Reads to the end of the topic.
    ///
    /// # Errors
    /// [`StoreError::TimedOut`] when that takes longer than `limit`.
    pub async fn refresh(&self, limit: Duration) -> Result<(), StoreError> {
        const MESSAGE: &str = "Error trying to read to end of config log";
        self.read_back(Instant::now() + limit, MESSAGE).await
    }

    /// Writes a connector's configuration, and before it the state that it is to begin in, where one was asked for.
    ///
    /// # Errors
    /// [`StoreError::PrivilegeLost`], or Java's message.
    pub async fn put_connector_config(
        &self,
        connector: &str,
        config: &RawConfig,
        state: Option<TargetState>,
    ) -> Result<(), StoreError> {
        let state = state.map(|state| records::target_state(connector, state));
        let written: Vec<_> = state.into_iter().chain([records::connector(connector, config)]).collect();
        self.put(&written, "Error writing connector configuration to Kafka").await
    }

    /// Deletes a connector.
    ///
    /// # Errors
    /// [`StoreError::PrivilegeLost`], or Java's message.
    pub async fn remove_connector_config(&self, connector: &str) -> Result<(), StoreError> {
        let written = records::connector_removal(connector);
        self.put(&written, "Error removing connector configuration from Kafka").await
    }

    /// Replaces a connector's tasks: their configurations, then the record by which they take effect, all at once.
    ///
    /// # Errors
    /// [`StoreError::PrivilegeLost`], or Java's message.
    pub async fn put_task_configs(&self, connector: &str, configs: &[RawConfig]) -> Result<(), StoreError> {
        const ROOT: &str = "Error writing root configuration to Kafka";
        let deadline = Instant::now() + OPERATION_TIMEOUT;
        let _turn = self.turn(deadline, ROOT).await?;
        self.read_back(deadline, ROOT).await?;
        let tasks = configs.iter().enumerate().map(|(task, config)| records::task(connector, task, config));
        let tasks: Vec<_> = tasks.collect();
        if !tasks.is_empty() {
            self.send(&tasks, deadline, "Error writing task configurations to Kafka").await?;
            self.read_back(deadline, ROOT).await?;
        }
        self.send(&[records::commit(connector, configs.len())], deadline, ROOT).await?;
        self.read_back(deadline, ROOT).await
    }

    /// Writes that the producers of all tasks but the present `task_count` have been fenced.
    ///
    /// # Errors
    /// [`StoreError::PrivilegeLost`], or Java's message.
    pub async fn put_task_count_record(&self, connector: &str, task_count: u32) -> Result<(), StoreError> {
        let count = i32::try_from(task_count).unwrap_or(i32::MAX);
        let written = [records::task_count(connector, count)];
        self.put(&written, "Error writing task count record to Kafka").await
    }

    /// Writes a new key for requests between workers.
    ///
    /// # Errors
    /// [`StoreError::PrivilegeLost`], or Java's message.
    pub async fn put_session_key(&self, key: &SessionKey) -> Result<(), StoreError> {
        self.put(&[records::session_key(key)], "Error writing session key to Kafka").await
    }

    /// Has every worker restart what it runs of a connector.
    ///
    /// # Errors
    /// [`StoreError::PrivilegeLost`], or Java's message.
    pub async fn put_restart_request(&self, request: &RestartRequest) -> Result<(), StoreError> {
        let message = format!("Error writing {request} to Kafka");
        self.put(&[records::restart(request)], &message).await
    }

    /// Writes the state that a connector is asked to be in. Any worker may; who reads it does later.
    ///
    /// # Errors
    /// Java's message.
    pub async fn put_target_state(&self, connector: &str, state: TargetState) -> Result<(), StoreError> {
        let written = [records::target_state(connector, state)];
        self.send_plain(&written, Instant::now() + OPERATION_TIMEOUT, "Error writing target state to Kafka")
            .await
    }

    /// Writes the level of a logger for every worker. Any worker may.
    ///
    /// # Errors
    /// Java's message.
    pub async fn put_logger_level(&self, namespace: &str, level: &str) -> Result<(), StoreError> {
        let written = [records::logger_level(namespace, level)];
        self.send_plain(&written, Instant::now() + OPERATION_TIMEOUT, "Error writing logger level to Kafka")
            .await
    }

    /// Takes over writing as the leader of the group: whoever led before can no longer. Needed only with exactly-once support, and does
    /// nothing where it was claimed before.
    ///
    /// # Errors
    /// The coordinator did not answer, or refuses: Java's message.
    pub async fn claim_write_privileges(&self) -> Result<(), StoreError> {
        let Some(leader) = self.inner.leader.as_ref().filter(|leader| leader.producer.borrow().is_none())
        else {
            return Ok(());
        };
        const MESSAGE: &str = "Failed to create and initialize fencable producer for config topic";
        let (cluster, config) = leader.settings.clone();
        let producer = Producer::new(Cluster::new(leader.env.clone(), cluster), config)
            .map_err(|error| StoreError::failed(MESSAGE, error))?;
        producer.init_transactions().await.map_err(|error| {
            tracing::warn!(%error, "{MESSAGE}");
            StoreError::Failed { message: MESSAGE.to_owned(), source: error.cause().cloned() }
        })?;
        leader.producer.replace(Some(Rc::new(producer)));
        Ok(())
    }

    /// Gives the privileges back, for the next leader to take (Java: `relinquishWritePrivileges`).
    pub fn relinquish_write_privileges(&self) {
        if let Some(leader) = &self.inner.leader {
            leader.producer.replace(None);
        }
    }

    /// One group of records, then everything up to them.
    async fn put(&self, written: &[LogRecord], message: &str) -> Result<(), StoreError> {
        let deadline = Instant::now() + OPERATION_TIMEOUT;
        let _turn = self.turn(deadline, message).await?;
        self.send(written, deadline, message).await?;
        self.read_back(deadline, message).await
    }

    /// Waits for the writers before this one: the records of two sets of tasks must not mix.
    async fn turn(&self, deadline: Instant, message: &str) -> Result<MutexGuard<'_, ()>, StoreError> {
        let turn = timeout_at(deadline, self.inner.turn.lock()).await;
        turn.map_err(|_elapsed| StoreError::TimedOut(message.to_owned()))
    }

    async fn read_back(&self, deadline: Instant, message: &str) -> Result<(), StoreError> {
        match timeout_at(deadline, self.inner.log.read_to_end()).await {
            Ok(read) => read.map_err(|error| StoreError::failed(message, error)),
            Err(_elapsed) => Err(StoreError::TimedOut(message.to_owned())),
        }
    }

    /// As the leader writes, within a [`turn`](Self::turn).
    async fn send(&self, written: &[LogRecord], deadline: Instant, message: &str) -> Result<(), StoreError> {
        let Some(leader) = &self.inner.leader else {
            return self.send_plain(written, deadline, message).await;
        };
        let lost = |reason: String| StoreError::PrivilegeLost { reason };
        let Some(producer) = leader.producer.borrow().clone() else {
            return Err(lost(
                "Cannot produce to config topic without claiming write privileges first".to_owned(),
            ));
        };
        let sent = timeout_at(deadline, leader.transact(&producer, written)).await;
        let outcome = sent.unwrap_or_else(|_elapsed| Err("the transaction did not end in time".to_owned()));
        outcome.map_err(|reason| {
            tracing::warn!(%reason, "Failed to perform fencable send to config topic");
            self.relinquish_write_privileges();
            lost(reason)
        })
    }

    async fn send_plain(
        &self,
        written: &[LogRecord],
        deadline: Instant,
        message: &str,
    ) -> Result<(), StoreError> {
        match timeout_at(deadline, self.inner.log.send(written)).await {
            Ok(sent) => sent.map_err(|error| StoreError::failed(message, error)),
            Err(_elapsed) => Err(StoreError::TimedOut(message.to_owned())),
        }
    }
}

impl Leader {
    async fn transact(&self, producer: &Producer, written: &[LogRecord]) -> Result<(), String> {
        let topic = producer.topic(&self.topic).await.map_err(|error| error.to_string())?;
        producer.begin().map_err(|error| error.to_string())?;
        for record in written {
            loop {
                match append(producer, &topic, &self.env, record, 0) {
                    Ok(()) => break,
                    Err(AppendError::Full) => producer.ready().await,
                    Err(error) => return Err(refused(error).to_string()),
                }
            }
        }
        producer.commit().await.map_err(|error| error.to_string())?;
        // Nobody asks what became of a single record, and they must not pile up.
        producer.completions(&mut Vec::new()).await;
        Ok(())
    }
}

impl fmt::Debug for ConfigStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConfigStore").field("log", &self.inner.log).finish_non_exhaustive()
    }
}

/// The producer that fences every other one of its id (`KafkaConfigBackingStore#fencableProducerProps`).
fn leader_settings(
    worker: &WorkerConfig,
    distributed: &DistributedConfig,
) -> api::Result<(ClusterConfig, ProducerConfig)> {
    let id = format!("{}configs-leader", distributed.client_id_base());
    own_producer(
        worker,
        &[
            ("client.id", id.as_str()),
            ("acks", "all"),
            ("max.in.flight.requests.per.connection", "5"),
            ("enable.idempotence", "true"),
            ("delivery.timeout.ms", "2147483647"),
            ("transactional.id", &distributed.transactional_id()),
        ],
    )
}
