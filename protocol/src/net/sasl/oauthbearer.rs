//! OAUTHBEARER (RFC 7628): a bearer token, taken from the configuration, from a file that somebody else keeps fresh, from the
//! endpoint that issues it, or made unsecured for tests (RFC 7515, appendix A.5).

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::TokenEndpoint;
use super::authenticate::off_thread;
use super::endpoint_config::{self, AllowedUrls, EndpointConfig};
use super::jaas::JaasConfig;
use crate::net::{Env, Secret};
use crate::{Error, Result};

const DOING: &str = "take OAUTHBEARER token";
/// Brokers refuse larger ones anyway.
const TOKEN_BYTES_MAX: usize = 64 * 1024;
/// What the client answers when it is told why it was refused (RFC 7628, section 3.2.3).
pub(super) const AFTER_REFUSAL: &[u8] = b"\x01";

/// Where tokens come from; asked anew for each authentication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenSource {
    /// The same token always.
    Static(Secret),
    /// The file's content, white space around it removed.
    File(PathBuf),
    /// Fetched, and kept while it is fresh.
    Endpoint(TokenEndpoint),
    /// A token without signature, which only a broker that is set up for tests accepts.
    Unsecured(UnsecuredToken),
}

/// The claims of an unsecured token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsecuredToken {
    /// Claims with text values, `sub` among them.
    pub claims: Vec<(String, String)>,
    /// How long it is good for.
    pub lifetime_s: u32,
}

/// What the login module's options say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OAuthConfig {
    /// Where tokens come from.
    pub source: TokenSource,
    /// SASL extensions (KIP-342).
    pub extensions: Vec<(String, String)>,
}

impl OAuthConfig {
    /// Reads the options of `OAuthBearerLoginModule`, and the keys of a token endpoint.
    pub(super) fn from_properties<'a>(
        jaas: &JaasConfig,
        get: &impl Fn(&str) -> Option<&'a str>,
        allowed: &AllowedUrls,
    ) -> Result<Self> {
        const PARSING: &str = "parse sasl.jaas.config";
        let mut claims = Vec::new();
        let mut extensions = Vec::new();
        let mut lifetime_s = 3600;
        let endpoint = EndpointConfig::from_properties(jaas, get, allowed)?;
        let mut given = None;
        for (key, value) in jaas.options() {
            let value = value.expose();
            if let Some(claim) = key.strip_prefix("unsecuredLoginStringClaim_") {
                claims.push((claim.to_owned(), value.to_owned()));
            } else if let Some(name) =
                key.strip_prefix("unsecuredLoginExtension_").or_else(|| key.strip_prefix("extension_"))
            {
                check_extension(name, value)?;
                extensions.push((name.to_owned(), value.to_owned()));
            } else if key == "unsecuredLoginLifetimeSeconds" {
                lifetime_s = value.parse().map_err(|_not_a_number: std::num::ParseIntError| {
                    Error::config(PARSING, format!("option '{key}' is no number of seconds"))
                })?;
            } else if key == "token" {
                check_token(value)?;
                given = Some(TokenSource::Static(Secret::new(value)));
            } else if key == "tokenFile" {
                given = Some(TokenSource::File(PathBuf::from(value)));
            } else if !endpoint_config::is_option(key) {
                return Err(Error::config(
                    PARSING,
                    format!(
                        "option '{key}' of OAuthBearerLoginModule is not supported: use token, tokenFile, clientId with \
                         clientSecret, or unsecuredLoginStringClaim_sub for tests"
                    ),
                ));
            } else if endpoint.is_none() {
                return Err(Error::config(
                    PARSING,
                    format!("option '{key}' needs sasl.oauthbearer.token.endpoint.url, which is not set"),
                ));
            }
        }
        if let Some(endpoint) = endpoint {
            if given.is_some() || !claims.is_empty() {
                return Err(Error::config(
                    PARSING,
                    "a token is given or described, and sasl.oauthbearer.token.endpoint.url is set: use one",
                ));
            }
            given = Some(TokenSource::Endpoint(TokenEndpoint::new(endpoint)?));
        }
        let source = match (given, claims.iter().any(|(name, _)| name == "sub")) {
            (Some(source), false) if claims.is_empty() => source,
            (None, true) => TokenSource::Unsecured(UnsecuredToken { claims, lifetime_s }),
            (Some(_), _) => {
                return Err(Error::config(
                    PARSING,
                    "a token is given and an unsecured one is described: use one",
                ));
            }
            (None, false) => {
                return Err(Error::config(
                    PARSING,
                    "OAuthBearerLoginModule needs option token, tokenFile, or unsecuredLoginStringClaim_sub, or \
                     sasl.oauthbearer.token.endpoint.url",
                ));
            }
        };
        Ok(Self { source, extensions })
    }

    /// A token that is good now.
    pub(super) async fn token(&self, env: &Env) -> Result<Secret> {
        match &self.source {
            TokenSource::Static(token) => Ok(token.clone()),
            TokenSource::File(path) => {
                let path = path.clone();
                off_thread(move || read_token(&path)).await
            }
            TokenSource::Endpoint(endpoint) => endpoint.token(env).await,
            TokenSource::Unsecured(token) => Ok(Secret::new(token.encode(env.now_ms()))),
        }
    }

    /// Fetches a token where they are fetched and there is no fresh one.
    pub(super) async fn log_in(&self, env: &Env) -> Result<()> {
        match &self.source {
            TokenSource::Endpoint(endpoint) => endpoint.token(env).await.map(drop),
            TokenSource::Static(_) | TokenSource::File(_) | TokenSource::Unsecured(_) => Ok(()),
        }
    }

    /// Does not use a token again that a broker has refused, where there is a choice.
    pub(super) async fn forget(&self, refused: &Secret) {
        if let TokenSource::Endpoint(endpoint) = &self.source {
            endpoint.forget(refused).await;
        }
    }

    /// The client's first message.
    pub(super) fn message(&self, token: &Secret) -> Vec<u8> {
        let mut message = format!("n,,\x01auth=Bearer {}\x01", token.expose());
        for (name, value) in &self.extensions {
            // Writing to a string cannot fail.
            write!(message, "{name}={value}\x01").ok();
        }
        message.push('\x01');
        message.into_bytes()
    }
}

impl UnsecuredToken {
    /// The token in compact form.
    pub fn encode(&self, now_ms: i64) -> String {
        let seconds = |ms: i64| format!("{}.{:03}", ms.div_euclid(1_000), ms.rem_euclid(1_000));
        let expires_ms = now_ms.saturating_add(i64::from(self.lifetime_s) * 1_000);
        let mut claims = format!("{{\"iat\":{},\"exp\":{}", seconds(now_ms), seconds(expires_ms));
        for (name, value) in &self.claims {
            write!(claims, ",{}:{}", json_string(name), json_string(value)).ok();
        }
        claims.push('}');
        let part = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.", part("{\"alg\":\"none\"}"), part(&claims))
    }
}

/// What a client said, for servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BearerMessage {
    /// Whom it wants to act as; empty for itself.
    pub authorization_id: String,
    /// The token.
    pub token: Secret,
}

/// Reads a client's first message; for servers.
///
/// # Errors
/// `Malformed`.
pub fn parse_message(bytes: &[u8]) -> Result<BearerMessage> {
    const READING: &str = "read OAUTHBEARER message";
    let bad = |detail: &'static str| Error::malformed(READING, detail);
    let text = std::str::from_utf8(bytes).map_err(|_not_utf8| bad("not UTF-8"))?;
    let mut parts = text.split('\x01');
    let header = parts.next().unwrap_or_default();
    let authorization = header.strip_prefix("n,").and_then(|rest| rest.strip_suffix(','));
    let authorization = authorization.ok_or_else(|| bad("no GS2 header"))?;
    let authorization_id = authorization.strip_prefix("a=").unwrap_or(authorization).to_owned();
    let token = parts.find_map(|part| part.strip_prefix("auth=")).ok_or_else(|| bad("no auth"))?;
    let token = match token.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token,
        _ => return Err(bad("auth is no bearer token")),
    };
    check_token(token)?;
    Ok(BearerMessage { authorization_id, token: Secret::new(token) })
}

fn read_token(path: &Path) -> Result<Secret> {
    let failed = |detail: String| Error::auth(DOING, format!("token file {}: {detail}", path.display()));
    let size = std::fs::metadata(path).map_err(|error| failed(error.to_string()))?.len();
    if size > TOKEN_BYTES_MAX as u64 {
        return Err(failed(format!(
            "{size} bytes are more than the {TOKEN_BYTES_MAX} that a token may have"
        )));
    }
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    check_token(text.trim())?;
    Ok(Secret::new(text.trim()))
}

/// The characters of a `b64token` (RFC 6750): anything else could end the field and forge another.
pub(super) fn check_token(token: &str) -> Result<()> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    if token.is_empty() || token.len() > TOKEN_BYTES_MAX || !token.bytes().all(is_allowed) {
        return Err(Error::auth(
            DOING,
            "the token is empty, too long, or holds characters that no token has",
        ));
    }
    Ok(())
}

fn check_extension(name: &str, value: &str) -> Result<()> {
    let is_name = !name.is_empty() && name != "auth" && name.bytes().all(|byte| byte.is_ascii_alphabetic());
    let is_value = value.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n'));
    if is_name && is_value {
        return Ok(());
    }
    Err(Error::config(
        "parse sasl.jaas.config",
        format!("extension '{name}' is not of the allowed characters"),
    ))
}

fn json_string(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    write!(quoted, "\\u{unit:04x}").ok();
                }
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(options: &str) -> Result<OAuthConfig> {
        let module = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule";
        let jaas = JaasConfig::parse(&format!("{module} required {options};")).unwrap();
        OAuthConfig::from_properties(&jaas, &|_key| None, &AllowedUrls::default())
    }

    fn take(config: &OAuthConfig) -> Result<Secret> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(config.token(&Env::real()))
    }

    #[test]
    fn an_unsecured_token_has_its_claims() {
        let config =
            config("unsecuredLoginStringClaim_sub=\"a\\\"b\" unsecuredLoginLifetimeSeconds=60").unwrap();
        let TokenSource::Unsecured(token) = &config.source else { panic!("another source") };
        let token = Secret::new(token.encode(1_500));
        let parts: Vec<&str> = token.expose().split('.').collect();
        let decode = |part: &str| String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
        assert_eq!(decode(parts[0]), r#"{"alg":"none"}"#);
        assert_eq!(decode(parts[1]), r#"{"iat":1.500,"exp":61.500,"sub":"a\"b"}"#);
        assert_eq!(parts[2], "");
    }

    #[test]
    fn a_static_token_is_sent_as_rfc_7628_says() {
        let config = config("token=\"abc.def\" extension_logicalCluster=lkc").unwrap();
        let message = config.message(&take(&config).unwrap());
        assert_eq!(message, b"n,,\x01auth=Bearer abc.def\x01logicalCluster=lkc\x01\x01");
    }

    #[test]
    fn a_token_file_is_read_each_time() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let config = config(&format!("tokenFile=\"{}\"", file.path().display())).unwrap();
        for token in ["one", "two"] {
            std::fs::write(file.path(), format!("{token}\n")).unwrap();
            let message = config.message(&take(&config).unwrap());
            assert_eq!(parse_message(&message).unwrap().token.expose(), token);
        }
        std::fs::write(file.path(), "root:x:0:0\nanother line").unwrap();
        let error = take(&config).unwrap_err().to_string();
        assert!(!error.contains("root"), "{error}");
    }

    #[test]
    fn refuses_what_could_forge_a_field_and_what_it_does_not_know() {
        for bad in [
            "token=\"a b\"",
            "token=\"\"",
            "token=a unsecuredLoginStringClaim_sub=b",
            "unsecuredLoginStringClaim_x=b",
            "clientId=a",
            "ssl.truststore.location=a token=b",
            "clientIdentity=a",
            "token=a extension_auth=x",
            "token=a extension_x=\"\\1\"",
            "",
        ] {
            assert!(config(bad).is_err(), "{bad}");
        }
        for bad in
            [&b""[..], b"n,,\x01\x01", b"n,,\x01auth=Basic x\x01\x01", b"n,,\x01auth=Bearer \x01", b"\xff"]
        {
            assert!(parse_message(bad).is_err(), "{bad:?}");
        }
    }
}
