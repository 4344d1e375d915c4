//! Committed offsets of groups, from outside: list, alter, delete.

use std::sync::Arc;

use indexmap::IndexMap;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use kafka_protocol::messages::{ApiKey, OffsetCommitRequest, OffsetDeleteRequest};
use kafka_protocol::protocol::StrBytes;

use super::groups::group;
use super::operations::{Admin, item_error};
use super::topics::topic_name;
use crate::client::offset_fetch::{self, GroupAnswer, GroupQuery};
use crate::client::{OffsetAndMetadata, TopicPartition};
use crate::cluster::{RetryAction, Target, decide};
use crate::{Error, ErrorCode, Result};

/// The committed position of each partition that has one.
pub type GroupOffsets = Vec<(TopicPartition, OffsetAndMetadata)>;

impl Admin {
    /// All that each group has committed, one request per coordinator and all coordinators at once; one result per group, in order.
    /// With `require_stable` a position that an open transaction is about to change is waited for.
    ///
    /// # Errors
    /// Per group: what its coordinator answered, such as `Broker(GROUP_AUTHORIZATION_FAILED)`.
    pub async fn list_group_offsets(
        &self,
        group_ids: &[&str],
        require_stable: bool,
    ) -> Vec<Result<GroupOffsets>> {
        let queries: Vec<_> =
            group_ids.iter().map(|group_id| GroupQuery { group_id, partitions: None }).collect();
        self.fetch_offsets(&queries, require_stable).await
    }

    /// What one group has committed for these partitions; those without a position are left out.
    ///
    /// # Errors
    /// What the coordinator answered.
    pub async fn group_offsets(
        &self,
        group_id: &str,
        partitions: &[TopicPartition],
        require_stable: bool,
    ) -> Result<GroupOffsets> {
        let query = [GroupQuery { group_id, partitions: Some(partitions) }];
        self.fetch_offsets(&query, require_stable).await.remove(0)
    }

    async fn fetch_offsets(
        &self,
        queries: &[GroupQuery<'_>],
        require_stable: bool,
    ) -> Vec<Result<GroupOffsets>> {
        let group_ids: Vec<&str> = queries.iter().map(|query| query.group_id).collect();
        self.per_group(&group_ids, async |node, items: &[usize]| {
            let connection = self.cluster.connection(node).await?;
            let takes_many = connection.version(ApiKey::OffsetFetch) >= Some(offset_fetch::MANY_GROUPS_SINCE);
            let mut results = Vec::with_capacity(items.len());
            for items in items.chunks(if takes_many { items.len().max(1) } else { 1 }) {
                let queries: Vec<_> = items.iter().map(|index| queries[*index]).collect();
                let build = |version| offset_fetch::request(version, &queries, require_stable);
                let (response, version) = self.cluster.call(&Target::Node(node), build).await?;
                let answers = offset_fetch::answers("list group offsets", version, response, &queries);
                results.extend(items.iter().copied().zip(answers.into_iter().map(with_position)));
            }
            Ok(results)
        })
        .await
    }

    /// Commits positions for a group that has no members; one result per partition, in order.
    ///
    /// # Errors
    /// Per partition: `Broker(UNKNOWN_MEMBER_ID)` while the group has members, `Broker(UNKNOWN_TOPIC_OR_PARTITION)`, and their
    /// like.
    pub async fn alter_group_offsets(
        &self,
        group_id: &str,
        offsets: &[(TopicPartition, OffsetAndMetadata)],
    ) -> Vec<Result<()>> {
        let target = Target::GroupCoordinator(Arc::from(group_id));
        self.per_item(
            &target,
            offsets.len(),
            |index| &offsets[index].0,
            decide_position,
            async |open| {
                let build = |version: i16| {
                    let mut topics: IndexMap<&str, Vec<OffsetCommitRequestPartition>> = IndexMap::new();
                    for index in open {
                        let (tp, position) = &offsets[*index];
                        let mut committed = OffsetCommitRequestPartition::default()
                            .with_partition_index(tp.partition)
                            .with_committed_offset(position.offset)
                            .with_committed_metadata(Some(StrBytes::from_string(
                                position.metadata.to_string(),
                            )));
                        if version >= 6 {
                            committed = committed.with_committed_leader_epoch(position.leader_epoch);
                        }
                        topics.entry(&tp.topic).or_default().push(committed);
                    }
                    let topics = topics.into_iter().map(|(topic, partitions)| {
                        OffsetCommitRequestTopic::default()
                            .with_name(topic_name(topic))
                            .with_partitions(partitions)
                    });
                    OffsetCommitRequest::default()
                        .with_group_id(group(group_id))
                        .with_generation_id_or_member_epoch(-1)
                        .with_topics(topics.collect())
                };
                let (response, _) = self.cluster.call(&target, build).await?;
                let mut results = Vec::with_capacity(open.len());
                for topic in &response.topics {
                    for answer in &topic.partitions {
                        let found = open.iter().copied().find(|index| {
                            let tp = &offsets[*index].0;
                            *tp.topic == **topic.name && tp.partition == answer.partition_index
                        });
                        let Some(index) = found else { continue };
                        let item = offsets[index].0.to_string();
                        results
                            .push((index, item_error("alter group offsets", answer.error_code, &item, None)));
                    }
                }
                Ok(results)
            },
        )
        .await
    }

    /// Deletes positions of a group; one result per partition, in order.
    ///
    /// # Errors
    /// Per partition: `Broker(GROUP_SUBSCRIBED_TO_TOPIC)` while a member reads the topic, `Broker(GROUP_ID_NOT_FOUND)`, and
    /// their like.
    pub async fn delete_group_offsets(
        &self,
        group_id: &str,
        partitions: &[TopicPartition],
    ) -> Vec<Result<()>> {
        let target = Target::GroupCoordinator(Arc::from(group_id));
        self.per_item(
            &target,
            partitions.len(),
            |index| &partitions[index],
            decide_position,
            async |open| {
                let build = |_version| {
                    let wanted = by_topic(open.iter().map(|index| &partitions[*index]));
                    let topics = wanted.into_iter().map(|(topic, partitions)| {
                        let partitions = partitions.into_iter().map(|tp| {
                            OffsetDeleteRequestPartition::default().with_partition_index(tp.partition)
                        });
                        OffsetDeleteRequestTopic::default()
                            .with_name(topic_name(topic))
                            .with_partitions(partitions.collect())
                    });
                    OffsetDeleteRequest::default()
                        .with_group_id(group(group_id))
                        .with_topics(topics.collect())
                };
                let (response, _) = self.cluster.call(&target, build).await?;
                Error::check("delete group offsets", response.error_code)
                    .map_err(|error| error.with_source(group_id.to_owned()))?;
                let mut results = Vec::with_capacity(open.len());
                for topic in &response.topics {
                    for answer in &topic.partitions {
                        let found = open.iter().copied().find(|index| {
                            let tp = &partitions[*index];
                            *tp.topic == **topic.name && tp.partition == answer.partition_index
                        });
                        let Some(index) = found else { continue };
                        let item = partitions[index].to_string();
                        results.push((
                            index,
                            item_error("delete group offsets", answer.error_code, &item, None),
                        ));
                    }
                }
                Ok(results)
            },
        )
        .await
    }
}

/// As Java's admin client: the coordinator knows all topics, so that a partition which it does not know is not there.
fn decide_position(error: &Error) -> RetryAction {
    if error.code() == Some(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION) {
        RetryAction::Fail
    } else {
        decide(error)
    }
}

fn with_position(answer: GroupAnswer) -> Result<GroupOffsets> {
    answer.map(|all| all.into_iter().filter_map(|(tp, position)| Some((tp, position?))).collect())
}

fn by_topic<'a>(
    partitions: impl Iterator<Item = &'a TopicPartition>,
) -> IndexMap<&'a str, Vec<&'a TopicPartition>> {
    let mut topics: IndexMap<&str, Vec<&TopicPartition>> = IndexMap::new();
    for tp in partitions {
        topics.entry(&tp.topic).or_default().push(tp);
    }
    topics
}
