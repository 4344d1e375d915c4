//! Real sockets: name resolution, one address after the other, `TCP_NODELAY`.

use std::io;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::env::{DialFuture, Dialer, Stream};

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
    fn dial(&self, host: &str, port: u16) -> DialFuture {
        // Listeners may give IPv6 literals in brackets; the resolver wants them bare.
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let address_timeout = self.address_timeout;
        Box::pin(async move {
            let mut last = io::Error::new(io::ErrorKind::NotFound, "host name has no address");
            for address in lookup_host((host.as_str(), port)).await? {
                match timeout(address_timeout, TcpStream::connect(address)).await {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn reports_the_refusal_of_the_last_address() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let error = TcpDialer::default().dial("127.0.0.1", port).await.map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
}
