//! What a leader is asked about positions: where an offset lies (`ListOffsets`), and where an epoch ended (`OffsetForLeaderEpoch`).

use std::rc::Rc;

use indexmap::IndexMap;

use super::broker_loop::{judge, topic_name};
use super::plan::{EpochQuery, OffsetQuery};
use super::response::Outcome;
use super::session::PartitionRef;
use super::shared::Shared;
use crate::client::group::by_topic;
use crate::cluster::{RetryPolicy, Target};
use crate::wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use crate::wire::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use crate::wire::messages::{ApiKey, ListOffsetsRequest, OffsetForLeaderEpochRequest};
use crate::{Error, ErrorCode};

/// The first version that a client may use without permissions on the whole cluster.
const EPOCHS_SINCE: i16 = 3;

/// Looks up where positions that are to be reset begin.
pub(super) async fn find_offsets(
    shared: &Rc<Shared>,
    node: i32,
    queries: Vec<OffsetQuery>,
) -> Result<(), Error> {
    let names: Vec<_> = queries.iter().map(|query| query.tp.clone()).collect();
    let by_name: IndexMap<_, _> = queries.into_iter().map(|query| (query.tp.clone(), query)).collect();
    let grouped = by_topic(&names);
    let isolation_level = shared.config.isolation_level_wire();
    let now_ms = shared.cluster.env().now_ms();
    let build = |version: i16| {
        let topics = grouped.iter().map(|(topic, indexes)| {
            let partitions = indexes.iter().filter_map(|&index| {
                let query = by_name.get(&PartitionRef { topic, partition: index })?;
                let partition = ListOffsetsPartition::default()
                    .with_partition_index(index)
                    .with_timestamp(query.reset.as_timestamp(now_ms));
                Some(if version >= 4 {
                    partition.with_current_leader_epoch(query.leader_epoch)
                } else {
                    partition
                })
            });
            ListOffsetsTopic::default().with_name(topic_name(topic)).with_partitions(partitions.collect())
        });
        let request =
            ListOffsetsRequest::default().with_replica_id((-1).into()).with_topics(topics.collect());
        if version >= 2 { request.with_isolation_level(isolation_level) } else { request }
    };
    let (response, version) = shared.cluster.call(&Target::Node(node), build).await?;
    let mut outcomes = Vec::new();
    with_judge(shared, node, |judge| {
        let mut partitions = shared.partitions.borrow_mut();
        for topic in &response.topics {
            for answer in &topic.partitions {
                let key = PartitionRef { topic: &topic.name, partition: answer.partition_index };
                let Some(query) = by_name.get(&key) else { continue };
                let epoch = if version >= 4 { answer.leader_epoch } else { -1 };
                let found = ErrorCode(answer.error_code).ok().map(|()| (answer.offset, epoch));
                outcomes.push(partitions.on_offset_found(query, found, judge));
            }
        }
    });
    act(shared, outcomes);
    Ok(())
}

/// Asks a leader whether its log still has what was read up to some positions.
pub(super) async fn check_epochs(
    shared: &Rc<Shared>,
    node: i32,
    queries: Vec<EpochQuery>,
) -> Result<(), Error> {
    let connection = shared.cluster.connection(node).await?;
    if connection.version(ApiKey::OffsetForLeaderEpoch).is_none_or(|version| version < EPOCHS_SINCE) {
        // A broker that old cannot be asked; its truncations show as offsets out of range, if at all.
        let mut partitions = shared.partitions.borrow_mut();
        for query in queries {
            if let Some(partition) = partitions.map.get_mut(&query.tp) {
                partition.validated_epoch = query.leader_epoch;
            }
        }
        return Ok(());
    }
    let names: Vec<_> = queries.iter().map(|query| query.tp.clone()).collect();
    let by_name: IndexMap<_, _> = queries.into_iter().map(|query| (query.tp.clone(), query)).collect();
    let grouped = by_topic(&names);
    let build = |_version: i16| {
        let topics = grouped.iter().map(|(topic, indexes)| {
            let partitions = indexes.iter().filter_map(|&index| {
                let query = by_name.get(&PartitionRef { topic, partition: index })?;
                Some(
                    OffsetForLeaderPartition::default()
                        .with_partition(index)
                        .with_current_leader_epoch(query.leader_epoch)
                        .with_leader_epoch(query.epoch),
                )
            });
            OffsetForLeaderTopic::default()
                .with_topic(topic_name(topic))
                .with_partitions(partitions.collect())
        });
        OffsetForLeaderEpochRequest::default().with_replica_id((-1).into()).with_topics(topics.collect())
    };
    let (response, _) = shared.cluster.call(&Target::Node(node), build).await?;
    let mut outcomes = Vec::new();
    with_judge(shared, node, |judge| {
        let mut partitions = shared.partitions.borrow_mut();
        for topic in &response.topics {
            for answer in &topic.partitions {
                let key = PartitionRef { topic: &topic.topic, partition: answer.partition };
                let Some(query) = by_name.get(&key) else { continue };
                let end =
                    ErrorCode(answer.error_code).ok().map(|()| (answer.leader_epoch, answer.end_offset));
                outcomes.push(partitions.on_epoch_end(query, end, judge));
            }
        }
    });
    act(shared, outcomes);
    Ok(())
}

fn with_judge(shared: &Shared, node: i32, use_it: impl FnOnce(&super::response::Judge<'_>)) {
    let policy = RetryPolicy::requests(shared.cluster.config());
    let backoff = |failure_count| policy.backoff(shared.cluster.env(), failure_count);
    use_it(&judge(shared, node, &backoff));
}

fn act(shared: &Shared, outcomes: Vec<Outcome>) {
    let mut is_stale = false;
    for outcome in outcomes {
        match outcome {
            Outcome::StaleLeader => is_stale = true,
            Outcome::Report(error) => shared.report(error),
            Outcome::Nothing | Outcome::Ready => {}
        }
    }
    // A poll may wait for positions before it reports an assignment.
    shared.user.notify_one();
    if is_stale {
        shared.wake_all();
    }
}
