//! The broker as its owner holds it, on the thread where it lives.

use std::io;
use std::rc::Rc;

use protocol::wire::messages::{ApiKey, StrBytes, TopicName};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, duplex};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::config::{Builder, Config};
use crate::faults::Faults;
use crate::server::{Connection, InProcessDialer, PIPE_BYTES, Shared, accept};

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
    /// If the listener's address cannot be read.
    pub async fn serve(&self, listener: TcpListener) -> io::Result<()> {
        self.serve_node(self.shared.config.node_id, listener).await
    }

    /// Serves one node's clients until the future is dropped. Their connections end with it.
    ///
    /// # Errors
    /// If the listener's address cannot be read.
    pub async fn serve_node(&self, node_id: i32, listener: TcpListener) -> io::Result<()> {
        accept(Rc::clone(&self.shared), node_id, listener).await
    }

    /// Serves one client over any byte stream until that ends; a simulated network, for example. Where the broker has users
    /// the client has to say who it is, as over TCP; there is no TLS.
    pub async fn serve_stream<S: AsyncRead + AsyncWrite + Unpin>(&self, node_id: i32, peer: &str, stream: S) {
        if let Some(connection) = Connection::new(&self.shared, node_id, peer) {
            connection.authenticated().run(stream).await;
        }
    }

    /// A connection to the first node within the process.
    ///
    /// # Panics
    /// Outside of a tokio `LocalSet`.
    pub fn connect(&self) -> DuplexStream {
        self.connect_to(self.shared.config.node_id)
    }

    /// A connection to a node within the process.
    ///
    /// # Panics
    /// Outside of a tokio `LocalSet`.
    pub fn connect_to(&self, node_id: i32) -> DuplexStream {
        let (ours, theirs) = duplex(PIPE_BYTES);
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

    /// Makes another node the leader of a partition, which keeps its records; whether there are such a node and partition.
    /// Waiting fetches hear of it at once.
    pub fn move_leader(&self, topic: &str, partition: i32, node_id: i32) -> bool {
        self.shared.cluster.borrow_mut().move_leader(&topic_name(topic), partition, node_id)
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

    /// The id of the cluster.
    pub fn cluster_id(&self) -> String {
        self.shared.cluster.borrow().id.to_string()
    }

    /// Bytes that logs have allocated, out of [`Builder::memory_bytes_max`].
    pub fn memory_bytes_used(&self) -> usize {
        self.shared.cluster.borrow().memory.used()
    }

    fn spawn(&self, node_id: i32, stream: DuplexStream) {
        if let Some(connection) = Connection::new(&self.shared, node_id, "127.0.0.1") {
            tokio::task::spawn_local(connection.run(stream));
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
