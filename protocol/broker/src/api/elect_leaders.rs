//! `ElectLeaders`: every partition is led by the replica that it should be led by, so no election is ever needed.

use protocol::ErrorCode;
use protocol::wire::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use protocol::wire::messages::{
    ElectLeadersRequest, ElectLeadersResponse, StrBytes, TopicName, VersionRange,
};

use super::call::{Answer, Api, Call, versions};
use crate::cluster::Cluster;

/// See the module.
#[derive(Debug)]
pub(super) struct ElectLeaders;

impl Api for ElectLeaders {
    type Request = ElectLeadersRequest;

    const VERSIONS: VersionRange = versions(0, 2);

    async fn handle(call: &Call, request: ElectLeadersRequest) -> Answer<ElectLeadersResponse> {
        let cluster = call.shared.cluster.borrow();
        // Who asks for all partitions hears only of those where something happened.
        answer(request, |topic, partition| check(&cluster, topic, partition)).into()
    }

    fn refuse(version: i16, request: ElectLeadersRequest, code: ErrorCode) -> ElectLeadersResponse {
        let response = answer(request, |_, _| code);
        if version >= 1 { response.with_error_code(code.0) } else { response }
    }
}

fn check(cluster: &Cluster, topic: &TopicName, partition: i32) -> ErrorCode {
    let partition = cluster
        .topic(topic)
        .and_then(|topic| usize::try_from(partition).ok().and_then(|index| topic.partitions.get(index)));
    match partition {
        Some(_) => ErrorCode::ELECTION_NOT_NEEDED,
        None => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
    }
}

fn answer(
    request: ElectLeadersRequest,
    code_of: impl Fn(&TopicName, i32) -> ErrorCode,
) -> ElectLeadersResponse {
    let topics = request.topic_partitions.unwrap_or_default().into_iter().map(|asked| {
        let partitions = asked.partitions.iter().map(|partition| {
            let code = code_of(&asked.topic, *partition);
            PartitionResult::default()
                .with_partition_id(*partition)
                .with_error_code(code.0)
                .with_error_message(Some(StrBytes::from_static_str(code.message())))
        });
        let partitions = partitions.collect();
        ReplicaElectionResult::default().with_topic(asked.topic).with_partition_result(partitions)
    });
    ElectLeadersResponse::default().with_replica_election_results(topics.collect())
}
