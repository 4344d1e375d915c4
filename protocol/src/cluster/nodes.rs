//! The connections to the nodes of a cluster: one each, made when first needed, made again with backoff when lost (KIP-144).

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use futures_util::FutureExt;
use futures_util::future::Shared;
use indexmap::IndexMap;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{debug, info, warn};

use super::retry::RetryPolicy;
use super::{ClusterConfig, HostPort, Metadata};
use crate::net::{
    Connection, ConnectionConfig, ConnectionMetrics, Env, LocalBoxFuture, Security, SocketBuffers,
};
use crate::{Error, ErrorKind, Result};

/// Whom a connection leads to. Bootstrap servers are dialled before their node ids are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum NodeKey {
    Bootstrap(usize),
    Node(i32),
}

impl NodeKey {
    /// The node's id, or what Java calls a bootstrap server: -1 and down.
    fn number(self) -> i32 {
        match self {
            Self::Bootstrap(index) => i32::try_from(index).map_or(i32::MIN, |index| -1 - index),
            Self::Node(id) => id,
        }
    }
}

type Dialing = Shared<LocalBoxFuture<'static, Result<Connection>>>;

pub(super) struct Nodes {
    env: Env,
    setup_policy: RetryPolicy,
    policy: RetryPolicy,
    connection_config: ConnectionConfig,
    security: Security,
    socket_buffers: SocketBuffers,
    rebootstraps: bool,
    slots: RefCell<IndexMap<NodeKey, Slot>>,
}

struct Slot {
    address: HostPort,
    connection: Option<Connection>,
    dialing: Option<Dialing>,
    failure_count: u32,
    /// The backoff: not to be dialled before.
    not_before: Option<Instant>,
}

impl Nodes {
    pub(super) fn new(env: Env, config: &ClusterConfig, connection_config: ConnectionConfig) -> Self {
        let slots = config
            .bootstrap
            .iter()
            .enumerate()
            .map(|(index, address)| (NodeKey::Bootstrap(index), Slot::new(address.clone())))
            .collect();
        Self {
            env,
            setup_policy: RetryPolicy::connection_setup(config),
            policy: RetryPolicy::reconnects(config),
            connection_config,
            security: config.security.clone(),
            socket_buffers: config.socket_buffers,
            rebootstraps: config.rebootstraps,
            slots: RefCell::new(slots),
        }
    }

    /// Takes over who exists and where. A node that moved or went away loses its connection.
    pub(super) fn update(&self, metadata: &Metadata) {
        let mut slots = self.slots.borrow_mut();
        slots.retain(|key, slot| match key {
            NodeKey::Bootstrap(_) => self.rebootstraps || metadata.nodes.is_empty(),
            NodeKey::Node(id) => metadata.node(*id).is_some_and(|node| node.address == slot.address),
        });
        self.metrics().retain_nodes(|number| number < 0 || metadata.node(number).is_some());
        if !metadata.nodes.is_empty() {
            // They lead to nodes that are now known by themselves; whoever still waits on one holds it until it is answered.
            for slot in
                slots.iter_mut().filter(|(key, _)| matches!(key, NodeKey::Bootstrap(_))).map(|(_, slot)| slot)
            {
                slot.connection = None;
            }
        }
        for node in &metadata.nodes {
            slots.entry(NodeKey::Node(node.id)).or_insert_with(|| Slot::new(node.address.clone()));
        }
    }

    /// What the connections count into.
    pub(super) fn metrics(&self) -> &ConnectionMetrics {
        &self.connection_config.metrics
    }

    /// Requests whose response is still awaited.
    pub(super) fn in_flight_count(&self) -> usize {
        self.slots
            .borrow()
            .values()
            .filter_map(|slot| slot.connection.as_ref())
            .map(Connection::in_flight_count)
            .sum()
    }

    /// The connection to `key` if there is a live one now.
    pub(super) fn open_connection(&self, key: NodeKey) -> Option<Connection> {
        let mut slots = self.slots.borrow_mut();
        self.live(slots.get_mut(&key)?)
    }

    /// A connection to `key`: the live one, or the next one after the backoff. Concurrent callers share one dial.
    pub(super) async fn connect(self: &Rc<Self>, key: NodeKey) -> Result<Connection> {
        let dialing = {
            let mut slots = self.slots.borrow_mut();
            let Some(slot) = slots.get_mut(&key) else {
                // Not in the current metadata: the caller's view is newer or older, so it has to be refreshed.
                return Err(Error::disconnected("connect to broker", format!("{key:?} is not known")));
            };
            if let Some(connection) = self.live(slot) {
                return Ok(connection);
            }
            match &slot.dialing {
                Some(dialing) => dialing.clone(),
                None => {
                    let dialing = self.dial(key, slot);
                    slot.dialing = Some(dialing.clone());
                    // Driven by a task of its own, so that a caller who gives up does not leave a half-made connection behind.
                    tokio::task::spawn_local(dialing.clone());
                    dialing
                }
            }
        };
        dialing.await
    }

    /// Nodes worth asking anything, best first: connected ones, then those not in backoff, both in random order; known nodes
    /// before bootstrap servers.
    pub(super) fn candidates(&self) -> Vec<NodeKey> {
        let mut slots = self.slots.borrow_mut();
        let now = Instant::now();
        let mut ranked: Vec<(u8, NodeKey)> = slots
            .iter_mut()
            .map(|(key, slot)| {
                let is_live = self.live(slot).is_some();
                let is_resting = slot.not_before.is_some_and(|until| until > now);
                let rank = match (is_live, is_resting, key) {
                    (true, _, _) => 0,
                    (_, false, NodeKey::Node(_)) => 1,
                    (_, false, NodeKey::Bootstrap(_)) => 2,
                    (_, true, NodeKey::Node(_)) => 3,
                    (_, true, NodeKey::Bootstrap(_)) => 4,
                };
                (rank, *key)
            })
            .collect();
        self.env.shuffle(&mut ranked);
        ranked.sort_by_key(|(rank, _)| *rank);
        ranked.into_iter().map(|(_, key)| key).collect()
    }

    /// Closes every connection; nothing is dialled any more.
    pub(super) fn close(&self) {
        for (_, slot) in self.slots.borrow_mut().drain(..) {
            if let Some(connection) = slot.connection {
                connection.close(Error::closed("use cluster"));
            }
        }
    }

    fn live(&self, slot: &mut Slot) -> Option<Connection> {
        let connection = slot.connection.as_ref()?;
        if connection.is_open() {
            return Some(connection.clone());
        }
        // Java also waits `reconnect.backoff.ms` after a lost connection, so that a crashing broker is not hammered.
        debug!(address = %slot.address, error = ?connection.poisoned().map(|e| e.to_string()), "connection to broker lost");
        slot.connection = None;
        slot.failure_count = 1;
        slot.not_before = Some(Instant::now() + self.policy.backoff(&self.env, 1));
        None
    }

    fn dial(self: &Rc<Self>, key: NodeKey, slot: &Slot) -> Dialing {
        let nodes = Rc::downgrade(self);
        let dial = self.env.dialer.dial(&slot.address.host, slot.address.port, self.socket_buffers);
        let address = slot.address.clone();
        let not_before = slot.not_before;
        let setup_timeout = self.setup_policy.backoff(&self.env, slot.failure_count + 1);
        let metrics = self.metrics().of_node(key.number());
        let config = ConnectionConfig { metrics: metrics.clone(), ..self.connection_config.clone() };
        let security = self.security.clone();
        let env = self.env.clone();
        let is_protected = security.tls.is_some() || security.sasl.is_some();
        async move {
            const DOING: &str = "connect to broker";
            if let Some(until) = not_before {
                sleep_until(until).await;
            }
            let open = async {
                let stream =
                    dial.await.map_err(|error| Error::disconnected(DOING, format!("{address}: {error}")))?;
                let stream = security.protect(&address.host, stream).await?;
                Connection::open(stream, &config).await
            };
            // Has time limits of its own: an issuer of tokens that is slow is no broker that is.
            let opened = match security.log_in(&env).await {
                Ok(()) => timeout(setup_timeout, open).await.unwrap_or_else(|_elapsed| {
                    let detail = format!("{address}: no connection within {} ms", setup_timeout.as_millis());
                    Err(Error::timeout(DOING).with_source(detail))
                }),
                Err(error) => Err(error),
            };
            match &opened {
                Ok(_) if is_protected => metrics.authenticated(true),
                Err(error) if error.kind() == ErrorKind::Auth => metrics.authenticated(false),
                Ok(_) | Err(_) => {}
            }
            Self::dialled(&nodes, key, &address, &opened);
            opened
        }
        .boxed_local()
        .shared()
    }

    fn dialled(nodes: &Weak<Self>, key: NodeKey, address: &HostPort, opened: &Result<Connection>) {
        let Some(nodes) = nodes.upgrade() else { return };
        let mut slots = nodes.slots.borrow_mut();
        // A node that moved meanwhile has another slot: who answers at the old address may be somebody else by now.
        let Some(slot) = slots.get_mut(&key).filter(|slot| slot.address == *address) else { return };
        slot.dialing = None;
        match opened {
            Ok(connection) => {
                slot.connection = Some(connection.clone());
                if slot.failure_count > 1 {
                    info!(address = %slot.address, failures = slot.failure_count, "connected to broker again");
                }
                slot.failure_count = 0;
                slot.not_before = None;
            }
            Err(error) => {
                slot.failure_count += 1;
                let pause = nodes.policy.backoff(&nodes.env, slot.failure_count);
                slot.not_before = Some(Instant::now() + pause);
                // An outage is told when it begins and ever more rarely while it lasts, at 2, 4, 8, … failures.
                if slot.failure_count.is_power_of_two() {
                    let failures = slot.failure_count;
                    warn!(address = %slot.address, %error, failures, "failed to connect to broker, trying again");
                }
            }
        }
    }
}

impl Slot {
    fn new(address: HostPort) -> Self {
        Self { address, connection: None, dialing: None, failure_count: 0, not_before: None }
    }
}
