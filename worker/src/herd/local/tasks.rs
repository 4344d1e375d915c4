//! Tasks from their start to their end: what they report, and cores that hang.

use std::future::poll_fn;
use std::rc::Rc;

use api::{Error, Props};
use engine::rt::Hang;
use engine::task::{TaskEvent, TaskHandle, TaskId, TaskState, trace};

use super::super::distributed::TaskOffsets;
use super::super::event::{Epoch, Event};
use super::super::herder::{Herder, HerderConfig};
use super::instances::chain;
use super::measured::TaskFacts;
use super::running::RunningTask;
use super::task_spec::task_spec;
use crate::redact;

impl Herder {
    pub(super) fn start_task(
        &self,
        id: TaskId,
        epoch: Epoch,
        connector: &Props,
        props: Props,
        starts_paused: bool,
        offsets: TaskOffsets,
    ) {
        let HerderConfig { worker, plugins, engine, .. } = &self.shared.config;
        let spec = match task_spec(id.clone(), connector, props, starts_paused, plugins, worker, offsets) {
            Ok(spec) => spec,
            Err(error) => return self.task_not_started(id, epoch, &error),
        };
        let facts = TaskFacts {
            key_converter: spec.key_converter.plugin.class,
            value_converter: spec.value_converter.plugin.class,
            header_converter: spec.header_converter.plugin.class,
        };
        let handle = Rc::new(engine.start_task(spec, self.shared.task_events.clone()));
        let run = handle.run();
        let herder = self.clone();
        {
            let mut running = self.shared.running.borrow_mut();
            running.epochs.insert(run, epoch);
            running.measured.task_begun(&id, epoch, &handle, facts);
            running.tasks.insert(epoch, RunningTask { id: id.clone(), handle: Rc::clone(&handle) });
        }
        tokio::task::spawn_local(async move {
            herder.watch(&id, epoch, &handle).await;
            // Its last report was sent before it ended, and says why.
            herder.take_reports();
            let is_there = herder.look(|herd| herd.contains(&id.connector));
            {
                let mut running = herder.shared.running.borrow_mut();
                if let Some(ended) = running.tasks.remove(&epoch)
                    && is_there
                {
                    running.past_topics.keep(&id.connector, &ended.handle.metrics().topics);
                }
                running.epochs.remove(&run);
                running.measured.task_ended(&id, epoch);
            }
            herder.step(Event::TaskEnded { id, epoch });
        });
    }

    /// Until the task has ended. If its core hangs meanwhile, that is told.
    async fn watch(&self, id: &TaskId, epoch: Epoch, handle: &TaskHandle) {
        let mut core = handle.hang_watch();
        loop {
            tokio::select! {
                () = handle.ended() => return,
                hang = core.hangs() => match hang {
                    Hang::Itself => tracing::error!(
                        connector = &*id.connector,
                        task = id.task,
                        "task hangs: it has not given its core back for too long, and can be neither paused nor stopped"
                    ),
                    Hang::Neighbour => {
                        tracing::warn!(
                            connector = &*id.connector,
                            task = id.task,
                            "task is started anew on another core: its own hangs in another task"
                        );
                        self.step(Event::TaskDisplaced { id: id.clone(), epoch });
                    }
                },
            }
            tokio::select! {
                () = handle.ended() => return,
                () = core.recovers() => {}
            }
        }
    }

    pub(super) fn task_not_started(&self, id: TaskId, epoch: Epoch, error: &Error) {
        tracing::error!(connector = &*id.connector, task = id.task, error = %chain(error), "failed to start task");
        self.shared.running.borrow_mut().measured.task_not_begun();
        let state = TaskState::Failed {
            trace: redact::hide(&trace(error, "herd.start_task")).into_owned(),
            is_built: false,
        };
        self.step(Event::TaskReported { id: id.clone(), epoch, state });
        self.step(Event::TaskEnded { id, epoch });
    }

    pub(in super::super) async fn relay_task_events(self) {
        // Borrowed for each look only: the end of a task looks as well.
        while let Some(event) = poll_fn(|context| self.shared.inbox.borrow_mut().poll_recv(context)).await {
            self.task_reported(event);
        }
    }

    /// Takes in what tasks have reported so far.
    fn take_reports(&self) {
        loop {
            let report = self.shared.inbox.borrow_mut().try_recv();
            let Ok(event) = report else { return };
            self.task_reported(event);
        }
    }

    fn task_reported(&self, event: TaskEvent) {
        let TaskEvent { id, run, state } = event;
        let Some(epoch) = self.shared.running.borrow().epochs.get(&run).copied() else { return };
        let (connector, task) = (&*id.connector, id.task);
        let state = match state {
            TaskState::Failed { trace, is_built } => {
                TaskState::Failed { trace: redact::hide(&trace).into_owned(), is_built }
            }
            state => state,
        };
        match &state {
            TaskState::Running => tracing::info!(connector, task, "task running"),
            TaskState::Paused => tracing::info!(connector, task, "task paused"),
            // The engine has said so.
            TaskState::Stopped | TaskState::Failed { .. } => {}
        }
        self.shared.running.borrow_mut().measured.task_reported(&id, epoch, &state);
        self.step(Event::TaskReported { id, epoch, state });
    }
}
