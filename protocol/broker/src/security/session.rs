//! What a connection may ask for, as it is not yet, now, or no longer authenticated (KIP-43, 152, 368).

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use protocol::ErrorCode;
use protocol::net::sasl::Mechanism;
use protocol::wire::messages::{
    ApiKey, SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest, SaslHandshakeResponse,
    StrBytes,
};
use tokio::time::Instant;

use super::Users;
use super::exchange::{Exchange, Outcome};

/// Random bytes of a nonce.
const NONCE_BYTES: usize = 18;

/// The authentication of one connection.
#[derive(Debug)]
pub(crate) struct Session {
    users: Rc<Users>,
    exchange: Option<Exchange>,
    mechanism: Option<Mechanism>,
    authenticated: Option<Authenticated>,
}

#[derive(Debug)]
struct Authenticated {
    principal: String,
    mechanism: Option<Mechanism>,
    expires: Option<Instant>,
}

/// What to do with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It is part of authentication.
    Authenticate,
    /// It may be served.
    Serve,
    /// It may not be sent now: the connection is closed, as Kafka does.
    Close,
}

impl Session {
    pub(crate) fn new(users: Rc<Users>) -> Self {
        Self { users, exchange: None, mechanism: None, authenticated: None }
    }

    /// What a request of this kind comes to now.
    pub(crate) fn admit(&self, api_key: i16, now: Instant) -> Admission {
        let is = |key: ApiKey| api_key == key as i16;
        match (&self.exchange, &self.authenticated) {
            (Some(_), _) if is(ApiKey::SaslAuthenticate) => Admission::Authenticate,
            // Nothing comes between the messages of an exchange.
            (Some(_), _) => Admission::Close,
            (None, _) if is(ApiKey::SaslHandshake) => Admission::Authenticate,
            (None, None) if is(ApiKey::ApiVersions) => Admission::Serve,
            (None, None) => Admission::Close,
            (None, Some(session)) if session.expires.is_some_and(|expires| expires <= now) => {
                Admission::Close
            }
            (None, Some(_)) => Admission::Serve,
        }
    }

    /// Begins an exchange; the connection is to be closed after the answer where it is an error.
    pub(crate) fn handshake(&mut self, request: &SaslHandshakeRequest) -> SaslHandshakeResponse {
        let names = self.users.mechanisms.iter().map(|known| StrBytes::from_static_str(known.name()));
        let response = SaslHandshakeResponse::default().with_mechanisms(names.collect());
        let mechanism =
            Mechanism::find(&request.mechanism).filter(|mechanism| self.users.mechanisms.contains(mechanism));
        match mechanism {
            Some(mechanism) => {
                self.mechanism = Some(mechanism);
                self.exchange = Some(Exchange::Start(mechanism));
                response
            }
            None => response.with_error_code(ErrorCode::UNSUPPORTED_SASL_MECHANISM.0),
        }
    }

    /// Goes on with an exchange; the connection is to be closed after the answer where it is an error.
    pub(crate) fn authenticate(
        &mut self,
        request: &SaslAuthenticateRequest,
        version: i16,
        now_ms: i64,
    ) -> SaslAuthenticateResponse {
        let Some(exchange) = self.exchange.take() else {
            return refuse("SaslAuthenticate came without a SaslHandshake before it");
        };
        match exchange.step(&self.users, &request.auth_bytes, now_ms, nonce) {
            Outcome::Continue(exchange, message) => {
                self.exchange = Some(exchange);
                SaslAuthenticateResponse::default().with_auth_bytes(Bytes::from(message))
            }
            Outcome::Refuse(reason) => refuse(&reason),
            Outcome::Done { principal, expires_ms, message } => {
                if let Some(before) = &self.authenticated
                    && (before.principal != principal || before.mechanism != self.mechanism)
                {
                    return refuse("Cannot change principal or mechanism during re-authentication");
                }
                let response = SaslAuthenticateResponse::default().with_auth_bytes(Bytes::from(message));
                // As in Kafka a token's own end counts only where sessions have one at all.
                let lifetime = self.users.session_lifetime.map(|lifetime| {
                    let left_ms =
                        expires_ms.map(|expires_ms| expires_ms.saturating_sub(now_ms).max(1).unsigned_abs());
                    left_ms.map_or(lifetime, |left_ms| lifetime.min(Duration::from_millis(left_ms)))
                });
                let expires = lifetime.map(|lifetime| Instant::now() + lifetime);
                self.authenticated = Some(Authenticated { principal, mechanism: self.mechanism, expires });
                let lifetime_ms = lifetime.map_or(0, |lifetime| lifetime.as_millis() as i64);
                if version >= 1 { response.with_session_lifetime_ms(lifetime_ms) } else { response }
            }
        }
    }
}

fn refuse(reason: &str) -> SaslAuthenticateResponse {
    SaslAuthenticateResponse::default()
        .with_error_code(ErrorCode::SASL_AUTHENTICATION_FAILED.0)
        .with_error_message(Some(StrBytes::from_string(reason.to_owned())))
}

/// Not for guarding anything: the broker is for tests, and may have to come out the same on every run.
fn nonce() -> String {
    (0..NONCE_BYTES).map(|_| fastrand::alphanumeric()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(lifetime: Option<Duration>) -> Session {
        let mut users = Users { session_lifetime: lifetime, ..Users::default() };
        users.set("u", "p");
        users.set("v", "p");
        Session::new(Rc::new(users))
    }

    fn login(session: &mut Session, mechanism: &'static str, message: &'static [u8]) -> i16 {
        let request = SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str(mechanism));
        let response = session.handshake(&request);
        if response.error_code != 0 {
            return response.error_code;
        }
        let request = SaslAuthenticateRequest::default().with_auth_bytes(Bytes::from_static(message));
        session.authenticate(&request, 2, 0).error_code
    }

    fn admit(session: &Session, key: ApiKey) -> Admission {
        session.admit(key as i16, Instant::now())
    }

    #[tokio::test]
    async fn only_authentication_comes_before_authentication() {
        let mut session = session(None);
        assert_eq!(admit(&session, ApiKey::ApiVersions), Admission::Serve);
        for key in [ApiKey::Metadata, ApiKey::Produce, ApiKey::SaslAuthenticate] {
            assert_eq!(admit(&session, key), Admission::Close, "{key:?}");
        }
        session
            .handshake(&SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str("PLAIN")));
        for key in [ApiKey::Metadata, ApiKey::ApiVersions, ApiKey::SaslHandshake] {
            assert_eq!(admit(&session, key), Admission::Close, "{key:?}");
        }
        assert_eq!(admit(&session, ApiKey::SaslAuthenticate), Admission::Authenticate);
    }

    #[tokio::test]
    async fn a_session_ends_unless_it_is_renewed_by_the_same_user() {
        let mut session = session(Some(Duration::from_secs(10)));
        assert_eq!(login(&mut session, "GSSAPI", b""), ErrorCode::UNSUPPORTED_SASL_MECHANISM.0);
        assert_eq!(login(&mut session, "PLAIN", b"\0u\0p"), 0);
        let now = Instant::now();
        assert_eq!(session.admit(ApiKey::Metadata as i16, now), Admission::Serve);
        let later = now + Duration::from_secs(11);
        assert_eq!(session.admit(ApiKey::Metadata as i16, later), Admission::Close);
        assert_eq!(session.admit(ApiKey::SaslHandshake as i16, later), Admission::Authenticate);
        assert_eq!(login(&mut session, "PLAIN", b"\0u\0p"), 0);
        assert_eq!(login(&mut session, "PLAIN", b"\0v\0p"), ErrorCode::SASL_AUTHENTICATION_FAILED.0);
    }
}
