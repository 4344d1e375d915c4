//! The thin shell around [`Session`]: the herder's end of the membership. Nothing happens here but in [`Member::next`].

use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use engine::rt::clock;
use protocol::client::group::{Group, GroupConfig, GroupEvent, ProtocolMetadata};
use protocol::cluster::ClusterConfig;
use protocol::metrics::MetricsConfig;
use protocol::net::Env;
use tokio::sync::mpsc;

use super::assignor::ConfigSnapshots;
use super::leader::{Leader, Shared};
use super::metrics::{MembershipMetrics, RebalanceStats};
use super::protocol::{ConnectProtocol, ProtocolError, Subscription};
use super::session::{Action, Claim, Event, MemberEvent, RevokedBy, Session};

/// How long is waited where nothing is due.
const NEVER: Duration = Duration::from_secs(3_600);

/// How a worker takes part in its group.
#[derive(Debug, Clone)]
pub struct MemberConfig {
    /// The group's own settings.
    pub group: GroupConfig,
    /// `connect.protocol`.
    pub protocol: ConnectProtocol,
    /// `scheduled.rebalance.max.delay.ms`.
    pub max_delay: Duration,
    /// Where this worker's REST is, with a trailing slash.
    pub url: Arc<str>,
    /// How long metrics remember.
    pub windows: MetricsConfig,
}

impl MemberConfig {
    /// Java's defaults.
    pub fn new(group_id: &str, url: &str) -> MemberConfig {
        let rebalance_timeout_ms = 60_000;
        MemberConfig {
            group: GroupConfig {
                session_timeout_ms: 10_000,
                rebalance_timeout_ms,
                // `WorkerCoordinator#handlePollTimeoutExpiry`: a herder that hangs leaves its work to others.
                poll_interval_ms_max: Some(rebalance_timeout_ms),
                is_cooperative: true,
                ..GroupConfig::new(group_id, "connect")
            },
            protocol: ConnectProtocol::Sessioned,
            max_delay: Duration::from_secs(300),
            url: url.into(),
            windows: MetricsConfig::default(),
        }
    }
}

/// A worker in its group. Commands take effect with the next [`next`](Member::next).
pub struct Member {
    group: Rc<Group>,
    events: mpsc::UnboundedReceiver<GroupEvent>,
    session: Session,
    /// What the group is to be told, in order.
    outbox: VecDeque<Action>,
    reports: VecDeque<MemberEvent>,
    shared: Arc<Shared>,
    snapshots: Arc<dyn ConfigSnapshots>,
    protocol: ConnectProtocol,
    url: Arc<str>,
    client_id: Arc<str>,
    stats: Rc<RebalanceStats>,
    is_group_gone: bool,
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member").field("session", &self.session).finish_non_exhaustive()
    }
}

impl Member {
    /// A member that joins as soon as somebody waits for its events. The membership itself runs on `env.control`.
    pub fn spawn(
        env: Env,
        cluster: ClusterConfig,
        config: MemberConfig,
        snapshots: Arc<dyn ConfigSnapshots>,
    ) -> Member {
        let MemberConfig { group, protocol, max_delay, url, windows } = config;
        // The protocol has room for no more.
        let max_delay_ms = u64::try_from(max_delay.as_millis()).unwrap_or(u64::MAX).min(i32::MAX as u64);
        let session = Session::new(protocol, max_delay_ms);
        let shared = Arc::new(Shared::default());
        let client_id = Arc::clone(&cluster.client_id);
        let leading = (Arc::clone(&url), Arc::clone(&shared), Arc::clone(&snapshots));
        let (group, events) = Group::spawn(env, cluster, group, move || {
            let (url, shared, snapshots) = leading;
            Box::new(Leader::new(url, max_delay_ms, shared, snapshots))
        });
        let mut member = Member {
            group: Rc::new(group),
            events,
            session,
            outbox: VecDeque::new(),
            reports: VecDeque::new(),
            shared,
            snapshots,
            protocol,
            url,
            client_id,
            stats: Rc::new(RebalanceStats::new(protocol, windows)),
            is_group_gone: false,
        };
        member.join();
        member
    }

    /// What is next. While somebody waits here the herder counts as alive; if nobody does for `rebalance.timeout.ms`, the member leaves.
    ///
    /// Cancel safe.
    pub async fn next(&mut self) -> MemberEvent {
        let group = Rc::clone(&self.group);
        let _alive = group.poll_guard();
        loop {
            if let Some(event) = self.reports.pop_front() {
                return event;
            }
            self.send_out(&group).await;
            if !self.reports.is_empty() {
                continue;
            }
            let deadline_ms = self.session.deadline_ms();
            let due = deadline_ms.map_or_else(|| clock::now() + NEVER, |at_ms| group.instant(at_ms));
            let event = tokio::select! {
                event = self.events.recv(), if !self.is_group_gone => match event {
                    Some(event) => Event::Group(event),
                    None => {
                        self.is_group_gone = true;
                        Event::Group(GroupEvent::Failed(protocol::Error::closed("stay in the group")))
                    }
                },
                () = tokio::time::sleep_until(due) => Event::Tick,
            };
            self.feed(event);
        }
    }

    /// What the oldest [`MemberEvent::Revoked`] that is still open named has been stopped, and the status topic flushed.
    pub fn revoked(&mut self) {
        self.feed(Event::RevokedDone);
    }

    /// The work of this generation has been started.
    pub fn resolved(&mut self, generation: i32) {
        if self.shared.lock().last_completed_generation == generation {
            self.stats.resolved();
        }
        self.feed(Event::Resolved { generation });
    }

    /// Something that the assignment depends on has changed.
    pub fn rejoin(&mut self, reason: &'static str) {
        self.feed(Event::Rejoin(reason));
    }

    /// Leaves for now, without giving up what runs: [`join`](Self::join) comes back and claims it.
    pub fn step_out(&mut self, reason: &'static str) {
        self.feed(Event::StepOut(reason));
    }

    /// Comes back after [`step_out`](Self::step_out).
    pub fn join(&mut self) {
        self.feed(Event::Join);
    }

    /// Gives everything up: a [`MemberEvent::Revoked`] of all of it follows, and the next join claims nothing.
    pub fn revoke_all(&mut self) {
        self.feed(Event::RevokeAll);
    }

    /// Leaves the group for good; waits for the coordinator's answer for a few seconds at most.
    pub async fn close(self) {
        self.group.leave().await;
    }

    /// What is counted of rebalances.
    pub fn stats(&self) -> Rc<RebalanceStats> {
        Rc::clone(&self.stats)
    }

    /// What there is to measure of it.
    pub fn metrics(&self) -> MembershipMetrics {
        MembershipMetrics {
            client_id: Arc::clone(&self.client_id),
            stats: Rc::clone(&self.stats),
            group: Rc::downgrade(&self.group),
        }
    }

    fn feed(&mut self, event: Event) {
        for action in self.session.step(event, self.group.now_ms()) {
            match action {
                Action::Report(event) => self.report(event),
                action => self.outbox.push_back(action),
            }
        }
    }

    fn report(&mut self, mut event: MemberEvent) {
        match &mut event {
            MemberEvent::Rebalancing { reason } => self.stats.begun(reason),
            MemberEvent::Revoked { cause: RevokedBy::Lost(_), .. } => {
                self.stats.begun("the membership was lost")
            }
            MemberEvent::Assigned(assigned) => {
                let mut known = self.shared.lock();
                known.last_completed_generation = assigned.generation;
                let owners = known.owners.take_if(|(generation, _)| *generation == assigned.generation);
                assigned.owners = owners.map(|(_, owners)| owners);
                self.stats.assigned(assigned);
            }
            MemberEvent::Revoked { .. } | MemberEvent::Failed(_) => {}
        }
        self.reports.push_back(event);
    }

    /// Sends what is due. What is not sent yet when the future is dropped stays.
    async fn send_out(&mut self, group: &Group) {
        while let Some(action) = self.outbox.front() {
            let sent = match action {
                Action::Join(claim) => match self.protocols(claim.clone()) {
                    Ok(protocols) => {
                        tracing::info!("(Re-)joining group");
                        group.join(protocols).await
                    }
                    Err(error) => {
                        Err(protocol::Error::malformed("write what this worker says when it joins", error))
                    }
                },
                Action::RequestRejoin(reason) => group.request_rejoin(reason).await,
                Action::StepOut(reason) => group.step_out(reason).await,
                // Reported at once by `feed`.
                Action::Report(_) => Ok(()),
            };
            self.outbox.pop_front();
            if let Err(error) = sent
                && !self.is_group_gone
            {
                self.feed(Event::Group(GroupEvent::Failed(error)));
            }
        }
    }

    /// What a join says under each protocol that this worker can follow (`WorkerCoordinator#metadata`).
    fn protocols(&self, allocation: Claim) -> Result<Vec<ProtocolMetadata>, ProtocolError> {
        let configured = self.snapshots.snapshot();
        let subscription =
            Subscription { url: Arc::clone(&self.url), config_offset: configured.offset, allocation };
        self.shared.lock().joined_with = configured;
        self.protocol
            .supported()
            .map(|protocol| {
                let metadata = subscription.encode(protocol)?;
                Ok(ProtocolMetadata { name: protocol.wire_name().to_owned(), metadata })
            })
            .collect()
    }
}
