//! What is counted of rebalances (`DistributedHerder.HerderMetrics`): from an assignment's arrival to the start of its work.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use engine::metrics::{Reading, Windowed};
use engine::rt::clock::{self, Instant};
use protocol::metrics::MetricsConfig;

use super::protocol::ConnectProtocol;
use super::session::Assigned;

/// Counted by the member, read by `/metrics`.
#[derive(Debug)]
pub struct RebalanceStats {
    protocol: Cell<ConnectProtocol>,
    leader_url: RefCell<Option<Arc<str>>>,
    generation: Cell<i32>,
    completed: Cell<u64>,
    started_at: Cell<Option<Instant>>,
    completed_at: Cell<Option<Instant>>,
    durations_ms: Windowed,
    assigned_connectors: Cell<usize>,
    assigned_tasks: Cell<usize>,
    last_reason: Cell<&'static str>,
    last_duration_ms: Cell<Option<f64>>,
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
    /// How long the last completed one took, in ms.
    pub last_duration_ms: Option<f64>,
}

impl RebalanceStats {
    pub(super) fn new(protocol: ConnectProtocol, windows: MetricsConfig) -> RebalanceStats {
        RebalanceStats {
            protocol: Cell::new(protocol),
            leader_url: RefCell::new(None),
            generation: Cell::new(-1),
            completed: Cell::new(0),
            started_at: Cell::new(None),
            completed_at: Cell::new(None),
            durations_ms: Windowed::new(windows),
            assigned_connectors: Cell::new(0),
            assigned_tasks: Cell::new(0),
            last_reason: Cell::new(""),
            last_duration_ms: Cell::new(None),
        }
    }

    pub(super) fn begun(&self, reason: &'static str) {
        self.last_reason.set(reason);
    }

    pub(super) fn assigned(&self, assigned: &Assigned) {
        self.protocol.set(assigned.protocol);
        *self.leader_url.borrow_mut() = Some(Arc::clone(&assigned.leader_url));
        self.generation.set(assigned.generation);
        self.assigned_connectors.set(assigned.connectors.len());
        self.assigned_tasks.set(assigned.tasks.len());
        self.started_at.set(Some(clock::now()));
    }

    pub(super) fn resolved(&self) {
        let now = clock::now();
        if let Some(started_at) = self.started_at.take() {
            let took_ms = now.duration_since(started_at).as_secs_f64() * 1_000.0;
            self.durations_ms.record(took_ms, now);
            self.last_duration_ms.set(Some(took_ms));
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
            durations_ms: self.durations_ms.read(now),
            since_last_ms: self
                .completed_at
                .get()
                .map_or(f64::INFINITY, |at| now.duration_since(at).as_secs_f64() * 1_000.0),
            assigned_connectors: self.assigned_connectors.get(),
            assigned_tasks: self.assigned_tasks.get(),
            last_reason: self.last_reason.get(),
            last_duration_ms: self.last_duration_ms.get(),
        }
    }
}
