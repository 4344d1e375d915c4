//! What an event can have changed, and so what has to be compared again: with hundreds of tasks here and several events in the life of each,
//! comparing everything after each of them would be most of what a rebalance costs.

use std::sync::Arc;

use engine::task::TaskId;

use super::super::event::Event;
use super::event::{ClusterAction, ClusterEvent};
use super::machine::Cluster;
use crate::store::config_log::ConfigEvent;

/// Part of what is wanted and what runs.
pub(super) enum Scope {
    All,
    /// A connector's instance here, and its tasks here.
    Connector(Arc<str>),
    Task(TaskId),
}

impl Scope {
    pub(super) fn of(event: &ClusterEvent) -> Scope {
        match event {
            ClusterEvent::Herd(Event::TaskReported { id, .. } | Event::TaskEnded { id, .. }) => {
                Scope::Task(id.clone())
            }
            ClusterEvent::Herd(
                Event::InstanceStarted { connector, .. }
                | Event::ReconfigurationRequested { connector, .. }
                | Event::TasksGenerated { connector, .. },
            )
            | ClusterEvent::Config(
                ConfigEvent::ConnectorUpdated { connector }
                | ConfigEvent::ConnectorRemoved { connector }
                | ConfigEvent::TasksUpdated { connector, .. }
                | ConfigEvent::TargetStateChanged { connector },
            )
            | ClusterEvent::Published { connector, .. } => Scope::Connector(Arc::clone(connector)),
            _ => Scope::All,
        }
    }
}

/// What concerns everything that is here, whichever event it changes with.
pub(super) struct Standing {
    is_settled: bool,
    is_resolved: bool,
    waiting: usize,
    restarts: usize,
}

impl Standing {
    /// Whether, since `before`, something may be done that could not be, or was asked for by somebody else than the event.
    pub(super) fn opens_since(&self, before: &Standing) -> bool {
        (self.is_settled && !before.is_settled)
            || (self.is_resolved && !before.is_resolved)
            || self.waiting < before.waiting
            || self.restarts < before.restarts
    }
}

impl Cluster {
    pub(super) fn standing(&self) -> Standing {
        Standing {
            is_settled: self.is_settled(),
            is_resolved: self.membership.is_resolved,
            waiting: self.waiting.len(),
            restarts: self.restarts.len(),
        }
    }

    pub(super) fn reconcile_scope(&mut self, scope: &Scope, now_ms: u64, out: &mut Vec<ClusterAction>) {
        match scope {
            Scope::All => self.reconcile(now_ms, out),
            Scope::Connector(name) => {
                self.reconcile_instance(name, now_ms, out);
                let first = TaskId { connector: Arc::clone(name), task: 0 };
                let wanted = self.own_tasks.range(first.clone()..);
                let mut tasks: Vec<TaskId> = wanted.take_while(|id| id.connector == *name).cloned().collect();
                let running = self.tasks.range(first..).map(|(id, _)| id);
                tasks.extend(running.take_while(|id| id.connector == *name).cloned());
                for id in tasks {
                    self.reconcile_task(&id, now_ms, out);
                }
            }
            Scope::Task(id) => self.reconcile_task(id, now_ms, out),
        }
    }
}
