//! Connectors as the engine sees them: plain data and boxed futures, one per batch. The blanket implementations here are the
//! only ones.

use crate::acknowledged::Acknowledged;
use crate::batch::Batch;
use crate::config_def::ConfigDef;
use crate::connector::{
    ConnectorContext, LocalBoxFuture, Props, SinkConnector, SinkContext, SinkOffsetChange, SinkOffsets,
    SinkTask, SourceConnector, SourceContext, SourceOffsetChange, SourceTask, Tier, TopicPartition,
};
use crate::error::Result;
use crate::offsets::{SourceOffset, SourcePartition};
use crate::transaction::ExactlyOnceSupport;

/// A started connector of either kind. Calls come on threads that may be blocked.
pub trait AnyConnector: Send {
    /// See [`SourceConnector::started`].
    fn started(&mut self, context: ConnectorContext);
    /// See [`SourceConnector::task_props`].
    ///
    /// # Errors
    /// As the connector's.
    fn task_props(&self, tasks_max: usize) -> Result<Vec<Props>>;
}

struct Source<C>(C);
struct Sink<C>(C);

impl<C: SourceConnector> AnyConnector for Source<C> {
    fn started(&mut self, context: ConnectorContext) {
        self.0.started(context);
    }

    fn task_props(&self, tasks_max: usize) -> Result<Vec<Props>> {
        self.0.task_props(tasks_max)
    }
}

impl<C: SinkConnector> AnyConnector for Sink<C> {
    fn started(&mut self, context: ConnectorContext) {
        self.0.started(context);
    }

    fn task_props(&self, tasks_max: usize) -> Result<Vec<Props>> {
        self.0.task_props(tasks_max)
    }
}

/// [`SourceTask`] behind one pointer.
pub trait AnySourceTask {
    /// See [`SourceTask::wants_acknowledgements`].
    fn wants_acknowledgements(&self) -> bool;
    /// See [`SourceTask::start`].
    fn start<'a>(&'a mut self, context: &'a SourceContext) -> LocalBoxFuture<'a, Result<()>>;
    /// See [`SourceTask::poll`].
    fn poll(&mut self) -> LocalBoxFuture<'_, Result<Batch>>;
    /// See [`SourceTask::records_acknowledged`].
    fn records_acknowledged<'a>(&'a mut self, runs: &'a [Acknowledged]) -> LocalBoxFuture<'a, Result<()>>;
    /// See [`SourceTask::committed`].
    fn committed<'a>(
        &'a mut self,
        offsets: &'a [(SourcePartition, Option<SourceOffset>)],
    ) -> LocalBoxFuture<'a, Result<()>>;
    /// See [`SourceTask::commit`].
    fn commit(&mut self) -> LocalBoxFuture<'_, Result<()>>;
    /// See [`SourceTask::stop`].
    fn stop(&mut self) -> LocalBoxFuture<'_, Result<()>>;
}

impl<T: SourceTask> AnySourceTask for T {
    fn wants_acknowledgements(&self) -> bool {
        SourceTask::wants_acknowledgements(self)
    }
    fn records_acknowledged<'a>(&'a mut self, runs: &'a [Acknowledged]) -> LocalBoxFuture<'a, Result<()>> {
        Box::pin(SourceTask::records_acknowledged(self, runs))
    }
    fn start<'a>(&'a mut self, context: &'a SourceContext) -> LocalBoxFuture<'a, Result<()>> {
        Box::pin(SourceTask::start(self, context))
    }
    fn poll(&mut self) -> LocalBoxFuture<'_, Result<Batch>> {
        Box::pin(SourceTask::poll(self))
    }
    fn committed<'a>(
        &'a mut self,
        offsets: &'a [(SourcePartition, Option<SourceOffset>)],
    ) -> LocalBoxFuture<'a, Result<()>> {
        Box::pin(SourceTask::committed(self, offsets))
    }
    fn commit(&mut self) -> LocalBoxFuture<'_, Result<()>> {
        Box::pin(SourceTask::commit(self))
    }
    fn stop(&mut self) -> LocalBoxFuture<'_, Result<()>> {
        Box::pin(SourceTask::stop(self))
    }
}

/// [`SinkTask`] behind one pointer.
pub trait AnySinkTask {
    /// See [`SinkTask::tier`].
    fn tier(&self) -> Tier;
    /// See [`SinkTask::reads_headers`].
    fn reads_headers(&self) -> bool {
        false
    }
    /// See [`SinkTask::start`].
    fn start<'a>(&'a mut self, context: &'a SinkContext) -> LocalBoxFuture<'a, Result<()>>;
    /// See [`SinkTask::open`].
    fn open<'a>(&'a mut self, partitions: &'a [TopicPartition]) -> LocalBoxFuture<'a, Result<()>>;
    /// See [`SinkTask::put`].
    fn put<'a>(&'a mut self, batch: &'a Batch) -> LocalBoxFuture<'a, Result<()>>;
    /// See [`SinkTask::can_put_in_parts`].
    fn can_put_in_parts(&self) -> bool;
    /// See [`SinkTask::pre_commit`].
    fn pre_commit(&mut self, offsets: SinkOffsets) -> LocalBoxFuture<'_, Result<SinkOffsets>>;
    /// See [`SinkTask::close`].
    fn close<'a>(&'a mut self, partitions: &'a [TopicPartition]) -> LocalBoxFuture<'a, Result<()>>;
    /// See [`SinkTask::stop`].
    fn stop(&mut self) -> LocalBoxFuture<'_, Result<()>>;
}

impl<T: SinkTask> AnySinkTask for T {
    fn reads_headers(&self) -> bool {
        SinkTask::reads_headers(self)
    }
    fn tier(&self) -> Tier {
        SinkTask::tier(self)
    }
    fn start<'a>(&'a mut self, context: &'a SinkContext) -> LocalBoxFuture<'a, Result<()>> {
        Box::pin(SinkTask::start(self, context))
    }
    fn open<'a>(&'a mut self, partitions: &'a [TopicPartition]) -> LocalBoxFuture<'a, Result<()>> {
        Box::pin(SinkTask::open(self, partitions))
    }
    fn put<'a>(&'a mut self, batch: &'a Batch) -> LocalBoxFuture<'a, Result<()>> {
        Box::pin(SinkTask::put(self, batch))
    }
    fn can_put_in_parts(&self) -> bool {
        SinkTask::can_put_in_parts(self)
    }
    fn pre_commit(&mut self, offsets: SinkOffsets) -> LocalBoxFuture<'_, Result<SinkOffsets>> {
        Box::pin(SinkTask::pre_commit(self, offsets))
    }
    fn close<'a>(&'a mut self, partitions: &'a [TopicPartition]) -> LocalBoxFuture<'a, Result<()>> {
        Box::pin(SinkTask::close(self, partitions))
    }
    fn stop(&mut self) -> LocalBoxFuture<'_, Result<()>> {
        Box::pin(SinkTask::stop(self))
    }
}

/// Makes the task of a connector.
#[derive(Debug, Clone, Copy)]
pub enum CreateTask {
    /// A source task.
    Source(fn(&Props) -> Result<Box<dyn AnySourceTask>>),
    /// A sink task.
    Sink(fn(&Props) -> Result<Box<dyn AnySinkTask>>),
}

/// Tells a connector of offsets that are changed from outside; its kind is the connector's kind.
#[derive(Debug, Clone, Copy)]
pub enum AlterOffsets {
    /// See [`SourceConnector::alter_offsets`].
    Source(fn(&Props, &[SourceOffsetChange]) -> Result<bool>),
    /// See [`SinkConnector::alter_offsets`].
    Sink(fn(&Props, &[SinkOffsetChange]) -> Result<bool>),
}

/// One line of the connector registry.
#[derive(Clone, Copy)]
pub struct ConnectorPlugin {
    /// Full Java class name.
    pub class: &'static str,
    /// Full Java class name of its task.
    pub task_class: &'static str,
    /// Version to report.
    pub version: &'static str,
    /// Its configuration table.
    pub config_def: fn() -> ConfigDef,
    /// Starts the connector with its properties.
    pub start: fn(&Props) -> Result<Box<dyn AnyConnector>>,
    /// Makes a task; its kind is the connector's kind.
    pub create_task: CreateTask,
    /// Tells it of offsets that are changed from outside.
    pub alter_offsets: AlterOffsets,
    /// See [`SourceConnector::exactly_once_support`]; a sink says nothing.
    pub exactly_once_support: fn(&Props) -> Option<ExactlyOnceSupport>,
    /// See [`SourceConnector::can_define_transaction_boundaries`]; a sink cannot.
    pub can_define_transaction_boundaries: fn(&Props) -> bool,
}

impl std::fmt::Debug for ConnectorPlugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConnectorPlugin").field("class", &self.class).finish_non_exhaustive()
    }
}

impl ConnectorPlugin {
    /// The registry line of a source connector.
    pub const fn source<C: SourceConnector>() -> ConnectorPlugin {
        ConnectorPlugin {
            class: C::CLASS,
            task_class: C::TASK_CLASS,
            version: C::VERSION,
            config_def: C::config_def,
            start: |props| Ok(Box::new(Source(C::start(C::config_def().parse(props)?)?))),
            create_task: CreateTask::Source(|props| Ok(Box::new(C::create_task(props)?))),
            alter_offsets: AlterOffsets::Source(C::alter_offsets),
            exactly_once_support: C::exactly_once_support,
            can_define_transaction_boundaries: C::can_define_transaction_boundaries,
        }
    }

    /// The registry line of a sink connector.
    pub const fn sink<C: SinkConnector>() -> ConnectorPlugin {
        ConnectorPlugin {
            class: C::CLASS,
            task_class: C::TASK_CLASS,
            version: C::VERSION,
            config_def: C::config_def,
            start: |props| Ok(Box::new(Sink(C::start(C::config_def().parse(props)?)?))),
            create_task: CreateTask::Sink(|props| Ok(Box::new(C::create_task(props)?))),
            alter_offsets: AlterOffsets::Sink(C::alter_offsets),
            exactly_once_support: |_| None,
            can_define_transaction_boundaries: |_| false,
        }
    }

    /// Whether it is a source.
    pub fn is_source(&self) -> bool {
        matches!(self.create_task, CreateTask::Source(_))
    }
}
