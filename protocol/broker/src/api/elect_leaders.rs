//! `ElectLeaders`: gives partitions back to their preferred replicas, which are the first ones.

use protocol::ErrorCode;
use protocol::wire::messages::elect_leaders_request::TopicPartitions;
use protocol::wire::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use protocol::wire::messages::{
    ElectLeadersRequest, ElectLeadersResponse, StrBytes, TopicName, VersionRange,
};

use super::call::{Answer, Api, Call, versions};
use crate::cluster::{Cluster, Partition};

/// The election type that gives leadership to the first replica; the other one is unclean.
const PREFERRED: i8 = 0;

/// See the module.
#[derive(Debug)]
pub(super) struct ElectLeaders;

impl Api for ElectLeaders {
    type Request = ElectLeadersRequest;

    const VERSIONS: VersionRange = versions(0, 2);

    async fn handle(call: &Call, request: ElectLeadersRequest) -> Answer<ElectLeadersResponse> {
        let mut cluster = call.shared.cluster.borrow_mut();
        let is_preferred = request.election_type == PREFERRED;
        let mut request = request;
        if request.topic_partitions.is_none() {
            request.topic_partitions = Some(all_to_elect(&cluster, is_preferred));
        }
        answer(request, |topic, partition| elect(&mut cluster, topic, partition, is_preferred)).into()
    }

    fn refuse(version: i16, request: ElectLeadersRequest, code: ErrorCode) -> ElectLeadersResponse {
        let response = answer(request, |_, _| code);
        if version >= 1 { response.with_error_code(code.0) } else { response }
    }
}

/// Elects the preferred replica of one partition. Unclean elections are for partitions without a leader, and those have no
/// replica that runs.
fn elect(cluster: &mut Cluster, topic: &TopicName, index: i32, is_preferred: bool) -> ErrorCode {
    let Some(partition) = cluster.partition_mut(topic, index) else {
        return ErrorCode::UNKNOWN_TOPIC_OR_PARTITION;
    };
    let preferred = partition.replicas.first().copied().unwrap_or(-1);
    match (is_preferred, partition.leader) {
        (false, -1) => ErrorCode::ELIGIBLE_LEADERS_NOT_AVAILABLE,
        (false, _) => ErrorCode::ELECTION_NOT_NEEDED,
        (true, leader) if leader == preferred => ErrorCode::ELECTION_NOT_NEEDED,
        (true, _) if cluster.move_leader(topic, index, preferred) => ErrorCode::NONE,
        (true, _) => ErrorCode::PREFERRED_LEADER_NOT_AVAILABLE,
    }
}

/// Who asks for all partitions hears only of those where there is something to do.
fn all_to_elect(cluster: &Cluster, is_preferred: bool) -> Vec<TopicPartitions> {
    let topics = cluster.topics().map(|(name, topic)| {
        let is_wrong = |partition: &Partition| {
            if is_preferred {
                partition.replicas.first() != Some(&partition.leader)
            } else {
                partition.leader < 0
            }
        };
        let partitions = (0..).zip(&topic.partitions).filter(|(_, partition)| is_wrong(partition));
        TopicPartitions::default()
            .with_topic(name.clone())
            .with_partitions(partitions.map(|(index, _)| index).collect())
    });
    topics.filter(|topic| !topic.partitions.is_empty()).collect()
}

fn answer(
    request: ElectLeadersRequest,
    mut code_of: impl FnMut(&TopicName, i32) -> ErrorCode,
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
