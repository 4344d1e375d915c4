//! What the actions have started.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use engine::connector::ConnectorHandle;
use engine::task::{TaskHandle, TaskId};
use protocol::metrics::MetricsConfig;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::super::event::{Epoch, Outcome, Refusal, Token};
use super::super::view::View;
use super::measured::Measured;
use super::resolving::Resolving;
use super::topics::PastTopics;

#[derive(Default)]
pub(in super::super) struct Running {
    pub(in super::super) next_token: Token,
    pub(in super::super) waiters: HashMap<Token, oneshot::Sender<Result<Outcome, Refusal>>>,
    /// `None` while it starts.
    pub(super) instances: HashMap<Epoch, Option<Rc<ConnectorHandle>>>,
    pub(in super::super) tasks: HashMap<Epoch, RunningTask>,
    /// Tasks whose configuration providers are being asked.
    pub(super) resolving: HashMap<Epoch, Resolving>,
    /// Restarts that are due when what a provider gave ends, by connector and path.
    pub(super) reloads: HashMap<(Arc<str>, String), AbortHandle>,
    pub(super) offset_changes: HashMap<Epoch, AbortHandle>,
    pub(super) past_topics: PastTopics,
    /// From the engine's count of starts to ours.
    pub(super) epochs: HashMap<u64, Epoch>,
    pub(in super::super) measured: Measured,
}

pub(in super::super) struct RunningTask {
    pub(in super::super) id: TaskId,
    pub(in super::super) handle: Rc<TaskHandle>,
}

impl Running {
    pub(in super::super) fn new(windows: MetricsConfig) -> Running {
        Running { measured: Measured::new(windows), ..Running::default() }
    }

    /// Forgets what is kept of connectors that are no more.
    pub(in super::super) fn forget_gone(&mut self, herd: &dyn View) {
        self.past_topics.retain(herd);
        self.forget_reloads(herd);
    }
}
