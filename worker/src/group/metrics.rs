//! What is counted of rebalances (`DistributedHerder.HerderMetrics`): from an assignment's arrival to the start of its work.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use engine::metrics::{Reading, Windowed};
use engine::rt::clock::{self, Instant};
use protocol::client::group::Group;
use protocol::metrics::{MemberGroups, Metric, MetricsConfig};

use super::protocol::ConnectProtocol;
use super::session::Assigned;

/// Java's groups of what a worker's membership and its connections count.
pub const GROUPS: MemberGroups = MemberGroups {
    all: "connect-metrics",
    node: "connect-node-metrics",
    coordinator: "connect-coordinator-metrics",
};

/// Everything that there is to measure of a membership; it does not keep it alive.
#[derive(Debug, Clone)]
pub struct MembershipMetrics {
    pub(super) client_id: Arc<str>,
    pub(super) stats: Rc<RebalanceStats>,
    pub(super) group: Weak<Group>,
}

impl MembershipMetrics {
    /// The `client.id` with which the worker is in the group.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// What is counted of rebalances.
    pub fn sample(&self) -> RebalanceSample {
        self.stats.sample()
    }

    /// Has `add` told what the group's client counts; `None` where it has ended.
    pub async fn client<T: Default + Send + 'static>(&self, add: fn(&mut T, &Metric<'_>)) -> Option<T> {
        let group = self.group.upgrade()?;
        group.observe(GROUPS, add).await.ok()
    }
}

/// Counted by the member, read by `/metrics`.
#[derive(Debug)]
pub struct RebalanceStats {
    protocol: Cell<ConnectProtocol>,
    leader_url: RefCell<Option<Arc<str>>>,
    generation: Cell<i32>,
    completed: Cell<u64>,
    /// When the first sign of the rebalance under way came.
    begun_at: Cell<Option<Instant>>,
    started_at: Cell<Option<Instant>>,
    completed_at: Cell<Option<Instant>>,
    durations_ms: Windowed,
    assigned_connectors: Cell<usize>,
    assigned_tasks: Cell<usize>,
    last_reason: Cell<&'static str>,
    last_duration_ms: Cell<Option<f64>>,
    /// When everybody is to join again.
    scheduled_at: Cell<Option<Instant>>,
}

/// As of one moment.
#[derive(Debug, Clone)]
pub struct RebalanceSample {
    /// What the group follows.
    pub protocol: ConnectProtocol,
    /// The leader's REST URL; none before the first assignment.
    pub leader_url: Option<Arc<str>>,
    /// The generation; -1 before the first.
    pub generation: i32,
    /// Rebalances whose work was started.
    pub completed: u64,
    /// An assignment's work has not been started yet.
    pub is_rebalancing: bool,
    /// The same, or a rebalance has begun whose assignment has not come yet.
    pub is_under_way: bool,
    /// How long rebalances took, in ms.
    pub durations_ms: Reading,
    /// Time since the last one was completed, in ms; infinite before the first.
    pub since_last_ms: f64,
    /// Connectors of this worker.
    pub assigned_connectors: usize,
    /// Tasks of this worker.
    pub assigned_tasks: usize,
    /// Why the last rebalance happened; empty before the first.
    pub last_reason: &'static str,
    /// How long the last completed one took, in ms: from its first sign to the start of its work.
    pub last_duration_ms: Option<f64>,
    /// In how many ms everybody is to join again, where the leader has asked for that.
    pub scheduled_in_ms: Option<f64>,
}

impl RebalanceStats {
    pub(super) fn new(protocol: ConnectProtocol, windows: MetricsConfig) -> RebalanceStats {
        RebalanceStats {
            protocol: Cell::new(protocol),
            leader_url: RefCell::new(None),
            generation: Cell::new(-1),
            completed: Cell::new(0),
            begun_at: Cell::new(None),
            started_at: Cell::new(None),
            completed_at: Cell::new(None),
            durations_ms: Windowed::new(windows),
            assigned_connectors: Cell::new(0),
            assigned_tasks: Cell::new(0),
            last_reason: Cell::new(""),
            last_duration_ms: Cell::new(None),
            scheduled_at: Cell::new(None),
        }
    }

    pub(super) fn begun(&self, reason: &'static str) {
        self.last_reason.set(reason);
        self.begun_at.set(self.begun_at.get().or_else(|| Some(clock::now())));
        self.scheduled_at.set(None);
    }

    pub(super) fn assigned(&self, assigned: &Assigned) {
        self.protocol.set(assigned.protocol);
        *self.leader_url.borrow_mut() = Some(Arc::clone(&assigned.leader_url));
        self.generation.set(assigned.generation);
        self.assigned_connectors.set(assigned.connectors.len());
        self.assigned_tasks.set(assigned.tasks.len());
        let now = clock::now();
        self.started_at.set(Some(now));
        let delay_ms = Some(assigned.delay_ms).filter(|delay_ms| *delay_ms > 0);
        self.scheduled_at.set(delay_ms.map(|delay_ms| now + Duration::from_millis(delay_ms)));
    }

    pub(super) fn resolved(&self) {
        let now = clock::now();
        if let Some(started_at) = self.started_at.take() {
            self.durations_ms.record(millis(now.duration_since(started_at)), now);
            let begun_at = self.begun_at.take().unwrap_or(started_at);
            self.last_duration_ms.set(Some(millis(now.duration_since(begun_at))));
            self.completed.set(self.completed.get() + 1);
            self.completed_at.set(Some(now));
        }
    }

    /// How it stands.
    pub fn sample(&self) -> RebalanceSample {
        let now = clock::now();
        RebalanceSample {
            protocol: self.protocol.get(),
            leader_url: self.leader_url.borrow().clone(),
            generation: self.generation.get(),
            completed: self.completed.get(),
            is_rebalancing: self.started_at.get().is_some(),
            is_under_way: self.started_at.get().is_some() || self.begun_at.get().is_some(),
            durations_ms: self.durations_ms.read(now),
            since_last_ms: self.completed_at.get().map_or(f64::INFINITY, |at| millis(now.duration_since(at))),
            assigned_connectors: self.assigned_connectors.get(),
            assigned_tasks: self.assigned_tasks.get(),
            last_reason: self.last_reason.get(),
            last_duration_ms: self.last_duration_ms.get(),
            scheduled_in_ms: self.scheduled_at.get().map(|at| millis(at.saturating_duration_since(now))),
        }
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
