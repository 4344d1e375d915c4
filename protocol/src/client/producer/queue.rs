//! The sealed batches of one partition and the rules of their order: what may be sent now, under which sequence, and what an
//! answer means. A state machine without I/O; the sender performs what it says.
//!
//! ```text
//!  seal ─► waiting ──take──► in flight ──ok──► done
//!                               │  ▲
//!                      retriable▼  │take, oldest first, one at a time
//!                            to resend
//! ```
//!
//! Why order and exactly-once hold for an idempotent producer:
//!
//! * A batch keeps its producer id, epoch and sequence over all its attempts, so the broker recognises a second copy.
//! * While anything waits to be resent nothing newer is sent, and the oldest goes first and alone.
//! * No batch is sent that is five or more ahead of one whose fate is open, for a broker remembers the last five only.
//! * Until the broker has accepted the first batch under an epoch only one is in flight: a broker without state for the producer
//!   would accept any sequence, and with it a successor of a lost batch.
//! * `OUT_OF_ORDER_SEQUENCE_NUMBER` for a batch behind another outstanding one only says that the other was lost: resend in order. For
//!   the oldest it says that a predecessor is gone for good (it failed or expired); the batch itself was then not written, so it
//!   and its successors may start again at sequence 0 under the next epoch.
//! * A batch whose epoch the broker refuses starts again under a new producer id only if no earlier attempt may have written it: under
//!   another id the broker would not recognise the copy. Otherwise it fails, as one that expired does.
//! * A batch that the broker finds too large was not written: it is split, and its parts share its sequences, so that its
//!   successors keep theirs.
//! * Batches move to another leader only when none is in flight to the old one.
//!
//! The epoch is the partition's own: brokers keep producer state per partition, and without a transactional id nobody else
//! may use the producer id. With one the epoch is the coordinator's to give: a gap fails the batch, and with it the transaction.

use std::collections::VecDeque;

use bytes::Bytes;
use tokio::time::Instant;

use super::finished::{Finished, InOrder};
use super::request::PartitionBatch;
use crate::cluster::{RetryAction, decide};
use crate::wire::records::{BatchHeader, ProducerStamp, stamped};
use crate::{Error, ErrorCode};

/// A closed batch.
#[derive(Debug)]
pub(super) struct SealedBatch {
    /// Ascending over all batches of a producer.
    pub(super) id: u64,
    pub(super) header: BatchHeader,
    /// The bytes behind the header.
    pub(super) payload: Bytes,
    /// Its bytes before compression, header included.
    pub(super) raw_bytes: usize,
    /// Runs of consecutive records with the same cookie.
    pub(super) tokens: Vec<(u64, u32)>,
    /// When delivery has failed.
    pub(super) deadline: Instant,
    /// How much of the buffer memory it holds.
    pub(super) charged_bytes: usize,
    /// Which `flush` waits for it.
    pub(super) flush_generation: u64,
}

/// The producer id that the broker gave, not yet bound to a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) producer_id: i64,
    pub(super) epoch: i16,
    pub(super) is_transactional: bool,
}

/// How one attempt ended.
#[derive(Debug)]
pub(super) enum Outcome {
    Written { base_offset: i64, log_append_time_ms: i64 },
    Failed(Error),
}

/// What an answer asks the sender to do beside reporting.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Consequence {
    pub(super) is_retried: bool,
    pub(super) needs_metadata_refresh: bool,
    /// The batch is to be split: it is neither in flight nor finished until it is [replaced](PartitionQueue::replace).
    pub(super) needs_split: bool,
    /// The producer id itself is no good any more.
    pub(super) needs_new_identity: bool,
}

#[derive(Debug, Default)]
pub(super) struct PartitionQueue {
    waiting: VecDeque<SealedBatch>,
    /// Of those that wait.
    waiting_bytes: usize,
    /// Sent at least once and not finished, in sequence order.
    outstanding: VecDeque<Outstanding>,
    ended: InOrder,
    /// Requests that carry a batch of this partition, expired ones included.
    in_flight_count: usize,
    in_flight_node: i32,
    binding: Option<Binding>,
    failure_count: u32,
    not_before: Option<Instant>,
}

#[derive(Debug)]
struct Outstanding {
    batch: SealedBatch,
    is_in_flight: bool,
    attempt_count: u32,
    /// An attempt ended without the broker's word that it wrote nothing.
    is_fate_open: bool,
    /// Counts the batches under the partition's epoch.
    ordinal: u64,
}

/// However small they are, so many bytes of batches may wait: the caller is not to be woken for each of them.
const AHEAD_BYTES_MIN: usize = 1024 * 1024;

/// How many of a producer's last batches a broker remembers per partition (`ProducerStateEntry#NUM_BATCHES_TO_RETAIN`).
const REMEMBERED_BATCHES: u64 = 5;

/// The partition's side of the producer's state.
#[derive(Debug, Clone, Copy)]
struct Binding {
    identity: Identity,
    next_sequence: i32,
    next_ordinal: u64,
    /// The broker has accepted a batch under this epoch.
    is_established: bool,
    /// A gap in the sequences is certain: everything outstanding starts again under the next epoch.
    must_restart: bool,
}

impl PartitionQueue {
    pub(super) fn push(&mut self, batch: SealedBatch) {
        self.waiting_bytes += batch.charged_bytes;
        self.waiting.push_back(batch);
    }

    /// Whether nothing waits or is under way, requests that carry expired batches included.
    pub(super) fn is_idle(&self) -> bool {
        self.batch_count() == 0 && self.in_flight_count == 0
    }

    /// Under which producer id and epoch it wrote last.
    pub(super) fn identity(&self) -> Option<Identity> {
        self.binding.map(|binding| binding.identity)
    }

    /// How many batches wait or are under way.
    pub(super) fn batch_count(&self) -> usize {
        self.waiting.len() + self.outstanding.len()
    }

    /// Whether there is anything that would be sent if nothing stood in its way.
    pub(super) fn has_sendable(&self) -> bool {
        !self.waiting.is_empty() || self.outstanding.iter().any(|sent| !sent.is_in_flight)
    }

    /// Whether so much waits that more would only grow old: while nothing fails, enough for each request that is under way to have a
    /// successor at once. Where nothing is under way, or something failed, its broker may be gone for a while: then others have more
    /// from the buffer memory than from a caller that stops here.
    pub(super) fn is_ahead(&self, in_flight_max: usize) -> bool {
        self.in_flight_count > 0
            && self.failure_count == 0
            && self.waiting.len() >= in_flight_max
            && self.waiting_bytes >= AHEAD_BYTES_MIN
    }

    /// Bytes of the batch that [`take`](Self::take) would give; 0 when there is none.
    pub(super) fn next_bytes(&self) -> usize {
        let again = self.outstanding.iter().find(|sent| !sent.is_in_flight).map(|sent| &sent.batch);
        again.or(self.waiting.front()).map_or(0, |batch| batch.header.total_bytes())
    }

    /// The end of the backoff after a failure, if it is not over at `now`.
    pub(super) fn backoff_until(&self, now: Instant) -> Option<Instant> {
        self.not_before.filter(|until| *until > now)
    }

    /// When the oldest batch expires.
    pub(super) fn earliest_deadline(&self) -> Option<Instant> {
        let outstanding = self.outstanding.front().map(|sent| sent.batch.deadline);
        outstanding.into_iter().chain(self.waiting.front().map(|batch| batch.deadline)).min()
    }

    /// Whether a batch may be sent to `node` now, be it a new one or one again.
    pub(super) fn may_send(
        &self,
        node: i32,
        is_idempotent: bool,
        in_flight_max: usize,
        now: Instant,
    ) -> bool {
        if self.in_flight_count >= in_flight_max
            || (self.in_flight_count > 0 && self.in_flight_node != node)
            || self.backoff_until(now).is_some()
        {
            return false;
        }
        let is_recovering = self.outstanding.iter().any(|sent| !sent.is_in_flight)
            || self.binding.is_some_and(|binding| binding.must_restart);
        let is_first = is_idempotent && !self.binding.is_some_and(|binding| binding.is_established);
        if is_recovering || is_first {
            return self.in_flight_count == 0;
        }
        // A broker recognises a copy only while it remembers the batch, so no batch may get too far ahead of one of open fate.
        match (self.outstanding.front(), self.binding) {
            (Some(oldest), Some(binding)) => binding.next_ordinal - oldest.ordinal < REMEMBERED_BATCHES,
            _ => true,
        }
    }

    /// Takes the next batch to send, after [`may_send`](Self::may_send) said yes. `identity` is None without idempotence.
    pub(super) fn take(
        &mut self,
        node: i32,
        partition: i32,
        identity: Option<Identity>,
    ) -> Option<(u64, PartitionBatch)> {
        if let Some(identity) = identity {
            self.bind(identity);
        }
        let sent = match self.outstanding.iter().position(|sent| !sent.is_in_flight) {
            Some(index) => self.outstanding.get_mut(index)?,
            None => {
                let batch = self.waiting.pop_front()?;
                self.waiting_bytes -= batch.charged_bytes;
                let mut sent = Outstanding::new(batch, 0);
                if let Some(binding) = &mut self.binding {
                    binding.stamp(&mut sent);
                }
                self.outstanding.push_back(sent);
                self.outstanding.back_mut()?
            }
        };
        sent.is_in_flight = true;
        sent.attempt_count += 1;
        self.in_flight_count += 1;
        self.in_flight_node = node;
        let wire = PartitionBatch {
            partition,
            header: sent.batch.header.to_bytes(),
            payload: sent.batch.payload.clone(),
        };
        Some((sent.batch.id, wire))
    }

    /// The batch `id`, which was sent and is not finished.
    pub(super) fn sent(&self, id: u64) -> Option<&SealedBatch> {
        self.outstanding.iter().map(|sent| &sent.batch).find(|batch| batch.id == id)
    }

    /// Takes in how the attempt to send batch `id` ended. `retries_max` bounds how often a batch is sent again.
    pub(super) fn answered(
        &mut self,
        id: u64,
        outcome: Outcome,
        retries_max: u32,
        finished: &mut Vec<Finished>,
    ) -> Consequence {
        self.in_flight_count -= 1;
        let Some(index) = self.outstanding.iter().position(|sent| sent.batch.id == id) else {
            // It expired meanwhile; its failure was reported then.
            return Consequence::default();
        };
        let error = match outcome {
            Outcome::Written { base_offset, log_append_time_ms } => {
                self.written(index, base_offset, log_append_time_ms, finished);
                return Consequence::default();
            }
            Outcome::Failed(error) if error.code() == Some(ErrorCode::DUPLICATE_SEQUENCE_NUMBER) => {
                // An earlier attempt was written; the broker no longer knows where.
                self.written(index, -1, -1, finished);
                return Consequence::default();
            }
            Outcome::Failed(error) => error,
        };
        let mut consequence = Consequence::default();
        let Some(sent) = self.outstanding.get_mut(index) else { return consequence };
        if error.code() == Some(ErrorCode::MESSAGE_TOO_LARGE) && sent.batch.header.record_count > 1 {
            sent.is_in_flight = false;
            consequence.needs_split = true;
            return consequence;
        }
        // These are said before anything is written; of all others some brokers say some after the leader has written.
        sent.is_fate_open |= !matches!(
            error.code(),
            Some(
                ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER
                    | ErrorCode::UNKNOWN_PRODUCER_ID
                    | ErrorCode::INVALID_PRODUCER_EPOCH
            )
        );
        let is_fate_open = sent.is_fate_open;
        let is_retriable = match (error.code(), &mut self.binding) {
            (Some(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER), Some(binding))
                if binding.identity.is_transactional =>
            {
                index > 0
            }
            (Some(ErrorCode::UNKNOWN_PRODUCER_ID | ErrorCode::INVALID_PRODUCER_EPOCH), Some(binding))
                if binding.identity.is_transactional =>
            {
                false
            }
            (
                Some(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER | ErrorCode::UNKNOWN_PRODUCER_ID),
                Some(binding),
            ) => {
                binding.must_restart |= index == 0;
                consequence.needs_new_identity = binding.must_restart && binding.identity.epoch == i16::MAX;
                true
            }
            (Some(ErrorCode::INVALID_PRODUCER_EPOCH), Some(binding)) => {
                consequence.needs_new_identity = true;
                binding.must_restart |= index == 0 && !is_fate_open;
                index > 0 || !is_fate_open
            }
            _ => decide(&error) != RetryAction::Fail,
        };
        let Some(sent) = self.outstanding.get_mut(index) else { return consequence };
        // Also where it is not tried again: what is appended next has to find its leader (as Java's `Sender.completeBatch`).
        consequence.needs_metadata_refresh = matches!(decide(&error), RetryAction::RefreshMetadataAndRetry);
        if is_retriable && sent.attempt_count <= retries_max {
            sent.is_in_flight = false;
            consequence.is_retried = true;
        } else if let Some(sent) = self.outstanding.remove(index) {
            self.ended.ended(index, Finished::sealed(sent.batch, Err(error)), finished);
        }
        consequence
    }

    /// Starts the backoff after a retriable failure; `pause` is made from the count of failures in a row.
    pub(super) fn back_off(&mut self, now: Instant, pause: impl FnOnce(u32) -> std::time::Duration) {
        if self.backoff_until(now).is_none() {
            self.failure_count += 1;
            self.not_before = Some(now + pause(self.failure_count));
        }
    }

    /// Takes out what has not been delivered in time.
    pub(super) fn expire(&mut self, now: Instant, finished: &mut Vec<Finished>) {
        let expired = || Err(Error::timeout("deliver record batch"));
        while self.outstanding.front().is_some_and(|sent| sent.batch.deadline <= now) {
            // Its number stays used: whether it was written is not known. If not, the broker's answer to its successor says so.
            if let Some(sent) = self.outstanding.pop_front() {
                self.ended.ended(0, Finished::sealed(sent.batch, expired()), finished);
            }
        }
        while self.waiting.front().is_some_and(|batch| batch.deadline <= now) {
            if let Some(batch) = self.waiting.pop_front() {
                self.waiting_bytes -= batch.charged_bytes;
                self.ended.ended(self.outstanding.len(), Finished::sealed(batch, expired()), finished);
            }
        }
    }

    /// Takes out everything.
    pub(super) fn fail_all(&mut self, cause: &Error, finished: &mut Vec<Finished>) {
        let sent = self.outstanding.drain(..).map(|sent| sent.batch);
        self.waiting_bytes = 0;
        for batch in sent.chain(self.waiting.drain(..)) {
            self.ended.ended(0, Finished::sealed(batch, Err(cause.clone())), finished);
        }
    }

    /// Takes in that the newest batch has failed before it was [pushed](Self::push).
    pub(super) fn fail_newest(&mut self, failed: Finished, finished: &mut Vec<Finished>) {
        self.ended.ended(self.batch_count(), failed, finished);
    }

    /// Puts what `split` makes of batch `id` in its place, under its sequences; without parts the batch has failed.
    pub(super) fn replace(
        &mut self,
        id: u64,
        split: impl FnOnce(&SealedBatch) -> Result<Vec<SealedBatch>, Error>,
        finished: &mut Vec<Finished>,
    ) {
        let Some(index) = self.outstanding.iter().position(|sent| sent.batch.id == id) else { return };
        let Some(whole) = self.outstanding.remove(index) else { return };
        let parts = match split(&whole.batch) {
            Ok(parts) => parts,
            Err(error) => {
                self.ended.ended(index, Finished::sealed(whole.batch, Err(error)), finished);
                return;
            }
        };
        self.ended.became(index, parts.len());
        let added = (parts.len() as u64).saturating_sub(1);
        for later in self.outstanding.iter_mut().skip(index) {
            later.ordinal += added;
        }
        if let Some(binding) = &mut self.binding {
            binding.next_ordinal += added;
        }
        let header = &whole.batch.header;
        let mut stamp = ProducerStamp {
            producer_id: header.producer_id,
            producer_epoch: header.producer_epoch,
            base_sequence: header.base_sequence,
            is_transactional: header.is_transactional(),
        };
        for (ordinal, (at, mut batch)) in (whole.ordinal..).zip((index..).zip(parts)) {
            batch.header = stamped(&batch.header, stamp);
            if header.producer_id >= 0 {
                stamp.base_sequence = advance_sequence(stamp.base_sequence, batch.header.record_count);
            }
            self.outstanding.insert(at, Outstanding::new(batch, ordinal));
        }
    }

    /// Takes out everything that is not in flight, what was in flight before included.
    pub(super) fn fail_unsent(&mut self, cause: &Error, finished: &mut Vec<Finished>) {
        let mut index = 0;
        while let Some(sent) = self.outstanding.get(index) {
            if sent.is_in_flight {
                index += 1;
            } else if let Some(sent) = self.outstanding.remove(index) {
                self.ended.ended(index, Finished::sealed(sent.batch, Err(cause.clone())), finished);
            }
        }
        self.waiting_bytes = 0;
        for batch in self.waiting.drain(..) {
            let failed = Finished::sealed(batch, Err(cause.clone()));
            self.ended.ended(self.outstanding.len(), failed, finished);
        }
    }

    fn written(
        &mut self,
        index: usize,
        base_offset: i64,
        log_append_time_ms: i64,
        finished: &mut Vec<Finished>,
    ) {
        self.failure_count = 0;
        self.not_before = None;
        if let Some(sent) = self.outstanding.remove(index) {
            if let Some(binding) = &mut self.binding {
                // An answer to a batch of an earlier epoch says nothing about this one.
                binding.is_established |= binding.identity.matches(&sent.batch.header);
            }
            let written = Finished::sealed(sent.batch, Ok((base_offset, log_append_time_ms)));
            self.ended.ended(index, written, finished);
        }
    }

    /// Binds the partition to `identity` when it is free to change, and restarts the sequences where that is due. Only called
    /// when [`may_send`](Self::may_send) said yes, so a restart finds nothing in flight.
    fn bind(&mut self, identity: Identity) {
        let binding = match &mut self.binding {
            None => self.binding.insert(Binding::new(identity)),
            Some(binding) if binding.identity != identity && identity.is_transactional => {
                if self.in_flight_count > 0 || !self.outstanding.is_empty() {
                    return;
                }
                *binding = Binding::new(identity);
                binding
            }
            Some(binding) if binding.identity.producer_id != identity.producer_id => {
                let must_restart = binding.must_restart;
                if self.in_flight_count > 0 || !(must_restart || self.outstanding.is_empty()) {
                    // What is outstanding may have been written under the old id and is only recognised under it.
                    return;
                }
                *binding = Binding::new(identity);
                binding.must_restart = must_restart;
                binding
            }
            Some(binding) => {
                if binding.must_restart {
                    // With the last epoch comes a new producer id, so this cannot overflow.
                    let epoch = binding.identity.epoch.saturating_add(1);
                    *binding = Binding { must_restart: true, ..Binding::new(Identity { epoch, ..identity }) };
                }
                binding
            }
        };
        if binding.must_restart {
            binding.must_restart = false;
            for sent in &mut self.outstanding {
                binding.stamp(sent);
            }
        }
    }
}

impl Outstanding {
    fn new(batch: SealedBatch, ordinal: u64) -> Self {
        Self { batch, is_in_flight: false, attempt_count: 0, is_fate_open: false, ordinal }
    }
}

impl Binding {
    fn new(identity: Identity) -> Self {
        Self { identity, next_sequence: 0, next_ordinal: 0, is_established: false, must_restart: false }
    }

    fn stamp(&mut self, sent: &mut Outstanding) {
        let stamp = ProducerStamp {
            producer_id: self.identity.producer_id,
            producer_epoch: self.identity.epoch,
            base_sequence: self.next_sequence,
            is_transactional: self.identity.is_transactional,
        };
        sent.batch.header = stamped(&sent.batch.header, stamp);
        sent.ordinal = self.next_ordinal;
        self.next_ordinal += 1;
        self.next_sequence = advance_sequence(self.next_sequence, sent.batch.header.record_count);
    }
}

impl Identity {
    fn matches(&self, header: &BatchHeader) -> bool {
        header.producer_id == self.producer_id && header.producer_epoch == self.epoch
    }
}

/// Sequences wrap to 0 after `i32::MAX`, as in Java's `DefaultRecordBatch#incrementSequence`.
fn advance_sequence(sequence: i32, record_count: i32) -> i32 {
    ((i64::from(sequence) + i64::from(record_count)) & i64::from(i32::MAX)) as i32
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
