//! The loops that move batches, one for sources and one for sinks, and the stages between Kafka's bytes and columns.
//!
//! A pipeline is planned once, when its task starts: the sink says how far records must be taken apart ([`api::Tier`]) and no
//! stage does more. Inside, work is by batch: branches are taken per run, loops go over rows, and a row that fails is data
//! ([`api::RowError`]) that `policy` decides upon in one place.

mod decode;
mod encode;
mod epochs;
mod index;
mod policy;
mod side;
mod sink;
mod source;

pub(crate) use sink::SinkPipeline;
pub(crate) use source::SourcePipeline;

use api::{Error, RowError};
use policy::Stage;

use crate::metrics::TaskMetrics;
use crate::task::{TaskId, Tolerance};

/// The converters of a task and what to do about rows that they refuse. `decode` and `encode` hold the two directions.
pub(crate) struct Converters {
    pub(crate) id: TaskId,
    pub(crate) tolerance: Tolerance,
    pub(crate) key: Box<dyn api::Converter>,
    pub(crate) value: Box<dyn api::Converter>,
}

impl Converters {
    /// The rows to leave out because a key or value failed, ascending; possibly named twice.
    ///
    /// # Errors
    /// Under [`Tolerance::None`] the first failure.
    fn skipped(
        &self,
        keys: Vec<RowError>,
        values: Vec<RowError>,
        metrics: &TaskMetrics,
    ) -> Result<Vec<usize>, Error> {
        let decide = |stage, errors| policy::decide(&self.id, self.tolerance, stage, errors, metrics);
        let mut skipped = decide(Stage::KeyConverter, keys)?;
        skipped.extend(decide(Stage::ValueConverter, values)?);
        skipped.sort_unstable();
        Ok(skipped)
    }
}

impl std::fmt::Debug for Converters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Converters").field("id", &self.id).finish_non_exhaustive()
    }
}
