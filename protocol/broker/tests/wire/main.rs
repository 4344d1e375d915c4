//! The broker as clients see it: raw requests and responses over in-process connections.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod admin;
mod connections;
mod faults;
mod fetch_sessions;
mod groups;
mod idempotence;
mod nodes;
mod offsets;
mod produce_fetch;
mod support;
mod transactions;
mod versions;
