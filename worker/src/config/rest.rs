//! How REST is reached and who may use it: listeners, TLS, advertised address, CORS, response headers, authentication.

use std::path::PathBuf;

use api::config_def::Config;
use api::java_regex::JavaRegex;
use api::{Error, Props, Result};
use protocol::net::tls::{ClientAuth, TlsConfig};

use super::jaas_file;
use super::listener::{Listener, Protocol};
use super::response_headers::{self, HeaderRule};

/// The one REST extension of Java's distribution.
const BASIC_AUTH: &str = "org.apache.kafka.connect.rest.basic.auth.extension.BasicAuthSecurityRestExtension";

/// The settings of the REST server. Whatever holds secrets in it does not print them.
#[derive(Debug, Clone)]
pub struct RestConfig {
    /// `listeners`, at least one.
    pub listeners: Vec<Listener>,
    /// Of the listeners that speak it: `listeners.https.*`, else the worker's `ssl.*`.
    pub tls: Option<TlsSettings>,
    /// How other workers are reached over https, from the same keys; or what is wrong with these.
    pub client_tls: std::result::Result<TlsConfig, String>,
    /// `admin.listeners`.
    pub admin: AdminListeners,
    /// `rest.advertised.host.name`.
    pub advertised_host: Option<String>,
    /// `rest.advertised.port`.
    pub advertised_port: Option<u16>,
    /// `rest.advertised.listener`, else as the listeners say (contract 1.11).
    pub advertised_protocol: Protocol,
    /// `access.control.*`; `None` where no origin is allowed.
    pub cors: Option<CorsConfig>,
    /// `response.http.headers.config`.
    pub header_rules: Vec<HeaderRule>,
    /// Users and passwords, where `rest.extension.classes` asks for basic authentication.
    pub credentials_file: Option<PathBuf>,
}

/// Where the admin resources are.
#[derive(Debug, Clone)]
pub enum AdminListeners {
    /// Beside all others.
    Shared,
    /// Nowhere.
    Off,
    /// On listeners of their own.
    Separate(Vec<Listener>, Option<TlsSettings>),
}

/// How a listener speaks TLS.
#[derive(Debug, Clone)]
pub struct TlsSettings {
    /// Certificates, versions, ciphers.
    pub tls: TlsConfig,
    /// `ssl.client.auth`.
    pub client_auth: ClientAuth,
}

/// Which pages of other origins may use REST.
#[derive(Debug, Clone)]
pub struct CorsConfig {
    /// `access.control.allow.origin`; `None` is any.
    pub origins: Option<Vec<JavaRegex>>,
    /// `access.control.allow.methods`, as the answer to a preflight lists them.
    pub methods: String,
}

impl RestConfig {
    /// Reads the worker's keys; `errors` gets all that is wrong and the keys that it is about, in which case there is nothing to use.
    pub(super) fn parse(config: &Config, errors: &mut Vec<(&'static str, Error)>) -> Option<RestConfig> {
        let before = errors.len();
        fn kept<T>(
            result: Result<T>,
            key: &'static str,
            errors: &mut Vec<(&'static str, Error)>,
        ) -> Option<T> {
            result.map_err(|error| errors.push((key, error))).ok()
        }
        let props = config.originals();
        let listeners = kept(listeners(config, "listeners"), "listeners", errors).unwrap_or_default();
        let tls = kept(tls(&listeners, "listeners.https.", config), "listeners", errors).flatten();
        let admin = kept(admin(config), "admin.listeners", errors).unwrap_or(AdminListeners::Off);
        let port = config.long_or_null("rest.advertised.port").map(|port| {
            u16::try_from(port).map_err(|out_of_range| {
                Error::config(format!(
                    "Invalid value {port} for configuration rest.advertised.port: Not a port."
                ))
                .with_source(out_of_range)
            })
        });
        let advertised_port = kept(port.transpose(), "rest.advertised.port", errors).flatten();
        let advertised_protocol =
            kept(advertised_protocol(config), "rest.advertised.listener", errors).unwrap_or(Protocol::Http);
        let cors = kept(cors(config), "access.control.allow.origin", errors).flatten();
        let key = "response.http.headers.config";
        let header_rules = kept(response_headers::parse(config.string(key)), key, errors);
        let key = "rest.extension.classes";
        let credentials_file = kept(extensions(config.list(key), props), key, errors).flatten();
        let rest = RestConfig {
            listeners,
            tls,
            client_tls: client_tls(config),
            admin,
            advertised_host: config.string_or_null("rest.advertised.host.name").map(str::to_owned),
            advertised_port,
            advertised_protocol,
            cors,
            header_rules: header_rules.unwrap_or_default(),
            credentials_file,
        };
        (errors.len() == before).then_some(rest)
    }
}

fn listeners(config: &Config, key: &str) -> Result<Vec<Listener>> {
    let invalid = |detail: String| {
        Error::config(format!("Invalid value {} for configuration {key}: {detail}", config.get(key)))
    };
    let parsed =
        config.list(key).iter().map(|text| Listener::parse(text).map_err(|error| invalid(error.to_string())));
    let parsed: Vec<_> = parsed.collect::<Result<_>>()?;
    if parsed.is_empty() { Err(invalid("At least one listener is needed.".to_owned())) } else { Ok(parsed) }
}

fn admin(config: &Config) -> Result<AdminListeners> {
    const KEY: &str = "admin.listeners";
    match config.originals().get(KEY) {
        None => Ok(AdminListeners::Shared),
        Some(text) if text.trim().is_empty() => Ok(AdminListeners::Off),
        Some(_) => {
            let listeners = listeners(config, KEY)?;
            let tls = tls(&listeners, "admin.listeners.https.", config)?;
            Ok(AdminListeners::Separate(listeners, tls))
        }
    }
}

/// The keys of `prefix` where there is any, and only those; else the plain ones.
fn tls(listeners: &[Listener], prefix: &str, config: &Config) -> Result<Option<TlsSettings>> {
    if !listeners.iter().any(|listener| listener.protocol == Protocol::Https) {
        return Ok(None);
    }
    let own = config.with_prefix(prefix);
    let is_own = !own.is_empty();
    let props = if is_own { &own } else { config.originals() };
    let place = |error: &dyn std::fmt::Display| {
        let scope = if is_own { format!("the keys {prefix}*") } else { "the worker's ssl.* keys".to_owned() };
        Error::config(format!("TLS of REST, from {scope}: {error}"))
    };
    let settings = TlsConfig::from_properties(|key| props.get(key).map(String::as_str))
        .map_err(|error| place(&error))?;
    let client_auth = match props.get("ssl.client.auth").map_or("none", |value| value.trim()) {
        "none" => ClientAuth::None,
        "requested" => ClientAuth::Requested,
        "required" => ClientAuth::Required,
        other => return Err(place(&format!("ssl.client.auth={other}: use required, requested or none"))),
    };
    if settings.keystore.is_none() {
        return Err(place(
            &"ssl.keystore.location is not set, and a listener of https needs a certificate and key",
        ));
    }
    Ok(Some(TlsSettings { tls: settings, client_auth }))
}

/// As a client of other workers' REST (`SSLUtils#createClientSideSslContextFactory`): the keys of `listeners.https.` where there is any.
fn client_tls(config: &Config) -> std::result::Result<TlsConfig, String> {
    let own = config.with_prefix("listeners.https.");
    let props = if own.is_empty() { config.originals() } else { &own };
    let get = |key: &str| props.get(key).map(String::as_str);
    TlsConfig::from_properties(get)
        .and_then(|tls| tls.with_endpoint_identification(get("ssl.endpoint.identification.algorithm")))
        .map_err(|error| error.to_string())
}

fn advertised_protocol(config: &Config) -> Result<Protocol> {
    const KEY: &str = "rest.advertised.listener";
    if let Some(name) = config.string_or_null(KEY).map(str::trim).filter(|name| !name.is_empty()) {
        return Protocol::find(name).ok_or_else(|| {
            Error::config(format!("Invalid value {name} for configuration {KEY}: must be http or https"))
        });
    }
    // Java looks at the text, in lower case only.
    let text = config.list("listeners").join(",");
    Ok(if !text.contains("http://") && text.contains("https://") { Protocol::Https } else { Protocol::Http })
}

fn cors(config: &Config) -> Result<Option<CorsConfig>> {
    /// What Jetty allows by itself.
    const METHODS: [&str; 3] = ["GET", "POST", "HEAD"];
    const KEY: &str = "access.control.allow.origin";
    let origins = config.string(KEY).trim();
    if origins.is_empty() {
        return Ok(None);
    }
    let items = |text: &str| -> Vec<String> {
        text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
    };
    let mut patterns = Vec::new();
    for item in items(origins) {
        if item == "*" {
            patterns.clear();
            break;
        }
        // Browsers send origins in lower case; Jetty compares without case.
        let pattern = JavaRegex::new(&format!("(?i){item}")).map_err(|error| {
            Error::config(format!("Invalid value {origins} for configuration {KEY}: Invalid regex: {error}"))
        })?;
        patterns.push(pattern);
    }
    let methods = match items(config.string("access.control.allow.methods")) {
        given if given.is_empty() => METHODS.map(str::to_owned).to_vec(),
        given => given,
    };
    // In the order given: Java's is another one in each process.
    Ok(Some(CorsConfig { origins: (!patterns.is_empty()).then_some(patterns), methods: methods.join(",") }))
}

fn extensions(classes: &[String], props: &Props) -> Result<Option<PathBuf>> {
    let mut file = None;
    for class in classes.iter().filter(|class| !class.is_empty()) {
        let simple = BASIC_AUTH.rsplit('.').next();
        if class != BASIC_AUTH && Some(class.as_str()) != simple {
            return Err(Error::config(format!(
                "Failed to find any class that implements interface org.apache.kafka.connect.rest.ConnectRestExtension and which name \
                 matches {class}. The one that is built in is {BASIC_AUTH}"
            )));
        }
        file = Some(jaas_file::credentials_file(props)?);
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::super::worker_table;
    use super::*;

    fn parse(settings: &[(&str, &str)]) -> std::result::Result<RestConfig, String> {
        let mut props: Props = [
            ("bootstrap.servers", "b:1"),
            ("key.converter", "k"),
            ("value.converter", "v"),
            ("offset.storage.file.filename", "o"),
        ]
        .iter()
        .chain(settings)
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
        props.entry("listeners".to_owned()).or_insert_with(|| "http://:0".to_owned());
        let config = worker_table::standalone().parse(&props).unwrap();
        let mut errors = Vec::new();
        let parsed = RestConfig::parse(&config, &mut errors);
        let messages: Vec<_> = errors.iter().map(|(_, error)| error.message().to_owned()).collect();
        parsed.ok_or_else(|| messages.join("; "))
    }

    #[test]
    fn the_advertised_scheme_is_javas() {
        let scheme = |settings: &[(&str, &str)]| parse(settings).unwrap().advertised_protocol.scheme();
        let key = ("ssl.keystore.location", "/k");
        assert_eq!(scheme(&[("listeners", "http://:0")]), "http");
        assert_eq!(scheme(&[("listeners", "https://:0"), key]), "https");
        assert_eq!(scheme(&[("listeners", "https://:0,http://:0"), key]), "http");
        assert_eq!(scheme(&[("listeners", "HTTPS://:0"), key]), "http", "Java looks for lower case");
        assert_eq!(scheme(&[("listeners", "http://:0"), ("rest.advertised.listener", "HTTPS")]), "https");
        assert!(parse(&[("rest.advertised.listener", "ftp")]).is_err());
    }

    #[test]
    fn tls_keys_come_from_one_scope() {
        let location = |settings: &[(&str, &str)]| {
            let tls = parse(&[&[("listeners", "https://:0")], settings].concat())?.tls.unwrap();
            Ok::<_, String>(format!("{:?} {:?}", tls.tls.keystore, tls.client_auth))
        };
        let plain =
            location(&[("ssl.keystore.location", "/plain"), ("ssl.client.auth", "required")]).unwrap();
        assert!(plain.contains("/plain") && plain.ends_with("Required"), "{plain}");
        let own = location(&[
            ("ssl.keystore.location", "/plain"),
            ("ssl.client.auth", "required"),
            ("listeners.https.ssl.keystore.location", "/own"),
        ]);
        let own = own.unwrap();
        assert!(own.contains("/own") && own.ends_with("None"), "{own}");
        let missing =
            location(&[("ssl.keystore.location", "/plain"), ("listeners.https.ssl.client.auth", "none")]);
        assert!(missing.unwrap_err().contains("the keys listeners.https.*"));
        assert!(location(&[]).unwrap_err().contains("ssl.keystore.location is not set"));
    }

    #[test]
    fn admin_listeners_are_shared_off_or_separate() {
        let admin = |settings: &[(&str, &str)]| format!("{:?}", parse(settings).unwrap().admin);
        assert_eq!(admin(&[]), "Shared");
        assert_eq!(admin(&[("admin.listeners", " ")]), "Off");
        assert!(admin(&[("admin.listeners", "http://:1")]).starts_with("Separate"));
        let ssl = [("admin.listeners", "https://:1"), ("admin.listeners.https.ssl.keystore.location", "/a")];
        assert!(admin(&ssl).contains("/a"));
        assert!(parse(&[("admin.listeners", "ftp://:1")]).unwrap_err().contains("must be either"));
    }

    #[test]
    fn every_error_is_found_at_once() {
        let errors = parse(&[
            ("listeners", "http://x"),
            ("access.control.allow.origin", "["),
            ("response.http.headers.config", "foo"),
            ("rest.extension.classes", "com.example.Nope"),
        ]);
        let errors = errors.unwrap_err();
        for part in ["right format", "Invalid regex", "Invalid format of header config", "com.example.Nope"] {
            assert!(errors.contains(part), "{errors}");
        }
    }
}
