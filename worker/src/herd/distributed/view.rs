//! What the cluster looks like from this worker: configurations from the config topic, states from the status topic, whoever runs them.

use std::sync::Arc;

use api::Props;
use api::plugin::ConnectorPlugin;
use engine::task::TaskId;

use super::super::local::Owner;
use super::super::state::State;
use super::super::view::{
    ConnectorInfo, ConnectorStateInfo, InstanceState, MeasuredConnector, TaskIdInfo, TaskInfo, TaskStateInfo,
    View,
};
use super::machine::Cluster;
use super::work::{Generation, Run, props};
use crate::redact;
use crate::store::status_log::StoredStatus;

impl View for Cluster {
    fn names(&self) -> Vec<Arc<str>> {
        self.snapshot.connectors().cloned().collect()
    }

    fn contains(&self, connector: &str) -> bool {
        self.snapshot.contains(connector)
    }

    fn is_ready(&self) -> bool {
        self.is_ready
    }

    fn config(&self, connector: &str) -> Option<Props> {
        self.snapshot.config(connector).map(|config| props(config))
    }

    fn latest_config(&self, connector: &str) -> Option<Props> {
        self.config(connector)
    }

    fn info(&self, connector: &str) -> Option<ConnectorInfo> {
        let config = self.config(connector)?;
        let name: Arc<str> = connector.into();
        let id = |task| TaskIdInfo { connector: Arc::clone(&name), task };
        Some(ConnectorInfo {
            config,
            tasks: self.snapshot.tasks(connector).map(id).collect(),
            r#type: kind(self.plugin_of(connector)),
            name,
        })
    }

    fn tasks(&self, connector: &str) -> Option<Vec<TaskInfo>> {
        self.snapshot.config(connector)?;
        let name: Arc<str> = connector.into();
        let task = |task| {
            let config = self.snapshot.task_config(connector, task)?;
            let config = props(config)
                .into_iter()
                .map(|(key, value)| (key, redact::hide(&value).into_owned()))
                .collect();
            Some(TaskInfo { id: TaskIdInfo { connector: Arc::clone(&name), task }, config })
        };
        Some(self.snapshot.tasks(connector).filter_map(task).collect())
    }

    fn status(&self, connector: &str) -> Option<ConnectorStateInfo> {
        let status = self.statuses.connector(connector)?;
        let plugin = self.plugin_of(connector);
        let name: Arc<str> = connector.into();
        let own = self.instances.get(&name);
        let mut shown = state_of(status);
        if let Some(own) = own.filter(|_| shown.worker_id == self.setup.worker_id) {
            shown.restart =
                own.retry.info_of(&own.policy, shown.state, own.trace.as_deref(), self.setup.unix_ms_at_zero);
        }
        let mut tasks: Vec<TaskStateInfo> = self
            .statuses
            .tasks(connector)
            .into_iter()
            .map(|(id, status)| TaskStateInfo { id, state: self.task_state_of(&name, id, status) })
            .collect();
        tasks.sort_by_key(|task| task.id);
        Some(ConnectorStateInfo { connector: shown, tasks, r#type: kind(plugin), name })
    }

    fn task_status(&self, connector: &str, task: u32) -> Option<TaskStateInfo> {
        let status = self.statuses.task(connector, task)?;
        Some(TaskStateInfo { id: task, state: self.task_state_of(&connector.into(), task, status) })
    }

    fn stage(&self, connector: &str) -> Option<(String, i64)> {
        let instance = self.instances.get(connector)?;
        let stage = match (instance.run, instance.generation) {
            (Run::Starting(_), _) => format!("starting connector {connector}"),
            (_, Generation::Asked) => format!("generating task configurations of connector {connector}"),
            _ => return None,
        };
        Some((stage, engine::rt::clock::unix_ms()))
    }

    fn owner(&self, connector: &str) -> Option<Owner> {
        let config = self.config(connector)?;
        Some(Owner { connector: connector.into(), plugin: self.plugin_of(connector)?, config })
    }

    fn measured(&self) -> Vec<MeasuredConnector> {
        let connectors = self.instances.iter().filter_map(|(name, instance)| {
            let plugin = self.plugin(&instance.config).ok()?;
            let first = TaskId { connector: Arc::clone(name), task: 0 };
            let own = self.tasks.range(first..).take_while(|(id, _)| id.connector == *name);
            Some(MeasuredConnector {
                name: Arc::clone(name),
                state: instance.shown.unwrap_or(State::Unassigned),
                is_source: plugin.is_source(),
                class: plugin.class,
                task_class: plugin.task_class,
                version: plugin.version,
                task_states: own.filter_map(|(_, task)| task.shown).collect(),
            })
        });
        connectors.collect()
    }

    fn task_state(&self, id: &TaskId) -> Option<State> {
        Some(self.tasks.get(id)?.shown.unwrap_or(State::Unassigned))
    }

    fn is_stuck(&self, id: &TaskId) -> bool {
        self.tasks.get(id).is_some_and(|task| task.stuck.is_some())
    }
}

impl Cluster {
    pub(super) fn plugin_of(&self, connector: &str) -> Option<ConnectorPlugin> {
        self.plugin(self.snapshot.config(connector)?).ok()
    }

    fn task_state_of(&self, connector: &Arc<str>, task: u32, status: StoredStatus) -> InstanceState {
        let mut shown = state_of(status);
        let id = TaskId { connector: Arc::clone(connector), task };
        // Only this worker knows more of its own tasks than the topic says.
        if let Some(own) = self.tasks.get(&id).filter(|_| shown.worker_id == self.setup.worker_id) {
            shown.stuck = own.stuck.as_deref().filter(|_| shown.state == State::Running).map(str::to_owned);
            shown.restart =
                own.retry.info_of(&own.policy, shown.state, own.trace.as_deref(), self.setup.unix_ms_at_zero);
        }
        shown
    }
}

/// The version is that of the worker that wrote the status; there may be another one here.
fn state_of(status: StoredStatus) -> InstanceState {
    InstanceState {
        state: status.state,
        worker_id: status.worker_id,
        version: status.version.map(|version| version.to_string().into()),
        trace: status.trace,
        restart: None,
        stuck: None,
    }
}

fn kind(plugin: Option<ConnectorPlugin>) -> &'static str {
    match plugin {
        Some(plugin) if plugin.is_source() => "source",
        Some(_) => "sink",
        None => "unknown",
    }
}
