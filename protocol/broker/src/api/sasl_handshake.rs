//! `SaslHandshake` where there is nothing to authenticate; listeners with users answer it before it gets here.

use protocol::ErrorCode;
use protocol::wire::messages::{SaslHandshakeRequest, SaslHandshakeResponse, VersionRange};

use super::call::{Answer, Api, Call, versions};

/// See the module.
#[derive(Debug)]
pub(super) struct SaslHandshake;

impl Api for SaslHandshake {
    type Request = SaslHandshakeRequest;

    const VERSIONS: VersionRange = versions(0, 1);

    async fn handle(call: &Call, request: SaslHandshakeRequest) -> Answer<SaslHandshakeResponse> {
        Self::refuse(call.version, request, ErrorCode::ILLEGAL_SASL_STATE).into()
    }

    fn refuse(_: i16, _: SaslHandshakeRequest, code: ErrorCode) -> SaslHandshakeResponse {
        SaslHandshakeResponse::default().with_error_code(code.0)
    }
}
