//! The state machine of a producer's transactions: `step(state, event) → actions`, without I/O and without a clock.
//!
//! Time limits are those of single requests: a request that was given up comes back as a failed answer, and leaves a stage `Stalled` in
//! which the caller's next call sends it again.

use super::error::{Severity, TransactionError, severity_at_coordinator, severity_at_leader};
use crate::client::producer::queue::Identity;
use crate::{Error, ErrorCode, ErrorKind, Result};

/// What the owner of the producer asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::client::producer) enum Call {
    Init,
    Begin,
    SendOffsets,
    Commit,
    Abort,
}

#[derive(Debug)]
pub(in crate::client::producer) enum Event {
    Called(Call),
    /// Batches of partitions wait that are not part of the transaction yet.
    PartitionsWanted,
    /// A batch will not be written. With a sequence, that is a gap which only a new epoch closes.
    BatchFailed {
        error: Error,
        had_sequence: bool,
    },
    /// Nothing is buffered and no produce request is in flight.
    Drained,
    Initialized(Result<Initialized>),
    PartitionsAdded(Result<()>),
    OffsetsAdded(Result<()>),
    OffsetsCommitted(Result<()>),
    /// With the identity for the next transaction, where the coordinator names one (KIP-890).
    Ended(Result<Option<Identity>>),
}

/// The answer to `InitProducerId`.
#[derive(Debug, Clone, Copy)]
pub(in crate::client::producer) struct Initialized {
    pub(super) identity: Identity,
    /// `transaction.version` 2 is in force.
    pub(super) is_v2: bool,
}

#[derive(Debug)]
pub(super) enum Action {
    Refuse(TransactionError),
    /// Ask for an identity; with `bump` for the next epoch of this one.
    Initialize {
        bump: Option<Identity>,
    },
    /// Stamp batches with this from now on.
    Adopt(Identity),
    /// Add all partitions that are wanted.
    AddPartitions,
    /// The partitions that were added may be written to.
    AdmitAdded,
    /// All partitions that are wanted may be written to.
    AdmitWanted,
    AddOffsets,
    CommitOffsets,
    /// Send open batches without lingering.
    Flush,
    /// Fail everything that is not in flight.
    DropUnsent(Error),
    End {
        commit: bool,
    },
}

#[derive(Debug, Clone, PartialEq)]
enum Stage {
    Sent,
    Stalled(Stall),
}

/// Why a request was given up. Compared by kind only.
#[derive(Debug, Clone)]
struct Stall(Error);

impl PartialEq for Stall {
    fn eq(&self, other: &Self) -> bool {
        self.0.kind() == other.0.kind()
    }
}

#[derive(Debug, Clone)]
enum Phase {
    Fresh,
    Initializing(Stage),
    Ready,
    Open,
    /// Only an abort leads on.
    Failed(Error),
    /// The end was called for; batches and offsets are still on their way.
    Draining {
        commit: bool,
    },
    Ending {
        commit: bool,
        stage: Stage,
    },
    /// The transaction is aborted and the next epoch asked for (KIP-360).
    Bumping(Stage),
    Fatal(Error),
}

/// What the coordinator knows of the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begun {
    No,
    Maybe,
    Yes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Offsets {
    Idle,
    Adding,
    Committing,
}

#[derive(Debug, Clone)]
pub(super) struct State {
    phase: Phase,
    identity: Option<Identity>,
    is_v2: bool,
    begun: Begun,
    is_adding: bool,
    has_wanted: bool,
    offsets: Offsets,
    needs_bump: bool,
    /// A commit or abort that is done and whose caller has not heard of it.
    unclaimed: Option<Call>,
}

const NOT_INITIALIZED: &str =
    "the transactions of the producer are not initialised: call init_transactions first";
const NOT_OPEN: &str = "no transaction is open: call begin first";
const IS_OPEN: &str = "a transaction is open: commit or abort it first";
const IS_ENDING: &str =
    "the transaction is being committed or aborted: make that call again until it answers";
const OFFSETS_PENDING: &str = "offsets are being sent to the transaction already";

impl State {
    pub(super) fn new() -> Self {
        Self {
            phase: Phase::Fresh,
            identity: None,
            is_v2: false,
            begun: Begun::No,
            is_adding: false,
            has_wanted: false,
            offsets: Offsets::Idle,
            needs_bump: false,
            unclaimed: None,
        }
    }

    pub(super) fn identity(&self) -> Option<Identity> {
        self.identity
    }

    pub(super) fn is_v2(&self) -> bool {
        self.is_v2
    }

    /// Whether records may be appended.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open)
    }

    pub(super) fn is_draining(&self) -> bool {
        matches!(self.phase, Phase::Draining { .. })
    }

    /// The call that ends what is open; None where nothing is, or nothing can be done about it.
    pub(super) fn ending(&self) -> Option<Call> {
        match self.phase {
            Phase::Open | Phase::Failed(_) | Phase::Bumping(_) => Some(Call::Abort),
            Phase::Draining { commit } | Phase::Ending { commit, .. } => {
                Some(if commit { Call::Commit } else { Call::Abort })
            }
            Phase::Fresh | Phase::Initializing(_) | Phase::Ready | Phase::Fatal(_) => None,
        }
    }

    /// Why nothing more may be sent; None where sending goes on.
    pub(super) fn refusal(&self) -> Option<Error> {
        match &self.phase {
            Phase::Failed(error) | Phase::Fatal(error) => Some(error.clone()),
            Phase::Draining { commit: false } => Some(aborted()),
            _ => None,
        }
    }

    /// How a call ended that was not refused; None while it is under way.
    pub(super) fn outcome(&self, call: Call) -> Option<Result<(), TransactionError>> {
        match (&self.phase, call) {
            (Phase::Fatal(error), _) => Some(Err(TransactionError::Fatal(error.clone()))),
            (Phase::Initializing(Stage::Sent), Call::Init) => None,
            (Phase::Initializing(Stage::Stalled(stall)), Call::Init) => {
                Some(Err(TransactionError::Retry(stall.0.clone())))
            }
            (_, Call::SendOffsets) if self.offsets != Offsets::Idle => None,
            (Phase::Failed(error), Call::SendOffsets | Call::Commit | Call::Abort) => {
                Some(Err(TransactionError::Abort(error.clone())))
            }
            (Phase::Draining { commit }, Call::Commit) if *commit => None,
            (Phase::Ending { commit: true, stage }, Call::Commit)
            | (Phase::Ending { commit: false, stage } | Phase::Bumping(stage), Call::Abort) => match stage {
                Stage::Sent => None,
                Stage::Stalled(stall) => Some(Err(TransactionError::Retry(stall.0.clone()))),
            },
            (Phase::Draining { commit }, Call::Abort) if !*commit => None,
            (Phase::Ready, _) | (Phase::Open, Call::Begin | Call::SendOffsets | Call::Init) => Some(Ok(())),
            _ => Some(Err(TransactionError::Misuse(IS_ENDING))),
        }
    }

    /// The caller has heard of the end of its transaction.
    pub(super) fn claim(&mut self) {
        self.unclaimed = None;
    }

    /// Takes in one event; what is to be done about it is appended to `actions`.
    pub(super) fn step(&mut self, event: Event, actions: &mut Vec<Action>) {
        match event {
            Event::Called(call) => self.called(call, actions),
            Event::PartitionsWanted => self.partitions_wanted(actions),
            Event::BatchFailed { error, had_sequence } => {
                self.needs_bump |= had_sequence;
                self.fail(severity_at_leader(&error), error, actions);
            }
            Event::Drained => self.drained(actions),
            Event::Initialized(outcome) => self.initialized(outcome, actions),
            Event::PartitionsAdded(outcome) => {
                self.is_adding = false;
                match outcome {
                    Ok(()) => {
                        self.begun = Begun::Yes;
                        actions.push(Action::AdmitAdded);
                        if std::mem::take(&mut self.has_wanted) {
                            self.partitions_wanted(actions);
                        }
                    }
                    Err(error) => {
                        self.has_wanted = false;
                        self.fail(severity_at_coordinator(&error), error, actions);
                    }
                }
            }
            Event::OffsetsAdded(Ok(())) => {
                self.begun = Begun::Yes;
                if self.is_open() {
                    self.offsets = Offsets::Committing;
                    actions.push(Action::CommitOffsets);
                } else {
                    self.offsets = Offsets::Idle;
                }
            }
            Event::OffsetsCommitted(Ok(())) => self.offsets = Offsets::Idle,
            Event::OffsetsAdded(Err(error)) | Event::OffsetsCommitted(Err(error)) => {
                self.offsets = Offsets::Idle;
                self.fail(severity_at_coordinator(&error), error, actions);
            }
            Event::Ended(outcome) => self.ended(outcome, actions),
        }
    }

    fn called(&mut self, call: Call, actions: &mut Vec<Action>) {
        let refusal = match (&mut self.phase, call) {
            (Phase::Fatal(error), _) => TransactionError::Fatal(error.clone()),
            (phase @ (Phase::Fresh | Phase::Initializing(Stage::Stalled(_))), Call::Init) => {
                *phase = Phase::Initializing(Stage::Sent);
                actions.push(Action::Initialize { bump: None });
                return;
            }
            (_, Call::Init) => return,
            (Phase::Fresh | Phase::Initializing(_), _) => TransactionError::Misuse(NOT_INITIALIZED),
            (Phase::Ready, Call::Begin) => {
                self.phase = Phase::Open;
                self.begun = Begun::No;
                self.needs_bump = false;
                self.unclaimed = None;
                return;
            }
            (Phase::Ready, call) if self.unclaimed == Some(call) => return,
            (Phase::Ready, _) => TransactionError::Misuse(NOT_OPEN),
            (Phase::Open, Call::Begin) => TransactionError::Misuse(IS_OPEN),
            (Phase::Open, Call::SendOffsets) if self.offsets != Offsets::Idle => {
                TransactionError::Misuse(OFFSETS_PENDING)
            }
            (Phase::Open, Call::SendOffsets) => {
                if self.begun == Begun::No {
                    self.begun = Begun::Maybe;
                }
                let (offsets, action) = if self.is_v2 {
                    (Offsets::Committing, Action::CommitOffsets)
                } else {
                    (Offsets::Adding, Action::AddOffsets)
                };
                self.offsets = offsets;
                actions.push(action);
                return;
            }
            (Phase::Open, Call::Commit) => {
                self.phase = Phase::Draining { commit: true };
                actions.push(Action::Flush);
                return;
            }
            (Phase::Open | Phase::Failed(_) | Phase::Draining { commit: true }, Call::Abort) => {
                self.phase = Phase::Draining { commit: false };
                actions.push(Action::DropUnsent(aborted()));
                return;
            }
            (Phase::Failed(error), _) => TransactionError::Abort(error.clone()),
            (Phase::Draining { commit: true }, Call::Commit)
            | (Phase::Draining { commit: false } | Phase::Bumping(Stage::Sent), Call::Abort) => return,
            (Phase::Ending { commit: commit @ true, stage }, Call::Commit)
            | (Phase::Ending { commit: commit @ false, stage }, Call::Abort) => {
                if *stage != Stage::Sent {
                    *stage = Stage::Sent;
                    actions.push(Action::End { commit: *commit });
                }
                return;
            }
            (Phase::Bumping(stage), Call::Abort) => {
                *stage = Stage::Sent;
                actions.push(Action::Initialize { bump: self.identity });
                return;
            }
            (Phase::Draining { .. } | Phase::Ending { .. } | Phase::Bumping(_), _) => {
                TransactionError::Misuse(IS_ENDING)
            }
        };
        actions.push(Action::Refuse(refusal));
    }

    fn partitions_wanted(&mut self, actions: &mut Vec<Action>) {
        if !matches!(self.phase, Phase::Open | Phase::Draining { commit: true }) {
            return;
        }
        if self.begun == Begun::No {
            self.begun = Begun::Maybe;
        }
        if self.is_v2 {
            actions.push(Action::AdmitWanted);
        } else if self.is_adding {
            self.has_wanted = true;
        } else {
            self.is_adding = true;
            actions.push(Action::AddPartitions);
        }
    }

    fn drained(&mut self, actions: &mut Vec<Action>) {
        let Phase::Draining { commit } = self.phase else { return };
        if self.is_adding || self.has_wanted || self.offsets != Offsets::Idle {
            return;
        }
        if self.begun == Begun::No {
            self.finish(commit, actions);
        } else {
            self.phase = Phase::Ending { commit, stage: Stage::Sent };
            actions.push(Action::End { commit });
        }
    }

    fn initialized(&mut self, outcome: Result<Initialized>, actions: &mut Vec<Action>) {
        let (Phase::Initializing(stage) | Phase::Bumping(stage)) = &mut self.phase else { return };
        match outcome {
            Ok(Initialized { identity, is_v2 }) => {
                self.identity = Some(identity);
                self.is_v2 = is_v2;
                self.needs_bump = false;
                self.phase = Phase::Ready;
                actions.push(Action::Adopt(identity));
            }
            Err(error) if error.is_retriable() => *stage = Stage::Stalled(Stall(error)),
            Err(error) => self.fail(Severity::Fatal, error, actions),
        }
    }

    fn ended(&mut self, outcome: Result<Option<Identity>>, actions: &mut Vec<Action>) {
        let Phase::Ending { commit, stage } = &mut self.phase else { return };
        let commit = *commit;
        match outcome {
            Ok(identity) => {
                if let Some(identity) = identity {
                    self.identity = Some(identity);
                    self.needs_bump = false;
                    actions.push(Action::Adopt(identity));
                }
                self.finish(commit, actions);
            }
            Err(error) if error.is_retriable() => *stage = Stage::Stalled(Stall(error)),
            // The request that would have begun it never got there.
            Err(error)
                if !commit
                    && self.begun == Begun::Maybe
                    && error.code() == Some(ErrorCode::INVALID_TXN_STATE) =>
            {
                self.finish(commit, actions);
            }
            Err(error) => match severity_at_coordinator(&error) {
                Severity::Fatal => self.fail(Severity::Fatal, error, actions),
                severity => {
                    self.phase = Phase::Failed(error);
                    self.forget(severity);
                }
            },
        }
    }

    fn finish(&mut self, commit: bool, actions: &mut Vec<Action>) {
        self.begun = Begun::No;
        self.unclaimed = Some(if commit { Call::Commit } else { Call::Abort });
        if self.needs_bump {
            self.phase = Phase::Bumping(Stage::Sent);
            actions.push(Action::Initialize { bump: self.identity });
        } else {
            self.phase = Phase::Ready;
        }
    }

    fn fail(&mut self, severity: Severity, error: Error, actions: &mut Vec<Action>) {
        self.forget(severity);
        match (severity, &self.phase) {
            (_, Phase::Fatal(_)) => {}
            (Severity::Fatal, _) => {
                self.phase = Phase::Fatal(error.clone());
                actions.push(Action::DropUnsent(error));
            }
            (_, Phase::Open | Phase::Draining { commit: true }) => {
                self.phase = Phase::Failed(error.clone());
                actions.push(Action::DropUnsent(error));
            }
            _ => {}
        }
    }

    fn forget(&mut self, severity: Severity) {
        if severity == Severity::Forgotten {
            self.begun = Begun::No;
            self.needs_bump = true;
        }
    }
}

/// What becomes of records that an abort found unsent.
fn aborted() -> Error {
    Error::new(ErrorKind::Aborted, "deliver record batch")
}
