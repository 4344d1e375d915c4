//! What a cluster client is told: where to start, who it says it is, and its time limits. Names and defaults are Java's.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::Error;
use crate::metrics::MetricsConfig;
use crate::net::{Security, SocketBuffers};

/// A host name or address, and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// A name, an IPv4 address, or an IPv6 address without brackets.
    pub host: Arc<str>,
    /// The TCP port.
    pub port: u16,
}

impl HostPort {
    /// `host` and `port` as they are.
    pub fn new(host: &str, port: u16) -> Self {
        Self { host: host.into(), port }
    }

    /// Parses the value of `bootstrap.servers`: comma-separated `host:port`, at least one.
    pub fn parse_list(list: &str) -> Result<Vec<Self>, Error> {
        let servers = list.split(',').map(str::trim).filter(|s| !s.is_empty());
        let servers: Vec<Self> = servers.map(str::parse).collect::<Result<_, _>>()?;
        if servers.is_empty() {
            return Err(Error::config("parse bootstrap.servers", "no server is named"));
        }
        Ok(servers)
    }

    /// Reads one entry of `bootstrap.servers` as Java does, with or without a protocol before it and brackets around the host. Java
    /// takes an entry without host for this machine; here it is an error.
    ///
    /// # Errors
    /// Java's message.
    pub(crate) fn parse_server(text: &str) -> Result<Self, String> {
        let invalid = || format!("Invalid url in bootstrap.servers: {text}");
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '%' | '.' | '_');
        let address = match text.split_once("://") {
            Some((protocol, address)) if protocol.chars().all(is_name) => address,
            Some(_) => return Err(invalid()),
            None => text,
        };
        let (host, port) = address.rsplit_once(':').ok_or_else(invalid)?;
        let host = host.strip_prefix('[').unwrap_or(host);
        let host = host.strip_suffix(']').unwrap_or(host);
        let is_host = !host.is_empty() && host.chars().all(|c| is_name(c) || c == ':');
        if !is_host || port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(invalid());
        }
        let out_of_range =
            |_error: std::num::ParseIntError| format!("Invalid port in bootstrap.servers: {text}");
        Ok(Self::new(host, port.parse().map_err(out_of_range)?))
    }
}

impl FromStr for HostPort {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse_server(text).map_err(|message| Error::config("parse bootstrap.servers", message))
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// The settings of one [`Cluster`](super::Cluster).
#[derive(Debug, Clone)]
pub struct ClusterConfig {
    /// `bootstrap.servers`: tried in random order until one answers.
    pub bootstrap: Vec<HostPort>,
    /// `client.id`: shown in the broker's logs and quotas.
    pub client_id: Arc<str>,
    /// `request.timeout.ms`: how long one request may take; then the connection counts as dead.
    pub request_timeout_ms: u64,
    /// `metadata.max.age.ms`: metadata older than this is fetched again by whoever asks next.
    pub metadata_max_age_ms: u64,
    /// `metadata.max.idle.ms`: a topic that was not used for so long is not asked about any more until it is used again.
    pub metadata_max_idle_ms: u64,
    /// `reconnect.backoff.ms`: the pause after the first failed connection to a node.
    pub reconnect_backoff_ms: u64,
    /// `reconnect.backoff.max.ms`: the pause doubles up to this.
    pub reconnect_backoff_max_ms: u64,
    /// `retry.backoff.ms`: the pause before the first retry of a request.
    pub retry_backoff_ms: u64,
    /// `retry.backoff.max.ms`: the pause doubles up to this.
    pub retry_backoff_max_ms: u64,
    /// `socket.connection.setup.timeout.ms`: dial and handshake together, per node.
    pub connection_setup_timeout_ms: u64,
    /// `socket.connection.setup.timeout.max.ms`: the time doubles up to this while a node cannot be reached.
    pub connection_setup_timeout_max_ms: u64,
    /// `metadata.recovery.strategy=rebootstrap`: the bootstrap servers are asked again where no known node answers. Otherwise they are
    /// asked only once.
    pub rebootstraps: bool,
    /// The largest response frame that is accepted; a larger one closes the connection before anything is allocated.
    pub frame_bytes_max: usize,
    /// Whether asking for the metadata of an unknown topic may create it (`allow.auto.create.topics`).
    pub allow_auto_create_topics: bool,
    /// `send.buffer.bytes` and `receive.buffer.bytes`. Java gives sockets fixed sizes by default; left alone, the operating system fits them
    /// to the connection.
    pub socket_buffers: SocketBuffers,
    /// `security.protocol` and the keys that belong to it.
    pub security: Security,
    /// How long metrics remember.
    pub metrics: MetricsConfig,
}

impl ClusterConfig {
    /// Java's defaults for the given servers.
    pub fn new(bootstrap: Vec<HostPort>) -> Self {
        Self {
            bootstrap,
            client_id: "aqueduct".into(),
            request_timeout_ms: 30_000,
            metadata_max_age_ms: 300_000,
            metadata_max_idle_ms: 300_000,
            reconnect_backoff_ms: 50,
            reconnect_backoff_max_ms: 1_000,
            retry_backoff_ms: 100,
            retry_backoff_max_ms: 1_000,
            connection_setup_timeout_ms: 10_000,
            connection_setup_timeout_max_ms: 30_000,
            rebootstraps: true,
            frame_bytes_max: 256 * 1024 * 1024,
            allow_auto_create_topics: true,
            socket_buffers: SocketBuffers::default(),
            security: Security::default(),
            metrics: MetricsConfig::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_what_java_accepts() {
        let list = HostPort::parse_list("a:9092, PLAINTEXT://b.example:1,[::1]:9093,").unwrap();
        assert_eq!(
            list,
            [HostPort::new("a", 9092), HostPort::new("b.example", 1), HostPort::new("::1", 9093)]
        );
        assert_eq!(list[2].to_string(), "[::1]:9093");
    }

    #[test]
    fn names_the_bad_server() {
        for bad in ["", "a", "a:", ":1", "a:70000", "ok:1,bad"] {
            assert!(HostPort::parse_list(bad).is_err(), "{bad}");
        }
        let error = HostPort::parse_list("ok:1,bad").unwrap_err();
        assert!(error.to_string().ends_with("Invalid url in bootstrap.servers: bad"), "{error}");
    }
}
