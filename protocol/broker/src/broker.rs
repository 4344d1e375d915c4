//! The broker as its owner holds it, on the thread where it lives.

use std::io;
use std::rc::Rc;
use std::sync::atomic::Ordering;

use protocol::wire::messages::{ApiKey, GroupId, StrBytes, TopicName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::cluster::Cluster;
use crate::config::{Builder, Config};
use crate::faults::Faults;
use crate::server::{Connection, InProcessDialer, Pipe, ServerPipe, Shared, accept, pipe};

/// An in-memory Kafka broker, or a cluster of them. Clones are the same broker.
///
/// It lives on one thread, within a tokio `LocalSet`: [`Builder::spawn_thread`] gives it one of its own.
#[derive(Debug, Clone)]
pub struct Broker {
    pub(crate) shared: Rc<Shared>,
}

impl Broker {
    /// Begins to describe a broker.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn new(config: Config) -> Self {
        Self { shared: Shared::new(config) }
    }

    /// Serves the first node's clients until the future is dropped. Their connections end with it.
    ///
    /// # Errors
    /// As [`Broker::serve_node`].
    pub async fn serve(&self, listener: TcpListener) -> io::Result<()> {
        self.serve_node(self.shared.config.node_id, listener).await
    }

    /// Serves one node's clients until the future is dropped. Their connections end with it.
    ///
    /// # Errors
    /// If the listener's address cannot be read, or there is no such node.
    pub async fn serve_node(&self, node_id: i32, listener: TcpListener) -> io::Result<()> {
        accept(Rc::clone(&self.shared), node_id, listener).await
    }

    /// Serves one client over any byte stream until that ends; a simulated network, for example.
    pub async fn serve_stream<S: AsyncRead + AsyncWrite + Unpin>(&self, node_id: i32, peer: &str, stream: S) {
        if let Some(connection) = Connection::new(&self.shared, node_id, peer) {
            connection.run(stream, |_| ()).await;
        }
    }

    /// A connection to the first node within the process.
    ///
    /// # Panics
    /// Outside of a tokio `LocalSet`.
    pub fn connect(&self) -> Pipe {
        self.connect_to(self.shared.config.node_id)
    }

    /// A connection to a node within the process; it ends at once where the node is stopped.
    ///
    /// # Panics
    /// Outside of a tokio `LocalSet`.
    pub fn connect_to(&self, node_id: i32) -> Pipe {
        let (ours, theirs) = pipe();
        self.spawn(node_id, theirs);
        ours
    }

    /// Connects within the process from any thread, for clients that dial by themselves.
    ///
    /// # Panics
    /// Outside of a tokio `LocalSet`.
    pub fn dialer(&self) -> InProcessDialer {
        let (sender, mut dialled) = mpsc::unbounded_channel();
        let broker = self.clone();
        tokio::task::spawn_local(async move {
            while let Some((port, stream)) = dialled.recv().await {
                broker.spawn(broker.node_at(port), stream);
            }
        });
        InProcessDialer { sender }
    }

    /// The faults that requests meet.
    pub fn faults(&self) -> Faults {
        self.shared.faults.clone()
    }

    /// Makes another node the leader of a partition, which keeps its records; whether there are such a running node and partition.
    /// Waiting fetches hear of it at once.
    pub fn move_leader(&self, topic: &str, partition: i32, node_id: i32) -> bool {
        self.shared.cluster.borrow_mut().move_leader(&topic_name(topic), partition, node_id)
    }

    /// Stops a node as if its process had been killed: its port refuses connections and those that are open end, with whatever
    /// they were waiting for. Other replicas lead its partitions from now on, and other nodes coordinate its groups and
    /// transactions; partitions without another running replica have no leader. All state stays, and clients are told only
    /// of nodes that run. Whether there is such a node; nothing happens where it is stopped already.
    pub fn stop_node(&self, node_id: i32) -> bool {
        let Ok(gate) = self.shared.gate(node_id) else { return false };
        gate.close();
        self.while_coordinators_move(|cluster| cluster.stop_node(node_id));
        true
    }

    /// Starts a node again, at the port that it had. It leads the partitions that have no leader, and coordinates what it
    /// did before; leaders that moved away stay where they are, as in Kafka. Members of groups have their whole session
    /// timeout to come back. Nothing happens where the node runs.
    ///
    /// # Errors
    /// `NotFound` if there is no such node; or somebody has taken its port meanwhile: then it stays stopped.
    pub fn start_node(&self, node_id: i32) -> io::Result<()> {
        let gate = self.shared.gate(node_id)?;
        if self.shared.cluster.borrow().is_running(node_id) {
            return Ok(());
        }
        gate.open()?;
        self.while_coordinators_move(|cluster| cluster.start_node(node_id));
        Ok(())
    }

    /// Makes another node the coordinator of a group or transactional id; whether there is such a node.
    pub fn move_coordinator(&self, group_or_transactional_id: &str, node_id: i32) -> bool {
        self.shared.cluster.borrow_mut().move_coordinator(group_or_transactional_id, node_id)
    }

    /// A partition loses its records from `offset` on (whole batches) and begins a new leader epoch, as after an unclean
    /// election; whether there is such a partition.
    pub fn truncate(&self, topic: &str, partition: i32, offset: i64) -> bool {
        self.shared.cluster.borrow_mut().truncate(&topic_name(topic), partition, offset)
    }

    /// How many requests of a kind have arrived so far.
    pub fn request_count(&self, key: ApiKey) -> u64 {
        self.shared.requests.get(key as i16)
    }

    /// How many requests of a kind have arrived at one node so far.
    pub fn node_request_count(&self, node_id: i32, key: ApiKey) -> u64 {
        self.shared.requests.get_at(node_id, key as i16)
    }

    /// The id of the cluster.
    pub fn cluster_id(&self) -> String {
        self.shared.cluster.borrow().id.to_string()
    }

    /// Bytes that logs have allocated, out of [`Builder::memory_bytes_max`].
    pub fn memory_bytes_used(&self) -> usize {
        self.shared.cluster.borrow().memory.used()
    }

    /// Changes which nodes run. A group whose coordinator is another one then is loaded there, which renews its members'
    /// sessions (Kafka's `GroupCoordinator#onElection`).
    fn while_coordinators_move(&self, change: impl FnOnce(&mut Cluster)) {
        let mut cluster = self.shared.cluster.borrow_mut();
        let mut groups = self.shared.groups.borrow_mut();
        let coordinator = |cluster: &Cluster, id: &GroupId| {
            let node = cluster.coordinator_of(id);
            node.is_running.then_some(node.id)
        };
        let before: Vec<_> = groups.iter().map(|(id, _)| (id.clone(), coordinator(&cluster, id))).collect();
        change(&mut cluster);
        for (id, node) in before {
            if coordinator(&cluster, &id) != node
                && let Some(entry) = groups.get_mut(&id)
            {
                entry.group.renew_sessions(Instant::now());
            }
        }
        self.shared.deadlines_changed();
    }

    fn spawn(&self, node_id: i32, pipe: ServerPipe) {
        let ServerPipe { stream, is_reset } = pipe;
        if let Some(connection) = Connection::new(&self.shared, node_id, "127.0.0.1") {
            // Release: whoever sees the end of the stream sees the flag.
            let reset = move |_: &_| is_reset.store(true, Ordering::Release);
            tokio::task::spawn_local(connection.run(stream, reset));
        }
    }

    fn node_at(&self, port: u16) -> i32 {
        let cluster = self.shared.cluster.borrow();
        cluster.nodes.iter().find(|node| node.port == port).map_or(self.shared.config.node_id, |node| node.id)
    }
}

fn topic_name(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}
