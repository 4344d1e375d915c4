//! Whether one node can be reached: its listening socket, which goes when the node stops, and the word that ends its
//! connections.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::task::Poll;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};

/// See the module.
#[derive(Debug)]
pub(crate) struct Gate {
    listener: RefCell<Option<TcpListener>>,
    /// Where it listens, or will again. `None` while nobody accepts.
    address: Cell<Option<SocketAddr>>,
    /// The listener came or went.
    changed: Notify,
    stops: watch::Sender<()>,
}

/// Closes the gate for good once nobody accepts any more.
#[derive(Debug)]
pub(super) struct Accepting<'a> {
    gate: &'a Gate,
}

impl Gate {
    pub(super) fn new() -> Self {
        Self {
            listener: RefCell::new(None),
            address: Cell::new(None),
            changed: Notify::new(),
            stops: watch::Sender::new(()),
        }
    }

    /// Listens from now on, unless the node is stopped: then from its start on.
    pub(super) fn accept_from(
        &self,
        listener: TcpListener,
        address: SocketAddr,
        is_running: bool,
    ) -> Accepting<'_> {
        self.address.set(Some(address));
        self.listener.replace(is_running.then_some(listener));
        Accepting { gate: self }
    }

    /// The next client; waits while the node is stopped.
    pub(super) async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        loop {
            let accepting = poll_fn(|context| match &*self.listener.borrow() {
                Some(listener) => listener.poll_accept(context),
                None => Poll::Pending,
            });
            tokio::select! {
                biased;
                () = self.changed.notified() => {}
                accepted = accepting => return accepted,
            }
        }
    }

    /// Listens no more, and ends all connections.
    pub(crate) fn close(&self) {
        self.listener.replace(None);
        self.changed.notify_one();
        self.stops.send_replace(());
    }

    /// Listens again, where it did before.
    pub(crate) fn open(&self) -> io::Result<()> {
        let Some(address) = self.address.get() else { return Ok(()) };
        let listener = StdListener::bind(address)?;
        listener.set_nonblocking(true)?;
        self.listener.replace(Some(TcpListener::from_std(listener)?));
        self.changed.notify_one();
        Ok(())
    }

    /// Tells a connection that begins now when the node stops.
    pub(super) fn watch(&self) -> watch::Receiver<()> {
        self.stops.subscribe()
    }
}

impl Drop for Accepting<'_> {
    fn drop(&mut self) {
        self.gate.listener.replace(None);
        self.gate.address.set(None);
    }
}
