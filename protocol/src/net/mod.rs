//! One connection to one broker over any byte stream, and the seam to the world behind it. Knows nothing of clusters.
//!
//! ```text
//! Env ── Dialer ──► Stream (TCP, in-process pipe, later TLS) ──► Connection ── driver task
//! ```

mod env;

mod connection;

mod driver;

mod handshake;

mod tcp;

pub use connection::{Connection, ConnectionConfig, Reply};
pub use env::{
    Clock, DialFuture, Dialer, Env, LocalBoxFuture, MakeFuture, Random, Spawn, SpawnHere, Stream,
    SystemClock, ThreadRandom,
};
pub use tcp::TcpDialer;
