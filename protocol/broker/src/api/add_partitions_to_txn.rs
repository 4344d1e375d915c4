//! `AddPartitionsToTxn`: the transaction will write to these partitions. From version 4 on the request is one of brokers
//! about many transactions, and may only ask whether they were added.

use protocol::ErrorCode;
use protocol::wire::messages::add_partitions_to_txn_request::{
    AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction,
};
use protocol::wire::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResult, AddPartitionsToTxnTopicResult,
};
use protocol::wire::messages::{
    AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, TopicName, VersionRange,
};
use tokio::time::Instant;

use super::call::{Answer, Api, Call, fenced_code, versions};
use crate::transaction::{Identity, Participant};

/// See the module.
#[derive(Debug)]
pub(super) struct AddPartitionsToTxn;

impl Api for AddPartitionsToTxn {
    type Request = AddPartitionsToTxnRequest;

    const VERSIONS: VersionRange = versions(0, 5);

    async fn handle(call: &Call, request: AddPartitionsToTxnRequest) -> Answer<AddPartitionsToTxnResponse> {
        let response = answer_all(call.version, request, |transaction| answer(call, transaction)).into();
        call.shared.deadlines_changed();
        response
    }

    fn refuse(
        version: i16,
        request: AddPartitionsToTxnRequest,
        code: ErrorCode,
    ) -> AddPartitionsToTxnResponse {
        let response =
            answer_all(version, request, |transaction| topics_of(&transaction.topics, |_, _| code));
        if version >= 4 { response.with_error_code(code.0) } else { response }
    }
}

/// Brings all versions into the form of the newest, and the answer back.
fn answer_all(
    version: i16,
    request: AddPartitionsToTxnRequest,
    mut answer: impl FnMut(&AddPartitionsToTxnTransaction) -> Vec<AddPartitionsToTxnTopicResult>,
) -> AddPartitionsToTxnResponse {
    if version < 4 {
        let transaction = AddPartitionsToTxnTransaction::default()
            .with_transactional_id(request.v3_and_below_transactional_id)
            .with_producer_id(request.v3_and_below_producer_id)
            .with_producer_epoch(request.v3_and_below_producer_epoch)
            .with_topics(request.v3_and_below_topics);
        let results = answer(&transaction);
        return AddPartitionsToTxnResponse::default().with_results_by_topic_v3_and_below(results);
    }
    let results = request.transactions.into_iter().map(|transaction| {
        AddPartitionsToTxnResult::default()
            .with_topic_results(answer(&transaction))
            .with_transactional_id(transaction.transactional_id)
    });
    AddPartitionsToTxnResponse::default().with_results_by_transaction(results.collect())
}

fn answer(call: &Call, request: &AddPartitionsToTxnTransaction) -> Vec<AddPartitionsToTxnTopicResult> {
    let id = &request.transactional_id;
    if let Err(code) = call.check_coordinator(id) {
        return topics_of(&request.topics, |_, _| code);
    }
    let cluster = call.shared.cluster.borrow();
    let mut transactions = call.shared.transactions.borrow_mut();
    let producer = Identity { producer_id: request.producer_id.0, epoch: request.producer_epoch };
    let partition = |topic: &TopicName, index: i32| Participant::Partition(topic.clone(), index);
    if request.verify_only {
        return topics_of(&request.topics, |topic, index| {
            transactions.verify(id, producer, &partition(topic, index)).err().unwrap_or(ErrorCode::NONE)
        });
    }
    let named =
        request.topics.iter().flat_map(|topic| topic.partitions.iter().map(|index| (&topic.name, *index)));
    if named.clone().any(|(topic, index)| !cluster.has_partition(topic, index)) {
        // All or nothing.
        return topics_of(&request.topics, |topic, index| {
            if cluster.has_partition(topic, index) {
                ErrorCode::OPERATION_NOT_ATTEMPTED
            } else {
                ErrorCode::UNKNOWN_TOPIC_OR_PARTITION
            }
        });
    }
    let partitions = named.map(|(topic, index)| partition(topic, index)).collect();
    let code = match transactions.add(id, producer, partitions, Instant::now()) {
        Ok(()) => ErrorCode::NONE,
        Err(code) => fenced_code(code, call.version >= 2),
    };
    topics_of(&request.topics, |_, _| code)
}

fn topics_of(
    topics: &[AddPartitionsToTxnTopic],
    mut code_of: impl FnMut(&TopicName, i32) -> ErrorCode,
) -> Vec<AddPartitionsToTxnTopicResult> {
    let results = topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|index| {
            AddPartitionsToTxnPartitionResult::default()
                .with_partition_index(*index)
                .with_partition_error_code(code_of(&topic.name, *index).0)
        });
        AddPartitionsToTxnTopicResult::default()
            .with_results_by_partition(partitions.collect())
            .with_name(topic.name.clone())
    });
    results.collect()
}
