//! The state machine of one transactional id.

use std::collections::BTreeSet;
use std::time::Duration;

use protocol::ErrorCode;
use protocol::wire::messages::{GroupId, TopicName, TransactionalId};
use tokio::time::Instant;

/// The epoch of an id that no producer has used yet.
const NO_EPOCH: i16 = -1;

/// The last epoch that a producer is given; one more is left for fencing it.
const EPOCH_MAX: i16 = i16::MAX - 1;

/// A producer as it introduces itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) producer_id: i64,
    pub(crate) epoch: i16,
}

/// What a transaction has written to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Participant {
    Partition(TopicName, i32),
    /// The offsets of a group.
    Offsets(GroupId),
}

/// Where a transactional id stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Empty,
    Ongoing,
    PrepareCommit,
    PrepareAbort,
    CompleteCommit,
    CompleteAbort,
}

/// Markers that have to be written before a transaction is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) transactional_id: TransactionalId,
    /// What the markers carry: it fences whatever came before.
    pub(crate) producer: Identity,
    pub(crate) is_commit: bool,
    pub(crate) participants: Vec<Participant>,
}

/// A transactional id.
#[derive(Debug)]
pub(crate) struct Transaction {
    pub(super) producer: Identity,
    /// The producer id before the last one ran out of epochs.
    previous_producer_id: Option<i64>,
    /// What the producer gets after this transaction, which uses up its epochs.
    next_producer_id: Option<i64>,
    /// The epoch that the producer knew before it got the present one, so that its repeated request is recognised.
    last_epoch: i16,
    pub(super) timeout: Duration,
    pub(super) state: State,
    pub(super) participants: BTreeSet<Participant>,
    pub(super) started_at: Option<Instant>,
    pub(super) touched_at: Instant,
    /// Whether the last end gave the producer a new epoch (KIP-890).
    bumped_at_end: bool,
    /// When markers that could not be written are tried again.
    pub(super) retry_at: Option<Instant>,
}

impl State {
    /// All states, as they are named over the wire.
    pub(crate) const ALL: [Self; 6] = [
        Self::Empty,
        Self::Ongoing,
        Self::PrepareCommit,
        Self::PrepareAbort,
        Self::CompleteCommit,
        Self::CompleteAbort,
    ];

    /// The name as it goes over the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Ongoing => "Ongoing",
            Self::PrepareCommit => "PrepareCommit",
            Self::PrepareAbort => "PrepareAbort",
            Self::CompleteCommit => "CompleteCommit",
            Self::CompleteAbort => "CompleteAbort",
        }
    }

    /// Whether markers are being written.
    pub(super) fn is_ending(self) -> bool {
        matches!(self, Self::PrepareCommit | Self::PrepareAbort)
    }
}

impl Transaction {
    pub(super) fn new(producer_id: i64, now: Instant) -> Self {
        Self {
            producer: Identity { producer_id, epoch: NO_EPOCH },
            previous_producer_id: None,
            next_producer_id: None,
            last_epoch: NO_EPOCH,
            timeout: Duration::ZERO,
            state: State::Empty,
            participants: BTreeSet::new(),
            started_at: None,
            touched_at: now,
            bumped_at_end: false,
            retry_at: None,
        }
    }

    pub(crate) fn producer(&self) -> Identity {
        self.producer
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(crate) fn started_at(&self) -> Option<Instant> {
        self.started_at
    }

    pub(crate) fn participants(&self) -> impl Iterator<Item = &Participant> {
        self.participants.iter()
    }

    /// A producer starts, or restarts as who it was (`expected`), and gets an epoch of its own. An open transaction is
    /// aborted first: the flag says so, and the producer has to come again.
    pub(super) fn init(
        &mut self,
        timeout: Duration,
        expected: Option<Identity>,
        new_producer_id: impl FnOnce() -> i64,
        now: Instant,
    ) -> (Result<Identity, ErrorCode>, bool) {
        let is_fenced = expected.is_some_and(|expected| {
            let is_predecessor =
                self.previous_producer_id == Some(expected.producer_id) && expected.epoch >= EPOCH_MAX;
            self.producer.epoch != NO_EPOCH
                && expected.producer_id != self.producer.producer_id
                && !is_predecessor
        });
        if is_fenced {
            return (Err(ErrorCode::PRODUCER_FENCED), false);
        }
        match self.state {
            State::PrepareCommit | State::PrepareAbort => {
                return (Err(ErrorCode::CONCURRENT_TRANSACTIONS), false);
            }
            State::Ongoing => {
                self.fence();
                return (Err(ErrorCode::CONCURRENT_TRANSACTIONS), true);
            }
            State::Empty | State::CompleteCommit | State::CompleteAbort => {}
        }
        let expected_epoch = expected.map(|expected| expected.epoch);
        let current = self.producer.epoch;
        if current >= EPOCH_MAX && expected_epoch.is_none_or(|epoch| epoch == current) {
            self.previous_producer_id = Some(self.producer.producer_id);
            self.last_epoch = if expected_epoch.is_some() { current } else { NO_EPOCH };
            self.producer = Identity { producer_id: new_producer_id(), epoch: 0 };
        } else {
            match expected_epoch {
                None | Some(NO_EPOCH) => self.last_epoch = NO_EPOCH,
                Some(epoch) if current == NO_EPOCH || epoch == current => self.last_epoch = epoch,
                // The answer got lost, and the producer asks again.
                Some(epoch) if epoch == self.last_epoch => {
                    self.reset(timeout, now);
                    return (Ok(self.producer), false);
                }
                Some(_) => return (Err(ErrorCode::PRODUCER_FENCED), false),
            }
            self.producer.epoch = current.saturating_add(1);
        }
        self.reset(timeout, now);
        (Ok(self.producer), false)
    }

    /// The transaction, begun if need be, also writes to these.
    pub(super) fn add(
        &mut self,
        producer: Identity,
        participants: Vec<Participant>,
        now: Instant,
    ) -> Result<(), ErrorCode> {
        self.check(producer)?;
        self.state = State::Ongoing;
        self.started_at.get_or_insert(now);
        self.touched_at = now;
        self.participants.extend(participants);
        Ok(())
    }

    /// Whether the producer may write to a participant now (KIP-890).
    pub(super) fn verify(&self, producer: Identity, participant: &Participant) -> Result<(), ErrorCode> {
        self.check(producer)?;
        if self.participants.contains(participant) { Ok(()) } else { Err(ErrorCode::TRANSACTION_ABORTABLE) }
    }

    /// The producer commits or aborts. With `bumps_epoch` it goes on under a new epoch, which is in the answer. The flag
    /// says that markers are to be written.
    pub(super) fn end(
        &mut self,
        producer: Identity,
        is_commit: bool,
        bumps_epoch: bool,
        new_producer_id: impl FnOnce() -> i64,
        now: Instant,
    ) -> (Result<Identity, ErrorCode>, bool) {
        let current = self.producer;
        let is_bump_repeated = self.bumped_at_end && producer.epoch.checked_add(1) == Some(current.epoch);
        let is_rotation_repeated = self.bumped_at_end
            && self.previous_producer_id == Some(producer.producer_id)
            && producer.epoch == EPOCH_MAX
            && current.epoch == 0;
        if producer.producer_id != current.producer_id && !is_rotation_repeated {
            return (Err(ErrorCode::INVALID_PRODUCER_ID_MAPPING), false);
        }
        let is_same = producer.epoch == current.epoch;
        let is_repeated = is_bump_repeated || is_rotation_repeated;
        let is_known = match self.state {
            State::PrepareCommit | State::PrepareAbort if self.bumped_at_end => is_bump_repeated,
            State::CompleteCommit | State::CompleteAbort => is_same || is_repeated,
            _ => is_same,
        };
        if !is_known {
            return (Err(ErrorCode::PRODUCER_FENCED), false);
        }
        let is_as_before = match self.state {
            State::Ongoing => return self.prepare(is_commit, bumps_epoch, new_producer_id, now),
            // Nothing was written, but the producer wants to be sure of it, and of a new epoch.
            State::Empty if !is_commit && bumps_epoch => {
                return self.prepare(is_commit, bumps_epoch, new_producer_id, now);
            }
            State::CompleteCommit | State::CompleteAbort
                if self.bumped_at_end && !is_repeated && !is_commit =>
            {
                return self.prepare(is_commit, bumps_epoch, new_producer_id, now);
            }
            State::CompleteCommit => is_commit && (is_repeated || !self.bumped_at_end),
            State::CompleteAbort => !is_commit,
            State::PrepareCommit if is_commit => return (Err(ErrorCode::CONCURRENT_TRANSACTIONS), false),
            State::PrepareAbort if !is_commit => return (Err(ErrorCode::CONCURRENT_TRANSACTIONS), false),
            State::Empty | State::PrepareCommit | State::PrepareAbort => false,
        };
        (if is_as_before { Ok(current) } else { Err(ErrorCode::INVALID_TXN_STATE) }, false)
    }

    /// Takes the transaction away from its producer and begins to abort it.
    pub(super) fn fence(&mut self) {
        self.producer.epoch = self.producer.epoch.saturating_add(1);
        self.last_epoch = NO_EPOCH;
        self.bumped_at_end = false;
        self.state = State::PrepareAbort;
    }

    /// All markers are written.
    pub(super) fn complete(&mut self, now: Instant) {
        self.state = match self.state {
            State::PrepareCommit => State::CompleteCommit,
            State::PrepareAbort => State::CompleteAbort,
            other => other,
        };
        self.participants.clear();
        self.started_at = None;
        self.retry_at = None;
        self.touched_at = now;
        if let Some(next) = self.next_producer_id.take() {
            self.previous_producer_id = Some(self.producer.producer_id);
            self.producer = Identity { producer_id: next, epoch: 0 };
        }
    }

    /// When the open transaction times out.
    pub(super) fn times_out_at(&self) -> Option<Instant> {
        let started_at = self.started_at.filter(|_| self.state == State::Ongoing)?;
        Some(started_at + self.timeout)
    }

    /// The markers that are still to be written.
    pub(super) fn ending(&self, transactional_id: &TransactionalId) -> Ending {
        Ending {
            transactional_id: transactional_id.clone(),
            producer: self.producer,
            is_commit: self.state == State::PrepareCommit,
            participants: self.participants.iter().cloned().collect(),
        }
    }

    fn prepare(
        &mut self,
        is_commit: bool,
        bumps_epoch: bool,
        new_producer_id: impl FnOnce() -> i64,
        now: Instant,
    ) -> (Result<Identity, ErrorCode>, bool) {
        self.bumped_at_end = bumps_epoch;
        if bumps_epoch {
            if self.producer.epoch >= EPOCH_MAX {
                self.next_producer_id = Some(new_producer_id());
            }
            self.last_epoch = self.producer.epoch;
            self.producer.epoch = self.producer.epoch.saturating_add(1);
        }
        self.state = if is_commit { State::PrepareCommit } else { State::PrepareAbort };
        self.touched_at = now;
        let rotated = self.next_producer_id.map(|producer_id| Identity { producer_id, epoch: 0 });
        (Ok(rotated.unwrap_or(self.producer)), true)
    }

    fn reset(&mut self, timeout: Duration, now: Instant) {
        self.timeout = timeout;
        self.state = State::Empty;
        self.touched_at = now;
    }

    fn check(&self, producer: Identity) -> Result<(), ErrorCode> {
        if producer.producer_id != self.producer.producer_id {
            return Err(ErrorCode::INVALID_PRODUCER_ID_MAPPING);
        }
        if producer.epoch != self.producer.epoch {
            return Err(ErrorCode::PRODUCER_FENCED);
        }
        if self.state.is_ending() { Err(ErrorCode::CONCURRENT_TRANSACTIONS) } else { Ok(()) }
    }
}
