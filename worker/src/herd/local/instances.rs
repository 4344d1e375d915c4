//! Performing the machine's actions, and connector instances among them.

use std::rc::Rc;
use std::sync::Arc;

use api::{Error, Props};
use engine::connector::ConnectorHandle;
use engine::task::trace;

use super::super::event::{Action, Epoch, Event, GenerateError};
use super::super::herder::Herder;
use super::offsets::{OffsetRequest, Owner};
use super::resolving::Resolving;
use super::running::RunningTask;
use crate::config::{ConnectorConfig, providers};
use crate::redact;

impl Herder {
    pub(in super::super) fn perform(&self, action: Action) {
        match action {
            Action::StartInstance { connector, epoch, plugin, config } => {
                self.shared.running.borrow_mut().instances.insert(epoch, None);
                let herder = self.clone();
                tokio::task::spawn_local(async move {
                    let started = match herder.resolve(&connector, &config).await {
                        Ok(config) => {
                            let calls = herder.engine().calls();
                            let context = herder.shared.reconfigurations.context(&connector, epoch);
                            ConnectorHandle::start(calls, plugin, config, context).await
                        }
                        Err(error) => Err(error),
                    };
                    herder.instance_started(connector, epoch, started);
                });
            }
            Action::StopInstance { epoch } => {
                // Dropping the handle stops the instance, on a thread for such calls.
                drop(self.shared.running.borrow_mut().instances.remove(&epoch));
            }
            Action::GenerateTasks { connector, epoch, config } => {
                tokio::task::spawn_local(self.clone().generate(connector, epoch, config));
            }
            Action::ChangeOffsets { connector, epoch, plugin, config, request } => {
                self.change_offsets(epoch, Owner { connector, plugin, config }, request);
            }
            Action::AbandonOffsets { epoch } => {
                if let Some(change) = self.shared.running.borrow_mut().offset_changes.remove(&epoch) {
                    change.abort();
                }
            }
            Action::StartTask { id, epoch, config, props, starts_paused } => {
                let resolving = Resolving { starts_paused, is_stopped: false };
                self.shared.running.borrow_mut().resolving.insert(epoch, resolving);
                tokio::task::spawn_local(self.clone().resolve_task(id, epoch, config, props));
            }
            Action::PauseTask { epoch } => {
                self.with_task(epoch, |task| task.handle.pause());
                self.with_resolving(epoch, |task| task.starts_paused = true);
            }
            Action::ResumeTask { epoch } => {
                self.with_task(epoch, |task| task.handle.resume());
                self.with_resolving(epoch, |task| task.starts_paused = false);
            }
            Action::StopTask { epoch } => {
                self.with_task(epoch, |task| task.handle.stop());
                self.with_resolving(epoch, |task| task.is_stopped = true);
            }
            Action::AbandonTask { id, epoch } => {
                tracing::warn!(
                    connector = &*id.connector,
                    task = id.task,
                    "task is given up; until its current call returns it lives on as a zombie"
                );
                self.with_task(epoch, |task| task.handle.abandon());
            }
            Action::Reply { token, result } => {
                if let Some(waiter) = self.shared.running.borrow_mut().waiters.remove(&token) {
                    let _caller_gone = waiter.send(result);
                }
            }
            Action::Ended => drop(self.shared.ended.send_replace(true)),
        }
    }

    fn with_task(&self, epoch: Epoch, act: impl FnOnce(&RunningTask)) {
        if let Some(task) = self.shared.running.borrow().tasks.get(&epoch) {
            act(task);
        }
    }

    fn instance_started(&self, connector: Arc<str>, epoch: Epoch, started: Result<ConnectorHandle, Error>) {
        let result = match started {
            Ok(handle) => {
                match self.shared.running.borrow_mut().instances.get_mut(&epoch) {
                    Some(place) => *place = Some(Rc::new(handle)),
                    // Stopped meanwhile.
                    None => drop(handle),
                }
                tracing::info!(connector = &*connector, "connector started");
                Ok(())
            }
            Err(error) => {
                self.shared.running.borrow_mut().instances.remove(&epoch);
                tracing::error!(connector = &*connector, error = %chain(&error), "connector failed to start");
                Err(redact::hide(&trace(&error, "herd.start_connector")).into_owned())
            }
        };
        self.shared.running.borrow_mut().measured.instance_started(result.is_ok());
        self.step(Event::InstanceStarted { connector, epoch, result });
    }

    async fn generate(self, connector: Arc<str>, epoch: Epoch, config: Props) {
        let result = self.task_props(&connector, epoch, &config).await.map_err(|error| {
            tracing::error!(connector = &*connector, error = %chain(&error), "connector failed to make task configurations");
            let hidden = |text: &str| redact::hide(text).into_owned();
            GenerateError { message: hidden(error.message()), trace: hidden(&trace(&error, "herd.task_configs")) }
        });
        self.step(Event::TasksGenerated { connector, epoch, result });
    }

    async fn task_props(
        &self,
        connector: &Arc<str>,
        epoch: Epoch,
        config: &Props,
    ) -> Result<Vec<Props>, Error> {
        let resolved = self.resolve(connector, config).await?;
        let raw = config;
        let config =
            ConnectorConfig::parse(&resolved, &self.shared.config.plugins, &self.shared.config.worker)?;
        let instance = self.shared.running.borrow().instances.get(&epoch).cloned().flatten();
        let instance = instance.ok_or_else(|| Error::fatal("the connector has been stopped"))?;
        let props = instance.task_props(config.tasks_max).await?;
        if let Some(message) = config.too_many_tasks(connector, props.len()) {
            if config.enforces_tasks_max {
                return Err(Error::fatal(message)
                    .with_java_class("org.apache.kafka.connect.runtime.TooManyTasksException"));
            }
            tracing::warn!(connector = &**connector, "{message}");
        }
        Ok(props.into_iter().map(|task| providers::reverse(raw, task)).collect())
    }

    fn change_offsets(&self, epoch: Epoch, owner: Owner, request: OffsetRequest) {
        let herder = self.clone();
        let change = tokio::task::spawn_local(async move {
            let verb = request.verb();
            let connector = Arc::clone(&owner.connector);
            let result = match herder.resolve_owner(owner).await {
                Ok(owner) => herder.set_offsets(&owner, request).await,
                Err(refusal) => Err(refusal),
            };
            match &result {
                Ok(_) => tracing::info!(connector = &*connector, "offsets changed by request: {verb}"),
                Err(error) => tracing::warn!(connector = &*connector, %error, "failed to {verb} offsets"),
            }
            herder.shared.running.borrow_mut().offset_changes.remove(&epoch);
            herder.step(Event::OffsetsChanged { connector, epoch, result });
        });
        self.shared.running.borrow_mut().offset_changes.insert(epoch, change.abort_handle());
    }
}

/// An error with its causes on one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
