//! What a source task is told of its records once they are decided on: where Kafka has them, or that they were dropped.

use std::ops::Range;
use std::sync::Arc;

use crate::batch::{Run, Timestamps};

/// A run that a source task gave, or a part of one, with what became of each record: Java's `commitRecord`, for all rows at once.
#[derive(Debug, Clone)]
pub struct Acknowledged {
    /// The records as they were polled, before any transform.
    pub run: Run,
    /// The topic that they went to.
    pub topic: Arc<str>,
    /// Those that Kafka has, ascending by row. Rows in none of these were dropped: by a transform, by the error policy of the
    /// connector, or with a transaction that was aborted.
    pub placed: Vec<Placed>,
    /// Timestamps that were sent: of the rows from `sent_from` on.
    sent: Timestamps,
    sent_from: usize,
    /// The time that records without a timestamp got.
    sent_at_ms: i64,
}

/// Consecutive rows whose records follow each other in one Kafka partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The rows.
    pub rows: Range<usize>,
    /// The Kafka partition.
    pub partition: i32,
    /// The offset of the first of them; `None` where the broker does not say (`acks=0`, or a duplicate).
    pub base_offset: Option<i64>,
    /// The broker's time, where the topic has `message.timestamp.type=LogAppendTime`; ms since the epoch.
    pub log_append_time_ms: Option<i64>,
}

/// Where one record is: what Java's `RecordMetadata` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordMetadata<'a> {
    /// The topic.
    pub topic: &'a Arc<str>,
    /// The partition.
    pub partition: i32,
    /// The offset, `None` where the broker does not say.
    pub offset: Option<i64>,
    /// The record's timestamp in Kafka, ms since the epoch.
    pub timestamp_ms: i64,
}

impl Acknowledged {
    /// All rows of `run` as dropped, until [`Acknowledged::placed`] says otherwise.
    pub fn dropped(run: Run) -> Acknowledged {
        let topic = Arc::clone(&run.topic);
        Acknowledged {
            run,
            topic,
            placed: Vec::new(),
            sent: Timestamps::None,
            sent_from: 0,
            sent_at_ms: Timestamps::ABSENT,
        }
    }

    /// The same, of records that went to `topic` with the timestamps `sent`, whose first is that of row `sent_from`; those that have
    /// none got `sent_at_ms`.
    #[must_use]
    pub fn sent(
        mut self,
        topic: &Arc<str>,
        sent: Timestamps,
        sent_from: usize,
        sent_at_ms: i64,
    ) -> Acknowledged {
        self.topic = Arc::clone(topic);
        (self.sent, self.sent_from, self.sent_at_ms) = (sent, sent_from, sent_at_ms);
        self
    }

    /// Where the record of a row is; `None`: it was dropped. Of a packed run nobody knows more of its times than the latest.
    pub fn metadata(&self, row: usize) -> Option<RecordMetadata<'_>> {
        let after = self.placed.partition_point(|placed| placed.rows.start <= row);
        let placed = &self.placed[after.checked_sub(1)?];
        if !placed.rows.contains(&row) {
            return None;
        }
        let sent = || row.checked_sub(self.sent_from).and_then(|row| self.sent.get(row));
        Some(RecordMetadata {
            topic: &self.topic,
            partition: placed.partition,
            offset: placed.base_offset.map(|base| base + (row - placed.rows.start) as i64),
            timestamp_ms: placed.log_append_time_ms.or_else(sent).unwrap_or(self.sent_at_ms),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Body, Column, Columns, Headers, Origin, SourceOffsets, SourcePartition};

    fn run(rows: usize) -> Run {
        let columns = Columns {
            key: Column::null(rows),
            value: Column::null(rows),
            headers: Headers::none(),
            timestamps: Timestamps::None,
        };
        let origin = Origin::Source { partition: SourcePartition::none(), offsets: SourceOffsets::None };
        Run { topic: "polled".into(), partition: None, origin, body: Body::Columns(columns) }
    }

    #[test]
    fn rows_have_the_place_of_their_stretch_and_those_between_have_none() {
        let stamps = Timestamps::Each(vec![7, Timestamps::ABSENT, 9].into());
        let mut told = Acknowledged::dropped(run(6)).sent(&"routed".into(), stamps, 2, 100);
        assert_eq!(told.metadata(3), None);
        let placed = |rows, partition, base_offset, log_append_time_ms| Placed {
            rows,
            partition,
            base_offset,
            log_append_time_ms,
        };
        told.placed = vec![placed(2..4, 1, Some(50), None), placed(4..5, 0, None, Some(8))];
        let shown: Vec<_> = (0..6)
            .map(|row| told.metadata(row).map(|it| (&**it.topic, it.partition, it.offset, it.timestamp_ms)))
            .collect();
        assert_eq!(
            shown,
            [
                None,
                None,
                Some(("routed", 1, Some(50), 7)),
                Some(("routed", 1, Some(51), 100)),
                Some(("routed", 0, None, 8)),
                None
            ]
        );
    }
}
