//! `DeleteRecords`: moves the start of logs forward.

use protocol::ErrorCode;
use protocol::wire::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use protocol::wire::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use protocol::wire::messages::{DeleteRecordsRequest, DeleteRecordsResponse, TopicName, VersionRange};

use super::call::{Answer, Api, Call, versions};
use crate::cluster::Cluster;
use crate::refusal::{Refusal, code_of};

/// Stands for the end of the log.
const HIGH_WATERMARK: i64 = -1;

/// See the module.
#[derive(Debug)]
pub(super) struct DeleteRecords;

impl Api for DeleteRecords {
    type Request = DeleteRecordsRequest;

    const VERSIONS: VersionRange = versions(0, 2);

    async fn handle(call: &Call, request: DeleteRecordsRequest) -> Answer<DeleteRecordsResponse> {
        let mut cluster = call.shared.cluster.borrow_mut();
        answer_all(request.topics, |topic, partition| trim(&mut cluster, call.node_id, topic, partition))
            .into()
    }

    fn refuse(_: i16, request: DeleteRecordsRequest, code: ErrorCode) -> DeleteRecordsResponse {
        answer_all(request.topics, |_, _| Err(code.into()))
    }
}

fn answer_all(
    topics: Vec<DeleteRecordsTopic>,
    mut trim: impl FnMut(&TopicName, &DeleteRecordsPartition) -> Result<i64, Refusal>,
) -> DeleteRecordsResponse {
    let topics = topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            let result = trim(&topic.name, partition);
            DeleteRecordsPartitionResult::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(code_of(&result))
                .with_low_watermark(result.unwrap_or(-1))
        });
        let partitions = partitions.collect();
        DeleteRecordsTopicResult::default().with_partitions(partitions).with_name(topic.name)
    });
    DeleteRecordsResponse::default().with_topics(topics.collect())
}

fn trim(
    cluster: &mut Cluster,
    node_id: i32,
    topic: &TopicName,
    wanted: &DeleteRecordsPartition,
) -> Result<i64, Refusal> {
    let log = &mut cluster.led_partition(node_id, topic, wanted.partition_index)?.log;
    let offset = if wanted.offset == HIGH_WATERMARK { log.end_offset() } else { wanted.offset };
    if offset < 0 || offset > log.end_offset() {
        return Err(ErrorCode::OFFSET_OUT_OF_RANGE.into());
    }
    log.trim_to_offset(offset);
    Ok(log.start_offset())
}
