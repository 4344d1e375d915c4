//! Converters: bytes to Connect data and back, a column at a time (Java: `storage.Converter`, `storage.HeaderConverter`).

use arrow_array::BinaryViewArray;

use crate::column::Column;
use crate::error::{Error, Result};
use crate::headers::ConnectHeaders;

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

/// What decoding the values of headers gives.
#[derive(Debug)]
pub struct DecodedHeaders {
    /// One value for each header.
    pub values: ConnectHeaders,
    /// Failed headers by place in the input, ascending; what `values` holds for them does not matter.
    pub errors: Vec<RowError>,
}

/// Translates the values of record headers, those of a whole run per call. One instance serves one task.
///
/// It runs only where somebody asks for headers as Connect data, or has made some; all others pass as the bytes they are.
#[expect(clippy::wrong_self_convention, reason = "Java's names for what Java's converters do")]
pub trait HeaderConverter: std::fmt::Debug {
    /// Decodes headers of records read from `topic`: `values[i]` is the value of the header `keys[i]`.
    ///
    /// # Errors
    /// Only where the converter cannot work at all.
    fn to_connect_headers(
        &mut self,
        topic: &str,
        keys: &BinaryViewArray,
        values: &BinaryViewArray,
    ) -> Result<DecodedHeaders>;

    /// Encodes values of one schema, which are those of the headers `keys` of records for `topic`.
    ///
    /// # Errors
    /// Only where the converter cannot work at all.
    fn from_connect_headers(
        &mut self,
        topic: &str,
        keys: &BinaryViewArray,
        values: &Column,
    ) -> Result<Encoded>;
}

/// A [`Converter`] that treats the value of a header as it treats the value of a record.
#[derive(Debug)]
pub struct ConverterHeaders<C>(C);

impl<C> ConverterHeaders<C> {
    /// Headers by way of `converter`.
    pub fn new(converter: C) -> ConverterHeaders<C> {
        ConverterHeaders(converter)
    }
}

impl<C: Converter> HeaderConverter for ConverterHeaders<C> {
    fn to_connect_headers(
        &mut self,
        topic: &str,
        _keys: &BinaryViewArray,
        values: &BinaryViewArray,
    ) -> Result<DecodedHeaders> {
        let Decoded { segments, errors } = self.0.to_connect(topic, values)?;
        let columns = segments.into_iter().map(|segment| segment.column).collect();
        Ok(DecodedHeaders { values: ConnectHeaders::of_segments(columns), errors })
    }

    fn from_connect_headers(
        &mut self,
        topic: &str,
        _keys: &BinaryViewArray,
        values: &Column,
    ) -> Result<Encoded> {
        self.0.from_connect(topic, values)
    }
}
