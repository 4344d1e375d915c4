//! What a failed transaction asks of its owner: try the call again, abort and go on, or close the producer.

use std::fmt;

use crate::wire::error_code::Remedy;
use crate::{Error, ErrorCode};

/// Why a transactional call failed, by what the caller should do.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum TransactionError {
    /// No answer within `max.block.ms`; how it ended is not known. Make the same call again: the outcome stays exact.
    Retry(Error),
    /// The transaction cannot be committed: [`abort`](super::super::Producer::abort) it and begin the next one.
    Abort(Error),
    /// The producer is of no more use: close it, and where nobody [took over](TransactionError::is_fenced) make another with the same
    /// `transactional.id`, which ends what this one left open.
    Fatal(Error),
    /// The call does not fit the state of the producer; nothing was changed.
    Misuse(&'static str),
}

impl TransactionError {
    /// Whether a newer producer with the same transactional id has shut this one out: starting again would shut that one out in turn.
    /// A transaction that took longer than `transaction.timeout.ms` looks the same before KIP-890, because the coordinator raised the
    /// epoch when it aborted it. Since then committing it is `Fatal` with `INVALID_TXN_STATE`, as in Java, and not fenced: nobody else
    /// is there, and a new producer may take over at once.
    pub fn is_fenced(&self) -> bool {
        matches!(self, Self::Fatal(error) if is_fencing(error))
    }

    /// The cause; None where the call was out of place.
    pub fn cause(&self) -> Option<&Error> {
        match self {
            Self::Retry(error) | Self::Abort(error) | Self::Fatal(error) => Some(error),
            Self::Misuse(_) => None,
        }
    }
}

impl fmt::Display for TransactionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Retry(error) => write!(f, "the outcome is open, call again: {error}"),
            Self::Abort(error) => write!(f, "the transaction has to be aborted: {error}"),
            Self::Fatal(error) if self.is_fenced() => write!(f, "the producer is fenced: {error}"),
            Self::Fatal(error) => write!(f, "the producer has to be closed: {error}"),
            Self::Misuse(detail) => f.write_str(detail),
        }
    }
}

impl std::error::Error for TransactionError {}

/// What an error means for the transaction in which it came up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Severity {
    /// The transaction can be aborted, and the producer goes on.
    Abortable,
    /// As `Abortable`, but the coordinator has forgotten the producer, so there is nothing to end: only a new epoch helps.
    Forgotten,
    Fatal,
}

fn is_fencing(error: &Error) -> bool {
    matches!(error.code(), Some(ErrorCode::PRODUCER_FENCED | ErrorCode::INVALID_PRODUCER_EPOCH))
}

/// What an error of a coordinator means for a transaction, as in Java's `TransactionManager`; retries are over when it is asked. It is
/// what the table of codes says ([`ErrorCode::remedy`]), but where an abort undoes more, or less, than the one request.
pub(super) fn severity_at_coordinator(error: &Error) -> Severity {
    match error.code() {
        // No answer: whatever was asked for is undone by an abort.
        None if error.is_retriable() => Severity::Abortable,
        None => Severity::Fatal,
        Some(code) => match code {
            ErrorCode::UNKNOWN_PRODUCER_ID | ErrorCode::INVALID_PRODUCER_ID_MAPPING => Severity::Forgotten,
            // A leader may not have heard of the newest epoch yet; the coordinator gives it.
            ErrorCode::INVALID_PRODUCER_EPOCH => Severity::Fatal,
            // One topic or group is at fault, or the member that consumed, not the producer: without them it goes on.
            ErrorCode::TOPIC_AUTHORIZATION_FAILED
            | ErrorCode::GROUP_AUTHORIZATION_FAILED
            | ErrorCode::INVALID_TOPIC_EXCEPTION
            | ErrorCode::OFFSET_METADATA_TOO_LARGE
            | ErrorCode::FENCED_INSTANCE_ID => Severity::Abortable,
            code => match code.remedy() {
                Remedy::Nothing
                | Remedy::Retry
                | Remedy::RefreshMetadata
                | Remedy::RefindCoordinator
                | Remedy::Rejoin
                | Remedy::Abort => Severity::Abortable,
                Remedy::Fence | Remedy::Fail => Severity::Fatal,
            },
        },
    }
}

/// The same for a batch that was not written. An old epoch is not fatal here: whether the producer is fenced, or only its
/// transaction timed out, is the coordinator's to say when it is aborted.
pub(super) fn severity_at_leader(error: &Error) -> Severity {
    match error.code() {
        Some(
            ErrorCode::PRODUCER_FENCED
            | ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED
            | ErrorCode::CLUSTER_AUTHORIZATION_FAILED
            | ErrorCode::INVALID_PRODUCER_ID_MAPPING,
        ) => Severity::Fatal,
        _ => Severity::Abortable,
    }
}
