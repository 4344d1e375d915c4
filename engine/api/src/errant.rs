//! Records that a sink could not write while it wrote the others (KIP-610): the sink says which, the engine does the rest.

use std::fmt;
use std::rc::Rc;

use crate::error::{Error, Result};

/// Takes reports of records that a sink could not write.
///
/// Cheap to clone; a task keeps it from `start` on. What becomes of a reported record (log, dead letter queue, failure of the task)
/// is the connector's configuration: the task writes the others and returns `Ok`.
#[derive(Clone)]
pub struct ErrantRecords(Rc<dyn ErrantRecordReporter>);

/// The engine's side of [`ErrantRecords`].
pub trait ErrantRecordReporter {
    /// See [`ErrantRecords::report`].
    ///
    /// # Errors
    /// As there.
    fn report(&self, run: usize, row: usize, error: Error) -> Result<()>;
}

impl ErrantRecords {
    /// A handle on the engine's side.
    pub fn new(reporter: Rc<dyn ErrantRecordReporter>) -> ErrantRecords {
        ErrantRecords(reporter)
    }

    /// Reports one record of the batch that `put` has in hand: row `row` of its run `run`, and why it could not be written.
    ///
    /// To be called from within `put`, and to count only if that `put` returns `Ok`, or if it fails the task: a batch that `put`
    /// wants again is reported again. The offset of a reported record is not committed before it is safe in the dead letter queue.
    ///
    /// # Errors
    /// Where the task does not tolerate bad records (`errors.tolerance=none`): `put` should return this error. If it does not, the task
    /// fails with it all the same. Also where the batch has no such row, which is a bug of the sink.
    pub fn report(&self, run: usize, row: usize, error: Error) -> Result<()> {
        self.0.report(run, row, error)
    }
}

impl fmt::Debug for ErrantRecords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrantRecords").finish_non_exhaustive()
    }
}
