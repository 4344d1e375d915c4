//! The server's side, for the embedded broker and for REST: a listener's certificate, and whether clients need one.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::config::TlsConfig;
use super::reload::Reload;
use super::{material, provider, verifier};
use crate::net::Stream;
use crate::{Error, Result};

/// `ssl.client.auth`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientAuth {
    /// Clients are not asked for a certificate.
    #[default]
    None,
    /// One that is shown must be valid.
    Requested,
    /// One must be shown.
    Required,
}

/// Accepts TLS sessions. Clones share what was read from files.
#[derive(Clone)]
pub struct TlsServer {
    reload: Arc<Reload<ServerConfig>>,
    requires_client: bool,
}

impl TlsServer {
    /// Reads certificates and keys now. Clients' certificates are checked against the trust store.
    ///
    /// # Errors
    /// `Config`, with key, file and remedy.
    pub fn new(config: TlsConfig, client_auth: ClientAuth) -> Result<Self> {
        let make = match client_auth {
            ClientAuth::None => |config: &TlsConfig| make(config, ClientAuth::None),
            ClientAuth::Requested => |config: &TlsConfig| make(config, ClientAuth::Requested),
            ClientAuth::Required => |config: &TlsConfig| make(config, ClientAuth::Required),
        };
        let reload = Arc::new(Reload::new(config, make));
        reload.get_blocking()?;
        Ok(Self { reload, requires_client: client_auth == ClientAuth::Required })
    }

    /// Whether every client has to show a certificate.
    pub fn requires_client(&self) -> bool {
        self.requires_client
    }

    /// Makes an accepted stream a TLS session. The caller bounds the time that it takes.
    ///
    /// # Errors
    /// The handshake's; or `InvalidData` where certificates cannot be loaded.
    pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> io::Result<TlsStream<S>> {
        let config = Arc::clone(&self.reload).get().await;
        let config = config.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        TlsAcceptor::from(config).accept(stream).await
    }
}

impl fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TlsServer").field(self.reload.config()).finish()
    }
}

fn make(config: &TlsConfig, client_auth: ClientAuth) -> Result<ServerConfig> {
    let failed = |error| Error::config("read ssl settings", error);
    let provider = provider::provider(config)?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&provider::versions(config))
        .map_err(failed)?;
    let builder = match client_auth {
        ClientAuth::None => builder.with_no_client_auth(),
        wanted => {
            let roots = Arc::new(verifier::roots(&material::trusted(config)?)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
            let verifier =
                if wanted == ClientAuth::Requested { verifier.allow_unauthenticated() } else { verifier };
            let verifier = verifier.build().map_err(|error| Error::config("read ssl.truststore", error))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let identity = material::identity(config)?.ok_or_else(|| {
        Error::config("read ssl settings", "ssl.keystore.location is not set: a TLS listener needs it")
    })?;
    builder
        .with_single_cert(identity.chain, identity.key)
        .map_err(|error| Error::config("read ssl.keystore", error))
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for TlsStream<S> {}
