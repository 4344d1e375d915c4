//! `DescribeProducers`: the idempotent and transactional producers that a partition remembers.

use protocol::ErrorCode;
use protocol::wire::messages::describe_producers_request::TopicRequest;
use protocol::wire::messages::describe_producers_response::{
    PartitionResponse, ProducerState, TopicResponse,
};
use protocol::wire::messages::{
    DescribeProducersRequest, DescribeProducersResponse, TopicName, VersionRange,
};

use super::call::{Answer, Api, Call, versions};
use crate::refusal::Refusal;

/// See the module.
#[derive(Debug)]
pub(super) struct DescribeProducers;

impl Api for DescribeProducers {
    type Request = DescribeProducersRequest;

    const VERSIONS: VersionRange = versions(0, 0);

    async fn handle(call: &Call, request: DescribeProducersRequest) -> Answer<DescribeProducersResponse> {
        answer_all(request.topics, |topic, index| producers(call, topic, index)).into()
    }

    fn refuse(_: i16, request: DescribeProducersRequest, code: ErrorCode) -> DescribeProducersResponse {
        answer_all(request.topics, |_, _| Err(code.into()))
    }
}

fn answer_all(
    topics: Vec<TopicRequest>,
    mut find: impl FnMut(&TopicName, i32) -> Result<Vec<ProducerState>, Refusal>,
) -> DescribeProducersResponse {
    let topics = topics.into_iter().map(|topic| {
        let partitions = topic.partition_indexes.iter().map(|index| {
            let answer = PartitionResponse::default().with_partition_index(*index);
            match find(&topic.name, *index) {
                Ok(producers) => answer.with_active_producers(producers),
                Err(refusal) => {
                    answer.with_error_code(refusal.code.0).with_error_message(Some(refusal.text()))
                }
            }
        });
        let partitions = partitions.collect();
        TopicResponse::default().with_partitions(partitions).with_name(topic.name)
    });
    DescribeProducersResponse::default().with_topics(topics.collect())
}

fn producers(call: &Call, topic: &TopicName, index: i32) -> Result<Vec<ProducerState>, Refusal> {
    let mut cluster = call.shared.cluster.borrow_mut();
    let partition = cluster.led_partition(call.node_id, topic, index)?;
    let producers = partition.producers().map(|producer| {
        ProducerState::default()
            .with_producer_id(producer.id.into())
            .with_producer_epoch(i32::from(producer.epoch))
            .with_last_sequence(producer.last_sequence)
            .with_last_timestamp(producer.last_timestamp_ms)
            .with_coordinator_epoch(producer.coordinator_epoch)
            .with_current_txn_start_offset(producer.transaction_start.unwrap_or(-1))
    });
    Ok(producers.collect())
}
