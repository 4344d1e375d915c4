//! The Kafka wire client of Aqueduct. It knows nothing of Connect.
//!
//! Layers, each of which sees only those above it in this list:
//!
//! ```text
//! metrics/  what clients count: windows of samples, tables of names                (no client)
//! wire/     bytes only: frames, versions, record batches, compression, errors     (no I/O, no clock)
//! net/      one connection: pipelining, TLS, SASL, time limits
//! cluster/  many brokers: metadata, routing, one retry policy
//! client/   admin, producer, consumer, group membership, and their properties under Java's names
//! ```
//!
//! Request and response messages are the types of the `kafka-protocol` crate, re-exported as
//! [`wire::messages`]; framing, record batches and errors are ours. The embedded broker (crate `broker`)
//! uses [`wire`] alone.

pub mod metrics;

pub mod wire;

pub mod net;

pub mod cluster;

pub mod client;

pub use wire::error::{Error, ErrorKind, Result};
pub use wire::error_code::ErrorCode;
