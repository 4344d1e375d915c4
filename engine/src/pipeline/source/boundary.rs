//! Where the transactions of a source task end: a state machine without I/O and without a clock of its own
//! (`ExactlyOnceWorkerSourceTask.TransactionBoundaryManager`).

use api::{BoundaryRequests, Error, Result, Run};
use tokio::time::{Duration, Instant};

use crate::task::TransactionBoundary;

const ILLEGAL_STATE: &str = "java.lang.IllegalStateException";

/// What is to be done at a place where a transaction may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Verdict {
    /// First drop what is in the open transaction.
    pub(super) abort: bool,
    pub(super) then: Then,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Then {
    /// Go on.
    #[default]
    Nothing,
    /// There is nothing to write; the task's `commit` is called.
    Tell,
    /// Commit, with all offsets so far.
    Commit,
}

/// How a task wants a transaction to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    Commit,
    Abort,
}

/// See the module documentation.
#[derive(Debug)]
pub(super) struct Boundaries {
    boundary: TransactionBoundary,
    /// Whether records were handed over since the last end.
    is_open: bool,
    /// When the last commit was due, for an interval.
    since: Instant,
    requests: BoundaryRequests,
}

impl Boundaries {
    pub(super) fn new(boundary: TransactionBoundary, now: Instant) -> Boundaries {
        Boundaries { boundary, is_open: false, since: now, requests: BoundaryRequests::default() }
    }

    /// The task polls for the first time, or again after a pause.
    pub(super) fn enter(&mut self, now: Instant) {
        self.since = now;
    }

    /// Whether a transaction is open.
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// A transaction was begun.
    pub(super) fn opened(&mut self) {
        self.is_open = true;
    }

    /// It has ended.
    pub(super) fn ended(&mut self) {
        self.is_open = false;
    }

    /// A batch was polled: gives where transactions end in it, by its records, ascending.
    ///
    /// # Errors
    /// Where the task contradicts itself or names records that it did not give.
    pub(super) fn polled(&mut self, asked: BoundaryRequests, runs: &[Run]) -> Result<Vec<(usize, End)>> {
        let BoundaryRequests { commit_batch, abort_batch, commit_after, abort_after } = asked;
        self.requests.commit_batch |= commit_batch;
        self.requests.abort_batch |= abort_batch;
        let commits = commit_after.into_iter().map(|record| (record, End::Commit));
        let mut ends: Vec<_> =
            commits.chain(abort_after.into_iter().map(|record| (record, End::Abort))).collect();
        ends.sort_unstable();
        ends.dedup();
        if let Some(pair) = ends.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            let (topic, partition) = target(runs, pair[0].0);
            let message = format!(
                "Connector requested both commit and abort of same record against topic/partition {topic}/{partition}"
            );
            return Err(Error::fatal(message).with_java_class(ILLEGAL_STATE));
        }
        let count: usize = runs.iter().map(Run::record_count).sum();
        match ends.last() {
            Some((record, _)) if *record >= count => Err(Error::fatal(format!(
                "the connector asked for the end of a transaction after record {record} of a batch of {count} records"
            ))),
            _ => Ok(ends),
        }
    }

    /// A record was handed over, or dropped, after which the task wants an end. `has_offsets`: offsets wait to be committed.
    pub(super) fn after_record(&self, end: End, has_offsets: bool) -> Verdict {
        self.end(end, has_offsets)
    }

    /// A batch was handed over; an empty one counts. So does it when nothing has come until [`Boundaries::due`].
    ///
    /// # Errors
    /// Where the task contradicts itself.
    pub(super) fn after_batch(&mut self, now: Instant, has_offsets: bool) -> Result<Verdict> {
        match self.boundary {
            TransactionBoundary::Poll => Ok(self.end(End::Commit, has_offsets)),
            TransactionBoundary::Interval(interval) => {
                if now < self.since + interval {
                    return Ok(Verdict::default());
                }
                self.since = now;
                Ok(self.end(End::Commit, has_offsets))
            }
            TransactionBoundary::Connector => self.asked(has_offsets),
        }
    }

    /// The task is to pause or to stop.
    ///
    /// # Errors
    /// Where the task contradicts itself.
    pub(super) fn last(&mut self, has_offsets: bool) -> Result<Verdict> {
        match self.boundary {
            TransactionBoundary::Poll | TransactionBoundary::Interval(_) => {
                Ok(self.end(End::Commit, has_offsets))
            }
            TransactionBoundary::Connector => self.asked(has_offsets),
        }
    }

    /// When a transaction ends although nothing comes.
    pub(super) fn due(&self, has_offsets: bool) -> Option<Instant> {
        match self.boundary {
            TransactionBoundary::Interval(interval) if self.is_open || has_offsets => {
                Some(self.since + interval.max(Duration::from_millis(1)))
            }
            _ => None,
        }
    }

    fn asked(&mut self, has_offsets: bool) -> Result<Verdict> {
        let BoundaryRequests { commit_batch, abort_batch, .. } = std::mem::take(&mut self.requests);
        match (commit_batch, abort_batch) {
            (true, true) => {
                let message = "Connector requested both commit and abort of same transaction";
                Err(Error::fatal(message).with_java_class(ILLEGAL_STATE))
            }
            (true, false) => Ok(self.end(End::Commit, has_offsets)),
            (false, true) => Ok(self.end(End::Abort, has_offsets)),
            (false, false) => Ok(Verdict::default()),
        }
    }

    /// The abort of an empty transaction is none. Whatever is aborted, the offsets so far are committed: its records must not come again.
    fn end(&self, end: End, has_offsets: bool) -> Verdict {
        let abort = end == End::Abort && self.is_open;
        let writes = has_offsets || (self.is_open && !abort);
        Verdict { abort, then: if writes { Then::Commit } else { Then::Tell } }
    }
}

/// Where a record of a batch was to go, as Java prints it.
fn target(runs: &[Run], record: usize) -> (&str, String) {
    let mut before = 0;
    for run in runs {
        before += run.record_count();
        if record < before {
            return (&run.topic, run.partition.map_or("null".to_owned(), |partition| partition.to_string()));
        }
    }
    ("null", "null".to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const COMMIT: Verdict = Verdict { abort: false, then: Then::Commit };
    const TELL: Verdict = Verdict { abort: false, then: Then::Tell };
    const GO_ON: Verdict = Verdict { abort: false, then: Then::Nothing };
    const ABORT: Verdict = Verdict { abort: true, then: Then::Commit };

    fn asked(commit_batch: bool, abort_batch: bool) -> BoundaryRequests {
        BoundaryRequests { commit_batch, abort_batch, ..BoundaryRequests::default() }
    }

    #[test]
    fn every_batch_ends_a_transaction_that_has_something() {
        let now = Instant::now();
        let mut poll = Boundaries::new(TransactionBoundary::Poll, now);
        assert_eq!(poll.after_batch(now, false).unwrap(), TELL);
        assert_eq!(poll.after_batch(now, true).unwrap(), COMMIT, "offsets of filtered records");
        poll.opened();
        assert_eq!(poll.after_batch(now, false).unwrap(), COMMIT);
        assert_eq!(poll.due(true), None);
    }

    #[test]
    fn an_interval_runs_from_the_last_commit_that_was_due() {
        let now = Instant::now();
        let second = Duration::from_secs(1);
        let mut boundaries = Boundaries::new(TransactionBoundary::Interval(second), now);
        assert_eq!(boundaries.due(false), None, "nothing to commit");
        boundaries.opened();
        assert_eq!(boundaries.due(true), Some(now + second));
        assert_eq!(boundaries.after_batch(now + second / 2, true).unwrap(), GO_ON);
        assert_eq!(boundaries.after_batch(now + second * 2, true).unwrap(), COMMIT);
        assert_eq!(boundaries.after_batch(now + second * 5 / 2, true).unwrap(), GO_ON);
        assert_eq!(boundaries.last(true).unwrap(), COMMIT, "a pause does not wait for it");
    }

    #[test]
    fn a_task_that_defines_its_transactions_is_heard_once() {
        let now = Instant::now();
        let mut boundaries = Boundaries::new(TransactionBoundary::Connector, now);
        boundaries.opened();
        assert_eq!(boundaries.last(true).unwrap(), GO_ON, "a stop commits nothing by itself");
        boundaries.polled(asked(true, false), &[]).unwrap();
        assert_eq!(boundaries.after_batch(now, true).unwrap(), COMMIT);
        assert_eq!(boundaries.after_batch(now, true).unwrap(), GO_ON);
        boundaries.polled(asked(false, true), &[]).unwrap();
        assert_eq!(boundaries.after_batch(now, true).unwrap(), ABORT);
        boundaries.ended();
        boundaries.polled(asked(false, true), &[]).unwrap();
        assert_eq!(boundaries.after_batch(now, true).unwrap(), COMMIT, "an empty one cannot be aborted");
        boundaries.polled(asked(true, true), &[]).unwrap();
        let error = boundaries.after_batch(now, true).unwrap_err();
        assert_eq!(error.message(), "Connector requested both commit and abort of same transaction");
        assert_eq!(error.java_class(), ILLEGAL_STATE);
    }

    #[test]
    fn requests_that_contradict_or_name_nothing_are_errors() {
        let mut boundaries = Boundaries::new(TransactionBoundary::Connector, Instant::now());
        let both =
            BoundaryRequests { commit_after: vec![3], abort_after: vec![3], ..BoundaryRequests::default() };
        let error = boundaries.polled(both, &[]).unwrap_err();
        assert!(
            error.message().starts_with("Connector requested both commit and abort of same record"),
            "{error}"
        );
        let beyond = BoundaryRequests { commit_after: vec![0], ..BoundaryRequests::default() };
        boundaries.polled(beyond, &[]).unwrap_err();
    }

    proptest! {
        /// Goal: no end ever forgets offsets that wait or leaves records of an ended transaction open, whatever the order of events.
        #[test]
        fn ends_are_complete(
            mode in 0_u8..3,
            events in prop::collection::vec((0_u8..6, 0_u64..40, any::<bool>(), any::<bool>()), 0..60),
        ) {
            let boundary = match mode {
                0 => TransactionBoundary::Poll,
                1 => TransactionBoundary::Interval(Duration::from_millis(50)),
                _ => TransactionBoundary::Connector,
            };
            let mut now = Instant::now();
            let mut boundaries = Boundaries::new(boundary, now);
            let (mut is_open, mut has_offsets) = (false, false);
            for (event, ms, commit, abort) in events {
                now += Duration::from_millis(ms);
                let verdict = match event {
                    0 | 1 => {
                        // Some records; a dropped one moves offsets only.
                        (is_open, has_offsets) = (is_open || commit, true);
                        if is_open {
                            boundaries.opened();
                        }
                        continue;
                    }
                    2 => {
                        boundaries.polled(asked(commit, abort && !commit), &[]).unwrap();
                        match boundaries.after_batch(now, has_offsets) {
                            Ok(verdict) => verdict,
                            // Asked for in another batch before.
                            Err(_) => continue,
                        }
                    }
                    3 => boundaries.after_record(if abort { End::Abort } else { End::Commit }, has_offsets),
                    4 => boundaries.last(has_offsets).unwrap(),
                    _ => {
                        if let Some(due) = boundaries.due(has_offsets) {
                            now = now.max(due);
                            prop_assert_ne!(boundaries.after_batch(now, has_offsets).unwrap().then, Then::Nothing);
                        }
                        continue;
                    }
                };
                prop_assert!(!verdict.abort || is_open);
                if verdict.abort {
                    boundaries.ended();
                    is_open = false;
                }
                match verdict.then {
                    Then::Nothing => prop_assert!(mode != 0),
                    Then::Tell => prop_assert!(!is_open && !has_offsets),
                    Then::Commit => {
                        prop_assert!(is_open || has_offsets);
                        boundaries.ended();
                        (is_open, has_offsets) = (false, false);
                    }
                }
                prop_assert_eq!(boundaries.is_open(), is_open);
            }
        }
    }
}
