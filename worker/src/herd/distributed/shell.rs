//! The shell around [`Cluster`]: its topics, its place in the group, and what it asks of other workers.
//!
//! Everything lives on the control thread. The member has a future of its own that both waits for the group and takes commands; records are
//! written by one future per request, so that nothing waits for anything but what it needs.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use engine::rt::clock;
use engine::task::TaskId;
use hyper::Method;
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::AbortHandle;

use super::super::event::Epoch;
use super::super::herder::Herder;
use super::event::{ClusterAction, ClusterEvent, ConfigWrite, PublishFailure, Subject, WriteFailure};
use super::machine::Statuses;
use super::starting::{OpenedOffsets, Question};
use crate::config::{DistributedConfig, RawConfig};
use crate::group::{Assigned, ConnectProtocol, Member, MemberEvent, RebalanceStats};
use crate::logs::{Level, loggers};
use crate::rest::RestError;
use crate::rest::forward::ForwardClient;
use crate::rest::signature::sign;
use crate::store::config_log::{ConfigEvent, SessionKey, Snapshot};
use crate::store::status_log::{StoredStatus, TopicStatus, VisitSaid};
use crate::store::{ConfigStore, StatusStore, StoreError};

/// How often new topics of running tasks are looked for.
const TOPICS_INTERVAL: Duration = Duration::from_secs(1);

/// How long a worker that stops waits for its last statuses to be written.
const LAST_FLUSH_MAX: Duration = Duration::from_secs(5);

/// How often the status topic is compared with what runs here.
const STATUSES_INTERVAL: Duration = Duration::from_secs(10);

/// How long the leader waits before it tries again to be the only writer.
const CLAIM_BACKOFF: Duration = Duration::from_millis(250);

/// What a worker of a cluster works with beside what every worker has.
pub struct Stores {
    /// The config topic.
    pub configs: ConfigStore,
    /// What it says, as it comes.
    pub config_events: mpsc::UnboundedReceiver<ConfigEvent>,
    /// The status topic.
    pub statuses: StatusStore,
    /// The place in the group.
    pub member: Member,
    /// Talks to other workers.
    pub peers: Rc<ForwardClient>,
    /// Its configuration.
    pub config: Arc<DistributedConfig>,
}

impl std::fmt::Debug for Stores {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stores").field("member", &self.member).finish_non_exhaustive()
    }
}

/// The parts of a worker of a cluster that perform what its machine decides.
pub(crate) struct ClusterShell {
    pub(in super::super) configs: ConfigStore,
    pub(in super::super) statuses: StatusStore,
    pub(in super::super) config: Arc<DistributedConfig>,
    peers: Rc<ForwardClient>,
    member: mpsc::UnboundedSender<MemberCommand>,
    /// Topics of this worker's tasks that the status topic has been told of.
    told: RefCell<HashSet<(Arc<str>, Arc<str>)>>,
    pub(in super::super) assigned: RefCell<Option<Assigned>>,
    pub(in super::super) rebalances: Rc<RebalanceStats>,
    /// Where tasks' gates ask.
    pub(super) questions: mpsc::UnboundedSender<Question>,
    pub(super) opened: OpenedOffsets,
    /// Rounds that shut out producers now.
    fencings: RefCell<HashMap<Epoch, AbortHandle>>,
    /// Held while this worker is about to become the only writer.
    claiming: Mutex<()>,
}

/// Who speaks to the machine.
pub(in super::super) struct Voices {
    config_events: mpsc::UnboundedReceiver<ConfigEvent>,
    member: Member,
    orders: mpsc::UnboundedReceiver<MemberCommand>,
    questions: mpsc::UnboundedReceiver<Question>,
}

enum MemberCommand {
    Revoked,
    Resolved(i32),
    Rejoin(&'static str),
    Leave(&'static str),
    Join,
    RevokeAll,
    Close(oneshot::Sender<()>),
}

impl Statuses for StatusStore {
    fn connector(&self, connector: &str) -> Option<StoredStatus> {
        StatusStore::connector(self, connector)
    }

    fn task(&self, connector: &str, task: u32) -> Option<StoredStatus> {
        StatusStore::task(self, connector, task)
    }

    fn tasks(&self, connector: &str) -> Vec<(u32, StoredStatus)> {
        StatusStore::tasks(self, connector)
    }

    fn each(&self, visit: &mut VisitSaid<'_>) {
        StatusStore::each(self, visit);
    }
}

impl ClusterShell {
    /// Takes over the stores; [`Herder::run_cluster`] then has them speak.
    pub(in super::super) fn new(stores: Stores) -> (ClusterShell, Voices) {
        let Stores { configs, config_events, statuses, member, peers, config } = stores;
        let (commands, orders) = mpsc::unbounded_channel();
        let (questions, asked) = mpsc::unbounded_channel();
        let shell = ClusterShell {
            configs,
            statuses,
            config,
            peers,
            member: commands,
            told: RefCell::default(),
            assigned: RefCell::default(),
            rebalances: member.stats(),
            questions,
            opened: OpenedOffsets::default(),
            fencings: RefCell::default(),
            claiming: Mutex::default(),
        };
        (shell, Voices { config_events, member, orders, questions: asked })
    }

    fn tell(&self, command: MemberCommand) {
        let _member_closed = self.member.send(command);
    }

    /// Leaves the group for good, once the status topic has everything.
    pub(in super::super) async fn close(&self) {
        // With the brokers away it would take as long as a record may, two minutes: the group's session says the same much sooner.
        let _brokers_are_away = tokio::time::timeout(LAST_FLUSH_MAX, self.statuses.flush()).await;
        let (done, closed) = oneshot::channel();
        self.tell(MemberCommand::Close(done));
        let _closed_before = closed.await;
    }
}

impl Herder {
    /// Has topics and group speak to the machine.
    pub(in super::super) fn run_cluster(&self, voices: Voices) {
        let Voices { config_events: mut events, member, orders, questions } = voices;
        let herder = self.clone();
        tokio::task::spawn_local(async move {
            while let Some(event) = events.recv().await {
                herder.cluster_step(ClusterEvent::Config(event));
            }
        });
        tokio::task::spawn_local(self.clone().look_at_statuses());
        tokio::task::spawn_local(self.clone().drive_member(member, orders));
        tokio::task::spawn_local(self.clone().answer_tasks(questions));
        if self.worker().topic_tracking.is_enabled {
            tokio::task::spawn_local(self.clone().tell_topics());
        }
    }

    async fn drive_member(self, mut member: Member, mut orders: mpsc::UnboundedReceiver<MemberCommand>) {
        loop {
            tokio::select! {
                event = member.next() => {
                    match &event {
                        MemberEvent::Assigned(assigned) => {
                            if let Some(shell) = self.cluster_shell() {
                                shell.assigned.replace(Some(assigned.clone()));
                                if !assigned.is_leader {
                                    shell.configs.relinquish_write_privileges();
                                }
                            }
                            tracing::info!(
                                generation = assigned.generation,
                                leader = &*assigned.leader_url,
                                connectors = assigned.connectors.len(),
                                tasks = assigned.tasks.len(),
                                "joined the group"
                            );
                        }
                        MemberEvent::Rebalancing { reason } => tracing::info!("rebalance started: {reason}"),
                        MemberEvent::Revoked { cause, connectors, tasks } => {
                            tracing::info!(?cause, connectors = connectors.len(), tasks = tasks.len(), "work revoked");
                        }
                        MemberEvent::Failed(error) => {
                            tracing::error!(%error, "the group does not take this worker; trying again");
                        }
                    }
                    self.cluster_step(ClusterEvent::Member(event));
                }
                order = orders.recv() => match order {
                    Some(MemberCommand::Revoked) => member.revoked(),
                    Some(MemberCommand::Resolved(generation)) => member.resolved(generation),
                    Some(MemberCommand::Rejoin(reason)) => member.rejoin(reason),
                    Some(MemberCommand::Leave(reason)) => member.step_out(reason),
                    Some(MemberCommand::Join) => member.join(),
                    Some(MemberCommand::RevokeAll) => member.revoke_all(),
                    Some(MemberCommand::Close(done)) => {
                        member.close().await;
                        let _nobody_waits = done.send(());
                        return;
                    }
                    None => return,
                },
            }
        }
    }

    /// Performs what only a worker of a cluster does.
    pub(in super::super) fn perform_in_cluster(&self, shell: &Rc<ClusterShell>, action: ClusterAction) {
        match action {
            ClusterAction::Herd(action) => self.perform(action),
            ClusterAction::Write { id, records } => {
                let (herder, shell) = (self.clone(), Rc::clone(shell));
                tokio::task::spawn_local(async move {
                    let now_ms = herder.engine().env().now_ms();
                    let result = shell.write(records, now_ms).await.map_err(|error| WriteFailure {
                        message: error.to_string(),
                        is_privilege_lost: error.is_privilege_lost(),
                    });
                    herder.cluster_step(ClusterEvent::Written { id, result });
                });
            }
            ClusterAction::Status { subject, state, trace, version, generation, safely } => {
                let worker_id = Arc::clone(&self.shared.config.worker_id);
                let version = version.map(Arc::from);
                let status = StoredStatus { state, trace, worker_id, generation, version };
                let statuses = &shell.statuses;
                match (subject, safely) {
                    (Subject::Connector(name), false) => statuses.put_connector(&name, &status),
                    (Subject::Connector(name), true) => statuses.put_connector_safely(&name, &status),
                    (Subject::Task(id), false) => statuses.put_task(&id.connector, id.task, &status),
                    (Subject::Task(id), true) => statuses.put_task_safely(&id.connector, id.task, &status),
                }
            }
            ClusterAction::ForgetStatus { subject, generation } => match subject {
                Subject::Connector(name) => {
                    shell.statuses.delete_connector(&name, generation);
                    for topic in shell.statuses.topics(&name) {
                        shell.statuses.delete_topic(&name, &topic.topic);
                    }
                }
                Subject::Task(id) => shell.statuses.delete_task(&id.connector, id.task, generation),
            },
            ClusterAction::FlushStatuses => {
                let (herder, shell) = (self.clone(), Rc::clone(shell));
                tokio::task::spawn_local(async move {
                    shell.statuses.flush().await;
                    herder.cluster_step(ClusterEvent::StatusesFlushed);
                });
            }
            ClusterAction::AcknowledgeRevoked => shell.tell(MemberCommand::Revoked),
            ClusterAction::Resolved { generation } => {
                tracing::info!(generation, "Finished starting connectors and tasks");
                shell.tell(MemberCommand::Resolved(generation));
            }
            ClusterAction::Rejoin(reason) => shell.tell(MemberCommand::Rejoin(reason)),
            ClusterAction::Leave(reason) => shell.tell(MemberCommand::Leave(reason)),
            ClusterAction::Join => shell.tell(MemberCommand::Join),
            ClusterAction::RevokeAll => shell.tell(MemberCommand::RevokeAll),
            ClusterAction::Refresh => {
                let (herder, shell) = (self.clone(), Rc::clone(shell));
                tokio::task::spawn_local(async move {
                    let result = shell.configs.refresh(shell.config.worker_sync_timeout).await;
                    let result = result.map_err(|error| error.to_string());
                    herder.cluster_step(ClusterEvent::Refreshed(result));
                });
            }
            ClusterAction::ClaimPrivileges => drop(tokio::task::spawn_local(Rc::clone(shell).claim())),
            ClusterAction::Publish { connector, epoch, leader_url, tasks } => {
                let (herder, shell) = (self.clone(), Rc::clone(shell));
                tokio::task::spawn_local(async move {
                    let result = shell.publish(&connector, &leader_url, &tasks).await;
                    herder.cluster_step(ClusterEvent::Published { connector, epoch, result });
                });
            }
            ClusterAction::FenceProducers { connector, round, config, task_count } => {
                let (herder, this) = (self.clone(), Rc::clone(shell));
                let fencing = tokio::task::spawn_local(async move {
                    let fenced = herder.fence_producers(&this, &connector, &config, task_count).await;
                    let result = fenced.map_err(|error| error.to_string());
                    this.fencings.borrow_mut().remove(&round);
                    herder.cluster_step(ClusterEvent::ProducersFenced { connector, round, result });
                });
                shell.fencings.borrow_mut().insert(round, fencing.abort_handle());
            }
            ClusterAction::AbandonFencing { round } => {
                if let Some(fencing) = shell.fencings.borrow_mut().remove(&round) {
                    fencing.abort();
                }
            }
            ClusterAction::SetLoggerLevel { namespace, level } => {
                let Some(parsed) = Level::parse(&level) else {
                    tracing::warn!(
                        logger = &*namespace,
                        level = &*level,
                        "invalid log level in the config topic"
                    );
                    return;
                };
                if let Err(error) = loggers(|loggers| loggers.set(&namespace, parsed, clock::unix_ms())) {
                    tracing::warn!(logger = &*namespace, %error, "the level of a logger was not set");
                }
            }
        }
    }

    async fn look_at_statuses(self) {
        loop {
            tokio::time::sleep(STATUSES_INTERVAL).await;
            self.cluster_step(ClusterEvent::StatusesDue);
        }
    }

    /// Tells the status topic of topics that this worker's tasks use.
    async fn tell_topics(self) {
        loop {
            tokio::time::sleep(TOPICS_INTERVAL).await;
            let Some(shell) = self.cluster_shell() else { return };
            let used: Vec<(TaskId, Vec<Arc<str>>)> = {
                let running = self.shared.running.borrow();
                running
                    .tasks
                    .values()
                    .map(|task| (task.id.clone(), task.handle.metrics().topics.get().into_iter().collect()))
                    .collect()
            };
            for (TaskId { connector, task }, topics) in used {
                for topic in topics {
                    let is_new = shell.told.borrow_mut().insert((Arc::clone(&connector), Arc::clone(&topic)));
                    if is_new && shell.statuses.topic(&connector, &topic).is_none() {
                        let connector = Arc::clone(&connector);
                        let discovered_ms = self.engine().env().now_ms();
                        shell.statuses.put_topic(&TopicStatus { topic, connector, task, discovered_ms });
                    }
                }
            }
        }
    }
}

impl ClusterShell {
    /// What the status topic says of a connector's topics.
    pub(in super::super) fn topics(&self, connector: &str) -> Vec<Arc<str>> {
        self.statuses.topics(connector).into_iter().map(|status| status.topic).collect()
    }

    /// Has everybody forget them.
    pub(in super::super) fn reset_topics(&self, connector: &str) {
        for topic in self.topics(connector) {
            self.statuses.delete_topic(connector, &topic);
        }
        self.told.borrow_mut().retain(|(known, _)| &**known != connector);
    }

    /// Has every worker set the level of a logger.
    pub(crate) async fn set_logger_level(&self, namespace: &str, level: &str) -> Result<(), StoreError> {
        self.configs.put_logger_level(namespace, level).await
    }

    /// What internal requests are verified with, where the group signs.
    pub(crate) fn session_key(&self) -> Option<Arc<[u8]>> {
        self.configs.snapshot().session_key().map(|key| Arc::clone(&key.key))
    }

    /// Whether the group signs what workers ask of each other. Before the first assignment, as in Java, what this worker is configured for
    /// counts: a former leader that comes back would otherwise refuse for good what is asked of it meanwhile.
    pub(crate) fn signs(&self) -> bool {
        let agreed = self.assigned.borrow().as_ref().map(|assigned| assigned.protocol);
        agreed.unwrap_or(self.config.protocol) == ConnectProtocol::Sessioned
    }

    /// Its configuration.
    pub(crate) fn config(&self) -> &DistributedConfig {
        &self.config
    }

    /// What is counted of rebalances.
    pub(crate) fn rebalances(&self) -> &RebalanceStats {
        &self.rebalances
    }

    /// The last assignment.
    pub(crate) fn assigned(&self) -> Option<Assigned> {
        self.assigned.borrow().clone()
    }

    /// What the status topic says.
    pub(crate) fn statuses(&self) -> &StatusStore {
        &self.statuses
    }

    /// What the config topic says.
    pub(crate) fn configured(&self) -> Arc<Snapshot> {
        self.configs.snapshot()
    }

    /// Talks to other workers.
    pub(crate) fn peers(&self) -> &ForwardClient {
        &self.peers
    }

    async fn write(&self, records: Vec<ConfigWrite>, now_ms: i64) -> Result<(), StoreError> {
        let configs = &self.configs;
        // As in Java nothing is written before the attempt is over: it would be refused.
        drop(self.claiming.lock().await);
        for record in records {
            match record {
                ConfigWrite::Connector(name, config, initial) => {
                    configs.put_connector_config(&name, &config, initial).await?;
                }
                ConfigWrite::Removed(name) => configs.remove_connector_config(&name).await?,
                ConfigWrite::Tasks(name, tasks) => configs.put_task_configs(&name, &tasks).await?,
                ConfigWrite::Target(name, state) => configs.put_target_state(&name, state).await?,
                ConfigWrite::TaskCount(name, count) => configs.put_task_count_record(&name, count).await?,
                ConfigWrite::Restart(request) => configs.put_restart_request(&request).await?,
                ConfigWrite::NewSessionKey => configs.put_session_key(&self.new_key(now_ms)).await?,
                ConfigWrite::ReadToEnd => configs.refresh(self.config.worker_sync_timeout).await?,
            }
        }
        Ok(())
    }

    /// A key of the configured kind.
    fn new_key(&self, created_ms: i64) -> SessionKey {
        let algorithm: Arc<str> = self.config.key_algorithm.as_str().into();
        let mut key = vec![0; self.config.key_length()];
        SystemRandom::new().fill(&mut key).expect("the system gives random numbers");
        SessionKey { key: key.into(), algorithm, created_ms }
    }

    /// Becomes the only one who writes as the leader; tried until it works or another leads.
    async fn claim(self: Rc<Self>) {
        let _writes_wait = self.claiming.lock().await;
        while let Err(error) = self.configs.claim_write_privileges().await {
            tracing::warn!(%error, "Unable to claim write privileges for config topic; will retry");
            tokio::time::sleep(CLAIM_BACKOFF).await;
            if !self.assigned.borrow().as_ref().is_some_and(|assigned| assigned.is_leader) {
                return;
            }
        }
    }

    /// `POST /connectors/{c}/tasks` at the leader, signed where there is a key.
    async fn publish(
        &self,
        connector: &str,
        leader_url: &str,
        tasks: &[RawConfig],
    ) -> Result<(), PublishFailure> {
        let body = serde_json::to_vec(&tasks.iter().map(Shown).collect::<Vec<_>>())
            .map_err(|error| PublishFailure { message: error.to_string(), is_forbidden: false })?;
        let asked = self.ask_leader(Method::POST, leader_url, connector, "tasks", Some(body.into())).await;
        asked.map_err(|error| PublishFailure {
            message: error.message(),
            is_forbidden: matches!(error, RestError::Remote { status: 403, .. }),
        })
    }

    /// `PUT /connectors/{c}/fence` at the leader.
    pub(super) async fn ask_to_fence(&self, connector: &str, leader_url: &str) -> Result<(), RestError> {
        self.ask_leader(Method::PUT, leader_url, connector, "fence", None).await
    }

    /// An internal request, signed where there is a key.
    async fn ask_leader(
        &self,
        method: Method,
        leader_url: &str,
        connector: &str,
        what: &str,
        body: Option<Bytes>,
    ) -> Result<(), RestError> {
        let headers = match self.configs.snapshot().session_key() {
            Some(key) => {
                let signed = body.as_deref().unwrap_or_default();
                sign(&key.key, &self.config.signature_algorithm, signed)?.to_vec()
            }
            None => Vec::new(),
        };
        let path = crate::rest::encode_name(connector);
        let url = format!("{}/connectors/{path}/{what}", leader_url.trim_end_matches('/'));
        self.peers.send(&url, method, body, headers).await.map(|_| ())
    }
}

/// A task's configuration as Java's workers send it.
struct Shown<'a>(&'a RawConfig);

impl serde::Serialize for Shown<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0)
    }
}
