//! Source and sink connectors and their tasks: the traits that a connector's author implements.
//!
//! A *connector* checks a configuration and splits the work into task configurations; a *task* moves batches. A task is
//! pinned to one core, so its futures need not be `Send`; it must not block the thread (blocking sources run on a thread
//! of their own behind a queue of crate `queues`).

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use indexmap::IndexMap;

use crate::acknowledged::Acknowledged;
use crate::batch::Batch;
use crate::config_def::{Config, ConfigDef};
use crate::errant::ErrantRecords;
use crate::error::Result;
use crate::offsets::{SourceOffset, SourcePartition};
use crate::transaction::{ExactlyOnceSupport, TransactionContext};

/// Connector or task properties, in the order given.
pub type Props = IndexMap<String, String>;

/// A future bound to its core.
pub type LocalBoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// A topic and one of its partitions.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// Topic name.
    pub topic: Arc<str>,
    /// Partition number.
    pub partition: i32,
}

/// What the worker offers a connector that has started (Java: `ConnectorContext`). Clones share it, and any thread may use it.
#[derive(Clone)]
pub struct ConnectorContext {
    reconfigure: Arc<dyn Fn() + Send + Sync>,
}

impl ConnectorContext {
    /// A context that calls `reconfigure` when the connector asks for other tasks.
    pub fn new(reconfigure: impl Fn() + Send + Sync + 'static) -> ConnectorContext {
        ConnectorContext { reconfigure: Arc::new(reconfigure) }
    }

    /// Has the connector asked for its tasks again: what it would answer has changed. Does not wait. Asked for more than once it may
    /// happen once; after the connector was stopped it does nothing.
    pub fn request_task_reconfiguration(&self) {
        (self.reconfigure)();
    }
}

impl std::fmt::Debug for ConnectorContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConnectorContext").finish_non_exhaustive()
    }
}

/// A source connector: reads a system into Kafka.
///
/// `start` is called when the connector starts and again when it is resumed; dropping the value stops it. Calls come on threads that may be
/// blocked.
pub trait SourceConnector: Sized + Send + 'static {
    /// The task type.
    type Task: SourceTask;
    /// Full Java class name, shown by REST and accepted as `connector.class` (as are its aliases).
    const CLASS: &'static str;
    /// Full Java class name of the task, shown as `task.class`.
    const TASK_CLASS: &'static str;
    /// Version that `/connector-plugins` reports.
    const VERSION: &'static str;

    /// The configuration table: validation, REST answers and documentation come from it.
    fn config_def() -> ConfigDef;

    /// Starts with a parsed configuration.
    ///
    /// # Errors
    /// The connector becomes FAILED with the error's trace.
    fn start(config: Config) -> Result<Self>;

    /// Called once after `start`, on the same thread, with what a connector needs that watches what it reads or writes.
    fn started(&mut self, context: ConnectorContext) {
        let _ = context;
    }

    /// Splits the work into at most `tasks_max` task configurations.
    ///
    /// # Errors
    /// The connector becomes FAILED with the error's trace.
    fn task_props(&self, tasks_max: usize) -> Result<Vec<Props>>;

    /// Makes a task from one of the configurations that [`SourceConnector::task_props`] gave.
    ///
    /// # Errors
    /// The task becomes FAILED with the error's trace.
    fn create_task(props: &Props) -> Result<Self::Task>;

    /// Someone wants to change stored offsets from outside (KIP-875) while the connector is stopped: check them, and change what the
    /// connector keeps elsewhere. Nothing is stored if it fails. May come again with the same offsets. `true`: the connector knows all
    /// its offsets to be changed; `false`: it did not look, which the answer to the request then says.
    ///
    /// # Errors
    /// The message becomes the answer. An error under the class `java.lang.UnsupportedOperationException`: never from outside.
    fn alter_offsets(props: &Props, offsets: &[SourceOffsetChange]) -> Result<bool> {
        let _ = (props, offsets);
        Ok(false)
    }

    /// Whether it delivers exactly once with these properties, where the worker does its part (KIP-618). `None`: it does not say, which
    /// is not enough for `exactly.once.support=required`.
    fn exactly_once_support(props: &Props) -> Option<ExactlyOnceSupport> {
        let _ = props;
        None
    }

    /// Whether its tasks can say where transactions end ([`SourceContext::transaction`]) with these properties, which
    /// `transaction.boundary=connector` asks for.
    fn can_define_transaction_boundaries(props: &Props) -> bool {
        let _ = props;
        false
    }
}

/// A source partition and its new offset; `None` forgets what is stored.
pub type SourceOffsetChange = (SourcePartition, Option<SourceOffset>);

/// A topic partition and its new offset; `None` forgets what is committed.
pub type SinkOffsetChange = (TopicPartition, Option<i64>);

/// A task of a source connector.
///
/// Calls come in the order `start`, any number of `poll`, `records_acknowledged`, `committed` and `commit`, `stop`; never two at a time.
pub trait SourceTask: 'static {
    /// Whether it wants [`SourceTask::records_acknowledged`]. Asked once, after `start`; without it nothing is kept for that.
    fn wants_acknowledgements(&self) -> bool {
        false
    }

    /// Prepares to read: look up stored offsets and open what is needed.
    ///
    /// # Errors
    /// The task becomes FAILED.
    fn start(&mut self, context: &SourceContext) -> impl Future<Output = Result<()>>;

    /// Waits for records and returns them. An empty batch means "nothing now, ask again".
    ///
    /// Must be cancel safe: the engine drops the future when the task is to pause or stop, and no record may be lost by it.
    ///
    /// # Errors
    /// [`crate::Kind::Retriable`] is logged and polled again; anything else fails the task.
    fn poll(&mut self) -> impl Future<Output = Result<Batch>>;

    /// Called with records that are decided on: Kafka has them, or they were dropped. It is the place to acknowledge at the source what
    /// need not come again; Java's `commitRecord`, but once for all records of one or more runs, and between two polls.
    ///
    /// A run is told of as a whole, once each of its records is decided on, or in parts where a transform cut it. Runs come in the order in
    /// which they are done; those of one source partition that go to one Kafka partition in the order polled. It comes before the offsets
    /// of the same records are told of as [committed](SourceTask::committed): a record that was told of may come again after a
    /// crash, when its offset had not been committed. Of records that failed the task it hears nothing. With exactly-once support it
    /// comes after the transaction was committed. Errors are logged only.
    ///
    /// # Errors
    /// Whatever the source system says.
    fn records_acknowledged(&mut self, runs: &[Acknowledged]) -> impl Future<Output = Result<()>> {
        let _ = runs;
        std::future::ready(Ok(()))
    }

    /// Called before [`SourceTask::commit`] with what has become durable since the last call: of each source partition the last offset, up
    /// to which Kafka has all records. Errors are logged only.
    ///
    /// # Errors
    /// Whatever the source system says.
    fn committed(
        &mut self,
        offsets: &[(SourcePartition, Option<SourceOffset>)],
    ) -> impl Future<Output = Result<()>> {
        let _ = offsets;
        std::future::ready(Ok(()))
    }

    /// Called after offsets have become durable. Errors are logged only.
    ///
    /// # Errors
    /// Whatever the source system says.
    fn commit(&mut self) -> impl Future<Output = Result<()>> {
        std::future::ready(Ok(()))
    }

    /// Releases what `start` took. Called once, also after a failure.
    ///
    /// # Errors
    /// Logged only.
    fn stop(&mut self) -> impl Future<Output = Result<()>> {
        std::future::ready(Ok(()))
    }
}

/// Reads stored source offsets.
pub trait OffsetReader {
    /// The stored offset of each partition, `None` where there is none.
    fn read<'a>(
        &'a self,
        partitions: &'a [SourcePartition],
    ) -> LocalBoxFuture<'a, Result<Vec<Option<SourceOffset>>>>;
}

/// What the engine offers a source task.
pub struct SourceContext {
    offsets: Box<dyn OffsetReader>,
    transaction: Option<TransactionContext>,
}

impl std::fmt::Debug for SourceContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SourceContext").finish_non_exhaustive()
    }
}

impl SourceContext {
    /// A context over an offset store.
    pub fn new(offsets: Box<dyn OffsetReader>) -> SourceContext {
        SourceContext { offsets, transaction: None }
    }

    /// The same for a task that defines its transactions.
    #[must_use]
    pub fn with_transaction(mut self, transaction: TransactionContext) -> SourceContext {
        self.transaction = Some(transaction);
        self
    }

    /// Where a task says where its transactions end. There is one only with exactly-once support and `transaction.boundary=connector`.
    pub fn transaction(&self) -> Option<&TransactionContext> {
        self.transaction.as_ref()
    }

    /// The stored offset of one partition.
    ///
    /// # Errors
    /// When the store can't be read, or was closed because the task is to stop.
    pub async fn offset(&self, partition: &SourcePartition) -> Result<Option<SourceOffset>> {
        Ok(self.offsets.read(std::slice::from_ref(partition)).await?.pop().flatten())
    }

    /// The stored offset of each partition.
    ///
    /// # Errors
    /// As [`SourceContext::offset`].
    pub async fn offsets(&self, partitions: &[SourcePartition]) -> Result<Vec<Option<SourceOffset>>> {
        self.offsets.read(partitions).await
    }
}

/// How far records must be taken apart for a sink. The engine gives a sink this much or more decoding, never less, and
/// plans the pipeline so that nothing is decoded that nobody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Whole record batches ([`crate::Body::Packed`]); checksums verified, nothing parsed.
    Bytes,
    /// Keys, values and headers as raw bytes ([`crate::Data::Raw`]).
    Index,
    /// Keys and values converted to Connect data.
    Columns,
}

/// A sink connector: writes Kafka records into a system. Its calls come as those of a [`SourceConnector`].
pub trait SinkConnector: Sized + Send + 'static {
    /// The task type.
    type Task: SinkTask;
    /// Full Java class name, shown by REST and accepted as `connector.class` (as are its aliases).
    const CLASS: &'static str;
    /// Full Java class name of the task, shown as `task.class`.
    const TASK_CLASS: &'static str;
    /// Version that `/connector-plugins` reports.
    const VERSION: &'static str;

    /// The configuration table: validation, REST answers and documentation come from it.
    fn config_def() -> ConfigDef;

    /// Starts with a parsed configuration.
    ///
    /// # Errors
    /// The connector becomes FAILED with the error's trace.
    fn start(config: Config) -> Result<Self>;

    /// Called once after `start`, on the same thread, with what a connector needs that watches what it reads or writes.
    fn started(&mut self, context: ConnectorContext) {
        let _ = context;
    }

    /// Splits the work into at most `tasks_max` task configurations.
    ///
    /// # Errors
    /// The connector becomes FAILED with the error's trace.
    fn task_props(&self, tasks_max: usize) -> Result<Vec<Props>>;

    /// Makes a task from one of the configurations that [`SinkConnector::task_props`] gave.
    ///
    /// # Errors
    /// The task becomes FAILED with the error's trace.
    fn create_task(props: &Props) -> Result<Self::Task>;

    /// As [`SourceConnector::alter_offsets`], for what the sink's group has committed.
    ///
    /// # Errors
    /// As there.
    fn alter_offsets(props: &Props, offsets: &[SinkOffsetChange]) -> Result<bool> {
        let _ = (props, offsets);
        Ok(false)
    }
}

/// Next offset to read, by topic partition.
pub type SinkOffsets = IndexMap<TopicPartition, i64>;

/// A task of a sink connector. Calls come in the order of Java's `SinkTask`: `start`, `open`, then `put` and `pre_commit`,
/// `close` for partitions that leave, `open` for new ones, at the end `close` and `stop`.
pub trait SinkTask: 'static {
    /// How far the engine must take records apart. Asked once, after `start`.
    fn tier(&self) -> Tier {
        Tier::Columns
    }

    /// Whether it wants the values of headers as Connect data, through the header converter, and not as the bytes they are. Asked once,
    /// after `start`.
    fn reads_headers(&self) -> bool {
        false
    }

    /// Prepares to write.
    ///
    /// # Errors
    /// The task becomes FAILED.
    fn start(&mut self, context: &SinkContext) -> impl Future<Output = Result<()>>;

    /// Partitions were assigned. Never called with an empty list.
    ///
    /// # Errors
    /// The task becomes FAILED.
    fn open(&mut self, partitions: &[TopicPartition]) -> impl Future<Output = Result<()>> {
        let _ = partitions;
        std::future::ready(Ok(()))
    }

    /// Takes a batch. It need not be durable before [`SinkTask::pre_commit`] says so.
    ///
    /// # Errors
    /// [`crate::Kind::Retriable`]: the same batch comes again later while the consumer is paused but alive.
    ///
    /// [`crate::Kind::BadRecord`]: some record of the batch cannot be written, whatever else happens. Where the connector tolerates
    /// that (`errors.tolerance=all`), the batch comes again in halves, and those in halves, until just the bad records have been found,
    /// which are then skipped or go to the dead letter queue. For that a `put` that fails must have taken nothing of the batch, or
    /// taking a record twice must come to the same as taking it once. A sink that cannot promise either says so in
    /// [`SinkTask::can_put_in_parts`]. One that knows which records are bad reports them instead
    /// ([`SinkContext::errant_records`]): that costs no second `put`.
    ///
    /// Anything else fails the task. So should whatever would befall any record, such as a missing table: it is no
    /// [`crate::Kind::BadRecord`].
    fn put(&mut self, batch: &Batch) -> impl Future<Output = Result<()>>;

    /// Whether a batch that `put` refused with [`crate::Kind::BadRecord`] may be put again in parts: see there. Otherwise it fails the
    /// task.
    fn can_put_in_parts(&self) -> bool {
        true
    }

    /// Makes durable what was put and returns the offsets that may be committed: `offsets` itself, or less.
    ///
    /// # Errors
    /// The commit is given up and everything since the last one is delivered again.
    fn pre_commit(&mut self, offsets: SinkOffsets) -> impl Future<Output = Result<SinkOffsets>> {
        std::future::ready(Ok(offsets))
    }

    /// Partitions leave; their last `pre_commit` has been called. Never called with an empty list.
    ///
    /// # Errors
    /// The task becomes FAILED.
    fn close(&mut self, partitions: &[TopicPartition]) -> impl Future<Output = Result<()>> {
        let _ = partitions;
        std::future::ready(Ok(()))
    }

    /// Releases what `start` took. Called once, also after a failure.
    ///
    /// # Errors
    /// Logged only.
    fn stop(&mut self) -> impl Future<Output = Result<()>> {
        std::future::ready(Ok(()))
    }
}

/// What the engine offers a sink task.
#[derive(Debug, Default)]
pub struct SinkContext {
    errant_records: Option<ErrantRecords>,
}

impl SinkContext {
    /// The same with a reporter of errant records.
    #[must_use]
    pub fn with_errant_records(mut self, errant_records: ErrantRecords) -> SinkContext {
        self.errant_records = Some(errant_records);
        self
    }

    /// Where to report records that could not be written while others were. As in Java there is one only if the connector has a dead
    /// letter queue or logs its errors; without it the task should fail `put`.
    pub fn errant_records(&self) -> Option<&ErrantRecords> {
        self.errant_records.as_ref()
    }
}
