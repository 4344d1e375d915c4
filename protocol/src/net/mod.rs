//! One connection to one broker over any byte stream, and the seam to the world behind it. Knows nothing of clusters.
//!
//! ```text
//! Env ── Dialer ──► Stream (TCP, in-process pipe, TLS over either) ──► Connection ── driver task
//!                                                                         └─ SASL, again before the session ends
//! ```

mod env;

mod connection;

mod driver;

mod handshake;

mod metrics;

pub mod sasl;

mod secret;

mod security;

mod tcp;

pub mod tls;

pub use connection::{Connection, ConnectionConfig, Reply};
pub use env::{
    Clock, DialFuture, Dialer, Env, LocalBoxFuture, MakeFuture, Random, SocketBuffers, Spawn, SpawnHere,
    Stream, SystemClock, ThreadRandom,
};
pub use metrics::ConnectionMetrics;
pub use secret::Secret;
pub use security::Security;
pub use tcp::TcpDialer;
