//! Nodes that stop and start again, and connections that are reset.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use broker::{Broker, Fault};
use protocol::ErrorCode;
use protocol::wire::frame;
use protocol::wire::messages::create_topics_request::CreatableTopic;
use protocol::wire::messages::elect_leaders_request::TopicPartitions;
use protocol::wire::messages::metadata_request::MetadataRequestTopic;
use protocol::wire::messages::metadata_response::MetadataResponsePartition;
use protocol::wire::messages::{
    ApiKey, ApiVersionsRequest, CreateTopicsRequest, ElectLeadersRequest, FindCoordinatorRequest,
    MetadataRequest,
};
use tokio::io::AsyncReadExt;

use crate::support::{Client, fetch_request, plain, run, text, topic};

fn client_of(broker: &Broker, node_id: i32) -> Client {
    let mut client = Client::new(broker);
    client.stream = broker.connect_to(node_id);
    client
}

async fn create_replicated(client: &mut Client, name: &str, partition_count: i32, replicas: i16) {
    let new = CreatableTopic::default()
        .with_name(topic(name))
        .with_num_partitions(partition_count)
        .with_replication_factor(replicas);
    let response = client.call(7, CreateTopicsRequest::default().with_topics(vec![new])).await;
    assert_eq!(response.topics[0].error_code, 0);
}

/// Ids of the nodes, and the partitions of a topic.
async fn metadata(client: &mut Client, name: &str) -> (Vec<i32>, Vec<MetadataResponsePartition>) {
    let asked = MetadataRequestTopic::default().with_name(Some(topic(name)));
    let response = client.call(9, MetadataRequest::default().with_topics(Some(vec![asked]))).await;
    let nodes = response.brokers.iter().map(|node| node.node_id.0).collect();
    (nodes, response.topics[0].partitions.clone())
}

fn ids(nodes: &[protocol::wire::messages::BrokerId]) -> Vec<i32> {
    nodes.iter().map(|node| node.0).collect()
}

#[test]
fn leaders_move_from_a_stopped_node_and_stay_where_they_went() {
    run(|builder| async move {
        let broker = builder.node_count(2).build();
        let (mut first, mut second) = (client_of(&broker, 1), client_of(&broker, 2));
        create_replicated(&mut first, "t", 1, 2).await;
        assert_eq!(first.produce("t", plain(2)).await.error_code, 0);
        assert!(broker.stop_node(1) && broker.stop_node(1) && !broker.stop_node(9));
        first.send(0, &ApiVersionsRequest::default()).await;
        assert!(first.receive::<ApiVersionsRequest>(0).await.is_none(), "the connection was cut");
        let mut refused = broker.connect_to(1);
        assert_eq!(refused.read(&mut [0; 1]).await.unwrap(), 0);

        let (nodes, partitions) = metadata(&mut second, "t").await;
        assert_eq!((nodes, partitions[0].leader_id.0, partitions[0].leader_epoch), (vec![2], 2, 1));
        assert_eq!(ids(&partitions[0].replica_nodes), [1, 2]);
        assert_eq!((ids(&partitions[0].isr_nodes), ids(&partitions[0].offline_replicas)), (vec![2], vec![1]));
        assert_eq!(second.produce("t", plain(1)).await.base_offset, 2, "the records came along");

        broker.start_node(1).unwrap();
        let (nodes, partitions) = metadata(&mut second, "t").await;
        assert_eq!((nodes, partitions[0].leader_id.0), (vec![1, 2], 2));
        assert_eq!(ids(&partitions[0].isr_nodes), [1, 2]);
        let wanted = TopicPartitions::default().with_topic(topic("t")).with_partitions(vec![0]);
        let request = ElectLeadersRequest::default().with_topic_partitions(Some(vec![wanted]));
        let elected = |response: &protocol::wire::messages::ElectLeadersResponse| {
            response.replica_election_results[0].partition_result[0].error_code
        };
        let preferred = request.with_election_type(0);
        assert_eq!(elected(&second.call(2, preferred.clone()).await), 0);
        assert_eq!(metadata(&mut second, "t").await.1[0].leader_id.0, 1);
        let again = elected(&second.call(2, preferred).await);
        assert_eq!(again, ErrorCode::ELECTION_NOT_NEEDED.0);
        assert_eq!(broker.start_node(9).unwrap_err().kind(), ErrorKind::NotFound);
    });
}

#[test]
fn a_partition_without_a_running_replica_waits_for_one() {
    run(|builder| async move {
        let broker = builder.node_count(2).build();
        let (mut first, mut second) = (client_of(&broker, 1), client_of(&broker, 2));
        create_replicated(&mut first, "t", 1, 1).await;
        first.produce("t", plain(3)).await;
        let mut waiting = client_of(&broker, 1);
        waiting.send(11, &fetch_request("t", 3).with_max_wait_ms(60_000).with_min_bytes(1)).await;
        first.call(0, ApiVersionsRequest::default()).await;
        broker.stop_node(1);
        let mut rest = Vec::new();
        waiting.stream.read_to_end(&mut rest).await.unwrap();
        assert!(rest.is_empty(), "what waited is not answered");
        let partition = metadata(&mut second, "t").await.1[0].clone();
        let no_leader = ErrorCode::LEADER_NOT_AVAILABLE.0;
        assert_eq!((partition.error_code, partition.leader_id.0), (no_leader, -1));
        assert!(!broker.move_leader("t", 0, 1), "a stopped node leads nothing");
        broker.start_node(1).unwrap();
        let partition = metadata(&mut second, "t").await.1[0].clone();
        assert_eq!((partition.error_code, partition.leader_id.0, partition.leader_epoch), (0, 1, 2));
        assert_eq!(client_of(&broker, 1).fetch("t", 0).await.high_watermark, 3, "all state is kept");
    });
}

#[test]
fn coordinators_leave_a_stopped_node_and_return_with_it() {
    run(|builder| async move {
        let broker = builder.node_count(3).build();
        let mut client = client_of(&broker, 2);
        let mut coordinators = async || {
            let keys = (0..20).map(|number| text(&format!("group-{number}"))).collect();
            let request = FindCoordinatorRequest::default().with_coordinator_keys(keys);
            let answer = client.call(4, request).await.coordinators;
            answer.iter().map(|found| found.node_id.0).collect::<Vec<_>>()
        };
        let before = coordinators().await;
        assert!(before.contains(&1));
        broker.stop_node(1);
        let meanwhile = coordinators().await;
        assert!(!meanwhile.contains(&1));
        assert!(before.iter().zip(&meanwhile).all(|(before, now)| *before == 1 || before == now));
        broker.start_node(1).unwrap();
        assert_eq!(coordinators().await, before);
    });
}

#[test]
fn a_stopped_port_refuses_and_is_the_same_after_the_start() {
    let handle = Broker::builder().node_count(2).spawn_thread("127.0.0.1:0").unwrap();
    let address = handle.addresses()[1];
    let request = frame::encode_request(&ApiVersionsRequest::default(), 0, 1, None).unwrap();
    let mut open = TcpStream::connect(address).unwrap();
    let mut answer = [0; 4];
    open.write_all(&request).unwrap();
    open.read_exact(&mut answer).unwrap();
    for _ in 0..3 {
        assert!(handle.stop_node(2));
        assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        handle.start_node(2).unwrap();
        let mut again = TcpStream::connect(address).unwrap();
        again.write_all(&request).unwrap();
        again.read_exact(&mut answer).unwrap();
    }
    let mut rest = Vec::new();
    // Either way it has ended: by an RST where bytes of ours were not read.
    let _how = open.read_to_end(&mut rest);
    assert_eq!(handle.node_request_count(2, ApiKey::ApiVersions), 4);
    assert_eq!(handle.node_request_count(1, ApiKey::ApiVersions), 0);
    assert_eq!(handle.start_node(7).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn a_reset_is_an_error_and_not_an_end() {
    run(|builder| async move {
        let broker = builder.build();
        for (fault, expected_bytes) in [(Fault::Reset, 0), (Fault::ResetResponse, 1)] {
            let mut client = Client::new(&broker);
            broker.faults().once(ApiKey::ApiVersions, fault);
            client.send(0, &ApiVersionsRequest::default()).await;
            let mut received = Vec::new();
            let error = client.stream.read_to_end(&mut received).await.unwrap_err();
            assert_eq!((error.kind(), received.len().min(1)), (ErrorKind::ConnectionReset, expected_bytes));
        }
    });
    let handle = Broker::builder().spawn_thread("127.0.0.1:0").unwrap();
    let request = frame::encode_request(&ApiVersionsRequest::default(), 0, 1, None).unwrap();
    for fault in [Fault::Reset, Fault::ResetResponse] {
        handle.faults().once(ApiKey::ApiVersions, fault);
        let mut socket = TcpStream::connect(handle.address()).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket.write_all(&request).unwrap();
        let error = socket.read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{fault:?}");
    }
}
