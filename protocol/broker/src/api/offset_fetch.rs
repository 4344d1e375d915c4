//! `OffsetFetch`: the committed offsets of one group, from version 8 on of many.

use protocol::ErrorCode;
use protocol::wire::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use protocol::wire::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use protocol::wire::messages::{
    GroupId, OffsetFetchRequest, OffsetFetchResponse, StrBytes, TopicName, VersionRange,
};

use super::call::{Answer, Api, Call, versions};
use crate::group::{CommittedOffset, GroupOffsets};

/// See the module.
#[derive(Debug)]
pub(super) struct OffsetFetch;

impl Api for OffsetFetch {
    type Request = OffsetFetchRequest;

    const VERSIONS: VersionRange = versions(1, 9);

    async fn handle(call: &Call, request: OffsetFetchRequest) -> Answer<OffsetFetchResponse> {
        let version = call.version;
        let is_stable_only = request.require_stable;
        let found = groups_of(request, version).into_iter().map(|group| {
            match call.check_coordinator(&group.group_id) {
                Ok(()) => find(call, group, is_stable_only),
                Err(code) => failed(group, version, code),
            }
        });
        in_version(found.collect(), version).into()
    }

    fn refuse(version: i16, request: OffsetFetchRequest, code: ErrorCode) -> OffsetFetchResponse {
        let failed = groups_of(request, version).into_iter().map(|group| failed(group, version, code));
        in_version(failed.collect(), version)
    }
}

/// The request of any version in the form of the newest.
fn groups_of(request: OffsetFetchRequest, version: i16) -> Vec<OffsetFetchRequestGroup> {
    if version >= 8 {
        return request.groups;
    }
    let topics = request.topics.map(|topics| {
        let renamed = topics.into_iter().map(|topic| {
            OffsetFetchRequestTopics::default()
                .with_name(topic.name)
                .with_partition_indexes(topic.partition_indexes)
        });
        renamed.collect()
    });
    vec![OffsetFetchRequestGroup::default().with_group_id(request.group_id).with_topics(topics)]
}

/// The answer in the form of the version, which before 8 has room for one group.
fn in_version(groups: Vec<OffsetFetchResponseGroup>, version: i16) -> OffsetFetchResponse {
    if version >= 8 {
        return OffsetFetchResponse::default().with_groups(groups);
    }
    let Some(group) = groups.into_iter().next() else {
        return OffsetFetchResponse::default();
    };
    let topics = group.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.into_iter().map(|partition| {
            let answer = OffsetFetchResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_committed_offset(partition.committed_offset)
                .with_metadata(partition.metadata)
                .with_error_code(partition.error_code);
            if version >= 5 {
                answer.with_committed_leader_epoch(partition.committed_leader_epoch)
            } else {
                answer
            }
        });
        let partitions = partitions.collect();
        OffsetFetchResponseTopic::default().with_partitions(partitions).with_name(topic.name)
    });
    let response = OffsetFetchResponse::default().with_topics(topics.collect());
    if version >= 2 { response.with_error_code(group.error_code) } else { response }
}

fn find(call: &Call, group: OffsetFetchRequestGroup, is_stable_only: bool) -> OffsetFetchResponseGroup {
    let groups = call.shared.groups.borrow();
    let nothing = GroupOffsets::default();
    let offsets = groups.get(&group.group_id).map_or(&nothing, |entry| &entry.offsets);
    // KIP-447: while a transaction is about to move the position, a reader that wants to be sure has to ask again.
    let position = |name: &TopicName, index: i32, committed: Option<&CommittedOffset>| {
        if is_stable_only && offsets.is_pending(name, index) {
            return position(index, None).with_error_code(ErrorCode::UNSTABLE_OFFSET_COMMIT.0);
        }
        position(index, committed)
    };
    let topics = match group.topics {
        Some(topics) => topics
            .into_iter()
            .map(|topic| {
                let found =
                    topic.partition_indexes.iter().map(|index| (*index, offsets.get(&topic.name, *index)));
                let partitions =
                    found.map(|(index, committed)| position(&topic.name, index, committed)).collect();
                answer_topic(topic.name, partitions)
            })
            .collect(),
        None => offsets
            .topics()
            .map(|(name, partitions)| {
                let found = partitions.map(|(index, committed)| position(name, index, Some(committed)));
                answer_topic(name.clone(), found.collect())
            })
            .collect(),
    };
    answer_group(group.group_id, topics)
}

fn position(index: i32, committed: Option<&CommittedOffset>) -> OffsetFetchResponsePartitions {
    let answer = OffsetFetchResponsePartitions::default().with_partition_index(index);
    match committed {
        Some(committed) => answer
            .with_committed_offset(committed.offset)
            .with_committed_leader_epoch(committed.leader_epoch)
            .with_metadata(Some(committed.metadata.clone())),
        None => answer
            .with_committed_offset(-1)
            .with_committed_leader_epoch(-1)
            .with_metadata(Some(StrBytes::new())),
    }
}

fn failed(group: OffsetFetchRequestGroup, version: i16, code: ErrorCode) -> OffsetFetchResponseGroup {
    // Version 1 has room for the error only beside each partition.
    let topics = group.topics.filter(|_| version < 2).unwrap_or_default().into_iter().map(|topic| {
        let partitions =
            topic.partition_indexes.iter().map(|index| position(*index, None).with_error_code(code.0));
        let partitions = partitions.collect();
        answer_topic(topic.name, partitions)
    });
    answer_group(group.group_id, topics.collect()).with_error_code(code.0)
}

fn answer_topic(
    name: TopicName,
    partitions: Vec<OffsetFetchResponsePartitions>,
) -> OffsetFetchResponseTopics {
    OffsetFetchResponseTopics::default().with_name(name).with_partitions(partitions)
}

fn answer_group(id: GroupId, topics: Vec<OffsetFetchResponseTopics>) -> OffsetFetchResponseGroup {
    OffsetFetchResponseGroup::default().with_group_id(id).with_topics(topics)
}
