//! What every case is told.

use std::path::PathBuf;

use clap::Args;

/// Settings that all cases share.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// Kafka to use, `host:port`
    #[arg(long, env = "AQUEDUCT_KAFKA")]
    pub(crate) bootstrap: String,
    /// The program `aqueduct`
    #[arg(long, env = "AQUEDUCT_BIN", default_value = "target/release/aqueduct")]
    pub(crate) binary: PathBuf,
    /// Records of each measurement
    #[arg(long, default_value_t = 10_000_000)]
    pub(crate) records: i64,
    /// Bytes of each record's value
    #[arg(long, default_value_t = 100)]
    pub(crate) record_bytes: usize,
    /// Times that each is measured
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: usize,
}
