//! What went wrong in TLS, in words that say which key to look at, and sorted by whether trying again can help.

use std::io;

use rustls::{AlertDescription, CertificateError};

use crate::Error;

const DOING: &str = "set up TLS";

/// Why a handshake failed.
pub(super) fn handshake_failed(error: io::Error, host: &str) -> Error {
    if let Some(error) = tls_error(&error) {
        return explain(error, host);
    }
    if error.kind() == io::ErrorKind::UnexpectedEof {
        let detail = format!(
            "{host} closed the connection during the handshake: does this listener speak TLS? see security.protocol"
        );
        return Error::disconnected(DOING, detail);
    }
    Error::disconnected(DOING, error)
}

/// A refusal that came after the handshake, as that of our certificate does in TLS 1.3.
pub(in crate::net) fn alert_of(error: &io::Error) -> Option<Error> {
    match tls_error(error)? {
        error @ rustls::Error::AlertReceived(alert) if *alert != AlertDescription::CloseNotify => {
            Some(explain(error, "the broker"))
        }
        _ => None,
    }
}

fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

fn explain(error: &rustls::Error, host: &str) -> Error {
    use AlertDescription as A;
    use CertificateError as C;
    use rustls::Error as E;
    let advice = match error {
        E::InvalidCertificate(C::UnknownIssuer) => {
            "the broker's certificate leads to nobody in ssl.truststore.location (or the system's roots, where it is not set)"
        }
        E::InvalidCertificate(C::NotValidForName | C::NotValidForNameContext { .. }) => {
            "the broker's certificate is for other names; an empty ssl.endpoint.identification.algorithm turns this check off"
        }
        E::InvalidCertificate(C::Expired | C::ExpiredContext { .. }) => {
            "the broker has to renew its certificate"
        }
        E::InvalidCertificate(_) => "the broker's certificate is not accepted",
        E::AlertReceived(
            A::CertificateRequired
            | A::BadCertificate
            | A::CertificateUnknown
            | A::CertificateExpired
            | A::UnknownCA
            | A::AccessDenied
            | A::UnsupportedCertificate,
        ) => "it does not accept our certificate; see ssl.keystore.location",
        E::AlertReceived(A::HandshakeFailure | A::ProtocolVersion) | E::PeerIncompatible(_) => {
            "no common version or cipher, or it wants a certificate; see ssl.enabled.protocols, ssl.cipher.suites, ssl.keystore.location"
        }
        E::InvalidMessage(_) => {
            let detail = format!("{host}: {error}: its answer is not TLS; see security.protocol");
            return Error::config(DOING, detail);
        }
        _ => return Error::auth(DOING, format!("{host}: {error}")),
    };
    Error::auth(DOING, format!("{host}: {error}: {advice}"))
}
