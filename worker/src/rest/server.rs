//! Listening and serving: connections, their limits and their end.

use std::cell::Cell;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::routes;
use super::state::RestState;
use crate::config::Listener;
use crate::config::bracketed;

/// Connections at one time; more are told 503 and closed.
const CONNECTIONS_MAX: usize = 1_024;

/// Request line and headers together; more gets 431.
const HEADER_BYTES_MAX: usize = 64 << 10;

/// Header fields of a request; more get 431.
const HEADERS_MAX: usize = 100;

/// How long request line and headers may take, also on an idle connection.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// How long requests in progress may take once the server stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Pause after a failed accept, which mostly means that descriptors have run out.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// A listener could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("Unable to initialize REST server: {listener}: {source}")]
pub struct BindError {
    listener: Listener,
    source: io::Error,
}

/// Open listeners that nobody serves yet.
#[derive(Debug)]
pub struct Bound {
    listeners: Vec<(Listener, TcpListener)>,
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    stop: watch::Sender<bool>,
    open: Rc<Cell<usize>>,
}

impl Bound {
    /// Opens every listener.
    ///
    /// # Errors
    /// The first one that can't be opened.
    pub async fn open(listeners: &[Listener]) -> Result<Bound, BindError> {
        let mut bound = Vec::with_capacity(listeners.len());
        for listener in listeners {
            let error = |source| BindError { listener: listener.clone(), source };
            bound.push((listener.clone(), bind(listener).await.map_err(error)?));
        }
        Ok(Bound { listeners: bound })
    }

    /// Where each listener can be reached, the real port filled in.
    pub fn urls(&self) -> Vec<String> {
        let urls = self.addresses().map(|(listener, address)| {
            let host =
                if listener.host.is_empty() { address.ip().to_string() } else { listener.host.clone() };
            format!("http://{}:{}/", bracketed(&host), address.port())
        });
        urls.collect()
    }

    /// Host and port that others are told (contract 1.11), each unless configured.
    pub fn advertised(&self, host: Option<&str>, port: Option<u16>) -> String {
        let first = self.addresses().next();
        let host = host.map(str::to_owned).or_else(|| {
            let (listener, address) = first.as_ref()?;
            if !listener.host.is_empty() {
                return Some(listener.host.clone());
            }
            Some(if address.ip().is_unspecified() {
                own_address().to_string()
            } else {
                address.ip().to_string()
            })
        });
        let port = port.or_else(|| Some(first.as_ref()?.1.port())).unwrap_or(0);
        format!("{}:{port}", bracketed(&host.unwrap_or_default()))
    }

    /// Whether anybody but this machine can reach it.
    pub fn is_beyond_loopback(&self) -> bool {
        self.addresses().any(|(_, address)| !address.ip().is_loopback())
    }

    /// Serves until [`Server::stop`]. Must be called within a `LocalSet`.
    pub fn serve(self, state: &Rc<RestState>) -> Server {
        let stop = watch::channel(false).0;
        let open = Rc::new(Cell::new(0));
        for (_, listener) in self.listeners {
            tokio::task::spawn_local(accept(listener, Rc::clone(state), stop.subscribe(), Rc::clone(&open)));
        }
        Server { stop, open }
    }

    fn addresses(&self) -> impl Iterator<Item = (&Listener, SocketAddr)> {
        self.listeners.iter().filter_map(|(listener, socket)| Some((listener, socket.local_addr().ok()?)))
    }
}

impl Server {
    /// Accepts nothing more and waits for requests in progress, but not for long.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        let drained = async {
            while self.open.get() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        if tokio::time::timeout(STOP_TIMEOUT, drained).await.is_err() {
            tracing::warn!(connections = self.open.get(), "REST connections were cut off");
        }
    }
}

async fn bind(listener: &Listener) -> io::Result<TcpListener> {
    if !listener.host.is_empty() {
        return TcpListener::bind((listener.host.as_str(), listener.port)).await;
    }
    // All interfaces: both families where the system has IPv6.
    match TcpListener::bind(("::", listener.port)).await {
        Ok(socket) => Ok(socket),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(error),
        Err(_no_ipv6) => TcpListener::bind(("0.0.0.0", listener.port)).await,
    }
}

/// The address of the interface that traffic leaves by; no packet is sent to find it.
fn own_address() -> IpAddr {
    let probe = || {
        let socket = std::net::UdpSocket::bind(("0.0.0.0", 0))?;
        socket.connect(("192.0.2.1", 9))?;
        socket.local_addr()
    };
    probe().map_or(IpAddr::from([127, 0, 0, 1]), |address| address.ip())
}

async fn accept(
    listener: TcpListener,
    state: Rc<RestState>,
    mut stop: watch::Receiver<bool>,
    open: Rc<Cell<usize>>,
) {
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) if open.get() >= CONNECTIONS_MAX => {
                tokio::task::spawn_local(turn_away(stream));
            }
            Ok((stream, _)) => {
                let guard = OpenGuard::new(&open);
                tokio::task::spawn_local(serve(stream, Rc::clone(&state), stop.clone(), guard));
            }
            Err(error) => {
                tracing::warn!(%error, "failed to accept a REST connection");
                tokio::time::sleep(ACCEPT_BACKOFF).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, state: Rc<RestState>, mut stop: watch::Receiver<bool>, guard: OpenGuard) {
    // Answers are small and complete: nothing is gained by waiting for more.
    let _unsupported = stream.set_nodelay(true);
    let service = service_fn(|request| {
        let state = Rc::clone(&state);
        async move { Ok::<_, Infallible>(routes::answer(&state, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEADER_BYTES_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => outcome,
        _ = stop.wait_for(|stop| *stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "REST connection ended");
    }
    drop(guard);
}

async fn turn_away(mut stream: TcpStream) {
    const ANSWER: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\nRetry-After: 1\r\n\r\n";
    let _caller_gone = stream.write_all(ANSWER).await;
}

/// Counts a connection for as long as it lives.
struct OpenGuard(Rc<Cell<usize>>);

impl OpenGuard {
    fn new(open: &Rc<Cell<usize>>) -> OpenGuard {
        open.set(open.get() + 1);
        OpenGuard(Rc::clone(open))
    }
}

impl Drop for OpenGuard {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}
