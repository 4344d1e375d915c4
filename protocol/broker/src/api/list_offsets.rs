//! `ListOffsets`: the start, the end, or the first offset at or after a time.

use protocol::ErrorCode;
use protocol::wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::wire::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use protocol::wire::messages::{ListOffsetsRequest, ListOffsetsResponse, TopicName, VersionRange};

use super::call::{Answer, Api, Call, versions};
use crate::cluster::Cluster;
use crate::refusal::Refusal;

/// Timestamps that ask for a place and not for a time.
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
const MAX_TIMESTAMP: i64 = -3;
const EARLIEST_LOCAL: i64 = -4;
const LATEST_TIERED: i64 = -5;

/// See the module.
#[derive(Debug)]
pub(super) struct ListOffsets;

/// Offset, timestamp, leader epoch.
type Found = (i64, i64, i32);

impl Api for ListOffsets {
    type Request = ListOffsetsRequest;

    const VERSIONS: VersionRange = versions(1, 10);

    async fn handle(call: &Call, request: ListOffsetsRequest) -> Answer<ListOffsetsResponse> {
        let mut cluster = call.shared.cluster.borrow_mut();
        let is_committed_only = request.isolation_level == 1;
        answer_all(call.version, request.topics, |topic, partition| {
            find(&mut cluster, call.node_id, topic, partition, is_committed_only)
        })
        .into()
    }

    fn refuse(version: i16, request: ListOffsetsRequest, code: ErrorCode) -> ListOffsetsResponse {
        answer_all(version, request.topics, |_, _| Err(code.into()))
    }
}

fn answer_all(
    version: i16,
    topics: Vec<ListOffsetsTopic>,
    mut find: impl FnMut(&TopicName, &ListOffsetsPartition) -> Result<Found, Refusal>,
) -> ListOffsetsResponse {
    let topics = topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            let answer =
                ListOffsetsPartitionResponse::default().with_partition_index(partition.partition_index);
            match find(&topic.name, partition) {
                Ok((offset, timestamp, epoch)) => {
                    let answer = answer.with_offset(offset).with_timestamp(timestamp);
                    if version >= 4 { answer.with_leader_epoch(epoch) } else { answer }
                }
                Err(refusal) => answer.with_error_code(refusal.code.0).with_offset(-1).with_timestamp(-1),
            }
        });
        let partitions = partitions.collect();
        ListOffsetsTopicResponse::default().with_partitions(partitions).with_name(topic.name)
    });
    ListOffsetsResponse::default().with_topics(topics.collect())
}

fn find(
    cluster: &mut Cluster,
    node_id: i32,
    topic: &TopicName,
    wanted: &ListOffsetsPartition,
    is_committed_only: bool,
) -> Result<Found, Refusal> {
    let (partition, decompressor) =
        cluster.led_partition_with_decompressor(node_id, topic, wanted.partition_index)?;
    partition.check_epoch(wanted.current_leader_epoch)?;
    let epoch = partition.leader_epoch;
    let log = &mut partition.log;
    let end_offset = if is_committed_only { log.stable_offset() } else { log.end_offset() };
    let hit = match wanted.timestamp {
        LATEST => return Ok((end_offset, -1, epoch)),
        EARLIEST | EARLIEST_LOCAL => return Ok((log.start_offset(), -1, epoch)),
        // Nothing is ever moved to remote storage.
        LATEST_TIERED => None,
        MAX_TIMESTAMP => log.find_max_timestamp(decompressor),
        time => log.find_timestamp(time, decompressor),
    };
    // What this reader cannot fetch yet is not there for it.
    let hit = hit.filter(|hit| hit.offset < end_offset);
    Ok(hit.map_or((-1, -1, -1), |hit| (hit.offset, hit.timestamp_ms, epoch)))
}
