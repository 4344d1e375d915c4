//! The transactional calls of a producer.
//!
//! All of them are cancel safe: the send task goes on with what was begun, and the same call made again joins it or hears its outcome.

use std::time::Duration;

use super::Producer;
use super::metrics::ProducerStats;
use super::transaction::{Call, ConsumerGroupMetadata, Transaction, TransactionError};
use crate::Error;
use crate::client::{OffsetAndMetadata, TopicPartition};
use crate::metrics::Elapsed;

const NOT_TRANSACTIONAL: &str = "the producer has no transactional.id";

impl Producer {
    /// Takes over the transactional id: a transaction that another producer left open under it is aborted, and that producer is
    /// fenced. Once, before everything else.
    ///
    /// # Errors
    /// `Retry` where no coordinator answered within `max.block.ms`; `Fatal` where the id is not permitted, or the broker refuses the
    /// `transaction.timeout.ms`.
    pub async fn init_transactions(&self) -> Result<(), TransactionError> {
        self.transact(Call::Init, |stats| &mut stats.init).await
    }

    /// Begins a transaction; records can be appended from now on. Sends nothing.
    ///
    /// # Errors
    /// `Misuse` where one is open or transactions are not initialised, `Abort` and `Fatal` as from [`commit`](Self::commit).
    pub fn begin(&self) -> Result<(), TransactionError> {
        let _elapsed = Elapsed::start(&self.accumulator.metrics, |stats| &mut stats.begin);
        self.transaction()?.call(Call::Begin)
    }

    /// Commits consumed offsets of `group` as part of the transaction: they count if and only if it is committed. Dropped before its
    /// end, whether they are part of it is open until the same offsets were sent again.
    ///
    /// # Errors
    /// `Abort`, for example where the member has lost its partitions; `Fatal` as from [`commit`](Self::commit); `Misuse` where no
    /// transaction is open or an earlier call is under way.
    pub async fn send_offsets(
        &self,
        offsets: Vec<(TopicPartition, OffsetAndMetadata)>,
        group: &ConsumerGroupMetadata,
    ) -> Result<(), TransactionError> {
        if offsets.is_empty() {
            return Ok(());
        }
        let _elapsed = Elapsed::start(&self.accumulator.metrics, |stats| &mut stats.send_offsets);
        let transaction = self.transaction()?;
        transaction.send_offsets(offsets, group.clone())?;
        self.accumulator.wake.notify_one();
        transaction.ended(Call::SendOffsets).await
    }

    /// Sends what is buffered, waits for everything in flight, and commits. Completions of the records come as always; where this
    /// returns `Ok` every record was written.
    ///
    /// # Errors
    /// `Abort` where a record or the offsets were not written: nothing of the transaction becomes visible. `Retry` where the
    /// coordinator did not answer within `max.block.ms`: call again, the transaction is committed once. `Fatal` where the producer
    /// is fenced or not permitted.
    pub async fn commit(&self) -> Result<(), TransactionError> {
        self.transact(Call::Commit, |stats| &mut stats.commit).await
    }

    /// Drops what is not sent yet, waits for what is in flight, and aborts. Completions of dropped records say so. The producer can
    /// begin the next transaction afterwards.
    ///
    /// # Errors
    /// `Retry` and `Fatal` as from [`commit`](Self::commit); `Misuse` where a commit is under way whose outcome is open.
    pub async fn abort(&self) -> Result<(), TransactionError> {
        self.transact(Call::Abort, |stats| &mut stats.abort).await
    }

    /// Ends what is open before the producer is closed: a commit or abort that was begun is brought to its end, anything else aborted.
    pub(super) async fn end_open_transaction(&self) -> Result<(), Error> {
        let Some(transaction) = self.accumulator.transaction.as_deref() else { return Ok(()) };
        while let Some(call) = transaction.ending() {
            let total: fn(&mut ProducerStats) -> &mut Duration = match &call {
                Call::Commit => |stats| &mut stats.commit,
                _ => |stats| &mut stats.abort,
            };
            match self.transact(call, total).await {
                // After a commit that cannot be, the abort is next.
                Ok(()) | Err(TransactionError::Retry(_) | TransactionError::Abort(_)) => {}
                // It is over, or another producer's.
                Err(error) if error.is_fenced() => return Ok(()),
                Err(TransactionError::Fatal(error)) => return Err(error),
                Err(TransactionError::Misuse(detail)) => {
                    return Err(Error::internal("end the open transaction", detail));
                }
            }
        }
        Ok(())
    }

    async fn transact(
        &self,
        call: Call,
        total: fn(&mut ProducerStats) -> &mut Duration,
    ) -> Result<(), TransactionError> {
        let _elapsed = Elapsed::start(&self.accumulator.metrics, total);
        let transaction = self.transaction()?;
        transaction.call(call)?;
        self.accumulator.wake.notify_one();
        transaction.ended(call).await
    }

    fn transaction(&self) -> Result<&Transaction, TransactionError> {
        self.accumulator.transaction.as_deref().ok_or(TransactionError::Misuse(NOT_TRANSACTIONAL))
    }
}
