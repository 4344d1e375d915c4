//! `DeleteAcls`: refused, as there are none.

use protocol::ErrorCode;
use protocol::wire::messages::delete_acls_response::DeleteAclsFilterResult;
use protocol::wire::messages::{DeleteAclsRequest, DeleteAclsResponse, StrBytes, VersionRange};

use super::call::{Answer, Api, Call, versions};
use super::describe_acls::NO_AUTHORIZER;

/// See the module.
#[derive(Debug)]
pub(super) struct DeleteAcls;

impl Api for DeleteAcls {
    type Request = DeleteAclsRequest;

    const VERSIONS: VersionRange = versions(1, 3);

    async fn handle(_: &Call, request: DeleteAclsRequest) -> Answer<DeleteAclsResponse> {
        answer(&request, ErrorCode::SECURITY_DISABLED, &NO_AUTHORIZER).into()
    }

    fn refuse(_: i16, request: DeleteAclsRequest, code: ErrorCode) -> DeleteAclsResponse {
        answer(&request, code, &StrBytes::from_static_str(code.message()))
    }
}

fn answer(request: &DeleteAclsRequest, code: ErrorCode, message: &StrBytes) -> DeleteAclsResponse {
    let result =
        DeleteAclsFilterResult::default().with_error_code(code.0).with_error_message(Some(message.clone()));
    DeleteAclsResponse::default().with_filter_results(vec![result; request.filters.len()])
}
