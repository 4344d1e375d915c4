//! `LeaveGroup`: one member goes, from version 3 on several at a time.

use protocol::ErrorCode;
use protocol::wire::messages::leave_group_request::MemberIdentity;
use protocol::wire::messages::leave_group_response::MemberResponse;
use protocol::wire::messages::{LeaveGroupRequest, LeaveGroupResponse, VersionRange};
use tokio::time::Instant;

use super::call::{Answer, Api, Call, versions};

/// See the module.
#[derive(Debug)]
pub(super) struct LeaveGroup;

impl Api for LeaveGroup {
    type Request = LeaveGroupRequest;

    const VERSIONS: VersionRange = versions(0, 5);

    async fn handle(call: &Call, request: LeaveGroupRequest) -> Answer<LeaveGroupResponse> {
        if let Err(code) = call.check_group(&request.group_id) {
            return Self::refuse(call.version, request, code).into();
        }
        let mut groups = call.shared.groups.borrow_mut();
        let now = Instant::now();
        let response = if call.version < 3 {
            let result = groups.leave(&request.group_id, &request.member_id, None, now);
            LeaveGroupResponse::default().with_error_code(result.err().unwrap_or(ErrorCode::NONE).0)
        } else {
            let members = request.members.into_iter().map(|member| {
                let instance = member.group_instance_id.as_ref();
                let result = groups.leave(&request.group_id, &member.member_id, instance, now);
                answer(member, result.err().unwrap_or(ErrorCode::NONE))
            });
            LeaveGroupResponse::default().with_members(members.collect())
        };
        drop(groups);
        call.shared.deadlines_changed();
        response.into()
    }

    fn refuse(_: i16, _: LeaveGroupRequest, code: ErrorCode) -> LeaveGroupResponse {
        LeaveGroupResponse::default().with_error_code(code.0)
    }
}

fn answer(member: MemberIdentity, code: ErrorCode) -> MemberResponse {
    MemberResponse::default()
        .with_member_id(member.member_id)
        .with_group_instance_id(member.group_instance_id)
        .with_error_code(code.0)
}
