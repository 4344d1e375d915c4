//! Any bytes as what either side of an authentication says: JAAS configurations, the messages of PLAIN, SCRAM and
//! OAUTHBEARER, the tokens inside, and whole exchanges with a broker. The first byte chooses.

use protocol::net::Secret;
use protocol::net::sasl::scram::{
    ClientFinalMessage, ClientFirstMessage, Hash, ScramClient, ServerFirstMessage,
};
use protocol::net::sasl::{AllowedUrls, Credentials, Mechanism, SaslConfig, oauthbearer, parse_plain};
use protocol::wire::frame;
use protocol::wire::messages::{Message, SaslAuthenticateRequest, SaslHandshakeRequest, StrBytes};

use super::broker::{self, Conversation};
use super::within;

/// Messages have limits of their own, and what is made of them is a few copies.
const BYTES_MAX: usize = 1 << 20;
/// A server may ask for a million rounds, which take a second; it is not the rounds that are tested.
const ITERATIONS_TRIED_MAX: u32 = 5_000;
const PASSWORD: &str = "secret";

pub fn auth(data: &[u8]) {
    let Some((&choice, rest)) = data.split_first() else { return };
    let mechanism = Mechanism::ALL[usize::from(choice >> 4) % Mechanism::ALL.len()];
    match choice & 0x03 {
        0 => within(BYTES_MAX, || jaas(mechanism, &String::from_utf8_lossy(rest))),
        1 => within(BYTES_MAX, || messages(rest)),
        2 => within(BYTES_MAX, || {
            scram_client(if choice & 0x10 == 0 { Hash::Sha256 } else { Hash::Sha512 }, rest)
        }),
        _ => exchange(mechanism, rest),
    }
}

fn jaas(mechanism: Mechanism, text: &str) {
    // Names of options may be repeated in an error, values never: a name has a '=' before anything ends.
    let is_name = text
        .split("canary")
        .skip(1)
        .any(|rest| rest.trim_start_matches(|c: char| !matches!(c, '=' | ';' | '"')).starts_with('='));
    let get = |key: &str| match key {
        "sasl.mechanism" => Some(mechanism.name()),
        "sasl.jaas.config" => Some(text),
        _ => None,
    };
    if let Err(error) = SaslConfig::from_properties(get, &AllowedUrls::default()) {
        assert!(is_name || !error.to_string().contains("canary"), "a password is in: {error}");
    }
}

/// The server's readers, and that what they read is what was written.
fn messages(bytes: &[u8]) {
    if let Ok(message) = parse_plain(bytes) {
        assert!(!message.username.is_empty() && !message.username.contains('\0'));
    }
    if let Ok(message) = oauthbearer::parse_message(bytes) {
        assert!(!message.token.expose().contains(['\x01', ' ']));
    }
    if let Ok(message) = ClientFirstMessage::parse(bytes) {
        assert!(!message.username.is_empty() && bytes.ends_with(message.bare.as_bytes()));
    }
    if let Ok(message) = ClientFinalMessage::parse(bytes) {
        assert!(bytes.starts_with(message.without_proof.as_bytes()));
    }
    if let Ok(message) = ServerFirstMessage::parse(bytes) {
        let written = message.encode();
        assert_eq!(ServerFirstMessage::parse(written.as_bytes()).expect("our own message"), message);
    }
}

/// A client against a hostile server: its first message up to a line's end, then its last.
fn scram_client(hash: Hash, bytes: &[u8]) {
    let at = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (first, last) = bytes.split_at(at);
    if ServerFirstMessage::parse(first).is_ok_and(|first| first.iterations.get() > ITERATIONS_TRIED_MAX) {
        return;
    }
    let credentials = Credentials { username: "user".to_owned(), password: Secret::new(PASSWORD) };
    if let Ok(client) = ScramClient::new(hash, credentials, "nonce".to_owned()).final_message(first) {
        let is_verified = client.verify(last.get(1..).unwrap_or_default()).is_ok();
        assert!(!is_verified, "a server without the password has proved that it knows it");
    }
}

/// A hostile client's messages, one a line, to a broker that has a user.
fn exchange(mechanism: Mechanism, bytes: &[u8]) {
    let mut conversation = Conversation::default();
    let handshake =
        SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str(mechanism.name()));
    conversation.send(frame::encode_request(&handshake, 1, 1, None).expect("a good request"));
    for message in bytes.split(|byte| *byte == b'\n') {
        let request = SaslAuthenticateRequest::default().with_auth_bytes(message.to_vec().into());
        let version = SaslAuthenticateRequest::VERSIONS.max;
        conversation.send(frame::encode_request(&request, version, 2, None).expect("a good request"));
    }
    conversation.hold(&broker::with_users());
}
