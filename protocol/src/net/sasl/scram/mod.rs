//! SCRAM-SHA-256 and SCRAM-SHA-512 (RFC 5802, RFC 7677) as pure state machines: bytes in, bytes out, no I/O, no chance of their
//! own.
//!
//! As Java's Kafka does, names and passwords are used as their UTF-8 bytes without SASLprep: text that SASLprep would change
//! (full-width letters, say) has to be written the same way on both sides.

mod client;

mod keys;

mod message;

pub use client::{ClientFinal, ScramClient};
pub use keys::{Hash, StoredKeys};
pub use message::{ClientFinalMessage, ClientFirstMessage, ServerFirstMessage};

/// Fewer rounds make a stolen exchange too easy to search; Kafka's own lower bound.
pub const ITERATIONS_MIN: u32 = 4096;
/// More would let a hostile server burn our CPU: about a second here, 60 times what Kafka lets anybody configure (16,384).
pub const ITERATIONS_MAX: u32 = 1_000_000;
