//! What all connections of a broker share. It lives on one thread; the counters and faults may be seen from others.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

use super::timer;
use crate::cluster::Cluster;
use crate::config::Config;
use crate::faults::Faults;
use crate::group::{Coordinator, Limits};
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
    pub(super) connection_count: Cell<usize>,
    pub(super) deadlines: Rc<Notify>,
    pub(super) is_timer_running: Cell<bool>,
}

/// How many requests of each kind have arrived.
#[derive(Debug, Clone)]
pub(crate) struct RequestCounts {
    by_key: Arc<[AtomicU64; API_KEY_COUNT]>,
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
            requests: RequestCounts { by_key: Arc::new([const { AtomicU64::new(0) }; API_KEY_COUNT]) },
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
    pub(super) fn count(&self, api_key: i16) {
        if let Some(counter) = usize::try_from(api_key).ok().and_then(|key| self.by_key.get(key)) {
            // Relaxed: the counts order nothing.
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn get(&self, api_key: i16) -> u64 {
        let counter = usize::try_from(api_key).ok().and_then(|key| self.by_key.get(key));
        counter.map_or(0, |counter| counter.load(Ordering::Relaxed))
    }
}
