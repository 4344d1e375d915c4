//! `OffsetCommit`.

use protocol::ErrorCode;
use protocol::wire::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use protocol::wire::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use protocol::wire::messages::{OffsetCommitRequest, OffsetCommitResponse, TopicName, VersionRange};
use tokio::time::Instant;

use super::call::{Answer, Api, Call, versions};
use crate::group::CommittedOffset;
use crate::text::detached;

/// Kafka's default of `offset.metadata.max.bytes`.
const METADATA_BYTES_MAX: usize = 4096;

/// See the module.
#[derive(Debug)]
pub(super) struct OffsetCommit;

impl Api for OffsetCommit {
    type Request = OffsetCommitRequest;

    const VERSIONS: VersionRange = versions(2, 9);

    async fn handle(call: &Call, request: OffsetCommitRequest) -> Answer<OffsetCommitResponse> {
        if let Err(code) = check(call, &request) {
            return Self::refuse(call.version, request, code).into();
        }
        let response =
            answer_all(request.topics, |topic, partition| commit(call, &request.group_id, topic, partition));
        call.shared.group_deadlines_changed();
        response.into()
    }

    fn refuse(_: i16, request: OffsetCommitRequest, code: ErrorCode) -> OffsetCommitResponse {
        answer_all(request.topics, |_, _| Err(code))
    }
}

fn answer_all(
    topics: Vec<OffsetCommitRequestTopic>,
    mut commit: impl FnMut(&TopicName, &OffsetCommitRequestPartition) -> Result<(), ErrorCode>,
) -> OffsetCommitResponse {
    let topics = topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            let code = commit(&topic.name, partition).err().unwrap_or(ErrorCode::NONE);
            OffsetCommitResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(code.0)
        });
        let partitions = partitions.collect();
        OffsetCommitResponseTopic::default().with_partitions(partitions).with_name(topic.name)
    });
    OffsetCommitResponse::default().with_topics(topics.collect())
}

fn check(call: &Call, request: &OffsetCommitRequest) -> Result<(), ErrorCode> {
    call.check_group(&request.group_id)?;
    let generation = request.generation_id_or_member_epoch;
    let mut groups = call.shared.groups.borrow_mut();
    if generation >= 0 && groups.get(&request.group_id).is_none() {
        // The member belongs to a group that is gone.
        return Err(ErrorCode::ILLEGAL_GENERATION);
    }
    let instance = request.group_instance_id.as_ref();
    let entry = groups.get_or_create(&request.group_id)?;
    entry.group.check_commit(&request.member_id, instance, generation, Instant::now())
}

fn commit(
    call: &Call,
    group: &protocol::wire::messages::GroupId,
    topic: &TopicName,
    partition: &OffsetCommitRequestPartition,
) -> Result<(), ErrorCode> {
    let index = partition.partition_index;
    let is_known = call
        .shared
        .cluster
        .borrow()
        .topic(topic)
        .is_some_and(|topic| usize::try_from(index).is_ok_and(|index| index < topic.partitions.len()));
    if !is_known {
        return Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    }
    let metadata = partition.committed_metadata.clone().unwrap_or_default();
    if metadata.len() > METADATA_BYTES_MAX {
        return Err(ErrorCode::OFFSET_METADATA_TOO_LARGE);
    }
    let mut groups = call.shared.groups.borrow_mut();
    let offset_count_max = groups.limits().offset_count_max;
    let entry = groups.get_or_create(group)?;
    if entry.offsets.count() >= offset_count_max && entry.offsets.get(topic, index).is_none() {
        tracing::warn!(group = %group.as_str(), offset_count_max, "refused an offset: the group has too many");
        return Err(ErrorCode::INVALID_COMMIT_OFFSET_SIZE);
    }
    let committed = CommittedOffset {
        offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        metadata: detached(&metadata),
    };
    entry.offsets.set(TopicName(detached(topic)), index, committed);
    Ok(())
}
