//! Accepts TCP connections for one node.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::{Connection, Shared};

/// How long to wait when the system cannot accept, for example because no file descriptor is free.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// Whoever needs longer for a TLS handshake does not want one.
const TLS_HANDSHAKE_MAX: Duration = Duration::from_secs(10);

/// Serves connections until the future is dropped, and their connections with it. Nobody is let in while the node is stopped.
pub(crate) async fn accept(shared: Rc<Shared>, node_id: i32, listener: TcpListener) -> io::Result<()> {
    let address = listener.local_addr()?;
    shared.advertise(node_id, address.port());
    let gate = shared.gate(node_id)?;
    let is_running = shared.cluster.borrow().is_running(node_id);
    let _accepting = gate.accept_from(listener, address, is_running);
    tracing::info!(
        %address,
        node_id,
        cluster_id = %shared.cluster.borrow().id,
        memory_bytes_max = shared.config.memory_bytes_max,
        "embedded Kafka broker listens; it keeps all data in memory, and loses it when it stops"
    );
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = gate.accept() => match accepted {
                Ok((stream, peer)) => {
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%peer, %error, "cannot set TCP_NODELAY");
                    }
                    if let Some(connection) = Connection::new(&shared, node_id, &peer.ip().to_string()) {
                        connections.spawn_local(serve(connection.authenticated(), stream));
                    }
                }
                Err(error) => {
                    tracing::warn!(%address, %error, "cannot accept a connection");
                    sleep(ACCEPT_RETRY).await;
                }
            },
            Some(ended) = connections.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a connection ended by a panic, which is a bug of the broker");
                }
            }
        }
    }
}

async fn serve(connection: Connection, stream: TcpStream) {
    let Some(tls) = connection.shared.config.tls.clone() else {
        return connection.run(stream, reset).await;
    };
    match timeout(TLS_HANDSHAKE_MAX, tls.accept(stream)).await {
        Ok(Ok(stream)) => connection.run(stream, |stream| reset(stream.get_ref().0)).await,
        Ok(Err(error)) => tracing::debug!(peer = %connection.peer, %error, "TLS handshake failed"),
        Err(_elapsed) => tracing::debug!(peer = %connection.peer, "TLS handshake took too long"),
    }
}

/// Makes closing the socket send an RST, which also throws away what was not sent yet.
fn reset(stream: &TcpStream) {
    if let Err(error) = stream.set_zero_linger() {
        tracing::warn!(%error, "cannot set SO_LINGER: the connection is closed and not reset");
    }
}
