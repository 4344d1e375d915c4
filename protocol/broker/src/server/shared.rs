//! What all connections of a broker share. It lives on one thread; the counters and faults may be seen from others.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

use super::gate::Gate;
use super::timer;
use crate::cluster::Cluster;
use crate::config::Config;
use crate::faults::Faults;
use crate::group::{Coordinator, Limits};
use crate::security::Users;
use crate::transaction;

/// API keys are small numbers; those of Kafka 4 end at 92.
const API_KEY_COUNT: usize = 128;

/// The state of a broker.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) cluster: RefCell<Cluster>,
    pub(crate) groups: RefCell<Coordinator>,
    pub(crate) transactions: RefCell<transaction::Coordinator>,
    pub(crate) faults: Faults,
    pub(crate) requests: RequestCounts,
    /// Shared by all connections that have to authenticate.
    pub(super) users: Option<Rc<Users>>,
    /// One per node, in the order of their ids.
    gates: Vec<Gate>,
    pub(super) connection_count: Cell<usize>,
    pub(super) deadlines: Rc<Notify>,
    pub(super) is_timer_running: Cell<bool>,
}

/// How many requests of each kind have arrived at each node.
#[derive(Debug, Clone)]
pub(crate) struct RequestCounts {
    first_node: i32,
    by_node: Arc<[[AtomicU64; API_KEY_COUNT]]>,
}

impl Shared {
    pub(crate) fn new(config: Config) -> Rc<Self> {
        let limits = Limits {
            group_count_max: config.group_count_max,
            member_count_max: config.group_member_count_max,
            offset_count_max: config.group_offset_count_max,
            initial_rebalance_delay: config.group_initial_rebalance_delay,
            session_timeout_min: config.group_session_timeout_min,
            session_timeout_max: config.group_session_timeout_max,
        };
        let transaction_limits = transaction::Limits {
            id_count_max: config.transactional_id_count_max,
            participant_count_max: config.partition_count_max.saturating_add(config.group_count_max),
            timeout_max: config.transaction_timeout_max,
        };
        Rc::new(Self {
            cluster: RefCell::new(Cluster::new(config.clone())),
            groups: RefCell::new(Coordinator::new(limits)),
            transactions: RefCell::new(transaction::Coordinator::new(transaction_limits)),
            faults: Faults::default(),
            requests: RequestCounts::new(config.node_id, config.node_count),
            users: config.users.clone().map(Rc::new),
            gates: (0..config.node_count).map(|_| Gate::new()).collect(),
            connection_count: Cell::new(0),
            deadlines: Rc::new(Notify::new()),
            is_timer_running: Cell::new(false),
            config,
        })
    }

    /// A group or transaction may have to be woken earlier than was known. Heartbeats only move deadlines back, and need no call.
    pub(crate) fn deadlines_changed(&self) {
        self.deadlines.notify_one();
    }

    /// Where the clients of a node come in.
    pub(crate) fn gate(&self, node_id: i32) -> io::Result<&Gate> {
        let index = node_id.checked_sub(self.config.node_id).and_then(|index| usize::try_from(index).ok());
        let gate = index.and_then(|index| self.gates.get(index));
        gate.ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, format!("the embedded cluster has no node {node_id}"))
        })
    }

    /// Tells clients the port that a node listens on, unless they are to be told another.
    pub(super) fn advertise(&self, node_id: i32, port: u16) {
        if self.config.advertised_port.is_none()
            && let Some(node) = self.cluster.borrow_mut().nodes.iter_mut().find(|node| node.id == node_id)
        {
            node.port = port;
        }
    }

    /// Starts what runs in the background, once.
    pub(crate) fn start_timer(self: &Rc<Self>) {
        if !self.is_timer_running.replace(true) {
            tokio::task::spawn_local(timer::run(Rc::downgrade(self), Rc::clone(&self.deadlines)));
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // The timer finds nothing left to do, and ends.
        self.deadlines.notify_one();
    }
}

impl RequestCounts {
    fn new(first_node: i32, node_count: usize) -> Self {
        let by_node = (0..node_count).map(|_| [const { AtomicU64::new(0) }; API_KEY_COUNT]).collect();
        Self { first_node, by_node }
    }

    pub(super) fn count(&self, node_id: i32, api_key: i16) {
        if let Some(counter) = self.counter(node_id, api_key) {
            // Relaxed: the counts order nothing.
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// At all nodes.
    pub(crate) fn get(&self, api_key: i16) -> u64 {
        (self.first_node..).take(self.by_node.len()).map(|node_id| self.get_at(node_id, api_key)).sum()
    }

    /// At one node; 0 if there is no such node.
    pub(crate) fn get_at(&self, node_id: i32, api_key: i16) -> u64 {
        self.counter(node_id, api_key).map_or(0, |counter| counter.load(Ordering::Relaxed))
    }

    fn counter(&self, node_id: i32, api_key: i16) -> Option<&AtomicU64> {
        let node = usize::try_from(node_id.checked_sub(self.first_node)?).ok()?;
        self.by_node.get(node)?.get(usize::try_from(api_key).ok()?)
    }
}
