//! Connections: versions, order, hostile bytes, limits, faults.

use std::collections::HashSet;
use std::time::Duration;

use broker::Fault;
use protocol::ErrorCode;
use protocol::net::Dialer;
use protocol::wire::frame;
use protocol::wire::messages::{
    ApiKey, ApiVersionsRequest, FetchRequest, HeartbeatRequest, ListGroupsRequest, MetadataRequest,
    ProduceRequest, Request,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use crate::support::{Client, fetch_request, plain, produce_request, run, text};

#[test]
fn every_version_that_is_listed_is_known() {
    run(|builder| async move {
        let broker = builder.build();
        let mut client = Client::new(&broker);
        let listed = client.call(0, ApiVersionsRequest::default()).await.api_keys;
        let keys: HashSet<i16> = listed.iter().map(|api| api.api_key).collect();
        assert!(keys.len() == listed.len() && keys.contains(&ProduceRequest::KEY), "{listed:?}");
        for version in 0..=4 {
            let mut request = ApiVersionsRequest::default();
            if version >= 3 {
                request =
                    request.with_client_software_name(text("test")).with_client_software_version(text("1.0"));
            }
            let response = client.call(version, request).await;
            assert_eq!((response.error_code, &response.api_keys), (0, &listed));
            let fetch = response.api_keys.iter().find(|api| api.api_key == FetchRequest::KEY).unwrap();
            assert_eq!((fetch.min_version, fetch.max_version), (4, 18));
        }
        let nameless = client.call(3, ApiVersionsRequest::default()).await;
        assert_eq!(nameless.error_code, ErrorCode::INVALID_REQUEST.0);
    });
}

#[test]
fn an_unknown_version_of_api_versions_is_answered_in_version_0() {
    run(|builder| async move {
        let broker = builder.build();
        let mut client = Client::new(&broker);
        // Version 77, correlation id 5, no client id, no tags, and a body that nobody can read.
        client
            .stream
            .write_all(&[0, 0, 0, 14, 0, 18, 0, 77, 0, 0, 0, 5, 0xff, 0xff, 0, 1, 2, 3])
            .await
            .unwrap();
        let length = client.stream.read_i32().await.unwrap();
        let mut bytes = vec![0; length as usize];
        client.stream.read_exact(&mut bytes).await.unwrap();
        let (id, response) = frame::decode_response::<ApiVersionsRequest>(bytes.into(), 0).unwrap();
        assert_eq!((id, response.error_code), (5, ErrorCode::UNSUPPORTED_VERSION.0));
        let own = &response.api_keys[0];
        assert_eq!((own.api_key, own.min_version, own.max_version), (18, 0, 4));
    });
}

#[test]
fn answers_come_in_the_order_of_the_requests() {
    run(|builder| async move {
        let broker = builder.build();
        let mut client = Client::new(&broker);
        client.create_topic("t", 1, &[]).await;
        let started = Instant::now();
        client.send(11, &fetch_request("t", 0).with_max_wait_ms(2000).with_min_bytes(1)).await;
        client.send(9, &produce_request("t", plain(1))).await;
        client.send(5, &ListGroupsRequest::default()).await;
        let fetched = client.receive::<FetchRequest>(11).await.unwrap();
        assert!(started.elapsed() >= Duration::from_secs(2), "the records behind the fetch cannot wake it");
        assert!(fetched.responses[0].partitions[0].records.as_ref().unwrap().is_empty());
        assert_eq!(
            client.receive::<ProduceRequest>(9).await.unwrap().responses[0].partition_responses[0].error_code,
            0
        );
        assert_eq!(client.receive::<ListGroupsRequest>(5).await.unwrap().error_code, 0);
    });
}

#[test]
fn hostile_bytes_close_the_connection_and_nothing_else() {
    run(|builder| async move {
        let broker = builder.frame_bytes_max(100_000).build();
        let mut good = Client::new(&broker);
        good.create_topic("t", 1, &[]).await;
        let request = produce_request("t", plain(3));
        let whole = frame::encode_request(&request, 9, 1, None).unwrap();
        let mut random = fastrand::Rng::with_seed(11);
        let mut hostile: Vec<Vec<u8>> = vec![
            vec![0x7f, 0xff, 0xff, 0xff],
            vec![0xff, 0xff, 0xff, 0xff],
            vec![0, 0, 0, 0],
            vec![0, 0, 0, 4, 0, 0, 0, 9],
            [&[0, 0, 0, 10][..], &[3, 231, 0, 0, 0, 0, 0, 1, 0xff, 0xff]].concat(),
            // Fetch of a version that does not exist.
            [&[0, 0, 0, 10][..], &[0, 1, 0, 99, 0, 0, 0, 1, 0xff, 0xff]].concat(),
            // Metadata version 1 for 2^31 - 1 topics.
            [&[0, 0, 0, 14][..], &[0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]].concat(),
        ];
        for _ in 0..2000 {
            let mut bytes = whole.to_vec();
            for _ in 0..random.usize(1..6) {
                let at = random.usize(4..bytes.len());
                bytes[at] = random.u8(..);
            }
            hostile.push(bytes);
        }
        for bytes in &hostile {
            let mut client = Client::new(&broker);
            client.stream.write_all(bytes).await.unwrap();
            client.stream.shutdown().await.unwrap();
            // An answer, an error or a closed connection: all are right, as long as it ends.
            client.stream.read_to_end(&mut Vec::new()).await.unwrap();
        }
        assert_eq!(good.fetch("t", 0).await.error_code, 0);
    });
}

#[test]
fn connections_beyond_the_limit_are_closed() {
    run(|builder| async move {
        let broker = builder.connection_count_max(2).build();
        let (mut a, b) = (Client::new(&broker), Client::new(&broker));
        let mut c = Client::new(&broker);
        assert_eq!(c.stream.read(&mut [0; 1]).await.unwrap(), 0);
        drop(b);
        let metadata = a.call(9, MetadataRequest::default().with_topics(None)).await;
        assert_eq!(metadata.brokers.len(), 1);
        // The place of "b" is free as soon as its task has seen the end.
        let mut d = loop {
            let mut client = Client::new(&broker);
            client.send(5, &ListGroupsRequest::default()).await;
            if client.receive::<ListGroupsRequest>(5).await.is_some() {
                break client;
            }
        };
        assert_eq!(d.call(9, MetadataRequest::default().with_topics(None)).await.brokers.len(), 1);
    });
}

#[test]
fn a_client_that_goes_away_frees_its_waiting_request() {
    run(|builder| async move {
        let broker = builder.connection_count_max(2).build();
        let mut client = Client::new(&broker);
        client.create_topic("t", 1, &[]).await;
        let mut waiting = Client::new(&broker);
        waiting.send(11, &fetch_request("t", 0).with_max_wait_ms(i32::MAX).with_min_bytes(1)).await;
        // The clock is paused: this sleep ends as soon as nothing else can run, which is when the fetch waits.
        tokio::time::sleep(Duration::from_millis(1)).await;
        let started = Instant::now();
        drop(waiting);
        // The clock is paused: this sleep ends when the broker has done all that the lost connection asks of it.
        tokio::time::sleep(Duration::from_millis(1)).await;
        let mut next = Client::new(&broker);
        assert_eq!(next.fetch("t", 0).await.error_code, 0, "there is room again");
        assert!(started.elapsed() < Duration::from_secs(1));
    });
}

#[test]
fn faults_meet_the_requests_that_they_are_meant_for() {
    run(|builder| async move {
        let broker = builder.build();
        let faults = broker.faults();
        let mut client = Client::new(&broker);
        client.create_topic("t", 1, &[]).await;

        faults.once(ApiKey::Produce, Fault::Error(ErrorCode::NOT_LEADER_OR_FOLLOWER));
        let refused = client.produce("t", plain(1)).await;
        assert_eq!(refused.error_code, ErrorCode::NOT_LEADER_OR_FOLLOWER.0);
        assert_eq!(client.produce("t", plain(1)).await.base_offset, 0, "the refused batch was not stored");

        faults.once(ApiKey::Fetch, Fault::Delay(Duration::from_secs(3)));
        let started = Instant::now();
        client.fetch("t", 0).await;
        assert!(started.elapsed() >= Duration::from_secs(3));

        faults.once(ApiKey::Metadata, Fault::Silence);
        client.send(9, &MetadataRequest::default().with_topics(None)).await;
        let silence = timeout(Duration::from_secs(60), client.receive::<MetadataRequest>(9)).await;
        assert!(silence.is_err(), "no answer");
        let mut client = Client::new(&broker);
        assert_eq!(client.fetch("t", 0).await.high_watermark, 1, "other connections are answered");

        faults.on(ApiKey::Heartbeat, Fault::Disconnect);
        client.send(4, &HeartbeatRequest::default()).await;
        assert!(client.receive::<HeartbeatRequest>(4).await.is_none());
        faults.clear_all();
        let mut client = Client::new(&broker);
        client.call(4, HeartbeatRequest::default()).await;
        assert_eq!(broker.request_count(ApiKey::Heartbeat), 2);
    });
}

#[test]
fn a_broker_on_its_own_thread_serves_tcp_and_pipes() {
    let handle = broker::Broker::builder().node_count(2).spawn_thread("127.0.0.1:0").unwrap();
    assert_eq!((handle.addresses().len(), handle.cluster_id().len()), (2, 22));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let request =
            frame::encode_request(&MetadataRequest::default().with_topics(None), 9, 1, None).unwrap();
        let dialer = handle.dialer();
        let port = handle.addresses()[1].port();
        let mut pipe = dialer.dial("anywhere", port).await.unwrap();
        let mut socket = tokio::net::TcpStream::connect(handle.address()).await.unwrap();
        socket.write_all(&request).await.unwrap();
        pipe.write_all(&request).await.unwrap();
        let mut answers = Vec::new();
        for length in [socket.read_i32().await.unwrap(), pipe.read_i32().await.unwrap()] {
            let mut answer = vec![0; length as usize];
            if answers.is_empty() {
                socket.read_exact(&mut answer).await.unwrap();
            } else {
                pipe.read_exact(&mut answer).await.unwrap();
            }
            answers.push(frame::decode_response::<MetadataRequest>(answer.into(), 9).unwrap().1);
        }
        assert_eq!(answers[0], answers[1]);
        let ports: Vec<i32> = answers[0].brokers.iter().map(|broker| broker.port).collect();
        let expected: Vec<i32> = handle.addresses().iter().map(|address| i32::from(address.port())).collect();
        assert_eq!(ports, expected);
        assert_eq!(handle.request_count(ApiKey::Metadata), 2);
        handle.shutdown();
        assert!(dialer.connect(port).is_err());
        assert_eq!(socket.read(&mut [0; 1]).await.unwrap_or(0), 0, "connections end with the broker");
    });
}
