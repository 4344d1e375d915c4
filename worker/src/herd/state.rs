//! States of connector instances and tasks, as status answers show them.

use std::sync::Arc;

/// State of a connector instance or task, under Java's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum State {
    /// Stopped cleanly, or not started yet.
    Unassigned,
    /// At work.
    Running,
    /// Kept, but not polled.
    Paused,
    /// Ended by an error; someone has to restart it.
    Failed,
    /// Stopped in order to be started again.
    Restarting,
    /// A connector that has no tasks because it was asked to stop.
    Stopped,
}

/// A state and, where it is FAILED, why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The state.
    pub state: State,
    /// In the form of a Java stack trace.
    pub trace: Option<String>,
    /// As in Java, what failed before it was put together has no version.
    pub has_version: bool,
    /// Why it is held to run without moving.
    pub stuck: Option<Arc<str>>,
}

impl Status {
    pub(super) fn of(state: State) -> Status {
        Status { state, trace: None, has_version: true, stuck: None }
    }

    pub(super) fn failed(trace: String) -> Status {
        Status { state: State::Failed, trace: Some(trace), has_version: true, stuck: None }
    }
}
