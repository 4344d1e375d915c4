//! One item of `listeners`: `protocol://host:port`.

use std::fmt;

/// How a listener's bytes are protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Not at all.
    Http,
    /// By TLS.
    Https,
}

impl Protocol {
    /// As it stands in a URL.
    pub fn scheme(self) -> &'static str {
        match self {
            Protocol::Http => "http",
            Protocol::Https => "https",
        }
    }

    /// By its name, in any case.
    pub(super) fn find(name: &str) -> Option<Protocol> {
        [Protocol::Http, Protocol::Https].into_iter().find(|known| name.eq_ignore_ascii_case(known.scheme()))
    }
}

/// Where REST listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Whether it speaks TLS.
    pub protocol: Protocol,
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
}

impl Listener {
    /// Parses one item.
    ///
    /// # Errors
    /// Java's messages.
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
        let protocol = Protocol::find(protocol).ok_or(ListenerError::Protocol)?;
        let port = port
            .parse()
            .map_err(|_not_a_port: std::num::ParseIntError| ListenerError::Port { port: port.to_owned() })?;
        Ok(Listener { protocol, host: host.to_owned(), port })
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}/", self.protocol.scheme(), bracketed(&self.host), self.port)
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
        assert_eq!(Listener::parse("HTTPS://a:1").unwrap().to_string(), "https://a:1/");
    }
}
