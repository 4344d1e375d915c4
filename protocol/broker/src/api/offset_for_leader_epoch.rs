//! `OffsetForLeaderEpoch`: where a leader epoch ended, so that clients notice a truncated log (KIP-320).

use protocol::ErrorCode;
use protocol::wire::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use protocol::wire::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use protocol::wire::messages::{
    OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse, TopicName, VersionRange,
};

use super::call::{Answer, Api, Call, versions};
use crate::cluster::Cluster;
use crate::refusal::Refusal;

/// See the module.
#[derive(Debug)]
pub(super) struct OffsetForLeaderEpoch;

impl Api for OffsetForLeaderEpoch {
    type Request = OffsetForLeaderEpochRequest;

    const VERSIONS: VersionRange = versions(2, 4);

    async fn handle(
        call: &Call,
        request: OffsetForLeaderEpochRequest,
    ) -> Answer<OffsetForLeaderEpochResponse> {
        let mut cluster = call.shared.cluster.borrow_mut();
        answer_all(request.topics, |topic, partition| find(&mut cluster, call.node_id, topic, partition))
            .into()
    }

    fn refuse(_: i16, request: OffsetForLeaderEpochRequest, code: ErrorCode) -> OffsetForLeaderEpochResponse {
        answer_all(request.topics, |_, _| Err(code.into()))
    }
}

fn answer_all(
    topics: Vec<OffsetForLeaderTopic>,
    mut find: impl FnMut(&TopicName, &OffsetForLeaderPartition) -> Result<(i32, i64), Refusal>,
) -> OffsetForLeaderEpochResponse {
    let topics = topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            let answer = EpochEndOffset::default().with_partition(partition.partition);
            match find(&topic.topic, partition) {
                Ok((epoch, end_offset)) => answer.with_leader_epoch(epoch).with_end_offset(end_offset),
                Err(refusal) => {
                    answer.with_error_code(refusal.code.0).with_leader_epoch(-1).with_end_offset(-1)
                }
            }
        });
        let partitions = partitions.collect();
        OffsetForLeaderTopicResult::default().with_partitions(partitions).with_topic(topic.topic)
    });
    OffsetForLeaderEpochResponse::default().with_topics(topics.collect())
}

fn find(
    cluster: &mut Cluster,
    node_id: i32,
    topic: &TopicName,
    wanted: &OffsetForLeaderPartition,
) -> Result<(i32, i64), Refusal> {
    let partition = cluster.led_partition(node_id, topic, wanted.partition)?;
    partition.check_epoch(wanted.current_leader_epoch)?;
    Ok(partition.log.end_of_epoch(wanted.leader_epoch, partition.leader_epoch).unwrap_or((-1, -1)))
}
