//! Positions in partitions by their nature: earliest, latest, at a time.

use futures_util::future::join_all;
use indexmap::IndexMap;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{BrokerId, ListOffsetsRequest};

use super::operations::{Admin, item_error};
use super::topics::topic_name;
use crate::cluster::{Leader, Target, decide};
use crate::{Error, ErrorCode, Result};

/// Which offset of a partition is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetSpec {
    /// The first offset that is still there.
    Earliest,
    /// The offset that the next record will get; under read_committed the last stable offset.
    Latest,
    /// The first record whose timestamp is at least this many milliseconds since the epoch.
    Timestamp(i64),
    /// The record with the largest timestamp (Kafka 3.0 and newer).
    MaxTimestamp,
}

/// Which records are visible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IsolationLevel {
    /// All.
    #[default]
    ReadUncommitted,
    /// Only those outside transactions or in committed ones.
    ReadCommitted,
}

/// An offset that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedOffset {
    /// The offset; None where no record is as young as the timestamp asked for.
    pub offset: Option<i64>,
    /// The timestamp of the record there; None where the broker names none.
    pub timestamp_ms: Option<i64>,
    /// The leader epoch of the record there; None where the broker names none.
    pub leader_epoch: Option<i32>,
}

impl Admin {
    /// Looks up offsets: one request per leader for all its partitions, all leaders at once; one result per query, in order.
    ///
    /// # Errors
    /// Per partition: `Broker(UNKNOWN_TOPIC_OR_PARTITION)` where it does not exist until the deadline, and its like.
    pub async fn list_offsets(
        &self,
        queries: &[(&str, i32, OffsetSpec)],
        isolation: IsolationLevel,
    ) -> Vec<Result<ListedOffset>> {
        queries.iter().for_each(|(topic, _, _)| self.cluster.note_use(topic));
        let place = |index: usize| (queries[index].0, queries[index].1);
        self.per_item(&Target::Any, queries.len(), place, decide, async |open| {
            let (by_node, mut answers) = self.by_leader("list offsets", open, place).await?;
            let asked =
                by_node.iter().map(|(node, items)| self.list_offsets_at(*node, items, queries, isolation));
            for answered in join_all(asked).await {
                answers.extend(answered);
            }
            Ok(answers)
        })
        .await
    }

    /// The open items by who leads their partitions, and a failed result for each that nobody leads.
    pub(super) async fn by_leader<'a, T>(
        &self,
        doing: &'static str,
        open: &[usize],
        place: impl Fn(usize) -> (&'a str, i32),
    ) -> Result<(IndexMap<i32, Vec<(usize, Leader)>>, Vec<(usize, Result<T>)>)> {
        let mut view = self.cluster.fresh_metadata().await?;
        if open.iter().any(|index| view.topic(place(*index).0).is_none()) {
            view = self.cluster.refresh(view.generation).await?;
        }
        let mut by_node: IndexMap<i32, Vec<(usize, Leader)>> = IndexMap::new();
        let mut failed = Vec::new();
        for index in open {
            let (topic, partition) = place(*index);
            match view.leader(topic, partition) {
                Some(leader) => by_node.entry(leader.node).or_default().push((*index, leader)),
                None => failed.push((*index, Err(no_leader(doing, &view, topic, partition)))),
            }
        }
        Ok((by_node, failed))
    }

    async fn list_offsets_at(
        &self,
        node: i32,
        items: &[(usize, Leader)],
        queries: &[(&str, i32, OffsetSpec)],
        isolation: IsolationLevel,
    ) -> Vec<(usize, Result<ListedOffset>)> {
        let build = |version: i16| {
            let mut topics: IndexMap<&str, Vec<ListOffsetsPartition>> = IndexMap::new();
            for (index, leader) in items {
                let (topic, partition, spec) = queries[*index];
                let mut asked = ListOffsetsPartition::default()
                    .with_partition_index(partition)
                    .with_timestamp(spec.as_timestamp());
                if version >= 4 {
                    asked = asked.with_current_leader_epoch(leader.epoch);
                }
                topics.entry(topic).or_default().push(asked);
            }
            let topics = topics
                .into_iter()
                .map(|(topic, partitions)| {
                    ListOffsetsTopic::default().with_name(topic_name(topic)).with_partitions(partitions)
                })
                .collect();
            let request = ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(topics);
            match isolation {
                IsolationLevel::ReadUncommitted => request,
                IsolationLevel::ReadCommitted => request.with_isolation_level(1),
            }
        };
        let response = match self.cluster.call(&Target::Node(node), build).await {
            Ok((response, _)) => response,
            Err(error) => return items.iter().map(|(index, _)| (*index, Err(error.clone()))).collect(),
        };
        let mut answers = Vec::with_capacity(items.len());
        for topic in &response.topics {
            for answer in &topic.partitions {
                let found = items.iter().find(|(index, _)| {
                    queries[*index].0 == &**topic.name && queries[*index].1 == answer.partition_index
                });
                let Some((index, _)) = found else { continue };
                let item = format!("{}-{}", &**topic.name, answer.partition_index);
                let checked = item_error("list offsets", answer.error_code, &item, None);
                let listed = ListedOffset {
                    offset: (answer.offset >= 0).then_some(answer.offset),
                    timestamp_ms: (answer.timestamp >= 0).then_some(answer.timestamp),
                    leader_epoch: (answer.leader_epoch >= 0).then_some(answer.leader_epoch),
                };
                answers.push((*index, checked.map(|()| listed)));
            }
        }
        answers
    }
}

impl OffsetSpec {
    /// The value that stands for it in requests.
    pub fn as_timestamp(self) -> i64 {
        match self {
            Self::Earliest => -2,
            Self::Latest => -1,
            Self::MaxTimestamp => -3,
            Self::Timestamp(timestamp_ms) => timestamp_ms.max(0),
        }
    }
}

fn no_leader(doing: &'static str, view: &crate::cluster::Metadata, topic: &str, partition: i32) -> Error {
    let code = match view.topic(topic) {
        Some(known) if known.error != ErrorCode::NONE => known.error,
        Some(known) if usize::try_from(partition).is_ok_and(|index| index < known.partitions.len()) => {
            ErrorCode::LEADER_NOT_AVAILABLE
        }
        _ => ErrorCode::UNKNOWN_TOPIC_OR_PARTITION,
    };
    Error::broker(doing, code).with_source(format!("{topic}-{partition}"))
}
