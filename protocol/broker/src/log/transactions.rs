//! The transactions of one partition: which are open, hence how far readers of committed records may go, and which were
//! aborted, so that those readers can leave them out. Kafka's `firstUnstableOffset` and transaction index.

use std::collections::{BTreeMap, VecDeque};

/// What an aborted transaction costs, as charged to the budget.
pub(super) const ABORTED_BYTES: usize = size_of::<Aborted>();

/// An aborted transaction, as a fetch answer lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AbortedTransaction {
    pub(crate) producer_id: i64,
    pub(crate) first_offset: i64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct TransactionIndex {
    /// Producers by the first offset of their open transaction.
    open: BTreeMap<i64, i64>,
    /// In the order of their markers.
    aborted: VecDeque<Aborted>,
}

#[derive(Debug)]
struct Aborted {
    transaction: AbortedTransaction,
    marker_offset: i64,
    /// The last stable offset once it was aborted: no later transaction begins before it.
    stable_offset: i64,
}

impl TransactionIndex {
    /// A producer's first batch of a transaction was appended.
    pub(super) fn started(&mut self, first_offset: i64, producer_id: i64) {
        self.open.insert(first_offset, producer_id);
    }

    /// A marker was appended at `marker_offset`.
    pub(super) fn ended(&mut self, first_offset: i64, marker_offset: i64, is_abort: bool) {
        let Some(producer_id) = self.open.remove(&first_offset) else {
            return;
        };
        if is_abort {
            let stable_offset = self.first_open().unwrap_or(marker_offset + 1);
            let transaction = AbortedTransaction { producer_id, first_offset };
            self.aborted.push_back(Aborted { transaction, marker_offset, stable_offset });
        }
    }

    /// Where the oldest open transaction begins.
    pub(super) fn first_open(&self) -> Option<i64> {
        self.open.keys().next().copied()
    }

    /// The aborted transactions that have records in `start..end`.
    pub(super) fn aborted_in(&self, start: i64, end: i64) -> Vec<AbortedTransaction> {
        let first = self.aborted.partition_point(|aborted| aborted.marker_offset < start);
        let mut found = Vec::new();
        for aborted in self.aborted.iter().skip(first) {
            if aborted.transaction.first_offset < end {
                found.push(aborted.transaction);
            }
            if aborted.stable_offset >= end {
                break;
            }
        }
        found
    }

    /// The aborted transactions that [`TransactionIndex::aborted_in`] finds, with the offsets of their markers.
    pub(super) fn aborted_with_markers(&self, start: i64, end: i64) -> Vec<(AbortedTransaction, i64)> {
        let of_range = self
            .aborted
            .iter()
            .filter(|aborted| aborted.marker_offset >= start && aborted.transaction.first_offset < end);
        of_range.map(|aborted| (aborted.transaction, aborted.marker_offset)).collect()
    }

    /// Forgets the aborted transaction with this marker, of which nothing is left; whether there was one.
    pub(super) fn forget(&mut self, marker_offset: i64) -> bool {
        let index = self.aborted.partition_point(|aborted| aborted.marker_offset < marker_offset);
        let is_known = self.aborted.get(index).is_some_and(|aborted| aborted.marker_offset == marker_offset);
        if is_known {
            self.aborted.remove(index);
        }
        is_known
    }

    /// Forgets aborted transactions that end before `start`; how many.
    pub(super) fn trim(&mut self, start: i64) -> usize {
        let count = self.aborted.partition_point(|aborted| aborted.marker_offset < start);
        self.aborted.drain(..count);
        count
    }

    /// How many aborted transactions are known.
    pub(super) fn aborted_count(&self) -> usize {
        self.aborted.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_open_transaction_holds_the_stable_offset() {
        let mut index = TransactionIndex::default();
        index.started(0, 1);
        index.started(5, 2);
        assert_eq!(index.first_open(), Some(0));
        index.ended(0, 9, true);
        assert_eq!(index.first_open(), Some(5));
        index.ended(5, 12, true);
        assert_eq!(index.first_open(), None);
        let ids = |start, end| {
            index.aborted_in(start, end).iter().map(|aborted| aborted.producer_id).collect::<Vec<_>>()
        };
        assert_eq!(ids(0, 5), [1]);
        assert_eq!(ids(0, 6), [1, 2]);
        assert_eq!(ids(10, 13), [2], "the first one has ended before");
        assert_eq!(ids(13, 20), [0_i64; 0]);
    }

    #[test]
    fn commits_leave_no_trace_and_trimming_forgets() {
        let mut index = TransactionIndex::default();
        index.started(0, 1);
        index.ended(0, 3, false);
        index.started(4, 1);
        index.ended(4, 7, true);
        assert_eq!(index.aborted_count(), 1);
        assert_eq!(index.trim(7), 0);
        assert_eq!(index.trim(8), 1);
        assert_eq!(index.aborted_in(0, 100), []);
    }
}
