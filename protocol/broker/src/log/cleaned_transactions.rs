//! What a compaction meets of transactions on its way through a log: whose records were aborted, and which markers have
//! nothing left to mark. Kafka's `CleanedTransactionMetadata`.

use std::collections::{HashMap, HashSet, VecDeque};

use protocol::wire::records::{ControlType, Decompressor, RecordBatch};

use super::{AbortedTransaction, Log};

/// See the module. Batches have to be shown in the order of their offsets.
#[derive(Debug, Default)]
pub(super) struct CleanedTransactions {
    /// In the order of their first offsets, with the offsets of their markers.
    aborted: VecDeque<(AbortedTransaction, i64)>,
    /// Aborted transactions that have begun, by producer.
    ongoing_aborted: HashMap<i64, Ongoing>,
    /// Producers of committed transactions with a batch since their last marker.
    ongoing_committed: HashSet<i64>,
    gone: Vec<i64>,
}

#[derive(Debug)]
struct Ongoing {
    marker_offset: i64,
    has_batches: bool,
}

impl CleanedTransactions {
    /// For a way through `start..end`.
    pub(super) fn of(log: &Log, start: i64, end: i64) -> Self {
        let mut aborted = log.transactions.aborted_with_markers(start, end);
        aborted.sort_unstable_by_key(|(transaction, _)| transaction.first_offset);
        Self { aborted: aborted.into(), ..Self::default() }
    }

    /// A batch of data; whether its transaction was aborted.
    pub(super) fn on_data(&mut self, batch: &RecordBatch) -> bool {
        let header = batch.header();
        self.begin_up_to(header.last_offset());
        if !header.is_transactional() {
            return false;
        }
        if let Some(ongoing) = self.ongoing_aborted.get_mut(&header.producer_id) {
            ongoing.has_batches = true;
            return true;
        }
        self.ongoing_committed.insert(header.producer_id);
        false
    }

    /// A marker; whether no batch of its transaction was met.
    pub(super) fn on_control(&mut self, batch: &RecordBatch, decompressor: &mut Decompressor) -> bool {
        let header = batch.header();
        self.begin_up_to(header.last_offset());
        if header.record_count == 0 {
            // It was emptied before.
            return true;
        }
        let control = batch
            .payload(decompressor)
            .ok()
            .and_then(|payload| ControlType::from_key(batch.records(&payload).next()?.ok()?.key?));
        match control {
            Some(ControlType::Abort) => match self.ongoing_aborted.remove(&header.producer_id) {
                Some(ongoing) if ongoing.has_batches => false,
                Some(ongoing) => {
                    self.gone.push(ongoing.marker_offset);
                    true
                }
                None => true,
            },
            Some(ControlType::Commit) => !self.ongoing_committed.remove(&header.producer_id),
            None => false,
        }
    }

    /// Markers before `offset` will not be shown.
    pub(super) fn skip_to(&mut self, offset: i64) {
        self.aborted.retain(|(_, marker_offset)| *marker_offset >= offset);
        self.ongoing_aborted.retain(|_, ongoing| ongoing.marker_offset >= offset);
    }

    /// The markers of aborted transactions of which nothing else is left.
    pub(super) fn take_gone(&mut self) -> Vec<i64> {
        std::mem::take(&mut self.gone)
    }

    fn begin_up_to(&mut self, offset: i64) {
        while let Some((transaction, marker_offset)) =
            self.aborted.pop_front_if(|(transaction, _)| transaction.first_offset <= offset)
        {
            let ongoing = Ongoing { marker_offset, has_batches: false };
            self.ongoing_aborted.insert(transaction.producer_id, ongoing);
        }
    }
}
