//! Between the configurations that are kept and those that run: variables are replaced just before use, and what they stand for may end.

use std::sync::Arc;
use std::time::Duration;

use api::{Error, Props};
use engine::task::TaskId;

use super::super::event::{Command, CommandKind, Epoch, Event};
use super::super::herder::Herder;
use super::super::view::View;
use super::running::Running;

/// What was asked of a task while its configuration providers were asked, and its connector's offsets opened.
pub(super) struct Resolving {
    pub(super) starts_paused: bool,
    pub(super) is_stopped: bool,
}

impl Herder {
    pub(super) fn with_resolving(&self, epoch: Epoch, act: impl FnOnce(&mut Resolving)) {
        if let Some(task) = self.shared.running.borrow_mut().resolving.get_mut(&epoch) {
            act(task);
        }
    }

    /// Replaces the variables of a configuration, and sees to it that the connector is restarted when what they stand for ends.
    pub(super) async fn resolve(&self, connector: &Arc<str>, config: &Props) -> Result<Props, Error> {
        let resolved = self.shared.config.worker.providers.resolve(config).await?;
        if config.get("config.action.reload").is_none_or(|action| action == "restart") {
            for (path, life) in resolved.lives {
                self.restart_after(connector, path, life);
            }
        }
        Ok(resolved.props)
    }

    /// One timer for each path that a connector's variables come from; a new look-up begins it anew.
    fn restart_after(&self, connector: &Arc<str>, path: String, life: Duration) {
        tracing::info!(
            connector = &**connector,
            "Scheduling a restart of connector {connector} in {} ms",
            life.as_millis()
        );
        let herder = self.clone();
        let key = (Arc::clone(connector), path);
        let timer_key = key.clone();
        let timer = tokio::task::spawn_local(async move {
            tokio::time::sleep(life).await;
            herder.shared.running.borrow_mut().reloads.remove(&timer_key);
            let command = Command { connector: Arc::clone(&timer_key.0), kind: CommandKind::RestartInstance };
            if let Err(refusal) = herder.command(command).await {
                tracing::warn!(connector = &*timer_key.0, %refusal, "connector was not restarted for its new configuration values");
            }
        });
        let replaced = self.shared.running.borrow_mut().reloads.insert(key, timer.abort_handle());
        if let Some(replaced) = replaced {
            replaced.abort();
        }
    }

    /// Starts a task with its configuration, variables replaced, unless it was stopped meanwhile.
    pub(super) async fn resolve_task(self, id: TaskId, epoch: Epoch, connector: Props, props: Props) {
        let resolved = async {
            let connector = self.resolve(&id.connector, &connector).await?;
            let props = self.resolve(&id.connector, &props).await?;
            let offsets = self.task_offsets(&id, epoch, &connector).await?;
            Ok((connector, props, offsets))
        };
        let resolved: Result<_, Error> = resolved.await;
        // Never closed.
        let _turn = self.shared.task_starts.acquire().await;
        // Goes on when the sockets have been looked at: requests that came meanwhile are read before the next task.
        tokio::task::yield_now().await;
        let asked = self.shared.running.borrow_mut().resolving.remove(&epoch);
        let Some(Resolving { starts_paused, is_stopped: false }) = asked else {
            self.step(Event::TaskEnded { id, epoch });
            return;
        };
        match resolved {
            Ok((connector, props, offsets)) => {
                self.start_task(id, epoch, &connector, props, starts_paused, offsets);
            }
            Err(error) => self.task_not_started(id, epoch, &error),
        }
    }
}

impl Running {
    /// Calls off the restarts of connectors that are gone: another one may come under the name.
    pub(super) fn forget_reloads(&mut self, herd: &dyn View) {
        self.reloads.retain(|(connector, _), timer| {
            let is_there = herd.contains(connector);
            if !is_there {
                timer.abort();
            }
            is_there
        });
    }
}
