//! `SaslAuthenticate` where it is not awaited; listeners with users answer it before it gets here.

use protocol::ErrorCode;
use protocol::wire::messages::{SaslAuthenticateRequest, SaslAuthenticateResponse, StrBytes, VersionRange};

use super::call::{Answer, Api, Call, versions};

/// See the module.
#[derive(Debug)]
pub(super) struct SaslAuthenticate;

impl Api for SaslAuthenticate {
    type Request = SaslAuthenticateRequest;

    const VERSIONS: VersionRange = versions(0, 2);

    async fn handle(call: &Call, request: SaslAuthenticateRequest) -> Answer<SaslAuthenticateResponse> {
        let message = "SaslAuthenticate request received without a SaslHandshake before it";
        Self::refuse(call.version, request, ErrorCode::ILLEGAL_SASL_STATE)
            .with_error_message(Some(StrBytes::from_static_str(message)))
            .into()
    }

    fn refuse(_: i16, _: SaslAuthenticateRequest, code: ErrorCode) -> SaslAuthenticateResponse {
        SaslAuthenticateResponse::default().with_error_code(code.0)
    }
}
