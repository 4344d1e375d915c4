//! Connections over in-memory pipes against a peer that answers by hand.

use std::future::Future;
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::TcpListener;
use tokio::task::LocalSet;

use super::*;
use crate::ErrorKind;
use crate::metrics::{Client, Metric, Report};
use crate::net::env::{Dialer as _, SocketBuffers};
use crate::net::tcp::TcpDialer;
use crate::wire::messages::Encodable;
use crate::wire::messages::api_versions_response::ApiVersion;
use crate::wire::messages::metadata_response::MetadataResponseTopic;
use crate::wire::messages::{
    ApiVersionsRequest, ApiVersionsResponse, HeartbeatRequest, HeartbeatResponse, MetadataRequest,
    MetadataResponse, ResponseHeader, StrBytes, TopicName,
};

const HEARTBEAT_VERSION: i16 = 4;

/// The other end of the pipe.
struct Peer<S = DuplexStream> {
    stream: S,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    /// The next request: API key, version, correlation id.
    async fn read(&mut self) -> (i16, i16, i32) {
        let length = self.stream.read_i32().await.unwrap();
        let mut frame = vec![0; usize::try_from(length).unwrap()];
        self.stream.read_exact(&mut frame).await.unwrap();
        let mut head = Bytes::from(frame);
        (head.get_i16(), head.get_i16(), head.get_i32())
    }

    async fn answer_bytes(&mut self, frame: &[u8]) {
        self.stream.write_i32(frame.len() as i32).await.unwrap();
        self.stream.write_all(frame).await.unwrap();
    }

    async fn answer_versions(&mut self, correlation_id: i32, version: i16, error_code: i16) {
        let keys = [(3, 1, 12), (12, 0, HEARTBEAT_VERSION), (18, 0, 2)];
        let keys = keys.map(|(key, min, max)| {
            ApiVersion::default().with_api_key(key).with_min_version(min).with_max_version(max)
        });
        let response =
            ApiVersionsResponse::default().with_error_code(error_code).with_api_keys(keys.to_vec());
        let mut frame = Vec::new();
        ResponseHeader::default().with_correlation_id(correlation_id).encode(&mut frame, 0).unwrap();
        response.encode(&mut frame, version).unwrap();
        self.answer_bytes(&frame).await;
    }

    async fn answer_heartbeat(&mut self, correlation_id: i32, throttle_time_ms: i32) {
        let mut frame = Vec::new();
        ResponseHeader::default().with_correlation_id(correlation_id).encode(&mut frame, 1).unwrap();
        let response = HeartbeatResponse::default().with_throttle_time_ms(throttle_time_ms);
        response.encode(&mut frame, HEARTBEAT_VERSION).unwrap();
        self.answer_bytes(&frame).await;
    }
}

fn config() -> ConnectionConfig {
    ConnectionConfig {
        client_id: "test".into(),
        request_timeout: Duration::from_secs(30),
        frame_bytes_max: 1 << 20,
        pool: BufferPool::default(),
        sasl: None,
        env: Env::real(),
        metrics: ConnectionMetrics::default(),
    }
}

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, test)
}

async fn connected() -> (Connection, Peer) {
    let (near, far) = duplex(64 * 1024);
    let mut peer = Peer { stream: far };
    let config = config();
    let (connection, ()) = tokio::join!(Connection::open(Box::new(near), &config), async {
        let (key, version, id) = peer.read().await;
        assert_eq!(key, ApiKey::ApiVersions as i16);
        peer.answer_versions(id, version, 0).await;
    });
    (connection.unwrap(), peer)
}

fn heartbeat(connection: &Connection) -> Reply<HeartbeatRequest> {
    connection.send(HEARTBEAT_VERSION, &HeartbeatRequest::default()).unwrap()
}

#[test]
fn falls_back_to_the_version_that_an_old_broker_names() {
    run(async {
        let (near, far) = duplex(4096);
        let mut peer = Peer { stream: far };
        let config = config();
        let (connection, ()) = tokio::join!(Connection::open(Box::new(near), &config), async {
            let (_, first, id) = peer.read().await;
            peer.answer_versions(id, 0, 35).await;
            let (_, second, id) = peer.read().await;
            assert!(first > 2 && second == 2, "{first} {second}");
            peer.answer_versions(id, second, 0).await;
        });
        let connection = connection.unwrap();
        assert_eq!(connection.version(ApiKey::Metadata), Some(12));
        assert_eq!(connection.version(ApiKey::Produce), None);
    });
}

#[test]
fn many_requests_are_in_flight_and_answered_in_order() {
    run(async {
        let (connection, mut peer) = connected().await;
        let replies: Vec<_> = (0..100).map(|_| heartbeat(&connection)).collect();
        assert_eq!(connection.in_flight_count(), 100);
        let answer = async {
            for index in 0..100 {
                let (_, _, id) = peer.read().await;
                peer.answer_heartbeat(id, index).await;
            }
        };
        let collect = async {
            for (index, reply) in replies.into_iter().enumerate() {
                assert_eq!(reply.await.unwrap().throttle_time_ms, index as i32);
            }
        };
        tokio::join!(answer, collect);
    });
}

#[test]
fn a_dropped_call_does_not_put_the_stream_out_of_step() {
    run(async {
        let (connection, mut peer) = connected().await;
        let first = heartbeat(&connection);
        let second = heartbeat(&connection);
        drop(first);
        for throttle in [1, 2] {
            let (_, _, id) = peer.read().await;
            peer.answer_heartbeat(id, throttle).await;
        }
        assert_eq!(second.await.unwrap().throttle_time_ms, 2);
        assert!(connection.is_open());
    });
}

#[test]
fn a_lost_connection_fails_everything_in_flight_with_one_cause() {
    run(async {
        let (connection, mut peer) = connected().await;
        let replies = [heartbeat(&connection), heartbeat(&connection)];
        peer.read().await;
        // Inside a frame.
        peer.stream.write_all(&[0, 0, 0, 9, 1]).await.unwrap();
        drop(peer);
        for reply in replies {
            let error = reply.await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Disconnected);
            assert!(error.to_string().contains("inside a frame"), "{error}");
        }
        connection.closed().await;
        assert!(connection.send(HEARTBEAT_VERSION, &HeartbeatRequest::default()).is_err());
    });
}

#[test]
fn a_request_without_answer_kills_the_connection_when_its_time_is_over() {
    run(async {
        let (connection, _peer) = connected().await;
        let short = connection
            .send_within(HEARTBEAT_VERSION, &HeartbeatRequest::default(), Duration::from_secs(1))
            .unwrap();
        let long = heartbeat(&connection);
        assert_eq!(short.await.unwrap_err().kind(), ErrorKind::Timeout);
        // The same cause, at once and not after 30 s.
        let before = Instant::now();
        assert_eq!(long.await.unwrap_err().kind(), ErrorKind::Timeout);
        assert_eq!(before.elapsed(), Duration::ZERO);
        assert!(!connection.is_open());
    });
}

#[test]
fn a_request_that_nobody_waits_for_any_more_has_its_time_as_well() {
    run(async {
        let (connection, mut peer) = connected().await;
        let started = Instant::now();
        // Answered after its caller has gone, but in time: when that is over nothing is missing.
        drop(heartbeat(&connection));
        let (_, _, id) = peer.read().await;
        tokio::time::sleep(Duration::from_secs(20)).await;
        peer.answer_heartbeat(id, 0).await;
        tokio::time::sleep(Duration::from_secs(20)).await;
        assert!(connection.is_open());
        // Callers with less patience than the time limit, one after the other, would keep a silent connection for ever.
        while connection.is_open() && started.elapsed() < Duration::from_secs(200) {
            let _gave_up = tokio::time::timeout(Duration::from_secs(3), heartbeat(&connection)).await;
        }
        assert_eq!(connection.poisoned().unwrap().kind(), ErrorKind::Timeout);
        assert_eq!(started.elapsed().as_secs(), 40 + 30);
    });
}

#[test]
fn an_answer_out_of_order_is_a_broken_peer() {
    run(async {
        let (connection, mut peer) = connected().await;
        let replies = [heartbeat(&connection), heartbeat(&connection)];
        let (_, _, id) = peer.read().await;
        peer.answer_heartbeat(id + 1, 0).await;
        let [first, second] = replies;
        assert_eq!(first.await.unwrap_err().kind(), ErrorKind::Malformed);
        // The other one may be sent again.
        let error = second.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Disconnected);
        assert!(error.to_string().contains("expected correlation id"), "{error}");
    });
}

#[test]
fn hostile_lengths_are_refused_before_allocation() {
    for (head, expected) in [
        (i32::MAX.to_be_bytes(), ErrorKind::TooLarge),
        ((-1_i32).to_be_bytes(), ErrorKind::Malformed),
        (*b"HTTP", ErrorKind::TooLarge),
    ] {
        run(async {
            let (connection, mut peer) = connected().await;
            let reply = heartbeat(&connection);
            peer.stream.write_all(&head).await.unwrap();
            assert_eq!(reply.await.unwrap_err().kind(), expected);
        });
    }
}

#[test]
fn garbage_in_a_frame_fails_the_call_and_closes() {
    run(async {
        let (connection, mut peer) = connected().await;
        let reply = heartbeat(&connection);
        let (_, _, id) = peer.read().await;
        peer.answer_bytes(&id.to_be_bytes()).await;
        assert_eq!(reply.await.unwrap_err().kind(), ErrorKind::Malformed);
        assert!(!connection.is_open());
    });
}

#[test]
fn frames_of_any_size_arrive_in_any_slices() {
    run(async {
        let (connection, mut peer) = connected().await;
        let sizes = [4, 100, 16_380, 16_384, 16_385, 70_000, 5, 500_000];
        let replies: Vec<_> =
            sizes.iter().map(|_| connection.send(12, &MetadataRequest::default()).unwrap()).collect();
        let answer = async {
            let mut wire = Vec::new();
            for size in sizes {
                let (_, _, id) = peer.read().await;
                wire.extend_from_slice(&(size as i32).to_be_bytes());
                let start = wire.len();
                wire.extend_from_slice(&id.to_be_bytes());
                wire.resize(start + size, size as u8);
            }
            let mut rest = &wire[..];
            let mut slice = 1;
            while !rest.is_empty() {
                let (now, later) = rest.split_at(slice.min(rest.len()));
                peer.stream.write_all(now).await.unwrap();
                rest = later;
                slice = slice * 2 % 30_011;
            }
        };
        let collect = async {
            for (mut reply, size) in replies.into_iter().zip(sizes) {
                let frame = std::future::poll_fn(|cx| reply.poll_frame(cx)).await.unwrap();
                assert_eq!(frame.len(), size);
                assert!(frame[4..].iter().all(|byte| *byte == size as u8));
            }
        };
        tokio::join!(answer, collect);
        assert!(connection.is_open());
    });
}

/// While a large frame is read a socket does not wake for each piece of it; it must for the last one, and for the small frame behind it.
#[test]
fn large_and_small_frames_arrive_over_sockets_in_pieces_of_any_size() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let dialed = TcpDialer::default().dial("127.0.0.1", port, SocketBuffers::default()).await.unwrap();
        let mut peer = Peer { stream: listener.accept().await.unwrap().0 };
        peer.stream.set_nodelay(true).unwrap();
        let config = config();
        let (connection, ()) = tokio::join!(Connection::open(dialed, &config), async {
            let (_, version, id) = peer.read().await;
            peer.answer_versions(id, version, 0).await;
        });
        let connection = connection.unwrap();
        for piece_bytes in [1_000, 70_001, 300_000, 800_000] {
            let asked = connection.send(12, &MetadataRequest::default()).unwrap();
            let beat = heartbeat(&connection);
            let answer = async {
                let (_, _, id) = peer.read().await;
                let name = "t".repeat(200);
                let topic =
                    MetadataResponseTopic::default().with_name(Some(TopicName(StrBytes::from_string(name))));
                let mut frame = Vec::new();
                ResponseHeader::default().with_correlation_id(id).encode(&mut frame, 1).unwrap();
                let response = MetadataResponse::default().with_topics(vec![topic; 3_000]);
                response.encode(&mut frame, 12).unwrap();
                let (rest, last) = frame.split_at(frame.len() - 1);
                peer.stream.write_i32(frame.len() as i32).await.unwrap();
                for piece in rest.chunks(piece_bytes).chain([last]) {
                    peer.stream.write_all(piece).await.unwrap();
                    // Whoever reads gets its turn.
                    tokio::task::yield_now().await;
                }
                let (_, _, id) = peer.read().await;
                peer.answer_heartbeat(id, 7).await;
            };
            let (answered, ()) = tokio::join!(asked, answer);
            assert_eq!(answered.unwrap().topics.len(), 3_000);
            assert_eq!(beat.await.unwrap().throttle_time_ms, 7);
        }
    });
}

#[test]
fn a_request_without_response_is_done_when_it_is_written() {
    run(async {
        let (connection, mut peer) = connected().await;
        let mut one_way = connection
            .send_pieces::<HeartbeatRequest>(0, false, |id, _client, pieces| {
                pieces.push_back(Bytes::from_static(&[0, 0, 0, 8, 0, 0, 0, 9]));
                pieces.push_back(Bytes::copy_from_slice(&id.to_be_bytes()));
                Ok(())
            })
            .unwrap();
        let answered = heartbeat(&connection);
        std::future::poll_fn(|cx| one_way.poll_frame(cx)).await.unwrap();
        assert_eq!(peer.read().await.1, 9);
        let (_, _, id) = peer.read().await;
        peer.answer_heartbeat(id, 3).await;
        assert_eq!(answered.await.unwrap().throttle_time_ms, 3);
    });
}

#[test]
fn an_encode_error_leaves_the_connection_alive() {
    run(async {
        let (connection, mut peer) = connected().await;
        let lacking = HeartbeatRequest::default().with_group_instance_id(Some("i".into()));
        assert_eq!(connection.send(0, &lacking).unwrap_err().kind(), ErrorKind::Internal);
        let reply = heartbeat(&connection);
        let (_, _, id) = peer.read().await;
        peer.answer_heartbeat(id, 0).await;
        reply.await.unwrap();
    });
}

#[test]
fn the_stream_closes_with_the_last_handle() {
    run(async {
        let (connection, mut peer) = connected().await;
        let other = connection.clone();
        drop(connection);
        let reply = heartbeat(&other);
        peer.read().await;
        drop(other);
        assert_eq!(reply.await.unwrap_err().kind(), ErrorKind::Closed);
        assert_eq!(peer.stream.read(&mut [0]).await.unwrap(), 0);
    });
}

#[test]
fn throttling_passes_with_time() {
    run(async {
        let (connection, _peer) = connected().await;
        connection.throttle(0);
        assert_eq!(connection.throttled_until(), None);
        connection.throttle(100);
        let until = connection.throttled_until().unwrap();
        sleep_until(until).await;
        assert_eq!(connection.throttled_until(), None);
    });
}

#[test]
fn apis_that_neither_side_knows_have_no_version() {
    run(async {
        let (connection, _peer) = connected().await;
        connection.versions().version_for::<ApiVersionsRequest>().unwrap();
        assert_eq!(connection.version(ApiKey::Vote), None);
    });
}

#[test]
fn counts_frames_by_their_bytes_and_the_end_once() {
    run(async {
        let metrics = ConnectionMetrics::default();
        let (near, far) = duplex(64 * 1024);
        let mut peer = Peer { stream: far };
        let config = ConnectionConfig { metrics: metrics.of_node(7), ..config() };
        let (connection, ()) = tokio::join!(Connection::open(Box::new(near), &config), async {
            let (_, version, id) = peer.read().await;
            peer.answer_versions(id, version, 0).await;
        });
        let connection = connection.unwrap();
        let read = |group: &str, name: &str| {
            let mut found = f64::NAN;
            let mut visit = |metric: &Metric<'_>| {
                if (metric.group, metric.name) == (group, name) {
                    found = metric.value;
                }
            };
            metrics.report(Client::Consumer, &mut Report::new("test", &mut visit));
            found
        };
        let all = |name: &str| read("consumer-metrics", name);
        assert_eq!((all("request-total"), all("response-total"), all("connection-count")), (1.0, 1.0, 1.0));

        let (sent, received) = (all("outgoing-byte-total"), all("incoming-byte-total"));
        let mut request = Bytes::new();
        let reply = heartbeat(&connection);
        let frame = async {
            let length = peer.stream.read_i32().await.unwrap();
            let mut frame = vec![0; usize::try_from(length).unwrap()];
            peer.stream.read_exact(&mut frame).await.unwrap();
            request = frame.into();
            peer.answer_bytes(&[0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0]).await;
        };
        let (outcome, ()) = tokio::join!(reply, frame);
        outcome.unwrap();
        assert_eq!(all("outgoing-byte-total") - sent, (4 + request.len()) as f64);
        assert_eq!(all("incoming-byte-total") - received, 16.0);
        assert_eq!(read("consumer-node-metrics", "incoming-byte-total"), all("incoming-byte-total"));
        assert_eq!(read("consumer-node-metrics", "request-total"), 2.0);

        drop(peer);
        connection.closed().await;
        connection.close(Error::closed("test"));
        drop(connection);
        assert_eq!((all("connection-count"), all("connection-close-total")), (0.0, 1.0));
    });
}
