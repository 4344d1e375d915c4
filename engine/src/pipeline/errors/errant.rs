//! Reports of a sink about records that it could not write, taken while its `put` runs and acted upon when that has returned.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use api::{Batch, ErrantRecordReporter, ErrantRecords, Error, Result, Run};

use super::failure::{Failure, Place};
use crate::task::Tolerance;

/// The engine's side of [`ErrantRecords`].
#[derive(Debug)]
pub(crate) struct ErrantReports {
    tolerance: Tolerance,
    /// Whether a `put` is under way.
    is_open: Cell<bool>,
    /// Run and row of the batch in hand, and why.
    reports: RefCell<Vec<(usize, usize, Error)>>,
}

impl ErrantReports {
    pub(crate) fn new(tolerance: Tolerance) -> Rc<ErrantReports> {
        Rc::new(ErrantReports { tolerance, is_open: Cell::new(false), reports: RefCell::default() })
    }

    /// What the task gets.
    pub(crate) fn handle(self: &Rc<ErrantReports>) -> ErrantRecords {
        let reporter: Rc<dyn ErrantRecordReporter> = Rc::<ErrantReports>::clone(self);
        ErrantRecords::new(reporter)
    }

    /// A `put` begins.
    pub(crate) fn begin(&self) {
        self.is_open.set(true);
    }

    /// The `put` is over: what it reported, by run, each run's rows ascending and once.
    pub(crate) fn end<'a>(&self, batch: &'a Batch) -> Result<Vec<(&'a Run, Vec<Failure>)>> {
        self.is_open.set(false);
        let mut reports = self.reports.take();
        if reports.is_empty() {
            return Ok(Vec::new());
        }
        reports.sort_by_key(|(run, row, _)| (*run, *row));
        reports.dedup_by_key(|(run, row, _)| (*run, *row));
        let mut failures: Vec<(usize, Vec<Failure>)> = Vec::new();
        for (run, row, error) in reports {
            let failure = Failure { row, place: Place::PUT, error, is_out_of_retries: false };
            match failures.last_mut() {
                Some((last, rows)) if *last == run => rows.push(failure),
                _ => failures.push((run, vec![failure])),
            }
        }
        let by_run = failures.into_iter().map(|(index, rows)| match batch.runs.get(index) {
            Some(run) if rows.last().is_some_and(|last| last.row < run.record_count()) => Ok((run, rows)),
            _ => Err(Error::fatal(format!(
                "the sink reported a record that its batch does not have: run {index}"
            ))),
        });
        by_run.collect()
    }
}

impl ErrantRecordReporter for ErrantReports {
    fn report(&self, run: usize, row: usize, error: Error) -> Result<()> {
        if !self.is_open.get() {
            return Err(Error::fatal("a record can only be reported from within put"));
        }
        self.reports.borrow_mut().push((run, row, error.clone()));
        match self.tolerance {
            Tolerance::All => Ok(()),
            Tolerance::None => Err(Error::fatal(super::handler::EXCEEDED).with_source(error)),
        }
    }
}
