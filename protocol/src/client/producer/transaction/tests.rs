//! The state machine alone: a table of what each error leads to, and random walks that hold it to its invariants.

use super::TransactionError;
use super::error::{Severity, severity_at_coordinator, severity_at_leader};
use super::state::{Action, Call, Event, Initialized, State};
use crate::client::producer::queue::Identity;
use crate::{Error, ErrorCode, Result};

const FIRST: Identity = Identity { producer_id: 7, epoch: 0, is_transactional: true };

fn next(identity: Identity) -> Identity {
    Identity { epoch: identity.epoch + 1, ..identity }
}

fn step(state: &mut State, event: Event) -> Vec<Action> {
    let mut actions = Vec::new();
    state.step(event, &mut actions);
    actions
}

fn broker(code: ErrorCode) -> Error {
    Error::broker("test", code)
}

fn ready(is_v2: bool) -> State {
    let mut state = State::new();
    assert!(matches!(step(&mut state, Event::Called(Call::Init))[..], [Action::Initialize { bump: None }]));
    let answer = Initialized { identity: FIRST, is_v2 };
    assert!(matches!(step(&mut state, Event::Initialized(Ok(answer)))[..], [Action::Adopt(FIRST)]));
    state
}

fn open(is_v2: bool) -> State {
    let mut state = ready(is_v2);
    assert!(step(&mut state, Event::Called(Call::Begin)).is_empty());
    assert!(state.is_open());
    state
}

/// One with a partition in it.
fn begun(is_v2: bool) -> State {
    let mut state = open(is_v2);
    let wanted = step(&mut state, Event::PartitionsWanted);
    if is_v2 {
        assert!(matches!(wanted[..], [Action::AdmitWanted]));
    } else {
        assert!(matches!(wanted[..], [Action::AddPartitions]));
        assert!(matches!(step(&mut state, Event::PartitionsAdded(Ok(())))[..], [Action::AdmitAdded]));
    }
    state
}

fn failed(error: Error) -> Event {
    Event::BatchFailed { error, had_sequence: true }
}

#[test]
fn a_commit_waits_for_everything_and_then_ends_once() {
    for is_v2 in [false, true] {
        let mut state = begun(is_v2);
        assert!(matches!(step(&mut state, Event::Called(Call::Commit))[..], [Action::Flush]));
        assert!(state.outcome(Call::Commit).is_none());
        assert!(matches!(step(&mut state, Event::Drained)[..], [Action::End { commit: true }]));
        assert!(step(&mut state, Event::Drained).is_empty());
        assert!(step(&mut state, Event::Called(Call::Commit)).is_empty(), "joins the one under way");
        let bumped = is_v2.then(|| next(FIRST));
        step(&mut state, Event::Ended(Ok(bumped)));
        assert!(matches!(state.outcome(Call::Commit), Some(Ok(()))));
        assert_eq!(state.identity(), Some(bumped.unwrap_or(FIRST)));
        // Whoever was cancelled asks again and hears of it; after that there is nothing to commit.
        assert!(step(&mut state, Event::Called(Call::Commit)).is_empty());
        state.claim();
        let again = step(&mut state, Event::Called(Call::Commit));
        assert!(matches!(again[..], [Action::Refuse(TransactionError::Misuse(_))]));
    }
}

#[test]
fn partitions_that_turn_up_while_others_are_added_follow_in_one_request() {
    let mut state = open(false);
    assert!(matches!(step(&mut state, Event::PartitionsWanted)[..], [Action::AddPartitions]));
    assert!(step(&mut state, Event::PartitionsWanted).is_empty());
    step(&mut state, Event::Called(Call::Commit));
    assert!(step(&mut state, Event::Drained).is_empty(), "what is being added is waited for");
    let added = step(&mut state, Event::PartitionsAdded(Ok(())));
    assert!(matches!(added[..], [Action::AdmitAdded, Action::AddPartitions]));
    step(&mut state, Event::PartitionsAdded(Ok(())));
    assert!(matches!(step(&mut state, Event::Drained)[..], [Action::End { commit: true }]));
}

#[test]
fn a_transaction_without_anything_in_it_sends_nothing() {
    for (call, is_v2) in
        [(Call::Commit, false), (Call::Commit, true), (Call::Abort, false), (Call::Abort, true)]
    {
        let mut state = open(is_v2);
        step(&mut state, Event::Called(call));
        assert!(step(&mut state, Event::Drained).is_empty());
        assert!(matches!(state.outcome(call), Some(Ok(()))));
    }
}

#[test]
fn a_batch_that_is_lost_forces_an_abort_and_a_new_epoch() {
    for is_v2 in [false, true] {
        let mut state = begun(is_v2);
        let dropped = step(&mut state, failed(broker(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER)));
        assert!(matches!(dropped[..], [Action::DropUnsent(_)]));
        assert!(!state.is_open() && state.refusal().is_some());
        let refused = step(&mut state, Event::Called(Call::Commit));
        assert!(matches!(refused[..], [Action::Refuse(TransactionError::Abort(_))]));
        step(&mut state, Event::Called(Call::Abort));
        assert!(matches!(step(&mut state, Event::Drained)[..], [Action::End { commit: false }]));
        if is_v2 {
            let ended = step(&mut state, Event::Ended(Ok(Some(next(FIRST)))));
            assert!(matches!(ended[..], [Action::Adopt(_)]), "the coordinator has raised it already");
        } else {
            let ended = step(&mut state, Event::Ended(Ok(None)));
            assert!(matches!(ended[..], [Action::Initialize { bump: Some(FIRST) }]));
            assert!(state.outcome(Call::Abort).is_none());
            let bumped = Initialized { identity: next(FIRST), is_v2 };
            step(&mut state, Event::Initialized(Ok(bumped)));
        }
        assert!(matches!(state.outcome(Call::Abort), Some(Ok(()))));
        assert!(step(&mut state, Event::Called(Call::Begin)).is_empty());
    }
}

#[test]
fn a_batch_that_fails_during_the_commit_stops_it() {
    let mut state = begun(true);
    step(&mut state, Event::Called(Call::Commit));
    step(&mut state, failed(Error::timeout("deliver record batch")));
    assert!(matches!(state.outcome(Call::Commit), Some(Err(TransactionError::Abort(_)))));
    assert!(step(&mut state, Event::Drained).is_empty());
}

#[test]
fn an_end_without_an_answer_is_only_ever_repeated() {
    let mut state = begun(false);
    step(&mut state, Event::Called(Call::Commit));
    step(&mut state, Event::Drained);
    step(&mut state, Event::Ended(Err(Error::timeout("end transaction"))));
    assert!(matches!(state.outcome(Call::Commit), Some(Err(TransactionError::Retry(_)))));
    let abort = step(&mut state, Event::Called(Call::Abort));
    assert!(
        matches!(abort[..], [Action::Refuse(TransactionError::Misuse(_))]),
        "it may be committed already"
    );
    assert!(matches!(step(&mut state, Event::Called(Call::Commit))[..], [Action::End { commit: true }]));
    step(&mut state, Event::Ended(Ok(None)));
    assert!(matches!(state.outcome(Call::Commit), Some(Ok(()))));
}

#[test]
fn a_fenced_producer_stays_fenced() {
    for code in [ErrorCode::PRODUCER_FENCED, ErrorCode::INVALID_PRODUCER_EPOCH] {
        let mut state = begun(false);
        step(&mut state, Event::Called(Call::Commit));
        step(&mut state, Event::Drained);
        step(&mut state, Event::Ended(Err(broker(code))));
        for call in [Call::Init, Call::Begin, Call::SendOffsets, Call::Commit, Call::Abort] {
            let refused = step(&mut state, Event::Called(call));
            assert!(
                matches!(&refused[..], [Action::Refuse(error)] if error.is_fenced()),
                "{call:?}: {refused:?}"
            );
            assert!(state.outcome(call).unwrap().unwrap_err().is_fenced());
        }
    }
}

#[test]
fn an_abort_of_what_never_reached_the_coordinator_is_done() {
    let mut state = begun(true);
    step(&mut state, Event::Called(Call::Abort));
    step(&mut state, Event::Drained);
    step(&mut state, Event::Ended(Err(broker(ErrorCode::INVALID_TXN_STATE))));
    assert!(matches!(state.outcome(Call::Abort), Some(Ok(()))));
    // Of a transaction that it does know, the same answer is a contradiction.
    let mut state = begun(false);
    step(&mut state, Event::Called(Call::Abort));
    step(&mut state, Event::Drained);
    step(&mut state, Event::Ended(Err(broker(ErrorCode::INVALID_TXN_STATE))));
    assert!(matches!(state.outcome(Call::Abort), Some(Err(TransactionError::Fatal(_)))));
}

#[test]
fn a_forgotten_producer_asks_for_a_new_epoch_instead_of_ending() {
    let mut state = open(false);
    step(&mut state, Event::PartitionsWanted);
    step(&mut state, Event::PartitionsAdded(Err(broker(ErrorCode::INVALID_PRODUCER_ID_MAPPING))));
    step(&mut state, Event::Called(Call::Abort));
    let drained = step(&mut state, Event::Drained);
    assert!(matches!(drained[..], [Action::Initialize { bump: Some(FIRST) }]), "{drained:?}");
}

#[test]
fn offsets_are_added_first_where_the_broker_does_not_do_it() {
    let mut state = open(false);
    assert!(matches!(step(&mut state, Event::Called(Call::SendOffsets))[..], [Action::AddOffsets]));
    assert!(matches!(step(&mut state, Event::OffsetsAdded(Ok(())))[..], [Action::CommitOffsets]));
    assert!(state.outcome(Call::SendOffsets).is_none());
    step(&mut state, Event::OffsetsCommitted(Ok(())));
    assert!(matches!(state.outcome(Call::SendOffsets), Some(Ok(()))));
    let mut state = open(true);
    assert!(matches!(step(&mut state, Event::Called(Call::SendOffsets))[..], [Action::CommitOffsets]));
    step(&mut state, Event::OffsetsCommitted(Err(broker(ErrorCode::ILLEGAL_GENERATION))));
    assert!(matches!(state.outcome(Call::SendOffsets), Some(Err(TransactionError::Abort(_)))));
}

#[test]
fn every_error_means_one_thing() {
    use Severity::{Abortable, Fatal, Forgotten};
    for (code, at_coordinator, at_leader) in [
        (ErrorCode::PRODUCER_FENCED, Fatal, Fatal),
        (ErrorCode::INVALID_PRODUCER_EPOCH, Fatal, Abortable),
        (ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED, Fatal, Fatal),
        (ErrorCode::INVALID_PRODUCER_ID_MAPPING, Forgotten, Fatal),
        (ErrorCode::UNKNOWN_PRODUCER_ID, Forgotten, Abortable),
        (ErrorCode::TRANSACTION_ABORTABLE, Abortable, Abortable),
        (ErrorCode::TOPIC_AUTHORIZATION_FAILED, Abortable, Abortable),
        (ErrorCode::GROUP_AUTHORIZATION_FAILED, Abortable, Abortable),
        (ErrorCode::FENCED_INSTANCE_ID, Abortable, Abortable),
        (ErrorCode::CONCURRENT_TRANSACTIONS, Abortable, Abortable),
        (ErrorCode::MESSAGE_TOO_LARGE, Fatal, Abortable),
        (ErrorCode::INVALID_TXN_STATE, Fatal, Abortable),
        (ErrorCode::REBALANCE_IN_PROGRESS, Abortable, Abortable),
        (ErrorCode::UNKNOWN_MEMBER_ID, Abortable, Abortable),
        (ErrorCode::ILLEGAL_GENERATION, Abortable, Abortable),
        (ErrorCode::COORDINATOR_NOT_AVAILABLE, Abortable, Abortable),
        (ErrorCode::CLUSTER_AUTHORIZATION_FAILED, Fatal, Fatal),
        (ErrorCode(9_999), Fatal, Abortable),
    ] {
        assert_eq!(severity_at_coordinator(&broker(code)), at_coordinator, "{code}");
        assert_eq!(severity_at_leader(&broker(code)), at_leader, "{code}");
    }
    assert_eq!(severity_at_coordinator(&Error::timeout("test")), Abortable);
    assert_eq!(severity_at_coordinator(&Error::unsupported("test", "version")), Fatal);
}

/// Goal: what the coordinator ended by itself costs the producer, but is not taken for another's coming.
#[test]
fn a_transaction_that_timed_out_is_fatal_and_nobody_has_taken_over() {
    let mut state = begun(true);
    step(&mut state, Event::Called(Call::Commit));
    step(&mut state, Event::Drained);
    step(&mut state, Event::Ended(Err(broker(ErrorCode::INVALID_TXN_STATE))));
    let Some(Err(error)) = state.outcome(Call::Commit) else { panic!("no outcome") };
    assert!(matches!(error, TransactionError::Fatal(_)) && !error.is_fenced(), "{error}");
    assert_eq!(state.ending(), None, "closing has nothing left to end");
}

#[test]
fn closing_ends_what_is_open_in_the_way_that_was_begun() {
    assert_eq!(State::new().ending(), None);
    assert_eq!(ready(true).ending(), None);
    let mut state = begun(true);
    assert_eq!(state.ending(), Some(Call::Abort));
    step(&mut state, Event::Called(Call::Commit));
    assert_eq!(state.ending(), Some(Call::Commit));
    step(&mut state, failed(Error::timeout("deliver record batch")));
    assert_eq!(state.ending(), Some(Call::Abort), "a failed one cannot be committed");
    step(&mut state, Event::Called(Call::Abort));
    step(&mut state, Event::Drained);
    step(&mut state, Event::Ended(Ok(Some(next(FIRST)))));
    assert_eq!(state.ending(), None);
}

/// The far side of a random walk: what is under way and has to be answered.
#[derive(Default)]
struct World {
    init: bool,
    partitions: bool,
    offsets_added: bool,
    offsets_committed: bool,
    end: Option<bool>,
    has_failed: bool,
    is_fatal: bool,
    identity: Option<Identity>,
}

fn random_answer<T>(random: &mut fastrand::Rng, ok: T) -> Result<T> {
    match random.u8(..40) {
        0 => Err(broker(ErrorCode::TRANSACTION_ABORTABLE)),
        1 => Err(Error::timeout("test")),
        2 => Err(broker(ErrorCode::UNKNOWN_PRODUCER_ID)),
        3 if random.u8(..10) == 0 => Err(broker(ErrorCode::PRODUCER_FENCED)),
        _ => Ok(ok),
    }
}

impl World {
    fn take(&mut self, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Initialize { .. } => {
                    assert!(!std::mem::replace(&mut self.init, true), "two at once");
                    assert!(self.end.is_none(), "a new epoch before the end of the old transaction");
                }
                Action::AddPartitions => {
                    assert!(!std::mem::replace(&mut self.partitions, true), "two at once")
                }
                Action::AddOffsets => {
                    assert!(!std::mem::replace(&mut self.offsets_added, true), "two at once")
                }
                Action::CommitOffsets => {
                    assert!(!std::mem::replace(&mut self.offsets_committed, true), "two at once");
                }
                Action::End { commit } => {
                    assert!(self.end.replace(commit).is_none(), "two at once");
                    assert!(
                        !self.partitions && !self.offsets_added && !self.offsets_committed,
                        "ended too early"
                    );
                    assert!(!commit || !self.has_failed, "a failed transaction is committed");
                }
                Action::Adopt(identity) => self.identity = Some(identity),
                Action::Refuse(_)
                | Action::AdmitAdded
                | Action::AdmitWanted
                | Action::Flush
                | Action::DropUnsent(_) => {}
            }
        }
    }
}

#[test]
fn whatever_happens_no_failed_transaction_is_committed_and_no_call_hangs() {
    for seed in 0..3_000 {
        let random = &mut fastrand::Rng::with_seed(seed);
        let is_v2 = random.bool();
        let mut state = State::new();
        let mut world = World::default();
        for _ in 0..150 {
            let was_open = state.is_open();
            let event = match random.u8(..16) {
                0 if world.init => {
                    world.init = false;
                    let identity = world.identity.map_or(FIRST, next);
                    Event::Initialized(random_answer(random, Initialized { identity, is_v2 }))
                }
                1 | 2 if world.partitions => {
                    world.partitions = false;
                    Event::PartitionsAdded(random_answer(random, ()))
                }
                3 if world.offsets_added => {
                    world.offsets_added = false;
                    Event::OffsetsAdded(random_answer(random, ()))
                }
                4 if world.offsets_committed => {
                    world.offsets_committed = false;
                    Event::OffsetsCommitted(random_answer(random, ()))
                }
                5 if world.end.is_some() => {
                    world.end = None;
                    let identity = world.identity.filter(|_| is_v2).map(next);
                    Event::Ended(random_answer(random, identity))
                }
                6..=8 => Event::Drained,
                9 if was_open => Event::PartitionsWanted,
                10 if random.u8(..10) == 0 => failed(broker(ErrorCode::MESSAGE_TOO_LARGE)),
                11 => Event::Called(Call::SendOffsets),
                12 | 13 => Event::Called(if random.bool() { Call::Commit } else { Call::Abort }),
                _ => Event::Called(if random.bool() { Call::Begin } else { Call::Init }),
            };
            let is_failure = matches!(
                &event,
                Event::BatchFailed { .. }
                    | Event::PartitionsAdded(Err(_))
                    | Event::OffsetsCommitted(Err(_))
                    | Event::OffsetsAdded(Err(_))
            );
            let call = if let Event::Called(call) = &event { Some(*call) } else { None };
            let actions = step(&mut state, event);
            if call == Some(Call::Begin) && state.is_open() && !was_open {
                world.has_failed = false;
            }
            if is_failure && (was_open || state.is_draining() || state.refusal().is_some()) {
                world.has_failed = true;
            }
            world.take(actions);
            assert!(!world.is_fatal || state.refusal().is_some(), "seed {seed}: fatal errors stay");
            world.is_fatal |= matches!(state.outcome(Call::Init), Some(Err(TransactionError::Fatal(_))));
        }
        // From anywhere, answers without faults and an abort lead to a transaction that can begin, or it is fatal.
        for _ in 0..12 {
            if std::mem::take(&mut world.init) {
                let identity = world.identity.map_or(FIRST, next);
                world.take(step(&mut state, Event::Initialized(Ok(Initialized { identity, is_v2 }))));
            }
            if std::mem::take(&mut world.partitions) {
                world.take(step(&mut state, Event::PartitionsAdded(Ok(()))));
            }
            if std::mem::take(&mut world.offsets_added) {
                world.take(step(&mut state, Event::OffsetsAdded(Ok(()))));
            }
            if std::mem::take(&mut world.offsets_committed) {
                world.take(step(&mut state, Event::OffsetsCommitted(Ok(()))));
            }
            if world.end.take().is_some() {
                let identity = world.identity.filter(|_| is_v2).map(next);
                world.take(step(&mut state, Event::Ended(Ok(identity))));
            }
            for call in [Call::Init, Call::Abort, Call::Commit] {
                world.take(step(&mut state, Event::Called(call)));
            }
            world.take(step(&mut state, Event::Drained));
        }
        step(&mut state, Event::Called(Call::Begin));
        assert!(state.is_open() || state.refusal().is_some(), "seed {seed}: stuck in {state:?}");
    }
}
