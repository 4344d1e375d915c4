//! Records that fail: what becomes of them is decided here and nowhere else (contract section 6).
//!
//! ```text
//!  a stage ── rows that failed ──▶ ErrorHandler::sort ──▶ to be tried again (RetriableException) ──▶ the same stage, later
//!                                        │ for good
//!                                        ▼
//!                                  ErrorHandler::judge ──▶ log ──▶ dead letter queue ──▶ skipped, or the task fails
//! ```
//!
//! Nothing here runs, allocates or counts while no record fails.

mod dead_letters;
mod errant;
mod failure;
mod handler;
mod log;
mod originals;
mod retry;

pub(crate) use dead_letters::{DeadLetters, from_kafka, not_sent};
pub(crate) use errant::ErrantReports;
pub(crate) use failure::{Failure, Place, Stage, kept};
pub(crate) use handler::{ErrorHandler, Records};
pub(crate) use originals::Originals;
pub(crate) use retry::Retrying;
