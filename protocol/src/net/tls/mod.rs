//! TLS by rustls with ring, configured by Java's `ssl.*` keys: PEM, PKCS12 and JKS stores, read again when their files change.
//!
//! ```text
//! ssl.* ──► TlsConfig ──► Material (certificates, key) ──► TlsClient ──► handshake ──► Stream
//!                              └── files, watched ──────► TlsServer ──► handshake ──► Stream
//! ```
//!
//! As modern TLS wants it, and other than Java, a host name is compared with the certificate's alternative names only, never with
//! its common name, and there is nothing below TLS 1.2.

mod client;

mod config;

mod ec_key;

mod error;

mod jks;

mod material;

mod provider;

mod reload;

mod server;

mod verifier;

pub use client::TlsClient;
pub use config::{Store, StoreFormat, TlsConfig, TlsVersion};
pub(super) use error::alert_of;
pub use server::{ClientAuth, TlsServer};
