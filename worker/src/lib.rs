//! The control plane of Aqueduct, and the program.
//!
//! ```text
//!  cli ─▶ config ─▶ Worker ─┬─ rest ──▶ herd ──▶ engine (tasks on data cores)
//!                           ├─ store (source offsets)
//!                           └─ group (who runs what in a cluster)
//! ```
//!
//! A worker with connectors of one's own is a `main` of five lines:
//!
//! ```no_run
//! fn main() -> std::process::ExitCode {
//!     let mut registry = worker::built_in();
//!     // registry.connectors.push(api::plugin::ConnectorPlugin::sink::<my_crate::MySink>());
//!     worker::run(registry)
//! }
//! ```
#![warn(missing_docs)]

pub mod cli;

pub mod config;

pub mod worker;

pub mod herd;

pub mod group;

pub mod rest;

pub mod store;

pub mod logs;

mod redact;

mod metrics;

pub mod version;

pub use cli::run;
pub use config::Registry;
pub use worker::{StartError, Surroundings, Worker, WorkerOptions, built_in};
