//! Tasks whose core hangs in another task: they can neither go on nor stop there, so they are given up and started elsewhere.

use engine::task::TaskId;

use super::super::event::{Action, Epoch};
use super::super::state::{State, Status};
use super::connector::{Step, Waiting};
use super::machine::Herd;

impl Herd {
    /// Gives a task up and starts it anew. What it had not committed is delivered again, as after a crash; what is left of it is dropped
    /// before it runs again, and until then it is a zombie.
    pub(super) fn task_displaced(&mut self, id: &TaskId, epoch: Epoch, out: &mut Vec<Action>) {
        let Some(connector) = self.connectors.get_mut(&id.connector) else { return };
        // A stop has a limit of its own, after which the task is given up all the same.
        let is_stopping = connector.is_leaving
            || matches!(&connector.waiting, Some(Waiting::Ended { epochs, .. }) if epochs.contains(&epoch));
        let runs = |status: &Option<Status>| {
            status.as_ref().is_none_or(|status| {
                matches!(status.state, State::Running | State::Paused | State::Restarting)
            })
        };
        let Some(task) = connector.tasks.get_mut(id.task as usize) else { return };
        if is_stopping || self.is_stopping || task.running != Some(epoch) || !runs(&task.status) {
            return;
        }
        task.running = None;
        task.status = Some(Status::of(State::Restarting));
        self.zombies.insert(epoch, id.clone());
        out.push(Action::AbandonTask { id: id.clone(), epoch });
        connector.steps.push_back(Step::StartTasks(vec![id.task]));
    }
}
