//! Records go in and come out: every codec, every version, limits, waiting.

use std::time::Duration;

use broker::Broker;
use bytes::Bytes;
use protocol::ErrorCode;
use protocol::wire::messages::fetch_request::FetchTopic;
use protocol::wire::messages::{
    FetchRequest, MetadataRequest, ProduceRequest, metadata_request::MetadataRequestTopic,
};
use protocol::wire::records::{Codec, ProducerStamp, RecordSet, TimestampType};
use tokio::time::Instant;

use crate::support::{Client, batch, fetch_partition, fetch_request, plain, produce_request, run, topic};

/// The same batch but for what a broker sets: base offset and leader epoch.
fn same_but_for_placement(stored: &Bytes, sent: &Bytes) -> bool {
    stored[8..12] == sent[8..12] && stored[16..] == sent[16..]
}

#[test]
fn batches_of_every_codec_are_stored_as_received() {
    run(|builder| async move {
        let broker = builder.build();
        let mut client = Client::new(&broker);
        client.create_topic("t", 1, &[]).await;
        let mut offset = 0;
        for codec in Codec::ALL {
            for size in [10, 1000, 300_000] {
                let sent = batch(codec, 3, &vec![b'x'; size], ProducerStamp::NONE);
                let produced = client.produce("t", sent.clone()).await;
                assert_eq!((produced.error_code, produced.base_offset), (0, offset), "{codec:?} {size}");
                let fetched = client.fetch("t", offset).await;
                assert_eq!((fetched.high_watermark, fetched.last_stable_offset), (offset + 3, offset + 3));
                let stored = fetched.records.unwrap();
                assert!(same_but_for_placement(&stored, &sent), "{codec:?} {size}");
                let stored = RecordSet::new(stored).next().unwrap().unwrap();
                assert_eq!((stored.header().base_offset, stored.header().leader_epoch), (offset, 0));
                stored.check_crc().unwrap();
                offset += 3;
            }
        }
    });
}

#[test]
fn every_version_of_produce_and_fetch_works() {
    run(|builder| async move {
        let broker = builder.build();
        let mut client = Client::new(&broker);
        client.create_topic("t", 1, &[]).await;
        let wanted = MetadataRequestTopic::default().with_name(Some(topic("t")));
        let metadata = client.call(12, MetadataRequest::default().with_topics(Some(vec![wanted]))).await;
        let id = metadata.topics[0].topic_id;
        assert!(!id.is_nil());
        for version in 3..=13 {
            let mut request = produce_request("t", plain(1));
            if version >= 13 {
                request.topic_data[0].name = topic("");
                request.topic_data[0].topic_id = id;
            }
            let response = client.call(version, request).await;
            let produced = &response.responses[0].partition_responses[0];
            assert_eq!(
                (produced.error_code, produced.base_offset),
                (0, i64::from(version) - 3),
                "v{version}"
            );
        }
        for version in 4..=18 {
            let mut request = fetch_request("t", 2);
            if version < 7 {
                request.session_epoch = -1;
            }
            if version >= 13 {
                request.topics[0].topic = topic("");
                request.topics[0].topic_id = id;
            }
            if version >= 15 {
                request.replica_id = (-1).into();
            }
            let response = client.call(version, request).await;
            let fetched = &response.responses[0].partitions[0];
            let count = RecordSet::new(fetched.records.clone().unwrap()).count();
            assert_eq!((fetched.error_code, fetched.high_watermark, count), (0, 11, 9), "v{version}");
        }
    });
}

#[test]
fn a_waiting_fetch_wakes_when_data_arrives() {
    run(|builder| async move {
        let broker = builder.build();
        let (mut reader, mut writer) = (Client::new(&broker), Client::new(&broker));
        writer.create_topic("t", 2, &[]).await;
        let mut request = fetch_request("t", 0).with_max_wait_ms(60_000).with_min_bytes(1);
        request.topics[0].partitions.push(fetch_partition(1, 0));
        let started = Instant::now();
        reader.send(11, &request).await;
        // The clock is paused: this sleep sets how long the fetch has waited, and takes no time.
        tokio::time::sleep(Duration::from_secs(5)).await;
        writer.produce("t", plain(1)).await;
        let response = reader.receive::<FetchRequest>(11).await.unwrap();
        assert_eq!(started.elapsed(), Duration::from_secs(5), "not later, by no poll");
        assert!(!response.responses[0].partitions[0].records.as_ref().unwrap().is_empty());

        // Nothing comes: the fetch ends with its time.
        let started = Instant::now();
        let response = reader.call(11, fetch_request("t", 1).with_max_wait_ms(700).with_min_bytes(1)).await;
        assert!((700..=710).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
        assert_eq!(response.responses[0].partitions[0].error_code, 0);
    });
}

#[test]
fn a_fetch_waits_until_there_are_enough_bytes() {
    run(|builder| async move {
        let broker = builder.build();
        let (mut reader, mut writer) = (Client::new(&broker), Client::new(&broker));
        writer.create_topic("t", 1, &[]).await;
        let one = plain(1);
        let min_bytes = one.len() as i32 * 3;
        let started = Instant::now();
        reader.send(11, &fetch_request("t", 0).with_max_wait_ms(60_000).with_min_bytes(min_bytes)).await;
        for _ in 0..3 {
            // The clock is paused: this sleep spaces the batches and takes no time.
            tokio::time::sleep(Duration::from_secs(1)).await;
            writer.produce("t", one.clone()).await;
        }
        let response = reader.receive::<FetchRequest>(11).await.unwrap();
        assert_eq!(started.elapsed(), Duration::from_secs(3));
        let records = response.responses[0].partitions[0].records.clone().unwrap();
        assert_eq!(RecordSet::new(records).count(), 3);
    });
}

#[test]
fn a_waiting_fetch_hears_that_its_topic_is_gone() {
    run(|builder| async move {
        let broker = builder.build();
        let (mut reader, mut writer) = (Client::new(&broker), Client::new(&broker));
        writer.create_topic("t", 1, &[]).await;
        reader.send(11, &fetch_request("t", 0).with_max_wait_ms(60_000).with_min_bytes(1)).await;
        // The clock is paused: this sleep ends as soon as nothing else can run, which is when the fetch waits.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let delete =
            protocol::wire::messages::DeleteTopicsRequest::default().with_topic_names(vec![topic("t")]);
        assert_eq!(writer.call(5, delete).await.responses[0].error_code, 0);
        let response = reader.receive::<FetchRequest>(11).await.unwrap();
        let code = response.responses[0].partitions[0].error_code;
        assert_eq!(code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0);
    });
}

#[test]
fn answers_keep_to_their_limits_but_always_get_on() {
    run(|builder| async move {
        let broker = builder.build();
        let mut client = Client::new(&broker);
        client.create_topic("t", 2, &[]).await;
        let sent = batch(Codec::None, 1, &[1; 1000], ProducerStamp::NONE);
        for _ in 0..10 {
            client.produce("t", sent.clone()).await;
        }
        let count = |records: &Option<Bytes>| RecordSet::new(records.clone().unwrap()).count();
        let tiny = client.call(11, fetch_request("t", 0).with_max_bytes(1)).await;
        assert_eq!(
            count(&tiny.responses[0].partitions[0].records),
            1,
            "larger than the limit, but the first"
        );
        let some = client.call(11, fetch_request("t", 0).with_max_bytes(sent.len() as i32 * 3)).await;
        assert_eq!(count(&some.responses[0].partitions[0].records), 3);
        let mut request = fetch_request("t", 0);
        request.topics[0].partitions[0].partition_max_bytes = sent.len() as i32 * 2 + 1;
        let some = client.call(11, request).await;
        assert_eq!(count(&some.responses[0].partitions[0].records), 2);
    });
}

#[test]
fn offsets_and_epochs_that_do_not_exist_are_errors() {
    run(|builder| async move {
        let broker = builder.build();
        let mut client = Client::new(&broker);
        client.create_topic("t", 1, &[]).await;
        client.produce("t", plain(3)).await;
        assert_eq!(client.fetch("t", 3).await.error_code, 0, "the end is not out of range");
        assert_eq!(client.fetch("t", 4).await.error_code, ErrorCode::OFFSET_OUT_OF_RANGE.0);
        assert_eq!(client.fetch("none", 0).await.error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0);
        let mut request = fetch_request("t", 0);
        request.topics[0].partitions[0].current_leader_epoch = 9;
        let response = client.call(11, request).await;
        assert_eq!(response.responses[0].partitions[0].error_code, ErrorCode::UNKNOWN_LEADER_EPOCH.0);
        let wanted = FetchTopic::default()
            .with_topic_id(uuid::Uuid::from_u128(1))
            .with_partitions(vec![fetch_partition(0, 0)]);
        let response = client.call(13, fetch_request("t", 0).with_topics(vec![wanted])).await;
        assert_eq!(response.responses[0].partitions[0].error_code, ErrorCode::UNKNOWN_TOPIC_ID.0);
    });
}

#[test]
fn bad_records_are_refused_with_a_reason() {
    run(|builder| async move {
        let broker = builder.build();
        let mut client = Client::new(&broker);
        client.create_topic("t", 1, &[("max.message.bytes", "500")]).await;
        client.create_topic("compacted", 1, &[("cleanup.policy", "compact")]).await;
        let large = client.produce("t", batch(Codec::None, 1, &[0; 500], ProducerStamp::NONE)).await;
        assert_eq!(large.error_code, ErrorCode::MESSAGE_TOO_LARGE.0);
        assert!(large.error_message.unwrap().contains("max.message.bytes = 500"));
        let mut damaged = plain(1).to_vec();
        damaged[70] ^= 1;
        let damaged = client.produce("t", damaged.into()).await;
        assert_eq!((damaged.error_code, damaged.base_offset), (ErrorCode::CORRUPT_MESSAGE.0, -1));
        assert_eq!(client.produce("compacted", plain(1)).await.error_code, 0);
        let mut keyless = protocol::wire::records::BatchBuilder::new(Default::default(), 1000);
        keyless.append(0, None, Some(b"v"), &[]).unwrap();
        let mut compressor =
            protocol::wire::records::Compressor::new(Codec::Zstd, None, Default::default()).unwrap();
        let keyless = keyless.finish(ProducerStamp::NONE, &mut compressor).unwrap();
        assert_eq!(client.produce("compacted", keyless).await.error_code, ErrorCode::INVALID_RECORD.0);
        assert_eq!(
            client.produce("none", plain(1)).await.error_code,
            ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0
        );
        let acks = client.call(9, produce_request("t", plain(1)).with_acks(2)).await;
        let code = acks.responses[0].partition_responses[0].error_code;
        assert_eq!(code, ErrorCode::INVALID_REQUIRED_ACKS.0);
    });
}

#[test]
fn without_acks_there_is_no_answer() {
    run(|builder| async move {
        let broker = builder.build();
        let mut client = Client::new(&broker);
        client.create_topic("t", 1, &[]).await;
        client.send(9, &produce_request("t", plain(2)).with_acks(0)).await;
        // The next answer is that of the next request.
        assert_eq!(client.fetch("t", 0).await.high_watermark, 2);
    });
}

#[test]
fn log_append_time_is_the_brokers() {
    run(|builder| async move {
        let broker = builder.wall_clock_ms(|| 5_000_000).build();
        let mut client = Client::new(&broker);
        client.create_topic("t", 1, &[("message.timestamp.type", "LogAppendTime")]).await;
        let produced = client.produce("t", plain(2)).await;
        assert_eq!(produced.log_append_time_ms, 5_000_000);
        let stored = RecordSet::new(client.fetch("t", 0).await.records.unwrap()).next().unwrap().unwrap();
        stored.check_crc().unwrap();
        assert_eq!(
            (stored.header().timestamp_type(), stored.header().max_timestamp),
            (TimestampType::LogAppend, 5_000_000)
        );
    });
}

#[test]
fn a_full_broker_says_so_and_goes_on_when_there_is_room() {
    run(|builder| async move {
        let broker = builder.memory_bytes_max(2 << 20).build();
        let mut client = Client::new(&broker);
        client.create_topic("t", 1, &[]).await;
        client.create_topic("bounded", 1, &[("retention.bytes", "200000")]).await;
        let chunk = batch(Codec::None, 1, &[1; 100_000], ProducerStamp::NONE);
        let mut stored = 0;
        let refusal = loop {
            let produced = client.produce("t", chunk.clone()).await;
            if produced.error_code != 0 {
                break produced;
            }
            stored += 1;
        };
        assert!((10..=20).contains(&stored), "{stored} batches of 100 kB in 2 MiB");
        assert_eq!(refusal.error_code, ErrorCode::POLICY_VIOLATION.0);
        assert!(refusal.error_message.unwrap().contains("memory_bytes_max = 2097152"));
        assert_eq!(client.fetch("t", stored - 1).await.error_code, 0, "what is stored can be read");
        let delete =
            protocol::wire::messages::DeleteTopicsRequest::default().with_topic_names(vec![topic("t")]);
        client.call(5, delete).await;
        assert!(broker.memory_bytes_used() < 100_000, "{} bytes are left", broker.memory_bytes_used());
        for _ in 0..100 {
            assert_eq!(client.produce("bounded", chunk.clone()).await.error_code, 0);
        }
        assert_eq!(client.fetch("bounded", 0).await.error_code, ErrorCode::OFFSET_OUT_OF_RANGE.0);
        assert_eq!(
            client.fetch("bounded", 99).await.log_start_offset,
            99,
            "the size is kept by dropping the oldest"
        );
    });
}

#[test]
fn topics_appear_when_asked_for_if_that_is_allowed() {
    run(|builder| async move {
        let ask = |name: &str, may_create| {
            let wanted = MetadataRequestTopic::default().with_name(Some(topic(name)));
            MetadataRequest::default()
                .with_topics(Some(vec![wanted]))
                .with_allow_auto_topic_creation(may_create)
        };
        let mut client = Client::new(&builder.clone().partitions_default(3).build());
        let unknown = client.call(9, ask("t", false)).await;
        assert_eq!(unknown.topics[0].error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0);
        assert_eq!(client.call(9, ask("t", true)).await.topics[0].partitions.len(), 3);
        assert_eq!(client.call(9, ask("t", false)).await.topics[0].partitions.len(), 3);
        assert_eq!(
            client.call(9, ask("a b", true)).await.topics[0].error_code,
            ErrorCode::INVALID_TOPIC_EXCEPTION.0
        );
        let mut client = Client::new(&builder.auto_create_topics(false).build());
        let refused = client.call(9, ask("t", true)).await;
        assert_eq!(refused.topics[0].error_code, ErrorCode::UNKNOWN_TOPIC_OR_PARTITION.0);
    });
}

#[test]
fn nodes_lead_their_own_partitions_only() {
    run(|builder| async move {
        let broker = builder.node_count(3).build();
        let mut client = Client::new(&broker);
        client.create_topic("t", 3, &[]).await;
        let metadata = client.call(12, MetadataRequest::default().with_topics(None)).await;
        assert_eq!(metadata.brokers.len(), 3);
        let leaders: Vec<i32> = metadata.topics[0].partitions.iter().map(|p| p.leader_id.0).collect();
        assert_eq!(leaders, [1, 2, 3]);
        let mut request = produce_request("t", plain(1));
        request.topic_data[0].partition_data[0].index = 1;
        let refused = client.call(10, request.clone()).await;
        let partition = &refused.responses[0].partition_responses[0];
        assert_eq!(partition.error_code, ErrorCode::NOT_LEADER_OR_FOLLOWER.0);
        assert_eq!((partition.current_leader.leader_id.0, refused.node_endpoints.len()), (2, 3));
        let produced = call_node(&broker, 2, request).await;
        assert_eq!(produced, 0);
    });
}

async fn call_node(broker: &Broker, node_id: i32, request: ProduceRequest) -> i16 {
    let mut client = Client::new(broker);
    client.stream = broker.connect_to(node_id);
    client.call(10, request).await.responses[0].partition_responses[0].error_code
}
