//! Restarts that nobody asked for, within a standalone worker: when a connector's tries begin, and what calls them off.

use super::super::retry::{RestartInfo, Retry, chance};
use super::super::state::{State, Status};
use super::connector::{Connector, Step};
use super::machine::Herd;
use crate::config::TargetState;

impl Connector {
    /// Calls off every try that is pending.
    pub(super) fn call_off_restarts(&mut self) {
        self.retry.due_ms = None;
        for task in &mut self.tasks {
            task.retry.due_ms = None;
        }
    }

    /// Whether failures are followed by tries now.
    fn may_restart(&self) -> bool {
        self.target == TargetState::Started && !self.is_leaving && self.policy.is_on()
    }

    /// The instance has failed.
    pub(super) fn instance_failed(&mut self, trace: String, now_ms: u64, chance: u64) {
        if self.may_restart() {
            self.retry.fails(&self.policy, &trace, now_ms, chance);
        }
        self.status = Some(Status::failed(trace));
    }

    /// The instance hangs, and others do not wait for it any longer: it comes again later where the policy says so, and else when the next
    /// command has it started.
    pub(super) fn instance_given_up(&mut self, name: &str, now_ms: u64, chance: u64) {
        let message = format!("Connector {name} hangs and was given up");
        if self.may_restart() {
            let trace = format!("org.apache.kafka.connect.errors.ConnectException: {message}\n");
            self.instance_failed(trace, now_ms, chance);
        } else {
            self.status = Some(Status::of(State::Unassigned));
        }
        self.failure = Some(message);
    }

    /// A task has ended; if it has failed, it may be tried again.
    pub(super) fn task_failed(&mut self, number: u32, now_ms: u64, chance: u64) {
        let (policy, may_restart) = (self.policy, self.may_restart());
        let Some(task) = self.tasks.get_mut(number as usize) else { return };
        if let Some(Status { state: State::Failed, trace, .. }) = &task.status
            && may_restart
        {
            task.retry.fails(&policy, trace.as_deref().unwrap_or(""), now_ms, chance);
        }
    }

    /// A resumed connector tries again what had failed before.
    pub(super) fn restart_what_failed(&mut self, now_ms: u64, chance: u64) {
        if !self.may_restart() {
            return;
        }
        if let Some(Status { state: State::Failed, trace, .. }) = &self.status {
            self.retry.fails(&self.policy, trace.as_deref().unwrap_or(""), now_ms, chance);
        }
        for number in self.task_numbers() {
            if self.tasks.get(number as usize).is_some_and(|task| task.running.is_none()) {
                self.task_failed(number, now_ms, chance.wrapping_add(number.into()));
            }
        }
    }

    /// Instance and tasks whose time has come.
    fn take_due(&mut self, now_ms: u64) -> Option<Step> {
        let is_due = |retry: &Retry| retry.due_ms.is_some_and(|due_ms| due_ms <= now_ms);
        let instance = is_due(&self.retry);
        if instance {
            self.retry.begins();
        }
        let mut tasks = Vec::new();
        for (task, number) in self.tasks.iter_mut().zip(0..) {
            if is_due(&task.retry) {
                task.retry.begins();
                tasks.push(number);
            }
        }
        (instance || !tasks.is_empty()).then_some(Step::Retry { instance, tasks })
    }

    /// The steps of a try, for what is still as it was when the time came.
    pub(super) fn retry(&mut self, instance: bool, tasks: Vec<u32>) {
        if !self.may_restart() {
            return;
        }
        let failed =
            |status: &Option<Status>| matches!(status, Some(status) if status.state == State::Failed);
        let tasks: Vec<u32> = tasks
            .into_iter()
            .filter(|number| {
                self.tasks
                    .get(*number as usize)
                    .is_some_and(|task| failed(&task.status) && task.running.is_none())
            })
            .collect();
        // Put before whatever else is asked for, in reverse.
        if instance && failed(&self.status) {
            self.steps.push_front(Step::ForgetFailure);
            self.steps.push_front(Step::Generate);
            self.steps.push_front(Step::StartInstance);
            self.steps.push_front(Step::StopInstance);
        }
        if !tasks.is_empty() {
            self.steps.push_front(Step::StartTasks(tasks));
        }
    }

    /// When the next try is due.
    pub(super) fn restart_due_ms(&self) -> Option<u64> {
        if self.is_leaving {
            return None;
        }
        let tasks = self.tasks.iter().filter_map(|task| task.retry.due_ms);
        tasks.chain(self.retry.due_ms).min()
    }

    /// What status shows of the instance's restarts.
    pub(super) fn restart_info(&self, unix_ms_at_zero: i64) -> Option<RestartInfo> {
        self.retry.info(&self.policy, self.status.as_ref()?, unix_ms_at_zero)
    }

    /// What status shows of a task's restarts.
    pub(super) fn task_restart_info(&self, number: u32, unix_ms_at_zero: i64) -> Option<RestartInfo> {
        let task = self.tasks.get(number as usize)?;
        task.retry.info(&self.policy, task.status.as_ref()?, unix_ms_at_zero)
    }
}

impl Herd {
    /// Begins the tries whose time has come.
    pub(super) fn restart_due(&mut self, now_ms: u64) {
        for connector in self.connectors.values_mut().filter(|connector| !connector.is_leaving) {
            if let Some(step) = connector.take_due(now_ms) {
                connector.steps.push_back(step);
            }
        }
    }

    /// A number that spreads what happens at one time.
    pub(super) fn chance(&mut self) -> u64 {
        chance(&mut self.seed)
    }
}
