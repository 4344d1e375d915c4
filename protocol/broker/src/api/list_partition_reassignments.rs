//! `ListPartitionReassignments`: replicas never move here, so none is ever under way.

use protocol::ErrorCode;
use protocol::wire::messages::{
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse, StrBytes, VersionRange,
};

use super::call::{Answer, Api, Call, versions};

/// See the module.
#[derive(Debug)]
pub(super) struct ListPartitionReassignments;

impl Api for ListPartitionReassignments {
    type Request = ListPartitionReassignmentsRequest;

    const VERSIONS: VersionRange = versions(0, 0);

    async fn handle(
        _: &Call,
        _: ListPartitionReassignmentsRequest,
    ) -> Answer<ListPartitionReassignmentsResponse> {
        ListPartitionReassignmentsResponse::default().into()
    }

    fn refuse(
        _: i16,
        _: ListPartitionReassignmentsRequest,
        code: ErrorCode,
    ) -> ListPartitionReassignmentsResponse {
        ListPartitionReassignmentsResponse::default()
            .with_error_code(code.0)
            .with_error_message(Some(StrBytes::from_static_str(code.message())))
    }
}
