//! Who ran which task when, from what the workers wrote to the status topic and what was done to them.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::rc::Rc;

/// A task: connector and number.
pub(super) type Task = (Rc<str>, u32);

/// Something that happened, at a time in ms since the epoch.
#[derive(Debug, Clone)]
pub(super) struct Happened {
    pub(super) at_ms: i64,
    pub(super) what: What,
}

/// What happened.
#[derive(Debug, Clone)]
pub(super) enum What {
    /// A worker says that a task runs.
    Runs(Task, Rc<str>),
    /// A worker says that a task has ended or failed.
    Ended { task: Task, worker: Rc<str>, has_failed: bool },
    /// Its status was removed.
    Removed(Task),
    /// A worker was killed or frozen: it says nothing, and nothing of it runs.
    Down(Rc<str>),
}

impl fmt::Display for Happened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.at_ms)?;
        match &self.what {
            What::Runs((connector, task), worker) => write!(f, "{connector}-{task} runs on {worker}"),
            What::Ended { task: (connector, task), worker, has_failed } => {
                let how = if *has_failed { "failed" } else { "ended" };
                write!(f, "{connector}-{task} {how} on {worker}")
            }
            What::Removed((connector, task)) => write!(f, "{connector}-{task} is gone"),
            What::Down(worker) => write!(f, "{worker} is down"),
        }
    }
}

/// One task over time.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// Who runs it; none while nobody does.
    pub(super) owner: Option<Rc<str>>,
    last_owner: Option<Rc<str>>,
    /// A former owner has said something since: its owner then says again that it runs, which starts nothing.
    is_contradicted: bool,
    /// Since when its owner runs it.
    pub(super) since_ms: Option<i64>,
    idle_since_ms: Option<i64>,
    /// From when to when nobody ran it.
    pub(super) gaps: Vec<(i64, i64)>,
    /// When it was started again by the worker that had it, and by which.
    pub(super) restarts: Vec<(i64, Rc<str>)>,
    /// When it failed.
    pub(super) failures: Vec<i64>,
}

/// All tasks over time.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    pub(super) tasks: BTreeMap<Task, Line>,
}

impl Timeline {
    /// Of events in any order.
    pub(super) fn of(events: &[Happened]) -> Timeline {
        let mut sorted: Vec<&Happened> = events.iter().collect();
        sorted.sort_by_key(|event| event.at_ms);
        let mut timeline = Timeline::default();
        for event in sorted {
            timeline.apply(event);
        }
        timeline
    }

    pub(super) fn apply(&mut self, Happened { at_ms, what }: &Happened) {
        match what {
            What::Runs(task, worker) => self.tasks.entry(task.clone()).or_default().runs(worker, *at_ms),
            What::Ended { task, worker, has_failed } => {
                let line = self.tasks.entry(task.clone()).or_default();
                if *has_failed {
                    line.failures.push(*at_ms);
                }
                // The former owner may say so after the next one has begun.
                if line.owner.as_ref().is_none_or(|owner| owner == worker) {
                    line.idles(*at_ms);
                } else {
                    line.is_contradicted = true;
                }
            }
            What::Removed(task) => self.tasks.entry(task.clone()).or_default().is_gone(),
            What::Down(worker) => {
                for line in self.tasks.values_mut().filter(|line| line.owner.as_ref() == Some(worker)) {
                    line.idles(*at_ms);
                    // That it comes back to the same worker later is no restart in place.
                    line.last_owner = None;
                }
            }
        }
    }

    /// Whether somebody runs each of them.
    pub(super) fn all_run(&self, expected: &HashSet<Task>) -> bool {
        expected.iter().all(|task| self.tasks.get(task).is_some_and(|line| line.owner.is_some()))
    }

    /// How many tasks a worker runs.
    pub(super) fn count_of(&self, worker: &str) -> usize {
        self.tasks.values().filter(|line| line.owner.as_deref() == Some(worker)).count()
    }
}

impl Line {
    fn runs(&mut self, worker: &Rc<str>, at_ms: i64) {
        if let Some(since_ms) = self.idle_since_ms.take() {
            self.gaps.push((since_ms, at_ms));
        }
        let says_again = std::mem::take(&mut self.is_contradicted) && self.owner.as_ref() == Some(worker);
        if self.last_owner.as_ref() == Some(worker) && !says_again {
            self.restarts.push((at_ms, Rc::clone(worker)));
        }
        self.owner = Some(Rc::clone(worker));
        self.since_ms = Some(at_ms);
        self.last_owner = Some(Rc::clone(worker));
    }

    /// Nobody is to run it. What was stays known.
    fn is_gone(&mut self) {
        self.owner = None;
        self.last_owner = None;
        self.idle_since_ms = None;
    }

    fn idles(&mut self, at_ms: i64) {
        if self.owner.take().is_some() || self.last_owner.is_none() {
            self.idle_since_ms.get_or_insert(at_ms);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task() -> Task {
        (Rc::from("c"), 0)
    }

    fn runs(at_ms: i64, worker: &str) -> Happened {
        Happened { at_ms, what: What::Runs(task(), Rc::from(worker)) }
    }

    fn ended(at_ms: i64, worker: &str) -> Happened {
        Happened { at_ms, what: What::Ended { task: task(), worker: Rc::from(worker), has_failed: false } }
    }

    fn line(events: &[Happened]) -> Line {
        Timeline::of(events).tasks.remove(&task()).unwrap()
    }

    #[test]
    fn a_task_that_moves_is_idle_between_its_owners_and_was_not_restarted() {
        let line = line(&[runs(1, "a"), ended(10, "a"), runs(15, "b")]);
        assert_eq!((line.gaps, line.restarts), (vec![(10, 15)], vec![]));
        assert_eq!(line.owner.as_deref(), Some("b"));
    }

    #[test]
    fn a_former_owner_that_speaks_late_does_not_make_a_task_idle() {
        let line = line(&[runs(1, "a"), runs(15, "b"), ended(16, "a")]);
        assert_eq!((line.gaps, line.owner.as_deref()), (vec![], Some("b")));
    }

    #[test]
    fn an_owner_that_says_again_what_a_former_one_has_hidden_did_not_restart_its_task() {
        let events =
            [runs(1, "a"), ended(10, "a"), runs(15, "b"), ended(16, "a"), runs(26, "b"), runs(30, "b")];
        assert_eq!(line(&events).restarts, vec![(30, Rc::from("b"))]);
        // Nor does it help where the task has ended meanwhile.
        let events = [runs(1, "b"), ended(16, "a"), ended(20, "b"), runs(26, "b")];
        assert_eq!(line(&events).restarts, vec![(26, Rc::from("b"))]);
    }

    #[test]
    fn a_task_that_its_owner_starts_again_was_restarted_in_place() {
        let line = line(&[runs(1, "a"), ended(10, "a"), runs(12, "a"), runs(20, "a")]);
        assert_eq!(
            (line.gaps, line.restarts),
            (vec![(10, 12)], vec![(12, Rc::from("a")), (20, Rc::from("a"))])
        );
    }

    #[test]
    fn what_became_of_a_task_is_known_after_its_connector_was_stopped() {
        let gone = Happened { at_ms: 20, what: What::Removed(task()) };
        let line = line(&[runs(1, "a"), ended(10, "a"), runs(12, "a"), ended(18, "a"), gone, runs(30, "a")]);
        assert_eq!((line.gaps, line.restarts), (vec![(10, 12)], vec![(12, Rc::from("a"))]));
    }

    #[test]
    fn tasks_of_a_killed_worker_are_idle_from_then_on() {
        let down = Happened { at_ms: 10, what: What::Down(Rc::from("a")) };
        let line = line(&[runs(1, "a"), down, runs(30, "a")]);
        assert_eq!((line.gaps, line.restarts), (vec![(10, 30)], vec![]));
    }
}
