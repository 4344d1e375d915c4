//! What a test can do to the cluster: cut answers, move leaders and coordinators, lose records.

use std::time::Duration;

use broker::{Broker, Fault};
use protocol::ErrorCode;
use protocol::wire::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use protocol::wire::messages::{
    ApiKey, ApiVersionsRequest, FetchRequest, FindCoordinatorRequest, GroupId, HeartbeatRequest,
    OffsetForLeaderEpochRequest,
};
use tokio::io::AsyncReadExt;

use crate::support::{Client, fetch_request, plain, run, text, topic};

fn client_of(broker: &Broker, node_id: i32) -> Client {
    let mut client = Client::new(broker);
    client.stream = broker.connect_to(node_id);
    client
}

#[test]
fn an_answer_is_cut_in_the_middle() {
    run(|builder| async move {
        let broker = builder.build();
        let mut client = Client::new(&broker);
        broker.faults().once(ApiKey::ApiVersions, Fault::TruncateResponse);
        client.send(0, &ApiVersionsRequest::default()).await;
        let mut received = Vec::new();
        client.stream.read_to_end(&mut received).await.unwrap();
        let length = u32::from_be_bytes(received[..4].try_into().unwrap()) as usize;
        assert_eq!(received.len(), (length + 4) / 2);
        let mut client = Client::new(&broker);
        assert!(!client.call(0, ApiVersionsRequest::default()).await.api_keys.is_empty());
    });
}

#[test]
fn a_leader_moves_and_waiting_fetches_hear_of_it() {
    run(|builder| async move {
        let broker = builder.node_count(2).build();
        let (mut old, mut new) = (client_of(&broker, 1), client_of(&broker, 2));
        old.create_topic("t", 1, &[]).await;
        assert_eq!(old.produce("t", plain(2)).await.error_code, 0);
        let mut waiting = client_of(&broker, 1);
        let started = tokio::time::Instant::now();
        waiting.send(11, &fetch_request("t", 2).with_max_wait_ms(60_000).with_min_bytes(1)).await;
        // Once this is answered, the fetch before it waits.
        old.call(0, ApiVersionsRequest::default()).await;
        assert!(broker.move_leader("t", 0, 2));
        let response = waiting.receive::<FetchRequest>(11).await.unwrap();
        let moved = ErrorCode::NOT_LEADER_OR_FOLLOWER.0;
        assert_eq!(response.responses[0].partitions[0].error_code, moved);
        assert!(started.elapsed() < Duration::from_secs(1));
        assert_eq!(old.produce("t", plain(1)).await.error_code, moved);
        let produced = new.produce("t", plain(1)).await;
        assert_eq!((produced.error_code, produced.base_offset), (0, 2), "the records came along");
        assert!(!broker.move_leader("t", 1, 2) && !broker.move_leader("t", 0, 3));
    });
}

#[test]
fn a_coordinator_moves() {
    run(|builder| async move {
        let broker = builder.node_count(2).build();
        let mut client = client_of(&broker, 1);
        for node_id in [1, 2] {
            assert!(broker.move_coordinator("g", node_id));
            let request = FindCoordinatorRequest::default().with_coordinator_keys(vec![text("g")]);
            assert_eq!(client.call(4, request).await.coordinators[0].node_id.0, node_id);
            let request = HeartbeatRequest::default().with_group_id(GroupId(text("g")));
            let other = client_of(&broker, 3 - node_id).call(0, request.clone()).await;
            assert_eq!(other.error_code, ErrorCode::NOT_COORDINATOR.0);
            let right = client_of(&broker, node_id).call(0, request).await;
            assert_eq!(right.error_code, ErrorCode::UNKNOWN_MEMBER_ID.0);
        }
        assert!(!broker.move_coordinator("g", 3));
    });
}

#[test]
fn an_unclean_election_loses_records_and_says_so_by_its_epoch() {
    run(|builder| async move {
        let broker = builder.build();
        let mut client = Client::new(&broker);
        client.create_topic("t", 1, &[]).await;
        for _ in 0..3 {
            client.produce("t", plain(2)).await;
        }
        let used = broker.memory_bytes_used();
        assert!(broker.truncate("t", 0, 3));
        assert!(broker.memory_bytes_used() < used);
        assert_eq!(client.fetch("t", 0).await.high_watermark, 2, "whole batches");
        assert_eq!(client.fetch("t", 5).await.error_code, ErrorCode::OFFSET_OUT_OF_RANGE.0);
        let produced = client.produce("t", plain(1)).await;
        assert_eq!((produced.error_code, produced.base_offset), (0, 2));
        let partition = OffsetForLeaderPartition::default().with_current_leader_epoch(1).with_leader_epoch(0);
        let wanted = OffsetForLeaderTopic::default().with_topic(topic("t")).with_partitions(vec![partition]);
        let request =
            OffsetForLeaderEpochRequest::default().with_replica_id((-1).into()).with_topics(vec![wanted]);
        let end = client.call(4, request).await.topics[0].partitions[0].clone();
        assert_eq!((end.leader_epoch, end.end_offset), (0, 2), "KIP-320");
        assert!(!broker.truncate("none", 0, 0));
    });
}

#[test]
fn a_broker_on_its_own_thread_takes_the_same_commands() {
    let handle = Broker::builder().node_count(2).spawn_thread("127.0.0.1:0").unwrap();
    assert_eq!(handle.with(|broker| broker.move_coordinator("g", 2)), Some(true));
    assert_eq!(handle.with(|broker| broker.move_leader("none", 0, 2)), Some(false));
}
