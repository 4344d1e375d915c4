//! `SyncGroup`: the leader brings the assignment, everybody gets their part of it.

use protocol::ErrorCode;
use protocol::wire::messages::{SyncGroupRequest, SyncGroupResponse, VersionRange};
use tokio::time::Instant;

use super::call::{Answer, Api, Call, versions};
use crate::group::{Outcome, SyncEvent};
use crate::text::{detached, detached_bytes};

/// See the module.
#[derive(Debug)]
pub(super) struct SyncGroup;

impl Api for SyncGroup {
    type Request = SyncGroupRequest;

    const VERSIONS: VersionRange = versions(0, 5);

    async fn handle(call: &Call, request: SyncGroupRequest) -> Answer<SyncGroupResponse> {
        if let Err(code) = call.check_group(&request.group_id) {
            return Self::refuse(call.version, request, code).into();
        }
        let assignments = request.assignments.iter();
        let event = SyncEvent {
            member_id: detached(&request.member_id),
            instance_id: request.group_instance_id.as_ref().map(detached),
            generation: request.generation_id,
            protocol_type: request.protocol_type.as_ref().map(detached),
            protocol: request.protocol_name.as_ref().map(detached),
            assignments: assignments
                .map(|a| (detached(&a.member_id), detached_bytes(&a.assignment)))
                .collect(),
        };
        let answer = call.shared.groups.borrow_mut().sync(&request.group_id, event, Instant::now());
        call.shared.deadlines_changed();
        match answer.await {
            Ok(Outcome::Sync(Ok(synced))) => {
                let response = SyncGroupResponse::default().with_assignment(synced.assignment);
                if call.version < 5 {
                    return response.into();
                }
                response.with_protocol_type(synced.protocol_type).with_protocol_name(synced.protocol).into()
            }
            Ok(Outcome::Sync(Err(code))) => Self::refuse(call.version, request, code).into(),
            // The group went away with the request in it.
            Ok(Outcome::Join(_)) | Err(_) => {
                Self::refuse(call.version, request, ErrorCode::COORDINATOR_NOT_AVAILABLE).into()
            }
        }
    }

    fn refuse(_: i16, _: SyncGroupRequest, code: ErrorCode) -> SyncGroupResponse {
        SyncGroupResponse::default().with_error_code(code.0)
    }
}
