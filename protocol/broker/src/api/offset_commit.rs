//! `OffsetCommit`.

use protocol::ErrorCode;
use protocol::wire::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use protocol::wire::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use protocol::wire::messages::{
    GroupId, OffsetCommitRequest, OffsetCommitResponse, StrBytes, TopicName, VersionRange,
};
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
        call.shared.deadlines_changed();
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
    entry.group.check_commit(&request.member_id, instance, generation, false, Instant::now())
}

fn commit(
    call: &Call,
    group: &GroupId,
    topic: &TopicName,
    partition: &OffsetCommitRequestPartition,
) -> Result<(), ErrorCode> {
    let index = partition.partition_index;
    let metadata = partition.committed_metadata.clone().unwrap_or_default();
    let mut groups = call.shared.groups.borrow_mut();
    let offset_count_max = groups.limits().offset_count_max;
    let entry = groups.get_or_create(group)?;
    let is_new = entry.offsets.get(topic, index).is_none();
    check_offset(call, group, topic, index, &metadata, is_new && entry.offsets.count() >= offset_count_max)?;
    let committed = CommittedOffset {
        offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        metadata: detached(&metadata),
    };
    entry.offsets.set(TopicName(detached(topic)), index, committed);
    Ok(())
}

/// What must hold for an offset to be kept, within a transaction or not.
pub(super) fn check_offset(
    call: &Call,
    group: &GroupId,
    topic: &TopicName,
    index: i32,
    metadata: &StrBytes,
    is_full: bool,
) -> Result<(), ErrorCode> {
    if !call.shared.cluster.borrow().has_partition(topic, index) {
        return Err(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
    }
    if metadata.len() > METADATA_BYTES_MAX {
        return Err(ErrorCode::OFFSET_METADATA_TOO_LARGE);
    }
    if is_full {
        tracing::warn!(group = %group.as_str(), "refused an offset: the group has too many");
        return Err(ErrorCode::INVALID_COMMIT_OFFSET_SIZE);
    }
    Ok(())
}
