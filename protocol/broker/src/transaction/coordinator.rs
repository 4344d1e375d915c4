//! All transactional ids of the broker: finds them, feeds them events and time, and hands on what is to be done.

use std::collections::HashMap;
use std::time::Duration;

use protocol::ErrorCode;
use protocol::wire::messages::{GroupId, TopicName, TransactionalId};
use tokio::time::Instant;

use super::{Ending, Identity, Participant, Transaction};
use crate::text::detached;

/// After this time markers that could not be written are tried again.
const RETRY: Duration = Duration::from_millis(100);

/// Limits of transactions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) id_count_max: usize,
    /// Most partitions and groups of one transaction.
    pub(crate) participant_count_max: usize,
    /// Longest timeout that a producer may ask for.
    pub(crate) timeout_max: Duration,
}

/// Every transactional id that a producer has used.
#[derive(Debug)]
pub(crate) struct Coordinator {
    transactions: HashMap<TransactionalId, Transaction>,
    limits: Limits,
    last_producer_id: i64,
}

impl Coordinator {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { transactions: HashMap::new(), limits, last_producer_id: 0 }
    }

    /// A producer id that nobody has.
    pub(crate) fn new_producer_id(&mut self) -> i64 {
        self.last_producer_id += 1;
        self.last_producer_id
    }

    pub(crate) fn get(&self, id: &TransactionalId) -> Option<&Transaction> {
        self.transactions.get(id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&TransactionalId, &Transaction)> {
        self.transactions.iter()
    }

    /// `InitProducerId`: see [`Transaction::init`].
    pub(crate) fn init(
        &mut self,
        id: &TransactionalId,
        timeout_ms: i32,
        expected: Option<Identity>,
        now: Instant,
    ) -> (Result<Identity, ErrorCode>, Option<Ending>) {
        let timeout = Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(0));
        if id.is_empty() {
            return (Err(ErrorCode::INVALID_REQUEST), None);
        }
        if timeout.is_zero() || timeout > self.limits.timeout_max {
            tracing::warn!(
                transactional_id = %id.0,
                transaction_timeout_ms = timeout_ms,
                timeout_max = ?self.limits.timeout_max,
                "refused a transactional producer: its timeout is out of range"
            );
            return (Err(ErrorCode::INVALID_TRANSACTION_TIMEOUT), None);
        }
        if !self.transactions.contains_key(id) {
            if let Err(code) = self.make_room(id) {
                return (Err(code), None);
            }
            let producer_id = self.new_producer_id();
            self.transactions.insert(TransactionalId(detached(&id.0)), Transaction::new(producer_id, now));
        }
        let next_producer_id = self.last_producer_id + 1;
        let mut is_used = false;
        let mut new_producer_id = || {
            is_used = true;
            next_producer_id
        };
        let Some(transaction) = self.transactions.get_mut(id) else {
            return (Err(ErrorCode::COORDINATOR_NOT_AVAILABLE), None);
        };
        let (answer, ends) = transaction.init(timeout, expected, &mut new_producer_id, now);
        let ending = ends.then(|| transaction.ending(id));
        self.last_producer_id += i64::from(is_used);
        (answer, ending)
    }

    /// The transaction also writes to these. Their names may be slices of a request.
    pub(crate) fn add(
        &mut self,
        id: &TransactionalId,
        producer: Identity,
        participants: Vec<Participant>,
        now: Instant,
    ) -> Result<(), ErrorCode> {
        let limit = self.limits.participant_count_max;
        let transaction = self.find(id)?;
        let new: Vec<Participant> = participants
            .into_iter()
            .filter(|participant| !transaction.participants.contains(participant))
            .map(|participant| match participant {
                Participant::Partition(topic, index) => {
                    Participant::Partition(TopicName(detached(&topic)), index)
                }
                Participant::Offsets(group) => Participant::Offsets(GroupId(detached(&group))),
            })
            .collect();
        if transaction.participants.len() + new.len() > limit {
            tracing::warn!(transactional_id = %id.0, limit, "refused to let a transaction grow");
            return Err(ErrorCode::INVALID_REQUEST);
        }
        transaction.add(producer, new, now)
    }

    /// Whether the producer may write to this now (KIP-890).
    pub(crate) fn verify(
        &mut self,
        id: &TransactionalId,
        producer: Identity,
        participant: &Participant,
    ) -> Result<(), ErrorCode> {
        self.find(id)?.verify(producer, participant)
    }

    /// `EndTxn`: see [`Transaction::end`].
    pub(crate) fn end(
        &mut self,
        id: &TransactionalId,
        producer: Identity,
        is_commit: bool,
        bumps_epoch: bool,
        now: Instant,
    ) -> (Result<Identity, ErrorCode>, Option<Ending>) {
        if id.is_empty() {
            return (Err(ErrorCode::INVALID_REQUEST), None);
        }
        let next_producer_id = self.last_producer_id + 1;
        let mut is_used = false;
        let mut new_producer_id = || {
            is_used = true;
            next_producer_id
        };
        let transaction = match self.find(id) {
            Ok(transaction) => transaction,
            Err(code) => return (Err(code), None),
        };
        let (answer, ends) = transaction.end(producer, is_commit, bumps_epoch, &mut new_producer_id, now);
        let ending = ends.then(|| transaction.ending(id));
        self.last_producer_id += i64::from(is_used);
        (answer, ending)
    }

    /// Markers were written, except to `left`, which are tried again after `delay` or else soon.
    pub(crate) fn markers_written(
        &mut self,
        id: &TransactionalId,
        left: Vec<Participant>,
        delay: Option<Duration>,
        now: Instant,
    ) {
        let Some(transaction) = self.transactions.get_mut(id).filter(|known| known.state.is_ending()) else {
            return;
        };
        if left.is_empty() && delay.is_none() {
            transaction.complete(now);
        } else {
            transaction.participants = left.into_iter().collect();
            transaction.retry_at = Some(now + delay.unwrap_or(RETRY));
        }
    }

    /// When [`Coordinator::tick`] is due next.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let of_one = |known: &Transaction| known.times_out_at().into_iter().chain(known.retry_at).min();
        self.transactions.values().filter_map(of_one).min()
    }

    /// Lets time pass: what has run out of it is aborted, and markers are tried again.
    pub(crate) fn tick(&mut self, now: Instant) -> Vec<Ending> {
        let mut endings = Vec::new();
        for (id, transaction) in &mut self.transactions {
            if transaction.times_out_at().is_some_and(|at| at <= now) {
                tracing::info!(transactional_id = %id.0, "transaction timed out and is aborted");
                transaction.fence();
                endings.push(transaction.ending(id));
            } else if transaction.retry_at.is_some_and(|at| at <= now) {
                transaction.retry_at = None;
                endings.push(transaction.ending(id));
            }
        }
        endings
    }

    fn find(&mut self, id: &TransactionalId) -> Result<&mut Transaction, ErrorCode> {
        if id.is_empty() {
            return Err(ErrorCode::INVALID_REQUEST);
        }
        self.transactions.get_mut(id).ok_or(ErrorCode::INVALID_PRODUCER_ID_MAPPING)
    }

    /// Forgets the id that was not used for longest, as Kafka does after `transactional.id.expiration.ms`.
    fn make_room(&mut self, id: &TransactionalId) -> Result<(), ErrorCode> {
        if self.transactions.len() < self.limits.id_count_max {
            return Ok(());
        }
        let idle = self.transactions.iter().filter(|(_, known)| known.participants.is_empty());
        let idle = idle.filter(|(_, known)| known.started_at.is_none() && !known.state.is_ending());
        let Some(oldest) = idle.min_by_key(|(_, known)| known.touched_at).map(|(id, _)| id.clone()) else {
            tracing::warn!(
                transactional_id = %id.0,
                transactional_id_count_max = self.limits.id_count_max,
                "refused a transactional producer: all ids that are kept have open transactions"
            );
            return Err(ErrorCode::COORDINATOR_LOAD_IN_PROGRESS);
        };
        self.transactions.remove(&oldest);
        Ok(())
    }
}
