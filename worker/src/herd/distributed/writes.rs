//! Records on their way to the config topic, and what follows once they are there.

use std::sync::Arc;

use super::super::event::{Action, Epoch, Outcome, Refusal, Token};
use super::super::local::OffsetRequest;
use super::super::view::{ConnectorInfo, ConnectorStateInfo, View as _};
use super::event::{ClusterAction, ConfigWrite, PublishFailure, WriteFailure, WriteId};
use super::machine::{Cluster, reply};

/// How long the leader waits before it tries again to be the only writer (`DistributedHerder`).
const CLAIM_BACKOFF_MS: u64 = 250;

/// Java's words when another worker has taken over.
pub(super) const RACE: &str = "Failed to write to config topic; this may be due to a transient error and the request can be safely retried";

/// Records that are being written.
pub(super) struct Write {
    /// Nothing else is written for it meanwhile.
    pub(super) connector: Arc<str>,
    pub(super) token: Option<Token>,
    then: Then,
}

/// What a write is for.
pub(super) enum Then {
    Created,
    Updated,
    Done,
    Restarting(ConnectorStateInfo),
    ChangeOffsets(OffsetRequest),
    /// The tasks of a connector that runs here, of this start.
    Published(Epoch),
    SessionKey,
    /// The config topic is read for those who ask for a fencing.
    FencingRead(Arc<str>),
    /// It is read once more, after the fencing.
    FencingReadAgain(Epoch),
    /// The record of a fencing.
    FencingRecorded(Epoch),
}

impl Write {
    pub(super) fn is_session_key(&self) -> bool {
        matches!(self.then, Then::SessionKey)
    }
}

/// A change of offsets under way.
pub(super) struct OffsetChange {
    pub(super) token: Token,
    pub(super) connector: Arc<str>,
    pub(super) verb: &'static str,
    pub(super) is_source: bool,
    pub(super) deadline_ms: u64,
}

impl Cluster {
    pub(super) fn write(
        &mut self,
        token: Option<Token>,
        connector: &Arc<str>,
        records: Vec<ConfigWrite>,
        then: Then,
        out: &mut Vec<ClusterAction>,
    ) {
        let id: WriteId = self.next_write;
        self.next_write += 1;
        self.writes.insert(id, Write { connector: Arc::clone(connector), token, then });
        out.push(ClusterAction::Write { id, records });
    }

    /// Something is being written for a connector, or its offsets are being changed.
    pub(super) fn is_busy(&self, connector: &str) -> bool {
        self.writes.values().any(|write| &*write.connector == connector)
            || self.offset_changes.values().any(|change| &*change.connector == connector)
    }

    pub(super) fn written(
        &mut self,
        id: WriteId,
        result: Result<(), WriteFailure>,
        now_ms: u64,
        out: &mut Vec<ClusterAction>,
    ) {
        let Some(Write { connector, token, then }) = self.writes.remove(&id) else { return };
        if result.as_ref().is_err_and(|failure| failure.is_privilege_lost) && self.is_leader() {
            self.claim_due_ms.get_or_insert(now_ms + CLAIM_BACKOFF_MS);
        }
        match then {
            Then::Published(epoch) => {
                let failed =
                    |failure: WriteFailure| PublishFailure { message: failure.message, is_forbidden: false };
                return self.published(&connector, epoch, result.map_err(failed), now_ms);
            }
            Then::SessionKey => {
                if let Err(failure) = result {
                    tracing::warn!(error = %failure.message, "Failed to write new session key to config topic");
                    self.key_write_due_ms = now_ms + CLAIM_BACKOFF_MS;
                }
                return;
            }
            Then::FencingRead(name) => return self.fencing_read(&name, result, out),
            Then::FencingReadAgain(round) => return self.fencing_read_again(&connector, round, result, out),
            Then::FencingRecorded(round) => return self.fencing_recorded(&connector, round, result, out),
            _ => {}
        }
        let Some(token) = token else { return };
        if let Err(WriteFailure { message, is_privilege_lost }) = result {
            let message = if is_privilege_lost { RACE.to_owned() } else { message };
            return reply(token, Err(Refusal::Failed(message)), out);
        }
        let info = |cluster: &Cluster| -> Option<ConnectorInfo> { cluster.info(&connector) };
        let outcome = match then {
            Then::Created => info(self).map_or(Outcome::Done, Outcome::Created),
            Then::Updated => info(self).map_or(Outcome::Done, Outcome::Updated),
            Then::Restarting(planned) => Outcome::Restarting(planned),
            Then::ChangeOffsets(request) => {
                return self.change_offsets(token, &connector, request, now_ms, out);
            }
            _ => Outcome::Done,
        };
        reply(token, Ok(outcome), out);
    }

    pub(super) fn offsets_changed(
        &mut self,
        epoch: Epoch,
        result: Result<bool, Refusal>,
        out: &mut Vec<ClusterAction>,
    ) {
        let Some(change) = self.offset_changes.remove(&epoch) else { return };
        let result = result.map(|knows_all| {
            Outcome::OffsetsChanged(super::super::local::offsets_changed(change.verb, knows_all))
        });
        reply(change.token, result, out);
    }

    /// Nobody waits any longer for what takes too long.
    pub(super) fn offsets_overdue(&mut self, now_ms: u64, out: &mut Vec<ClusterAction>) {
        let overdue: Vec<Epoch> = self
            .offset_changes
            .iter()
            .filter(|(_, change)| change.deadline_ms <= now_ms)
            .map(|(epoch, _)| *epoch)
            .collect();
        for epoch in overdue {
            let Some(change) = self.offset_changes.remove(&epoch) else { continue };
            let kind = if change.is_source { "source" } else { "sink" };
            let (verb, connector) = (change.verb, &change.connector);
            let failure =
                format!("Timed out while trying to {verb} the offsets of {kind} connector {connector}");
            out.push(ClusterAction::Herd(Action::AbandonOffsets { epoch }));
            reply(change.token, Err(Refusal::Failed(failure)), out);
        }
    }
}
