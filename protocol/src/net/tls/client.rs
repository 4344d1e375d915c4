//! The client's side: a TLS session to a broker whose certificate was checked.

use std::fmt;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use super::config::TlsConfig;
use super::error::handshake_failed;
use super::reload::Reload;
use super::verifier::Verifier;
use super::{material, provider};
use crate::net::Stream;
use crate::{Error, Result};

/// Opens TLS sessions. Clones share what was read from files; it may cross threads.
#[derive(Clone)]
pub struct TlsClient {
    reload: Arc<Reload<ClientConfig>>,
}

impl TlsClient {
    /// Reads certificates and keys now, so that what is wrong with them shows before anything is dialled.
    ///
    /// # Errors
    /// `Config`, with key, file and remedy.
    pub fn new(config: TlsConfig) -> Result<Self> {
        let reload = Arc::new(Reload::new(config, make));
        reload.get_blocking()?;
        Ok(Self { reload })
    }

    /// Makes `stream` a session with `host`. Files that changed are read again first.
    ///
    /// # Errors
    /// `Auth` where either side does not believe the other, `Config` where the answer is not TLS, `Disconnected`.
    pub async fn connect(&self, host: &str, stream: Box<dyn Stream>) -> Result<Box<dyn Stream>> {
        let config = Arc::clone(&self.reload).get().await?;
        let name = host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(name.to_owned())
            .map_err(|error| Error::config("set up TLS", format!("host name {host}: {error}")))?;
        match TlsConnector::from(config).connect(name, stream).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => Err(handshake_failed(error, host)),
        }
    }
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TlsClient").field(self.reload.config()).finish()
    }
}

fn make(config: &TlsConfig) -> Result<ClientConfig> {
    let failed = |error| Error::config("read ssl settings", error);
    let provider = provider::provider(config)?;
    let trusted = material::trusted(config)?;
    let verifier = Verifier::new(trusted, config.checks_host_name, Arc::clone(&provider))?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&provider::versions(config))
        .map_err(failed)?
        // "Dangerous" is its name for any verifier but its own, on which ours builds.
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    match material::identity(config)? {
        None => Ok(builder.with_no_client_auth()),
        Some(identity) => builder
            .with_client_auth_cert(identity.chain, identity.key)
            .map_err(|error| Error::config("read ssl.keystore", error)),
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for tokio_rustls::client::TlsStream<S> {}
