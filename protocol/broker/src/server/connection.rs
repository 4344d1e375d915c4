//! One client connection: requests are answered one after the other, in order, as Kafka does.
//!
//! A request that waits (a long poll, a join) holds back those behind it on the same connection. Meanwhile the stream is
//! read a little ahead, which is how a client that goes away is noticed.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use bytes::Bytes;
use protocol::Error;
use protocol::wire::frame;
use protocol::wire::messages::{ApiKey, SaslAuthenticateRequest, SaslHandshakeRequest};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::Shared;
use super::frames::{Input, write_frame};
use crate::api::{Call, dispatch};
use crate::faults::Fault;
use crate::security::{Admission, Session};

/// Bytes that are read ahead while a request waits.
const READ_AHEAD_BYTES_MAX: usize = 64 * 1024;

/// A connection of a client to one node.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) shared: Rc<Shared>,
    pub(crate) node_id: i32,
    pub(crate) peer: Rc<str>,
    /// Where clients have to say who they are.
    session: Option<RefCell<Session>>,
    /// Changes when the node stops.
    stop: watch::Receiver<()>,
    _slot: Slot,
}

/// A place among the connections that the broker allows.
#[derive(Debug)]
struct Slot {
    shared: Rc<Shared>,
}

/// Why a connection ends.
enum End {
    /// The client went away, or the network did.
    Io(io::Error),
    /// The client sent what we cannot read.
    Bad(Error),
    /// A test wants it so.
    Fault,
    /// A test wants it so, with an RST.
    Reset,
    /// The node was stopped.
    Stopped,
    /// The client may not ask for this before it has said who it is.
    Unauthenticated(i16),
}

/// What a request comes to.
enum Reply {
    Write(Vec<Bytes>),
    /// The last answer of this connection, or its beginning.
    WriteLast(Vec<Bytes>),
    /// The beginning of an answer, then an RST.
    WriteAndReset(Vec<Bytes>),
    Nothing,
    /// Neither this nor any later request of the connection is answered.
    Silence,
}

impl Connection {
    /// `None` if there are too many, or the node is stopped.
    pub(crate) fn new(shared: &Rc<Shared>, node_id: i32, peer: &str) -> Option<Self> {
        let stop = shared.gate(node_id).ok()?.watch();
        if !shared.cluster.borrow().is_running(node_id) {
            return None;
        }
        let count = shared.connection_count.get();
        if count >= shared.config.connection_count_max {
            let connection_count_max = shared.config.connection_count_max;
            tracing::warn!(peer, connection_count_max, "refused a connection: too many are open");
            return None;
        }
        shared.connection_count.set(count + 1);
        let slot = Slot { shared: Rc::clone(shared) };
        Some(Self { shared: Rc::clone(shared), node_id, peer: peer.into(), session: None, stop, _slot: slot })
    }

    /// The same, for a client that has to say who it is, where the broker has users.
    pub(crate) fn authenticated(mut self) -> Self {
        self.session = self.shared.users.clone().map(Session::new).map(RefCell::new);
        self
    }

    /// Serves the stream until it ends. `reset` makes that end an RST.
    pub(crate) async fn run<S>(self, mut stream: S, reset: impl FnOnce(&S))
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.shared.start_timer();
        let mut stop = self.stop.clone();
        // Stopping comes first: what arrives after it is not performed.
        let served = tokio::select! {
            biased;
            _ = stop.changed() => Err(End::Stopped),
            served = self.serve(&mut stream) => served,
        };
        match served {
            Ok(()) | Err(End::Fault | End::Stopped) => {}
            Err(End::Reset) => reset(&stream),
            Err(End::Io(error)) => tracing::debug!(peer = %self.peer, %error, "connection lost"),
            Err(End::Bad(error)) => {
                tracing::warn!(peer = %self.peer, %error, "closed a connection: cannot read the request");
            }
            Err(End::Unauthenticated(api_key)) => {
                tracing::warn!(peer = %self.peer, api_key, "closed a connection: the client is not authenticated");
            }
        }
    }

    async fn serve<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: &mut S) -> Result<(), End> {
        let mut input = Input::new(self.shared.config.frame_bytes_max);
        loop {
            let frame = loop {
                if let Some(frame) = input.take_frame()? {
                    break frame;
                }
                if input.fill(stream).await? == 0 {
                    return Ok(());
                }
            };
            let reply = {
                let mut answer = std::pin::pin!(self.answer(frame));
                let mut is_at_end = false;
                loop {
                    tokio::select! {
                        biased;
                        reply = &mut answer => break reply?,
                        read = input.fill(stream), if !is_at_end && input.len() < READ_AHEAD_BYTES_MAX => {
                            is_at_end = read? == 0;
                            // Nobody is left to hear the answer. Requests that were sent before are still performed.
                            if is_at_end && input.len() == 0 {
                                return Ok(());
                            }
                        }
                    }
                }
            };
            match reply {
                Reply::Write(pieces) => write_frame(stream, pieces).await?,
                Reply::WriteLast(pieces) => return Ok(write_frame(stream, pieces).await?),
                Reply::WriteAndReset(pieces) => {
                    write_frame(stream, pieces).await?;
                    return Err(End::Reset);
                }
                Reply::Nothing => {}
                Reply::Silence => return swallow(stream).await,
            }
        }
    }

    async fn answer(&self, mut frame: Bytes) -> Result<Reply, End> {
        let header = frame::decode_request_header(&mut frame)?;
        self.shared.requests.count(self.node_id, header.api_key);
        let call = Call {
            shared: Rc::clone(&self.shared),
            node_id: self.node_id,
            version: header.version,
            correlation_id: header.correlation_id,
            client_id: header.client_id,
            peer: Rc::clone(&self.peer),
        };
        let key = header.api_key;
        let mut is_lost = false;
        let mut cut: Option<fn(Vec<Bytes>) -> Reply> = None;
        let mut refusal = None;
        match self.shared.faults.take(key) {
            None => {}
            Some(Fault::Delay(time)) => sleep(time).await,
            Some(Fault::Error(code)) => refusal = Some(code),
            Some(Fault::Silence) => return Ok(Reply::Silence),
            Some(Fault::Disconnect) => return Err(End::Fault),
            Some(Fault::Reset) => return Err(End::Reset),
            Some(Fault::LoseResponse) => is_lost = true,
            Some(Fault::TruncateResponse) => cut = Some(Reply::WriteLast),
            Some(Fault::ResetResponse) => cut = Some(Reply::WriteAndReset),
        }
        if let (Some(session), None) = (&self.session, refusal) {
            let admission = session.borrow().admit(key, Instant::now());
            match admission {
                Admission::Serve => {}
                Admission::Close => return Err(End::Unauthenticated(key)),
                Admission::Authenticate => {
                    let reply = authenticate(&mut session.borrow_mut(), &call, key, frame)?;
                    return if is_lost { Err(End::Fault) } else { Ok(reply) };
                }
            }
        }
        let pieces = dispatch(&call, key, frame, refusal).await?;
        if is_lost {
            return Err(End::Fault);
        }
        if let Some(cut) = cut {
            return Ok(cut(first_half(&pieces)));
        }
        Ok(if pieces.is_empty() { Reply::Nothing } else { Reply::Write(pieces) })
    }
}

/// Answers a message of a SASL exchange.
fn authenticate(session: &mut Session, call: &Call, key: i16, mut body: Bytes) -> Result<Reply, End> {
    let (error_code, piece) = if key == ApiKey::SaslHandshake as i16 {
        let request = frame::decode_request_body::<SaslHandshakeRequest>(&mut body, call.version)?;
        let response = session.handshake(&request);
        let piece =
            frame::encode_response::<SaslHandshakeRequest>(&response, call.version, call.correlation_id)?;
        (response.error_code, piece)
    } else {
        let request = frame::decode_request_body::<SaslAuthenticateRequest>(&mut body, call.version)?;
        let now_ms = (call.shared.config.wall_clock_ms)();
        let response = session.authenticate(&request, call.version, now_ms);
        let piece =
            frame::encode_response::<SaslAuthenticateRequest>(&response, call.version, call.correlation_id)?;
        (response.error_code, piece)
    };
    Ok(if error_code == 0 { Reply::Write(vec![piece]) } else { Reply::WriteLast(vec![piece]) })
}

/// A copy of the first half of a frame.
fn first_half(pieces: &[Bytes]) -> Vec<Bytes> {
    let mut frame = pieces.concat();
    frame.truncate(frame.len() / 2);
    vec![frame.into()]
}

/// Reads until the client gives up.
async fn swallow(stream: &mut (impl AsyncRead + Unpin)) -> Result<(), End> {
    let mut swallowed = [0; 1024];
    while stream.read(&mut swallowed).await? > 0 {}
    Ok(())
}

impl Drop for Slot {
    fn drop(&mut self) {
        let count = &self.shared.connection_count;
        count.set(count.get() - 1);
    }
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        Self::Bad(error)
    }
}
