//! Rows of differing shapes on a tape.

use crate::value::ValueRef;

/// Rows on a tape.
#[derive(Debug, Clone, Default)]
pub struct Rows {}

/// Builds [`Rows`].
#[derive(Debug, Default)]
pub struct RowsBuilder {}

impl Rows {
    /// Number of rows.
    pub fn len(&self) -> usize {
        0
    }
    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Rows `start..start + len`.
    #[must_use]
    pub fn slice(&self, _start: usize, _len: usize) -> Rows {
        Rows {}
    }
    /// One row.
    pub fn row(&self, _index: usize) -> ValueRef<'_> {
        ValueRef::Null
    }
    /// Bytes kept alive.
    pub fn memory_bytes(&self) -> usize {
        0
    }
}
