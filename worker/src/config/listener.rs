//! One item of `listeners`: `protocol://host:port`.

use std::fmt;

/// Where REST listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Host as configured; empty means all interfaces.
    pub host: String,
    /// Port; 0 lets the system choose.
    pub port: u16,
}

/// Why a listener is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ListenerError {
    /// Java's message.
    #[error("Listener doesn't have the right format (protocol://hostname:port).")]
    Format,
    /// Java's message.
    #[error("Listener protocol must be either \"http\" or \"https\".")]
    Protocol,
    /// A port that is none.
    #[error("Listener port {port} is not between 0 and 65535.")]
    Port {
        /// As given.
        port: String,
    },
    /// TLS is not there yet.
    #[error(
        "Listener {listener}: https is not supported by this version of Aqueduct; use http behind a TLS proxy."
    )]
    Https {
        /// As given.
        listener: String,
    },
}

impl Listener {
    /// Parses one item.
    ///
    /// # Errors
    /// Java's messages, and that https is not supported yet.
    pub fn parse(text: &str) -> Result<Listener, ListenerError> {
        let (protocol, address) = text.split_once("://").ok_or(ListenerError::Format)?;
        // Java's pattern is greedy: the port follows the last colon, brackets around the host are optional.
        let (host, port) = address.rsplit_once(':').ok_or(ListenerError::Format)?;
        let host = host.strip_prefix('[').unwrap_or(host);
        let host = host.strip_suffix(']').unwrap_or(host);
        let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '%' | '.' | '_' | ':');
        let digits = port.strip_prefix('-').unwrap_or(port);
        if !host.chars().all(is_host)
            || digits.is_empty()
            || !digits.bytes().all(|byte| byte.is_ascii_digit())
        {
            return Err(ListenerError::Format);
        }
        if protocol.eq_ignore_ascii_case("https") {
            return Err(ListenerError::Https { listener: text.to_owned() });
        }
        if !protocol.eq_ignore_ascii_case("http") {
            return Err(ListenerError::Protocol);
        }
        let port = port
            .parse()
            .map_err(|_not_a_port: std::num::ParseIntError| ListenerError::Port { port: port.to_owned() })?;
        Ok(Listener { host: host.to_owned(), port })
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}:{}/", bracketed(&self.host), self.port)
    }
}

/// A host as it stands in a URL.
pub(crate) fn bracketed(host: &str) -> std::borrow::Cow<'_, str> {
    if host.contains(':') { format!("[{host}]").into() } else { host.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<(&str, u16), &str>) {
        let parsed = Listener::parse(text);
        let found = parsed.as_ref().map(|listener| (listener.host.as_str(), listener.port));
        assert_eq!(found.map_err(ToString::to_string), expected.map_err(str::to_owned));
    }

    #[test]
    fn takes_javas_forms() {
        check("http://:8083", Ok(("", 8083)));
        check("HTTP://localhost:0", Ok(("localhost", 0)));
        check("http://[::1]:8083", Ok(("::1", 8083)));
        check("http://::1:8083", Ok(("::1", 8083)));
        check("http://[fe80::1%eth0]:1", Ok(("fe80::1%eth0", 1)));
        let format = "Listener doesn't have the right format (protocol://hostname:port).";
        check("localhost:8083", Err(format));
        check("http://localhost", Err(format));
        check("http://a b:1", Err(format));
        check("http://a:x", Err(format));
        check("ftp://a:1", Err("Listener protocol must be either \"http\" or \"https\"."));
        check("http://a:70000", Err("Listener port 70000 is not between 0 and 65535."));
        check("http://a:-1", Err("Listener port -1 is not between 0 and 65535."));
        assert_eq!(
            Listener::parse("https://a:1"),
            Err(ListenerError::Https { listener: "https://a:1".to_owned() })
        );
    }
}
