//! Kafka's test connectors under their Java names, for harnesses that start them and read what they print (contract 11.3).
//!
//! | connector | what it is for |
//! |---|---|
//! | [`VerifiableSource`] | numbered records; a line on standard output for each, and another one when Kafka has it |
//! | [`VerifiableSink`] | a line for each record that arrives, and another one when it is flushed |
//! | [`SchemaSource`] | records of one schema, or of two in turn |
//! | [`MockSource`], [`MockSink`] | connectors that do nothing, or fail when they are told to |
//!
//! As Java's they have empty configuration tables: nothing is validated before a task starts. README.md lists keys and differences.

mod line;
mod mock;
mod numbers;
mod pace;
mod schema_source;
mod verifiable_sink;
mod verifiable_source;

#[cfg(test)]
mod tests;

pub use mock::{MockSink, MockSinkTask, MockSource, MockSourceTask};
pub use schema_source::{SchemaSource, SchemaSourceTask};
pub use verifiable_sink::{VerifiableSink, VerifiableSinkTask};
pub use verifiable_source::{VerifiableSource, VerifiableSourceTask};

/// Version that they report: that of the Java release whose behaviour they follow.
const VERSION: &str = "4.3.0";
