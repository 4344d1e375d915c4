//! From sockets to requests and back: listeners, connections, the broker's thread, in-process pipes.

mod connection;
mod dialer;
mod frames;
mod handle;
mod listener;
mod markers;
mod shared;
mod timer;

pub use dialer::InProcessDialer;
pub(crate) use dialer::PIPE_BYTES;
pub use handle::BrokerHandle;
pub(crate) use shared::Shared;

pub(crate) use connection::Connection;
pub(crate) use listener::accept;
