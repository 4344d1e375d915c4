//! `sasl.oauthbearer.*` and `sasl.login.*`: which token endpoint is asked, as whom, and which ones may be.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::jaas::JaasConfig;
use crate::net::Secret;
use crate::net::tls::TlsConfig;
use crate::{Error, Result};

const DOING: &str = "read OAUTHBEARER settings";
const URL: &str = "sasl.oauthbearer.token.endpoint.url";
/// Java waits without end where nothing is set; a connection has to come to one.
const TIMEOUT_MS: u64 = 10_000;

/// The token endpoints that may be asked: whoever may write a client's properties must not make this machine call whatever it can
/// reach (CVE-2025-27817).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AllowedUrls {
    urls: Vec<String>,
}

impl AllowedUrls {
    /// The environment variable that lists them; Java's `org.apache.kafka.sasl.oauthbearer.allowed.urls`.
    pub const VARIABLE: &'static str = "AQUEDUCT_SASL_OAUTHBEARER_ALLOWED_URLS";

    /// What the environment allows; nothing where it says nothing.
    pub fn from_env() -> Self {
        Self::parse(&std::env::var(Self::VARIABLE).unwrap_or_default())
    }

    /// A list with commas between the URLs.
    pub fn parse(list: &str) -> Self {
        Self {
            urls: list.split(',').map(str::trim).filter(|url| !url.is_empty()).map(str::to_owned).collect(),
        }
    }

    /// Only a URL that is written just as in the list is allowed. The error does not repeat it: a query may hold a key.
    ///
    /// # Errors
    /// `Config`, saying what to set.
    pub fn check(&self, url: &str) -> Result<()> {
        if self.urls.iter().any(|allowed| allowed == url) {
            return Ok(());
        }
        let detail = format!(
            "{URL} is not allowed: to allow it, list it in the environment variable {}, commas between several",
            Self::VARIABLE
        );
        Err(Error::config(DOING, detail))
    }
}

/// A URL in the parts that a request needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Url {
    is_https: bool,
    authority: String,
    pub(super) host: String,
    pub(super) port: u16,
    /// Path and query.
    target: String,
}

/// How to ask for a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EndpointConfig {
    pub(super) url: Url,
    pub(super) client_id: String,
    pub(super) client_secret: Secret,
    pub(super) scope: Option<String>,
    /// `sasl.oauthbearer.header.urlencode`.
    pub(super) encodes: bool,
    /// From the login module's options, as in Java; there for https.
    pub(super) tls: Option<TlsConfig>,
    pub(super) connect_timeout: Duration,
    pub(super) read_timeout: Duration,
    pub(super) backoff: Duration,
    /// For how long is tried again.
    pub(super) backoff_max: Duration,
}

/// Whether a login module's option is about a token endpoint.
pub(super) fn is_option(key: &str) -> bool {
    matches!(key, "clientId" | "clientSecret" | "scope") || key.starts_with("ssl.")
}

impl EndpointConfig {
    /// None where no endpoint is given.
    pub(super) fn from_properties<'a>(
        jaas: &JaasConfig,
        get: &impl Fn(&str) -> Option<&'a str>,
        allowed: &AllowedUrls,
    ) -> Result<Option<Self>> {
        let get = |key: &str| get(key).map(str::trim).filter(|value| !value.is_empty());
        let Some(url) = get(URL) else { return Ok(None) };
        let parsed = Url::parse(url)?;
        allowed.check(url)?;
        // The properties count before the module's options, which Java deprecates.
        let setting = |key: &str, option: &str| {
            let option = || jaas.option(option).map(|value| value.expose().trim()).filter(|v| !v.is_empty());
            get(key).or_else(option)
        };
        let required = |key: &'static str, option: &str| {
            setting(key, option).ok_or_else(|| {
                Error::config(
                    DOING,
                    format!("{URL} is set, and {key} is not (nor option '{option}' of the login module)"),
                )
            })
        };
        let scope = setting("sasl.oauthbearer.scope", "scope");
        if scope.is_some_and(|scope| scope.contains(char::is_control)) {
            return Err(Error::config(DOING, "sasl.oauthbearer.scope holds control characters"));
        }
        let encodes = match get("sasl.oauthbearer.header.urlencode") {
            None => false,
            Some(text) if text.eq_ignore_ascii_case("false") => false,
            Some(text) if text.eq_ignore_ascii_case("true") => true,
            Some(text) => {
                let detail = format!("sasl.oauthbearer.header.urlencode={text}: use true or false");
                return Err(Error::config(DOING, detail));
            }
        };
        let millis = |key: &str, min: u64, default: u64| match get(key) {
            None => Ok(Duration::from_millis(default)),
            Some(text) => match text.parse::<u32>() {
                Ok(ms) if u64::from(ms) >= min => Ok(Duration::from_millis(ms.into())),
                _ => Err(Error::config(
                    DOING,
                    format!("{key}={text}: use a number of milliseconds from {min} on"),
                )),
            },
        };
        let backoff = millis("sasl.login.retry.backoff.ms", 0, 100)?;
        let backoff_max = millis("sasl.login.retry.backoff.max.ms", 0, 10_000)?;
        if backoff > backoff_max {
            let detail = "sasl.login.retry.backoff.ms is more than sasl.login.retry.backoff.max.ms";
            return Err(Error::config(DOING, detail));
        }
        let tls = if parsed.is_https {
            let option = |key: &str| jaas.option(key).map(Secret::expose);
            let name_check = option("ssl.endpoint.identification.algorithm");
            Some(TlsConfig::from_properties(option)?.with_endpoint_identification(name_check)?)
        } else {
            None
        };
        Ok(Some(Self {
            url: parsed,
            client_id: required("sasl.oauthbearer.client.credentials.client.id", "clientId")?.to_owned(),
            client_secret: Secret::new(required(
                "sasl.oauthbearer.client.credentials.client.secret",
                "clientSecret",
            )?),
            scope: scope.map(str::to_owned),
            encodes,
            tls,
            connect_timeout: millis("sasl.login.connect.timeout.ms", 1, TIMEOUT_MS)?,
            read_timeout: millis("sasl.login.read.timeout.ms", 1, TIMEOUT_MS)?,
            backoff,
            backoff_max,
        }))
    }

    /// What stands behind `Basic` in a request.
    pub(super) fn basic_credentials(&self) -> Secret {
        let secret = Secret::new(self.encoded(self.client_secret.expose()));
        let both = Secret::new(format!("{}:{}", self.encoded(&self.client_id), secret.expose()));
        Secret::new(BASE64_STANDARD.encode(both.expose()))
    }

    fn encoded(&self, text: &str) -> String {
        if self.encodes { form_encoded(text) } else { text.to_owned() }
    }

    /// The whole request; secret for what proves who we are.
    pub(super) fn request(&self) -> Secret {
        let mut body = String::from("grant_type=client_credentials");
        if let Some(scope) = &self.scope {
            body.push_str("&scope=");
            body.push_str(&self.encoded(scope));
        }
        Secret::new(format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nAccept: application/json\r\nAuthorization: Basic {}\r\n\
             Cache-Control: no-cache\r\nConnection: close\r\nContent-Length: {}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nUser-Agent: aqueduct/{}\r\n\r\n{body}",
            self.url.target,
            self.url.authority,
            self.basic_credentials().expose(),
            body.len(),
            env!("CARGO_PKG_VERSION"),
        ))
    }
}

impl Url {
    fn parse(text: &str) -> Result<Self> {
        // The text is not repeated: it may hold a password or a key.
        let bad = |detail: &str| Err(Error::config(DOING, format!("{URL}: {detail}")));
        let (scheme, rest) = text.split_once(':').unwrap_or_default();
        let is_https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            "file" => return bad("for a token in a file, use option tokenFile of sasl.jaas.config"),
            _ => return bad("it begins with neither https:// nor http://"),
        };
        let Some(rest) = rest.strip_prefix("//") else { return bad("there is no // after its scheme") };
        // What is not visible could end a line of the request and begin another.
        if !rest.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#' && byte != b'\\') {
            return bad("it holds characters that have to be percent-encoded, or a fragment");
        }
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return bad(
                "a name and password do not belong into it; use sasl.oauthbearer.client.credentials.*",
            );
        }
        let bracketed = authority.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let (host, port) = match bracketed {
            Some((host, port)) => (host, port),
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => Some(if is_https { 443 } else { 80 }),
            None => None,
            Some(port) => port.parse().ok().filter(|number| *number > 0),
        };
        let Some(port) = port.filter(|_| !host.is_empty()) else { return bad("host or port is wrong") };
        let slash = if target.starts_with('/') { "" } else { "/" };
        Ok(Self {
            is_https,
            authority: authority.to_owned(),
            host: host.to_owned(),
            port,
            target: format!("{slash}{target}"),
        })
    }
}

/// Without the query, which may hold a key.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_https { "https" } else { "http" };
        let path = self.target.split('?').next().unwrap_or_default();
        write!(f, "{scheme}://{}{path}", self.authority)
    }
}

/// As `java.net.URLEncoder` does it.
fn form_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' ' => encoded.push('+'),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'*' | b'_' => {
                encoded.push(char::from(byte))
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODULE: &str = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required";
    const ID: (&str, &str) = ("sasl.oauthbearer.client.credentials.client.id", "me");
    const SECRET: (&str, &str) = ("sasl.oauthbearer.client.credentials.client.secret", "canary");

    fn parse(options: &str, url: &str, entries: &[(&str, &'static str)]) -> Result<Option<EndpointConfig>> {
        let jaas = JaasConfig::parse(&format!("{MODULE} {options};")).unwrap();
        let get = |key: &str| {
            let given = entries.iter().find(|(name, _)| *name == key).map(|(_, value)| *value);
            if key == URL { Some(url) } else { given }
        };
        EndpointConfig::from_properties(&jaas, &get, &AllowedUrls::parse(&format!("http://other, {url}")))
    }

    #[test]
    fn asks_as_java_does() {
        let entries = [ID, SECRET, ("sasl.oauthbearer.scope", "a b/c")];
        let config = parse("clientId=not scope=not", "http://idp:8080/token?x=y", &entries).unwrap().unwrap();
        let request = config.request();
        let request = request.expose();
        assert!(request.starts_with("POST /token?x=y HTTP/1.1\r\nHost: idp:8080\r\n"), "{request}");
        assert!(request.contains("\r\nAuthorization: Basic bWU6Y2FuYXJ5\r\n"), "{request}");
        assert!(request.ends_with("\r\n\r\ngrant_type=client_credentials&scope=a b/c"), "{request}");
        assert!(!format!("{config:?}").contains("canary"));
        assert_eq!(config.url.to_string(), "http://idp:8080/token");

        let options = "clientId=\"m e\" clientSecret=\"ü:\" scope=\"a b/c\"";
        let encodes = [("sasl.oauthbearer.header.urlencode", "true")];
        let config = parse(options, "http://idp", &encodes).unwrap().unwrap();
        let request = config.request();
        let credentials = BASE64_STANDARD.encode("m+e:%C3%BC%3A");
        assert!(request.expose().contains(&format!("Basic {credentials}\r\n")), "{}", request.expose());
        assert!(request.expose().ends_with("&scope=a+b%2Fc"), "{}", request.expose());
        assert_eq!((config.url.port, config.url.target.as_str()), (80, "/"));
    }

    #[test]
    fn urls_are_taken_apart() {
        for (text, expected) in [
            ("https://idp", ("idp", 443, "/")),
            ("HTTPS://[::1]:8443/a/b", ("::1", 8443, "/a/b")),
            ("http://idp?x", ("idp", 80, "/?x")),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!((url.host.as_str(), url.port, url.target.as_str()), expected);
        }
        for (text, expected) in [
            ("file:///etc/passwd", "tokenFile"),
            ("ftp://idp/", "neither https:// nor http://"),
            ("idp", "neither https:// nor http://"),
            ("https:/idp", "no //"),
            ("https://me:secret@idp/", "do not belong"),
            ("https://idp/#x?key=secret", "fragment"),
            ("https://idp/a b", "percent-encoded"),
            ("https://idp/\r\nX: y", "percent-encoded"),
            ("https://idp/#x", "fragment"),
            ("https://:443/", "host or port"),
            ("https://idp:0/", "host or port"),
            ("https://idp:99999/", "host or port"),
            ("https://[::1]x/", "host or port"),
        ] {
            let error = Url::parse(text).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let url = "http://idp/";
        for (entries, expected) in [
            (&[SECRET][..], "client.credentials.client.id is not"),
            (&[ID], "client.credentials.client.secret is not"),
            (&[ID, SECRET, ("sasl.login.read.timeout.ms", "0")], "sasl.login.read.timeout.ms=0"),
            (&[ID, SECRET, ("sasl.login.retry.backoff.ms", "10001")], "sasl.login.retry.backoff.max.ms"),
            (&[ID, SECRET, ("sasl.oauthbearer.header.urlencode", "1")], "use true or false"),
            (&[ID, SECRET, ("sasl.oauthbearer.scope", "a\nb")], "control characters"),
        ] {
            let error = parse("", url, entries).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("canary"), "{error}");
        }
        assert!(parse("", "", &[ID, SECRET]).unwrap().is_none());
    }

    #[test]
    fn only_what_is_listed_is_allowed() {
        let allowed = AllowedUrls::parse(" https://idp/token ,, http://other ");
        allowed.check("https://idp/token").unwrap();
        for url in [
            "https://idp/token?key=secret",
            "https://idp",
            "https://IDP/token",
            "",
            "http://169.254.169.254/",
        ] {
            let error = allowed.check(url).unwrap_err().to_string();
            assert!(error.contains(AllowedUrls::VARIABLE) && !error.contains("secret"), "{error}");
        }
        assert!(AllowedUrls::default().check("").is_err());
    }
}
