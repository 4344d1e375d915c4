//! Offset syncs: which offset of a copied partition stands for which of its source, and when that has to be written down
//! (`OffsetSync`, `OffsetSyncWriter.PartitionState`).

use api::{Acknowledged, KafkaOffsets, Origin, SourceOffsets};

/// A pair of offsets of the same record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Offsets {
    pub(crate) upstream: i64,
    pub(crate) downstream: i64,
}

/// What is known of one partition. Java looks at each record; here it is each stretch of records that follow each other on both sides,
/// of which only the ends can matter.
#[derive(Debug, Default)]
pub(crate) struct PartitionState {
    /// The downstream offset of the last urgent sync.
    last_sync: Option<i64>,
    previous: Option<Offsets>,
}

/// What a stretch of acknowledged records means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sync {
    /// To be written as soon as possible.
    Urgent(Offsets),
    /// To be written at the next commit, unless a newer one comes before it.
    Delayed(Offsets),
}

impl PartitionState {
    /// Records from `first` to `last` are acknowledged. `has_gaps`: upstream offsets are missing between them.
    pub(crate) fn update(&mut self, first: Offsets, last: Offsets, has_gaps: bool, lag_max: i64) -> Sync {
        let is_stale = |at: Offsets, last_sync: i64| at.downstream - (last_sync + 1) >= lag_max;
        let is_first_urgent = match (self.last_sync, self.previous) {
            (Some(last_sync), Some(previous)) => {
                is_stale(first, last_sync)
                    || first.upstream != previous.upstream + 1
                    || first.downstream < previous.downstream
            }
            _ => true,
        };
        if is_first_urgent {
            self.last_sync = Some(first.downstream);
        }
        self.previous = Some(last);
        // The newer one takes the place of one that waits to be written.
        if has_gaps || self.last_sync.is_some_and(|last_sync| is_stale(last, last_sync)) {
            self.last_sync = Some(last.downstream);
            return Sync::Urgent(last);
        }
        if is_first_urgent { Sync::Urgent(first) } else { Sync::Delayed(last) }
    }
}

/// The stretches of a run that Kafka has: the offsets of first and last record, and whether there are gaps between.
pub(crate) fn stretches(run: &Acknowledged) -> impl Iterator<Item = (Offsets, Offsets, bool)> {
    let offsets = match &run.run.origin {
        Origin::Source { offsets: SourceOffsets::Kafka { offsets, .. }, .. } => Some(offsets),
        _ => None,
    };
    run.placed.iter().filter_map(move |placed| {
        let (offsets, base) = (offsets?, placed.base_offset?);
        let last_row = placed.rows.end.checked_sub(1).filter(|last| *last >= placed.rows.start)?;
        let at = |row: usize| Offsets {
            upstream: offsets.get(row),
            downstream: base + (row - placed.rows.start) as i64,
        };
        let (first, last) = (at(placed.rows.start), at(last_row));
        Some((first, last, has_gaps(offsets, first, last)))
    })
}

fn has_gaps(offsets: &KafkaOffsets, first: Offsets, last: Offsets) -> bool {
    offsets.deltas.is_some() && last.upstream - first.upstream != last.downstream - first.downstream
}

/// The record's key: topic and partition on the source.
pub(crate) fn key(topic: &str, partition: i32) -> Vec<u8> {
    let mut key = Vec::with_capacity(2 + topic.len() + 4);
    // Kafka's topics have names of at most 249 characters.
    key.extend_from_slice(&(topic.len() as i16).to_be_bytes());
    key.extend_from_slice(topic.as_bytes());
    key.extend_from_slice(&partition.to_be_bytes());
    key
}

/// The record's value.
pub(crate) fn value(offsets: Offsets) -> [u8; 16] {
    let mut value = [0; 16];
    value[..8].copy_from_slice(&offsets.upstream.to_be_bytes());
    value[8..].copy_from_slice(&offsets.downstream.to_be_bytes());
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(upstream: i64, downstream: i64) -> Offsets {
        Offsets { upstream, downstream }
    }

    #[test]
    fn records_are_those_of_java() {
        assert_eq!(key("t", 7), [0, 1, b't', 0, 0, 0, 7]);
        assert_eq!(value(at(1, 258)), [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 2]);
    }

    #[test]
    fn the_first_a_gap_a_rewind_and_what_is_far_from_the_last_are_urgent() {
        let mut state = PartitionState::default();
        assert_eq!(state.update(at(10, 0), at(12, 2), false, 100), Sync::Urgent(at(10, 0)));
        assert_eq!(state.update(at(13, 3), at(40, 30), false, 100), Sync::Delayed(at(40, 30)));
        assert_eq!(
            state.update(at(41, 31), at(111, 101), false, 100),
            Sync::Urgent(at(111, 101)),
            "101 behind"
        );
        assert_eq!(state.update(at(112, 102), at(112, 102), false, 100), Sync::Delayed(at(112, 102)));
        assert_eq!(state.update(at(115, 103), at(116, 104), false, 100), Sync::Urgent(at(115, 103)), "a gap");
        assert_eq!(
            state.update(at(117, 105), at(120, 106), true, 100),
            Sync::Urgent(at(120, 106)),
            "gaps within"
        );
        assert_eq!(
            state.update(at(121, 3), at(121, 3), false, 100),
            Sync::Urgent(at(121, 3)),
            "another topic"
        );
    }

    #[test]
    fn with_no_lag_allowed_each_is_urgent() {
        let mut state = PartitionState::default();
        state.update(at(0, 0), at(0, 0), false, 0);
        assert_eq!(state.update(at(1, 1), at(1, 1), false, 0), Sync::Urgent(at(1, 1)));
    }
}
