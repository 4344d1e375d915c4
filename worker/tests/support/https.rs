//! A client that speaks HTTP over TLS, and certificates for it and for the worker.

use std::path::{Path, PathBuf};

use protocol::net::Secret;
use protocol::net::tls::{Store, StoreFormat, TlsClient, TlsConfig};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{Answer, PATIENCE};

/// An authority of its own.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        Authority(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for 127.0.0.1 with its key, as one PEM text.
    pub(crate) fn issue(&self) -> String {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        format!("{}{}", params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }

    /// A client that believes this authority and shows `identity`.
    pub(crate) fn client(&self, identity: Option<&str>) -> TlsConfig {
        TlsConfig {
            truststore: Some(Store::Inline(Secret::new(self.pem()))),
            keystore: identity.map(|pem| Store::Inline(Secret::new(pem))),
            ..TlsConfig::default()
        }
    }
}

/// A store in a file.
pub(crate) fn store(path: &Path, password: &str) -> Store {
    Store::File {
        location: PathBuf::from(path),
        format: StoreFormat::Binary,
        password: Some(Secret::new(password)),
    }
}

/// Sends a request and reads the answer to its end; an error is the handshake's or the connection's.
pub(crate) fn send(client: &TlsConfig, address: &str, request: &str) -> Result<Answer, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let exchange = async {
        let stream = tokio::net::TcpStream::connect(address).await.map_err(|error| error.to_string())?;
        let client = TlsClient::new(client.clone()).map_err(|error| error.to_string())?;
        let mut stream =
            client.connect("127.0.0.1", Box::new(stream)).await.map_err(|error| error.to_string())?;
        stream.write_all(request.as_bytes()).await.map_err(|error| error.to_string())?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.map_err(|error| error.to_string())?;
        Ok(Answer::parse(&String::from_utf8(answer).unwrap()))
    };
    runtime.block_on(async { tokio::time::timeout(PATIENCE, exchange).await.unwrap() })
}

pub(crate) fn get(client: &TlsConfig, address: &str, path: &str) -> Result<Answer, String> {
    send(client, address, &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"))
}
