//! What the config topic says, and what that means for this worker (contract 4.7).

use std::sync::Arc;

use super::event::ClusterAction;
use super::machine::Cluster;
use super::work::Run;
use crate::store::config_log::{ConfigEvent, RestartRequest};

impl Cluster {
    pub(super) fn config_event(&mut self, event: ConfigEvent, now_ms: u64, out: &mut Vec<ClusterAction>) {
        match event {
            ConfigEvent::ConnectorUpdated { connector } => {
                if self.known.insert(Arc::clone(&connector)) {
                    self.rejoin_for_configuration("there is a new connector", out);
                    return;
                }
                // It may have been started with this configuration already.
                let config = self.snapshot.config(&connector);
                if let Some(instance) = self.instances.get_mut(&connector)
                    && config.is_some_and(|config| !Arc::ptr_eq(config, &instance.config))
                {
                    instance.restarts = true;
                    instance.retry = super::super::retry::Retry::default();
                }
            }
            ConfigEvent::ConnectorRemoved { connector } => {
                if self.known.remove(&connector) {
                    self.restarts.remove(&connector);
                    self.rejoin_for_configuration("a connector was deleted", out);
                }
            }
            ConfigEvent::TasksUpdated { connector, .. } => {
                // They come again with the next assignment, as far as they are still this worker's.
                self.own_tasks.retain(|id| id.connector != connector);
                self.supersede_fencing(&connector, out);
                self.tasks_updated(&connector, now_ms);
                self.rejoin_for_configuration("there are new task configurations", out);
            }
            ConfigEvent::TargetStateChanged { connector } => {
                if let Some(instance) = self.instances.get_mut(&connector)
                    && let Run::Running(_) = instance.run
                {
                    instance.ask_again(now_ms);
                }
            }
            ConfigEvent::RestartRequested(request) => {
                let known = self.restarts.get(&request.connector);
                if known.is_none_or(|known| impact(known) <= impact(&request)) {
                    self.restarts.insert(Arc::clone(&request.connector), request);
                }
            }
            // The snapshot has it.
            ConfigEvent::SessionKeyUpdated(_) => tracing::info!("Session key updated"),
            ConfigEvent::LoggerLevelUpdated { namespace, level } => {
                out.push(ClusterAction::SetLoggerLevel { namespace, level });
            }
        }
    }

    /// Carries out restarts that the config topic asked for, as far as they concern this worker.
    pub(super) fn apply_restarts(&mut self) {
        if self.restarts.is_empty() || !self.is_settled() {
            return;
        }
        for (name, RestartRequest { only_failed, include_tasks, .. }) in std::mem::take(&mut self.restarts) {
            if let Some(instance) = self.instances.get_mut(&name)
                && (!only_failed || instance.run == Run::Failed)
            {
                instance.restarts = true;
                instance.retry = super::super::retry::Retry::default();
            }
            for (id, task) in &mut self.tasks {
                let is_meant = include_tasks && id.connector == name && (!only_failed || task.has_failed);
                if is_meant && self.own_tasks.contains(id) {
                    task.restarts = true;
                    task.shows_restart = true;
                    task.retry = super::super::retry::Retry::default();
                }
            }
        }
    }
}

/// Of several requests for one connector only the one that does most is kept (`RestartRequest#compareImpact`).
fn impact(request: &RestartRequest) -> u8 {
    match (request.only_failed, request.include_tasks) {
        (true, false) => 0,
        (true, true) => 1,
        (false, false) => 2,
        (false, true) => 3,
    }
}
