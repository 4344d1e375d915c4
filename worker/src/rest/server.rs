//! Listening and serving: connections, TLS, and their end.

use std::cell::RefCell;
use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use protocol::net::Stream;
use protocol::net::tls::TlsServer;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

use super::connections::{Connection, Connections};
use super::front::{Caller, Front};
use super::limits::{
    ACCEPT_BACKOFF, HANDSHAKE_TIMEOUT, HEAD_BYTES_MAX, HEADER_TIMEOUT, HEADERS_MAX, STOP_TIMEOUT,
    WRITE_TIMEOUT,
};
use super::state::RestState;
use super::stream::Patient;
use crate::config::{AdminListeners, Listener, Protocol, RestConfig, TlsSettings, bracketed};

/// REST could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// A listener could not be opened.
    #[error("Unable to initialize REST server: {listener}: {source}")]
    Listen {
        /// Which one.
        listener: Listener,
        /// Why.
        source: io::Error,
    },
    /// Certificates or keys can't be used.
    #[error("Unable to initialize REST server: {source}")]
    Tls {
        /// Why.
        source: protocol::Error,
    },
    /// The file of users can't be read.
    #[error("Unable to initialize REST server: basic authentication: {detail}")]
    Users {
        /// Why.
        detail: String,
    },
}

/// Open listeners that nobody serves yet.
pub struct Bound {
    main: Vec<Socket>,
    admin: Vec<Socket>,
    streams: Option<mpsc::UnboundedReceiver<Box<dyn Stream>>>,
    fronts: (Arc<Front>, Arc<Front>),
    advertised_protocol: Protocol,
}

#[derive(Debug)]
struct Socket {
    listener: Listener,
    socket: TcpListener,
    address: SocketAddr,
    tls: Option<TlsServer>,
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    stop: watch::Sender<bool>,
    connections: Rc<RefCell<Connections>>,
}

impl Bound {
    /// Reads certificates and users, and opens every listener.
    ///
    /// # Errors
    /// The first thing that does not work.
    pub async fn open(config: &RestConfig) -> Result<Bound, BindError> {
        let fronts = Front::both(config).map_err(|detail| BindError::Users { detail })?;
        let main = open(&config.listeners, config.tls.as_ref()).await?;
        let admin = match &config.admin {
            AdminListeners::Separate(listeners, tls) => open(listeners, tls.as_ref()).await?,
            AdminListeners::Shared | AdminListeners::Off => Vec::new(),
        };
        Ok(Bound { main, admin, streams: None, fronts, advertised_protocol: config.advertised_protocol })
    }

    /// No listener, but streams that come from within the process as if one had accepted them. Others have to be told host and port by the
    /// configuration (`rest.advertised.*`).
    ///
    /// # Errors
    /// The users can't be read.
    pub fn within(
        config: &RestConfig,
        streams: mpsc::UnboundedReceiver<Box<dyn Stream>>,
    ) -> Result<Bound, BindError> {
        let fronts = Front::both(config).map_err(|detail| BindError::Users { detail })?;
        let advertised_protocol = config.advertised_protocol;
        Ok(Bound { main: Vec::new(), admin: Vec::new(), streams: Some(streams), fronts, advertised_protocol })
    }

    /// Where each listener can be reached, the real port filled in; without those for admin resources only.
    pub fn urls(&self) -> Vec<String> {
        self.main.iter().map(Socket::url).collect()
    }

    /// Where the admin resources can be reached, if they have listeners of their own.
    pub fn admin_urls(&self) -> Vec<String> {
        self.admin.iter().map(Socket::url).collect()
    }

    /// Host and port that others are told (contract 1.11), each unless configured.
    pub fn advertised(&self, host: Option<&str>, port: Option<u16>) -> String {
        let is_advertised = |socket: &&Socket| socket.listener.protocol == self.advertised_protocol;
        let socket = self.main.iter().find(is_advertised).or(self.main.first());
        let host = host.map(str::to_owned).or_else(|| {
            let Socket { listener, address, .. } = socket?;
            if !listener.host.is_empty() {
                return Some(listener.host.clone());
            }
            Some(if address.ip().is_unspecified() {
                own_address().to_string()
            } else {
                address.ip().to_string()
            })
        });
        let port = port.or_else(|| Some(socket?.address.port())).unwrap_or(0);
        format!("{}:{port}", bracketed(&host.unwrap_or_default()))
    }

    /// Scheme that others are told.
    pub fn advertised_scheme(&self) -> &'static str {
        self.advertised_protocol.scheme()
    }

    /// The URLs by which other machines can use REST without saying who they are.
    pub fn open_doors(&self) -> Vec<String> {
        let is_open = |socket: &&Socket| {
            let asks_for_certificate = socket.tls.as_ref().is_some_and(TlsServer::requires_client);
            !socket.address.ip().is_loopback() && !asks_for_certificate
        };
        let main = self.main.iter().filter(|_| !self.fronts.0.authenticates());
        main.chain(&self.admin).filter(is_open).map(Socket::url).collect()
    }

    /// Serves until [`Server::stop`]. Must be called within a `LocalSet`.
    pub fn serve(self, state: &Rc<RestState>) -> Server {
        let stop = watch::channel(false).0;
        let connections = Connections::new();
        let (main, admin) = self.fronts;
        if let Some(mut streams) = self.streams {
            let serving = Serving {
                front: Arc::clone(&main),
                state: Rc::clone(state),
                connections: Rc::clone(&connections),
                stop: stop.subscribe(),
                tls: None,
            };
            tokio::task::spawn_local(async move {
                while let Some(stream) = streams.recv().await {
                    serving.admit(stream, IpAddr::from([127, 0, 0, 1]));
                }
            });
        }
        for (sockets, front) in [(self.main, main), (self.admin, admin)] {
            for socket in sockets {
                let serving = Serving {
                    front: Arc::clone(&front),
                    state: Rc::clone(state),
                    connections: Rc::clone(&connections),
                    stop: stop.subscribe(),
                    tls: socket.tls,
                };
                tokio::task::spawn_local(serving.accept(socket.socket));
            }
        }
        Server { stop, connections }
    }
}

impl fmt::Debug for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bound").field("main", &self.main).field("admin", &self.admin).finish_non_exhaustive()
    }
}

impl Socket {
    fn url(&self) -> String {
        let Socket { listener, address, .. } = self;
        let host = if listener.host.is_empty() { address.ip().to_string() } else { listener.host.clone() };
        format!("{}://{}:{}/", listener.protocol.scheme(), bracketed(&host), address.port())
    }
}

impl Server {
    /// Accepts nothing more and waits for requests in progress, but not for long.
    pub async fn stop(self) {
        self.stop.send_replace(true);
        let mut count = self.connections.borrow().watch_count();
        let drained = count.wait_for(|count| *count == 0);
        if tokio::time::timeout(STOP_TIMEOUT, drained).await.is_err() {
            tracing::warn!(connections = *count.borrow(), "REST connections were cut off");
        }
    }
}

async fn open(listeners: &[Listener], tls: Option<&TlsSettings>) -> Result<Vec<Socket>, BindError> {
    let server = tls.map(|settings| TlsServer::new(settings.tls.clone(), settings.client_auth));
    let server = server.transpose().map_err(|source| BindError::Tls { source })?;
    let mut sockets = Vec::with_capacity(listeners.len());
    for listener in listeners {
        let error = |source| BindError::Listen { listener: listener.clone(), source };
        let socket = bind(listener).await.map_err(error)?;
        let address = socket.local_addr().map_err(error)?;
        let tls = server.clone().filter(|_| listener.protocol == Protocol::Https);
        sockets.push(Socket { listener: listener.clone(), socket, address, tls });
    }
    Ok(sockets)
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

/// What the connections of one listener are served with.
#[derive(Clone)]
struct Serving {
    front: Arc<Front>,
    state: Rc<RestState>,
    connections: Rc<RefCell<Connections>>,
    stop: watch::Receiver<bool>,
    tls: Option<TlsServer>,
}

impl Serving {
    async fn accept(mut self, listener: TcpListener) {
        loop {
            let accepted = tokio::select! {
                biased;
                _ = self.stop.wait_for(|stop| *stop) => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => match Connections::admit(&self.connections) {
                    Some(connection) => drop(tokio::task::spawn_local(self.clone().shake_hands(
                        stream,
                        peer.ip(),
                        connection,
                    ))),
                    None => drop(tokio::task::spawn_local(turn_away(stream))),
                },
                Err(error) => {
                    tracing::warn!(%error, "failed to accept a REST connection");
                    tokio::time::sleep(ACCEPT_BACKOFF).await;
                }
            }
        }
    }

    /// Serves a stream of which no handshake is expected.
    fn admit(&self, stream: Box<dyn Stream>, peer: IpAddr) {
        match Connections::admit(&self.connections) {
            Some(connection) => {
                let caller = Caller { peer, scheme: "http", activity: Arc::clone(connection.activity()) };
                tokio::task::spawn_local(self.clone().serve(stream, caller, connection));
            }
            None => drop(tokio::task::spawn_local(turn_away(stream))),
        }
    }

    async fn shake_hands(self, stream: TcpStream, peer: IpAddr, connection: Connection) {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let caller = Caller { peer, scheme, activity: Arc::clone(connection.activity()) };
        // Answers are small and complete: nothing is gained by waiting for more.
        let _unsupported = stream.set_nodelay(true);
        let Some(tls) = &self.tls else { return self.serve(stream, caller, connection).await };
        let shaking = tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(stream));
        let shaken = tokio::select! {
            shaken = shaking => shaken,
            () = connection.evicted() => return,
        };
        match shaken {
            Ok(Ok(stream)) => self.serve(stream, caller, connection).await,
            Ok(Err(error)) => tracing::debug!(%error, "TLS handshake of a REST client failed"),
            Err(_elapsed) => tracing::debug!("TLS handshake of a REST client took too long"),
        }
    }

    async fn serve<S>(mut self, stream: S, caller: Caller, connection: Connection)
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let service = service_fn(|request| {
            let (front, state, caller) = (Arc::clone(&self.front), Rc::clone(&self.state), caller.clone());
            async move { Ok::<_, Infallible>(front.answer(&state, request, &caller).await) }
        });
        let serving = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .max_buf_size(HEAD_BYTES_MAX)
            .max_headers(HEADERS_MAX)
            .serve_connection(TokioIo::new(Patient::new(stream, WRITE_TIMEOUT)), service);
        let mut serving = std::pin::pin!(serving);
        let outcome = tokio::select! {
            outcome = serving.as_mut() => outcome,
            () = connection.evicted() => Ok(()),
            _ = self.stop.wait_for(|stop| *stop) => {
                serving.as_mut().graceful_shutdown();
                serving.await
            }
        };
        if let Err(error) = outcome {
            tracing::debug!(%error, "REST connection ended");
        }
    }
}

async fn turn_away(mut stream: impl AsyncWrite + Unpin) {
    const ANSWER: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\nRetry-After: 1\r\n\r\n";
    let _caller_gone = stream.write_all(ANSWER).await;
}
