//! Connections within the process: a pipe instead of a socket.

use std::io;

use protocol::net::{DialFuture, Dialer, SocketBuffers, Stream};
use tokio::io::{DuplexStream, duplex};
use tokio::sync::mpsc;

/// Bytes that an in-process connection holds in each direction.
pub(crate) const PIPE_BYTES: usize = 256 * 1024;

/// The broker's end of a pipe, and the port that was dialled.
pub(crate) type Dialled = (u16, DuplexStream);

/// Dials a broker in the same process, from any thread. Nodes are told apart by their port; any host will do.
#[derive(Debug, Clone)]
pub struct InProcessDialer {
    pub(crate) sender: mpsc::UnboundedSender<Dialled>,
}

impl InProcessDialer {
    /// A connection to the node with this port, or to the first node if none has it.
    ///
    /// # Errors
    /// `ConnectionRefused` if the broker is gone.
    pub fn connect(&self, port: u16) -> io::Result<DuplexStream> {
        let (ours, theirs) = duplex(PIPE_BYTES);
        match self.sender.send((port, theirs)) {
            Ok(()) => Ok(ours),
            Err(_gone) => {
                Err(io::Error::new(io::ErrorKind::ConnectionRefused, "the embedded broker has stopped"))
            }
        }
    }
}

impl Dialer for InProcessDialer {
    fn dial(&self, _host: &str, port: u16, _buffers: SocketBuffers) -> DialFuture {
        let connected = self.connect(port).map(|stream| Box::new(stream) as Box<dyn Stream>);
        Box::pin(std::future::ready(connected))
    }
}
