//! Converters: bytes to Connect data and back, a column at a time (Java: `storage.Converter`).

use arrow_array::BinaryViewArray;

use crate::column::Column;
use crate::error::{Error, Result};

/// A row that could not be converted. The row stays in its column as null; policy (skip, dead-letter queue, task failure)
/// is applied to it in one place of the engine.
#[derive(Debug)]
pub struct RowError {
    /// Row within the input column.
    pub row: usize,
    /// Why.
    pub error: Error,
}

/// Rows that share one schema.
#[derive(Debug)]
pub struct Segment {
    /// The decoded rows; segments follow each other in input order.
    pub column: Column,
}

/// What decoding a column gives: segments in row order that cover every row, and the rows that failed.
#[derive(Debug, Default)]
pub struct Decoded {
    /// Stretches of one schema each; their lengths add up to the input's.
    pub segments: Vec<Segment>,
    /// Failed rows in ascending order; null in their segment.
    pub errors: Vec<RowError>,
}

/// What encoding a column gives.
#[derive(Debug)]
pub struct Encoded {
    /// One row per input row; null is a null key or a tombstone.
    pub bytes: BinaryViewArray,
    /// Failed rows in ascending order; null in `bytes`.
    pub errors: Vec<RowError>,
}

/// Translates between Kafka's bytes and Connect data, a whole column per call. One instance serves one task and one of key
/// or value, so it may learn from what it has seen.
#[expect(clippy::wrong_self_convention, reason = "Java's names for what Java's converters do")]
pub trait Converter: std::fmt::Debug {
    /// Decodes bytes read from `topic`. An error of a row goes into [`Decoded::errors`].
    ///
    /// # Errors
    /// Only where the converter cannot work at all.
    fn to_connect(&mut self, topic: &str, raw: &BinaryViewArray) -> Result<Decoded>;

    /// Encodes a column for `topic`. An error of a row goes into [`Encoded::errors`].
    ///
    /// # Errors
    /// Only where the converter cannot work at all.
    fn from_connect(&mut self, topic: &str, column: &Column) -> Result<Encoded>;
}
