//! Every metric of the worker: its name beside what it means and how it is read.

use engine::metrics::{Reading, TaskMetrics};
use engine::rt::clock::Instant;

use super::page::Kind;
use crate::group::RebalanceSample;
use crate::herd::{MeasuredConnector, MeasuredTask, Startups, State};
use crate::version;

/// A line of a table about `S`.
pub(crate) struct Row<S> {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) doc: &'static str,
    pub(crate) read: fn(&S) -> Value,
}

/// What a metric says.
pub(crate) enum Value {
    Number(f64),
    /// Shown as a label of a gauge that is 1: Prometheus knows numbers only.
    Text(String),
    /// Nothing at the moment.
    Absent,
}

const fn gauge<S>(name: &'static str, doc: &'static str, read: fn(&S) -> Value) -> Row<S> {
    Row { name, kind: Kind::Gauge, doc, read }
}

const fn counter<S>(name: &'static str, doc: &'static str, read: fn(&S) -> Value) -> Row<S> {
    Row { name, kind: Kind::Counter, doc, read }
}

fn number(value: f64) -> Value {
    Value::Number(value)
}

fn count(value: u64) -> Value {
    Value::Number(value as f64)
}

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

/// A connector, with how many of its tasks are in which state.
pub(crate) type ConnectorSample = MeasuredConnector;

/// A task as it is now.
pub(crate) struct TaskSample {
    pub(crate) task: MeasuredTask,
    pub(crate) state: State,
    pub(crate) is_source: bool,
    pub(crate) connector_class: &'static str,
    pub(crate) task_class: &'static str,
    pub(crate) version: &'static str,
    pub(crate) now: Instant,
    /// The wall clock at `now`, in seconds.
    pub(crate) unix_secs: f64,
    received: Reading,
    delivered: Reading,
    calls: Reading,
    batch_sizes: Reading,
    active: Reading,
    commit_times: Reading,
    commit_outcomes: Reading,
    ratios: (f64, f64),
    /// Of a task that writes exactly once.
    transactions: Option<Reading>,
}

impl TaskSample {
    pub(crate) fn new(
        task: MeasuredTask,
        state: State,
        connector: &MeasuredConnector,
        now: Instant,
        unix_secs: f64,
    ) -> TaskSample {
        let metrics = &task.metrics;
        TaskSample {
            state,
            is_source: connector.is_source,
            connector_class: connector.class,
            task_class: connector.task_class,
            version: connector.version,
            now,
            unix_secs,
            received: metrics.received.read(now),
            delivered: metrics.delivered.read(now),
            calls: metrics.calls.read(now),
            batch_sizes: metrics.batch_sizes.read(now),
            active: metrics.active.read(now),
            commit_times: metrics.commit_times.read(now),
            commit_outcomes: metrics.commit_outcomes.read(now),
            ratios: metrics.life.ratios(),
            transactions: metrics.transaction_sizes.get().map(|sizes| sizes.read(now)),
            task,
        }
    }

    pub(crate) fn metrics(&self) -> &TaskMetrics {
        &self.task.metrics
    }
}

/// The worker as a whole.
pub(crate) struct WorkerSample {
    pub(crate) connectors: usize,
    pub(crate) tasks: usize,
    pub(crate) connector_startups: StartupSample,
    pub(crate) task_startups: StartupSample,
}

/// See [`Startups`].
pub(crate) struct StartupSample {
    succeeded: u64,
    failed: u64,
    outcomes: Reading,
}

impl StartupSample {
    pub(crate) fn new(startups: &Startups, now: Instant) -> StartupSample {
        StartupSample {
            succeeded: startups.succeeded,
            failed: startups.failed,
            outcomes: startups.outcomes.read(now),
        }
    }
}

/// The share of ones; 0 of nothing, as Java has it.
fn share(outcomes: &Reading) -> f64 {
    if outcomes.count == 0 { 0.0 } else { outcomes.avg() }
}

/// The share of zeros; 0 of nothing, as Java has it.
fn failing(outcomes: &Reading) -> f64 {
    if outcomes.count == 0 { 0.0 } else { 1.0 - outcomes.avg() }
}

fn in_state(connector: &ConnectorSample, state: State) -> Value {
    number(connector.task_states.iter().filter(|other| **other == state).count() as f64)
}

/// A state under the name that Java's metrics have for it.
pub(crate) fn state_name(state: State) -> &'static str {
    match state {
        State::Unassigned => "unassigned",
        State::Running => "running",
        State::Paused => "paused",
        State::Failed => "failed",
        State::Restarting => "restarting",
        State::Stopped => "stopped",
    }
}

pub(crate) const CONNECTOR: &[Row<ConnectorSample>] = &[
    gauge("status", "What the connector is doing.", |c| text(state_name(c.state))),
    gauge("connector-type", "Source or sink.", |c| text(if c.is_source { "source" } else { "sink" })),
    gauge("connector-class", "Its class.", |c| text(c.class)),
    gauge("connector-version", "What its class says is its version.", |c| text(c.version)),
];

pub(crate) const CONNECTOR_TASKS: &[Row<ConnectorSample>] = &[
    gauge("connector-total-task-count", "Tasks of the connector.", |c| number(c.task_states.len() as f64)),
    gauge("connector-running-task-count", "Those that run.", |c| in_state(c, State::Running)),
    gauge("connector-paused-task-count", "Those that are paused.", |c| in_state(c, State::Paused)),
    gauge("connector-failed-task-count", "Those that have failed.", |c| in_state(c, State::Failed)),
    gauge("connector-unassigned-task-count", "Those that have stopped, or not started yet.", |c| {
        in_state(c, State::Unassigned)
    }),
    gauge("connector-destroyed-task-count", "None: a deleted connector has no tasks.", |_| number(0.0)),
    gauge("connector-restarting-task-count", "Those that are about to start again.", |c| {
        in_state(c, State::Restarting)
    }),
];

pub(crate) const TASK: &[Row<TaskSample>] = &[
    gauge("status", "What the task is doing.", |t| text(state_name(t.state))),
    gauge("running-ratio", "The share of its life that it was running.", |t| number(t.ratios.0)),
    gauge("pause-ratio", "The share of its life that it was paused.", |t| number(t.ratios.1)),
    gauge("offset-commit-max-time-ms", "The longest that an offset commit took.", |t| {
        number(t.commit_times.max)
    }),
    gauge("offset-commit-avg-time-ms", "How long offset commits took.", |t| number(t.commit_times.avg())),
    gauge("batch-size-max", "Records in the largest batch.", |t| number(t.batch_sizes.max)),
    gauge("batch-size-avg", "Records in a batch.", |t| number(t.batch_sizes.avg())),
    gauge("offset-commit-failure-percentage", "The share of offset commits that failed, from 0 to 1.", |t| {
        number(failing(&t.commit_outcomes))
    }),
    gauge(
        "offset-commit-success-percentage",
        "The share of offset commits that succeeded, from 0 to 1.",
        |t| number(share(&t.commit_outcomes)),
    ),
    gauge("connector-class", "The class of its connector.", |t| text(t.connector_class)),
    gauge("connector-type", "Source or sink.", |t| text(if t.is_source { "source" } else { "sink" })),
    gauge("connector-version", "The version of its connector.", |t| text(t.version)),
    gauge("task-class", "Its class.", |t| text(t.task_class)),
    gauge("task-version", "The version of its class.", |t| text(t.version)),
    gauge("key-converter-class", "What converts keys.", |t| text(t.task.facts.key_converter)),
    gauge("key-converter-version", "Its version.", |_| text(version::COMPATIBLE)),
    gauge("value-converter-class", "What converts values.", |t| text(t.task.facts.value_converter)),
    gauge("value-converter-version", "Its version.", |_| text(version::COMPATIBLE)),
    gauge("header-converter-class", "What converts headers.", |t| text(t.task.facts.header_converter)),
    gauge("header-converter-version", "Its version.", |_| text(version::COMPATIBLE)),
];

pub(crate) const SOURCE_TASK: &[Row<TaskSample>] = &[
    gauge("source-record-poll-rate", "Records polled per second, before transforms.", |t| {
        number(t.received.rate())
    }),
    counter("source-record-poll-total", "Records polled, before transforms.", |t| number(t.received.total)),
    gauge("source-record-write-rate", "Records that Kafka has acknowledged per second.", |t| {
        number(t.delivered.rate())
    }),
    counter("source-record-write-total", "Records that Kafka has acknowledged.", |t| {
        number(t.delivered.total)
    }),
    gauge("poll-batch-max-time-ms", "The longest that a poll with records took.", |t| number(t.calls.max)),
    gauge("poll-batch-avg-time-ms", "How long polls with records took.", |t| number(t.calls.avg())),
    gauge("source-record-active-count", "Records polled that Kafka has not acknowledged.", |t| {
        number(t.metrics().active_now.get() as f64)
    }),
    gauge("source-record-active-count-max", "The most of them.", |t| number(t.active.max)),
    gauge("source-record-active-count-avg", "How many there were of them.", |t| number(t.active.avg())),
    gauge(
        "transaction-size-min",
        "Records in the smallest transaction, of tasks that write exactly once.",
        |t| transactions(t, |sizes| sizes.min),
    ),
    gauge("transaction-size-max", "Records in the largest transaction.", |t| {
        transactions(t, |sizes| sizes.max)
    }),
    gauge("transaction-size-avg", "Records in a transaction.", |t| transactions(t, Reading::avg)),
];

/// As in Java only tasks that have transactions have these.
fn transactions(task: &TaskSample, of: impl Fn(&Reading) -> f64) -> Value {
    task.transactions.as_ref().map_or(Value::Absent, |sizes| number(of(sizes)))
}

pub(crate) const SINK_TASK: &[Row<TaskSample>] = &[
    gauge("sink-record-read-rate", "Records read from Kafka per second, before transforms.", |t| {
        number(t.received.rate())
    }),
    counter("sink-record-read-total", "Records read from Kafka, before transforms.", |t| {
        number(t.received.total)
    }),
    gauge("sink-record-send-rate", "Records given to the sink per second, after transforms.", |t| {
        number(t.delivered.rate())
    }),
    counter("sink-record-send-total", "Records given to the sink, after transforms.", |t| {
        number(t.delivered.total)
    }),
    gauge("partition-count", "Partitions assigned to the task.", |t| {
        number(t.metrics().partition_count.get() as f64)
    }),
    gauge("offset-commit-seq-no", "Offset commits begun.", |t| {
        number(t.metrics().commit_sequence.get() as f64)
    }),
    gauge("offset-commit-completion-rate", "Offset commits that ended in time, per second.", |t| {
        number(t.metrics().commits_completed.read(t.now).rate())
    }),
    counter("offset-commit-completion-total", "Offset commits that ended in time.", |t| {
        number(t.metrics().commits_completed.read(t.now).total)
    }),
    gauge(
        "offset-commit-skip-rate",
        "Offset commits whose outcome came too late to matter, per second.",
        |t| number(t.metrics().commits_skipped.read(t.now).rate()),
    ),
    counter("offset-commit-skip-total", "Offset commits whose outcome came too late to matter.", |t| {
        number(t.metrics().commits_skipped.read(t.now).total)
    }),
    gauge("put-batch-max-time-ms", "The longest that a put took.", |t| number(t.calls.max)),
    gauge("put-batch-avg-time-ms", "How long puts took.", |t| number(t.calls.avg())),
    gauge("sink-record-active-count", "Records that the sink has taken and that are not committed.", |t| {
        number(t.metrics().active_now.get() as f64)
    }),
    gauge("sink-record-active-count-max", "The most of them.", |t| number(t.active.max)),
    gauge("sink-record-active-count-avg", "How many there were of them.", |t| number(t.active.avg())),
];

pub(crate) const TASK_ERRORS: &[Row<TaskSample>] = &[
    counter("total-record-failures", "Attempts on records that failed.", |t| {
        count(t.metrics().errors.record_failures.get())
    }),
    counter("total-record-errors", "Operations on records that were given up.", |t| {
        count(t.metrics().errors.record_errors.get())
    }),
    counter("total-records-skipped", "Records skipped because of errors.", |t| {
        count(t.metrics().records_skipped.get())
    }),
    counter("total-retries", "Attempts after the first.", |t| count(t.metrics().errors.retries.get())),
    counter("total-errors-logged", "Errors of records written to the log.", |t| {
        count(t.metrics().errors.errors_logged.get())
    }),
    counter("deadletterqueue-produce-requests", "Records given to the dead letter queue.", |t| {
        count(t.metrics().errors.dead_letters.get())
    }),
    counter("deadletterqueue-produce-failures", "Records that the dead letter queue did not take.", |t| {
        count(t.metrics().errors.dead_letters_failed.get())
    }),
    gauge(
        "last-error-timestamp",
        "When a record last failed, in ms since 1970; 0 before the first time.",
        |t| number(t.metrics().errors.last_error_ms.get() as f64),
    ),
];

/// Java's `app-info`, without the beans that repeat it under another id; of when the worker started, in ms since 1970.
pub(crate) const APP_INFO: &[Row<u64>] = &[
    gauge("version", "What runs: Kafka's version that it is compatible with.", |_| text(version::COMPATIBLE)),
    gauge("commit-id", "What runs.", |_| text(version::COMMIT)),
    gauge("start-time-ms", "When the worker started, in ms since 1970.", |started_ms| count(*started_ms)),
];

/// Of a worker in a cluster (`DistributedHerder.HerderMetrics`).
pub(crate) const REBALANCES: &[Row<RebalanceSample>] = &[
    gauge("connect-protocol", "What the group follows: EAGER, COMPATIBLE or SESSIONED.", |r| {
        text(r.protocol.java_name())
    }),
    gauge("leader-name", "The leader's REST URL.", |r| r.leader_url.as_deref().map_or(Value::Absent, text)),
    gauge("epoch", "The generation of the group.", |r| number(f64::from(r.generation))),
    counter("completed-rebalances-total", "Rebalances whose work this worker has started.", |r| {
        count(r.completed)
    }),
    gauge("rebalancing", "1 while the work of an assignment has not been started.", |r| {
        number(f64::from(u8::from(r.is_rebalancing)))
    }),
    gauge("rebalance-max-time-ms", "The longest from an assignment to the start of its work.", |r| {
        number(r.durations_ms.max)
    }),
    gauge("rebalance-avg-time-ms", "The average of that.", |r| number(r.durations_ms.avg())),
    gauge("time-since-last-rebalance-ms", "Infinite before the first.", |r| number(r.since_last_ms)),
];

/// Of the worker's membership (`WorkerCoordinator.WorkerCoordinatorMetrics`).
pub(crate) const MEMBERSHIP: &[Row<RebalanceSample>] = &[
    gauge("assigned-connectors", "Connectors that the group gave this worker.", |r| {
        number(r.assigned_connectors as f64)
    }),
    gauge("assigned-tasks", "Tasks that the group gave this worker.", |r| number(r.assigned_tasks as f64)),
];

pub(crate) const WORKER: &[Row<WorkerSample>] = &[
    gauge("connector-count", "Connectors of this worker.", |w| number(w.connectors as f64)),
    gauge("task-count", "Tasks of this worker.", |w| number(w.tasks as f64)),
    counter("connector-startup-attempts-total", "Starts of connectors.", |w| {
        count(w.connector_startups.succeeded + w.connector_startups.failed)
    }),
    counter("connector-startup-success-total", "Starts of connectors that succeeded.", |w| {
        count(w.connector_startups.succeeded)
    }),
    gauge("connector-startup-success-percentage", "Their share, from 0 to 1.", |w| {
        number(share(&w.connector_startups.outcomes))
    }),
    counter("connector-startup-failure-total", "Starts of connectors that failed.", |w| {
        count(w.connector_startups.failed)
    }),
    gauge("connector-startup-failure-percentage", "Their share, from 0 to 1.", |w| {
        number(failing(&w.connector_startups.outcomes))
    }),
    counter("task-startup-attempts-total", "Starts of tasks.", |w| {
        count(w.task_startups.succeeded + w.task_startups.failed)
    }),
    counter("task-startup-success-total", "Starts of tasks that succeeded.", |w| {
        count(w.task_startups.succeeded)
    }),
    gauge("task-startup-success-percentage", "Their share, from 0 to 1.", |w| {
        number(share(&w.task_startups.outcomes))
    }),
    counter("task-startup-failure-total", "Starts of tasks that failed.", |w| count(w.task_startups.failed)),
    gauge("task-startup-failure-percentage", "Their share, from 0 to 1.", |w| {
        number(failing(&w.task_startups.outcomes))
    }),
];

/// Ours, of each task.
pub(crate) const OWN_TASK: &[Row<TaskSample>] = &[
    counter("bytes_total", "Bytes of keys and values sent, or of records fetched.", |t| {
        count(t.metrics().bytes_in.get())
    }),
    counter("batches_total", "Batches polled or put.", |t| count(t.metrics().batches.get())),
    gauge("queue_bytes", "Bytes fetched and not put, or sent and not acknowledged.", |t| {
        number(t.metrics().queue_bytes.get() as f64)
    }),
    gauge(
        "lag_records",
        "Records of its partitions that a sink task has not taken; absent before they are known.",
        |t| t.metrics().lags.total().map_or(Value::Absent, count),
    ),
    gauge("progress_timestamp_seconds", "When the task last moved a batch, in seconds since 1970.", |t| {
        number(t.unix_secs - t.now.saturating_duration_since(t.metrics().stages.progress()).as_secs_f64())
    }),
    gauge("stuck", "1 while the task is held to be running but not moving (aqueduct.watchdog.*).", |t| {
        number(f64::from(u8::from(t.task.is_stuck)))
    }),
];

pub(crate) const STAGE_NAME: &str = "stage_seconds_total";
pub(crate) const STAGE_DOC: &str = "Time that the task has spent in each stage.";
pub(crate) const LAG_NAME: &str = "partition_lag_records";
pub(crate) const LAG_DOC: &str = "Records of a partition that its sink task has not taken.";
