//! One client connection: requests are answered one after the other, in order, as Kafka does.
//!
//! A request that waits (a long poll, a join) holds back those behind it on the same connection. Meanwhile the stream is
//! read a little ahead, which is how a client that goes away is noticed.

use std::io;
use std::rc::Rc;

use bytes::Bytes;
use protocol::Error;
use protocol::wire::frame;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::time::sleep;

use super::Shared;
use super::frames::{Input, write_frame};
use crate::api::{Call, dispatch};
use crate::faults::Fault;

/// Bytes that are read ahead while a request waits.
const READ_AHEAD_BYTES_MAX: usize = 64 * 1024;

/// A connection of a client to one node.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) shared: Rc<Shared>,
    pub(crate) node_id: i32,
    pub(crate) peer: Rc<str>,
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
}

/// What a request comes to.
enum Reply {
    Write(Vec<Bytes>),
    Nothing,
    /// Neither this nor any later request of the connection is answered.
    Silence,
}

impl Connection {
    /// `None` if there are too many.
    pub(crate) fn new(shared: &Rc<Shared>, node_id: i32, peer: &str) -> Option<Self> {
        let count = shared.connection_count.get();
        if count >= shared.config.connection_count_max {
            let connection_count_max = shared.config.connection_count_max;
            tracing::warn!(peer, connection_count_max, "refused a connection: too many are open");
            return None;
        }
        shared.connection_count.set(count + 1);
        let slot = Slot { shared: Rc::clone(shared) };
        Some(Self { shared: Rc::clone(shared), node_id, peer: peer.into(), _slot: slot })
    }

    /// Serves the stream until it ends.
    pub(crate) async fn run<S: AsyncRead + AsyncWrite + Unpin>(self, mut stream: S) {
        self.shared.start_timer();
        match self.serve(&mut stream).await {
            Ok(()) | Err(End::Fault) => {}
            Err(End::Io(error)) => tracing::debug!(peer = %self.peer, %error, "connection lost"),
            Err(End::Bad(error)) => {
                tracing::warn!(peer = %self.peer, %error, "closed a connection: cannot read the request");
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
                Reply::Nothing => {}
                Reply::Silence => return swallow(stream).await,
            }
        }
    }

    async fn answer(&self, mut frame: Bytes) -> Result<Reply, End> {
        let header = frame::decode_request_header(&mut frame)?;
        self.shared.requests.count(header.api_key);
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
        let mut refusal = None;
        match self.shared.faults.take(key) {
            None => {}
            Some(Fault::Delay(time)) => sleep(time).await,
            Some(Fault::Error(code)) => refusal = Some(code),
            Some(Fault::Silence) => return Ok(Reply::Silence),
            Some(Fault::Disconnect) => return Err(End::Fault),
            Some(Fault::LoseResponse) => is_lost = true,
        }
        let pieces = dispatch(&call, key, frame, refusal).await?;
        if is_lost {
            return Err(End::Fault);
        }
        Ok(if pieces.is_empty() { Reply::Nothing } else { Reply::Write(pieces) })
    }
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
