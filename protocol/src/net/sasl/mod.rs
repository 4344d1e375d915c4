//! SASL: who we are, told to a broker after the connection stands and again before its session ends (KIP-43, 152, 368).
//!
//! ```text
//! sasl.jaas.config ──► JaasConfig ──► SaslConfig ──► exchange (PLAIN, SCRAM, OAUTHBEARER: pure) ──► SaslAuthenticate
//! ```
//!
//! Not there: GSSAPI, which needs a Kerberos library, and OAUTHBEARER tokens fetched over HTTP.

mod authenticate;

mod config;

mod jaas;

pub mod oauthbearer;

mod plain;

mod reauthenticate;

pub mod scram;

pub(super) use authenticate::authenticate;
pub use config::{Credentials, Mechanism, SaslConfig};
pub use jaas::{ControlFlag, JaasConfig};
pub use plain::{PlainMessage, parse_plain};
pub(super) use reauthenticate::keep_alive;
