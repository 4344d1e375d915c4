//! OAUTHBEARER tokens from where they are issued: client credentials (RFC 6749, section 4.4), asked for as Java's
//! `ClientCredentialsJwtRetriever` does.
//!
//! ```text
//! connections ──► token: fresh? ─┬─ yes ──────────────────────────────────────────► Secret
//!                                └─ no ──► one POST for all of them, again while it may help ──► kept for 80 % of its life
//! ```

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, warn};

use super::endpoint_config::EndpointConfig;
use super::http::{self, Response};
use super::oauthbearer::check_token;
use crate::net::tls::TlsClient;
use crate::net::{Env, Secret, SocketBuffers};
use crate::{Error, ErrorKind, Result};

const DOING: &str = "fetch OAUTHBEARER token";
/// Answers that would be the same again, as Java counts them.
const FINAL_STATUSES: [u16; 17] =
    [400, 401, 402, 403, 404, 405, 406, 407, 409, 410, 411, 412, 413, 414, 415, 501, 505];
/// Of a token that does not say how long it lives.
const UNKNOWN_LIFETIME_MS: i64 = 60_000;
/// How much of its life a token is used for.
const FRESH_PERCENT: i64 = 80;
const JITTER_PERCENT: u32 = 20;
/// How much of a refusal's reason is repeated.
const REASON_CHARS_MAX: usize = 300;

/// Where tokens are fetched. Clones share the token that was fetched last; they may cross threads.
#[derive(Clone)]
pub struct TokenEndpoint {
    shared: Arc<Shared>,
}

struct Shared {
    config: EndpointConfig,
    tls: Option<TlsClient>,
    last: Mutex<Last>,
}

/// What came of asking.
#[derive(Default)]
struct Last {
    token: Option<(Secret, i64)>,
    failure: Option<(Instant, Error)>,
}

/// A token, and how long it lives from now on.
struct Issued {
    token: Secret,
    lifetime_ms: i64,
}

impl TokenEndpoint {
    /// Reads certificates, and asks for nothing yet.
    pub(super) fn new(config: EndpointConfig) -> Result<Self> {
        let tls = config.tls.clone().map(TlsClient::new).transpose()?;
        Ok(Self { shared: Arc::new(Shared { config, tls, last: Mutex::default() }) })
    }

    /// The token of before while it is fresh, or another one.
    pub(super) async fn token(&self, env: &Env) -> Result<Secret> {
        let (shared, env, asked_at) = (Arc::clone(&self.shared), env.clone(), Instant::now());
        // A task of its own: whoever gives up waiting, or is not polled any more, must not keep the others waiting.
        let fetched = tokio::spawn(async move { shared.token(&env, asked_at).await });
        fetched.await.unwrap_or_else(|stopped| Err(Error::internal(DOING, stopped)))
    }

    /// Lets go of a token that a broker has refused.
    pub(super) async fn forget(&self, refused: &Secret) {
        let mut last = self.shared.last.lock().await;
        last.token.take_if(|(token, _)| token == refused);
    }
}

impl Shared {
    async fn token(&self, env: &Env, asked_at: Instant) -> Result<Secret> {
        // Held while asking, so that connections that begin together ask once.
        let mut last = self.last.lock().await;
        if let Some((token, fresh_until_ms)) = &last.token
            && env.now_ms() < *fresh_until_ms
        {
            return Ok(token.clone());
        }
        if let Some((at, error)) = &last.failure
            && *at >= asked_at
        {
            return Err(error.clone());
        }
        match self.fetch(env).await {
            Ok(issued) => {
                debug!(lifetime_ms = issued.lifetime_ms, "fetched an OAUTHBEARER token");
                let fresh_ms = issued.lifetime_ms.saturating_mul(FRESH_PERCENT) / 100;
                let fresh_until_ms = env.now_ms().saturating_add(fresh_ms);
                *last = Last { token: Some((issued.token.clone(), fresh_until_ms)), failure: None };
                Ok(issued.token)
            }
            Err(error) => {
                *last = Last { token: None, failure: Some((Instant::now(), error.clone())) };
                Err(error)
            }
        }
    }

    async fn fetch(&self, env: &Env) -> Result<Issued> {
        let end = Instant::now() + self.config.backoff_max;
        let mut pause = self.config.backoff;
        loop {
            let outcome = match self.ask(env).await {
                Ok(response) => self.judge(&response, env.now_ms()),
                Err(error) => Err(self.explain(&error)),
            };
            let error = match outcome {
                Err(error) if matches!(error.kind(), ErrorKind::Disconnected | ErrorKind::Timeout) => error,
                outcome => return outcome,
            };
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(error);
            }
            warn!(%error, "failed to fetch an OAUTHBEARER token, trying again");
            sleep(env.jittered(pause, JITTER_PERCENT).min(left)).await;
            pause = pause.saturating_mul(2);
        }
    }

    async fn ask(&self, env: &Env) -> Result<Response> {
        let config = &self.config;
        let url = &config.url;
        let connecting = async {
            let dialled = env.dialer.dial(&url.host, url.port, SocketBuffers::default()).await;
            let stream = dialled.map_err(|error| Error::disconnected(DOING, error))?;
            match &self.tls {
                Some(tls) => tls.connect(&url.host, stream).await,
                None => Ok(stream),
            }
        };
        let late = |what: &str, limit: Duration, key: &str| {
            Error::timeout(DOING).with_source(format!("{what} within {} ms ({key})", limit.as_millis()))
        };
        let limit = config.connect_timeout;
        let mut stream = timeout(limit, connecting)
            .await
            .map_err(|_elapsed| late("no connection", limit, "sasl.login.connect.timeout.ms"))??;
        let request = config.request();
        let limit = config.read_timeout;
        timeout(limit, http::exchange(&mut *stream, request.expose().as_bytes()))
            .await
            .map_err(|_elapsed| late("no answer", limit, "sasl.login.read.timeout.ms"))?
    }

    /// What the answer means.
    fn judge(&self, response: &Response, now_ms: i64) -> Result<Issued> {
        let url = &self.config.url;
        let status = response.status;
        if matches!(status, 200 | 201) {
            return issued(&response.body, now_ms)
                .ok_or_else(|| Error::auth(DOING, format!("{url} answered {status} without a token")));
        }
        if (300..400).contains(&status) {
            let detail = format!(
                "{url} answered {status}: redirects are not followed; set sasl.oauthbearer.token.endpoint.url to where it leads"
            );
            return Err(Error::auth(DOING, detail));
        }
        let detail = format!("{url} answered {status}{}", self.reason(&response.body));
        if FINAL_STATUSES.contains(&status) {
            let remedy =
                "see sasl.oauthbearer.client.credentials.client.id and .secret, and sasl.oauthbearer.scope";
            return Err(Error::auth(DOING, format!("{detail}; {remedy}")));
        }
        Err(Error::disconnected(DOING, detail))
    }

    /// An error code with its description, in the words of RFC 6749 or of those who chose their own.
    fn reason(&self, body: &[u8]) -> String {
        let Ok(answer) = serde_json::from_slice::<Value>(body) else { return String::new() };
        let field = |names: [&str; 2]| names.into_iter().find_map(|name| answer.get(name)?.as_str());
        let parts = [field(["error", "errorCode"]), field(["error_description", "errorSummary"])];
        let text = parts.into_iter().flatten().collect::<Vec<_>>().join(" - ");
        // Whoever writes down what was wrong may write down the secret.
        let secrets = [&self.config.client_secret, &self.config.basic_credentials()];
        if text.is_empty() || secrets.iter().any(|secret| text.contains(secret.expose())) {
            return String::new();
        }
        let text: String = text.chars().filter(|c| !c.is_control()).take(REASON_CHARS_MAX).collect();
        format!(": {text}")
    }

    /// The error of an attempt, with where it happened, and as a refusal where trying again cannot help.
    fn explain(&self, error: &Error) -> Error {
        let detail = format!("{}: {error}", self.config.url);
        match error.kind() {
            ErrorKind::Disconnected => Error::disconnected(DOING, detail),
            ErrorKind::Timeout => Error::timeout(DOING).with_source(detail),
            _ => Error::auth(DOING, detail),
        }
    }
}

/// The token in a JSON answer; its own claim says better how long it lives than the answer does.
fn issued(body: &[u8], now_ms: i64) -> Option<Issued> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let text = |name| answer.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty());
    let token = text("access_token").or_else(|| text("id_token"))?;
    check_token(token).ok()?;
    let of_claim = || Some(seconds_to_ms(&expiry(token)?)?.saturating_sub(now_ms));
    // Some write the number as a text.
    let of_answer = || {
        let seconds = answer.get("expires_in")?;
        seconds_to_ms(seconds)
            .or_else(|| Some(seconds.as_str()?.parse::<u32>().ok()?.into()).map(|s: i64| s * 1_000))
    };
    let lifetime_ms = of_claim().or_else(of_answer).unwrap_or(UNKNOWN_LIFETIME_MS);
    Some(Issued { token: Secret::new(token), lifetime_ms })
}

/// The claim `exp` of a token that is a JWT.
fn expiry(token: &str) -> Option<Value> {
    let claims = token.split('.').nth(1)?.trim_end_matches('=');
    let claims: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
    claims.get("exp").cloned()
}

fn seconds_to_ms(seconds: &Value) -> Option<i64> {
    // The conversion takes what is out of range as the nearest number that is not.
    seconds.as_f64().map(|seconds| (seconds * 1_000.0) as i64)
}

impl PartialEq for TokenEndpoint {
    fn eq(&self, other: &Self) -> bool {
        self.shared.config == other.shared.config
    }
}

impl Eq for TokenEndpoint {}

impl fmt::Debug for TokenEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TokenEndpoint").field(&self.shared.config).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::super::oauthbearer::UnsecuredToken;
    use super::*;

    #[test]
    fn the_life_of_a_token_is_read_from_it_or_the_answer() {
        let token = UnsecuredToken { claims: vec![("sub".to_owned(), "me".to_owned())], lifetime_s: 60 };
        let token = token.encode(1_000);
        for (answer, lifetime_ms) in [
            (format!(r#"{{"access_token":" {token} ","expires_in":5}}"#), 59_000),
            (format!(r#"{{"access_token":"","id_token":"{token}"}}"#), 59_000),
            (r#"{"access_token":"opaque","expires_in":5}"#.to_owned(), 5_000),
            (r#"{"access_token":"opaque","expires_in":"5"}"#.to_owned(), 5_000),
            (r#"{"access_token":"a.b.c"}"#.to_owned(), UNKNOWN_LIFETIME_MS),
            (r#"{"access_token":"opaque","expires_in":1e300}"#.to_owned(), i64::MAX),
        ] {
            assert_eq!(issued(answer.as_bytes(), 2_000).unwrap().lifetime_ms, lifetime_ms, "{answer}");
        }
        for bad in ["", "[]", r#"{"access_token":1}"#, r#"{"access_token":"a b"}"#, r#"{"token":"a"}"#] {
            assert!(issued(bad.as_bytes(), 0).is_none(), "{bad}");
        }
    }
}
