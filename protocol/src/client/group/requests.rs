//! The four membership requests: from the core's words to Kafka's messages and back. One attempt each.

use std::time::Duration;

use bytes::Bytes;

use super::handle::GroupConfig;
use super::membership::{GroupMember, JoinOutcome, JoinReply, MemberIdentity, ProtocolMetadata};
use crate::cluster::{Cluster, RetryAction, Target, decide};
use crate::wire::messages::join_group_request::JoinGroupRequestProtocol;
use crate::wire::messages::leave_group_request::MemberIdentity as LeavingMember;
use crate::wire::messages::sync_group_request::SyncGroupRequestAssignment;
use crate::wire::messages::{
    GroupId, HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, StrBytes, SyncGroupRequest,
};
use crate::{Error, ErrorCode};

/// Java gives the coordinator this much time on top of the rebalance timeout.
const JOIN_GRACE: Duration = Duration::from_secs(5);

/// The group's coordinator, as the membership requests see it.
#[derive(Clone)]
pub(super) struct Coordinator {
    pub(super) cluster: Cluster,
    pub(super) target: Target,
    pub(super) config: std::rc::Rc<GroupConfig>,
}

impl Coordinator {
    /// Finds the coordinator and connects to it, where that is not done.
    pub(super) async fn reach(&self) -> Result<(), Error> {
        let node = self.cluster.coordinator(&self.target).await?;
        let connected = self.cluster.connection(node).await;
        if connected.is_err() {
            self.cluster.forget_coordinator(&self.target);
        }
        connected.map(drop)
    }

    pub(super) async fn join(
        &self,
        member_id: String,
        protocols: Vec<ProtocolMetadata>,
        reason: &'static str,
    ) -> Result<JoinOutcome, Error> {
        let config = &self.config;
        let rebalance_timeout = Duration::from_millis(config.rebalance_timeout_ms);
        let limit = (rebalance_timeout + JOIN_GRACE).max(self.request_timeout());
        let protocols: Vec<_> = protocols
            .into_iter()
            .map(|protocol| {
                JoinGroupRequestProtocol::default()
                    .with_name(string(&protocol.name))
                    .with_metadata(protocol.metadata)
            })
            .collect();
        let outcome = self
            .cluster
            .call_within(&self.target, limit, |version| {
                let mut request = JoinGroupRequest::default()
                    .with_group_id(self.group_id())
                    .with_session_timeout_ms(millis(config.session_timeout_ms))
                    .with_rebalance_timeout_ms(millis(config.rebalance_timeout_ms))
                    .with_member_id(string(&member_id))
                    .with_protocol_type(string(&config.protocol_type))
                    .with_protocols(protocols.clone());
                if version >= 5 {
                    request = request.with_group_instance_id(self.instance_id());
                }
                if version >= 8 {
                    request = request.with_reason(Some(string(reason)));
                }
                request
            })
            .await;
        let (response, _) = outcome?;
        if ErrorCode(response.error_code) == ErrorCode::MEMBER_ID_REQUIRED {
            return Ok(JoinOutcome::MemberIdRequired(response.member_id.to_string()));
        }
        self.check("join group", response.error_code)?;
        let members = response
            .members
            .into_iter()
            .map(|member| GroupMember {
                member_id: member.member_id.to_string(),
                group_instance_id: member.group_instance_id.map(|id| id.to_string()),
                metadata: member.metadata,
            })
            .collect();
        Ok(JoinOutcome::Joined(JoinReply {
            generation_id: response.generation_id,
            is_leader: response.leader == response.member_id,
            skip_assignment: response.skip_assignment,
            protocol: response.protocol_name.map_or_else(String::new, |name| name.to_string()),
            member_id: response.member_id.to_string(),
            members,
        }))
    }

    pub(super) async fn sync(
        &self,
        identity: MemberIdentity,
        protocol: String,
        assignments: Vec<(String, Bytes)>,
    ) -> Result<Bytes, Error> {
        // The coordinator answers when the leader has sent the assignment, so followers may have to wait.
        let limit = (Duration::from_millis(self.config.rebalance_timeout_ms) + JOIN_GRACE)
            .max(self.request_timeout());
        let assignments: Vec<_> = assignments
            .into_iter()
            .map(|(member_id, assignment)| {
                SyncGroupRequestAssignment::default()
                    .with_member_id(string(&member_id))
                    .with_assignment(assignment)
            })
            .collect();
        let outcome = self
            .cluster
            .call_within(&self.target, limit, |version| {
                let mut request = SyncGroupRequest::default()
                    .with_group_id(self.group_id())
                    .with_generation_id(identity.generation_id)
                    .with_member_id(string(&identity.member_id))
                    .with_assignments(assignments.clone());
                if version >= 3 {
                    request = request.with_group_instance_id(self.instance_id());
                }
                if version >= 5 {
                    request = request
                        .with_protocol_type(Some(string(&self.config.protocol_type)))
                        .with_protocol_name(Some(string(&protocol)));
                }
                request
            })
            .await;
        let (response, _) = outcome?;
        self.check("sync group", response.error_code)?;
        Ok(response.assignment)
    }

    pub(super) async fn heartbeat(&self, identity: MemberIdentity) -> Result<(), Error> {
        // A dead connection has to be noticed while the session can still be saved over a new one.
        let limit = self.request_timeout().min(Duration::from_millis(self.config.session_timeout_ms / 3));
        let outcome = self
            .cluster
            .call_within(&self.target, limit, |version| {
                let request = HeartbeatRequest::default()
                    .with_group_id(self.group_id())
                    .with_generation_id(identity.generation_id)
                    .with_member_id(string(&identity.member_id));
                if version >= 3 { request.with_group_instance_id(self.instance_id()) } else { request }
            })
            .await;
        let (response, _) = outcome?;
        self.check("heartbeat", response.error_code)
    }

    pub(super) async fn leave(&self, member_id: String, reason: &'static str) -> Result<(), Error> {
        let outcome = self
            .cluster
            .call(&self.target, |version| {
                let member = LeavingMember::default().with_member_id(string(&member_id));
                let member = if version >= 5 { member.with_reason(Some(string(reason))) } else { member };
                LeaveGroupRequest::default().with_group_id(self.group_id()).with_members(vec![member])
            })
            .await;
        let (response, _) = outcome?;
        self.check("leave group", response.error_code)
    }

    /// `Ok` for `NONE`. A coordinator that says that it is none is forgotten, so that the next request looks it up again.
    pub(super) fn check(&self, doing: &'static str, code: i16) -> Result<(), Error> {
        Error::check(doing, code).inspect_err(|error| {
            if decide(error) == RetryAction::RefindCoordinatorAndRetry {
                self.cluster.forget_coordinator(&self.target);
            }
        })
    }

    pub(super) fn group_id(&self) -> GroupId {
        GroupId(string(&self.config.group_id))
    }

    pub(super) fn instance_id(&self) -> Option<StrBytes> {
        self.config.group_instance_id.as_deref().map(string)
    }

    fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.cluster.config().request_timeout_ms)
    }
}

pub(super) fn string(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn millis(ms: u64) -> i32 {
    i32::try_from(ms).unwrap_or(i32::MAX)
}
