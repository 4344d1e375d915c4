//! `Produce`: stores one record batch per partition, and wakes the fetches that wait for it.

use protocol::ErrorCode;
use protocol::wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use protocol::wire::messages::produce_response::{
    LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse, TopicProduceResponse,
};
use protocol::wire::messages::{
    ProduceRequest, ProduceResponse, StrBytes, TopicName, TransactionalId, VersionRange,
};
use tokio::time::Instant;

use super::call::{Answer, Api, Call, versions};
use crate::cluster::Cluster;
use crate::log::Sequenced;
use crate::refusal::Refusal;
use crate::transaction::{Identity, Participant};

/// See the module.
#[derive(Debug)]
pub(super) struct Produce;

impl Api for Produce {
    type Request = ProduceRequest;

    const VERSIONS: VersionRange = versions(3, 13);

    async fn handle(call: &Call, request: ProduceRequest) -> Answer<ProduceResponse> {
        let acks = request.acks;
        if !matches!(acks, -1..=1) {
            return Self::refuse(call.version, request, ErrorCode::INVALID_REQUIRED_ACKS).into();
        }
        let transactional_id = request.transactional_id;
        let mut cluster = call.shared.cluster.borrow_mut();
        let mut response = ProduceResponse::default();
        let mut has_moved = false;
        for topic in request.topic_data {
            let name = name_of(&cluster, call.version, &topic);
            let mut answer = TopicProduceResponse::default();
            for data in topic.partition_data {
                let partition = append(&mut cluster, call, transactional_id.as_ref(), name.as_ref(), data);
                has_moved |= partition.error_code == ErrorCode::NOT_LEADER_OR_FOLLOWER.0;
                answer.partition_responses.push(partition);
            }
            if call.version >= 13 {
                answer.topic_id = topic.topic_id;
            } else {
                answer.name = topic.name;
            }
            response.responses.push(answer);
        }
        if acks == 0 {
            return Answer::Nothing;
        }
        // KIP-951: a client that asked the wrong node learns in the same answer where the right one is.
        if has_moved && call.version >= 10 {
            response.node_endpoints = cluster
                .running_nodes()
                .map(|node| {
                    NodeEndpoint::default()
                        .with_node_id(node.id.into())
                        .with_host(StrBytes::from_string(node.host.clone()))
                        .with_port(i32::from(node.port))
                })
                .collect();
        }
        response.into()
    }

    fn refuse(version: i16, request: ProduceRequest, code: ErrorCode) -> ProduceResponse {
        let refusal = Refusal::from(code);
        let topics = request.topic_data.into_iter().map(|topic| {
            let failed = topic.partition_data.iter().map(|data| failed(version, data.index, &refusal));
            let answer = TopicProduceResponse::default().with_partition_responses(failed.collect());
            if version >= 13 { answer.with_topic_id(topic.topic_id) } else { answer.with_name(topic.name) }
        });
        ProduceResponse::default().with_responses(topics.collect())
    }
}

fn name_of(cluster: &Cluster, version: i16, topic: &TopicProduceData) -> Result<TopicName, Refusal> {
    if version < 13 {
        return Ok(topic.name.clone());
    }
    cluster.name_of(&topic.topic_id).cloned().ok_or_else(|| ErrorCode::UNKNOWN_TOPIC_ID.into())
}

fn append(
    cluster: &mut Cluster,
    call: &Call,
    transactional_id: Option<&TransactionalId>,
    name: Result<&TopicName, &Refusal>,
    data: PartitionProduceData,
) -> PartitionProduceResponse {
    let index = data.index;
    let result = name.map_err(Clone::clone).and_then(|name| {
        cluster.append(call.node_id, name, index, data.records, |batch| {
            join_transaction(call, transactional_id, name, index, batch)
        })
    });
    match result {
        Ok(appended) => {
            let answer = PartitionProduceResponse::default()
                .with_index(index)
                .with_base_offset(appended.base_offset)
                .with_log_append_time_ms(appended.log_append_time_ms);
            if call.version >= 5 { answer.with_log_start_offset(appended.log_start_offset) } else { answer }
        }
        Err(refusal) => {
            tracing::debug!(topic = ?name.ok(), partition = index, code = %refusal.code, why = %refusal.text(), "refused records");
            let mut answer = failed(call.version, index, &refusal);
            if call.version >= 10
                && refusal.code == ErrorCode::NOT_LEADER_OR_FOLLOWER
                && let Some(partition) =
                    name.ok().and_then(|name| cluster.topic(name)?.partitions.get(index as usize))
            {
                answer.current_leader = LeaderIdAndEpoch::default()
                    .with_leader_id(partition.leader.into())
                    .with_leader_epoch(partition.leader_epoch);
            }
            answer
        }
    }
}

/// KIP-890: the first batch of a transaction in a partition is let in only if the transaction knows of it. Since version
/// 12 it is the partition's part to tell the transaction.
fn join_transaction(
    call: &Call,
    id: Option<&TransactionalId>,
    topic: &TopicName,
    index: i32,
    batch: &Sequenced,
) -> Result<(), Refusal> {
    let Some(id) = id else {
        return Err(ErrorCode::TRANSACTIONAL_ID_AUTHORIZATION_FAILED.into());
    };
    let producer = Identity { producer_id: batch.producer_id, epoch: batch.epoch };
    let partition = Participant::Partition(topic.clone(), index);
    let mut transactions = call.shared.transactions.borrow_mut();
    let result = if call.version >= 12 {
        let result = transactions.add(id, producer, vec![partition], Instant::now());
        call.shared.deadlines_changed();
        result
    } else {
        transactions.verify(id, producer, &partition)
    };
    result.map_err(|code| match code {
        ErrorCode::PRODUCER_FENCED => ErrorCode::INVALID_PRODUCER_EPOCH.into(),
        ErrorCode::TRANSACTION_ABORTABLE if call.version < 11 => {
            Refusal::new(ErrorCode::INVALID_TXN_STATE, "Partition was not added to the transaction")
        }
        // Older producers do not expect the code here, and take this one for a reason to try again.
        ErrorCode::CONCURRENT_TRANSACTIONS if call.version < 12 => ErrorCode::NOT_ENOUGH_REPLICAS.into(),
        code => code.into(),
    })
}

fn failed(version: i16, index: i32, refusal: &Refusal) -> PartitionProduceResponse {
    let answer = PartitionProduceResponse::default()
        .with_index(index)
        .with_error_code(refusal.code.0)
        .with_base_offset(-1)
        .with_log_append_time_ms(-1);
    if version >= 8 { answer.with_error_message(Some(refusal.text())) } else { answer }
}
