//! The `ssl.*` keys as they are written, checked for contradictions; no file is opened yet.

use std::path::PathBuf;

use crate::net::Secret;
use crate::{Error, Result};

const DOING: &str = "read ssl settings";

/// What the `ssl.*` keys say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsConfig {
    /// `ssl.truststore.*`: whose certificates are believed; the system's roots where it is not set.
    pub truststore: Option<Store>,
    /// `ssl.keystore.*`: who we are; nobody where it is not set.
    pub keystore: Option<Store>,
    /// `ssl.key.password`.
    pub key_password: Option<Secret>,
    /// `ssl.endpoint.identification.algorithm`: whether the certificate must name the host.
    pub checks_host_name: bool,
    /// `ssl.enabled.protocols`.
    pub versions: Vec<TlsVersion>,
    /// `ssl.cipher.suites`; empty for all of ours.
    pub cipher_suites: Vec<String>,
}

/// Where certificates and keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Store {
    /// In the configuration itself, as PEM: certificates, and a key where it is a key store.
    Inline(Secret),
    /// In a file.
    File {
        /// `ssl.*store.location`.
        location: PathBuf,
        /// `ssl.*store.type`.
        format: StoreFormat,
        /// `ssl.*store.password`.
        password: Option<Secret>,
    },
}

/// `ssl.*store.type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreFormat {
    /// Text with `-----BEGIN ...-----` blocks.
    Pem,
    /// A binary store, told apart by its first bytes: Java, too, opens PKCS12 under the name of JKS.
    Binary,
}

/// A version that we speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsVersion {
    /// `TLSv1.2`
    Tls12,
    /// `TLSv1.3`
    Tls13,
}

impl Default for TlsConfig {
    /// Java's defaults.
    fn default() -> Self {
        Self {
            truststore: None,
            keystore: None,
            key_password: None,
            checks_host_name: true,
            versions: vec![TlsVersion::Tls12, TlsVersion::Tls13],
            cipher_suites: Vec::new(),
        }
    }
}

impl TlsConfig {
    /// Reads the keys, without prefix, that `get` knows.
    ///
    /// # Errors
    /// `Config`, naming the key.
    pub fn from_properties<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Result<Self> {
        let get = |key: &str| get(key).map(str::trim).filter(|value| !value.is_empty());
        let mut config = Self { key_password: get("ssl.key.password").map(Secret::new), ..Self::default() };
        config.truststore =
            store(&get, "ssl.truststore", get("ssl.truststore.certificates").map(Secret::new))?;
        let inline_key = match (get("ssl.keystore.certificate.chain"), get("ssl.keystore.key")) {
            (Some(chain), Some(key)) => Some(Secret::new(format!("{chain}\n{key}"))),
            (None, None) => None,
            (Some(_), None) => return Err(missing("ssl.keystore.key", "ssl.keystore.certificate.chain")),
            (None, Some(_)) => return Err(missing("ssl.keystore.certificate.chain", "ssl.keystore.key")),
        };
        config.keystore = store(&get, "ssl.keystore", inline_key)?;
        for key in ["ssl.protocol", "ssl.enabled.protocols"] {
            let Some(list) = get(key) else { continue };
            let named = versions(key, list)?;
            if key == "ssl.enabled.protocols" {
                config.versions = named;
            }
        }
        if let Some(suites) = get("ssl.cipher.suites") {
            config.cipher_suites =
                suites.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
        }
        Ok(config)
    }

    /// Whether the host name is checked; an empty value, which `from_properties` cannot see, turns it off.
    ///
    /// # Errors
    /// `Config` where it is neither `https` nor empty.
    pub fn with_endpoint_identification(mut self, value: Option<&str>) -> Result<Self> {
        self.checks_host_name = match value.map(str::trim) {
            None => true,
            Some("") => false,
            Some(name) if name.eq_ignore_ascii_case("https") => true,
            Some(other) => {
                return Err(Error::config(
                    DOING,
                    format!(
                        "ssl.endpoint.identification.algorithm={other}: use https, or nothing to check no host name"
                    ),
                ));
            }
        };
        Ok(self)
    }
}

fn store<'a>(
    get: &impl Fn(&str) -> Option<&'a str>,
    prefix: &str,
    inline: Option<Secret>,
) -> Result<Option<Store>> {
    let location = get(&format!("{prefix}.location"));
    let password = get(&format!("{prefix}.password")).map(Secret::new);
    let kind = get(&format!("{prefix}.type")).unwrap_or("JKS");
    let format = if kind.eq_ignore_ascii_case("PEM") {
        StoreFormat::Pem
    } else if ["JKS", "PKCS12"].iter().any(|known| kind.eq_ignore_ascii_case(known)) {
        StoreFormat::Binary
    } else {
        return Err(Error::config(DOING, format!("{prefix}.type={kind}: use PEM, PKCS12 or JKS")));
    };
    match (location, inline) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(Error::config(
            DOING,
            format!("{prefix}.location and PEM text in {prefix}.* are both set: use one"),
        )),
        (None, Some(_)) if format != StoreFormat::Pem => {
            Err(Error::config(DOING, format!("{prefix}.type must be PEM where PEM text is given")))
        }
        (_, _) if format == StoreFormat::Pem && password.is_some() => Err(Error::config(
            DOING,
            format!(
                "{prefix}.password cannot be used with PEM; an encrypted key is opened by ssl.key.password"
            ),
        )),
        (None, Some(text)) => Ok(Some(Store::Inline(text))),
        (Some(location), None) => {
            let location = PathBuf::from(location);
            Ok(Some(Store::File { location, format, password }))
        }
    }
}

fn versions(key: &str, list: &str) -> Result<Vec<TlsVersion>> {
    let mut versions = Vec::new();
    for name in list.split(',').map(str::trim) {
        match name {
            "TLSv1.2" => versions.push(TlsVersion::Tls12),
            "TLSv1.3" => versions.push(TlsVersion::Tls13),
            // Java's name for whatever it likes best.
            "TLS" => versions.extend([TlsVersion::Tls12, TlsVersion::Tls13]),
            // Not spoken, but no reason to fail where a newer one is listed beside it.
            "TLSv1" | "TLSv1.1" | "SSLv3" => {}
            other => return Err(Error::config(DOING, format!("{key}={other}: use TLSv1.2 or TLSv1.3"))),
        }
    }
    if versions.is_empty() {
        return Err(Error::config(
            DOING,
            format!("{key}={list}: nothing in it is safe; use TLSv1.2 or TLSv1.3"),
        ));
    }
    Ok(versions)
}

fn missing(key: &str, other: &str) -> Error {
    Error::config(DOING, format!("{other} is set, and {key} is not"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(entries: &[(&'static str, &'static str)]) -> Result<TlsConfig> {
        TlsConfig::from_properties(|key| {
            entries.iter().find(|(name, _)| *name == key).map(|(_, value)| *value)
        })
    }

    #[test]
    fn nothing_set_means_javas_defaults() {
        assert_eq!(parse(&[]).unwrap(), TlsConfig::default());
        let config =
            parse(&[("ssl.truststore.location", "/t.jks"), ("ssl.truststore.password", "canary")]).unwrap();
        assert!(matches!(&config.truststore, Some(Store::File { format: StoreFormat::Binary, .. })));
        assert!(!format!("{config:?}").contains("canary"));
    }

    #[test]
    fn contradictions_name_the_key() {
        for (entries, expected) in [
            (&[("ssl.truststore.type", "BKS")][..], "ssl.truststore.type=BKS"),
            (
                &[
                    ("ssl.truststore.type", "PEM"),
                    ("ssl.truststore.certificates", "x"),
                    ("ssl.truststore.location", "y"),
                ],
                "both set",
            ),
            (&[("ssl.truststore.certificates", "x")], "ssl.truststore.type must be PEM"),
            (
                &[("ssl.keystore.type", "PEM"), ("ssl.keystore.key", "x")],
                "ssl.keystore.certificate.chain is not",
            ),
            (
                &[
                    ("ssl.keystore.type", "PEM"),
                    ("ssl.keystore.location", "x"),
                    ("ssl.keystore.password", "p"),
                ],
                "ssl.key.password",
            ),
            (&[("ssl.enabled.protocols", "TLSv1.1")], "nothing in it is safe"),
            (&[("ssl.enabled.protocols", "TLSv9")], "ssl.enabled.protocols=TLSv9"),
        ] {
            let error = parse(entries).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn host_names_are_checked_unless_turned_off() {
        let check =
            |value| TlsConfig::default().with_endpoint_identification(value).map(|c| c.checks_host_name);
        assert!(check(None).unwrap() && check(Some("HTTPS")).unwrap() && !check(Some("")).unwrap());
        assert!(check(Some("ldap")).is_err());
    }
}
