//! What this worker does while it leads: reads what the members say, has an assignor decide, and writes what each is told
//! (`IncrementalCooperativeAssignor#performAssignment`, `EagerAssignor#performAssignment`). Runs on the membership's thread. In one case it
//! takes more from a member than Java's leader does: see `unheard`.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use engine::rt::clock::{self, Instant};
use protocol::ErrorCode;
use protocol::client::group::{AssignmentRound, GroupProtocol};
use protocol::cluster::{Cluster, Metadata};
use protocol::net::LocalBoxFuture;

use super::assignor::{
    ConfigSnapshots, Configured, CooperativeAssignor, Round, Shares, Work, assign_eagerly,
};
use super::owners::{Met, Owners};
use super::protocol::{Assignment, CONFIG_MISMATCH, ConnectProtocol, Subscription};
use super::unheard::Unheard;

type Assignments = Vec<(String, Bytes)>;

/// What the herder's thread and the membership's both know. Locked a few times per rebalance.
#[derive(Debug, Default)]
pub(super) struct Shared(Mutex<Known>);

#[derive(Debug)]
pub(super) struct Known {
    /// The configuration that the last join told of.
    pub(super) joined_with: Arc<Configured>,
    pub(super) last_completed_generation: i32,
    /// Of the round that made this generation.
    pub(super) owners: Option<(i32, Arc<Owners>)>,
}

impl Default for Known {
    fn default() -> Known {
        Known { joined_with: Arc::default(), last_completed_generation: -1, owners: None }
    }
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The leader's side of the `connect` protocol type.
pub(super) struct Leader {
    url: Arc<str>,
    shared: Arc<Shared>,
    snapshots: Arc<dyn ConfigSnapshots>,
    assignor: RefCell<CooperativeAssignor>,
    pub(super) unheard: RefCell<Unheard>,
    /// The last round.
    met: RefCell<Option<Met>>,
    epoch: Instant,
}

impl GroupProtocol for Leader {
    fn assign(
        &self,
        _cluster: Cluster,
        round: AssignmentRound,
    ) -> LocalBoxFuture<'static, Result<Assignments, protocol::Error>> {
        let since = clock::now().duration_since(self.epoch).as_millis();
        Box::pin(ready(self.compute(&round, 1 + u64::try_from(since).unwrap_or(0))))
    }

    /// What changes in the config topic is the herder's to notice.
    fn outdated_reason(&self, _metadata: &Metadata) -> Option<&'static str> {
        None
    }
}

impl Leader {
    pub(super) fn new(
        url: Arc<str>,
        max_delay_ms: u64,
        shared: Arc<Shared>,
        snapshots: Arc<dyn ConfigSnapshots>,
    ) -> Leader {
        let assignor = RefCell::new(CooperativeAssignor::new(max_delay_ms));
        Leader {
            url,
            shared,
            snapshots,
            assignor,
            unheard: RefCell::default(),
            met: RefCell::new(None),
            epoch: clock::now(),
        }
    }

    /// `now_ms` is the time on a clock that only moves forward and never stands at 0.
    pub(super) fn compute(
        &self,
        round: &AssignmentRound,
        now_ms: u64,
    ) -> Result<Assignments, protocol::Error> {
        const DOING: &str = "assign connectors and tasks";
        let protocol = ConnectProtocol::from_wire_name(&round.protocol).ok_or_else(|| {
            protocol::Error::broker(DOING, ErrorCode::INCONSISTENT_GROUP_PROTOCOL)
                .with_source(format!("no protocol is called {}", round.protocol))
        })?;
        let mut members: Vec<(Arc<str>, Subscription)> = Vec::with_capacity(round.members.len());
        let mut assignments = Assignments::new();
        for member in &round.members {
            match Subscription::decode(&member.metadata) {
                Ok(subscription) => members.push((member.member_id.as_str().into(), subscription)),
                Err(error) => {
                    // Java's leader ends here. One member that cannot be understood must not stop the others: it gets nothing.
                    tracing::warn!(member = member.member_id, %error, "a member of the group says what cannot be read");
                    let nothing = self.told(round, 0, -1);
                    assignments.push((member.member_id.clone(), written(&nothing, protocol)?));
                }
            }
        }
        let config_offset_max = members.iter().map(|(_, member)| member.config_offset).max().unwrap_or(-1);
        let joined_with = Arc::clone(&self.shared.lock().joined_with);
        let (configured, config_offset) = if joined_with.offset >= config_offset_max {
            (joined_with, config_offset_max)
        } else {
            let fresh = self.snapshots.snapshot();
            let offset = fresh.offset;
            (fresh, offset)
        };
        self.shared.lock().owners = None;
        if config_offset < config_offset_max {
            tracing::info!(
                config_offset,
                config_offset_max,
                "this worker leads and has not read the configuration that others have: everybody joins again"
            );
            for (member, _) in &members {
                let failed = self.told(round, CONFIG_MISMATCH, config_offset_max);
                assignments.push((member.to_string(), written(&failed, protocol)?));
            }
            return Ok(assignments);
        }
        let known = members
            .iter()
            .map(|(id, member)| (Arc::clone(id), (Arc::clone(&member.url), member.config_offset)))
            .collect();
        let shares = self.shares(round, protocol, members, &configured, now_ms);
        for share in &shares.shares {
            let assignment = Assignment {
                connectors: share.assigned.connectors.iter().cloned().collect(),
                tasks: share.assigned.tasks.iter().cloned().collect(),
                revoked_connectors: share.revoked.connectors.iter().cloned().collect(),
                revoked_tasks: share.revoked.tasks.iter().cloned().collect(),
                delay_ms: i32::try_from(shares.delay_ms).unwrap_or(i32::MAX),
                ..self.told(round, 0, config_offset)
            };
            assignments.push((share.member.to_string(), written(&assignment, protocol)?));
        }
        let reason = self.reason(round, &known, &configured, &shares);
        let owners = Arc::new(Owners::new(shares, &known, &configured, reason));
        self.shared.lock().owners = Some((round.leader.generation_id, owners));
        Ok(assignments)
    }

    /// Why the group met. A leader that another one has led since cannot tell.
    fn reason(
        &self,
        round: &AssignmentRound,
        known: &HashMap<Arc<str>, (Arc<str>, i64)>,
        configured: &Arc<Configured>,
        shares: &Shares,
    ) -> String {
        let members: BTreeMap<_, _> =
            known.iter().map(|(id, (url, _))| (Arc::clone(id), Arc::clone(url))).collect();
        let last_completed_generation = self.shared.lock().last_completed_generation;
        let met = self.met.replace(None).filter(|met| met.generation >= last_completed_generation);
        let reason = met.map_or_else(
            || "this worker has begun to lead".to_owned(),
            |met| met.why_again(&members, configured),
        );
        self.met.replace(Some(Met {
            generation: round.leader.generation_id,
            members,
            configured: Arc::clone(configured),
            revoked_any: shares.shares.iter().any(|share| !share.revoked.is_empty()),
            delay_ms: shares.delay_ms,
        }));
        reason
    }

    fn shares(
        &self,
        round: &AssignmentRound,
        protocol: ConnectProtocol,
        members: Vec<(Arc<str>, Subscription)>,
        configured: &Configured,
        now_ms: u64,
    ) -> Shares {
        if protocol == ConnectProtocol::Eager {
            return assign_eagerly(members.into_iter().map(|(member, _)| member), configured);
        }
        let claims = members.into_iter().map(|(member, subscription)| {
            let claimed = subscription.allocation.unwrap_or_default();
            (member, Work::new(claimed.connectors, claimed.tasks))
        });
        let last_completed_generation = self.shared.lock().last_completed_generation;
        let generation = round.leader.generation_id;
        let mut shares = self.assignor.borrow_mut().assign(Round {
            members: claims.collect(),
            configured,
            last_completed_generation,
            generation,
            now_ms,
        });
        self.unheard.borrow_mut().take(last_completed_generation, generation, &mut shares);
        shares
    }

    fn told(&self, round: &AssignmentRound, error: i16, config_offset: i64) -> Assignment {
        Assignment {
            error,
            leader: round.leader.member_id.as_str().into(),
            leader_url: Arc::clone(&self.url),
            config_offset,
            ..Assignment::default()
        }
    }
}

fn written(assignment: &Assignment, protocol: ConnectProtocol) -> Result<Bytes, protocol::Error> {
    assignment
        .encode(protocol)
        .map_err(|error| protocol::Error::malformed("write an assignment for the group", error))
}
