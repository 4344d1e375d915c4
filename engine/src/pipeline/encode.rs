//! From Connect data to Kafka's bytes: runs the converters over a source's columns.

use api::{Columns, Error};
use arrow_array::{Array, BinaryViewArray};

use super::Converters;
use crate::metrics::TaskMetrics;

/// Keys and values of a run as bytes.
#[derive(Debug)]
pub(crate) struct EncodedRun {
    /// `None` when no record has a key, so that the loop over rows need not ask.
    pub(crate) keys: Option<BinaryViewArray>,
    pub(crate) values: BinaryViewArray,
    /// Rows to leave out, ascending.
    pub(crate) skipped: Vec<usize>,
}

impl EncodedRun {
    /// The key of a row.
    pub(crate) fn key(&self, row: usize) -> Option<&[u8]> {
        self.keys.as_ref().and_then(|keys| cell(keys, row))
    }

    /// The value of a row; `None` is a tombstone.
    pub(crate) fn value(&self, row: usize) -> Option<&[u8]> {
        cell(&self.values, row)
    }
}

impl Converters {
    /// Encodes the keys and values of a run for `topic`.
    ///
    /// # Errors
    /// When a row fails under [`Tolerance::None`], or a converter cannot work at all.
    pub(crate) fn encode(
        &mut self,
        topic: &str,
        columns: &Columns,
        metrics: &TaskMetrics,
    ) -> Result<EncodedRun, Error> {
        let keys = self.key.from_connect(topic, &columns.key)?;
        let values = self.value.from_connect(topic, &columns.value)?;
        let skipped = self.skipped(keys.errors, values.errors, metrics)?;
        let has_keys = keys.bytes.null_count() < keys.bytes.len();
        Ok(EncodedRun { keys: has_keys.then_some(keys.bytes), values: values.bytes, skipped })
    }
}

fn cell(array: &BinaryViewArray, row: usize) -> Option<&[u8]> {
    array.is_valid(row).then(|| array.value(row))
}
