//! `DescribeCluster`.

use protocol::ErrorCode;
use protocol::wire::messages::describe_cluster_response::DescribeClusterBroker;
use protocol::wire::messages::{DescribeClusterRequest, DescribeClusterResponse, StrBytes, VersionRange};

use super::call::{Answer, Api, CLUSTER_OPERATIONS, Call, OPERATIONS_NOT_ASKED, versions};

const ENDPOINT_BROKERS: i8 = 1;

/// See the module.
#[derive(Debug)]
pub(super) struct DescribeCluster;

impl Api for DescribeCluster {
    type Request = DescribeClusterRequest;

    const VERSIONS: VersionRange = versions(0, 2);

    async fn handle(call: &Call, request: DescribeClusterRequest) -> Answer<DescribeClusterResponse> {
        if call.version >= 1 && request.endpoint_type != ENDPOINT_BROKERS {
            return Self::refuse(call.version, request, ErrorCode::UNSUPPORTED_ENDPOINT_TYPE).into();
        }
        let cluster = call.shared.cluster.borrow();
        let brokers = cluster.running_nodes().map(|node| {
            DescribeClusterBroker::default()
                .with_broker_id(node.id.into())
                .with_host(StrBytes::from_string(node.host.clone()))
                .with_port(i32::from(node.port))
        });
        let operations = if request.include_cluster_authorized_operations {
            CLUSTER_OPERATIONS
        } else {
            OPERATIONS_NOT_ASKED
        };
        DescribeClusterResponse::default()
            .with_cluster_id(cluster.id.clone())
            .with_controller_id(cluster.controller().id.into())
            .with_brokers(brokers.collect())
            .with_cluster_authorized_operations(operations)
            .into()
    }

    fn refuse(_: i16, _: DescribeClusterRequest, code: ErrorCode) -> DescribeClusterResponse {
        DescribeClusterResponse::default()
            .with_error_code(code.0)
            .with_error_message(Some(StrBytes::from_static_str(code.message())))
    }
}
