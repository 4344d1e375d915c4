//! `OffsetFetch` in all its versions: before 8 of one group, from then on of many that one node coordinates (KIP-709). What members ask
//! of their own group and what administrators ask of any group has one form here.

use std::sync::Arc;

use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::{GroupId, OffsetFetchRequest, OffsetFetchResponse, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::group::by_topic;
use super::{OffsetAndMetadata, TopicPartition};
use crate::{Error, ErrorCode, Result};

/// From this version on a request has room for many groups.
pub(super) const MANY_GROUPS_SINCE: i16 = 8;

/// What is asked of one group.
#[derive(Debug, Clone, Copy)]
pub(super) struct GroupQuery<'a> {
    pub(super) group_id: &'a str,
    /// None for all partitions that have an offset.
    pub(super) partitions: Option<&'a [TopicPartition]>,
}

/// What the coordinator says of one group: all its partitions, or why not.
pub(super) type GroupAnswer = Result<Vec<(TopicPartition, Option<OffsetAndMetadata>)>>;

/// The request for `queries`, of which a version before [`MANY_GROUPS_SINCE`] has room for the first alone.
pub(super) fn request(version: i16, queries: &[GroupQuery<'_>], require_stable: bool) -> OffsetFetchRequest {
    let group = |query: &GroupQuery<'_>| GroupId(string(query.group_id));
    let mut request = OffsetFetchRequest::default();
    if version >= 7 {
        request = request.with_require_stable(require_stable);
    }
    if version >= MANY_GROUPS_SINCE {
        let groups = queries.iter().map(|query| {
            let topics = query.partitions.map(|partitions| {
                let topics = by_topic(partitions).into_iter().map(|(topic, indexes)| {
                    OffsetFetchRequestTopics::default()
                        .with_name(TopicName(string(&topic)))
                        .with_partition_indexes(indexes)
                });
                topics.collect()
            });
            OffsetFetchRequestGroup::default().with_group_id(group(query)).with_topics(topics)
        });
        return request.with_groups(groups.collect());
    }
    let Some(query) = queries.first() else { return request };
    let topics = query.partitions.map(|partitions| {
        let topics = by_topic(partitions).into_iter().map(|(topic, indexes)| {
            OffsetFetchRequestTopic::default()
                .with_name(TopicName(string(&topic)))
                .with_partition_indexes(indexes)
        });
        topics.collect()
    });
    request.with_group_id(group(query)).with_topics(topics)
}

/// What `response` says of each of `queries`, in order.
pub(super) fn answers(
    doing: &'static str,
    version: i16,
    response: OffsetFetchResponse,
    queries: &[GroupQuery<'_>],
) -> Vec<GroupAnswer> {
    if version < MANY_GROUPS_SINCE {
        let topics = response.topics.into_iter().map(|topic| {
            let partitions = topic.partitions.into_iter().map(|partition| Partition {
                index: partition.partition_index,
                error_code: partition.error_code,
                offset: partition.committed_offset,
                leader_epoch: partition.committed_leader_epoch,
                metadata: partition.metadata,
            });
            (topic.name, partitions.collect())
        });
        let first = queries.first().map(|query| answer(doing, query, response.error_code, topics));
        let unasked = || Err(Error::malformed(doing, "the broker answers of one group at a time"));
        return first.into_iter().chain(queries.iter().skip(1).map(|_| unasked())).collect();
    }
    let mut groups = response.groups;
    queries
        .iter()
        .map(|query| {
            let found = groups.iter().position(|group| **group.group_id == *query.group_id);
            let Some(found) = found else {
                return Err(Error::malformed(
                    doing,
                    format!("the answer does not mention {}", query.group_id),
                ));
            };
            let group = groups.swap_remove(found);
            let topics = group.topics.into_iter().map(|topic| {
                let partitions = topic.partitions.into_iter().map(|partition| Partition {
                    index: partition.partition_index,
                    error_code: partition.error_code,
                    offset: partition.committed_offset,
                    leader_epoch: partition.committed_leader_epoch,
                    metadata: partition.metadata,
                });
                (topic.name, partitions.collect())
            });
            answer(doing, query, group.error_code, topics)
        })
        .collect()
}

/// The same in both forms of the response.
struct Partition {
    index: i32,
    error_code: i16,
    offset: i64,
    leader_epoch: i32,
    metadata: Option<StrBytes>,
}

fn answer(
    doing: &'static str,
    query: &GroupQuery<'_>,
    error_code: i16,
    topics: impl Iterator<Item = (TopicName, Vec<Partition>)>,
) -> GroupAnswer {
    let check = |code: i16, place: &dyn std::fmt::Display| {
        ErrorCode(code).ok().map_err(|code| Error::broker(doing, code).with_source(place.to_string()))
    };
    check(error_code, &format_args!("group {}", query.group_id))?;
    let mut committed = Vec::new();
    for (name, partitions) in topics {
        let name: Arc<str> = Arc::from(name.as_str());
        for partition in partitions {
            let tp = TopicPartition { topic: Arc::clone(&name), partition: partition.index };
            check(partition.error_code, &format_args!("group {}, {tp}", query.group_id))?;
            let offset = (partition.offset >= 0).then(|| OffsetAndMetadata {
                offset: partition.offset,
                leader_epoch: partition.leader_epoch,
                metadata: partition.metadata.as_deref().unwrap_or_default().into(),
            });
            committed.push((tp, offset));
        }
    }
    Ok(committed)
}

fn string(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::offset_fetch_response::{
        OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
        OffsetFetchResponseTopic, OffsetFetchResponseTopics,
    };

    use super::*;

    fn name(topic: &str) -> TopicName {
        TopicName(string(topic))
    }

    #[test]
    fn both_forms_say_the_same() {
        let partitions =
            [TopicPartition::new("a", 0), TopicPartition::new("b", 7), TopicPartition::new("a", 1)];
        let queries = [
            GroupQuery { group_id: "one", partitions: Some(&partitions) },
            GroupQuery { group_id: "two", partitions: None },
        ];
        let old = request(7, &queries, true);
        assert_eq!((&**old.group_id, old.require_stable, old.groups.len()), ("one", true, 0));
        let indexes: Vec<_> = old.topics.unwrap().into_iter().map(|topic| topic.partition_indexes).collect();
        assert_eq!(indexes, [vec![0, 1], vec![7]]);
        let new = request(8, &queries, false);
        assert_eq!((new.groups.len(), new.groups[0].topics.as_ref().unwrap().len()), (2, 2));
        assert_eq!((&**new.groups[1].group_id, &new.groups[1].topics), ("two", &None));

        let one = OffsetFetchResponsePartition::default().with_partition_index(7).with_committed_offset(5);
        let old = OffsetFetchResponse::default().with_topics(vec![
            OffsetFetchResponseTopic::default().with_name(name("b")).with_partitions(vec![one]),
        ]);
        let old = answers("test", 7, old, &queries);
        let one = OffsetFetchResponsePartitions::default().with_partition_index(7).with_committed_offset(5);
        let topic = OffsetFetchResponseTopics::default().with_name(name("b")).with_partitions(vec![one]);
        let group = |id: &str| OffsetFetchResponseGroup::default().with_group_id(GroupId(string(id)));
        let response = OffsetFetchResponse::default()
            .with_groups(vec![group("two").with_error_code(16), group("one").with_topics(vec![topic])]);
        let new = answers("test", 9, response, &queries);
        let expected = [(TopicPartition::new("b", 7), Some(OffsetAndMetadata::new(5)))];
        assert_eq!(*old[0].as_ref().unwrap(), expected);
        assert_eq!(*new[0].as_ref().unwrap(), expected);
        assert!(old[1].is_err(), "there was no room for it");
        assert_eq!(new[1].as_ref().unwrap_err().code(), Some(ErrorCode::NOT_COORDINATOR));
    }

    #[test]
    fn a_group_without_an_answer_is_an_error_of_its_own() {
        let query = [GroupQuery { group_id: "one", partitions: None }];
        let found = answers("test", 8, OffsetFetchResponse::default(), &query);
        assert!(found[0].as_ref().unwrap_err().to_string().contains("does not mention one"), "{found:?}");
    }
}
