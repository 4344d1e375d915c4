//! Every API that this client speaks, one line each, with where its response says how long to hold back.

use kafka_protocol::messages as m;

/// A request that a [`Cluster`](super::Cluster) can route.
pub trait Request: kafka_protocol::protocol::Request {
    /// How long the broker asks the client to send it nothing (KIP-219), in milliseconds; 0 where the API does not throttle.
    fn throttle_time_ms(response: &Self::Response) -> i32;
}

macro_rules! throttled {
    ($($request:ident)*) => {
        $(impl Request for m::$request {
            fn throttle_time_ms(response: &Self::Response) -> i32 {
                response.throttle_time_ms
            }
        })*
    };
}

throttled! {
    AddOffsetsToTxnRequest
    AddPartitionsToTxnRequest
    AlterConfigsRequest
    AlterPartitionReassignmentsRequest
    ApiVersionsRequest
    ConsumerGroupDescribeRequest
    ConsumerGroupHeartbeatRequest
    CreateAclsRequest
    CreatePartitionsRequest
    CreateTopicsRequest
    DeleteAclsRequest
    DeleteGroupsRequest
    DeleteRecordsRequest
    DeleteTopicsRequest
    DescribeAclsRequest
    DescribeClusterRequest
    DescribeConfigsRequest
    DescribeGroupsRequest
    DescribeLogDirsRequest
    DescribeProducersRequest
    DescribeTopicPartitionsRequest
    DescribeTransactionsRequest
    ElectLeadersRequest
    EndTxnRequest
    FetchRequest
    FindCoordinatorRequest
    HeartbeatRequest
    IncrementalAlterConfigsRequest
    InitProducerIdRequest
    JoinGroupRequest
    LeaveGroupRequest
    ListGroupsRequest
    ListOffsetsRequest
    ListTransactionsRequest
    MetadataRequest
    OffsetCommitRequest
    OffsetDeleteRequest
    OffsetFetchRequest
    OffsetForLeaderEpochRequest
    ProduceRequest
    SyncGroupRequest
    TxnOffsetCommitRequest
}

macro_rules! never_throttled {
    ($($request:ident)*) => {
        $(impl Request for m::$request {
            fn throttle_time_ms(_response: &Self::Response) -> i32 {
                0
            }
        })*
    };
}

never_throttled! {
    SaslAuthenticateRequest
    SaslHandshakeRequest
}
