//! Cryptography: ring, narrowed to the versions and cipher suites that the configuration allows.

use std::sync::Arc;

use rustls::SupportedProtocolVersion;
use rustls::crypto::{CryptoProvider, ring};
use rustls::version::{TLS12, TLS13};

use super::config::{TlsConfig, TlsVersion};
use crate::{Error, Result};

pub(super) fn provider(config: &TlsConfig) -> Result<Arc<CryptoProvider>> {
    let mut provider = ring::default_provider();
    if !config.cipher_suites.is_empty() {
        // rustls says in the name which suites are TLS 1.3's; the registry and Java do not.
        let name =
            |suite: &rustls::SupportedCipherSuite| format!("{:?}", suite.suite()).replace("TLS13_", "TLS_");
        let known: Vec<String> = provider.cipher_suites.iter().map(name).collect();
        provider.cipher_suites.retain(|suite| config.cipher_suites.contains(&name(suite)));
        if provider.cipher_suites.is_empty() {
            let detail =
                format!("ssl.cipher.suites: none of them is supported; these are: {}", known.join(", "));
            return Err(Error::config("read ssl settings", detail));
        }
    }
    Ok(Arc::new(provider))
}

pub(super) fn versions(config: &TlsConfig) -> Vec<&'static SupportedProtocolVersion> {
    let version = |version: &TlsVersion| match version {
        TlsVersion::Tls12 => &TLS12,
        TlsVersion::Tls13 => &TLS13,
    };
    config.versions.iter().map(version).collect()
}
