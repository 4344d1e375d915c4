//! `TxnOffsetCommit`: offsets of a group that count once the producer's transaction is committed.

use protocol::ErrorCode;
use protocol::wire::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use protocol::wire::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use protocol::wire::messages::{TopicName, TxnOffsetCommitRequest, TxnOffsetCommitResponse, VersionRange};
use tokio::time::Instant;

use super::call::{Answer, Api, Call, versions};
use super::offset_commit::check_offset;
use crate::group::CommittedOffset;
use crate::text::detached;
use crate::transaction::{Identity, Participant};

/// See the module.
#[derive(Debug)]
pub(super) struct TxnOffsetCommit;

impl Api for TxnOffsetCommit {
    type Request = TxnOffsetCommitRequest;

    const VERSIONS: VersionRange = versions(0, 5);

    async fn handle(call: &Call, request: TxnOffsetCommitRequest) -> Answer<TxnOffsetCommitResponse> {
        if let Err(code) = check(call, &request) {
            return Self::refuse(call.version, request, code).into();
        }
        let (group, producer_id) = (request.group_id, request.producer_id.0);
        let response = answer_all(request.topics, |topic, partition| {
            let index = partition.partition_index;
            let metadata = partition.committed_metadata.clone().unwrap_or_default();
            let mut groups = call.shared.groups.borrow_mut();
            let offset_count_max = groups.limits().offset_count_max;
            let offsets = &mut groups.get_or_create(&group)?.offsets;
            let is_new = !offsets.has_pending_of(producer_id, topic, index);
            check_offset(
                call,
                &group,
                topic,
                index,
                &metadata,
                is_new && offsets.count() >= offset_count_max,
            )?;
            let committed = CommittedOffset {
                offset: partition.committed_offset,
                leader_epoch: partition.committed_leader_epoch,
                metadata: detached(&metadata),
            };
            offsets.set_pending(producer_id, TopicName(detached(topic)), index, committed);
            Ok(())
        });
        call.shared.deadlines_changed();
        response.into()
    }

    fn refuse(_: i16, request: TxnOffsetCommitRequest, code: ErrorCode) -> TxnOffsetCommitResponse {
        answer_all(request.topics, |_, _| Err(code))
    }
}

fn answer_all(
    topics: Vec<TxnOffsetCommitRequestTopic>,
    mut commit: impl FnMut(&TopicName, &TxnOffsetCommitRequestPartition) -> Result<(), ErrorCode>,
) -> TxnOffsetCommitResponse {
    let topics = topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|partition| {
            let code = commit(&topic.name, partition).err().unwrap_or(ErrorCode::NONE);
            TxnOffsetCommitResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(code.0)
        });
        let partitions = partitions.collect();
        TxnOffsetCommitResponseTopic::default().with_partitions(partitions).with_name(topic.name)
    });
    TxnOffsetCommitResponse::default().with_topics(topics.collect())
}

fn check(call: &Call, request: &TxnOffsetCommitRequest) -> Result<(), ErrorCode> {
    call.check_group(&request.group_id)?;
    let now = Instant::now();
    let mut groups = call.shared.groups.borrow_mut();
    // Before version 3 nobody says which generation it is.
    let (generation, instance) = if call.version >= 3 {
        (request.generation_id, request.group_instance_id.as_ref())
    } else {
        (-1, None)
    };
    if generation >= 0 && groups.get(&request.group_id).is_none() {
        return Err(ErrorCode::ILLEGAL_GENERATION);
    }
    let group = &mut groups.get_or_create(&request.group_id)?.group;
    group.check_commit(&request.member_id, instance, generation, true, now)?;
    let mut transactions = call.shared.transactions.borrow_mut();
    let id = &request.transactional_id;
    let producer = Identity { producer_id: request.producer_id.0, epoch: request.producer_epoch };
    let offsets = Participant::Offsets(request.group_id.clone());
    if call.version >= 5 {
        return transactions.add(id, producer, vec![offsets], now).map_err(as_written);
    }
    transactions.verify(id, producer, &offsets).map_err(|code| match as_written(code) {
        ErrorCode::TRANSACTION_ABORTABLE if call.version < 4 => ErrorCode::INVALID_TXN_STATE,
        // Which older producers would not try again.
        ErrorCode::CONCURRENT_TRANSACTIONS => ErrorCode::COORDINATOR_LOAD_IN_PROGRESS,
        code => code,
    })
}

/// Whoever writes with an old epoch hears so as from a partition.
fn as_written(code: ErrorCode) -> ErrorCode {
    if code == ErrorCode::PRODUCER_FENCED { ErrorCode::INVALID_PRODUCER_EPOCH } else { code }
}
