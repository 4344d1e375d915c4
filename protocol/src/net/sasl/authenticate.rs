//! One authentication over a connection: handshake, then as many messages as the mechanism has.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use bytes::Bytes;
use kafka_protocol::protocol::StrBytes;
use ring::rand::{SecureRandom, SystemRandom};

use super::config::SaslConfig;
use super::scram::ScramClient;
use super::{oauthbearer, plain};
use crate::net::Env;
use crate::net::connection::Caller;
use crate::wire::messages::{SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest};
use crate::wire::versions::BrokerVersions;
use crate::{Error, ErrorCode, ErrorKind, Result};

const DOING: &str = "authenticate by SASL";
/// 144 bits, as in Java.
const NONCE_BYTES: usize = 18;

/// Authenticates; gives how long the session lasts, if it has an end (KIP-368).
pub(in crate::net) async fn authenticate(
    caller: &impl Caller,
    versions: &BrokerVersions,
    config: &SaslConfig,
    env: &Env,
) -> Result<Option<Duration>> {
    let handshake_version = versions.version_for::<SaslHandshakeRequest>()?;
    let version = versions.version_for::<SaslAuthenticateRequest>()?;
    if handshake_version < 1 {
        return Err(Error::unsupported(
            DOING,
            "the broker is older than 1.0, which first framed SASL messages",
        ));
    }
    let mechanism = config.mechanism().name();
    let request = SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str(mechanism));
    let response = caller.call_first(handshake_version, &request).await?;
    if response.error_code != 0 {
        let theirs: Vec<&str> = response.mechanisms.iter().map(|name| &**name).collect();
        let detail = format!(
            "{}: the broker's listener refused {mechanism} and speaks [{}]; see sasl.mechanism and security.protocol",
            ErrorCode(response.error_code),
            theirs.join(", ")
        );
        return Err(Error::auth(DOING, detail));
    }
    let exchange = Exchange { caller, version, mechanism };
    let last = match config {
        SaslConfig::Plain(credentials) => exchange.send(plain::message(credentials)).await?,
        SaslConfig::OAuthBearer(oauth) => {
            let token = oauth.token(env).await?;
            let answer = match exchange.send(oauth.message(&token)).await {
                Err(error) if error.kind() == ErrorKind::Auth => {
                    oauth.forget(&token).await;
                    return Err(error);
                }
                answer => answer?,
            };
            if !answer.auth_bytes.is_empty() {
                // A JSON document that says why; the exchange has to be ended before the broker sends its error.
                let reason: String = String::from_utf8_lossy(&answer.auth_bytes)
                    .chars()
                    .filter(|c| !c.is_control())
                    .take(500)
                    .collect();
                oauth.forget(&token).await;
                // Its error says only that we were refused, which we know.
                let _refused = exchange.send(oauthbearer::AFTER_REFUSAL.to_vec()).await;
                return Err(Error::auth(DOING, format!("{mechanism}: {reason}")));
            }
            answer
        }
        SaslConfig::Scram(hash, credentials) => {
            let client = ScramClient::new(*hash, credentials.clone(), nonce()?);
            let first = exchange.send(client.first_message()).await?;
            // The password's hash takes milliseconds on purpose, which other connections of this thread should not wait for.
            let last = off_thread(move || client.final_message(&first.auth_bytes)).await?;
            let answer = exchange.send(last.message.clone()).await?;
            last.verify(&answer.auth_bytes)?;
            answer
        }
    };
    let lifetime_ms = u64::try_from(last.session_lifetime_ms).unwrap_or(0);
    Ok((lifetime_ms > 0).then(|| Duration::from_millis(lifetime_ms)))
}

struct Exchange<'a, C> {
    caller: &'a C,
    version: i16,
    mechanism: &'static str,
}

impl<C: Caller> Exchange<'_, C> {
    async fn send(&self, message: Vec<u8>) -> Result<SaslAuthenticateResponse> {
        let request = SaslAuthenticateRequest::default().with_auth_bytes(Bytes::from(message));
        let response = self.caller.call_first(self.version, &request).await?;
        if response.error_code == 0 {
            return Ok(response);
        }
        let reason = response.error_message.as_deref().unwrap_or_default();
        Err(Error::auth(DOING, format!("{}: {} {reason}", self.mechanism, ErrorCode(response.error_code))))
    }
}

/// Runs what computes long or reads files where it delays nobody.
pub(super) async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(Error::internal(DOING, error)))
}

/// From the system's generator and not from [`Env`](crate::net::Env): a nonce that can be foreseen is none.
fn nonce() -> Result<String> {
    let mut bytes = [0; NONCE_BYTES];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_unspecified| Error::internal(DOING, "the system gives no random numbers"))?;
    Ok(BASE64_STANDARD_NO_PAD.encode(bytes))
}
