//! The thin shell around the membership core: performs its actions, feeds it replies, commands and time. Decides nothing itself.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info, warn};

use super::handle::{GroupConfig, Liveness};
use super::membership::{
    Action, Event, GroupEvent, JoinOutcome, MemberIdentity, Membership, MembershipConfig, ProtocolMetadata,
    Token,
};
use super::metrics::GroupMetrics;
use super::protocol::GroupProtocol;
use super::requests::Coordinator;
use crate::client::{OffsetAndMetadata, TopicPartition};
use crate::cluster::{Cluster, ClusterConfig, Metadata, Target};
use crate::net::{Env, LocalBoxFuture};
use crate::{Error, ErrorKind};

/// How often a leader looks for subscribed topics that did not exist when it last assigned.
const INCOMPLETE_CHECK: Duration = Duration::from_secs(2);

/// How long the actor of a dropped handle waits for the coordinator's answer to the good-bye.
const ABANDONED_LEAVE: Duration = Duration::from_secs(3);

type CommittedOffsets = Vec<(TopicPartition, Option<OffsetAndMetadata>)>;

/// What the handle sends. Rare: control events and commits, never data.
#[derive(Debug)]
pub(super) enum Command {
    Join(Vec<ProtocolMetadata>),
    RequestRejoin(&'static str),
    StepOut(&'static str),
    Commit { offsets: Vec<(TopicPartition, OffsetAndMetadata)>, reply: oneshot::Sender<Result<(), Error>> },
    Committed { partitions: Vec<TopicPartition>, reply: oneshot::Sender<Result<CommittedOffsets, Error>> },
    Look(Look),
    Leave(oneshot::Sender<()>),
}

/// A look at the member's cluster.
pub(super) struct Look(pub(super) Box<dyn FnOnce(&Cluster) + Send>);

impl fmt::Debug for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Look")
    }
}

/// What a finished future has to say.
enum Done {
    Event(Event),
    /// There is a connection to the coordinator, which can be asked now.
    Reached(Attempt),
    Metadata(Result<Rc<Metadata>, Error>),
    Nothing,
}

/// An attempt to join.
struct Attempt {
    token: Token,
    member_id: String,
    protocols: Vec<ProtocolMetadata>,
    reason: &'static str,
    sent_at: Instant,
}

/// The actor's ends of what it shares with the handle.
pub(super) struct Ends {
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) events: mpsc::UnboundedSender<GroupEvent>,
    pub(super) liveness: Arc<Liveness>,
    pub(super) metrics: Arc<GroupMetrics>,
}

pub(super) struct Actor {
    coordinator: Coordinator,
    protocol: Box<dyn GroupProtocol>,
    core: Membership,
    /// Whether anybody ever joined: commits of others carry no generation.
    is_member: bool,
    commands: mpsc::Receiver<Command>,
    events: mpsc::UnboundedSender<GroupEvent>,
    liveness: Arc<Liveness>,
    metrics: Arc<GroupMetrics>,
    seen_poll_ms: u64,
    /// At most one join, sync, assign and metadata look, a few heartbeats, and the commits that callers wait for.
    running: FuturesUnordered<LocalBoxFuture<'static, Done>>,
    /// Joins and syncs that the coordinator holds back: it reads nothing else from their connection meanwhile.
    held_back_count: usize,
    metadata_due: Instant,
    is_refreshing: bool,
    leaver: Option<oneshot::Sender<()>>,
}

impl Actor {
    pub(super) fn new(
        env: Env,
        cluster_config: ClusterConfig,
        config: GroupConfig,
        protocol: Box<dyn GroupProtocol>,
        ends: Ends,
    ) -> Self {
        let Ends { commands, events, liveness, metrics } = ends;
        let membership_config = MembershipConfig {
            session_timeout_ms: config.session_timeout_ms,
            heartbeat_interval_ms: config.heartbeat_interval_ms,
            poll_interval_ms_max: config.poll_interval_ms_max,
            retry_backoff_ms: cluster_config.retry_backoff_ms,
            retry_backoff_ms_max: cluster_config.retry_backoff_max_ms,
            is_static: config.group_instance_id.is_some(),
            is_cooperative: config.is_cooperative,
            seed: env.random.next_u64(),
            unix_ms_at_zero: u64::try_from(env.clock.now_ms()).unwrap_or(0).saturating_sub(liveness.now_ms()),
        };
        let target = Target::GroupCoordinator(Arc::clone(&config.group_id));
        let cluster = Cluster::new(env, cluster_config);
        Self {
            core: Membership::new(membership_config, liveness.now_ms()),
            coordinator: Coordinator { cluster, target, config: Rc::new(config) },
            protocol,
            is_member: false,
            commands,
            events,
            liveness,
            metrics,
            seen_poll_ms: 0,
            running: FuturesUnordered::new(),
            held_back_count: 0,
            metadata_due: Instant::now(),
            is_refreshing: false,
            leaver: None,
        }
    }

    pub(super) async fn run(mut self) {
        let mut is_abandoned = false;
        let mut give_up_at = None;
        let liveness = Arc::clone(&self.liveness);
        while !self.core.has_left() {
            let due = self.next_due(give_up_at);
            tokio::select! {
                command = self.commands.recv(), if !is_abandoned => match command {
                    Some(command) => self.on_command(command),
                    None => give_up_at = Some(self.abandon(&mut is_abandoned)),
                },
                () = liveness.evicted.notified(), if !is_abandoned => {
                    info!("the user of a group member is given up: the member leaves");
                    give_up_at = Some(self.abandon(&mut is_abandoned));
                }
                Some(done) = self.running.next(), if !self.running.is_empty() => self.on_done(done),
                () = sleep_until(due) => {
                    if give_up_at.is_some_and(|at| at <= Instant::now()) {
                        break;
                    }
                    self.feed(Event::Tick);
                    self.watch_metadata();
                }
            }
        }
        if let Some(leaver) = self.leaver.take() {
            // The handle may have stopped waiting, which is its right.
            let (Ok(()) | Err(())) = leaver.send(());
        }
        self.coordinator.cluster.close();
    }

    /// Leaves because nobody uses the member any more; tells until when to wait for the coordinator's answer.
    fn abandon(&mut self, is_abandoned: &mut bool) -> Instant {
        *is_abandoned = true;
        self.feed(Event::Leave);
        Instant::now() + ABANDONED_LEAVE
    }

    fn next_due(&self, give_up_at: Option<Instant>) -> Instant {
        // With nothing due the actor sleeps until a command or a reply; an hour stands for "long".
        let mut due = Instant::now() + Duration::from_secs(3_600);
        if let Some(deadline) = self.core.deadline_ms()
            // Deadlines beyond a day are no deadlines (a poll that still runs has one at the end of time).
            && deadline.saturating_sub(self.liveness.now_ms()) < 86_400_000
        {
            due = due.min(self.liveness.instant(deadline));
        }
        if self.core.is_leading() && !self.is_refreshing {
            due = due.min(self.metadata_due);
        }
        give_up_at.map_or(due, |at| due.min(at))
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Join(protocols) => {
                self.is_member = true;
                self.feed(Event::Join(protocols));
            }
            Command::RequestRejoin(reason) => self.feed(Event::RequestRejoin(reason)),
            Command::StepOut(reason) => self.feed(Event::StepOut(reason)),
            Command::Look(Look(look)) => look(&self.coordinator.cluster),
            Command::Leave(reply) => {
                self.leaver = Some(reply);
                self.feed(Event::Leave);
            }
            Command::Commit { offsets, mut reply } => {
                let identity = match self.core.commit_identity() {
                    Ok(identity) => identity.clone(),
                    Err(_) if !self.is_member => {
                        MemberIdentity { member_id: String::new(), generation_id: -1 }
                    }
                    Err(code) => {
                        drop(reply.send(Err(Error::broker("commit offsets", code))));
                        return;
                    }
                };
                let coordinator = self.coordinator.clone();
                let metrics = Arc::clone(&self.metrics);
                self.running.push(Box::pin(async move {
                    let sent_at = Instant::now();
                    let generation_id = identity.generation_id;
                    let outcome = tokio::select! {
                        // First: whoever gave this commit up may have sent a later one, and a retry must not undo that.
                        biased;
                        () = reply.closed() => return Done::Nothing,
                        outcome = coordinator.commit(identity, offsets) => outcome,
                    };
                    if outcome.is_ok() {
                        metrics.lock().committed(sent_at);
                    }
                    let code = outcome.as_ref().err().and_then(Error::code);
                    // The caller may go just now; what the coordinator said of our identity matters all the same.
                    drop(reply.send(outcome));
                    match code {
                        Some(code) => Done::Event(Event::CommitRefused { generation_id, code }),
                        None => Done::Nothing,
                    }
                }));
            }
            Command::Committed { partitions, reply } => {
                let coordinator = self.coordinator.clone();
                self.running.push(Box::pin(async move {
                    drop(reply.send(coordinator.committed(partitions).await));
                    Done::Nothing
                }));
            }
        }
    }

    fn on_done(&mut self, done: Done) {
        match done {
            Done::Event(event) => {
                if matches!(event, Event::JoinReplied(..) | Event::SyncReplied(..)) {
                    self.held_back_count -= 1;
                }
                if matches!(event, Event::JoinReplied(_, Err(_)) | Event::SyncReplied(_, Err(_))) {
                    self.metrics.lock().rebalance_failed();
                }
                self.feed(event);
            }
            Done::Reached(Attempt { token, member_id, protocols, reason, sent_at }) => {
                self.feed(Event::Reached(token));
                let (coordinator, metrics) = (self.coordinator.clone(), Arc::clone(&self.metrics));
                self.running.push(Box::pin(async move {
                    let outcome = coordinator.join(member_id, protocols, reason).await;
                    if matches!(outcome, Ok(JoinOutcome::Joined(_))) {
                        metrics.lock().joined(sent_at);
                    }
                    Done::Event(Event::JoinReplied(token, outcome))
                }));
            }
            Done::Metadata(outcome) => {
                self.is_refreshing = false;
                let pause = if self.protocol.is_incomplete() {
                    INCOMPLETE_CHECK
                } else {
                    Duration::from_millis(self.coordinator.cluster.config().metadata_max_age_ms)
                };
                self.metadata_due = Instant::now() + pause;
                match outcome {
                    Ok(metadata) if self.core.is_leading() => {
                        if let Some(reason) = self.protocol.outdated_reason(&metadata) {
                            self.feed(Event::RequestRejoin(reason));
                        }
                    }
                    Ok(_) => {}
                    Err(error) => debug!(%error, "group leader failed to refresh metadata"),
                }
            }
            Done::Nothing => {}
        }
    }

    /// A leader looks whether what it assigned is still all there is.
    fn watch_metadata(&mut self) {
        if !self.core.is_leading() || self.is_refreshing || Instant::now() < self.metadata_due {
            return;
        }
        self.is_refreshing = true;
        let cluster = self.coordinator.cluster.clone();
        self.running.push(Box::pin(async move {
            let seen = cluster.metadata().generation;
            Done::Metadata(cluster.refresh(seen).await)
        }));
    }

    fn feed(&mut self, event: Event) {
        let now_ms = self.liveness.now_ms();
        let polled_at_ms = self.liveness.polled_at_ms();
        if polled_at_ms != self.seen_poll_ms {
            self.seen_poll_ms = polled_at_ms;
            let actions = self.core.step(Event::Polled { at_ms: polled_at_ms }, now_ms);
            self.perform(actions);
        }
        let actions = self.core.step(event, now_ms);
        self.perform(actions);
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            let mut coordinator = self.coordinator.clone();
            let metrics = Arc::clone(&self.metrics);
            let sent_at = Instant::now();
            if matches!(action, Action::Join { .. } | Action::Sync { .. }) {
                self.held_back_count += 1;
            }
            let future: LocalBoxFuture<'static, Done> = match action {
                Action::Join { token, member_id, protocols, reason } => {
                    self.metrics.lock().join_sent(sent_at);
                    Box::pin(async move {
                        match coordinator.reach().await {
                            Ok(()) => Done::Reached(Attempt { token, member_id, protocols, reason, sent_at }),
                            Err(error) => Done::Event(Event::JoinReplied(token, Err(error))),
                        }
                    })
                }
                Action::Assign { token, round } => {
                    // The assignment is made from fresh metadata, so the next look is a whole interval away.
                    self.metadata_due = Instant::now() + INCOMPLETE_CHECK;
                    let assigning = self.protocol.assign(coordinator.cluster, round);
                    Box::pin(async move { Done::Event(Event::Computed(token, assigning.await)) })
                }
                Action::Sync { token, identity, protocol, assignments } => Box::pin(async move {
                    let outcome = coordinator.sync(identity, protocol, assignments).await;
                    if outcome.is_ok() {
                        metrics.lock().synced(sent_at);
                    }
                    Done::Event(Event::SyncReplied(token, outcome))
                }),
                Action::Heartbeat { token, identity } => {
                    self.metrics.lock().heartbeat_sent(sent_at);
                    Box::pin(async move {
                        let outcome = coordinator.heartbeat(identity).await;
                        // A refusal is an answer, too.
                        if outcome.as_ref().err().is_none_or(|error| error.code().is_some()) {
                            metrics.lock().heartbeat_answered(sent_at);
                        }
                        Done::Event(Event::HeartbeatReplied(token, outcome))
                    })
                }
                Action::Leave { token, member_id, reason } => {
                    if self.held_back_count > 0 {
                        // Behind a join that waits for others the good-bye would wait, too, and they for us.
                        let cluster = &self.coordinator.cluster;
                        coordinator.cluster = Cluster::new(cluster.env().clone(), cluster.config().clone());
                    }
                    Box::pin(async move {
                        if let Err(error) = coordinator.leave(member_id, reason).await {
                            debug!(%error, "failed to leave the group; its session timeout will do it");
                        }
                        Done::Event(Event::LeaveReplied(token))
                    })
                }
                Action::Report(report) => {
                    self.log(&report);
                    match report {
                        GroupEvent::Assigned { .. } => self.metrics.lock().rebalanced(),
                        GroupEvent::Lost { .. } | GroupEvent::Failed(_) | GroupEvent::Left => {
                            self.metrics.lock().ended();
                        }
                        GroupEvent::RebalanceNeeded { .. } => {}
                    }
                    // A handle that is being dropped reads no more events.
                    drop(self.events.send(report));
                    continue;
                }
            };
            self.running.push(future);
        }
    }

    fn log(&self, report: &GroupEvent) {
        let group = &self.coordinator.config.group_id;
        match report {
            GroupEvent::RebalanceNeeded { reason } => info!(%group, reason, "group rebalances"),
            GroupEvent::Assigned { identity, is_leader, .. } => {
                info!(%group, identity.generation_id, is_leader, "joined the group");
            }
            GroupEvent::Lost { reason, .. } => warn!(%group, ?reason, "lost the membership"),
            GroupEvent::Failed(error) if error.kind() == ErrorKind::Closed => {}
            GroupEvent::Failed(error) => warn!(%group, %error, "group membership failed"),
            GroupEvent::Left => info!(%group, "left the group"),
        }
    }
}
