//! Tasks as the worker sees them: what to run, a handle to steer it, and the events it reports.
//!
//! The worker's thread sends a [`TaskSpec`]; the engine picks a data core, builds the task there and keeps it there. Whatever
//! happens inside (an error, a panic, a hung `put`) reaches the worker as a [`TaskEvent`] and nothing else.

mod engine;
mod errors;
mod exactly_once;
mod java_class;
mod run;
mod topic_creation;
mod trace;

pub use engine::{Engine, EngineConfig};
pub use errors::{DeadLetterSpec, ErrorLog, ErrorPolicy, RateLimits, Tolerance};
pub use exactly_once::{ExactlyOnce, StartGate, TransactionBoundary, revoked, superseded};
pub(crate) use java_class::of_kafka as java_class_of_kafka;
pub(crate) use run::Control;
pub use topic_creation::{TopicCreation, TopicGroup, TopicTemplate};
pub use trace::trace;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use api::Props;
use api::java_regex::JavaRegex;
use api::plugin::{
    ConnectorPlugin, ConverterPlugin, HeaderConverterPlugin, PredicatePlugin, TransformPlugin,
};
use protocol::client::consumer::ConsumerConfig;
use protocol::client::group::LeaveSwitch;
use protocol::client::producer::ProducerConfig;
use protocol::cluster::ClusterConfig;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::metrics::TaskMetrics;
use crate::offset::OffsetStore;
use crate::rt::HangWatch;

/// A connector's task, printed as Java does: `<connector>-<number>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId {
    /// Connector name.
    pub connector: Arc<str>,
    /// Task number within the connector.
    pub task: u32,
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.connector, self.task)
    }
}

/// A converter class with its settings (keys without `key.converter.` or `value.converter.`).
#[derive(Clone)]
pub struct ConverterSpec {
    /// The registry line.
    pub plugin: ConverterPlugin,
    /// Settings.
    pub props: Props,
}

/// A header converter class with its settings (keys without `header.converter.`).
#[derive(Clone)]
pub struct HeaderConverterSpec {
    /// The registry line.
    pub plugin: HeaderConverterPlugin,
    /// Settings.
    pub props: Props,
}

/// A transform with its settings (keys without `transforms.<alias>.`).
#[derive(Clone)]
pub struct TransformSpec {
    /// The registry line.
    pub plugin: TransformPlugin,
    /// Settings.
    pub props: Props,
    /// Where it applies; everywhere without one.
    pub predicate: Option<PredicateSpec>,
}

/// A predicate with its settings (keys without `predicates.<alias>.`).
#[derive(Clone)]
pub struct PredicateSpec {
    /// The registry line.
    pub plugin: PredicatePlugin,
    /// Settings.
    pub props: Props,
    /// `negate`: the transform applies where the predicate does not.
    pub is_negated: bool,
}

/// Prints without the settings: they may hold secrets.
macro_rules! debug_by_plugin {
    ($($spec:ident)*) => {$(
        impl fmt::Debug for $spec {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($spec)).field("plugin", &self.plugin).finish_non_exhaustive()
            }
        }
    )*};
}

debug_by_plugin!(ConverterSpec HeaderConverterSpec TransformSpec PredicateSpec);

/// Everything needed to run one task.
#[derive(Clone)]
pub struct TaskSpec {
    /// Which task.
    pub id: TaskId,
    /// Its connector's registry line.
    pub plugin: ConnectorPlugin,
    /// Its configuration, as [`ConnectorHandle::task_props`](crate::connector::ConnectorHandle::task_props) gave it.
    pub props: Props,
    /// Converter of record keys.
    pub key_converter: ConverterSpec,
    /// Converter of record values.
    pub value_converter: ConverterSpec,
    /// Converter of the values of headers, where those are Connect data or are to be.
    pub header_converter: HeaderConverterSpec,
    /// Transforms, in the order in which they apply.
    pub transforms: Vec<TransformSpec>,
    /// What to do about records that fail.
    pub errors: ErrorPolicy,
    /// How fast the tasks of the connector may go.
    pub rate_limits: RateLimits,
    /// Created in target state PAUSED: `start` is not called before it is resumed.
    pub starts_paused: bool,
    /// The Kafka side.
    pub kind: TaskKind,
}

impl fmt::Debug for TaskSpec {
    /// Without the configuration: it may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskSpec").field("id", &self.id).field("plugin", &self.plugin).finish_non_exhaustive()
    }
}

/// The Kafka side of a task.
#[derive(Debug, Clone)]
pub enum TaskKind {
    /// Reads a system, produces to Kafka.
    Source(SourceSpec),
    /// Consumes from Kafka, writes a system.
    Sink(SinkSpec),
}

/// The Kafka side of a source task.
#[derive(Clone)]
pub struct SourceSpec {
    /// Which brokers, and how to reach them.
    pub cluster: ClusterConfig,
    /// Producer settings.
    pub producer: ProducerConfig,
    /// How to make topics that do not exist; `None`: the broker does, where it is allowed to.
    pub topic_creation: Option<Box<TopicCreation>>,
    /// Where source offsets are kept.
    /// With `exactly_once` it is only read, after [`StartGate::confirm`]: it has to know what was committed by then, and nothing that
    /// is part of an open or aborted transaction.
    pub offsets: Arc<dyn OffsetStore>,
    /// Writes records and offsets in transactions; `None`: each record at least once.
    pub exactly_once: Option<Box<ExactlyOnce>>,
    /// `offset.flush.interval.ms`.
    pub offset_flush_interval: Duration,
    /// `offset.flush.timeout.ms`: how long a stopping task waits for outstanding records and its last commit.
    pub offset_flush_timeout: Duration,
    /// `task.shutdown.graceful.timeout.ms`: how long the task may take to end once it is told to, its last commit included. After it
    /// the worker gives the task up.
    pub shutdown_timeout: Duration,
}

impl fmt::Debug for SourceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceSpec").field("producer", &self.producer).finish_non_exhaustive()
    }
}

/// What a sink reads.
#[derive(Debug, Clone, PartialEq)]
pub enum Topics {
    /// `topics`.
    Named(Vec<String>),
    /// `topics.regex`: every topic whose whole name matches, those that are made later, too.
    Matching(Box<JavaRegex>),
}

/// The Kafka side of a sink task.
#[derive(Debug, Clone)]
pub struct SinkSpec {
    /// Which brokers, and how to reach them.
    pub cluster: ClusterConfig,
    /// Consumer settings, the group id included. The engine takes them as they are: Connect's `auto.offset.reset=earliest`
    /// has to be in them, since with the consumer's own default a sink misses what was written before its first join.
    pub consumer: ConsumerConfig,
    /// What to subscribe to.
    pub topics: Topics,
    /// `offset.flush.interval.ms`.
    pub offset_flush_interval: Duration,
    /// `offset.flush.timeout.ms`: a commit that takes longer counts as failed.
    pub offset_flush_timeout: Duration,
    /// `task.shutdown.graceful.timeout.ms`: how long the task may take to end once it is told to, its last commit included. After it
    /// the worker gives the task up.
    pub shutdown_timeout: Duration,
}

/// What a task should be doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Running,
    Paused,
    Stopped,
}

/// A target, and when it was set: the time that a task has to stop runs from there, however late it looks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Order {
    target: Target,
    since: Instant,
}

impl Order {
    pub(crate) fn new(target: Target) -> Order {
        Order { target, since: Instant::now() }
    }

    /// A stopped task stays stopped.
    fn change(&mut self, to: Target) -> bool {
        let changes = self.target != to && self.target != Target::Stopped;
        if changes {
            *self = Order::new(to);
        }
        changes
    }
}

/// What a task is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskState {
    /// Started, or resumed.
    Running,
    /// Not polled; resources and partitions are kept.
    Paused,
    /// Ended by an error or a panic.
    Failed {
        /// The error in the form of a Java stack trace.
        trace: String,
        /// Whether the task had been put together: what fails before that is its configuration, and in Java it has no version.
        is_built: bool,
    },
    /// Ended because it was asked to (Java: `UNASSIGNED`), its last commit done.
    Stopped,
}

/// A change in a task's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskEvent {
    /// Which task.
    pub id: TaskId,
    /// Which start of it: counts up with every [`Engine::start_task`], so that a late event of a former run is recognised.
    pub run: u64,
    /// The state reached.
    pub state: TaskState,
}

/// Steers a task. Dropping it stops the task.
#[derive(Debug)]
pub struct TaskHandle {
    pub(crate) id: TaskId,
    pub(crate) run: u64,
    pub(crate) order: watch::Sender<Order>,
    pub(crate) ended: watch::Receiver<bool>,
    pub(crate) metrics: Arc<TaskMetrics>,
    pub(crate) abort: crate::rt::AbortHandle,
    pub(crate) hang: HangWatch,
    pub(crate) exit: Arc<Exit>,
}

/// What a task leaves for whoever has to end it from outside.
#[derive(Debug, Default)]
pub(crate) struct Exit {
    /// Of a sink's consumer.
    group: OnceLock<LeaveSwitch>,
}

impl Exit {
    /// The member of a group that is to leave when the task is given up.
    pub(crate) fn through(&self, group: LeaveSwitch) {
        // A task has one consumer.
        let _second = self.group.set(group);
    }
}

impl TaskHandle {
    /// Which task.
    pub fn id(&self) -> &TaskId {
        &self.id
    }

    /// Which start of it; see [`TaskEvent::run`].
    pub fn run(&self) -> u64 {
        self.run
    }

    /// Stops polling or putting; partitions are kept.
    pub fn pause(&self) {
        self.order.send_if_modified(|order| order.change(Target::Paused));
    }

    /// Goes on after [`TaskHandle::pause`].
    pub fn resume(&self) {
        self.order.send_if_modified(|order| order.change(Target::Running));
    }

    /// Asks the task to end after its last commit. Wait with [`TaskHandle::ended`].
    pub fn stop(&self) {
        self.order.send_if_modified(|order| order.change(Target::Stopped));
    }

    /// Waits until the task has ended, for whatever reason.
    pub async fn ended(&self) {
        let mut ended = self.ended.clone();
        // A dropped sender means that the executor is gone, and the task with it.
        let _gone = ended.wait_for(|ended| *ended).await;
    }

    /// Ends the task now, without commits: for one that has not stopped in time. A task that blocks its thread is only
    /// dropped when it next yields; until then it is a zombie, whose partitions are others' and whose commits are refused.
    pub fn abandon(&self) {
        self.abort.abort();
        if let Some(group) = self.exit.group.get() {
            group.leave();
        }
    }

    /// Tells whether the task has its thread, and when that hangs, in this task or in another one.
    pub fn hang_watch(&self) -> HangWatch {
        self.hang.clone()
    }

    /// Its counters.
    pub fn metrics(&self) -> Arc<TaskMetrics> {
        Arc::clone(&self.metrics)
    }
}
