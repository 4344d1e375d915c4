//! Whether a broker's certificate is believed: rustls's own check, with the two things that Java does otherwise.
//!
//! A certificate that itself lies in the trust store is believed as it is, without an authority behind it, which is how
//! self-signed brokers are set up; and the check of the host name can be turned off.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::material::Trusted;
use crate::{Error, Result};

#[derive(Debug)]
pub(super) struct Verifier {
    chain: Arc<WebPkiServerVerifier>,
    trusted: Trusted,
    checks_host_name: bool,
}

impl Verifier {
    pub(super) fn new(
        trusted: Trusted,
        checks_host_name: bool,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self> {
        let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots(&trusted)?), provider)
            .build()
            .map_err(|error| Error::config("read ssl.truststore", error))?;
        Ok(Self { chain, trusted, checks_host_name })
    }
}

/// Certificates of a store that rustls can use as authorities.
pub(super) fn roots(trusted: &Trusted) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    // Old authorities of a system's store may be beyond what rustls reads; they are of no use to anybody.
    let (count, _unreadable) = roots.add_parsable_certificates(trusted.iter().cloned());
    if count == 0 {
        return Err(Error::config("read ssl.truststore", "no certificate in it can be used"));
    }
    Ok(roots)
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        use CertificateError as C;
        use rustls::Error::InvalidCertificate;
        let checked =
            self.chain.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match checked {
            // The name is compared last, after all else was found right.
            Err(InvalidCertificate(C::NotValidForName | C::NotValidForNameContext { .. }))
                if !self.checks_host_name =>
            {
                Ok(ServerCertVerified::assertion())
            }
            Err(InvalidCertificate(C::UnknownIssuer | C::Other(_))) if self.trusted.contains(end_entity) => {
                if self.checks_host_name {
                    rustls::client::verify_server_name(
                        &ParsedCertificate::try_from(end_entity)?,
                        server_name,
                    )?;
                }
                Ok(ServerCertVerified::assertion())
            }
            checked => checked,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}
