//! `CreateAcls`: refused, because there is no authorizer that would keep to them.

use protocol::ErrorCode;
use protocol::wire::messages::create_acls_response::AclCreationResult;
use protocol::wire::messages::{CreateAclsRequest, CreateAclsResponse, StrBytes, VersionRange};

use super::call::{Answer, Api, Call, versions};
use super::describe_acls::NO_AUTHORIZER;

/// See the module.
#[derive(Debug)]
pub(super) struct CreateAcls;

impl Api for CreateAcls {
    type Request = CreateAclsRequest;

    const VERSIONS: VersionRange = versions(1, 3);

    async fn handle(_: &Call, request: CreateAclsRequest) -> Answer<CreateAclsResponse> {
        answer(&request, ErrorCode::SECURITY_DISABLED, &NO_AUTHORIZER).into()
    }

    fn refuse(_: i16, request: CreateAclsRequest, code: ErrorCode) -> CreateAclsResponse {
        answer(&request, code, &StrBytes::from_static_str(code.message()))
    }
}

fn answer(request: &CreateAclsRequest, code: ErrorCode, message: &StrBytes) -> CreateAclsResponse {
    let result =
        AclCreationResult::default().with_error_code(code.0).with_error_message(Some(message.clone()));
    CreateAclsResponse::default().with_results(vec![result; request.creations.len()])
}
