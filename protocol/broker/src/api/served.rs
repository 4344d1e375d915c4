//! The table of everything that is served, and the way from a frame to its answer.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use protocol::wire::frame;
use protocol::wire::messages::{ApiKey, Request, VersionRange};
use protocol::{Error, ErrorCode};

use super::call::{Answer, Api, Call};
use super::sasl_authenticate::SaslAuthenticate;
use super::sasl_handshake::SaslHandshake;
use super::{
    add_offsets_to_txn, add_partitions_to_txn, alter_configs, api_versions, create_acls, create_partitions,
    create_topics, delete_acls, delete_groups, delete_records, delete_topics, describe_acls,
    describe_client_quotas, describe_cluster, describe_configs, describe_groups, describe_log_dirs,
    describe_producers, describe_transactions, elect_leaders, end_txn, fetch, find_coordinator, heartbeat,
    incremental_alter_configs, init_producer_id, join_group, leave_group, list_groups, list_offsets,
    list_partition_reassignments, list_transactions, metadata, offset_commit, offset_delete, offset_fetch,
    offset_for_leader_epoch, produce, sync_group, txn_offset_commit, write_txn_markers,
};

/// An answer as it goes over the wire: the pieces of one frame, or nothing.
pub(crate) type Frames = Vec<Bytes>;

type Served<'a> = Pin<Box<dyn Future<Output = Result<Frames, Error>> + 'a>>;

/// An API that the broker answers.
pub(crate) struct ServedApi {
    pub(crate) key: i16,
    pub(crate) versions: VersionRange,
    handle: for<'a> fn(&'a Call, Bytes) -> Served<'a>,
    refuse: fn(&Call, Bytes, ErrorCode) -> Result<Frames, Error>,
}

/// Every API that the broker answers, in alphabetical order.
pub(crate) static SERVED: &[ServedApi] = &[
    ServedApi::of::<add_offsets_to_txn::AddOffsetsToTxn>(),
    ServedApi::of::<add_partitions_to_txn::AddPartitionsToTxn>(),
    ServedApi::of::<alter_configs::AlterConfigs>(),
    ServedApi::of::<api_versions::ApiVersions>(),
    ServedApi::of::<create_acls::CreateAcls>(),
    ServedApi::of::<create_partitions::CreatePartitions>(),
    ServedApi::of::<create_topics::CreateTopics>(),
    ServedApi::of::<delete_acls::DeleteAcls>(),
    ServedApi::of::<delete_groups::DeleteGroups>(),
    ServedApi::of::<delete_records::DeleteRecords>(),
    ServedApi::of::<delete_topics::DeleteTopics>(),
    ServedApi::of::<describe_acls::DescribeAcls>(),
    ServedApi::of::<describe_client_quotas::DescribeClientQuotas>(),
    ServedApi::of::<describe_cluster::DescribeCluster>(),
    ServedApi::of::<describe_configs::DescribeConfigs>(),
    ServedApi::of::<describe_groups::DescribeGroups>(),
    ServedApi::of::<describe_log_dirs::DescribeLogDirs>(),
    ServedApi::of::<describe_producers::DescribeProducers>(),
    ServedApi::of::<describe_transactions::DescribeTransactions>(),
    ServedApi::of::<elect_leaders::ElectLeaders>(),
    ServedApi::of::<end_txn::EndTxn>(),
    ServedApi::of::<fetch::Fetch>(),
    ServedApi::of::<find_coordinator::FindCoordinator>(),
    ServedApi::of::<heartbeat::Heartbeat>(),
    ServedApi::of::<incremental_alter_configs::IncrementalAlterConfigs>(),
    ServedApi::of::<init_producer_id::InitProducerId>(),
    ServedApi::of::<join_group::JoinGroup>(),
    ServedApi::of::<leave_group::LeaveGroup>(),
    ServedApi::of::<list_groups::ListGroups>(),
    ServedApi::of::<list_offsets::ListOffsets>(),
    ServedApi::of::<list_partition_reassignments::ListPartitionReassignments>(),
    ServedApi::of::<list_transactions::ListTransactions>(),
    ServedApi::of::<metadata::Metadata>(),
    ServedApi::of::<offset_commit::OffsetCommit>(),
    ServedApi::of::<offset_delete::OffsetDelete>(),
    ServedApi::of::<offset_fetch::OffsetFetch>(),
    ServedApi::of::<offset_for_leader_epoch::OffsetForLeaderEpoch>(),
    ServedApi::of::<produce::Produce>(),
    ServedApi::of::<SaslAuthenticate>(),
    ServedApi::of::<SaslHandshake>(),
    ServedApi::of::<sync_group::SyncGroup>(),
    ServedApi::of::<txn_offset_commit::TxnOffsetCommit>(),
    ServedApi::of::<write_txn_markers::WriteTxnMarkers>(),
];

impl ServedApi {
    const fn of<A: Api + 'static>() -> Self {
        Self {
            key: <A::Request as Request>::KEY,
            versions: A::VERSIONS,
            handle: |call, body| Box::pin(handle::<A>(call, body)),
            refuse: refuse::<A>,
        }
    }
}

/// The API with this key, if it is served in this version.
fn find(key: i16, version: i16) -> Option<&'static ServedApi> {
    SERVED.iter().find(|api| api.key == key && (api.versions.min..=api.versions.max).contains(&version))
}

/// Answers the body of a request. With `fault` the request is decoded but not performed, and the answer says so.
///
/// # Errors
/// If the API, its version or the bytes are not known: the connection then has to be closed, as Kafka does.
pub(crate) async fn dispatch(
    call: &Call,
    api_key: i16,
    body: Bytes,
    fault: Option<ErrorCode>,
) -> Result<Frames, Error> {
    match (find(api_key, call.version), fault) {
        (Some(api), None) => (api.handle)(call, body).await,
        (Some(api), Some(code)) => (api.refuse)(call, body, code),
        (None, _) if api_key == ApiKey::ApiVersions as i16 => api_versions::refuse_version(call),
        (None, _) => Err(Error::unsupported(
            "serve request",
            format!("api key {api_key} v{} is not served", call.version),
        )),
    }
}

async fn handle<A: Api>(call: &Call, mut body: Bytes) -> Result<Frames, Error> {
    let request = frame::decode_request_body::<A::Request>(&mut body, call.version)?;
    match A::handle(call, request).await {
        Answer::Message(message) => encode::<A>(call, &message),
        Answer::Frame(pieces) => Ok(pieces),
        Answer::Nothing => Ok(Frames::new()),
    }
}

fn refuse<A: Api>(call: &Call, mut body: Bytes, code: ErrorCode) -> Result<Frames, Error> {
    let request = frame::decode_request_body::<A::Request>(&mut body, call.version)?;
    encode::<A>(call, &A::refuse(call.version, request, code))
}

fn encode<A: Api>(call: &Call, message: &<A::Request as Request>::Response) -> Result<Frames, Error> {
    Ok(vec![frame::encode_response::<A::Request>(message, call.version, call.correlation_id)?])
}
