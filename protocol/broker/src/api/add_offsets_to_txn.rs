//! `AddOffsetsToTxn`: the transaction will commit offsets of a group.

use protocol::ErrorCode;
use protocol::wire::messages::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, VersionRange};
use tokio::time::Instant;

use super::call::{Answer, Api, Call, fenced_code, versions};
use crate::transaction::{Identity, Participant};

/// See the module.
#[derive(Debug)]
pub(super) struct AddOffsetsToTxn;

impl Api for AddOffsetsToTxn {
    type Request = AddOffsetsToTxnRequest;

    const VERSIONS: VersionRange = versions(0, 4);

    async fn handle(call: &Call, request: AddOffsetsToTxnRequest) -> Answer<AddOffsetsToTxnResponse> {
        let code = match add(call, &request) {
            Ok(()) => ErrorCode::NONE,
            Err(code) => fenced_code(code, call.version >= 2),
        };
        Self::refuse(call.version, request, code).into()
    }

    fn refuse(_: i16, _: AddOffsetsToTxnRequest, code: ErrorCode) -> AddOffsetsToTxnResponse {
        AddOffsetsToTxnResponse::default().with_error_code(code.0)
    }
}

fn add(call: &Call, request: &AddOffsetsToTxnRequest) -> Result<(), ErrorCode> {
    let id = &request.transactional_id;
    call.check_coordinator(id)?;
    if request.group_id.is_empty() {
        return Err(ErrorCode::INVALID_GROUP_ID);
    }
    let producer = Identity { producer_id: request.producer_id.0, epoch: request.producer_epoch };
    let offsets = Participant::Offsets(request.group_id.clone());
    call.shared.transactions.borrow_mut().add(id, producer, vec![offsets], Instant::now())?;
    call.shared.deadlines_changed();
    Ok(())
}
