//! PLAIN (RFC 4616): `[authzid] NUL authcid NUL password`. Only as secret as the connection is.

use super::config::Credentials;
use crate::net::Secret;
use crate::{Error, Result};

/// The client's one message.
pub(super) fn message(credentials: &Credentials) -> Vec<u8> {
    format!("\0{}\0{}", credentials.username, credentials.password.expose()).into_bytes()
}

/// What a client said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlainMessage {
    /// Whom it wants to act as; empty for itself.
    pub authorization_id: String,
    /// Who it is.
    pub username: String,
    /// Its proof.
    pub password: Secret,
}

/// Reads a client's message; for servers.
///
/// # Errors
/// `Malformed` where it is not three UTF-8 texts, or the name or password is empty.
pub fn parse_plain(bytes: &[u8]) -> Result<PlainMessage> {
    const DOING: &str = "read PLAIN message";
    let Ok(text) = std::str::from_utf8(bytes) else { return Err(Error::malformed(DOING, "not UTF-8")) };
    let parts: Vec<&str> = text.split('\0').collect();
    let &[authorization_id, username, password] = parts.as_slice() else {
        return Err(Error::malformed(DOING, format!("expected 3 parts, got {}", parts.len())));
    };
    if username.is_empty() || password.is_empty() {
        return Err(Error::malformed(DOING, "username or password is empty"));
    }
    Ok(PlainMessage {
        authorization_id: authorization_id.to_owned(),
        username: username.to_owned(),
        password: Secret::new(password),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let credentials = Credentials { username: "zoë".to_owned(), password: Secret::new("pw =,") };
        let message = parse_plain(&message(&credentials)).unwrap();
        assert_eq!((message.username.as_str(), message.password.expose()), ("zoë", "pw =,"));
    }

    #[test]
    fn refuses_other_shapes() {
        for bad in [&b""[..], b"\0a", b"\0\0p", b"\0a\0", b"\0a\0p\0x", b"\0a\0\xff"] {
            assert!(parse_plain(bad).is_err(), "{bad:?}");
        }
    }
}
