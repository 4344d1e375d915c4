//! Java Connect's REST interface.
//!
//! ```text
//!  listener ─▶ server (TLS, time) ─▶ front (limits, headers) ─▶ routes (one match, authentication) ─▶ root, connectors, lifecycle, offsets, topics, plugins, validate ─▶ herder ─▶ JSON
//!                                         │
//!                                         └─ error: the only place that knows status codes of failures
//! ```
//!
//! It runs on the control thread, which never moves data: a busy core or a hung task delays no answer. It listens before the
//! worker is complete; requests that need more than there is yet wait for it.

mod server;

mod connections;

mod stream;

mod limits;

mod front;

mod access_log;

mod auth;

mod cors;

mod headers;

mod routes;
mod state;

mod cluster;

mod cluster_page;
mod connectors;
mod internal;
mod lifecycle;
mod loggers;
mod metrics;
mod offsets;
mod plugins;
mod root;
mod topics;
mod validate;

mod jackson;
mod request;
mod requests;

mod error;

pub mod forward;

pub mod signature;

pub use error::RestError;
pub(crate) use request::encode as encode_name;
pub use server::{BindError, Bound, Server};
pub use state::RestState;
