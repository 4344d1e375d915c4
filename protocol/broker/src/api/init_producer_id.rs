//! `InitProducerId`: an id for an idempotent producer; for a transactional one the next epoch of its id, which fences
//! whoever had the last one.

use protocol::ErrorCode;
use protocol::wire::messages::{InitProducerIdRequest, InitProducerIdResponse, VersionRange};
use tokio::time::Instant;

use super::call::{Answer, Api, Call, fenced_code, versions};
use crate::transaction::Identity;

/// A field of a producer that has no identity yet.
const NONE: i64 = -1;

/// See the module.
#[derive(Debug)]
pub(super) struct InitProducerId;

impl Api for InitProducerId {
    type Request = InitProducerIdRequest;

    const VERSIONS: VersionRange = versions(0, 5);

    async fn handle(call: &Call, request: InitProducerIdRequest) -> Answer<InitProducerIdResponse> {
        match init(call, &request) {
            Ok(producer) => InitProducerIdResponse::default()
                .with_producer_id(producer.producer_id.into())
                .with_producer_epoch(producer.epoch)
                .into(),
            Err(code) => {
                let code = fenced_code(code, call.version >= 4);
                Self::refuse(call.version, request, code).into()
            }
        }
    }

    fn refuse(_: i16, _: InitProducerIdRequest, code: ErrorCode) -> InitProducerIdResponse {
        InitProducerIdResponse::default()
            .with_error_code(code.0)
            .with_producer_id((-1).into())
            .with_producer_epoch(-1)
    }
}

fn init(call: &Call, request: &InitProducerIdRequest) -> Result<Identity, ErrorCode> {
    let Some(id) = &request.transactional_id else {
        let producer_id = call.shared.transactions.borrow_mut().new_producer_id();
        return Ok(Identity { producer_id, epoch: 0 });
    };
    call.check_coordinator(id)?;
    let (producer_id, epoch) = (request.producer_id.0, request.producer_epoch);
    let expected = match (producer_id == NONE, i64::from(epoch) == NONE) {
        _ if call.version < 3 => None,
        (true, true) => None,
        (false, false) => Some(Identity { producer_id, epoch }),
        _ => return Err(ErrorCode::INVALID_REQUEST),
    };
    let timeout_ms = request.transaction_timeout_ms;
    let (answer, ending) =
        call.shared.transactions.borrow_mut().init(id, timeout_ms, expected, Instant::now());
    call.shared.write_markers(ending);
    answer
}
