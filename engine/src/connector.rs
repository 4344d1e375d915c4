//! Connector instances: each on a thread of its own, so that one which blocks, hangs or panics delays nobody else.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;

use api::plugin::{AlterOffsets, ConnectorPlugin};
use api::{Error, Props, Result, SinkOffsetChange, SourceOffsetChange};
use tokio::sync::oneshot;

/// A started connector. Dropping it stops the connector.
#[derive(Debug)]
pub struct ConnectorHandle {
    requests: mpsc::Sender<Request>,
}

struct Request {
    tasks_max: usize,
    reply: oneshot::Sender<Result<Vec<Props>>>,
}

impl ConnectorHandle {
    /// Starts a connector and waits until it has started.
    ///
    /// # Errors
    /// What the connector says, or that it panicked.
    pub async fn start(plugin: ConnectorPlugin, name: &str, props: Props) -> Result<ConnectorHandle> {
        let (requests, inbox) = mpsc::channel();
        let (started, outcome) = oneshot::channel();
        std::thread::Builder::new()
            .name(format!("connector {name}"))
            .spawn(move || run(plugin, &props, started, &inbox))
            .map_err(|error| Error::fatal("failed to start a thread for the connector").with_source(error))?;
        outcome.await.map_err(|error| ended().with_source(error))??;
        Ok(ConnectorHandle { requests })
    }

    /// Splits the work into at most `tasks_max` task configurations.
    ///
    /// # Errors
    /// What the connector says, or that it panicked.
    pub async fn task_props(&self, tasks_max: usize) -> Result<Vec<Props>> {
        let (reply, outcome) = oneshot::channel();
        self.requests
            .send(Request { tasks_max, reply })
            .map_err(|error| ended().with_source(error.to_string()))?;
        outcome.await.map_err(|error| ended().with_source(error))?
    }
}

/// Offsets of a stopped connector that are changed from outside.
#[derive(Debug, Clone, PartialEq)]
pub enum OffsetChanges {
    /// Stored ones.
    Source(Vec<SourceOffsetChange>),
    /// Committed ones.
    Sink(Vec<SinkOffsetChange>),
}

/// Tells a connector of changed offsets, before they are stored. `true`: it knows all its offsets to be changed. Like all that a
/// connector does it happens on a thread of its own; whoever gives up waiting leaves that thread behind.
///
/// # Errors
/// What the connector says, or that it panicked.
pub async fn alter_offsets(
    plugin: ConnectorPlugin,
    name: &str,
    props: Props,
    changes: OffsetChanges,
) -> Result<bool> {
    let (reply, outcome) = oneshot::channel();
    let tell = move || match (plugin.alter_offsets, &changes) {
        (AlterOffsets::Source(alter), OffsetChanges::Source(changes)) => alter(&props, changes),
        (AlterOffsets::Sink(alter), OffsetChanges::Sink(changes)) => alter(&props, changes),
        (AlterOffsets::Source(_), OffsetChanges::Sink(_))
        | (AlterOffsets::Sink(_), OffsetChanges::Source(_)) => {
            Err(Error::fatal("the offsets are not of the connector's kind"))
        }
    };
    std::thread::Builder::new()
        .name(format!("connector {name}"))
        .spawn(move || drop(reply.send(guarded(tell))))
        .map_err(|error| Error::fatal("failed to start a thread for the connector").with_source(error))?;
    outcome.await.map_err(|error| ended().with_source(error))?
}

fn ended() -> Error {
    Error::fatal("the connector has ended")
}

/// The connector's thread: lives until the handle is dropped.
fn run(
    plugin: ConnectorPlugin,
    props: &Props,
    started: oneshot::Sender<Result<()>>,
    inbox: &mpsc::Receiver<Request>,
) {
    let connector = match guarded(|| (plugin.start)(props)) {
        Ok(connector) => connector,
        Err(error) => {
            let _caller_gone = started.send(Err(error));
            return;
        }
    };
    if started.send(Ok(())).is_err() {
        return;
    }
    while let Ok(Request { tasks_max, reply }) = inbox.recv() {
        let _caller_gone = reply.send(guarded(|| connector.task_props(tasks_max)));
    }
}

/// Turns a panic of plug-in code into an error.
fn guarded<T>(call: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| Err(panicked(&*panic)))
}

/// A panic as an error, with its message.
pub(crate) fn panicked(panic: &(dyn std::any::Any + Send)) -> Error {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    Error::fatal(format!("the plug-in panicked: {text}")).with_java_class("java.lang.RuntimeException")
}
