//! Connector instances: their calls are made on threads for them, so that one which blocks, hangs or panics delays nobody else.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use api::plugin::{AlterOffsets, AnyConnector, ConnectorPlugin};
use api::{ConnectorContext, Error, Props, Result, SinkOffsetChange, SourceOffsetChange};
use tokio::sync::oneshot;

use crate::rt::CallThreads;

/// Where calls of connector instances are made.
#[derive(Debug, Clone)]
pub enum Calls {
    /// On threads that are there for that.
    OnThreads(CallThreads),
    /// On the caller's thread, which waits: for worlds that have only one.
    Here,
}

/// A started connector. Dropping it stops the connector, once no call is under way any more.
pub struct ConnectorHandle {
    calls: Calls,
    /// `None` only while the handle is dropped.
    connector: Option<Arc<Mutex<Box<dyn AnyConnector>>>>,
}

impl ConnectorHandle {
    /// Starts a connector and waits until it has started.
    ///
    /// # Errors
    /// What the connector says, or that it panicked.
    pub async fn start(
        calls: Calls,
        plugin: ConnectorPlugin,
        props: Props,
        context: ConnectorContext,
    ) -> Result<ConnectorHandle> {
        let start = move || {
            let mut connector = (plugin.start)(&props)?;
            connector.started(context);
            Ok(connector)
        };
        let connector = calls.make(start).await?;
        Ok(ConnectorHandle { calls, connector: Some(Arc::new(Mutex::new(connector))) })
    }

    /// Splits the work into at most `tasks_max` task configurations.
    ///
    /// # Errors
    /// What the connector says, or that it panicked.
    pub async fn task_props(&self, tasks_max: usize) -> Result<Vec<Props>> {
        let connector = self.connector.clone().ok_or_else(ended)?;
        // One that has panicked may be asked again: what it says then is its own affair.
        let ask = move || connector.lock().unwrap_or_else(PoisonError::into_inner).task_props(tasks_max);
        self.calls.make(ask).await
    }
}

impl std::fmt::Debug for ConnectorHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConnectorHandle").finish_non_exhaustive()
    }
}

impl Drop for ConnectorHandle {
    fn drop(&mut self) {
        let connector = self.connector.take();
        let stop = move || {
            drop(connector);
            Ok(())
        };
        // Stopping is a call like the others. Without a thread it is ours to make.
        let _stopped_here = self.calls.begin(move || drop(guarded(stop)));
    }
}

impl Calls {
    /// Has a call of a plug-in made where it may take as long as it likes. Whoever gives up waiting leaves the thread behind.
    async fn make<T: Send + 'static>(&self, call: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let (reply, outcome) = oneshot::channel();
        self.begin(move || drop(reply.send(guarded(call))))
            .map_err(|error| Error::fatal("failed to start a thread for the connector").with_source(error))?;
        outcome.await.map_err(|error| ended().with_source(error))?
    }

    fn begin(&self, body: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
        match self {
            Calls::OnThreads(threads) => threads.begin(body),
            Calls::Here => {
                body();
                Ok(())
            }
        }
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
/// connector does it may block; whoever gives up waiting leaves its thread behind.
///
/// # Errors
/// What the connector says, or that it panicked.
pub async fn alter_offsets(
    calls: Calls,
    plugin: ConnectorPlugin,
    props: Props,
    changes: OffsetChanges,
) -> Result<bool> {
    let tell = move || match (plugin.alter_offsets, &changes) {
        (AlterOffsets::Source(alter), OffsetChanges::Source(changes)) => alter(&props, changes),
        (AlterOffsets::Sink(alter), OffsetChanges::Sink(changes)) => alter(&props, changes),
        (AlterOffsets::Source(_), OffsetChanges::Sink(_))
        | (AlterOffsets::Sink(_), OffsetChanges::Source(_)) => {
            Err(Error::fatal("the offsets are not of the connector's kind"))
        }
    };
    calls.make(tell).await
}

fn ended() -> Error {
    Error::fatal("the connector has ended")
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
