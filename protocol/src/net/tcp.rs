//! Real sockets: name resolution, one address after the other, `TCP_NODELAY`.

use std::io;
use std::net::SocketAddr;
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::timeout;

use super::env::{DialFuture, Dialer, SocketBuffers, Stream};

/// Dials over TCP. A name with several addresses is tried address by address until one accepts.
#[derive(Debug, Clone)]
pub struct TcpDialer {
    /// How long one address may take; a silent address must leave time for the next one within the set-up timeout.
    address_timeout: Duration,
}

impl TcpDialer {
    /// A dialer that gives each address of a host `address_timeout`.
    pub fn new(address_timeout: Duration) -> Self {
        Self { address_timeout }
    }
}

impl Default for TcpDialer {
    fn default() -> Self {
        Self::new(Duration::from_secs(4))
    }
}

impl Dialer for TcpDialer {
    fn dial(&self, host: &str, port: u16, buffers: SocketBuffers) -> DialFuture {
        // Listeners may give IPv6 literals in brackets; the resolver wants them bare.
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let address_timeout = self.address_timeout;
        Box::pin(async move {
            let mut last = io::Error::new(io::ErrorKind::NotFound, "host name has no address");
            for address in lookup_host((host.as_str(), port)).await? {
                let connecting = async { socket(address, buffers)?.connect(address).await };
                match timeout(address_timeout, connecting).await {
                    Ok(Ok(stream)) => {
                        stream.set_nodelay(true)?;
                        return Ok(Box::new(stream) as Box<dyn Stream>);
                    }
                    Ok(Err(error)) => last = error,
                    Err(_elapsed) => {
                        last = io::Error::new(io::ErrorKind::TimedOut, format!("no answer from {address}"));
                    }
                }
            }
            Err(last)
        })
    }
}

impl Stream for TcpStream {
    /// `SO_RCVLOWAT`, but no more than a quarter of the receive buffer as it is now: what the buffer has room for is what the other side may
    /// send, and that is not to run out before anybody reads. The kernel wakes sooner at the end of the stream.
    #[cfg(target_os = "linux")]
    fn set_low_water(&self, bytes: usize) {
        let buffer_bytes = socket2::SockRef::from(self).recv_buffer_size().unwrap_or(0);
        let bytes = libc::c_int::try_from(bytes.min(buffer_bytes / 4).max(1)).unwrap_or(libc::c_int::MAX);
        let size = size_of_val(&bytes) as libc::socklen_t;
        // SAFETY: the descriptor is open for as long as `self` lives, and the kernel reads `size` bytes of the integer before it returns.
        // Where it refuses, whoever reads is woken more often.
        let _refused = unsafe {
            libc::setsockopt(
                self.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_RCVLOWAT,
                std::ptr::from_ref(&bytes).cast(),
                size,
            )
        };
    }
}

/// The receive buffer has to have its size before the connection is made: the window scale is agreed on then.
fn socket(address: SocketAddr, buffers: SocketBuffers) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(bytes) = buffers.send_bytes {
        socket.set_send_buffer_size(bytes)?;
    }
    if let Some(bytes) = buffers.receive_bytes {
        socket.set_recv_buffer_size(bytes)?;
    }
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn buffers_have_the_sizes_that_were_asked_for() {
        for address in ["127.0.0.1:1", "[::1]:1"] {
            let address = address.parse().unwrap();
            let sizes = |buffers| {
                let socket = socket(address, buffers).unwrap();
                (socket.send_buffer_size().unwrap(), socket.recv_buffer_size().unwrap())
            };
            let given = SocketBuffers { send_bytes: Some(40_000), receive_bytes: Some(50_000) };
            let (send_bytes, receive_bytes) = sizes(given);
            // Linux doubles them for its own book-keeping.
            assert!([40_000, 80_000].contains(&send_bytes), "{send_bytes}");
            assert!([50_000, 100_000].contains(&receive_bytes), "{receive_bytes}");
            assert_ne!(sizes(SocketBuffers::default()), (send_bytes, receive_bytes));
        }
    }

    #[tokio::test]
    async fn reports_the_refusal_of_the_last_address() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let error = TcpDialer::default()
            .dial("127.0.0.1", port, SocketBuffers::default())
            .await
            .map(|_| ())
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
}
