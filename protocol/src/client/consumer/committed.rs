//! Which fetched batches a `read_committed` reader hands on: none of aborted transactions, and no control batches.

use super::{AbortedTransaction, Fetched};
use crate::Result;
use crate::wire::records::{BatchHeader, ControlType, Decompressor, RecordBatch, Records};

/// Which batches belong to aborted transactions (Java: `CompletedFetch#consumeAbortedTransactionsUpTo`). The broker lists the
/// transactions only under `read_committed`; otherwise nothing is covered.
///
/// One per [`Fetched`]: the broker names again what an earlier fetch has seen only the beginning of, so nothing is carried over.
#[derive(Debug)]
pub struct AbortedBatches {
    /// Not begun yet, by first offset, the next one last.
    ahead: Vec<AbortedTransaction>,
    /// Producers whose open transaction is an aborted one.
    open: Vec<i64>,
}

impl AbortedBatches {
    /// For the batches of one [`Fetched`], with its `aborted_transactions`.
    pub fn new(transactions: &[AbortedTransaction]) -> Self {
        let mut ahead = transactions.to_vec();
        ahead.sort_unstable_by_key(|transaction| std::cmp::Reverse(transaction.first_offset));
        Self { ahead, open: Vec::new() }
    }

    /// Opens the transactions that have begun by the end of this batch.
    fn begin(&mut self, header: &BatchHeader) {
        while let Some(next) = self.ahead.pop_if(|next| next.first_offset <= header.last_offset()) {
            self.open.push(next.producer_id);
        }
    }

    /// Whether the next batch, which is not a control batch, is to be left out. Every batch has to be shown, in order.
    pub fn covers(&mut self, header: &BatchHeader) -> bool {
        self.begin(header);
        header.is_transactional() && self.open.contains(&header.producer_id)
    }

    /// Takes in the next batch, which is a control batch: an abort marker ends the producer's transaction, also one whose records
    /// all came with earlier fetches; opened after its end it would swallow what the producer commits next.
    ///
    /// # Errors
    /// `Malformed` where its record cannot be read.
    pub fn end(&mut self, header: &BatchHeader, mut records: Records<'_>) -> Result<()> {
        self.begin(header);
        let producer_id = header.producer_id;
        let marker = records.next().transpose()?.and_then(|record| ControlType::from_key(record.key?));
        if marker == Some(ControlType::Abort) {
            self.open.retain(|open| *open != producer_id);
        }
        Ok(())
    }
}

impl Fetched {
    /// The batches that count: checksums verified, without control batches and, where the consumer reads committed records only,
    /// without aborted ones. Records of the first batch may lie below `first_wanted_offset`.
    ///
    /// # Errors
    /// `Malformed` where a batch is damaged.
    pub fn committed_batches(&self, decompressor: &mut Decompressor) -> Result<Vec<RecordBatch>> {
        let mut aborted = AbortedBatches::new(&self.aborted_transactions);
        let mut batches = Vec::new();
        for batch in self.records.clone() {
            let batch = batch?;
            batch.check_crc()?;
            let header = batch.header();
            if header.is_control() {
                let payload = batch.payload(decompressor)?;
                aborted.end(header, batch.records(&payload))?;
            } else if !aborted.covers(header) {
                batches.push(batch);
            }
        }
        Ok(batches)
    }
}
