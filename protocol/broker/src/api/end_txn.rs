//! `EndTxn`: commits or aborts; from version 5 on the producer goes on under a new epoch (KIP-890).

use protocol::ErrorCode;
use protocol::wire::messages::{EndTxnRequest, EndTxnResponse, VersionRange};
use tokio::time::Instant;

use super::call::{Answer, Api, Call, fenced_code, versions};
use crate::transaction::Identity;

/// See the module.
#[derive(Debug)]
pub(super) struct EndTxn;

impl Api for EndTxn {
    type Request = EndTxnRequest;

    const VERSIONS: VersionRange = versions(0, 5);

    async fn handle(call: &Call, request: EndTxnRequest) -> Answer<EndTxnResponse> {
        match end(call, &request) {
            Ok(producer) if call.version >= 5 => EndTxnResponse::default()
                .with_producer_id(producer.producer_id.into())
                .with_producer_epoch(producer.epoch)
                .into(),
            Ok(_) => EndTxnResponse::default().into(),
            Err(code) => {
                let code = fenced_code(code, call.version >= 2);
                Self::refuse(call.version, request, code).into()
            }
        }
    }

    fn refuse(_: i16, _: EndTxnRequest, code: ErrorCode) -> EndTxnResponse {
        EndTxnResponse::default().with_error_code(code.0)
    }
}

fn end(call: &Call, request: &EndTxnRequest) -> Result<Identity, ErrorCode> {
    let id = &request.transactional_id;
    call.check_coordinator(id)?;
    let producer = Identity { producer_id: request.producer_id.0, epoch: request.producer_epoch };
    let bumps_epoch = call.version >= 5;
    let (answer, ending) = call.shared.transactions.borrow_mut().end(
        id,
        producer,
        request.committed,
        bumps_epoch,
        Instant::now(),
    );
    call.shared.write_markers(ending);
    answer
}
