//! The four messages of SCRAM, read strictly: attributes in their one order, no unknown mandatory ones.

use std::num::NonZeroU32;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::{ITERATIONS_MAX, ITERATIONS_MIN};
use crate::{Error, Result};

const DOING: &str = "read SCRAM message";
/// Messages are a few hundred bytes; whoever sends more wants something else.
const MESSAGE_BYTES_MAX: usize = 16 * 1024;

/// `n,,n=user,r=nonce`, as a server reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientFirstMessage {
    /// Who the client says it is.
    pub username: String,
    /// Whom it wants to act as; empty for itself.
    pub authorization_id: String,
    /// Its nonce.
    pub nonce: String,
    /// Whether the name is a delegation token's (Kafka's extension).
    pub is_token: bool,
    /// The message without its GS2 header.
    pub bare: String,
    /// The GS2 header.
    pub gs2_header: String,
}

impl ClientFirstMessage {
    /// Reads it.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let text = text_of(bytes)?;
        let rest = text.strip_prefix("n,").or_else(|| text.strip_prefix("y,"));
        let rest = rest.ok_or_else(|| bad("no GS2 header without channel binding"))?;
        let (authorization, bare) = rest.split_once(',').ok_or_else(|| bad("the GS2 header does not end"))?;
        let authorization_id = match authorization.strip_prefix("a=") {
            Some(name) => unescape(name)?,
            None if authorization.is_empty() => String::new(),
            None => return Err(bad("unknown part of the GS2 header")),
        };
        let mut parts = bare.split(',');
        let username = unescape(attribute(parts.next(), "n=")?)?;
        let nonce = nonce(attribute(parts.next(), "r=")?)?.to_owned();
        let is_token = parts.any(|part| part == "tokenauth=true");
        let gs2_header = text[..text.len() - bare.len()].to_owned();
        Ok(Self { username, authorization_id, nonce, is_token, bare: bare.to_owned(), gs2_header })
    }
}

/// `r=nonce,s=salt,i=iterations`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFirstMessage {
    /// The client's nonce and the server's behind it.
    pub nonce: String,
    /// The user's salt.
    pub salt: Vec<u8>,
    /// The rounds of the password's hash.
    pub iterations: NonZeroU32,
}

impl ServerFirstMessage {
    /// Reads it, and checks the count of iterations.
    ///
    /// # Errors
    /// `Malformed`; `Auth` where the count is beyond what may be asked of us.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let text = text_of(bytes)?;
        let mut parts = text.split(',');
        let nonce = nonce(attribute(parts.next(), "r=")?)?.to_owned();
        let salt = decode(attribute(parts.next(), "s=")?)?;
        if salt.is_empty() {
            return Err(bad("the salt is empty"));
        }
        let count: u32 = number(attribute(parts.next(), "i=")?)?;
        if !(ITERATIONS_MIN..=ITERATIONS_MAX).contains(&count) {
            return Err(Error::auth(
                "authenticate by SCRAM",
                format!(
                    "the broker asks for {count} iterations, allowed are {ITERATIONS_MIN} to {ITERATIONS_MAX}"
                ),
            ));
        }
        let iterations = NonZeroU32::new(count).ok_or_else(|| bad("no iterations"))?;
        Ok(Self { nonce, salt, iterations })
    }

    /// The message itself.
    pub fn encode(&self) -> String {
        format!("r={},s={},i={}", self.nonce, BASE64_STANDARD.encode(&self.salt), self.iterations)
    }
}

/// `c=binding,r=nonce,p=proof`, as a server reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientFinalMessage {
    /// The GS2 header once more.
    pub channel_binding: Vec<u8>,
    /// Both nonces.
    pub nonce: String,
    /// That the client knows the password.
    pub proof: Vec<u8>,
    /// The message without its proof.
    pub without_proof: String,
}

impl ClientFinalMessage {
    /// Reads it.
    ///
    /// # Errors
    /// `Malformed`.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let text = text_of(bytes)?;
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or_else(|| bad("there is no proof"))?;
        let mut parts = without_proof.split(',');
        let channel_binding = decode(attribute(parts.next(), "c=")?)?;
        let nonce = nonce(attribute(parts.next(), "r=")?)?.to_owned();
        Ok(Self { channel_binding, nonce, proof: decode(proof)?, without_proof: without_proof.to_owned() })
    }
}

/// `v=signature` or `e=error`.
pub(super) fn parse_server_final(bytes: &[u8]) -> Result<Vec<u8>> {
    let text = text_of(bytes)?;
    if let Some(error) = text.strip_prefix("e=") {
        return Err(Error::auth(
            "authenticate by SCRAM",
            format!("the broker answered '{}'", printable(error)),
        ));
    }
    decode(attribute(text.split(',').next(), "v=")?)
}

/// A name as messages carry it.
pub(super) fn escape(name: &str) -> String {
    name.replace('=', "=3D").replace(',', "=2C")
}

fn unescape(name: &str) -> Result<String> {
    let plain = name.replace("=2C", ",");
    // What is left may hold '=' only as =3D.
    if plain.replace("=3D", "").contains('=') {
        return Err(bad("a '=' in a name that is not =3D"));
    }
    let plain = plain.replace("=3D", "=");
    if plain.is_empty() { Err(bad("the name is empty")) } else { Ok(plain) }
}

pub(super) fn encode(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

fn text_of(bytes: &[u8]) -> Result<&str> {
    if bytes.len() > MESSAGE_BYTES_MAX {
        return Err(Error::too_large(DOING, bytes.len(), MESSAGE_BYTES_MAX, "bytes of a SCRAM message"));
    }
    std::str::from_utf8(bytes).map_err(|_not_utf8| bad("not UTF-8"))
}

fn attribute<'a>(part: Option<&'a str>, name: &'static str) -> Result<&'a str> {
    let value = part.and_then(|part| part.strip_prefix(name));
    value.ok_or_else(|| Error::malformed(DOING, format!("'{name}' is expected")))
}

fn nonce(text: &str) -> Result<&str> {
    if text.is_empty() || !text.bytes().all(|byte| matches!(byte, 0x21..=0x7e)) {
        return Err(bad("a nonce is not of printable characters"));
    }
    Ok(text)
}

fn number(text: &str) -> Result<u32> {
    // `parse` alone would take a sign.
    let value = if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None };
    value.ok_or_else(|| bad("the count of iterations is no number"))
}

fn decode(text: &str) -> Result<Vec<u8>> {
    BASE64_STANDARD.decode(text).map_err(|error| Error::malformed(DOING, error))
}

fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

fn bad(detail: &'static str) -> Error {
    Error::malformed(DOING, detail)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_escaped_and_come_back() {
        for name in ["user", "a=b,c", "=2C", "=3D,", "zoë"] {
            assert_eq!(unescape(&escape(name)).unwrap(), name);
        }
        for bad in ["", "a=", "a=2", "=2D"] {
            assert!(unescape(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn iterations_have_bounds() {
        let parse = |count: &str| ServerFirstMessage::parse(format!("r=n,s=AAAA,i={count}").as_bytes());
        assert_eq!(parse("4096").unwrap().iterations.get(), 4096);
        for bad in ["0", "1", "4095", "1000001", "4294967296", "-4096", "+4096", "", "x"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn hostile_messages_are_refused() {
        for bad in ["", "r=", "r=n", "r=n,i=4096", "m=x,r=n,s=AAAA,i=4096", "r=n,s=,i=4096", "r=n,s=?,i=4096"]
        {
            assert!(ServerFirstMessage::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(ServerFirstMessage::parse(&vec![b'a'; MESSAGE_BYTES_MAX + 1]).is_err());
        for bad in ["", "p=tls-unique,,n=u,r=n", "n,,", "n,x,n=u,r=n", "n,,r=n", "n,,n=u", "n,,n=u,r="] {
            assert!(ClientFirstMessage::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        for bad in ["", "c=biws,r=n", "c=biws,r=n,p=?", "r=n,p=AAAA"] {
            assert!(ClientFinalMessage::parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(parse_server_final(b"e=other-error").unwrap_err().to_string().contains("other-error"));
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _either = ServerFirstMessage::parse(&bytes);
            let _either = ClientFirstMessage::parse(&bytes);
            let _either = ClientFinalMessage::parse(&bytes);
            let _either = parse_server_final(&bytes);
        }
    }
}
