//! The network between workers, brokers and users: every connection is a pipe within the process that can be held, cut and slowed down.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use broker::InProcessDialer;
use protocol::net::{DialFuture, Dialer, SocketBuffers, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, duplex};
use tokio::sync::mpsc;
use tokio::time::Sleep;

use crate::log;

/// Port of the first broker; the others follow.
pub(crate) const BROKER_PORT: u16 = 9092;
/// Port of every worker's REST.
pub(crate) const REST_PORT: u16 = 8083;

/// Bytes that a connection between workers holds in each direction.
const PIPE_BYTES: usize = 64 * 1024;

/// Who talks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Peer {
    Worker(usize),
    Broker(i32),
    /// Operators and the checks: nothing befalls them.
    User,
}

/// What befalls bytes between two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Weather {
    /// What the dialling side sends does not arrive.
    pub(crate) holds_requests: bool,
    /// What the other side sends does not arrive.
    pub(crate) holds_answers: bool,
    /// How long each write takes.
    pub(crate) delay: Duration,
}

type RestDoor = mpsc::UnboundedSender<Box<dyn Stream>>;

#[derive(Default)]
struct Inner {
    weather: Vec<(Peer, Peer, Weather)>,
    connections: Vec<Weak<Connection>>,
    doors: Vec<Option<RestDoor>>,
    broker: Option<InProcessDialer>,
}

/// The network of a world. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Network(Arc<Mutex<Inner>>);

impl Network {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brokers can be reached from now on.
    pub(crate) fn set_broker(&self, dialer: InProcessDialer) {
        self.lock().broker = Some(dialer);
    }

    /// A worker's REST can be reached through `door`, or not.
    pub(crate) fn set_door(&self, worker: usize, door: Option<RestDoor>) {
        let mut inner = self.lock();
        if inner.doors.len() <= worker {
            inner.doors.resize_with(worker + 1, || None);
        }
        inner.doors[worker] = door;
    }

    /// Dials for `peer`.
    pub(crate) fn dialer(&self, peer: Peer) -> Arc<dyn Dialer> {
        Arc::new(FromPeer { network: self.clone(), from: peer })
    }

    /// Changes what befalls connections from one to the other, also those that are open.
    pub(crate) fn set_weather(&self, from: Peer, to: Peer, weather: Weather) {
        let affected: Vec<_> = {
            let mut inner = self.lock();
            inner.weather.retain(|(a, b, _)| (*a, *b) != (from, to));
            if weather != Weather::default() {
                inner.weather.push((from, to, weather));
            }
            inner
                .connections
                .iter()
                .filter_map(Weak::upgrade)
                .filter(|it| (it.from, it.to) == (from, to))
                .collect()
        };
        for connection in affected {
            connection.change(|state| state.weather = weather);
        }
    }

    /// Fair weather everywhere.
    pub(crate) fn clear(&self) {
        let stormy = std::mem::take(&mut self.lock().weather);
        for (from, to, _) in stormy {
            self.set_weather(from, to, Weather::default());
        }
    }

    /// Resets the open connections between two after so many more bytes; gives how many there were.
    pub(crate) fn cut(&self, from: Peer, to: Peer, after_bytes: usize) -> usize {
        let mut inner = self.lock();
        inner.connections.retain(|connection| connection.strong_count() > 0);
        let open: Vec<_> = inner
            .connections
            .iter()
            .filter_map(Weak::upgrade)
            .filter(|it| (it.from, it.to) == (from, to))
            .collect();
        drop(inner);
        for connection in &open {
            connection.change(|state| state.left = Some(after_bytes));
        }
        open.len()
    }

    fn connect(&self, from: Peer, host: &str, port: u16) -> io::Result<Option<Box<dyn Stream>>> {
        let refused = || io::Error::new(io::ErrorKind::ConnectionRefused, "connection refused");
        let mut inner = self.lock();
        let worker = host.strip_prefix('w').and_then(|number| number.parse().ok());
        let to = match worker {
            Some(number) if port == REST_PORT => Peer::Worker(number),
            _ => Peer::Broker(i32::from(port) - i32::from(BROKER_PORT) + 1),
        };
        let weather =
            inner.weather.iter().find(|(a, b, _)| (*a, *b) == (from, to)).map(|it| it.2).unwrap_or_default();
        if weather.holds_requests || weather.holds_answers {
            return Ok(None);
        }
        let pipe: Box<dyn Stream> = match to {
            Peer::Worker(number) => {
                let door = inner.doors.get(number).cloned().flatten().ok_or_else(refused)?;
                let (ours, theirs) = duplex(PIPE_BYTES);
                door.send(Box::new(theirs)).map_err(|_closed| refused())?;
                Box::new(ours)
            }
            _ => Box::new(inner.broker.as_ref().ok_or_else(refused)?.connect(port)?),
        };
        let connection =
            Arc::new(Connection { from, to, state: Mutex::new(State { weather, ..State::default() }) });
        if inner.connections.len() > 256 {
            inner.connections.retain(|connection| connection.strong_count() > 0);
        }
        inner.connections.push(Arc::downgrade(&connection));
        Ok(Some(Box::new(Link { connection, pipe: Some(pipe), sleep: None })))
    }
}

struct FromPeer {
    network: Network,
    from: Peer,
}

impl Dialer for FromPeer {
    fn dial(&self, host: &str, port: u16, _buffers: SocketBuffers) -> DialFuture {
        match self.network.connect(self.from, host, port) {
            Ok(Some(stream)) => Box::pin(std::future::ready(Ok(stream))),
            // Packets are swallowed: whoever dials gives up by itself.
            Ok(None) => Box::pin(std::future::pending()),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }
}

#[derive(Default)]
struct State {
    weather: Weather,
    /// Bytes until it is reset.
    left: Option<usize>,
    wakers: Vec<Waker>,
}

struct Connection {
    from: Peer,
    to: Peer,
    state: Mutex<State>,
}

impl Connection {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let wakers = {
            let mut state = self.lock();
            change(&mut state);
            std::mem::take(&mut state.wakers)
        };
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// The dialling side's end of a connection.
struct Link {
    connection: Arc<Connection>,
    /// `None` once it is reset.
    pipe: Option<Box<dyn Stream>>,
    sleep: Option<Pin<Box<Sleep>>>,
}

fn reset() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "connection reset by peer")
}

impl Link {
    /// How many bytes may pass now.
    fn admit(&mut self, context: &Context<'_>, wants: usize, is_request: bool) -> Poll<io::Result<usize>> {
        let mut state = self.connection.lock();
        if state.left == Some(0) {
            drop(state);
            self.pipe = None;
            return Poll::Ready(Err(reset()));
        }
        let is_held = if is_request { state.weather.holds_requests } else { state.weather.holds_answers };
        // Whoever waits for bytes is told of a reset as well.
        if is_held || !is_request {
            state.wakers.retain(|waker| !waker.will_wake(context.waker()));
            state.wakers.push(context.waker().clone());
        }
        if is_held {
            return Poll::Pending;
        }
        Poll::Ready(Ok(state.left.map_or(wants, |left| left.min(wants))))
    }

    fn passed(&self, bytes: usize, is_request: bool) {
        let mut state = self.connection.lock();
        if let Some(left) = &mut state.left {
            *left = left.saturating_sub(bytes);
        }
        drop(state);
        let Connection { from, to, .. } = &*self.connection;
        let mark = |peer: &Peer| match peer {
            Peer::Worker(number) => *number as u8,
            Peer::Broker(id) => 100 + *id as u8,
            Peer::User => 255,
        };
        let mut seen = [mark(from), mark(to), u8::from(is_request), 0, 0, 0, 0];
        seen[3..].copy_from_slice(&(bytes as u32).to_le_bytes());
        log::take_in(&seen);
    }
}

impl Stream for Link {}

impl AsyncRead for Link {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let wants = buffer.remaining();
        let count = std::task::ready!(self.admit(context, wants, false))?;
        let Some(pipe) = &mut self.pipe else { return Poll::Ready(Err(reset())) };
        let mut part = buffer.take(count);
        let read = Pin::new(pipe).poll_read(context, &mut part);
        let filled = part.filled().len();
        if let Poll::Ready(Ok(())) = &read {
            // `part` is the beginning of what is unfilled of `buffer`, and initialised that far.
            let bytes = part.filled().to_vec();
            buffer.put_slice(&bytes);
            self.passed(filled, false);
        }
        read
    }
}

impl AsyncWrite for Link {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let count = std::task::ready!(self.admit(context, bytes.len(), true))?;
        let delay = self.connection.lock().weather.delay;
        if !delay.is_zero() || self.sleep.is_some() {
            let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep(delay)));
            std::task::ready!(sleep.as_mut().poll(context));
            self.sleep = None;
        }
        let Some(pipe) = &mut self.pipe else { return Poll::Ready(Err(reset())) };
        let written = std::task::ready!(Pin::new(pipe).poll_write(context, &bytes[..count]))?;
        self.passed(written, true);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.pipe {
            Some(pipe) => Pin::new(pipe).poll_flush(context),
            None => Poll::Ready(Err(reset())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.pipe {
            Some(pipe) => Pin::new(pipe).poll_shutdown(context),
            None => Poll::Ready(Ok(())),
        }
    }
}

thread_local! {
    /// Whose code runs: the worker whose `LocalSet` is polled.
    static CURRENT: RefCell<Option<usize>> = const { RefCell::new(None) };
}

/// The worker whose code runs.
pub(crate) fn current() -> Option<usize> {
    CURRENT.with_borrow(|current| *current)
}

/// Runs code as a worker's.
pub(crate) fn as_worker<T>(worker: usize, code: impl FnOnce() -> T) -> T {
    let before = CURRENT.replace(Some(worker));
    let result = code();
    CURRENT.replace(before);
    result
}
