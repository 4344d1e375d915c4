//! A broker on a thread of its own, and the handle that other threads hold.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::rc::Rc;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;

use protocol::wire::messages::ApiKey;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinSet, LocalSet};

use super::shared::RequestCounts;
use super::{InProcessDialer, accept};
use crate::config::Builder;
use crate::{Broker, Faults};

/// Something to be done on the broker's thread.
type Command = Box<dyn FnOnce(&Broker) + Send>;

/// A running broker. Dropping the handle stops it.
pub struct BrokerHandle {
    addresses: Vec<SocketAddr>,
    cluster_id: String,
    dialer: InProcessDialer,
    faults: Faults,
    requests: RequestCounts,
    commands: mpsc::UnboundedSender<Command>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Builder {
    /// Starts the broker on a thread of its own, listening on `address` (`host:port`; port 0 for any free one). Further
    /// nodes listen on free ports of the same host. Listens already when this returns.
    ///
    /// # Errors
    /// If the address cannot be bound, or no thread can be started.
    pub fn spawn_thread(self, address: &str) -> io::Result<BrokerHandle> {
        let first = StdListener::bind(address)?;
        let host = first.local_addr()?.ip();
        let mut listeners = vec![first];
        for _ in 1..self.config.node_count {
            listeners.push(StdListener::bind((host, 0))?);
        }
        for listener in &listeners {
            listener.set_nonblocking(true)?;
        }
        let addresses = listeners.iter().map(StdListener::local_addr).collect::<io::Result<Vec<_>>>()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let (commands, mut commanded) = mpsc::unbounded_channel::<Command>();
        let (started, ready) = std::sync::mpsc::channel();
        let thread = std::thread::Builder::new().name("kafka-broker".to_owned()).spawn(move || {
            LocalSet::new().block_on(&runtime, async move {
                let broker = self.build();
                // Before anyone can dial a node by its port.
                for (node_id, listener) in node_ids(&broker).into_iter().zip(&listeners) {
                    if let Ok(address) = listener.local_addr() {
                        broker.shared.advertise(node_id, address.port());
                    }
                }
                let parts =
                    (broker.cluster_id(), broker.dialer(), broker.faults(), broker.shared.requests.clone());
                let serving = serve_all(&broker, listeners);
                if started.send(parts).is_err() {
                    return;
                }
                let commands = async {
                    while let Some(command) = commanded.recv().await {
                        command(&broker);
                    }
                    // The handle that has the other end also stops us.
                    std::future::pending::<()>().await;
                };
                tokio::select! {
                    () = commands => {}
                    result = serving => if let Err(error) = result {
                        tracing::error!(%error, "the embedded broker cannot listen");
                    },
                    _ = stopped => {}
                }
            });
        })?;
        let Ok((cluster_id, dialer, faults, requests)) = ready.recv() else {
            return Err(io::Error::other("the broker's thread ended before it began to serve"));
        };
        Ok(BrokerHandle {
            addresses,
            cluster_id,
            dialer,
            faults,
            requests,
            commands,
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

async fn serve_all(broker: &Broker, listeners: Vec<StdListener>) -> io::Result<()> {
    let mut serving = JoinSet::new();
    for (node_id, listener) in node_ids(broker).into_iter().zip(listeners) {
        serving.spawn_local(accept(Rc::clone(&broker.shared), node_id, TcpListener::from_std(listener)?));
    }
    match serving.join_next().await {
        Some(Ok(result)) => result,
        Some(Err(error)) => Err(io::Error::other(error)),
        None => Ok(()),
    }
}

fn node_ids(broker: &Broker) -> Vec<i32> {
    broker.shared.cluster.borrow().nodes.iter().map(|node| node.id).collect()
}

impl BrokerHandle {
    /// Where the first node listens.
    pub fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// Where the nodes listen, in the order of their ids.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// All addresses in the form of `bootstrap.servers`.
    pub fn bootstrap_servers(&self) -> String {
        let addresses: Vec<String> = self.addresses.iter().map(SocketAddr::to_string).collect();
        addresses.join(",")
    }

    /// The id of the cluster.
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// Connects within the process, from any thread.
    pub fn dialer(&self) -> InProcessDialer {
        self.dialer.clone()
    }

    /// The faults that requests meet.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// How many requests of a kind have arrived so far.
    pub fn request_count(&self, key: ApiKey) -> u64 {
        self.requests.get(key as i16)
    }

    /// How many requests of a kind have arrived at one node so far.
    pub fn node_request_count(&self, node_id: i32, key: ApiKey) -> u64 {
        self.requests.get_at(node_id, key as i16)
    }

    /// [`Broker::stop_node`] from another thread.
    pub fn stop_node(&self, node_id: i32) -> bool {
        self.with(move |broker| broker.stop_node(node_id)).unwrap_or(false)
    }

    /// [`Broker::start_node`] from another thread.
    ///
    /// # Errors
    /// As [`Broker::start_node`]; also if the broker has ended.
    pub fn start_node(&self, node_id: i32) -> io::Result<()> {
        let started = self.with(move |broker| broker.start_node(node_id));
        started.unwrap_or_else(|| Err(io::Error::other("the embedded broker has stopped")))
    }

    /// Does something on the broker's thread, such as [`Broker::move_leader`], and waits for its result. `None` if the
    /// broker has ended.
    pub fn with<T: Send + 'static>(&self, command: impl FnOnce(&Broker) -> T + Send + 'static) -> Option<T> {
        let (sender, result) = sync_channel(1);
        let command = move |broker: &Broker| {
            // The caller is there: it waits.
            let _was_heard = sender.send(command(broker)).is_ok();
        };
        self.commands.send(Box::new(command)).ok()?;
        result.recv().ok()
    }

    /// Stops the broker and waits until its thread has ended. All its data is gone then.
    pub fn shutdown(mut self) {
        self.stop();
    }

    fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // The thread may have ended already.
            let _was_heard = stop.send(()).is_ok();
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the embedded broker's thread ended by a panic, which is a bug of the broker");
        }
    }
}

impl fmt::Debug for BrokerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrokerHandle").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

impl Drop for BrokerHandle {
    fn drop(&mut self) {
        self.stop();
    }
}
