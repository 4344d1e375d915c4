//! `JoinGroup`: held back until the group's next generation begins.

use std::time::Duration;

use protocol::ErrorCode;
use protocol::wire::messages::join_group_response::JoinGroupResponseMember;
use protocol::wire::messages::{JoinGroupRequest, JoinGroupResponse, StrBytes, VersionRange};
use tokio::time::Instant;

use super::call::{Answer, Api, Call, versions};
use crate::group::{JoinEvent, JoinFailure, Joined, Outcome};
use crate::text::{detached, detached_bytes, random_uuid};

/// See the module.
#[derive(Debug)]
pub(super) struct JoinGroup;

impl Api for JoinGroup {
    type Request = JoinGroupRequest;

    const VERSIONS: VersionRange = versions(0, 9);

    async fn handle(call: &Call, request: JoinGroupRequest) -> Answer<JoinGroupResponse> {
        if let Err(code) = check(call, &request) {
            return Self::refuse(call.version, request, code).into();
        }
        let event = event_of(call, &request);
        let answer = call.shared.groups.borrow_mut().join(&request.group_id, &event, Instant::now());
        call.shared.deadlines_changed();
        match answer.await {
            Ok(Outcome::Join(Ok(joined))) => granted(call.version, joined).into(),
            Ok(Outcome::Join(Err(failure))) => refused(call.version, failure).into(),
            // The group went away with the request in it.
            Ok(Outcome::Sync(_)) | Err(_) => {
                Self::refuse(call.version, request, ErrorCode::COORDINATOR_NOT_AVAILABLE).into()
            }
        }
    }

    fn refuse(version: i16, request: JoinGroupRequest, code: ErrorCode) -> JoinGroupResponse {
        refused(version, JoinFailure { code, member_id: request.member_id })
    }
}

fn check(call: &Call, request: &JoinGroupRequest) -> Result<(), ErrorCode> {
    call.check_group(&request.group_id)?;
    let groups = call.shared.groups.borrow();
    let limits = groups.limits();
    let timeout = millis(request.session_timeout_ms);
    if request.session_timeout_ms < 0
        || timeout < limits.session_timeout_min
        || timeout > limits.session_timeout_max
    {
        tracing::warn!(
            group = %request.group_id.as_str(),
            session_timeout_ms = request.session_timeout_ms,
            min = ?limits.session_timeout_min,
            max = ?limits.session_timeout_max,
            "refused a group member: its session timeout is out of range"
        );
        return Err(ErrorCode::INVALID_SESSION_TIMEOUT);
    }
    Ok(())
}

fn event_of(call: &Call, request: &JoinGroupRequest) -> JoinEvent {
    let client_id = call.client_id.as_ref().map(detached).unwrap_or_default();
    let prefix = request.group_instance_id.as_ref().unwrap_or(&client_id);
    let fresh = format!("{}-{}", prefix.as_str(), random_uuid(&mut call.shared.cluster.borrow_mut().random));
    // Version 0 has one timeout for both.
    let rebalance_timeout_ms =
        if call.version >= 1 { request.rebalance_timeout_ms } else { request.session_timeout_ms };
    JoinEvent {
        member_id: detached(&request.member_id),
        fresh_member_id: StrBytes::from_string(fresh),
        instance_id: request.group_instance_id.as_ref().map(detached),
        client_id,
        client_host: StrBytes::from_string(format!("/{}", call.peer)),
        protocol_type: detached(&request.protocol_type),
        protocols: request
            .protocols
            .iter()
            .map(|p| (detached(&p.name), detached_bytes(&p.metadata)))
            .collect(),
        session_timeout: millis(request.session_timeout_ms),
        rebalance_timeout: millis(rebalance_timeout_ms),
        requires_known_member_id: call.version >= 4,
        supports_skipping_assignment: call.version >= 9,
    }
}

fn granted(version: i16, joined: Joined) -> JoinGroupResponse {
    let members = joined.members.into_iter().map(|member| {
        let answer = JoinGroupResponseMember::default()
            .with_member_id(member.member_id)
            .with_metadata(member.metadata);
        if version >= 5 { answer.with_group_instance_id(member.instance_id) } else { answer }
    });
    let mut response = JoinGroupResponse::default()
        .with_generation_id(joined.generation)
        .with_protocol_name(Some(joined.protocol.unwrap_or_default()))
        .with_leader(joined.leader)
        .with_member_id(joined.member_id)
        .with_members(members.collect());
    if version >= 7 {
        response.protocol_type = joined.protocol_type;
    }
    if version >= 9 {
        response.skip_assignment = joined.skip_assignment;
    }
    response
}

fn refused(version: i16, failure: JoinFailure) -> JoinGroupResponse {
    // Before version 7 the protocol cannot be null.
    let protocol = if version >= 7 { None } else { Some(StrBytes::new()) };
    JoinGroupResponse::default()
        .with_error_code(failure.code.0)
        .with_generation_id(-1)
        .with_protocol_name(protocol)
        .with_member_id(failure.member_id)
}

fn millis(ms: i32) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}
