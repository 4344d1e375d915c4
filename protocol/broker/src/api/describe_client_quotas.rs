//! `DescribeClientQuotas`: there are none, which is an answer and no error.

use protocol::ErrorCode;
use protocol::wire::messages::{
    DescribeClientQuotasRequest, DescribeClientQuotasResponse, StrBytes, VersionRange,
};

use super::call::{Answer, Api, Call, versions};

/// See the module.
#[derive(Debug)]
pub(super) struct DescribeClientQuotas;

impl Api for DescribeClientQuotas {
    type Request = DescribeClientQuotasRequest;

    const VERSIONS: VersionRange = versions(0, 1);

    async fn handle(_: &Call, _: DescribeClientQuotasRequest) -> Answer<DescribeClientQuotasResponse> {
        DescribeClientQuotasResponse::default().with_entries(Some(Vec::new())).into()
    }

    fn refuse(_: i16, _: DescribeClientQuotasRequest, code: ErrorCode) -> DescribeClientQuotasResponse {
        DescribeClientQuotasResponse::default()
            .with_error_code(code.0)
            .with_error_message(Some(StrBytes::from_static_str(code.message())))
            .with_entries(None)
    }
}
