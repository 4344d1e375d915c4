//! A source of made-up records: load for benchmarks and something to look at in a new cluster.
//!
//! Each task is a source partition `{"task": <n>}` with offset `{"record": <count>}`, so a restarted task goes on with the next
//! record number and every number is produced at least once. `format` is `text` (a numbered line of `record.bytes` bytes),
//! or `struct` (a struct with a schema, for converters to work on).

mod config;
mod generate;
mod source;

pub use source::{DatagenSource, DatagenSourceTask};
