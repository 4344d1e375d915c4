//! `DescribeAcls`: this broker has no authorizer, and says so as a Kafka without one does.

use protocol::ErrorCode;
use protocol::wire::messages::{DescribeAclsRequest, DescribeAclsResponse, StrBytes, VersionRange};

use super::call::{Answer, Api, Call, versions};

/// What goes with `SECURITY_DISABLED` in the answers to ACL requests.
pub(super) const NO_AUTHORIZER: StrBytes = StrBytes::from_static_str("No Authorizer is configured.");

/// See the module.
#[derive(Debug)]
pub(super) struct DescribeAcls;

impl Api for DescribeAcls {
    type Request = DescribeAclsRequest;

    const VERSIONS: VersionRange = versions(1, 3);

    async fn handle(_: &Call, _: DescribeAclsRequest) -> Answer<DescribeAclsResponse> {
        DescribeAclsResponse::default()
            .with_error_code(ErrorCode::SECURITY_DISABLED.0)
            .with_error_message(Some(NO_AUTHORIZER))
            .into()
    }

    fn refuse(_: i16, _: DescribeAclsRequest, code: ErrorCode) -> DescribeAclsResponse {
        DescribeAclsResponse::default()
            .with_error_code(code.0)
            .with_error_message(Some(StrBytes::from_static_str(code.message())))
    }
}
