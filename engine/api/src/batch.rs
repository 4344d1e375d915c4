//! Batches of runs: what moves through a pipeline.

use std::sync::Arc;

use arrow_buffer::ScalarBuffer;
use bytes::Bytes;

use crate::column::Column;
use crate::connector::TopicPartition;
use crate::headers::Headers;
use crate::offsets::{SourceOffsets, SourcePartition};

/// An ordered list of runs.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// The runs, in source order.
    pub runs: Vec<Run>,
}

impl Batch {
    /// Records in all runs.
    pub fn record_count(&self) -> usize {
        self.runs.iter().map(Run::record_count).sum()
    }

    /// Whether no run holds a record.
    pub fn is_empty(&self) -> bool {
        self.runs.iter().all(|run| run.record_count() == 0)
    }
}

/// Consecutive records with one topic, one partition and one schema.
#[derive(Debug, Clone)]
pub struct Run {
    /// Topic read from, or to write to.
    pub topic: Arc<str>,
    /// Kafka partition; `None` on the source side leaves it to the producer's partitioner.
    pub partition: Option<i32>,
    /// Where the records came from.
    pub origin: Origin,
    /// The records.
    pub body: Body,
}

impl Run {
    /// Number of records.
    pub fn record_count(&self) -> usize {
        match &self.body {
            Body::Packed(packed) => packed.record_count,
            Body::Columns(columns) => columns.value.len(),
        }
    }

    /// Rows `start..start + len` without copying values. What is packed stays whole: it is not known where its records are.
    ///
    /// # Panics
    /// When `len` is 0.
    #[must_use]
    pub fn slice(&self, start: usize, len: usize) -> Run {
        let (origin, body) = match &self.body {
            Body::Columns(columns) => {
                (self.origin.slice(start, len), Body::Columns(columns.slice(start, len)))
            }
            Body::Packed(_) => (self.origin.clone(), self.body.clone()),
        };
        Run { topic: Arc::clone(&self.topic), partition: self.partition, origin, body }
    }

    /// Bytes that the run keeps alive, for byte budgets.
    pub fn memory_bytes(&self) -> usize {
        match &self.body {
            Body::Packed(packed) => packed.bytes.len(),
            Body::Columns(columns) => columns.memory_bytes(),
        }
    }
}

/// Where a run's records came from; what is committed when they are done.
#[derive(Debug, Clone)]
pub enum Origin {
    /// Read from Kafka: one Kafka offset per record.
    Kafka {
        /// Where they were read: the run's own topic and partition, unless a transform has given it others (KIP-793).
        from: TopicPartition,
        /// Their offsets there.
        offsets: KafkaOffsets,
    },
    /// Read by a source task: one source partition, one source offset per record.
    Source {
        /// The source partition of every record of the run.
        partition: SourcePartition,
        /// The offset after each record.
        offsets: SourceOffsets,
    },
}

impl Origin {
    /// Where rows `start..start + len` came from.
    ///
    /// # Panics
    /// When `len` is 0: nothing comes from nowhere.
    #[must_use]
    pub fn slice(&self, start: usize, len: usize) -> Origin {
        match self {
            Origin::Kafka { from, offsets } => {
                Origin::Kafka { from: from.clone(), offsets: offsets.slice(start, len) }
            }
            Origin::Source { partition, offsets } => {
                Origin::Source { partition: partition.clone(), offsets: offsets.slice(start, len) }
            }
        }
    }
}

/// Kafka offsets of the records of a run, ascending.
#[derive(Debug, Clone)]
pub struct KafkaOffsets {
    /// Offset of the first record, or the base that `deltas` count from.
    pub base: i64,
    /// Distance of each record from `base`; `None` while the offsets are contiguous (all but compacted topics).
    pub deltas: Option<ScalarBuffer<i32>>,
    /// Offset to go on from once the whole run is done. It may lie beyond the last record plus one: compaction and
    /// control records leave gaps.
    pub next: i64,
}

impl KafkaOffsets {
    /// The offset of one record.
    pub fn get(&self, row: usize) -> i64 {
        match &self.deltas {
            None => self.base + row as i64,
            Some(deltas) => self.base + i64::from(deltas[row]),
        }
    }

    /// Which of `rows` records has `offset`.
    pub fn row_of(&self, offset: i64, rows: usize) -> Option<usize> {
        let distance = offset.checked_sub(self.base)?;
        let row = match &self.deltas {
            None => usize::try_from(distance).ok()?,
            Some(deltas) => deltas.binary_search(&i32::try_from(distance).ok()?).ok()?,
        };
        (row < rows).then_some(row)
    }

    /// Offsets of rows `start..start + len`, which are at least one. The slice goes on right after its last row.
    #[must_use]
    pub fn slice(&self, start: usize, len: usize) -> KafkaOffsets {
        KafkaOffsets {
            base: if self.deltas.is_none() { self.base + start as i64 } else { self.base },
            deltas: self.deltas.as_ref().map(|deltas| deltas.slice(start, len)),
            next: self.get(start + len - 1) + 1,
        }
    }
}

/// How much of the records has been taken apart.
#[expect(
    clippy::large_enum_variant,
    reason = "there is one per run, and a box would cost more than the bytes"
)]
#[derive(Debug, Clone)]
pub enum Body {
    /// Whole Kafka record batches (format v2), checked but not indexed, possibly compressed.
    Packed(Packed),
    /// One column each for keys, values, headers and timestamps.
    Columns(Columns),
}

/// A Kafka record batch as it came. A source that gives one has checked its CRC, or was told not to, and says which partition it goes to.
#[derive(Debug, Clone)]
pub struct Packed {
    /// The batch, header included.
    pub bytes: Bytes,
    /// Records in it. From a source those of them that are wanted ([`SourceOffsets::Kafka`]).
    pub record_count: usize,
    /// Latest record timestamp, ms since the epoch; -1 for none.
    pub max_timestamp_ms: i64,
}

/// The records of a run as columns of equal length.
#[derive(Debug, Clone)]
pub struct Columns {
    /// Record keys.
    pub key: Column,
    /// Record values.
    pub value: Column,
    /// Record headers.
    pub headers: Headers,
    /// Record timestamps.
    pub timestamps: Timestamps,
}

impl Columns {
    /// Rows `start..start + len` without copying values.
    #[must_use]
    pub fn slice(&self, start: usize, len: usize) -> Columns {
        Columns {
            key: self.key.slice(start, len),
            value: self.value.slice(start, len),
            headers: self.headers.slice(start, len),
            timestamps: self.timestamps.slice(start, len),
        }
    }

    /// Bytes that the columns keep alive.
    pub fn memory_bytes(&self) -> usize {
        self.key.memory_bytes() + self.value.memory_bytes() + self.headers.memory_bytes()
    }
}

/// Timestamps in ms since the epoch; [`Timestamps::ABSENT`] stands for none.
#[derive(Debug, Clone)]
pub enum Timestamps {
    /// No record has one: the producer sets the time of sending.
    None,
    /// All records have the same one.
    Same(i64),
    /// One per record.
    Each(ScalarBuffer<i64>),
}

impl Timestamps {
    /// Kafka's mark for "no timestamp".
    pub const ABSENT: i64 = -1;

    /// The timestamp of one record.
    pub fn get(&self, row: usize) -> Option<i64> {
        let timestamp = match self {
            Timestamps::None => Self::ABSENT,
            Timestamps::Same(timestamp) => *timestamp,
            Timestamps::Each(values) => values[row],
        };
        (timestamp != Self::ABSENT).then_some(timestamp)
    }

    /// Timestamps of rows `start..start + len`.
    #[must_use]
    pub fn slice(&self, start: usize, len: usize) -> Timestamps {
        match self {
            Timestamps::Each(values) => Timestamps::Each(values.slice(start, len)),
            other => other.clone(),
        }
    }
}
