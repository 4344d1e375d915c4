//! Whether the status topic still says what is. The late word of a worker that had the work before, or the leader's clearing away of work that
//! has come back, can hide what runs here, and nobody would ever say it again (in Java nobody does). So this worker looks now and
//! then, and says again what is not there. Such a word may also be of a task that is no more, and in Java stays until the next rebalance: the
//! leader takes it away.

use std::collections::BTreeSet;
use std::sync::Arc;

use engine::task::TaskId;

use super::super::state::State;
use super::event::{ClusterAction, Subject};
use super::machine::Cluster;
use crate::store::status_log::StoredStatus;

impl Cluster {
    /// Compares what this worker shows with what the topic says, and the leader what the topic says with what there is. What differs twice in a
    /// row, and so is not merely on its way, is written again, or taken away.
    pub(super) fn look_at_statuses(&mut self, out: &mut Vec<ClusterAction>) {
        let doubted = std::mem::take(&mut self.doubted);
        if !self.is_settled() {
            return;
        }
        let generation = self.generation();
        let mut differing = BTreeSet::new();
        for (subject, state, known) in self.shown_here() {
            let is_there =
                known.is_some_and(|known| known.worker_id == self.setup.worker_id && known.state == state);
            if is_there {
                continue;
            }
            if doubted.contains(&subject) {
                let (trace, version) = self.told_of(&subject);
                let subject = subject.clone();
                out.push(ClusterAction::Status { subject, state, trace, version, generation, safely: false });
            }
            differing.insert(subject);
        }
        for subject in self.said_of_nobody() {
            if doubted.contains(&subject) {
                out.push(ClusterAction::ForgetStatus { subject: subject.clone(), generation });
            }
            differing.insert(subject);
        }
        self.doubted = differing;
    }

    /// Takes away what is said of connectors and tasks that are no more, as a leader does after each rebalance (Java's
    /// `updateDeletedConnectorStatus` and `updateDeletedTaskStatus`).
    pub(super) fn forget_gone(&self, out: &mut Vec<ClusterAction>) {
        let generation = self.generation();
        let gone = self.said_of_nobody().into_iter();
        out.extend(gone.map(|subject| ClusterAction::ForgetStatus { subject, generation }));
    }

    /// At the leader: of what connectors and tasks that are no more the topic says something.
    fn said_of_nobody(&self) -> Vec<Subject> {
        let mut subjects = Vec::new();
        if !self.is_leader() {
            return subjects;
        }
        self.statuses.each(&mut |connector, tasks| {
            let known = self.snapshot.tasks(connector);
            let gone = tasks.filter(|task| !known.contains(task));
            subjects
                .extend(gone.map(|task| Subject::Task(TaskId { connector: Arc::clone(connector), task })));
            if !self.snapshot.contains(connector) {
                subjects.push(Subject::Connector(Arc::clone(connector)));
            }
        });
        subjects
    }

    /// What is this worker's and does something, beside what the topic says of it.
    fn shown_here(&self) -> Vec<(Subject, State, Option<StoredStatus>)> {
        let instances = self.own_connectors.iter().filter_map(|name| {
            let state = self.instances.get(name)?.shown?;
            Some((Subject::Connector(Arc::clone(name)), state, self.statuses.connector(name)))
        });
        let tasks = self.own_tasks.iter().filter_map(|id| {
            let task = self.tasks.get(id).filter(|task| !task.is_stopping())?;
            let state = task.shown.filter(|state| *state != State::Unassigned)?;
            Some((Subject::Task(id.clone()), state, self.statuses.task(&id.connector, id.task)))
        });
        instances.chain(tasks).collect()
    }

    fn told_of(&self, subject: &Subject) -> (Option<String>, Option<&'static str>) {
        match subject {
            Subject::Connector(name) => {
                let trace = self.instances.get(name).and_then(|instance| instance.trace.clone());
                (trace, self.plugin_of(name).map(|plugin| plugin.version))
            }
            Subject::Task(id) => {
                (self.tasks.get(id).and_then(|task| task.trace.clone()), self.version_of(id))
            }
        }
    }
}
