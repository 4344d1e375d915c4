//! Offsets: committed, fetched, deleted, listed, trimmed.

use protocol::ErrorCode;
use protocol::wire::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use protocol::wire::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use protocol::wire::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use protocol::wire::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use protocol::wire::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use protocol::wire::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use protocol::wire::messages::{
    DeleteRecordsRequest, DeleteTopicsRequest, GroupId, ListOffsetsRequest, OffsetCommitRequest,
    OffsetDeleteRequest, OffsetFetchRequest, OffsetForLeaderEpochRequest,
};
use protocol::wire::records::{Codec, ProducerStamp};

use crate::support::{Client, batch, plain, run, text, topic};

fn group() -> GroupId {
    GroupId(text("g"))
}

fn commit(partitions: &[(i32, i64)]) -> OffsetCommitRequest {
    let partitions = partitions.iter().map(|(index, offset)| {
        OffsetCommitRequestPartition::default()
            .with_partition_index(*index)
            .with_committed_offset(*offset)
            .with_committed_metadata(Some(text("note")))
    });
    let topics =
        vec![OffsetCommitRequestTopic::default().with_name(topic("t")).with_partitions(partitions.collect())];
    OffsetCommitRequest::default()
        .with_group_id(group())
        .with_generation_id_or_member_epoch(-1)
        .with_topics(topics)
}

/// Offsets and error of partitions 0 and 1, asked for in this version.
async fn committed(client: &mut Client, version: i16) -> Vec<(i32, i64, i16)> {
    if version < 8 {
        let wanted =
            OffsetFetchRequestTopic::default().with_name(topic("t")).with_partition_indexes(vec![0, 1]);
        let request = OffsetFetchRequest::default().with_group_id(group()).with_topics(Some(vec![wanted]));
        let response = client.call(version, request).await;
        let partitions = response.topics[0].partitions.iter();
        return partitions.map(|p| (p.partition_index, p.committed_offset, p.error_code)).collect();
    }
    let wanted = OffsetFetchRequestTopics::default().with_name(topic("t")).with_partition_indexes(vec![0, 1]);
    let ours = OffsetFetchRequestGroup::default().with_group_id(group()).with_topics(Some(vec![wanted]));
    let other = OffsetFetchRequestGroup::default().with_group_id(GroupId(text("other"))).with_topics(None);
    let response = client.call(version, OffsetFetchRequest::default().with_groups(vec![ours, other])).await;
    assert_eq!((response.groups[0].error_code, response.groups[1].topics.len()), (0, 0));
    let partitions = response.groups[0].topics[0].partitions.iter();
    partitions.map(|p| (p.partition_index, p.committed_offset, p.error_code)).collect()
}

#[test]
fn committed_offsets_come_back_in_every_version() {
    run(|builder| async move {
        let broker = builder.build();
        let mut client = Client::new(&broker);
        client.create_topic("t", 2, &[]).await;
        for version in 2..=9 {
            let offset = i64::from(version) * 10;
            let response = client.call(version, commit(&[(0, offset), (7, 1)])).await;
            let codes: Vec<i16> = response.topics[0].partitions.iter().map(|p| p.error_code).collect();
            assert_eq!(codes, [0, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0], "v{version}");
        }
        for version in 1..=9 {
            assert_eq!(committed(&mut client, version).await, [(0, 90, 0), (1, -1, 0)], "v{version}");
        }
        // A list that is null asks for everything.
        let all =
            client.call(7, OffsetFetchRequest::default().with_group_id(group()).with_topics(None)).await;
        assert_eq!((all.topics.len(), all.topics[0].partitions.len()), (1, 1));
        assert_eq!(all.topics[0].partitions[0].metadata.as_deref(), Some("note"));
    });
}

#[test]
fn members_that_are_not_there_cannot_commit() {
    run(|builder| async move {
        let broker = builder.build();
        let mut client = Client::new(&broker);
        client.create_topic("t", 1, &[]).await;
        let stale = commit(&[(0, 1)]).with_generation_id_or_member_epoch(3).with_member_id(text("m"));
        let response = client.call(8, stale).await;
        assert_eq!(response.topics[0].partitions[0].error_code, ErrorCode::ILLEGAL_GENERATION.0);
        let mut large = commit(&[(0, 1)]);
        large.topics[0].partitions[0].committed_metadata = Some(text(&"x".repeat(4097)));
        let response = client.call(8, large).await;
        assert_eq!(response.topics[0].partitions[0].error_code, ErrorCode::OFFSET_METADATA_TOO_LARGE.0);
    });
}

#[test]
fn offsets_go_when_they_are_deleted_or_their_topic_is() {
    run(|builder| async move {
        let broker = builder.build();
        let mut client = Client::new(&broker);
        client.create_topic("t", 2, &[]).await;
        client.call(8, commit(&[(0, 5), (1, 6)])).await;
        let partition = OffsetDeleteRequestPartition::default().with_partition_index(0);
        let doomed =
            OffsetDeleteRequestTopic::default().with_name(topic("t")).with_partitions(vec![partition]);
        let request = OffsetDeleteRequest::default().with_group_id(group()).with_topics(vec![doomed]);
        let response = client.call(0, request).await;
        assert_eq!((response.error_code, response.topics[0].partitions[0].error_code), (0, 0));
        assert_eq!(committed(&mut client, 8).await, [(0, -1, 0), (1, 6, 0)]);
        client.call(5, DeleteTopicsRequest::default().with_topic_names(vec![topic("t")])).await;
        client.create_topic("t", 2, &[]).await;
        assert_eq!(
            committed(&mut client, 8).await,
            [(0, -1, 0), (1, -1, 0)],
            "another topic of the same name"
        );
    });
}

async fn list(client: &mut Client, timestamp: i64) -> (i64, i64) {
    let partition = ListOffsetsPartition::default()
        .with_partition_index(0)
        .with_current_leader_epoch(-1)
        .with_timestamp(timestamp);
    let wanted = ListOffsetsTopic::default().with_name(topic("t")).with_partitions(vec![partition]);
    let request = ListOffsetsRequest::default().with_replica_id((-1).into()).with_topics(vec![wanted]);
    let response = client.call(8, request).await;
    let found = &response.topics[0].partitions[0];
    assert_eq!(found.error_code, 0);
    (found.offset, found.timestamp)
}

#[test]
fn offsets_are_listed_by_place_and_by_time() {
    run(|builder| async move {
        let broker = builder.build();
        let mut client = Client::new(&broker);
        client.create_topic("t", 1, &[]).await;
        assert_eq!(list(&mut client, -3).await, (-1, -1), "nothing is there");
        for codec in Codec::ALL {
            // Timestamps 1000, 1001, 1002.
            client.produce("t", batch(codec, 3, b"value", ProducerStamp::NONE)).await;
        }
        assert_eq!(list(&mut client, -1).await, (15, -1));
        assert_eq!(list(&mut client, -2).await, (0, -1));
        assert_eq!(list(&mut client, -3).await, (2, 1002));
        assert_eq!(list(&mut client, 1001).await, (1, 1001));
        assert_eq!(list(&mut client, 1003).await, (-1, -1));
    });
}

#[test]
fn deleted_records_are_out_of_range() {
    run(|builder| async move {
        let broker = builder.build();
        let mut client = Client::new(&broker);
        client.create_topic("t", 1, &[]).await;
        for _ in 0..3 {
            client.produce("t", plain(4)).await;
        }
        let request = |offset| {
            let partition = DeleteRecordsPartition::default().with_partition_index(0).with_offset(offset);
            let wanted = DeleteRecordsTopic::default().with_name(topic("t")).with_partitions(vec![partition]);
            DeleteRecordsRequest::default().with_topics(vec![wanted])
        };
        let response = client.call(2, request(5)).await;
        assert_eq!(response.topics[0].partitions[0].low_watermark, 5);
        assert_eq!(client.fetch("t", 4).await.error_code, ErrorCode::OFFSET_OUT_OF_RANGE.0);
        assert_eq!(client.fetch("t", 5).await.log_start_offset, 5);
        assert_eq!(list(&mut client, -2).await.0, 5);
        let response = client.call(2, request(13)).await;
        assert_eq!(response.topics[0].partitions[0].error_code, ErrorCode::OFFSET_OUT_OF_RANGE.0);
        let response = client.call(2, request(-1)).await;
        assert_eq!(response.topics[0].partitions[0].low_watermark, 12);
        assert_eq!(client.produce("t", plain(1)).await.base_offset, 12);
    });
}

#[test]
fn the_end_of_the_current_epoch_is_the_end_of_the_log() {
    run(|builder| async move {
        let broker = builder.build();
        let mut client = Client::new(&broker);
        client.create_topic("t", 1, &[]).await;
        client.produce("t", plain(4)).await;
        for version in 2..=4 {
            let partition =
                OffsetForLeaderPartition::default().with_partition(0).with_current_leader_epoch(-1);
            let wanted =
                OffsetForLeaderTopic::default().with_topic(topic("t")).with_partitions(vec![partition]);
            let mut request = OffsetForLeaderEpochRequest::default().with_topics(vec![wanted]);
            if version >= 3 {
                request.replica_id = (-1).into();
            }
            let response = client.call(version, request).await;
            let found = &response.topics[0].partitions[0];
            assert_eq!((found.error_code, found.leader_epoch, found.end_offset), (0, 0, 4), "v{version}");
        }
    });
}
