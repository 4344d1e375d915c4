//! `security.protocol` and what belongs to it: the one place that reads the keys of a client's security.

use super::env::{Env, Stream};
use super::sasl::{AllowedUrls, SaslConfig};
use super::tls::{TlsClient, TlsConfig};
use crate::{Error, Result};

/// How connections are protected. The default is not at all (`PLAINTEXT`). Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Security {
    /// Encryption; never left out where it is configured.
    pub tls: Option<TlsClient>,
    /// Authentication.
    pub sasl: Option<SaslConfig>,
}

impl Security {
    /// Reads Java's keys, and the files that they name. The environment says which token endpoints are allowed.
    ///
    /// # Errors
    /// `Config`, naming the key and what would be right.
    pub fn from_properties<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Result<Self> {
        Self::allowing(&AllowedUrls::from_env(), get)
    }

    /// As [`from_properties`](Self::from_properties), with these token endpoints allowed.
    ///
    /// # Errors
    /// As [`from_properties`](Self::from_properties).
    pub fn allowing<'a>(allowed: &AllowedUrls, get: impl Fn(&str) -> Option<&'a str>) -> Result<Self> {
        const DOING: &str = "read security settings";
        let protocol = get("security.protocol").unwrap_or("PLAINTEXT").trim().to_ascii_uppercase();
        let (uses_tls, uses_sasl) = match protocol.as_str() {
            "PLAINTEXT" => (false, false),
            "SSL" => (true, false),
            "SASL_PLAINTEXT" => (false, true),
            "SASL_SSL" => (true, true),
            other => {
                let detail =
                    format!("security.protocol={other}: use PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL");
                return Err(Error::config(DOING, detail));
            }
        };
        let tls = if uses_tls {
            let algorithm = get("ssl.endpoint.identification.algorithm");
            let config = TlsConfig::from_properties(&get)?.with_endpoint_identification(algorithm)?;
            Some(TlsClient::new(config)?)
        } else {
            None
        };
        let sasl = if uses_sasl { Some(SaslConfig::from_properties(&get, allowed)?) } else { None };
        Ok(Self { tls, sasl })
    }

    /// Fetches what authentication needs and other machines have, so that no connection waits for it.
    pub(crate) async fn log_in(&self, env: &Env) -> Result<()> {
        match &self.sasl {
            Some(sasl) => sasl.log_in(env).await,
            None => Ok(()),
        }
    }

    /// Protects a stream that was dialled to `host`.
    ///
    /// # Errors
    /// As [`TlsClient::connect`].
    pub async fn protect(&self, host: &str, stream: Box<dyn Stream>) -> Result<Box<dyn Stream>> {
        match &self.tls {
            Some(tls) => tls.connect(host, stream).await,
            None => Ok(stream),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(entries: &[(&'static str, &'static str)]) -> Result<Security> {
        Security::from_properties(|key| {
            entries.iter().find(|(name, _)| *name == key).map(|(_, value)| *value)
        })
    }

    const PLAIN: (&str, &str) = (
        "sasl.jaas.config",
        "org.apache.kafka.common.security.plain.PlainLoginModule required username=u password=canary;",
    );

    #[test]
    fn protocols_ask_for_what_they_need_and_no_more() {
        let none = parse(&[("ssl.truststore.location", "/no/such/file")]).unwrap();
        assert!(none.tls.is_none() && none.sasl.is_none());
        let sasl =
            parse(&[("security.protocol", "sasl_plaintext"), ("sasl.mechanism", "PLAIN"), PLAIN]).unwrap();
        assert!(sasl.tls.is_none() && sasl.sasl.is_some());
        assert!(!format!("{sasl:?}").contains("canary"), "{sasl:?}");
    }

    #[test]
    fn errors_name_the_key() {
        for (entries, expected) in [
            (&[("security.protocol", "TLS")][..], "security.protocol=TLS"),
            (&[("security.protocol", "SASL_PLAINTEXT"), PLAIN], "sasl.mechanism=GSSAPI"),
            (
                &[("security.protocol", "SSL"), ("ssl.truststore.location", "/no/such")],
                "ssl.truststore.location=/no/such",
            ),
        ] {
            let error = parse(entries).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
