//! One pipelined connection to one broker: any number of requests in flight, one cause of death for all of them.
//!
//! ```text
//!  call ──frame──► outgoing ──┐                       ┌──► reply of call 1
//!  call ──frame──► queue    ──┼─► driver ⇄ stream ────┼──► reply of call 2
//!  call ──frame──►          ──┘   (one task)          └──► (caller gone: dropped)
//! ```

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::protocol::{Request, StrBytes};
use tokio::time::{Instant, Sleep, sleep_until};

use super::driver::{Driver, Origin, ReplyReceiver, Shared};
use super::env::{Env, Stream};
use super::handshake;
use super::metrics::ConnectionMetrics;
use super::sasl::{self, SaslConfig};
use crate::wire::frame;
use crate::wire::messages::ApiKey;
use crate::wire::records::BufferPool;
use crate::wire::versions::BrokerVersions;
use crate::{Error, ErrorKind};

/// What a connection needs to know beside its stream.
#[derive(Debug, Clone)]
pub struct ConnectionConfig {
    /// Sent with every request.
    pub client_id: Arc<str>,
    /// The time limit of requests that name none, the handshake's included.
    pub request_timeout: Duration,
    /// The largest response frame that is accepted.
    pub frame_bytes_max: usize,
    /// Where large responses are read into.
    pub pool: BufferPool,
    /// How to authenticate, where the listener asks for it.
    pub sasl: Option<SaslConfig>,
    /// Clock and chance, for authentication.
    pub env: Env,
    /// What the connection counts into.
    pub metrics: ConnectionMetrics,
}

/// A handle to a connection; clones share it. The stream is closed when the last handle is dropped.
///
/// Requests leave in the order of the `send` calls, and responses come in the same order.
#[derive(Clone)]
pub struct Connection {
    handle: Rc<Handle>,
}

pub(super) struct Handle {
    shared: Rc<Shared>,
    client_id: StrBytes,
    request_timeout: Duration,
    versions: BrokerVersions,
    throttled_until: Cell<Option<Instant>>,
}

impl Connection {
    /// Takes over a fresh stream: starts its driver on the current `LocalSet`, learns the broker's versions, and
    /// authenticates where the configuration says so; again by itself before the session ends.
    ///
    /// # Errors
    /// What the handshake failed with: `Disconnected`, `Timeout`, `Malformed` where the peer is no Kafka broker, `Auth` where it
    /// refuses us.
    pub async fn open(stream: Box<dyn Stream>, config: &ConnectionConfig) -> Result<Self, Error> {
        let shared = Rc::new(Shared::new(config.metrics.clone()));
        let driver = Driver::new(stream, Rc::clone(&shared), config.pool.clone(), config.frame_bytes_max);
        tokio::task::spawn_local(driver);
        let mut handle = Handle {
            shared,
            client_id: StrBytes::from_string(config.client_id.to_string()),
            request_timeout: config.request_timeout,
            versions: BrokerVersions::default(),
            throttled_until: Cell::new(None),
        };
        handle.versions = handshake::learn_versions(&handle).await?;
        let handle = Rc::new(handle);
        if let Some(sasl) = &config.sasl {
            let lifetime = sasl::authenticate(&*handle, &handle.versions, sasl, &config.env).await?;
            if let Some(lifetime) = lifetime {
                let (weak, sasl, env) = (Rc::downgrade(&handle), sasl.clone(), config.env.clone());
                let keep_alive = sasl::keep_alive(weak, sasl, env, lifetime);
                let watched = Rc::clone(&handle.shared);
                tokio::task::spawn_local(async move {
                    // Ends with its connection, however long the session would last.
                    tokio::select! {
                        () = watched.closed() => {}
                        () = keep_alive => {}
                    }
                });
            }
        }
        Ok(Self { handle })
    }

    /// The version to speak for `api`; None where there is none in common.
    pub fn version(&self, api: ApiKey) -> Option<i16> {
        let ours = crate::wire::versions::supported(api as i16)?;
        crate::wire::versions::negotiate(ours, self.handle.versions.range(api as i16)?)
    }

    /// Everything the broker said that it speaks.
    pub fn versions(&self) -> &BrokerVersions {
        &self.handle.versions
    }

    /// Queues `request` in `version` and gives the future of its response, with the connection's own time limit.
    ///
    /// # Errors
    /// The cause of death when the connection is dead; an encode error leaves it alive.
    pub fn send<R: Request>(&self, version: i16, request: &R) -> Result<Reply<R>, Error> {
        self.send_within(version, request, self.handle.request_timeout)
    }

    /// As [`send`](Self::send), for requests that the broker holds back on purpose (fetch, join group).
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_within<R: Request>(
        &self,
        version: i16,
        request: &R,
        timeout: Duration,
    ) -> Result<Reply<R>, Error> {
        self.handle.send(Origin::Caller, version, request, timeout)
    }

    /// Queues a frame whose pieces (length prefix included) `encode` makes from the correlation id and the client id; for
    /// requests that carry record batches, which must not be copied. With `expects_response` false (`acks=0`) the reply
    /// resolves to empty bytes once the frame is written.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_pieces<R: Request>(
        &self,
        version: i16,
        expects_response: bool,
        encode: impl FnOnce(i32, &StrBytes, &mut VecDeque<Bytes>) -> Result<(), Error>,
    ) -> Result<Reply<R>, Error> {
        let handle = &*self.handle;
        let now = Instant::now();
        let deadline = now + handle.request_timeout;
        let receiver =
            handle.shared.enqueue(Origin::Caller, expects_response, now, deadline, |id, pieces| {
                encode(id, &handle.client_id, pieces)
            })?;
        Ok(Reply::new(version, receiver, &handle.shared, deadline))
    }

    /// Sends `request` in `version` and awaits its response.
    ///
    /// Cancel safe: when dropped, the response is read and thrown away, and the connection stays in step.
    ///
    /// # Errors
    /// As [`send`](Self::send), and what the connection dies of meanwhile.
    pub async fn call<R: Request>(&self, version: i16, request: &R) -> Result<R::Response, Error> {
        self.send(version, request)?.await
    }

    /// Whether requests may still be sent.
    pub fn is_open(&self) -> bool {
        self.handle.shared.is_open()
    }

    /// Why the connection is dead; None while it lives.
    pub fn poisoned(&self) -> Option<Error> {
        self.handle.shared.poisoned()
    }

    /// Requests whose response is still awaited.
    pub fn in_flight_count(&self) -> usize {
        self.handle.shared.in_flight_count()
    }

    /// What the connection counts into.
    pub(crate) fn metrics(&self) -> &ConnectionMetrics {
        self.handle.shared.metrics()
    }

    /// Resolves when the connection is dead.
    pub async fn closed(&self) {
        self.handle.shared.closed().await;
    }

    /// Closes the connection; everything in flight fails with `cause`.
    pub fn close(&self, cause: Error) {
        self.handle.shared.poison(cause);
    }

    /// Notes that the broker asked for `throttle_time_ms` of silence (KIP-219).
    pub fn throttle(&self, throttle_time_ms: i32) {
        if let Ok(pause_ms @ 1..) = u64::try_from(throttle_time_ms) {
            let until = Instant::now() + Duration::from_millis(pause_ms);
            self.handle.throttled_until.set(self.handle.throttled_until.get().max(Some(until)));
        }
    }

    /// Until when the broker wants to hear nothing; None when it may be asked now.
    pub fn throttled_until(&self) -> Option<Instant> {
        let until = self.handle.throttled_until.get()?;
        if until > Instant::now() {
            return Some(until);
        }
        self.handle.throttled_until.set(None);
        None
    }
}

impl Handle {
    pub(super) fn is_open(&self) -> bool {
        self.shared.is_open()
    }

    pub(super) fn versions(&self) -> &BrokerVersions {
        &self.versions
    }

    pub(super) fn close(&self, cause: Error) {
        self.shared.poison(cause);
    }

    pub(super) fn metrics(&self) -> &ConnectionMetrics {
        self.shared.metrics()
    }

    fn send<R: Request>(
        &self,
        origin: Origin,
        version: i16,
        request: &R,
        timeout: Duration,
    ) -> Result<Reply<R>, Error> {
        let now = Instant::now();
        let deadline = now + timeout;
        let receiver = self.shared.enqueue(origin, true, now, deadline, |correlation_id, pieces| {
            pieces.push_back(frame::encode_request(request, version, correlation_id, Some(&self.client_id))?);
            Ok(())
        })?;
        Ok(Reply::new(version, receiver, &self.shared, deadline))
    }
}

/// What the handshake needs of a connection that nobody else has seen yet.
pub(super) trait Caller {
    fn call_first<R: Request>(
        &self,
        version: i16,
        request: &R,
    ) -> impl Future<Output = Result<R::Response, Error>>;
}

impl Caller for Handle {
    async fn call_first<R: Request>(&self, version: i16, request: &R) -> Result<R::Response, Error> {
        self.send(Origin::Caller, version, request, self.request_timeout)?.await
    }
}

/// The time in which a connection sends nothing but what authenticates it. Ends when dropped.
pub(super) struct Reauthentication<'a> {
    handle: &'a Handle,
}

impl<'a> Reauthentication<'a> {
    /// Waits until nothing else is on its way.
    pub(super) async fn begin(handle: &'a Handle) -> Self {
        // Made before the wait, so that whoever gives up waiting lets the others go.
        let session = Self { handle };
        handle.shared.hold().await;
        session
    }
}

impl Caller for Reauthentication<'_> {
    async fn call_first<R: Request>(&self, version: i16, request: &R) -> Result<R::Response, Error> {
        self.handle.send(Origin::Authentication, version, request, self.handle.request_timeout)?.await
    }
}

impl Drop for Reauthentication<'_> {
    fn drop(&mut self) {
        self.handle.shared.release();
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.poison(Error::new(ErrorKind::Closed, "use connection"));
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("is_open", &self.is_open())
            .field("in_flight_count", &self.in_flight_count())
            .finish_non_exhaustive()
    }
}

/// The future of one response. When its time limit passes, the whole connection is dead: responses come in order, so what is
/// behind a missing one would not come either. That is so as well where this was dropped before.
pub struct Reply<R: Request> {
    version: i16,
    receiver: ReplyReceiver,
    shared: Rc<Shared>,
    limit: Pin<Box<Sleep>>,
    is_done: bool,
    request: std::marker::PhantomData<fn() -> R>,
}

impl<R: Request> Reply<R> {
    fn new(version: i16, receiver: ReplyReceiver, shared: &Rc<Shared>, deadline: Instant) -> Self {
        let limit = Box::pin(sleep_until(deadline));
        let shared = Rc::clone(shared);
        Self { version, receiver, shared, limit, is_done: false, request: std::marker::PhantomData }
    }

    /// The version in which the request was sent.
    pub fn version(&self) -> i16 {
        self.version
    }

    /// The response frame as it came, for responses that the caller decodes itself.
    ///
    /// # Errors
    /// What the connection died of.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Bytes, Error>> {
        if let Poll::Ready(received) = Pin::new(&mut self.receiver).poll(cx) {
            self.is_done = true;
            // The driver drops no sender without a word, unless its whole executor is being torn down.
            return Poll::Ready(received.unwrap_or_else(|_gone| Err(Error::closed("await response"))));
        }
        ready!(self.limit.as_mut().poll(cx));
        self.is_done = true;
        let cause = Error::timeout("await response");
        self.shared.poison(cause.clone());
        Poll::Ready(Err(cause))
    }
}

impl<R: Request> Future for Reply<R> {
    type Output = Result<R::Response, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let frame = ready!(this.poll_frame(cx))?;
        Poll::Ready(match frame::decode_response::<R>(frame, this.version) {
            Ok((_correlation_id, response)) => Ok(response),
            Err(error) => {
                // A peer that sends one bad message is not to be trusted with the next.
                this.shared.poison(error.clone());
                Err(error)
            }
        })
    }
}

impl<R: Request> Drop for Reply<R> {
    fn drop(&mut self) {
        if !self.is_done {
            self.shared.abandon(self.limit.deadline());
        }
    }
}

impl<R: Request> Unpin for Reply<R> {}

impl<R: Request> fmt::Debug for Reply<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("api_key", &R::KEY)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "connection_tests.rs"]
mod tests;
