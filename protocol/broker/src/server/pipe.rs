//! Connections within the process: a pipe instead of a socket.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use protocol::net::Stream;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};

/// Bytes that an in-process connection holds in each direction.
const PIPE_BYTES: usize = 256 * 1024;

/// The client's end of a connection within the process. It reads to its end where the broker closed it, and fails with
/// `ConnectionReset` where a [`Fault`](crate::Fault) reset it.
#[derive(Debug)]
pub struct Pipe {
    stream: DuplexStream,
    is_reset: Arc<AtomicBool>,
}

/// The broker's end of a pipe.
#[derive(Debug)]
pub(crate) struct ServerPipe {
    pub(crate) stream: DuplexStream,
    pub(crate) is_reset: Arc<AtomicBool>,
}

/// A new connection.
pub(crate) fn pipe() -> (Pipe, ServerPipe) {
    let (stream, theirs) = duplex(PIPE_BYTES);
    let is_reset = Arc::new(AtomicBool::new(false));
    (Pipe { stream, is_reset: Arc::clone(&is_reset) }, ServerPipe { stream: theirs, is_reset })
}

impl Pipe {
    fn is_reset(&self) -> bool {
        self.is_reset.load(Ordering::Acquire)
    }
}

fn reset() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "the embedded broker reset the connection")
}

impl Stream for Pipe {}

impl AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        match read {
            Poll::Ready(Ok(()))
                if buffer.filled().len() == before && buffer.remaining() > 0 && self.is_reset() =>
            {
                Poll::Ready(Err(reset()))
            }
            read => read,
        }
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(context, bytes) {
            Poll::Ready(Err(_)) if self.is_reset() => Poll::Ready(Err(reset())),
            written => written,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
