//! Any bytes as a key store or trust store: JKS, PKCS12, PEM, and PEM with an encrypted key. The first byte chooses how it is
//! declared.
//!
//! The committed stores were made by `keytool` (JKS and PKCS12, password `changeit`) and `openssl` (PEM).

use std::cell::RefCell;
use std::fs;

use protocol::net::Secret;
use protocol::net::tls::{Store, StoreFormat, TlsClient, TlsConfig};
use tempfile::NamedTempFile;

use super::within;

const PASSWORD: &str = "changeit";
/// Stores are read whole and kept decoded, some of it more than once.
const BYTES_MAX: usize = 4 << 20;

thread_local! {
    static FILE: RefCell<NamedTempFile> = RefCell::new(NamedTempFile::new().expect("a place for a file"));
}

pub fn keystore(data: &[u8]) {
    let Some((&choice, bytes)) = data.split_first() else { return };
    let password = (choice & 1 != 0).then(|| Secret::new(PASSWORD));
    let store = if choice & 2 != 0 {
        Store::Inline(Secret::new(String::from_utf8_lossy(bytes)))
    } else {
        let location = FILE.with_borrow(|file| {
            fs::write(file.path(), bytes).expect("room for a file");
            file.path().to_owned()
        });
        Store::File { location, format: StoreFormat::Binary, password: password.clone() }
    };
    let config = if choice & 4 != 0 {
        TlsConfig { truststore: Some(store), ..TlsConfig::default() }
    } else {
        TlsConfig { keystore: Some(store), key_password: password, ..TlsConfig::default() }
    };
    within(BYTES_MAX, || TlsClient::new(config).ok());
}
