//! SASL: who we are, told to a broker after the connection stands and again before its session ends (KIP-43, 152, 368).
//!
//! ```text
//! sasl.jaas.config ──► JaasConfig ──► SaslConfig ──► exchange (PLAIN, SCRAM, OAUTHBEARER: pure) ──► SaslAuthenticate
//! sasl.oauthbearer.* ──► EndpointConfig ──► TokenEndpoint (HTTP) ──► token ──┘
//! ```
//!
//! Not there: GSSAPI, which needs a Kerberos library, and OAUTHBEARER tokens that are asked for with a signed assertion.

mod authenticate;

mod config;

mod endpoint_config;

mod http;

mod jaas;

pub mod oauthbearer;

mod plain;

mod reauthenticate;

pub mod scram;

mod token_endpoint;

pub(super) use authenticate::authenticate;
pub use config::{Credentials, Mechanism, SaslConfig};
pub use endpoint_config::AllowedUrls;
pub use jaas::{ControlFlag, JaasConfig};
pub use plain::{PlainMessage, parse_plain};
pub(super) use reauthenticate::keep_alive;
pub use token_endpoint::TokenEndpoint;
