//! Which version this is, and which of Java's it stands in for.

/// Ours.
pub const AQUEDUCT: &str = env!("CARGO_PKG_VERSION");

/// The Kafka version whose worker this behaves like: clients read it from `GET /` to know which endpoints there are.
pub const COMPATIBLE: &str = "4.3.0";

/// In the place of Java's commit id.
pub const COMMIT: &str = concat!("aqueduct-", env!("CARGO_PKG_VERSION"));
