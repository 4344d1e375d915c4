//! What REST shows of the herd, in Java's JSON: field order is the order in these types.

use std::sync::Arc;

use api::Props;
use serde::{Serialize, Serializer};

use super::connector::{Connector, State, Status};
use super::machine::Herd;
use super::offsets::Owner;
use super::restart::RestartInfo;
use crate::redact;

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
    pub version: Option<&'static str>,
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

impl Herd {
    /// Connector names in the order of their creation.
    pub fn names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.connectors.keys()
    }

    /// Whether every connector of the command line has been created.
    pub fn is_ready(&self) -> bool {
        self.is_ready
    }

    /// How many tasks did not stop in time and have not ended since.
    pub fn zombie_count(&self) -> usize {
        self.zombies.len()
    }

    /// A connector's raw configuration.
    pub fn config(&self, connector: &str) -> Option<&Props> {
        Some(&self.connectors.get(connector)?.config)
    }

    /// The raw configuration that a connector has once everything asked for is done; `None` for one that is being deleted.
    pub fn latest_config(&self, connector: &str) -> Option<&Props> {
        let connector = self.connectors.get(connector).filter(|connector| !connector.is_leaving)?;
        Some(connector.latest_config())
    }

    /// A connector as `GET /connectors/{c}` shows it.
    pub fn info(&self, connector: &str) -> Option<ConnectorInfo> {
        let (name, connector) = self.connectors.get_key_value(connector)?;
        Some(ConnectorInfo {
            name: Arc::clone(name),
            config: connector.config.clone(),
            tasks: connector.task_numbers().into_iter().map(|task| id(name, task)).collect(),
            r#type: kind(connector),
        })
    }

    /// A connector's tasks with their configurations. A connector may have put under another key what a variable stands for.
    pub fn tasks(&self, connector: &str) -> Option<Vec<TaskInfo>> {
        let (name, connector) = self.connectors.get_key_value(connector)?;
        let tasks = connector.tasks.iter().zip(0..);
        let shown = |props: &Props| {
            props.iter().map(|(key, value)| (key.clone(), redact::hide(value).into_owned())).collect()
        };
        Some(
            tasks
                .map(|(task, number)| TaskInfo { id: id(name, number), config: shown(&task.props) })
                .collect(),
        )
    }

    /// A connector's status; `None` also while it has none yet.
    pub fn status(&self, connector: &str) -> Option<ConnectorStateInfo> {
        let (name, connector) = self.connectors.get_key_value(connector)?;
        let status = connector.status.as_ref()?;
        let tasks = connector.tasks.iter().zip(0..);
        Some(ConnectorStateInfo {
            name: Arc::clone(name),
            connector: self.state_of(connector, status, connector.restart_info(self.unix_ms_at_zero)),
            tasks: tasks
                .filter_map(|(task, id)| {
                    let restart = connector.task_restart_info(id, self.unix_ms_at_zero);
                    Some(TaskStateInfo {
                        id,
                        state: self.state_of(connector, task.status.as_ref()?, restart),
                    })
                })
                .collect(),
            r#type: kind(connector),
        })
    }

    /// A task's status.
    pub fn task_status(&self, connector: &str, task: u32) -> Option<TaskStateInfo> {
        let connector = self.connectors.get(connector)?;
        let status = connector.tasks.get(task as usize)?.status.as_ref()?;
        let restart = connector.task_restart_info(task, self.unix_ms_at_zero);
        Some(TaskStateInfo { id: task, state: self.state_of(connector, status, restart) })
    }

    /// What a connector is waited for to do, and since when in ms since the epoch.
    pub fn stage(&self, connector: &str) -> Option<(String, i64)> {
        let connector_state = self.connectors.get(connector)?;
        let stage = connector_state.waiting.as_ref()?.stage(connector);
        Some((stage, self.unix_ms_at_zero + connector_state.waiting_since_ms as i64))
    }

    /// What is needed to ask about a connector's offsets.
    pub(super) fn owner(&self, connector: &str) -> Option<Owner> {
        let (name, connector) = self.connectors.get_key_value(connector)?;
        Some(Owner {
            connector: Arc::clone(name),
            plugin: connector.plugin,
            config: connector.config.clone(),
        })
    }

    fn state_of(
        &self,
        connector: &Connector,
        status: &Status,
        restart: Option<RestartInfo>,
    ) -> InstanceState {
        InstanceState {
            state: status.state,
            worker_id: Arc::clone(&self.worker_id),
            version: status.has_version.then_some(connector.plugin.version),
            trace: status.trace.clone(),
            restart,
            stuck: status.stuck.as_deref().map(str::to_owned),
        }
    }
}

fn id(connector: &Arc<str>, task: u32) -> TaskIdInfo {
    TaskIdInfo { connector: Arc::clone(connector), task }
}

fn kind(connector: &Connector) -> &'static str {
    if connector.plugin.is_source() { "source" } else { "sink" }
}

fn text<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

fn map<S: Serializer>(props: &Props, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(props)
}
