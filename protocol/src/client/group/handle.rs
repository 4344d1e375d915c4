//! The user's end of a membership: commands go in, events come out, and neither touches the control thread's time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::{Instant, timeout};

use super::actor::{Actor, Command, Ends, Look};
use super::membership::{GroupEvent, ProtocolMetadata};
use super::metrics::GroupMetrics;
use super::protocol::GroupProtocol;
use crate::client::{OffsetAndMetadata, TopicPartition};
use crate::cluster::{Cluster, ClusterConfig};
use crate::net::Env;
use crate::{Error, ErrorKind};

/// Commands that may wait for the actor; it takes them at once, so that this many are only reached when it is gone.
const COMMANDS_MAX: usize = 64;

/// How long closing waits for the coordinator's answer to the good-bye.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(3);

/// The settings of a membership. Names and defaults are those of Java's consumer.
#[derive(Debug, Clone)]
pub struct GroupConfig {
    /// `group.id`.
    pub group_id: Arc<str>,
    /// `group.instance.id`: makes the member a static one (KIP-345).
    pub group_instance_id: Option<Arc<str>>,
    /// `consumer`, `connect`, ...
    pub protocol_type: Arc<str>,
    /// `session.timeout.ms`.
    pub session_timeout_ms: u64,
    /// `heartbeat.interval.ms`.
    pub heartbeat_interval_ms: u64,
    /// How long the coordinator waits for members to rejoin: `max.poll.interval.ms` of a consumer.
    pub rebalance_timeout_ms: u64,
    /// `max.poll.interval.ms`; `None` where the user does not poll.
    pub poll_interval_ms_max: Option<u64>,
    /// `default.api.timeout.ms`: how long commits and offset fetches are retried.
    pub api_timeout_ms: u64,
    /// Whether a join gives nothing up (KIP-429): see [`MembershipConfig`](super::membership::MembershipConfig).
    pub is_cooperative: bool,
    /// Whether an offset fetch waits for transactions that commit offsets (`isolation.level=read_committed`).
    pub requires_stable_offsets: bool,
}

impl GroupConfig {
    /// Java's defaults.
    pub fn new(group_id: &str, protocol_type: &str) -> Self {
        Self {
            group_id: group_id.into(),
            group_instance_id: None,
            protocol_type: protocol_type.into(),
            session_timeout_ms: 45_000,
            heartbeat_interval_ms: 3_000,
            rebalance_timeout_ms: 300_000,
            poll_interval_ms_max: Some(300_000),
            api_timeout_ms: 60_000,
            is_cooperative: false,
            requires_stable_offsets: false,
        }
    }
}

/// A member of a group, or somebody who only commits to it. When dropped, the member leaves the group.
#[derive(Debug)]
pub struct Group {
    commands: mpsc::Sender<Command>,
    liveness: Arc<Liveness>,
    pub(super) metrics: Arc<GroupMetrics>,
}

impl Group {
    /// Starts the actor on `env.control`, with connections of its own, and gives what it will report. Nothing is joined yet.
    ///
    /// `make_protocol` runs on the control thread.
    pub fn spawn(
        env: Env,
        cluster_config: ClusterConfig,
        config: GroupConfig,
        make_protocol: impl FnOnce() -> Box<dyn GroupProtocol> + Send + 'static,
    ) -> (Self, mpsc::UnboundedReceiver<GroupEvent>) {
        let (commands, command_receiver) = mpsc::channel(COMMANDS_MAX);
        // The core reports at most a handful of events before it waits for the next `join`, so nothing piles up here.
        let (events, event_receiver) = mpsc::unbounded_channel();
        let liveness = Arc::new(Liveness::new());
        let metrics = Arc::new(GroupMetrics::new(cluster_config.metrics));
        let ends = Ends {
            commands: command_receiver,
            events,
            liveness: Arc::clone(&liveness),
            metrics: Arc::clone(&metrics),
        };
        let control = Arc::clone(&env.control);
        control.spawn(Box::new(move || {
            let actor = Actor::new(env, cluster_config, config, make_protocol(), ends);
            Box::pin(actor.run())
        }));
        (Self { commands, liveness, metrics }, event_receiver)
    }

    /// Joins, or rejoins after `RebalanceNeeded`, `Lost` or `Failed`; says that whatever was held is given up, unless the member is
    /// cooperative and was told `RebalanceNeeded`.
    ///
    /// # Errors
    /// `Closed` when the actor is gone.
    pub async fn join(&self, protocols: Vec<ProtocolMetadata>) -> Result<(), Error> {
        self.send(Command::Join(protocols)).await
    }

    /// Asks for a rebalance: `RebalanceNeeded` follows.
    ///
    /// # Errors
    /// `Closed` when the actor is gone.
    pub async fn request_rejoin(&self, reason: &'static str) -> Result<(), Error> {
        self.send(Command::RequestRejoin(reason)).await
    }

    /// Leaves the group for now: whatever was held is given up without a `Lost`, and [`join`](Self::join) brings the member back.
    ///
    /// # Errors
    /// `Closed` when the actor is gone.
    pub async fn step_out(&self, reason: &'static str) -> Result<(), Error> {
        self.send(Command::StepOut(reason)).await
    }

    /// Commits with the current generation, or outside of any where nobody joined. One request for all; retried where that helps.
    ///
    /// # Errors
    /// `REBALANCE_IN_PROGRESS` while a rebalance is under way, `UNKNOWN_MEMBER_ID`, `ILLEGAL_GENERATION` or `FENCED_INSTANCE_ID` when
    /// the partitions belong to others by now; otherwise what the coordinator said last.
    pub async fn commit(&self, offsets: Vec<(TopicPartition, OffsetAndMetadata)>) -> Result<(), Error> {
        if offsets.is_empty() {
            return Ok(());
        }
        let (reply, receiver) = oneshot::channel();
        self.send(Command::Commit { offsets, reply }).await?;
        receiver.await.unwrap_or_else(|_gone| Err(closed()))
    }

    /// What is committed for `partitions`; `None` where nothing is.
    ///
    /// # Errors
    /// What the coordinator said last.
    pub async fn committed(
        &self,
        partitions: Vec<TopicPartition>,
    ) -> Result<Vec<(TopicPartition, Option<OffsetAndMetadata>)>, Error> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let (reply, receiver) = oneshot::channel();
        self.send(Command::Committed { partitions, reply }).await?;
        receiver.await.unwrap_or_else(|_gone| Err(closed()))
    }

    /// The clock of the membership, in ms since it was made.
    pub fn now_ms(&self) -> u64 {
        self.liveness.now_ms()
    }

    /// When that clock says so much.
    pub fn instant(&self, at_ms: u64) -> Instant {
        self.liveness.instant(at_ms)
    }

    /// Says that the user is alive until the guard is dropped and from then on for `max.poll.interval.ms`. No message, no lock.
    pub fn poll_guard(&self) -> PollGuard<'_> {
        self.liveness.polled_at_ms.store(u64::MAX, Ordering::Relaxed);
        PollGuard { liveness: &self.liveness }
    }

    /// Makes the member leave without this handle, whose thread may never come back to it.
    pub fn leave_switch(&self) -> LeaveSwitch {
        LeaveSwitch(Arc::clone(&self.liveness))
    }

    /// Leaves the group and ends the actor; waits a few seconds at most for the coordinator.
    pub async fn leave(&self) {
        self.leave_within(LEAVE_TIMEOUT).await;
    }

    /// As [`leave`](Self::leave), but waits no longer than `limit`, if that is less. The good-bye is sent all the same, and when the
    /// handle is dropped the actor goes on waiting for its answer in the background.
    pub async fn leave_within(&self, limit: Duration) {
        let (reply, receiver) = oneshot::channel();
        if self.send(Command::Leave(reply)).await.is_ok() {
            // Whether it answered or not, the member is gone for us; the coordinator's session timeout does the rest.
            drop(timeout(limit.min(LEAVE_TIMEOUT), receiver).await);
        }
    }

    /// Looks at the member's cluster, on the thread that it lives on.
    pub(super) async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Cluster) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, receiver) = oneshot::channel();
        let look = move |cluster: &Cluster| {
            // Whoever asked may have gone.
            drop(reply.send(look(cluster)));
        };
        self.send(Command::Look(Look(Box::new(look)))).await?;
        receiver.await.map_err(|_gone| closed())
    }

    async fn send(&self, command: Command) -> Result<(), Error> {
        self.commands.send(command).await.map_err(|_gone: mpsc::error::SendError<Command>| closed())
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "use group membership")
}

/// Has a member leave its group, from any thread: for a user that hangs, and with it everything that its thread has. The coordinator gives
/// its partitions to others, and takes no commit of it any more.
#[derive(Debug, Clone)]
pub struct LeaveSwitch(Arc<Liveness>);

impl LeaveSwitch {
    /// Leaves, in the background.
    pub fn leave(&self) {
        self.0.evicted.notify_one();
    }
}

/// When the user was last seen alive, written by the data thread and read by the actor when its own deadline comes.
#[derive(Debug)]
pub(super) struct Liveness {
    epoch: Instant,
    /// `u64::MAX` while a poll runs. A lone value that guards nothing else, hence relaxed.
    polled_at_ms: AtomicU64,
    /// Told by [`LeaveSwitch`]; keeps it in mind until the actor looks.
    pub(super) evicted: Notify,
}

impl Liveness {
    fn new() -> Self {
        Self { epoch: Instant::now(), polled_at_ms: AtomicU64::new(0), evicted: Notify::new() }
    }

    pub(super) fn polled_at_ms(&self) -> u64 {
        self.polled_at_ms.load(Ordering::Relaxed)
    }

    /// The core's clock.
    pub(super) fn now_ms(&self) -> u64 {
        self.epoch.elapsed().as_millis() as u64
    }

    pub(super) fn instant(&self, at_ms: u64) -> Instant {
        self.epoch + Duration::from_millis(at_ms)
    }
}

/// See [`Group::poll_guard`].
#[derive(Debug)]
pub struct PollGuard<'a> {
    liveness: &'a Liveness,
}

impl Drop for PollGuard<'_> {
    fn drop(&mut self) {
        self.liveness.polled_at_ms.store(self.liveness.now_ms(), Ordering::Relaxed);
    }
}
