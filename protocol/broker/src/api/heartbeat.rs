//! `Heartbeat`: a member lives, and hears whether the group rebalances.

use protocol::ErrorCode;
use protocol::wire::messages::{HeartbeatRequest, HeartbeatResponse, VersionRange};
use tokio::time::Instant;

use super::call::{Answer, Api, Call, versions};

/// See the module.
#[derive(Debug)]
pub(super) struct Heartbeat;

impl Api for Heartbeat {
    type Request = HeartbeatRequest;

    const VERSIONS: VersionRange = versions(0, 4);

    async fn handle(call: &Call, request: HeartbeatRequest) -> Answer<HeartbeatResponse> {
        let code = beat(call, &request).err().unwrap_or(ErrorCode::NONE);
        Self::refuse(call.version, request, code).into()
    }

    fn refuse(_: i16, _: HeartbeatRequest, code: ErrorCode) -> HeartbeatResponse {
        HeartbeatResponse::default().with_error_code(code.0)
    }
}

fn beat(call: &Call, request: &HeartbeatRequest) -> Result<(), ErrorCode> {
    call.check_group(&request.group_id)?;
    let mut groups = call.shared.groups.borrow_mut();
    let entry = groups.get_mut(&request.group_id).ok_or(ErrorCode::UNKNOWN_MEMBER_ID)?;
    let instance = request.group_instance_id.as_ref();
    entry.group.heartbeat(&request.member_id, instance, request.generation_id, Instant::now())
}
