//! Source partitions and source offsets: where in the source system a record came from.

use std::sync::Arc;

use arrow_buffer::ScalarBuffer;

use crate::batch::KafkaOffsets;
use crate::value::Value;

/// A position within a source partition: a flat map, in the order in which the connector names its keys.
pub type SourceOffset = Vec<(Arc<str>, Value)>;

/// A source partition, such as `{"filename": "/var/log/app"}`. Cheap to clone. `None` is Java's null partition, used by
/// sources that can't resume (standard input).
#[derive(Debug, Clone, PartialEq)]
pub struct SourcePartition(Option<Arc<Entries>>);

type Entries = [(Arc<str>, Value)];

impl SourcePartition {
    /// A partition that identifies where to resume.
    pub fn new(entries: impl IntoIterator<Item = (Arc<str>, Value)>) -> SourcePartition {
        SourcePartition(Some(entries.into_iter().collect()))
    }

    /// The null partition of a source that can't resume.
    pub fn none() -> SourcePartition {
        SourcePartition(None)
    }

    /// Its entries, or `None` for the null partition.
    pub fn entries(&self) -> Option<&[(Arc<str>, Value)]> {
        self.0.as_deref()
    }

    /// Whether both are the same allocation: a cheap test before comparing entries.
    pub fn is_same(&self, other: &SourcePartition) -> bool {
        match (&self.0, &other.0) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        }
    }
}

/// Offsets of the rows of one run.
#[derive(Debug, Clone)]
pub enum SourceOffsets {
    /// The source keeps no offsets.
    None,
    /// Each row's offset is `{field: values[row]}`: the usual case, eight bytes per row.
    Long {
        /// The offset's only key.
        field: Arc<str>,
        /// One value per row.
        values: ScalarBuffer<i64>,
    },
    /// Each row's offset is `{field: <the Kafka offset that it was read at>}`: of records that come from another Kafka cluster. The only
    /// form that a packed run may have whose records are not all wanted or that has gaps: those before the first offset are left out.
    Kafka {
        /// The offset's only key.
        field: Arc<str>,
        /// The offsets.
        offsets: KafkaOffsets,
    },
    /// Any map per row.
    Rows(Vec<Option<SourceOffset>>),
}

impl SourceOffsets {
    /// The offset to commit once everything up to and including `row` is durable.
    pub fn get(&self, row: usize) -> Option<SourceOffset> {
        match self {
            SourceOffsets::None => None,
            SourceOffsets::Long { field, values } => {
                Some(vec![(Arc::clone(field), Value::Int64(values[row]))])
            }
            SourceOffsets::Kafka { field, offsets } => {
                Some(vec![(Arc::clone(field), Value::Int64(offsets.get(row)))])
            }
            SourceOffsets::Rows(rows) => rows[row].clone(),
        }
    }

    /// Offsets of rows `start..start + len`.
    #[must_use]
    pub fn slice(&self, start: usize, len: usize) -> SourceOffsets {
        match self {
            SourceOffsets::None => SourceOffsets::None,
            SourceOffsets::Long { field, values } => {
                SourceOffsets::Long { field: Arc::clone(field), values: values.slice(start, len) }
            }
            SourceOffsets::Kafka { field, offsets } => {
                SourceOffsets::Kafka { field: Arc::clone(field), offsets: offsets.slice(start, len) }
            }
            SourceOffsets::Rows(rows) => SourceOffsets::Rows(rows[start..start + len].to_vec()),
        }
    }
}
