//! From sockets to requests and back: listeners, connections, the broker's thread, in-process pipes.

mod connection;
mod dialer;
mod frames;
mod gate;
mod handle;
mod listener;
mod markers;
mod pipe;
mod shared;
mod timer;

pub use dialer::InProcessDialer;
pub use handle::BrokerHandle;
pub use pipe::Pipe;
pub(crate) use pipe::{ServerPipe, pipe};
pub(crate) use shared::Shared;

pub(crate) use connection::Connection;
pub(crate) use listener::accept;
