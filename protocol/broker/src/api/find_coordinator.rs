//! `FindCoordinator`: which node looks after a group or a transactional id.

use protocol::ErrorCode;
use protocol::wire::messages::find_coordinator_response::Coordinator;
use protocol::wire::messages::{FindCoordinatorRequest, FindCoordinatorResponse, StrBytes, VersionRange};

use super::call::{Answer, Api, Call, versions};

const KEY_TYPE_GROUP: i8 = 0;
const KEY_TYPE_TRANSACTION: i8 = 1;

/// See the module.
#[derive(Debug)]
pub(super) struct FindCoordinator;

impl Api for FindCoordinator {
    type Request = FindCoordinatorRequest;

    // Version 6 brought share groups, which are not served.
    const VERSIONS: VersionRange = versions(0, 5);

    async fn handle(call: &Call, request: FindCoordinatorRequest) -> Answer<FindCoordinatorResponse> {
        if !matches!(request.key_type, KEY_TYPE_GROUP | KEY_TYPE_TRANSACTION) {
            return Self::refuse(call.version, request, ErrorCode::INVALID_REQUEST).into();
        }
        let cluster = call.shared.cluster.borrow();
        if call.version < 4 {
            let node = cluster.coordinator_of(&request.key);
            return FindCoordinatorResponse::default()
                .with_node_id(node.id.into())
                .with_host(StrBytes::from_string(node.host.clone()))
                .with_port(i32::from(node.port))
                .into();
        }
        let coordinators = request.coordinator_keys.into_iter().map(|key| {
            let node = cluster.coordinator_of(&key);
            Coordinator::default()
                .with_node_id(node.id.into())
                .with_host(StrBytes::from_string(node.host.clone()))
                .with_port(i32::from(node.port))
                .with_key(key)
        });
        FindCoordinatorResponse::default().with_coordinators(coordinators.collect()).into()
    }

    fn refuse(version: i16, request: FindCoordinatorRequest, code: ErrorCode) -> FindCoordinatorResponse {
        let message = Some(StrBytes::from_static_str(code.message()));
        if version < 4 {
            let response = FindCoordinatorResponse::default()
                .with_error_code(code.0)
                .with_node_id((-1).into())
                .with_port(-1);
            return if version >= 1 { response.with_error_message(message) } else { response };
        }
        let coordinators = request.coordinator_keys.into_iter().map(|key| {
            Coordinator::default()
                .with_key(key)
                .with_node_id((-1).into())
                .with_port(-1)
                .with_error_code(code.0)
                .with_error_message(message.clone())
        });
        FindCoordinatorResponse::default().with_coordinators(coordinators.collect())
    }
}
