//! What a client counts of its connections: of all of them together, and per node.
//!
//! Requests are counted as they are handed to a connection, responses as they are complete. Nodes that the cluster no longer has are
//! forgotten.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use indexmap::IndexMap;
use tokio::time::Instant;

use crate::metrics::{Client, Definition, MetricsConfig, Report, Row, Stat, Tag, Unit, define, millis, row};

/// What the connections of one client count into. Clones share it.
#[derive(Debug, Clone)]
pub struct ConnectionMetrics {
    shared: Rc<Shared>,
    /// None of a connection whose node nobody named.
    node: Option<Rc<RefCell<NodeStats>>>,
}

#[derive(Debug)]
struct Shared {
    config: MetricsConfig,
    all: RefCell<AllStats>,
    /// By number; bootstrap servers have negative ones.
    nodes: RefCell<IndexMap<i32, Rc<RefCell<NodeStats>>>>,
}

/// Requests and responses by their bytes.
#[derive(Debug)]
struct Traffic {
    requests: Stat,
    responses: Stat,
}

#[derive(Debug)]
struct AllStats {
    traffic: Traffic,
    open_count: usize,
    created: Stat,
    closed: Stat,
    authenticated: Stat,
    refused: Stat,
    reauthenticated: Stat,
    reauthentication_refused: Stat,
}

#[derive(Debug)]
struct NodeStats {
    traffic: Traffic,
    latency: Stat,
}

impl Default for ConnectionMetrics {
    fn default() -> Self {
        Self::new(MetricsConfig::default())
    }
}

impl ConnectionMetrics {
    /// Counts of a client that has no connection yet.
    pub fn new(config: MetricsConfig) -> Self {
        let stat = || Stat::new(config);
        let all = RefCell::new(AllStats {
            traffic: Traffic { requests: stat(), responses: stat() },
            open_count: 0,
            created: stat(),
            closed: stat(),
            authenticated: stat(),
            refused: stat(),
            reauthenticated: stat(),
            reauthentication_refused: stat(),
        });
        Self { shared: Rc::new(Shared { config, all, nodes: RefCell::default() }), node: None }
    }

    /// The same for a connection to node `number`; Java gives bootstrap servers numbers below 0.
    pub(crate) fn of_node(&self, number: i32) -> Self {
        let stat = || Stat::new(self.shared.config);
        let mut nodes = self.shared.nodes.borrow_mut();
        let node = nodes.entry(number).or_insert_with(|| {
            let traffic = Traffic { requests: stat(), responses: stat() };
            Rc::new(RefCell::new(NodeStats { traffic, latency: stat() }))
        });
        Self { shared: Rc::clone(&self.shared), node: Some(Rc::clone(node)) }
    }

    /// Forgets nodes that `is_known` does not know.
    pub(crate) fn retain_nodes(&self, is_known: impl Fn(i32) -> bool) {
        self.shared.nodes.borrow_mut().retain(|number, _| is_known(*number));
    }

    pub(super) fn opened(&self) {
        let mut all = self.shared.all.borrow_mut();
        all.open_count += 1;
        all.created.record(1.0, Instant::now());
    }

    pub(super) fn closed(&self) {
        let mut all = self.shared.all.borrow_mut();
        all.open_count -= 1;
        all.closed.record(1.0, Instant::now());
    }

    #[inline]
    pub(super) fn sent(&self, bytes: usize, now: Instant) {
        self.traffic(|traffic| traffic.requests.record(bytes as f64, now));
    }

    #[inline]
    pub(super) fn received(&self, bytes: usize, now: Instant) {
        self.traffic(|traffic| traffic.responses.record(bytes as f64, now));
    }

    /// A connection of a protocol that authenticates was made, or refused for who we are or who they are.
    pub(crate) fn authenticated(&self, is_accepted: bool) {
        let mut all = self.shared.all.borrow_mut();
        let outcome = if is_accepted { &mut all.authenticated } else { &mut all.refused };
        outcome.record(1.0, Instant::now());
    }

    pub(super) fn reauthenticated(&self, took: Duration) {
        self.shared.all.borrow_mut().reauthenticated.record(millis(took), Instant::now());
    }

    pub(super) fn reauthentication_refused(&self) {
        self.shared.all.borrow_mut().reauthentication_refused.record(1.0, Instant::now());
    }

    /// A fetch or produce request was answered.
    pub(crate) fn answered(&self, took: Duration, now: Instant) {
        if let Some(node) = &self.node {
            node.borrow_mut().latency.record(millis(took), now);
        }
    }

    fn traffic(&self, count: impl Fn(&mut Traffic)) {
        count(&mut self.shared.all.borrow_mut().traffic);
        if let Some(node) = &self.node {
            count(&mut node.borrow_mut().traffic);
        }
    }

    pub(crate) fn report(&self, client: Client, report: &mut Report<'_>) {
        report.table(client.group(), &[], ALL, self.shared.all.borrow());
        let nodes: Vec<_> =
            self.shared.nodes.borrow().iter().map(|(number, node)| (*number, Rc::clone(node))).collect();
        for (number, node) in nodes {
            let name = format!("node-{number}");
            let tags = [Tag { name: "node-id", value: &name }];
            report.table(client.node_group(), &tags, NODE, node.borrow());
        }
    }

    pub(crate) fn definitions(client: Client) -> impl Iterator<Item = Definition> {
        define(client, client.group(), &["client-id"], ALL).chain(define(
            client,
            client.node_group(),
            &["client-id", "node-id"],
            NODE,
        ))
    }
}

const ALL: &[Row<AllStats>] = &[
    row("connection-count", Unit::Count, "Connections that are open.", |s, _| s.open_count as f64),
    row("connection-creation-rate", Unit::PerSecond, "Connections made.", |s, now| s.created.rate(now)),
    row("connection-creation-total", Unit::Count, "Connections made.", |s, _| s.created.total()),
    row("connection-close-rate", Unit::PerSecond, "Connections closed, by either side.", |s, now| {
        s.closed.rate(now)
    }),
    row("connection-close-total", Unit::Count, "Connections closed, by either side.", |s, _| {
        s.closed.total()
    }),
    row(
        "successful-authentication-rate",
        Unit::PerSecond,
        "Connections whose TLS or SASL handshake succeeded.",
        |s, now| s.authenticated.rate(now),
    ),
    row(
        "successful-authentication-total",
        Unit::Count,
        "Connections whose TLS or SASL handshake succeeded.",
        |s, _| s.authenticated.total(),
    ),
    row(
        "failed-authentication-rate",
        Unit::PerSecond,
        "Connections refused in the TLS or SASL handshake, by either side.",
        |s, now| s.refused.rate(now),
    ),
    row(
        "failed-authentication-total",
        Unit::Count,
        "Connections refused in the TLS or SASL handshake, by either side.",
        |s, _| s.refused.total(),
    ),
    row(
        "successful-reauthentication-rate",
        Unit::PerSecond,
        "SASL sessions renewed on a live connection (KIP-368).",
        |s, now| s.reauthenticated.count_rate(now),
    ),
    row(
        "successful-reauthentication-total",
        Unit::Count,
        "SASL sessions renewed on a live connection (KIP-368).",
        |s, _| s.reauthenticated.count(),
    ),
    row(
        "failed-reauthentication-rate",
        Unit::PerSecond,
        "SASL sessions that could not be renewed; the connection was closed.",
        |s, now| s.reauthentication_refused.rate(now),
    ),
    row(
        "failed-reauthentication-total",
        Unit::Count,
        "SASL sessions that could not be renewed; the connection was closed.",
        |s, _| s.reauthentication_refused.total(),
    ),
    row("reauthentication-latency-avg", Unit::Millis, "How long renewing a session took.", |s, now| {
        s.reauthenticated.avg(now)
    }),
    row(
        "reauthentication-latency-max",
        Unit::Millis,
        "The longest time that renewing a session took.",
        |s, now| s.reauthenticated.max(now),
    ),
    row("request-rate", Unit::PerSecond, "Requests sent.", |s, now| s.traffic.requests.count_rate(now)),
    row("request-total", Unit::Count, "Requests sent.", |s, _| s.traffic.requests.count()),
    row("request-size-avg", Unit::Bytes, "Bytes of a request, framing included.", |s, now| {
        s.traffic.requests.avg(now)
    }),
    row("request-size-max", Unit::Bytes, "Bytes of the largest request.", |s, now| {
        s.traffic.requests.max(now)
    }),
    row("outgoing-byte-rate", Unit::BytesPerSecond, "Bytes of requests.", |s, now| {
        s.traffic.requests.rate(now)
    }),
    row("outgoing-byte-total", Unit::Bytes, "Bytes of requests.", |s, _| s.traffic.requests.total()),
    row("response-rate", Unit::PerSecond, "Responses received.", |s, now| {
        s.traffic.responses.count_rate(now)
    }),
    row("response-total", Unit::Count, "Responses received.", |s, _| s.traffic.responses.count()),
    row("incoming-byte-rate", Unit::BytesPerSecond, "Bytes of responses.", |s, now| {
        s.traffic.responses.rate(now)
    }),
    row("incoming-byte-total", Unit::Bytes, "Bytes of responses.", |s, _| s.traffic.responses.total()),
];

const NODE: &[Row<NodeStats>] = &[
    row("request-rate", Unit::PerSecond, "Requests sent to the node.", |s, now| {
        s.traffic.requests.count_rate(now)
    }),
    row("request-total", Unit::Count, "Requests sent to the node.", |s, _| s.traffic.requests.count()),
    row("request-size-avg", Unit::Bytes, "Bytes of a request to the node.", |s, now| {
        s.traffic.requests.avg(now)
    }),
    row("request-size-max", Unit::Bytes, "Bytes of the largest request to the node.", |s, now| {
        s.traffic.requests.max(now)
    }),
    row("outgoing-byte-rate", Unit::BytesPerSecond, "Bytes of requests to the node.", |s, now| {
        s.traffic.requests.rate(now)
    }),
    row("outgoing-byte-total", Unit::Bytes, "Bytes of requests to the node.", |s, _| {
        s.traffic.requests.total()
    }),
    row("response-rate", Unit::PerSecond, "Responses of the node.", |s, now| {
        s.traffic.responses.count_rate(now)
    }),
    row("response-total", Unit::Count, "Responses of the node.", |s, _| s.traffic.responses.count()),
    row("incoming-byte-rate", Unit::BytesPerSecond, "Bytes of the node's responses.", |s, now| {
        s.traffic.responses.rate(now)
    }),
    row("incoming-byte-total", Unit::Bytes, "Bytes of the node's responses.", |s, _| {
        s.traffic.responses.total()
    }),
    row(
        "request-latency-avg",
        Unit::Millis,
        "How long the node took to answer a produce or fetch request, the wait for data included.",
        |s, now| s.latency.avg(now),
    ),
    row(
        "request-latency-max",
        Unit::Millis,
        "The longest time that the node took to answer a produce or fetch request.",
        |s, now| s.latency.max(now),
    ),
];
