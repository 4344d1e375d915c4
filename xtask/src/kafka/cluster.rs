//! Several KRaft nodes that know each other, each of which can be killed and started again.

use anyhow::{Context, Result};

use super::node::{START_ATTEMPTS, is_port_taken};
use super::{Broker, ClusterConfig, Libs, Node};
use crate::java;

/// Nodes of tests share a machine with the tests: little memory, and no time spent on optimising what runs for seconds.
const JVM_OPTIONS: &[&str] = &["-Xms64m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];

/// A running cluster. Dropping it ends its processes, and no others, and removes their data.
#[derive(Debug)]
pub struct Cluster {
    /// By id, which begin with 1.
    nodes: Vec<State>,
}

#[derive(Debug)]
enum State {
    Up(Broker),
    Down(Node),
    /// Its start has failed.
    Lost,
}

impl Cluster {
    /// Starts all nodes and waits until they serve.
    ///
    /// # Errors
    /// Java is missing, a node ended or did not come up in time; the error carries the end of its log.
    pub fn start(libs: &Libs, config: &ClusterConfig) -> Result<Self> {
        let mut attempt = 1;
        loop {
            match Self::start_once(libs, config) {
                Err(error) if attempt < START_ATTEMPTS && is_port_taken(&error) => attempt += 1,
                result => return result,
            }
        }
    }

    fn start_once(libs: &Libs, config: &ClusterConfig) -> Result<Self> {
        let listener_count = 1 + config.listeners.len();
        let ports = java::free_ports(1 + config.node_count * listener_count)?;
        let (controller_port, ports) = ports.split_first().context("no ports were asked for")?;
        // A JVM of its own formats each node: all at once.
        let formatted: Vec<Result<Node>> = std::thread::scope(|scope| {
            let of_node = |(id, ports)| {
                scope.spawn(move || Node::format(libs, config, id, ports, *controller_port, JVM_OPTIONS))
            };
            let threads: Vec<_> = (1..).zip(ports.chunks(listener_count)).map(of_node).collect();
            let ended = |_panic| Err(anyhow::anyhow!("the thread that formats a node has panicked"));
            threads.into_iter().map(|thread| thread.join().unwrap_or_else(ended)).collect()
        });
        let mut brokers = Vec::with_capacity(config.node_count);
        for node in formatted {
            brokers.push(node?.spawn()?);
        }
        for broker in &mut brokers {
            broker.wait_until_ready()?;
        }
        Ok(Self { nodes: brokers.into_iter().map(State::Up).collect() })
    }

    /// The open addresses of all nodes, for `bootstrap.servers`.
    #[must_use]
    pub fn bootstrap(&self) -> String {
        self.addresses(0)
    }

    /// The addresses of a listener, by its place in [`ClusterConfig::listeners`].
    #[must_use]
    pub fn bootstrap_of_listener(&self, index: usize) -> String {
        self.addresses(1 + index)
    }

    /// Ends a node's process at once, as a crash would. Everything else of it stays for [`Cluster::start_node`].
    pub fn kill_node(&mut self, id: usize) {
        self.change(id, |state| match state {
            State::Up(broker) => State::Down(broker.kill()),
            other => other,
        });
    }

    /// Starts a node again, on the same data and ports, and waits until it serves.
    ///
    /// # Errors
    /// As [`Cluster::start`]; also where somebody has taken its ports meanwhile. The node is gone for good then.
    pub fn start_node(&mut self, id: usize) -> Result<()> {
        let mut outcome = Ok(());
        self.change(id, |state| match state {
            State::Down(node) => match node.start() {
                Ok(broker) => State::Up(broker),
                Err(error) => {
                    outcome = Err(error.context(format!("start node {id}")));
                    State::Lost
                }
            },
            other => other,
        });
        outcome
    }

    fn change(&mut self, id: usize, change: impl FnOnce(State) -> State) {
        if let Some(state) = id.checked_sub(1).and_then(|index| self.nodes.get_mut(index)) {
            *state = change(std::mem::replace(state, State::Lost));
        }
    }

    fn addresses(&self, listener: usize) -> String {
        let of_node = |state: &State| match state {
            State::Up(broker) => Some(broker.node().address(listener)),
            State::Down(node) => Some(node.address(listener)),
            State::Lost => None,
        };
        self.nodes.iter().filter_map(of_node).collect::<Vec<_>>().join(",")
    }
}
