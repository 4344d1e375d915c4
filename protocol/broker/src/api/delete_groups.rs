//! `DeleteGroups`: groups without members, with their offsets.

use protocol::ErrorCode;
use protocol::wire::messages::delete_groups_response::DeletableGroupResult;
use protocol::wire::messages::{DeleteGroupsRequest, DeleteGroupsResponse, GroupId, VersionRange};

use super::call::{Answer, Api, Call, versions};

/// See the module.
#[derive(Debug)]
pub(super) struct DeleteGroups;

impl Api for DeleteGroups {
    type Request = DeleteGroupsRequest;

    const VERSIONS: VersionRange = versions(0, 2);

    async fn handle(call: &Call, request: DeleteGroupsRequest) -> Answer<DeleteGroupsResponse> {
        let results = request.groups_names.into_iter().map(|id| {
            let result = call.check_group(&id).and_then(|()| call.shared.groups.borrow_mut().delete(&id));
            answer(id, result.err().unwrap_or(ErrorCode::NONE))
        });
        DeleteGroupsResponse::default().with_results(results.collect()).into()
    }

    fn refuse(_: i16, request: DeleteGroupsRequest, code: ErrorCode) -> DeleteGroupsResponse {
        let results = request.groups_names.into_iter().map(|id| answer(id, code));
        DeleteGroupsResponse::default().with_results(results.collect())
    }
}

fn answer(id: GroupId, code: ErrorCode) -> DeletableGroupResult {
    DeletableGroupResult::default().with_group_id(id).with_error_code(code.0)
}
