//! What only the leader does: the key with which workers sign what they ask of each other (KIP-507), and the rest of what another leader left
//! half done.

use std::sync::Arc;

use super::event::{ClusterAction, ConfigWrite};
use super::machine::Cluster;
use super::writes::Then;
use crate::config::TargetState;
use crate::group::ConnectProtocol;

impl Cluster {
    /// When a new key is due, as far as this worker has to see to it.
    pub(super) fn key_due_ms(&self) -> Option<u64> {
        let signs = |protocol| protocol == ConnectProtocol::Sessioned;
        let leads = self.is_settled() && self.is_leader();
        let assigned = self.membership.assigned.as_ref().filter(|assigned| signs(assigned.protocol));
        let is_being_written = self.writes.values().any(|write| write.is_session_key());
        assigned.filter(|_| leads && !is_being_written)?;
        let due_ms = match self.snapshot.session_key() {
            Some(key)
                if key.algorithm == self.setup.key_algorithm && key.key.len() == self.setup.key_length =>
            {
                if self.setup.key_ttl_ms == 0 {
                    return None;
                }
                let ends_ms = key.created_ms.saturating_add_unsigned(self.setup.key_ttl_ms);
                u64::try_from(ends_ms - self.setup.unix_ms_at_zero).unwrap_or(0)
            }
            _ => 0,
        };
        Some(due_ms.max(self.key_write_due_ms))
    }

    pub(super) fn lead(&mut self, now_ms: u64, out: &mut Vec<ClusterAction>) {
        if self.key_due_ms().is_some_and(|due_ms| due_ms <= now_ms) {
            // A clock that runs ahead must not make it write one key after the other.
            self.key_write_due_ms = now_ms + 1_000;
            self.write(None, &"".into(), vec![ConfigWrite::NewSessionKey], Then::SessionKey, out);
        }
    }

    /// Takes the tasks of stopped connectors away. To stop one takes two records, no tasks and then the new state, and only the first needs the
    /// leader's privilege: where another worker takes over in between, the connector's tasks are made again. In Java they stay.
    pub(super) fn finish_stops(&mut self, out: &mut Vec<ClusterAction>) {
        if !self.is_settled() || !self.is_leader() {
            return;
        }
        let snapshot = Arc::clone(&self.snapshot);
        let has_tasks = |name: &&Arc<str>| {
            snapshot.target_state(name) == Some(TargetState::Stopped) && snapshot.task_count(name) != 0
        };
        for name in snapshot.connectors().filter(has_tasks) {
            if !self.is_busy(name) {
                let nothing = ConfigWrite::Tasks(Arc::clone(name), Vec::new());
                self.write(None, name, vec![nothing], Then::Done, out);
            }
        }
    }
}
