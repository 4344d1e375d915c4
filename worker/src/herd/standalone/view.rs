//! What a standalone worker's connectors look like from outside.

use std::sync::Arc;

use api::Props;
use engine::task::TaskId;

use super::super::local::Owner;
use super::super::retry::RestartInfo;
use super::super::state::{State, Status};
use super::super::view::{
    ConnectorInfo, ConnectorStateInfo, InstanceState, MeasuredConnector, TaskIdInfo, TaskInfo, TaskStateInfo,
    View,
};
use super::connector::Connector;
use super::machine::Herd;
use crate::redact;

impl View for Herd {
    fn names(&self) -> Vec<Arc<str>> {
        self.connectors.keys().cloned().collect()
    }

    fn contains(&self, connector: &str) -> bool {
        self.connectors.contains_key(connector)
    }

    fn is_ready(&self) -> bool {
        self.is_ready
    }

    fn config(&self, connector: &str) -> Option<Props> {
        Some(self.connectors.get(connector)?.config.clone())
    }

    fn latest_config(&self, connector: &str) -> Option<Props> {
        let connector = self.connectors.get(connector).filter(|connector| !connector.is_leaving)?;
        Some(connector.latest_config().clone())
    }

    fn info(&self, connector: &str) -> Option<ConnectorInfo> {
        let (name, connector) = self.connectors.get_key_value(connector)?;
        Some(ConnectorInfo {
            name: Arc::clone(name),
            config: connector.config.clone(),
            tasks: connector.task_numbers().into_iter().map(|task| id(name, task)).collect(),
            r#type: kind(connector),
        })
    }

    fn tasks(&self, connector: &str) -> Option<Vec<TaskInfo>> {
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

    fn status(&self, connector: &str) -> Option<ConnectorStateInfo> {
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

    fn task_status(&self, connector: &str, task: u32) -> Option<TaskStateInfo> {
        let connector = self.connectors.get(connector)?;
        let status = connector.tasks.get(task as usize)?.status.as_ref()?;
        let restart = connector.task_restart_info(task, self.unix_ms_at_zero);
        Some(TaskStateInfo { id: task, state: self.state_of(connector, status, restart) })
    }

    fn stage(&self, connector: &str) -> Option<(String, i64)> {
        let connector_state = self.connectors.get(connector)?;
        let stage = connector_state.waiting.as_ref()?.stage(connector);
        Some((stage, self.unix_ms_at_zero + connector_state.waiting_since_ms as i64))
    }

    fn owner(&self, connector: &str) -> Option<Owner> {
        let (name, connector) = self.connectors.get_key_value(connector)?;
        Some(Owner {
            connector: Arc::clone(name),
            plugin: connector.plugin,
            config: connector.config.clone(),
        })
    }

    fn measured(&self) -> Vec<MeasuredConnector> {
        let mut measured: Vec<_> = self
            .connectors
            .iter()
            .map(|(name, connector)| MeasuredConnector {
                name: Arc::clone(name),
                state: connector.status.as_ref().map_or(State::Unassigned, |status| status.state),
                is_source: connector.plugin.is_source(),
                class: connector.plugin.class,
                task_class: connector.plugin.task_class,
                version: connector.plugin.version,
                task_states: connector
                    .tasks
                    .iter()
                    .filter_map(|task| task.status.as_ref().map(|status| status.state))
                    .collect(),
            })
            .collect();
        measured.sort_by(|left, right| left.name.cmp(&right.name));
        measured
    }

    fn is_stuck(&self, id: &TaskId) -> bool {
        let task = self.connectors.get(&id.connector).and_then(|c| c.tasks.get(id.task as usize));
        task.and_then(|task| task.status.as_ref()).is_some_and(|status| status.stuck.is_some())
    }

    fn task_state(&self, id: &TaskId) -> Option<State> {
        let task = self.connectors.get(&id.connector)?.tasks.get(id.task as usize)?;
        Some(task.status.as_ref().map_or(State::Unassigned, |status| status.state))
    }
}

impl Herd {
    /// How many tasks did not stop in time and have not ended since.
    pub fn zombie_count(&self) -> usize {
        self.zombies.len()
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
            version: status.has_version.then_some(connector.plugin.version.into()),
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
