//! Where the active segment of a log begins. Segments have no storage of their own here: all that depends on them is what
//! compaction leaves alone, which is the active one.

/// When a segment is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentLimits {
    /// `segment.bytes`, or less where the broker's memory is small.
    pub(crate) bytes_max: u64,
    /// `segment.ms`, or less where `max.compaction.lag.ms` is.
    pub(crate) age_max_ms: i64,
}

/// The segment that is appended to.
#[derive(Debug, Default)]
pub(super) struct ActiveSegment {
    pub(super) start_offset: i64,
    bytes: u64,
    /// The largest timestamp of its first batch.
    first_timestamp_ms: Option<i64>,
}

impl ActiveSegment {
    /// Closes the segment if a batch of this size and largest timestamp should not go into it (Kafka's
    /// `LogSegment#shouldRoll`): a segment is as old as the timestamps in it say, and is closed by an append only.
    pub(super) fn roll_if_due(
        &mut self,
        limits: &SegmentLimits,
        batch_bytes: u64,
        timestamp_ms: i64,
        end_offset: i64,
    ) {
        let is_full = self.bytes > limits.bytes_max.saturating_sub(batch_bytes);
        let age_ms = self.first_timestamp_ms.map_or(0, |first| timestamp_ms.saturating_sub(first));
        if self.bytes > 0 && (is_full || age_ms > limits.age_max_ms) {
            *self = Self { start_offset: end_offset, ..Self::default() };
        }
    }

    pub(super) fn appended(&mut self, batch_bytes: u64, timestamp_ms: i64) {
        self.bytes += batch_bytes;
        self.first_timestamp_ms.get_or_insert(timestamp_ms);
    }

    /// The log now ends at `end_offset`.
    pub(super) fn truncated(&mut self, end_offset: i64) {
        if self.start_offset >= end_offset {
            *self = Self { start_offset: end_offset, ..Self::default() };
        }
    }
}
