//! The request and response messages, which are those of the `kafka-protocol` crate, and the traits that our generic
//! functions need. Its record layer is not re-exported: use [`super::records`](crate::wire).

pub use kafka_protocol::messages::*;
pub use kafka_protocol::protocol::{
    Decodable, Encodable, HeaderVersion, Message, Request, StrBytes, VersionRange,
};

/// Runs a macro with the request type of every API that the client or the embedded broker speaks, in the order of API
/// keys: for tests and fuzz targets, which have to leave none out.
#[doc(hidden)]
#[macro_export]
macro_rules! for_every_request {
    ($run:ident) => {
        $run! {
            ProduceRequest FetchRequest ListOffsetsRequest MetadataRequest OffsetCommitRequest
            OffsetFetchRequest FindCoordinatorRequest JoinGroupRequest HeartbeatRequest LeaveGroupRequest
            SyncGroupRequest DescribeGroupsRequest ListGroupsRequest SaslHandshakeRequest
            ApiVersionsRequest CreateTopicsRequest DeleteTopicsRequest DeleteRecordsRequest
            InitProducerIdRequest OffsetForLeaderEpochRequest AddPartitionsToTxnRequest
            AddOffsetsToTxnRequest EndTxnRequest WriteTxnMarkersRequest TxnOffsetCommitRequest
            DescribeAclsRequest CreateAclsRequest DeleteAclsRequest DescribeConfigsRequest
            AlterConfigsRequest DescribeLogDirsRequest SaslAuthenticateRequest CreatePartitionsRequest
            DeleteGroupsRequest ElectLeadersRequest IncrementalAlterConfigsRequest
            ListPartitionReassignmentsRequest OffsetDeleteRequest DescribeClientQuotasRequest
            DescribeClusterRequest DescribeProducersRequest DescribeTransactionsRequest
            ListTransactionsRequest
        }
    };
}
