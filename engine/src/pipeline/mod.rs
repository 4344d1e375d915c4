//! The loops that move batches, one for sources and one for sinks, and the stages between Kafka's bytes and columns.
//!
//! A pipeline is planned once, when its task starts: the sink says how far records must be taken apart ([`api::Tier`]) and no
//! stage does more. Inside, work is by batch: branches are taken per run, loops go over rows, and a row that fails is data
//! ([`api::RowError`]) that `errors` decides upon in one place.

mod decode;
mod encode;
mod epochs;
mod errors;
mod index;
mod rate;
mod side;
mod sink;
mod source;

pub(crate) use errors::{ErrorHandler, Place, Stage};
pub(crate) use rate::{RateLimiter, RateLimiters};
pub(crate) use sink::SinkPipeline;
pub(crate) use source::SourcePipeline;

use std::rc::Rc;

use api::{Error, Kind, RowError};
use arrow_array::{Array as _, BinaryViewArray};

/// The converters of a task and what to do about rows that they refuse. `decode` and `encode` hold the two directions.
pub(crate) struct Converters {
    pub(crate) errors: Rc<ErrorHandler>,
    pub(crate) key: Box<dyn api::Converter>,
    pub(crate) key_place: Place,
    pub(crate) value: Box<dyn api::Converter>,
    pub(crate) value_place: Place,
}

impl std::fmt::Debug for Converters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Converters")
            .field("key", &self.key)
            .field("value", &self.value)
            .finish_non_exhaustive()
    }
}

/// What it means for the rows that a converter could do nothing with any of them.
///
/// # Errors
/// Where that is not about the records: no tolerance helps.
fn of_every_row(rows: usize, error: Error) -> Result<Vec<RowError>, Error> {
    match error.kind() {
        Kind::Retriable | Kind::BadRecord => {
            Ok((0..rows).map(|row| RowError { row, error: error.clone() }).collect())
        }
        _ => Err(Error::fatal("Unhandled exception in error handler").with_source(error)),
    }
}

/// A cell of a column of bytes.
fn cell(array: &BinaryViewArray, row: usize) -> Option<&[u8]> {
    array.is_valid(row).then(|| array.value(row))
}
