//! The requests to the coordinators, each tried again in place under the one retry policy.

use std::rc::Rc;
use std::sync::Arc;

use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::{
    AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, EndTxnRequest, GroupId, InitProducerIdRequest,
    ProduceRequest, ProducerId, TopicName, TransactionalId, TxnOffsetCommitRequest,
};
use kafka_protocol::protocol::StrBytes;
use tokio::time::Instant;

use super::group::GroupOffsets;
use super::state::Initialized;
use crate::client::producer::IMPLICIT_ADD_VERSION;
use crate::client::producer::queue::Identity;
use crate::cluster::{Cluster, Target};
use crate::wire::versions::BrokerVersions;
use crate::{Error, ErrorCode, Result};

/// The last versions that mean what they meant before KIP-890.
const END_TXN_V1: i16 = 4;
const TXN_OFFSET_COMMIT_V1: i16 = 4;

/// Who asks, and until when.
#[derive(Clone)]
pub(super) struct Coordinator {
    pub(super) cluster: Cluster,
    pub(super) id: Arc<str>,
    pub(super) deadline: Instant,
}

impl Coordinator {
    fn target(&self) -> Target {
        Target::TransactionCoordinator(Arc::clone(&self.id))
    }

    fn transactional_id(&self) -> TransactionalId {
        TransactionalId(StrBytes::from_string(self.id.to_string()))
    }

    /// An identity for the transactional id; with `bump` the next epoch of that one, if nobody else has taken over (KIP-360).
    pub(super) async fn initialize(self, timeout_ms: i32, bump: Option<Identity>) -> Result<Initialized> {
        const DOING: &str = "initialise transactions";
        let target = self.target();
        let attempt = async || {
            let build = |version: i16| {
                let request = InitProducerIdRequest::default()
                    .with_transactional_id(Some(self.transactional_id()))
                    .with_transaction_timeout_ms(timeout_ms);
                match bump {
                    Some(Identity { producer_id, epoch, .. }) if version >= 3 => {
                        request.with_producer_id(ProducerId(producer_id)).with_producer_epoch(epoch)
                    }
                    _ => request,
                }
            };
            let (response, version) = self.cluster.call(&target, build).await?;
            Error::check(DOING, response.error_code)?;
            if bump.is_some() && version < 3 {
                return Err(Error::unsupported(DOING, "the broker cannot give a producer its next epoch"));
            }
            let node = self.cluster.coordinator(&target).await?;
            let connection = self.cluster.connection(node).await?;
            let identity = Identity {
                producer_id: response.producer_id.0,
                epoch: response.producer_epoch,
                is_transactional: true,
            };
            Ok(Initialized { identity, is_v2: has_version_2(connection.versions()) })
        };
        self.cluster.retrying(&target, self.deadline, attempt).await
    }

    pub(super) async fn add_partitions(
        self,
        identity: Identity,
        partitions: Vec<(StrBytes, Vec<i32>)>,
    ) -> Result<()> {
        const DOING: &str = "add partitions to transaction";
        let target = self.target();
        let attempt = async || {
            let build = |_version: i16| {
                let topics = partitions.iter().map(|(name, indexes)| {
                    AddPartitionsToTxnTopic::default()
                        .with_name(TopicName(name.clone()))
                        .with_partitions(indexes.clone())
                });
                AddPartitionsToTxnRequest::default()
                    .with_v3_and_below_transactional_id(self.transactional_id())
                    .with_v3_and_below_producer_id(ProducerId(identity.producer_id))
                    .with_v3_and_below_producer_epoch(identity.epoch)
                    .with_v3_and_below_topics(topics.collect())
            };
            let (response, _) = self.cluster.call(&target, build).await?;
            Error::check(DOING, response.error_code)?;
            let mut refused: Option<Error> = None;
            for topic in &response.results_by_topic_v3_and_below {
                for partition in &topic.results_by_partition {
                    let code = ErrorCode(partition.partition_error_code);
                    if code.is_error() {
                        let place = format!("{}-{}", topic.name.as_str(), partition.partition_index);
                        let error = Error::broker(DOING, code).with_source(place);
                        refused = Some(worse(refused, error));
                    }
                }
            }
            refused.map_or(Ok(()), Err)
        };
        self.cluster.retrying(&target, self.deadline, attempt).await
    }

    pub(super) async fn add_offsets(self, identity: Identity, offsets: Rc<GroupOffsets>) -> Result<()> {
        let target = self.target();
        let attempt = async || {
            let build = |_version: i16| {
                AddOffsetsToTxnRequest::default()
                    .with_transactional_id(self.transactional_id())
                    .with_producer_id(ProducerId(identity.producer_id))
                    .with_producer_epoch(identity.epoch)
                    .with_group_id(GroupId(string(&offsets.group.group_id)))
            };
            let (response, _) = self.cluster.call(&target, build).await?;
            Error::check("add offsets to transaction", response.error_code)
        };
        self.cluster.retrying(&target, self.deadline, attempt).await
    }

    pub(super) async fn commit_offsets(
        self,
        identity: Identity,
        offsets: Rc<GroupOffsets>,
        is_v2: bool,
    ) -> Result<()> {
        const DOING: &str = "commit offsets in transaction";
        let target = Target::GroupCoordinator(Arc::clone(&offsets.group.group_id));
        let version_max = if is_v2 { i16::MAX } else { TXN_OFFSET_COMMIT_V1 };
        let attempt = async || {
            let build = |version: i16| {
                let group = &offsets.group;
                let request = TxnOffsetCommitRequest::default()
                    .with_transactional_id(self.transactional_id())
                    .with_group_id(GroupId(string(&group.group_id)))
                    .with_producer_id(ProducerId(identity.producer_id))
                    .with_producer_epoch(identity.epoch)
                    .with_topics(offset_topics(&offsets, version));
                if version >= 3 {
                    request
                        .with_generation_id(group.generation_id)
                        .with_member_id(string(&group.member_id))
                        .with_group_instance_id(group.group_instance_id.as_deref().map(string))
                } else {
                    request
                }
            };
            let (response, _) = self.cluster.call_up_to(&target, version_max, build).await?;
            let mut refused: Option<Error> = None;
            for topic in &response.topics {
                for partition in &topic.partitions {
                    if let Err(error) = Error::check(DOING, partition.error_code) {
                        let place = format!("{}-{}", topic.name.as_str(), partition.partition_index);
                        refused = Some(worse(refused, error.with_source(place)));
                    }
                }
            }
            refused.map_or(Ok(()), Err)
        };
        self.cluster.retrying(&target, self.deadline, attempt).await
    }

    /// Ends the transaction; gives the identity of the next one where the coordinator names it.
    pub(super) async fn end(self, identity: Identity, commit: bool, is_v2: bool) -> Result<Option<Identity>> {
        let target = self.target();
        let version_max = if is_v2 { i16::MAX } else { END_TXN_V1 };
        let attempt = async || {
            let build = |_version: i16| {
                EndTxnRequest::default()
                    .with_transactional_id(self.transactional_id())
                    .with_producer_id(ProducerId(identity.producer_id))
                    .with_producer_epoch(identity.epoch)
                    .with_committed(commit)
            };
            let (response, version) = self.cluster.call_up_to(&target, version_max, build).await?;
            Error::check("end transaction", response.error_code)?;
            let next = Identity {
                producer_id: response.producer_id.0,
                epoch: response.producer_epoch,
                is_transactional: true,
            };
            Ok((version > END_TXN_V1 && next.producer_id >= 0).then_some(next))
        };
        self.cluster.retrying(&target, self.deadline, attempt).await
    }
}

/// Whether the cluster finalised `transaction.version` 2, and the broker speaks what it needs.
fn has_version_2(versions: &BrokerVersions) -> bool {
    versions.finalized_feature("transaction.version") >= 2
        && versions.speaks::<ProduceRequest>(IMPLICIT_ADD_VERSION)
        && versions.version_for::<EndTxnRequest>().is_ok_and(|version| version > END_TXN_V1)
        && versions
            .version_for::<TxnOffsetCommitRequest>()
            .is_ok_and(|version| version > TXN_OFFSET_COMMIT_V1)
}

/// Of several refusals the one that decides: what is final before what may pass, and last what was refused for another's sake.
fn worse(known: Option<Error>, new: Error) -> Error {
    let rank = |error: &Error| match error.code() {
        Some(ErrorCode::OPERATION_NOT_ATTEMPTED) => 0,
        _ if error.is_retriable() => 1,
        _ => 2,
    };
    match known {
        Some(known) if rank(&known) >= rank(&new) => known,
        _ => new,
    }
}

fn offset_topics(offsets: &GroupOffsets, version: i16) -> Vec<TxnOffsetCommitRequestTopic> {
    offsets
        .offsets
        .chunk_by(|a, b| a.0.topic == b.0.topic)
        .map(|entries| {
            let partitions = entries.iter().map(|(tp, committed)| {
                let partition = TxnOffsetCommitRequestPartition::default()
                    .with_partition_index(tp.partition)
                    .with_committed_offset(committed.offset)
                    .with_committed_metadata(Some(string(&committed.metadata)));
                if version >= 2 {
                    partition.with_committed_leader_epoch(committed.leader_epoch)
                } else {
                    partition
                }
            });
            let name = entries.first().map(|(tp, _)| string(&tp.topic)).unwrap_or_default();
            TxnOffsetCommitRequestTopic::default()
                .with_name(TopicName(name))
                .with_partitions(partitions.collect())
        })
        .collect()
}

fn string(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}
