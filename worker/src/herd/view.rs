//! What REST shows of the herd, in Java's JSON: field order is the order in these types.

use std::borrow::Cow;
use std::sync::Arc;

use api::Props;
use engine::task::TaskId;
use serde::{Serialize, Serializer};

use super::local::Owner;
use super::retry::RestartInfo;
use super::state::State;

/// `ConnectorInfo`.
#[derive(Clone, PartialEq, Serialize)]
pub struct ConnectorInfo {
    /// Name.
    #[serde(serialize_with = "text")]
    pub name: Arc<str>,
    /// Configuration as given.
    #[serde(serialize_with = "map")]
    pub config: Props,
    /// Its tasks.
    pub tasks: Vec<TaskIdInfo>,
    /// `source` or `sink`.
    pub r#type: &'static str,
}

/// `ConnectorTaskId`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TaskIdInfo {
    /// Connector name.
    #[serde(serialize_with = "text")]
    pub connector: Arc<str>,
    /// Number.
    pub task: u32,
}

/// `TaskInfo`.
#[derive(Clone, PartialEq, Serialize)]
pub struct TaskInfo {
    /// Which task.
    pub id: TaskIdInfo,
    /// Its configuration.
    #[serde(serialize_with = "map")]
    pub config: Props,
}

/// A configuration by itself.
#[derive(Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct ConfigInfo(#[serde(serialize_with = "map")] pub Props);

/// `ConnectorStateInfo`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConnectorStateInfo {
    /// Name.
    #[serde(serialize_with = "text")]
    pub name: Arc<str>,
    /// The instance.
    pub connector: InstanceState,
    /// Tasks by number.
    pub tasks: Vec<TaskStateInfo>,
    /// `source` or `sink`.
    pub r#type: &'static str,
}

/// `ConnectorState`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InstanceState {
    /// State.
    pub state: State,
    /// Which worker has it.
    #[serde(serialize_with = "text")]
    pub worker_id: Arc<str>,
    /// Version of the plug-in; null for a task that failed before it was put together.
    pub version: Option<Cow<'static, str>>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// Not Java's: restarts that nobody asked for, where the connector has them switched on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart: Option<RestartInfo>,
    /// Not Java's: why a task that is RUNNING is held to be stuck.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stuck: Option<String>,
}

/// `TaskState`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TaskStateInfo {
    /// Number.
    pub id: u32,
    /// State and the rest.
    #[serde(flatten)]
    pub state: InstanceState,
}

/// A connector, for its metrics.
#[derive(Debug)]
pub(crate) struct MeasuredConnector {
    pub(crate) name: Arc<str>,
    pub(crate) state: State,
    pub(crate) is_source: bool,
    pub(crate) class: &'static str,
    pub(crate) task_class: &'static str,
    pub(crate) version: &'static str,
    /// Those of its tasks that have one.
    pub(crate) task_states: Vec<State>,
}

/// What a machine says of its connectors: the seam between what REST and metrics show and how a worker comes to it.
pub(crate) trait View {
    /// Connector names.
    fn names(&self) -> Vec<Arc<str>>;

    /// Whether there is such a connector.
    fn contains(&self, connector: &str) -> bool;

    /// Whether the worker has done what it had to do first.
    fn is_ready(&self) -> bool;

    /// A connector's raw configuration.
    fn config(&self, connector: &str) -> Option<Props>;

    /// The raw configuration that a connector has once everything asked for is done; `None` for one that is being deleted.
    fn latest_config(&self, connector: &str) -> Option<Props>;

    /// A connector as `GET /connectors/{c}` shows it.
    fn info(&self, connector: &str) -> Option<ConnectorInfo>;

    /// A connector's tasks with their configurations.
    fn tasks(&self, connector: &str) -> Option<Vec<TaskInfo>>;

    /// A connector's status; `None` also while it has none yet.
    fn status(&self, connector: &str) -> Option<ConnectorStateInfo>;

    /// A task's status.
    fn task_status(&self, connector: &str, task: u32) -> Option<TaskStateInfo>;

    /// What a connector is waited for to do, and since when in ms since the epoch.
    fn stage(&self, connector: &str) -> Option<(String, i64)>;

    /// What is needed to ask about a connector's offsets.
    fn owner(&self, connector: &str) -> Option<Owner>;

    /// Every connector whose instance this worker has, by name.
    fn measured(&self) -> Vec<MeasuredConnector>;

    /// The state of a task of this worker; `Unassigned` before its first report.
    fn task_state(&self, id: &TaskId) -> Option<State>;

    /// Whether a task is held to run without moving.
    fn is_stuck(&self, id: &TaskId) -> bool;
}

fn text<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

fn map<S: Serializer>(props: &Props, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(props)
}
