//! Certificates and keys, read from where the configuration says they are.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use p12_keystore::{KeyStore, KeyStoreEntry, Pkcs12ImportPolicy};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::config::{Store, StoreFormat, TlsConfig};
use super::{ec_key, jks};
use crate::net::Secret;
use crate::{Error, Result};

const DOING: &str = "load certificates";
/// The system's store of all public authorities has a quarter of a megabyte.
const STORE_BYTES_MAX: u64 = 16 << 20;

/// Who is believed.
pub(super) type Trusted = Vec<CertificateDer<'static>>;

/// Who we are: the chain, own certificate first, and its key.
pub(super) struct Identity {
    pub(super) chain: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

/// The trust store, or the system's roots where none is set.
pub(super) fn trusted(config: &TlsConfig) -> Result<Trusted> {
    let key = "ssl.truststore";
    let certificates = match &config.truststore {
        None => {
            let found = rustls_native_certs::load_native_certs();
            if found.certs.is_empty() {
                let errors: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
                let detail = format!(
                    "ssl.truststore.location is not set, and the system has no root certificates [{}]; set it",
                    errors.join("; ")
                );
                return Err(Error::config(DOING, detail));
            }
            return Ok(found.certs);
        }
        Some(Store::Inline(text)) => {
            pem_certificates(text.expose().as_bytes(), "ssl.truststore.certificates")?
        }
        Some(Store::File { location, format: StoreFormat::Pem, .. }) => {
            pem_certificates(&read(key, location)?, &at(key, location))?
        }
        Some(Store::File { location, password, .. }) => {
            let bytes = read(key, location)?;
            let place = at(key, location);
            let password = password.as_ref().map(Secret::expose);
            let der = if jks::is_jks(&bytes) {
                jks::parse(&bytes, password).map_err(|error| failed(&place, error))?.trusted
            } else {
                let store = pkcs12(&bytes, password, &place)?;
                let trusted = store.entries().filter_map(|(_, entry)| match entry {
                    KeyStoreEntry::Certificate(certificate) => Some(certificate.as_der().to_vec()),
                    _ => None,
                });
                trusted.collect()
            };
            der.into_iter().map(CertificateDer::from).collect()
        }
    };
    if certificates.is_empty() {
        let place = match &config.truststore {
            Some(Store::File { location, .. }) => at(key, location),
            _ => "ssl.truststore.certificates".to_owned(),
        };
        return Err(failed(&place, "there is no trusted certificate in it"));
    }
    Ok(certificates)
}

/// The key store's certificate and key; `None` where none is set.
pub(super) fn identity(config: &TlsConfig) -> Result<Option<Identity>> {
    let key = "ssl.keystore";
    let key_password = config.key_password.as_ref().map(Secret::expose);
    let identity = match &config.keystore {
        None => return Ok(None),
        Some(Store::Inline(text)) => {
            pem_identity(text.expose().as_bytes(), key_password, "ssl.keystore.key")?
        }
        Some(Store::File { location, format: StoreFormat::Pem, .. }) => {
            pem_identity(&read(key, location)?, key_password, &at(key, location))?
        }
        Some(Store::File { location, password, .. }) => {
            let bytes = read(key, location)?;
            let place = at(key, location);
            let password = password.as_ref().map(Secret::expose);
            let (chain, der) = if jks::is_jks(&bytes) {
                let store = jks::parse(&bytes, password).map_err(|error| failed(&place, error))?;
                let (encrypted, chain) =
                    store.keys.into_iter().next().ok_or_else(|| failed(&place, "there is no key in it"))?;
                let password = key_password.or(password).unwrap_or_default();
                (chain, jks::decrypt_key(&encrypted, password).map_err(|error| failed(&place, error))?)
            } else {
                let store = pkcs12(&bytes, password, &place)?;
                let (_, entry) =
                    store.private_key_chain().ok_or_else(|| failed(&place, "there is no key in it"))?;
                let chain = entry.certs().iter().map(|certificate| certificate.as_der().to_vec()).collect();
                (chain, entry.key().as_der().to_vec())
            };
            let chain: Vec<Vec<u8>> = chain;
            if chain.is_empty() {
                return Err(failed(&place, "the key in it has no certificate"));
            }
            Identity {
                chain: chain.into_iter().map(CertificateDer::from).collect(),
                key: PrivatePkcs8KeyDer::from(der).into(),
            }
        }
    };
    Ok(Some(signing(identity)))
}

/// With a key in the form that can sign.
fn signing(mut identity: Identity) -> Identity {
    if let (PrivateKeyDer::Pkcs8(key), Some(own)) = (&identity.key, identity.chain.first())
        && let Some(completed) = ec_key::completed(key.secret_pkcs8_der(), own)
    {
        identity.key = PrivatePkcs8KeyDer::from(completed).into();
    }
    identity
}

fn pkcs12(bytes: &[u8], password: Option<&str>, place: &str) -> Result<KeyStore> {
    KeyStore::from_pkcs12(bytes, password.unwrap_or_default(), Pkcs12ImportPolicy::Strict).map_err(|error| {
        failed(place, format!("it is no JKS, and as PKCS12 it cannot be opened (wrong password?): {error}"))
    })
}

fn pem_certificates(bytes: &[u8], place: &str) -> Result<Vec<CertificateDer<'static>>> {
    let certificates: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    certificates.map_err(|error| failed(place, format!("it is no PEM with certificates: {error}")))
}

fn pem_identity(bytes: &[u8], password: Option<&str>, place: &str) -> Result<Identity> {
    let chain = pem_certificates(bytes, place)?;
    if chain.is_empty() {
        return Err(failed(place, "there is no certificate in it"));
    }
    let key = match encrypted_key(bytes, place)? {
        Some(encrypted) => {
            let password =
                password.ok_or_else(|| failed(place, "its key is encrypted: set ssl.key.password"))?;
            let info = pkcs8::EncryptedPrivateKeyInfoRef::try_from(encrypted.as_slice())
                .map_err(|error| failed(place, format!("its encrypted key cannot be read: {error}")))?;
            let plain = info.decrypt(password).map_err(|error| {
                failed(place, format!("its key cannot be opened by ssl.key.password: {error}"))
            })?;
            PrivatePkcs8KeyDer::from(plain.as_bytes().to_vec()).into()
        }
        None => PrivateKeyDer::from_pem_slice(bytes)
            .map_err(|error| failed(place, format!("there is no private key in it: {error}")))?,
    };
    Ok(Identity { chain, key })
}

/// The reader of plain keys passes over encrypted ones.
fn encrypted_key(bytes: &[u8], place: &str) -> Result<Option<Vec<u8>>> {
    const BEGIN: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
    const END: &str = "-----END ENCRYPTED PRIVATE KEY-----";
    let text = String::from_utf8_lossy(bytes);
    let Some((_, rest)) = text.split_once(BEGIN) else { return Ok(None) };
    let Some((body, _)) = rest.split_once(END) else {
        return Err(failed(place, "its encrypted private key does not end"));
    };
    let body: String = body.split_whitespace().collect();
    let der = BASE64_STANDARD.decode(body);
    der.map(Some).map_err(|error| failed(place, format!("its encrypted private key is no base64: {error}")))
}

fn read(key: &str, location: &Path) -> Result<Vec<u8>> {
    let place = at(key, location);
    let size = fs::metadata(location).map_err(|error| failed(&place, error))?.len();
    if size > STORE_BYTES_MAX {
        return Err(failed(
            &place,
            format!("{size} bytes are more than a store may have ({STORE_BYTES_MAX})"),
        ));
    }
    fs::read(location).map_err(|error| failed(&place, error))
}

fn at(key: &str, location: &Path) -> String {
    format!("{key}.location={}", location.display())
}

fn failed(place: &str, detail: impl std::fmt::Display) -> Error {
    Error::config(DOING, format!("{place}: {detail}"))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertifiedKey, generate_simple_self_signed};

    use super::*;

    fn certified() -> CertifiedKey<rcgen::KeyPair> {
        generate_simple_self_signed(["localhost".to_owned()]).unwrap()
    }

    fn file(bytes: &[u8], format: StoreFormat, password: Option<&str>) -> (tempfile::NamedTempFile, Store) {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), bytes).unwrap();
        let store =
            Store::File { location: file.path().to_owned(), format, password: password.map(Secret::new) };
        (file, store)
    }

    fn with_key(store: Store, key_password: Option<&str>) -> TlsConfig {
        TlsConfig {
            keystore: Some(store),
            key_password: key_password.map(Secret::new),
            ..TlsConfig::default()
        }
    }

    #[test]
    fn every_format_gives_the_same_identity() {
        let own = certified();
        let (der, key) = (own.cert.der().to_vec(), own.signing_key.serialize_der());
        let pem = format!("{}\n{}", own.cert.pem(), own.signing_key.serialize_pem());
        let jks = jks::tests::write(&[], Some((&key, &[&der])), "pw");
        let mut p12 = KeyStore::new();
        let chain = p12_keystore::PrivateKeyChain::new(
            [1].as_slice(),
            p12_keystore::PrivateKey::from_der(&key).unwrap(),
            [p12_keystore::Certificate::from_der(&der).unwrap()],
        );
        p12.add_entry("me", KeyStoreEntry::PrivateKeyChain(chain));
        let p12 = p12.writer("pw").write().unwrap();
        let files = [
            file(pem.as_bytes(), StoreFormat::Pem, None),
            file(&jks, StoreFormat::Binary, Some("pw")),
            file(&p12, StoreFormat::Binary, Some("pw")),
        ];
        let stores =
            files.iter().map(|(_, store)| store.clone()).chain([Store::Inline(Secret::new(pem.clone()))]);
        for store in stores {
            let identity = identity(&with_key(store, None)).unwrap().unwrap();
            assert_eq!(identity.chain, [CertificateDer::from(der.clone())]);
            assert_eq!(identity.key.secret_der(), key);
        }
    }

    #[test]
    fn errors_name_the_key_the_file_and_the_remedy() {
        let own = certified();
        let jks = jks::tests::write(&[own.cert.der()], None, "pw");
        let (_guard, wrong_password) = file(&jks, StoreFormat::Binary, Some("no"));
        let (_guard, garbage) = file(b"garbage", StoreFormat::Binary, Some("no"));
        let (_guard, only_certificate) = file(own.cert.pem().as_bytes(), StoreFormat::Pem, None);
        let missing =
            Store::File { location: "/no/such/file".into(), format: StoreFormat::Pem, password: None };
        let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        let encrypted = Store::Inline(Secret::new(format!("{}{encrypted}", own.cert.pem())));
        for (store, password, expected) in [
            (wrong_password, None, "its password is wrong"),
            (garbage, None, "it is no JKS, and as PKCS12 it cannot be opened"),
            (only_certificate, None, "there is no private key in it"),
            (missing, None, "ssl.keystore.location=/no/such/file: No such file"),
            (encrypted.clone(), None, "set ssl.key.password"),
            (encrypted, Some("x"), "encrypted key cannot be read"),
        ] {
            let error = identity(&with_key(store, password)).map(drop).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let empty = TlsConfig {
            truststore: Some(Store::Inline(Secret::new("no certificate"))),
            ..TlsConfig::default()
        };
        assert!(
            trusted(&empty)
                .unwrap_err()
                .to_string()
                .contains("ssl.truststore.certificates: there is no trusted")
        );
    }
}
