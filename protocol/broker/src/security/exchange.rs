//! The server's side of one SASL exchange, as pure code: a client's message in, our answer or a refusal out.

use protocol::net::sasl::scram::{
    ClientFinalMessage, ClientFirstMessage, Hash, ServerFirstMessage, StoredKeys,
};
use protocol::net::sasl::{Mechanism, oauthbearer, parse_plain};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::Users;
use super::jwt;

/// Where an exchange stands.
#[derive(Debug)]
pub(super) enum Exchange {
    /// The client's first message is awaited.
    Start(Mechanism),
    /// The client's proof is awaited.
    Scram(Box<Challenge>),
    /// The client was told why, and says that it heard.
    Refused,
}

#[derive(Debug)]
pub(super) struct Challenge {
    username: String,
    keys: StoredKeys,
    nonce: String,
    gs2_header: String,
    auth_message: String,
}

/// What a message leads to.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Send this and wait for the next message.
    Continue(Exchange, Vec<u8>),
    /// The client is who it says; send this.
    Done { principal: String, expires_ms: Option<i64>, message: Vec<u8> },
    /// It is not.
    Refuse(String),
}

impl Exchange {
    /// Takes a message. `nonce` is used where a new one is needed.
    pub(super) fn step(
        self,
        users: &Users,
        message: &[u8],
        now_ms: i64,
        nonce: impl Fn() -> String,
    ) -> Outcome {
        match self {
            Self::Start(Mechanism::Plain) => plain(users, message),
            Self::Start(Mechanism::ScramSha256) => challenge(users, message, Hash::Sha256, &nonce()),
            Self::Start(Mechanism::ScramSha512) => challenge(users, message, Hash::Sha512, &nonce()),
            Self::Start(Mechanism::OAuthBearer) => bearer(message, now_ms),
            Self::Scram(challenge) => proof(*challenge, message),
            Self::Refused => Outcome::Refuse("Authentication failed: the token was refused".to_owned()),
        }
    }
}

fn plain(users: &Users, message: &[u8]) -> Outcome {
    let message = match parse_plain(message) {
        Ok(message) => message,
        Err(error) => return Outcome::Refuse(format!("Authentication failed: {error}")),
    };
    if !users.has_password(&message.username, &message.password) {
        return Outcome::Refuse("Authentication failed: Invalid username or password".to_owned());
    }
    if !message.authorization_id.is_empty() && message.authorization_id != message.username {
        return Outcome::Refuse(
            "Authentication failed: Client requested an authorization id that is different from username"
                .to_owned(),
        );
    }
    Outcome::Done { principal: message.username, expires_ms: None, message: Vec::new() }
}

fn challenge(users: &Users, message: &[u8], hash: Hash, nonce: &str) -> Outcome {
    let first = match ClientFirstMessage::parse(message) {
        Ok(first) => first,
        Err(error) => return Outcome::Refuse(format!("Authentication failed: {error}")),
    };
    let is_himself = first.authorization_id.is_empty() || first.authorization_id == first.username;
    let keys = users.keys(&first.username, hash).filter(|_| is_himself && !first.is_token);
    let Some(keys) = keys.cloned() else { return invalid_credentials() };
    let nonce = format!("{}{nonce}", first.nonce);
    let answer =
        ServerFirstMessage { nonce: nonce.clone(), salt: keys.salt.clone(), iterations: keys.iterations }
            .encode();
    let auth_message = format!("{},{answer}", first.bare);
    let challenge =
        Challenge { username: first.username, keys, nonce, gs2_header: first.gs2_header, auth_message };
    Outcome::Continue(Exchange::Scram(Box::new(challenge)), answer.into_bytes())
}

fn proof(challenge: Challenge, message: &[u8]) -> Outcome {
    let last = match ClientFinalMessage::parse(message) {
        Ok(last) => last,
        Err(error) => return Outcome::Refuse(format!("Authentication failed: {error}")),
    };
    let auth_message = format!("{},{}", challenge.auth_message, last.without_proof);
    let is_same = last.nonce == challenge.nonce && last.channel_binding == challenge.gs2_header.as_bytes();
    if !is_same || !challenge.keys.is_proof(&last.proof, auth_message.as_bytes()) {
        return invalid_credentials();
    }
    let signature = challenge.keys.server_signature(auth_message.as_bytes());
    let message = format!("v={}", BASE64_STANDARD.encode(signature)).into_bytes();
    Outcome::Done { principal: challenge.username, expires_ms: None, message }
}

fn bearer(message: &[u8], now_ms: i64) -> Outcome {
    let message = match oauthbearer::parse_message(message) {
        Ok(message) => message,
        Err(error) => return Outcome::Refuse(format!("Authentication failed: {error}")),
    };
    match jwt::parse(message.token.expose(), now_ms) {
        Ok(claims) if message.authorization_id.is_empty() || message.authorization_id == claims.subject => {
            Outcome::Done {
                principal: claims.subject,
                expires_ms: Some(claims.expires_ms),
                message: Vec::new(),
            }
        }
        Ok(_) => Outcome::Refuse("Authentication failed: the authorization id is not the token's".to_owned()),
        Err(reason) => {
            tracing::debug!(reason, "refused an OAUTHBEARER token");
            Outcome::Continue(Exchange::Refused, br#"{"status":"invalid_token"}"#.to_vec())
        }
    }
}

fn invalid_credentials() -> Outcome {
    Outcome::Refuse(
        "Authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM"
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use protocol::net::Secret;
    use protocol::net::sasl::Credentials;
    use protocol::net::sasl::scram::ScramClient;

    use super::*;

    fn users() -> Users {
        let mut users = Users::default();
        users.set("a,b=c", "secret");
        users
    }

    fn step(exchange: Exchange, message: &[u8]) -> Outcome {
        exchange.step(&users(), message, 0, || "server".to_owned())
    }

    #[test]
    fn plain_needs_the_password_and_no_other_name() {
        let plain = |message: &[u8]| step(Exchange::Start(Mechanism::Plain), message);
        assert!(matches!(plain(b"\0a,b=c\0secret"), Outcome::Done { .. }));
        assert!(matches!(plain(b"a,b=c\0a,b=c\0secret"), Outcome::Done { .. }));
        for bad in [&b"\0a,b=c\0Secret"[..], b"\0x\0secret", b"x\0a,b=c\0secret", b"", b"\0\0\0"] {
            assert!(matches!(plain(bad), Outcome::Refuse(_)), "{bad:?}");
        }
    }

    #[test]
    fn scram_agrees_with_the_client_and_refuses_the_rest() {
        for (mechanism, hash) in
            [(Mechanism::ScramSha256, Hash::Sha256), (Mechanism::ScramSha512, Hash::Sha512)]
        {
            for (password, is_right) in [("secret", true), ("other", false)] {
                let users = users();
                let credentials =
                    Credentials { username: "a,b=c".to_owned(), password: Secret::new(password) };
                let client = ScramClient::new(hash, credentials, "client".to_owned());
                let step = |exchange: Exchange, message: &[u8]| {
                    exchange.step(&users, message, 0, || "server".to_owned())
                };
                let Outcome::Continue(exchange, answer) =
                    step(Exchange::Start(mechanism), &client.first_message())
                else {
                    panic!("the user is known")
                };
                let last = client.final_message(&answer).unwrap();
                match step(exchange, &last.message) {
                    Outcome::Done { principal, message, .. } => {
                        assert!(is_right && principal == "a,b=c");
                        last.verify(&message).unwrap();
                    }
                    outcome => assert!(!is_right && matches!(outcome, Outcome::Refuse(_)), "{outcome:?}"),
                }
            }
        }
    }

    #[test]
    fn an_unknown_user_is_refused_without_a_challenge() {
        let outcome = step(Exchange::Start(Mechanism::ScramSha256), b"n,,n=nobody,r=x");
        assert!(matches!(outcome, Outcome::Refuse(_)), "{outcome:?}");
    }

    #[test]
    fn a_bad_token_is_answered_before_it_is_refused() {
        let outcome = step(Exchange::Start(Mechanism::OAuthBearer), b"n,,\x01auth=Bearer a.b.c\x01\x01");
        let Outcome::Continue(exchange, answer) = outcome else { panic!("{outcome:?}") };
        assert_eq!(answer, br#"{"status":"invalid_token"}"#);
        assert!(matches!(step(exchange, b"\x01"), Outcome::Refuse(_)));
    }
}
