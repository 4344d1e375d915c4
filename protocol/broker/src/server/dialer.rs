//! Dials the broker from within its process.

use std::io;

use protocol::net::{DialFuture, Dialer, Stream};
use tokio::sync::mpsc;

use super::Pipe;
use super::pipe::{ServerPipe, pipe};

/// The broker's end of a pipe, and the port that was dialled.
pub(crate) type Dialled = (u16, ServerPipe);

/// Dials a broker in the same process, from any thread. Nodes are told apart by their port; any host will do.
#[derive(Debug, Clone)]
pub struct InProcessDialer {
    pub(crate) sender: mpsc::UnboundedSender<Dialled>,
}

impl InProcessDialer {
    /// A connection to the node with this port, or to the first node if none has it. It ends at once where that node is
    /// stopped.
    ///
    /// # Errors
    /// `ConnectionRefused` if the broker is gone.
    pub fn connect(&self, port: u16) -> io::Result<Pipe> {
        let (ours, theirs) = pipe();
        match self.sender.send((port, theirs)) {
            Ok(()) => Ok(ours),
            Err(_gone) => {
                Err(io::Error::new(io::ErrorKind::ConnectionRefused, "the embedded broker has stopped"))
            }
        }
    }
}

impl Dialer for InProcessDialer {
    fn dial(&self, _host: &str, port: u16) -> DialFuture {
        let connected = self.connect(port).map(|stream| Box::new(stream) as Box<dyn Stream>);
        Box::pin(std::future::ready(connected))
    }
}
