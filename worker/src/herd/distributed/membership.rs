//! Being a member of the group: from an assignment to work that may be started (contract 4.4), and falling behind (4.6).

use std::collections::VecDeque;
use std::sync::Arc;

use engine::planted::{self, Bug};
use engine::task::TaskId;

use super::event::ClusterAction;
use super::machine::Cluster;
use crate::group::{Assigned, ConnectProtocol, MemberEvent, RevokedBy};

/// How often a worker that is behind tries to catch up before it gives up what it runs.
const CATCH_UP_RETRIES: u64 = 5;

/// How long a worker that knows what the leader does not waits for the leader to come back to the group. A rebalance is heard of without; joining
/// at once, as Java's workers do, gives the same failed assignment over and over for as long as the leader reads, as fast as brokers answer.
const FAILED_ASSIGNMENT_PATIENCE_MS: u64 = 1_000;

/// Where this worker stands in its group.
#[derive(Default)]
pub(super) struct Membership {
    /// The last assignment; none before the first.
    pub(super) assigned: Option<Assigned>,
    /// The group goes on without this worker, for all that it knows.
    pub(super) is_out: bool,
    /// Another one is to come.
    pub(super) is_rebalancing: bool,
    /// Its work has been started.
    pub(super) is_resolved: bool,
    /// This worker has asked for the rebalance, because the config topic said something.
    pub(super) awaits_reconfiguration: bool,
    /// When to ask for another assignment instead of one that failed; anything that the group says voids it.
    pub(super) retry_due_ms: Option<u64>,
    /// What the group takes, the oldest first.
    pub(super) revocations: VecDeque<Revocation>,
    pub(super) lag: Lag,
}

/// What the group takes.
pub(super) struct Revocation {
    connectors: Vec<Arc<str>>,
    tasks: Vec<TaskId>,
    is_flushing: bool,
}

/// How far behind the config topic this worker is.
#[derive(Default)]
pub(super) struct Lag {
    is_refreshing: bool,
    /// The present assignment has been read for.
    has_refreshed: bool,
    /// It has left the group for being too slow.
    has_left: bool,
    /// It tries again then.
    pub(super) until_ms: Option<u64>,
    attempts: u64,
}

impl Cluster {
    /// Whether this worker knows what it and the others are to do.
    pub(super) fn is_settled(&self) -> bool {
        let Membership { assigned, is_rebalancing, is_resolved, revocations, .. } = &self.membership;
        assigned.is_some() && !is_rebalancing && *is_resolved && revocations.is_empty() && !self.is_stopping
    }

    pub(super) fn is_leader(&self) -> bool {
        self.membership.assigned.as_ref().is_some_and(|assigned| assigned.is_leader)
    }

    /// The leader's REST; none while nobody is known to lead.
    pub(super) fn leader_url(&self) -> Option<Arc<str>> {
        let url = &self.membership.assigned.as_ref()?.leader_url;
        (!url.is_empty()).then(|| Arc::clone(url))
    }

    /// The generation that statuses are written with.
    pub(super) fn generation(&self) -> i32 {
        self.membership.assigned.as_ref().map_or(-1, |assigned| assigned.generation)
    }

    pub(super) fn member_event(&mut self, event: MemberEvent, out: &mut Vec<ClusterAction>) {
        self.membership.retry_due_ms = None;
        match event {
            MemberEvent::Rebalancing { .. } => self.membership.is_rebalancing = true,
            MemberEvent::Revoked { cause, connectors, tasks } => {
                for connector in &connectors {
                    self.own_connectors.remove(connector);
                }
                for task in &tasks {
                    self.own_tasks.remove(task);
                    if planted::is(Bug::LostRevocation) {
                        self.tasks.remove(task);
                    }
                }
                if matches!(cause, RevokedBy::Lost(_) | RevokedBy::Failed | RevokedBy::OutOfSync) {
                    self.membership.is_rebalancing = true;
                    self.membership.is_out = true;
                    self.abandon_fencing(out);
                }
                self.membership.is_resolved = false;
                self.membership.revocations.push_back(Revocation { connectors, tasks, is_flushing: false });
            }
            MemberEvent::Assigned(assigned) => {
                let leads = assigned.is_leader;
                // What is running goes on; what is no longer ours was revoked before.
                let still = assigned.connectors.iter().filter(|name| self.own_connectors.contains(*name));
                self.own_connectors = still.cloned().collect();
                let still = assigned.tasks.iter().filter(|id| self.own_tasks.contains(*id));
                self.own_tasks = still.cloned().collect();
                self.membership.assigned = Some(assigned);
                self.membership.is_rebalancing = false;
                self.membership.is_out = false;
                self.membership.is_resolved = false;
                self.membership.awaits_reconfiguration = false;
                self.membership.lag.has_refreshed = false;
                if !leads {
                    self.abandon_fencing(out);
                } else if !self.is_stopping {
                    self.forget_gone(out);
                    out.push(ClusterAction::ClaimPrivileges);
                }
            }
            // Said in the log by the shell; the member tries again.
            MemberEvent::Failed(_) => {}
        }
    }

    /// Asks for a rebalance.
    pub(super) fn rejoin(&mut self, reason: &'static str, out: &mut Vec<ClusterAction>) {
        self.membership.is_rebalancing = true;
        self.membership.retry_due_ms = None;
        out.push(ClusterAction::Rejoin(reason));
    }

    /// The same because of what the config topic says.
    pub(super) fn rejoin_for_configuration(&mut self, reason: &'static str, out: &mut Vec<ClusterAction>) {
        self.membership.awaits_reconfiguration = true;
        self.rejoin(reason, out);
    }

    /// Catches up with the assignment, and starts its work once everybody knows the same.
    pub(super) fn advance_membership(&mut self, now_ms: u64, out: &mut Vec<ClusterAction>) {
        if self.is_stopping {
            return;
        }
        if self.membership.lag.has_left {
            if self.membership.lag.until_ms.is_some_and(|until_ms| until_ms <= now_ms) {
                self.membership.lag.until_ms = None;
                self.refresh(out);
            }
            return;
        }
        let Membership {
            assigned: Some(assigned),
            is_rebalancing: false,
            is_resolved: false,
            revocations,
            lag,
            ..
        } = &self.membership
        else {
            return;
        };
        if !revocations.is_empty() || lag.is_refreshing {
            return;
        }
        let (own, expected) = (self.snapshot.offset(), assigned.config_offset);
        let is_behind = own < expected;
        if assigned.is_failed {
            if (assigned.is_leader || is_behind) && !lag.has_refreshed {
                self.refresh(out);
            } else if !assigned.is_leader && self.membership.retry_due_ms.is_none_or(|due_ms| due_ms > now_ms)
            {
                self.membership.retry_due_ms.get_or_insert(now_ms + FAILED_ASSIGNMENT_PATIENCE_MS);
            } else {
                self.rejoin("the leader could not read the configurations", out);
            }
        } else if is_behind && !lag.has_refreshed {
            self.refresh(out);
        } else if own != expected {
            tracing::info!(
                "Current config state offset {own} does not match group assignment {expected}. Forcing rebalance."
            );
            self.rejoin("the configurations differ from those that the assignment was made for", out);
        } else {
            let assigned = assigned.clone();
            self.own_connectors = assigned.connectors.iter().cloned().collect();
            self.own_tasks = assigned.tasks.iter().cloned().collect();
            self.membership.is_resolved = true;
            self.is_ready = true;
            if assigned.revoked_any {
                self.membership.is_rebalancing = true;
            }
            out.push(ClusterAction::Resolved { generation: assigned.generation });
        }
    }

    fn refresh(&mut self, out: &mut Vec<ClusterAction>) {
        if !std::mem::replace(&mut self.membership.lag.is_refreshing, true) {
            out.push(ClusterAction::Refresh);
        }
    }

    pub(super) fn refreshed(
        &mut self,
        result: Result<(), String>,
        now_ms: u64,
        out: &mut Vec<ClusterAction>,
    ) {
        let protocol = self.membership.assigned.as_ref().map(|assigned| assigned.protocol);
        let lag = &mut self.membership.lag;
        lag.is_refreshing = false;
        if let Err(error) = result {
            tracing::warn!(%error, "the config topic could not be read to its end in time");
            if !std::mem::replace(&mut lag.has_left, true) {
                lag.attempts = 0;
                out.push(ClusterAction::Leave("taking too long to read the log"));
            }
            if protocol == Some(ConnectProtocol::Eager) {
                lag.until_ms = Some(now_ms + self.setup.unsync_backoff_ms);
                return;
            }
            if lag.attempts == CATCH_UP_RETRIES {
                lag.attempts = 0;
                lag.until_ms = None;
                out.push(ClusterAction::RevokeAll);
                return self.refresh(out);
            }
            // 30 s in 5, 4, 3, 2 parts, and whole, with Java's defaults.
            lag.until_ms = Some(now_ms + self.setup.max_delay_ms / 10 / (CATCH_UP_RETRIES - lag.attempts));
            lag.attempts += 1;
            return;
        }
        lag.has_refreshed = true;
        lag.attempts = 0;
        lag.until_ms = None;
        if std::mem::take(&mut lag.has_left) {
            self.membership.is_rebalancing = true;
            out.push(ClusterAction::Join);
        }
    }

    /// Tells the group that what it took has been given up, once it has.
    pub(super) fn advance_revocation(&mut self, out: &mut Vec<ClusterAction>) {
        let Some(Revocation { connectors, tasks, is_flushing: false }) = self.membership.revocations.front()
        else {
            return;
        };
        let runs =
            connectors.iter().any(|c| self.instances.contains_key(c) && !self.own_connectors.contains(c))
                || tasks.iter().any(|id| self.tasks.contains_key(id) && !self.own_tasks.contains(id));
        if runs {
            return;
        }
        if let Some(revocation) = self.membership.revocations.front_mut() {
            revocation.is_flushing = true;
        }
        out.push(ClusterAction::FlushStatuses);
    }

    pub(super) fn statuses_flushed(&mut self, out: &mut Vec<ClusterAction>) {
        if self.membership.revocations.pop_front().is_some() {
            out.push(ClusterAction::AcknowledgeRevoked);
        }
    }
}
