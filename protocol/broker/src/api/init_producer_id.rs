//! `InitProducerId` for idempotent producers. Transactional ids are refused: this broker has no transactions yet.

use protocol::ErrorCode;
use protocol::wire::messages::{InitProducerIdRequest, InitProducerIdResponse, VersionRange};

use super::call::{Answer, Api, Call, versions};

/// See the module.
#[derive(Debug)]
pub(super) struct InitProducerId;

impl Api for InitProducerId {
    type Request = InitProducerIdRequest;

    const VERSIONS: VersionRange = versions(0, 5);

    async fn handle(call: &Call, request: InitProducerIdRequest) -> Answer<InitProducerIdResponse> {
        if request.transactional_id.as_ref().is_some_and(|id| id.is_empty()) {
            return Self::refuse(call.version, request, ErrorCode::INVALID_REQUEST).into();
        }
        if request.transactional_id.is_some() {
            tracing::warn!("refused a transactional producer: the embedded broker has no transactions yet");
            return Self::refuse(call.version, request, ErrorCode::UNSUPPORTED_VERSION).into();
        }
        let id = call.shared.cluster.borrow_mut().new_producer_id();
        InitProducerIdResponse::default().with_producer_id(id.into()).with_producer_epoch(0).into()
    }

    fn refuse(_: i16, _: InitProducerIdRequest, code: ErrorCode) -> InitProducerIdResponse {
        InitProducerIdResponse::default()
            .with_error_code(code.0)
            .with_producer_id((-1).into())
            .with_producer_epoch(-1)
    }
}
