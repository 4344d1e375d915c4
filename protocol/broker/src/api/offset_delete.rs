//! `OffsetDelete`: forgets committed offsets of topics that no member uses (KIP-496).

use protocol::ErrorCode;
use protocol::wire::frame;
use protocol::wire::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use protocol::wire::messages::{
    ConsumerProtocolSubscription, OffsetDeleteRequest, OffsetDeleteResponse, TopicName, VersionRange,
};

use super::call::{Answer, Api, Call, versions};
use crate::group::Group;

/// The newest version of the consumers' subscription that can be read.
const SUBSCRIPTION_VERSION_MAX: i16 = 3;

/// See the module.
#[derive(Debug)]
pub(super) struct OffsetDelete;

impl Api for OffsetDelete {
    type Request = OffsetDeleteRequest;

    const VERSIONS: VersionRange = versions(0, 0);

    async fn handle(call: &Call, request: OffsetDeleteRequest) -> Answer<OffsetDeleteResponse> {
        if let Err(code) = call.check_group(&request.group_id) {
            return Self::refuse(call.version, request, code).into();
        }
        let mut groups = call.shared.groups.borrow_mut();
        let Some(entry) = groups.get_mut(&request.group_id) else {
            return Self::refuse(call.version, request, ErrorCode::GROUP_ID_NOT_FOUND).into();
        };
        let subscribed = match subscribed_topics(&entry.group) {
            Ok(subscribed) => subscribed,
            Err(code) => return Self::refuse(call.version, request, code).into(),
        };
        let topics = request.topics.into_iter().map(|topic| {
            let is_in_use = subscribed.contains(&topic.name);
            let partitions = topic.partitions.iter().map(|partition| {
                let answer =
                    OffsetDeleteResponsePartition::default().with_partition_index(partition.partition_index);
                if is_in_use {
                    return answer.with_error_code(ErrorCode::GROUP_SUBSCRIBED_TO_TOPIC.0);
                }
                entry.offsets.remove(&topic.name, partition.partition_index);
                answer
            });
            let partitions = partitions.collect();
            OffsetDeleteResponseTopic::default().with_partitions(partitions).with_name(topic.name)
        });
        OffsetDeleteResponse::default().with_topics(topics.collect()).into()
    }

    fn refuse(_: i16, _: OffsetDeleteRequest, code: ErrorCode) -> OffsetDeleteResponse {
        OffsetDeleteResponse::default().with_error_code(code.0)
    }
}

/// The topics that members use. Only consumers say which ones; other groups have to be empty.
fn subscribed_topics(group: &Group) -> Result<Vec<TopicName>, ErrorCode> {
    if group.is_vacant() {
        return Ok(Vec::new());
    }
    let is_consumers = group.protocol_type().is_some_and(|kind| kind.as_str() == "consumer");
    let Some(protocol) = group.protocol().filter(|_| is_consumers) else {
        return Err(ErrorCode::NON_EMPTY_GROUP);
    };
    let mut topics = Vec::new();
    for member in group.members() {
        let metadata = member.metadata(protocol);
        let (_, subscription) =
            frame::decode_versioned::<ConsumerProtocolSubscription>(&metadata, SUBSCRIPTION_VERSION_MAX)
                .map_err(|_unreadable| ErrorCode::NON_EMPTY_GROUP)?;
        topics.extend(subscription.topics.into_iter().map(TopicName));
    }
    Ok(topics)
}
